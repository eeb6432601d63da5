//! What can go wrong with the sandbox itself.
//!
//! A program's own failure is no error of this crate: it arrives as
//! [`crate::Event::Failed`]. A source that does not compile is a
//! [`crate::CompileError`].

/// The sandbox could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer that must hold on this machine does not.
    #[error(
        "the sandbox layer \"{layer}\" is {detail}, so no program may run here; run the server where the kernel offers it, or set DANGEROUSLY_ALLOW_WEAK_SANDBOX=1 if every program is trusted"
    )]
    Unprotected {
        /// Name of the layer, as `doctor` shows it.
        layer: String,
        /// `not active: ` and why.
        detail: String,
    },
    /// A worker process could not be started.
    #[error("a sandbox worker could not be started from {exe}: {reason}")]
    WorkerStart {
        /// The program that was to be the worker.
        exe: String,
        /// What happened.
        reason: String,
    },
    /// A runtime elsewhere could not be reached, or could not begin.
    #[error("no session could begin at {url}: {reason}")]
    Elsewhere {
        /// Where it was to run.
        url: String,
        /// What happened.
        reason: String,
    },
    /// As many programs of this tenant wait for a place as may.
    #[error(
        "the sandbox is busy: {waiting_max} programs of this workspace already wait for a place, the limit (waitingPrograms); try again when some have ended"
    )]
    Busy {
        /// How many may wait.
        waiting_max: usize,
    },
    /// The runtime is shutting down.
    #[error("the sandbox is shutting down")]
    Closed,
    /// The operating system refused something the host's end needs.
    #[error("the sandbox host failed to {doing}: {source}")]
    Host {
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
}
