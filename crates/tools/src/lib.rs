//! Other people's APIs: descriptions become tools, tools are searched, typed, checked and called.
//!
//! The way of one call: [`Catalog::lookup`] finds the tool, [`check_arguments`] names every wrong
//! key, [`prepare`] makes the exact bytes, and [`Invoker::invoke`] sends them with the credential
//! attached, through the one guarded client of [`egress`]. This crate knows no policy and no
//! database: an `Admission` is the proof that somebody else decided.

pub mod egress;
mod openapi;
mod catalog;
mod search;
mod typings;
mod arguments;
mod request;
mod invoke;
mod answer;
mod masking;
mod nearest;
mod error;

pub use arguments::check_arguments;
pub use catalog::{Catalog, Description, Found, Namespace, Query, SourceTools};
pub use egress::{Egress, EgressConfig};
pub use error::{Error, FetchError, ImportError};
pub use invoke::{Answer, Attachment, Invoker};
pub use openapi::{Import, ImportOptions, Parsed, import, suggest_name, valid_name};
pub use request::{Prepared, prepare};
