//! Several persons behind MCP clients of 2026, each with a key: what one may do with another's round,
//! task and question, and who may approve in a form.

use crate::database::Database;
use crate::eras::{Plain, answered, execute, form, let_forms_decide, only_key};
use crate::people::Person;
use crate::upstream::Upstream;
use serde_json::json;

on_both_databases!(
    a_foreign_person_finds_nothing,
    who_may_approve_may_do_so_behind_a_key,
);

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'a stranger', amount: 1 })).name;";

async fn a_foreign_person_finds_nothing(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "admin").await,
        Person::add(&server, "Bob", "member").await,
    );
    let mut capabilities = form();
    let asked = Plain::of(&server, capabilities.clone(), &ada)
        .call(execute(WRITE))
        .await["result"]
        .clone();
    let key = only_key(&asked["inputRequests"]);
    let mut stolen = execute(WRITE);
    stolen["requestState"] = asked["requestState"].clone();
    stolen["inputResponses"] = answered(&key, "approve");
    let task = server.pending(1).await[0]["taskId"].clone();
    capabilities["extensions"] = json!({ "io.modelcontextprotocol/tasks": {} });
    let thief = Plain::of(&server, capabilities, &bob);
    let refused = thief.call(stolen.clone()).await;
    assert_eq!(refused["error"]["data"]["code"], "invalid_request_state");
    let of = json!({ "taskId": task });
    let mut update = of.clone();
    update["inputResponses"] = answered(&key, "approve");
    for (method, params) in [
        ("tasks/get", of.clone()),
        ("tasks/update", update),
        ("tasks/cancel", of.clone()),
    ] {
        let missing = thief.ask(method, params).await;
        assert_eq!(missing["error"]["data"]["code"], "not_found", "{method}");
    }
    for tool in ["resume", "cancel_task"] {
        let missing = thief.call(json!({ "name": tool, "arguments": of })).await;
        let missing = &missing["result"]["structuredContent"]["error"];
        assert_eq!(missing["code"], "not_found", "{tool}");
    }
    // Bob may not approve: where Bob's own call asks, the form has nothing to decide with.
    let own = Plain::of(&server, form(), &bob).call(execute(WRITE)).await["result"].clone();
    let own_key = only_key(&own["inputRequests"]);
    let shown = &own["inputRequests"][&own_key]["params"];
    assert_eq!(shown["requestedSchema"]["properties"], json!({}));
    let mut forged = execute(WRITE);
    forged["requestState"] = own["requestState"].clone();
    forged["inputResponses"] = answered(&own_key, "approve");
    let told = Plain::of(&server, form(), &bob).call(forged).await["result"].clone();
    assert_eq!(told["structuredContent"]["status"], "waiting", "{told:#}");
    assert!(told["content"].to_string().contains("did not count"));
    assert_eq!(upstream.writes(), 0);
    let done = Plain::of(&server, form(), &ada).call(stolen).await;
    assert_eq!(
        done["result"]["structuredContent"]["status"], "completed",
        "it was Ada's all the time: {done:#}"
    );
}

async fn who_may_approve_may_do_so_behind_a_key(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    let ada = Person::add(&server, "Ada", "admin").await;
    let plain = Plain::of(&server, form(), &ada);
    let asked = plain.call(execute(WRITE)).await["result"].clone();
    let key = only_key(&asked["inputRequests"]);
    let mut retry = execute(WRITE);
    retry["requestState"] = asked["requestState"].clone();
    retry["inputResponses"] = answered(&key, "approve");
    // Not allowed any more when the answer comes: it does not count.
    let forbidden = json!({ "inClientDecisions": false });
    server
        .send("PATCH", "/workspace/settings", Some(&forbidden))
        .await;
    let told = plain.call(retry).await["result"].clone();
    assert_eq!(told["structuredContent"]["status"], "waiting", "{told:#}");
    assert!(told["content"].to_string().contains("did not count"));
    assert_eq!(upstream.writes(), 0);
    let_forms_decide(&server).await;
    let task = told["structuredContent"]["taskId"].clone();
    let mut resume = json!({ "name": "resume", "arguments": { "taskId": task } });
    let asked = plain.call(resume.clone()).await["result"].clone();
    resume["requestState"] = asked["requestState"].clone();
    resume["inputResponses"] = answered(&only_key(&asked["inputRequests"]), "approve");
    let done = plain.call(resume).await["result"].clone();
    assert_eq!(done["structuredContent"]["status"], "completed", "{done:#}");
    // The same key decides nothing by itself.
    let api = ada.send(&server, "GET", "/approvals", None).await;
    let id = api.body["items"][0]["id"].as_str().expect("an approval");
    let path = format!("/approvals/{id}/approve");
    let refused = ada.send(&server, "POST", &path, Some(&json!({}))).await;
    assert_eq!(refused.status, 403, "{refused:#?}");
}
