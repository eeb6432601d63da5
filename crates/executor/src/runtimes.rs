//! Starts the runtimes that are configured: the isolate always, others by their own switches.
//!
//! What is dangerous is said here, once, at the start; the checks of the server keep saying it.

use crate::config::{Config, program};
use crate::failure::{Failure, Result};
use crate::serve::cores;
use engine::Runtimes;
use sandbox::{Isolate, IsolateConfig, LocalBun, LocalBunConfig, Sandbox};
use std::sync::Arc;

/// Starts every configured runtime; the isolate with this many processes kept warm.
pub(crate) async fn start(config: &Config, workers_min: usize) -> Result<Runtimes> {
    let (isolate, bun) = tokio::join!(start_sandbox(config, workers_min), start_bun(config));
    let mut others: Vec<Arc<dyn Sandbox>> = Vec::new();
    if let Some(bun) = bun? {
        others.push(Arc::new(bun));
    }
    Ok(Runtimes::new(Arc::new(isolate?), others))
}

/// Starts the sandbox with this many processes kept warm.
pub(crate) async fn start_sandbox(config: &Config, workers_min: usize) -> Result<Isolate> {
    let worker_exe = std::env::current_exe()
        .map_err(|e| Failure::failed("system", format!("the program does not find itself: {e}")))?;
    let settings = IsolateConfig {
        workers_min,
        workers_max: config
            .sandbox_workers_max
            .unwrap_or(cores() * 4)
            .max(workers_min),
        allow_weak: config.dangerously_allow_weak_sandbox,
        worker_exe,
    };
    let isolate = Isolate::start(settings).await.map_err(|e| {
        Failure::failed("sandbox", format!("the sandbox cannot start: {e}"))
            .next("`executor doctor` shows its layers")
    })?;
    if let Some(refusal) = isolate.refusal() {
        // The server answers all the same, so that people can read why.
        tracing::error!("{refusal}");
    }
    if let Some(switch) = isolate.layers().iter().find(|l| l.name == "switch") {
        tracing::warn!("{}", switch.detail);
    }
    Ok(isolate)
}

/// Starts `local-bun` where it is allowed.
async fn start_bun(config: &Config) -> Result<Option<LocalBun>> {
    if !config.dangerously_allow_local_vm {
        return Ok(None);
    }
    tracing::warn!(
        "DANGEROUSLY_ALLOW_LOCAL_VM is set: programs that ask for the runtime local-bun run with the rights of this server's user, behind no wall"
    );
    let Some(bun) = program(&config.bun) else {
        let message = format!(
            "DANGEROUSLY_ALLOW_LOCAL_VM is set, but there is no Bun: {} is not found",
            config.bun.display()
        );
        return Err(Failure::failed("no_bun", message)
            .next("install Bun, or give its path with EXECUTOR_BUN"));
    };
    let settings = LocalBunConfig {
        bun,
        folder: config.home.join("local-bun"),
        processes_max: cores() * 4,
    };
    let started = LocalBun::start(settings).await;
    started.map(Some).map_err(|e| {
        Failure::failed("no_bun", format!("the runtime local-bun cannot start: {e}"))
            .next("give the path of a Bun with EXECUTOR_BUN, or unset DANGEROUSLY_ALLOW_LOCAL_VM")
    })
}
