//! The servers of a database: who lives, since when, with which engines.
//!
//! A row is what its server says of itself, with the time at which it last did on the clock that all
//! of them share. It gives no right: what a server may write about a task is its lease's to say.

use crate::db::params;
use crate::{Error, Notice, Reader, Tx};
use domain::Timestamp;
use domain::access::System;
use domain::server::{Server, ServerState};

/// How long the row of a server that has not been seen is kept.
const KEPT_MS: i64 = 3_600_000;

/// Writes down that a server lives. The first time is news to the others.
///
/// # Errors
/// Those of the database.
pub fn beat(tx: &mut Tx<'_>, _: System, server: &Server) -> Result<(), Error> {
    let seen = tx.execute(
        "update servers set state = $2, seen_at = $3 where id = $1",
        &params![&server.id, server.state.as_str(), server.seen_at],
    )?;
    if seen == 1 {
        return Ok(());
    }
    tx.execute(
        "insert into servers (id, version, state, started_at, seen_at) values ($1, $2, $3, $4, $5)",
        &params![
            &server.id,
            &server.version,
            server.state.as_str(),
            server.started_at,
            server.seen_at
        ],
    )?;
    for engine in &server.engines {
        tx.execute(
            "insert into server_engines (server_id, engine) values ($1, $2)",
            &params![&server.id, engine],
        )?;
    }
    tx.notify(Notice::Servers);
    Ok(())
}

/// Every server of which something is known, the youngest first.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Reader<'_>, _: System) -> Result<Vec<Server>, Error> {
    let mut servers = conn.all(
        "select id, version, state, started_at, seen_at from servers order by started_at desc, id",
        &[],
        |r| {
            Ok(Server {
                id: r.text()?,
                version: r.text()?,
                state: r.named(ServerState::parse)?,
                started_at: r.time()?,
                seen_at: r.time()?,
                engines: Vec::new(),
            })
        },
    )?;
    let engines = conn.all(
        "select server_id, engine from server_engines order by server_id, engine",
        &[],
        |r| Ok((r.text()?, r.text()?)),
    )?;
    for (id, engine) in engines {
        if let Some(server) = servers.iter_mut().find(|s| s.id == id) {
            server.engines.push(engine);
        }
    }
    Ok(servers)
}

/// How many other servers were seen since a time and have not ended since.
///
/// # Errors
/// Those of the database.
pub fn others(conn: &mut Reader<'_>, _: System, id: &str, since: Timestamp) -> Result<u64, Error> {
    conn.one(
        "select count(*) from servers where id <> $1 and state <> 'stopped' and seen_at > $2",
        &params![id, since],
        |r| r.int(),
    )
    .map(|n| n.unwrap_or_default().unsigned_abs())
}

/// Removes the rows of servers that were not seen for long.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, system: System, now: Timestamp) -> Result<(), Error> {
    forget_before(tx, system, now.plus_ms(-KEPT_MS))
}

/// Removes the row of a server that is certainly gone and has a successor: no task waits for it.
///
/// # Errors
/// Those of the database.
pub fn succeed(tx: &mut Tx<'_>, _: System, id: &str) -> Result<(), Error> {
    tx.execute(
        "delete from server_engines where server_id = $1",
        &params![id],
    )?;
    tx.execute("delete from servers where id = $1", &params![id])?;
    Ok(())
}

/// Removes the rows of all servers: for the start of the one server of its database.
///
/// # Errors
/// Those of the database.
pub fn forget_all(tx: &mut Tx<'_>, system: System) -> Result<(), Error> {
    forget_before(tx, system, Timestamp(i64::MAX))
}

fn forget_before(tx: &mut Tx<'_>, _: System, before: Timestamp) -> Result<(), Error> {
    tx.execute(
        "delete from server_engines
         where server_id in (select id from servers where seen_at <= $1)",
        &params![before],
    )?;
    tx.execute("delete from servers where seen_at <= $1", &params![before])?;
    Ok(())
}
