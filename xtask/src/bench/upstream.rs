//! A tiny API on the loopback for measuring calls: it describes itself and answers `{"ok":true}`.
//! A thread for each connection, blocking: as cheap as an upstream can be.

use anyhow::Result;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Starts it; it lives until the process ends.
pub(crate) fn start() -> Result<SocketAddr> {
    start_slow(Duration::ZERO)
}

/// Starts one that takes its time for each answer.
pub(crate) fn start_slow(latency: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let description = serde_json::json!({
        "openapi": "3.1.0",
        "info": { "title": "Bench", "version": "1" },
        "servers": [{ "url": format!("http://{address}") }],
        "paths": { "/ping": { "get": {
            "operationId": "ping",
            "responses": { "200": { "description": "ok", "content": { "application/json": {
                "schema": { "type": "object", "properties": { "ok": { "type": "boolean" } } }
            } } } }
        } } }
    })
    .to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let description = description.clone();
            // A connection that breaks is the client's affair; it will open another.
            thread::spawn(move || drop(serve(stream, &description, latency)));
        }
    });
    Ok(address)
}

fn serve(stream: TcpStream, description: &str, latency: Duration) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut path = None;
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
        }
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
