//! What browsers are still to be told, and were told: one row for a browser and a question. What is
//! due at one browser goes together where it is too much, as with people that read webhooks.

use crate::db::{Row, params};
use crate::tenancy::held_back;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::push::{PushAbout, PushMessage};
use domain::{ApprovalId, PushId, Timestamp};

/// What goes into one message at most.
const TOGETHER_MAX: u32 = 200;

const MESSAGE: &str = "push_id, approval_id, about, due_at, attempts, created_at";

fn read(r: &mut Row<'_>) -> Result<PushMessage, Error> {
    Ok(PushMessage {
        push_id: r.id()?,
        approval_id: r.id()?,
        about: r.named(PushAbout::parse)?,
        due_at: r.time()?,
        attempts: r.u32()?,
        created_at: r.time()?,
    })
}

/// Writes down that a browser is to be told of a question; once more where it was told of it before.
///
/// # Errors
/// Those of the database.
pub fn enqueue(tx: &mut Tx<'_>, scope: &Scope, message: &PushMessage) -> Result<(), Error> {
    tx.execute(
        "insert into push_messages
             (organization_id, workspace_id, push_id, approval_id, about, state, due_at,
              claimed_until, attempts, created_at)
         values ($1, $2, $3, $4, $5, 'pending', $6, 0, $7, $8)
         on conflict (push_id, approval_id) do update
             set about = excluded.about, state = 'pending', due_at = excluded.due_at,
                 claimed_until = 0, attempts = push_messages.attempts + 1,
                 created_at = excluded.created_at",
        &params![
            scope.organization_id(),
            scope.workspace_id(),
            &message.push_id,
            &message.approval_id,
            message.about.as_str(),
            message.due_at,
            message.attempts,
            message.created_at,
        ],
    )?;
    Ok(())
}

/// Drops what nobody was told yet of a question that is over. What is under way stays, so that it is
/// known that a browser was told.
///
/// # Errors
/// Those of the database.
pub fn drop_untold(
    tx: &mut Tx<'_>,
    scope: &Scope,
    approval: &ApprovalId,
    now: Timestamp,
) -> Result<u64, Error> {
    tx.execute(
        "delete from push_messages
         where approval_id = $1 and workspace_id = $2 and state = 'pending'
           and claimed_until <= $3",
        &params![approval, scope.workspace_id(), now],
    )
}

/// Whether [`claim`] may find something: a look that keeps idle servers from writing.
///
/// # Errors
/// Those of the database.
pub fn claimable(conn: &mut Reader<'_>, _: System, now: Timestamp) -> Result<bool, Error> {
    let found = conn.one(
        &format!(
            "select m.push_id
             from push_messages m
             join push_subscriptions s on s.id = m.push_id
             where m.state = 'pending' and m.due_at <= $1 and m.claimed_until <= $1
               and s.rests_until <= $1 and s.holds_until <= $1 and not {}
             limit 1",
            held_back("m")
        ),
        &params![now],
        |r| r.text(),
    )?;
    Ok(found.is_some())
}

/// Hands the message that is due longest to a server, until `until`, and counts the try. Of one
/// browser one is under way at a time, and browsers that rest or were told enough are passed over.
///
/// # Errors
/// Those of the database.
pub fn claim(
    tx: &mut Tx<'_>,
    system: System,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<(Scope, PushMessage)>, Error> {
    tx.one(
        &format!(
            "update push_messages
             set claimed_until = $2, attempts = attempts + 1
             where (push_id, approval_id) in
                   (select m.push_id, m.approval_id from push_messages m
                    where m.state = 'pending' and m.due_at <= $1 and m.claimed_until <= $1
                      and exists (select 1 from push_subscriptions s
                                  where s.id = m.push_id and s.rests_until <= $1
                                    and s.holds_until <= $1)
                      and not exists (select 1 from push_messages f
                                      where f.push_id = m.push_id and f.state = 'pending'
                                        and f.claimed_until > $1)
                      and not {}
                    order by m.due_at, m.push_id, m.approval_id
                    limit 1
                    for update skip locked)
             returning {MESSAGE}, organization_id, workspace_id",
            held_back("m")
        ),
        &params![now, until],
        |r| {
            let message = read(r)?;
            Ok((system.scope(r.id()?, r.id()?), message))
        },
    )
}

/// What is due besides a message that was claimed.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// The one that was claimed.
    pub first: &'a PushMessage,
    /// The present.
    pub now: Timestamp,
}

/// Claims what else is due at the browser of a message, until a time, and counts the try; the longest
/// due first. Nothing, and nothing is claimed, unless there are so many at least.
///
/// # Errors
/// Those of the database.
pub fn due_of(
    tx: &mut Tx<'_>,
    scope: &Scope,
    due: Due<'_>,
    at_least: usize,
    until: Timestamp,
) -> Result<Vec<PushMessage>, Error> {
    let Due { first, now } = due;
    let others = "push_id = $1 and workspace_id = $2 and approval_id <> $3 and state = 'pending' \
                  and due_at <= $4 and claimed_until <= $4";
    let counted = tx.one(
        &format!("select count(*) from push_messages where {others}"),
        &params![
            &first.push_id,
            scope.workspace_id(),
            &first.approval_id,
            now
        ],
        |r| r.u32(),
    )?;
    let counted = usize::try_from(counted.unwrap_or(0)).unwrap_or(usize::MAX);
    if counted == 0 || counted < at_least {
        return Ok(Vec::new());
    }
    let mut claimed = tx.all(
        &format!(
            "update push_messages
             set claimed_until = $5, attempts = attempts + 1
             where push_id = $1
               and approval_id in (select approval_id from push_messages
                                   where {others}
                                   order by due_at, approval_id
                                   limit $6
                                   for update skip locked)
             returning {MESSAGE}"
        ),
        &params![
            &first.push_id,
            scope.workspace_id(),
            &first.approval_id,
            now,
            until,
            TOGETHER_MAX
        ],
        read,
    )?;
    claimed.sort_by(|a, b| (a.created_at, &a.approval_id).cmp(&(b.created_at, &b.approval_id)));
    Ok(claimed)
}

/// Puts off, until a time, everything that is due at the browser of a message that was claimed, and
/// takes the claim and its try back: nothing was told.
///
/// # Errors
/// Those of the database.
pub fn postpone(
    tx: &mut Tx<'_>,
    scope: &Scope,
    due: Due<'_>,
    until: Timestamp,
) -> Result<u64, Error> {
    let Due { first, now } = due;
    tx.execute(
        "update push_messages
         set due_at = $5, claimed_until = 0,
             attempts = case when approval_id = $3 then attempts - 1 else attempts end
         where push_id = $1 and workspace_id = $2 and state = 'pending' and due_at <= $4
           and (approval_id = $3 or claimed_until <= $4)",
        &params![
            &first.push_id,
            scope.workspace_id(),
            &first.approval_id,
            now,
            until
        ],
    )
}

/// Makes due at once what was put off and never tried: the browser's hours were changed.
///
/// # Errors
/// Those of the database.
pub fn release(tx: &mut Tx<'_>, scope: &Scope, id: &PushId, now: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "update push_messages
         set due_at = $3
         where push_id = $1 and workspace_id = $2 and state = 'pending' and due_at > $3
           and attempts = 0",
        &params![id, scope.workspace_id(), now],
    )
}

/// Writes down that a message was told. Only if nobody else has tried since (`message.attempts` is the
/// try's number); false then.
///
/// # Errors
/// Those of the database.
pub fn settle(tx: &mut Tx<'_>, scope: &Scope, message: &PushMessage) -> Result<bool, Error> {
    let told = tx.execute(
        "update push_messages
         set state = 'told', claimed_until = 0
         where push_id = $1 and approval_id = $2 and workspace_id = $3 and attempts = $4
           and state = 'pending'",
        &params![
            &message.push_id,
            &message.approval_id,
            scope.workspace_id(),
            message.attempts
        ],
    )?;
    Ok(told == 1)
}

/// Writes down that a try failed: it is tried again at a time, or, given none, never. Only if nobody
/// else has tried since; false then.
///
/// # Errors
/// Those of the database.
pub fn tried(
    tx: &mut Tx<'_>,
    scope: &Scope,
    message: &PushMessage,
    again_at: Option<Timestamp>,
) -> Result<bool, Error> {
    let which = "push_id = $1 and approval_id = $2 and workspace_id = $3 and attempts = $4 \
                 and state = 'pending'";
    let of = params![
        &message.push_id,
        &message.approval_id,
        scope.workspace_id(),
        message.attempts
    ];
    let changed = match again_at {
        None => tx.execute(&format!("delete from push_messages where {which}"), &of)?,
        Some(at) => {
            let [push, approval, workspace, attempts] = of;
            let values = [push, approval, workspace, attempts, at.into()];
            let sql =
                format!("update push_messages set due_at = $5, claimed_until = 0 where {which}");
            tx.execute(&sql, &values)?
        }
    };
    Ok(changed == 1)
}

/// Questions that a browser was told of and that are over, some of them: what it shows of them can be
/// taken away.
///
/// # Errors
/// Those of the database.
pub fn over(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &PushId,
    limit: u32,
) -> Result<Vec<ApprovalId>, Error> {
    conn.all(
        "select m.approval_id from push_messages m
         where m.push_id = $1 and m.workspace_id = $2 and m.state = 'told'
           and not exists (select 1 from approvals a
                           where a.id = m.approval_id and a.status = 'pending')
         order by m.created_at desc, m.approval_id
         limit $3",
        &params![id, scope.workspace_id(), limit],
        |r| r.id(),
    )
}

/// Forgets that a browser was told of questions that are over, once it knows.
///
/// # Errors
/// Those of the database.
pub fn forget_over(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &PushId,
    over: &[ApprovalId],
) -> Result<(), Error> {
    for approval in over {
        tx.execute(
            "delete from push_messages
             where push_id = $1 and approval_id = $2 and workspace_id = $3 and state = 'told'",
            &params![id, approval, scope.workspace_id()],
        )?;
    }
    Ok(())
}

/// Questions that still wait of those that a browser was told of or is to be told of, the soonest to
/// expire first.
///
/// # Errors
/// Those of the database.
pub fn waiting(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &PushId,
    now: Timestamp,
) -> Result<Vec<ApprovalId>, Error> {
    conn.all(
        "select a.id from push_messages m
         join approvals a on a.id = m.approval_id and a.workspace_id = m.workspace_id
         where m.push_id = $1 and m.workspace_id = $2 and a.status = 'pending'
           and a.expires_at > $3
         order by a.expires_at, a.id",
        &params![id, scope.workspace_id(), now],
        |r| r.id(),
    )
}

/// Forgets what was told, or left over, before a time; answers how much.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, _: System, before: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from push_messages where created_at < $1 and claimed_until < $1",
        &params![before],
    )
}
