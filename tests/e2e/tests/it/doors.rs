//! The doors of the server beyond the happy way: signing in by a link, requests that cannot be read,
//! and the MCP endpoint as raw messages, with its sessions, revisions, limits and progress.

use crate::database::Database;
use crate::server::{Server, client};
use crate::upstream::Upstream;
use reqwest::header::{CONTENT_TYPE, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

on_both_databases!(
    a_link_signs_in_once,
    a_request_that_cannot_be_read_is_told_why,
    health_is_open_and_metrics_are_absent,
    every_revision_of_2025_is_spoken,
    a_session_is_needed_and_ends,
    limits_and_mistakes_are_results_a_model_can_read,
    progress_is_told_to_who_asks,
    resume_waits_for_the_answer_and_tells_of_the_next_question,
);

/// A request that comes through a proxy: the connection says nothing about who sent it.
fn from_elsewhere(server: &Server, method: Method, path: &str) -> RequestBuilder {
    let nobody = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    nobody
        .expect("a client")
        .request(method, format!("{}{path}", server.url()))
        .header("x-forwarded-for", "203.0.113.7")
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

async fn a_link_signs_in_once(database: Database) {
    let server = Server::start(database).await;
    let page = sent(from_elsewhere(&server, Method::GET, "/")).await;
    assert_eq!(page.status(), 401);
    let page = page.text().await.expect("a page");
    assert!(page.contains("executor web"), "{page}");
    let me = sent(from_elsewhere(&server, Method::GET, "/api/v1/me")).await;
    assert_eq!(me.status(), 401);
    let problem: Value = me.json().await.expect("a problem");
    assert_eq!(problem["code"], "not_signed_in");

    let link = server.post("/sign-in-links", json!({})).await;
    let url = link["url"].as_str().expect("a link");
    let path = url.strip_prefix(&server.url()).expect("our own address");
    let signed_in = sent(from_elsewhere(&server, Method::GET, path)).await;
    assert_eq!(signed_in.status(), 303);
    let cookie = signed_in.headers()[SET_COOKIE]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let again = sent(from_elsewhere(&server, Method::GET, path)).await;
    assert!(again.status().is_client_error(), "a link works once");
    assert!(again.headers().get(SET_COOKIE).is_none());

    let pair = cookie.split(';').next().expect("a pair");
    for (cookie, expected) in [(pair.to_owned(), 200), (format!("{pair}0"), 401)] {
        let me = from_elsewhere(&server, Method::GET, "/api/v1/me").header("cookie", &cookie);
        assert_eq!(sent(me).await.status(), expected);
    }
}

async fn a_request_that_cannot_be_read_is_told_why(database: Database) {
    let server = Server::start(database).await;
    let post = |kind: &'static str, body: &'static str| {
        let request = client().post(format!("{}/api/v1/tasks", server.url()));
        async move {
            let answer = sent(request.header(CONTENT_TYPE, kind).body(body)).await;
            let kind = answer.headers()[CONTENT_TYPE]
                .to_str()
                .expect("text")
                .to_owned();
            assert_eq!(kind, "application/problem+json");
            assert!(answer.headers().contains_key("x-request-id"));
            let problem: Value = answer.json().await.expect("a problem");
            problem
        }
    };
    let json_kind = "application/json";
    for (kind, body, status, word) in [
        (
            json_kind,
            r#"{"code":"return 1","tiemoutMs":5}"#,
            400,
            "tiemoutMs",
        ),
        (json_kind, r#"{"code":7}"#, 400, "code"),
        (json_kind, r#"{"code":"1","code":"2"}"#, 400, "twice"),
        (json_kind, r#"{"code":"#, 400, "JSON"),
        (json_kind, r#"{"code":"1","waitMs":60001}"#, 422, "waitMs"),
        ("text/plain", r#"{"code":"return 1"}"#, 415, "JSON"),
    ] {
        let problem = post(kind, body).await;
        assert_eq!(problem["status"], status, "{body}: {problem:#}");
        assert!(
            problem["title"].as_str().is_some_and(|t| t.contains(word)),
            "{problem:#}"
        );
    }
    for (method, path, status) in [
        ("GET", "/tasks?stauts=failed", 400),
        ("GET", "/tasks?cursor=nonsense", 400),
        ("GET", "/tasks?limit=201", 422),
        ("GET", "/tasks/task_unknown", 404),
        ("GET", "/nothing", 404),
        ("GET", "/me?workspace=ws_00000000000000000000000000", 404),
        ("DELETE", "/tasks", 405),
    ] {
        let reply = server.send(method, path, None).await;
        assert_eq!(reply.status, status, "{path}: {reply:#?}");
        assert_eq!(reply.content_type, "application/problem+json", "{path}");
    }
    let key = client()
        .get(format!("{}/api/v1/me", server.url()))
        .bearer_auth("exk_unknown");
    assert_eq!(sent(key).await.status(), 401);
    assert_eq!(
        server.get("/tasks").await["items"],
        json!([]),
        "nothing of it has run"
    );
}

async fn health_is_open_and_metrics_are_absent(database: Database) {
    let server = Server::start(database).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 404)] {
        let answer = sent(from_elsewhere(&server, Method::GET, path)).await;
        assert_eq!(answer.status(), status, "{path}");
    }
    let document = server.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
}

/// A client that speaks MCP in plain messages.
pub(crate) struct Mcp {
    url: String,
    session: Option<String>,
    revision: String,
    key: Option<String>,
}

impl Mcp {
    pub(crate) async fn connect(server: &Server, revision: &str) -> (Self, Value) {
        Self::connect_at(server, "/mcp", revision).await
    }

    pub(crate) async fn connect_at(server: &Server, path: &str, revision: &str) -> (Self, Value) {
        Self::begin(server, path, revision, None).await
    }

    /// With an API key.
    pub(crate) async fn connect_as(
        server: &Server,
        path: &str,
        revision: &str,
        key: &str,
    ) -> (Self, Value) {
        Self::begin(server, path, revision, Some(key.to_owned())).await
    }

    async fn begin(
        server: &Server,
        path: &str,
        revision: &str,
        key: Option<String>,
    ) -> (Self, Value) {
        let url = format!("{}{path}", server.url());
        let mut mcp = Self {
            url,
            session: None,
            revision: revision.to_owned(),
            key,
        };
        let params = json!({
            "protocolVersion": revision, "capabilities": {},
            "clientInfo": { "name": "plain messages", "version": "1" }
        });
        let hello = mcp.send(json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params
        }));
        let hello = hello.await;
        mcp.session = hello
            .headers()
            .get("mcp-session-id")
            .map(|id| id.to_str().expect("text").to_owned());
        let result = last(&messages(hello).await)["result"].clone();
        let ready = mcp.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(ready.await.status(), 202);
        (mcp, result)
    }

    /// The answer to a message.
    pub(crate) async fn ask(&self, message: Value) -> Value {
        last(&messages(self.send(message).await).await).clone()
    }

    /// Ends the session.
    pub(crate) async fn end(&self) {
        let session = self.session.as_deref().expect("a session");
        let end = client().delete(&self.url).header("mcp-session-id", session);
        assert!(sent(end).await.status().is_success());
    }

    /// Opens the stream of what the server says by itself.
    pub(crate) async fn listen(&self) -> Response {
        sent(
            self.ours(
                client()
                    .get(&self.url)
                    .header("accept", "text/event-stream"),
            ),
        )
        .await
    }

    /// Sends a message; the answer may go on for as long as it takes.
    pub(crate) async fn send(&self, message: Value) -> Response {
        let request = client()
            .post(&self.url)
            .header("accept", "application/json, text/event-stream")
            .json(&message);
        sent(self.ours(request)).await
    }

    fn ours(&self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(session) = &self.session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", &self.revision);
        }
        request
    }

    /// Everything that comes back on a call of a tool, its result last.
    async fn call_in_full(&self, name: &str, arguments: Value, meta: Value) -> Vec<Value> {
        let params = json!({ "name": name, "arguments": arguments, "_meta": meta });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        messages(self.send(message).await).await
    }

    /// The names of all tools that are offered.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let list = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/list" });
        let listed = messages(self.send(list).await).await;
        let tools = last(&listed)["result"]["tools"].as_array().expect("tools");
        let name = |t: &Value| t["name"].as_str().expect("a name").to_owned();
        tools.iter().map(name).collect()
    }

    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Value {
        last(&self.call_in_full(name, arguments, json!({})).await)["result"].clone()
    }
}

fn last(messages: &[Value]) -> &Value {
    messages.last().expect("a message")
}

/// The messages of an answer, which is JSON or a stream of events.
async fn messages(answer: Response) -> Vec<Value> {
    let text = answer.text().await.expect("a whole answer");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).expect("a message"))
        .collect()
}

async fn every_revision_of_2025_is_spoken(database: Database) {
    let server = Server::start(database).await;
    for (wanted, spoken) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
    ] {
        let (_, hello) = Mcp::connect(&server, wanted).await;
        assert_eq!(hello["protocolVersion"], spoken, "{wanted}");
        assert_eq!(hello["serverInfo"]["name"], "executor");
    }
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    let listed = mcp.send(json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/list" }));
    let listed = messages(listed.await).await;
    let tools = last(&listed)["result"]["tools"].as_array().expect("tools");
    let names: Vec<&str> = tools.iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names, ["execute", "resume", "cancel_task", "search_tools"]);
}

async fn a_session_is_needed_and_ends(database: Database) {
    let server = Server::start(database).await;
    let (mut mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    let ping = json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" });
    assert_eq!(mcp.send(ping.clone()).await.status(), 200);
    let own = mcp
        .session
        .replace("00000000-0000-4000-8000-000000000000".to_owned());
    assert_eq!(
        mcp.send(ping.clone()).await.status(),
        404,
        "nobody's session"
    );
    mcp.session = None;
    assert_eq!(mcp.send(ping.clone()).await.status(), 400, "no session");
    mcp.session = own.clone();
    let end = client()
        .delete(&mcp.url)
        .header("mcp-session-id", own.expect("a session"));
    assert!(sent(end).await.status().is_success());
    assert_eq!(mcp.send(ping).await.status(), 404, "it has ended");
}

async fn limits_and_mistakes_are_results_a_model_can_read(database: Database) {
    let server = Server::start(database).await;
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    for (tool, arguments, word) in [
        (
            "execute",
            json!({ "code": "return 1", "timeoutMs": 600_001 }),
            "600000",
        ),
        (
            "execute",
            json!({ "code": "return 1", "resultTimeoutMs": 99 }),
            "100",
        ),
        (
            "execute",
            json!({ "code": "return 1", "resultTimeoutMs": 900_001 }),
            "900000",
        ),
        ("execute", json!({ "program": "return 1" }), "program"),
        ("execute", json!({ "code": "let 1" }), "line 1"),
        (
            "resume",
            json!({ "taskId": "task_unknown" }),
            "task_unknown",
        ),
        ("search_tools", json!({ "query": "x", "limit": 51 }), "50"),
    ] {
        let result = mcp.call(tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{arguments}: {result:#}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains(word), "{arguments}: {text}");
    }
    let thrown = mcp
        .call("execute", json!({ "code": "\nthrow new Error('no')" }))
        .await;
    assert_eq!(thrown["isError"], true);
    assert_eq!(thrown["structuredContent"]["error"]["line"], 2);
    let whole = mcp
        .call("execute", json!({ "code": "return { a: [1, null] }" }))
        .await;
    assert_eq!(whole["isError"], false);
    assert_eq!(
        whole["structuredContent"]["result"],
        json!({ "a": [1, null] })
    );
    let task = server
        .task(
            whole["structuredContent"]["taskId"]
                .as_str()
                .expect("an id"),
        )
        .await;
    assert_eq!(task["channel"], "mcp");
    assert_eq!(task["client"], "plain messages");
    let later = json!({ "code": "return 1", "waitForResult": false });
    let later = mcp.call("execute", later).await["structuredContent"].clone();
    let done = mcp
        .call("resume", json!({ "taskId": later["taskId"] }))
        .await;
    assert_eq!(done["structuredContent"]["result"], 1);
}

async fn progress_is_told_to_who_asks(database: Database) {
    let server = Server::start(database).await;
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    let code = json!({ "code": "console.log('one'); console.log('two'); return 3" });
    let told = mcp
        .call_in_full("execute", code.clone(), json!({ "progressToken": "t" }))
        .await;
    let (result, before) = told.split_last().expect("a result");
    assert_eq!(result["result"]["structuredContent"]["result"], 3);
    let lines: Vec<&Value> = before.iter().map(|m| &m["params"]["message"]).collect();
    assert_eq!(lines, [&json!("one"), &json!("two")]);
    let told = mcp.call_in_full("execute", code, json!({})).await;
    assert_eq!(told.len(), 1, "who does not ask is not told: {told:#?}");
}

async fn resume_waits_for_the_answer_and_tells_of_the_next_question(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    let code = "const create = (name) => tools.ledger.items.createItem({ name, amount: 1 });\n\
                await create('first'); await create('second'); return 'both';";
    let first = mcp.call("execute", json!({ "code": code })).await;
    assert_eq!(first["isError"], false, "waiting is no error");
    let structured = &first["structuredContent"];
    assert_eq!(structured["status"], "waiting");
    let url = structured["approvals"][0]["url"].as_str().expect("a link");
    let text = first["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains(url) && text.contains("resume"), "{text}");
    let page = sent(client().get(url)).await;
    assert_eq!(page.status(), 200, "the link leads to a page");

    let resume = json!({ "taskId": structured["taskId"], "waitMs": 60_000 });
    let (second, ()) = tokio::join!(mcp.call("resume", resume.clone()), async {
        server.approve(&server.pending(1).await[0]).await;
    });
    let second = &second["structuredContent"];
    assert_eq!(second["status"], "waiting");
    let statuses: Vec<&Value> = second["approvals"]
        .as_array()
        .expect("approvals")
        .iter()
        .map(|a| &a["status"])
        .collect();
    assert_eq!(statuses, [&json!("approved"), &json!("pending")]);
    let (done, ()) = tokio::join!(mcp.call("resume", resume), async {
        server.approve(&server.pending(1).await[0]).await;
    });
    assert_eq!(done["structuredContent"]["result"], "both");
    assert_eq!(upstream.writes(), 2);
}
