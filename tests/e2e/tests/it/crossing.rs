//! What a page of somebody else's, or a cache on the way, gets of us: no stream (W05), no link to a host
//! that a header names, no header of their making, and nothing that may be kept (W13). No file of the
//! machine (W11), and no token is passed on, neither in nor out (C12).

use crate::database::Database;
use crate::doors::Mcp;
use crate::people::text;
use crate::server::{Server, client};
use crate::upstream::Upstream;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

on_both_databases!(
    no_stream_opens_to_a_page_of_another_site,
    no_header_says_where_links_lead,
    private_answers_are_kept_nowhere,
    no_path_leads_to_a_file,
    a_body_is_read_as_what_it_says,
    a_token_opens_one_door,
);

async fn no_stream_opens_to_a_page_of_another_site(database: Database) {
    let server = Server::start(database).await;
    let workspace = text(&server.get("/me").await["workspace"]["id"]);
    let task = text(&server.run("return 1").await["id"]);
    let own = server.url();
    for path in [
        format!("/api/v1/workspaces/{workspace}/events"),
        format!("/api/v1/tasks/{task}/events"),
    ] {
        for (name, value, status) in [
            ("origin", own.as_str(), 200),
            ("sec-fetch-site", "same-origin", 200),
            ("origin", "https://evil.example", 403),
            ("origin", "null", 403),
            ("origin", "http://127.0.0.1:1", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "same-site", 403),
            ("host", "evil.example", 403),
        ] {
            let request = client().get(format!("{own}{path}")).header(name, value);
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), status, "{path} {name}: {value}");
            let open = answer.headers().get("access-control-allow-origin");
            assert_eq!(open, None, "{path} {name}: {value}");
        }
    }
    let answer = client()
        .get(format!("{own}/mcp"))
        .header("accept", "text/event-stream")
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 403);
}

async fn no_header_says_where_links_lead(database: Database) {
    let server = Server::start(database).await;
    let owner = text(&server.get("/me").await["accountId"]);
    let (_, key) = crate::people::key(&server, "k", &owner).await;
    let evil = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "444"),
        ("x-forwarded-prefix", "/evil.example"),
        ("x-original-host", "evil.example"),
        ("x-original-url", "/evil.example"),
        ("x-rewrite-url", "/evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
    ];
    let invite = json!({});
    for (method, path) in [
        ("POST", "/api/v1/invites"),
        ("GET", "/.well-known/oauth-protected-resource"),
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/sign-in"),
        ("GET", "/"),
        ("GET", "/mcp"),
    ] {
        let mut told = Vec::new();
        for headers in [&[][..], &evil[..]] {
            let method = method.parse().expect("a method");
            let mut request = client().request(method, format!("{}{path}", server.url()));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if path.contains("invites") {
                request = request.bearer_auth(&key).json(&invite);
            }
            let answer = request.send().await.expect("an answer");
            let headers = format!("{:?}", answer.headers());
            let body = answer.text().await.expect("all of it");
            assert!(!headers.contains("evil"), "{path}: {headers}");
            assert!(!body.contains("evil"), "{path}: {body}");
            assert!(!body.contains(":444"), "{path}: {body}");
            told.push(format!("{headers}{body}").contains(&server.url()));
        }
        if path.contains("invites") || path.contains("well-known") {
            assert_eq!(told, [true, true], "{path} leads to the server itself");
        }
    }
    // A line break in what comes back in a header makes no other header.
    for path in [
        "/sign-in?next=/x%0d%0aSet-Cookie:%20a=b",
        "/sign-in/begin?next=/x%0d%0aSet-Cookie:%20a=b",
        "/sign-in?token=x%0d%0aSet-Cookie:%20a=b",
        "/oauth/authorize?redirect_uri=http://127.0.0.1:9/%0d%0aSet-Cookie:%20a=b",
    ] {
        let browser = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let request = browser.get(format!("{}{path}", server.url()));
        let answer = request
            .header("x-forwarded-for", "203.0.113.7")
            .send()
            .await
            .expect("an answer");
        let cookies = answer.headers().get_all(SET_COOKIE);
        assert!(cookies.iter().all(|c| !c.as_bytes().starts_with(b"a=")));
    }
}

async fn private_answers_are_kept_nowhere(database: Database) {
    let server = Server::start(database).await;
    let description = server.get("/openapi.json").await;
    let paths = description["paths"].as_object().expect("paths");
    let mut seen = 0;
    for (path, methods) in paths {
        if path.contains('{') || methods.get("get").is_none() || path.ends_with("/backup") {
            continue;
        }
        let answer = server.http.get(format!("{}{path}", server.url()));
        let answer = answer.send().await.expect("an answer");
        let kept = answer.headers().get(CACHE_CONTROL).map(|v| v.as_bytes());
        assert_eq!(kept, Some(&b"no-store"[..]), "{path}: {}", answer.status());
        seen += usize::from(answer.status().is_success());
    }
    assert!(seen > 20, "{seen}");
    for path in [
        "/api/v1/nothing",
        "/sign-in",
        "/mcp",
        "/api/v1/tasks/task_0",
    ] {
        let answer = server.http.get(format!("{}{path}", server.url()));
        let answer = answer.send().await.expect("an answer");
        let kept = answer.headers().get(CACHE_CONTROL).map(|v| v.as_bytes());
        assert_eq!(kept, Some(&b"no-store"[..]), "{path}: {}", answer.status());
    }
}

/// The answer to a path as it is written, which no client makes shorter.
async fn raw(server: &Server, path: &str) -> String {
    let mut connection = tokio::net::TcpStream::connect(("127.0.0.1", server.port))
        .await
        .expect("a connection");
    let host = format!("127.0.0.1:{}", server.port);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    connection
        .write_all(request.as_bytes())
        .await
        .expect("it is sent");
    let mut answer = Vec::new();
    connection
        .read_to_end(&mut answer)
        .await
        .expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn no_path_leads_to_a_file(database: Database) {
    let server = Server::start(database).await;
    let key = server.data().join("master.key");
    let key = std::fs::read_to_string(&key).expect("a key");
    let data = server.data().display().to_string();
    for begins in [
        "",
        "/",
        "/assets/",
        "/assets/x/",
        "/api/v1/",
        "/.well-known/",
    ] {
        for climbs in [
            "../",
            "..%2f",
            "%2e%2e/",
            "%2e%2e%2f",
            "..\\",
            "..%5c",
            "....//",
        ] {
            for file in [
                format!("{}etc/passwd", climbs.repeat(12)),
                format!("{}{}/master.key", climbs.repeat(12), &data[1..]),
                format!("{}master.key", climbs.repeat(2)),
            ] {
                let path = format!("/{}{file}", begins.trim_start_matches('/'));
                let answer = raw(&server, &path).await;
                assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
                assert!(!answer.contains("root:"), "{path}: {answer}");
                assert!(!answer.contains(key.trim()), "{path}: {answer}");
                assert!(!answer.starts_with("HTTP/1.1 5"), "{path}: {answer}");
            }
        }
    }
    let path = format!("/assets/{data}/master.key");
    for path in [&path, "//etc/passwd", "/assets//etc/passwd", "/assets/%00"] {
        let answer = raw(&server, path).await;
        let found = answer.contains("root:") || answer.contains(key.trim());
        assert!(!found, "{path}: {answer}");
    }
    let alive = raw(&server, "/healthz").await;
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
}

async fn a_body_is_read_as_what_it_says(database: Database) {
    let server = Server::start(database).await;
    let task = json!({ "code": "return 1" }).to_string();
    let source = json!({ "document": "{}", "fileName": "/etc/passwd" }).to_string();
    for (path, body, taken) in [
        ("/tasks", &task, true),
        ("/sources/preview", &source, false),
    ] {
        for (kind, read) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON", true),
            ("multipart/form-data; boundary=x", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain", false),
            ("application/jsonx", false),
            ("application/json-patch+json", false),
            ("application/octet-stream", false),
        ] {
            let request = server.http.post(format!("{}/api/v1{path}", server.url()));
            let request = request.header(CONTENT_TYPE, kind).body(body.clone());
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let told = answer.text().await.expect("all of it");
            assert_eq!(status == 415, !read, "{path} {kind}: {status} {told}");
            assert_eq!(
                status < 300,
                read && taken,
                "{path} {kind}: {status} {told}"
            );
            // A name of a file is a name: what lies there is not read.
            assert!(!told.contains("root:"), "{told}");
        }
    }
}

async fn a_token_opens_one_door(database: Database) {
    let server = Server::start(database).await;
    let upstream = Upstream::start().await;
    upstream.connect_without_credential(&server).await;
    let owner = text(&server.get("/me").await["accountId"]);
    let (_, key) = crate::people::key(&server, "k", &owner).await;
    // What opens our door goes to nobody else's.
    let code = "try { await tools.ledger.items.listItems() } catch (e) { return e.code }";
    let (mcp, _) = Mcp::connect_as(&server, "/mcp", "2025-11-25", &key).await;
    mcp.call("execute", json!({ "code": code })).await;
    let new = json!({ "code": code, "waitMs": 60_000 });
    server
        .send_as(Some(&key), "POST", "/tasks", Some(&new))
        .await;
    let received = upstream.received();
    assert_eq!(received.len(), 2, "{received:?}");
    for request in &received {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        let sent = format!("{:?}", request.headers);
        assert!(!sent.contains(&key), "{sent}");
    }
    // What opens another's door opens none of ours.
    let value = json!({ "source": "ledger", "value": upstream.token() });
    server.post("/credentials", value).await;
    let read = "return (await tools.ledger.items.listItems()).items.length";
    assert_eq!(server.value(read).await, 1);
    for (path, token, status) in [
        ("/api/v1/me", upstream.token(), 401),
        ("/mcp", upstream.token(), 401),
        ("/api/v1/me", key.as_str(), 200),
    ] {
        let request = client().get(format!("{}{path}", server.url()));
        let answer = request.bearer_auth(token).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
    }
}
