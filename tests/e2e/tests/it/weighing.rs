//! What a reviewer is told of a call before the answer, and answers that do more than one thing: the
//! reasons of a risk, the call before, what became of it; a no that ends the task; a client that is
//! stopped; a rule that is remembered by somebody who is no administrator.

use crate::api::items;
use crate::browser::Browser;
use crate::cast::Way;
use crate::database::Database;
use crate::issuer::{Issuer, person};
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    a_risk_has_its_reasons_and_a_call_the_one_before,
    a_no_ends_the_task_in_the_same_step,
    a_client_is_stopped_and_others_go_on,
    a_yes_of_the_dashboard_names_what_was_shown,
    a_backtest_counts_what_people_said,
    a_rule_of_a_member_pins_what_destroys,
);

fn create(name: &str, amount: u32) -> String {
    format!("return await tools.ledger.items.createItem({{ name: '{name}', amount: {amount} }});")
}

fn reasons(approval: &Value) -> Vec<String> {
    let reasons = approval["riskReasons"].as_array();
    reasons.into_iter().flatten().map(text).collect()
}

async fn shown(server: &Server, approval: &Value) -> Value {
    let path = format!("/approvals/{}", text(&approval["id"]));
    server.get(&path).await
}

async fn a_risk_has_its_reasons_and_a_call_the_one_before(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(&create("one", 5_000)).await;
    let asked = server.pending(1).await.remove(0);
    let said = reasons(&asked);
    for expected in [
        "POST method",
        "amount is 5000",
        "first call of it in this workspace",
        "opened by a credential that the whole workspace shares",
    ] {
        assert!(said.iter().any(|reason| reason == expected), "{said:?}");
    }
    let host = upstream.base_url().trim_start_matches("http://").to_owned();
    assert!(said.contains(&format!("goes to {host}")), "{said:?}");
    let whole = shown(&server, &asked).await;
    assert_eq!(whole["previous"], Value::Null);
    let me = server.get("/me").await;
    assert_eq!(whole["workspaceId"], me["workspace"]["id"], "{whole:#}");
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
    let over = shown(&server, &asked).await;
    assert_eq!(over["callStatus"], "succeeded", "{over:#}");
    let listed = items(&server.get("/approvals?status=approved").await);
    assert_eq!(listed[0]["callStatus"], "succeeded", "{listed:#?}");

    // The next one of the same client is compared with it; what was asked keeps its reasons.
    server.submit(&create("two", 7)).await;
    let next = server.pending(1).await.remove(0);
    let said = reasons(&next);
    assert!(
        !said.iter().any(|r| r.starts_with("first call")),
        "{said:?}"
    );
    let whole = shown(&server, &next).await;
    assert_eq!(whole["previous"]["taskId"], json!(task), "{whole:#}");
    assert_eq!(whole["previous"]["sequence"], 1);
    let before = json!({ "name": "one", "amount": 5_000 });
    assert_eq!(whole["previous"]["arguments"], before, "{whole:#}");
    assert_eq!(whole["callStatus"], Value::Null);
    // A call that was refused was not sent, and is compared with nothing.
    server.deny(&next, "no").await;

    // Another person's is another's.
    let ada = Person::add(&server, "Ada", "member").await;
    ada.submit(&server, &create("three", 7)).await;
    let theirs = server.pending(1).await.remove(0);
    let said = reasons(&theirs);
    let first = "first call of it by this client for this person".to_owned();
    assert!(said.contains(&first), "{said:?}");
    assert_eq!(shown(&server, &theirs).await["previous"], Value::Null);
    server.deny(&theirs, "no").await;
    server.submit(&create("four", 7)).await;
    let again = server.pending(1).await.remove(0);
    let whole = shown(&server, &again).await;
    assert_eq!(whole["previous"]["taskId"], json!(task), "{whole:#}");

    // Nothing of it crosses into another workspace.
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let path = format!("/approvals/{}?workspace=other", text(&again["id"]));
    let foreign = server.send("GET", &path, None).await;
    assert_eq!(foreign.status, 404, "{foreign:#?}");
}

/// A program that goes on after a no, and says so by a call that is allowed.
const GOES_ON: &str =
    "try { await tools.ledger.items.createItem({ name: 'x', amount: 1 }); } catch {}
    await tools.ledger.items.listItems(); return 'went on';";

async fn a_no_ends_the_task_in_the_same_step(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    // The control: after a mere no the program goes on.
    let task = server.submit(GOES_ON).await;
    let asked = server.pending(1).await.remove(0);
    server.deny(&asked, "not this").await;
    assert_eq!(server.finished(&task).await["result"], "went on");
    let before = upstream.received().len();

    let task = server.submit(GOES_ON).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!("/approvals/{}/deny", text(&asked["id"]));
    let body = json!({ "digest": asked["digest"], "reason": "enough", "stop": true });
    let denied = server.post(&path, body).await;
    assert_eq!(denied["status"], "denied", "{denied:#}");
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "canceled", "{done:#}");
    assert_eq!(upstream.received().len(), before, "nothing more was sent");
    let kept = shown(&server, &asked).await;
    assert_eq!(
        (&kept["status"], &kept["reason"]),
        (&json!("denied"), &json!("enough"))
    );
    // By the command line as well.
    let task = server.submit(GOES_ON).await;
    let asked = server.pending(1).await.remove(0);
    let ran = server
        .cli(&["approvals", "deny", &text(&asked["id"]), "--stop"])
        .await;
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(server.finished(&task).await["status"], "canceled");
    assert_eq!(upstream.received().len(), before);
    // A yes stops nothing.
    server.submit(GOES_ON).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!("/approvals/{}/approve", text(&asked["id"]));
    let refused = server
        .send("POST", &path, Some(&json!({ "stop": true })))
        .await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (422, &json!("invalid_value"))
    );
    assert_eq!(shown(&server, &asked).await["status"], "pending");
}

async fn a_client_is_stopped_and_others_go_on(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let agent = Person::add(&server, "agent", "member").await;
    let other = Person::add(&server, "other", "member").await;
    let mut tasks = Vec::new();
    for n in 0..3 {
        tasks.push(agent.submit(&server, &create(&format!("a{n}"), 1)).await);
    }
    let left = other.submit(&server, &create("b", 1)).await;
    server.pending(4).await;
    let stop = json!({ "key": agent.key_id, "reason": "it went astray", "pause": true });
    let stopped = server.post("/clients/stop", stop.clone()).await;
    assert_eq!(
        (&stopped["denied"], &stopped["canceled"]),
        (&json!(3), &json!(3)),
        "{stopped:#}"
    );
    for task in &tasks {
        let done = server.finished(task).await;
        assert_eq!(done["status"], "canceled", "{done:#}");
    }
    let denied = items(&server.get("/approvals?status=denied").await);
    assert!(
        denied.iter().all(|a| a["reason"] == "it went astray"),
        "{denied:#?}"
    );
    assert_eq!(server.task(&left).await["status"], "waiting");
    // It stays stopped, and is paused once however often it is stopped.
    let read = "return (await tools.ledger.items.listItems()).items.length;";
    let task = agent.submit(&server, read).await;
    assert_eq!(server.finished(&task).await["status"], "denied");
    let task = other.submit(&server, read).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
    let again = server.post("/clients/stop", stop).await;
    assert_eq!(again["rule"], stopped["rule"], "{again:#}");
    let rules = server.get("/policies").await["rules"].clone();
    assert_eq!(rules.as_array().map(Vec::len), Some(1), "{rules:#}");
    assert_eq!(
        (&rules[0]["effect"], &rules[0]["position"]),
        (&json!("deny"), &json!(1))
    );
    let told = items(&server.get("/audit?action=client.stopped").await);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(upstream.writes(), 0);

    // By what it calls itself, for one person and one way in.
    let named = json!({ "client": "", "channel": "api", "account": other.id });
    let stopped = server.post("/clients/stop", named).await;
    assert_eq!(stopped["denied"], json!(1), "{stopped:#}");
    assert_eq!(server.finished(&left).await["status"], "canceled");
    // In person only, and nothing is guessed.
    let key = other
        .send(
            &server,
            "POST",
            "/clients/stop",
            Some(&json!({ "client": "x", "channel": "api" })),
        )
        .await;
    assert_eq!(key.status, 403, "{key:#?}");
    for wrong in [
        json!({}),
        json!({ "client": "x" }),
        json!({ "key": "nonsense" }),
        json!({ "key": agent.key_id, "client": "x" }),
        json!({ "client": "x", "channel": "smoke" }),
    ] {
        let reply = server.send("POST", "/clients/stop", Some(&wrong)).await;
        assert_eq!(reply.status, 422, "{wrong}: {reply:#?}");
    }
    // Another workspace's tasks stay.
    server
        .post("/workspaces", json!({ "slug": "elsewhere" }))
        .await;
    let task = other.submit(&server, &create("here", 1)).await;
    server.pending(1).await;
    let there = json!({ "client": "", "channel": "api", "account": other.id });
    let stopped = server
        .post("/clients/stop?workspace=elsewhere", there)
        .await;
    assert_eq!(stopped["canceled"], json!(0), "{stopped:#}");
    assert_eq!(server.task(&task).await["status"], "waiting");
}

async fn a_yes_of_the_dashboard_names_what_was_shown(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(&create("seen", 1)).await;
    let asked = server.pending(1).await.remove(0);
    let url = format!(
        "{}/api/v1/approvals/{}/approve",
        server.url(),
        text(&asked["id"])
    );
    let send = |body: Value| {
        let request = server.http.post(&url).json(&body);
        let request = request
            .header("origin", server.url())
            .header("sec-fetch-site", "same-origin");
        async move {
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.expect("JSON"))
        }
    };
    let (status, body) = send(json!({})).await;
    assert_eq!(
        (status, &body["code"]),
        (422, &json!("invalid_digest")),
        "{body:#}"
    );
    let (status, body) = send(json!({ "digest": "0".repeat(64) })).await;
    assert_eq!(
        (status, &body["code"]),
        (409, &json!("approval_changed")),
        "{body:#}"
    );
    assert_eq!(upstream.writes(), 0);
    let (status, body) = send(json!({ "digest": asked["digest"] })).await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("approved")),
        "{body:#}"
    );
    assert_eq!(server.finished(&task).await["status"], "completed");
    assert_eq!(upstream.writes(), 1);
}

async fn a_backtest_counts_what_people_said(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    for (name, yes) in [("a", true), ("b", true), ("c", false)] {
        let task = server.submit(&create(name, 1)).await;
        let asked = server.pending(1).await.remove(0);
        if yes {
            server.approve(&asked).await;
        } else {
            server.deny(&asked, "no").await;
        }
        server.finished(&task).await;
    }
    let rule = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"] } });
    let tried = json!({ "change": "add", "rule": rule });
    let found = server.post("/policies/backtest", tried).await;
    assert_eq!(
        (
            &found["matched"],
            &found["approvedByPeople"],
            &found["deniedByPeople"]
        ),
        (&json!(3), &json!(2), &json!(1)),
        "{found:#}"
    );
    let examples = found["examples"].as_array().expect("examples");
    let of = |name: &str| {
        let found = examples.iter().find(|e| e["arguments"]["name"] == name);
        found.cloned().expect("an example")
    };
    assert_eq!(of("c")["answer"], "denied", "{found:#}");
    assert_eq!(of("a")["answer"], "approved");
    // A narrower rule is about fewer of them.
    let narrow = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"], "conditions": ["name = \"c\""] } });
    let tried = json!({ "change": "add", "rule": narrow });
    let found = server.post("/policies/backtest", tried).await;
    assert_eq!(
        (&found["matched"], &found["deniedByPeople"]),
        (&json!(1), &json!(1))
    );
}

/// Somebody who has signed in in a browser and was taken in with a role.
async fn comes(server: &Server, issuer: &Issuer, sub: &str) -> Browser {
    let mut browser = signed_in(server, issuer, sub).await;
    let invite = Way::Operator
        .post(server, "/invites", json!({ "role": "member" }))
        .await;
    let url = text(&invite["url"]);
    let token = url.rsplit('/').next().expect("a token");
    let accepted = json!({ "token": token });
    let accepted = browser
        .api("POST", "/invitations/accept", Some(&accepted))
        .await;
    assert!(accepted.status < 300, "{accepted:#?}");
    signed_in(server, issuer, sub).await
}

async fn signed_in(server: &Server, issuer: &Issuer, sub: &str) -> Browser {
    issuer.book(|book| book.claims = person(sub));
    let mut browser = Browser::new(server);
    let sent = browser.get("/sign-in/begin").await;
    let back = browser.get(sent.leads()).await;
    browser.get(back.leads()).await;
    browser
}

async fn a_rule_of_a_member_pins_what_destroys(database: Database) {
    let issuer = Issuer::start().await;
    let mut server = Server::prepare(database);
    server.environment = issuer.settings("oidc");
    let invited = ("EXECUTOR_SIGN_IN_ORGANIZATION", "invite");
    server
        .environment
        .push((invited.0.to_owned(), invited.1.to_owned()));
    server.launch().await;
    let upstream = Upstream::start().await;
    let source = json!({ "url": format!("{}/openapi.json", upstream.base_url()), "name": "ledger",
                         "allowPrivate": true });
    Way::Operator.post(&server, "/sources", source).await;
    let mut ada = comes(&server, &issuer, "ada").await;
    let id = ada.who().await.expect("signed in");
    // Whoever is named may answer, also what their own programs ask.
    let asks = json!({ "effect": "ask", "match": { "tools": ["ledger.**"] },
                       "ask": { "requesterMay": true, "approvers": [id] } });
    Way::Operator.post(&server, "/policies", asks).await;
    let code = json!({ "code": "return await tools.ledger.items.deleteItem({ id: 'item-1' });" });
    let task = ada.api("POST", "/tasks", Some(&code)).await.json();
    let asked = loop {
        let page = ada
            .api("GET", "/approvals?status=pending", None)
            .await
            .json();
        if let Some(first) = items(&page).into_iter().next() {
            break first;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(asked["risk"], "destructive", "{asked:#}");
    let offered = format!("/approvals/{}/remember?effect=allow", text(&asked["id"]));
    let offered = ada.api("GET", &offered, None).await.json();
    // The wide one is not even proposed to her.
    let widths: Vec<bool> = items(&offered)
        .iter()
        .map(|s| {
            s["rule"]["match"]["conditions"]
                .as_array()
                .is_some_and(|c| !c.is_empty())
        })
        .collect();
    assert!(widths.iter().all(|narrow| *narrow), "{offered:#}");
    let answer = |conditions: Value| {
        json!({ "digest": asked["digest"], "remember": { "effect": "allow", "level": "personal",
            "match": { "tools": ["ledger.items.deleteItem"], "conditions": conditions } } })
    };
    let approve = format!("/approvals/{}/approve", text(&asked["id"]));
    let wide = ada.api("POST", &approve, Some(&answer(json!([])))).await;
    assert_eq!(wide.status, 422, "{wide:#?}");
    assert_eq!(wide.json()["code"], "invalid_rule");
    // With every argument as it is the width is no reason: what refuses it then is the stricter level.
    let pinned = answer(json!(["id = \"item-1\""]));
    let narrow = ada.api("POST", &approve, Some(&pinned)).await;
    assert_eq!(narrow.status, 409, "{narrow:#?}");
    assert_eq!(narrow.json()["code"], "rule_does_not_decide");
    let still = ada
        .api("GET", &format!("/approvals/{}", text(&asked["id"])), None)
        .await
        .json();
    assert_eq!(
        still["status"], "pending",
        "nothing was answered: {still:#}"
    );
    // Her workspace's administrators make wider ones.
    let body = json!({ "digest": asked["digest"], "remember": { "effect": "allow", "level": "workspace",
        "match": { "tools": ["ledger.items.deleteItem"] } } });
    let above = Way::Operator
        .send(&server, "POST", &approve, Some(&body))
        .await;
    assert_eq!(above.status, 200, "{above:#?}");
    let path = format!("/tasks/{}", text(&task["id"]));
    let read = || Way::Operator.get(&server, &path);
    while read().await["status"] == "waiting" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
