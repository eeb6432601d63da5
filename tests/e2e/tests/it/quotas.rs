//! Settings of a workspace, and the rates and quotas that they bound: each ends with an error that
//! names the limit, its value and how to raise it, and other workspaces go on.

use crate::database::Database;
use crate::people::{Person, text};
use crate::server::Server;
use crate::stream::{Event, Stream};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(
    settings_are_kept_within_bounds,
    limits_of_a_task_follow_the_settings,
    one_request_too_many_is_told_when_to_come_again,
    no_more_tasks_than_a_workspace_may_hold,
    a_day_has_its_tasks,
    sources_are_counted,
    members_see_all_tasks_where_the_workspace_lets_them,
    a_member_hears_of_their_own_tasks_and_of_what_names_them,
);

async fn set(server: &Server, limits: Value) -> Value {
    let change = json!({ "limits": limits });
    let reply = server
        .send("PATCH", "/workspace/settings", Some(&change))
        .await;
    assert_eq!(reply.status, 200, "{reply:#?}");
    reply.body
}

fn limit<'v>(settings: &'v Value, name: &str) -> &'v Value {
    let limits = settings["limits"].as_array().expect("limits");
    let found = limits.iter().find(|l| l["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {settings:#}"))
}

async fn settings_are_kept_within_bounds(database: Database) {
    let mut server = Server::start(database).await;
    let before = server.get("/workspace/settings").await;
    assert_eq!(before["inClientDecisions"], false);
    for limit in before["limits"].as_array().expect("limits") {
        assert_eq!(limit["value"], limit["default"], "{limit:#}");
        assert!(text(&limit["description"]).len() > 5, "{limit:#}");
    }
    for (body, status, word) in [
        (json!({ "limits": { "calls": 0 } }), 422, "from 1 to 10000"),
        (json!({ "limits": { "calls": 10_001 } }), 422, "calls"),
        (json!({ "limits": { "call": 1 } }), 422, "no limit 'call'"),
        (json!({ "limits": { "calls": "many" } }), 400, "calls"),
        (json!({ "inClientDecision": true }), 400, "inClientDecision"),
    ] {
        let reply = server
            .send("PATCH", "/workspace/settings", Some(&body))
            .await;
        assert_eq!(reply.status, status, "{body}: {reply:#?}");
        assert!(text(&reply.body["title"]).contains(word), "{reply:#?}");
    }
    assert_eq!(server.get("/workspace/settings").await, before);
    let set = [
        "workspaces",
        "settings",
        "--in-client-decisions",
        "on",
        "--limit",
        "calls=7",
        "--json",
    ];
    let after = server.cli(&set).await.exits(0).json();
    assert_eq!(after["inClientDecisions"], true);
    assert_eq!(limit(&after, "calls")["value"], 7);
    server.kill().await;
    server.launch().await;
    assert_eq!(server.get("/workspace/settings").await, after);
    let entries = server.get("/audit?action=settings.").await;
    let detail = &entries["items"][0]["detail"];
    assert_eq!(detail["after"]["limits"]["calls"], 7, "{entries:#}");
    assert!(detail["before"]["limits"].is_null(), "{entries:#}");
    let back = [
        "workspaces",
        "settings",
        "--limit",
        "calls=default",
        "--json",
    ];
    let back = server.cli(&back).await.exits(0).json();
    assert_eq!(limit(&back, "calls")["value"], 1_000);
    assert_eq!(back["inClientDecisions"], true, "what is not named stays");
}

async fn limits_of_a_task_follow_the_settings(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    set(&server, json!({ "calls": 2, "sourceBytes": 2_000 })).await;
    let code = "for (let i = 0; i < 3; i++) await tools.ledger.items.listItems();";
    let done = server.run(code).await;
    assert_eq!(done["error"]["code"], "call_limit_exceeded", "{done:#}");
    let told = text(&done["error"]["message"]);
    assert!(told.contains('2') && told.contains("calls"), "{told}");
    let long = json!({ "code": format!("return '{}'", "x".repeat(2_000)) });
    let reply = server.send("POST", "/tasks", Some(&long)).await;
    assert_eq!(reply.body["code"], "source_too_large", "{reply:#?}");
    assert!(text(&reply.body["title"]).contains("--limit sourceBytes="));
    set(&server, json!({ "calls": null, "sourceBytes": null })).await;
    assert_eq!(server.run(code).await["status"], "completed");
}

async fn one_request_too_many_is_told_when_to_come_again(database: Database) {
    let server = Server::start(database).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bob", "member").await,
    );
    set(
        &server,
        json!({ "requestsPerSecondEach": 1, "requestBurstEach": 5 }),
    )
    .await;
    let mut refused = None;
    for _ in 0..50 {
        let reply = ada.send(&server, "GET", "/me", None).await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        assert_eq!(reply.status, 200, "{reply:#?}");
    }
    let refused = refused.expect("50 requests at a stroke are too many");
    assert_eq!(refused.body["code"], "rate_limited");
    assert_eq!(
        refused.body["details"],
        json!({ "limit": "requestsPerSecondEach", "value": 1 })
    );
    let next = text(&refused.body["nextStep"]);
    assert!(next.contains("--limit requestsPerSecondEach="), "{next}");
    let again = server
        .http
        .get(format!("{}/api/v1/me", server.url()))
        .bearer_auth(&ada.key)
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), 429);
    let after: u64 = again.headers()["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    assert!((1..=5).contains(&after), "{after}");
    let other = bob.send(&server, "GET", "/me", None).await;
    assert_eq!(other.status, 200, "another person is not held up");
    let ready = server.http.get(format!("{}/readyz", server.url()));
    assert_eq!(ready.send().await.expect("an answer").status(), 200);
}

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'a task', amount: 1 })).name";

async fn no_more_tasks_than_a_workspace_may_hold(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    set(&server, json!({ "workspaceApprovalsPending": 2 })).await;
    for _ in 0..2 {
        server.submit(WRITE).await;
    }
    let asked = server.pending(2).await;
    let new = json!({ "code": "return 1" });
    let refused = server.send("POST", "/tasks", Some(&new)).await;
    assert_eq!(refused.status, 429, "{refused:#?}");
    assert_eq!(refused.body["code"], "quota_exceeded");
    assert_eq!(
        refused.body["details"],
        json!({ "limit": "workspaceApprovalsPending", "value": 2 })
    );
    let elsewhere = server
        .send("POST", "/tasks?workspace=other", Some(&new))
        .await;
    assert!(elsewhere.status < 300, "another workspace: {elsewhere:#?}");
    // Through MCP it is a result that a model can read.
    let (mcp, _) = crate::doors::Mcp::connect(&server, "2025-11-25").await;
    let told = mcp.call("execute", json!({ "code": "return 1" })).await;
    assert_eq!(told["isError"], true, "{told:#}");
    let told = text(&told["content"][0]["text"]);
    assert!(told.contains("workspaceApprovalsPending"), "{told}");
    // What has been answered makes room.
    for asked in &asked {
        server.deny(asked, "room").await;
    }
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    while server.send("POST", "/tasks", Some(&new)).await.status == 429 {
        assert!(std::time::Instant::now() < deadline, "no room again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(upstream.writes(), 0);
    // One at a time: while one runs, the next is refused.
    set(
        &server,
        json!({ "workspaceApprovalsPending": null, "tasksActive": 1 }),
    )
    .await;
    let held = server
        .submit("await new Promise((done) => setTimeout(done, 600000))")
        .await;
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    loop {
        let reply = server.send("POST", "/tasks", Some(&new)).await;
        if reply.status == 429 {
            assert_eq!(reply.body["details"]["limit"], "tasksActive");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{reply:#?}");
    }
    server
        .post(&format!("/tasks/{held}/cancel"), json!({}))
        .await;
}

async fn a_day_has_its_tasks(database: Database) {
    let server = Server::start(database).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bob", "member").await,
    );
    set(&server, json!({ "tasksPerDayPerKey": 2, "tasksPerDay": 4 })).await;
    let new = json!({ "code": "return 1" });
    let submit = |person: &Person| {
        let key = person.key.clone();
        let (server, new) = (&server, &new);
        async move {
            server
                .send_as(Some(&key), "POST", "/tasks", Some(new))
                .await
        }
    };
    assert!(submit(&ada).await.status < 300 && submit(&ada).await.status < 300);
    let third = submit(&ada).await;
    assert_eq!(third.status, 429, "{third:#?}");
    assert_eq!(third.body["details"]["limit"], "tasksPerDayPerKey");
    assert!(submit(&bob).await.status < 300 && submit(&bob).await.status < 300);
    let fifth = server.send("POST", "/tasks", Some(&new)).await;
    assert_eq!(fifth.status, 429, "{fifth:#?}");
    assert_eq!(fifth.body["details"]["limit"], "tasksPerDay");
    let tasks = server.get("/tasks").await;
    assert_eq!(
        tasks["items"].as_array().map(Vec::len),
        Some(4),
        "what was refused is no task"
    );
}

async fn sources_are_counted(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    set(&server, json!({ "sources": 1 })).await;
    let url = format!("{}/openapi.json", upstream.base_url());
    let add = json!({ "url": url, "name": "second", "allowPrivate": true });
    let refused = server.send("POST", "/sources", Some(&add)).await;
    assert_eq!(refused.status, 429, "{refused:#?}");
    assert_eq!(refused.body["details"]["limit"], "sources");
    set(&server, json!({ "sources": 2 })).await;
    let added = server.send("POST", "/sources", Some(&add)).await;
    assert_eq!(added.status, 201, "{added:#?}");
}

async fn members_see_all_tasks_where_the_workspace_lets_them(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let (ada, billing) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bill", "billing_admin").await,
    );
    let task = server.submit(WRITE).await;
    let approval = text(&server.pending(1).await[0]["id"]);
    let paths = [
        format!("/tasks/{task}"),
        format!("/tasks/{task}/calls"),
        format!("/approvals/{approval}"),
    ];
    let statuses = |person: &Person| {
        let (key, server, paths) = (person.key.clone(), &server, &paths);
        async move {
            let mut statuses = Vec::new();
            for path in paths {
                let reply = server.send_as(Some(&key), "GET", path, None).await;
                statuses.push(reply.status);
            }
            statuses
        }
    };
    assert_eq!(statuses(&ada).await, [404; 3]);
    let on = json!({ "membersSeeAllTasks": true });
    let reply = server.send("PATCH", "/workspace/settings", Some(&on)).await;
    assert_eq!(reply.status, 200, "{reply:#?}");
    assert_eq!(statuses(&ada).await, [200; 3]);
    assert_eq!(statuses(&billing).await, [404; 3], "not their business");
    let listed = ada.send(&server, "GET", "/tasks", None).await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));
    let cancel = format!("/tasks/{task}/cancel");
    let reply = ada.send(&server, "POST", &cancel, None).await;
    assert_eq!(reply.status, 403, "looking on ends nothing: {reply:#?}");
    assert_eq!(server.task(&task).await["status"], "waiting");
}

async fn a_member_hears_of_their_own_tasks_and_of_what_names_them(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let workspace = text(&server.get("/me").await["workspace"]["id"]);
    let path = format!("{}/api/v1/workspaces/{workspace}/events", server.url());
    let request = server.http.get(path).bearer_auth(&ada.key);
    let mut heard = Stream::of(request.header("last-event-id", "0")).await;
    // More than one read of the stream brings, none of it hers.
    let loud = "for (let i = 0; i < 300; i++) console.log(i); return 1";
    let others = server.submit(loud).await;
    server.finished(&others).await;
    let unnamed = server.submit(WRITE).await;
    server.pending(1).await;
    let rule = json!({
        "effect": "ask", "match": { "tools": ["**"] }, "ask": { "approvers": [ada.id] },
    });
    server.post("/policies", rule).await;
    let named = server.submit(WRITE).await;
    server.pending(2).await;
    let run = json!({ "code": "console.log('mine'); return 1" });
    let own = ada.send(&server, "POST", "/tasks", Some(&run)).await;
    let own = text(&own.body["id"]);
    let ends =
        |e: &Event| e.data["taskId"] == own.as_str() && e.data["data"]["status"] == "completed";
    let heard = heard.until(ends).await;
    let of = |task: &str| -> Vec<&str> {
        let about = heard.iter().filter(|e| e.data["taskId"] == task);
        about.map(|e| e.name.as_str()).collect()
    };
    assert_eq!(of(&others), Vec::<&str>::new());
    assert_eq!(of(&unnamed), Vec::<&str>::new());
    assert_eq!(
        of(&named),
        ["approval"],
        "what she may answer, and no more of it"
    );
    assert!(of(&own).contains(&"log"), "{heard:#?}");
    let names: BTreeSet<&str> = heard.iter().map(|e| e.name.as_str()).collect();
    assert!(
        names.contains("policy") && names.contains("source"),
        "{names:?}"
    );
}
