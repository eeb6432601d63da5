//! Finding and calling tools, from a program and from the command line: both see the same.

use crate::database::Database;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    programs_and_people_find_the_same_tools,
    a_tool_is_called_by_any_spelling_and_tells_more_when_asked,
    discovery_asks_nobody_and_calls_nothing,
);

async fn programs_and_people_find_the_same_tools(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let found = server
        .value("return await tools.discover({ query: 'create an item' })")
        .await;
    assert_eq!(found["bestPath"], "ledger.items.createItem", "{found:#}");
    let best = &found["results"][0];
    for field in [
        "path",
        "source",
        "description",
        "risk",
        "decision",
        "signature",
    ] {
        assert!(best[field].is_string(), "{field} of {best:#}");
    }
    assert_eq!(
        (&best["risk"], &best["decision"]),
        (&json!("write"), &json!("ask")),
        "{best:#}"
    );
    let bare = server
        .value("return await tools.discover('create an item')")
        .await;
    assert_eq!(bare, found, "a bare string is the query");
    let searched = server
        .cli(&["tools", "search", "create an item", "--json"])
        .await
        .exits(0);
    assert_eq!(
        searched.json(),
        found,
        "the command line finds what a program finds"
    );

    let all = server
        .value("return await tools.discover({ query: '', namespace: 'ledger' })")
        .await;
    assert_eq!(
        (&all["total"], &all["hasMore"]),
        (&json!(15), &json!(true)),
        "{all:#}"
    );
    let code = "const paths = [];\n\
                for (let offset = 0; ; offset += 4) {\n\
                  const page = await tools.catalog.tools({ namespace: 'ledger', limit: 4, offset });\n\
                  paths.push(...page.results.map((t) => t.path));\n\
                  if (!page.hasMore) return paths;\n\
                }";
    let paths = server.value(code).await;
    assert_eq!(paths.as_array().map(Vec::len), Some(15), "{paths:#}");

    let described = server
        .value("return await tools.describe('ledger.items.createItem')")
        .await;
    assert!(
        described["input"]
            .as_str()
            .is_some_and(|t| t.contains("amount: number")),
        "{described:#}"
    );
    let shown = ["tools", "describe", "ledger.items.createItem", "--json"];
    let mut shown = server.cli(&shown).await.exits(0).json();
    // People get the schemas too.
    let shown = shown.as_object_mut().expect("a description");
    let schema = shown.remove("inputSchema").expect("a schema");
    assert_eq!(schema["properties"]["amount"]["type"], "number");
    assert!(shown.remove("outputSchema").is_some());
    assert_eq!(json!(shown), described);
}

async fn a_tool_is_called_by_any_spelling_and_tells_more_when_asked(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "return [await tools['ledger.items.listItems'](), await tools.ledger.items.listItems(),\n\
                await tools.Ledger.items.list_items({}), await tools['LEDGER.ITEMS.LIST-ITEMS']()];";
    let read = server.value(code).await;
    let all = read.as_array().expect("four answers");
    assert!(all.iter().all(|one| *one == all[0]), "{read:#}");
    assert_eq!(upstream.received().len(), 4);
    let more = server
        .value("return await tools.ledger.items.listItems({}, { meta: true })")
        .await;
    assert_eq!(more["status"], 200, "{more:#}");
    assert_eq!(more["data"], all[0], "{more:#}");
    assert!(more["headers"].is_object(), "{more:#}");

    let called = server
        .cli(&["tools", "call", "ledger.items.listItems", r#"{"limit":2}"#])
        .await;
    assert_eq!(
        called.exits(0).json(),
        all[0],
        "stdout is what the tool answered"
    );
    assert!(
        upstream
            .received()
            .iter()
            .any(|r| r.target == "/items?limit=2")
    );
    let wrong = server
        .cli(&["tools", "call", "ledger.items.listItems", r#"{"limt":2}"#])
        .await;
    wrong.exits(1).says(&["limt", "limit"]);
}

async fn discovery_asks_nobody_and_calls_nothing(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let ask = json!({ "effect": "ask", "match": { "tools": ["**"] } });
    server.post("/policies", ask).await;
    let code = "await tools.discover('items'); await tools.catalog.namespaces();\n\
                await tools.catalog.tools({}); await tools.describe('ledger.items.getItem'); return 1;";
    assert_eq!(server.value(code).await, 1);
    assert_eq!(server.get("/approvals").await["items"], json!([]));
    assert_eq!(upstream.received().len(), 0);
    // A read that a rule asks about is asked about, so the rule was there.
    let task = server.submit("return tools.ledger.items.listItems()").await;
    let asked = server.pending(1).await;
    assert!(asked[0]["rule"].is_string(), "{:#}", asked[0]);
    server.approve(&asked[0]).await;
    assert_ne!(server.finished(&task).await["result"], Value::Null);
}
