//! Authorization servers that lie, lead astray or ask for the world, and what is said to them: nothing.
//! Each case begins with one that is honest, so that a broken stage cannot pass for a defense.

use crate::authority::{Authority, Browser, text};
use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

on_both_databases!(
    what_it_says_of_itself_is_checked,
    whoever_answers_must_be_who_was_asked,
    a_secret_goes_to_one_place,
);

async fn started(database: Database) -> (Server, Authority) {
    let server = Server::start(database).await;
    let authority = Authority::start().await;
    authority.add_to(&server).await;
    (server, authority)
}

/// Begins a connect that must be refused before anything is sent anywhere.
async fn refused(server: &Server, new: Value) -> String {
    let reply = server
        .send("POST", "/sources/things/connect", Some(&new))
        .await;
    assert_eq!(reply.status, 422, "{reply:#?}");
    text(&reply.body["title"]).to_owned()
}

#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_it_says_of_itself_is_checked(database: Database) {
    let (server, authority) = started(database).await;
    let canary = Upstream::start().await;
    let elsewhere = format!("{}/x", canary.base_url());
    authority.connect(&server).await;
    let base = authority.base_url();
    for (metadata, expected) in [
        (json!({ "issuer": format!("{base}/") }), "another issuer"),
        (
            json!({ "issuer": "https://good.example" }),
            "another issuer",
        ),
        (json!({ "issuer": null }), "another issuer"),
        (
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            "only http and https",
        ),
        (
            json!({ "authorization_endpoint": "file:///etc/passwd" }),
            "only http and https",
        ),
        (
            json!({ "authorization_endpoint": "https://me:pw@as.example/" }),
            "user names",
        ),
        (
            json!({ "authorization_endpoint": "http://as.example/$(id)" }),
            "begins with https",
        ),
        (json!({ "token_endpoint": elsewhere }), "begins with https"),
        (
            json!({ "token_endpoint": null }),
            "where tokens are given out",
        ),
        (
            json!({ "code_challenge_methods_supported": ["plain"] }),
            "PKCE",
        ),
    ] {
        authority.book(|b| b.metadata = metadata.clone());
        let said = refused(&server, json!({})).await;
        assert!(said.contains(expected), "{metadata}: {said}");
    }
    authority.book(|b| b.metadata = json!({}));
    for resource in [
        json!({ "resource": "https://another.example" }),
        json!({ "resource": format!("{base}/other/api") }),
        json!({ "resource": null }),
    ] {
        // Without a word of its own it may still be its own server, as before RFC 9728: not here.
        authority.book(|b| {
            b.resource = resource.clone();
            b.metadata = json!({ "issuer": "https://good.example" });
        });
        let said = refused(&server, json!({})).await;
        assert!(said.contains("another resource"), "{resource}: {said}");
    }
    for server_of in [
        json!([canary.base_url()]),
        json!(["http://169.254.169.254"]),
        json!(["javascript:alert(1)"]),
        json!(["https://127.0.0.1:1", "https://10.0.0.1", "https://[::1]"]),
    ] {
        authority.book(|b| b.resource = json!({ "authorization_servers": server_of }));
        refused(&server, json!({})).await;
    }
    // Scopes without end are cut.
    let many: Vec<String> = (0..5_000).map(|n| format!("scope-{n}")).collect();
    authority.book(|b| {
        (b.resource, b.metadata) = (json!({ "scopes_supported": many }), json!({}));
    });
    let other = json!({ "label": "other" });
    let begun = server.post("/sources/things/connect", other).await;
    let asked = begun["scopes"].as_array().map(Vec::len);
    assert_eq!(asked, Some(100), "{begun:#}");
    // Nor what a person gives, but for what an administrator allows by name.
    authority.book(|b| (b.resource, b.metadata) = (json!({}), json!({})));
    let given = json!({ "clientId": "x", "authorizationUrl": elsewhere, "tokenUrl": elsewhere });
    refused(&server, given.clone()).await;
    assert!(canary.received().is_empty(), "{:?}", canary.received());
    let mut allowed = given;
    allowed["allowPrivate"] = json!([canary.base_url()]);
    server.post("/sources/things/connect", allowed).await;
    assert_eq!(authority.book(|b| b.registered), 1);
}

async fn whoever_answers_must_be_who_was_asked(database: Database) {
    let (server, authority) = started(database).await;
    let base = authority.base_url().to_owned();
    for (iss, promised, works) in [
        (base.clone(), true, true),
        (String::new(), false, true),
        (String::new(), true, false),
        (format!("{base}/"), true, false),
        (base.to_uppercase(), false, false),
        ("https://evil.example".to_owned(), true, false),
        ("https://evil.example".to_owned(), false, false),
    ] {
        authority.book(|b| {
            b.iss = Some(iss.clone());
            let field = "authorization_response_iss_parameter_supported";
            b.metadata = json!({ (field): promised });
        });
        let before = authority.book(|b| b.asked);
        let begun = server.post("/sources/things/connect", json!({})).await;
        let page = Browser::new().agree(&begun).await;
        let ended = server
            .get(&format!("/connects/{}", text(&begun["id"])))
            .await;
        let expected = if works { "connected" } else { "failed" };
        assert_eq!(
            ended["status"], expected,
            "{iss} {promised}: {ended:#}\n{page}"
        );
        let asked = authority.book(|b| b.asked) - before;
        assert_eq!(asked, usize::from(works), "the code goes nowhere: {iss}");
    }
}

async fn a_secret_goes_to_one_place(database: Database) {
    let (server, authority) = started(database).await;
    let canary = Upstream::start().await;
    authority.connect(&server).await;
    // A token endpoint that sends what it gets to somebody else.
    authority.book(|b| b.redirects = Some(format!("{}/collect", canary.base_url())));
    let begun = server.post("/sources/things/connect", json!({})).await;
    let page = Browser::new().agree(&begun).await;
    assert!(page.contains("not followed"), "{page}");
    assert!(canary.received().is_empty(), "{:?}", canary.received());
}
