//! A program looked at before it runs: what is wrong with it, what policy would say, and that a
//! program with a certain and uncaught error is not begun, whichever way it comes in.

use crate::binary;
use crate::database::Database;
use crate::doors::Mcp;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    findings_are_shown_as_a_compiler_does,
    the_forecast_says_what_policy_would,
    what_is_denied_does_not_show,
    a_program_that_must_fail_is_not_begun,
    what_may_be_caught_is_run,
    a_compiler_that_is_not_there_is_explained,
    types_are_checked_where_the_compiler_is,
);

const WRONG: &str = "const { items } = tools.ledger;\n\
    const all = await items.listItems({ limt: 5 });\n\
    try { await tools.ledger.items.craeteItem({}); } catch {}\n\
    return await items.createItem({ name: all[0].name, amount: \"much\" });\n";

async fn check(server: &Server, body: Value) -> Value {
    server.post("/workspaces/local/check", body).await
}

async fn findings_are_shown_as_a_compiler_does(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let file = server.scratch("wrong.ts");
    std::fs::write(&file, WRONG).expect("the file is written");
    let file = file.to_str().expect("UTF-8");

    let plain = server.cli(&["check", file]).await.exits(1);
    for words in [
        ":2:37 error invalid_arguments: ledger.items.listItems: `limt` is unknown (did you mean `limit`?)\n  2 | const all = await items.listItems({ limt: 5 });\n    |                                     ^\n",
        ":3:13 warning tool_not_found: there is no tool 'ledger.items.craeteItem'; did you mean ledger.items.createItem",
        ":4:52 error invalid_arguments: ledger.items.createItem: `amount` must be number, got string \"much\"",
    ] {
        assert!(plain.out.contains(words), "{words}\n{plain:#?}");
    }
    let found = server.cli(&["check", file, "--json"]).await.exits(1).json();
    let codes: Vec<&str> = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|f| f["code"].as_str())
        .collect();
    assert_eq!(
        codes,
        ["invalid_arguments", "tool_not_found", "invalid_arguments"]
    );
    assert_eq!(
        found["findings"][1]["suggestions"][0],
        "ledger.items.createItem"
    );

    let clean = server
        .cli(&[
            "check",
            "-e",
            "return await tools.ledger.items.listItems({ limit: 5 })",
        ])
        .await
        .exits(0);
    clean.says(&["nothing wrong was found", "ledger.items.listItems", "allow"]);
    server
        .cli_with(&["check", "-"], Some("\nconst = 1"))
        .await
        .exits(1)
        .says(&["stdin:2:7 error syntax_error", "2 | const = 1"]);
    let broken = check(&server, json!({ "code": "\nlet 1" })).await;
    assert_eq!(broken["findings"][0]["code"], "syntax_error", "{broken:#}");
    assert_eq!(broken["findings"][0]["excerpt"], "let 1");

    let elsewhere = json!({ "code": "1" });
    let elsewhere = server
        .send("POST", "/workspaces/other/check", Some(&elsewhere))
        .await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(upstream.received().len(), 0, "nothing was sent");
    assert_eq!(
        server.get("/tasks").await["items"],
        json!([]),
        "nothing was run"
    );
}

async fn the_forecast_says_what_policy_would(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let large = json!({
        "effect": "deny",
        "match": { "tools": ["ledger.items.createItem"], "conditions": ["amount > 100"] },
    });
    let rule = server.post("/policies", large).await["id"].clone();
    for (arguments, decisions) in [
        ("{ name: 'a', amount: 500 }", json!(["deny"])),
        ("{ name: 'a', amount: 5 }", json!(["ask"])),
        ("{ name: 'a', amount }", json!(["deny", "ask"])),
        ("{ name: 'a', ...more }", json!(["deny", "ask"])),
        ("all", json!(["deny", "ask"])),
    ] {
        let code = format!(
            "const amount = Math.random(), more = {{ amount }}, all = more;\n\
             await tools.ledger.items.createItem({arguments});"
        );
        let found = check(&server, json!({ "code": code })).await;
        let forecast = &found["forecast"][0];
        assert_eq!(forecast["decisions"], decisions, "{arguments}: {found:#}");
        let depends = decisions.as_array().is_some_and(|d| d.len() > 1);
        let decision = if depends {
            json!("depends")
        } else {
            decisions[0].clone()
        };
        assert_eq!(forecast["decision"], decision);
        if decisions[0] == "deny" {
            assert_eq!(forecast["rule"], rule, "{arguments}: {found:#}");
        }
        assert_eq!(
            (&forecast["line"], &forecast["column"]),
            (&json!(2), &json!(7))
        );
    }
}

async fn what_is_denied_does_not_show(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let typo = json!({ "code": "await tools.ledger.items.deletItem({ id: 'x' })" });
    let shows = check(&server, typo.clone()).await.to_string();
    assert!(shows.contains("deleteItem"), "the witness: {shows}");
    let wrong = json!({ "code": "await tools.ledger.items.deleteItem({ ident: 'x' })" });
    let shows = check(&server, wrong.clone()).await;
    assert_eq!(
        shows["findings"][0]["code"], "invalid_arguments",
        "{shows:#}"
    );

    let deny = json!({ "effect": "deny", "match": { "tools": ["ledger.items.deleteItem"] } });
    server.post("/policies", deny).await;
    let hides = check(&server, typo).await;
    assert_eq!(hides["findings"][0]["code"], "tool_not_found");
    assert!(!hides.to_string().contains("deleteItem"), "{hides:#}");
    let hides = check(&server, wrong).await;
    assert_eq!(hides["findings"], json!([]), "what it takes is not told");
    assert_eq!(hides["forecast"][0]["decision"], "deny");
}

async fn a_program_that_must_fail_is_not_begun(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "console.log('begun');\n\
                await tools.ledger.items.listItems({});\n\
                return await tools.ledger.items.craeteItem({ name: 'x', amount: 1 });";
    let is_refused = |error: &Value| {
        assert_eq!(error["code"], "tool_not_found", "{error:#}");
        assert_eq!((&error["line"], &error["column"]), (&json!(3), &json!(14)));
        let message = error["message"].as_str().expect("a message");
        for words in ["did you mean ledger.items.createItem", "was not run"] {
            assert!(message.contains(words), "{words}: {message}");
        }
    };
    let task = server.post("/tasks", json!({ "code": code })).await;
    assert_eq!(task["status"], "failed", "at once: {task:#}");
    is_refused(&task["error"]);
    let id = task["id"].as_str().expect("an id");
    let kept = server.task(id).await;
    assert_eq!(kept["error"], task["error"], "as recorded");
    assert_eq!(server.logs(id).await, [""; 0], "it was not begun");
    assert_eq!(server.calls(id).await, [json!(null); 0]);

    let ran = server
        .cli(&["run", "-e", code, "--json"])
        .await
        .exits(1)
        .json();
    is_refused(&ran["error"]);
    server.cli(&["run", "-e", code]).await.exits(1).says(&[
        "failed (tool_not_found)",
        "at 3:14",
        "^",
    ]);
    let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
    let answer = mcp.call("execute", json!({ "code": code })).await;
    assert_eq!(answer["isError"], true);
    is_refused(&answer["structuredContent"]["error"]);
    assert_eq!(upstream.received().len(), 0, "not even the read was sent");

    // All that is wrong is told at once.
    let all = server
        .run(&WRONG.replace("try ", "").replace("catch {}", ""))
        .await;
    assert_eq!(all["error"]["code"], "invalid_arguments");
    let message = all["error"]["message"].as_str().expect("a message");
    for words in [
        "`limt` is unknown",
        "line 3, column 9: ",
        "line 4, column 52: ",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }

    // A program that ran is run again as it was, whatever has become of the tools.
    let good = "return (await tools.ledger.items.listItems({})).items.length";
    let task = server.submit(good).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
    server.cli(&["sources", "disable", "ledger"]).await.exits(0);
    let again = server
        .post(&format!("/tasks/{task}/rerun"), json!({}))
        .await;
    let again = server.finished(again["id"].as_str().expect("an id")).await;
    assert_eq!(again["error"]["code"], "tool_not_found", "{again:#}");
    assert!(again["startedAt"].is_string(), "it was begun: {again:#}");
    let anew = server.run(good).await;
    assert!(anew["startedAt"].is_null(), "it was not: {anew:#}");
}

async fn what_may_be_caught_is_run(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    for code in [
        "try { await tools.nope.x() } catch (e) { return e.code }",
        "return await tools.nope.x().catch((e) => e.code)",
        "const [r] = await Promise.allSettled([tools.nope.x()]); return r.reason.code",
        "const f = () => tools.nope.x(); try { await f() } catch (e) { return e.code }",
        "const p = tools.nope.x(); try { await p } catch (e) { return e.code }",
        "const source = 'nope'; try { await tools[source].x() } catch (e) { return e.code }",
    ] {
        assert_eq!(server.value(code).await, "tool_not_found", "{code}");
    }
    let unseen = "let t = tools; return await t.nope.x()";
    let task = server.run(unseen).await;
    assert_eq!(task["error"]["code"], "tool_not_found");
    assert!(
        task["startedAt"].is_string(),
        "found while it ran: {task:#}"
    );
}

/// The compiler, as npm installs it.
fn tsc() -> String {
    let tsc = binary::root().join("tests/node/node_modules/.bin/tsc");
    assert!(
        tsc.is_file(),
        "{} is missing; run `cargo xtask setup`",
        tsc.display()
    );
    tsc.display().to_string()
}

async fn a_compiler_that_is_not_there_is_explained(database: Database) {
    let mut server = Server::prepare(database);
    let body = json!({ "code": "return 1", "types": true });
    for (name, value, status, words) in [
        ("PATH", "/nowhere", 409, "npm install -g typescript@7"),
        ("EXECUTOR_TSC", "/nowhere/tsc", 503, "could not be run"),
        ("EXECUTOR_TSC", "/bin/echo", 503, "is not TypeScript 7"),
        ("EXECUTOR_TSC", &tsc(), 200, "\"types\":[]"),
    ] {
        server.environment = vec![(name.to_owned(), value.to_owned())];
        server.launch().await;
        let reply = server
            .send("POST", "/workspaces/local/check", Some(&body))
            .await;
        assert_eq!(reply.status, status, "{name}={value}: {reply:#?}");
        let told = reply.body.to_string();
        assert!(told.contains(words), "{words}: {told}");
        server.stop().await;
    }
}

async fn types_are_checked_where_the_compiler_is(database: Database) {
    let mut server = Server::prepare(database);
    // A file of this machine whose contents must not show in what the compiler says.
    let secret = server.scratch("secret.ts");
    std::fs::write(&secret, "export type Secret = \"canary-7\";\n").expect("the file is written");
    server.environment = vec![("EXECUTOR_TSC".to_owned(), tsc())];
    server.launch().await;
    let upstream = Upstream::start().await;
    upstream.connect(&server).await;

    let code = format!(
        "import type {{ Secret }} from {:?};\n\
         type Other = import({0:?}).Secret;\n\
         enum Color {{ Red }}\n\
         namespace N {{ export const n: number = 1 }}\n\
         const leak: Secret = 1, more: Other = 1;\n\
         const all = await tools.Ledger.items.list_items({{ limit: Color.Red + N.n }});\n\
         for (const item of all.items) console.log(item.nmae, new URL(\"https://x.example\").hots);\n\
         try {{ setTimeout(() => {{}}, 1) }} catch (e) {{ e.code }}\n\
         return all.itmes;\n",
        secret.display().to_string()
    );
    let found = check(&server, json!({ "code": code, "types": true })).await;
    let told: Vec<String> = found["types"]
        .as_array()
        .expect("types were checked")
        .iter()
        .map(|f| {
            format!(
                "{}:{} {} {}",
                f["line"], f["column"], f["code"], f["message"]
            )
        })
        .collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    for (told, words) in told.iter().zip([
        ["7:48 ", "'nmae' does not exist"],
        ["7:83 ", "'hots' does not exist"],
        ["9:12 ", "'itmes' does not exist"],
    ]) {
        assert!(
            words.iter().all(|w| told.contains(w)),
            "{words:?}: {told:#?}"
        );
    }
    assert!(!found.to_string().contains("canary-7"), "{found:#}");

    let body = "const a: string = 1;\nexport default async () => a;";
    let found = check(&server, json!({ "code": body, "types": true })).await;
    assert_eq!(found["types"][0]["code"], "TS2322", "{found:#}");
    assert_eq!(found["types"][0]["line"], 1);
    let ran = server.run(body).await;
    assert_eq!(ran["result"], 1, "types advise: {ran:#}");
    let clean = "return (await tools.discover('x')).total";
    server
        .cli(&["check", "-e", clean, "--types"])
        .await
        .exits(0)
        .says(&["nothing wrong was found"]);
    let left = std::fs::read_dir(server.data().join("types")).expect("the directory for checks");
    assert_eq!(left.count(), 0, "nothing is left behind");
}
