//! A catalog that is never stale: sources are read again by the clock, swapped under load without a
//! call lost, held back where they look like half a document; what goes wrong has a reason.

use crate::answers::meddle;
use crate::database::Database;
use crate::described::{
    CALL_LIST, CALL_PUT, Described, LIST, Operation, PUT, PUT_CHANGED, allow_all, marked, refresh,
    shelf,
};
use crate::fleet::Fleet;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

on_both_databases!(
    half_a_document_and_a_flood_are_held_back,
    half_a_text_and_an_empty_document_leave_what_was,
    a_source_is_read_again_by_the_clock,
    a_swap_under_load_fails_no_call,
    one_broken_source_touches_no_other,
    what_is_wrong_with_a_source_has_a_reason,
    what_is_no_description_says_what_came_back,
);

async fn half_a_document_and_a_flood_are_held_back(database: Database) {
    let names: Vec<(String, String)> = (0..400)
        .map(|n| (format!("/things/{n}"), format!("list{n}")))
        .collect();
    let many = |count: usize| -> Vec<Operation<'_>> {
        let first = names.iter().take(count);
        first
            .map(|(path, name)| ("get", path.as_str(), name.as_str(), "Lists"))
            .collect()
    };
    let (server, described) = shelf(database, &many(12)).await;
    let count = async || server.get("/sources/shelf").await;
    for (wanted, holds) in [(5, true), (300, true), (7, false)] {
        described.offer(&many(wanted));
        let before = count().await["toolCount"].clone();
        let dry = server
            .post("/sources/shelf/refresh?dryRun=true", json!(null))
            .await;
        assert_eq!(
            dry["doubt"].is_string(),
            holds,
            "{wanted}: {:#}",
            dry["doubt"]
        );
        let refused = server.cli(&["sources", "refresh", "shelf"]).await;
        if holds {
            refused.exits(1).says(&["--accept", &wanted.to_string()]);
            let source = count().await;
            assert_eq!(source["status"], "degraded", "{source:#}");
            assert_eq!(source["toolCount"], before, "kept: {source:#}");
            assert_eq!(
                server
                    .value("return (await tools.shelf.list0()).method")
                    .await,
                "GET"
            );
        } else {
            refused.exits(0);
            assert_eq!(count().await["status"], "ready");
        }
    }
    described.offer(&many(1));
    server
        .cli(&["sources", "refresh", "shelf", "--accept"])
        .await
        .exits(0);
    let source = count().await;
    assert_eq!(
        (&source["status"], &source["toolCount"]),
        (&json!("ready"), &json!(1))
    );
}

async fn half_a_text_and_an_empty_document_leave_what_was(database: Database) {
    let one: Operation<'_> = ("get", "/things/0", "list0", "Lists");
    let (server, described) = shelf(database, &[one]).await;
    let whole = crate::described::description(described.base_url(), &[one]).to_string();
    described.say(&whole[..whole.len() / 2]);
    let accept = ["sources", "refresh", "shelf", "--accept"];
    server.cli(&accept).await.exits(1);
    described.offer(&[]);
    let empty = server.cli(&accept).await.exits(1);
    empty.says(&["no operation"]);
    let source = server.get("/sources/shelf").await;
    assert_eq!(
        (&source["status"], &source["toolCount"]),
        (&json!("degraded"), &json!(1))
    );
    assert_eq!(source["failuresInARow"], 2, "{source:#}");
    assert_eq!(
        server
            .value("return (await tools.shelf.list0()).method")
            .await,
        "GET"
    );
    described.offer(&[one]);
    refresh(&server).await;
    let source = server.get("/sources/shelf").await;
    assert_eq!(
        (&source["status"], &source["failuresInARow"]),
        (&json!("ready"), &json!(0))
    );
    assert!(
        source["lastFailure"].is_string(),
        "what was is still told: {source:#}"
    );
}

async fn a_source_is_read_again_by_the_clock(database: Database) {
    let (server, described) = shelf(database, &[LIST]).await;
    let source = server.get("/sources/shelf").await;
    assert!(
        source["nextRefreshAt"].is_string(),
        "a day from now: {source:#}"
    );
    for wrong in ["5s", "1y", ""] {
        let change = json!({ "refreshEvery": wrong });
        let refused = server.send("PATCH", "/sources/shelf", Some(&change)).await;
        assert_eq!(refused.status, 422, "{wrong}");
    }
    let settings = ["workspaces", "settings", "--source-refresh-every", "never"];
    server.cli(&settings).await.exits(0);
    let source = server.get("/sources/shelf").await;
    assert!(source.get("nextRefreshAt").is_none(), "never: {source:#}");
    let edited = [
        "sources",
        "edit",
        "shelf",
        "--refresh-every",
        "10s",
        "--json",
    ];
    let edited = server.cli(&edited).await.exits(0).json();
    assert_eq!(edited["refreshEvery"], "10s", "{edited:#}");

    described.offer(&[LIST, PUT]);
    let deadline = Instant::now() + PATIENCE;
    while marked(&server).await != ["shelf.put"] {
        assert!(
            Instant::now() < deadline,
            "{:#}\n{}",
            server.get("/sources/shelf").await,
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let entries = server.get("/audit?action=source.refreshed").await;
    let entry = entries["items"][0].clone();
    assert_eq!(
        (&entry["via"], &entry["accountId"]),
        (&json!("server"), &json!(null)),
        "{entries:#}"
    );
    assert_eq!(
        entry["detail"]["added"]["paths"],
        json!(["shelf.put"]),
        "{entry:#}"
    );
    // From here on its server says that nothing has changed, and nobody is told.
    let (whole, known) = (described.read_whole(), described.read_unchanged());
    let deadline = Instant::now() + PATIENCE;
    while described.read_unchanged() == known {
        assert!(
            Instant::now() < deadline,
            "it is not read again\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(described.read_whole(), whole);
    let now = server.get("/audit?action=source.refreshed").await;
    assert_eq!(
        now["items"].as_array().map(Vec::len),
        entries["items"].as_array().map(Vec::len)
    );
}

const READS: &str = "let done = 0;\n\
    for (let i = 0; i < 12; i++) {\n\
      const all = await Promise.all([tools.shelf.list(), tools.shelf.put({ q: 'x' }), tools.shelf.list({ q: 'y' })]);\n\
      done += all.length;\n\
    }\n\
    return done;";

/// Swaps the tools of the shelf again and again until all tasks have ended; each must have completed.
async fn swapped_under(server: &Server, at: &Server, described: &Described, tasks: Vec<String>) {
    let mut swaps = 0;
    for task in tasks {
        loop {
            let says = format!("Makes {swaps}");
            described.offer(&[LIST, PUT, ("post", "/things", "make", &says)]);
            let changed = refresh(at).await;
            assert_eq!(changed["source"]["status"], "ready", "{changed:#}");
            swaps += 1;
            let state = server.task(&task).await;
            if state["finishedAt"].is_string() {
                assert_eq!(state["status"], "completed", "{state:#}\n{}", server.log());
                assert_eq!(state["result"], 36, "{state:#}");
                break;
            }
        }
    }
    assert!(swaps > 0);
}

async fn a_swap_under_load_fails_no_call(database: Database) {
    let (server, described) = shelf(database, &[LIST, PUT]).await;
    allow_all(&server).await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(server.submit(READS).await);
    }
    swapped_under(&server, &server, &described, tasks).await;
    assert_eq!(described.calls(), 6 * 36);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_at_another_server_fails_no_call_either() {
    let fleet = Fleet::start(2, &[]).await;
    let described = Described::start(&[LIST, PUT]).await;
    let [first, second] = &fleet.servers[..] else {
        panic!("two servers")
    };
    first.post("/sources", described.as_source()).await;
    allow_all(first).await;
    let mut tasks = Vec::new();
    for n in 0..6 {
        let server = if n % 2 == 0 { first } else { second };
        tasks.push(server.submit(READS).await);
    }
    swapped_under(second, first, &described, tasks).await;
    // A look at one server holds at the other at once.
    described.offer(&[LIST, PUT_CHANGED]);
    refresh(second).await;
    let shown = first.get("/sources/shelf/unreviewed").await;
    let looked = json!({ "all": true, "revision": shown["revision"] });
    first.post("/sources/shelf/review", looked).await;
    assert_eq!(second.value(CALL_PUT).await, "PUT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_one_reads_a_source() {
    let fleet = Fleet::start(2, &[]).await;
    let described = Described::start(&[LIST]).await;
    let mut new = described.as_source();
    new["refreshEvery"] = json!("10s");
    fleet.servers[0].post("/sources", new).await;
    let begun = Instant::now();
    let reads = || described.read_whole() + described.read_unchanged();
    let first = reads();
    while reads() < first + 3 {
        assert!(begun.elapsed() < 2 * PATIENCE, "it is not read again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Each time is at least nine seconds after the one before, whoever reads.
    assert!(
        begun.elapsed() > Duration::from_secs(3 * 9 - 1),
        "{:?}",
        begun.elapsed()
    );
}

async fn one_broken_source_touches_no_other(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let described = Described::start(&[LIST]).await;
    server.post("/sources", described.as_source()).await;
    let id = server.get("/sources/ledger").await["id"].clone();
    let id = id.as_str().expect("an id");
    meddle(
        &server,
        &format!("update source_documents set tools = '[{{' where source_id = '{id}'"),
    );
    // The next version of the catalog is read from what is stored.
    refresh(&server).await;
    assert_eq!(server.value(CALL_LIST).await, "GET");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let source = server.get("/sources/ledger").await;
        if source["status"] == "degraded" {
            let reason = source["reason"].as_str().expect("a reason");
            assert!(reason.contains("refresh ledger"), "{reason}");
            break;
        }
        assert!(Instant::now() < deadline, "{source:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lost = server
        .run("return await tools.ledger.items.listItems()")
        .await;
    assert_eq!(lost["status"], "failed", "{lost:#}");
    server.cli(&["sources", "refresh", "ledger"]).await.exits(0);
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1);
    assert_eq!(server.get("/sources/ledger").await["status"], "ready");
    assert_eq!(upstream.writes(), 0);
}

async fn what_is_wrong_with_a_source_has_a_reason(database: Database) {
    let (server, described) = shelf(database, &[LIST, PUT]).await;
    let credential = json!({ "source": "shelf", "value": "x", "auth": "bearer" });
    server.post("/credentials", credential).await;
    let codes = |health: &Value| -> Vec<String> {
        let reasons = health["reasons"].as_array().expect("reasons").iter();
        reasons
            .map(|r| r["code"].as_str().expect("a code").to_owned())
            .collect()
    };
    let health = async |holds: &dyn Fn(&Value) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = server.get("/sources/shelf/health").await;
            if holds(&health) {
                return health;
            }
            assert!(Instant::now() < deadline, "{health:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    server.value(CALL_LIST).await;
    let well = health(&|h| h["calls"]["count"] == 1).await;
    assert_eq!(codes(&well), [""; 0], "{well:#}");
    assert!(
        well["calls"]["p50Ms"].is_u64() && well["calls"]["errorRate"] == json!(0.0),
        "{well:#}"
    );

    described.reject(true);
    for _ in 0..3 {
        server.run(CALL_LIST).await;
    }
    let ill = health(&|h| h["calls"]["count"] == 4).await;
    assert_eq!(codes(&ill), ["credential_rejected"], "{ill:#}");
    assert_eq!(ill["calls"]["lastFailure"], "credential_rejected");
    described.reject(false);
    server.value(CALL_LIST).await;
    let well = health(&|h| h["calls"]["count"] == 5).await;
    assert_eq!(
        codes(&well),
        [""; 0],
        "one that is accepted ends it: {well:#}"
    );

    described.offer(&[LIST, PUT_CHANGED]);
    refresh(&server).await;
    described.say("nonsense");
    server.cli(&["sources", "refresh", "shelf"]).await.exits(1);
    let ill = health(&|_| true).await;
    assert_eq!(codes(&ill), ["degraded", "unreviewed"], "{ill:#}");
    assert_eq!(ill["failuresInARow"], 1);
    let shown = ["sources", "show", "shelf", "--json"];
    let shown = server.cli(&shown).await.exits(0).json();
    assert_eq!(shown["name"], "shelf");
    assert_eq!(
        codes(&shown["health"]),
        ["degraded", "unreviewed"],
        "{shown:#}"
    );
    let text = server.cli(&["sources", "show", "shelf"]).await.exits(0);
    text.says(&["sources review shelf", "half within"]);
    server
        .cli(&["doctor"])
        .await
        .says(&["shelf degraded", "shelf unreviewed"]);
    server
        .cli(&["sources", "list"])
        .await
        .exits(0)
        .says(&["1 to review"]);
}

async fn what_is_no_description_says_what_came_back(database: Database) {
    let server = Server::start(database).await;
    let described = Described::start(&[]).await;
    let add = async |path: &str| {
        let new = json!({ "url": format!("{}{path}", described.base_url()), "allowPrivate": true });
        let refused = server.send("POST", "/sources", Some(&new)).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (422, &json!("invalid_source")),
            "{refused:#?}"
        );
        refused.body
    };
    described.say("<!DOCTYPE html><title>A page</title>");
    let page = add("/openapi.json").await;
    let told = page["title"].as_str().expect("a sentence").to_owned();
    for word in [
        "200",
        "application/json",
        "<!DOCTYPE html>",
        "web page",
        "/swagger.json (404)",
    ] {
        assert!(told.contains(word), "{word} in {told}");
    }
    let tried = page["details"]["tried"].as_array().expect("what was tried");
    assert_eq!(tried[0]["status"], 200, "{page:#}");
    assert_eq!(
        tried[0]["beginsWith"],
        "<!DOCTYPE html><title>A page</title>"
    );
    described.say("\u{1b}[31m{ nonsense");
    let told = add("/openapi.json").await["title"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(
        told.contains("it answered 200") && told.contains("\\u{1b}[31m"),
        "{told}"
    );
    let told = add("/nowhere").await["title"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(told.contains("404") && told.contains("/nowhere"), "{told}");
}
