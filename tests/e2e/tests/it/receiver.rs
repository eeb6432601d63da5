//! A receiver of webhooks on loopback: it records what it is told to the byte, and can be hostile in
//! every way a receiver can. Signatures are checked apart, by Python's standard library.

use crate::binary;
use crate::server::{PATIENCE, Server, free_port};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) path: String,
    pub(crate) headers: Value,
    pub(crate) body: Vec<u8>,
}

struct Shared {
    told: Mutex<Vec<Told>>,
    /// What `/switch` answers.
    status: AtomicU16,
}

/// A running receiver. It ends with the test, or when it is closed.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

impl Receiver {
    /// A receiver that listens.
    pub(crate) async fn start() -> Self {
        let mut receiver = Self::closed();
        receiver.open().await;
        receiver
    }

    /// A receiver with a port on which nobody listens yet.
    pub(crate) fn closed() -> Self {
        Self {
            port: free_port(),
            shared: Arc::new(Shared {
                told: Mutex::default(),
                status: AtomicU16::new(200),
            }),
            serving: None,
        }
    }

    /// Begins to listen.
    pub(crate) async fn open(&mut self) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port))
            .await
            .expect("the port is free");
        let app = Router::new()
            .fallback(take)
            .with_state(Arc::clone(&self.shared));
        self.serving = Some(tokio::spawn(async move {
            axum::serve(listener, app).await.expect("it serves");
        }));
    }

    /// The address of one of its paths.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What `/switch` answers from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// What it was told on a path so far.
    pub(crate) fn told(&self, path: &str) -> Vec<Told> {
        let told = self.shared.told.lock().expect("no test panicked here");
        told.iter().filter(|t| t.path == path).cloned().collect()
    }

    /// What it was told on a path, once there are so many.
    pub(crate) async fn told_times(&self, server: &Server, path: &str, times: usize) -> Vec<Told> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told(path);
            if told.len() >= times {
                return told;
            }
            assert!(
                Instant::now() < deadline,
                "{path}: {} of {times}\n{}",
                told.len(),
                server.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .expect("the body is whole");
    let shown: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| {
            let text = value.to_str().expect("headers are text").to_owned();
            (name.to_string(), text.into())
        })
        .collect();
    // What is no webhook is not signed like one.
    let signature = shown.get("webhook-signature").cloned().unwrap_or_default();
    shared
        .told
        .lock()
        .expect("no test panicked here")
        .push(Told {
            path: path.clone(),
            headers: shown.into(),
            body: body.to_vec(),
        });
    let status = shared.status.load(Ordering::SeqCst);
    match path.as_str() {
        "/switch" => StatusCode::from_u16(status)
            .expect("a status")
            .into_response(),
        "/redirect" => {
            let to = [(header::LOCATION, "/redirected")];
            (StatusCode::TEMPORARY_REDIRECT, to).into_response()
        }
        "/inward" => {
            let to = [(header::LOCATION, "http://169.254.169.254/latest/meta-data/")];
            (StatusCode::FOUND, to).into_response()
        }
        "/endless" => {
            let chunk = Bytes::from(vec![b'e'; 64 << 10]);
            let endless =
                futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            let body = Body::from_stream(endless);
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
        "/slow" => std::future::pending().await,
        "/services/secret-of-the-path" => {
            let echo = format!("you sent {path}\r\n with {signature}\u{1b}[31m");
            (StatusCode::BAD_REQUEST, echo).into_response()
        }
        "/gone" => StatusCode::GONE.into_response(),
        _ => (StatusCode::OK, "thanks").into_response(),
    }
}

/// What Python makes of what was told: which of the secrets fit, and the bodies.
pub(crate) async fn check(server: &Server, secrets: &[&str], told: &[Told]) -> Vec<Value> {
    let deliveries: Vec<Value> = told
        .iter()
        .map(|t| json!({ "headers": t.headers, "body": STANDARD.encode(&t.body) }))
        .collect();
    let order = json!({ "secrets": secrets, "deliveries": deliveries });
    let mut command = binary::command("python3".as_ref(), &server.scratch(""));
    command.arg(binary::root().join("tests/python/webhooks.py"));
    let ran = binary::finish(command, Some(&order.to_string())).await;
    let found = ran.exits(0).json();
    found.as_array().expect("one for each").clone()
}
