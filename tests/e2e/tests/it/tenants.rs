//! Two organizations on one server, with equal names for everything: what stands in one is not to be
//! found in the other by whatever key, route or method, and is gone to the last row once deleted.
//!
//! The routes come from the server's own description, so that a new one cannot be forgotten. Every
//! refusal has its counterpart: the same request with one's own identifier is answered.

use crate::database::Database;
use crate::doors::Mcp;
use crate::people::{SCOPES, text};
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

on_both_databases!(
    nothing_of_one_is_in_the_other,
    what_is_deleted_ends_at_once_and_comes_back,
    what_is_deleted_for_good_leaves_no_row,
    roles_of_persons_in_an_organization,
    from_the_command_line,
);

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'here', amount: 1 })).name";

/// An organization with everything in it, under the names that the other one has, too.
struct Tenant {
    /// What selects its workspace.
    workspace: String,
    admin: (String, String),
    member: (String, String),
    /// Words of paths with identifiers of what stands in it.
    things: Vec<(&'static str, String)>,
    /// Everything that may never be seen by the other.
    marks: Vec<String>,
    upstream: Upstream,
}

impl Tenant {
    async fn new(server: &Server, slug: &str) -> Self {
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

    fn id(&self, word: &str) -> &str {
        let found = self.things.iter().find(|(thing, _)| *thing == word);
        &found.expect("such a thing").1
    }
}

/// Routes whose identifier is judged by who asks, not by where: no key opens them at all.
fn is_a_persons(route: &str) -> bool {
    route.contains("/organizations/") || route.contains("/deleted-workspaces/")
}

async fn nothing_of_one_is_in_the_other(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let b = Tenant::new(&server, "second").await;
    let description = server.get("/openapi.json").await;
    let mut tried = BTreeSet::new();
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
            is_not_there(&server, &a, &b, &route, id, operation).await;
            tried.insert(route);
        }
    }
    for word in ["tasks", "approvals", "invites", "members", "workspaces"] {
        let seen = tried.iter().filter(|r| r.contains(&format!("/{word}/{{")));
        assert!(seen.count() > 0, "{word}: {tried:#?}");
    }
    assert!(tried.len() >= 40, "{tried:#?}");
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

/// Whether a thing of B is for a key of A's administrator as what nobody has.
async fn is_not_there(
    server: &Server,
    a: &Tenant,
    b: &Tenant,
    route: &str,
    id: &str,
    operation: &Value,
) {
    let (method, path) = route.split_once(' ').expect("a route");
    let body = body(operation, b);
    let ask = |id: &str| {
        let path = path.strip_prefix("/api/v1").expect("a path of the API");
        let (start, end) = (path.find('{'), path.find('}'));
        let (start, end) = (start.expect("a brace"), end.expect("a brace"));
        let path = format!("{}{id}{}", &path[..start], &path[end + 1..])
            .replace("{sequence}", "1")
            .replace("{id}", &b.member.0);
        let body = &body;
        async move {
            server
                .send_as(Some(&a.admin.1), method, &path, body.as_ref())
                .await
        }
    };
    let foreign = ask(id).await;
    let expected = if is_a_persons(route) { 403 } else { 404 };
    assert_eq!(foreign.status, expected, "{route}: {foreign:#?}");
    let (kind, bits) = id.split_once('_').expect("a prefix");
    let nobodys = format!("{kind}_{}", "0".repeat(bits.len()));
    let unknown = ask(&nobodys).await;
    assert_eq!(
        foreign.body.to_string().replace(id, "it"),
        unknown.body.to_string().replace(&nobodys, "it"),
        "{route}"
    );
}

/// A body that fits, as far as it must to be judged.
fn body(operation: &Value, b: &Tenant) -> Option<Value> {
    if operation["requestBody"].is_null() {
        return None;
    }
    let id = operation["operationId"].as_str().unwrap_or_default();
    Some(match id {
        "editRule" => json!({ "effect": "ask" }),
        "previewApproval" => json!({ "arguments": {} }),
        "answerQuestion" | "answer" => json!({ "action": "decline" }),
        "moveRule" => json!({ "position": 1 }),
        "reviewSource" => json!({ "all": true, "revision": 1 }),
        "rotateCredential" => json!({ "value": "x" }),
        "checkProgram" => json!({ "code": "return 1" }),
        "addWorkspaceMember" => json!({ "member": b.member.0 }),
        "forkTask" => json!({ "sequence": 1 }),
        _ => json!({}),
    })
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

/// The task of a tenant, asked for by the local person.
async fn task(server: &Server, tenant: &Tenant) -> Value {
    let path = format!(
        "/tasks/{}?workspace={}",
        tenant.id("tasks"),
        tenant.workspace
    );
    server.get(&path).await
}

async fn what_is_deleted_ends_at_once_and_comes_back(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let me = format!("/me?workspace={}", a.workspace);
    for (typed, status) in [("", 422), ("?confirm=second", 422), ("?confirm=First", 422)] {
        let path = format!("/organizations/first{typed}");
        let refused = server.send("DELETE", &path, None).await;
        assert_eq!(refused.status, status, "{typed}: {refused:#?}");
    }
    // A program that runs on while it is deleted.
    let busy = "let n = 0; while (n < 600) { n++; await new Promise(r => setTimeout(r, 100)); } \
                return n";
    let path = format!("/tasks?workspace={}", a.workspace);
    let busy = text(&server.post(&path, json!({ "code": busy })).await["id"]);
    let deleted = server
        .send("DELETE", "/organizations/first?confirm=first", None)
        .await;
    assert_eq!(deleted.status, 200, "{deleted:#?}");
    assert!(deleted.body["purgeAt"].is_string(), "{deleted:#?}");
    assert_eq!(server.send("GET", &me, None).await.status, 404);
    for key in [&a.admin.1, &a.member.1] {
        let refused = server.send_as(Some(key), "GET", "/me", None).await;
        assert_eq!(refused.status, 403, "{refused:#?}");
        assert_eq!(refused.body["code"], "workspace_deleted");
    }
    let lists = server.get("/workspaces").await;
    assert!(!lists.to_string().contains("first"), "{lists:#}");
    let own = server.get("/organizations").await;
    assert!(own.to_string().contains("purgeAt"), "{own:#}");
    // Its tasks come to rest: none is run by anybody.
    let sql = "select count(*) from tasks where owner is not null";
    let deadline = Instant::now() + PATIENCE;
    while crate::keeping::number(&server, sql) > 0 {
        assert!(Instant::now() < deadline, "a task runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let restored = server
        .send("POST", "/organizations/first/restore", None)
        .await;
    assert_eq!(restored.status, 200, "{restored:#?}");
    assert_eq!(task(&server, &a).await["status"], "waiting");
    let key = server.send_as(Some(&a.member.1), "GET", "/me", None).await;
    assert_eq!(key.status, 200, "{key:#?}");
    let path = format!("/tasks/{busy}?workspace={}", a.workspace);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let task = server.get(&path).await;
        if task["status"] == "completed" {
            assert_eq!(task["result"], 600);
            break;
        }
        assert!(task["status"] != "failed", "{task:#}");
        assert!(Instant::now() < deadline, "{task:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let again = server
        .send("POST", "/organizations/first/restore", None)
        .await;
    assert_eq!(again.status, 409, "{again:#?}");
    a_workspace_alone(&server, &a).await;
    let local = server.get("/me").await;
    let local = text(&local["organization"]["slug"]);
    let path = format!("/organizations/{local}?confirm={local}");
    assert_eq!(server.send("DELETE", &path, None).await.status, 409);
}

/// The same for one workspace: the last one stays, and the organization does.
async fn a_workspace_alone(server: &Server, a: &Tenant) {
    let delete = format!("/workspaces/{}?confirm=main", a.id("workspaces"));
    let last = server.send("DELETE", &delete, None).await;
    assert_eq!(last.body["code"], "last_workspace", "{last:#?}");
    let path = format!("/workspaces?workspace={}", a.workspace);
    server.post(&path, json!({ "slug": "other" })).await;
    let by_key = server
        .send_as(Some(&a.admin.1), "DELETE", &delete, None)
        .await;
    assert_eq!(by_key.status, 403, "it takes a person: {by_key:#?}");
    let deleted = server.send("DELETE", &delete, None).await;
    assert_eq!(deleted.status, 200, "{deleted:#?}");
    assert_eq!(server.send("GET", &delete, None).await.status, 405);
    let gone = format!("/me?workspace={}", a.workspace);
    assert_eq!(server.send("GET", &gone, None).await.status, 404);
    let key = server.send_as(Some(&a.member.1), "GET", "/me", None).await;
    assert_eq!(key.body["code"], "workspace_deleted", "{key:#?}");
    let kept = server.get("/deleted-workspaces").await;
    assert_eq!(kept["items"][0]["id"], a.id("workspaces"), "{kept:#}");
    let path = format!("/deleted-workspaces/{}/restore", a.id("workspaces"));
    assert_eq!(server.send("POST", &path, None).await.status, 200);
    server.get(&gone).await;
}

/// Every row that names a tenant, table by table.
fn rows(server: &Server, column: &str, id: &str) -> Vec<(String, i64)> {
    let tables = crate::keeping::texts(
        server,
        if server.database.is_embedded() {
            "select m.name || ' ' || c.name from sqlite_master m, pragma_table_info(m.name) c
             where m.type = 'table' and c.name in ('workspace_id', 'organization_id')"
        } else {
            "select cast(table_name as text) || ' ' || cast(column_name as text)
             from information_schema.columns
             where table_schema = current_schema()
               and column_name in ('workspace_id', 'organization_id')"
        },
    );
    let mut found = Vec::new();
    let mut looked = 0;
    for place in &tables {
        let (table, of) = place.split_once(' ').expect("a table and a column");
        if of == column {
            looked += 1;
            let sql = format!("select count(*) from {table} where {of} = '{id}'");
            let rows = crate::keeping::number(server, &sql);
            if rows > 0 {
                found.push((table.to_owned(), rows));
            }
        }
    }
    assert!(looked > 10, "{tables:?}");
    found
}

async fn what_is_deleted_for_good_leaves_no_row(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let b = Tenant::new(&server, "second").await;
    let of_b = |server: &Server| {
        let mut all = rows(server, "workspace_id", b.id("workspaces"));
        all.retain(|(table, _)| !matches!(table.as_str(), "events" | "source_traffic"));
        all
    };
    let before = of_b(&server);
    let filled = rows(&server, "workspace_id", a.id("workspaces"));
    for table in ["tasks", "approvals", "sources", "credentials", "events"] {
        assert!(filled.iter().any(|(t, _)| t == table), "{filled:?}");
    }
    let path = "/organizations/first?confirm=first&graceDays=0";
    let deleted = server.send("DELETE", path, None).await;
    assert_eq!(deleted.status, 200, "{deleted:#?}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = rows(&server, "workspace_id", a.id("workspaces"));
        left.extend(rows(&server, "organization_id", a.id("organizations")));
        let id = a.id("organizations");
        let sql = format!("select count(*) from organizations where id = '{id}'");
        if left.is_empty() && crate::keeping::number(&server, &sql) == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{left:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(of_b(&server), before, "the other one is whole");
    assert_eq!(task(&server, &b).await["status"], "waiting");
    let key = server.send_as(Some(&a.admin.1), "GET", "/me", None).await;
    assert_eq!(key.status, 401, "{key:#?}");
    let restored = server
        .send("POST", "/organizations/first/restore", None)
        .await;
    assert_eq!(restored.status, 404, "{restored:#?}");
    let invalid = "/organizations/second?confirm=second&graceDays=91";
    assert_eq!(server.send("DELETE", invalid, None).await.status, 422);
}

/// What a person may who is not the organization's owner: the local person joins it in each role.
async fn roles_of_persons_in_an_organization(database: Database) {
    let server = Server::start(database).await;
    let new = json!({ "name": "Club", "slug": "club" });
    server.post("/organizations", new).await;
    let at = |path: &str| format!("{path}?workspace=club/main");
    let me = text(&server.get("/me").await["accountId"]);
    let other = json!({ "name": "Other", "role": "owner" });
    let other = text(&server.post(&at("/members"), other).await["id"]);
    let key = json!({ "name": "other", "member": other, "scopes": SCOPES });
    let key = text(&server.post(&at("/keys"), key).await["secret"]);
    server
        .post(&at("/workspaces"), json!({ "slug": "spare" }))
        .await;
    let closed = json!({ "slug": "closed", "access": "restricted" });
    let closed = server
        .send_as(Some(&key), "POST", "/workspaces", Some(&closed))
        .await;
    assert_eq!(closed.status, 201, "{closed:#?}");
    let set_role = |role: &'static str| {
        let (server, key, path) = (&server, &key, format!("/members/{me}"));
        async move {
            let change = json!({ "role": role });
            let done = server
                .send_as(Some(key), "PATCH", &path, Some(&change))
                .await;
            assert_eq!(done.status, 200, "{done:#?}");
        }
    };
    for (role, owner, admin) in [
        ("member", false, false),
        ("billing_admin", false, false),
        ("admin", false, true),
        ("owner", true, true),
    ] {
        set_role(role).await;
        let name = json!({ "name": "Club" });
        let wrong = json!({ "slug": "Wrong" });
        let unknown = format!("acct_{}", "0".repeat(26));
        let whom = json!({ "member": unknown });
        for (method, path, body, may, otherwise) in [
            (
                "PATCH",
                "/organizations/club".to_owned(),
                Some(&name),
                owner,
                200,
            ),
            (
                "DELETE",
                "/organizations/club?confirm=no".to_owned(),
                None,
                owner,
                422,
            ),
            ("DELETE", at("/workspaces/club%2Fspare"), None, admin, 422),
            (
                "PATCH",
                at("/workspaces/club%2Fspare"),
                Some(&wrong),
                admin,
                422,
            ),
            (
                "POST",
                at("/workspaces/club%2Fspare/members"),
                Some(&whom),
                admin,
                404,
            ),
            (
                "GET",
                at("/workspaces/club%2Fspare/members"),
                None,
                admin,
                200,
            ),
            ("GET", at("/invites"), None, admin, 200),
            ("GET", at("/members"), None, admin, 200),
            ("GET", at("/audit"), None, admin, 200),
        ] {
            let answer = server.send(method, &path, body).await;
            let expected = if may { otherwise } else { 403 };
            assert_eq!(
                answer.status, expected,
                "{method} {path} by {role}: {answer:#?}"
            );
        }
        // A restricted workspace is there for administrators and for those whom it names.
        let seen = server
            .get("/workspaces")
            .await
            .to_string()
            .contains("closed");
        assert_eq!(seen, admin, "{role}");
        let entered = server.send("GET", "/me?workspace=club/closed", None).await;
        assert_eq!(entered.status, if admin { 200 } else { 404 }, "{role}");
    }
    let members = "/workspaces/club%2Fclosed/members";
    server.post(members, json!({ "member": me })).await;
    set_role("member").await;
    server.get("/me?workspace=club/closed").await;
    // A key is bound to its workspace: it names nobody in another.
    let whom = json!({ "member": other });
    let elsewhere = server
        .send_as(Some(&key), "POST", members, Some(&whom))
        .await;
    assert_eq!(elsewhere.status, 403, "{elsewhere:#?}");
    set_role("owner").await;
    let path = format!("{members}/{me}");
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    set_role("member").await;
    let entered = server.send("GET", "/me?workspace=club/closed", None).await;
    assert_eq!(entered.status, 404, "{entered:#?}");
    an_invite_is_worth_what_its_author_is(&server, &key, &me).await;
}

/// Leaving, and coming back by an invite; and all the invites that do not work.
async fn an_invite_is_worth_what_its_author_is(server: &Server, key: &str, me: &str) {
    let left = server
        .send("DELETE", "/members/me?workspace=club/main", None)
        .await;
    assert_eq!(left.status, 204, "{left:#?}");
    let gone = server.send("GET", "/me?workspace=club/main", None).await;
    assert_eq!(gone.status, 404, "{gone:#?}");
    let invite = |body: Value| async move {
        let made = server
            .send_as(Some(key), "POST", "/invites", Some(&body))
            .await;
        assert_eq!(made.status, 201, "{made:#?}");
        made.body
    };
    let accept = |token: String| async move {
        let given = json!({ "token": token });
        server
            .send("POST", "/invitations/accept", Some(&given))
            .await
    };
    let token = |made: &Value| {
        let url = text(&made["url"]);
        url.rsplit_once("/invite/").expect("a link").1.to_owned()
    };
    for bad in [
        json!({ "expiresAt": "2020-01-01T00:00:00Z" }),
        json!({ "expiresAt": "2099-01-01T00:00:00Z" }),
        json!({ "maxUses": 0 }),
        json!({ "role": "king" }),
        json!({ "email": "nobody" }),
    ] {
        let refused = server
            .send_as(Some(key), "POST", "/invites", Some(&bad))
            .await;
        assert_eq!(refused.status, 422, "{bad}: {refused:#?}");
    }
    let (revoked, good) = (
        invite(json!({})).await,
        invite(json!({ "role": "admin" })).await,
    );
    let path = format!("/invites/{}", text(&revoked["invite"]["id"]));
    let done = server.send_as(Some(key), "DELETE", &path, None).await;
    assert_eq!(done.status, 204, "{done:#?}");
    // Looking uses nothing up, neither by the API nor on the page.
    let page = format!("{}/invite/{}", server.url(), token(&good));
    for _ in 0..2 {
        let shown = server.http.get(&page).send().await.expect("a page");
        assert_eq!(shown.status(), 200);
        let shown = shown.text().await.expect("text");
        assert!(shown.contains("Club") && shown.contains("Other"), "{shown}");
    }
    let from_elsewhere = server
        .http
        .post(&page)
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(from_elsewhere.status(), 403);
    let without = server.http.post(&page).send().await.expect("an answer");
    assert_eq!(without.status(), 403, "a form says where it comes from");
    let stranger = server
        .http
        .get(&page)
        .header("x-forwarded-for", "203.0.113.7")
        .send()
        .await;
    // Nobody signed in there: sent to sign in, and back.
    let stranger = stranger.expect("an answer");
    assert!(
        stranger
            .url()
            .query()
            .is_some_and(|q| q.contains("next=%2Finvite%2F")),
        "{}",
        stranger.url()
    );
    let joined = server
        .http
        .post(&page)
        .header("origin", server.url())
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        joined.status(),
        200,
        "{}",
        joined.text().await.expect("text")
    );
    let me_there = server.get("/me?workspace=club/main").await;
    assert_eq!(me_there["role"], "admin", "{me_there:#}");
    let twice = invite(json!({})).await;
    let twice = accept(token(&twice)).await;
    assert_eq!(twice.body["code"], "already_member", "{twice:#?}");
    // An administrator's invite to a role above what they are now lets nobody in.
    let own = server
        .post("/invites?workspace=club/main", json!({ "role": "admin" }))
        .await;
    let above = json!({ "role": "owner" });
    let above = server
        .send("POST", "/invites?workspace=club/main", Some(&above))
        .await;
    assert_eq!(above.status, 403, "{above:#?}");
    let change = json!({ "role": "member" });
    let path = format!("/members/{me}");
    server
        .send_as(Some(key), "PATCH", &path, Some(&change))
        .await;
    let words = |reply: &crate::api::Reply| (reply.status, reply.body.to_string());
    let unknown = accept("0".repeat(64)).await;
    assert_eq!(unknown.status, 422, "{unknown:#?}");
    for void in [token(&own), token(&revoked), token(&good)] {
        let refused = accept(void).await;
        assert_eq!(words(&refused), words(&unknown));
    }
    let log = server.log();
    assert!(!log.contains(&token(&good)), "no log holds a token");
}

async fn from_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let run = |line: &'static str| {
        let server = &server;
        async move { server.cli(&line.split(' ').collect::<Vec<_>>()).await }
    };
    let made = run("organizations create Acme --json")
        .await
        .exits(0)
        .json();
    assert_eq!(
        (&made["slug"], &made["role"]),
        (&json!("acme"), &json!("owner"))
    );
    let second = run("orgs create Acme --json").await.exits(0).json();
    assert!(
        text(&second["slug"]).starts_with("acme-"),
        "a name that is taken is marked: {second:#}"
    );
    run("organizations rename acme --name Acme2 --json")
        .await
        .exits(0);
    run("workspaces create closed --access restricted --workspace acme/main --json")
        .await
        .exits(0);
    let ran = run("run -e 1 --workspace acme/closed --json")
        .await
        .exits(0)
        .json();
    assert_eq!(ran["status"], "completed", "{ran:#}");
    let listed = run("workspaces list --json").await.exits(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "{listed:#}");
    run("workspaces change acme/closed --access open --json")
        .await
        .exits(0);
    let ann = run("members add Ann --workspace acme/main --json")
        .await
        .exits(0)
        .json();
    let ann = text(&ann["id"]);
    let named = [
        "workspaces",
        "members",
        "acme/closed",
        "--add",
        &ann,
        "--json",
    ];
    let named = server.cli(&named).await.exits(0).json();
    assert_eq!(named.as_array().map(Vec::len), Some(2), "{named:#}");
    run("workspaces delete acme/closed").await.exits(2);
    run("workspaces delete acme/closed --confirm main")
        .await
        .exits(2);
    run("workspaces delete acme/closed --confirm closed --json")
        .await
        .exits(0);
    let gone = run("workspaces deleted --json").await.exits(0).json();
    assert_eq!(gone.as_array().map(Vec::len), Some(1), "{gone:#}");
    run("workspaces restore acme/closed --json").await.exits(0);
    let invite = run("members invite --role admin --workspace acme/main --json")
        .await
        .exits(0)
        .json();
    let shown = [
        "invites",
        "show",
        invite["url"].as_str().expect("a link"),
        "--json",
    ];
    let shown = server.cli(&shown).await.exits(0).json();
    assert_eq!(shown["organization"]["slug"], "acme", "{shown:#}");
    let accepted = ["invites", "accept", invite["url"].as_str().expect("a link")];
    server.cli(&accepted).await.exits(1).says(&["member"]);
    let id = text(&invite["invite"]["id"]);
    let revoked = ["members", "revoke-invite", &id, "--workspace", "acme/main"];
    server.cli(&revoked).await.exits(0);
    let invites = run("invites list --workspace acme/main --json")
        .await
        .exits(0)
        .json();
    assert_eq!(invites[0]["status"], "revoked", "{invites:#}");
    run("members leave --workspace acme/main")
        .await
        .exits(1)
        .says(&["last owner"]);
    run("organizations delete acme").await.exits(2);
    run("organizations delete acme --confirm acme --json")
        .await
        .exits(0);
    run("tasks list --workspace acme/main").await.exits(1);
    run("organizations restore acme --json").await.exits(0);
    run("tasks list --workspace acme/main").await.exits(0);
}
