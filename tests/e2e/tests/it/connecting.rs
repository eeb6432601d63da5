//! Connecting a source: in the browser, on a device, by the client alone; anew after a refusal, and for
//! wider scopes. Whatever comes back from the wrong place connects nothing.

use crate::api::items;
use crate::authority::{Authority, Browser, text};
use crate::database::Database;
use crate::people::Person;
use crate::server::{PATIENCE, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    a_person_agrees_in_a_browser,
    an_answer_counts_once_for_its_browser_and_person,
    a_device_is_connected_by_a_code,
    a_client_alone_is_connected_at_once,
    wider_scopes_are_a_persons_to_give,
    what_is_removed_is_given_back,
);

const LIST: &str = "return (await tools.things.listThings({})).things.length";

async fn started(database: Database) -> (Server, Authority) {
    let server = Server::start(database).await;
    let authority = Authority::start().await;
    authority.add_to(&server).await;
    (server, authority)
}

/// The one credential.
async fn credential(server: &Server) -> Value {
    let all = items(&server.get("/credentials").await);
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

async fn a_person_agrees_in_a_browser(database: Database) {
    let (server, authority) = started(database).await;
    let refused = server.run(LIST).await;
    assert_eq!(refused["status"], "failed", "{refused:#}");
    let begun = server.post("/sources/things/connect", json!({})).await;
    assert_eq!(begun["status"], "pending", "{begun:#}");
    let page = Browser::new().visit(text(&begun["url"])).await.page;
    for part in ["Connect things", "everybody in the workspace", "read"] {
        assert!(page.contains(part), "{page}");
    }
    let ended = authority.connect(&server).await;
    assert_eq!(server.value(LIST).await, 2);
    let credential = credential(&server).await;
    assert_eq!(ended["credential"], credential["id"]);
    assert_eq!(credential["state"], "connected", "{credential:#}");
    let connection = &credential["connection"];
    assert_eq!(connection["account"], "ada@things.example");
    assert_eq!(connection["issuer"], authority.base_url());
    assert_eq!(connection["scopes"], json!(["read"]));
    assert_eq!(connection["renewable"], true);
    // Once more: another value in the same place, and no new client.
    authority.connect(&server).await;
    assert_eq!(self::credential(&server).await["version"], 2);
    assert_eq!(authority.book(|b| b.registered), 1, "never a new client");
    assert_eq!(server.value(LIST).await, 2);
    // Another account beside it, and the one that was chosen is used.
    let other = json!({ "label": "work", "scope": "workspace" });
    let other = server.post("/sources/things/connect", other).await;
    Browser::new().agree(&other).await;
    let all = items(&server.get("/credentials").await);
    assert_eq!(all.len(), 2, "{all:#?}");
    let work = all
        .iter()
        .find(|c| c["label"] == "work")
        .expect("it is there");
    let path = format!("/credentials/{}/prefer", text(&work["id"]));
    server.post(&path, json!({})).await;
    let task = server.run(LIST).await;
    let used = items(&server.get("/credentials").await);
    let work = used
        .iter()
        .find(|c| c["label"] == "work")
        .expect("it is there");
    assert!(work["lastUsedAt"].is_string(), "{used:#?}");
    assert_eq!(work["lastUsedBy"], task["id"], "{used:#?}");
    let calls = server
        .get(&format!("/tasks/{}/calls", text(&task["id"])))
        .await;
    let opened = json!({ "id": work["id"], "scope": "workspace", "label": "work" });
    assert_eq!(calls["items"][0]["credential"], opened, "{calls:#}");
    let audit = server.get("/audit?action=credential.connected").await;
    assert_eq!(items(&audit).len(), 3, "{audit:#}");
}

async fn an_answer_counts_once_for_its_browser_and_person(database: Database) {
    let (server, authority) = started(database).await;
    let begun = server.post("/sources/things/connect", json!({})).await;
    let status = async || {
        let path = format!("/connects/{}", text(&begun["id"]));
        server.get(&path).await["status"].clone()
    };
    let browser = Browser::new();
    let away = browser.go(&begun).await;
    let back = browser.visit(&away).await.location.expect("sent back");
    // Another browser with the same answer, a program with a key, and mangled answers.
    let stranger = Browser::new().visit(&back).await;
    assert_eq!(stranger.status, 422, "{}", stranger.page);
    let person = Person::add(&server, "Other", "owner").await;
    let by_key = server.http.get(&back).bearer_auth(&person.key).send().await;
    assert_eq!(by_key.expect("an answer").status(), 403);
    let bare = back.split('?').next().expect("an address");
    for query in [
        "",
        "code=x",
        "code=x&state=nonsense",
        "state=x",
        "code=a&code=b&state=c",
    ] {
        let visited = browser.visit(&format!("{bare}?{query}")).await;
        assert_eq!(visited.status, 422, "{query}: {}", visited.page);
    }
    assert_eq!(status().await, "pending");
    assert_eq!(authority.book(|b| b.asked), 0, "nothing was traded in");
    // The control: the right browser. And the same once more.
    let done = browser.visit(&back).await;
    assert!(done.page.contains("things is connected"), "{}", done.page);
    assert_eq!(status().await, "connected");
    let again = browser.visit(&back).await;
    assert_eq!(again.status, 422, "{}", again.page);
    assert_eq!(authority.granted("authorization_code"), 1);
    // Whoever was sent away twice comes back from the second time alone.
    let begun = server.post("/sources/things/connect", json!({})).await;
    let first = browser.go(&begun).await;
    let second = browser.go(&begun).await;
    let late = browser.visit(&first).await.location.expect("sent back");
    assert_eq!(browser.visit(&late).await.status, 422);
    let back = browser.visit(&second).await.location.expect("sent back");
    assert_eq!(browser.visit(&back).await.status, 200);
    // A person who says no.
    let begun = server.post("/sources/things/connect", json!({})).await;
    let away = browser.go(&begun).await;
    let url = reqwest::Url::parse(&away).expect("an address");
    let state = url.query_pairs().find(|(n, _)| n == "state");
    let state = state.expect("a state").1.into_owned();
    let iss = authority.base_url();
    let no =
        format!("{bare}?error=access_denied&error_description=<b>no</b>&state={state}&iss={iss}");
    let told = browser.visit(&no).await;
    assert!(
        told.page.contains("access_denied: &lt;b&gt;no&lt;/b&gt;"),
        "{}",
        told.page
    );
    let ended = server
        .get(&format!("/connects/{}", text(&begun["id"])))
        .await;
    assert_eq!(ended["status"], "failed", "{ended:#}");
}

async fn a_device_is_connected_by_a_code(database: Database) {
    let (server, authority) = started(database).await;
    let new = json!({ "flow": "device", "scope": "personal" });
    let begun = server.post("/sources/things/connect", new).await;
    assert_eq!(begun["device"]["userCode"], "WDJB-MJHT", "{begun:#}");
    authority.until("it is asked about", |b| b.asked > 1).await;
    let path = format!("/connects/{}", text(&begun["id"]));
    assert_eq!(server.get(&path).await["status"], "pending");
    authority.book(|b| b.entered = true);
    let deadline = Instant::now() + PATIENCE;
    while server.get(&path).await["status"] != "connected" {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.value(LIST).await, 2);
    assert_eq!(credential(&server).await["connection"]["flow"], "device");
}

async fn a_client_alone_is_connected_at_once(database: Database) {
    let (server, authority) = started(database).await;
    let refused = json!({ "flow": "client-credentials" });
    let refused = server
        .send("POST", "/sources/things/connect", Some(&refused))
        .await;
    assert_eq!(refused.body["code"], "client_needed", "{refused:#?}");
    let connect = [
        "credentials",
        "connect",
        "things",
        "--flow",
        "client-credentials",
        "--client-id",
        "me",
        "--oauth-scope",
        "read",
        "--json",
    ];
    let ran = server
        .cli_with(&connect, Some("a-client-secret-1234"))
        .await;
    ran.exits(0);
    assert_eq!(server.value(LIST).await, 2);
    assert_eq!(authority.book(|b| b.registered), 0);
    // It has nothing to refresh and is asked for anew.
    authority.expire();
    assert_eq!(server.value(LIST).await, 2);
    assert_eq!(authority.granted("client_credentials"), 2);
    let listed = server.cli(&["credentials", "list"]).await;
    assert!(listed.out.contains("connected"), "{}", listed.out);
}

async fn wider_scopes_are_a_persons_to_give(database: Database) {
    let (server, authority) = started(database).await;
    authority.connect(&server).await;
    authority.book(|b| b.wants = Some("admin".into()));
    let admin = "try { await tools.things.admin({}) } catch (e) { \
                 return { code: e.code, url: e.details.connectUrl, scopes: e.details.scopes, \
                 message: e.message } }";
    let told = server.value(admin).await;
    assert_eq!(told["code"], "insufficient_scope", "{told:#}");
    assert_eq!(told["scopes"], json!(["admin"]));
    let url = text(&told["url"]);
    let browser = Browser::new();
    let shown = browser.visit(url).await.page;
    assert!(
        shown.contains("asks for more") && shown.contains("admin"),
        "{shown}"
    );
    let begun = browser.submit(url).await.location.expect("a connect");
    let begun = json!({ "url": format!("{}{begun}", server.url()) });
    let shown = browser.visit(text(&begun["url"])).await.page;
    assert!(shown.contains("more than it had"), "{shown}");
    browser.agree(&begun).await;
    let scopes = credential(&server).await["connection"]["scopes"].clone();
    assert_eq!(scopes, json!(["read", "admin"]));
    assert_eq!(
        server.value(admin).await,
        Value::Null,
        "the control: it works now"
    );
    // A source that is never content is not followed for ever.
    for step in 0..6 {
        authority.book(|b| b.wants = Some(format!("more-{step}")));
        let told = server.value(admin).await;
        let Some(url) = told["url"].as_str() else {
            assert!(text(&told["message"]).contains("not asked"), "{told:#}");
            assert_eq!(step, 2, "three in a row are followed: {told:#}");
            return;
        };
        let begun = browser.submit(url).await.location.expect("a connect");
        let begun = json!({ "url": format!("{}{begun}", server.url()) });
        browser.agree(&begun).await;
    }
    panic!("it was asked for more again and again");
}

async fn what_is_removed_is_given_back(database: Database) {
    let (server, authority) = started(database).await;
    authority.connect(&server).await;
    let id = text(&credential(&server).await["id"]).to_owned();
    let rotated = json!({ "value": "x" });
    let path = format!("/credentials/{id}/rotate");
    let reply = server.send("POST", &path, Some(&rotated)).await;
    assert_eq!(reply.status, 422, "{reply:#?}");
    let reply = server
        .send("DELETE", &format!("/credentials/{id}"), None)
        .await;
    assert_eq!(reply.status, 204, "{reply:#?}");
    authority
        .until("it is given back", |b| b.revoked.len() == 1)
        .await;
}
