//! Runtimes on engines that are not ours: Bun on this machine, workers at Cloudflare.
//!
//! They run the same emitted code in the same world (`world.rs`, and the
//! JavaScript in `runtimes/`), speak JSON (`said.rs`) and are believed no more
//! than the isolate's workers: every event passes the same judge. Which limits
//! hold on which runtime, and what differs, is in `docs/runtimes.md`.

mod bun;
mod edge;
mod said;
mod world;

pub use bun::{LocalBun, LocalBunConfig};
pub use edge::{CloudflareWorker, CloudflareWorkerConfig, Courier, ExchangeRefused, RunRequest};
