//! The client half of MCP against servers that are what a test makes them, over HTTP: eras,
//! sessions, streams, bounds, and everything a server may do wrong. Commands are in `commands`.

mod asking;
mod commands;
mod people;

use crate::fixture::{admission, limits};
use crate::upstream::{Reply, Seen, Upstream, answer, ok};
use domain::access::{Caller, Channel, Permission};
use domain::credential::Secret;
use domain::source::{Origin, Source, SourceKind, SourceStatus, Upkeep};
use domain::tenancy::Role;
use domain::tool::ToolError;
use domain::{AccountId, OrganizationId, SourceId, Timestamp, WorkspaceId};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tools::{
    Answer, Attachment, Credentials, Egress, EgressConfig, HintTrust, ImportOptions, Invoked,
    McpError, McpInvoked, McpListing, McpPerson, McpSending, McpServers, McpWay, SourceTools,
};

/// A person who calls.
fn caller(person: u8) -> Caller {
    Caller {
        organization_id: OrganizationId::from_bits([1; 16]),
        workspace_id: WorkspaceId::from_bits([2; 16]),
        account_id: AccountId::from_bits([person; 16]),
        role: Role::Owner,
        channel: Channel::Cli,
        client: String::new(),
        key_id: None,
        grant_id: None,
        scopes: domain::access::Scopes::ALL,
        requests_per_minute: None,
    }
}

fn servers() -> McpServers {
    McpServers::new(Egress::new(EgressConfig::default()))
}

fn at(url: &str) -> McpWay {
    McpWay::Url {
        url: url.to_owned(),
        headers: Vec::new(),
        allow_private: true,
    }
}

/// A server as a source, read like any other.
async fn connected(
    servers: &McpServers,
    way: McpWay,
    attachments: &[Attachment],
) -> Result<(SourceTools, McpListing), McpError> {
    let listing = servers.listing(&way, attachments).await?;
    let id = SourceId::from_bits([9; 16]);
    let options = ImportOptions {
        source_id: id.clone(),
        name: "s",
        location: None,
        base_url: None,
    };
    let import = listing.import(&options, HintTrust::Untrusted).unwrap();
    let (origin, headers) = match way {
        McpWay::Url { url, headers, .. } => (Origin::Url(url), headers),
        McpWay::Command { words, variables } => (Origin::Command(words), variables),
    };
    let source = Source {
        id,
        name: "s".to_owned(),
        kind: SourceKind::Mcp,
        title: import.title,
        origin,
        base_url: import.base_url,
        auth: import.auth,
        allow_private: true,
        headers,
        idempotent: Vec::new(),
        trust_hints: false,
        may_ask: true,
        status: SourceStatus::Ready,
        tool_count: import.tools.len() as u32,
        warnings: import.warnings,
        document_digest: import.document_digest,
        created_at: Timestamp(0),
        refreshed_at: Timestamp(0),
        upkeep: Upkeep::default(),
    };
    let tools = SourceTools {
        source,
        definitions: Arc::new(import.definitions),
        tools: import.tools.into_iter().map(Arc::new).collect(),
    };
    Ok((tools, listing))
}

/// The whole way of one call: check, prepare, store and read back, send.
async fn call(
    servers: &McpServers,
    source: &SourceTools,
    person: u8,
    path: &str,
    args: Value,
    attachments: &[Attachment],
) -> Result<Answer, ToolError> {
    let tool = source
        .tools
        .iter()
        .find(|t| t.path == path)
        .expect("the tool");
    tools::check_arguments(tool, source, &args)?;
    let prepared = tools::prepare(tool, source, &args)?;
    let stored = serde_json::to_string(&prepared).unwrap();
    let read = serde_json::from_str(&stored).unwrap();
    assert_eq!(prepared, read);
    let caller = caller(person);
    let scope = caller.scope(Permission::RunTasks).unwrap();
    let sending = McpSending {
        tool,
        source,
        prepared: &read,
        person: McpPerson {
            scope: &scope,
            account: &caller.account_id,
        },
        credentials: Credentials {
            attachments: again(attachments),
            ..Credentials::default()
        },
        hearing: None,
        answers: None,
        result_bytes_max: 1 << 20,
    };
    done(servers.call(admission(tool), sending).await).answer
}

/// The same credentials once more.
fn again(attachments: &[Attachment]) -> Vec<Attachment> {
    let one = |a: &Attachment| Attachment {
        scheme: a.scheme.clone(),
        secret: Secret::new(a.secret.expose().to_owned()),
    };
    attachments.iter().map(one).collect()
}

fn done(invoked: McpInvoked) -> Invoked {
    match invoked {
        McpInvoked::Done(invoked) => *invoked,
        McpInvoked::Asks(asked) => panic!("it asks: {asked:?}"),
    }
}

async fn value(servers: &McpServers, source: &SourceTools, path: &str, args: Value) -> Value {
    call(servers, source, 1, path, args, &[])
        .await
        .unwrap()
        .data
}

/// The method, id and parameters of a message.
fn rpc(seen: &Seen) -> (String, Value, Value) {
    let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    (method, message["id"].clone(), message["params"].clone())
}

fn result(id: &Value, result: Value) -> Reply {
    let message = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    ok("application/json", message.to_string())
}

fn error(status: u16, id: &Value, code: i64, text: &str) -> Reply {
    let error = json!({ "code": code, "message": text });
    let message = json!({ "jsonrpc": "2.0", "id": id, "error": error });
    answer(
        status,
        &[("content-type", "application/json")],
        message.to_string(),
    )
}

fn tools(names: &[&str]) -> Value {
    let tool = |name: &&str| json!({ "name": name, "inputSchema": { "type": "object" } });
    json!({ "tools": names.iter().map(tool).collect::<Vec<_>>() })
}

/// What every server of the handshake era answers alike; `None` for what a test is about.
fn greeting(seen: &Seen, session: Option<&str>) -> Option<Reply> {
    let (method, id, params) = rpc(seen);
    match method.as_str() {
        "server/discover" => Some(error(
            400,
            &Value::Null,
            -32000,
            "Bad Request: not initialized",
        )),
        "initialize" => {
            let result = json!({ "protocolVersion": params["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "fake", "title": "A fake", "version": "1.2" } });
            let message = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(session.map(|s| ("mcp-session-id", s)));
            Some(answer(200, &headers, message))
        }
        _ if seen.line().starts_with("DELETE") => Some(answer(200, &[], "")),
        "" | "notifications/initialized" | "notifications/cancelled" => Some(answer(202, &[], "")),
        _ => None,
    }
}

fn calls(upstream: &Upstream, method: &str) -> Vec<Seen> {
    upstream
        .seen()
        .into_iter()
        .filter(|s| rpc(s).0 == method)
        .collect()
}

#[tokio::test]
async fn a_server_of_2025_is_greeted_listed_and_called() {
    let upstream = Upstream::start(|seen| {
        let (method, id, params) = rpc(seen);
        greeting(seen, Some("session-1")).unwrap_or_else(|| match method.as_str() {
            "tools/list" if params["cursor"] == "2" => result(&id, tools(&["get-sum"])),
            "tools/list" => {
                let mut page = tools(&["echo"]);
                page["nextCursor"] = "2".into();
                result(&id, page)
            }
            "tools/call" => result(&id, json!({ "structuredContent": params["arguments"] })),
            other => panic!("unexpected {other}"),
        })
    })
    .await;
    let servers = servers();
    let (source, listing) = connected(&servers, at(&format!("{}/mcp", upstream.url())), &[])
        .await
        .unwrap();
    assert_eq!(
        listing.evidence(),
        "MCP 2025-11-25, server A fake 1.2, 2 tools"
    );
    let paths: Vec<&str> = source.tools.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(paths, ["s.echo", "s.getSum"]);
    let args = json!({ "b": 2, "a": 0.1, "c": "é" });
    assert_eq!(
        value(&servers, &source, "s.getSum", args.clone()).await,
        args
    );
    let sent = calls(&upstream, "tools/call").pop().unwrap();
    assert_eq!(sent.header("mcp-session-id"), Some("session-1"));
    assert_eq!(sent.header("mcp-protocol-version"), Some("2025-11-25"));
    assert_eq!(sent.header("mcp-method"), None);
    // What a person approves is sent to the byte: everything but the id and `_meta`.
    assert!(
        sent.text()
            .ends_with(r#""name":"get-sum","arguments":{"b":2,"a":0.1,"c":"é"}}}"#),
        "{}",
        sent.text()
    );
    // A second call goes on in the same session.
    value(&servers, &source, "s.echo", json!({})).await;
    assert_eq!(
        calls(&upstream, "initialize").len(),
        2,
        "one for the list, one for the calls"
    );
    servers.close().await;
    assert_eq!(
        upstream
            .seen()
            .iter()
            .filter(|s| s.line().starts_with("DELETE"))
            .count(),
        2
    );
}

#[tokio::test]
async fn a_server_of_2026_has_no_session_and_is_told_all_each_time() {
    let polls = AtomicUsize::new(0);
    let upstream = Upstream::start(move |seen| {
        let (method, id, params) = rpc(seen);
        assert_eq!(seen.header("mcp-method"), Some(method.as_str()));
        assert_eq!(seen.header("mcp-protocol-version"), Some("2026-07-28"));
        let meta = &params["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        match (method.as_str(), params["name"].as_str().unwrap_or_default()) {
            ("server/discover", _) => result(&id, json!({ "resultType": "complete",
                "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "new", "version": "9" } } })),
            ("tools/list", _) => {
                let mut page = tools(&["asks", "works"]);
                page["tools"][0]["inputSchema"]["properties"] =
                    json!({ "region": { "type": "string", "x-mcp-header": "Region" } });
                result(&id, page)
            }
            ("tools/call", "asks") if params.get("inputResponses").is_none() => {
                assert_eq!(seen.header("mcp-param-region"), Some("=?base64?w6k=?="));
                result(&id, json!({ "resultType": "input_required", "requestState": "state",
                    "inputRequests": { "who": { "method": "elicitation/create", "params": {} } } }))
            }
            ("tools/call", "asks") => result(&id, json!({ "resultType": "complete",
                "structuredContent": { "answers": params["inputResponses"], "state": params["requestState"] } })),
            ("tools/call", _) => result(&id, json!({ "resultType": "task", "taskId": "t1",
                "status": "working", "pollIntervalMs": 1 })),
            ("tasks/get", _) if polls.fetch_add(1, Ordering::SeqCst) < 2 => {
                assert_eq!(seen.header("mcp-name"), Some("t1"));
                result(&id, json!({ "taskId": "t1", "status": "working", "pollIntervalMs": 1 }))
            }
            ("tasks/get", _) => result(&id, json!({ "taskId": "t1", "status": "completed",
                "result": { "content": [{ "type": "text", "text": "done" }] } })),
            (other, _) => panic!("unexpected {other}"),
        }
    })
    .await;
    let servers = servers();
    let (source, listing) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    assert_eq!(listing.evidence(), "MCP 2026-07-28, server new 9, 2 tools");
    // A question is declined: nobody saw it.
    assert_eq!(
        value(&servers, &source, "s.asks", json!({ "region": "é" })).await,
        json!({ "answers": { "who": { "action": "decline" } }, "state": "state" })
    );
    assert_eq!(value(&servers, &source, "s.works", json!({})).await, "done");
}

#[tokio::test]
async fn an_answer_comes_on_a_stream_and_the_stream_may_break_off() {
    let asked = Mutex::new(Value::Null);
    let upstream = Upstream::start(move |seen| {
        let (method, id, _) = rpc(seen);
        if seen.line().starts_with("GET") {
            assert_eq!(seen.header("last-event-id"), Some("e1"));
            let answer = json!({ "content": [{ "type": "text", "text": "late" }] });
            let message =
                json!({ "jsonrpc": "2.0", "id": *asked.lock().unwrap(), "result": answer });
            return ok("text/event-stream", format!("id: e2\ndata: {message}\n\n"));
        }
        greeting(seen, Some("x")).unwrap_or_else(|| match method.as_str() {
            "tools/list" => {
                let message = json!({ "jsonrpc": "2.0", "id": id, "result": tools(&["breaks"]) });
                let text = format!(": hi\n\nevent: message\ndata: {message}\n\n");
                ok("text/event-stream", text)
            }
            "tools/call" => {
                *asked.lock().unwrap() = id;
                ok("text/event-stream", "id: e1\nretry: 1\ndata:\n\n")
            }
            other => panic!("unexpected {other}"),
        })
    })
    .await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    assert_eq!(
        value(&servers, &source, "s.breaks", json!({})).await,
        "late"
    );
    assert_eq!(
        calls(&upstream, "tools/call").len(),
        1,
        "the call was made once"
    );
}

#[tokio::test]
async fn an_old_server_speaks_by_events() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sse", listener.local_addr().unwrap());
    let (to_stream, _) = tokio::sync::broadcast::channel::<String>(16);
    let serving = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let to_stream = to_stream.clone();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                loop {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                    let wanted = head
                        .lines()
                        .find_map(|l| l.strip_prefix("content-length: "));
                    let wanted: usize = wanted.map_or(0, |l| l.parse().unwrap());
                    if text.contains("\r\n\r\n") && body.len() >= wanted {
                        let head = head.to_owned();
                        let message: Value = serde_json::from_str(body).unwrap_or_default();
                        bytes.clear();
                        if head.starts_with("GET /sse") {
                            let mut events = to_stream.subscribe();
                            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: endpoint\ndata: /messages?s=1\n\n").await.unwrap();
                            while let Ok(event) = events.recv().await {
                                let text = format!("event: message\ndata: {event}\n\n");
                                if socket.write_all(text.as_bytes()).await.is_err() {
                                    return;
                                }
                            }
                            return;
                        }
                        if !head.starts_with("POST /messages?s=1") {
                            socket
                                .write_all(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n")
                                .await
                                .unwrap();
                            continue;
                        }
                        socket
                            .write_all(b"HTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n")
                            .await
                            .unwrap();
                        let id = &message["id"];
                        let found = match message["method"].as_str().unwrap() {
                            "initialize" => {
                                json!({ "protocolVersion": "2024-11-05", "capabilities": {},
                                "serverInfo": { "name": "old", "version": "0" } })
                            }
                            "tools/list" => tools(&["echo"]),
                            "tools/call" => {
                                json!({ "content": [{ "type": "text", "text": "old" }] })
                            }
                            _ => continue,
                        };
                        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": found });
                        drop(to_stream.send(answer.to_string()));
                        continue;
                    }
                    if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            });
        }
    });
    let servers = servers();
    let (source, listing) = connected(&servers, at(&url), &[]).await.unwrap();
    assert_eq!(listing.evidence(), "MCP 2024-11-05, server old 0, 1 tools");
    assert_eq!(value(&servers, &source, "s.echo", json!({})).await, "old");
    serving.abort();
}

#[tokio::test]
async fn a_list_without_end_is_cut_and_said() {
    let upstream = Upstream::start(|seen| {
        let (method, id, params) = rpc(seen);
        greeting(seen, None).unwrap_or_else(|| {
            assert_eq!(method, "tools/list");
            let page: u64 = params["cursor"].as_str().map_or(0, |c| c.parse().unwrap());
            let mut found = tools(&[format!("tool{page}").as_str()]);
            found["nextCursor"] = (page + 1).to_string().into();
            result(&id, found)
        })
    })
    .await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    assert_eq!(source.tools.len(), 1_000);
    assert!(
        source.source.warnings[0].contains("after 1000 pages"),
        "{:?}",
        source.source.warnings
    );
}

#[tokio::test]
async fn a_list_in_circles_and_one_of_a_hundred_thousand_are_cut_too() {
    for (names, expected, part) in [
        (1, 1, "round in circles"),
        (100_000, 10_000, "more than 10000 tools"),
    ] {
        let upstream = Upstream::start(move |seen| {
            let (_, id, _) = rpc(seen);
            greeting(seen, None).unwrap_or_else(|| {
                let names: Vec<String> = (0..names).map(|n| format!("t{n}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let mut found = tools(&names);
                found["nextCursor"] = "again".into();
                result(&id, found)
            })
        })
        .await;
        let servers = servers();
        let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
        assert_eq!(source.tools.len(), expected);
        let warnings = source.source.warnings.join("; ");
        assert!(warnings.contains(part), "{warnings}");
    }
}

#[tokio::test]
async fn answers_that_are_wrong_are_told_apart() {
    let upstream = Upstream::start(|seen| {
        let (method, id, params) = rpc(seen);
        greeting(seen, None).unwrap_or_else(|| match method.as_str() {
            "tools/list" => result(
                &id,
                tools(&[
                    "wrong_id", "no_json", "html", "refused", "unknown", "silent", "fails",
                    "empty", "busy",
                ]),
            ),
            _ => match params["name"].as_str().unwrap() {
                "wrong_id" => result(&json!(987_654), json!({ "content": [] })),
                "no_json" => ok("application/json", "<html>"),
                "html" => ok("text/html", "<html>"),
                "refused" => error(200, &id, -32602, "`a` must be a number"),
                "unknown" => error(200, &id, -32000, "it broke"),
                "silent" => Reply::Silence(Vec::new()),
                "fails" => result(
                    &id,
                    json!({ "isError": true,
                    "content": [{ "type": "text", "text": "no such file" }] }),
                ),
                "empty" => result(&id, json!({ "content": "x" })),
                _ => answer(429, &[("retry-after", "7")], ""),
            },
        })
    })
    .await;
    let servers = McpServers::new(Egress::new(limits()));
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    for (tool, code, part, retryable) in [
        ("wrongId", "upstream_error", "another request", false),
        ("noJson", "upstream_error", "no JSON", false),
        ("html", "upstream_error", "text/html", false),
        (
            "refused",
            "invalid_arguments",
            "`a` must be a number",
            false,
        ),
        ("unknown", "upstream_error", "it broke", false),
        (
            "silent",
            "upstream_timeout",
            "look before calling again",
            false,
        ),
        ("fails", "upstream_error", "no such file", false),
        ("empty", "upstream_error", "no list", false),
        ("busy", "rate_limited", "429", true),
    ] {
        let error = call(&servers, &source, 1, &format!("s.{tool}"), json!({}), &[])
            .await
            .unwrap_err();
        assert_eq!(error.code.as_str(), code, "{tool}: {error:?}");
        assert!(error.message.contains(part), "{tool}: {error:?}");
        assert_eq!(error.retryable, retryable, "{tool}: {error:?}");
    }
    // Nobody waits for the silent one any more, and the server is told.
    let silent = calls(&upstream, "tools/call")
        .into_iter()
        .find(|s| rpc(s).2["name"] == "silent")
        .map(|s| rpc(&s).1)
        .unwrap();
    let told = || {
        calls(&upstream, "notifications/cancelled")
            .iter()
            .any(|s| rpc(s).2["requestId"] == silent)
    };
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while !told() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the server was never told"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
