//! Several persons on one server, each behind a real key: what one may know of another, and what
//! becomes of whoever loses a role, a key or the membership.

use crate::api::Reply;
use crate::database::Database;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

on_both_databases!(
    what_is_another_persons_does_not_exist,
    rights_are_read_at_each_request,
    a_removed_members_task_makes_no_more_calls,
    a_revoked_keys_task_makes_no_more_calls,
    a_removed_members_stream_ends,
    nobody_reaches_above_their_own_role,
    unknown_fields_are_refused,
    members_from_the_command_line,
);

/// A member with a key.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
}

impl Person {
    /// Adds a person of a role, and makes a key for them.
    pub(crate) async fn add(server: &Server, name: &str, role: &str) -> Self {
        let member = json!({ "name": name, "role": role });
        let member = server.post("/members", member).await;
        let id = text(&member["id"]);
        let (key_id, key) = key(server, name, &id).await;
        Self { id, key_id, key }
    }

    pub(crate) async fn send(
        &self,
        server: &Server,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        server.send_as(Some(&self.key), method, path, body).await
    }

    async fn get(&self, server: &Server, path: &str) -> Reply {
        self.send(server, "GET", path, None).await
    }

    /// Submits a program and gives back the task's identifier.
    pub(crate) async fn submit(&self, server: &Server, code: &str) -> String {
        let body = json!({ "code": code });
        let reply = self.send(server, "POST", "/tasks", Some(&body)).await;
        assert!(reply.status < 300, "{reply:#?}");
        text(&reply.body["id"])
    }
}

/// All scopes.
pub(crate) const SCOPES: [&str; 9] = [
    "run",
    "read",
    "sources",
    "policies",
    "credentials",
    "keys",
    "members",
    "settings",
    "audit",
];

/// A key that the owner makes for a person, with all scopes: its identifier and its secret.
pub(crate) async fn key(server: &Server, name: &str, member: &str) -> (String, String) {
    let new = json!({ "name": name, "member": member, "scopes": SCOPES });
    let made = server.post("/keys", new).await;
    (text(&made["key"]["id"]), text(&made["secret"]))
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value:#}"))
        .to_owned()
}

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'a person', amount: 1 })).name";

async fn what_is_another_persons_does_not_exist(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bob", "member").await,
    );
    let task = ada.submit(&server, WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let approval = text(&asked["id"]);
    assert_eq!(text(&asked["requestedBy"]), ada.id);
    for (method, path, body) in [
        ("GET", format!("/tasks/{task}"), None),
        ("GET", format!("/tasks/{task}/calls"), None),
        ("GET", format!("/tasks/{task}/logs"), None),
        ("GET", format!("/tasks/{task}/events"), None),
        ("POST", format!("/tasks/{task}/cancel"), None),
        ("POST", format!("/tasks/{task}/rerun"), None),
        ("GET", format!("/approvals/{approval}"), None),
        (
            "POST",
            format!("/approvals/{approval}/approve"),
            Some(json!({})),
        ),
        (
            "POST",
            format!("/approvals/{approval}/deny"),
            Some(json!({})),
        ),
        ("DELETE", format!("/keys/{}", ada.key_id), None),
        (
            "POST",
            format!("/keys/{}/rotate", ada.key_id),
            Some(json!({})),
        ),
    ] {
        let theirs = bob.send(&server, method, &path, body.as_ref()).await;
        assert_eq!(theirs.status, 404, "{method} {path}: {theirs:#?}");
        let (real, unknown) = (identifier(&path), other(identifier(&path)));
        let path = path.replace(real, &unknown);
        let nobodys = bob.send(&server, method, &path, body.as_ref()).await;
        let told = |reply: &Reply, id: &str| reply.body.to_string().replace(id, "it");
        assert_eq!(
            told(&theirs, real),
            told(&nobodys, &unknown),
            "{method} {path}"
        );
    }
    for list in ["/tasks", "/approvals", "/tasks?status=waiting"] {
        let seen = bob.get(&server, list).await;
        assert_eq!(seen.body["items"], json!([]), "{list}");
        let own = ada.get(&server, list).await;
        assert_ne!(own.body["items"], json!([]), "{list}");
    }
    assert_eq!(
        ada.get(&server, &format!("/tasks/{task}")).await.status,
        200
    );
    let me = bob.get(&server, "/me").await.body;
    assert_eq!(
        (text(&me["accountId"]), text(&me["name"]), text(&me["role"])),
        (bob.id.clone(), "Bob".to_owned(), "member".to_owned())
    );
}

fn identifier(path: &str) -> &str {
    path.split('/').nth(2).expect("an identifier")
}

/// An identifier of the same kind that nobody has.
fn other(id: &str) -> String {
    let (kind, bits) = id.split_once('_').expect("a prefix");
    format!("{kind}_{}", "0".repeat(bits.len()))
}

async fn rights_are_read_at_each_request(database: Database) {
    let server = Server::start(database).await;
    let eve = Person::add(&server, "Eve", "admin").await;
    let audit = || eve.get(&server, "/audit");
    assert_eq!(audit().await.status, 200);
    let path = format!("/members/{}", eve.id);
    let role = |role: &str| json!({ "role": role });
    let change = |body: Value| {
        let (server, path) = (&server, &path);
        async move { server.send("PATCH", path, Some(&body)).await }
    };
    assert_eq!(change(role("member")).await.status, 200);
    let refused = audit().await;
    assert_eq!(refused.status, 403, "{refused:#?}");
    assert_eq!(refused.body["code"], "forbidden");
    assert_eq!(eve.get(&server, "/me").await.body["role"], "member");
    assert_eq!(change(role("admin")).await.status, 200);
    assert_eq!(audit().await.status, 200);
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    let gone = audit().await;
    assert_eq!(gone.status, 401, "{gone:#?}");
    assert_eq!(gone.body["code"], "unknown_key");
    let actions: Vec<String> = server.get("/audit?action=member.").await["items"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| text(&entry["action"]))
        .collect();
    assert_eq!(
        actions,
        [
            "member.removed",
            "member.changed",
            "member.changed",
            "member.added"
        ]
    );
    let verified = server.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");
}

async fn a_removed_members_task_makes_no_more_calls(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let (gone, stays) = (
        Person::add(&server, "Gone", "member").await,
        Person::add(&server, "Stays", "member").await,
    );
    let lost = gone.submit(&server, WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let removed = server
        .send("DELETE", &format!("/members/{}", gone.id), None)
        .await;
    assert_eq!(removed.status, 204, "{removed:#?}");
    server.approve(&asked).await;
    let done = server.finished(&lost).await;
    assert_eq!(done["status"], "denied", "{done:#}");
    let told = text(&done["error"]["message"]);
    assert!(told.contains("no member"), "{told}");
    assert_eq!(upstream.writes(), 0, "nothing was sent");

    let kept = stays.submit(&server, WRITE).await;
    server.approve(&server.pending(1).await[0]).await;
    let done = server.finished(&kept).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(upstream.writes(), 1);
}

async fn a_revoked_keys_task_makes_no_more_calls(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let (second_id, second) = key(&server, "second", &ada.id).await;
    let second = Person {
        id: ada.id.clone(),
        key_id: second_id,
        key: second,
    };
    let lost = second.submit(&server, WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let revoked = ada
        .send(&server, "DELETE", &format!("/keys/{}", second.key_id), None)
        .await;
    assert_eq!(revoked.status, 204, "{revoked:#?}");
    assert_eq!(second.get(&server, "/me").await.status, 401);
    server.approve(&asked).await;
    let done = server.finished(&lost).await;
    assert_eq!(done["status"], "denied", "{done:#}");
    let told = text(&done["error"]["message"]);
    assert!(told.contains("revoked"), "{told}");
    assert_eq!(upstream.writes(), 0, "nothing was sent");

    // A key whose secret is replaced meanwhile is the same key.
    let kept = ada.submit(&server, WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let rotate = format!("/keys/{}/rotate", ada.key_id);
    server.post(&rotate, json!({ "overlapMs": 0 })).await;
    server.approve(&asked).await;
    let done = server.finished(&kept).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(upstream.writes(), 1);
}

async fn a_removed_members_stream_ends(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let task = ada.submit(&server, WRITE).await;
    server.pending(1).await;
    let stream = server
        .http
        .get(format!("{}/api/v1/tasks/{task}/events", server.url()))
        .bearer_auth(&ada.key)
        .send()
        .await
        .expect("a stream");
    assert_eq!(stream.status(), 200);
    let mut stream = stream.bytes_stream();
    let first = stream.next().await.expect("an event").expect("bytes");
    assert!(!first.is_empty());
    server
        .send("DELETE", &format!("/members/{}", ada.id), None)
        .await;
    let ended = tokio::time::timeout(PATIENCE, async {
        while let Some(part) = stream.next().await {
            part.expect("the server ends the stream, not the client's patience");
        }
    });
    ended.await.expect("the stream ends though its task waits");
    assert_eq!(server.task(&task).await["status"], "waiting");
}

async fn nobody_reaches_above_their_own_role(database: Database) {
    let server = Server::start(database).await;
    let owner = text(&server.get("/me").await["accountId"]);
    let (admin, ada) = (
        Person::add(&server, "Admin", "admin").await,
        Person::add(&server, "Ada", "member").await,
    );
    let owner_path = format!("/members/{owner}");
    let ada_path = format!("/members/{}", ada.id);
    for (method, path, body) in [
        (
            "POST",
            "/members",
            Some(json!({ "name": "X", "role": "owner" })),
        ),
        (
            "PATCH",
            owner_path.as_str(),
            Some(json!({ "role": "member" })),
        ),
        ("PATCH", owner_path.as_str(), Some(json!({ "name": "X" }))),
        ("DELETE", owner_path.as_str(), None),
        ("PATCH", ada_path.as_str(), Some(json!({ "role": "owner" }))),
        (
            "POST",
            "/keys",
            Some(json!({ "name": "mine", "member": owner })),
        ),
    ] {
        let reply = admin.send(&server, method, path, body.as_ref()).await;
        assert_eq!(reply.status, 403, "{method} {path}: {reply:#?}");
    }
    let raised = json!({ "role": "admin" });
    let own = ada.send(&server, "PATCH", &ada_path, Some(&raised)).await;
    assert_eq!(own.status, 403, "nobody raises their own role: {own:#?}");
    let given = admin.send(&server, "PATCH", &ada_path, Some(&raised)).await;
    assert_eq!(given.status, 200, "one's own role may be given: {given:#?}");
    // The last owner stays; with a second one, the local owner still does.
    let less = json!({ "role": "admin" });
    let last = server.send("PATCH", &owner_path, Some(&less)).await;
    assert_eq!(
        (last.status, &last.body["code"]),
        (409, &json!("last_owner"))
    );
    let second = Person::add(&server, "Second", "owner").await;
    let local = second
        .send(&server, "PATCH", &owner_path, Some(&less))
        .await;
    assert_eq!(
        (local.status, &local.body["code"]),
        (409, &json!("local_owner"))
    );
    let path = format!("/members/{}", second.id);
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
}

async fn unknown_fields_are_refused(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let ada = Person::add(&server, "Ada", "admin").await;
    let task = ada.submit(&server, WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let approve = format!("/approvals/{}/approve", text(&asked["id"]));
    let member = format!("/members/{}", ada.id);
    for (method, path, body) in [
        (
            "POST",
            "/tasks",
            json!({ "code": "return 1", "role": "owner" }),
        ),
        (
            "POST",
            "/tasks",
            json!({ "code": "return 1", "workspaceId": "ws_1" }),
        ),
        (
            "POST",
            "/tasks",
            json!({ "code": "return 1", "accountId": ada.id }),
        ),
        ("POST", "/keys", json!({ "name": "k", "role": "owner" })),
        (
            "POST",
            "/keys",
            json!({ "name": "k", "workspaceId": "ws_1" }),
        ),
        ("POST", "/keys", json!({ "name": "k", "Name": "j" })),
        (
            "POST",
            "/members",
            json!({ "name": "m", "organizationId": "org_1" }),
        ),
        (
            "PATCH",
            member.as_str(),
            json!({ "role": "member", "accountId": "x" }),
        ),
        ("POST", approve.as_str(), json!({ "approved": true })),
        ("POST", approve.as_str(), json!({ "by": ada.id })),
    ] {
        let reply = server.send(method, path, Some(&body)).await;
        assert_eq!(reply.status, 400, "{path} {body}: {reply:#?}");
        assert_eq!(reply.body["code"], "invalid_request", "{path} {body}");
    }
    assert_eq!(server.task(&task).await["status"], "waiting");
    assert_eq!(upstream.writes(), 0);
    let members = server.get("/members").await;
    assert_eq!(members["items"].as_array().map(Vec::len), Some(2));
}

async fn members_from_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let added = server
        .cli(&["members", "add", "Ada", "--role", "admin", "--json"])
        .await
        .exits(0)
        .json();
    let id = text(&added["id"]);
    let made = server
        .cli(&[
            "keys",
            "create",
            "bot",
            "--member",
            &id,
            "--scope",
            "run,read,members",
        ])
        .await
        .exits(0);
    let key = made.out.trim();
    assert!(key.starts_with("exk_"), "{made:#?}");
    let as_ada = |arguments: &[&str]| {
        let arguments: Vec<String> = ["--api-key", key]
            .iter()
            .chain(arguments)
            .map(|&word| word.to_owned())
            .collect();
        let server = &server;
        async move {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            server.cli(&words).await
        }
    };
    let listed = as_ada(&["members", "list", "--json"]).await.exits(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed:#}");
    let edit = ["members", "edit", "Ada", "--role", "member", "--json"];
    let edited = server.cli(&edit).await.exits(0).json();
    assert_eq!(edited["role"], "member");
    as_ada(&["members", "list"])
        .await
        .exits(7)
        .says(&["may not manage members"]);
    server.cli(&["members", "remove", "Ada"]).await.exits(0);
    as_ada(&["tasks", "list"]).await.exits(7).says(&["API key"]);
}
