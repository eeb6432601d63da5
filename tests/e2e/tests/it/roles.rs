//! The table of roles, tried on every route of the API: by keys, by people in their browsers, by
//! somebody who is a member of nothing and by nobody.
//!
//! The routes come from the server's own description: one that is not in the table below fails the
//! test, so that no new route goes without saying who may use it. Who may not is refused, and whoever
//! may succeeds, so that no refusal is owed to a request that nobody could make. The same for every
//! command is in `role_commands.rs`, whoever tries in `cast.rs`.

use crate::cast::May::{Any, InPerson};
use crate::cast::Rank::{Admin, Member, Nobody, Owner, Stranger};
use crate::cast::{Cast, May, Stage, Trier, Way};
use crate::database::Database;
use crate::people::text;
use crate::server::Server;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

on_both_databases!(every_route_obeys_the_table_of_roles);

/// Operation, who may, path and body. Words in braces stand for things of whoever tries, of a
/// bystander who is a member, or of the workspace; they are named in `cast.rs`.
#[rustfmt::skip]
const TABLE: &[(&str, May, &str, &str)] = &[
    ("getMe", Any(Member), "/me", ""),
    ("getHealth", Any(Member), "/health", ""),
    ("getExample", Any(Member), "/example", ""),
    ("listWorkspaces", Any(Member), "/workspaces", ""),
    ("listDeletedWorkspaces", InPerson(Stranger), "/deleted-workspaces", ""),
    ("changeWorkspace", Any(Admin), "/workspaces/{workspace}", r#"{"name":"Renamed"}"#),
    ("listWorkspaceMembers", Any(Admin), "/workspaces/{workspace}/members", ""),
    ("addWorkspaceMember", Any(Admin), "/workspaces/{workspace}/members", r#"{"member":"{bystander}"}"#),
    ("removeWorkspaceMember", Any(Admin), "/workspaces/{workspace}/members/{bystander}", ""),
    ("listOrganizations", InPerson(Stranger), "/organizations", ""),
    ("createInvite", Any(Admin), "/invites", "{}"),
    ("createInvite", Any(Owner), "/invites", r#"{"role":"owner"}"#),
    ("listInvites", Any(Admin), "/invites", ""),
    ("revokeInvite", Any(Admin), "/invites/{invite}", ""),
    ("deleteWorkspace", InPerson(Admin), "/workspaces/{spare}?confirm={spare}", ""),
    ("restoreWorkspace", InPerson(Admin), "/deleted-workspaces/local%2F{spare}/restore", ""),
    ("changeOrganization", InPerson(Owner), "/organizations/{club}", r#"{"name":"Renamed"}"#),
    ("deleteOrganization", InPerson(Owner), "/organizations/{club}?confirm={club}", ""),
    ("restoreOrganization", InPerson(Owner), "/organizations/{club}/restore", ""),
    ("leaveOrganization", InPerson(Member), "/members/me?workspace={club workspace}", ""),
    ("getInvitation", InPerson(Stranger), "/invitations", r#"{"token":"{guest token}"}"#),
    ("listSessions", InPerson(Stranger), "/sessions", ""),
    ("endSession", InPerson(Stranger), "/sessions/{session}", ""),
    ("endOtherSessions", InPerson(Stranger), "/sessions", ""),
    ("createWorkspace", Any(Admin), "/workspaces", r#"{"slug":"{slug}"}"#),
    ("getSettings", Any(Member), "/workspace/settings", ""),
    ("changeSettings", Any(Admin), "/workspace/settings", r#"{"limits":{"calls":999}}"#),
    ("createSignInLink", InPerson(Admin), "/sign-in-links", "{}"),
    ("submitTask", Any(Member), "/tasks", r#"{"code":"return 1"}"#),
    ("listTasks", Any(Member), "/tasks", ""),
    ("listTasks", Any(Member), "/tasks?q=item", ""),
    ("getTask", Any(Member), "/tasks/{task}", ""),
    ("listTaskCalls", Any(Member), "/tasks/{task}/calls", ""),
    ("getTaskCall", Any(Member), "/tasks/{asking}/calls/1", ""),
    ("listTaskLogs", Any(Member), "/tasks/{task}/logs", ""),
    ("streamTaskEvents", Any(Member), "/tasks/{task}/events", ""),
    ("readResult", Any(Member), "/results/{handle}", ""),
    ("checkProgram", Any(Member), "/workspaces/{workspace}/check", r#"{"code":"return 1"}"#),
    ("streamWorkspaceEvents", Any(Member), "/workspaces/{workspace}/events", ""),
    ("listApprovals", Any(Member), "/approvals", ""),
    ("getApproval", Any(Member), "/approvals/{approval}", ""),
    ("extendApproval", InPerson(Admin), "/approvals/{approval}/extend", ""),
    ("assignApproval", InPerson(Admin), "/approvals/{approval}/assign", r#"{"assignee":"me"}"#),
    ("assignApproval", InPerson(Admin), "/approvals/{bystander's approval}/assign", r#"{"assignee":"nobody"}"#),
    ("approve", InPerson(Admin), "/approvals/{approval 4}/approve", "{}"),
    ("deny", InPerson(Admin), "/approvals/{approval 2}/deny", "{}"),
    ("happened", InPerson(Admin), "/approvals/{uncertain}/happened", r#"{"value":{"id":1}}"#),
    ("answerSource", InPerson(Member), "/approvals/{question}/answer", r#"{"content":{"name":"Ada"}}"#),
    ("previewApproval", InPerson(Admin), "/approvals/{approval}/preview", r#"{"arguments":{"name":"y","amount":2}}"#),
    ("lookBeforeApproval", Any(Member), "/approvals/{approval}/look", ""),
    ("suggestRules", Any(Member), "/approvals/{approval}/remember", ""),
    ("explainCall", Any(Member), "/tasks/{asking}/calls/1/explain", ""),
    ("withdraw", Any(Member), "/approvals/{approval}/withdraw", "{}"),
    ("cancelTask", Any(Member), "/tasks/{task}/cancel", ""),
    ("rerunTask", Any(Member), "/tasks/{task}/rerun", ""),
    ("forkTask", Any(Member), "/tasks/{task}/fork", r#"{"fromCall":1}"#),
    ("getTask", Any(Admin), "/tasks/{bystander's task}", ""),
    ("listTaskCalls", Any(Admin), "/tasks/{bystander's task}/calls", ""),
    ("getTaskCall", Any(Admin), "/tasks/{bystander's task}/calls/1", ""),
    ("listTaskLogs", Any(Admin), "/tasks/{bystander's task}/logs", ""),
    ("streamTaskEvents", Any(Admin), "/tasks/{bystander's task}/events", ""),
    ("explainCall", Any(Admin), "/tasks/{bystander's task}/calls/1/explain", ""),
    ("rerunTask", Any(Admin), "/tasks/{bystander's task}/rerun", ""),
    ("forkTask", Any(Admin), "/tasks/{bystander's task}/fork", r#"{"fromCall":1}"#),
    ("getApproval", Any(Admin), "/approvals/{bystander's approval}", ""),
    ("lookBeforeApproval", Any(Admin), "/approvals/{bystander's approval}/look", ""),
    ("suggestRules", Any(Admin), "/approvals/{bystander's approval}/remember", ""),
    ("withdraw", InPerson(Admin), "/approvals/{bystander's approval}/withdraw", "{}"),
    ("cancelTask", Any(Admin), "/tasks/{bystander's task}/cancel", ""),
    ("listClients", Any(Member), "/clients", ""),
    ("stopClient", InPerson(Member), "/clients/stop", r#"{"client":"nobody's","channel":"api"}"#),
    ("stopClient", InPerson(Admin), "/clients/stop", r#"{"client":"nobody's","channel":"api","account":"{bystander}"}"#),
    ("stopClient", InPerson(Admin), "/clients/stop", r#"{"client":"nobody's","channel":"api","pause":true}"#),
    ("listTools", Any(Member), "/tools", ""),
    ("searchTools", Any(Member), "/tools/search?query=items", ""),
    ("listNamespaces", Any(Member), "/tools/namespaces", ""),
    ("describeTool", Any(Member), "/tools/describe?path=books.items.listItems", ""),
    ("getToolUsage", Any(Member), "/tools/usage?path=books.items.listItems", ""),
    ("callTool", Any(Member), "/tools/call", r#"{"path":"books.items.listItems"}"#),
    ("getPolicy", Any(Member), "/policies", ""),
    ("getRuleUsage", Any(Member), "/policies/usage", ""),
    ("listPolicyVersions", Any(Member), "/policies/versions", ""),
    ("getPolicyVersion", Any(Member), "/policies/versions/2", ""),
    ("previewRule", Any(Member), "/policies/preview", r#"{"effect":"ask","level":"personal","match":{"tools":["none.**"]}}"#),
    ("previewRule", Any(Admin), "/policies/preview", r#"{"effect":"ask","match":{"tools":["none.**"]}}"#),
    ("backtestPolicy", Any(Member), "/policies/backtest", r#"{"change":"add","rule":{"effect":"ask","level":"personal","match":{"tools":["none.**"]}}}"#),
    ("backtestPolicy", Any(Admin), "/policies/backtest", r#"{"change":"add","rule":{"effect":"ask","match":{"tools":["none.**"]}}}"#),
    ("testPolicy", Any(Member), "/policies/test", r#"{"tool":"books.items.listItems"}"#),
    ("addRule", Any(Member), "/policies", r#"{"effect":"ask","level":"personal","match":{"tools":["none.**"]}}"#),
    ("addRule", Any(Admin), "/policies", r#"{"effect":"ask","level":"workspace","match":{"tools":["none.**"]}}"#),
    ("addRule", Any(Owner), "/policies", r#"{"effect":"ask","level":"organization","match":{"tools":["none.**"]}}"#),
    ("editRule", Any(Member), "/policies/{rule}", r#"{"effect":"ask","level":"personal","match":{"tools":["none.**"]},"note":"x"}"#),
    ("editRule", Any(Admin), "/policies/{shared rule}", r#"{"effect":"ask","match":{"tools":["none.**"]},"note":"x"}"#),
    ("moveRule", Any(Admin), "/policies/{shared rule}/move", r#"{"position":1}"#),
    ("removeRule", Any(Admin), "/policies/{shared rule}", ""),
    ("removeRule", Any(Member), "/policies/{rule}", ""),
    ("listPolicySets", Any(Member), "/policies/sets", ""),
    ("getPolicySet", Any(Member), "/policies/sets/{set}", ""),
    ("createPolicySet", Any(Admin), "/policies/sets", r#"{"name":"{slug}"}"#),
    ("describePolicySet", Any(Admin), "/policies/sets/{set}", r#"{"name":"again {slug}"}"#),
    ("backtestPolicy", Any(Admin), "/policies/backtest", r#"{"change":"assign","set":"{set 2}","to":{"level":"workspace"}}"#),
    ("backtestPolicy", Any(Owner), "/policies/backtest", r#"{"change":"assign","set":"{set 2}","to":{"level":"organization"}}"#),
    ("addSetRule", Any(Admin), "/policies/sets/{set}/rules", r#"{"effect":"ask","match":{"tools":["none.**"]}}"#),
    ("editSetRule", Any(Admin), "/policies/sets/{set}/rules/{set rule}", r#"{"effect":"ask","match":{"tools":["none.**"]},"note":"x"}"#),
    ("moveSetRule", Any(Admin), "/policies/sets/{set}/rules/{set rule}/move", r#"{"position":1}"#),
    ("assignPolicySet", Any(Admin), "/policies/sets/{set}/assignments", r#"{"level":"personal","person":"{bystander}"}"#),
    ("assignPolicySet", Any(Owner), "/policies/sets/{set 2}/assignments", r#"{"level":"organization"}"#),
    ("addSetRule", Any(Owner), "/policies/sets/{everybody's set}/rules", r#"{"effect":"ask","match":{"tools":["none.**"]}}"#),
    ("unassignPolicySet", Any(Admin), "/policies/sets/{set}/assignments/{assignment}", ""),
    ("removeSetRule", Any(Admin), "/policies/sets/{set}/rules/{set rule}", ""),
    ("deletePolicySet", Any(Admin), "/policies/sets/{set 3}", ""),
    ("listKeys", Any(Member), "/keys", ""),
    ("createKey", Any(Member), "/keys", r#"{"name":"own"}"#),
    ("createKey", Any(Admin), "/keys", r#"{"name":"another's","member":"{bystander}"}"#),
    ("rotateKey", Any(Member), "/keys/{key}/rotate", "{}"),
    ("rotateKey", Any(Admin), "/keys/{bystander's key}/rotate", "{}"),
    ("revokeKey", Any(Admin), "/keys/{bystander's key}", ""),
    ("revokeKey", Any(Member), "/keys/{key}", ""),
    ("listGrants", Any(Member), "/grants", ""),
    ("revokeGrant", Any(Admin), "/grants/{grant}", ""),
    ("listMembers", Any(Admin), "/members", ""),
    ("addMember", Any(Admin), "/members", r#"{"name":"New"}"#),
    ("addMember", Any(Owner), "/members", r#"{"name":"New","role":"owner"}"#),
    ("changeMember", Any(Admin), "/members/{bystander}", r#"{"name":"Renamed"}"#),
    ("addWebhook", Any(Admin), "/webhooks", r#"{"url":"{upstream}/a-hook","allowPrivate":true}"#),
    ("listWebhooks", Any(Admin), "/webhooks", ""),
    ("getWebhook", Any(Admin), "/webhooks/{webhook}", ""),
    ("changeWebhook", Any(Admin), "/webhooks/{webhook}", r#"{"enabled":true}"#),
    ("testWebhook", Any(Admin), "/webhooks/{webhook}/test", ""),
    ("rotateWebhook", Any(Admin), "/webhooks/{webhook}/rotate", "{}"),
    ("listWebhookDeliveries", Any(Admin), "/webhooks/{webhook}/deliveries", ""),
    ("removeWebhook", Any(Admin), "/webhooks/{webhook}", ""),
    ("getPushKey", Any(Member), "/push/key", ""),
    ("addPushSubscription", InPerson(Member), "/push/subscriptions", r#"{"endpoint":"https://push.example/{slug}","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#),
    ("listPushSubscriptions", Any(Member), "/push/subscriptions", ""),
    ("changePushSubscription", InPerson(Member), "/push/subscriptions/{push}", r#"{"name":"Renamed"}"#),
    ("testPushSubscription", InPerson(Member), "/push/subscriptions/{push}/test", ""),
    ("removePushSubscription", InPerson(Member), "/push/subscriptions/{push}", ""),
    ("listServers", Any(Admin), "/servers", ""),
    ("getStorage", Any(Admin), "/storage", ""),
    ("listAudit", Any(Admin), "/audit", ""),
    ("verifyAudit", Any(Admin), "/audit/verify", ""),
    ("exportAudit", Any(Admin), "/audit/export", ""),
    ("makeAuditCheckpoint", Any(Admin), "/audit/checkpoints", ""),
    ("listAuditCheckpoints", Any(Admin), "/audit/checkpoints", ""),
    ("getAuditRetention", Any(Admin), "/audit/retention", ""),
    ("setAuditRetention", Any(Owner), "/audit/retention", r#"{"days":365}"#),
    ("takeBackup", InPerson(Owner), "/backup", ""),
    ("getVault", Any(Owner), "/vault", ""),
    ("rotateMasterKey", InPerson(Owner), "/vault/master-key", r#"{"key":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}"#),
    ("rotateDataKey", Any(Owner), "/vault/data-key", ""),
    ("listCredentials", Any(Member), "/credentials", ""),
    ("testCredential", Any(Member), "/credentials/{credential}/test", ""),
    ("setCredential", Any(Member), "/credentials", r#"{"source":"{source}","value":"x","scope":"personal"}"#),
    ("setCredential", Any(Admin), "/credentials", r#"{"source":"{source}","value":"x","scope":"workspace"}"#),
    ("setCredential", Any(Owner), "/credentials", r#"{"source":"{source}","value":"x","scope":"organization"}"#),
    ("getCredentialOrder", Any(Member), "/sources/{source}/credential-order", ""),
    ("setCredentialOrder", Any(Admin), "/sources/{source}/credential-order", r#"{"order":["personal","workspace","organization"]}"#),
    ("connectSource", Any(Member), "/sources/{source}/connect", r#"{"scope":"personal","clientId":"x","authorizationUrl":"https://as.example/a","tokenUrl":"https://as.example/t"}"#),
    ("connectSource", Any(Admin), "/sources/{source}/connect", r#"{"clientId":"x","authorizationUrl":"https://as.example/a","tokenUrl":"https://as.example/t"}"#),
    ("connectSource", Any(Admin), "/sources/{source}/connect", r#"{"scope":"personal","clientId":"x","authorizationUrl":"https://as.example/a","tokenUrl":"https://as.example/t","allowPrivate":["http://127.0.0.1:9"]}"#),
    ("getConnect", Any(Member), "/connects/{connect}", ""),
    ("preferCredential", Any(Admin), "/credentials/{credential}/prefer", "{}"),
    ("rotateCredential", Any(Admin), "/credentials/{credential}/rotate", r#"{"value":"y"}"#),
    ("removeCredential", Any(Admin), "/credentials/{credential}", ""),
    ("listSources", Any(Member), "/sources", ""),
    ("getSource", Any(Member), "/sources/{source}", ""),
    ("listPresets", Any(Member), "/presets", ""),
    ("addSource", Any(Admin), "/sources", r#"{"url":"{upstream}/openapi.json","name":"{second}","allowPrivate":true}"#),
    ("previewSource", Any(Admin), "/sources/preview", r#"{"url":"{upstream}/openapi.json","name":"third","allowPrivate":true}"#),
    ("getSourceHealth", Any(Member), "/sources/{source}/health", ""),
    ("listUnreviewedTools", Any(Member), "/sources/{source}/unreviewed", ""),
    ("reviewSource", InPerson(Admin), "/sources/{source}/review", r#"{"all":true,"revision":{revision}}"#),
    ("changeSource", Any(Admin), "/sources/{source}", r#"{"enabled":true}"#),
    ("refreshSource", Any(Admin), "/sources/{source}/refresh", ""),
    ("removeSource", Any(Admin), "/sources/{source}", ""),
    ("removeMember", Any(Admin), "/members/{bystander}", ""),
    // At the end: a stranger is one no longer.
    ("createOrganization", InPerson(Stranger), "/organizations", r#"{"name":"Another"}"#),
    ("acceptInvite", InPerson(Stranger), "/invitations/accept", r#"{"token":"{guest token}"}"#),
];

/// Operations with their paths and bodies, words in braces and all.
pub(crate) fn lines() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.iter().map(|(id, _, path, body)| (*id, *path, *body))
}

async fn every_route_obeys_the_table_of_roles(database: Database) {
    let cast = Cast::on(Stage::Api, database).await;
    let description = Way::Operator.get(&cast.server, "/openapi.json").await;
    let methods = methods(&description);
    let in_table: BTreeSet<&str> = TABLE.iter().map(|row| row.0).collect();
    let described: BTreeSet<&str> = methods.keys().map(String::as_str).collect();
    let missing: Vec<_> = described.difference(&in_table).collect();
    assert!(
        missing.is_empty(),
        "say in the table of tests/e2e/tests/it/roles.rs who may do {missing:?}"
    );
    let gone: Vec<_> = in_table.difference(&described).collect();
    assert!(gone.is_empty(), "the API has no {gone:?}");
    let tries = cast.triers.iter();
    let tries = tries.map(|trier| tries_all(&cast.server, trier, &methods));
    let wrong = join_all(tries).await.concat();
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", cast.server.log());
}

/// Every operation of the description, with its method.
fn methods(description: &Value) -> BTreeMap<String, String> {
    let paths = description["paths"].as_object().expect("paths");
    paths
        .values()
        .flat_map(|item| item.as_object().expect("methods"))
        .map(|(method, operation)| (text(&operation["operationId"]), method.to_uppercase()))
        .collect()
}

/// Goes through the whole table as one of them, and tells of each answer that is not as it says.
async fn tries_all(
    server: &Server,
    trier: &Trier,
    methods: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (operation, may, path, body) in TABLE {
        let status = ask(server, trier, &methods[*operation], path, body).await;
        let fits = if may.lets(trier) {
            status < 300
        } else if trier.rank == Nobody {
            status == 401
        } else {
            matches!(status, 403 | 404)
        };
        if !fits {
            let (path, name) = (trier.fill(path), &trier.name);
            wrong.push(format!("{operation} {path} by {name}: {status}, {may:?}"));
        }
    }
    wrong
}

/// The status of an answer. Its body is not read: streams do not end.
async fn ask(server: &Server, trier: &Trier, method: &str, path: &str, body: &str) -> u16 {
    let mut request = trier.way.request(server, method, &trier.fill(path));
    if !body.is_empty() {
        let body = trier.fill(body);
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{body}: {e}"));
        request = request.json(&body);
    }
    request.send().await.expect("an answer").status().as_u16()
}
