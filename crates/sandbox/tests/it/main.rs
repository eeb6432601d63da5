//! The sandbox through its public door: real worker processes, real programs.
//!
//! Each module is one promise of the crate. Nothing is doubled except the
//! host's answers, which `host.rs` scripts.

mod containment;
mod errors;
mod escapes;
mod host;
mod limits;
mod sharing;
mod time;
mod values;
mod world;
