//! What the calls of one tool came to: of each that has ended only what is counted, with the client of
//! its task. Arguments and outcomes are not read, so that thousands of calls are looked through quickly.

use crate::db::params;
use crate::{Error, Reader};
use domain::access::{Channel, Scope};
use domain::approval::Previous;
use domain::task::Task;
use domain::{AccountId, TaskId, Timestamp};

/// A call that has ended, as far as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCall {
    /// Its task.
    pub task_id: TaskId,
    /// Its number in the task.
    pub sequence: u32,
    /// `succeeded`, `failed` or `denied`.
    pub status: String,
    /// What was decided: `allow`, `ask` or `deny`; `none` where it was refused before policy was asked.
    pub decision: String,
    /// When it was sent; absent where nothing of it left.
    pub sent_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Whose task it is of.
    pub account_id: AccountId,
    /// What the client of the task calls itself; may be empty.
    pub client: String,
    /// Through what the task came.
    pub channel: Channel,
}

impl EndedCall {
    /// How long it took from when it was sent, in milliseconds; none where nothing of it left.
    #[must_use]
    pub fn took_ms(&self) -> Option<u64> {
        let ms = self.finished_at.0 - self.sent_at?.0;
        Some(ms.max(0).unsigned_abs())
    }
}

/// Which calls to look through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked<'a> {
    /// The path of the tool, as it is recorded with calls.
    pub tool: &'a str,
    /// Only calls that ended at this time or later.
    pub since: Timestamp,
    /// Only the latest so many of the workspace's, whosever they are.
    pub calls_max: u32,
}

/// The calls of a tool that have ended, the latest first, and of one person alone if one is given.
/// What is looked through is found by an index and is bounded before anything is joined to it.
///
/// # Errors
/// Those of the database.
pub fn ended(
    conn: &mut Reader<'_>,
    scope: &Scope,
    looked: Looked<'_>,
    account: Option<&AccountId>,
) -> Result<Vec<EndedCall>, Error> {
    conn.all(
        "select ended.task_id, ended.sequence, ended.status, ended.decision, ended.sent_at,
                ended.finished_at, tasks.account_id, tasks.client, tasks.channel
         from (select task_id, sequence, status, decision, sent_at, finished_at
               from calls
               where workspace_id = $1
                 and tool = $2
                 and finished_at is not null
                 and finished_at >= $3
               order by finished_at desc
               limit $4) as ended
         join tasks on tasks.id = ended.task_id
         where tasks.account_id = $5
            or $5 is null
         order by ended.finished_at desc, ended.task_id desc, ended.sequence desc",
        &params![
            scope.workspace_id(),
            looked.tool,
            looked.since,
            looked.calls_max,
            account,
        ],
        |r| {
            Ok(EndedCall {
                task_id: r.id()?,
                sequence: r.u32()?,
                status: r.text()?,
                decision: r.text()?,
                sent_at: r.opt_time()?,
                finished_at: r.time()?,
                account_id: r.id()?,
                client: r.text()?,
                channel: r.named(Channel::parse)?,
            })
        },
    )
}

/// The time at which the oldest of the calls that are looked through ended, where there are more of
/// them; none where all since then are looked through. Read from the index alone.
///
/// # Errors
/// Those of the database.
pub fn cut_at(
    conn: &mut Reader<'_>,
    scope: &Scope,
    looked: Looked<'_>,
) -> Result<Option<Timestamp>, Error> {
    let mut found = conn.all(
        "select finished_at
         from calls
         where workspace_id = $1
           and tool = $2
           and finished_at is not null
           and finished_at >= $3
         order by finished_at desc
         limit 2 offset $4",
        &params![
            scope.workspace_id(),
            looked.tool,
            looked.since,
            looked.calls_max.saturating_sub(1),
        ],
        |r| r.time(),
    )?;
    let is_cut = found.len() == 2;
    found.truncate(1);
    Ok(found.pop().filter(|_| is_cut))
}

/// Calls of a tool that are looked through for one that was sent before.
const BEFORE_MAX: u32 = 200;

/// What is known of a tool's use before a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The call that the same client last sent for the same person.
    pub previous: Option<Previous>,
    /// Whether anybody has sent one.
    pub by_anybody: bool,
}

/// Which call of the tool the client of a task last sent for the same person, among the latest 200 of
/// the workspace that have ended, and whether any was sent at all. A key says for certain who comes with
/// it; without one, a client is what it calls itself.
///
/// # Errors
/// Those of the database.
pub fn before(
    conn: &mut Reader<'_>,
    scope: &Scope,
    tool: &str,
    task: &Task,
) -> Result<Before, Error> {
    let key = task.key_id.as_ref();
    let found = conn.all(
        "select ended.task_id, ended.sequence,
                case when tasks.account_id = $4
                      and tasks.client = $5
                      and coalesce(tasks.key_id, '') = coalesce($6, '') then 1 else 0 end
         from (select task_id, sequence, sent_at, finished_at
               from calls
               where workspace_id = $1
                 and tool = $2
                 and finished_at is not null
               order by finished_at desc
               limit $3) as ended
         join tasks on tasks.id = ended.task_id
         where ended.sent_at is not null
         order by case when tasks.account_id = $4
                        and tasks.client = $5
                        and coalesce(tasks.key_id, '') = coalesce($6, '') then 0 else 1 end,
                  ended.finished_at desc, ended.task_id desc, ended.sequence desc
         limit 1",
        &params![
            scope.workspace_id(),
            tool,
            BEFORE_MAX,
            &task.account_id,
            &task.client,
            key,
        ],
        |r| {
            let call = Previous {
                task_id: r.id()?,
                sequence: r.u32()?,
            };
            Ok((call, r.int()? == 1))
        },
    )?;
    Ok(match found.into_iter().next() {
        None => Before {
            previous: None,
            by_anybody: false,
        },
        Some((call, is_own)) => Before {
            previous: is_own.then_some(call),
            by_anybody: true,
        },
    })
}
