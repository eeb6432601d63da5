//! The listening socket: the HTTP API, the MCP endpoint, event streams, sign-in and the page at `/`.
//!
//! Holds no rule: every request becomes a `Caller` and one operation of the engine, and what comes
//! back is only put into public shapes. Status codes are known to `error.rs` alone.
//! Read in the way of a request: `listener.rs`, `front.rs`, `http.rs` or `mcp.rs`, `wire.rs`.

#![warn(missing_docs)]

mod auth;
mod authority;
mod connect;
mod error;
mod exchange;
mod front;
mod hosts;
mod http;
mod invite;
mod listener;
mod mcp;
mod proxies;
mod sign_in;
mod web;
mod wire;

use domain::credential::Secret;
use engine::Engine;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use proxies::Network;

/// What a server needs besides the engine.
pub struct ServeConfig {
    /// The bound socket, so that a port in use is noticed before anything else is started.
    pub listener: std::net::TcpListener,
    /// Names, with or without a port, under which the server is reached besides the address it is
    /// bound to. A request for any other name is refused.
    pub allowed_hosts: Vec<String>,
    /// Reverse proxies, by address, that are believed as to whom a request is from.
    pub trusted_proxies: Vec<Network>,
    /// What a request shows, in `x-executor-owner`, that comes from the user who runs the server;
    /// without it being a process of that user is enough.
    pub owner_token: Option<Secret>,
    /// The program's version, as shown.
    pub version: &'static str,
    /// The example API beside this server, if one listens.
    pub example: Option<api::system::ExampleApi>,
}

/// Whether this program carries the dashboard; without it a small page stands in its place.
#[must_use]
pub const fn has_dashboard() -> bool {
    web::dashboard::is_bundled()
}

/// Why the server could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket cannot be used.
    #[error(
        "the listening socket cannot be used: {0}; choose another address with --host and --port"
    )]
    Listen(#[source] std::io::Error),
}

/// What every part of the server shares.
#[derive(Clone)]
struct App {
    engine: Engine,
    version: &'static str,
    example: Option<Arc<api::system::ExampleApi>>,
    /// The port of the listening socket.
    port: u16,
    owner_token: Option<Arc<Secret>>,
    /// Canceled when the server begins to stop: streams end, waits return.
    closing: CancellationToken,
}

/// Serves until `shutdown` completes, then lets requests under way finish for a few seconds.
///
/// # Errors
/// When the socket cannot be listened on. What goes wrong with one connection ends that connection.
pub fn serve<F>(
    config: ServeConfig,
    engine: Engine,
    shutdown: F,
) -> BoxFuture<'static, Result<(), Error>>
where
    F: Future<Output = ()> + Send + 'static,
{
    Box::pin(async move {
        config
            .listener
            .set_nonblocking(true)
            .map_err(Error::Listen)?;
        let port = config.listener.local_addr().map_err(Error::Listen)?.port();
        let listener = tokio::net::TcpListener::from_std(config.listener).map_err(Error::Listen)?;
        let closing = CancellationToken::new();
        let app = App {
            engine,
            version: config.version,
            example: config.example.map(Arc::new),
            port,
            owner_token: config.owner_token.map(Arc::new),
            closing: closing.clone(),
        };
        let hosts = hosts::Hosts::new(port, &config.allowed_hosts);
        let proxies = proxies::Proxies::new(config.trusted_proxies);
        let front = Arc::new(front::Front::new(app, hosts, proxies));
        listener::run(listener, front, shutdown, closing).await;
        Ok(())
    })
}
