//! What becomes of organizations and workspaces that are deleted: they end at once for everybody, come
//! back whole while they can be taken back, and are gone to the last row afterwards.

use crate::database::Database;
use crate::people::text;
use crate::server::{PATIENCE, Server};
use crate::tenants::Tenant;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    what_is_deleted_ends_at_once_and_comes_back,
    what_is_deleted_for_good_leaves_no_row,
);

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
    let busy = "let n = 0; while (n < 100) { n++; await new Promise(r => setTimeout(r, 100)); } \
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
            assert_eq!(task["result"], 100);
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
