//! Browsers that are told while they are closed: who is told what, sealed for whom, and that nothing a
//! push service does, and no end of the server, loses, leaks or tells what is pointless.
//!
//! The push service is a receiver on loopback. What it takes is opened and checked apart, by
//! `tests/node/push.mjs`.

use crate::answers::meddle;
use crate::api::items;
use crate::binary;
use crate::browser::Browser;
use crate::database::Database;
use crate::people::{Person, text};
use crate::receiver::{Receiver, Told};
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

on_both_databases!(
    a_question_is_told_to_a_closed_browser,
    a_browser_that_is_gone_is_removed,
    what_waits_is_told_after_a_kill_and_nothing_else,
    quiet_hours_end_in_one_message,
    only_whoever_may_decide_is_told,
    what_is_no_browser_is_refused,
    a_browser_ends_with_its_session_and_its_person,
);

const CANARY: &str = "canary-90210";

fn create(name: &str) -> String {
    format!("return await tools.ledger.items.createItem({{ name: '{CANARY} {name}', amount: 1 }});")
}

/// Runs the script that opens messages.
async fn node(server: &Server, order: &Value) -> Value {
    let mut command = binary::command("node".as_ref(), &server.scratch(""));
    command.arg(binary::root().join("tests/node/push.mjs"));
    let ran = binary::finish(command, Some(&order.to_string())).await;
    ran.exits(0).json()
}

/// Browsers with keys of their own.
struct Browsers {
    keys: Vec<Value>,
}

impl Browsers {
    async fn new(server: &Server, count: usize) -> Self {
        let made = node(server, &json!({ "make": count })).await;
        let keys = made["made"].as_array().expect("keys").clone();
        Self { keys }
    }

    /// What a browser gives away when it subscribes at an address.
    fn subscription(&self, n: usize, endpoint: &str) -> Value {
        let keys = json!({ "p256dh": self.keys[n]["p256dh"], "auth": self.keys[n]["auth"] });
        json!({ "endpoint": endpoint, "keys": keys, "name": format!("Browser {n}") })
    }

    /// What a browser makes of what its push service was told.
    async fn open(&self, server: &Server, n: usize, told: &[Told]) -> Vec<Value> {
        let open: Vec<Value> = told
            .iter()
            .map(|t| {
                json!({
                    "browser": self.keys[n],
                    "body": STANDARD.encode(&t.body),
                    "authorization": t.headers["authorization"],
                })
            })
            .collect();
        let opened = node(server, &json!({ "open": open })).await;
        opened["opened"].as_array().expect("one for each").clone()
    }
}

/// A server that takes a receiver for a push service, an API that asks for writes, and the receiver.
async fn ready(database: Database, receiver: &Receiver) -> (Server, Upstream) {
    let mut server = Server::prepare(database);
    let services = ("EXECUTOR_PUSH_SERVICES".to_owned(), receiver.url(""));
    server.environment.push(services);
    server.launch().await;
    let upstream = Upstream::start().await;
    upstream.connect(&server).await;
    (server, upstream)
}

async fn add(server: &Server, new: &Value) -> String {
    text(&server.post("/push/subscriptions", new.clone()).await["id"])
}

async fn listed(server: &Server) -> Vec<Value> {
    items(&server.get("/push/subscriptions").await)
}

/// Waits until the caller has so many browsers.
async fn listed_until(server: &Server, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = listed(server).await;
        if holds(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:#?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Hours of an hour before to two hours from now, by the clock of Greenwich.
fn hours_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let hour = since.expect("a clock").as_secs() / 3_600;
    format!("{:02}:00-{:02}:00Z", (hour + 23) % 24, (hour + 3) % 24)
}

async fn a_question_is_told_to_a_closed_browser(database: Database) {
    let receiver = Receiver::start().await;
    let (server, upstream) = ready(database, &receiver).await;
    let browsers = Browsers::new(&server, 2).await;
    let endpoint = receiver.url("/push/a-secret-of-the-browser");
    let added = browsers.subscription(0, &endpoint);
    let id = add(&server, &added).await;
    assert_eq!(add(&server, &added).await, id, "it is the same browser");
    let other = browsers.subscription(1, &receiver.url("/push/other"));
    add(&server, &other).await;
    let task = server.submit(&create("one")).await;
    let asked = server.pending(1).await.remove(0);
    let path = "/push/a-secret-of-the-browser";
    let told = receiver.told_times(&server, path, 1).await;
    the_push_service_learns_little(&told[0], &asked);
    let opened = browsers.open(&server, 0, &told).await.remove(0);
    it_is_signed_for_the_push_service(&server, &receiver, &opened).await;
    let says = &opened["told"];
    it_says_what_waits(says, &asked);
    // The other browser is told as well, and opens nothing that is not for it.
    let others = receiver.told_times(&server, "/push/other", 1).await;
    assert_eq!(
        browsers.open(&server, 1, &others).await[0]["told"]["url"],
        says["url"]
    );
    assert_eq!(
        browsers.open(&server, 1, &told).await[0]["told"],
        Value::Null
    );

    let listed = listed_until(&server, |all| all.iter().all(|b| b["status"] == "ok")).await;
    assert_eq!(listed[0]["name"], "Browser 0");
    let shown = json!(listed).to_string();
    assert!(!shown.contains("a-secret-of-the-browser"), "{shown}");
    server.approve(&asked).await;
    server.finished(&task).await;
    assert_eq!(upstream.writes(), 1, "the canary was one that is sent");
    // The next message says that the first question is over.
    server.submit(&create("two")).await;
    let next = server.pending(1).await.remove(0);
    let told = receiver.told_times(&server, path, 2).await;
    let says = browsers.open(&server, 0, &told[1..]).await.remove(0)["told"].clone();
    assert_eq!(
        (&says["ids"], &says["over"]),
        (&json!([next["id"]]), &json!([asked["id"]]))
    );
    // Where it is reached is written nowhere in the open.
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(!heard.contains("a-secret-of-the-browser"));
    let audit = server.get("/audit?limit=200").await.to_string();
    assert!(
        audit.contains("push.added") && !audit.contains("a-secret-of"),
        "{audit}"
    );
}

/// What the push service itself is told is how urgent a message is, for how long it is wanted, and a
/// topic that says nothing.
fn the_push_service_learns_little(told: &Told, asked: &Value) {
    let header = |name: &str| told.headers[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(header("content-encoding"), "aes128gcm");
    assert_eq!(header("urgency"), "high");
    let ttl: u64 = header("ttl").parse().expect("seconds");
    assert!((1..=1_800).contains(&ttl), "as long as it waits: {ttl}");
    let topic = header("topic");
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(
        topic.len() <= 32 && topic.chars().all(is_base64url),
        "{topic}"
    );
    assert!(
        !topic.is_empty() && !topic.contains(&text(&asked["id"])[5..]),
        "{topic}"
    );
}

/// A message is signed with the key that browsers are given, for this push service, and for a day at
/// most.
async fn it_is_signed_for_the_push_service(server: &Server, receiver: &Receiver, opened: &Value) {
    let known = server.get("/push/key").await;
    assert_eq!(
        (&opened["isSigned"], &opened["key"]),
        (&json!(true), &known["publicKey"])
    );
    assert_eq!(opened["header"], json!({ "typ": "JWT", "alg": "ES256" }));
    let claims = &opened["claims"];
    assert_eq!(claims["aud"], receiver.url(""));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.expect("a clock").as_secs()).expect("it fits");
    let left = claims["exp"].as_i64().expect("seconds") - now;
    assert!(
        (1..=86_400).contains(&left),
        "RFC 8292 allows a day: {left}"
    );
    assert!(
        claims["sub"]
            .as_str()
            .is_some_and(|sub| sub.starts_with("mailto:"))
    );
}

/// What the person reads says what waits and where to decide it, and no argument of the call.
fn it_says_what_waits(says: &Value, asked: &Value) {
    assert_eq!(
        says["title"],
        "ledger.items.createItem waits for a decision"
    );
    let body = text(&says["body"]);
    assert!(body.starts_with("WRITE, asked by "), "{body}");
    assert_eq!(says["url"], format!("/a/{}", text(&asked["id"])));
    assert_eq!(
        (&says["ids"], &says["over"]),
        (&json!([asked["id"]]), &json!([]))
    );
    assert!(!says.to_string().contains(CANARY), "{says:#}");
}

async fn a_browser_that_is_gone_is_removed(database: Database) {
    let receiver = Receiver::start().await;
    let (server, _upstream) = ready(database, &receiver).await;
    let browsers = Browsers::new(&server, 2).await;
    let gone = add(&server, &browsers.subscription(0, &receiver.url("/gone"))).await;
    let stays = add(&server, &browsers.subscription(1, &receiver.url("/switch"))).await;
    receiver.answer(503);
    server.submit(&create("one")).await;
    server.pending(1).await;
    let left = listed_until(&server, |all| {
        all.len() == 1 && all[0]["failures"].as_u64() > Some(1)
    });
    let left = left.await.remove(0);
    assert_eq!(
        (&left["id"], &left["status"]),
        (&json!(stays), &json!("failing"))
    );
    // One that fails is tried again until it takes what waits.
    receiver.answer(201);
    let left = listed_until(&server, |all| all[0]["status"] == "ok")
        .await
        .remove(0);
    assert_eq!(left["failures"], 0, "{left:#}");
    let removed = server
        .get(&format!("/audit?limit=200&subject={gone}"))
        .await;
    let actions: Vec<String> = items(&removed).iter().map(|e| text(&e["action"])).collect();
    assert_eq!(actions, ["push.removed", "push.added"]);
    assert_eq!(receiver.told("/gone").len(), 1);
}

async fn what_waits_is_told_after_a_kill_and_nothing_else(database: Database) {
    let mut receiver = Receiver::closed();
    let (mut server, _upstream) = ready(database, &receiver).await;
    let browsers = Browsers::new(&server, 1).await;
    add(&server, &browsers.subscription(0, &receiver.url("/push"))).await;
    let key = server.get("/push/key").await;
    let first = server.submit(&create("answered")).await;
    let answered = server.pending(1).await.remove(0);
    server.deny(&answered, "no").await;
    server.finished(&first).await;
    server.submit(&create("waits")).await;
    let waits = server.pending(1).await.remove(0);
    server.kill().await;
    receiver.open().await;
    server.launch().await;
    let told = receiver.told_times(&server, "/push", 1).await;
    let says = browsers.open(&server, 0, &told).await.remove(0);
    assert_eq!(says["told"]["ids"], json!([waits["id"]]), "{says:#}");
    assert_eq!(
        says["key"], key["publicKey"],
        "the key pair outlives the server"
    );
    server.submit(&create("last")).await;
    server.pending(2).await;
    let told = receiver.told_times(&server, "/push", 2).await;
    for says in browsers.open(&server, 0, &told).await {
        assert!(
            !says.to_string().contains(&text(&answered["id"])),
            "{says:#}"
        );
    }
}

async fn quiet_hours_end_in_one_message(database: Database) {
    let receiver = Receiver::start().await;
    let (mut server, _upstream) = ready(database, &receiver).await;
    let browsers = Browsers::new(&server, 2).await;
    let mut quiet = browsers.subscription(0, &receiver.url("/quiet"));
    quiet["quietHours"] = json!(hours_now());
    let id = add(&server, &quiet).await;
    add(&server, &browsers.subscription(1, &receiver.url("/awake"))).await;
    for n in 0..4 {
        server.submit(&create(&n.to_string())).await;
    }
    let asked = server.pending(4).await;
    receiver.told_times(&server, "/awake", 4).await;
    server.kill().await;
    server.launch().await;
    server.deny(&asked[0], "no").await;
    // A test is wanted now, and is told.
    let tested = server.cli(&["notifications", "test", &id, "--json"]).await;
    assert_eq!(tested.exits(0).json()["status"], "delivered");
    let told = receiver.told("/quiet");
    let says = browsers.open(&server, 0, &told).await;
    assert_eq!(says.len(), 1, "{says:#?}");
    assert_eq!(says[0]["told"]["title"], "Notifications reach this browser");
    let edit = ["notifications", "edit", &id, "--quiet-hours", "none"];
    server.cli(&edit).await.exits(0);
    let told = receiver.told_times(&server, "/quiet", 2).await;
    let says = browsers.open(&server, 0, &told[1..]).await.remove(0)["told"].clone();
    assert_eq!(says["title"], "3 calls wait for a decision", "{says:#}");
    assert_eq!(says["ids"].as_array().map(Vec::len), Some(3));
    assert!(
        !says.to_string().contains(&text(&asked[0]["id"])),
        "{says:#}"
    );
    assert_eq!(says["url"], format!("/a/{}", text(&says["ids"][0])));
    assert!(!says.to_string().contains(CANARY));
}

async fn only_whoever_may_decide_is_told(database: Database) {
    let receiver = Receiver::start().await;
    let (server, _upstream) = ready(database, &receiver).await;
    let ann = Person::add(&server, "Ann", "admin").await;
    let mel = Person::add(&server, "Mel", "member").await;
    let browsers = Browsers::new(&server, 4).await;
    let at = |path: &str| receiver.url(path);
    add(&server, &browsers.subscription(0, &at("/owner"))).await;
    // Whose a browser is, is written behind the server's back: these persons have no session here.
    for (n, path, person) in [(1, "/ann", &ann), (2, "/mel", &mel)] {
        let id = add(&server, &browsers.subscription(n, &at(path))).await;
        let sql = "update push_subscriptions set account_id";
        meddle(
            &server,
            &format!("{sql} = '{}' where id = '{id}'", person.id),
        );
    }
    let organization = json!({ "name": "Another", "slug": "another" });
    server.post("/organizations", organization).await;
    let there = "/push/subscriptions?workspace=another/main";
    let foreign = browsers.subscription(3, &at("/another"));
    server.post(there, foreign).await;

    server.submit(&create("for administrators")).await;
    let first = server.pending(1).await.remove(0);
    receiver.told_times(&server, "/owner", 1).await;
    receiver.told_times(&server, "/ann", 1).await;
    let tools = json!({ "tools": ["ledger.**"] });
    let ask = json!({ "approvers": [mel.id], "requesterMay": false });
    let rule = json!({ "effect": "ask", "match": tools, "ask": ask });
    server.post("/policies", rule).await;
    server.submit(&create("for Mel as well")).await;
    server.pending(2).await;
    let told = receiver.told_times(&server, "/mel", 1).await;
    let says = browsers.open(&server, 2, &told).await.remove(0)["told"].clone();
    assert!(
        !says.to_string().contains(&text(&first["id"])),
        "a rule names Mel: {says:#}"
    );
    receiver.told_times(&server, "/ann", 2).await;
    assert_eq!(
        receiver.told("/owner").len(),
        1,
        "the owner's own task, and they may not"
    );
    // Somebody makes the first question Ann's: she is told so.
    let assign = json!({ "assignee": ann.id });
    let path = format!("/approvals/{}/assign", text(&first["id"]));
    server.post(&path, assign).await;
    let told = receiver.told_times(&server, "/ann", 3).await;
    let says = browsers.open(&server, 1, &told[2..]).await.remove(0)["told"].clone();
    assert_eq!(says["title"], "ledger.items.createItem is assigned to you");
    assert_eq!(says["ids"], json!([first["id"]]));
    assert_eq!(
        told[2].headers["topic"], told[0].headers["topic"],
        "in place of the first"
    );
    // Whoever is a member no more is told nothing more; the browser of the other organization, which
    // takes tests, was told nothing of all this.
    let gone = format!("/members/{}", ann.id);
    assert_eq!(server.send("DELETE", &gone, None).await.status, 204);
    server.submit(&create("after Ann")).await;
    server.pending(3).await;
    receiver.told_times(&server, "/mel", 2).await;
    assert_eq!(receiver.told("/ann").len(), 3);
    let elsewhere = items(&server.get(there).await).remove(0);
    let path = format!("/push/subscriptions/{}/test", text(&elsewhere["id"]));
    let foreign = server.send("POST", &path, None).await;
    assert_eq!(foreign.status, 404, "{foreign:#?}");
    let tested = server
        .post(&format!("{path}?workspace=another/main"), json!({}))
        .await;
    assert_eq!(tested["status"], "delivered", "{tested:#}");
    assert_eq!(receiver.told("/another").len(), 1);
}

async fn what_is_no_browser_is_refused(database: Database) {
    let receiver = Receiver::start().await;
    let (server, _upstream) = ready(database, &receiver).await;
    let browsers = Browsers::new(&server, 1).await;
    let good = browsers.subscription(0, "https://push.example/a");
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).expect("a field") = value;
        changed
    };
    for new in [
        with("/endpoint", json!("http://push.example/a")),
        with("/endpoint", json!("https://127.0.0.1/a")),
        with("/endpoint", json!("https://[::1]/a")),
        with("/endpoint", json!("https://169.254.169.254/a")),
        with("/endpoint", json!("https://me:pw@push.example/a")),
        // Another port of the same machine is another service.
        with("/endpoint", json!("http://127.0.0.1:1/a")),
        with(
            "/endpoint",
            json!(format!("https://push.example/{}", "a".repeat(2_100))),
        ),
        with("/keys/p256dh", json!("AAAA")),
        with("/keys/auth", json!("AAAA")),
    ] {
        let refused = server.send("POST", "/push/subscriptions", Some(&new)).await;
        let code = &refused.body["code"];
        assert_eq!(
            (refused.status, code),
            (422, &json!("invalid_push_subscription")),
            "{new}"
        );
    }
    let hours = {
        let mut new = good.clone();
        new["quietHours"] = json!("at night");
        server.send("POST", "/push/subscriptions", Some(&new)).await
    };
    assert_eq!(
        (hours.status, &hours.body["code"]),
        (422, &json!("invalid_value"))
    );
    let ada = Person::add(&server, "Ada", "owner").await;
    let by_key = ada
        .send(&server, "POST", "/push/subscriptions", Some(&good))
        .await;
    assert_eq!(by_key.status, 403, "no key adds a browser: {by_key:#?}");
    for n in 0..10 {
        let endpoint = format!("https://push.example/{n}");
        add(&server, &with("/endpoint", json!(endpoint))).await;
    }
    let more = with("/endpoint", json!("https://push.example/more"));
    let more = server
        .send("POST", "/push/subscriptions", Some(&more))
        .await;
    assert_eq!(
        (more.status, &more.body["code"]),
        (409, &json!("too_many_browsers"))
    );
    let first = text(&listed(&server).await[0]["id"]);
    let removed = server
        .cli(&["notifications", "remove", &first, "--json"])
        .await;
    assert_eq!(removed.exits(0).json()["removed"], true);
    let left = server.cli(&["notifications", "list", "--json"]).await;
    assert_eq!(left.exits(0).json().as_array().map(Vec::len), Some(9));
    let unknown = server.cli(&["notifications", "test", &first]).await;
    unknown.exits(1).says(&["notifications list"]);
}

async fn a_browser_ends_with_its_session_and_its_person(database: Database) {
    let receiver = Receiver::start().await;
    let (server, _upstream) = ready(database, &receiver).await;
    let browsers = Browsers::new(&server, 2).await;
    let mut browser = Browser::new(&server);
    browser.follow_link(&server).await;
    let new = browsers.subscription(0, &receiver.url("/signed-in"));
    let added = browser.api("POST", "/push/subscriptions", Some(&new)).await;
    assert_eq!(added.status, 201, "{added:#?}");
    let without = browsers.subscription(1, &receiver.url("/without"));
    add(&server, &without).await;
    // The same browser signs in again: it goes on.
    browser.follow_link(&server).await;
    assert_eq!(listed(&server).await.len(), 2);
    let ended = browser.api("DELETE", "/sessions", None).await;
    assert_eq!(ended.status, 200, "{ended:#?}");
    assert_eq!(
        listed(&server).await.len(),
        2,
        "it is of the session that asks"
    );
    let sessions = items(&browser.api("GET", "/sessions", None).await.json());
    let path = format!("/sessions/{}", text(&sessions[0]["id"]));
    let ended = browser.api("DELETE", &path, None).await;
    assert_eq!(ended.status, 204, "{ended:#?}");
    let left = listed(&server).await;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(left[0]["name"], "Browser 1");
    // Somebody else has the browser now: whoever had it before is told nothing there any more.
    let id = text(&left[0]["id"]);
    let ada = Person::add(&server, "Ada", "admin").await;
    let sql = "update push_subscriptions set account_id";
    meddle(&server, &format!("{sql} = '{}' where id = '{id}'", ada.id));
    assert_eq!(listed(&server).await.len(), 0);
    let mine = add(&server, &without).await;
    assert_ne!(mine, id);
    server.submit(&create("one")).await;
    server.pending(1).await;
    let told = receiver.told_times(&server, "/without", 1).await;
    assert_eq!(told.len(), 1, "once, for one person");
    let hers = ada.send(&server, "GET", "/push/subscriptions", None).await;
    assert_eq!(items(&hers.body).len(), 0, "{hers:#?}");
}
