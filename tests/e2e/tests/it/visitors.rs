//! Visitors: a workspace of their own that nobody else reaches, bounds that hold whatever they try,
//! an end when they stay away, and a claim that only the browser that holds it can make.

use crate::browser::Browser;
use crate::database::Database;
use crate::issuer::{Issuer, person};
use crate::people::text;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    a_visitor_has_a_workspace_that_nobody_else_reaches,
    a_visitor_stays_within_bounds,
    signing_in_claims_what_this_browser_holds_and_nothing_else,
    a_visitor_who_stays_away_is_gone,
    a_link_asks_who_somebody_is_before_it_makes_them_a_visitor,
);

async fn started(database: Database, more: &[(&str, &str)]) -> (Server, Issuer) {
    let issuer = Issuer::start().await;
    let mut server = Server::prepare(database);
    server.environment = issuer.settings("anonymous");
    let provider = [("PROVIDER", "oidc")];
    server.environment.extend(
        provider
            .iter()
            .chain(more)
            .map(|(name, value)| (format!("EXECUTOR_SIGN_IN_{name}"), (*value).to_owned())),
    );
    server.launch().await;
    (server, issuer)
}

async fn visitor(server: &Server) -> (Browser, Value) {
    let mut browser = Browser::new(server);
    let page = browser.get("/").await;
    assert_eq!(page.status, 200, "{page:#?}");
    let me = browser.api("GET", "/me", None).await;
    assert_eq!(me.status, 200, "{me:#?}");
    (browser, me.json())
}

async fn sign_in(browser: &mut Browser) {
    let sent = browser.get("/sign-in/begin").await;
    let back = browser.get(sent.leads()).await;
    let shown = browser.get(back.leads()).await;
    assert_eq!(shown.status, 303, "{shown:#?}");
}

async fn workspaces(browser: &mut Browser) -> Vec<String> {
    let all = browser.api("GET", "/workspaces", None).await.json();
    let items = all["items"].as_array().expect("a list").iter();
    items.map(|w| text(&w["id"])).collect()
}

async fn a_visitor_has_a_workspace_that_nobody_else_reaches(database: Database) {
    let (server, _issuer) = started(database, &[]).await;
    let (mut ann, hers) = visitor(&server).await;
    let (mut bob, his) = visitor(&server).await;
    assert_ne!(hers["workspace"]["id"], his["workspace"]["id"]);
    let done = json!({ "code": "return 1 + 1" });
    let task = ann.api("POST", "/tasks", Some(&done)).await;
    assert!(task.status < 300, "{task:#?}");
    let id = text(&task.json()["id"]);
    assert_eq!(
        ann.api("GET", &format!("/tasks/{id}"), None).await.status,
        200
    );
    // Its identifier opens nothing, wherever it stands (T08).
    let workspace = text(&hers["workspace"]["id"]);
    for path in [
        format!("/tasks/{id}"),
        format!("/tasks?workspace={workspace}"),
        format!("/workspaces/{workspace}/events"),
        format!("/workspace/settings?workspace={workspace}"),
        format!("/audit?workspace={workspace}"),
    ] {
        let reached = bob.api("GET", &path, None).await;
        assert_eq!(reached.status, 404, "{path}: {reached:#?}");
    }
    assert_eq!(workspaces(&mut bob).await, [text(&his["workspace"]["id"])]);
    let nobody = Browser::new(&server).api("GET", "/me", None).await;
    assert_eq!(nobody.status, 401, "the API makes nobody a visitor");
    assert!(text(&nobody.json()["nextStep"]).contains("/anonymous"));

    // The MCP endpoint of visitors takes a visitor's key and no other.
    let page = ann.get("/anonymous").await;
    assert!(page.body.contains("/mcp/anonymous"), "{page:#?}");
    let made = ann
        .http()
        .post(format!("{}/anonymous/key", server.url()))
        .header("accept", "application/json");
    let made = ann.send(made).await;
    assert_eq!(made.status, 200, "{made:#?}");
    let made = made.json();
    assert_eq!(made["workspaceId"], hers["workspace"]["id"]);
    let call = async |key: Option<String>, path: &str| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "t", "version": "1" } } });
        let mut request = server
            .http
            .post(format!("{}{path}", server.url()))
            .header("accept", "application/json, text/event-stream")
            .json(&message);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    let key = text(&made["key"]);
    assert_eq!(call(Some(key.clone()), "/mcp/anonymous").await, 200);
    assert_eq!(call(None, "/mcp/anonymous").await, 401);
    let own = server
        .cli(&["keys", "create", "k", "--json"])
        .await
        .exits(0)
        .json();
    let own = text(&own["secret"]);
    assert_eq!(call(Some(own.clone()), "/mcp/anonymous").await, 403);
    assert_eq!(call(Some(own), "/mcp").await, 200, "the control");

    // A server of another mode has no such endpoint.
    let local = Server::start(Database::sqlite()).await;
    let none = local
        .http
        .post(format!("{}/mcp/anonymous", local.url()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(none.status(), 404);
}

async fn a_visitor_stays_within_bounds(database: Database) {
    let (server, _issuer) = started(database, &[]).await;
    let upstream = Upstream::start().await;
    let (mut ann, me) = visitor(&server).await;
    let private = format!("{}/openapi.json", upstream.base_url());
    for (method, path, body) in [
        (
            "POST",
            "/sources",
            json!({ "url": private, "name": "x", "allowPrivate": true }),
        ),
        (
            "POST",
            "/sources/preview",
            json!({ "url": private, "allowPrivate": true }),
        ),
        (
            "POST",
            "/sources",
            json!({ "command": ["sh", "-c", "true"], "name": "x" }),
        ),
        (
            "PATCH",
            "/workspace/settings",
            json!({ "limits": { "tasksPerDay": 1_000_000 } }),
        ),
        ("POST", "/members", json!({ "name": "Friend" })),
        ("POST", "/workspaces", json!({ "slug": "more" })),
        (
            "POST",
            "/webhooks",
            json!({ "url": "https://x.example/hook" }),
        ),
    ] {
        let refused = ann.api(method, path, Some(&body)).await;
        assert!(
            matches!(refused.status, 400 | 403 | 422),
            "{path}: {refused:#?}"
        );
        if refused.status != 400 {
            assert_eq!(refused.json()["code"], "visitor", "{path}: {refused:#?}");
        }
    }
    // Without the permission a private address is refused to everybody.
    let reached = upstream.received().len();
    let plain = json!({ "url": private, "name": "x" });
    let refused = ann.api("POST", "/sources", Some(&plain)).await;
    assert!(refused.status >= 400, "{refused:#?}");
    assert_eq!(upstream.received().len(), reached, "nothing arrived there");
    let limits = ann.api("GET", "/workspace/settings", None).await.json();
    let set = limits["limits"].to_string();
    assert!(set.contains("tasksPerDay"), "{limits:#}");
    let mut busy = Vec::new();
    for _ in 0..8 {
        let slow = json!({ "code": "await new Promise((r) => setTimeout(r, 60000)); return 1" });
        busy.push(ann.api("POST", "/tasks", Some(&slow)).await.status);
    }
    assert!(busy.contains(&429), "more at once than may be: {busy:?}");
    // Nobody else feels it.
    let (mut bob, _) = visitor(&server).await;
    let task = json!({ "code": "return 1" });
    assert!(bob.api("POST", "/tasks", Some(&task)).await.status < 300);
    let none = json!({ "role": "owner" });
    let other = text(&me["accountId"]);
    let raised = bob
        .api("PATCH", &format!("/members/{other}"), Some(&none))
        .await;
    assert_eq!(raised.status, 404, "{raised:#?}");
}

async fn signing_in_claims_what_this_browser_holds_and_nothing_else(database: Database) {
    let (server, issuer) = started(database, &[]).await;
    let (mut ann, hers) = visitor(&server).await;
    let (mut bob, his) = visitor(&server).await;
    let (hers, his) = (
        text(&hers["workspace"]["id"]),
        text(&his["workspace"]["id"]),
    );
    let task = ann
        .api("POST", "/tasks", Some(&json!({ "code": "return 1" })))
        .await
        .json();
    let task = format!("/tasks/{}", text(&task["id"]));
    let mut before = Browser::new(&server);
    before.cookies = ann.cookies.clone();

    // A browser without a visit claims nothing, whatever it names.
    issuer.book(|b| b.claims = person("eve"));
    let mut eve = Browser::new(&server);
    for query in [format!("?workspace={hers}"), format!("?next=/w/{hers}")] {
        let sent = eve.get(&format!("/sign-in/begin{query}")).await;
        let back = eve.get(sent.leads()).await;
        let shown = eve.get(&format!("{}&workspace={hers}", back.leads())).await;
        assert_eq!(shown.status, 303, "{shown:#?}");
    }
    assert!(!workspaces(&mut eve).await.contains(&hers));

    // Ann comes for the first time: her workspace is hers now, with what is in it.
    issuer.book(|b| b.claims = person("ann"));
    sign_in(&mut ann).await;
    let mine = workspaces(&mut ann).await;
    assert!(mine.contains(&hers) && !mine.contains(&his), "{mine:?}");
    assert_eq!(ann.api("GET", &task, None).await.status, 200);
    let me = ann.api("GET", "/me", None).await.json();
    assert_eq!(me["name"], "Name of ann");
    let raised = json!({ "limits": { "tasksPerDay": 1_000 } });
    let path = format!("/workspace/settings?workspace={hers}");
    let settings = ann.api("PATCH", &path, Some(&raised)).await;
    assert_eq!(
        settings.status, 200,
        "she is no visitor any more: {settings:#?}"
    );
    assert_eq!(before.who().await, None, "the visitor's session has ended");

    // In another browser she visits again, and claims that as well: what others hold stays theirs.
    let (mut second, another) = visitor(&server).await;
    let another = text(&another["workspace"]["id"]);
    let mut stale = Browser::new(&server);
    stale.cookies = second.cookies.clone();
    sign_in(&mut second).await;
    let mine = workspaces(&mut second).await;
    assert!(mine.contains(&hers) && mine.contains(&another), "{mine:?}");
    assert!(!mine.contains(&his), "{mine:?}");
    assert_eq!(stale.who().await, None);

    // Two who hold the same cookie: the first gets it.
    let (mut first, shared) = visitor(&server).await;
    let shared = text(&shared["workspace"]["id"]);
    let mut thief = Browser::new(&server);
    thief.cookies = first.cookies.clone();
    issuer.book(|b| b.claims = person("cyd"));
    sign_in(&mut first).await;
    issuer.book(|b| b.claims = person("eve"));
    sign_in(&mut thief).await;
    assert!(workspaces(&mut first).await.contains(&shared));
    assert!(!workspaces(&mut thief).await.contains(&shared));

    // A link that somebody sends takes nothing away by being opened.
    let link = server.cli(&["web", "--print", "--json"]).await.exits(0);
    let link = text(&link.json()["url"]);
    let shown = bob.get(&link).await;
    assert_eq!(shown.status, 200, "it asks first: {shown:#?}");
    assert_eq!(workspaces(&mut bob).await, [his]);
}

async fn a_visitor_who_stays_away_is_gone(database: Database) {
    let (server, _issuer) = started(database, &[("VISITOR_IDLE", "3s")]).await;
    let (mut ann, _) = visitor(&server).await;
    let made = ann
        .http()
        .post(format!("{}/anonymous/key", server.url()))
        .header("accept", "application/json");
    let key = text(&ann.send(made).await.json()["key"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = server.send_as(Some(&key), "GET", "/me", None).await;
        if reply.status == 401 || reply.status == 403 {
            break;
        }
        assert!(Instant::now() < deadline, "the workspace stays: {reply:#?}");
        // Using it would keep it.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(ann.who().await, None);
}

async fn a_link_asks_who_somebody_is_before_it_makes_them_a_visitor(database: Database) {
    let (server, issuer) = started(database, &[]).await;
    issuer.book(|b| b.claims = person("ann"));
    let (mut ann, _) = visitor(&server).await;
    sign_in(&mut ann).await;
    let task = ann
        .api("POST", "/tasks", Some(&json!({ "code": "return 1" })))
        .await;
    let id = text(&task.json()["id"]);
    for link in [format!("/tasks/{id}"), "/w/hers/tasks".to_owned()] {
        let mut elsewhere = Browser::new(&server);
        let asked = elsewhere.get(&link).await;
        assert_eq!(asked.status, 401, "{asked:#?}");
        // Going on without an account leads to the start, as the link would only ask again.
        assert!(
            asked.body.contains("<a href=\"/\">Go on without"),
            "{asked:#?}"
        );
        let me = elsewhere.api("GET", "/me", None).await;
        assert_eq!(me.status, 401, "nobody is a visitor yet: {me:#?}");
        let begins = "href=\"/sign-in/begin?next=";
        let at = asked.body.find(begins).expect("a way to the provider");
        let way = &asked.body[at + "href=\"".len()..];
        let way = way[..way.find('"').expect("its end")].to_owned();
        let sent = elsewhere.get(&way).await;
        let back = elsewhere.get(sent.leads()).await;
        let shown = elsewhere.get(back.leads()).await;
        assert_eq!(shown.leads(), link, "after it the link leads on");
        let seen = elsewhere.api("GET", &format!("/tasks/{id}"), None).await;
        assert_eq!(seen.status, 200, "{seen:#?}");
    }
    // The start makes a visitor, as before, and a visitor's own link is not asked about.
    let (mut bob, _) = visitor(&server).await;
    assert_eq!(bob.get(&format!("/tasks/{id}")).await.status, 200);
}
