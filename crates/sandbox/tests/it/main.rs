//! The sandbox through its public door: real worker processes, real programs.
//!
//! Each module is one promise of the crate. Nothing is doubled except the
//! host's answers, which `host.rs` scripts.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may end where it finds what it did not expect"
)]

mod compiling;
mod containment;
mod damage;
mod errors;
mod escapes;
mod host;
mod language;
mod layers;
mod limits;
mod native;
mod remains;
mod runtimes;
mod sharing;
mod snapshots;
mod time;
mod trace;
mod typescript;
mod values;
mod world;
