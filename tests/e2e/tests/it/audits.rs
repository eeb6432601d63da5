//! The audit chain taken elsewhere: exported, checked with no server, compared with checkpoints; and
//! meddled with, in the export and in the store, in every way there is.
//!
//! Every case begins with the whole chain, which must be found good by the same command.

use crate::api::items;
use crate::browser::Browser;
use crate::database::Database;
use crate::eras::{Plain, answered, execute, form, let_forms_decide, only_key};
use crate::keeping::change;
use crate::people::Person;
use crate::server::Server;
use crate::upstream::Upstream;
use crate::visitor::{App, Visitor};
use serde_json::{Value, json};
use std::path::PathBuf;

on_both_databases!(
    an_export_is_checked_with_no_server,
    a_chain_meddled_with_in_the_store_is_found_out,
    entries_say_who_from_where_and_are_found_by_it,
    answers_say_through_what_they_were_given,
    what_people_write_breaks_no_line_and_is_no_formula,
    how_long_entries_are_kept_is_the_owners_to_say,
);

/// Some entries of several kinds.
pub(crate) async fn busy(database: Database) -> (Server, Upstream) {
    let (server, upstream) = Upstream::connected(database).await;
    let write = "return await tools.ledger.items.createItem({ name: 'a', amount: 1 })";
    let task = server.submit(write).await;
    let asked = server.pending(1).await.remove(0);
    server.approve(&asked).await;
    server.finished(&task).await;
    (server, upstream)
}

pub(crate) async fn exported(server: &Server, name: &str) -> (PathBuf, Vec<String>) {
    let file = server.scratch(name);
    let path = file.to_str().expect("a path");
    server
        .cli(&["audit", "export", "--output", path])
        .await
        .exits(0);
    let text = std::fs::read_to_string(&file).expect("written");
    (file, text.lines().map(str::to_owned).collect())
}

/// What `audit verify FILE` says of some lines, with nothing of the server at hand.
pub(crate) async fn verified(server: &Server, lines: &[String], more: &[&str]) -> (i32, Value) {
    let file = server.scratch("meddled.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("written");
    let nowhere = server.scratch("nowhere");
    let mut arguments = vec![
        "audit",
        "verify",
        file.to_str().expect("a path"),
        "--json",
        "--data-dir",
        nowhere.to_str().expect("a path"),
    ];
    arguments.extend(more);
    let ran = server.cli(&arguments).await;
    (ran.code, ran.json())
}

fn place(line: &str) -> i64 {
    let line: Value = serde_json::from_str(line).expect("JSON");
    line["entry"]["sequence"].as_i64().expect("an entry")
}

async fn an_export_is_checked_with_no_server(database: Database) {
    let (server, _upstream) = busy(database).await;
    let kept = server.scratch("kept.json");
    let kept = kept.to_str().expect("a path");
    server
        .cli(&["audit", "checkpoint", "--output", kept])
        .await
        .exits(0);
    let (_, lines) = exported(&server, "audit.jsonl").await;
    let begins = lines
        .iter()
        .position(|l| l.starts_with("{\"entry\""))
        .expect("entries");
    let entries = lines.iter().filter(|l| l.starts_with("{\"entry\"")).count();
    assert!(entries >= 8, "{lines:#?}");
    for more in [&[][..], &["--checkpoint", kept]] {
        let (code, verdict) = verified(&server, &lines, more).await;
        assert_eq!(
            (code, &verdict["intact"], &verdict["entries"]),
            (0, &json!(true), &json!(entries)),
            "{verdict:#}"
        );
    }
    let at = begins + 4;
    let bad = place(&lines[at]);
    let edited = |from: &str, to: &str| {
        let mut edited = lines.clone();
        edited[at] = edited[at].replacen(from, to, 1);
        assert_ne!(edited[at], lines[at], "something changed");
        edited
    };
    let mut removed = lines.clone();
    removed.remove(at);
    let mut swapped = lines.clone();
    swapped.swap(at, at + 1);
    let mut twice = lines.clone();
    twice.insert(at + 1, lines[at].clone());
    let mut moved = lines.clone();
    let entry = moved.remove(at);
    moved.insert(at + 2, entry);
    for (what, meddled, first_bad, wrong) in [
        ("edited", edited("\"via\":\"", "\"via\":\"x"), bad, "edited"),
        (
            "another time",
            edited("\"at\":\"20", "\"at\":\"21"),
            bad,
            "edited",
        ),
        ("removed", removed, bad + 1, "missing"),
        ("swapped", swapped, bad + 1, "missing"),
        ("twice", twice, bad, "duplicate"),
        ("moved down", moved, bad + 1, "missing"),
    ] {
        let (code, verdict) = verified(&server, &meddled, &[]).await;
        assert_eq!(code, 1, "{what}: {verdict:#}");
        assert_eq!(
            (&verdict["firstBad"], &verdict["wrong"]),
            (&json!(first_bad), &json!(wrong)),
            "{what}: {verdict:#}"
        );
    }
    only_a_checkpoint_tells(&server, &lines, (at, bad), kept).await;
}

/// A cut tail shows by what was kept elsewhere alone.
async fn only_a_checkpoint_tells(
    server: &Server,
    lines: &[String],
    (at, bad): (usize, i64),
    kept: &str,
) {
    let mut cut = lines.to_vec();
    cut.truncate(at);
    assert_eq!(verified(server, &cut, &[]).await.0, 0, "it cannot show");
    let (code, verdict) = verified(server, &cut, &["--checkpoint", kept]).await;
    assert_eq!(
        (code, &verdict["wrong"]),
        (1, &json!("missing")),
        "{verdict:#}"
    );
    assert_eq!(verdict["firstBad"], bad, "{verdict:#}");
    // A checkpoint that somebody made up is none.
    let mut forged: Value =
        serde_json::from_str(&std::fs::read_to_string(kept).expect("it reads")).expect("JSON");
    forged["hash"] = json!("0".repeat(64));
    let path = server.scratch("forged.json");
    std::fs::write(&path, forged.to_string()).expect("written");
    let path = path.to_str().expect("a path");
    let (code, said) = verified(server, lines, &["--checkpoint", path]).await;
    assert_eq!(
        (code, &said["error"]["code"]),
        (1, &json!("bad_checkpoint")),
        "{said:#}"
    );
    // The server's chain is compared with it, too, without taking its word.
    server
        .cli(&["audit", "verify", "--checkpoint", kept])
        .await
        .exits(0)
        .says(&["every checkpoint fits"]);
}

async fn a_chain_meddled_with_in_the_store_is_found_out(database: Database) {
    let (server, _upstream) = busy(database).await;
    let whole = server.get("/audit/verify").await;
    assert_eq!(whole["intact"], true, "{whole:#}");
    let kept = server.scratch("kept.json");
    let kept = kept.to_str().expect("a path");
    server
        .cli(&["audit", "checkpoint", "--output", kept])
        .await
        .exits(0);
    for (what, sql, undo, bad) in [
        (
            "edited",
            "update audit set detail = detail || ' ' where sequence = 3",
            "update audit set detail = substr(detail, 1, length(detail) - 1) where sequence = 3",
            3,
        ),
        (
            "from elsewhere",
            "update audit set address = '203.0.113.9' where sequence = 1",
            "update audit set address = '127.0.0.1' where sequence = 1",
            1,
        ),
        (
            "reordered",
            "update audit set sequence = -1 where sequence = 3;
             update audit set sequence = 3 where sequence = 4;
             update audit set sequence = 4 where sequence = -1",
            "update audit set sequence = -1 where sequence = 3;
             update audit set sequence = 3 where sequence = 4;
             update audit set sequence = 4 where sequence = -1",
            3,
        ),
        (
            "removed",
            "update audit set sequence = -3 where sequence = 3",
            "update audit set sequence = 3 where sequence = -3",
            4,
        ),
    ] {
        change(&server, sql);
        let found = server.get("/audit/verify").await;
        assert_eq!(
            (&found["intact"], &found["firstBad"]),
            (&json!(false), &json!(bad)),
            "{what}: {found:#}"
        );
        change(&server, undo);
        let found = server.get("/audit/verify").await;
        assert_eq!(found["intact"], true, "{what}, undone: {found:#}");
    }
    // The tail cut off, and the head with it: only what was kept elsewhere tells.
    change(
        &server,
        "delete from audit where sequence > 4;
         delete from audit_checkpoints;
         update organization_heads
         set audit_sequence = 4, audit_hash = (select hash from audit where sequence = 4)",
    );
    let found = server.get("/audit/verify").await;
    assert_eq!(found["intact"], true, "it cannot show: {found:#}");
    server
        .cli(&["audit", "verify", "--checkpoint", kept])
        .await
        .exits(1)
        .says(&["the audit chain does not hold"]);
}

async fn entries_say_who_from_where_and_are_found_by_it(database: Database) {
    let (server, _upstream) = busy(database).await;
    let key = server
        .post("/keys", json!({ "name": "k", "scopes": ["policies"] }))
        .await;
    let (id, secret) = (key["key"]["id"].clone(), key["secret"].clone());
    let secret = secret.as_str().expect("a secret");
    let rule = json!({ "effect": "ask", "match": { "tools": ["very.odd.**"] } });
    let made = server
        .send_as(Some(secret), "POST", "/policies", Some(&rule))
        .await;
    assert_eq!(made.status, 201, "{made:#?}");
    let id = id.as_str().expect("an id");
    let found = items(&server.get(&format!("/audit?key={id}")).await);
    assert_eq!(found.len(), 1, "{found:#?}");
    let entry = &found[0];
    assert_eq!(entry["action"], "rule.added", "{entry:#}");
    assert_eq!(entry["address"], "127.0.0.1", "{entry:#}");
    let request = entry["requestId"].as_str().expect("a request");
    assert!(request.starts_with("req_"), "{entry:#}");
    let me = server.get("/me").await;
    let actor = me["accountId"].as_str().expect("an account");
    let at = entry["at"].as_str().expect("an instant");
    let count = |query: String| {
        let server = &server;
        async move { items(&server.get(&format!("/audit?limit=200&{query}")).await).len() }
    };
    let all = count(String::new()).await;
    assert_eq!(
        count(format!("actor={actor}")).await,
        all,
        "one person did it all"
    );
    assert_eq!(count("channel=server".into()).await, 0);
    assert_eq!(count("channel=cli".into()).await, 0);
    assert_eq!(count("text=VERY.ODD".into()).await, 1, "whatever the case");
    assert_eq!(count("text=very%25odd".into()).await, 0, "% is a letter");
    assert_eq!(count("action=rule.&text=odd".into()).await, 1);
    let (before, after) = (
        count(format!("to={at}")).await,
        count(format!("from={at}")).await,
    );
    assert_eq!(before + after, all, "an instant parts them");
    assert!(before > 0 && after > 0);
    for bad in ["actor=nobody", "key=x"] {
        let reply = server.send("GET", &format!("/audit?{bad}"), None).await;
        assert_eq!(reply.status, 404, "{bad}: {reply:#?}");
    }
    let reply = server.send("GET", "/audit?from=yesterday", None).await;
    assert_eq!(reply.status, 422, "{reply:#?}");
    let listed = server
        .cli(&["audit", "list", "--key", id, "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(items(&listed), found);
}

async fn what_people_write_breaks_no_line_and_is_no_formula(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let write = "try { await tools.ledger.items.createItem({ name: 'a', amount: 1 }) } catch {}";
    let task = server.submit(write).await;
    let asked = server.pending(1).await.remove(0);
    let reason = "=1+1\n{\"entry\":{}}\r\n\u{1b}[31mred\u{1b}[0m\u{202e} CEF:0|a|b, \"quoted\"";
    server.deny(&asked, reason).await;
    server.finished(&task).await;
    let (_, lines) = exported(&server, "audit.jsonl").await;
    for line in &lines {
        let read: Value = serde_json::from_str(line).expect("every line is one document");
        assert_eq!(read.as_object().map(serde_json::Map::len), Some(1));
    }
    assert!(lines.iter().any(|l| l.contains("CEF:0|a|b")), "it is kept");
    assert_eq!(verified(&server, &lines, &[]).await.0, 0);
    let csv = server.scratch("audit.csv");
    let path = csv.to_str().expect("a path");
    server
        .cli(&["audit", "export", "--format", "csv", "--output", path])
        .await
        .exits(0);
    let csv = std::fs::read_to_string(&csv).expect("written");
    assert!(csv.contains("CEF:0|a|b"), "it is kept");
    let harmful = |c: char| c.is_control() && !matches!(c, '\r' | '\n');
    assert!(!csv.contains(harmful) && !csv.contains('\u{202e}'));
    for row in csv.split("\r\n").skip(1).filter(|row| !row.is_empty()) {
        let cell = row.trim_start_matches('"');
        assert!(cell.starts_with(|c: char| c.is_ascii_digit()), "{row}");
        assert!(!row.contains(",\"="), "{row}");
    }
    let shown = server.cli(&["audit", "list"]).await.exits(0);
    assert!(!shown.out.contains('\u{1b}'), "nothing colors the terminal");
    let exports = server.get("/audit?action=audit.exported").await;
    assert_eq!(items(&exports).len(), 2, "{exports:#}");
}

async fn how_long_entries_are_kept_is_the_owners_to_say(database: Database) {
    let server = Server::start(database).await;
    let shown = server
        .cli(&["audit", "retention", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(shown["days"], 0, "for ever, unless somebody says");
    server
        .cli(&["audit", "retention", "3"])
        .await
        .exits(1)
        .says(&["30"]);
    server
        .cli(&["audit", "retention", "365"])
        .await
        .exits(0)
        .says(&["365 days"]);
    let told = server.get("/audit?action=audit.retention_changed").await;
    assert_eq!(
        items(&told)[0]["detail"],
        json!({ "before": 0, "after": 365 }),
        "{told:#}"
    );
}

const WRITE: &str = "return await tools.ledger.items.createItem({ name: 'a', amount: 1 })";

/// The newest entry of an action.
async fn newest(server: &Server, action: &str) -> Value {
    let entries = server.get(&format!("/audit?action={action}")).await;
    let newest = items(&entries).first().cloned();
    newest.unwrap_or_else(|| panic!("no {action}: {entries:#}"))
}

/// A yes that the person of a client gives in its form.
async fn by_form(server: &Server, client: &Plain) -> Value {
    let asked = client.call(execute(WRITE)).await["result"].clone();
    let key = only_key(&asked["inputRequests"]);
    let mut again = execute(WRITE);
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = answered(&key, "approve");
    let done = client.call(again).await;
    let status = &done["result"]["structuredContent"]["status"];
    assert_eq!(status, "completed", "{done:#}");
    newest(server, "approval.approved").await
}

async fn answers_say_through_what_they_were_given(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let task = server.submit(WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id").to_owned();
    server.cli(&["approvals", "approve", &id]).await.exits(0);
    server.finished(&task).await;
    let entry = newest(&server, "approval.approved").await;
    assert_eq!(entry["via"], "cli", "{entry:#}");
    let client = entry["client"].as_str().expect("a client");
    assert!(client.starts_with("cli/"), "{entry:#}");
    assert_eq!(entry["keyId"], Value::Null);
    let shown = server
        .cli(&["audit", "list", "--action", "approval.approved"])
        .await
        .exits(0);
    shown.says(&[client]);

    let task = server.submit(WRITE).await;
    let asked = server.pending(1).await.remove(0);
    let id = asked["id"].as_str().expect("an id").to_owned();
    let mut browser = Browser::new(&server);
    browser.follow_link(&server).await;
    let deny = browser
        .api("POST", &format!("/approvals/{id}/deny"), Some(&json!({})))
        .await;
    assert_eq!(deny.status, 200, "{deny:#?}");
    server.finished(&task).await;
    let entry = newest(&server, "approval.denied").await;
    assert_eq!(entry["client"], "TestBrowser/1.0", "{entry:#}");
    // An answer that came too late is told of as well.
    let late = server.cli(&["approvals", "approve", &id]).await;
    assert_ne!(late.code, 0, "{late:#?}");
    let entry = newest(&server, "approval.refused").await;
    assert_eq!(entry["client"], client, "{entry:#}");

    // A form of an MCP client speaks for its person: by a key, and by what was granted.
    let_forms_decide(&server).await;
    let ada = Person::add(&server, "Ada", "admin").await;
    let entry = by_form(&server, &Plain::of(&server, form(), &ada)).await;
    assert_eq!(entry["via"], "client", "{entry:#}");
    assert_eq!(entry["client"], "plain of 2026", "{entry:#}");
    assert_eq!(entry["keyId"], ada.key_id.as_str(), "{entry:#}");
    assert_eq!(entry["accountId"], ada.id.as_str());
    let by_key = format!("/audit?action=approval.&key={}", ada.key_id);
    assert!(!items(&server.get(&by_key).await).is_empty(), "found by it");

    let app = App::registered(&server, "a client").await;
    let visitor = Visitor::signed_in(&server).await;
    let (access, _) = app.tokens(&visitor, "run read").await;
    let granted = server.get("/grants").await["items"][0]["id"].clone();
    let entry = by_form(&server, &Plain::by(&server, form(), &access)).await;
    assert_eq!(entry["keyId"], Value::Null, "{entry:#}");
    assert_eq!(entry["detail"]["grant"], granted, "{entry:#}");
}
