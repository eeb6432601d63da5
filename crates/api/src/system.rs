//! The server itself: who is asking, how it is.

use crate::organizations::Organization;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who the request is taken for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// `acct_…`
    pub account_id: String,
    /// The person's name.
    pub name: String,
    /// The person's role.
    pub role: String,
    /// The workspace the request is about.
    pub workspace: Workspace,
    /// The organization of the workspace.
    pub organization: Organization,
    /// The number of the workspace's last event as this was read: a stream of its events that
    /// begins after it tells everything that changed since.
    pub last_event: i64,
}

/// A workspace to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWorkspace {
    /// Its short name for addresses: lower-case letters, digits and hyphens.
    pub slug: String,
    /// The name people see; the short name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `open` to all members of the organization (the default), or `restricted` to those it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// What is to change about a workspace; what is absent stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceChange {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new short name. Addresses with the one before lead nowhere any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// `open` to all members of the organization, or `restricted` to those it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// A member whom a workspace is to name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWorkspaceMember {
    /// `acct_…` of a member of the organization.
    pub member: String,
}

/// A workspace.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// `ws_…`
    pub id: String,
    /// Its short name for addresses.
    pub slug: String,
    /// The name people see.
    pub name: String,
    /// The organization it belongs to.
    pub organization_id: String,
    /// The short name of the organization: with it, `organization/slug` names the workspace.
    pub organization: String,
    /// `open` to all members of the organization, or `restricted` to those it names.
    pub access: String,
    /// When it was deleted; until `purgeAt` an administrator can take that back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
    /// When everything of it is removed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_at: Option<String>,
}

/// How the server and its parts are.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether everything that is required works.
    pub ready: bool,
    /// The program's version.
    pub version: String,
    /// The parts.
    pub checks: Vec<Check>,
}

/// One part that was looked at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthCheck)]
pub struct Check {
    /// Its name, such as `database` or `sandbox.seccomp`.
    pub name: String,
    /// `ok`, `warning` or `problem`.
    pub status: String,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_step: Option<String>,
}

/// One of the servers that share the database.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Its name, another at each start.
    pub id: String,
    /// `running`, `draining` (it takes no more tasks and is about to end), `stopped`, or `lost`: it
    /// has been silent for longer than its leases last.
    pub status: String,
    /// Whether it is the one that answers.
    pub is_this: bool,
    /// The program's version.
    pub version: String,
    /// Digests of the engines whose tasks it can run.
    pub engines: Vec<String>,
    /// When it began.
    pub started_at: String,
    /// When it was last heard of, by the database's clock.
    pub last_seen_at: String,
}

/// A one-time link that signs a browser in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInLink {
    /// The address to open, once, within its time.
    pub url: String,
    /// When it stops to work.
    pub expires_at: String,
}

/// The example API that comes with the program, where this server offers it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// The API; null where the server does not offer it.
    pub offered: Option<ExampleApi>,
}

/// An API on loopback to try everything on. It holds nothing of value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExampleApi {
    /// The name that a source of it is given.
    pub name: String,
    /// The title its description gives itself.
    pub title: String,
    /// The address of its description; private, as it is on loopback.
    pub url: String,
    /// How it lets callers in.
    pub auth: String,
    /// The token it wants. It protects nothing.
    #[schema(format = Password)]
    pub token: String,
    /// A first program: it reads, which is allowed, and writes, which asks.
    pub program: String,
}

/// What is kept, and how large it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// `SQLite` or `PostgreSQL`.
    pub database: String,
    /// Bytes that the whole database takes, every workspace's.
    pub bytes: u64,
    /// How many tasks of the workspace have each status; those with none are left out.
    pub tasks: Vec<StatusCount>,
    /// Days after its end at which a task is removed; 0 for never.
    pub retention_days: u32,
}

/// How many tasks have a status.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusCount {
    /// The status.
    pub status: String,
    /// How many.
    pub count: u64,
}
