//! The audit chain of an organization: written with the change it tells of, never altered.
//!
//! Whoever appends holds the organization's head row until the commit, so the chain has no fork; that
//! is done at the end of a transaction: see `appended`.

use crate::db::{Param, Row, Select, params};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::audit::{AuditDraft, AuditEntry, GENESIS, Origin};
use domain::{AccountId, KeyId, Timestamp};

pub mod checkpoints;

/// Puts an entry at the end of the chain. It has its place there when the transaction is durable; the
/// transaction itself does not see it.
///
/// # Errors
/// None today; those of the database come with the commit.
pub fn append(tx: &mut Tx<'_>, scope: &Scope, draft: AuditDraft) -> Result<(), Error> {
    tx.appended().entry(scope.organization_id(), draft);
    Ok(())
}

const COLUMNS: &str = "sequence, organization_id, form, id, workspace_id, account_id, via, client, \
     key_id, address, request_id, action, subject, detail, at, previous_hash, hash";

fn read(r: &mut Row<'_>) -> Result<AuditEntry, Error> {
    Ok(AuditEntry {
        sequence: r.int()?,
        organization_id: r.id()?,
        form: r.u32()?,
        draft: AuditDraft {
            id: r.id()?,
            workspace_id: r.id()?,
            account_id: r.opt_id()?,
            via: r.text()?,
            origin: Origin {
                client: r.text()?,
                key_id: r.opt_id()?,
                address: r.opt_text()?,
                request_id: r.opt_text()?,
            },
            action: r.text()?,
            subject: r.text()?,
            detail: r.text()?,
            at: r.time()?,
        },
        previous_hash: r.text()?,
        hash: r.text()?,
    })
}

/// The chain after a place, in order: the whole organization's, because no part can be verified.
///
/// # Errors
/// Those of the database.
pub fn page(
    conn: &mut Reader<'_>,
    scope: &Scope,
    after_sequence: i64,
    limit: u32,
) -> Result<Vec<AuditEntry>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS} from audit
             where organization_id = $1 and sequence > $2
             order by sequence
             limit $3"
        ),
        &params![scope.organization_id(), after_sequence, limit],
        read,
    )
}

/// The place and hash of the last entry, as the chain's head has it: entries cut off the end show
/// by it. Place 0 before the first.
///
/// # Errors
/// Those of the database.
pub fn head(conn: &mut Reader<'_>, scope: &Scope) -> Result<(i64, String), Error> {
    conn.one(
        "select audit_sequence, audit_hash from organization_heads where organization_id = $1",
        &params![scope.organization_id()],
        |r| Ok((r.int()?, r.text()?)),
    )
    .map(|head| head.unwrap_or_else(|| (0, GENESIS.to_owned())))
}

/// Which entries to list. What is absent does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What their action begins with.
    pub action_prefix: Option<String>,
    /// What they are about.
    pub subject: Option<String>,
    /// Who did it: a person's account.
    pub account_id: Option<AccountId>,
    /// The API key it was done with.
    pub key_id: Option<KeyId>,
    /// Through what: a channel's name, or `server`.
    pub via: Option<String>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// A text in action, subject, client or detail, whatever its case.
    pub text: Option<String>,
    /// Only those before this place.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// The entries of the workspace that fit a filter, the newest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    filter: &AuditFilter,
) -> Result<Vec<AuditEntry>, Error> {
    let mut select = Select::new(
        format!("select {COLUMNS} from audit where organization_id = $1 and workspace_id = $2"),
        params![scope.organization_id(), scope.workspace_id()],
    );
    if let Some(prefix) = &filter.action_prefix {
        let length = Param::from(prefix.chars().count() as u64);
        select = select.and("substr(action, 1, ?) = ?", [length, Param::from(prefix)]);
    }
    let equal: [(&str, Option<Param<'_>>); 6] = [
        ("subject = ?", filter.subject.as_ref().map(Param::from)),
        (
            "account_id = ?",
            filter.account_id.as_ref().map(Param::from),
        ),
        ("key_id = ?", filter.key_id.as_ref().map(Param::from)),
        ("via = ?", filter.via.as_ref().map(Param::from)),
        ("at >= ?", filter.from.map(Param::from)),
        ("at < ?", filter.to.map(Param::from)),
    ];
    for (condition, value) in equal {
        if let Some(value) = value {
            select = select.and(condition, [value]);
        }
    }
    if let Some(text) = &filter.text {
        let pattern = Param::from(format!("%{}%", escaped(text)));
        let like = |column: &str| format!("lower({column}) like lower(?) escape '!'");
        let columns = ["action", "subject", "client", "detail"].map(like);
        select = select.and(
            &format!("({})", columns.join(" or ")),
            std::iter::repeat_n(pattern, columns.len()),
        );
    }
    if let Some(before) = filter.before {
        select = select.and("sequence < ?", params![before]);
    }
    select.all(conn, "order by sequence desc", filter.limit, read)
}

/// A text that `like` takes for itself, under the escape `!`.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let mark = matches!(c, '%' | '_' | '!').then_some('!');
            mark.into_iter().chain([c])
        })
        .collect()
}
