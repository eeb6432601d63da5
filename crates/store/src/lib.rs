//! Rows in, domain values out: the only crate that knows SQL.
//!
//! [`Store::write`] and [`Store::read`] run functions of the modules below inside one transaction.
//! Every tenant statement takes a [`domain::access::Scope`] and filters on it; the few that cross
//! tenants take a [`domain::access::System`]; what a worker writes about its task takes the
//! [`domain::task::Lease`] and is refused once another server holds the task.
//! Nothing here decides: it keeps, compares and swaps. Read `door`, `tasks`, `calls`, `approvals`.

mod appended;
mod db;
mod door;
mod error;
mod inline;
mod migrate;
mod notices;
mod packed;
mod threads;

pub mod accounts;
pub mod approvals;
pub mod apps;
pub mod audit;
pub mod backup;
pub mod calls;
pub mod connects;
pub mod credentials;
pub mod data_keys;
pub mod devices;
pub mod events;
pub mod grants;
pub mod handles;
pub mod health;
pub mod idempotency;
pub mod identities;
pub mod invites;
pub mod keys;
pub mod linked;
pub mod listings;
pub mod meta;
pub mod oauth;
pub mod points;
pub mod policies;
pub mod purge;
pub mod push;
pub mod quotas;
pub mod recorded;
pub mod retention;
pub mod rounds;
pub mod servers;
pub mod sessions;
pub mod settings;
pub mod sources;
pub mod tasks;
pub mod tenancy;
pub mod tool_usage;
pub mod traffic;
pub mod values;
pub mod visitors;
pub mod webhooks;

pub use db::{Reader, Tx};
pub use door::{Location, Store};
pub use error::Error;
pub use inline::{Moment, Watcher};
pub use notices::Notice;
