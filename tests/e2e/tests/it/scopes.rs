//! What single keys may be used for, and how much: a key does what its scopes say, makes none that may
//! do more than itself, and is held to limits of its own.

use crate::api::Reply;
use crate::database::Database;
use crate::people::{Person, SCOPES, text};
use crate::server::Server;
use serde_json::{Value, json};

on_both_databases!(
    a_key_does_what_its_scopes_say,
    no_key_makes_a_wider_one,
    a_key_is_held_to_its_own_limits,
);

/// A key of the caller's with these scopes: its identifier and its secret.
async fn with(server: &Server, scopes: &[&str]) -> (String, String) {
    let new = json!({ "name": scopes.join(" "), "scopes": scopes });
    let made = server.post("/keys", new).await;
    (text(&made["key"]["id"]), text(&made["secret"]))
}

fn lacks(reply: &Reply, scope: &str) {
    assert_eq!(
        (
            reply.status,
            &reply.body["code"],
            &reply.body["details"]["scope"]
        ),
        (403, &json!("insufficient_scope"), &json!(scope)),
        "{reply:#?}"
    );
}

/// A scope and a request that takes it: method, path and body.
type Use = (&'static str, &'static str, &'static str, Option<Value>);

/// One thing for each scope, by whoever has it and nobody else.
fn uses() -> [Use; 9] {
    [
        ("run", "POST", "/tasks", Some(json!({ "code": "return 1" }))),
        ("read", "GET", "/policies", None),
        (
            "sources",
            "POST",
            "/sources/preview",
            Some(json!({ "url": "https://127.0.0.1:1/x" })),
        ),
        (
            "policies",
            "POST",
            "/policies",
            Some(json!({ "effect": "ask", "level": "personal" })),
        ),
        (
            "credentials",
            "POST",
            "/credentials",
            Some(json!({ "source": "none", "value": "x" })),
        ),
        (
            "keys",
            "POST",
            "/keys",
            Some(json!({ "name": "another", "scopes": ["keys"] })),
        ),
        (
            "members",
            "POST",
            "/members",
            Some(json!({ "name": "Ada" })),
        ),
        ("settings", "PATCH", "/workspace/settings", Some(json!({}))),
        ("audit", "GET", "/audit", None),
    ]
}

async fn a_key_does_what_its_scopes_say(database: Database) {
    let server = Server::start(database).await;
    let made = server.post("/keys", json!({ "name": "plain" })).await;
    assert_eq!(made["key"]["scopes"], json!(["run", "read"]));
    let plain = text(&made["secret"]);
    let member = text(&server.get("/me").await["accountId"]);
    for (scope, method, path, body) in uses() {
        let (_, secret) = with(&server, &[scope]).await;
        let may = server
            .send_as(Some(&secret), method, path, body.as_ref())
            .await;
        assert!(!matches!(may.status, 401 | 403), "{scope}: {may:#?}");
        let others: Vec<&str> = SCOPES.into_iter().filter(|s| *s != scope).collect();
        let (_, secret) = with(&server, &others).await;
        let may_not = server
            .send_as(Some(&secret), method, path, body.as_ref())
            .await;
        let sees = scope == "read";
        if sees {
            // Whoever makes rules sees them.
            assert_eq!(may_not.status, 200, "{may_not:#?}");
        } else {
            lacks(&may_not, scope);
        }
        let by_plain = server
            .send_as(Some(&plain), method, path, body.as_ref())
            .await;
        if matches!(scope, "run" | "read") {
            assert!(by_plain.status < 300, "{scope}: {by_plain:#?}");
        } else {
            lacks(&by_plain, scope);
        }
    }
    let (_, nothing) = with(&server, &["audit"]).await;
    for path in [
        "/tasks",
        "/sources",
        "/policies",
        "/credentials",
        "/keys",
        "/workspace/settings",
    ] {
        let unseen = server.send_as(Some(&nothing), "GET", path, None).await;
        lacks(&unseen, "read");
    }
    a_scope_gives_nothing_that_its_person_may_not(&server).await;
    let listed = server.cli(&["keys", "list"]).await.exits(0);
    assert!(listed.out.contains("run read"), "{}", listed.out);
    let made = [
        "keys",
        "create",
        "setup",
        "--scope",
        "sources",
        "--scope",
        "credentials",
        "--json",
    ];
    let made = server.cli(&made).await.exits(0).json();
    assert_eq!(made["key"]["scopes"], json!(["sources", "credentials"]));
    assert_eq!(made["key"]["member"], json!(member));
}

async fn a_scope_gives_nothing_that_its_person_may_not(server: &Server) {
    let ada = Person::add(server, "Ada", "member").await;
    let refused = ada.send(server, "GET", "/audit", None).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (403, &json!("forbidden"))
    );
    let all = server
        .post("/keys", json!({ "name": "all", "scopes": SCOPES }))
        .await;
    let links = server
        .send_as(Some(&text(&all["secret"])), "POST", "/sign-in-links", None)
        .await;
    assert_eq!(links.status, 403, "no scope signs a person in: {links:#?}");
}

async fn no_key_makes_a_wider_one(database: Database) {
    let server = Server::start(database).await;
    let (own, narrow) = with(&server, &["keys", "run"]).await;
    let (wide, _) = with(&server, &["keys", "run", "audit"]).await;
    let mint = |scopes: Value| {
        let (server, narrow) = (&server, narrow.clone());
        async move {
            let new = json!({ "name": "minted", "scopes": scopes });
            server
                .send_as(Some(&narrow), "POST", "/keys", Some(&new))
                .await
        }
    };
    lacks(&mint(json!(["audit"])).await, "audit");
    lacks(&mint(json!(["run", "members"])).await, "members");
    lacks(&mint(json!(SCOPES)).await, "read");
    let unsaid = json!({ "name": "minted" });
    let unsaid = server
        .send_as(Some(&narrow), "POST", "/keys", Some(&unsaid))
        .await;
    lacks(&unsaid, "read");
    assert_eq!(mint(json!(["run"])).await.status, 201, "as much as it has");
    assert_eq!(mint(json!([])).await.body["code"], "invalid_scopes");
    assert_eq!(mint(json!(["run audit"])).await.status, 422);
    assert_eq!(mint(json!(["everything"])).await.status, 422);
    // Whoever rotates a key holds it.
    let rotate = |id: &str| format!("/keys/{id}/rotate");
    let stolen = server
        .send_as(Some(&narrow), "POST", &rotate(&wide), Some(&json!({})))
        .await;
    lacks(&stolen, "audit");
    let itself = server
        .send_as(Some(&narrow), "POST", &rotate(&own), Some(&json!({})))
        .await;
    assert_eq!(itself.status, 200, "{itself:#?}");
    let brief = [
        "keys",
        "create",
        "brief",
        "--scope",
        "keys,run",
        "--expires",
        "1h",
        "--json",
    ];
    let brief = text(&server.cli(&brief).await.exits(0).json()["secret"]);
    let lasting = server
        .send_as(Some(&brief), "POST", &rotate(&own), Some(&json!({})))
        .await;
    assert_eq!(lasting.body["code"], "outlives_caller", "{lasting:#?}");
    // A member gives no scope that a member has no use for.
    let ada = Person::add(&server, "Ada", "member").await;
    for scope in ["sources", "members", "settings", "audit"] {
        let new = json!({ "name": "wide", "scopes": [scope] });
        let refused = ada.send(&server, "POST", "/keys", Some(&new)).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("forbidden")),
            "{scope}"
        );
    }
}

async fn a_key_is_held_to_its_own_limits(database: Database) {
    let server = Server::start(database).await;
    let new = json!({ "name": "slow", "limits": { "requestsPerMinute": 3 } });
    let slow = text(&server.post("/keys", new).await["secret"]);
    let mut last = server.send_as(Some(&slow), "GET", "/me", None).await;
    assert_eq!(last.status, 200, "{last:#?}");
    for _ in 0..20 {
        last = server.send_as(Some(&slow), "GET", "/me", None).await;
    }
    assert_eq!(
        (last.status, &last.body["code"]),
        (429, &json!("rate_limited")),
        "{last:#?}"
    );
    assert_eq!(
        last.body["details"],
        json!({ "limit": "requestsPerMinutePerKey", "value": 3 })
    );
    let url = format!("{}/api/v1/me", server.url());
    let raw = server
        .http
        .get(url)
        .bearer_auth(&slow)
        .send()
        .await
        .expect("an answer");
    let after = raw
        .headers()
        .get("retry-after")
        .expect("when to come again");
    let after: u64 = after.to_str().expect("text").parse().expect("seconds");
    assert!((1..=20).contains(&after), "{after}");
    assert_eq!(
        server.send("GET", "/me", None).await.status,
        200,
        "nobody else is held up"
    );
    a_key_has_tasks_of_its_own_in_a_day(&server).await;
    let bad = json!({ "name": "none", "limits": { "requestsPerMinute": 0 } });
    let refused = server.send("POST", "/keys", Some(&bad)).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (422, &json!("invalid_limit"))
    );
}

async fn a_key_has_tasks_of_its_own_in_a_day(server: &Server) {
    let created = [
        "keys",
        "create",
        "few",
        "--scope",
        "keys,run,read",
        "--tasks-per-day",
        "1",
        "--json",
    ];
    let few = text(&server.cli(&created).await.exits(0).json()["secret"]);
    let task = json!({ "code": "return 1" });
    let first = server
        .send_as(Some(&few), "POST", "/tasks", Some(&task))
        .await;
    assert!(first.status < 300, "{first:#?}");
    let second = server
        .send_as(Some(&few), "POST", "/tasks", Some(&task))
        .await;
    assert_eq!(
        (second.status, &second.body["code"]),
        (429, &json!("quota_exceeded")),
        "{second:#?}"
    );
    assert_eq!(
        second.body["details"],
        json!({ "limit": "tasksPerDayPerKey", "value": 1 })
    );
    // A key makes none that may do more in a day.
    let more = json!({ "name": "more", "limits": { "tasksPerDay": 100 } });
    let minted = server
        .send_as(Some(&few), "POST", "/keys", Some(&more))
        .await;
    assert_eq!(
        minted.body["key"]["limits"],
        json!({ "tasksPerDay": 1 }),
        "{minted:#?}"
    );
}
