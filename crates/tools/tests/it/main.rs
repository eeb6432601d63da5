//! The crate through its public door, against real sockets and real API descriptions.
//!
//! `upstream` is a local HTTP server that records the exact bytes it gets; nothing here leaves
//! this machine.

mod checking;
mod discovery;
mod documents;
mod failures;
mod fixture;
mod naming;
mod reach;
mod upstream;
mod wire;
