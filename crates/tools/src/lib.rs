//! Other people's APIs: descriptions become tools, tools are searched, typed, checked and called.
//!
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
pub mod egress;
mod error;
mod invoke;
mod masking;
mod nearest;
pub mod oauth;
mod openapi;
mod repeat;
mod request;
mod search;
mod typings;

pub use arguments::{Mismatch, WrongArgument, check_arguments, check_partial};
pub use catalog::{Catalog, Description, Found, Namespace, Query, SourceTools};
pub use egress::{Egress, EgressConfig, Names, Played, PlayedAnswer, PlayedRequest, Taken};
pub use error::{FetchError, ImportError};
pub use invoke::{Answer, Attachment, Credentials, Invoked, Invoker, Renew};
pub use openapi::{Import, ImportOptions, Parsed, import, suggest_name, valid_name};
pub use repeat::{is_idempotent, with_key};
pub use request::{Prepared, prepare};
pub use typings::Shown;
