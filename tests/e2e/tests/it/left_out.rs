//! What rules keep from sight: tools that policy denies, which whoever makes the rules sees all the
//! same, and rules that are never heard because of others.

use crate::database::Database;
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    whoever_makes_the_rules_sees_what_they_leave_out,
    rules_that_are_never_heard_are_told,
);

const CREATE: &str = "ledger.items.createItem";

async fn paths(server: &Server, query: &str) -> Vec<(String, String)> {
    let list = server
        .get(&format!("/tools?namespace=ledger&limit=200{query}"))
        .await;
    let tools = list["results"].as_array().expect("tools");
    tools
        .iter()
        .map(|t| (text(&t["path"]), text(&t["decision"])))
        .collect()
}

async fn whoever_makes_the_rules_sees_what_they_leave_out(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let before = paths(&server, "").await;
    assert!(before.iter().any(|(path, _)| path == CREATE), "{before:?}");
    assert_eq!(paths(&server, "&denied=only").await, []);
    let deny = json!({ "effect": "deny", "match": { "tools": [CREATE] }, "note": "not wanted" });
    let rule = text(&server.post("/policies", deny).await["id"]);
    let denied = [(CREATE.to_owned(), "deny".to_owned())];

    // Nobody finds it who does not ask for it.
    let offered = paths(&server, "").await;
    assert_eq!(offered.len(), before.len() - 1);
    assert!(!offered.iter().any(|(path, _)| path == CREATE));
    assert_eq!(paths(&server, "&denied=without").await, offered);
    let hidden = format!("/tools/describe?path={CREATE}");
    assert_eq!(server.send("GET", &hidden, None).await.status, 404);
    let program =
        "return (await tools.catalog.tools({ namespace: 'ledger' })).results.map(t => t.path)";
    let task = server.submit(program).await;
    let found = server.finished(&task).await["result"].to_string();
    assert!(
        !found.contains(CREATE) && found.contains("listItems"),
        "{found}"
    );

    // Whoever makes the rules does, with the rule.
    assert_eq!(paths(&server, "&denied=only").await, denied);
    assert_eq!(paths(&server, "&denied=too").await.len(), before.len());
    let list = server.get("/tools?namespace=ledger&denied=only").await;
    assert_eq!(list["results"][0]["rule"], json!(rule), "{list:#}");
    let words = server.get("/tools?query=create+item&denied=only").await;
    assert_eq!(words["total"], 1, "{words:#}");
    let spaces = server.get("/tools/namespaces?denied=only").await;
    assert_eq!(spaces["namespaces"][0]["toolCount"], 1, "{spaces:#}");
    let described = server.get(&format!("{hidden}&denied=too")).await;
    assert_eq!(
        (&described["decision"], &described["rule"]),
        (&json!("deny"), &json!(rule)),
        "{described:#}"
    );
    let ran = server
        .cli(&["tools", "list", "ledger", "--denied"])
        .await
        .exits(0);
    assert!(
        ran.out.contains(CREATE) && ran.out.contains(&rule),
        "{ran:?}"
    );
    let ran = server
        .cli(&["tools", "describe", CREATE, "--denied"])
        .await
        .exits(0);
    assert!(
        ran.out.contains("deny") && ran.out.contains(&rule),
        "{ran:?}"
    );

    // A member's role does not reach that far, and neither does a key that may not change rules.
    for path in [
        "/tools?denied=only",
        "/tools?denied=too",
        "/tools/namespaces?denied=too",
        &format!("{hidden}&denied=too"),
    ] {
        let refused = server.send_as(Some(&ada.key), "GET", path, None).await;
        assert_eq!(refused.status, 403, "{path}: {refused:#?}");
        assert!(!refused.body.to_string().contains(CREATE), "{refused:#?}");
    }
    let own = server
        .send_as(Some(&ada.key), "GET", "/tools?denied=without", None)
        .await;
    assert_eq!(own.status, 200, "{own:#?}");
    let odd = server.send("GET", "/tools?denied=perhaps", None).await;
    assert!([400, 422].contains(&odd.status), "{odd:#?}");
}

async fn rules_that_are_never_heard_are_told(database: Database) {
    let server = Server::start(database).await;
    let add = |rule: Value| {
        let server = &server;
        async move { text(&server.post("/policies", rule).await["id"]) }
    };
    let shadows = || async {
        let usage = server.get("/policies/usage").await;
        let told = usage["shadowed"].as_array().expect("a list").clone();
        let pairs = told.iter().map(|s| (text(&s["rule"]), text(&s["by"])));
        pairs.collect::<Vec<_>>()
    };
    let narrow =
        add(json!({ "effect": "deny", "match": { "tools": ["shop.items.delete*"] } })).await;
    assert_eq!(shadows().await, []);
    let broad = add(json!({ "effect": "ask", "match": { "tools": ["shop.**"] } })).await;
    assert_eq!(shadows().await, [], "the narrower one stands above");
    server
        .post(&format!("/policies/{broad}/move"), json!({ "position": 1 }))
        .await;
    assert_eq!(shadows().await, [(narrow.clone(), broad.clone())]);
    let ran = server.cli(&["policies", "usage"]).await.exits(0);
    assert!(ran.out.contains("NEVER HEARD FOR"), "{ran:?}");
    assert_eq!(ran.out.matches(&broad).count(), 2, "{ran:?}");
    server
        .post(&format!("/policies/{broad}/move"), json!({ "position": 2 }))
        .await;
    assert_eq!(shadows().await, []);
    // A stricter level speaks louder.
    let all = add(
        json!({ "effect": "deny", "level": "organization", "match": { "tools": ["shop.**"] } }),
    )
    .await;
    let mut told = shadows().await;
    let mut expected = [(narrow, all.clone()), (broad, all)];
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}
