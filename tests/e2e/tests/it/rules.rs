//! Rules decide: an allow lets a write through, a condition on an argument divides, a deny hides the
//! tool, and a rule made while a person is asked is obeyed.

use crate::database::Database;
use crate::upstream::Upstream;
use serde_json::json;

on_both_databases!(
    rules_decide,
    a_rule_made_while_a_person_is_asked_is_obeyed,
    a_tool_that_changes_while_a_person_is_asked_is_asked_about_afresh,
);

async fn a_rule_made_while_a_person_is_asked_is_obeyed(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server
        .submit("return tools.ledger.items.createItem({ name: 'x', amount: 1 })")
        .await;
    let asked = server.pending(1).await.remove(0);
    let deny = json!({ "effect": "deny", "match": { "tools": ["ledger.items.createItem"] } });
    server.post("/policies", deny).await;
    let id = asked["id"].as_str().expect("an id");
    server
        .send(
            "POST",
            &format!("/approvals/{id}/approve"),
            Some(&json!({})),
        )
        .await;
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "denied", "{done:#}");
    assert_eq!(done["error"]["code"], "denied_by_policy", "{done:#}");
    assert_eq!(
        upstream.writes(),
        0,
        "an approval does not outlive the policy it was given under"
    );
}

async fn rules_decide(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    server
        .cli(&[
            "policies",
            "add",
            "allow",
            "ledger.items.createItem",
            "--when",
            "amount < 10",
        ])
        .await
        .exits(0);
    server
        .cli(&["policies", "add", "deny", "ledger.items.deleteItem"])
        .await
        .exits(0);
    let test = [
        "policies",
        "test",
        "ledger.items.createItem",
        r#"{"name":"x","amount":5}"#,
    ];
    server.cli(&test).await.exits(0).says(&["allow"]);

    let small = server
        .value("return (await tools.ledger.items.createItem({ name: 'small', amount: 9 })).name")
        .await;
    assert_eq!(small, "small");
    let task = server
        .submit("return tools.ledger.items.createItem({ name: 'big', amount: 10 })")
        .await;
    let asked = server.pending(1).await;
    assert_eq!(
        asked[0]["arguments"]["name"], "big",
        "the condition does not hold, so it asks"
    );
    server.approve(&asked[0]).await;
    assert_eq!(server.finished(&task).await["status"], "completed");

    let code = "const found = await tools.discover('delete item');\n\
                try { await tools.ledger.items.deleteItem({ id: '1' }); } catch (e) {\n\
                return { code: e.code, seen: found.results.map((r) => r.path) }; }";
    let caught = server.value(code).await;
    assert_eq!(caught["code"], "denied_by_policy");
    let wrong = "try { await tools.ledger.items.deleteItem({ nonsense: 1 }); } catch (e) { return e.message }";
    let told = server.value(wrong).await.to_string();
    assert!(
        told.contains("is denied") && !told.contains("`id`"),
        "what a denied tool takes is not told: {told}"
    );
    let seen = caught["seen"].to_string();
    assert!(
        seen.contains("ledger.items.getItem"),
        "discovery works: {seen}"
    );
    assert!(
        !seen.contains("ledger.items.deleteItem"),
        "a denied tool is not shown: {seen}"
    );
    assert_eq!(upstream.writes(), 2);
}

async fn a_tool_that_changes_while_a_person_is_asked_is_asked_about_afresh(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server
        .submit("return (await tools.ledger.items.createItem({ name: 'x', amount: 1 })).name");
    let task = task.await;
    let asked = server.pending(1).await.remove(0);
    upstream.revise_description();
    let changed = server
        .cli(&["sources", "refresh", "ledger", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(
        changed["changed"],
        json!(["ledger.items.createItem"]),
        "{changed:#}"
    );
    let id = asked["id"].as_str().expect("an id");
    server
        .send(
            "POST",
            &format!("/approvals/{id}/approve"),
            Some(&json!({})),
        )
        .await;
    let afresh = server.pending(1).await.remove(0);
    assert_ne!(
        afresh["id"], asked["id"],
        "a yes to the old tool is no yes to the new one"
    );
    assert_ne!(afresh["digest"], asked["digest"]);
    assert_eq!(upstream.writes(), 0);
    server.approve(&afresh).await;
    assert_eq!(server.finished(&task).await["result"], "x");
    assert_eq!(upstream.created("x"), 1);
}
