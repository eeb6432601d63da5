//! The composition root: takes the directory, opens the parts, wires them, listens.
//!
//! Everything that belongs to the machine is decided here and handed down: paths, keys, clock,
//! processes. The order matters: first what can be refused without touching data (directory, port),
//! then the key, then the database.

use crate::config::Config;
use crate::example_api;
use crate::failure::{Failure, Result};
use crate::home::{Held, Notice, replace};
use domain::access::System;
use engine::{Engine, Parts, SystemClock};
use sandbox::{Isolate, IsolateConfig};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use store::{Location, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vault::Vault;

/// Name of the embedded database and of the master key in the data directory.
const DATABASE: &str = "executor.db";
const MASTER_KEY: &str = "master.key";

/// Where the store keeps what a wrong master key is noticed by.
const KEY_CHECK: &str = "vault/check";

/// A server that runs in this process.
pub(crate) struct Running {
    /// Where it answers.
    pub(crate) notice: Notice,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::result::Result<(), server::Error>>,
    example: Option<JoinHandle<()>>,
    engine: Engine,
    store: Store,
    _held: Held,
}

impl Running {
    /// Returns when the server ends by itself, which it should not.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        let ended = (&mut self.serving).await;
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(Failure::failed(
                "server_ended",
                format!("the server ended: {e}"),
            )),
            Err(e) => Err(Failure::failed(
                "server_ended",
                format!("the server ended: {e}"),
            )),
        }
    }

    /// Ends it in order: no new requests, streams end, live tasks are left to be rebuilt, the
    /// database is written out.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop.send_replace(true);
        let ended = self.ended().await;
        if let Some(example) = self.example.take() {
            let _done = example.await;
        }
        self.engine.shutdown().await;
        self.store.close().await;
        ended
    }
}

/// Starts a server as configured; returns once it answers.
pub(crate) async fn start(config: &Config) -> Result<Running> {
    let mut held = Held::take(&config.home)?;
    let listener = bind(config)?;
    let address = listener
        .local_addr()
        .map_err(|e| Failure::failed("system", format!("the port is not known: {e}")))?;
    let reachable = address_for_people(address);
    let key = master_key(config)?;
    let vault = Vault::new(key.bytes);
    let (store, isolate) = tokio::join!(open_store(config), start_sandbox(config));
    let (store, isolate) = (store?, isolate?);
    check_key(&store, &vault, &key.origin).await?;
    let parts = Parts {
        store: store.clone(),
        vault,
        sandbox: Arc::new(isolate),
        egress: tools::Egress::new(tools::EgressConfig::default()),
        clock: Arc::new(SystemClock),
        system: System::mint(),
        public_url: config
            .public_url
            .clone()
            .unwrap_or_else(|| reachable.clone()),
    };
    let engine = Engine::start(parts)
        .await
        .map_err(|e| Failure::failed(e.code(), format!("the server cannot start: {e}")))?;
    let (stop, stopped) = watch::channel(false);
    let until_stopped = |mut stopped: watch::Receiver<bool>| async move {
        let _closed = stopped.wait_for(|s| *s).await;
    };
    let (example, example_address) = match example_listener(config, address) {
        Some((listener, address)) => {
            let serving = example_api::serve(listener, until_stopped(stopped.clone()));
            (Some(tokio::spawn(serving)), Some(address))
        }
        None => (None, None),
    };
    let serving = server::serve(
        server::ServeConfig {
            listener,
            allowed_hosts: allowed_hosts(config),
            sign_in: server::SignIn::Local,
            version: env!("CARGO_PKG_VERSION"),
        },
        engine.clone(),
        until_stopped(stopped),
    );
    let serving = tokio::spawn(serving);
    let notice = Notice {
        address: reachable,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        example: example_address,
    };
    held.announce(&notice)?;
    Ok(Running {
        notice,
        stop,
        serving,
        example,
        engine,
        store,
        _held: held,
    })
}

fn bind(config: &Config) -> Result<TcpListener> {
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Failure::failed(
            "port_in_use",
            format!(
                "port {} of {} is in use by another program",
                config.port, config.host
            ),
        )
        .next("give a free one with --port or EXECUTOR_PORT; 0 takes any"),
        std::io::ErrorKind::PermissionDenied => Failure::failed(
            "port_refused",
            format!("this user may not listen on port {}", config.port),
        )
        .next("give a port from 1024 on with --port or EXECUTOR_PORT"),
        _ => Failure::failed("port_unusable", format!("cannot listen on {address}: {e}"))
            .next("correct --host and --port"),
    })
}

/// The address by which commands on the same machine reach a listener.
fn address_for_people(listening: SocketAddr) -> String {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listening.port()))
}

fn allowed_hosts(config: &Config) -> Vec<String> {
    let public = config
        .public_url
        .as_deref()
        .and_then(|u| url::Url::parse(u).ok());
    let public = public.and_then(|u| u.host_str().map(str::to_owned));
    config.allowed_hosts.iter().cloned().chain(public).collect()
}

/// The example listens beside a server on loopback; if its port is taken, the server goes without.
fn example_listener(config: &Config, server: SocketAddr) -> Option<(TcpListener, String)> {
    if !config.example || !server.ip().is_loopback() {
        return None;
    }
    let listener = example_api::bind(server.port(), config.port == 0);
    match listener.and_then(|l| {
        l.local_addr()
            .map(|address| (l, format!("http://{address}")))
    }) {
        Ok(found) => Some(found),
        Err(error) => {
            tracing::warn!(%error, "the example API has no port; `executor example` will not work");
            None
        }
    }
}

async fn open_store(config: &Config) -> Result<Store> {
    let location = match &config.database_url {
        Some(url) => Location::Postgres(url.clone()),
        None => Location::File(config.home.join(DATABASE)),
    };
    Store::open(location)
        .await
        .map_err(|e| Failure::failed("database", format!("the database cannot be used: {e}")))
}

async fn start_sandbox(config: &Config) -> Result<Isolate> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers_min = config.sandbox_workers.unwrap_or(cores).max(1);
    let worker_exe = std::env::current_exe()
        .map_err(|e| Failure::failed("system", format!("the program does not find itself: {e}")))?;
    let settings = IsolateConfig {
        workers_min,
        workers_max: config
            .sandbox_workers_max
            .unwrap_or(cores * 4)
            .max(workers_min),
        allow_weak: config.dangerously_allow_weak_sandbox,
        worker_exe,
    };
    if settings.allow_weak {
        tracing::warn!(
            "DANGEROUSLY_ALLOW_WEAK_SANDBOX is set: programs may run without every layer of the sandbox"
        );
    }
    Isolate::start(settings).await.map_err(|e| {
        Failure::failed("sandbox", format!("the sandbox cannot start: {e}"))
            .next("`executor doctor` shows its layers")
    })
}

/// The master key and where it came from.
struct MasterKey {
    bytes: [u8; 32],
    origin: String,
}

fn master_key(config: &Config) -> Result<MasterKey> {
    if let Some(secret) = &config.master_key {
        return read_key(secret.expose(), config.origin("master_key").to_string());
    }
    let own = config.home.join(MASTER_KEY);
    let path = config.master_key_file.as_deref().unwrap_or(&own);
    match std::fs::read_to_string(path) {
        Ok(text) => read_key(&text, path.display().to_string()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && config.master_key_file.is_none() => {
            make_key(&own)
        }
        Err(e) => Err(Failure::usage(format!(
            "cannot read the master key from {}: {e}",
            path.display()
        ))
        .next("correct master_key_file, or its permissions")),
    }
}

fn read_key(text: &str, origin: String) -> Result<MasterKey> {
    match vault::parse_master_key(text) {
        Ok(bytes) => Ok(MasterKey { bytes, origin }),
        Err(e) => Err(
            Failure::usage(format!("the master key from {origin} is unusable: {e}"))
                .next("it is 32 bytes in base64, as `openssl rand -base64 32` prints"),
        ),
    }
}

fn make_key(path: &Path) -> Result<MasterKey> {
    let (bytes, text) = vault::generate_master_key()
        .map_err(|e| Failure::failed("randomness", format!("cannot make a master key: {e}")))?;
    replace(path, format!("{text}\n").as_bytes())?;
    Ok(MasterKey {
        bytes,
        origin: path.display().to_string(),
    })
}

/// Refuses a key that is not the one this database was begun with.
async fn check_key(store: &Store, vault: &Vault, origin: &str) -> Result<()> {
    let system = System::mint();
    let fresh = vault.check_value();
    let stored = store
        .write(move |tx| match store::meta::get(tx, system, KEY_CHECK)? {
            Some(stored) => Ok(stored),
            None => store::meta::set(tx, system, KEY_CHECK, &fresh).map(|()| fresh.clone()),
        })
        .await
        .map_err(|e: store::Error| {
            Failure::failed("database", format!("the database cannot be used: {e}"))
        })?;
    vault.verify_check(&stored).map_err(|_| {
        Failure::failed("wrong_master_key", format!("the master key from {origin} is not the one this database was begun with"))
            .next("give the right one with EXECUTOR_MASTER_KEY or EXECUTOR_MASTER_KEY_FILE; nothing was changed")
    })
}
