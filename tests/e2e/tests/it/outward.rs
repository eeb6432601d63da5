//! What leads out of the server: no proxy that only its environment names, and no connection that was
//! opened for another name, whatever the other end says of itself.

use crate::binary;
use crate::database::Database;
use crate::server::{PATIENCE, Server, client, free_port};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::process::Child;

/// A proxy that only counts who comes.
async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((_socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, came)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_only_the_environment_names_is_not_used() {
    let (proxy, came) = proxy().await;
    let mut server = Server::prepare(Database::sqlite());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        server.environment.push((name.to_owned(), proxy.clone()));
        server
            .environment
            .push((name.to_ascii_lowercase(), proxy.clone()));
    }
    server.launch().await;
    let upstream = Upstream::start().await;
    upstream.connect(&server).await;
    let task = server
        .run("return await tools.ledger.items.listItems({})")
        .await;
    assert_eq!(task["status"], "completed", "{task:#}");
    assert!(!upstream.received().is_empty(), "the call arrived");
    assert_eq!(
        came.load(Ordering::SeqCst),
        0,
        "and nothing went by the proxy"
    );
    // The control: a client that heeds what the environment names goes there.
    let heeding = reqwest::Client::builder().proxy(reqwest::Proxy::all(&proxy).expect("a proxy"));
    let heeding = heeding.build().expect("a client");
    assert!(heeding.get("http://api.example/").send().await.is_err());
    assert_eq!(came.load(Ordering::SeqCst), 1);
}

/// The server with two names, and where it tells what it saw.
async fn two_names(server: &Server) -> (u16, String, Child) {
    let (port, elsewhere, report) = (free_port(), free_port(), free_port());
    let script = binary::root().join("tests/node/two_names.mjs");
    let mut command = binary::command(&PathBuf::from("node"), &server.scratch(""));
    command.arg(script);
    command.args([port, elsewhere, report].map(|p| p.to_string()));
    let child = command.spawn().expect("node starts");
    let deadline = Instant::now() + PATIENCE;
    for wanted in [port, elsewhere, report] {
        while tokio::net::TcpStream::connect(("127.0.0.1", wanted))
            .await
            .is_err()
        {
            assert!(Instant::now() < deadline, "it does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    (port, format!("http://127.0.0.1:{report}/"), child)
}

async fn report(url: &str) -> Value {
    let answer = client().get(url).send().await.expect("a report");
    answer.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_serves_the_name_that_it_was_opened_for_and_no_other() {
    let mut server = Server::prepare(Database::sqlite());
    let authority = binary::root().join("tests/node/tls/ca.pem");
    let trusted = ("SSL_CERT_FILE".to_owned(), authority.display().to_string());
    server.environment.push(trusted);
    server.launch().await;
    let (port, url, _child) = two_names(&server).await;
    // The first look at whether it listens was a visit of ours.
    let visits = report(&url).await["visits"].clone();
    for (name, host) in [("one", "localhost"), ("two", "127.0.0.1")] {
        let document = format!("https://{host}:{port}/openapi.json");
        let new = json!({ "url": document, "name": name, "allowPrivate": true });
        let source = server.post("/sources", new).await;
        assert_eq!(source["status"], "ready", "{source:#}");
    }
    let before = report(&url).await;
    // At once and again: nothing stays of a connection that would serve another name.
    let code = "const call = () => Promise.all([tools.one.thing(), tools.two.thing(), tools.one.thing()]);\
                return [await call(), await call()].flat().map((r) => r.authority)";
    let names = server.value(code).await;
    let (one, two) = (format!("localhost:{port}"), format!("127.0.0.1:{port}"));
    assert_eq!(names, json!([one, two, one, one, two, one]));
    let after = report(&url).await;
    let sessions = after["sessions"].as_array().expect("sessions");
    let mut reused = 0;
    for session in sessions {
        let mut names: Vec<&str> = session["authorities"]
            .as_array()
            .expect("names")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        reused += names.len().saturating_sub(1);
        names.dedup();
        assert!(names.len() <= 1, "one connection for two names: {after:#}");
        assert_eq!(session["alpn"], "h2", "the control: it was HTTP/2");
    }
    assert!(
        reused > 0,
        "the control: connections are kept for their own name: {after:#}"
    );
    assert!(sessions.len() >= before["sessions"].as_array().expect("sessions").len());
    assert_eq!(
        after["visits"], visits,
        "nobody went where it says that it is, too"
    );
}
