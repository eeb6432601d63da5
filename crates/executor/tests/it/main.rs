//! The built binary from outside: what it prints, how it exits, what it refuses.
//!
//! Every case has a home and a data directory of its own and an environment that is empty but for
//! them. What needs no server comes first. The product's promises about tasks, sources and crashes
//! are tested elsewhere; here it is the command line that is judged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod harness;

mod alone;
mod mcp;
mod start;
mod with_server;
