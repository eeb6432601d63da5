//! Webhooks: what receivers are told, that they can check who says it, and that nothing a receiver
//! does, and no end of the server, loses or leaks anything.

use crate::api::items;
use crate::database::Database;
use crate::receiver::{Receiver, Told, check};
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

on_both_databases!(
    a_question_and_its_end_are_told_and_signed,
    two_secrets_sign_while_one_is_replaced,
    what_is_recorded_is_told_after_a_kill,
    a_kill_while_telling_tells_again,
    hostile_receivers_harm_nobody_else,
    a_failing_webhook_is_named_and_recovers,
    addresses_within_are_refused,
    by_the_command_line,
    people_are_told_as_one_after_their_quiet_hours,
    a_flood_is_a_few_messages_to_people,
);

const ASKS: &str =
    "await tools.ledger.items.createItem({ name: 'not for receivers', amount: 4711 })";

async fn add(server: &Server, url: &str) -> (String, String) {
    let new = json!({ "url": url, "allowPrivate": true });
    let added = server.post("/webhooks", new).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&added["webhook"]["id"]), text(&added["secret"]))
}

async fn test(server: &Server, id: &str) -> Value {
    server
        .post(&format!("/webhooks/{id}/test"), json!({}))
        .await
}

async fn deliveries(server: &Server, id: &str) -> Vec<Value> {
    items(&server.get(&format!("/webhooks/{id}/deliveries")).await)
}

/// The webhook's only delivery, once `holds` is true of it.
async fn delivery_until(server: &Server, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = deliveries(server, id).await;
        if let [only] = found.as_slice()
            && holds(only)
        {
            return only.clone();
        }
        assert!(Instant::now() < deadline, "{found:#?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_question_and_its_end_are_told_and_signed(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let receiver = Receiver::start().await;
    let (id, secret) = add(&server, &receiver.url("/hook")).await;
    let task = server.submit(ASKS).await;
    let asked = server.pending(1).await.remove(0);
    receiver.told_times(&server, "/hook", 1).await;

    // A link scanner reads the link, as anybody and as the owner: reading decides nothing.
    let link = asked["url"].as_str().expect("a link");
    for request in [server.http.get(link), server.http.head(link)] {
        request.send().await.expect("the server answers");
    }
    assert_eq!(server.task(&task).await["status"], "waiting");

    server.deny(&asked, "a reason that stays here").await;
    let told = receiver.told_times(&server, "/hook", 2).await;
    let foreign = format!("whsec_{}", "A".repeat(43) + "=");
    let checked = check(&server, &[&secret, &foreign], &told).await;
    for one in &checked {
        assert_eq!(one["fits"], json!([true, false]), "{one:#}");
        assert_eq!(one["signatures"], 1);
    }
    let [pending, resolved] = checked.as_slice() else {
        panic!("two, and no more: {checked:#?}");
    };
    assert_ne!(pending["id"], resolved["id"]);
    assert_eq!(pending["body"]["type"], "approval.pending");
    let data = &pending["body"]["data"];
    for (field, expected) in [
        ("approvalId", &asked["id"]),
        ("taskId", &json!(task)),
        ("tool", &asked["tool"]),
        ("risk", &asked["risk"]),
        ("why", &asked["why"]),
        ("url", &asked["url"]),
        ("expiresAt", &asked["expiresAt"]),
        ("status", &json!("pending")),
    ] {
        assert_eq!(&data[field], expected, "{field}");
    }
    assert_eq!(data["requestedBy"]["id"], asked["requestedBy"]);
    assert!(data["requestedBy"]["name"].is_string(), "{data:#}");
    assert!(data["workspace"]["slug"].is_string(), "{data:#}");
    assert_eq!(resolved["body"]["type"], "approval.resolved");
    assert_eq!(resolved["body"]["data"]["status"], "denied");
    for one in &told {
        let text = String::from_utf8_lossy(&one.body);
        for kept in ["not for receivers", "4711", "a reason that stays here"] {
            assert!(!text.contains(kept), "{text}");
        }
    }
    let listed = deliveries(&server, &id).await;
    assert!(
        listed.iter().all(|d| d["status"] == "delivered"),
        "{listed:#?}"
    );
    let shown = server.get("/webhooks").await.to_string();
    assert!(!shown.contains("whsec_"), "a secret is shown once: {shown}");
    assert_kept_secret(&server, &secret);
}

/// Neither the secret nor its bytes stand in the database's files or the log.
fn assert_kept_secret(server: &Server, secret: &str) {
    let bare = secret.trim_start_matches("whsec_");
    assert!(!server.log().contains(bare));
    if server.database.is_embedded() {
        for entry in std::fs::read_dir(server.data()).expect("the directory opens") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let bytes = std::fs::read(&path).expect("a file");
                let found = bytes.windows(bare.len()).any(|w| w == bare.as_bytes());
                assert!(!found, "{}", path.display());
            }
        }
    }
}

async fn two_secrets_sign_while_one_is_replaced(database: Database) {
    let server = Server::start(database).await;
    let receiver = Receiver::start().await;
    let (id, first) = add(&server, &receiver.url("/hook")).await;
    let rotate = format!("/webhooks/{id}/rotate");
    let rotated = server.post(&rotate, json!({})).await;
    let second = rotated["secret"].as_str().expect("a secret").to_owned();
    assert!(rotated["webhook"]["overlapUntil"].is_string());
    assert_eq!(test(&server, &id).await["status"], "delivered");
    let cut = server.post(&rotate, json!({ "overlapSeconds": 0 })).await;
    let third = cut["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(test(&server, &id).await["status"], "delivered");
    let told = receiver.told("/hook");
    let checked = check(&server, &[&first, &second, &third], &told).await;
    let seen: Vec<_> = checked
        .iter()
        .map(|one| (one["fits"].clone(), one["signatures"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!([true, true, false]), json!(2)),
            (json!([false, false, true]), json!(1)),
        ]
    );
    assert_eq!(checked[0]["body"]["type"], "webhook.test");
    let refused = json!({ "overlapSeconds": 604_801 });
    let refused = server.send("POST", &rotate, Some(&refused)).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (422, &json!("invalid_overlap"))
    );
}

async fn what_is_recorded_is_told_after_a_kill(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let mut receiver = Receiver::closed();
    let (_, secret) = add(&server, &receiver.url("/hook")).await;
    server.submit(ASKS).await;
    // Nobody listens: whenever the kill comes, the question is recorded and not told.
    let asked = server.pending(1).await.remove(0);
    server.kill().await;
    receiver.open().await;
    server.launch().await;
    let told = receiver.told_times(&server, "/hook", 1).await;
    let checked = check(&server, &[&secret], &told).await;
    assert_eq!(checked[0]["fits"], json!([true]));
    assert_eq!(checked[0]["body"]["data"]["approvalId"], asked["id"]);
}

async fn a_kill_while_telling_tells_again(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let receiver = Receiver::start().await;
    let (id, secret) = add(&server, &receiver.url("/slow")).await;
    server.submit(ASKS).await;
    receiver.told_times(&server, "/slow", 1).await;
    server.kill().await;
    server.launch().await;
    let told = receiver.told_times(&server, "/slow", 2).await;
    let checked = check(&server, &[&secret], &told).await;
    assert!(checked.iter().all(|one| one["fits"] == json!([true])));
    assert_eq!(
        checked[0]["id"], checked[1]["id"],
        "the receiver can tell that it is the same"
    );
    assert_eq!(checked[0]["body"], checked[1]["body"]);
    // The server goes down without waiting for a receiver that never answers.
    server.stop().await;
    server.launch().await;
    assert_eq!(deliveries(&server, &id).await.len(), 1);
}

async fn hostile_receivers_harm_nobody_else(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let receiver = Receiver::start().await;
    let closed = Receiver::closed();
    let mut hostile = Vec::new();
    for (path, says) in [
        ("/redirect", "307, a redirect, which is not followed"),
        ("/inward", "302, a redirect, which is not followed"),
        ("/endless", "answered 500: eee"),
        ("/slow", "did not answer within 10000 ms"),
        (
            "/services/secret-of-the-path",
            "answered 400: you sent /[secret]",
        ),
    ] {
        hostile.push((add(&server, &receiver.url(path)).await.0, says));
    }
    hostile.push((add(&server, &closed.url("/")).await.0, "could not connect"));
    let (gone, _) = add(&server, &receiver.url("/gone")).await;
    let (good, _) = add(&server, &receiver.url("/good")).await;
    let task = server.submit(ASKS).await;
    receiver.told_times(&server, "/good", 1).await;
    let taken = delivery_until(&server, &good, |d| d["status"] == "delivered").await;
    assert_eq!(taken["attempts"], 1);
    for (id, says) in &hostile {
        let tried = delivery_until(&server, id, |d| d["lastAttempt"].is_object()).await;
        let message = tried["lastAttempt"]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{message}");
        assert!(message.len() < 800, "{message}");
        assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
        assert_eq!(tried["status"], "pending", "it is tried again");
        assert!(tried["nextAttemptAt"].is_string());
    }
    assert_eq!(
        receiver.told("/redirected").len(),
        0,
        "no redirect is followed"
    );
    delivery_until(&server, &gone, |d| d["status"] == "failed").await;
    let webhook = server.get(&format!("/webhooks/{gone}")).await;
    assert_eq!(webhook["status"], "disabled", "410 switches it off");
    let asked = server.pending(1).await.remove(0);
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["status"], "completed");
}

async fn a_failing_webhook_is_named_and_recovers(database: Database) {
    let server = Server::start(database).await;
    let receiver = Receiver::start().await;
    let (id, _) = add(&server, &receiver.url("/switch")).await;
    receiver.answer(503);
    for _ in 0..5 {
        let told = test(&server, &id).await;
        assert_eq!(told["status"], "failed");
        assert_eq!(told["lastAttempt"]["status"], 503);
    }
    let webhook = server.get(&format!("/webhooks/{id}")).await;
    assert_eq!(
        (&webhook["status"], &webhook["failures"]),
        (&json!("failing"), &json!(5))
    );
    assert!(webhook["restsUntil"].is_string());
    let check = named(&server).await;
    assert_eq!(check["status"], "warning", "{check:#}");
    assert!(check["message"].as_str().expect("a text").contains(&id));
    receiver.answer(200);
    assert_eq!(test(&server, &id).await["status"], "delivered");
    assert_eq!(named(&server).await["status"], "ok");
    let audit = items(&server.get("/audit?action=webhook.").await);
    let actions: Vec<&str> = audit.iter().filter_map(|e| e["action"].as_str()).collect();
    assert_eq!(
        actions,
        ["webhook.recovered", "webhook.failing", "webhook.added"]
    );
    let verified = server.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");
}

async fn named(server: &Server) -> Value {
    let health = server.get("/health").await;
    let checks = items(&health["checks"]);
    let found = checks.into_iter().find(|c| c["name"] == "webhooks");
    found.unwrap_or_else(|| panic!("{health:#}"))
}

async fn addresses_within_are_refused(database: Database) {
    let server = Server::start(database).await;
    for (url, allow_private) in [
        ("https://127.0.0.1/hook", false),
        ("https://localhost/hook", false),
        ("https://10.0.0.1/hook", false),
        ("http://hooks.example/hook", false),
        ("http://169.254.169.254/latest", true),
        ("https://me:pw@hooks.example/", false),
        ("file:///etc/passwd", true),
        ("hooks.example", true),
    ] {
        let new = json!({ "url": url, "allowPrivate": allow_private });
        let refused = server.send("POST", "/webhooks", Some(&new)).await;
        assert_eq!(refused.status, 422, "{url}: {refused:#?}");
        assert_eq!(refused.body["code"], "invalid_webhook", "{url}");
    }
    let new = json!({ "url": "https://hooks.example/", "events": ["task.finished"] });
    let refused = server.send("POST", "/webhooks", Some(&new)).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body["title"]
            .as_str()
            .expect("a text")
            .contains("approval.pending")
    );
    // What was allowed once is judged again at each change, and each time it is dialed.
    let receiver = Receiver::start().await;
    let (id, _) = add(&server, &receiver.url("/hook")).await;
    let path = format!("/webhooks/{id}");
    let change = json!({ "allowPrivate": false });
    assert_eq!(server.send("PATCH", &path, Some(&change)).await.status, 422);
    assert_eq!(items(&server.get("/webhooks").await).len(), 1);
}

async fn by_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/switch");
    let added = server
        .cli(&["webhooks", "add", &url, "--allow-private", "--json"])
        .await
        .exits(0)
        .json();
    let id = added["webhook"]["id"].as_str().expect("an id").to_owned();
    assert!(
        id.starts_with("hook_")
            && added["secret"]
                .as_str()
                .expect("a secret")
                .starts_with("whsec_")
    );
    server.cli(&["webhooks", "test", &url]).await.exits(0);
    receiver.answer(500);
    server.cli(&["webhooks", "test", &id]).await.exits(1);
    let edited = server
        .cli(&[
            "webhooks",
            "edit",
            &id,
            "--off",
            "--event",
            "approval.resolved",
            "--json",
        ])
        .await
        .exits(0)
        .json();
    assert_eq!(
        (&edited["enabled"], &edited["events"]),
        (&json!(false), &json!(["approval.resolved"]))
    );
    let rotated = server
        .cli(&["webhooks", "rotate", &id, "--overlap", "0s"])
        .await
        .exits(0);
    assert!(rotated.out.contains("whsec_"), "{rotated:#?}");
    let told = server
        .cli(&["webhooks", "deliveries", &id, "--json"])
        .await
        .exits(0)
        .json();
    let statuses: Vec<_> = items(&told).iter().map(|d| d["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "delivered"]);
    let listed = server.cli(&["webhooks", "list"]).await.exits(0);
    assert!(listed.out.contains("disabled"), "{listed:#?}");
    server.cli(&["webhooks", "remove", &id]).await.exits(0);
    let unknown = server.cli(&["webhooks", "test", &id]).await.exits(1);
    assert!(unknown.err.contains("webhooks list"), "{unknown:#?}");
}

/// Hours of the clock of Greenwich that hold now, and for an hour at least.
fn hours_now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let hour = since.as_secs() / 3_600 % 24;
    format!("{:02}:00-{:02}:00Z", (hour + 23) % 24, (hour + 2) % 24)
}

/// The texts of messages to people.
fn texts(told: &[Told]) -> Vec<String> {
    let read = |one: &Told| {
        let body: Value = serde_json::from_slice(&one.body).expect("JSON");
        assert_eq!(body["parse"], "none", "{body:#}");
        body["text"].as_str().expect("a text").to_owned()
    };
    told.iter().map(read).collect()
}

fn many(count: usize) -> String {
    format!(
        "return await Promise.all(Array.from({{ length: {count} }}, (_, n) =>\n\
         tools.ledger.items.createItem({{ name: `secret ${{n}}`, amount: 4711 }}).catch((e) => e.code)));"
    )
}

async fn people_are_told_as_one_after_their_quiet_hours(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let receiver = Receiver::start().await;
    let new = json!({
        "url": receiver.url("/people"), "allowPrivate": true, "format": "slack",
        "quietHours": hours_now(), "events": ["approval.pending", "approval.resolved"],
    });
    let added = server.post("/webhooks", new).await["webhook"].clone();
    let id = added["id"].as_str().expect("an id").to_owned();
    assert_eq!(added["format"], "slack", "{added:#}");
    let (programs, _) = add(&server, &receiver.url("/program")).await;
    let task = server.submit(&many(8)).await;
    let asked = server.pending(8).await;
    // A program hears of each at once; people of none, also after a crash.
    receiver.told_times(&server, "/program", 8).await;
    server.kill().await;
    server.launch().await;
    server.deny(&asked[0], "no").await;
    receiver.told_times(&server, "/program", 9).await;
    assert!(receiver.told("/people").is_empty());
    let waits = deliveries(&server, &id).await;
    let untold = waits.iter().filter(|d| d["status"] == "pending");
    assert_eq!(untold.count(), 9, "{waits:#?}");
    // A test is wanted now, and is told.
    assert_eq!(test(&server, &id).await["status"], "delivered");
    assert!(texts(&receiver.told("/people"))[0].contains("A test"));
    let edit = ["webhooks", "edit", &id, "--quiet-hours", "none"];
    assert_eq!(server.cli(&edit).await.code, 0);
    let told = receiver.told_times(&server, "/people", 2).await;
    let text = texts(&told).remove(1);
    assert!(
        text.starts_with("◆ 7 calls wait for a decision in "),
        "{text}"
    );
    assert!(
        text.contains("Decided or over meanwhile: 1 denied"),
        "{text}"
    );
    for one in &asked[1..] {
        let url = one["url"].as_str().expect("a link");
        assert_eq!(
            text.matches(&format!("<{url}|Review>")).count(),
            1,
            "{text}"
        );
    }
    assert!(text.contains("`ledger.items.createItem` (write)"), "{text}");
    for kept in ["secret", "4711"] {
        assert!(!text.contains(kept), "{text}");
    }
    let ended = delivered_all(&server, &id).await;
    assert_eq!(ended.len(), 10, "nine and the test: {ended:#?}");
    assert_eq!(receiver.told("/people").len(), 2);
    let programs = deliveries(&server, &programs).await;
    assert_eq!(programs.len(), 9, "{programs:#?}");
    for one in &asked[1..] {
        server.approve(one).await;
    }
    server.finished(&task).await;
}

/// The webhook's deliveries, once each was taken.
async fn delivered_all(server: &Server, id: &str) -> Vec<Value> {
    // A receiver that failed five times is left alone for half a minute.
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let found = deliveries(server, id).await;
        if found.iter().all(|d| d["status"] == "delivered") {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_flood_is_a_few_messages_to_people(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let mut receiver = Receiver::closed();
    let new = json!({
        "url": receiver.url("/people"), "allowPrivate": true, "format": "slack",
        "events": ["approval.pending"],
    });
    let added = server.post("/webhooks", new).await;
    let id = added["webhook"]["id"].as_str().expect("an id").to_owned();
    let task = server.submit(&many(20)).await;
    let asked = server.pending(20).await;
    // Nobody listens at first: what fails is tried again together, by another server too.
    server.kill().await;
    receiver.open().await;
    server.launch().await;
    delivered_all(&server, &id).await;
    let texts = texts(&receiver.told("/people"));
    assert!(texts.len() <= 6, "{texts:#?}");
    let listed: usize = asked
        .iter()
        .filter(|one| {
            let link = format!("<{}|Review>", one["url"].as_str().expect("a link"));
            texts.iter().any(|text| text.contains(&link))
        })
        .count();
    let counted: usize = texts
        .iter()
        .filter_map(|text| {
            text.split_once("…and ")?
                .1
                .split(' ')
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum();
    assert_eq!(listed + counted, 20, "each is named or counted: {texts:#?}");
    let refused = json!({ "format": "standard", "quietHours": "22:00-07:00Z" });
    let path = format!("/webhooks/{id}");
    for (body, code) in [
        (refused, "invalid_webhook"),
        (json!({ "format": "teams" }), "invalid_webhook"),
        (json!({ "quietHours": "at night" }), "invalid_value"),
    ] {
        let reply = server.send("PATCH", &path, Some(&body)).await;
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (422, &json!(code)),
            "{reply:#?}"
        );
    }
    for one in &asked {
        server.deny(one, "").await;
    }
    server.finished(&task).await;
}
