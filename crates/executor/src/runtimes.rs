//! Starts the runtimes that are configured: the isolate always, others by their own switches.
//!
//! What is dangerous is said here, once, at the start; the checks of the server keep saying it.

use crate::config::{Config, program};
use crate::failure::{Failure, Result};
use crate::serve::cores;
use domain::credential::Secret;
use engine::Runtimes;
use sandbox::{
    CloudflareWorker, CloudflareWorkerConfig, Incident, Isolate, IsolateConfig, LocalBun,
    LocalBunConfig, RunRequest, Sandbox,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tools::{Egress, EgressConfig};

/// Longest session at Cloudflare, in milliseconds; a longer one is rebuilt in a new session.
const SESSION_MS_MAX: u64 = 2 * 60 * 60 * 1_000;
/// How long past its compute limit a program at Cloudflare may stay silent.
const GRACE: Duration = Duration::from_secs(10);
/// Largest answer of the Worker at the end of a session, in bytes.
const END_BYTES_MAX: u64 = 64 << 10;

/// Starts every configured runtime; the isolate with this many processes kept warm.
/// `public_url` is where others reach this server.
pub(crate) async fn start(
    config: &Config,
    workers_min: usize,
    public_url: &str,
    incidents: mpsc::Sender<Incident>,
) -> Result<Runtimes> {
    let cloudflare = cloudflare_worker(config, public_url)?;
    let (isolate, bun) = tokio::join!(
        start_sandbox(config, workers_min, Some(incidents)),
        start_bun(config)
    );
    let mut others: Vec<Arc<dyn Sandbox>> = Vec::new();
    if let Some(bun) = bun? {
        others.push(Arc::new(bun));
    }
    let runtimes = Runtimes::new(Arc::new(isolate?), others);
    Ok(match cloudflare {
        Some(worker) => runtimes.with_cloudflare_worker(Arc::new(worker)),
        None => runtimes,
    })
}

/// Starts the sandbox with this many processes kept warm.
pub(crate) async fn start_sandbox(
    config: &Config,
    workers_min: usize,
    incidents: Option<mpsc::Sender<Incident>>,
) -> Result<Isolate> {
    let worker_exe = std::env::current_exe()
        .map_err(|e| Failure::failed("system", format!("the program does not find itself: {e}")))?;
    let settings = IsolateConfig {
        workers_min,
        workers_max: config
            .sandbox_workers_max
            .unwrap_or(cores() * 4)
            .max(workers_min),
        allow_weak: config.dangerously_allow_weak_sandbox,
        incidents,
        ..IsolateConfig::new(worker_exe)
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

/// The runtime `cloudflare-worker`, where its Worker is configured.
fn cloudflare_worker(config: &Config, public_url: &str) -> Result<Option<CloudflareWorker>> {
    let Some(url) = &config.cloudflare_worker_url else {
        return Ok(None);
    };
    let origin = config.origin("cloudflare_worker_url");
    let parsed = url::Url::parse(url).ok().filter(|u| u.has_host());
    let Some(parsed) = parsed else {
        let message = format!("cloudflare_worker_url: '{url}' from {origin} is no address");
        return Err(Failure::usage(message)
            .next("it looks like https://executor-programs.example.workers.dev"));
    };
    let host = parsed.host_str().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    if !is_here && config.public_url.is_none() {
        return Err(Failure::usage(
            "cloudflare_worker_url is set, but the Worker could not reach this server: public_url is not set",
        )
        .next("set public_url to the address under which this server is reached from outside"));
    }
    let egress = Egress::new(EgressConfig {
        header_ms: SESSION_MS_MAX,
        idle_ms: SESSION_MS_MAX,
        total_ms: SESSION_MS_MAX,
        ..EgressConfig::default()
    });
    Ok(Some(CloudflareWorker::new(CloudflareWorkerConfig {
        url: url.clone(),
        secret: shared_secret(config)?,
        exchange_url: format!("{}/runtime/exchange", public_url.trim_end_matches('/')),
        courier: Arc::new(move |request: RunRequest| {
            let RunRequest { url, headers, body } = request;
            let sent = egress.post_own(&url, headers, body, END_BYTES_MAX);
            Box::pin(async move { sent.await.map_err(|e| e.to_string()) })
        }),
        grace: GRACE,
    })))
}

fn shared_secret(config: &Config) -> Result<Secret> {
    if let Some(secret) = &config.cloudflare_worker_secret {
        return Ok(secret.clone());
    }
    let Some(path) = &config.cloudflare_worker_secret_file else {
        return Err(Failure::usage(
            "cloudflare_worker_url is set, but there is no secret for it",
        )
        .next("give the Worker's EXECUTOR_SECRET with EXECUTOR_CLOUDFLARE_WORKER_SECRET or EXECUTOR_CLOUDFLARE_WORKER_SECRET_FILE"));
    };
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::usage(format!(
            "cannot read the secret from {}: {e}",
            path.display()
        ))
    })?;
    Ok(Secret::new(text.trim().to_owned()))
}
