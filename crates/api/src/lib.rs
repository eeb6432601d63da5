//! The public JSON shapes of `/api/v1`: requests, responses, events and errors.
//!
//! A difference here is a change of the API. Nothing of the inside is imported: the server converts
//! by hand, so renaming a field inside never breaks a client. Times are RFC 3339 in UTC.

#![warn(missing_docs)]

pub mod approvals;
pub mod audit;
pub mod check;
pub mod connects;
pub mod credentials;
pub mod error;
pub mod events;
pub mod grants;
pub mod invites;
pub mod keys;
pub mod members;
pub mod organizations;
pub mod policies;
pub mod policy_history;
pub mod policy_sets;
pub mod push;
pub mod sessions;
pub mod settings;
pub mod sources;
pub mod system;
pub mod tasks;
pub mod tools;
pub mod vault;
pub mod webhooks;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The objects, newest first unless the route says otherwise.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
