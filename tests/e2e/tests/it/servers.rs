//! Several servers on one PostgreSQL: whichever of them is asked, killed, paused or ended, every task
//! has one outcome and nothing is sent twice.
//!
//! The counting upstream judges. Where instants are drawn, the seed is printed.

use crate::eras::Plain;
use crate::fleet::{Fleet, WRITES, WRITES_MADE, a_moment, signal, wrong_clock};
use crate::kills::Random;
use crate::people::Person;
use crate::server::{PATIENCE, Server};
use crate::stream::Stream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

const TWO_WRITES: &str = r#"
const before = { random: Math.random(), uuid: crypto.randomUUID(), now: Date.now() };
console.log(JSON.stringify(before));
const results = await Promise.all([
  tools.ledger.items.createItem({ name: "first", amount: 1 }),
  tools.ledger.items.createItem({ name: "second", amount: 2 }),
]);
return { before, names: results.map((r) => r.name), later: Date.now() >= before.now };
"#;

const ONE_WRITE: &str = "try { return (await tools.ledger.items.createItem({ name: 'once', amount: 1 })).name; }\n\
    catch (e) { return e.code; }";

fn assert_whole(done: &Value, logs: &[String]) {
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(
        done["result"]["names"],
        json!(["first", "second"]),
        "{done:#}"
    );
    assert_eq!(
        done["result"]["later"], true,
        "time went backwards: {done:#}"
    );
    assert_eq!(logs, [done["result"]["before"].to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn begun_at_one_and_answered_at_another() {
    for settings in [&[][..], &[("EXECUTOR_NOTICES", "false")][..]] {
        let fleet = Fleet::start(2, settings).await;
        let [a, b] = &fleet.servers[..] else {
            panic!("two servers")
        };
        let task = a.submit(TWO_WRITES).await;
        let path = format!("/tasks/{task}/events");
        let mut at_a = Stream::open(a, &path, None).await;
        let mut at_b = Stream::open(b, &path, None).await;
        for approval in b.pending(2).await {
            b.approve(&approval).await;
        }
        let done = b.finished(&task).await;
        assert_whole(&done, &b.logs(&task).await);
        let told = a.finished(&task).await;
        for field in ["status", "result", "finishedAt"] {
            assert_eq!(told[field], done[field], "both tell the same");
        }
        let (created, upstream) = (["first", "second"], &fleet.upstream);
        assert_eq!(created.map(|name| upstream.created(name)), [1, 1]);
        let ended = |e: &crate::stream::Event| e.data["data"]["status"] == "completed";
        let (seen_at_a, seen_at_b) = (at_a.until(ended).await, at_b.until(ended).await);
        assert_eq!(seen_at_a, seen_at_b, "the same events in the same order");
        let numbers: BTreeSet<i64> = seen_at_a.iter().map(|e| e.id).collect();
        assert_eq!(numbers.len(), seen_at_a.len(), "each once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_to_one_is_seen_at_another() {
    let fleet = Fleet::start(2, &[]).await;
    let [a, b] = &fleet.servers[..] else {
        panic!("two servers")
    };
    let mut events = Stream::open(b, "/workspaces/local/events", None).await;
    let ada = Person::add(a, "Ada", "member").await;
    let plain = Plain::of(a, json!({}), &ada);
    let listed = plain.ask("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().expect("tools").len();
    let told = events.until(|e| e.name == "client").await;
    let told = &told.last().expect("the event").data["data"];
    assert_eq!(
        (&told["tools"], &told["keyId"]),
        (&json!(tools), &json!(ada.key_id))
    );
    let seen = crate::api::items(&b.get("/clients").await);
    let client = seen.iter().find(|c| c["key"] == ada.key_id.as_str());
    assert_eq!(client.expect("the client")["listed"]["tools"], json!(tools));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_at_another_server() {
    for settings in [&[][..], &[("EXECUTOR_NOTICES", "false")][..]] {
        let fleet = Fleet::start(2, settings).await;
        let [a, b] = &fleet.servers[..] else {
            panic!("two servers")
        };
        let task = a
            .submit("await tools.ledger.probe.held(); return 'not ended'")
            .await;
        fleet.upstream.arrived(1).await;
        let owner = fleet.owner(&task).await;
        let ended = b.post(&format!("/tasks/{task}/cancel"), json!({})).await;
        assert_eq!(ended["status"], "canceled", "{ended:#}");
        assert_eq!(fleet.runs_at(&task).await, None, "{owner} let go of it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_are_known_to_each_other() {
    let mut fleet = Fleet::start(2, &[]).await;
    let listed = |list: Value| -> Vec<(String, bool)> {
        let item = |s: &Value| {
            let status = s["status"].as_str().expect("a status").to_owned();
            (status, s["isThis"] == true)
        };
        crate::api::items(&list).iter().map(item).collect()
    };
    let running = |this| ("running".to_owned(), this);
    let at_a = listed(fleet.servers[0].get("/servers").await);
    let at_b = listed(fleet.servers[1].get("/servers").await);
    assert_eq!(at_a, [running(false), running(true)], "the youngest first");
    assert_eq!(at_b, [running(true), running(false)]);
    fleet.servers[1].stop().await;
    let told = listed(fleet.servers[0].get("/servers").await);
    assert_eq!(told[0], ("stopped".to_owned(), false));
    fleet.servers[1].launch().await;
    fleet.servers[1].kill().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = listed(fleet.servers[0].get("/servers").await);
        if told[0].0 == "lost" {
            break;
        }
        assert!(Instant::now() < deadline, "{told:?}");
    }
    let health = fleet.servers[0].get("/health").await;
    let checks = crate::api::items(&health["checks"]);
    let servers = checks.iter().find(|c| c["name"] == "servers");
    assert_eq!(servers.expect("a check")["status"], "warning", "{health:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_servers_tasks_are_taken_over() {
    let mut fleet = Fleet::start(2, &[]).await;
    let waiting = fleet.servers[0].submit(TWO_WRITES).await;
    let asked = fleet.servers[1].pending(2).await;
    let reading = fleet.servers[0]
        .submit("return await tools.ledger.probe.held()")
        .await;
    fleet.upstream.arrived(1).await;
    let owner = fleet.owner(&reading).await;
    fleet.servers[0].kill().await;
    fleet.taken_over(&reading, &owner).await;
    fleet.upstream.release();
    let b = &fleet.servers[1];
    let read = b.finished(&reading).await;
    assert_eq!(read["result"], json!({ "held": true }), "{read:#}");
    for approval in &asked {
        b.approve(approval).await;
    }
    let done = b.finished(&waiting).await;
    assert_whole(&done, &b.logs(&waiting).await);
    let upstream = &fleet.upstream;
    assert_eq!(["first", "second"].map(|n| upstream.created(n)), [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_comes_back_to_what_is_no_longer_its() {
    let fleet = Fleet::start(2, &[]).await;
    fleet.allow_writes().await;
    fleet.upstream.hold_writes();
    let [a, b] = &fleet.servers[..] else {
        panic!("two servers")
    };
    let task = a.submit(ONE_WRITE).await;
    fleet.upstream.arrived(1).await;
    let owner = fleet.owner(&task).await;
    signal(a, "STOP").await;
    fleet.taken_over(&task, &owner).await;
    let asked = b.pending(1).await.remove(0);
    assert_eq!(asked["question"], "send_again", "{asked:#}");
    // The one under way is answered, and the paused server has it before it knows that it may no
    // longer write.
    fleet.upstream.release();
    signal(a, "CONT").await;
    let deadline = Instant::now() + PATIENCE;
    while !a.log().contains("the lease of the task was lost") {
        assert!(Instant::now() < deadline, "{}", a.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let still = b.task(&task).await;
    assert_eq!(still["status"], "waiting", "refused: {still:#}");
    a.deny(&asked, "I looked: it is there").await;
    let done = b.finished(&task).await;
    assert_eq!(done["result"], "outcome_unknown", "{done:#}");
    assert_eq!(fleet.upstream.created("once"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_directory_takes_nothing_from_the_living() {
    let fleet = Fleet::start(1, &[("EXECUTOR_LEASE_MS", "60000")]).await;
    let a = &fleet.servers[0];
    let task = a.submit(TWO_WRITES).await;
    let asked = a.pending(2).await;
    let owner = fleet.owner(&task).await;
    let mut copy = fleet.prepare(&[]);
    std::fs::create_dir(copy.data()).expect("a directory");
    for entry in std::fs::read_dir(a.data()).expect("the directory reads") {
        let entry = entry.expect("the directory reads");
        if entry.file_type().expect("a type").is_file() {
            std::fs::copy(entry.path(), copy.data().join(entry.file_name())).expect("a copy");
        }
    }
    copy.launch().await;
    assert_eq!(fleet.owner(&task).await, owner, "it stays where it is");
    for approval in &asked {
        copy.approve(approval).await;
    }
    let done = a.finished(&task).await;
    assert_whole(&done, &a.logs(&task).await);
    assert_eq!(
        fleet.sql_of_task(&task, "attempts").await,
        "1",
        "nobody else had it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_a_server_takes_back_its_own_at_once() {
    // A lease that outlasts the test: only the directory's lock can tell.
    let mut fleet = Fleet::start(1, &[("EXECUTOR_LEASE_MS", "600000")]).await;
    let task = fleet.servers[0]
        .submit("return await tools.ledger.probe.held()")
        .await;
    fleet.upstream.arrived(1).await;
    fleet.servers[0].kill().await;
    fleet.servers[0].launch().await;
    fleet.upstream.release();
    let done = fleet.servers[0].finished(&task).await;
    assert_eq!(done["result"], json!({ "held": true }), "{done:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drained_under_load_nothing_is_lost() {
    let mut fleet = Fleet::start(2, &[]).await;
    fleet.allow_writes().await;
    let mut random = Random::seeded();
    let mut tasks = Vec::new();
    for n in 0..8 {
        let code = WRITES.replace("NAME", &format!("t{n}"));
        tasks.push(fleet.servers[0].submit(&code).await);
    }
    a_moment(&mut random).await;
    fleet.servers[0].stop().await;
    let b = &fleet.servers[1];
    let done = fleet.end_all(b, &tasks).await;
    let unknown: usize = done.iter().map(|d| fleet.judge(d, WRITES_MADE)).sum();
    assert_eq!(unknown, 0, "what was under way had time to be answered");
    let moved = fleet.sql("select id from tasks where attempts > 1").await;
    assert!(
        !moved.is_empty(),
        "the server ended before it had anything to leave"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_it_answers_and_says_that_it_is_not_ready() {
    let mut fleet = Fleet::start(1, &[]).await;
    let a = &fleet.servers[0];
    let waiting = a.submit(TWO_WRITES).await;
    a.pending(2).await;
    let code = json!({ "code": "return await tools.ledger.probe.held()", "waitMs": 50_000 });
    let url = format!("{}/api/v1/tasks", a.url());
    let asked = tokio::spawn(crate::server::client().post(url).json(&code).send());
    fleet.upstream.arrived(1).await;
    signal(a, "TERM").await;
    let probe = |path: &'static str| {
        let url = format!("{}{path}", a.url());
        async move {
            let answer = crate::server::client().get(url).send().await;
            answer.expect("it still answers").status().as_u16()
        }
    };
    let deadline = Instant::now() + PATIENCE;
    while probe("/readyz").await != 503 {
        assert!(Instant::now() < deadline, "{}", a.log());
    }
    assert_eq!(probe("/healthz").await, 200, "it lives");
    let later = a.submit("return 'taken, and run by whoever comes'").await;
    let told = asked.await.expect("it runs").expect("the wait is answered");
    assert_eq!(told.status(), 201);
    let told: Value = told.json().await.expect("a task");
    let status = told["status"].as_str().expect("a status");
    assert!(["running", "queued"].contains(&status), "{told:#}");
    fleet.servers[0].ended().await;
    // The task that only waited for people was put away; the others are for the next server.
    let state = async |id: &str| fleet.sql_of_task(id, "state").await;
    assert_eq!(state(&waiting).await, "suspended");
    let held = told["id"].as_str().expect("an id").to_owned();
    assert_eq!(state(&held).await, "queued");
    assert_eq!(state(&later).await, "queued");
    fleet.upstream.release();
    fleet.servers[0].launch().await;
    let a = &fleet.servers[0];
    assert_eq!(a.finished(&held).await["result"], json!({ "held": true }));
    let done = a.finished(&later).await;
    assert_eq!(done["result"], "taken, and run by whoever comes");
    for approval in a.pending(2).await {
        a.approve(&approval).await;
    }
    assert_whole(&a.finished(&waiting).await, &a.logs(&waiting).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let mut fleet = Fleet::start(1, &[("EXECUTOR_DRAIN_MS", "600000")]).await;
    let a = &fleet.servers[0];
    let task = a.submit("return await tools.ledger.probe.held()").await;
    fleet.upstream.arrived(1).await;
    signal(a, "TERM").await;
    let deadline = Instant::now() + PATIENCE;
    while !a.log().contains("once more to end at once") {
        assert!(Instant::now() < deadline, "{}", a.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    signal(a, "TERM").await;
    fleet.servers[0].ended_somehow().await;
    fleet.upstream.release();
    fleet.servers[0].launch().await;
    let done = fleet.servers[0].finished(&task).await;
    assert_eq!(done["result"], json!({ "held": true }), "{done:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_another_engine_is_left_to_who_has_it() {
    let fleet = Fleet::start(1, &[]).await;
    let a = &fleet.servers[0];
    let older = async |result: &str| {
        let task = a.run(&format!("return \"{result}\"")).await;
        let id = task["id"].as_str().expect("an id").to_owned();
        // As a server of an older version would have left it.
        fleet
            .sql(&format!(
                "update tasks
                 set state = 'queued', result = null, finished_at = null, engine = 'older'
                 where id = '{id}' returning id"
            ))
            .await;
        id
    };
    // Nobody has it: its end says so as soon as it is needed.
    let task = older("nobody's").await;
    let done = a.finished(&task).await;
    assert_eq!(done["error"]["code"], "engine_changed", "{done:#}");
    fleet
        .sql(
            "insert into servers
             values ('server_older', '0', 'running', 0, (extract(epoch from now()) * 1000)::bigint)",
        )
        .await;
    fleet
        .sql("insert into server_engines values ('server_older', 'older')")
        .await;
    let task = older("another's").await;
    // Another server has it: this one runs others and leaves it alone.
    for n in 0..3 {
        assert_eq!(a.value(&format!("return {n}")).await, json!(n));
    }
    assert_eq!(fleet.sql_of_task(&task, "state").await, "queued");
}

/// How often one of three servers is killed or paused.
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_and_one_killed_or_paused_at_random() {
    let mut fleet = Fleet::start(3, &[]).await;
    fleet.allow_writes().await;
    let mut random = Random::seeded();
    let mut tasks = Vec::new();
    for round in 0..ROUNDS {
        for n in 0..3 {
            let code = WRITES.replace("NAME", &format!("r{round}t{n}"));
            let server: &Server = &fleet.servers[random.below(3)];
            tasks.push(server.submit(&code).await);
        }
        a_moment(&mut random).await;
        let victim = random.below(3);
        if random.below(2) == 0 {
            fleet.servers[victim].kill().await;
            a_moment(&mut random).await;
            fleet.servers[victim].launch().await;
        } else {
            signal(&fleet.servers[victim], "STOP").await;
            // Past its lease: what it had is taken over, and it comes back to that.
            tokio::time::sleep(std::time::Duration::from_millis(3_500)).await;
            a_moment(&mut random).await;
            signal(&fleet.servers[victim], "CONT").await;
        }
    }
    let at = &fleet.servers[random.below(3)];
    let done = fleet.end_all(at, &tasks).await;
    let unknown: usize = done.iter().map(|d| fleet.judge(d, WRITES_MADE)).sum();
    let running = fleet
        .sql("select id from tasks where owner is not null")
        .await;
    assert_eq!(running, [] as [String; 0], "nothing is left running");
    eprintln!(
        "{ROUNDS} rounds, {unknown} of {} writes with an unknown outcome",
        tasks.len() * WRITES_MADE
    );
}

/// Both clocks are an hour off, one each way: more than any lease or wait for an answer.
const HOUR_S: i64 = 3_600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_decide_nothing() {
    let mut fleet = Fleet::start(0, &[]).await;
    let folder = tempfile::tempdir().expect("a folder");
    for off_s in [HOUR_S, -HOUR_S] {
        let settings = wrong_clock(folder.path(), off_s);
        let [preload, off] = settings.each_ref().map(|(k, v)| (k.as_str(), v.as_str()));
        fleet
            .join(&[preload, off, ("EXECUTOR_LEASE_MS", "8000")])
            .await;
    }
    fleet.upstream.connect(&fleet.servers[0]).await;
    let [ahead, behind] = &fleet.servers[..] else {
        panic!("two servers")
    };
    let made_at = |task: &Value| task["createdAt"].as_str().expect("a time").to_owned();
    let early = behind
        .submit("return await tools.ledger.probe.held()")
        .await;
    fleet.upstream.arrived(1).await;
    let of_behind = fleet.owner(&early).await;
    let late = ahead.submit(TWO_WRITES).await;
    let asked = behind.pending(2).await;
    let (early_at, late_at) = (behind.task(&early).await, behind.task(&late).await);
    assert!(
        made_at(&early_at)[..13] < made_at(&late_at)[..13],
        "the clocks are wrong"
    );
    let asked_behind = behind.submit(ONE_WRITE).await;
    let all_asked = behind.pending(3).await;
    // Each server looks every second: long before both have renewed their leases several times.
    fleet.renewed(&early, 3).await;
    assert_eq!(fleet.owner(&early).await, of_behind, "its lease holds");
    let ids = |asked: &[Value]| -> BTreeSet<String> {
        asked.iter().map(|a| a["id"].to_string()).collect()
    };
    let still = ahead.pending(3).await;
    assert_eq!(ids(&still), ids(&all_asked), "none has expired");
    fleet.upstream.release();
    assert_eq!(ahead.finished(&early).await["status"], "completed");
    // By now it may have been put away; else it is the killed server's.
    let of_ahead = fleet.runs_at(&late).await.unwrap_or_default();
    // What began an hour ahead goes on an hour behind, and as soon as the lease has run out.
    fleet.servers[0].kill().await;
    fleet.taken_over(&late, &of_ahead).await;
    let behind = &fleet.servers[1];
    for approval in &asked {
        behind.approve(approval).await;
    }
    assert_whole(&behind.finished(&late).await, &behind.logs(&late).await);
    behind.approve(&behind.pending(1).await[0]).await;
    assert_eq!(behind.finished(&asked_behind).await["result"], "once");
}
