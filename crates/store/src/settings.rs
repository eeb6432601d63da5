//! The settings of a workspace, kept as one JSON text.

use crate::db::{json, params};
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::settings::Settings;

/// What is set in the workspace; the defaults where nothing is.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope) -> Result<Settings, Error> {
    let found = conn.one(
        "select settings from workspaces where id = $1",
        &params![scope.workspace_id()],
        |r| r.json(),
    )?;
    Ok(found.unwrap_or_default())
}

/// The same, for whoever is about to change it: until the transaction ends nobody else does.
///
/// # Errors
/// Those of the database.
pub fn get_to_change(tx: &mut Tx<'_>, scope: &Scope) -> Result<Settings, Error> {
    let found = tx.one(
        "select settings from workspaces where id = $1 for update",
        &params![scope.workspace_id()],
        |r| r.json(),
    )?;
    Ok(found.unwrap_or_default())
}

/// Replaces what is set in the workspace.
///
/// # Errors
/// Those of the database.
pub fn set(tx: &mut Tx<'_>, scope: &Scope, settings: &Settings) -> Result<(), Error> {
    tx.execute(
        "update workspaces set settings = $2 where id = $1",
        &params![scope.workspace_id(), json(settings)?],
    )?;
    Ok(())
}
