//! A tiny API on the loopback for measuring calls: it describes itself and answers `{"ok":true}`,
//! and notes when a call that writes arrives. A thread for each connection, blocking: as cheap as an
//! upstream can be.

use anyhow::Result;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

/// Starts it; it lives until the process ends.
pub(crate) fn start() -> Result<SocketAddr> {
    start_with(Duration::ZERO, None)
}

/// Starts one that takes its time for each answer.
pub(crate) fn start_slow(latency: Duration) -> Result<SocketAddr> {
    start_with(latency, None)
}

/// Starts one that tells of each call that writes, by the instant of its arrival.
pub(crate) fn start_noting(writes: Sender<Instant>) -> Result<SocketAddr> {
    start_with(Duration::ZERO, Some(writes))
}

fn start_with(latency: Duration, writes: Option<Sender<Instant>>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answers = serde_json::json!({ "200": {
        "description": "ok",
        "content": { "application/json": {
            "schema": { "type": "object", "properties": { "ok": { "type": "boolean" } } }
        } }
    } });
    let description = serde_json::json!({
        "openapi": "3.1.0",
        "info": { "title": "Bench", "version": "1" },
        "servers": [{ "url": format!("http://{address}") }],
        "paths": {
            "/ping": { "get": { "operationId": "ping", "responses": answers } },
            "/items": { "post": {
                "operationId": "make",
                "requestBody": { "required": true, "content": { "application/json": { "schema": {
                    "type": "object",
                    "properties": {
                        "name": { "type": "string" }, "amount": { "type": "number" },
                        "note": { "type": "string" }
                    },
                    "required": ["name"]
                } } } },
                "responses": answers
            } }
        }
    })
    .to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (description, writes) = (description.clone(), writes.clone());
            // A connection that breaks is the client's affair; it will open another.
            thread::spawn(move || drop(serve(stream, &description, latency, writes.as_ref())));
        }
    });
    Ok(address)
}

fn serve(
    stream: TcpStream,
    description: &str,
    latency: Duration,
    writes: Option<&Sender<Instant>>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut path = None;
        let mut body_bytes = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            path.get_or_insert_with(|| line.split(' ').nth(1).unwrap_or("/").to_owned());
            if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                body_bytes = length.trim().parse()?;
            }
        }
        if path.as_deref() == Some("/items")
            && let Some(writes) = writes
        {
            // Nobody may be listening any more.
            let _ = writes.send(Instant::now());
        }
        std::io::copy(&mut reader.by_ref().take(body_bytes), &mut std::io::sink())?;
        let body = match path.as_deref() {
            Some("/openapi.json") => description,
            Some(_) | None => {
                thread::sleep(latency);
                r#"{"ok":true}"#
            }
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n\
             {body}"
        );
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}
