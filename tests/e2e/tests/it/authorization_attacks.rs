//! What must not lead to a token: forged and borrowed consents, codes and refresh tokens that two
//! hold, documents and registrations that mean no good. Beside each attack stands what is good.

use crate::database::Database;
use crate::people::{Person, text};
use crate::server::{PATIENCE, Server};
use crate::visitor::{App, CHALLENGE, Page, REDIRECT, VERIFIER, Visitor, pair};
use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    nobody_else_consents,
    wrong_requests_are_refused,
    a_code_is_good_once_and_for_whom_it_is,
    a_refresh_token_that_two_hold_ends_the_family,
);

/// Forged and borrowed consents (M10), beside one that is good.
async fn nobody_else_consents(database: Database) {
    let server = Server::start(database).await;
    let visitor = Visitor::signed_in(&server).await;
    let app = App::registered(&server, "a client").await;
    let page = visitor.asked(&app.asking("run")).await;
    let (ticket, workspace) = (page.input("ticket"), page.input("workspace"));
    let form = [
        ("ticket", ticket.as_str()),
        ("workspace", workspace.as_str()),
        ("scope_run", "on"),
        ("decision", "allow"),
    ];
    let is_refused = |page: &Page, what: &str| {
        assert!(page.status >= 400, "{what}: {page:#?}");
        assert_eq!(page.header("location"), "", "{what}");
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let forged = visitor
            .post_with("/oauth/authorize", &form, &[(name, value)])
            .await;
        assert_eq!(forged.status, 403, "{name}: {value}: {forged:#?}");
    }
    let elsewhere = Visitor::signed_in(&server).await;
    is_refused(
        &elsewhere.post("/oauth/authorize", &form).await,
        "another browser",
    );
    is_refused(
        &Visitor::new(&server).post("/oauth/authorize", &form).await,
        "nobody",
    );
    let mut wider = form.to_vec();
    wider.push(("scope_audit", "on"));
    is_refused(
        &visitor.post("/oauth/authorize", &wider).await,
        "more than was shown",
    );
    let changed: String = ticket.chars().rev().collect();
    let mut broken = form.to_vec();
    broken[0].1 = &changed;
    is_refused(
        &visitor.post("/oauth/authorize", &broken).await,
        "a changed ticket",
    );
    let mut none = form.to_vec();
    none.remove(2);
    is_refused(&visitor.post("/oauth/authorize", &none).await, "no scope");
    // With a key, of whatever scopes, there is no page.
    let admin = Person::add(&server, "Ada", "admin").await;
    let query = reqwest::Url::parse_with_params("http://x/", app.asking("run")).expect("a query");
    let path = format!(
        "{}/oauth/authorize?{}",
        server.url(),
        query.query().unwrap_or_default()
    );
    let by_key = server.http.get(path).bearer_auth(&admin.key).send().await;
    assert_eq!(by_key.expect("an answer").status(), 403);
    let good = visitor.post("/oauth/authorize", &form).await;
    assert_eq!(good.status, 303, "{good:#?}");
    let denied = visitor.asked(&app.asking("run")).await;
    let ticket = denied.input("ticket");
    let form = [("ticket", ticket.as_str()), ("decision", "deny")];
    let back = visitor.post("/oauth/authorize", &form).await;
    assert_eq!(
        back.sent("error").as_deref(),
        Some("access_denied"),
        "{back:#?}"
    );
    assert_eq!(back.sent("iss"), Some(server.url()), "{back:#?}");
}

/// Requests that lead to no page: told to the client, or to the person alone.
async fn wrong_requests_are_refused(database: Database) {
    let server = Server::start(database).await;
    let visitor = Visitor::signed_in(&server).await;
    let app = App::registered(&server, "a client").await;
    let with = |name: &'static str, value: Option<&'static str>| {
        let mut asking = app.asking("run");
        asking.retain(|(n, _)| *n != name);
        asking.extend(value.map(|v| (name, v)));
        asking
    };
    for (name, value, code) in [
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", Some("short"), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("response_type", None, "invalid_request"),
        ("scope", Some("run everything"), "invalid_scope"),
        (
            "resource",
            Some("https://evil.example/mcp"),
            "invalid_target",
        ),
        ("resource", Some("http://127.0.0.1:1/mcp"), "invalid_target"),
        ("prompt", Some("none"), "interaction_required"),
    ] {
        let back = visitor.asked(&with(name, value)).await;
        assert_eq!(back.status, 303, "{name} {value:?}: {back:#?}");
        assert!(
            back.header("location").starts_with(REDIRECT),
            "{name}: {back:#?}"
        );
        assert_eq!(
            back.sent("error").as_deref(),
            Some(code),
            "{name} {value:?}"
        );
        assert_eq!(back.sent("iss"), Some(server.url()), "{name}");
        assert!(
            back.sent("state").is_some() && back.sent("code").is_none(),
            "{name}"
        );
    }
    for (name, value) in [
        ("client_id", Some("client_unknown")),
        ("client_id", None),
        ("redirect_uri", Some("https://evil.example/callback")),
        ("redirect_uri", Some("http://127.0.0.1:9/callback/../other")),
        (
            "redirect_uri",
            Some("http://127.0.0.1.evil.example:9/callback"),
        ),
        ("redirect_uri", Some("javascript:alert(1)")),
    ] {
        let page = visitor.asked(&with(name, value)).await;
        assert_eq!(page.status, 400, "{name} {value:?}: {page:#?}");
        assert_eq!(page.header("location"), "", "{name} {value:?}");
    }
    // RFC 8252: a native client is given another port at each start.
    let moved = visitor
        .asked(&with(
            "redirect_uri",
            Some("http://127.0.0.1:49999/callback"),
        ))
        .await;
    assert_eq!(moved.status, 200, "{moved:#?}");
    let mut twice = app.asking("run");
    twice.push(("state", "another"));
    assert_eq!(visitor.asked(&twice).await.status, 400);
}

async fn a_code_is_good_once_and_for_whom_it_is(database: Database) {
    let server = Server::start(database).await;
    let visitor = Visitor::signed_in(&server).await;
    let (app, other) = (
        App::registered(&server, "one").await,
        App::registered(&server, "another").await,
    );
    let form = |code: &str, client: &str, verifier: &str, uri: &str| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("client_id", client.to_owned()),
            ("code_verifier", verifier.to_owned()),
            ("redirect_uri", uri.to_owned()),
        ]
    };
    let elsewhere = "http://127.0.0.1:9/other";
    for (client, verifier, uri) in [
        (other.id.as_str(), VERIFIER, REDIRECT),
        (app.id.as_str(), CHALLENGE, REDIRECT),
        (app.id.as_str(), "", REDIRECT),
        (app.id.as_str(), VERIFIER, elsewhere),
    ] {
        let code = app.code(&visitor, "run").await;
        let form = form(&code, client, verifier, uri);
        let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let refused = app.form("/oauth/token", &pairs).await;
        assert_eq!(refused.status, 400, "{pairs:?}: {refused:#?}");
        if !verifier.is_empty() {
            assert_eq!(refused.json()["error"], "invalid_grant", "{pairs:?}");
            // It was used up by whoever tried.
            assert_eq!(app.redeem(&code).await.status, 400, "{pairs:?}");
        }
    }
    let unknown = app.redeem("exc_0").await;
    assert_eq!(unknown.json()["error"], "invalid_grant");
    let code = app.code(&visitor, "run").await;
    let (access, refresh) = pair(&app.redeem(&code).await);
    assert_eq!(app.opens_mcp(&access).await, 200);
    let again = app.redeem(&code).await;
    assert_eq!(again.json()["error"], "invalid_grant", "{again:#?}");
    assert_eq!(app.opens_mcp(&access).await, 401, "what it gave has ended");
    assert_eq!(app.refresh(&refresh).await.status, 400);
    // Of many at once one gets tokens, and the others end them.
    let code = app.code(&visitor, "run").await;
    let many = (0..8).map(|_| app.redeem(&code));
    let many = futures_util::future::join_all(many).await;
    let won: Vec<&Page> = many.iter().filter(|p| p.status == 200).collect();
    assert_eq!(won.len(), 1, "{many:#?}");
    assert_eq!(app.opens_mcp(&pair(won[0]).0).await, 401);
    secrets_prove_clients(&server, &visitor).await;
}

/// A client with a secret is nobody without it.
async fn secrets_prove_clients(server: &Server, visitor: &Visitor) {
    for proof in ["client_secret_basic", "client_secret_post"] {
        let mut app = App::stranger(server);
        let fields = json!({
            "client_name": "with a secret", "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": proof,
        });
        let made = app.register(fields).await.json();
        app.id = text(&made["client_id"]);
        let secret = text(&made["client_secret"]);
        let code = app.code(visitor, "run").await;
        for wrong in [None, Some("exs_wrong")] {
            let mut form = vec![
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("client_id", app.id.as_str()),
                ("code_verifier", VERIFIER),
            ];
            form.extend(wrong.map(|w| ("client_secret", w)));
            let refused = app.form("/oauth/token", &form).await;
            assert_eq!(
                (refused.status, &refused.json()["error"]),
                (401, &json!("invalid_client")),
                "{refused:#?}"
            );
        }
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("client_id", app.id.as_str()),
            ("client_secret", secret.as_str()),
            ("code_verifier", VERIFIER),
        ];
        // A client that cannot prove itself uses nothing up.
        let (access, _) = pair(&app.form("/oauth/token", &form).await);
        assert_eq!(app.opens_mcp(&access).await, 200);
    }
}

async fn a_refresh_token_that_two_hold_ends_the_family(database: Database) {
    let server = Server::start(database).await;
    let visitor = Visitor::signed_in(&server).await;
    let app = App::registered(&server, "a client").await;
    let (_, first) = app.tokens(&visitor, "run read").await;
    let (access, second) = pair(&app.refresh(&first).await);
    let (latest, third) = pair(&app.refresh(&second).await);
    assert_eq!(app.opens_mcp(&latest).await, 200);
    assert_eq!(app.opens_mcp(&access).await, 200);
    // A thief comes with the first one.
    let stolen = app.refresh(&first).await;
    assert_eq!(stolen.json()["error"], "invalid_grant", "{stolen:#?}");
    assert_eq!(app.opens_mcp(&latest).await, 401);
    assert_eq!(app.opens_mcp(&access).await, 401);
    assert_eq!(app.refresh(&third).await.status, 400);
    assert_eq!(server.get("/grants").await["items"], json!([]));
    // Two at once are two as well: one token is never traded for two.
    let (_, token) = app.tokens(&visitor, "run read").await;
    let many = (0..8).map(|_| app.refresh(&token));
    let many = futures_util::future::join_all(many).await;
    let won: Vec<&Page> = many.iter().filter(|p| p.status == 200).collect();
    assert_eq!(won.len(), 1, "{many:#?}");
    let (access, refresh) = pair(won[0]);
    assert_eq!(app.opens_mcp(&access).await, 401);
    assert_eq!(app.refresh(&refresh).await.status, 400);
    // Less can be asked for, more cannot, and a mistake ends nothing.
    let (_, token) = app.tokens(&visitor, "run").await;
    let form = |scope: &'static str| {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
        ];
        form.extend([("client_id", app.id.as_str()), ("scope", scope)]);
        form
    };
    let wider = app.form("/oauth/token", &form("run audit")).await;
    assert_eq!(wider.json()["error"], "invalid_scope", "{wider:#?}");
    let other = App::registered(&server, "another").await;
    let theirs = other.refresh(&token).await;
    assert_eq!(theirs.json()["error"], "invalid_grant", "{theirs:#?}");
    let same = app.form("/oauth/token", &form("run")).await;
    assert_eq!(same.json()["scope"], "run", "{same:#?}");
    let audit = server.get("/audit?limit=200").await.to_string();
    assert!(
        audit.contains("a refresh token of it was used twice"),
        "{audit}"
    );
}

/// What a host gives out under its addresses: a good document, and all that may be wrong with one.
fn documents(origin: &str) -> Router {
    let mut router = Router::new();
    let good = |path: &str| {
        json!({
            "client_id": format!("{origin}{path}"), "client_name": "Described",
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none",
        })
    };
    let mut serve = |path: &'static str, document: Value| {
        let text = document.to_string();
        router = std::mem::take(&mut router).route(path, get(move || async move { text }));
    };
    serve("/good", good("/good"));
    serve("/other", good("/good"));
    let mut script = good("/script");
    script["logo_uri"] = json!("javascript:alert(1)");
    serve("/script", script);
    let mut secret = good("/secret");
    secret["token_endpoint_auth_method"] = json!("client_secret_post");
    serve("/secret", secret);
    let mut huge = good("/huge");
    huge["client_uri"] = json!(format!("https://x.example/{}", "x".repeat(64 << 10)));
    serve("/huge", huge);
    let mut ours = good("/redirects");
    ours["redirect_uris"] = json!(["javascript:alert(1)"]);
    serve("/redirects", ours);
    serve("/list", json!([good("/list")]));
    router
        .route(
            "/moved",
            get(|| async { axum::response::Redirect::temporary("/good") }),
        )
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(PATIENCE).await;
                "{}".into_response()
            }),
        )
}

/// Who a client is, is for its document to say, and the document's for nobody else (M12).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_document_is_judged() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let router = documents(&origin);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut server = Server::prepare(Database::sqlite());
    server
        .environment
        .push(("EXECUTOR_PRIVATE_CLIENTS".to_owned(), origin.clone()));
    server.launch().await;
    let visitor = Visitor::signed_in(&server).await;
    let mut app = App::stranger(&server);
    app.id = format!("{origin}/good");
    let page = visitor.asked(&app.asking("run")).await;
    assert_eq!(page.status, 200, "{page:#?}");
    assert!(
        page.text.contains("Described") && page.text.contains(&app.id),
        "{page:#?}"
    );
    let (access, refresh) = app.tokens(&visitor, "run").await;
    assert_eq!(app.opens_mcp(&access).await, 200);
    pair(&app.refresh(&refresh).await);
    for path in [
        "/other",
        "/script",
        "/secret",
        "/huge",
        "/redirects",
        "/list",
        "/moved",
        "/none",
        "/slow",
    ] {
        app.id = format!("{origin}{path}");
        let began = Instant::now();
        let page = visitor.asked(&app.asking("run")).await;
        assert_eq!(page.status, 400, "{path}: {page:#?}");
        assert!(!page.text.contains("name=\"ticket\""), "{path}");
        assert!(
            began.elapsed() < PATIENCE - Duration::from_secs(60),
            "{path}"
        );
    }
    // Nobody else's private addresses are read, however they are written.
    for id in [
        "https://127.0.0.1/client.json",
        "https://localhost:1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/client.json",
        "http://127.0.0.1:1/client.json",
    ] {
        app.id = id.to_owned();
        let page = visitor.asked(&app.asking("run")).await;
        assert_eq!(page.status, 400, "{id}: {page:#?}");
    }
    serving.abort();
}

/// Clients cannot be registered without end, nor lead back to us (M13).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_are_limited() {
    let server = Server::start(Database::sqlite()).await;
    let app = App::stranger(&server);
    let own = format!("{}/oauth/callback", server.url());
    let local = own.replace("127.0.0.1", "localhost");
    for uri in [
        own.as_str(),
        &local,
        "javascript:alert(1)",
        "http://a.example/cb",
        "https://a.example/#x",
    ] {
        let refused = app.register(json!({ "redirect_uris": [uri] })).await;
        assert_eq!(refused.status, 400, "{uri}: {refused:#?}");
        assert_eq!(refused.json()["error"], "invalid_redirect_uri", "{uri}");
    }
    let mut last = app.register(json!({ "redirect_uris": [REDIRECT] })).await;
    assert_eq!(last.status, 201, "{last:#?}");
    for _ in 0..200 {
        last = app.register(json!({ "redirect_uris": [REDIRECT] })).await;
        if last.status != 201 {
            break;
        }
    }
    assert_eq!(last.status, 429, "{last:#?}");
    assert!(
        last.header("retry-after")
            .parse::<u64>()
            .is_ok_and(|s| s > 0),
        "{last:#?}"
    );
}
