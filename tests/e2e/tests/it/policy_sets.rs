//! Policy sets: a call is decided by one exactly while it is assigned, what a trial says is what happens
//! then, what was decided is explained as it was, and nobody reaches by a set what they could not reach
//! by a rule.

mod reach;

use crate::api::items;
use crate::binary::Ran;
use crate::database::Database;
use crate::people::text;
use crate::server::Server;
use crate::upstream::Upstream;
use reach::a_set_reaches_no_further_than_who_assigns_it;
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
    the_trial_of_an_assignment_tells(&server, &set).await;
    let assignment = assigned(&server, &set, json!({ "level": "workspace" })).await;
    let mut during = Vec::new();
    for (amount, expected) in [(5, "completed"), (50, "waiting"), (500, "denied")] {
        let (then, task) = becomes(&server, amount).await;
        assert_eq!(then, expected, "{amount}");
        during.push(task);
    }
    let test = json!({ "tool": CREATE, "arguments": { "name": "x", "amount": 500 } });
    the_verdict_names_the_set(&server, &test, &set, &assignment).await;

    // Taken back, it opens again; and each call is explained by the rules of its own time.
    let after = it_opens_again(&server, test, &set, &assignment).await;
    before.push(after);
    by_the_rule_alone(&server, &before, &allow).await;
    by_the_set(&server, &during, &assignment).await;
    what_was_done_is_kept(&server, &set).await;
}

/// A trial of the assignment counts what would be otherwise, names the set, and changes nothing.
async fn the_trial_of_an_assignment_tells(server: &Server, set: &str) {
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
}

/// While a set is assigned, a verdict says by which set, and how it came to bind.
async fn the_verdict_names_the_set(server: &Server, test: &Value, set: &str, assignment: &str) {
    let verdict = server.post("/policies/test", test.clone()).await;
    assert_eq!(verdict["decision"], "deny", "{verdict:#}");
    assert_eq!(verdict["set"]["id"], json!(set));
    assert_eq!(verdict["set"]["assignment"], json!(assignment));
    let told = text(&verdict["explanation"]);
    assert!(told.contains("of the set 'Production'"), "{told}");
    assert!(told.contains(assignment), "{told}");
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
}

/// The set is taken back, as a trial says it would be; gives back a call that was made after it.
async fn it_opens_again(server: &Server, test: Value, set: &str, assignment: &str) -> String {
    let trial = json!({ "change": "unassign", "set": set, "assignment": assignment });
    let found = server.post("/policies/backtest", trial).await;
    assert_eq!(found["otherwise"], 4, "both rounds: {found:#}");
    gone(
        server,
        &format!("/policies/sets/{set}/assignments/{assignment}"),
    )
    .await;
    let (then, after) = becomes(server, 500).await;
    assert_eq!(then, "completed");
    let verdict = server.post("/policies/test", test).await;
    assert_eq!(
        (&verdict["decision"], verdict.get("set")),
        (&json!("allow"), None)
    );
    after
}

/// These calls are explained by the rule of the workspace, and no other was looked at.
async fn by_the_rule_alone(server: &Server, tasks: &[String], allow: &Value) {
    for task in tasks {
        let told = why(server, task).await;
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
}

/// These calls, of which each became something else, are explained by the set that bound them.
async fn by_the_set(server: &Server, tasks: &[String], assignment: &str) {
    for (task, decision) in tasks.iter().zip(["allow", "ask", "deny"]) {
        let told = why(server, task).await;
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
}

/// The versions of the rules and the audit log tell what was done with the set.
async fn what_was_done_is_kept(server: &Server, set: &str) {
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
    let set_rule = a_copy_is_not_changed_by_itself(&server, &set).await;
    a_change_is_tried_and_bears_here_and_there(&server, &set, &set_rule).await;
    what_binds_is_not_deleted(&server, &set).await;
    assert_eq!(becomes(&server, 500).await.0, "completed");
}

/// A copy is not changed by itself: the error names the set. Gives back the rule that it is a copy of.
async fn a_copy_is_not_changed_by_itself(server: &Server, set: &str) -> String {
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
        assert!(told.contains("Large") && told.contains(set), "{told}");
    }
    text(&copy["set"]["rule"])
}

/// A change is tried first; then it is so here and there.
async fn a_change_is_tried_and_bears_here_and_there(server: &Server, set: &str, set_rule: &str) {
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
        assert_eq!(becomes(server, amount).await.0, "waiting");
    }
    let there = server.get("/policies?workspace=other").await;
    assert_eq!(there["rules"][0]["effect"], "ask", "{there:#}");
    assert_eq!(there["rules"].as_array().map(Vec::len), Some(1));
}

/// A set is deleted only when it binds nobody, and the refusal says whom it binds.
async fn what_binds_is_not_deleted(server: &Server, set: &str) {
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
        gone(server, &format!("{path}/assignments/{}", text(&one["id"]))).await;
    }
    gone(server, &path).await;
    for workspace in ["local", "other"] {
        let left = server
            .get(&format!("/policies?workspace={workspace}"))
            .await;
        assert!(!left.to_string().contains(set), "{left:#}");
    }
}

async fn the_command_line_does_it_all(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    server.value("return tools.ledger.items.listItems()").await;
    a_set_is_written_there(&server).await;
    let assignment = it_is_tried_and_assigned_there(&server).await;
    it_is_taken_back_and_deleted_there(&server, &assignment).await;
}

/// A line about policies.
async fn cli(server: &Server, line: &[&str]) -> Ran {
    let line = [&["policies"][..], line].concat();
    server.cli(&line).await
}

/// A set is made, and its rules are added, edited, moved and removed.
async fn a_set_is_written_there(server: &Server) {
    let new = [
        "sets",
        "create",
        "Night shift",
        "--description",
        "nothing at night",
    ];
    cli(server, &new)
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
    cli(server, &add)
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
    let allow = text(&cli(server, &add).await.exits(0).json()["id"]);
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
    cli(server, &levels).await.exits(1).says(&["level"]);
    let edit = ["sets", "edit", "Night shift", allow, "--effect", "ask"];
    cli(server, &edit).await.exits(0).says(&["ask"]);
    cli(server, &["sets", "move", "Night shift", allow, "2"])
        .await
        .exits(0);
    cli(server, &["sets", "remove", "Night shift", allow])
        .await
        .exits(0);
}

/// The set is tried, assigned and shown, and is not deleted while it is assigned; gives back the
/// assignment.
async fn it_is_tried_and_assigned_there(server: &Server) -> String {
    let trial = ["backtest", "--set", "Night shift", "--assign", "workspace"];
    cli(server, &trial)
        .await
        .exits(0)
        .says(&["1 from allow to deny"]);
    cli(server, &["backtest", "--assign", "workspace"])
        .await
        .exits(2)
        .says(&["--set"]);
    let assign = ["sets", "assign", "Night shift", "--json"];
    let made = cli(server, &assign).await.exits(0).json();
    let assignment = text(&made["id"]);
    cli(server, &["list"])
        .await
        .exits(0)
        .says(&["workspace: Night shift"]);
    let test = ["test", "ledger.items.listItems"];
    cli(server, &test)
        .await
        .exits(0)
        .says(&["deny", "of the set 'Night shift'"]);
    cli(server, &["sets", "show", "Night shift"])
        .await
        .exits(0)
        .says(&["nothing at night", "the workspace local", &assignment]);
    cli(server, &["sets", "delete", "Night shift"])
        .await
        .exits(1)
        .says(&["the workspace local"]);
    assignment
}

/// The set gets another name, is taken back by it, and then is deleted.
async fn it_is_taken_back_and_deleted_there(server: &Server, assignment: &str) {
    let rename = ["sets", "describe", "Night shift", "--name", "Nights"];
    cli(server, &rename)
        .await
        .exits(0)
        .says(&["Nights", "nothing at night"]);
    let trial = ["backtest", "--set", "Nights", "--unassign", assignment];
    cli(server, &trial)
        .await
        .exits(0)
        .says(&["1 from deny to allow"]);
    cli(server, &["sets", "unassign", "Nights", assignment])
        .await
        .exits(0);
    let listed = cli(server, &["sets", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(listed[0]["name"], "Nights", "{listed:#}");
    cli(server, &["sets", "delete", "Nights"]).await.exits(0);
    cli(server, &["sets", "list"])
        .await
        .exits(0)
        .says(&["no policy sets"]);
    cli(server, &["sets", "show", "Nights"])
        .await
        .exits(1)
        .says(&["sets list"]);
}
