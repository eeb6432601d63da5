//! GraphQL sources, judged by a server that notes what it executed: the schema is asked for with the
//! credential, queries run, mutations ask, and a document hides nothing from the rules.

use crate::api::items;
use crate::database::Database;
use crate::server::Server;
use crate::shop::Shop;
use serde_json::{Value, json};

on_both_databases!(
    a_schema_is_asked_for_with_the_credential,
    queries_run_and_mutations_ask,
    a_document_is_asked_about_as_what_it_hides,
    rules_for_a_mutation_hold_for_documents,
    a_decision_about_a_document_explains_itself,
    errors_and_choices_reach_the_program,
    a_program_is_checked_against_the_schema,
    a_schema_file_needs_an_address_and_a_refresh_tells_what_changed,
);

/// A mutation under another name, in a fragment in a fragment, behind a condition.
const HIDDEN: &str = "return await tools.shop.graphql({ query: `\
    query me { me { login } } \
    mutation Look($yes: Boolean!) { ...Outer @include(if: $yes) } \
    fragment Outer on Mutation { ... { ...Inner } } \
    fragment Inner on Mutation { me: deleteItem(id: 7) }`, \
    operationName: 'Look', variables: { yes: true } })";

async fn a_schema_is_asked_for_with_the_credential(database: Database) {
    let server = Server::start(database).await;
    let shop = Shop::open().await;
    let url = shop.endpoint();
    let new = json!({ "url": url, "name": "shop", "allowPrivate": true });
    let refused = server.send("POST", "/sources", Some(&new)).await;
    assert_eq!(refused.status, 422, "{refused:#?}");
    let told = refused.body["title"].as_str().expect("a sentence");
    assert!(
        told.contains("401: who are you?") && told.contains("credential"),
        "it says what was tried and what came back: {told}"
    );
    let add = [
        "sources",
        "add",
        &url,
        "--name",
        "shop",
        "--kind",
        "graphql",
        "--allow-private",
        "--auth",
        "bearer",
        "--json",
    ];
    let wrong = server.cli_with(&add, Some("not the token")).await;
    assert_ne!(wrong.code, 0, "{wrong:#?}");
    assert!(
        items(&server.get("/sources").await).is_empty(),
        "nothing half-added stays"
    );
    let added = server
        .cli_with(&add, Some(shop.token()))
        .await
        .exits(0)
        .json();
    assert_eq!(added["kind"], "graphql", "{added:#}");
    assert_eq!(added["toolCount"], 13, "{added:#}");
    let shown = server.get("/sources/shop").await;
    assert_eq!(shown["baseUrl"], url.as_str());
    assert_eq!(shown["auth"], json!(["bearer"]));
    assert!(
        !server
            .get("/sources")
            .await
            .to_string()
            .contains(shop.token())
    );

    // The credential that came with it serves calls and refreshes.
    let me = server
        .value("return (await tools.shop.query.me()).login")
        .await;
    assert_eq!(me, "ada");
    let refreshed = server
        .cli(&["sources", "refresh", "shop", "--json"])
        .await
        .exits(0)
        .json();
    for what in ["added", "removed", "changed"] {
        assert_eq!(refreshed[what], json!([]), "{refreshed:#}");
    }
    assert_eq!(refreshed["source"]["auth"], json!(["bearer"]));
    assert_eq!(server.get("/sources/shop").await["status"], "ready");
}

async fn connected(database: Database) -> (Server, Shop) {
    let server = Server::start(database).await;
    let shop = Shop::open().await;
    let source = shop.connect(&server).await;
    assert_eq!(source["status"], "ready", "{source:#}");
    (server, shop)
}

async fn queries_run_and_mutations_ask(database: Database) {
    let (server, shop) = connected(database).await;
    let code = "const page = await tools.shop.query.items({ first: 1 });\n\
                const found = await tools.shop.query.search({ text: 'x' });\n\
                return [page.totalCount, page.nodes[0].name, found.map(f => f.__typename)];";
    let read = server.value(code).await;
    assert_eq!(read, json!([2, "coffee", ["Item", "User"]]));

    let code =
        "return (await tools.shop.mutation.createItem({ input: { name: 'tea' } })).item.name";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["tool"], "shop.mutation.createItem");
    assert_eq!(asked["risk"], "write");
    let body = asked["request"]["body"]
        .as_str()
        .expect("the request is shown");
    assert!(
        body.contains("mutation createItem($input: NewItem!)"),
        "{body}"
    );
    assert_eq!(shop.writes().await, Vec::<Value>::new());
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "tea");
    assert_eq!(
        shop.writes().await,
        [json!({ "field": "createItem", "args": { "input": { "name": "tea", "price": 1.5 } } })]
    );
}

async fn a_document_is_asked_about_as_what_it_hides(database: Database) {
    let (server, shop) = connected(database).await;
    // Only reading: it runs.
    let code = "return await tools.shop.graphql({ query: '{ a: me { login } __typename }' })";
    assert_eq!(
        server.value(code).await,
        json!({ "a": { "login": "ada" }, "__typename": "Query" })
    );

    let task = server.submit(HIDDEN).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["tool"], "shop.graphql");
    assert_eq!(asked["risk"], "write");
    let why = asked["why"].as_str().expect("it says why");
    assert!(
        why.contains("judged as shop.mutation.deleteItem"),
        "{asked:#}"
    );
    assert!(
        asked["arguments"]["query"]
            .as_str()
            .expect("the document")
            .contains("deleteItem(id: 7)")
    );
    let body = asked["request"]["body"]
        .as_str()
        .expect("the request is shown");
    assert!(
        !body.contains("query me"),
        "what does not run is not sent: {body}"
    );
    assert_eq!(shop.writes().await, Vec::<Value>::new());
    server.approve(&asked).await;
    assert_eq!(
        server.finished(&task).await["result"],
        json!({ "me": true })
    );
    assert_eq!(
        shop.writes().await,
        [json!({ "field": "deleteItem", "args": { "id": "7", "force": true } })]
    );
}

async fn rules_for_a_mutation_hold_for_documents(database: Database) {
    let (server, shop) = connected(database).await;
    let open = json!({ "effect": "allow", "match": { "tools": ["shop.**"] } });
    server.post("/policies", open).await;
    assert_eq!(server.value(HIDDEN).await, json!({ "me": true }));
    assert_eq!(
        shop.writes().await.len(),
        1,
        "the positive control: with this rule alone it runs"
    );

    let deny = json!({ "effect": "deny",
        "match": { "tools": ["shop.mutation.deleteItem"], "conditions": ["id = \"7\""] } });
    server.post("/policies", deny).await;
    for id in ["7", "\"7\"", "$id"] {
        let head = if id == "$id" { "($id: ID! = 7)" } else { "" };
        let code = format!(
            "try {{ return await tools.shop.graphql({{ query: `mutation{head} {{ x: deleteItem(id: {id}) }}` }}) }} \
             catch (e) {{ return [e.code, e.message] }}"
        );
        let caught = server.value(&code).await;
        assert_eq!(caught[0], "denied_by_policy", "{id}: {caught:#}");
        assert!(
            caught[1]
                .as_str()
                .is_some_and(|m| m.contains("judged as shop.mutation.deleteItem"))
        );
    }
    // Other arguments, a variable without any value among them.
    let code = "return await tools.shop.graphql({ query: 'mutation($id: ID!) { deleteItem(id: $id) }', variables: { id: 8 } })";
    assert_eq!(server.value(code).await, json!({ "deleteItem": true }));
    assert_eq!(shop.writes().await.len(), 2);

    // A rule for one field opens no documents: those are opened by their own path.
    server
        .post(
            "/policies",
            json!({ "effect": "ask", "match": { "tools": ["shop.graphql"] } }),
        )
        .await;
    let code = "return await tools.shop.graphql({ query: '{ me { login } }' })";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["risk"], "read");
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
}

async fn a_decision_about_a_document_explains_itself(database: Database) {
    let (server, _shop) = connected(database).await;
    let rule = json!({ "effect": "deny", "match": { "tools": ["shop.mutation.deleteItem"] } });
    let rule = server.post("/policies", rule).await;
    let test = json!({ "tool": "shop.graphql",
        "arguments": { "query": "mutation { deleteItem(id: 1) createItem(input: { name: \"x\" }) { item { id } } }" } });
    let verdict = server.post("/policies/test", test).await;
    assert_eq!(verdict["decision"], "deny", "{verdict:#}");
    let looked = verdict["lookedAt"].to_string();
    assert!(
        looked.contains("for shop.mutation.deleteItem: matches"),
        "{verdict:#}"
    );
    assert!(
        looked.contains("for shop.mutation.createItem: no pattern"),
        "{verdict:#}"
    );

    let code = "try { await tools.shop.graphql({ query: 'mutation { deleteItem(id: 1) }' }) } catch { return 'caught' }";
    let task = server.submit(code).await;
    assert_eq!(server.finished(&task).await["result"], "caught");
    let explained = server.get(&format!("/tasks/{task}/calls/1/explain")).await;
    let told = explained.to_string();
    assert!(
        told.contains(rule["id"].as_str().expect("an id")),
        "{explained:#}"
    );
    assert!(
        told.contains("for shop.mutation.deleteItem: matches"),
        "{explained:#}"
    );
}

async fn errors_and_choices_reach_the_program(database: Database) {
    let (server, shop) = connected(database).await;
    let code = "const caught = async (f) => { try { return await f() } catch (e) { return [e.code, e.message, e.details] } };\n\
        return [\n\
          await caught(() => tools.shop.query.fails()),\n\
          await caught(() => tools.shop.query.partly()),\n\
          await tools.shop.query.partly({}, { meta: true }),\n\
          await tools.shop.query.me({ select: '{ friend { login } }' }),\n\
          await tools.shop.query.me({ select: ['id', { friend: ['id'] }] }),\n\
          await caught(() => tools.shop.query.me({ select: '{ frend { login } }' })),\n\
          await caught(() => tools.shop.graphql({ query: '{ me { id }' })),\n\
          await caught(() => tools.shop.graphql({ query: 'subscription { ticks }' })),\n\
        ]";
    let code = code.replace("'{ frend { login } }'", "['{ frend', 'x'].join(' ') + '}'");
    let all = server.value(&code).await;
    assert_eq!(all[0][0], "upstream_error", "{all:#}");
    assert_eq!(
        all[0][1],
        "shop.query.fails: it always fails (at fails; ALWAYS)"
    );
    assert_eq!(all[0][2]["errors"][0]["path"], json!(["fails"]));
    assert_eq!(all[1][0], "upstream_error");
    assert_eq!(
        all[2]["data"],
        json!({ "good": "yes", "bad": null }),
        "{all:#}"
    );
    assert_eq!(all[2]["errors"][0]["message"], "half of it fails");
    assert_eq!(all[2]["status"], 200);
    assert_eq!(all[3], json!({ "friend": { "login": "bob" } }));
    assert_eq!(all[4], json!({ "id": "u1", "friend": { "id": "u2" } }));
    for (at, words) in [
        (5, "has no field `frend`"),
        (6, "line 1, column"),
        (7, "subscriptions are not called"),
    ] {
        assert_eq!(all[at][0], "invalid_arguments", "{all:#}");
        assert!(
            all[at][1].as_str().is_some_and(|m| m.contains(words)),
            "{all:#}"
        );
    }
    assert!(shop.received().await.iter().all(|r| r["field"] != "ticks"));
}

async fn a_program_is_checked_against_the_schema(database: Database) {
    let (server, shop) = connected(database).await;
    let code = "await tools.shop.query.me({ select: '{ logn }' });\n\
                await tools.shop.graphql({ query: '{ mee { id } }' });\n\
                await tools.shop.graphql({ query: 'mutation { deleteItem(id: 1) }' });\n\
                await tools.shop.graphql({ query: '{ me { id } }' });\n\
                return await tools.shop.query.itm({ id: '1' });";
    let report = server
        .post("/workspaces/local/check", json!({ "code": code }))
        .await;
    let findings = report["findings"].as_array().expect("findings");
    let told: Vec<String> = findings.iter().map(Value::to_string).collect();
    assert_eq!(findings.len(), 3, "{report:#}");
    assert!(
        told[0].contains("login") && findings[0]["line"] == 1,
        "{report:#}"
    );
    assert!(
        told[1].contains("`Query` has no field `mee`") && findings[1]["line"] == 2,
        "{report:#}"
    );
    assert!(told[2].contains("shop.query.item"), "{report:#}");
    let forecast = report["forecast"].as_array().expect("a forecast");
    let of = |line: u64| {
        forecast
            .iter()
            .find(|f| f["line"] == line)
            .expect("a call there")
    };
    assert_eq!(of(3)["decisions"], json!(["ask"]), "{report:#}");
    assert_eq!(of(3)["risk"], "write");
    assert_eq!(of(4)["decisions"], json!(["allow"]), "{report:#}");
    assert_eq!(of(4)["risk"], "read");
    assert_eq!(shop.received().await, Vec::<Value>::new());
}

async fn a_schema_file_needs_an_address_and_a_refresh_tells_what_changed(database: Database) {
    let server = Server::start(database).await;
    let file = server.scratch("hub.graphql");
    std::fs::write(
        &file,
        "type Query { a: Int b(x: Int): Int } type Mutation { c: Int }",
    )
    .expect("written");
    let path = file.to_str().expect("UTF-8");
    let checked = server
        .cli(&["sources", "check", path, "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(checked[0]["kind"], "graphql", "{checked:#}");
    assert_eq!(checked[0]["toolCount"], 4);
    let plain = server.cli(&["sources", "check", path]).await.exits(0);
    plain.says(&["GraphQL SDL, 3 root fields"]);
    let refused = server.cli(&["sources", "add", path]).await;
    assert_ne!(refused.code, 0);
    refused.says(&["--base-url"]);
    let add = [
        "sources",
        "add",
        path,
        "--base-url",
        "https://hub.example/graphql",
        "--json",
    ];
    let added = server.cli(&add).await.exits(0).json();
    assert_eq!(added["name"], "hub");
    let tools = server
        .cli(&["tools", "list", "hub", "--json"])
        .await
        .exits(0)
        .json();
    assert!(tools.to_string().contains("hub.query.b"), "{tools:#}");
    let wrong = server
        .cli(&["sources", "add", path, "--kind", "openapi"])
        .await;
    assert_ne!(wrong.code, 0);
    wrong.says(&["broken YAML at line 1"]);
    let unknown = server
        .cli(&["sources", "add", path, "--kind", "soap"])
        .await;
    unknown.says(&["openapi, graphql"]);
}
