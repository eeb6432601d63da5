//! Policy sets: a call is decided by one exactly while it is assigned, what a trial says is what happens
//! then, what was decided is explained as it was, and nobody reaches by a set what they could not reach
//! by a rule.

use crate::api::items;
use crate::database::Database;
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    a_set_decides_while_it_is_assigned,
    a_change_of_a_set_is_tried_and_bears_wherever_it_is_assigned,
    a_set_reaches_no_further_than_who_assigns_it,
    the_command_line_does_it_all,
);

const CREATE: &str = "ledger.items.createItem";

fn create(amount: u32) -> String {
    format!("return (await tools.{CREATE}({{ name: 'x', amount: {amount} }})).name")
}

/// A set with rules of these effects on writes of the ledger that are larger than these amounts.
async fn made(server: &Server, name: &str, rules: &[(&str, u32)]) -> String {
    let set = server.post("/policies/sets", json!({ "name": name })).await;
    let set = text(&set["id"]);
    for (effect, above) in rules {
        let rule = json!({
            "effect": effect,
            "match": { "tools": [CREATE], "conditions": [format!("amount > {above}")] },
        });
        let path = format!("/policies/sets/{set}/rules");
        server.post(&path, rule).await;
    }
    set
}

async fn assigned(server: &Server, set: &str, to: Value) -> String {
    let path = format!("/policies/sets/{set}/assignments");
    text(&server.post(&path, to).await["id"])
}

async fn gone(server: &Server, path: &str) {
    let reply = server.send("DELETE", path, None).await;
    assert_eq!(reply.status, 204, "{reply:#?}");
}

/// What became of a write of this amount: `completed`, `denied`, or `waiting` for an answer, which is
/// then given.
async fn becomes(server: &Server, amount: u32) -> (String, String) {
    let task = server.submit(&create(amount)).await;
    let ends = ["completed", "denied", "failed", "waiting"];
    let is = |task: &Value| ends.contains(&task["status"].as_str().unwrap_or_default());
    let then = text(&server.task_until(&task, is).await["status"]);
    if then == "waiting" {
        let asked = server.pending(1).await.remove(0);
        server.deny(&asked, "seen").await;
        server.finished(&task).await;
    }
    (then, task)
}

async fn why(server: &Server, task: &str) -> Value {
    server.get(&format!("/tasks/{task}/calls/1/explain")).await
}

async fn a_set_decides_while_it_is_assigned(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let allow = json!({ "effect": "allow", "match": { "tools": [CREATE] } });
    let allow = server.post("/policies", allow).await;
    let set = made(&server, "Production", &[("ask", 10), ("deny", 100)]).await;
    let amounts = [5, 50, 500];
    let mut before = Vec::new();
    for amount in amounts {
        let (then, task) = becomes(&server, amount).await;
        assert_eq!(
            then, "completed",
            "a set that is assigned to nobody binds nobody"
        );
        before.push(task);
    }

    // What the trial says, of the same calls, is what happens then.
    let trial = json!({ "change": "assign", "set": set, "to": { "level": "workspace" } });
    let version = server.get("/policies").await["version"].clone();
    let found = server.post("/policies/backtest", trial).await;
    assert_eq!(found["rulesChanged"], 2, "{found:#}");
    assert_eq!(found["otherwise"], 2, "{found:#}");
    let changes = &found["changes"];
    for expected in [("allow", "ask"), ("allow", "deny")] {
        let one = json!({ "from": expected.0, "to": expected.1, "count": 1 });
        assert!(
            changes.as_array().is_some_and(|c| c.contains(&one)),
            "{found:#}"
        );
    }
    assert_eq!(found["examples"][0]["set"]["name"], "Production");
    assert_eq!(
        server.get("/policies").await["version"],
        version,
        "nothing is changed"
    );
    let assignment = assigned(&server, &set, json!({ "level": "workspace" })).await;
    let mut during = Vec::new();
    for (amount, expected) in [(5, "completed"), (50, "waiting"), (500, "denied")] {
        let (then, task) = becomes(&server, amount).await;
        assert_eq!(then, expected, "{amount}");
        during.push(task);
    }
    let test = json!({ "tool": CREATE, "arguments": { "name": "x", "amount": 500 } });
    let verdict = server.post("/policies/test", test.clone()).await;
    assert_eq!(verdict["decision"], "deny", "{verdict:#}");
    assert_eq!(verdict["set"]["id"], json!(set));
    assert_eq!(verdict["set"]["assignment"], json!(assignment));
    let told = text(&verdict["explanation"]);
    assert!(told.contains("of the set 'Production'"), "{told}");
    assert!(told.contains(&assignment), "{told}");
    let layers: Vec<_> = items(&json!({ "items": verdict["lookedAt"] }))
        .iter()
        .map(|l| (l["text"]["set"]["name"].clone(), l["matched"].clone()))
        .collect();
    assert_eq!(
        layers,
        [
            (Value::Null, json!(true)),
            (json!("Production"), json!(true))
        ],
        "the first that matches in each layer"
    );

    // Taken back, it opens again; and each call is explained by the rules of its own time.
    let trial = json!({ "change": "unassign", "set": set, "assignment": assignment });
    let found = server.post("/policies/backtest", trial).await;
    assert_eq!(found["otherwise"], 4, "both rounds: {found:#}");
    gone(
        &server,
        &format!("/policies/sets/{set}/assignments/{assignment}"),
    )
    .await;
    let (then, after) = becomes(&server, 500).await;
    assert_eq!(then, "completed");
    let verdict = server.post("/policies/test", test).await;
    assert_eq!(
        (&verdict["decision"], verdict.get("set")),
        (&json!("allow"), None)
    );
    for task in before.iter().chain([&after]) {
        let told = why(&server, task).await;
        assert_eq!(
            (&told["known"], &told["rule"]),
            (&json!(true), &allow["id"]),
            "{told:#}"
        );
        assert_eq!(
            told["lookedAt"].as_array().map(Vec::len),
            Some(1),
            "{told:#}"
        );
    }
    for (task, decision) in during.iter().zip(["allow", "ask", "deny"]) {
        let told = why(&server, task).await;
        assert_eq!(told["known"], true, "{told:#}");
        assert_eq!(told["decision"], decision, "{told:#}");
        let seen = told["lookedAt"].as_array().expect("rules");
        assert!(seen.len() >= 2, "{told:#}");
        let set_looked_at = seen
            .iter()
            .any(|l| l["text"]["set"]["assignment"] == json!(assignment));
        assert!(set_looked_at, "{told:#}");
        if decision != "allow" {
            let said = text(&told["explanation"]);
            assert!(said.contains("of the set 'Production'"), "{said}");
        }
    }
    let history = items(&server.get("/policies/versions").await);
    let by_set: Vec<_> = history
        .iter()
        .filter(|v| v["after"]["set"]["id"] == json!(set) || v["before"]["set"]["id"] == json!(set))
        .map(|v| v["change"].clone())
        .collect();
    assert_eq!(by_set, ["removed", "removed", "added", "added"]);
    let audit = server.get("/audit?action=policy_set.").await;
    let actions: Vec<_> = items(&audit).iter().map(|e| text(&e["action"])).collect();
    assert_eq!(
        actions,
        [
            "policy_set.unassigned",
            "policy_set.assigned",
            "policy_set.rule_added",
            "policy_set.rule_added",
            "policy_set.created"
        ]
    );
}

async fn a_change_of_a_set_is_tried_and_bears_wherever_it_is_assigned(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let allow = json!({ "effect": "allow", "match": { "tools": [CREATE] } });
    server.post("/policies", allow).await;
    let set = made(&server, "Large", &[("deny", 100)]).await;
    assigned(&server, &set, json!({ "level": "workspace" })).await;
    let path = format!("/policies/sets/{set}/assignments?workspace=other");
    let other = server.post(&path, json!({ "level": "workspace" })).await;
    assert_eq!(other["workspaceSlug"], "other");
    for (amount, expected) in [(50, "completed"), (500, "denied")] {
        assert_eq!(becomes(&server, amount).await.0, expected);
    }

    // A copy is not changed by itself: the error names the set.
    let rules = items(&json!({ "items": server.get("/policies").await["rules"] }));
    let copy = rules
        .iter()
        .find(|r| r.get("set").is_some())
        .expect("a copy");
    let id = text(&copy["id"]);
    let text_of = json!({ "effect": "allow" });
    for (method, path, body) in [
        ("PUT", format!("/policies/{id}"), Some(&text_of)),
        ("DELETE", format!("/policies/{id}"), None),
        (
            "POST",
            format!("/policies/{id}/move"),
            Some(&json!({ "position": 1 })),
        ),
        (
            "POST",
            "/policies/backtest".to_owned(),
            Some(&json!({ "change": "remove", "id": id })),
        ),
    ] {
        let refused = server.send(method, &path, body).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (409, &json!("rule_of_set"))
        );
        let told = refused.body.to_string();
        assert!(told.contains("Large") && told.contains(&set), "{told}");
    }

    // Tried first; then it is so here and there.
    let set_rule = text(&copy["set"]["rule"]);
    let rule = json!({
        "effect": "ask", "match": { "tools": [CREATE], "conditions": ["amount > 10"] },
    });
    let trial = json!({ "change": "edit", "set": set, "id": set_rule, "rule": rule });
    let found = server.post("/policies/backtest", trial).await;
    assert_eq!(
        found["changes"].as_array().map(Vec::len),
        Some(2),
        "50 from allow to ask, 500 from deny to ask: {found:#}"
    );
    assert!(
        found["notLookedAt"]
            .to_string()
            .contains("other workspaces"),
        "{found:#}"
    );
    let path = format!("/policies/sets/{set}/rules/{set_rule}");
    let edited = server.send("PUT", &path, Some(&rule)).await;
    assert_eq!(edited.status, 200, "{edited:#?}");
    for amount in [50, 500] {
        assert_eq!(becomes(&server, amount).await.0, "waiting");
    }
    let there = server.get("/policies?workspace=other").await;
    assert_eq!(there["rules"][0]["effect"], "ask", "{there:#}");
    assert_eq!(there["rules"].as_array().map(Vec::len), Some(1));

    // It is deleted only when it binds nobody, and the refusal says whom it binds.
    let path = format!("/policies/sets/{set}");
    let refused = server.send("DELETE", &path, None).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (409, &json!("set_assigned"))
    );
    let told = refused.body.to_string();
    assert!(
        told.contains("the workspace local") && told.contains("the workspace other"),
        "{told}"
    );
    let view = server.get(&path).await;
    for one in view["assignments"].as_array().expect("assignments") {
        gone(&server, &format!("{path}/assignments/{}", text(&one["id"]))).await;
    }
    gone(&server, &path).await;
    for workspace in ["local", "other"] {
        let left = server
            .get(&format!("/policies?workspace={workspace}"))
            .await;
        assert!(!left.to_string().contains(&set), "{left:#}");
    }
    assert_eq!(becomes(&server, 500).await.0, "completed");
}

async fn a_set_reaches_no_further_than_who_assigns_it(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let admin = Person::add(&server, "Ann", "admin").await;
    let member = Person::add(&server, "Mel", "member").await;
    let set = made(&server, "Careful", &[("deny", 10)]).await;
    let path = format!("/policies/sets/{set}");
    let to = format!("{path}/assignments");
    let rules = format!("{path}/rules");
    let deny = json!({ "effect": "deny", "match": { "tools": ["none.**"] } });

    // What binds nobody is not a member's to see; to be bound is to see it.
    let as_member = async |method: &str, path: &str, body: Option<&Value>| {
        server.send_as(Some(&member.key), method, path, body).await
    };
    let as_admin = async |method: &str, path: &str, body: Option<&Value>| {
        server.send_as(Some(&admin.key), method, path, body).await
    };
    assert_eq!(as_member("GET", &path, None).await.status, 404);
    let mine = json!({ "level": "personal", "person": member.id });
    assert_eq!(as_member("POST", &to, Some(&mine)).await.status, 403);
    let personal = as_admin("POST", &to, Some(&mine)).await;
    assert_eq!(personal.status, 201, "{personal:#?}");
    assert_eq!(as_member("GET", &path, None).await.status, 200);
    let sets = as_member("GET", "/policies/sets", None).await.body;
    assert_eq!(sets["items"].as_array().map(Vec::len), Some(1), "{sets:#}");
    let again = as_admin("POST", &to, Some(&mine)).await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (409, &json!("already_assigned"))
    );
    let test = json!({ "tool": CREATE, "arguments": { "name": "x", "amount": 50 } });
    let verdict = |of: &Value| of["decision"].clone();
    let hers = as_member("POST", "/policies/test", Some(&test)).await.body;
    assert_eq!(verdict(&hers), "deny", "{hers:#}");
    let his = as_admin("POST", "/policies/test", Some(&test)).await.body;
    assert_eq!(
        verdict(&his),
        "ask",
        "a set for one person binds nobody else: {his:#}"
    );
    // Nor may she take back what an administrator bound her with, by the set or by the rule.
    let bound = text(&personal.body["id"]);
    let unassign = format!("{to}/{bound}");
    assert_eq!(as_member("DELETE", &unassign, None).await.status, 403);
    let copy = as_member("GET", "/policies", None).await.body;
    let copy = format!("/policies/{}", text(&copy["rules"][0]["id"]));
    assert_eq!(as_member("DELETE", &copy, None).await.status, 409);

    // Rules of the organization are an owner's, also through a set: to assign, to change, to take back.
    let everywhere = json!({ "level": "organization" });
    assert_eq!(as_admin("POST", &to, Some(&everywhere)).await.status, 403);
    assert_eq!(as_admin("POST", &rules, Some(&deny)).await.status, 201);
    let whole = assigned(&server, &set, everywhere.clone()).await;
    assert_eq!(as_admin("POST", &rules, Some(&deny)).await.status, 403);
    let trial = json!({ "change": "add", "set": set, "rule": deny });
    assert_eq!(
        as_admin("POST", "/policies/backtest", Some(&trial))
            .await
            .status,
        403
    );
    assert_eq!(
        as_admin("DELETE", &format!("{to}/{whole}"), None)
            .await
            .status,
        403
    );
    gone(&server, &format!("{to}/{whole}")).await;
    assert_eq!(as_admin("POST", &rules, Some(&deny)).await.status, 201);

    // A key is bound to its workspace: it neither sees nor changes what a set does in another.
    let there = format!("{to}?workspace=other");
    let there = server.post(&there, json!({ "level": "workspace" })).await;
    let seen = as_admin("GET", &path, None).await.body;
    assert!(!seen.to_string().contains(&text(&there["id"])), "{seen:#}");
    assert_eq!(as_admin("POST", &rules, Some(&deny)).await.status, 403);
    let reply = as_admin("DELETE", &format!("{to}/{}", text(&there["id"])), None).await;
    assert_eq!(reply.status, 403);
    gone(&server, &format!("{to}/{}", text(&there["id"]))).await;
    assert_eq!(as_admin("POST", &rules, Some(&deny)).await.status, 201);

    // What does not fit is told.
    for (path, body, status, code) in [
        (
            "/policies/sets",
            json!({ "name": " CAREFUL " }),
            409,
            "name_taken",
        ),
        ("/policies/sets", json!({ "name": " " }), 422, "invalid_set"),
        (
            "/policies/sets",
            json!({ "name": "set_x" }),
            422,
            "invalid_set",
        ),
        (
            rules.as_str(),
            json!({ "effect": "deny", "level": "workspace" }),
            422,
            "invalid_value",
        ),
        (
            to.as_str(),
            json!({ "level": "personal" }),
            422,
            "invalid_value",
        ),
        (
            to.as_str(),
            json!({ "level": "personal", "person": format!("acct_{}", "0".repeat(26)) }),
            404,
            "not_found",
        ),
    ] {
        let refused = server.send("POST", path, Some(&body)).await;
        assert_eq!(
            (refused.status, refused.body["code"].as_str()),
            (status, Some(code)),
            "{refused:#?}"
        );
    }
    let admin_unassigns = as_admin("DELETE", &unassign, None).await;
    assert_eq!(admin_unassigns.status, 204, "{admin_unassigns:#?}");
    let hers = as_member("POST", "/policies/test", Some(&test)).await.body;
    assert_eq!(verdict(&hers), "ask");
    assert_eq!(as_member("GET", &path, None).await.status, 404);
}

async fn the_command_line_does_it_all(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    server.value("return tools.ledger.items.listItems()").await;
    let cli = async |line: &[&str]| {
        let line = [&["policies"][..], line].concat();
        server.cli(&line).await
    };
    let new = [
        "sets",
        "create",
        "Night shift",
        "--description",
        "nothing at night",
    ];
    cli(&new)
        .await
        .exits(0)
        .says(&["Night shift", "binds nobody"]);
    let add = [
        "sets",
        "add",
        "night SHIFT",
        "deny",
        "ledger.**",
        "--note",
        "asleep",
    ];
    cli(&add)
        .await
        .exits(0)
        .says(&["deny", "ledger.**", "srule_"]);
    let add = [
        "sets",
        "add",
        "Night shift",
        "allow",
        "ledger.items.listItems",
        "--json",
    ];
    let allow = text(&cli(&add).await.exits(0).json()["id"]);
    let allow = allow.as_str();
    let levels = [
        "sets",
        "add",
        "Night shift",
        "allow",
        "x",
        "--level",
        "personal",
    ];
    cli(&levels).await.exits(1).says(&["level"]);
    let edit = ["sets", "edit", "Night shift", allow, "--effect", "ask"];
    cli(&edit).await.exits(0).says(&["ask"]);
    cli(&["sets", "move", "Night shift", allow, "2"])
        .await
        .exits(0);
    cli(&["sets", "remove", "Night shift", allow])
        .await
        .exits(0);
    let trial = ["backtest", "--set", "Night shift", "--assign", "workspace"];
    cli(&trial).await.exits(0).says(&["1 from allow to deny"]);
    cli(&["backtest", "--assign", "workspace"])
        .await
        .exits(2)
        .says(&["--set"]);
    let assign = ["sets", "assign", "Night shift", "--json"];
    let made = cli(&assign).await.exits(0).json();
    let assignment = text(&made["id"]);
    let assignment = assignment.as_str();
    cli(&["list"])
        .await
        .exits(0)
        .says(&["workspace: Night shift"]);
    let test = ["test", "ledger.items.listItems"];
    cli(&test)
        .await
        .exits(0)
        .says(&["deny", "of the set 'Night shift'"]);
    cli(&["sets", "show", "Night shift"]).await.exits(0).says(&[
        "nothing at night",
        "the workspace local",
        assignment,
    ]);
    cli(&["sets", "delete", "Night shift"])
        .await
        .exits(1)
        .says(&["the workspace local"]);
    let rename = ["sets", "describe", "Night shift", "--name", "Nights"];
    cli(&rename)
        .await
        .exits(0)
        .says(&["Nights", "nothing at night"]);
    let trial = ["backtest", "--set", "Nights", "--unassign", assignment];
    cli(&trial).await.exits(0).says(&["1 from deny to allow"]);
    cli(&["sets", "unassign", "Nights", assignment])
        .await
        .exits(0);
    let listed = cli(&["sets", "list", "--json"]).await.exits(0).json();
    assert_eq!(listed[0]["name"], "Nights", "{listed:#}");
    cli(&["sets", "delete", "Nights"]).await.exits(0);
    cli(&["sets", "list"])
        .await
        .exits(0)
        .says(&["no policy sets"]);
    cli(&["sets", "show", "Nights"])
        .await
        .exits(1)
        .says(&["sets list"]);
}
