//! Who has sent tasks lately: each client by what it calls itself, whose tasks they are, and its key.

use crate::db::{Select, params};
use crate::{Error, Reader};
use domain::access::{Channel, Scope};
use domain::{AccountId, KeyId, TaskId, Timestamp};

/// What one client has sent for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenClient {
    /// What it calls itself; may be empty.
    pub client: String,
    /// Through what its tasks came.
    pub channel: Channel,
    /// Whose tasks they are.
    pub account_id: AccountId,
    /// The API key it came with.
    pub key_id: Option<KeyId>,
    /// How many tasks.
    pub tasks: u64,
    /// How many of them have not ended.
    pub open: u64,
    /// How many approvals of theirs are pending.
    pub pending: u64,
    /// How many calls the tasks of the last day have made.
    pub calls: u64,
    /// When the first of them was submitted.
    pub first_at: Timestamp,
    /// When the last was.
    pub last_at: Timestamp,
}

/// Who has sent tasks to the workspace at `since` or later, the latest first. Calls are counted of the
/// tasks that were submitted at `day` or later.
///
/// # Errors
/// Those of the database.
pub fn clients(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
    (since, day): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<SeenClient>, Error> {
    let mut select = Select::new(
        "select tasks.client, tasks.channel, tasks.account_id, tasks.key_id, count(*),
                sum(case when tasks.state in ('queued', 'running', 'suspended') then 1 else 0 end),
                cast(sum((select count(*) from approvals
                          where approvals.task_id = tasks.id
                            and approvals.status = 'pending')) as bigint),
                cast(sum(case when tasks.created_at >= $2
                         then (select count(*) from calls where calls.task_id = tasks.id)
                         else 0 end) as bigint),
                min(tasks.created_at), max(tasks.created_at)
         from tasks
         where tasks.workspace_id = $1"
            .to_owned(),
        params![scope.workspace_id(), day],
    )
    .and("tasks.created_at >= ?", params![since]);
    if let Some(account) = account {
        select = select.and("tasks.account_id = ?", params![account]);
    }
    let order = "group by tasks.client, tasks.channel, tasks.account_id, tasks.key_id
         order by max(tasks.created_at) desc, tasks.client, tasks.account_id";
    select.all(conn, order, limit, |r| {
        Ok(SeenClient {
            client: r.text()?,
            channel: r.named(Channel::parse)?,
            account_id: r.id()?,
            key_id: r.opt_id()?,
            tasks: r.int()?.unsigned_abs(),
            open: r.int()?.unsigned_abs(),
            pending: r.int()?.unsigned_abs(),
            calls: r.int()?.unsigned_abs(),
            first_at: r.time()?,
            last_at: r.time()?,
        })
    })
}

/// Whom a person means by a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientName {
    /// Whatever comes with this key.
    Key(KeyId),
    /// What calls itself so, for one person and over one way in.
    SaysOfItself {
        /// What it calls itself; may be empty.
        client: String,
        /// Through what its tasks come.
        channel: Channel,
        /// Whose tasks they are.
        account: AccountId,
    },
}

/// Tasks of a client that have not ended, in the order of their identifiers after one of them; of one
/// person alone if one is given.
///
/// # Errors
/// Those of the database.
pub fn open_of_client(
    conn: &mut Reader<'_>,
    scope: &Scope,
    (client, person): (&ClientName, Option<&AccountId>),
    after: Option<&TaskId>,
    limit: u32,
) -> Result<Vec<TaskId>, Error> {
    let mut select = Select::new(
        "select id
         from tasks
         where workspace_id = $1
           and state in ('queued', 'running', 'suspended')"
            .to_owned(),
        params![scope.workspace_id()],
    );
    select = match client {
        ClientName::Key(key) => select.and("key_id = ?", params![key]),
        ClientName::SaysOfItself {
            client,
            channel,
            account,
        } => select.and(
            "(client, channel, account_id) = (?, ?, ?)",
            params![client, channel.as_str(), account],
        ),
    };
    if let Some(person) = person {
        select = select.and("account_id = ?", params![person]);
    }
    if let Some(after) = after {
        select = select.and("id > ?", params![after]);
    }
    select.all(conn, "order by id", limit, |r| r.id())
}
