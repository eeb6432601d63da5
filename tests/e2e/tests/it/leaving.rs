//! Somebody loses a workspace, a role or a session while they look on: what was opened before ends, or
//! shows them nothing more (T07). Beside each who loses it stands one who keeps it and sees it all.

use crate::browser::Browser;
use crate::database::Database;
use crate::doors::Mcp;
use crate::people::{SCOPES, text};
use crate::server::Server;
use crate::stream::Stream;
use crate::upstream::Upstream;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

on_both_databases!(
    who_loses_a_workspace_sees_no_more_of_it,
    a_role_or_an_open_door_that_is_lost_ends_the_stream,
    a_stream_ends_with_its_session,
);

const CLOSED: &str = "?workspace=closed";

/// A server with a restricted workspace that has a tool: writes of 7 are allowed, others ask.
async fn closed(database: Database) -> (Server, Upstream) {
    let server = Server::start(database).await;
    let upstream = Upstream::start().await;
    let new = json!({ "slug": "closed", "access": "restricted" });
    server.post("/workspaces", new).await;
    source(&server, &upstream, "ledger").await;
    let value = json!({ "source": "ledger", "value": upstream.token() });
    server.post(&format!("/credentials{CLOSED}"), value).await;
    let sevens = json!({ "effect": "allow", "match": {
        "tools": ["ledger.items.createItem"], "conditions": ["amount = 7"] } });
    server.post(&format!("/policies{CLOSED}"), sevens).await;
    (server, upstream)
}

async fn source(server: &Server, upstream: &Upstream, name: &str) {
    let url = format!("{}/openapi.json", upstream.base_url());
    let new = json!({ "url": url, "name": name, "allowPrivate": true });
    server.post(&format!("/sources{CLOSED}"), new).await;
}

fn create(name: &str, amount: u32) -> String {
    let arguments = json!({ "name": name, "amount": amount });
    format!("return (await tools.ledger.items.createItem({arguments})).name")
}

/// A new member, and a key of the restricted workspace.
async fn member(server: &Server, name: &str, role: &str) -> (String, String) {
    let new = json!({ "name": name, "role": role });
    let id = text(&server.post("/members", new).await["id"]);
    let named = json!({ "member": id });
    server.post("/workspaces/closed/members", named).await;
    let key = json!({ "name": name, "member": id, "scopes": SCOPES });
    let key = server.post(&format!("/keys{CLOSED}"), key).await;
    (id, text(&key["secret"]))
}

fn events(server: &Server, key: &str, path: &str) -> RequestBuilder {
    let url = format!("{}/api/v1{path}/events?after=0", server.url());
    server.http.get(url).bearer_auth(key)
}

/// Somebody who looks on by every way there is.
struct Onlooker {
    name: &'static str,
    id: String,
    key: String,
    /// A request that is not answered before a write of theirs is.
    poll: JoinHandle<Response>,
    /// A session, the stream of what is said in it, and an answer that waits for a person.
    mcp: Mcp,
    said: Response,
    resumed: Response,
    /// What happens to the task that asks.
    stream: Stream,
}

impl Onlooker {
    async fn begin(server: &Server, name: &'static str) -> Self {
        let (id, key) = member(server, name, "member").await;
        let held = json!({ "code": create(&format!("held by {name}"), 7), "waitMs": 60_000 });
        let poll = server.http.post(format!("{}/api/v1/tasks", server.url()));
        let poll = poll.bearer_auth(&key).json(&held).send();
        let poll = tokio::spawn(async { poll.await.expect("an answer") });
        let asks = json!({ "code": create(&format!("asked by {name}"), 1), "waitMs": 60_000 });
        let asks = server.send_as(Some(&key), "POST", "/tasks", Some(&asks));
        let asks = asks.await.body;
        assert_eq!(asks["status"], "waiting", "{asks:#}");
        let task = text(&asks["id"]);
        let (mcp, _) = Mcp::connect_as(server, "/mcp", "2025-11-25", &key).await;
        let said = mcp.listen().await;
        assert_eq!(said.status(), 200);
        let arguments = json!({ "taskId": task, "waitMs": 600_000 });
        let resume = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "resume", "arguments": arguments } });
        let resumed = mcp.send(resume).await;
        let path = format!("/tasks/{task}");
        let mut stream = Stream::of(events(server, &key, &path)).await;
        stream.until(|e| e.data["type"] == "approval").await;
        Self {
            name,
            id,
            key,
            poll,
            mcp,
            said,
            resumed,
            stream,
        }
    }
}

async fn who_loses_a_workspace_sees_no_more_of_it(database: Database) {
    let (server, upstream) = closed(database).await;
    upstream.hold_writes();
    let mut ada = Onlooker::begin(&server, "Ada").await;
    let mut bob = Onlooker::begin(&server, "Bob").await;
    upstream.arrived(2).await;

    let path = format!("/workspaces/closed/members/{}", ada.id);
    let lost = server.send("DELETE", &path, None).await;
    assert_eq!(lost.status, 204, "{lost:#?}");
    ada.stream.rest().await;
    upstream.release();
    for (onlooker, sees) in [(&mut ada, false), (&mut bob, true)] {
        let polled = (&mut onlooker.poll).await.expect("it does not panic");
        let status = polled.status().as_u16();
        let told = polled.text().await.expect("all of it");
        let what = format!("held by {}", onlooker.name);
        assert_eq!(upstream.created(&what), 1, "it was sent before");
        assert_eq!((status < 300, told.contains(&what)), (sees, sees), "{told}");
        assert!(sees || status == 404, "{status}: {told}");
    }

    // A person answers, and only who may still look on hears what came of it.
    let pending = server
        .get(&format!("/approvals{CLOSED}&status=pending"))
        .await;
    for asked in crate::api::items(&pending) {
        server.approve(&asked).await;
    }
    for (onlooker, sees) in [(&mut ada, false), (&mut bob, true)] {
        let mut told = String::new();
        while let Some(part) = onlooker.resumed.chunk().await.expect("the answer ends") {
            told.push_str(&String::from_utf8_lossy(&part));
        }
        let what = format!("asked by {}", onlooker.name);
        assert_eq!(told.contains(&what), sees, "{told}");
        assert_eq!(told.contains("not_found"), !sees, "{told}");
        assert_eq!(upstream.created(&what), usize::from(sees), "{what}");
    }
    bob.stream
        .until(|e| e.data["data"]["status"] == "completed")
        .await;

    // A session is told of no change any more, and ends.
    source(&server, &upstream, "second").await;
    let mut told = String::new();
    while !told.contains("list_changed") {
        let part = bob.said.chunk().await.expect("the stream goes on");
        told.push_str(&String::from_utf8_lossy(&part.expect("it goes on")));
    }
    let mut told = String::new();
    while let Ok(Some(part)) = ada.said.chunk().await {
        told.push_str(&String::from_utf8_lossy(&part));
    }
    assert!(!told.contains("list_changed"), "{told}");
    let list = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/list" });
    assert!(ada.mcp.send(list.clone()).await.status().is_client_error());
    assert!(bob.mcp.send(list).await.status().is_success());
    let tasks = server.send_as(Some(&ada.key), "GET", "/tasks", None).await;
    assert_eq!(tasks.status, 401, "{tasks:#?}");
}

async fn a_role_or_an_open_door_that_is_lost_ends_the_stream(database: Database) {
    let (server, _upstream) = closed(database).await;
    let whole = "/workspaces/closed";
    let (admin, key) = member(&server, "Carl", "admin").await;
    // Administrators need not be named.
    let path = format!("/workspaces/closed/members/{admin}");
    server.send("DELETE", &path, None).await;
    let (_, other) = member(&server, "Dora", "admin").await;
    let mut lost = Stream::of(events(&server, &key, whole)).await;
    let mut kept = Stream::of(events(&server, &other, whole)).await;
    let change = json!({ "role": "member" });
    let path = format!("/members/{admin}");
    let changed = server.send("PATCH", &path, Some(&change)).await;
    assert_eq!(changed.status, 200, "{changed:#?}");
    lost.rest().await;
    let marked = json!({ "code": create("after", 1) });
    let task = server.post(&format!("/tasks{CLOSED}"), marked).await;
    kept.until(|e| e.data["taskId"] == task["id"]).await;

    // A workspace that was open lets in from now on whom it names.
    let (eve, key) = member(&server, "Eve", "member").await;
    let (_, other) = member(&server, "Finn", "member").await;
    let set = |access: &str| json!({ "access": access });
    let open = server.send("PATCH", whole, Some(&set("open"))).await;
    assert_eq!(open.status, 200, "{open:#?}");
    let path = format!("/workspaces/closed/members/{eve}");
    server.send("DELETE", &path, None).await;
    let asks = async |key: &str| {
        let code = json!({ "code": create("asks", 1), "waitMs": 60_000 });
        let task = server.send_as(Some(key), "POST", "/tasks", Some(&code));
        let id = text(&task.await.body["id"]);
        (
            Stream::of(events(&server, key, &format!("/tasks/{id}"))).await,
            id,
        )
    };
    let ((mut lost, _), (mut kept, task)) = (asks(&key).await, asks(&other).await);
    server.send("PATCH", whole, Some(&set("restricted"))).await;
    lost.rest().await;
    let path = format!("/tasks/{task}/cancel{CLOSED}");
    server.post(&path, json!({})).await;
    kept.until(|e| e.data["data"]["status"] == "canceled").await;
}

async fn a_stream_ends_with_its_session(database: Database) {
    let server = Server::start(database).await;
    let (mut stolen, mut own) = (Browser::new(&server), Browser::new(&server));
    for browser in [&mut stolen, &mut own] {
        browser.follow_link(&server).await;
    }
    let workspace = text(&server.get("/me").await["workspace"]["id"]);
    let open = |browser: &Browser| {
        let url = format!("{}/api/v1/workspaces/{workspace}/events", server.url());
        let (name, value) = browser.cookies.iter().next().expect("a cookie");
        Stream::of(
            server
                .http
                .get(url)
                .header("x-forwarded-for", "203.0.113.7")
                .header("cookie", format!("{name}={value}")),
        )
    };
    let (mut ends, mut stays) = (open(&stolen).await, open(&own).await);
    let ended: Value = own.api("DELETE", "/sessions", None).await.json();
    assert_eq!(ended["ended"], 1, "{ended:#}");
    ends.rest().await;
    let task = server.submit("return 1").await;
    stays.until(|e| e.data["taskId"] == task.as_str()).await;
    assert_eq!(stolen.who().await, None);
}
