//! The table of roles, tried on every route of the API through real keys.
//!
//! The routes come from the server's own description: one that is not in the table below fails the
//! test, so that no new route goes without saying who may use it. Each is tried by a member, a
//! billing administrator, an administrator and an owner; who may not is refused, and the first who
//! may must succeed, so that no refusal is owed to a request that nobody could make.

use crate::database::Database;
use crate::people::{Person, key, text};
use crate::server::Server;
use crate::upstream::Upstream;
use crate::visitor::{App, Visitor};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(every_route_obeys_the_table_of_roles);

/// Who may do something with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum May {
    Member,
    Admin,
    Owner,
    /// It takes a person: no key does it, whosoever it is.
    NoKey,
}

/// Operation, who may, path and body. Words in braces stand for things of whoever tries
/// (`{task}`, `{approval}`, `{rule}`, `{key}`) or of the workspace.
#[rustfmt::skip]
const TABLE: &[(&str, May, &str, &str)] = &[
    ("getMe", May::Member, "/me", ""),
    ("getHealth", May::Member, "/health", ""),
    ("getExample", May::Member, "/example", ""),
    ("listWorkspaces", May::Member, "/workspaces", ""),
    ("listDeletedWorkspaces", May::NoKey, "/deleted-workspaces", ""),
    ("restoreWorkspace", May::NoKey, "/deleted-workspaces/nowhere/restore", ""),
    ("changeWorkspace", May::Admin, "/workspaces/{workspace}", r#"{"name":"Renamed"}"#),
    ("listWorkspaceMembers", May::Admin, "/workspaces/{workspace}/members", ""),
    ("addWorkspaceMember", May::Admin, "/workspaces/{workspace}/members", r#"{"member":"{bystander}"}"#),
    ("removeWorkspaceMember", May::Admin, "/workspaces/{workspace}/members/{bystander}", ""),
    ("deleteWorkspace", May::NoKey, "/workspaces/{workspace}?confirm=local", ""),
    ("listOrganizations", May::NoKey, "/organizations", ""),
    ("createOrganization", May::NoKey, "/organizations", r#"{"name":"Another"}"#),
    ("changeOrganization", May::NoKey, "/organizations/local", r#"{"name":"Renamed"}"#),
    ("deleteOrganization", May::NoKey, "/organizations/local?confirm=local", ""),
    ("restoreOrganization", May::NoKey, "/organizations/local/restore", ""),
    ("createInvite", May::Admin, "/invites", "{}"),
    ("createInvite", May::Owner, "/invites", r#"{"role":"owner"}"#),
    ("listInvites", May::Admin, "/invites", ""),
    ("revokeInvite", May::Admin, "/invites/{invite}", ""),
    ("getInvitation", May::NoKey, "/invitations", r#"{"token":"x"}"#),
    ("acceptInvite", May::NoKey, "/invitations/accept", r#"{"token":"x"}"#),
    ("leaveOrganization", May::NoKey, "/members/me", ""),
    ("createWorkspace", May::Admin, "/workspaces", r#"{"slug":"{slug}"}"#),
    ("getSettings", May::Member, "/workspace/settings", ""),
    ("changeSettings", May::Admin, "/workspace/settings", r#"{"limits":{"calls":999}}"#),
    ("listSessions", May::NoKey, "/sessions", ""),
    ("endSession", May::NoKey, "/sessions/sess_00000000000000000000000000", ""),
    ("endOtherSessions", May::NoKey, "/sessions", ""),
    ("createSignInLink", May::NoKey, "/sign-in-links", "{}"),
    ("submitTask", May::Member, "/tasks", r#"{"code":"return 1"}"#),
    ("listTasks", May::Member, "/tasks", ""),
    ("listTasks", May::Member, "/tasks?q=item", ""),
    ("getTask", May::Member, "/tasks/{task}", ""),
    ("listTaskCalls", May::Member, "/tasks/{task}/calls", ""),
    ("getTaskCall", May::Member, "/tasks/{asking}/calls/1", ""),
    ("listTaskLogs", May::Member, "/tasks/{task}/logs", ""),
    ("streamTaskEvents", May::Member, "/tasks/{task}/events", ""),
    ("readResult", May::Member, "/results/{handle}", ""),
    ("checkProgram", May::Member, "/workspaces/{workspace}/check", r#"{"code":"return 1"}"#),
    ("streamWorkspaceEvents", May::Admin, "/workspaces/{workspace}/events", ""),
    ("listApprovals", May::Member, "/approvals", ""),
    ("getApproval", May::Member, "/approvals/{approval}", ""),
    ("approve", May::NoKey, "/approvals/{approval}/approve", "{}"),
    ("deny", May::NoKey, "/approvals/{approval}/deny", "{}"),
    ("happened", May::NoKey, "/approvals/{approval}/happened", "{}"),
    ("answerSource", May::NoKey, "/approvals/{approval}/answer", "{}"),
    ("previewApproval", May::NoKey, "/approvals/{approval}/preview", r#"{"arguments":{}}"#),
    ("lookBeforeApproval", May::Member, "/approvals/{approval}/look", ""),
    ("suggestRules", May::Member, "/approvals/{approval}/remember", ""),
    ("explainCall", May::Member, "/tasks/{asking}/calls/1/explain", ""),
    ("withdraw", May::Member, "/approvals/{approval}/withdraw", "{}"),
    ("cancelTask", May::Member, "/tasks/{task}/cancel", ""),
    ("rerunTask", May::Member, "/tasks/{task}/rerun", ""),
    ("forkTask", May::Member, "/tasks/{task}/fork", r#"{"fromCall":1}"#),
    ("listClients", May::Member, "/clients", ""),
    ("listTools", May::Member, "/tools", ""),
    ("searchTools", May::Member, "/tools/search?query=items", ""),
    ("listNamespaces", May::Member, "/tools/namespaces", ""),
    ("describeTool", May::Member, "/tools/describe?path=ledger.items.listItems", ""),
    ("callTool", May::Member, "/tools/call", r#"{"path":"ledger.items.listItems"}"#),
    ("getPolicy", May::Member, "/policies", ""),
    ("getRuleUsage", May::Member, "/policies/usage", ""),
    ("listPolicyVersions", May::Member, "/policies/versions", ""),
    ("getPolicyVersion", May::Member, "/policies/versions/2", ""),
    ("previewRule", May::Member, "/policies/preview", r#"{"effect":"ask","level":"personal"}"#),
    ("previewRule", May::Admin, "/policies/preview", r#"{"effect":"ask"}"#),
    ("backtestPolicy", May::Member, "/policies/backtest", r#"{"change":"add","rule":{"effect":"ask","level":"personal"}}"#),
    ("backtestPolicy", May::Admin, "/policies/backtest", r#"{"change":"add","rule":{"effect":"ask"}}"#),
    ("testPolicy", May::Member, "/policies/test", r#"{"tool":"ledger.items.listItems"}"#),
    ("addRule", May::Member, "/policies", r#"{"effect":"ask","level":"personal"}"#),
    ("addRule", May::Admin, "/policies", r#"{"effect":"ask","level":"workspace"}"#),
    ("addRule", May::Owner, "/policies", r#"{"effect":"ask","level":"organization"}"#),
    ("editRule", May::Member, "/policies/{rule}", r#"{"effect":"ask","level":"personal","note":"x"}"#),
    ("editRule", May::Admin, "/policies/{shared rule}", r#"{"effect":"ask","note":"x"}"#),
    ("moveRule", May::Admin, "/policies/{shared rule}/move", r#"{"position":1}"#),
    ("removeRule", May::Admin, "/policies/{shared rule}", ""),
    ("removeRule", May::Member, "/policies/{rule}", ""),
    ("listKeys", May::Member, "/keys", ""),
    ("createKey", May::Member, "/keys", r#"{"name":"own"}"#),
    ("createKey", May::Admin, "/keys", r#"{"name":"another's","member":"{bystander}"}"#),
    ("rotateKey", May::Member, "/keys/{key}/rotate", "{}"),
    ("rotateKey", May::Admin, "/keys/{bystander's key}/rotate", "{}"),
    ("revokeKey", May::Admin, "/keys/{bystander's key}", ""),
    ("revokeKey", May::Member, "/keys/{key}", ""),
    ("listGrants", May::Member, "/grants", ""),
    ("revokeGrant", May::Admin, "/grants/{owner's grant}", ""),
    ("listMembers", May::Admin, "/members", ""),
    ("addMember", May::Admin, "/members", r#"{"name":"New"}"#),
    ("addMember", May::Owner, "/members", r#"{"name":"New","role":"owner"}"#),
    ("changeMember", May::Admin, "/members/{bystander}", r#"{"name":"Renamed"}"#),
    ("removeMember", May::Admin, "/members/{bystander}", ""),
    ("addWebhook", May::Admin, "/webhooks", r#"{"url":"{upstream}/a-hook","allowPrivate":true}"#),
    ("listWebhooks", May::Admin, "/webhooks", ""),
    ("getWebhook", May::Admin, "/webhooks/{webhook}", ""),
    ("changeWebhook", May::Admin, "/webhooks/{webhook}", r#"{"enabled":true}"#),
    ("testWebhook", May::Admin, "/webhooks/{webhook}/test", ""),
    ("rotateWebhook", May::Admin, "/webhooks/{webhook}/rotate", "{}"),
    ("listWebhookDeliveries", May::Admin, "/webhooks/{webhook}/deliveries", ""),
    ("removeWebhook", May::Admin, "/webhooks/{webhook}", ""),
    ("listServers", May::Admin, "/servers", ""),
    ("getStorage", May::Admin, "/storage", ""),
    ("listAudit", May::Admin, "/audit", ""),
    ("verifyAudit", May::Admin, "/audit/verify", ""),
    ("exportAudit", May::Admin, "/audit/export", ""),
    ("makeAuditCheckpoint", May::Admin, "/audit/checkpoints", ""),
    ("listAuditCheckpoints", May::Admin, "/audit/checkpoints", ""),
    ("getAuditRetention", May::Admin, "/audit/retention", ""),
    ("setAuditRetention", May::Owner, "/audit/retention", r#"{"days":365}"#),
    ("takeBackup", May::NoKey, "/backup", ""),
    ("getVault", May::Owner, "/vault", ""),
    ("rotateMasterKey", May::NoKey, "/vault/master-key", r#"{"key":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}"#),
    ("rotateDataKey", May::Owner, "/vault/data-key", ""),
    ("listCredentials", May::Member, "/credentials", ""),
    ("testCredential", May::Member, "/credentials/{credential}/test", ""),
    ("setCredential", May::Member, "/credentials", r#"{"source":"ledger","value":"x","scope":"personal"}"#),
    ("setCredential", May::Admin, "/credentials", r#"{"source":"ledger","value":"x","scope":"workspace"}"#),
    ("getCredentialOrder", May::Member, "/sources/ledger/credential-order", ""),
    ("setCredentialOrder", May::Admin, "/sources/ledger/credential-order", r#"{"order":["personal","workspace","organization"]}"#),
    ("connectSource", May::Member, "/sources/ledger/connect", r#"{"scope":"personal","clientId":"x","authorizationUrl":"https://as.example/a","tokenUrl":"https://as.example/t"}"#),
    ("connectSource", May::Admin, "/sources/ledger/connect", r#"{"clientId":"x","authorizationUrl":"https://as.example/a","tokenUrl":"https://as.example/t"}"#),
    ("connectSource", May::Admin, "/sources/ledger/connect", r#"{"scope":"personal","clientId":"x","authorizationUrl":"https://as.example/a","tokenUrl":"https://as.example/t","allowPrivate":["http://127.0.0.1:9"]}"#),
    ("getConnect", May::Member, "/connects/{connect}", ""),
    ("preferCredential", May::Admin, "/credentials/{credential}/prefer", "{}"),
    ("rotateCredential", May::Admin, "/credentials/{credential}/rotate", r#"{"value":"y"}"#),
    ("removeCredential", May::Admin, "/credentials/{credential}", ""),
    ("listSources", May::Member, "/sources", ""),
    ("getSource", May::Member, "/sources/ledger", ""),
    ("listPresets", May::Member, "/presets", ""),
    ("addSource", May::Admin, "/sources", r#"{"url":"{upstream}/openapi.json","name":"second","allowPrivate":true}"#),
    ("previewSource", May::Admin, "/sources/preview", r#"{"url":"{upstream}/openapi.json","name":"third","allowPrivate":true}"#),
    ("getSourceHealth", May::Member, "/sources/ledger/health", ""),
    ("listUnreviewedTools", May::Member, "/sources/ledger/unreviewed", ""),
    ("reviewSource", May::NoKey, "/sources/ledger/review", r#"{"all":true,"revision":1}"#),
    ("changeSource", May::Admin, "/sources/ledger", r#"{"enabled":true}"#),
    ("refreshSource", May::Admin, "/sources/ledger/refresh", ""),
    ("removeSource", May::Admin, "/sources/ledger", ""),
];

const WRITE: &str = "return await tools.ledger.items.createItem({ name: 'x', amount: 1 })";

/// Somebody who tries, and what is theirs.
struct Trier {
    name: &'static str,
    rank: May,
    person: Person,
    own: Vec<(&'static str, String)>,
}

async fn every_route_obeys_the_table_of_roles(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let shared = shared(&server, &upstream).await;
    let mut triers = Vec::new();
    for (name, rank) in [
        ("member", May::Member),
        ("billing_admin", May::Member),
        ("admin", May::Admin),
        ("owner", May::Owner),
    ] {
        triers.push(trier(&server, name, rank).await);
    }
    let description = server.get("/openapi.json").await;
    let methods = methods(&description);
    let in_table: BTreeSet<&str> = TABLE.iter().map(|row| row.0).collect();
    let described: BTreeSet<&str> = methods.iter().map(|(id, _)| id.as_str()).collect();
    let missing: Vec<_> = described.difference(&in_table).collect();
    assert!(
        missing.is_empty(),
        "say in the table of tests/e2e/tests/it/roles.rs who may do {missing:?}"
    );
    let gone: Vec<_> = in_table.difference(&described).collect();
    assert!(gone.is_empty(), "the API has no {gone:?}");
    for (operation, may, path, body) in TABLE {
        let method = &methods
            .iter()
            .find(|(id, _)| id == operation)
            .expect("it is described")
            .1;
        let mut done = false;
        for trier in &triers {
            let fill = |text: &str| {
                shared
                    .iter()
                    .chain(&trier.own)
                    .fold(text.to_owned(), |text, (word, value)| {
                        text.replace(&format!("{{{word}}}"), value)
                    })
            };
            let status = ask(&server, &trier.person.key, method, &fill(path), &fill(body)).await;
            let what = format!("{operation} {path} by {}: {status}", trier.name);
            if trier.rank < *may {
                assert!(matches!(status, 403 | 404), "{what}");
            } else {
                assert!(!matches!(status, 401 | 403), "{what}");
                assert!(done || status < 300, "{what}: nobody could do it");
                done = true;
            }
        }
        assert_eq!(done, *may != May::NoKey, "{operation}");
    }
}

/// Every operation of the description, with its method.
fn methods(description: &Value) -> Vec<(String, String)> {
    let paths = description["paths"].as_object().expect("paths");
    paths
        .values()
        .flat_map(|item| item.as_object().expect("methods"))
        .map(|(method, operation)| (text(&operation["operationId"]), method.to_uppercase()))
        .collect()
}

/// The status of an answer. Its body is not read: streams do not end.
async fn ask(server: &Server, key: &str, method: &str, path: &str, body: &str) -> u16 {
    let method = method.parse::<reqwest::Method>().expect("a method");
    let mut request = server
        .http
        .request(method, format!("{}/api/v1{path}", server.url()))
        .bearer_auth(key);
    if !body.is_empty() {
        let body: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{body}: {e}"));
        request = request.json(&body);
    }
    request.send().await.expect("an answer").status().as_u16()
}

/// What is the workspace's, or the bystander's.
async fn shared(server: &Server, upstream: &Upstream) -> Vec<(&'static str, String)> {
    let me = server.get("/me").await;
    let bystander = text(&server.post("/members", json!({ "name": "By" })).await["id"]);
    let rule = json!({ "effect": "ask", "match": { "tools": ["nothing.**"] } });
    let rule = server.post("/policies", rule).await;
    let credentials = server.get("/credentials").await;
    let hook = json!({ "url": format!("{}/hook", upstream.base_url()), "allowPrivate": true });
    let hook = server.post("/webhooks", hook).await;
    let invite = server.post("/invites", json!({})).await;
    let visitor = Visitor::signed_in(server).await;
    let app = App::registered(server, "a client").await;
    app.tokens(&visitor, "run").await;
    let grants = server.get("/grants").await;
    vec![
        ("invite", text(&invite["invite"]["id"])),
        ("owner's grant", text(&grants["items"][0]["id"])),
        ("workspace", text(&me["workspace"]["id"])),
        ("bystander's key", key(server, "by", &bystander).await.0),
        ("bystander", bystander),
        ("shared rule", text(&rule["id"])),
        ("credential", text(&credentials["items"][0]["id"])),
        ("webhook", text(&hook["webhook"]["id"])),
        ("upstream", upstream.base_url().to_owned()),
    ]
}

async fn trier(server: &Server, name: &'static str, rank: May) -> Trier {
    let person = Person::add(server, name, name).await;
    let done = person
        .submit(
            server,
            "console.log('x'); return 'x'.repeat(2 * 1024 * 1024)",
        )
        .await;
    let handle = text(&server.finished(&done).await["result"]["$handle"]);
    let asking = person.submit(server, WRITE).await;
    let waiting = server
        .task_until(&asking, |t| t["status"] == "waiting")
        .await;
    let rule = json!({
        "effect": "ask", "level": "personal", "match": { "tools": ["nothing.**"] },
    });
    let rule = person.send(server, "POST", "/policies", Some(&rule)).await;
    let client = json!({ "scope": "personal", "clientId": "x",
        "authorizationUrl": "https://as.example/a", "tokenUrl": "https://as.example/t" });
    let connect = person
        .send(server, "POST", "/sources/ledger/connect", Some(&client))
        .await;
    let own = vec![
        ("connect", text(&connect.body["id"])),
        ("slug", format!("of-{}", name.replace('_', "-"))),
        ("task", done),
        ("handle", handle),
        ("asking", asking),
        ("approval", text(&waiting["approvals"][0]["id"])),
        ("rule", text(&rule.body["id"])),
        ("key", key(server, "spare", &person.id).await.0),
    ];
    Trier {
        name,
        rank,
        person,
        own,
    }
}
