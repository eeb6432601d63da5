//! The MCP revision of 2026, which has no sessions, as raw messages: what it says of itself, headers
//! that contradict, messages with two readings, rounds with their sealed state, tasks of the
//! protocol, the catalog as tools, and who listens for changes.

use crate::database::Database;
use crate::doors::Mcp;
use crate::people::Person;
use crate::server::{PATIENCE, Server, client};
use crate::upstream::Upstream;
use reqwest::Response;
use serde_json::{Value, json};

on_both_databases!(
    no_session_is_needed,
    headers_that_contradict_run_nothing,
    messages_with_two_readings_run_nothing,
    a_round_is_taken_once_and_only_as_given,
    where_forms_decide_nothing_the_page_does,
    a_task_is_a_task_of_the_protocol,
    the_catalog_is_offered_as_tools,
    a_named_request_runs_once,
    who_listens_hears_of_a_new_source,
    another_session_goes_on_with_the_task,
);

const VERSION: &str = "2026-07-28";
const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'by a round', amount: 1 })).name;";

/// Lets forms of clients decide in the only workspace.
pub(crate) async fn let_forms_decide(server: &Server) {
    let allowed = json!({ "inClientDecisions": true });
    let set = server.send("PATCH", "/workspace/settings", Some(&allowed));
    assert_eq!(set.await.body["inClientDecisions"], true);
}

/// A client of 2026 in plain messages.
pub(crate) struct Plain {
    url: String,
    capabilities: Value,
    key: Option<String>,
}

impl Plain {
    pub(crate) fn new(server: &Server, capabilities: Value) -> Self {
        let url = format!("{}/mcp", server.url());
        Self {
            url,
            capabilities,
            key: None,
        }
    }

    /// The same client with a person's key.
    pub(crate) fn of(server: &Server, capabilities: Value, person: &Person) -> Self {
        Self::by(server, capabilities, &person.key)
    }

    /// The same client with a key or token.
    pub(crate) fn by(server: &Server, capabilities: Value, bearer: &str) -> Self {
        Self {
            key: Some(format!("Bearer {bearer}")),
            ..Self::new(server, capabilities)
        }
    }

    fn message(&self, method: &str, mut params: Value) -> Value {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(VERSION);
        params["_meta"]["io.modelcontextprotocol/clientInfo"] =
            json!({ "name": "plain of 2026", "version": "1" });
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
    }

    async fn send(&self, method: &str, params: Value) -> Response {
        let message = self.message(method, params);
        let name = match method {
            "tools/call" => message["params"]["name"].as_str(),
            _ => message["params"]["taskId"].as_str(),
        };
        let mut headers = vec![("mcp-protocol-version", VERSION), ("mcp-method", method)];
        headers.extend(name.map(|name| ("mcp-name", name)));
        headers.extend(self.key.as_deref().map(|key| ("authorization", key)));
        post(&self.url, &headers, message.to_string()).await
    }

    /// The answer to a request: the last message.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        answer(self.send(method, params).await).await
    }

    pub(crate) async fn call(&self, params: Value) -> Value {
        self.ask("tools/call", params).await
    }
}

async fn post(url: &str, headers: &[(&str, &str)], body: String) -> Response {
    let mut request = client()
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.expect("an answer")
}

async fn answer(response: Response) -> Value {
    let text = response.text().await.expect("a whole answer");
    let last = text
        .lines()
        .filter_map(|l| l.strip_prefix("data: "))
        .next_back();
    serde_json::from_str(last.unwrap_or(&text)).unwrap_or_else(|e| panic!("{e}: {text}"))
}

pub(crate) fn form() -> Value {
    json!({ "elicitation": { "form": {} } })
}

pub(crate) fn execute(code: &str) -> Value {
    json!({ "name": "execute", "arguments": { "code": code } })
}

pub(crate) fn only_key(requests: &Value) -> String {
    let requests = requests.as_object().expect("questions");
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.keys().next().expect("one").clone()
}

pub(crate) fn answered(key: &str, decision: &str) -> Value {
    json!({ key: { "action": "accept", "content": { "decision": decision, "reason": "as seen" } } })
}

async fn no_session_is_needed(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let plain = Plain::new(&server, json!({}));
    let hello = plain.ask("server/discover", json!({})).await["result"].clone();
    assert_eq!(
        hello["supportedVersions"],
        json!(["2025-03-26", "2025-06-18", "2025-11-25", VERSION])
    );
    assert_eq!(
        hello["capabilities"],
        json!({
            "tools": { "listChanged": true },
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        })
    );
    assert_eq!(hello["cacheScope"], "private");
    let listed = plain.ask("tools/list", json!({})).await["result"].clone();
    assert_eq!(listed["cacheScope"], "private");
    assert!(listed["ttlMs"].is_u64(), "{listed:#}");
    let tools = listed["tools"].as_array().expect("tools");
    let names: Vec<&str> = tools.iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names, ["execute", "resume", "cancel_task", "search_tools"]);
    let response = plain.send("tools/call", execute("return 40 + 2")).await;
    assert!(response.headers().get("mcp-session-id").is_none());
    let result = answer(response).await["result"]["structuredContent"].clone();
    assert_eq!(result["result"], 42);
    let task = server
        .task(result["taskId"].as_str().expect("a task"))
        .await;
    assert_eq!(task["client"], "plain of 2026", "{task:#}");
    let (_, hello) = Mcp::connect(&server, "2025-11-25").await;
    assert_eq!(
        hello["capabilities"],
        json!({ "tools": { "listChanged": true } }),
        "sessions have no extension"
    );
    for path in [
        "/mcp/anonymous",
        "/mcp?workspace=ws_00000000000000000000000000",
    ] {
        let url = format!("{}{path}", server.url());
        let body = plain.message("tools/list", json!({})).to_string();
        let headers = [
            ("mcp-protocol-version", VERSION),
            ("mcp-method", "tools/list"),
        ];
        assert_eq!(post(&url, &headers, body).await.status(), 404, "{path}");
    }
}

async fn headers_that_contradict_run_nothing(database: Database) {
    let server = Server::start(database).await;
    let plain = Plain::new(&server, json!({}));
    let body = plain.message("tools/call", execute("return 1")).to_string();
    let (version, method, name) = (
        ("mcp-protocol-version", VERSION),
        ("mcp-method", "tools/call"),
        ("mcp-name", "execute"),
    );
    for (headers, code) in [
        (vec![method, name], -32_020),
        (vec![version, name], -32_020),
        (vec![version, method], -32_020),
        (
            vec![("mcp-protocol-version", "2025-11-25"), method, name],
            -32_020,
        ),
        (vec![version, ("mcp-method", "tools/list"), name], -32_020),
        (vec![version, method, ("mcp-name", "resume")], -32_020),
    ] {
        let refused = post(&plain.url, &headers, body.clone()).await;
        assert_eq!(refused.status(), 400, "{headers:?}");
        let refused = answer(refused).await;
        assert_eq!(refused["error"]["code"], code, "{headers:?}: {refused:#}");
    }
    // A version nobody speaks, said twice alike.
    let unknown = body.replace(VERSION, "2027-01-01");
    let headers = [("mcp-protocol-version", "2027-01-01"), method, name];
    let refused = post(&plain.url, &headers, unknown).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(answer(refused).await["error"]["code"], -32_022);
    // The new version in the header alone.
    let mut bare: Value = serde_json::from_str(&body).expect("a message");
    bare["params"]["_meta"] = json!({});
    let refused = post(&plain.url, &[version, method, name], bare.to_string()).await;
    assert_eq!(refused.status(), 400);
    // What belongs to the new revision is no part of a session.
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    let mixed = mcp.ask(json!({
        "jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": { "name": "execute", "arguments": { "code": "return 1" }, "requestState": "x" }
    }));
    assert_eq!(mixed.await["error"]["code"], -32_602);
    assert_eq!(
        server.get("/tasks").await["items"],
        json!([]),
        "nothing has run"
    );
}

async fn messages_with_two_readings_run_nothing(database: Database) {
    let server = Server::start(database).await;
    let plain = Plain::new(&server, json!({}));
    let whole = plain.message("tools/call", execute("return 1")).to_string();
    let headers = [
        ("mcp-protocol-version", VERSION),
        ("mcp-method", "tools/call"),
        ("mcp-name", "execute"),
    ];
    let rest = &whole[1..];
    for (body, code) in [
        (format!("[{whole}]"), -32_600),
        (format!("\u{feff}{whole}"), -32_700),
        (format!("{whole} {whole}"), -32_700),
        (format!(r#"{{"method":"ping",{rest}"#), -32_700),
        (whole.replace(r#""id":7"#, r#""id":null"#), -32_600),
        (whole.replace(r#""id":7"#, r#""id":1.5"#), -32_600),
        (whole.replace(r#""id":7,"#, ""), -32_600),
        (whole.replace("2.0", "1.0"), -32_600),
        (
            whole.replace("return 1", &"[".repeat(10)).replace(
                r#""arguments":{"#,
                &format!(
                    r#""deep":{}{},"arguments":{{"#,
                    "[".repeat(500),
                    "]".repeat(500)
                ),
            ),
            -32_700,
        ),
    ] {
        let refused = post(&plain.url, &headers, body.clone()).await;
        assert_eq!(refused.status(), 400, "{body}");
        assert_eq!(answer(refused).await["error"]["code"], code, "{body}");
    }
    assert_eq!(
        server.get("/tasks").await["items"],
        json!([]),
        "nothing has run"
    );
    let result = post(&plain.url, &headers, whole).await;
    assert_eq!(
        answer(result).await["result"]["structuredContent"]["result"],
        1
    );
}

async fn a_round_is_taken_once_and_only_as_given(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    let plain = Plain::new(&server, form());
    let asked = plain.call(execute(WRITE)).await["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    let key = only_key(&asked["inputRequests"]);
    let shown = asked["inputRequests"][&key]["params"]["message"].clone();
    for word in [
        "ledger.items.createItem",
        "write",
        "by a round",
        "/approvals/appr_",
    ] {
        assert!(
            shown.as_str().is_some_and(|s| s.contains(word)),
            "{word}: {shown}"
        );
    }
    let state = asked["requestState"].as_str().expect("a state").to_owned();
    assert!(!state.contains("task_"), "it is sealed");
    let retry = |request: Value, state: &str| {
        let mut request = request;
        request["requestState"] = json!(state);
        request["inputResponses"] = answered(&key, "approve");
        request
    };
    let mut flipped = state.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("text");
    let task = server.pending(1).await[0]["taskId"].clone();
    let resume = json!({ "name": "resume", "arguments": { "taskId": task } });
    for (what, request) in [
        ("a flipped bit", retry(execute(WRITE), &flipped)),
        ("another program", retry(execute("return 1"), &state)),
        ("another tool", retry(resume.clone(), &state)),
        (
            "no state",
            json!({ "name": "execute", "arguments": { "code": WRITE }, "inputResponses": {} }),
        ),
        ("an empty one", retry(execute(WRITE), "")),
    ] {
        let refused = plain.call(request).await;
        assert_eq!(refused["error"]["code"], -32_602, "{what}: {refused:#}");
        assert_eq!(
            refused["error"]["data"]["code"], "invalid_request_state",
            "{what}"
        );
    }
    assert_eq!(server.pending(1).await.len(), 1, "nothing was decided");
    assert_eq!(upstream.created("by a round"), 0);
    // Another run of the server takes it as well.
    server.kill().await;
    server.launch().await;
    let plain = Plain::new(&server, form());
    let done = plain.call(retry(execute(WRITE), &state)).await;
    let done = &done["result"]["structuredContent"];
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(done["taskId"], task, "the same task went on");
    assert_eq!(done["approvals"][0]["status"], "approved");
    let again = plain.call(retry(execute(WRITE), &state)).await;
    assert_eq!(
        again["error"]["data"]["code"], "request_state_used",
        "{again:#}"
    );
    assert!(
        again["error"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("resume"))
    );
    assert_eq!(upstream.created("by a round"), 1, "sent once");
    assert_eq!(
        server.get("/tasks").await["items"].as_array().map(Vec::len),
        Some(1)
    );
    let audit = server.get("/audit").await.to_string();
    assert!(audit.contains(r#""via":"client""#), "on record: {audit}");
}

async fn where_forms_decide_nothing_the_page_does(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    // Forms decide nothing unless the workspace says so: then one without fields tells of the page.
    let plain = Plain::new(&server, form());
    let asked = plain.call(execute(WRITE)).await["result"].clone();
    let key = only_key(&asked["inputRequests"]);
    let shown = &asked["inputRequests"][&key]["params"];
    assert_eq!(shown["mode"], "form", "{shown:#}");
    assert_eq!(shown["requestedSchema"]["properties"], json!({}));
    assert!(
        shown["message"]
            .as_str()
            .is_some_and(|m| m.contains("/approvals/appr_")),
        "{shown:#}"
    );
    let mut looks = execute(WRITE);
    looks["requestState"] = asked["requestState"].clone();
    looks["inputResponses"] = json!({ key: { "action": "accept", "content": {} } });
    let answers = async { server.approve(&server.pending(1).await[0]).await };
    let (done, _) = tokio::join!(plain.call(looks), answers);
    let done = done["result"]["structuredContent"].clone();
    assert_eq!(done["status"], "completed", "it was waited for: {done:#}");
    // Without any channel, the link alone.
    let plain = Plain::new(&server, json!({}));
    let waiting = plain.call(execute(WRITE)).await["result"].clone();
    assert_eq!(
        waiting["structuredContent"]["status"], "waiting",
        "{waiting:#}"
    );
    // The page, where the client can open one.
    let plain = Plain::new(&server, json!({ "elicitation": { "url": {} } }));
    let asked = plain.call(execute(WRITE)).await["result"].clone();
    let key = only_key(&asked["inputRequests"]);
    let shown = &asked["inputRequests"][&key]["params"];
    assert_eq!(shown["mode"], "url", "{shown:#}");
    assert!(
        shown["url"]
            .as_str()
            .is_some_and(|u| u.contains("/approvals/appr_"))
    );
    // Yes and no said all the same do not count, and the answer says so.
    let mut forged = execute(WRITE);
    forged["requestState"] = asked["requestState"].clone();
    forged["inputResponses"] = answered(&key, "approve");
    let told = plain.call(forged).await["result"].clone();
    assert_eq!(told["structuredContent"]["status"], "waiting", "{told:#}");
    assert!(
        told["content"].to_string().contains("did not count"),
        "{told:#}"
    );
    assert_eq!(
        upstream.created("by a round"),
        1,
        "only what the page let through"
    );
    // Who closes the form has decided nothing.
    let_forms_decide(&server).await;
    let plain = Plain::new(&server, form());
    let asked = plain.call(execute(WRITE)).await["result"].clone();
    let key = only_key(&asked["inputRequests"]);
    let mut closed = execute(WRITE);
    closed["requestState"] = asked["requestState"].clone();
    closed["inputResponses"] = json!({ key: { "action": "decline" } });
    let left = plain.call(closed).await["result"]["structuredContent"].clone();
    assert_eq!(left["status"], "waiting", "{left:#}");
    assert_eq!(left["approvals"][0]["status"], "pending");
}

async fn a_task_is_a_task_of_the_protocol(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    let mut capabilities = form();
    capabilities["extensions"] = json!({ "io.modelcontextprotocol/tasks": {} });
    let plain = Plain::new(&server, capabilities);
    let soon = plain.call(execute("return 1")).await;
    assert_eq!(
        soon["result"]["structuredContent"]["result"], 1,
        "soon over"
    );
    let handle = plain.call(execute(WRITE)).await["result"].clone();
    assert_eq!(handle["resultType"], "task", "{handle:#}");
    let id = handle["taskId"].clone();
    let of = |id: &Value| json!({ "taskId": id });
    let got = plain.ask("tasks/get", of(&id)).await["result"].clone();
    assert_eq!(got["status"], "input_required", "{got:#}");
    assert_eq!(got["ttlMs"], Value::Null, "it is kept as any task");
    let key = only_key(&got["inputRequests"]);
    let update = |responses: Value| json!({ "taskId": id, "inputResponses": responses });
    let unknown = json!({ "nobody": { "action": "accept" } });
    let passed_over = plain.ask("tasks/update", update(unknown)).await;
    assert_eq!(passed_over["result"]["resultType"], "complete");
    let done = plain
        .ask("tasks/update", update(answered(&key, "approve")))
        .await;
    assert_eq!(done["result"]["resultType"], "complete", "{done:#}");
    server.finished(id.as_str().expect("an id")).await;
    let got = plain.ask("tasks/get", of(&id)).await["result"].clone();
    assert_eq!(got["status"], "completed", "{got:#}");
    assert_eq!(got["result"]["structuredContent"]["result"], "by a round");
    let late = plain
        .ask("tasks/update", update(answered(&key, "deny")))
        .await;
    assert_eq!(
        late["error"]["code"], -32_602,
        "a late answer is told: {late:#}"
    );
    assert_eq!(upstream.created("by a round"), 1);
    let left = plain.call(execute(WRITE)).await["result"]["taskId"].clone();
    plain.ask("tasks/cancel", of(&left)).await;
    let got = plain.ask("tasks/get", of(&left)).await["result"].clone();
    assert_eq!(got["status"], "cancelled", "{got:#}");
    let nobodys = of(&json!("task_00000000000000000000000000"));
    let missing = plain.ask("tasks/get", nobodys).await;
    assert_eq!(missing["error"]["data"]["code"], "not_found");
    let plain = Plain::new(&server, json!({}));
    let undeclared = plain.ask("tasks/get", of(&id)).await;
    assert_eq!(undeclared["error"]["code"], -32_021);
}

async fn the_catalog_is_offered_as_tools(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    server
        .cli(&["policies", "add", "deny", "ledger.items.deleteItem"])
        .await
        .exits(0);
    let mut plain = Plain::new(&server, json!({}));
    plain.url.push_str("?tools=direct");
    let listed = plain.ask("tools/list", json!({})).await["result"]["tools"].clone();
    let listed = listed.as_array().expect("tools");
    let named = |name: &str| listed.iter().find(|t| t["name"] == name);
    for own in ["resume", "cancel_task"] {
        assert!(named(own).is_some(), "{own}");
    }
    assert!(named("execute").is_none());
    assert!(named("ledger_items_deleteItem").is_none(), "it is denied");
    let read = named("ledger_items_listItems").expect("it is offered");
    assert_eq!(read["annotations"]["readOnlyHint"], true, "{read:#}");
    let write = named("ledger_items_createItem").expect("it is offered");
    assert_eq!(write["annotations"]["readOnlyHint"], false);
    assert_eq!(write["inputSchema"]["type"], "object");
    assert!(
        write["inputSchema"].to_string().contains("amount"),
        "{write:#}"
    );
    let call = |name: &str, arguments: Value| json!({ "name": name, "arguments": arguments });
    let read = plain.call(call("ledger_items_listItems", json!({}))).await["result"].clone();
    assert_eq!(read["structuredContent"]["status"], "completed", "{read:#}");
    let wrong = plain
        .call(call("ledger_items_createItem", json!({ "nmae": "x" })))
        .await["result"]
        .clone();
    assert_eq!(wrong["isError"], true);
    assert_eq!(
        wrong["structuredContent"]["error"]["code"],
        "invalid_arguments"
    );
    let item = json!({ "name": "directly", "amount": 1 });
    let asked = plain.call(call("ledger_items_createItem", item)).await["result"].clone();
    assert_eq!(
        asked["structuredContent"]["status"], "waiting",
        "the same gate: {asked:#}"
    );
    assert_eq!(upstream.created("directly"), 0);
    server.approve(&server.pending(1).await[0]).await;
    let task = asked["structuredContent"]["taskId"].clone();
    let resumed = plain.call(call("resume", json!({ "taskId": task }))).await;
    assert_eq!(
        resumed["result"]["structuredContent"]["status"], "completed",
        "{resumed:#}"
    );
    assert_eq!(upstream.created("directly"), 1);
    let denied = plain
        .call(call("ledger_items_deleteItem", json!({ "id": 1 })))
        .await;
    assert_eq!(denied["error"]["code"], -32_602, "{denied:#}");
}

async fn a_named_request_runs_once(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let plain = Plain::new(&server, json!({}));
    let mut request = execute("return Math.random()");
    request["_meta"] = json!({ "executor/idempotencyKey": "one" });
    let first = plain.call(request.clone()).await["result"]["structuredContent"].clone();
    let second = plain.call(request.clone()).await["result"]["structuredContent"].clone();
    assert_eq!(first["status"], "completed", "{first:#}");
    assert_eq!(first, second, "it is the same task");
    request["arguments"]["code"] = json!("return 2");
    let other = plain.call(request).await["result"]["structuredContent"].clone();
    assert_eq!(other["error"]["code"], "idempotency_mismatch", "{other:#}");
    assert_eq!(
        server.get("/tasks").await["items"].as_array().map(Vec::len),
        Some(1)
    );
}

async fn who_listens_hears_of_a_new_source(database: Database) {
    let server = Server::start(database).await;
    let upstream = Upstream::start().await;
    let plain = Plain::new(&server, json!({}));
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = plain.send("subscriptions/listen", wanted).await;
    let mut heard = String::new();
    let mut connected = false;
    while !heard.contains("notifications/tools/list_changed") {
        if heard.contains("notifications/subscriptions/acknowledged") && !connected {
            connected = true;
            upstream.connect(&server).await;
        }
        let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("nothing more was heard after {heard}"));
        let chunk = chunk
            .expect("the stream goes on")
            .expect("the stream goes on");
        heard.push_str(&String::from_utf8_lossy(&chunk));
    }
}

async fn another_session_goes_on_with_the_task(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let (first, _) = Mcp::connect(&server, "2025-11-25").await;
    let waiting = first.call("execute", json!({ "code": WRITE })).await;
    let task = waiting["structuredContent"]["taskId"].clone();
    first.end().await;
    server.approve(&server.pending(1).await[0]).await;
    let (second, _) = Mcp::connect(&server, "2025-06-18").await;
    let resumed = second.call("resume", json!({ "taskId": task })).await;
    assert_eq!(
        resumed["structuredContent"]["status"], "completed",
        "{resumed:#}"
    );
    // And so does one that has none.
    let plain = Plain::new(&server, json!({}));
    let resume = json!({ "name": "resume", "arguments": { "taskId": task } });
    let again = plain.call(resume).await["result"]["structuredContent"].clone();
    assert_eq!(again["result"], "by a round");
    assert_eq!(upstream.created("by a round"), 1);
}
