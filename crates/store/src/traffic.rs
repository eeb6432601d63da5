//! What calls of sources came to, one row for each source and hour. Written now and then from what a
//! server has counted; several servers add to one row.

use crate::db::{json, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::source::Traffic;
use domain::{SourceId, Timestamp};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

/// Adds what was counted to the hour of an instant. Of a source that is gone nothing is kept.
///
/// # Errors
/// Those of the database.
pub fn add(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    at: Timestamp,
    counted: &Traffic,
) -> Result<(), Error> {
    let workspace = scope.workspace_id();
    // The row of the source stands for its hours, so that two servers add one after the other.
    let there = tx.one(
        "select id from sources where id = $1 and workspace_id = $2 for update",
        &params![id, workspace],
        |r| r.text(),
    )?;
    if there.is_none() {
        return Ok(());
    }
    let hour = at.0.div_euclid(HOUR_MS);
    let before: Option<Traffic> = tx.one(
        "select traffic
         from source_traffic
         where source_id = $1 and hour = $2 and workspace_id = $3",
        &params![id, hour, workspace],
        |r| r.json(),
    )?;
    let both = before.unwrap_or_default().then(counted);
    tx.execute(
        "insert into source_traffic (source_id, hour, organization_id, workspace_id, traffic)
         values ($1, $2, $3, $4, $5)
         on conflict (source_id, hour) do update set traffic = excluded.traffic",
        &params![id, hour, scope.organization_id(), workspace, json(&both)?],
    )?;
    Ok(())
}

/// What calls came to since an instant, by source; the hour of the instant counts as a whole.
///
/// # Errors
/// Those of the database.
pub fn since(
    conn: &mut Reader<'_>,
    scope: &Scope,
    at: Timestamp,
) -> Result<BTreeMap<SourceId, Traffic>, Error> {
    let rows = conn.all(
        "select source_id, traffic
         from source_traffic
         where workspace_id = $1 and hour >= $2
         order by hour",
        &params![scope.workspace_id(), at.0.div_euclid(HOUR_MS)],
        |r| Ok((r.id::<SourceId>()?, r.json::<Traffic>()?)),
    )?;
    let mut all: BTreeMap<SourceId, Traffic> = BTreeMap::new();
    for (id, later) in rows {
        let so_far = all.remove(&id).unwrap_or_default();
        all.insert(id, so_far.then(&later));
    }
    Ok(all)
}

/// Removes what was counted before an instant, over all workspaces.
///
/// # Errors
/// Those of the database.
pub fn forget_before(tx: &mut Tx<'_>, _: System, at: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from source_traffic where hour < $1",
        &params![at.0.div_euclid(HOUR_MS)],
    )
}
