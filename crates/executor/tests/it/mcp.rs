//! MCP over stdio: starts the server, speaks for a client, survives the server's end.

use crate::harness::{PATIENCE, Place, kill};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};

struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
    place: Place,
}

impl Client {
    fn start(place: Place) -> Self {
        // The server that it starts takes any free port.
        place.file("data/executor.toml", "port = 0\n");
        let mut child = place
            .command(&["mcp"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message = serde_json::from_str(&line).expect("every line is one message");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            output,
            place,
        }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The answer to a request; what the server says of its own accord is passed over.
    #[track_caller]
    fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.output.recv_timeout(PATIENCE).expect("an answer");
            if message["id"] == id {
                return message;
            }
        }
    }

    fn execute(&mut self, id: u32, code: &str) -> Value {
        let answer = self.ask(
            id,
            "tools/call",
            json!({ "name": "execute", "arguments": { "code": code } }),
        );
        answer["result"]["structuredContent"].clone()
    }

    fn server_pid(&self) -> u32 {
        self.place.notice().unwrap()["pid"]
            .as_u64()
            .unwrap()
            .try_into()
            .unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.place.notice().is_some() {
            kill(self.server_pid(), "-KILL");
        }
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[test]
fn a_client_talks_through_a_restart() {
    let mut client = Client::start(Place::new());
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = client.ask(1, "initialize", hello);
    assert_eq!(
        answer["result"]["serverInfo"]["name"], "executor",
        "{answer}"
    );
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let tools = client.ask(2, "tools/list", json!({}));
    assert!(
        tools["result"]["tools"].to_string().contains("execute"),
        "{tools}"
    );
    assert_eq!(client.execute(3, "return 40 + 2")["result"], 42);

    let first = client.server_pid();
    kill(first, "-KILL");
    assert_eq!(
        client.execute(4, "return 6 * 7")["result"],
        42,
        "a new server, a new session"
    );
    assert_ne!(client.server_pid(), first);

    // The server ends while a program runs: its task is found and resumed, not run again.
    let code =
        "console.log('once'); await new Promise((r) => setTimeout(r, 1500)); return Date.now();";
    client.send(&json!({
        "jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": { "name": "execute", "arguments": { "code": code } },
    }));
    crate::harness::eventually("the task", || {
        let tasks = client.place.json(&["tasks", "list", "--status", "running"]);
        (!tasks.as_array().unwrap().is_empty()).then_some(())
    });
    kill(client.server_pid(), "-KILL");
    let answer = loop {
        let message = client.output.recv_timeout(PATIENCE).expect("an answer");
        if message["id"] == 5 {
            break message;
        }
    };
    assert_eq!(
        answer["result"]["structuredContent"]["status"], "completed",
        "{answer}"
    );
    let tasks = client.place.json(&["tasks", "list"]);
    assert_eq!(tasks.as_array().unwrap().len(), 3, "{tasks}");

    client.input = None;
    assert_eq!(
        client.child.wait().unwrap().code(),
        Some(0),
        "it ends with its client"
    );
}

#[test]
fn what_is_no_message_is_answered() {
    let mut client = Client::start(Place::new());
    writeln!(client.input.as_mut().unwrap(), "hello").unwrap();
    let answer = client.output.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
}
