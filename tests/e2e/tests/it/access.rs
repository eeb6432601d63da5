//! Who gets in: the owner of the process on its own machine, by the server's own name and origin.
//! Everybody else is turned away before anything is looked at.

use crate::database::Database;
use crate::server::{Server, client};
use serde_json::json;
use tokio::process::Command;

on_both_databases!(
    foreign_hosts_and_origins_are_refused,
    another_user_of_the_machine_is_not_signed_in,
    no_request_of_an_agent_decides,
    files_belong_to_their_owner_alone,
);

async fn foreign_hosts_and_origins_are_refused(database: Database) {
    let server = Server::start(database).await;
    let own = format!("127.0.0.1:{}", server.port);
    let local = format!("localhost:{}", server.port);
    let post = |path: &str, headers: &[(&str, &str)]| {
        let mut request = client().post(format!("{}{path}", server.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.json(&json!({ "code": "return 1" }));
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    let origin = format!("http://{own}");
    for good in [
        &[("host", own.as_str())][..],
        &[("host", local.as_str())],
        &[("host", own.as_str()), ("origin", origin.as_str())],
    ] {
        assert!(post("/api/v1/tasks", good).await < 300, "{good:?} is ours");
    }
    let evil_port = format!("localhost.evil.example:{}", server.port);
    let bad = [
        &[("host", "evil.example")][..],
        &[("host", evil_port.as_str())],
        &[("host", "169.254.169.254")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost.evil.example")],
        &[("origin", "http://127.0.0.1:1")],
        &[("sec-fetch-site", "cross-site")],
    ];
    for path in ["/api/v1/tasks", "/mcp"] {
        for headers in bad {
            assert_eq!(post(path, headers).await, 403, "{path} with {headers:?}");
        }
    }
    let tasks = server.get("/tasks").await;
    assert_eq!(
        tasks["items"].as_array().map(Vec::len),
        Some(3),
        "nothing refused has run"
    );
}

async fn another_user_of_the_machine_is_not_signed_in(database: Database) {
    let server = Server::start(database).await;
    let url = format!("{}/api/v1/me", server.url());
    let curl = |program: &str, before: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(before)
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .arg(&url);
        async move { command.output().await }
    };
    let Ok(own) = curl("curl", &[]).await else {
        eprintln!("skipped: curl is not installed");
        return;
    };
    assert_eq!(
        String::from_utf8_lossy(&own.stdout),
        "200",
        "the owner is let in by the same request"
    );
    let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "curl"];
    match curl("setpriv", &as_nobody).await {
        Ok(other) if other.status.success() => {
            assert_eq!(String::from_utf8_lossy(&other.stdout), "401");
        }
        other => eprintln!("skipped: cannot become another user: {other:?}"),
    }
}

async fn no_request_of_an_agent_decides(database: Database) {
    let server = Server::start(database).await;
    let upstream = crate::upstream::Upstream::start().await;
    upstream.connect(&server).await;
    let task = server
        .submit("return tools.ledger.items.createItem({ name: 'x', amount: 1 })")
        .await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id");
    // Opening the link, as a scanner of mail would, decides nothing.
    for path in [
        format!("/approvals/{id}"),
        format!("/api/v1/approvals/{id}/approve"),
    ] {
        client()
            .get(format!("{}{path}", server.url()))
            .send()
            .await
            .expect("an answer");
    }
    // Nor does an answer that names other bytes than the ones that were shown.
    let forged = json!({ "digest": "0".repeat(64) });
    let reply = server
        .send("POST", &format!("/approvals/{id}/approve"), Some(&forged))
        .await;
    assert!((400..500).contains(&reply.status), "{reply:#?}");
    // Nor a task, which has no tool for it.
    let code = "return Object.keys((await tools.discover({ query: 'approve approval', limit: 50 }))\n\
                .results.filter((r) => !r.path.startsWith('ledger.')))";
    assert_eq!(server.value(code).await, json!([]));
    assert_eq!(server.task(&task).await["status"], "waiting");
    assert_eq!(upstream.writes(), 0);
    let unknown = server
        .send("POST", "/approvals/appr_unknown/approve", Some(&json!({})))
        .await;
    assert_eq!(unknown.status, 404, "{unknown:#?}");
    server.approve(&asked).await;
    assert_eq!(
        server.finished(&task).await["status"],
        "completed",
        "the owner's answer counts"
    );
}

async fn files_belong_to_their_owner_alone(database: Database) {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start(database).await;
    server.value("return 1").await;
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(server.data()), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(server.data())
        .expect("it reads")
        .filter_map(Result::ok)
    {
        let path = entry.path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
        files += 1;
    }
    assert!(files > 0);
}
