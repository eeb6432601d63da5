//! Recorded calls of a workspace, newest tasks first, each with everything that its decision looked
//! at: what a changed policy is tried on. Their outcomes are not read.

use crate::db::{Row, Select, params};
use crate::values::{self, Whole};
use crate::{Error, Reader};
use domain::access::{Channel, Scope};
use domain::tenancy::Role;
use domain::tool::Risk;
use domain::{AccountId, CallId, KeyId, RuleId, TaskId, Timestamp};

/// A call as it was recorded, with the person and client of its task.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its task.
    pub task_id: TaskId,
    /// When the task was submitted.
    pub submitted_at: Timestamp,
    /// Its number in the task.
    pub sequence: u32,
    /// Its identifier.
    pub call_id: CallId,
    /// The tool's path.
    pub tool: String,
    /// The tool's risk then.
    pub risk: Risk,
    /// Canonical arguments, as JSON text.
    pub arguments: String,
    /// Their digest.
    pub arguments_digest: String,
    /// What was decided: `allow`, `ask` or `deny`.
    pub decision: String,
    /// The rule that decided.
    pub rule_id: Option<RuleId>,
    /// The person whose task it is.
    pub account_id: AccountId,
    /// That person's role then.
    pub role: Role,
    /// What the client calls itself.
    pub client: String,
    /// The API key the task came in with.
    pub key_id: Option<KeyId>,
    /// Through what the task came in.
    pub channel: Channel,
    /// What people said when they were asked whether it may be sent.
    pub answer: Option<PersonsAnswer>,
}

/// What people said to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonsAnswer {
    /// It may be sent.
    Approved,
    /// It may not.
    Denied,
}

impl PersonsAnswer {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Approved, Self::Denied]
            .into_iter()
            .find(|answer| answer.as_str() == text)
    }
}

/// Which calls to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedFilter {
    /// Only of this person's tasks.
    pub account: Option<AccountId>,
    /// Only of tasks submitted at this time or later.
    pub since: Option<Timestamp>,
    /// Only after this one in the order of the list: its task's time and identifier, its number.
    pub after: Option<(Timestamp, TaskId, u32)>,
    /// How many at most.
    pub limit: u32,
}

fn read(r: &mut Row<'_>) -> Result<Recorded, Error> {
    Ok(Recorded {
        task_id: r.id()?,
        submitted_at: r.time()?,
        sequence: r.u32()?,
        call_id: r.id()?,
        tool: r.text()?,
        risk: r.named(Risk::parse)?,
        arguments: r.text()?,
        arguments_digest: r.text()?,
        decision: r.text()?,
        rule_id: r.opt_id()?,
        account_id: r.id()?,
        role: r.named(Role::parse)?,
        client: r.text()?,
        key_id: r.opt_id()?,
        channel: r.named(Channel::parse)?,
        answer: r.opt_text()?.as_deref().and_then(PersonsAnswer::parse),
    })
}

/// Calls that were decided about, those of the newest tasks first.
///
/// # Errors
/// Those of the database.
pub fn calls(
    conn: &mut Reader<'_>,
    scope: &Scope,
    filter: &RecordedFilter,
) -> Result<Vec<Recorded>, Error> {
    let mut select = Select::new(
        "select tasks.id, tasks.created_at, calls.sequence, calls.id, calls.tool, calls.risk,
                calls.arguments, calls.arguments_digest, calls.decision, calls.rule_id,
                tasks.account_id, tasks.role, tasks.client, tasks.key_id, tasks.channel,
                (select approvals.status
                 from approvals
                 where approvals.task_id = calls.task_id
                   and approvals.sequence = calls.sequence
                   and approvals.question = 'send'
                   and approvals.answered_by is not null
                 order by approvals.created_at desc
                 limit 1)
         from tasks
         join calls on calls.task_id = tasks.id
         where tasks.workspace_id = $1
           and calls.decision <> 'none'"
            .to_owned(),
        params![scope.workspace_id()],
    );
    if let Some(account) = &filter.account {
        select = select.and("tasks.account_id = ?", params![account]);
    }
    if let Some(since) = filter.since {
        select = select.and("tasks.created_at >= ?", params![since]);
    }
    if let Some((at, id, sequence)) = &filter.after {
        // The first condition is implied by the second; it is the one an index serves.
        select = select
            .and("(tasks.created_at, tasks.id) <= (?, ?)", params![*at, id])
            .and(
                "((tasks.created_at, tasks.id) < (?, ?) or calls.sequence > ?)",
                params![*at, id, *sequence],
            );
    }
    let order = "order by tasks.created_at desc, tasks.id desc, calls.sequence";
    let found = select.all(conn, order, filter.limit, read)?;
    let mut large = Whole::of(scope.workspace_id());
    found
        .into_iter()
        .map(|call| {
            Ok(Recorded {
                arguments_digest: values::digest(&call.arguments, call.arguments_digest),
                arguments: large.sound(conn, call.arguments)?,
                ..call
            })
        })
        .collect()
}

/// How often a rule decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleUse {
    /// The rule; it may have been removed since.
    pub rule_id: RuleId,
    /// Calls that it decided.
    pub calls: u64,
    /// When it last did.
    pub last_at: Timestamp,
}

/// Rules that one answer tells of at most.
const RULE_USES_MAX: u32 = 10_000;

/// How often each rule decided a call of the workspace, of those made at `since` or later. For all
/// accounts it is read from an index alone.
///
/// # Errors
/// Those of the database.
pub fn rule_uses(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
    since: Timestamp,
) -> Result<Vec<RuleUse>, Error> {
    let mut select = Select::new(
        "select calls.rule_id, count(*), max(calls.started_at)
         from calls
         where calls.workspace_id = $1
           and calls.rule_id is not null"
            .to_owned(),
        params![scope.workspace_id()],
    )
    .and("calls.started_at >= ?", params![since]);
    if let Some(account) = account {
        select = select.and(
            "exists (select 1 from tasks where tasks.id = calls.task_id and tasks.account_id = ?)",
            params![account],
        );
    }
    let order = "group by calls.rule_id order by calls.rule_id";
    select.all(conn, order, RULE_USES_MAX, |r| {
        Ok(RuleUse {
            rule_id: r.id()?,
            calls: r.int()?.unsigned_abs(),
            last_at: r.time()?,
        })
    })
}
