//! Runtimes other than the isolate, through the whole product: refused unless switched on, and then
//! with the same gate, journal and replay.

use crate::binary;
use crate::database::Database;
use crate::server::{PATIENCE, Server, free_port};
use crate::upstream::{Upstream, fresh_token};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

on_both_databases!(
    a_runtime_that_is_not_enabled_is_refused_by_name,
    local_bun_waits_for_a_person_and_survives_a_kill,
    cloudflare_worker_waits_for_a_person_and_survives_a_kill,
);

/// Where npm lays the program for each processor.
const WORKERD: [&str; 2] = [
    "@cloudflare/workerd-linux-64/bin/workerd",
    "@cloudflare/workerd-linux-arm64/bin/workerd",
];

/// Shows time, randomness and calls on both sides of a question to a person.
const PATIENT: &str = r#"
const before = { random: Math.random(), now: Date.now(), id: crypto.randomUUID() };
const list = await tools.ledger.items.listItems();
console.log(JSON.stringify(before));
const made = await tools.ledger.items.createItem({ name: "patient", amount: Math.random() });
return { before, listed: list.items.length, made: made.name, again: Math.random() };
"#;

/// A program of npm's that the tests install, or why the case is skipped.
fn installed(name: &str, places: &[&str]) -> Option<PathBuf> {
    let folder = binary::root().join("tests/node/node_modules");
    let mut found = places.iter().map(|place| folder.join(place));
    let found = found.find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed; run `cargo xtask setup`");
    }
    found
}

async fn a_runtime_that_is_not_enabled_is_refused_by_name(database: Database) {
    let server = Server::start(database).await;
    for (runtime, code, words) in [
        (
            "local-bun",
            "runtime_not_enabled",
            &["DANGEROUSLY_ALLOW_LOCAL_VM=1", "enabled: isolate"][..],
        ),
        (
            "cloudflare-worker",
            "runtime_not_enabled",
            &["cloudflare_worker_url", "enabled: isolate"],
        ),
        ("nonsense", "unknown_runtime", &["enabled here: isolate"]),
    ] {
        let body = json!({ "code": "return 1", "runtimeId": runtime });
        let reply = server.send("POST", "/tasks", Some(&body)).await;
        assert_eq!(reply.status, 422, "{reply:#?}");
        assert_eq!(reply.body["code"], code, "{reply:#?}");
        let said = reply.body.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        server
            .cli(&["run", "-e", "return 1", "--runtime", runtime])
            .await
            .exits(1)
            .says(words);
    }
    // The control: the default, by its name.
    let ran = server
        .cli(&["run", "-e", "return 1", "--runtime", "isolate"])
        .await
        .exits(0);
    assert_eq!(ran.out.trim(), "1");
}

/// A task that asks a person, whose server dies while it waits, and that is rebuilt and goes on.
async fn waits_and_survives(server: &mut Server, upstream: &Upstream, runtime: &str) {
    upstream.connect(server).await;
    let body = json!({ "code": PATIENT, "runtimeId": runtime });
    let task = server.post("/tasks", body).await;
    let task = task["id"].as_str().expect("an id").to_owned();
    let asked = server.pending(1).await.remove(0);
    server.kill().await;
    server.launch().await;
    server.approve(&asked).await;
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "completed", "{done:#}\n{}", server.log());
    assert_eq!(done["runtimeId"], runtime);
    assert_eq!(done["result"]["made"], "patient");
    let logs = server.logs(&task).await;
    assert_eq!(
        logs,
        [done["result"]["before"].to_string()],
        "logged once, and unchanged"
    );
    let read = |r: &&crate::upstream::Received| r.method == "GET";
    assert_eq!(
        (
            upstream.received().iter().filter(read).count(),
            upstream.created("patient")
        ),
        (1, 1),
        "nothing is sent again to rebuild it"
    );
    let shown = server.cli(&["tasks", "show", &task]).await.exits(0);
    assert!(shown.out.contains(runtime), "{shown:?}");
}

async fn local_bun_waits_for_a_person_and_survives_a_kill(database: Database) {
    let Some(bun) = installed("bun", &[".bin/bun"]) else {
        return;
    };
    let mut server = Server::prepare(database);
    server.environment = vec![
        ("DANGEROUSLY_ALLOW_LOCAL_VM".into(), "1".into()),
        ("EXECUTOR_BUN".into(), bun.display().to_string()),
    ];
    server.launch().await;
    let upstream = Upstream::start().await;
    waits_and_survives(&mut server, &upstream, "local-bun").await;

    assert!(
        server.log().contains("DANGEROUSLY_ALLOW_LOCAL_VM is set"),
        "the start is loud: {}",
        server.log()
    );
    let health = server.get("/health").await;
    let checks = health["checks"].as_array().expect("checks");
    let check = checks.iter().find(|c| c["name"] == "runtime.local-bun");
    assert_eq!(check.map(|c| &c["status"]), Some(&json!("warning")));
    let ready = server.http.get(format!("{}/readyz", server.url())).send();
    let ready: Value = ready.await.expect("an answer").json().await.expect("JSON");
    assert_eq!(ready["runtimes"], json!(["isolate", "local-bun"]));

    // A task that waits on a runtime which is then switched off ends with the reason.
    let body = json!({ "code": PATIENT, "runtimeId": "local-bun" });
    let task = server.post("/tasks", body).await;
    let task = task["id"].as_str().expect("an id").to_owned();
    server.pending(1).await;
    server.kill().await;
    server.environment.clear();
    server.launch().await;
    let done = server.finished(&task).await;
    assert_eq!(done["error"]["code"], "runtime_unavailable", "{done:#}");
}

/// Our Worker in workerd, on a port of its own.
async fn workerd(secret: &str) -> Option<(Child, u16)> {
    let program = installed("workerd", &WORKERD)?;
    let folder = binary::root().join("runtimes/cloudflare-worker");
    let port = free_port();
    let child = Command::new(program)
        .args(["serve", "workerd.capnp", "--experimental"])
        .args(["--socket-addr", &format!("http=127.0.0.1:{port}")])
        .current_dir(folder)
        .env("EXECUTOR_SECRET", secret)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("workerd starts");
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "workerd does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some((child, port))
}

async fn cloudflare_worker_waits_for_a_person_and_survives_a_kill(database: Database) {
    let secret = fresh_token();
    let Some((mut workerd, port)) = workerd(&secret).await else {
        return;
    };
    let mut server = Server::prepare(database);
    let file = server.scratch("secret");
    std::fs::write(&file, &secret).expect("a file for the secret");
    server.environment = [
        (
            "EXECUTOR_CLOUDFLARE_WORKER_URL",
            format!("http://127.0.0.1:{port}"),
        ),
        (
            "EXECUTOR_CLOUDFLARE_WORKER_SECRET_FILE",
            file.display().to_string(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    server.launch().await;
    let upstream = Upstream::start().await;
    waits_and_survives(&mut server, &upstream, "cloudflare-worker").await;

    // Nobody comes in by the way the Worker does.
    for token in ["", "Bearer ", &format!("Bearer {secret}")] {
        let request = server
            .http
            .post(format!("{}/runtime/exchange", server.url()))
            .header("authorization", token)
            .json(&json!({ "events": [] }));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{token}");
        server.hear(answer.text().await.expect("a body").as_bytes());
    }
    let foreign = server
        .http
        .post(format!("{}/runtime/exchange", server.url()))
        .header("host", "elsewhere.example")
        .send();
    assert_eq!(foreign.await.expect("an answer").status(), 403);

    // Without its Worker a task says so, and other runtimes go on.
    workerd.kill().await.expect("workerd ends");
    let body = json!({ "code": "return 1", "runtimeId": "cloudflare-worker" });
    let task = server.post("/tasks", body).await;
    let task = server.finished(task["id"].as_str().expect("an id")).await;
    assert_eq!(task["error"]["code"], "sandbox_unavailable", "{task:#}");
    assert_eq!(server.value("return 1").await, 1);
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(!heard.contains(&secret), "the secret is told to nobody");
}

/// A little more than the 10 s for which a waiting sandbox is kept.
const BEYOND_THE_HOLD_WINDOW: Duration = Duration::from_secs(13);

/// Neither of these engines puts programs away: they are let go, and rebuilt from the journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_waits_long_is_rebuilt_on_its_runtime() {
    let secret = fresh_token();
    let bun = installed("bun", &[".bin/bun"]);
    let (Some(bun), Some((_workerd, port))) = (bun, workerd(&secret).await) else {
        return;
    };
    let mut server = Server::prepare(Database::sqlite());
    server.environment = [
        ("DANGEROUSLY_ALLOW_LOCAL_VM", "1".to_owned()),
        ("EXECUTOR_BUN", bun.display().to_string()),
        (
            "EXECUTOR_CLOUDFLARE_WORKER_URL",
            format!("http://127.0.0.1:{port}"),
        ),
        ("EXECUTOR_CLOUDFLARE_WORKER_SECRET", secret),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    server.launch().await;
    let upstream = Upstream::start().await;
    upstream.connect(&server).await;
    let mut tasks = Vec::new();
    for runtime in ["local-bun", "cloudflare-worker"] {
        let body = json!({ "code": PATIENT, "runtimeId": runtime });
        let task = server.post("/tasks", body).await;
        tasks.push(task["id"].as_str().expect("an id").to_owned());
    }
    let asked = server.pending(2).await;
    assert_eq!(bun_processes(&server), 1, "the control: one runs");
    tokio::time::sleep(BEYOND_THE_HOLD_WINDOW).await;
    assert_eq!(bun_processes(&server), 0, "a task that waits holds nothing");
    for approval in &asked {
        server.approve(approval).await;
    }
    for task in tasks {
        let done = server.finished(&task).await;
        assert_eq!(done["status"], "completed", "{done:#}\n{}", server.log());
        let logs = server.logs(&task).await;
        assert_eq!(logs, [done["result"]["before"].to_string()]);
    }
    assert_eq!(upstream.created("patient"), 2);
}

/// How many Bun processes of a server there are: each works in the same empty folder.
fn bun_processes(server: &Server) -> usize {
    let empty = server.data().join("local-bun/empty");
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let folders = processes.filter_map(|p| std::fs::read_link(p.path().join("cwd")).ok());
    folders.filter(|folder| *folder == empty).count()
}

/// A server without the runtime has no such route.
#[tokio::test]
async fn exchanges_are_for_servers_with_the_runtime() {
    let server = Server::start(Database::sqlite()).await;
    let request = server
        .http
        .post(format!("{}/runtime/exchange", server.url()));
    assert_eq!(request.send().await.expect("an answer").status(), 404);
}
