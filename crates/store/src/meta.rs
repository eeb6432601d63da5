//! A few facts about the installation itself: the master key's check value, leases.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::System;

/// A fact by its name.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, _: System, name: &str) -> Result<Option<String>, Error> {
    conn.one(
        "select value from meta where name = $1",
        &params![name],
        |r| r.text(),
    )
}

/// Sets or replaces a fact.
///
/// # Errors
/// Those of the database.
pub fn set(tx: &mut Tx<'_>, _: System, name: &str, value: &str) -> Result<(), Error> {
    tx.execute(
        "insert into meta (name, value)
         values ($1, $2)
         on conflict (name) do update set value = excluded.value",
        &params![name, value],
    )?;
    Ok(())
}

/// Sets a fact unless it is set; false if somebody was first. For what several servers make at
/// once and only one may have made.
///
/// # Errors
/// Those of the database.
pub fn set_first(tx: &mut Tx<'_>, _: System, name: &str, value: &str) -> Result<bool, Error> {
    let set = tx.execute(
        "insert into meta (name, value)
         values ($1, $2)
         on conflict (name) do nothing",
        &params![name, value],
    )?;
    Ok(set == 1)
}

/// Forgets a fact.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, _: System, name: &str) -> Result<(), Error> {
    tx.execute("delete from meta where name = $1", &params![name])?;
    Ok(())
}

/// Forgets every fact whose name begins like this.
///
/// # Errors
/// Those of the database.
pub fn remove_all(tx: &mut Tx<'_>, _: System, prefix: &str) -> Result<(), Error> {
    let length = prefix.chars().count() as u64;
    tx.execute(
        "delete from meta where substr(name, 1, $1) = $2",
        &params![length, prefix],
    )?;
    Ok(())
}

/// Replaces a fact if it is what it is taken for; false if it is not. Of several who do so at once one
/// succeeds.
///
/// # Errors
/// Those of the database.
pub fn swap(tx: &mut Tx<'_>, _: System, name: &str, from: &str, to: &str) -> Result<bool, Error> {
    let swapped = tx.execute(
        "update meta set value = $3 where name = $1 and value = $2",
        &params![name, from, to],
    )?;
    Ok(swapped == 1)
}
