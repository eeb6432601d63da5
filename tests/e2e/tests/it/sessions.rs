//! Sessions: another token at each sign-in, an end on the server, limits of age and idleness, and an
//! owner who sees and ends them.

use crate::browser::Browser;
use crate::database::Database;
use crate::issuer::Issuer;
use crate::people::text;
use crate::server::{PATIENCE, Server};
use serde_json::json;
use std::time::{Duration, Instant};

on_both_databases!(
    a_session_is_new_at_each_sign_in_and_ends_on_the_server,
    a_session_ends_by_age_and_by_idleness,
    sessions_are_seen_and_ended_by_their_owner,
    another_role_means_signing_in_again,
);

fn token(browser: &Browser) -> (String, String) {
    let mut found = browser
        .cookies
        .iter()
        .filter(|(name, _)| name.starts_with("executor_") && !name.contains("sign_in"));
    let (name, value) = found.next().expect("a session cookie");
    (name.clone(), value.clone())
}

async fn a_session_is_new_at_each_sign_in_and_ends_on_the_server(database: Database) {
    let server = Server::start(database).await;
    let mut browser = Browser::new(&server);
    assert_eq!(browser.who().await, None, "nobody is signed in yet");
    // A token that somebody planted is not taken over.
    let name = format!("executor_{}", server.port);
    browser.cookies.insert(name.clone(), "f".repeat(64));
    assert_eq!(browser.who().await, None);
    let shown = browser.follow_link(&server).await;
    assert_eq!(shown.leads(), "/");
    let cookie = &shown.cookies[0];
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "http on loopback: {cookie}");
    let (kept_name, first) = token(&browser);
    assert_eq!(kept_name, name, "its name carries the port");
    assert_ne!(first, "f".repeat(64));
    assert_eq!(first.len(), 64, "256 bits");
    let owner = browser.who().await.expect("signed in");

    // Signing in again makes another token, and the first one is worth nothing.
    let mut before = Browser::new(&server);
    before.cookies = browser.cookies.clone();
    assert_eq!(before.who().await, Some(owner.clone()));
    browser.follow_link(&server).await;
    assert_ne!(token(&browser).1, first);
    assert_eq!(browser.who().await, Some(owner.clone()));
    assert_eq!(before.who().await, None, "the session before has ended");

    // A token in an address signs nobody in.
    let (_, live) = token(&browser);
    let mut other = Browser::new(&server);
    for place in ["session", "token", &name] {
        let shown = other.api("GET", &format!("/me?{place}={live}"), None).await;
        assert_eq!(shown.status, 401, "{place}: {shown:#?}");
    }
    let shown = other.get(&format!("/sign-in?token={live}")).await;
    assert_eq!(shown.status, 422, "a session is no link: {shown:#?}");

    // No page of another site signs anybody out.
    let foreign = browser
        .http()
        .post(format!("{}/sign-out", server.url()))
        .header("origin", "https://evil.example");
    assert_eq!(browser.send(foreign).await.status, 403);
    assert_eq!(browser.who().await, Some(owner));

    let mut stale = Browser::new(&server);
    stale.cookies = browser.cookies.clone();
    let out = browser.post("/sign-out", &[]).await;
    assert_eq!((out.status, out.leads()), (303, "/sign-in"));
    assert!(browser.cookies.is_empty(), "the cookie is gone");
    assert_eq!(stale.who().await, None, "and so is the session it named");
    let page = stale.get("/").await;
    assert_eq!(page.status, 401, "the back button shows nothing");
    assert!(page.body.contains("executor web"), "{page:#?}");
    let task = json!({ "code": "return 1" });
    assert_eq!(stale.api("POST", "/tasks", Some(&task)).await.status, 401);
    let entries = server.get("/audit?action=sign_").await;
    let entries = entries["items"].as_array().expect("entries").iter();
    let actions: Vec<String> = entries.map(|e| text(&e["action"])).collect();
    assert_eq!(actions, ["sign_out", "sign_in", "sign_in"]);
}

/// Waits until nobody is signed in any more.
async fn ended(browser: &mut Browser) {
    let deadline = Instant::now() + PATIENCE;
    while browser.who().await.is_some() {
        assert!(Instant::now() < deadline, "the session does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn a_session_ends_by_age_and_by_idleness(database: Database) {
    let mut server = Server::prepare(database);
    let set = |name: &str, value: &str| (format!("EXECUTOR_SIGN_IN_{name}"), value.to_owned());
    server.environment = vec![set("SESSION_IDLE", "4s"), set("SESSION_MAX", "5m")];
    server.launch().await;
    let mut idle = Browser::new(&server);
    idle.follow_link(&server).await;
    assert!(idle.who().await.is_some());
    ended(&mut idle).await;
    server.stop().await;
    server.environment = vec![set("SESSION_IDLE", "4s"), set("SESSION_MAX", "4s")];
    server.launch().await;
    let mut old = Browser::new(&server);
    old.follow_link(&server).await;
    assert!(old.who().await.is_some());
    ended(&mut old).await;
    server.stop().await;
    server.environment = vec![set("SESSION_IDLE", "2d"), set("SESSION_MAX", "1d")];
    let refused = server.launch_refused().await;
    assert!(refused.err.contains("sign_in_session_idle"), "{refused:#?}");
}

async fn sessions_are_seen_and_ended_by_their_owner(database: Database) {
    let server = Server::start(database).await;
    let (mut here, mut there, mut third) = (
        Browser::new(&server),
        Browser::new(&server),
        Browser::new(&server),
    );
    for browser in [&mut here, &mut there, &mut third] {
        browser.follow_link(&server).await;
    }
    let listed = here.api("GET", "/sessions", None).await;
    assert_eq!(listed.status, 200, "{listed:#?}");
    let all = listed.json()["items"].as_array().expect("a list").clone();
    assert_eq!(all.len(), 3, "{all:#?}");
    let current: Vec<_> = all.iter().filter(|s| s["current"] == true).collect();
    assert_eq!(current.len(), 1, "one of them asks");
    assert_eq!(current[0]["via"], "link");
    assert_eq!(current[0]["userAgent"], "TestBrowser/1.0");
    assert_eq!(current[0]["address"], "127.0.0.1");
    for browser in [&here, &there] {
        assert!(
            !listed.body.contains(&token(browser).1),
            "no token is shown"
        );
    }
    let of_there = there.api("GET", "/sessions", None).await.json();
    let id = of_there["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|s| s["current"] == true)
        .map(|s| text(&s["id"]))
        .expect("its own");
    assert_eq!(there.get(&format!("/?x={id}")).await.status, 200);
    let mut by_id = Browser::new(&server);
    let name = token(&here).0;
    by_id.cookies.insert(name, id.clone());
    assert_eq!(by_id.who().await, None, "an identifier opens nothing");

    let gone = here.api("DELETE", &format!("/sessions/{id}"), None).await;
    assert_eq!(gone.status, 204, "{gone:#?}");
    assert_eq!(there.who().await, None);
    let again = here.api("DELETE", &format!("/sessions/{id}"), None).await;
    assert_eq!(again.status, 404, "{again:#?}");
    let others = here.api("DELETE", "/sessions", None).await;
    assert_eq!(others.json(), json!({ "ended": 1 }));
    assert_eq!(third.who().await, None);
    assert!(here.who().await.is_some(), "the one that asks stays");

    // From the command line, as the same person.
    let rows = server
        .cli(&["sessions", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows:#}");
    let id = text(&rows[0]["id"]);
    server.cli(&["sessions", "end", &id]).await.exits(0);
    assert_eq!(here.who().await, None);

    // A key acts for its person and is no browser of theirs.
    let owner = text(&server.get("/me").await["accountId"]);
    let (_, key) = crate::people::key(&server, "k", &owner).await;
    let refused = server.send_as(Some(&key), "GET", "/sessions", None).await;
    assert_eq!(refused.status, 403, "{refused:#?}");
}

async fn another_role_means_signing_in_again(database: Database) {
    let issuer = Issuer::start().await;
    let mut server = Server::prepare(database);
    server.environment = issuer.settings("oidc");
    server.launch().await;
    let sign_in = async |browser: &mut Browser| {
        let sent = browser.get("/sign-in/begin").await;
        let back = browser.get(sent.leads()).await;
        let shown = browser.get(back.leads()).await;
        assert_eq!(shown.status, 303, "{shown:#?}");
    };
    let mut ada = Browser::new(&server);
    sign_in(&mut ada).await;
    let id = ada.who().await.expect("signed in");
    let edit = async |change: &[&str]| {
        let words = [&["members", "edit", id.as_str()], change].concat();
        server.cli(&words).await.exits(0);
    };
    edit(&["--name", "Ada"]).await;
    assert!(ada.who().await.is_some(), "another name ends nothing");
    edit(&["--role", "admin"]).await;
    assert_eq!(ada.who().await, None, "another role does");
    sign_in(&mut ada).await;
    let me = ada.api("GET", "/me", None).await.json();
    assert_eq!(me["role"], "admin");
    // A page that was loaded before the role was lost decides nothing (W14).
    server.cli(&["members", "remove", &id]).await.exits(0);
    let refused = ada
        .api("POST", "/keys", Some(&json!({ "name": "k" })))
        .await;
    assert!(matches!(refused.status, 401 | 403), "{refused:#?}");
    // Nor does signing in again bring back what was taken away.
    let mut again = Browser::new(&server);
    sign_in(&mut again).await;
    assert_eq!(
        again.who().await.as_deref(),
        Some(""),
        "a member of nothing"
    );
}
