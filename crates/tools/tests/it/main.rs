//! The crate through its public door, against real sockets and real API descriptions.
//!
//! `upstream` is a local HTTP server that records the exact bytes it gets; nothing here leaves
//! this machine.

#![expect(clippy::unwrap_used, reason = "a test fails where its parts do")]
#![expect(clippy::result_large_err, reason = "the errors of calls are data")]

mod answers;
mod bodies;
mod checking;
mod discovery;
mod documents;
mod failures;
mod fixture;
mod forms;
mod graphql;
mod graphql_calls;
mod graphql_documents;
mod hostile;
mod matrix;
mod mcp;
mod modern;
mod naming;
mod network;
mod ranking;
mod reach;
mod renewing;
mod repeating;
mod scanning;
mod swagger;
mod unfinished;
mod upstream;
mod wire;
