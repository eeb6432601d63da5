//! A connected source stays connected: each token is renewed once for all who wait for it, on one
//! server and on several; a refusal is told everywhere, a passing failure changes nothing.

use crate::api::items;
use crate::authority::{Authority, Browser, text};
use crate::database::Database;
use crate::fleet::Fleet;
use crate::server::{PATIENCE, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    twenty_calls_renew_once,
    an_idle_source_stays_connected,
    a_refused_token_is_renewed_once_and_the_call_repeated,
    a_refused_renewal_is_told_everywhere,
    a_passing_failure_changes_nothing,
);

/// Twenty calls at once; how many came to something.
const TWENTY: &str = "const all = await Promise.all(Array.from({ length: 20 }, () => \
                      tools.things.listThings({}))); return all.length";

async fn connected(database: Database, lasts_s: u64) -> (Server, Authority) {
    let server = Server::start(database).await;
    let authority = Authority::start().await;
    authority.add_to(&server).await;
    authority.book(|b| b.lasts_s = Some(lasts_s));
    authority.connect(&server).await;
    (server, authority)
}

async fn credential(server: &Server) -> Value {
    items(&server.get("/credentials").await)[0].clone()
}

/// Waits until the credential is in a state.
async fn in_state(server: &Server, state: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = credential(server).await;
        if found["state"] == state {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:#}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn twenty_calls_renew_once(database: Database) {
    // Its first token is over at once; the second one lasts.
    let server = Server::start(database).await;
    let authority = Authority::start().await;
    authority.add_to(&server).await;
    authority.book(|b| b.lasts_s = Some(1));
    authority.hold();
    authority.connect(&server).await;
    authority.book(|b| b.lasts_s = Some(3_600));
    authority
        .until("a renewal is asked for", |b| b.held > 0)
        .await;
    let tasks = [server.submit(TWENTY).await, server.submit(TWENTY).await];
    for task in &tasks {
        server.task_until(task, |t| t["status"] == "running").await;
    }
    authority.release();
    for task in &tasks {
        let done = server.finished(task).await;
        assert_eq!(done["result"], 20, "{done:#}\n{}", server.log());
    }
    assert_eq!(authority.granted("refresh_token"), 1);
    assert_eq!(authority.book(|b| (b.held, b.reused)), (1, 0));
    assert_eq!(authority.served("/things"), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_renew_once() {
    let fleet = Fleet::start(2, &[]).await;
    let authority = Authority::start().await;
    let (first, second) = (&fleet.servers[0], &fleet.servers[1]);
    authority.add_to(first).await;
    authority.book(|b| b.lasts_s = Some(1));
    authority.hold();
    authority.connect(first).await;
    authority.book(|b| b.lasts_s = Some(3_600));
    authority
        .until("a renewal is asked for", |b| b.held > 0)
        .await;
    let tasks = [
        (first, first.submit(TWENTY).await),
        (second, second.submit(TWENTY).await),
    ];
    for (server, task) in &tasks {
        server.task_until(task, |t| t["status"] == "running").await;
    }
    authority.release();
    for (server, task) in &tasks {
        let done = server.finished(task).await;
        assert_eq!(done["result"], 20, "{done:#}\n{}", server.log());
    }
    assert_eq!(authority.granted("refresh_token"), 1);
    assert_eq!(authority.book(|b| (b.held, b.reused)), (1, 0));
    // The server that did not renew knows the new one; a second end is one renewal again.
    authority.expire();
    for server in [first, second] {
        let done = server.run(TWENTY).await;
        assert_eq!(done["result"], 20, "{done:#}\n{}", server.log());
    }
    assert_eq!(authority.granted("refresh_token"), 2);
    assert_eq!(
        authority.book(|b| b.reused),
        0,
        "no refresh token is used twice"
    );
}

async fn an_idle_source_stays_connected(database: Database) {
    let (server, authority) = connected(database, 3).await;
    authority
        .until("it is renewed again and again", |b| {
            b.granted.get("refresh_token").is_some_and(|n| *n >= 3)
        })
        .await;
    assert_eq!(authority.book(|b| b.reused), 0);
    let found = credential(&server).await;
    assert_eq!(found["state"], "connected", "{found:#}");
    assert!(
        found["version"].as_u64().is_some_and(|v| v >= 3),
        "{found:#}"
    );
    assert_eq!(found["connection"]["scopes"], json!(["read"]), "as granted");
}

async fn a_refused_token_is_renewed_once_and_the_call_repeated(database: Database) {
    let (server, authority) = connected(database, 3_600).await;
    let rule = json!({ "effect": "allow", "match": { "tools": ["things.**"] } });
    server.post("/policies", rule).await;
    authority.expire();
    let done = server.run(TWENTY).await;
    assert_eq!(done["result"], 20, "{done:#}\n{}", server.log());
    assert_eq!(authority.granted("refresh_token"), 1);
    // One that refuses whatever it is shown is asked twice, and nothing is renewed for it again.
    let never = "try { await tools.things.never({}) } catch (e) { return e.code }";
    for _ in 0..3 {
        assert_eq!(server.value(never).await, "credential_rejected");
    }
    assert_eq!(
        authority.granted("refresh_token"),
        1,
        "renewed a moment ago"
    );
    assert_eq!(authority.book(|b| b.turned_away["/never"]), 3);
    assert_eq!(credential(&server).await["state"], "connected");
}

async fn a_refused_renewal_is_told_everywhere(database: Database) {
    let (server, authority) = connected(database, 1).await;
    authority.book(|b| b.refuses = Some((400, "invalid_grant")));
    let found = in_state(&server, "reauthorization_required").await;
    assert!(
        text(&found["reason"]).contains("invalid_grant"),
        "{found:#}"
    );
    let told = "try { await tools.things.listThings({}) } catch (e) { \
                return { code: e.code, url: e.details.connectUrl, message: e.message } }";
    let error = server.value(told).await;
    assert_eq!(error["code"], "reauthorization_required", "{error:#}");
    assert_eq!(error["url"], found["connection"]["connectUrl"]);
    assert!(text(&error["message"]).contains(text(&error["url"])));
    let asked = authority.book(|b| b.asked);
    server.value(told).await;
    assert_eq!(authority.book(|b| b.asked), asked, "it is not asked again");
    let action = "/audit?action=credential.reauthorization_required";
    assert_eq!(items(&server.get(action).await).len(), 1);
    let listed = server.cli(&["credentials", "list"]).await;
    assert!(
        listed.out.contains("reauthorization_required"),
        "{}",
        listed.out
    );
    assert!(listed.err.contains(text(&error["url"])), "{}", listed.err);
    let doctor = server.cli(&["doctor"]).await;
    assert!(
        doctor.out.contains("reauthorization_required: things"),
        "{}",
        doctor.out
    );
    // One click.
    authority.book(|b| (b.refuses, b.lasts_s) = (None, Some(3_600)));
    let browser = Browser::new();
    let begun = browser.submit(text(&error["url"])).await.location;
    let begun = json!({ "url": format!("{}{}", server.url(), begun.expect("a connect")) });
    browser.agree(&begun).await;
    assert_eq!(in_state(&server, "connected").await["id"], found["id"]);
    assert_eq!(server.run(TWENTY).await["result"], 20);
    assert_eq!(authority.book(|b| b.registered), 1, "never a new client");
}

async fn a_passing_failure_changes_nothing(database: Database) {
    let (server, authority) = connected(database, 2).await;
    authority.book(|b| b.refuses = Some((503, "")));
    authority.until("a renewal failed", |b| b.asked >= 2).await;
    let found = in_state(&server, "expiring").await;
    assert!(
        text(&found["reason"]).contains("could not be renewed yet"),
        "{found:#}"
    );
    let asked = authority.book(|b| b.asked);
    let told = "try { await tools.things.listThings({}); return 'fine' } \
                catch (e) { return [e.code, e.retryable] }";
    // Expired by now or soon: a call fails for a passing reason and does not ask on its own.
    let deadline = Instant::now() + PATIENCE;
    while server.value(told).await != json!(["upstream_unreachable", true]) {
        assert!(Instant::now() < deadline, "{}", server.log());
    }
    assert!(authority.book(|b| b.asked) <= asked + 2, "it backs off");
    authority.book(|b| (b.refuses, b.lasts_s) = (None, Some(3_600)));
    in_state(&server, "connected").await;
    assert_eq!(server.run(TWENTY).await["result"], 20);
    assert_eq!(authority.book(|b| b.reused), 0);
    let recovered = server.get("/audit?action=credential.recovered").await;
    assert_eq!(items(&recovered).len(), 1, "{recovered:#}");
}
