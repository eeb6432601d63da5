//! Executor as an authorization server: the whole way of a client to its tokens, what they open, and
//! how they end. What must not lead to one is in `authorization_attacks.rs`.

use crate::binary;
use crate::browser::Browser;
use crate::database::Database;
use crate::issuer::{Issuer, access_token};
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use crate::visitor::{App, Page, REDIRECT, Visitor, form as fill, pair};
use serde_json::{Value, json};

on_both_databases!(
    a_client_is_led_to_a_token_and_keeps_to_it,
    a_device_waits_for_a_person,
    what_was_granted_ends_at_once,
);

async fn a_client_is_led_to_a_token_and_keeps_to_it(database: Database) {
    let server = Server::start(database).await;
    who_has_no_token_is_told_where_to_go(&server).await;

    // Nobody consents but a person who is signed in.
    let app = App::registered(&server, "<b>Very</b> \u{202e}official").await;
    let unknown = Visitor::new(&server).asked(&app.asking("run read")).await;
    assert!(!unknown.text.contains("name=\"ticket\""), "{unknown:#?}");
    let visitor = Visitor::signed_in(&server).await;
    let page = visitor.asked(&app.asking("run read")).await;
    a_page_says_who_asks_and_where_the_answer_goes(&page);
    let back = visitor.allow(&page).await;
    assert_eq!(back.status, 303, "{back:#?}");
    assert!(
        back.header("location").starts_with(&format!("{REDIRECT}?")),
        "{back:#?}"
    );
    assert_eq!(
        back.sent("state").as_deref(),
        Some("kept by the client & back")
    );
    assert_eq!(back.sent("iss"), Some(server.url()), "RFC 9207");
    let (access, refresh) = pair(&app.redeem(&back.sent("code").expect("a code")).await);
    assert_eq!(app.opens_mcp(&access).await, 200);
    for other in [refresh.as_str(), "exa_0", "eyJhbGciOiJub25lIn0.e30.", "x"] {
        let refused = app.initialize(Some(other)).await;
        assert_eq!(refused.status, 401, "{other}: {refused:#?}");
        assert!(
            refused
                .header("www-authenticate")
                .contains("error=\"invalid_token\"")
        );
    }
    // Its audience is the MCP endpoint.
    assert_eq!(app.api(&server, &access, "/me").await.status, 401);
    a_token_for_the_api_is_for_it_alone(&server, &visitor, &app).await;
    // Every request is consented to anew.
    let again = visitor.asked(&app.asking("run read")).await;
    assert!(again.text.contains("name=\"ticket\""), "{again:#?}");
    let (next, second) = pair(&app.refresh(&refresh).await);
    assert_eq!(app.opens_mcp(&next).await, 200);
    assert_ne!(second, refresh);
}

/// A client that knows only the endpoint is led to who gives tokens for it.
async fn who_has_no_token_is_told_where_to_go(server: &Server) {
    let stranger = App::stranger(server);
    let refused = stranger.initialize(None).await;
    assert_eq!(refused.status, 401, "{refused:#?}");
    let challenge = refused.header("www-authenticate");
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", server.url());
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    assert!(
        challenge.contains(&format!("resource_metadata=\"{metadata}\"")),
        "{challenge}"
    );
    assert!(challenge.contains("scope=\"run read\""), "{challenge}");
    let resource = stranger
        .get("/.well-known/oauth-protected-resource/mcp")
        .await
        .json();
    assert_eq!(resource["resource"], format!("{}/mcp", server.url()));
    assert_eq!(resource["authorization_servers"], json!([server.url()]));
    let itself = stranger
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(itself["issuer"], server.url());
    assert_eq!(itself["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(
        itself["authorization_response_iss_parameter_supported"],
        true
    );
}

/// The name of a client is text alone, and nobody frames the page on which it stands.
fn a_page_says_who_asks_and_where_the_answer_goes(page: &Page) {
    assert_eq!(page.status, 200, "{page:#?}");
    assert!(
        page.text.contains("&lt;b&gt;Very&lt;/b&gt; official"),
        "{page:#?}"
    );
    assert!(!page.text.contains("<b>Very"), "{page:#?}");
    assert!(
        page.text.contains("127.0.0.1"),
        "where the answer goes: {page:#?}"
    );
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:9"),
        "{policy}"
    );
}

/// A token that is asked for the API opens nothing else, and that within its scopes.
async fn a_token_for_the_api_is_for_it_alone(server: &Server, visitor: &Visitor, app: &App) {
    let of_api = format!("{}/api/v1", server.url());
    let mut asking = app.asking("run read");
    asking.push(("resource", &of_api));
    let page = visitor.asked(&asking).await;
    let code = visitor.allow(&page).await.sent("code").expect("a code");
    let (api_token, _) = pair(&app.redeem(&code).await);
    assert_eq!(app.api(server, &api_token, "/me").await.status, 200);
    assert_eq!(app.opens_mcp(&api_token).await, 401);
    let audit = app.api(server, &api_token, "/audit").await;
    assert_eq!(
        (
            audit.status,
            &audit.body["code"],
            &audit.body["details"]["scope"]
        ),
        (403, &json!("insufficient_scope"), &json!("audit")),
        "{audit:#?}"
    );
    // An approval is nobody's to decide who came with a token; nor is another grant.
    let link = server
        .send_as(Some(&api_token), "POST", "/sign-in-links", None)
        .await;
    assert!(link.status >= 400, "{link:#?}");
}

async fn a_device_waits_for_a_person(database: Database) {
    let server = Server::start(database).await;
    let visitor = Visitor::signed_in(&server).await;
    let app = App::registered(&server, "a headless machine").await;
    let form = [("client_id", app.id.as_str()), ("scope", "run")];
    let asked = app.form("/oauth/device_authorization", &form).await.json();
    let (device, code) = (text(&asked["device_code"]), text(&asked["user_code"]));
    assert_eq!(
        asked["verification_uri"],
        format!("{}/device", server.url())
    );
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device.as_str()),
        ("client_id", app.id.as_str()),
    ];
    let early = app.form("/oauth/token", &poll).await;
    assert_eq!(early.json()["error"], "authorization_pending", "{early:#?}");
    let hasty = app.form("/oauth/token", &poll).await;
    assert_eq!(hasty.json()["error"], "slow_down", "{hasty:#?}");
    let wrong = visitor.post("/device", &[("user_code", "BBBB-BBBB")]).await;
    assert_eq!(wrong.status, 400, "{wrong:#?}");
    assert!(
        visitor
            .get("/device")
            .await
            .text
            .contains("name=\"user_code\"")
    );
    let lower = code.to_lowercase();
    let page = visitor.post("/device", &[("user_code", &lower)]).await;
    assert!(page.text.contains("a headless machine"), "{page:#?}");
    assert!(page.text.contains(&code), "{page:#?}");
    let granted = visitor.allow(&page).await;
    assert_eq!(granted.status, 200, "{granted:#?}");
    let (access, _) = pair(&app.form("/oauth/token", &poll).await);
    assert_eq!(app.opens_mcp(&access).await, 200);
    let twice = app.form("/oauth/token", &poll).await;
    assert_eq!(twice.json()["error"], "invalid_grant", "{twice:#?}");
    assert_eq!(
        visitor.allow(&page).await.status,
        422,
        "the code was answered"
    );
    let asked = app.form("/oauth/device_authorization", &form).await.json();
    let page = visitor
        .get(&format!("/device?user_code={}", text(&asked["user_code"])))
        .await;
    let (ticket, device) = (page.input("ticket"), text(&asked["device_code"]));
    let deny = [("ticket", ticket.as_str()), ("decision", "deny")];
    assert_eq!(visitor.post("/oauth/authorize", &deny).await.status, 200);
    let mut poll = poll;
    poll[1].1 = &device;
    let refused = app.form("/oauth/token", &poll).await;
    assert_eq!(refused.json()["error"], "access_denied", "{refused:#?}");
    // Codes are not found by trying.
    let mut last = 0;
    for _ in 0..30 {
        last = visitor
            .post("/device", &[("user_code", "BBBB-BBBB")])
            .await
            .status;
    }
    assert_eq!(last, 429);
}

const WRITE: &str =
    "return (await tools.ledger.items.createItem({ name: 'granted', amount: 1 })).name";

async fn what_was_granted_ends_at_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let visitor = Visitor::signed_in(&server).await;
    let app = App::registered(&server, "a client").await;
    let of_api = format!("{}/api/v1", server.url());
    let mut asking = app.asking("run read keys");
    asking.push(("resource", &of_api));
    let page = visitor.asked(&asking).await;
    let code = visitor.allow(&page).await.sent("code").expect("a code");
    let (access, refresh) = pair(&app.redeem(&code).await);
    let read = "return (await tools.ledger.items.listItems()).items.length";
    let body = json!({ "code": read });
    let ran = server
        .send_as(Some(&access), "POST", "/tasks", Some(&body))
        .await;
    assert!(ran.status < 300, "{ran:#?}");
    server.finished(&text(&ran.body["id"])).await;
    let sent = format!("{:?}", upstream.received());
    assert!(
        sent.contains("/items") && !sent.contains(&access),
        "no token is passed on"
    );
    let body = json!({ "code": WRITE });
    let waiting = server
        .send_as(Some(&access), "POST", "/tasks", Some(&body))
        .await;
    let waiting = text(&waiting.body["id"]);
    let asked = server.pending(1).await.remove(0);
    let own = server.send_as(Some(&access), "GET", "/grants", None).await;
    let grants = own.body["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(grants.len(), 1, "{own:#?}");
    assert_eq!(grants[0]["clientName"], "a client");
    assert_eq!(grants[0]["scopes"], json!(["run", "read", "keys"]));
    a_token_makes_no_key_above_itself(&server, &access).await;
    a_token_is_looked_into_by_whose_it_is(&server, &access).await;
    let listed = server.cli(&["grants", "list"]).await.exits(0);
    assert!(listed.out.contains("a client"), "{}", listed.out);
    let id = text(&grants[0]["id"]);
    server.cli(&["grants", "revoke", &id]).await.exits(0);
    assert_eq!(
        app.api(&server, &access, "/me").await.status,
        401,
        "at once"
    );
    assert_eq!(app.refresh(&refresh).await.status, 400);
    // What came in with it makes no more calls.
    server.approve(&asked).await;
    let ended = server.finished(&waiting).await;
    assert_eq!(ended["status"], "denied", "{ended:#}");
    assert_eq!(upstream.writes(), 0);
    what_a_client_gives_back_has_ended(&server, &visitor, &app).await;
}

/// No key that may do more, or that outlives what it came of.
async fn a_token_makes_no_key_above_itself(server: &Server, access: &str) {
    let wide = json!({ "name": "wide", "scopes": ["audit"] });
    let minted = server
        .send_as(Some(access), "POST", "/keys", Some(&wide))
        .await;
    assert_eq!(minted.body["code"], "insufficient_scope", "{minted:#?}");
    let narrow = json!({ "name": "narrow", "scopes": ["run"] });
    let minted = server
        .send_as(Some(access), "POST", "/keys", Some(&narrow))
        .await;
    assert_eq!(minted.status, 201, "{minted:#?}");
    assert!(minted.body["key"]["expiresAt"].is_string(), "{minted:#?}");
}

/// Introspection is for whoever holds a key of the workspace.
async fn a_token_is_looked_into_by_whose_it_is(server: &Server, access: &str) {
    let form = [("token", access)];
    let url = format!("{}/oauth/introspect", server.url());
    let told: Value = fill(server.http.post(&url), &form)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(told["active"], true, "{told:#}");
    let member = Person::add(server, "Ada", "member").await;
    let request = fill(server.http.post(&url).bearer_auth(&member.key), &form);
    let told: Value = request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(told, json!({ "active": false }), "another member's token");
}

/// A token that its client gives back takes its grant along.
async fn what_a_client_gives_back_has_ended(server: &Server, visitor: &Visitor, app: &App) {
    let (access, refresh) = app.tokens(visitor, "run").await;
    assert_eq!(app.opens_mcp(&access).await, 200);
    let form = [("token", refresh.as_str()), ("client_id", app.id.as_str())];
    let other = App::registered(server, "another").await;
    let theirs = [
        ("token", refresh.as_str()),
        ("client_id", other.id.as_str()),
    ];
    assert_eq!(app.form("/oauth/revoke", &theirs).await.status, 400);
    assert_eq!(app.opens_mcp(&access).await, 200);
    assert_eq!(app.form("/oauth/revoke", &form).await.status, 200);
    assert_eq!(app.opens_mcp(&access).await, 401);
    assert_eq!(
        app.form("/oauth/revoke", &form).await.status,
        200,
        "it has ended already"
    );
}

/// The official clients, for TypeScript and Python: discovery, registration, consent, code, call,
/// refresh, call.
async fn official(language: &str) {
    let (server, _upstream) = Upstream::connected(Database::sqlite()).await;
    let root = binary::root();
    let (program, script) = match language {
        "python" => (
            root.join("target/venv/bin/python"),
            root.join("tests/python/oauth.py"),
        ),
        _ => ("node".into(), root.join("tests/node/oauth.mjs")),
    };
    let link = server.cli(&["web", "--print"]).await.exits(0);
    let order = json!({
        "url": format!("{}/mcp", server.url()), "link": link.out.trim(),
        "code": "return (await tools.ledger.items.listItems()).items.length",
    });
    let mut command = binary::command(&program, &server.scratch(""));
    command.arg(script);
    let ran = binary::finish(command, Some(&order.to_string()))
        .await
        .exits(0);
    let told = ran.json();
    assert_eq!(told["first"]["status"], "completed", "{told:#}");
    assert_eq!(told["first"]["result"], 1, "{told:#}");
    assert_eq!(told["second"]["status"], "completed", "{told:#}");
    assert_eq!(
        told["consents"], 1,
        "the second time it was refreshed: {told:#}"
    );
    assert_eq!(told["refreshed"], true, "{told:#}");
    let grants = server.get("/grants").await;
    assert_eq!(
        grants["items"][0]["clientName"], "executor-tests",
        "{grants:#}"
    );
    assert!(grants["items"][0]["lastUsedAt"].is_string(), "{grants:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_client_goes_the_whole_way() {
    official("typescript").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_goes_the_whole_way() {
    official("python").await;
}

/// Where another authorization server is named, its tokens open the MCP endpoint for whom they are
/// about, and nobody else's open anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_named_issuer_stand_for_who_signed_in_with_it() {
    let issuer = Issuer::start().await;
    let mut server = Server::prepare(Database::sqlite());
    server.environment = issuer.settings("oidc");
    let named = (
        "EXECUTOR_AUTHORIZATION_ISSUER".to_owned(),
        issuer.url().to_owned(),
    );
    server.environment.push(named);
    server.launch().await;
    let app = App::stranger(&server);
    let audience = format!("{}/mcp", server.url());
    let token = |changes: Value| access_token(&issuer, 0, &audience, &changes);
    let refused = app.initialize(None).await;
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .contains("resource_metadata=")
    );
    let resource = app
        .get("/.well-known/oauth-protected-resource/mcp")
        .await
        .json();
    assert_eq!(resource["authorization_servers"], json!([issuer.url()]));
    assert_eq!(
        app.get("/.well-known/oauth-authorization-server")
            .await
            .status,
        404
    );
    assert_eq!(
        app.register(json!({ "redirect_uris": [REDIRECT] }))
            .await
            .status,
        404
    );
    // Nobody is known here who has not signed in.
    let unknown = app.initialize(Some(&token(json!({})))).await;
    assert_eq!(
        (unknown.status, &unknown.json()["code"]),
        (403, &json!("unknown_person"))
    );
    let mut ada = Browser::new(&server);
    let sent = ada.get("/sign-in/begin?next=/tasks").await;
    let back = ada.get(sent.leads()).await;
    let back = back.leads().to_owned();
    let done = ada.get(&back).await;
    assert_eq!(done.status, 303, "{done:#?}");
    assert_eq!(app.opens_mcp(&token(json!({}))).await, 200);
    assert_eq!(
        app.api(&server, &token(json!({})), "/me").await.status,
        401,
        "MCP alone"
    );
    for changes in [
        json!({ "aud": "https://other.example/mcp" }),
        json!({ "aud": server.url() }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": 1_000 }),
        json!({ "exp": null }),
        json!({ "sub": null }),
    ] {
        assert_eq!(
            app.opens_mcp(&token(changes.clone())).await,
            401,
            "{changes}"
        );
    }
    let forged = access_token(&issuer, 1, &audience, &json!({}));
    assert_eq!(app.opens_mcp(&forged).await, 401, "another key");
    let whole = token(json!({}));
    let (head, _) = whole.rsplit_once('.').expect("three parts");
    assert_eq!(
        app.opens_mcp(&format!("{head}.")).await,
        401,
        "no signature"
    );
    let nobody = app.initialize(Some(&token(json!({ "sub": "eve" })))).await;
    assert_eq!(nobody.status, 403, "{nobody:#?}");
}
