//! The composition root: takes the directory, opens the parts, wires them, listens.
//!
//! Everything that belongs to the machine is decided here and handed down: paths, keys, clock,
//! processes. The order matters: first what can be refused without touching data (directory, port),
//! then the key, then the database.

use crate::config::{Config, without_password};
use crate::example_api;
use crate::failure::{Failure, Result};
use crate::home::{Held, Names, Notice};
use crate::master_key;
use crate::runtimes;
use crate::sign_in;
use crate::tsc;
use domain::access::System;
use domain::credential::Secret;
use engine::{CredentialStore, Engine, Parts, Sharing, SystemClock};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use store::{Location, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vault::Vault;

/// Name of the embedded database in the data directory.
const DATABASE: &str = "executor.db";

/// Lost workers that may wait to be written down; a rush of more stands in the log alone.
const INCIDENTS_BEHIND_MAX: usize = 256;

/// A server that runs in this process.
pub(crate) struct Running {
    /// Where it answers.
    pub(crate) notice: Notice,
    /// What links begin with.
    pub(crate) public_url: String,
    /// What makes somebody the first owner, where one is missing.
    pub(crate) setup: Option<Secret>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::result::Result<(), server::Error>>,
    example: Option<JoinHandle<()>>,
    engine: Engine,
    drain: Duration,
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

    /// Ends it in order, within `drain_ms`: tasks come to rest and are left to other servers or the
    /// next start while requests are still answered; then waits and streams end, no request is
    /// taken any more, and the database is written out.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Ok(ended) = tokio::time::timeout(self.drain, self.stop_in_order()).await {
            return ended;
        }
        // Nothing is lost by it: what is left is as recorded, and others take it over.
        tracing::warn!("ending took longer than drain_ms; ending at once");
        Ok(())
    }

    async fn stop_in_order(&mut self) -> Result<()> {
        self.engine.drain().await;
        self.stop.send_replace(true);
        let ended = self.ended().await;
        if let Some(example) = self.example.take() {
            let _done = example.await;
        }
        self.engine.shutdown().await;
        ended
    }
}

/// In a development build the process can be told to die at a named write point.
#[cfg(debug_assertions)]
fn arm_fault() -> Result<()> {
    match crate::config::fault() {
        Some(fault) => {
            store::points::arm(&fault).map_err(|e| Failure::usage(format!("EXECUTOR_FAULT: {e}")))
        }
        None => Ok(()),
    }
}

/// Origins of addresses; what is no address is none.
fn origins(addresses: &[String]) -> Vec<String> {
    let origin = |address: &String| tools::oauth::origin_of(address);
    addresses.iter().filter_map(origin).collect()
}

/// How the server takes part in authorization.
fn authorization(config: &Config) -> engine::Authorization {
    engine::Authorization {
        client_origins: origins(&config.private_clients),
        elsewhere: config
            .authorization_issuer
            .clone()
            .map(|issuer| engine::Elsewhere {
                issuer,
                audience: config.authorization_audience.clone(),
            }),
    }
}

fn sharing(config: &Config, names: &Names) -> Sharing {
    Sharing {
        gone: names.gone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lease_ms: config.lease_ms.0.into(),
        drain_ms: config.drain_ms.0.into(),
        notices: config.notices,
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    let _closed = stopped.wait_for(|s| *s).await;
}

/// Starts a server as configured; returns once it answers.
pub(crate) async fn start(config: &Config) -> Result<Running> {
    #[cfg(debug_assertions)]
    arm_fault()?;
    let mut held = Held::take(&config.home)?;
    let listener = bind(config)?;
    let address = listener
        .local_addr()
        .map_err(|e| Failure::failed("system", format!("the port is not known: {e}")))?;
    let reachable = address_for_people(address);
    let public_url = config.public_url.as_ref().unwrap_or(&reachable).clone();
    let sign_in = sign_in::read(config)?;
    let owner_token = sign_in::owner_token(&sign_in)?;
    let key = master_key::find(config)?;
    let workers = config.sandbox_workers.unwrap_or_else(cores).max(1);
    let (incidents, heard) = mpsc::channel(INCIDENTS_BEHIND_MAX);
    let (store, runtimes) = tokio::join!(
        open_store(config),
        runtimes::start(config, workers, &public_url, incidents)
    );
    let (store, runtimes) = (store?, runtimes?);
    let names = held.names()?;
    let system = System::mint();
    let vault = Vault::new(master_key::take_or_make(config, key, &store, system).await?);
    let egress = tools::Egress::new(tools::EgressConfig::default());
    let parts = Parts {
        store,
        vault,
        credential_store: credential_store(config, &egress)?,
        runtimes,
        type_checker: tsc::find(config),
        incidents: heard,
        egress,
        clock: Arc::new(SystemClock),
        system,
        public_url: public_url.clone(),
        server_id: names.own.clone(),
        authorization: authorization(config),
        push_services: origins(&config.push_services),
        sharing: sharing(config, &names),
        sign_in,
    };
    let engine = Engine::start(parts).await.map_err(cannot_start)?;
    held.forget_gone(&names)?;
    let setup = engine.open_setup().await.map_err(cannot_start)?;
    let (stop, stopped) = watch::channel(false);
    let example = example_listener(config, address);
    let example_address = example.as_ref().map(|(_, address)| address.clone());
    let example = example.map(|(listener, _)| {
        tokio::spawn(example_api::serve(listener, until_stopped(stopped.clone())))
    });
    let serving = server::serve(
        served(
            config,
            listener,
            owner_token.clone(),
            example_address.as_deref(),
        ),
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
    held.announce(&notice, owner_token.as_ref())?;
    Ok(Running {
        notice,
        public_url: public_url.trim_end_matches('/').to_owned(),
        setup: setup.map(Secret::new),
        stop,
        serving,
        example,
        engine,
        drain: Duration::from_millis(config.drain_ms.0.into()),
        _held: held,
    })
}

/// What the listening part is told.
fn served(
    config: &Config,
    listener: TcpListener,
    owner_token: Option<Secret>,
    example: Option<&str>,
) -> server::ServeConfig {
    server::ServeConfig {
        listener,
        allowed_hosts: allowed_hosts(config),
        trusted_proxies: config.trusted_proxies.clone(),
        owner_token,
        version: env!("CARGO_PKG_VERSION"),
        example: example.map(example_api::offered),
    }
}

fn cannot_start(e: engine::Error) -> Failure {
    let failure = Failure::failed(e.code(), e.to_string());
    match e.next_step() {
        Some(step) => failure.next(step),
        None => failure,
    }
}

fn bind(config: &Config) -> Result<TcpListener> {
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|e| {
        if e.kind() == ErrorKind::AddrInUse {
            let message = format!(
                "port {} of {} is in use by another program",
                config.port, config.host
            );
            return Failure::failed("port_in_use", message)
                .next("give a free one with --port or EXECUTOR_PORT; 0 takes any");
        }
        Failure::failed("port_unusable", format!("cannot listen on {address}: {e}"))
            .next("correct --host and --port; a port from 1024 on needs no rights")
    })
}

/// The address by which commands on the same machine reach a listener.
fn address_for_people(listening: SocketAddr) -> String {
    let ip = match listening.ip().is_unspecified() {
        true => IpAddr::from([127, 0, 0, 1]),
        false => listening.ip(),
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

/// Where the values of credentials are kept.
fn credential_store(config: &Config, egress: &tools::Egress) -> Result<CredentialStore> {
    let outside = match config.credential_store.as_str() {
        "managed" => false,
        "workos-vault" => true,
        other => {
            let origin = config.origin("credential_store");
            let message = format!(
                "credential_store: '{other}' from {origin} is none of managed, workos-vault"
            );
            return Err(Failure::usage(message));
        }
    };
    let key = match (
        &config.workos_vault_api_key,
        &config.workos_vault_api_key_file,
    ) {
        (Some(key), _) => Some(key.clone()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                let place = path.display();
                Failure::usage(format!(
                    "cannot read workos_vault_api_key_file {place}: {e}"
                ))
            })?;
            Some(Secret::new(text.trim().to_owned()))
        }
        (None, None) => None,
    };
    let Some(key) = key else {
        if outside {
            return Err(Failure::usage(
                "credential_store is workos-vault, and there is no API key for it",
            )
            .next("set workos_vault_api_key, or workos_vault_api_key_file"));
        }
        return Ok(CredentialStore::Managed);
    };
    let vault = tools::WorkosVault::new(egress.clone(), &config.workos_vault_url, key)
        .map_err(|why| Failure::usage(format!("workos_vault_url: {why}")))?;
    Ok(if outside {
        CredentialStore::WorkosVault(vault)
    } else {
        CredentialStore::ManagedAgain(vault)
    })
}

/// The right to act for the server itself, for a command that takes its place.
pub(crate) fn system() -> System {
    System::mint()
}

/// Where the database is.
pub(crate) fn location(config: &Config) -> Result<Location> {
    let Some(url) = &config.database_url else {
        return Ok(Location::File(config.home.join(DATABASE)));
    };
    let origin = config.origin("database_url");
    let place = without_password(url);
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        let message = format!("database_url: '{place}' from {origin} is no PostgreSQL address");
        return Err(Failure::usage(message)
            .next("it looks like postgres://user:password@host:5432/database; without it an embedded file is used"));
    }
    Ok(Location::Postgres(url.clone()))
}

async fn open_store(config: &Config) -> Result<Store> {
    Store::open(location(config)?).await.map_err(|e| {
        if let (store::Error::Unavailable(why), Some(url)) = (&e, &config.database_url) {
            let (place, origin) = (without_password(url), config.origin("database_url"));
            let message = format!("PostgreSQL at {place} cannot be reached: {why}");
            return Failure::failed("database", message).next(format!(
                "start it, or correct the address that {origin} gives"
            ));
        }
        Failure::failed("database", e.to_string())
    })
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
