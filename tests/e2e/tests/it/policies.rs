//! Policy as a person works with it: exact conditions, the history of the rules, why a call was decided
//! so, a change tried on recorded calls before it is made, and a rule made of an approval.

use crate::api::items;
use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    conditions_judge_what_is_sent,
    a_rule_cannot_be_dodged_by_spelling,
    every_change_is_kept_and_can_be_had_back,
    a_call_is_explained_by_the_rules_of_its_time,
    a_change_is_tried_before_it_is_made,
    an_answer_is_remembered_as_shown,
    a_rule_that_would_not_decide_is_not_stored,
    who_is_asked_for_is_judged,
    the_command_line_writes_every_part_of_a_rule,
);

const CREATE: &str = "ledger.items.createItem";

fn create(name: &str, amount: &str) -> String {
    format!("return (await tools.{CREATE}({{ name: '{name}', amount: {amount} }})).name")
}

async fn decided(server: &Server, arguments: Value) -> Value {
    let test = json!({ "tool": CREATE, "arguments": arguments });
    server.post("/policies/test", test).await
}

async fn conditions_judge_what_is_sent(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let rule = json!({
        "effect": "allow",
        "match": { "tools": [CREATE], "conditions": ["amount <= 9007199254740992"] },
    });
    server.post("/policies", rule).await;
    for (amount, expected) in [
        ("9007199254740992", "allow"),
        ("9007199254740993", "ask"),
        ("9007199254740992.0", "allow"),
        ("18446744073709551615", "ask"),
        ("1e300", "ask"),
        ("-5", "allow"),
        ("\"1\"", "ask"),
        ("[1]", "ask"),
        ("null", "ask"),
    ] {
        let amount: Value = serde_json::from_str(amount).expect("a value");
        let verdict = decided(&server, json!({ "name": "x", "amount": amount })).await;
        assert_eq!(verdict["decision"], expected, "{amount}: {verdict:#}");
        assert_eq!(
            verdict.get("problem").is_some(),
            !amount.is_number(),
            "{amount}: such a call is refused before it is decided: {verdict:#}"
        );
        if expected == "ask" {
            let seen = &verdict["lookedAt"][0];
            assert_eq!(seen["matched"], false);
            assert!(
                seen["why"].as_str().is_some_and(|w| w.contains("amount")),
                "{verdict:#}"
            );
        }
    }
    let missing = decided(&server, json!({ "name": "x" })).await;
    assert_eq!(missing["decision"], "ask", "{missing:#}");
    assert_eq!(server.value(&create("small", "5.0")).await, "small");
    let large = server.submit(&create("large", "9007199254740994")).await;
    server.pending(1).await;
    assert_eq!(upstream.writes(), 1);
    server
        .post(&format!("/tasks/{large}/cancel"), json!({}))
        .await;
    let refused =
        json!({ "effect": "allow", "match": { "conditions": ["amount < 18446744073709551617"] } });
    let refused = server.send("POST", "/policies", Some(&refused)).await;
    assert_eq!(refused.status, 422, "{refused:#?}");
}

async fn a_rule_cannot_be_dodged_by_spelling(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let deny = json!({ "effect": "deny", "match": { "tools": ["LEDGER.*.create_item"] } });
    server.post("/policies", deny).await;
    for path in [
        "tools.ledger.items.createItem",
        "tools['ledger.items.createItem']",
        "tools['LEDGER.items.Create-Item']",
        "tools.Ledger.ITEMS.create_item",
    ] {
        let code = format!(
            "try {{ await {path}({{ name: 'x', amount: 1 }}); }} catch (e) {{ return e.code; }}"
        );
        assert_eq!(server.value(&code).await, "denied_by_policy", "{path}");
    }
    let wide = json!({ "effect": "deny", "match": { "tools": ["ledger.*_*"] } });
    let about = server.post("/policies/preview", wide).await;
    assert_eq!(about["total"], 0, "a star is one segment: {about:#}");
    let all = json!({ "effect": "deny", "match": { "tools": ["ledger.**"] } });
    let about = server.post("/policies/preview", all).await;
    assert_eq!(about["total"], 15, "{about:#}");
    assert_eq!(upstream.writes(), 0);
}

async fn every_change_is_kept_and_can_be_had_back(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let add = |effect: &'static str, pattern: &'static str| {
        let line = ["policies", "add", effect, pattern, "--json"];
        let server = &server;
        async move {
            server.cli(&line).await.exits(0).json()["id"]
                .as_str()
                .expect("an id")
                .to_owned()
        }
    };
    let narrow = add("allow", CREATE).await;
    let wide = add("ask", "ledger.**").await;
    let edit = [
        "policies", "edit", &narrow, "--effect", "deny", "--note", "for now",
    ];
    server.cli(&edit).await.exits(0);
    server.cli(&["policies", "move", &wide, "1"]).await.exits(0);
    server.cli(&["policies", "remove", &narrow]).await.exits(0);

    let listed = items(&server.get("/policies/versions").await);
    let told: Vec<(&str, &str)> = listed
        .iter()
        .map(|v| {
            (
                v["change"].as_str().expect("text"),
                v["rule"].as_str().expect("text"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("removed", narrow.as_str()),
            ("moved", &wide),
            ("edited", &narrow),
            ("added", &wide),
            ("added", &narrow)
        ]
    );
    assert!(listed.iter().all(|v| v["via"] == "cli"), "{listed:#?}");
    let policy = server.get("/policies").await;
    assert_eq!(policy["version"], listed[0]["version"]);

    // In pages of two the same comes, each once.
    let mut paged = Vec::new();
    let mut path = "/policies/versions?limit=2".to_owned();
    loop {
        let page = server.get(&path).await;
        paged.extend(items(&page));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/policies/versions?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, listed);

    let number = listed[2]["version"].as_i64().expect("a number");
    one_version_shows_the_difference(&server, number, [&narrow, &wide]).await;
    let listed = server.cli(&["policies", "history"]).await.exits(0);
    listed.says(&["removed", "moved", "edited", "added"]);
    let missing = server.send("GET", "/policies/versions/999999", None).await;
    assert_eq!(missing.status, 404);
}

async fn one_version_shows_the_difference(
    server: &Server,
    number: i64,
    [narrow, wide]: [&String; 2],
) {
    let edited = server.get(&format!("/policies/versions/{number}")).await;
    let fields: Vec<&str> = edited["difference"]
        .as_array()
        .expect("a difference")
        .iter()
        .filter_map(|d| d["field"].as_str())
        .collect();
    assert_eq!(fields, ["effect", "note"], "{edited:#}");
    assert_eq!(edited["difference"][0]["before"], "allow");
    assert_eq!(edited["difference"][0]["after"], "deny");
    let rules: Vec<_> = edited["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|r| (r["id"].clone(), r["effect"].clone(), r["position"].clone()))
        .collect();
    assert_eq!(
        rules,
        [
            (json!(narrow), json!("deny"), json!(1)),
            (json!(wide), json!("ask"), json!(2))
        ]
    );
    let shown = number.to_string();
    let shown = server.cli(&["policies", "history", &shown]).await.exits(0);
    shown.says(&["- effect: allow", "+ effect: deny", "+ note: for now"]);
}

async fn a_call_is_explained_by_the_rules_of_its_time(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let allow = json!({
        "effect": "allow", "match": { "tools": [CREATE], "conditions": ["amount < 10"] },
    });
    let allow = server.post("/policies", allow).await;
    let never = json!({
        "effect": "deny", "match": { "tools": [CREATE], "roles": ["member"] }, "level": "organization",
    });
    let never = server.post("/policies", never).await;
    let code = format!(
        "await tools.{CREATE}({{ name: 'a', amount: 5 }});\n\
         await tools.ledger.items.listItems();\n\
         await tools.discover('items');\n\
         return (await tools.{CREATE}({{ name: 'b', amount: 50 }})).name;"
    );
    let task = server.submit(&code).await;
    let asked = server.pending(1).await.remove(0);
    // What comes after changes nothing about what was.
    let id = allow["id"].as_str().expect("an id");
    server
        .send("DELETE", &format!("/policies/{id}"), None)
        .await;
    let id = never["id"].as_str().expect("an id");
    server
        .send("DELETE", &format!("/policies/{id}"), None)
        .await;
    let later = json!({ "effect": "allow", "match": { "tools": ["**"] } });
    server.post("/policies", later).await;

    let why = async |sequence: u32| {
        server
            .get(&format!("/tasks/{task}/calls/{sequence}/explain"))
            .await
    };
    let first = why(1).await;
    assert_eq!(first["decision"], "allow", "{first:#}");
    assert_eq!(first["rule"], allow["id"]);
    assert_eq!(first["known"], true);
    let seen: Vec<_> = first["lookedAt"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|l| (l["rule"].clone(), l["matched"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (never["id"].clone(), json!(false)),
            (allow["id"].clone(), json!(true))
        ]
    );
    assert_eq!(
        first["lookedAt"][1]["text"]["match"]["conditions"],
        json!(["amount < 10"])
    );
    let read = why(2).await;
    assert_eq!(
        (&read["decision"], &read["rule"]),
        (&json!("allow"), &Value::Null),
        "{read:#}"
    );
    let nothing = why(3).await;
    assert_eq!(nothing["decision"], "none", "{nothing:#}");
    let asks = why(4).await;
    assert_eq!(asks["decision"], "ask", "{asks:#}");
    let told = asks["lookedAt"][1]["why"].as_str().expect("a reason");
    assert!(told.contains("amount < 10"), "{asks:#}");
    server
        .cli(&["policies", "explain", &task, "4"])
        .await
        .exits(0)
        .says(&["amount < 10", "does not hold"]);
    let all = server.cli(&["policies", "explain", &task, "--json"]).await;
    assert_eq!(all.exits(0).json().as_array().map(Vec::len), Some(4));
    let none = server
        .send("GET", &format!("/tasks/{task}/calls/9/explain"), None)
        .await;
    assert_eq!(none.status, 404);
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "b");
}

async fn a_change_is_tried_before_it_is_made(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let allow = server
        .post(
            "/policies",
            json!({ "effect": "allow", "match": { "tools": [CREATE] } }),
        )
        .await;
    for amount in ["1", "20", "300"] {
        server.value(&create("x", amount)).await;
    }
    server.value("return tools.ledger.items.listItems()").await;
    let before = server.get("/policies").await;
    let add = json!({ "change": "add", "rule": {
        "effect": "deny", "match": { "tools": ["ledger.**"], "conditions": ["amount > 10"] },
    } });
    let broad = server.post("/policies/backtest", add).await;
    assert_eq!(
        (&broad["lookedAt"], &broad["otherwise"]),
        (&json!(4), &json!(1)),
        "it would stand below the narrower rule, and a read without an amount would be denied: \
         {broad:#}"
    );
    let add = json!({ "change": "add", "rule": {
        "effect": "deny", "match": { "tools": [CREATE], "conditions": ["amount > 10"] },
    } });
    let found = server.post("/policies/backtest", add).await;
    assert_eq!(found["otherwise"], 2, "{found:#}");
    assert_eq!(
        found["changes"],
        json!([{ "from": "allow", "to": "deny", "count": 2 }])
    );
    let example = &found["examples"][0];
    assert_eq!(example["tool"], CREATE);
    assert_eq!(example["recorded"], "allow");
    assert_eq!(example["argumentsDigest"].as_str().map(str::len), Some(64));
    assert!(
        found["notLookedAt"]
            .as_array()
            .is_some_and(|n| !n.is_empty())
    );
    let id = allow["id"].as_str().expect("an id");
    let remove = json!({ "change": "remove", "id": id, "limit": 2 });
    let found = server.post("/policies/backtest", remove).await;
    assert_eq!(found["lookedAt"], 2, "{found:#}");
    let told = found["notLookedAt"].to_string();
    assert!(told.contains("limit of 2"), "{told}");
    let cli = ["policies", "backtest", "--remove", id, "--json"];
    let found = server.cli(&cli).await.exits(0).json();
    assert_eq!(
        found["changes"],
        json!([{ "from": "allow", "to": "ask", "count": 3 }])
    );
    let cli = [
        "policies",
        "backtest",
        "deny",
        CREATE,
        "--when",
        "amount > 10",
        "--since",
        "1h",
    ];
    server
        .cli(&cli)
        .await
        .exits(0)
        .says(&["2 from allow to deny", "of 4 recorded calls"]);
    server.cli(&["policies", "backtest"]).await.exits(2);
    assert_eq!(server.get("/policies").await, before, "nothing was changed");
}

async fn an_answer_is_remembered_as_shown(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(&create("rent", "700")).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    let offered = server.get(&format!("/approvals/{id}/remember")).await;
    let offered = items(&offered);
    assert_eq!(offered.len(), 2, "{offered:#?}");
    let exact = &offered[0]["rule"];
    assert_eq!(
        exact["match"]["conditions"],
        json!(["amount = 700", "name = \"rent\"", "note absent"])
    );
    assert_eq!(offered[1]["rule"]["match"].get("conditions"), None);
    assert_eq!(
        server.get("/policies").await["rules"],
        json!([]),
        "nothing is stored by looking"
    );
    let answer = json!({ "digest": asked["digest"], "remember": exact });
    server
        .post(&format!("/approvals/{id}/approve"), answer)
        .await;
    assert_eq!(server.finished(&task).await["result"], "rent");
    let stored = server.get("/policies").await["rules"][0].clone();
    for field in ["effect", "match", "level", "note"] {
        assert_eq!(
            stored[field], exact[field],
            "what was shown is what is stored"
        );
    }
    assert_eq!(
        server.value(&create("rent", "700.0")).await,
        "rent",
        "nobody is asked again"
    );
    for (name, amount) in [("rent", "701"), ("Rent", "700")] {
        let task = server.submit(&create(name, amount)).await;
        server.pending(1).await;
        server
            .post(&format!("/tasks/{task}/cancel"), json!({}))
            .await;
    }
    let task = server
        .submit("return tools.ledger.items.deleteItem({ id: '7' })")
        .await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    let refused = server.cli(&["approvals", "deny", id, "--remember"]).await;
    refused
        .exits(2)
        .says(&["--yes", "ledger.items.deleteItem", "id = \"7\""]);
    assert_eq!(
        server.get(&format!("/approvals/{id}")).await["status"],
        "pending"
    );
    let deny = ["approvals", "deny", id, "--remember=tool", "--yes"];
    server.cli(&deny).await.exits(0);
    assert_eq!(server.finished(&task).await["status"], "denied");
    let again = server
        .run("return tools.ledger.items.deleteItem({ id: '8' })")
        .await;
    assert_eq!(again["error"]["code"], "denied_by_policy", "{again:#}");
    assert_eq!(upstream.writes(), 2);
}

async fn a_rule_that_would_not_decide_is_not_stored(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let strict = json!({
        "effect": "ask", "match": { "tools": ["ledger.**"] }, "level": "organization",
    });
    server.post("/policies", strict).await;
    let task = server.submit(&create("x", "1")).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    let offered = server.get(&format!("/approvals/{id}/remember")).await;
    assert_eq!(
        items(&offered),
        Vec::<Value>::new(),
        "a higher level asks whatever it says"
    );
    let approve = format!("/approvals/{id}/approve");
    for (rule, status, code) in [
        (
            json!({ "effect": "allow", "match": { "tools": [CREATE] } }),
            409,
            "rule_does_not_decide",
        ),
        (
            json!({ "effect": "deny", "match": { "tools": [CREATE] } }),
            422,
            "invalid_rule",
        ),
    ] {
        let refused = server
            .send("POST", &approve, Some(&json!({ "remember": rule })))
            .await;
        assert_eq!(refused.status, status, "{refused:#?}");
        assert_eq!(refused.body["code"], code, "{refused:#?}");
        let still = server.get(&format!("/approvals/{id}")).await;
        assert_eq!(still["status"], "pending", "neither answered nor stored");
        assert_eq!(
            server.get("/policies").await["rules"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
    }
    assert_eq!(upstream.writes(), 0);
    let wide =
        json!({ "effect": "allow", "level": "organization", "match": { "tools": [CREATE] } });
    server.post(&approve, json!({ "remember": wide })).await;
    assert_eq!(server.finished(&task).await["result"], "x");
}

async fn who_is_asked_for_is_judged(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    for (effect, name, who) in [
        ("deny", "roles", "member"),
        ("allow", "clients", "Robot"),
        ("deny", "channels", "mcp"),
        ("allow", "keys", "key_00000000000000000000000007"),
    ] {
        let rule = json!({ "effect": effect, "match": { "tools": [CREATE], name: [who] } });
        server.post("/policies", rule).await;
    }
    let arguments = r#"{"name":"x","amount":1}"#;
    for (asked_for, expected) in [
        (vec![], "ask"),
        (vec!["role=member"], "deny"),
        (vec!["client=robot"], "allow"),
        (vec!["client=robot", "channel=mcp"], "deny"),
        (vec!["key=key_00000000000000000000000007"], "allow"),
    ] {
        let mut line = vec!["policies", "test", CREATE, arguments, "--json"];
        for one in &asked_for {
            line.extend(["--as", one]);
        }
        let verdict = server.cli(&line).await.exits(0).json();
        assert_eq!(verdict["decision"], expected, "{asked_for:?}: {verdict:#}");
    }
    let nobody = json!({ "tool": CREATE, "as": { "person": "acct_00000000000000000000000009" } });
    let nobody = server.send("POST", "/policies/test", Some(&nobody)).await;
    assert_eq!(nobody.status, 404, "{nobody:#?}");
    server
        .cli(&["policies", "test", CREATE, "--as", "mood=bad"])
        .await
        .exits(2);
}

async fn the_command_line_writes_every_part_of_a_rule(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let me = server.get("/me").await["accountId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let line = [
        "policies",
        "add",
        "ask",
        "ledger.**",
        "--except",
        "ledger.probe.*",
        "--source",
        "ledger",
        "--risk",
        "write",
        "--person",
        &me,
        "--role",
        "owner",
        "--client",
        "robot",
        "--key",
        "key_00000000000000000000000007",
        "--channel",
        "mcp",
        "--when",
        "amount > 5000",
        "--level",
        "organization",
        "--approvers",
        &me,
        "--requester-may-not",
        "--until",
        "2h",
        "--note",
        "why",
        "--json",
    ];
    let made = server.cli(&line).await.exits(0).json();
    let stored = server.get("/policies").await["rules"][0].clone();
    assert_eq!(made, stored);
    assert_eq!(
        stored["match"],
        json!({
            "tools": ["ledger.**"], "except": ["ledger.probe.*"], "sources": ["ledger"],
            "risks": ["write"], "persons": [me], "roles": ["owner"], "clients": ["robot"],
            "keys": ["key_00000000000000000000000007"], "channels": ["mcp"],
            "conditions": ["amount > 5000"],
        })
    );
    assert_eq!(stored["ask"]["approvers"], json!([me]));
    assert_eq!(stored["ask"]["requesterMay"], false);
    let told = server
        .cli(&["policies", "add", "deny", "ledger.items.*"])
        .await
        .exits(0);
    assert!(told.err.contains("tools: ledger.items."), "{told:#?}");
    let wait = ["policies", "add", "deny", "ledger.**", "--approvers", &me];
    server.cli(&wait).await.exits(2).says(&["--approvers"]);
    let id = stored["id"].as_str().expect("an id");
    let other = "key_00000000000000000000000008";
    let edit = ["policies", "edit", id, "--key", other, "--json"];
    let edited = server.cli(&edit).await.exits(0).json();
    assert_eq!(edited["match"]["keys"], json!([other]));
    assert_eq!(
        edited["match"]["clients"],
        json!(["robot"]),
        "what is not given stays"
    );
}
