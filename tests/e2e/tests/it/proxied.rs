//! A server behind a reverse proxy: whom it takes a request to be from is judged by what it keeps of
//! sessions and in the audit chain, and by whom it slows down. What a header says counts from a
//! listed proxy alone; each case has its control.

use crate::api::items;
use crate::browser::Browser;
use crate::database::Database;
use crate::people::text;
use crate::server::Server;
use serde_json::json;

const CLIENT: &str = "203.0.113.7";
const PUBLIC: &str = "https://tools.example.com";

async fn started(proxies: Option<&str>) -> Server {
    let mut server = Server::prepare(Database::sqlite());
    let set = |name: &str, value: &str| (format!("EXECUTOR_{name}"), value.to_owned());
    server.environment = vec![set("PUBLIC_URL", PUBLIC)];
    if let Some(proxies) = proxies {
        server.environment.push(set("TRUSTED_PROXIES", proxies));
    }
    server.launch().await;
    server
}

/// Signs a browser in, whose proxy says that it is `CLIENT`, and gives the address that the server
/// keeps beside the session and in the audit chain. The client itself says something else.
async fn kept(server: &Server) -> (String, String) {
    let made = server.cli(&["web", "--print", "--json"]).await.exits(0);
    let link = text(&made.json()["url"]);
    let path = link.strip_prefix(PUBLIC).expect("a link of the server");
    let mut browser = Browser::new(server);
    let followed = browser
        .http()
        .get(format!("{}{path}", server.url()))
        .header("x-forwarded-for", "198.51.100.9, 127.0.0.1");
    let shown = browser.send(followed).await;
    assert_eq!(shown.status, 303, "{shown:#?}");
    let sessions = browser.api("GET", "/sessions", None).await.json();
    let session = text(&sessions["items"][0]["address"]);
    let entries = server.get("/audit?action=sign_in").await;
    (session, text(&entries["items"][0]["address"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_proxy_is_believed_and_nobody_else() {
    for (proxies, seen) in [
        (None, "127.0.0.1"),
        (Some("10.0.0.0/8,127.0.0.2"), "127.0.0.1"),
        (Some("10.0.0.0/8,127.0.0.0/8"), CLIENT),
    ] {
        let server = started(proxies).await;
        let kept = kept(&server).await;
        assert_eq!(kept, (seen.to_owned(), seen.to_owned()), "{proxies:?}");
        // The machine's own user is nobody's proxy.
        server.cli(&["members", "list"]).await.exits(0);
        let own = server.get("/audit?action=sign_in").await;
        assert_eq!(items(&own).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_too_often_is_slowed_down_and_nobody_beside() {
    for (proxies, by_header) in [(None, false), (Some("127.0.0.1"), true)] {
        let server = started(proxies).await;
        let register = async |from: String| {
            let about = json!({ "client_name": "x", "redirect_uris": ["http://127.0.0.1:9/cb"] });
            let request = server
                .http
                .post(format!("{}/oauth/register", server.url()))
                .header("x-forwarded-for", from)
                .json(&about);
            let answer = request.send().await.expect("an answer");
            answer.status().as_u16()
        };
        // One client that says to be another each time.
        let mut last = 0;
        for n in 0..125 {
            let says = match by_header {
                true => format!("198.51.100.{n}, {CLIENT}"),
                false => format!("198.51.100.{n}"),
            };
            last = register(says).await;
        }
        assert_eq!(last, 429, "{proxies:?}");
        // Somebody else behind the same proxy.
        let other = register("203.0.113.8".to_owned()).await;
        let expected = if by_header { 201 } else { 429 };
        assert_eq!(other, expected, "{proxies:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_that_a_proxy_was_asked_by_counts_from_a_listed_one() {
    let public = "tools.example.com";
    for (proxies, host, origin, status) in [
        (None, public, PUBLIC, 403),
        (Some("127.0.0.1"), public, PUBLIC, 200),
        (Some("127.0.0.1"), public, "https://evil.example", 403),
        (
            Some("127.0.0.1"),
            "evil.example",
            "https://evil.example",
            403,
        ),
    ] {
        let server = started(proxies).await;
        let answer = server
            .http
            .post(format!("{}/sign-out", server.url()))
            .header("x-forwarded-for", CLIENT)
            .header("x-forwarded-host", host)
            .header("origin", origin)
            .send()
            .await
            .expect("an answer");
        let found = answer.status().as_u16();
        assert_eq!(found, status, "{proxies:?} {host} {origin}");
        // What the server says of itself in a challenge is never what a stranger said (W13).
        let challenged = server
            .http
            .post(format!("{}/mcp", server.url()))
            .header("x-forwarded-for", CLIENT)
            .header("x-forwarded-host", host)
            .send()
            .await
            .expect("an answer");
        let challenge = challenged.headers().get("www-authenticate");
        let challenge = challenge.map(|c| c.to_str().expect("text").to_owned());
        let named = challenge.is_some_and(|c| c.contains(&format!("\"{PUBLIC}/")));
        let believed = proxies.is_some() && host == public;
        assert_eq!(named, believed, "{proxies:?} {host}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_meant_is_refused() {
    for bad in ["proxy", "10.0.0.0/33", "0.0.0.0/0"] {
        let mut server = Server::prepare(Database::sqlite());
        server.environment = vec![("EXECUTOR_TRUSTED_PROXIES".to_owned(), bad.to_owned())];
        let refused = server.launch_refused().await;
        assert_eq!(refused.code, 2, "{bad}: {refused:#?}");
        refused.says(&["trusted_proxies", bad]);
    }
}
