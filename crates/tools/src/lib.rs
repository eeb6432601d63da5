//! Other people's APIs: descriptions become tools, tools are searched, typed, checked and called.
//!
//! A description is recognized by [`Parsed`], read from its address by [`read_address`].
//! The way of one call: [`Catalog::lookup`] finds the tool, [`check_arguments`] names every wrong
//! key, [`prepare`] makes the exact bytes, and [`Invoker::invoke`] sends them with the credential
//! attached, through the one guarded client of [`egress`]. This crate knows no policy and no
//! database: an `Admission` is the proof that somebody else decided.

#![expect(
    clippy::result_large_err,
    reason = "the errors of calls are data for the program, made once per failed call"
)]

mod answer;
mod arguments;
mod catalog;
mod counterpart;
mod detect;
pub mod egress;
mod error;
mod find;
mod graphql;
mod invoke;
mod masking;
mod mcp;
mod nearest;
pub mod oauth;
pub mod oidc;
mod openapi;
mod repeat;
mod request;
mod scan;
mod search;
mod typings;
pub mod workos;
mod workos_vault;

pub use arguments::{Mismatch, WrongArgument, check_arguments, check_partial};
pub use catalog::{Catalog, Description, Found, Namespace, Query, SourceTools};
pub use counterpart::{Counterpart, counterpart};
pub use detect::{Address, Found as FoundAt, Parsed, ReadError, import, read_address};
pub use egress::{
    Egress, EgressConfig, Names, OTHER_BYTES_MAX, Played, PlayedAnswer, PlayedRequest, Seen, Taken,
    Validators,
};
pub use error::{FetchError, ImportError};
pub use find::{Located, NotLocated, Tried};
pub use graphql::{Judged, judged, judged_partly};
pub use invoke::{Answer, Attachment, Credentials, Invoked, Invoker, Renew};
pub use mcp::{
    HintTrust, McpAnswers, McpAsk, McpChange, McpError, McpHearing, McpInvoked, McpListing,
    McpNews, McpPerson, McpSending, McpServer, McpServers, McpTold, McpWay, looks_like_mcp,
    mcp_servers,
};
pub use openapi::{Import, ImportOptions, local_address, local_path, suggest_name, valid_name};
pub use repeat::{is_idempotent, with_key};
pub use request::{Prepared, prepare};
pub use scan::{KnownNames, scan, scan_text};
pub use typings::{Shown, described};
pub use workos_vault::{VaultOwner, WorkosVault, WorkosVaultError};
