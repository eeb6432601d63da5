//! `cloudflare-worker`, with our Worker in the workerd that npm installs.
//!
//! Between the two stands as much HTTP as they speak with each other: one
//! request out, whose answer streams, and exchanges coming in.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};

use domain::credential::Secret;
use futures_util::FutureExt;
use sandbox::{
    CloudflareWorker, CloudflareWorkerConfig, Event, ExchangeRefused, FailureCode, RunRequest,
    Sandbox,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::{behaves_as_the_isolate, differs_as_documented, installed, replays};
use crate::host::{drive, echo, start};

const SECRET: &str = "a secret that both know";

/// workerd, the runtime over it, and what was exchanged.
struct Edge {
    runtime: Arc<CloudflareWorker>,
    seen: Arc<Mutex<Vec<String>>>,
    _workerd: Child,
}

impl Edge {
    async fn start(secret: &str) -> Option<Edge> {
        let (workerd, port) = workerd().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = CloudflareWorkerConfig {
            url: format!("http://127.0.0.1:{port}"),
            secret: Secret::new(secret.to_owned()),
            exchange_url: format!("http://{}/exchange", listener.local_addr().unwrap()),
            courier: Arc::new(|request| send(request).boxed()),
        };
        let edge = Edge {
            runtime: Arc::new(CloudflareWorker::new(config)),
            seen: Arc::default(),
            _workerd: workerd,
        };
        let (runtime, seen) = (edge.runtime.clone(), edge.seen.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, runtime.clone(), seen.clone()));
            }
        });
        Some(edge)
    }

    fn tokens(&self) -> Vec<String> {
        let mut tokens = self.seen.lock().unwrap().clone();
        tokens.dedup();
        tokens
    }
}

/// Starts workerd with our Worker on a free port.
async fn workerd() -> Option<(Child, u16)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes/cloudflare-worker");
    let mut child = Command::new(installed("workerd")?)
        .args(["serve", "workerd.capnp", "--experimental", "--control-fd=1"])
        .args(["--socket-addr", "http=127.0.0.1:0"])
        .current_dir(folder)
        .env_clear()
        .env("EXECUTOR_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = said.next_line().await.unwrap().expect("workerd listens");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(port) = event["port"].as_u64() {
            return Some((child, port.try_into().unwrap()));
        }
    }
}

/// One request of HTTP/1.1, to the end of its answer.
async fn send(request: RunRequest) -> Result<(u16, Vec<u8>), String> {
    let rest = request.url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut socket = TcpStream::connect(host).await.map_err(|e| e.to_string())?;
    let mut head = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n",
        request.body.len()
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut answer = Vec::new();
    async {
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(&request.body).await?;
        socket.read_to_end(&mut answer).await
    }
    .await
    .map_err(|e| e.to_string())?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // Its chunks: a line with the length, then the text.
    let lines = body.split("\r\n").collect::<Vec<_>>();
    let text: String = lines.chunks(2).filter_map(|pair| pair.get(1).copied()).collect();
    Ok((status, text.into_bytes()))
}

/// Serves exchanges on one connection.
async fn serve(socket: TcpStream, runtime: Arc<CloudflareWorker>, seen: Arc<Mutex<Vec<String>>>) {
    let mut socket = BufReader::new(socket);
    loop {
        let (mut length, mut token, mut line) = (0, String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let (name, value) = line.split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => value.trim().strip_prefix("Bearer ").unwrap().clone_into(&mut token),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        seen.lock().unwrap().push(token.clone());
        let (status, text) = match runtime.exchange(&token, &body).await {
            Ok(text) => (200, text),
            Err(_) => (401, String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudflare_worker_runs_every_program_as_the_isolate_does() {
    let Some(edge) = Edge::start(SECRET).await else {
        return;
    };
    behaves_as_the_isolate(&*edge.runtime).await;
    differs_as_documented(&*edge.runtime).await;
    replays(&*edge.runtime).await;
}
