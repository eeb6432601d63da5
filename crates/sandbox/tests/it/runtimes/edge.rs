//! `cloudflare-worker`, with our Worker in the workerd that npm installs.
//!
//! Between the two stands as much HTTP as they speak with each other: one
//! request out, whose answer streams, and exchanges coming in.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::credential::Secret;
use futures_util::FutureExt;
use sandbox::{
    CloudflareWorker, CloudflareWorkerConfig, Command, Event, ExchangeRefused, FailureCode,
    Outcome, RunRequest, Sandbox, Session,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{
    behaves_as_the_isolate, differs_as_documented, installed, replays, shows_nothing_of_ours, until,
};
use crate::host::{NOW_MS, start};

/// Where npm lays the program for each processor.
const WORKERD: [&str; 2] = [
    "@cloudflare/workerd-linux-64/bin/workerd",
    "@cloudflare/workerd-linux-arm64/bin/workerd",
];
const SECRET: &str = "a secret that both know";

/// workerd, the runtime over it, and what was exchanged.
struct Edge {
    runtime: Arc<CloudflareWorker>,
    seen: Arc<Mutex<Vec<String>>>,
    workerd: Child,
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
            grace: Duration::from_secs(1),
        };
        let edge = Edge {
            runtime: Arc::new(CloudflareWorker::new(config)),
            seen: Arc::default(),
            workerd,
        };
        let (runtime, seen) = (edge.runtime.clone(), edge.seen.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, runtime.clone(), seen.clone()));
            }
        });
        Some(edge)
    }

    /// The token of the latest exchange.
    fn token(&self) -> String {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

/// Starts workerd with our Worker on a free port.
async fn workerd() -> Option<(Child, u16)> {
    let program = installed("workerd", &WORKERD)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes/cloudflare-worker");
    let mut child = tokio::process::Command::new(program)
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
    let text: String = lines
        .chunks(2)
        .filter_map(|pair| pair.get(1).copied())
        .collect();
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
                "authorization" => value
                    .trim()
                    .strip_prefix("Bearer ")
                    .unwrap()
                    .clone_into(&mut token),
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
    shows_nothing_of_ours(&*edge.runtime).await;
    replays(&*edge.runtime).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_one_session_and_nothing_after_its_end() {
    let Some(edge) = Edge::start(SECRET).await else {
        return;
    };
    let runtime = &*edge.runtime;
    let first = runtime.start(start("await tools.a.b({})")).await.unwrap();
    let first_token = edge.token();
    let mut session = runtime.start(start("await tools.a.b({})")).await.unwrap();
    let token = edge.token();
    assert_ne!(first_token, token);
    assert!(runtime.has_session(&token));
    // While its Worker waits for the next command, nobody else may speak for it.
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    let refused = runtime.exchange(&token, br#"{"events":[]}"#).await;
    assert_eq!(refused, Err(ExchangeRefused::Busy));
    drop(first);
    session
        .send(Command::Deliver {
            seq: 1,
            now_ms: NOW_MS,
            elapsed_ms: 1,
            outcome: Outcome::Value("7".into()),
        })
        .await
        .unwrap();
    assert!(matches!(session.next().await, Event::Done { result, .. } if result == "7"));
    for token in [&token, "", &token[1..], "0"] {
        let refused = runtime.exchange(token, br#"{"events":[]}"#).await;
        assert_eq!(refused, Err(ExchangeRefused::NoSession), "{token}");
    }
    // A dropped session's token dies too, as soon as its Worker is let go.
    until(|| !runtime.has_session(&first_token)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_be_used_says_why() {
    let Some(edge) = Edge::start("another secret").await else {
        return;
    };
    let error = edge.runtime.start(start("return 1")).await.err().unwrap();
    assert!(error.to_string().contains("refused the secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_loses_its_sessions() {
    let Some(mut edge) = Edge::start(SECRET).await else {
        return;
    };
    let mut session = edge
        .runtime
        .start(start("await tools.a.b({})"))
        .await
        .unwrap();
    let token = edge.token();
    while !matches!(session.next().await, Event::TurnEnd { .. }) {}
    edge.workerd.kill().await.unwrap();
    assert_eq!(session.next().await, Event::Lost);
    until(|| !edge.runtime.has_session(&token)).await;
}

/// A Worker played by the test: the runtime over it, its session's token, and its last answer.
struct Played {
    runtime: Arc<CloudflareWorker>,
    token: Arc<Mutex<String>>,
    answer: Arc<Notify>,
}

impl Played {
    /// `last` is what the Worker answers when it is told to.
    fn new(last: &'static str) -> Played {
        let (token, answer) = (Arc::new(Mutex::new(String::new())), Arc::new(Notify::new()));
        let (seen, told) = (token.clone(), answer.clone());
        let config = CloudflareWorkerConfig {
            url: "http://worker".into(),
            secret: Secret::new(SECRET.into()),
            exchange_url: "http://here".into(),
            courier: Arc::new(move |request| {
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                body["token"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut seen.lock().unwrap());
                let told = told.clone();
                async move {
                    told.notified().await;
                    Ok((200, last.as_bytes().to_vec()))
                }
                .boxed()
            }),
            grace: Duration::from_millis(200),
        };
        Played {
            runtime: Arc::new(CloudflareWorker::new(config)),
            token,
            answer,
        }
    }

    /// Begins a session and says `events` for its first turn. What that is answered, comes later.
    async fn begin(&self, events: &str) -> (Session, JoinHandle<Result<String, ExchangeRefused>>) {
        let mut start = start("await tools.a.b({})");
        start.limits.log_bytes_max = 100;
        let runtime = self.runtime.clone();
        let starting = tokio::spawn(async move { runtime.start(start).await });
        until(|| !self.token.lock().unwrap().is_empty()).await;
        let token = self.token.lock().unwrap().clone();
        let said = tokio::spawn(self.runtime.exchange(&token, events.as_bytes()));
        (starting.await.unwrap().unwrap(), said)
    }
}

const CALL: &str =
    r#"{"t":"call","seq":1,"line":2,"column":1,"path":"a.b","arguments":"{}","options":"{}"}"#;
const REST: &str = r#"{"t":"turnEnd","pendingCalls":1,"nextTimer":null}"#;

#[tokio::test]
async fn what_no_honest_worker_says_ends_the_session() {
    let long = "x".repeat(200);
    for events in [
        String::new(),
        "{}".into(),
        r#"{"events":[]}"#.into(),
        r#"{"events":[{"t":"unheard of"}]}"#.into(),
        format!(r#"{{"events":[{CALL}]}}"#),
        format!(r#"{{"events":[{REST}]}}"#),
        format!(r#"{{"events":[{CALL},{CALL},{REST}]}}"#),
        format!(r#"{{"events":[{CALL},{REST},{CALL}]}}"#),
        format!(
            r#"{{"events":[{},{REST}]}}"#,
            CALL.replace("\"{}\"", "\"[]\"")
        ),
        format!(
            r#"{{"events":[{},{REST}]}}"#,
            CALL.replace("1,\"line", "2,\"line")
        ),
        format!(r#"{{"events":[{},{REST}]}}"#, CALL.replace("a.b", "")),
        format!(
            r#"{{"events":[{},{REST}]}}"#,
            CALL.replace("a.b", &long.repeat(3))
        ),
        format!(
            r#"{{"events":[{},{REST}]}}"#,
            CALL.replace("\"{}\"", "\"{\\\"a\\\":\"")
        ),
        format!(r#"{{"events":[{{"t":"log","level":9,"text":""}},{CALL},{REST}]}}"#),
        format!(r#"{{"events":[{{"t":"log","level":1,"text":"{long}"}},{CALL},{REST}]}}"#),
        r#"{"events":[{"t":"done","result":"{","wasUndefined":false}]}"#.into(),
        r#"{"events":[{"t":"failed","kind":"computeLimit","error":{}}]}"#.into(),
        r#"{"events":[{"t":"failed","kind":"thrown","error":5}]}"#.into(),
    ] {
        let played = Played::new("{}");
        let (mut session, answer) = played.begin(&events).await;
        assert_eq!(
            answer.await.unwrap(),
            Err(ExchangeRefused::Broken),
            "{events}"
        );
        let token = played.token.lock().unwrap().clone();
        assert!(!played.runtime.has_session(&token), "{events}");
        loop {
            match session.next().await {
                Event::Lost => break,
                Event::Call { .. } | Event::Log { .. } | Event::TurnEnd { .. } => {}
                other => panic!("{events}: {other:?}"),
            }
        }
    }
    // The control: what an honest one says.
    let played = Played::new("{}");
    let said = format!(r#"{{"events":[{{"t":"log","level":1,"text":"x"}},{CALL},{REST}]}}"#);
    let (mut session, answer) = played.begin(&said).await;
    assert!(matches!(session.next().await, Event::Log { .. }));
    assert!(matches!(session.next().await, Event::Call { .. }));
    assert!(matches!(session.next().await, Event::TurnEnd { .. }));
    drop(session);
    assert_eq!(answer.await.unwrap().as_deref(), Ok(r#"{"t":"over"}"#));
}

#[tokio::test]
async fn limits_at_cloudflare_end_a_program_by_their_name() {
    for (last, code) in [
        (
            r#"{"end":"cpu","why":"Worker exceeded CPU time limit."}"#,
            FailureCode::ComputeLimit,
        ),
        (
            r#"{"end":"memory","why":"Worker exceeded memory limit."}"#,
            FailureCode::MemoryLimit,
        ),
        // It says nothing at all: silence past the limit is what ends it.
        ("", FailureCode::ComputeLimit),
    ] {
        let played = Played::new(last);
        let mut start = start("for (;;);");
        if last.is_empty() {
            start.limits.compute_ms = 300;
        }
        let runtime = played.runtime.clone();
        let starting = tokio::spawn(async move { runtime.start(start).await });
        until(|| !played.token.lock().unwrap().is_empty()).await;
        if !last.is_empty() {
            played.answer.notify_one();
        }
        let mut session = starting.await.unwrap().unwrap();
        match session.next().await {
            Event::Failed(failure) => assert_eq!(failure.code, code, "{last}"),
            other => panic!("{last}: {other:?}"),
        }
        let token = played.token.lock().unwrap().clone();
        until(|| !played.runtime.has_session(&token)).await;
    }
}
