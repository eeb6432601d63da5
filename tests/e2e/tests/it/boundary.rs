//! Where a server runs, what holds its workers there, and what it does when something is missing.
//!
//! Workers are killed here from outside, and every kill is found in the audit log.
//! Each place is made with the tools of the system: another user, a user namespace that grants
//! nothing, a tracer that refuses calls. What `doctor` says is compared with the table of
//! docs/decisions/0010-boundary.md.

use crate::database::Database;
use crate::kills::Random;
use crate::server::Server;
use crate::stream::Stream;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Every layer, as `doctor` names them.
const LAYERS: [&str; 10] = [
    "environment",
    "no_new_privs",
    "not_dumpable",
    "namespaces",
    "empty_root",
    "landlock",
    "capabilities",
    "descriptors",
    "limits",
    "seccomp",
];
const NOBODY: u32 = 65_534;

/// A shell that cannot make namespaces and holds no privilege, as in a container.
const CONTAINED: &str = "echo 0 > /proc/sys/user/max_user_namespaces && \
    exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- \"$@\"";

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

/// Whether the system lets a test make this place; says so where it does not.
fn possible(under: &[&str]) -> bool {
    let tried = Command::new(under[0])
        .args(&under[1..])
        .arg("true")
        .output();
    match tried {
        Ok(out) if out.status.success() => true,
        refused => {
            eprintln!("skipped: {} does not run here: {refused:?}", under[0]);
            false
        }
    }
}

/// The layers that do not hold, as the server's own health has them.
async fn missing(server: &Server) -> Vec<String> {
    let health = server.get("/health").await;
    let checks = health["checks"].as_array().expect("a list");
    let status = |layer: &str| {
        let name = format!("sandbox.{layer}");
        let found = checks.iter().find(|c| c["name"] == *name);
        found.unwrap_or_else(|| panic!("{name}: {health:#}"))["status"].clone()
    };
    let missing = LAYERS.iter().filter(|layer| status(layer) != "ok");
    missing.map(|layer| (*layer).to_owned()).collect()
}

async fn readiness(server: &Server) -> (u16, Value) {
    let answer = server.http.get(format!("{}/readyz", server.url()));
    let answer = answer.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn root_and_an_ordinary_user_get_every_layer() {
    let server = Server::start(Database::sqlite()).await;
    let absent = missing(&server).await;
    if !absent.is_empty() {
        eprintln!("skipped: this machine does not offer {}", absent.join(", "));
        return;
    }
    assert_eq!(server.value("return 1").await, 1);
    if !is_root() {
        eprintln!("skipped: this was an ordinary user; root is tried where tests run as root");
        return;
    }
    let mut server = Server::prepare(Database::sqlite());
    server.run_as(NOBODY);
    server.launch().await;
    let doctor = server.cli(&["doctor", "--json"]).await.json();
    let checks = doctor["checks"].as_array().expect("a list");
    for layer in LAYERS {
        let name = format!("sandbox.{layer}");
        let check = checks.iter().find(|c| c["name"] == *name);
        assert_eq!(check.expect("the layer")["status"], "ok", "{doctor:#}");
    }
    let ran = server
        .cli(&["run", "--json", "-e", "return 1"])
        .await
        .exits(0);
    assert_eq!(ran.json()["result"], 1);
}

#[tokio::test]
async fn an_unprivileged_container_is_enough() {
    let under = [
        "unshare",
        "--user",
        "--map-current-user",
        "sh",
        "-c",
        CONTAINED,
        "sh",
    ];
    if !possible(&under) {
        return;
    }
    let mut server = Server::prepare(Database::sqlite());
    server.run_under(&under);
    server.launch().await;
    assert_eq!(missing(&server).await, ["namespaces", "empty_root"]);
    assert_eq!(server.value("return 1").await, 1);
}

#[tokio::test]
async fn without_the_filter_the_server_answers_and_refuses_programs() {
    // -D: the server stays this test's child, and the tracer ends with it.
    let under = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=seccomp",
        "-e",
    ];
    let under = [&under[..], &["inject=seccomp:error=EINVAL"]].concat();
    if !possible(&under) {
        return;
    }
    let mut server = Server::prepare(Database::sqlite());
    server.run_under(&under);
    server.launch_unready().await;
    let (status, said) = readiness(&server).await;
    assert_eq!(
        (status, &said["failing"][0]),
        (503, &"sandbox.seccomp".into())
    );
    server
        .cli(&["doctor"])
        .await
        .exits(1)
        .says(&["problem  sandbox.seccomp", "No program runs"]);
    let refused = server.cli(&["run", "-e", "return 1"]).await.exits(1);
    refused.says(&["seccomp", "DANGEROUSLY_ALLOW_WEAK_SANDBOX=1"]);
    assert_eq!(server.get("/tasks").await["items"], Value::Array(vec![]));
    assert!(server.log().contains("ERROR"), "{}", server.log());
    server.stop().await;

    let switch = ("DANGEROUSLY_ALLOW_WEAK_SANDBOX".to_owned(), "1".to_owned());
    server.environment.push(switch);
    server.launch().await;
    assert_eq!(server.value("return 1").await, 1);
    let (status, said) = readiness(&server).await;
    assert_eq!(status, 200, "{said:#}");
    let warning = said["warning"].as_array().expect("a list");
    for name in ["sandbox.seccomp", "sandbox.switch"] {
        assert!(warning.contains(&name.into()), "{said:#}");
    }
    let loud = "DANGEROUSLY_ALLOW_WEAK_SANDBOX is set, and programs run without seccomp";
    server.cli(&["doctor"]).await.exits(0).says(&[loud]);
    assert!(server.log().contains(loud), "{}", server.log());
}

/// Writes one after the other, with other work in between.
const STEPS: &str = r#"
const done: string[] = [];
for (let i = 0; i < 12; i++) {
  done.push((await tools.ledger.items.createItem({ name: `NAME-${i}`, amount: 1 })).name);
  await tools.ledger.items.listItems();
}
return done.length;
"#;
/// Tasks that run while workers are killed.
const TASKS: usize = 12;

/// A worker that asks for a forbidden call is an alert; its task goes on elsewhere.
#[tokio::test]
async fn a_worker_that_breaks_out_is_told_and_its_task_completes() {
    let (server, upstream) = Upstream::connected(Database::sqlite()).await;
    upstream.hold_writes();
    let rule = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"] } });
    server.post("/policies", rule).await;
    let workspace = server.get("/me").await["workspace"]["id"].clone();
    let task = server
        .submit("return (await tools.ledger.items.createItem({ name: 'a', amount: 1 })).name")
        .await;
    upstream.arrived(1).await;
    let id = workspace.as_str().expect("an id");
    let mut events = Stream::open(&server, &format!("/workspaces/{id}/events"), Some(0)).await;
    for worker in server.workers() {
        // What the kernel does to a worker that makes a call which is not on its list.
        signal("SYS", worker);
    }
    events
        .until(|e| e.data["type"] == "sandbox" && e.data["data"]["tasks"] == 1)
        .await;
    upstream.release();
    assert_eq!(server.finished(&task).await["result"], "a");
    assert_eq!(upstream.created("a"), 1, "nothing is sent twice");

    let list = [
        "audit",
        "list",
        "--action",
        "sandbox.worker_killed",
        "--json",
    ];
    let entries = server.cli(&list).await.exits(0).json();
    let entries = entries.as_array().expect("a list");
    let told = entries.iter().find(|e| e["detail"]["tasksRebuilt"] == 1);
    let told = told.unwrap_or_else(|| panic!("{entries:#?}"));
    assert_eq!(told["detail"]["reason"], "forbidden_call");
    assert!(
        server.get("/audit/verify").await["intact"]
            .as_bool()
            .expect("a flag")
    );
    assert!(
        workspace.is_string() && told["workspaceId"] == workspace,
        "{told:#}"
    );
    let doctor = server.cli(&["doctor"]).await.exits(0);
    doctor.says(&[
        "warning  sandbox.workers",
        "forbidden_call",
        "broken into its worker",
    ]);
}

/// Killed at random, many times, while many tasks run: none is lost, nothing is sent twice.
#[tokio::test]
async fn killing_workers_loses_no_task() {
    let (server, upstream) = Upstream::connected(Database::sqlite()).await;
    let rule = json!({ "effect": "allow", "match": { "tools": ["ledger.items.createItem"] } });
    server.post("/policies", rule).await;
    let mut tasks = Vec::new();
    for n in 0..TASKS {
        tasks.push(server.submit(&STEPS.replace("NAME", &n.to_string())).await);
    }
    let mut random = Random::seeded();
    let mut kills = 0;
    let steps = |n: usize| {
        let made = |step: &usize| upstream.created(&format!("{n}-{step}")) > 0;
        (0..12).filter(made).count()
    };
    let mut at_last_kill = vec![0; TASKS];
    for task in &tasks {
        loop {
            let state = server.task(task).await;
            if !state["finishedAt"].is_null() {
                assert_eq!(state["status"], "completed", "{state:#}\n{}", server.log());
                assert_eq!(state["result"], 12);
                break;
            }
            let workers = server.workers();
            // Every task gets on between two kills, and none is about to end, where that cannot be
            // seen: one that never gets on is given up.
            let now: Vec<usize> = (0..TASKS).map(steps).collect();
            let all_got_on = now
                .iter()
                .zip(&at_last_kill)
                .all(|(now, before)| now > before && *now < 11);
            if !workers.is_empty() && all_got_on {
                at_last_kill = now;
                signal(
                    ["KILL", "SYS", "SEGV"][random.below(3)],
                    workers[random.below(workers.len())],
                );
                kills += 1;
            }
            tokio::time::sleep(Duration::from_millis(random.below(10) as u64)).await;
        }
    }
    eprintln!("{kills} workers killed under {TASKS} tasks");
    assert!(
        kills >= 3,
        "the tasks ended before they were tried: {kills}"
    );
    for n in 0..TASKS {
        for step in 0..12 {
            assert_eq!(upstream.created(&format!("{n}-{step}")), 1, "{n}-{step}");
        }
    }
}

/// Sends a signal; one that comes too late is no harm.
fn signal(name: &str, pid: u32) {
    // The shell's own: a bare machine has no program of that name.
    let script = format!("kill -{name} {pid}");
    let _ = Command::new("sh")
        .args(["-c", &script])
        .stderr(Stdio::null())
        .status();
}

impl Server {
    /// Process ids of its sandbox workers.
    fn workers(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs");
        let children = tasks.flatten().filter_map(|task| {
            let children = std::fs::read_to_string(task.path().join("children")).ok()?;
            Some(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect(),
            )
        });
        children.flat_map(|pids: Vec<u32>| pids).collect()
    }

    /// Started from here on as another user, who gets the directory and a copy of the binary.
    fn run_as(&mut self, user: u32) {
        let home = self.scratch("");
        std::fs::create_dir(self.data()).expect("a data directory");
        let open = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(self.data(), open).expect("it is ours");
        for folder in [home.clone(), home.join("home"), self.data().to_owned()] {
            std::os::unix::fs::chown(folder, Some(user), Some(user)).expect("root may");
        }
        self.user = Some(user);
    }
}
