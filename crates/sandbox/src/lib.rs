//! Compiles an agent's TypeScript and runs it within limits, with one door out.
//!
//! `compile` turns source text into a [`Program`]; a [`Sandbox`] runs it as a
//! [`Session`], which speaks in [`Command`]s and [`Event`]s. The built-in
//! runtime is [`Isolate`]: QuickJS in WebAssembly inside locked-down worker
//! processes; [`LocalBun`] and [`CloudflareWorker`] run the same on engines of
//! others. This crate knows no tool, no policy and no credential, reads no
//! environment and keeps nothing; the host journals what passes through.
//! How the engine image is made: `image/` and `docs/decisions/0002-sandbox-image.md`.

mod compile;
mod error;
mod foreign;
mod isolate;
mod limits;
mod session;
mod snapshot;
mod types;

pub use compile::{CompileError, Program, VisibleCall, compile};
pub use error::Error;
pub use foreign::{
    CloudflareWorker, CloudflareWorkerConfig, Courier, ExchangeRefused, LocalBun, LocalBunConfig,
    RunRequest,
};
pub use isolate::{
    Incident, IncidentKind, Isolate, IsolateConfig, Layer, Stats, allowed_calls, lock_down,
    shut_in, worker_main,
};
pub use limits::Limits;
pub use session::{
    Command, Event, Failure, FailureCode, Gone, LogLevel, Outcome, Sandbox, Session, Start,
};
pub use snapshot::Snapshot;
pub use types::{TypeCheckError, TypeChecker, TypeFinding};
