//! Removing for good what was deleted and not taken back: every row of a workspace, or of an
//! organization with all its workspaces, in steps that keep nobody waiting.
//!
//! The tables stand here in an order in which nothing is removed before what refers to it. A table
//! with a tenant's rows that is missing here fails a test of this crate. A workspace's entries in the
//! audit chain stay with its organization: a chain with holes proves nothing.

use crate::db::params;
use crate::tenancy;
use crate::{Error, Reader, Tx};
use domain::access::{Scope, System};
use domain::tenancy::Organization;
use domain::{OrganizationId, Timestamp, WorkspaceId};

/// Rows that one step removes of one table.
const ROWS_AT_ONCE: u32 = 500;

/// Rows that name the workspace themselves.
const ITS_OWN: &str = "workspace_id = $1";
/// Rows that name a grant of it.
const OF_ITS_GRANTS: &str = "grant_id in (select id from grants where workspace_id = $1)";

/// The tables with rows of one workspace, each with its key, and how its rows are told; what refers
/// to another before that.
pub const OF_WORKSPACE: &[(&str, &str, &str)] = &[
    ("grant_codes", "code_sha256", OF_ITS_GRANTS),
    ("grant_tokens", "token_sha256", OF_ITS_GRANTS),
    ("grant_devices", "device_sha256", OF_ITS_GRANTS),
    ("grants", "id", ITS_OWN),
    ("value_holders", "task_id, digest", ITS_OWN),
    ("handles", "id", ITS_OWN),
    ("approval_yeses", "approval_id, account_id", ITS_OWN),
    ("approvals", "id", ITS_OWN),
    ("calls", "task_id, sequence", ITS_OWN),
    ("tasks", "id", ITS_OWN),
    ("value_parts", "workspace_id, digest, begins", ITS_OWN),
    ("stored_values", "workspace_id, digest", ITS_OWN),
    ("events", "workspace_id, sequence", ITS_OWN),
    ("policy_versions", "workspace_id, version", ITS_OWN),
    ("rules", "id", ITS_OWN),
    ("policy_assignments", "id", ITS_OWN),
    ("source_documents", "source_id", ITS_OWN),
    ("source_traffic", "source_id, hour", ITS_OWN),
    ("oauth_connects", "id", ITS_OWN),
    (
        "oauth_clients",
        "workspace_id, issuer, redirect_uri",
        ITS_OWN,
    ),
    ("credentials", "id", ITS_OWN),
    ("sources", "id", ITS_OWN),
    ("idempotency", "workspace_id, key", ITS_OWN),
    ("mcp_rounds", "workspace_id, id", ITS_OWN),
    ("push_messages", "push_id, approval_id", ITS_OWN),
    ("push_subscriptions", "id", ITS_OWN),
    ("webhook_deliveries", "id", ITS_OWN),
    ("webhooks", "id", ITS_OWN),
    ("api_keys", "id", ITS_OWN),
    ("task_days", "workspace_id, day, key_id", ITS_OWN),
    (
        "client_listings",
        "workspace_id, account_id, key_id, client",
        ITS_OWN,
    ),
    ("workspace_members", "workspace_id, account_id", ITS_OWN),
    ("workspace_heads", "workspace_id", ITS_OWN),
];

/// The tables with rows of an organization that belong to none of its workspaces, likewise.
pub const OF_ORGANIZATION: &[(&str, &str)] = &[
    ("rules", "id"),
    ("policy_assignments", "id"),
    ("policy_set_rules", "id"),
    ("policy_sets", "id"),
    ("invites", "id"),
    ("audit_checkpoints", "organization_id, kind, sequence"),
    ("audit_keys", "organization_id"),
    ("audit", "organization_id, sequence"),
    ("push_key", "id"),
    ("data_keys", "organization_id, version"),
    ("linked_members", "provider, organization_id, account_id"),
    ("linked_organizations", "provider, external_id"),
    ("visitors", "organization_id"),
    ("members", "organization_id, account_id"),
    ("organization_heads", "organization_id"),
];

/// A workspace that is to go, alone or with its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The workspace.
    pub scope: Scope,
    /// The name people gave it.
    pub slug: String,
    /// Whether its organization goes, too.
    pub with_organization: bool,
}

/// A workspace whose time to be taken back is over, or that of its organization.
///
/// # Errors
/// Those of the database.
pub fn workspace_due(
    conn: &mut Reader<'_>,
    system: System,
    now: Timestamp,
) -> Result<Option<Due>, Error> {
    conn.one(
        "select w.organization_id, w.id, w.slug,
                case when o.purge_at <= $1 then 1 else 0 end
         from workspaces w
         join organizations o on o.id = w.organization_id
         where w.purge_at <= $1 or o.purge_at <= $1
         order by w.id
         limit 1",
        &params![now],
        |r| {
            Ok(Due {
                scope: system.scope(r.id()?, r.id()?),
                slug: r.text()?,
                with_organization: r.int()? == 1,
            })
        },
    )
}

/// An organization without workspaces whose time to be taken back is over.
///
/// # Errors
/// Those of the database.
pub fn organization_due(
    conn: &mut Reader<'_>,
    system: System,
    now: Timestamp,
) -> Result<Option<Organization>, Error> {
    let id: Option<OrganizationId> = conn.one(
        "select o.id from organizations o
         where o.purge_at <= $1
           and not exists (select 1 from workspaces w where w.organization_id = o.id)
         order by o.id
         limit 1",
        &params![now],
        |r| r.id(),
    )?;
    match id {
        Some(id) => tenancy::organization(conn, system, &id),
        None => Ok(None),
    }
}

/// Removes some rows of a workspace; false once there are none left and it is gone itself.
///
/// # Errors
/// Those of the database.
pub fn workspace_step(tx: &mut Tx<'_>, _: System, id: &WorkspaceId) -> Result<bool, Error> {
    for (table, key, its) in OF_WORKSPACE {
        let removed = tx.execute(
            &format!(
                "delete from {table}
                 where ({key}) in (select {key} from {table} where {its} limit $2)"
            ),
            &params![id, ROWS_AT_ONCE],
        )?;
        if removed > 0 {
            return Ok(true);
        }
    }
    tx.execute("delete from workspaces where id = $1", &params![id])?;
    Ok(false)
}

/// Removes some rows of an organization that has no workspaces left; false once there are none and it
/// is gone itself.
///
/// # Errors
/// Those of the database.
pub fn organization_step(tx: &mut Tx<'_>, _: System, id: &OrganizationId) -> Result<bool, Error> {
    for (table, key) in OF_ORGANIZATION {
        let removed = tx.execute(
            &format!(
                "delete from {table}
                 where ({key}) in (select {key} from {table} where organization_id = $1 limit $2)"
            ),
            &params![id, ROWS_AT_ONCE],
        )?;
        if removed > 0 {
            return Ok(true);
        }
    }
    tx.execute("delete from organizations where id = $1", &params![id])?;
    Ok(false)
}

/// The tables that have rows of tenants: those with a column that names a workspace or an
/// organization, in alphabetical order.
///
/// # Errors
/// Those of the database.
pub fn tenant_tables(conn: &mut Reader<'_>, _: System) -> Result<Vec<String>, Error> {
    let columns = conn.columns()?;
    let mut tables: Vec<String> = columns
        .into_iter()
        .filter(|(_, column, _)| column == "workspace_id" || column == "organization_id")
        .map(|(table, _, _)| table)
        .collect();
    tables.dedup();
    Ok(tables)
}
