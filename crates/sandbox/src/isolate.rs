//! The built-in runtime: QuickJS in WebAssembly inside locked-down workers.
//!
//! Read in order: `pool` (which worker gets a program), `link` (the host's end
//! of one worker), `judge` (what that end believes), `watch` (when it kills),
//! `witness` (what it sees from outside), `wire` (frames), `worker`, `outbox` and
//! `ticker` (the process), `guest` (one program in WebAssembly), `pages` (its memory,
//! packed), `lockdown` (what a worker gives up), `settings` (what the machine code was
//! made with).

mod guest;
mod judge;
mod link;
mod lockdown;
mod outbox;
mod pages;
mod pool;
mod settings;
mod ticker;
mod watch;
mod wire;
mod witness;
mod worker;

pub(crate) use judge::{Judge, Violation};
pub(crate) use watch::processor_time_ms;
pub(crate) use wire::{Frame, Kind};

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

pub use lockdown::{Layer, allowed_calls, lock_down, shut_in};
pub use pool::{Isolate, IsolateConfig, Stats};
pub use worker::worker_main;

/// Machine code and memory of the engine image, made by `build.rs`.
static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/executor-quickjs.cwasm"));
static IMAGE_DIGEST: &str = include_str!("../image/executor-quickjs.wasm.sha256");

/// Digest of what a replay depends on besides the program: engine image (with
/// its prelude) and the version of the wire. Lower-case hexadecimal SHA-256.
pub(crate) fn engine_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let mut hash = Sha256::new();
        hash.update(IMAGE_DIGEST.trim());
        hash.update([wire::WIRE_VERSION]);
        crate::compile::hex(&hash.finalize())
    })
}
