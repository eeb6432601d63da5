//! Time passes over the audit chain: entries that an owner keeps no longer go, a signed anchor stands in
//! their stead, and what is left is checked as before, with and without the server.
//!
//! A chain cannot be made older but by writing it anew, so the test does what an attacker with the
//! database could: it computes every hash by the rule of `docs/audit.md`. That it comes to the same
//! hashes as the server is the first thing looked at.

use crate::audits::{busy, exported, verified};
use crate::database::Database;
use crate::keeping::{change, number, texts};
use crate::server::{PATIENCE, Server};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

on_both_databases!(entries_go_after_their_time_and_the_rest_still_holds);

/// What stands between two fields of a row, and in none.
const BETWEEN: char = '\u{1f}';

/// An entry as it is hashed.
struct Entry {
    sequence: i64,
    at: i64,
    hash: String,
    /// From `id` to `detail`, in their order.
    fields: Vec<String>,
}

/// The whole chain, from its first entry on, as it stands in the database; and whose it is.
fn chain(server: &Server) -> (String, Vec<Entry>) {
    let absent = |name: &str| format!("case when {name} is null then '' else '+' || {name} end");
    let columns = [
        "cast(sequence as text)".to_owned(),
        "cast(at as text)".to_owned(),
        "hash".to_owned(),
        "cast(form as text)".to_owned(),
        "id".to_owned(),
        "workspace_id".to_owned(),
        absent("account_id"),
        "via".to_owned(),
        "client".to_owned(),
        absent("key_id"),
        absent("address"),
        absent("request_id"),
        "action".to_owned(),
        "subject".to_owned(),
        "detail".to_owned(),
    ];
    let row = columns.join(&format!(" || '{BETWEEN}' || "));
    let rows = texts(
        server,
        &format!("select {row} from audit order by sequence"),
    );
    let entries = rows.iter().map(|row| {
        let mut fields: Vec<String> = row.split(BETWEEN).map(str::to_owned).collect();
        let rest = fields.split_off(4);
        assert_eq!((rest.len(), fields[3].as_str()), (11, "2"), "{row}");
        Entry {
            sequence: fields[0].parse().expect("a number"),
            at: fields[1].parse().expect("a number"),
            hash: fields[2].clone(),
            fields: rest,
        }
    });
    let organization = texts(server, "select distinct organization_id from audit");
    assert_eq!(organization.len(), 1, "{organization:?}");
    (organization[0].clone(), entries.collect())
}

/// The hash of an entry after another, by the rule that is written down.
fn hash_of(organization: &str, previous: &str, entry: &Entry) -> String {
    let (sequence, at) = (entry.sequence.to_be_bytes(), entry.at.to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![
        b"executor-audit-2",
        previous.as_bytes(),
        organization.as_bytes(),
        &sequence,
    ];
    parts.extend(entry.fields.iter().map(String::as_bytes));
    parts.push(&at);
    let mut digest = sha2::Sha256::new();
    for part in parts {
        let length = u64::try_from(part.len()).expect("it fits");
        digest.update(length.to_be_bytes());
        digest.update(part);
    }
    digest
        .finalize()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Makes the first half of the chain forty days older; answers its last place.
fn age(server: &Server) -> i64 {
    let (organization, mut entries) = chain(server);
    let half = i64::try_from(entries.len() / 2).expect("it fits");
    assert!(half >= 4, "{}", entries.len());
    let (mut told, mut written) = ("0".repeat(64), "0".repeat(64));
    let mut sql = String::new();
    for entry in &mut entries {
        told = hash_of(&organization, &told, entry);
        assert_eq!(told, entry.hash, "the rule is as it is written down");
        if entry.sequence <= half {
            entry.at -= 40 * 24 * 3_600_000;
        }
        let hash = hash_of(&organization, &written, entry);
        let (at, sequence) = (entry.at, entry.sequence);
        let _ = writeln!(
            sql,
            "update audit set at = {at}, previous_hash = '{written}', hash = '{hash}'
             where sequence = {sequence};"
        );
        written = hash;
    }
    let _ = write!(
        sql,
        "update organization_heads set audit_hash = '{written}'
         where organization_id = '{organization}';
         delete from audit_checkpoints;"
    );
    change(server, &sql);
    half
}

async fn entries_go_after_their_time_and_the_rest_still_holds(database: Database) {
    let (mut server, _upstream) = busy(database).await;
    for _ in 0..6 {
        let rule = json!({ "effect": "ask", "match": { "tools": ["none.**"] } });
        server.post("/policies", rule).await;
    }
    server.stop().await;
    let half = age(&server);
    server.launch().await;
    let whole = server.get("/audit/verify").await;
    assert_eq!(
        (&whole["intact"], &whole["beginsAfter"]),
        (&json!(true), &json!(0)),
        "{whole:#}"
    );
    let kept = server.scratch("kept.json");
    let kept = kept.to_str().expect("a path");
    let checkpoint = ["audit", "checkpoint", "--output", kept];
    server.cli(&checkpoint).await.exits(0);
    let (_, before) = exported(&server, "before.jsonl").await;
    let rest = |server: &Server| {
        number(
            server,
            &format!("select count(*) from audit where sequence > {half}"),
        )
    };
    let kept_before = rest(&server);

    // From here on thirty days are kept.
    server.cli(&["audit", "retention", "30"]).await.exits(0);
    server.stop().await;
    server.launch().await;
    let old = format!("select count(*) from audit where sequence <= {half}");
    let deadline = Instant::now() + PATIENCE;
    while number(&server, &old) > 0 {
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(rest(&server) > kept_before, "and nothing younger went");
    let here = server.get("/audit/verify").await;
    assert_eq!(
        (&here["intact"], &here["beginsAfter"]),
        (&json!(true), &json!(half)),
        "{here:#}"
    );
    let told = server.get("/audit?action=audit.removed").await;
    let told = &told["items"][0];
    assert!(
        told["detail"].to_string().contains(&half.to_string()),
        "{told:#}"
    );

    // Over the boundary, with no server; and what was exported before still fits what was kept.
    let (_, after) = exported(&server, "after.jsonl").await;
    for lines in [&before, &after] {
        for more in [&[][..], &["--checkpoint", kept]] {
            let (code, verdict) = verified(&server, lines, more).await;
            assert_eq!((code, &verdict["intact"]), (0, &json!(true)), "{verdict:#}");
        }
    }
    let words = ["audit", "verify", "--checkpoint", kept];
    server.cli(&words).await.exits(0);
    what_is_missing_there_is_found(&server, &after, kept).await;
}

/// The anchor and what comes after it cannot be done without.
async fn what_is_missing_there_is_found(server: &Server, lines: &[String], kept: &str) {
    let is_anchor = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["checkpoint"]["kind"] == "anchor"
    };
    let first = lines
        .iter()
        .position(|line| line.starts_with("{\"entry\""))
        .expect("an entry");
    assert!(lines.iter().any(is_anchor), "{lines:#?}");
    let without = |skip: &dyn Fn(usize, &String) -> bool| {
        let left = lines.iter().enumerate().filter(|(n, line)| !skip(*n, line));
        left.map(|(_, line)| line.clone()).collect::<Vec<_>>()
    };
    let moved = |line: &String| match is_anchor(line) {
        false => line.clone(),
        true => {
            let mut anchor: Value = serde_json::from_str(line).expect("JSON");
            let place = anchor["checkpoint"]["sequence"].as_i64().expect("a place");
            anchor["checkpoint"]["sequence"] = json!(place + 1);
            anchor.to_string()
        }
    };
    let moved: Vec<String> = lines.iter().map(moved).collect();
    let good = verified(server, lines, &[]).await.1;
    assert_eq!(good["anchored"], true, "{good:#}");
    let bare = without(&|_, line| is_anchor(line));
    let (code, bare) = verified(server, &bare, &[]).await;
    assert!(code == 1 || bare["anchored"] == false, "{bare:#}");
    for (what, meddled) in [
        ("without the next entry", without(&|n, _| n == first)),
        ("with an anchor of another place", moved),
    ] {
        let (code, verdict) = verified(server, &meddled, &["--checkpoint", kept]).await;
        assert_eq!(code, 1, "{what}: {verdict:#}");
    }
}
