//! Two organizations on one server, with equal names for everything: what stands in one is not to be
//! found in the other by whatever key, route or method.
//!
//! The routes come from the server's own description, so that a new one cannot be forgotten. Every
//! refusal has its counterpart: the same request with one's own identifier is answered.

use crate::database::Database;
use crate::doors::Mcp;
use crate::people::{SCOPES, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(nothing_of_one_is_in_the_other);

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'here', amount: 1 })).name";

/// An organization with everything in it, under the names that the other one has, too.
pub(crate) struct Tenant {
    /// What selects its workspace.
    pub(crate) workspace: String,
    pub(crate) admin: (String, String),
    pub(crate) member: (String, String),
    /// Words of paths with identifiers of what stands in it.
    pub(crate) things: Vec<(&'static str, String)>,
    /// Everything that may never be seen by the other.
    pub(crate) marks: Vec<String>,
    pub(crate) upstream: Upstream,
}

impl Tenant {
    pub(crate) async fn new(server: &Server, slug: &str) -> Self {
        let new = json!({ "name": "Equal", "slug": slug });
        let organization = server.post("/organizations", new).await;
        let workspace = format!("{slug}/main");
        let upstream = Upstream::start().await;
        let at = |path: &str| format!("{path}?workspace={workspace}");
        let url = format!("{}/openapi.json", upstream.base_url());
        let source = json!({ "url": url, "name": "ledger", "allowPrivate": true });
        let source = server.post(&at("/sources"), source).await;
        let value = json!({ "source": "ledger", "value": upstream.token() });
        let credential = server.post(&at("/credentials"), value).await;
        let mut people = Vec::new();
        for (name, role) in [("Ann", "admin"), ("Mel", "member")] {
            let member = json!({ "name": name, "role": role });
            let id = text(&server.post(&at("/members"), member).await["id"]);
            let key = json!({ "name": "equal", "member": id, "scopes": SCOPES });
            let key = server.post(&at("/keys"), key).await;
            people.push((id, text(&key["secret"]), text(&key["key"]["id"])));
        }
        let (member, admin) = (people.remove(1), people.remove(0));
        let asks = json!({ "code": WRITE, "waitMs": 60_000 });
        let task = server.post(&at("/tasks"), asks).await;
        assert_eq!(task["status"], "waiting", "{task:#}");
        let approval = text(&task["approvals"][0]["id"]);
        let large = json!({ "code": "return 'x'.repeat(2 * 1024 * 1024)", "waitMs": 60_000 });
        let large = server.post(&at("/tasks"), large).await;
        let rule = json!({ "effect": "ask", "match": { "tools": ["nothing.**"] } });
        let rule = server.post(&at("/policies"), rule).await;
        let set = json!({ "name": "equal" });
        let set = server.post(&at("/policies/sets"), set).await;
        let hook = json!({ "url": "https://example.com/hook" });
        let hook = server.post(&at("/webhooks"), hook).await;
        let invite = json!({ "note": "equal" });
        let invite = server.post(&at("/invites"), invite).await;
        let workspace_id = text(&server.get(&at("/me")).await["workspace"]["id"]);
        let things = vec![
            ("tasks", text(&task["id"])),
            ("approvals", approval),
            ("results", text(&large["result"]["$handle"])),
            ("policies", text(&rule["id"])),
            ("policies/sets", text(&set["id"])),
            ("keys", member.2.clone()),
            ("webhooks", text(&hook["webhook"]["id"])),
            ("credentials", text(&credential["id"])),
            ("sources", text(&source["id"])),
            ("members", member.0.clone()),
            ("invites", text(&invite["invite"]["id"])),
            ("workspaces", workspace_id),
            ("organizations", text(&organization["id"])),
        ];
        let mut marks: Vec<String> = things.iter().map(|(_, id)| id.clone()).collect();
        marks.push(admin.0.clone());
        Self {
            workspace,
            admin: (admin.0, admin.1),
            member: (member.0, member.1),
            things,
            marks,
            upstream,
        }
    }

    pub(crate) fn id(&self, word: &str) -> &str {
        let found = self.things.iter().find(|(thing, _)| *thing == word);
        &found.expect("such a thing").1
    }
}

async fn nothing_of_one_is_in_the_other(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let b = Tenant::new(&server, "second").await;
    let description = server.get("/openapi.json").await;
    let (mut tried, mut unknown) = (BTreeSet::new(), 0);
    for (path, methods) in description["paths"].as_object().expect("paths") {
        let Some(rest) = path.strip_prefix("/api/v1/") else {
            continue;
        };
        let Some((word, _)) = rest.split_once("/{") else {
            continue;
        };
        let Some((_, id)) = b.things.iter().find(|(thing, _)| *thing == word) else {
            continue;
        };
        for (method, operation) in methods.as_object().expect("methods") {
            let route = format!("{} {path}", method.to_uppercase());
            let status = is_not_there(&server, &a, &b, &route, id, operation).await;
            unknown += usize::from(status == 404);
            tried.insert(route);
        }
    }
    for word in ["tasks", "approvals", "invites", "members", "workspaces"] {
        let seen = tried.iter().filter(|r| r.contains(&format!("/{word}/{{")));
        assert!(seen.count() > 0, "{word}: {tried:#?}");
    }
    assert!(unknown >= 35 && tried.len() >= 45, "{unknown}: {tried:#?}");
    lists_tell_of_one_alone(&server, &a, &b, &description).await;
    names_lead_to_ones_own(&server, &a, &b).await;
    mcp_reaches_one_alone(&server, &a, &b).await;
    // There everything is still as it was.
    let kept = server
        .send_as(
            Some(&b.admin.1),
            "GET",
            &format!("/tasks/{}", b.id("tasks")),
            None,
        )
        .await;
    assert_eq!(kept.body["status"], "waiting", "{kept:#?}");
}

/// Whether a thing of B is for a key of A's administrator as what nobody has: it is not there, or no
/// key does such a thing at all. Answers which.
async fn is_not_there(
    server: &Server,
    a: &Tenant,
    b: &Tenant,
    route: &str,
    id: &str,
    operation: &Value,
) -> u16 {
    let (method, path) = route.split_once(' ').expect("a route");
    let body = body(operation, b);
    let ask = |id: &str| {
        let path = path.strip_prefix("/api/v1").expect("a path of the API");
        let (start, end) = (path.find('{'), path.find('}'));
        let (start, end) = (start.expect("a brace"), end.expect("a brace"));
        let path = format!("{}{id}{}", &path[..start], &path[end + 1..])
            .replace("{sequence}", "1")
            .replace("{rule}", &format!("srule_{}", "0".repeat(26)))
            .replace("{assignment}", &format!("asgn_{}", "0".repeat(26)))
            .replace("{id}", &b.member.0);
        let body = &body;
        async move {
            server
                .send_as(Some(&a.admin.1), method, &path, body.as_ref())
                .await
        }
    };
    let foreign = ask(id).await;
    assert!(matches!(foreign.status, 403 | 404), "{route}: {foreign:#?}");
    let (kind, bits) = id.split_once('_').expect("a prefix");
    let nobodys = format!("{kind}_{}", "0".repeat(bits.len()));
    let unknown = ask(&nobodys).await;
    assert_eq!(
        foreign.body.to_string().replace(id, "it"),
        unknown.body.to_string().replace(&nobodys, "it"),
        "{route}"
    );
    foreign.status
}

/// A body that fits, as far as it must to be judged.
fn body(operation: &Value, b: &Tenant) -> Option<Value> {
    match operation["operationId"].as_str() {
        Some("checkProgram") => Some(json!({ "code": "return 1" })),
        Some("addWorkspaceMember") => Some(json!({ "member": b.member.0 })),
        Some(_) | None => crate::workspaces::body(operation),
    }
}

/// Every list that needs no identifier, asked by A's administrator, tells nothing of B.
async fn lists_tell_of_one_alone(server: &Server, a: &Tenant, b: &Tenant, description: &Value) {
    let mut own = 0;
    for (path, methods) in description["paths"].as_object().expect("paths") {
        let Some(path) = path.strip_prefix("/api/v1").filter(|p| !p.contains('{')) else {
            continue;
        };
        if methods.get("get").is_none() {
            continue;
        }
        let path = match path {
            "/tools/search" => "/tools/search?query=items",
            "/tools/describe" => "/tools/describe?path=ledger.items.listItems",
            "/tools/usage" => "/tools/usage?path=ledger.items.listItems",
            path => path,
        };
        let answer = server
            .http
            .get(format!("{}/api/v1{path}", server.url()))
            .bearer_auth(&a.admin.1)
            .send()
            .await
            .expect("an answer");
        let seen = answer.text().await.expect("all of it");
        for mark in &b.marks {
            assert!(!seen.contains(mark), "{path} tells of {mark}: {seen}");
        }
        assert!(!seen.contains(b.upstream.base_url()), "{path}: {seen}");
        own += usize::from(a.marks.iter().any(|mark| seen.contains(mark)));
    }
    assert!(own >= 10, "they tell of what is one's own: {own}");
    let search = server
        .send_as(Some(&a.admin.1), "GET", "/tools/search?query=items", None)
        .await;
    let namespaces: BTreeSet<String> = search.body["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|hit| text(&hit["source"]))
        .collect();
    assert_eq!(namespaces.len(), 1, "{search:#?}");
}

/// Equal names are resolved where the caller is, in requests and in programs.
async fn names_lead_to_ones_own(server: &Server, a: &Tenant, b: &Tenant) {
    let before = (a.upstream.received().len(), b.upstream.received().len());
    for tenant in [a, b] {
        let call = json!({ "path": "ledger.items.listItems", "waitMs": 60_000 });
        let called = server
            .send_as(Some(&tenant.admin.1), "POST", "/tools/call", Some(&call))
            .await;
        assert_eq!(called.body["status"], "completed", "{called:#?}");
    }
    let after = (a.upstream.received().len(), b.upstream.received().len());
    assert_eq!(after, (before.0 + 1, before.1 + 1));
    // A key of one reaches no workspace of the other, by whatever name it is called.
    for name in [
        b.workspace.as_str(),
        b.id("workspaces"),
        "second/nowhere",
        "nowhere/main",
    ] {
        let path = format!("/me?workspace={name}");
        let refused = server.send_as(Some(&a.admin.1), "GET", &path, None).await;
        assert_eq!(refused.status, 404, "{name}: {refused:#?}");
    }
    let own = format!("/me?workspace={}", a.workspace);
    let own = server.send_as(Some(&a.admin.1), "GET", &own, None).await;
    assert_eq!(own.body["workspace"]["slug"], "main", "{own:#?}");
    for path in ["/me?workspace=first/main&workspace=second/main"] {
        let twice = server.send_as(Some(&a.admin.1), "GET", path, None).await;
        assert_eq!(twice.status, 400, "{twice:#?}");
    }
    // What a body may not say it does not say: which workspace, or that something is approved.
    for extra in ["workspaceId", "organizationId", "approved", "role", "Code"] {
        let mut task = json!({ "code": "return 1" });
        task[extra] = json!(b.id("workspaces"));
        let refused = server
            .send_as(Some(&a.admin.1), "POST", "/tasks", Some(&task))
            .await;
        assert_eq!(refused.status, 400, "{extra}: {refused:#?}");
    }
}

async fn mcp_reaches_one_alone(server: &Server, a: &Tenant, b: &Tenant) {
    let (mcp, _) = Mcp::connect_as(server, "/mcp", "2025-11-25", &a.admin.1).await;
    for (tool, arguments) in [
        ("resume", json!({ "taskId": b.id("tasks") })),
        ("cancel_task", json!({ "taskId": b.id("tasks") })),
    ] {
        let foreign: Value = mcp.call(tool, arguments).await;
        assert_eq!(foreign["isError"], true, "{tool}: {foreign:#}");
        let nobodys = format!("task_{}", "0".repeat(26));
        let unknown: Value = mcp.call(tool, json!({ "taskId": nobodys })).await;
        assert_eq!(
            foreign.to_string().replace(b.id("tasks"), "it"),
            unknown.to_string().replace(&nobodys, "it"),
            "{tool}"
        );
    }
    let own: Value = mcp
        .call(
            "resume",
            json!({ "taskId": a.id("tasks"), "waitMs": 1_000 }),
        )
        .await;
    assert_eq!(own["structuredContent"]["status"], "waiting", "{own:#}");
    let found: Value = mcp.call("search_tools", json!({ "query": "items" })).await;
    for mark in &b.marks {
        assert!(!found.to_string().contains(mark), "{found:#}");
    }
}
