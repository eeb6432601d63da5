//! A call with the credential that a person chose for it: which one goes along, who may choose which,
//! and that the choice outlives a wait, a crash and a repetition.

use crate::api::{Reply, items};
use crate::database::Database;
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    a_call_carries_the_credential_that_was_chosen,
    what_cannot_be_chosen_sends_nothing,
    the_choice_outlives_a_wait_and_a_crash,
    a_credential_is_tested_itself,
);

const LIST: &str = "ledger.items.listItems";
const CREATE: &str = "ledger.items.createItem";

/// What the upstream was shown, request by request.
fn shown(upstream: &Upstream) -> Vec<String> {
    let received = upstream.received();
    let bearer = received.iter().map(|r| r.header("authorization"));
    bearer
        .map(|value| value.unwrap_or("nothing").to_owned())
        .collect()
}

/// A credential of the source `ledger`, and its identifier.
async fn credential(server: &Server, more: Value) -> String {
    let mut new = json!({ "source": "ledger" });
    let fields = new.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    text(&server.post("/credentials", new).await["id"])
}

async fn call(server: &Server, key: Option<&str>, path: &str, credential: &str) -> Reply {
    let call = json!({
        "path": path, "credential": credential, "waitMs": 60_000,
        "arguments": if path == CREATE { json!({ "name": "chosen", "amount": 1 }) } else { json!({}) },
    });
    server
        .send_as(key, "POST", "/tools/call", Some(&call))
        .await
}

/// What the shared credential's identifier is, which `Upstream::connected` has set.
async fn shared(server: &Server) -> String {
    let all = items(&server.get("/credentials").await);
    let found = all.iter().find(|c| c["scope"] == "workspace");
    text(&found.expect("the workspace's credential")["id"])
}

async fn a_call_carries_the_credential_that_was_chosen(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let shared_id = shared(&server).await;
    let own = json!({ "value": "an-own-token", "scope": "personal", "label": "mine" });
    let own = credential(&server, own).await;
    let right = format!("Bearer {}", upstream.token());
    // As an agent would: the person's own comes first.
    let plain = json!({ "path": LIST, "waitMs": 60_000 });
    let plain = server.post("/tools/call", plain).await;
    assert_eq!(plain["status"], "failed", "{plain:#}");
    assert!(plain.get("runAs").is_none());
    assert_eq!(shown(&upstream), ["Bearer an-own-token"]);
    for name in [shared_id.as_str(), "workspace"] {
        let done = call(&server, None, LIST, name).await;
        assert_eq!(done.body["status"], "completed", "{name}: {done:#?}");
        assert_eq!(done.body["runAs"], shared_id.as_str());
        assert_eq!(shown(&upstream).last(), Some(&right));
        let calls = server.calls(&text(&done.body["id"])).await;
        assert_eq!(calls[0]["credential"]["id"], shared_id.as_str());
        assert_eq!(calls[0]["credential"]["scope"], "workspace");
    }
    for name in [own.as_str(), "mine", "personal"] {
        let done = call(&server, None, LIST, name).await;
        assert_eq!(done.body["runAs"], own.as_str(), "{name}: {done:#?}");
        let last = shown(&upstream).pop();
        assert_eq!(last.as_deref(), Some("Bearer an-own-token"));
    }
    // The command line says the same.
    let words = ["tools", "call", LIST, "--credential", "workspace", "--json"];
    let ran = server.cli(&words).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(shown(&upstream).last(), Some(&right));
    let told: Value = serde_json::from_str(&ran.out).expect("a document");
    let task = text(&told["taskId"]);
    let ran = server.cli(&["tasks", "show", &task]).await;
    assert!(ran.out.contains(&shared_id), "{ran:?}");
    // Run again, it is the same; forked, too.
    let again = server
        .post(&format!("/tasks/{task}/rerun"), json!({}))
        .await;
    let again = server.finished(&text(&again["id"])).await;
    assert_eq!(again["status"], "completed", "{again:#}");
    assert_eq!(shown(&upstream).last(), Some(&right));
    let fork = json!({ "fromCall": 1 });
    let forked = server.post(&format!("/tasks/{task}/fork"), fork).await;
    let forked = server.finished(&text(&forked["id"])).await;
    assert_eq!(forked["runAs"], shared_id.as_str(), "{forked:#}");
    assert_eq!(shown(&upstream).last(), Some(&right));
    // The record of who did what names it.
    let sent = server.get("/audit?action=call.sent").await;
    let of_task = |entry: &&Value| entry["detail"]["task"] == task.as_str();
    let entries = items(&sent);
    let entry = entries.iter().find(of_task).expect("an entry");
    assert_eq!(entry["detail"]["credential"], shared_id.as_str());
}

async fn what_cannot_be_chosen_sends_nothing(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let shared_id = shared(&server).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let theirs = json!({ "source": "ledger", "scope": "personal", "value": "ada-only" });
    let theirs = ada
        .send(&server, "POST", "/credentials", Some(&theirs))
        .await;
    let theirs = text(&theirs.body["id"]);
    // Control: who set it may choose it, and it goes along.
    let own = call(&server, Some(&ada.key), LIST, &theirs).await;
    assert_eq!(own.body["runAs"], theirs.as_str(), "{own:#?}");
    assert_eq!(shown(&upstream), ["Bearer ada-only"]);
    let url = format!("{}/openapi.json", upstream.base_url());
    let other = json!({ "url": url, "name": "other", "allowPrivate": true });
    server.post("/sources", other).await;
    let foreign = json!({ "source": "other", "value": "of-another-source" });
    let foreign = text(&server.post("/credentials", foreign).await["id"]);
    let nobodys = "cred_00000000000000000000000000";
    for (name, status, code) in [
        (theirs.as_str(), 404, "not_found"),
        (nobodys, 404, "not_found"),
        ("ada", 404, "not_found"),
        (&foreign, 422, "invalid_credential"),
    ] {
        let refused = call(&server, None, LIST, name).await;
        assert_eq!(refused.status, status, "{name}: {refused:#?}");
        assert_eq!(refused.body["code"], code, "{name}: {refused:#?}");
    }
    // Another person's is told as one that does not exist.
    let told = |reply: &Reply, id: &str| reply.body["detail"].to_string().replace(id, "it");
    let of_ada = call(&server, None, LIST, &theirs).await;
    let of_nobody = call(&server, None, LIST, nobodys).await;
    assert_eq!(told(&of_ada, &theirs), told(&of_nobody, nobodys));
    // What the source does not look at, no call carries.
    let order = json!({ "order": ["personal"] });
    let path = "/sources/ledger/credential-order";
    let set = server.send("PUT", path, Some(&order)).await;
    assert_eq!(set.status, 200, "{set:#?}");
    let refused = call(&server, None, LIST, &shared_id).await;
    assert_eq!(refused.body["code"], "invalid_credential", "{refused:#?}");
    // Whoever runs another's task again needs a credential of their own.
    let of_ada = text(&own.body["id"]);
    let path = format!("/tasks/{of_ada}/rerun");
    let refused = server.send("POST", &path, Some(&json!({}))).await;
    assert_eq!(refused.status, 404, "{refused:#?}");
    assert_eq!(shown(&upstream), ["Bearer ada-only"]);
    // The same key with another credential is another request.
    let order = json!({ "order": ["personal", "workspace"] });
    server
        .send("PUT", "/sources/ledger/credential-order", Some(&order))
        .await;
    let with = |credential: Option<&'static str>| {
        let call = json!({ "path": LIST, "credential": credential, "waitMs": 60_000 });
        let request = server
            .http
            .post(format!("{}/api/v1/tools/call", server.url()))
            .header("idempotency-key", "one")
            .json(&call);
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(with(Some("workspace")).await, 201);
    assert_eq!(with(Some("workspace")).await, 201);
    assert_eq!(with(None).await, 409);
}

async fn the_choice_outlives_a_wait_and_a_crash(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let shared_id = shared(&server).await;
    let own = json!({ "value": "an-own-token", "scope": "personal" });
    let own = credential(&server, own).await;
    let waiting = call(&server, None, CREATE, &shared_id).await;
    assert_eq!(waiting.body["status"], "waiting", "{waiting:#?}");
    let lost = call(&server, None, CREATE, &own).await;
    assert_eq!(lost.body["status"], "waiting", "{lost:#?}");
    let asked = server.pending(2).await;
    server.kill().await;
    server.launch().await;
    let of = |reply: &Reply| {
        let id = reply.body["id"].clone();
        asked
            .iter()
            .find(|a| a["taskId"] == id)
            .expect("its question")
    };
    server.approve(of(&waiting)).await;
    let done = server.finished(&text(&waiting.body["id"])).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(done["runAs"], shared_id.as_str());
    assert_eq!(shown(&upstream), [format!("Bearer {}", upstream.token())]);
    let calls = server.calls(&text(&waiting.body["id"])).await;
    assert_eq!(calls[0]["credential"]["id"], shared_id.as_str());
    // One that is gone by the time is not replaced by another that would open the source.
    let gone = server
        .send("DELETE", &format!("/credentials/{own}"), None)
        .await;
    assert_eq!(gone.status, 204, "{gone:#?}");
    server.approve(of(&lost)).await;
    let failed = server.finished(&text(&lost.body["id"])).await;
    assert_eq!(failed["error"]["code"], "credential_missing", "{failed:#}");
    assert_eq!(upstream.received().len(), 1);
}

async fn a_credential_is_tested_itself(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let shared_id = shared(&server).await;
    let own = json!({ "value": "an-own-token", "scope": "personal" });
    let own = credential(&server, own).await;
    for (id, is_refused) in [(&shared_id, false), (&own, true)] {
        let path = format!("/credentials/{id}/test");
        let tested = server.post(&path, json!({})).await;
        // The tool that is tried has a fault of its own here; what is refused is the credential.
        assert_eq!(tested["accepted"] == false, is_refused, "{tested:#}");
    }
    let right = format!("Bearer {}", upstream.token());
    assert_eq!(shown(&upstream), [right, "Bearer an-own-token".to_owned()]);
    // One that its source does not look at cannot be tried by a call.
    let order = json!({ "order": ["personal"] });
    let path = "/sources/ledger/credential-order";
    let set = server.send("PUT", path, Some(&order)).await;
    assert_eq!(set.status, 200, "{set:#?}");
    let path = format!("/credentials/{shared_id}/test");
    let tested = server.post(&path, json!({})).await;
    assert_eq!(tested["accepted"], Value::Null, "{tested:#}");
    assert_eq!(upstream.received().len(), 2);
}
