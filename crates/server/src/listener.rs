//! Accepts connections and speaks HTTP/1.1 on them, with limits on idle and slow clients.
//!
//! Knows nothing of what is asked: each request goes to the front with what is known of its peer.
//! HTTP/2 is left out: on a loopback or behind a proxy nobody gains by it.

use crate::auth::Peer;
use crate::front::Front;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a client may take to send the head of a request; an idle connection is closed after
/// this, too. Longer than the idle pools of common clients, so that they close first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Connections at once. More wait in the system's queue until one ends.
const CONNECTIONS_MAX: usize = 4_096;

/// How long requests under way may go on once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `shutdown` completes.
pub(crate) async fn run(
    listener: TcpListener,
    front: Arc<Front>,
    shutdown: impl Future<Output = ()> + Send,
    closing: CancellationToken,
) {
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let cut = CancellationToken::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, remote, permit)) => {
                let front = Arc::clone(&front);
                let (closing, cut) = (closing.clone(), cut.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, remote, front, closing) => {}
                        () = cut.cancelled() => {}
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: giving others a moment to end is all there is.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    closing.cancel();
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests under way are cut off"
        );
        cut.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, remote) = listener.accept().await?;
    Ok((stream, remote, permit))
}

async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    front: Arc<Front>,
    closing: CancellationToken,
) {
    // Answers are written in small parts; with Nagle's algorithm each would wait for the client's
    // delayed acknowledgment, some 40 ms.
    let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else {
        return;
    };
    let peer = Arc::new(Peer::new(remote, local));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (front, peer) = (Arc::clone(&front), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(front.answer(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}
