//! The client half of the official MCP conformance suite: the suite plays the server, and a running
//! Executor has it as a source and calls its tools. `tests/conformance/client.mjs` does what a scenario
//! asks for, over the HTTP API alone.
//!
//! What does not apply stands in `tests/conformance/client-does-not-apply.json` with a reason. Together
//! with what is run here it is all that a revision requires: whatever is new fails the case.

use crate::binary;
use crate::conformance::{folder, node};
use crate::database::Database;
use crate::server::Server;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revision_2025_11_25() {
    conforms("2025-11-25", &["initialize", "tools_call", "sse-retry"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revision_2026_07_28() {
    conforms(
        "2026-07-28",
        &[
            "tools_call",
            "request-metadata",
            "sep-2322-client-request-state",
            "http-standard-headers",
            "http-custom-headers",
            "http-invalid-tool-headers",
            "json-schema-ref-no-deref",
        ],
    )
    .await;
}

/// How often a scenario is run before it is believed to fail: some measure time, on a machine that has
/// other work to do.
const RUNS_MAX: usize = 3;

async fn conforms(revision: &str, scenarios: &[&str]) {
    nothing_is_forgotten(revision, scenarios);
    let server = Server::start(Database::sqlite()).await;
    for scenario in scenarios {
        let mut told = String::new();
        for run in 0..RUNS_MAX {
            let results = server.scratch(&format!("{scenario}-{run}"));
            let mut command = binary::command(&node(), &server.scratch(""));
            command
                .arg(folder().join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
                .args(["client", "--scenario", scenario, "--spec-version", revision])
                .arg("--command")
                .arg(format!(
                    "{} {} {}",
                    node().display(),
                    folder().join("client.mjs").display(),
                    server.url()
                ))
                .args(["--timeout", "60000", "--output-dir"])
                .arg(&results);
            let ran = binary::finish(command, None).await;
            let checks = checks(&results);
            let passed = checks.iter().filter(|c| c["status"] == "SUCCESS").count();
            let failed: Vec<&Value> = checks
                .iter()
                .filter(|c| c["status"] == "FAILURE" || c["status"] == "WARNING")
                .collect();
            if passed > 0 && failed.is_empty() {
                told.clear();
                break;
            }
            told = format!(
                "{scenario}: {passed} passed, failed: {failed:#?}\n{}\n{}",
                ran.out, ran.err
            );
        }
        assert!(told.is_empty(), "{revision} {told}\n{}", server.log());
    }
}

/// Every check that was written below a folder.
fn checks(folder: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(checks(&path));
        } else if path.ends_with("checks.json") {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            let list: Vec<Value> = serde_json::from_str(&text).expect("checks are JSON");
            found.extend(list);
        }
    }
    found
}

/// What a revision requires of clients is run, or listed with a reason, and nothing else is.
fn nothing_is_forgotten(revision: &str, scenarios: &[&str]) {
    let package = folder().join("node_modules/@modelcontextprotocol/conformance");
    let text = std::fs::read_to_string(package.join(format!("requirements/{revision}.yaml")));
    let required: Value = yaml_serde::from_str(&text.expect("the requirements")).expect("YAML");
    let required: BTreeSet<&str> = required["client"]
        .as_array()
        .expect("a list for clients")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let listed = std::fs::read_to_string(folder().join("client-does-not-apply.json"));
    let listed: Value = serde_json::from_str(&listed.expect("the list")).expect("JSON");
    let listed = listed[revision].as_object().expect("a list per revision");
    let run: BTreeSet<&str> = scenarios.iter().copied().collect();
    let excused: BTreeSet<&str> = listed.keys().map(String::as_str).collect();
    assert!(
        run.is_disjoint(&excused),
        "{:?} is run and excused",
        run.intersection(&excused)
    );
    assert_eq!(
        required,
        run.union(&excused).copied().collect(),
        "{revision}"
    );
}
