//! What was done lately: tasks of a time, page by page, what the calls of one tool came to, which clients
//! came, and how long a task's sandbox took to start.

use crate::api::items;
use crate::database::Database;
use crate::eras::{Plain, execute};
use crate::people::{Person, text};
use crate::server::Server;
use crate::stream::Stream;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    tasks_of_a_time_are_listed_page_by_page,
    the_calls_of_a_tool_are_counted,
    members_count_their_own_calls,
    a_client_is_seen_when_it_lists_the_tools,
    a_task_says_when_its_sandboxes_began,
);

const NOTHING: [String; 0] = [];
const LIST: &str = "ledger.items.listItems";

fn ids(page: &Value) -> Vec<String> {
    items(page).iter().map(|task| text(&task["id"])).collect()
}

fn encoded(instant: &str) -> String {
    instant.replace(':', "%3A").replace('+', "%2B")
}

async fn tasks_of_a_time_are_listed_page_by_page(database: Database) {
    let server = Server::start(database).await;
    let mut all = Vec::new();
    for n in 0..6 {
        let id = server.submit(&format!("return {n}")).await;
        let at = text(&server.finished(&id).await["createdAt"]);
        all.push((at, id));
    }
    all.sort();
    all.reverse();
    let (since, until) = (all[4].0.clone(), all[1].0.clone());
    let expected: Vec<String> = all
        .iter()
        .filter(|(at, _)| *at >= since && *at < until)
        .map(|(_, id)| id.clone())
        .collect();
    assert!(!expected.is_empty() && expected.len() < 6, "{all:?}");
    let window = format!("since={}&until={}", encoded(&since), encoded(&until));
    for more in ["", "&q=return", "&status=completed"] {
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/tasks?{window}{more}&limit=2{cursor}");
            let page = server.get(&path).await;
            paged.extend(ids(&page));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{more}");
    }
    // An offset is another way to write the same instant.
    let offset = server
        .get("/tasks?since=2020-01-01T00%3A00%3A00%2B02%3A00")
        .await;
    assert_eq!(items(&offset).len(), 6);
    for (query, field) in [
        ("since=yesterday", "since"),
        ("until=2026-11-22", "until"),
        (
            "since=2026-11-22T00%3A00%3A00Z&until=2026-11-22T00%3A00%3A00Z",
            "until",
        ),
    ] {
        let reply = server.send("GET", &format!("/tasks?{query}"), None).await;
        assert_eq!(reply.status, 422, "{query}: {reply:#?}");
        assert_eq!(reply.body["details"]["field"], field, "{reply:#?}");
    }
    let listed = |words: &'static [&'static str]| {
        let server = &server;
        async move {
            let ran = server.cli(words).await;
            assert_eq!(ran.code, 0, "{ran:?}");
            let tasks: Vec<Value> = serde_json::from_str(&ran.out).expect("a list");
            tasks.len()
        }
    };
    assert_eq!(
        listed(&["tasks", "list", "--since", "1h", "--json"]).await,
        6
    );
    assert_eq!(
        listed(&["tasks", "list", "--until", "1h", "--json"]).await,
        0
    );
    let wrong = server.cli(&["tasks", "list", "--since", "soon"]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

async fn the_calls_of_a_tool_are_counted(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let none = server.get(&format!("/tools/usage?path={LIST}")).await;
    assert_eq!(none["calls"], 0, "{none:#}");
    assert!(none.get("lastAt").is_none() && none.get("latency").is_none());
    let program = format!("await tools.{LIST}(); return (await tools.{LIST}()).length");
    let done = server.submit(&program).await;
    let ended = server.finished(&done).await;
    assert_eq!(ended["status"], "completed", "{ended:#}");
    // What waits for a person has not ended.
    let create = "return await tools.ledger.items.createItem({ name: 'x', amount: 1 })";
    server.submit(create).await;
    server.pending(1).await;
    let asked = server
        .get("/tools/usage?path=ledger.items.createItem")
        .await;
    assert_eq!(asked["calls"], 0, "{asked:#}");
    // A path is understood as in programs.
    let usage = server
        .get("/tools/usage?path=ledger.items.list_items")
        .await;
    assert_eq!(usage["path"], LIST);
    assert_eq!(usage["calls"], 2, "{usage:#}");
    assert_eq!(usage["outcomes"], json!({ "succeeded": 2 }));
    assert_eq!(usage["decisions"], json!({ "allow": 2 }));
    assert_eq!(
        (&usage["cut"], &usage["ownOnly"]),
        (&json!(false), &json!(false))
    );
    assert!(usage["latency"]["p50Ms"].as_u64() <= usage["latency"]["p95Ms"].as_u64());
    assert!(usage["latency"]["p95Ms"].is_u64(), "{usage:#}");
    let recent = usage["recent"].as_array().expect("calls");
    let places: Vec<_> = recent
        .iter()
        .map(|c| (text(&c["taskId"]), &c["sequence"]))
        .collect();
    assert_eq!(
        places,
        [(done.clone(), &json!(2)), (done.clone(), &json!(1))]
    );
    assert_eq!(usage["lastAt"], recent[0]["finishedAt"]);
    assert_eq!(usage["clients"][0]["calls"], 2);
    let unknown = server
        .send("GET", "/tools/usage?path=ledger.items.lst", None)
        .await;
    assert_eq!(unknown.status, 404, "{unknown:#?}");
    let ran = server.cli(&["tools", "usage", LIST, "--json"]).await;
    let mut told: Value = serde_json::from_str(&ran.out).expect("a document");
    // It looks back from when it is asked.
    told["since"] = usage["since"].clone();
    assert_eq!(told, usage);
    let ran = server.cli(&["tools", "usage", LIST]).await;
    assert!(ran.out.contains("2 succeeded"), "{ran:?}");
    // Lists say how many calls a task made, and are made of what a client, or a tool, did.
    let listed = server.get(&format!("/tasks?tool={LIST}")).await;
    assert_eq!(ids(&listed), std::slice::from_ref(&done));
    assert_eq!(listed["items"][0]["calls"], 2, "{listed:#}");
    let own = server
        .http
        .post(format!("{}/api/v1/tasks", server.url()))
        .header("x-executor-client", "agent-a/1.0")
        .json(&json!({ "code": "return 1" }));
    let own: Value = own
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a task");
    let found = server.get("/tasks?client=agent-a%2F1.0").await;
    assert_eq!(ids(&found), [text(&own["id"])]);
    assert_eq!(ids(&server.get("/tasks?client=nobody").await), NOTHING);
    let seen = server.get("/clients").await;
    let calls: i64 = items(&seen)
        .iter()
        .filter_map(|c| c["callsInDay"].as_i64())
        .sum();
    assert_eq!(calls, 3, "{seen:#}");
    // A call says when its tool is not what it was.
    let calls = server.calls(&done).await;
    assert!(calls[0].get("toolChanged").is_none(), "{calls:#?}");
    server.send("DELETE", "/sources/ledger", None).await;
    let calls = server.calls(&done).await;
    assert_eq!(calls[0]["toolChanged"], true, "{calls:#?}");
}

async fn members_count_their_own_calls(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bob", "member").await,
    );
    let program = format!("return (await tools.{LIST}()).length");
    let task = ada.submit(&server, &program).await;
    server.finished(&task).await;
    let path = format!("/tools/usage?path={LIST}");
    let seen = |key: Option<String>| {
        let (server, path) = (&server, &path);
        async move { server.send_as(key.as_deref(), "GET", path, None).await.body }
    };
    let own = seen(Some(ada.key.clone())).await;
    assert_eq!((&own["calls"], &own["ownOnly"]), (&json!(1), &json!(true)));
    let others = seen(Some(bob.key.clone())).await;
    assert_eq!(
        (&others["calls"], &others["recent"]),
        (&json!(0), &json!([]))
    );
    let owner = seen(None).await;
    assert_eq!(
        (&owner["calls"], &owner["ownOnly"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(owner["clients"][0]["account"], ada.id.as_str());
    // What is denied to somebody is no tool of theirs.
    let deny = json!({ "effect": "deny", "level": "workspace",
        "match": { "tools": [LIST], "roles": ["member"] } });
    server.post("/policies", deny).await;
    let hidden = server.send_as(Some(&ada.key), "GET", &path, None).await;
    assert_eq!(hidden.status, 404, "{hidden:#?}");
    assert_eq!(seen(None).await["calls"], 1);
}

async fn a_client_is_seen_when_it_lists_the_tools(database: Database) {
    let server = Server::start(database).await;
    let (ada, bob) = (
        Person::add(&server, "Ada", "member").await,
        Person::add(&server, "Bob", "member").await,
    );
    let mut events = Stream::open(&server, "/workspaces/local/events", None).await;
    let heard_by = async |person: &Person| {
        let url = format!("{}/api/v1/workspaces/local/events", server.url());
        let request = crate::server::client().get(url).bearer_auth(&person.key);
        Stream::of(request).await
    };
    let (mut at_ada, mut at_bob) = (heard_by(&ada).await, heard_by(&bob).await);
    let plain = Plain::of(&server, json!({}), &ada);
    let found = |seen: Value| {
        items(&seen)
            .into_iter()
            .find(|c| c["key"] == ada.key_id.as_str())
    };
    assert_eq!(found(server.get("/clients").await), None);
    let listed = plain.ask("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().expect("tools").len();
    let client = found(server.get("/clients").await).expect("the client");
    assert_eq!(client["client"], "plain of 2026", "{client:#}");
    assert_eq!(client["account"], ada.id.as_str());
    assert_eq!(
        (&client["channel"], &client["tasks"]),
        (&json!("mcp"), &json!(0))
    );
    assert_eq!(client["listed"]["tools"], json!(tools), "{client:#}");
    // Watchers are told once, of that and no other number.
    plain.ask("tools/list", json!({})).await;
    plain.call(execute("return 1")).await;
    let told = events
        .until(|e| e.name == "task" && e.data["data"]["status"] == "completed")
        .await;
    let told: Vec<&Value> = told
        .iter()
        .filter(|e| e.name == "client")
        .map(|e| &e.data["data"])
        .collect();
    let expected = json!({
        "client": "plain of 2026", "accountId": ada.id, "keyId": ada.key_id, "tools": tools,
    });
    assert_eq!(told, [&expected]);
    // It is the same client that sends a task.
    let client = found(server.get("/clients").await).expect("the client");
    assert_eq!(client["tasks"], 1, "{client:#}");
    assert_eq!(client["listed"]["tools"], json!(tools));
    // Members see their own.
    let seen_by = async |person: &Person| {
        let seen = person.send(&server, "GET", "/clients", None).await;
        found(seen.body).is_some()
    };
    assert!(seen_by(&ada).await);
    assert!(!seen_by(&bob).await);
    at_ada.until(|e| e.name == "client").await;
    server
        .send(
            "PATCH",
            "/workspace/settings",
            Some(&json!({ "inClientDecisions": true })),
        )
        .await;
    let heard = at_bob.until(|e| e.name == "settings").await;
    assert!(heard.iter().all(|e| e.name != "client"), "{heard:#?}");
    let ran = server.cli(&["tasks", "clients"]).await;
    assert!(ran.out.contains("TOOLS LISTED"), "{ran:?}");
    let ran = server.cli(&["tasks", "clients", "--json"]).await;
    let told: Value = serde_json::from_str(&ran.out).expect("a document");
    assert_eq!(found(told), Some(client));
}

/// When each start of a task's sandbox was asked for, and when its program began, in milliseconds since
/// the task was submitted; each begins where the one before has ended, or later.
fn starts(task: &Value) -> Vec<String> {
    let starts = task["sandboxStarts"].as_array().cloned();
    let asked: Vec<String> = starts
        .unwrap_or_default()
        .iter()
        .map(|start| {
            assert!(start["tookMs"].is_u64(), "{task:#}");
            text(&start["askedAt"])
        })
        .collect();
    assert!(asked.is_sorted(), "{task:#}");
    assert!(
        asked
            .first()
            .is_none_or(|first| *first >= text(&task["createdAt"]))
    );
    asked
}

async fn a_task_says_when_its_sandboxes_began(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let done = server.run("return 1").await;
    let asked = starts(&done);
    assert_eq!(asked.len(), 1, "{done:#}");
    assert!(asked[0] <= text(&done["finishedAt"]), "{done:#}");
    let id = text(&done["id"]);
    let ran = server.cli(&["tasks", "show", &id]).await;
    assert!(ran.out.contains(&format!("{} took", asked[0])), "{ran:?}");
    // One that never ran has had none.
    let never = server.run("return await tools.no.such.tool();").await;
    assert_eq!(starts(&never), NOTHING, "{never:#}");
    // One that waits says so before it ends, and says when it was taken up again.
    let create = "return await tools.ledger.items.createItem({ name: 'x', amount: 1 })";
    let waiting = server.submit(create).await;
    let asked = server.pending(1).await.remove(0);
    let before = starts(&server.task(&waiting).await);
    assert_eq!(before.len(), 1);
    server.kill().await;
    server.launch().await;
    server.approve(&asked).await;
    let after = server.finished(&waiting).await;
    assert_eq!(after["status"], "completed", "{after:#}");
    let after = starts(&after);
    assert!(after.len() > 1, "{after:?}");
    assert_eq!(after[0], before[0]);
}
