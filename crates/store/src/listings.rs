//! What each client of MCP was shown when it listed the tools last: so people see that one has come
//! before it sends its first task. Gives no right and decides nothing.
//!
//! Clients name themselves, so their number is bounded here.

use crate::db::{Select, params};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::{AccountId, KeyId, Timestamp};

/// Clients of one person that are kept at most: of more, those that listed last.
const KEPT_MAX: i64 = 100;

/// Which client is meant: by what it calls itself, for whom it comes, and with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lister {
    /// For whom it comes.
    pub account_id: AccountId,
    /// The API key it comes with, if it comes with one.
    pub key_id: Option<KeyId>,
    /// What it calls itself; may be empty.
    pub client: String,
}

/// What a client was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The client.
    pub lister: Lister,
    /// How many tools it was shown last.
    pub tools: u32,
    /// When it first listed them.
    pub first_at: Timestamp,
    /// When it last did, to an hour where nothing changed.
    pub last_at: Timestamp,
}

/// Notes that a client listed the tools, and forgets those of its person that did not since `since`.
///
/// # Errors
/// Those of the database.
pub fn note(
    tx: &mut Tx<'_>,
    scope: &Scope,
    lister: &Lister,
    tools: u32,
    (since, at): (Timestamp, Timestamp),
) -> Result<(), Error> {
    let (workspace, account) = (scope.workspace_id(), &lister.account_id);
    tx.execute(
        "insert into client_listings
             (workspace_id, account_id, key_id, client, tools, first_at, last_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict (workspace_id, account_id, key_id, client) do update
         set tools = excluded.tools, last_at = excluded.last_at",
        &params![
            workspace,
            account,
            key_text(lister),
            &lister.client,
            tools,
            at
        ],
    )?;
    tx.execute(
        "delete from client_listings
         where workspace_id = $1 and account_id = $2
           and (last_at < $3
                or last_at <= (select last_at from client_listings
                               where workspace_id = $1 and account_id = $2
                               order by last_at desc
                               limit 1 offset $4))",
        &params![workspace, account, since, KEPT_MAX],
    )?;
    Ok(())
}

fn key_text(lister: &Lister) -> &str {
    lister.key_id.as_ref().map_or("", KeyId::as_str)
}

/// What a client was shown, if it has listed the tools.
///
/// # Errors
/// Those of the database.
pub fn get(
    conn: &mut Reader<'_>,
    scope: &Scope,
    lister: &Lister,
) -> Result<Option<Listing>, Error> {
    conn.one(
        "select tools, first_at, last_at
         from client_listings
         where workspace_id = $1 and account_id = $2 and key_id = $3 and client = $4",
        &params![
            scope.workspace_id(),
            &lister.account_id,
            key_text(lister),
            &lister.client
        ],
        |r| {
            Ok(Listing {
                lister: lister.clone(),
                tools: r.u32()?,
                first_at: r.time()?,
                last_at: r.time()?,
            })
        },
    )
}

/// What clients were shown at `since` or later, the latest first; only those of one person, if one is
/// named.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Reader<'_>,
    scope: &Scope,
    account: Option<&AccountId>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Listing>, Error> {
    let mut select = Select::new(
        "select account_id, key_id, client, tools, first_at, last_at
         from client_listings
         where workspace_id = $1"
            .to_owned(),
        params![scope.workspace_id()],
    )
    .and("last_at >= ?", params![since]);
    if let Some(account) = account {
        select = select.and("account_id = ?", params![account]);
    }
    let order = "order by last_at desc, account_id, key_id, client";
    select.all(conn, order, limit, |r| {
        let account_id = r.id()?;
        let key = r.text()?;
        Ok(Listing {
            lister: Lister {
                account_id,
                key_id: KeyId::parse(&key).ok(),
                client: r.text()?,
            },
            tools: r.u32()?,
            first_at: r.time()?,
            last_at: r.time()?,
        })
    })
}
