//! Three real API descriptions: every operation becomes a tool, and every tool's types compile.
//!
//! The operations are counted here by a walk of a dozen lines that shares nothing with the importer.
//! The documents are in `data` of `../shared` beside the workspace, or of `EXECUTOR_SHARED`.

use crate::binary;
use crate::database::Database;
use crate::server::Server;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::process::Command;

on_both_databases!(every_operation_becomes_a_tool_with_types_that_compile);

const DOCUMENTS: [(&str, &str); 3] = [
    ("discord", "discord.json"),
    ("twilio", "twilio_api_v2010.json"),
    ("openai", "openai.yaml"),
];

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

fn document(file: &str) -> PathBuf {
    let shared = std::env::var_os("EXECUTOR_SHARED")
        .map_or_else(|| binary::root().join("../shared"), PathBuf::from);
    let path = shared.join("data/openapi").join(file);
    assert!(
        path.is_file(),
        "{} is missing: set EXECUTOR_SHARED to the directory that holds data/",
        path.display()
    );
    path
}

fn operations(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).expect("the document reads");
    if path.extension().is_some_and(|e| e == "yaml") {
        return operations_by_indentation(&text);
    }
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let paths = document["paths"].as_object().expect("a document has paths");
    paths
        .values()
        .map(|p| METHODS.iter().filter(|m| p.get(**m).is_some()).count())
        .sum()
}

/// The YAML document holds a number that YAML libraries refuse, but it is evenly indented: under
/// `paths:` stand the paths by two, and under each the methods by four.
fn operations_by_indentation(text: &str) -> usize {
    let below = text.lines().skip_while(|line| *line != "paths:").skip(1);
    let paths = below.take_while(|line| line.is_empty() || line.starts_with(' '));
    let method = |line: &str| METHODS.iter().any(|m| line == format!("    {m}:"));
    paths.filter(|line| method(line)).count()
}

async fn every_operation_becomes_a_tool_with_types_that_compile(database: Database) {
    let server = Server::start(database).await;
    let mut total = 0;
    let mut declarations = String::new();
    for (name, file) in DOCUMENTS {
        let path = document(file);
        let expected = operations(&path);
        let begun = Instant::now();
        let add = [
            "sources",
            "add",
            path.to_str().expect("UTF-8"),
            "--name",
            name,
            "--json",
        ];
        let source = server.cli(&add).await.exits(0).json();
        eprintln!(
            "{file}: {expected} operations added in {} ms",
            begun.elapsed().as_millis()
        );
        assert_eq!(source["toolCount"], expected, "{file}");
        assert_eq!(source["status"], "ready", "{source:#}");
        assert_eq!(source["kind"], "openapi", "{source:#}");
        total += expected;
        let paths = listed(&server, name).await;
        assert_eq!(
            paths.len(),
            expected,
            "the catalog lists each tool of {file} once"
        );
        for (number, path) in paths.iter().enumerate() {
            let tool = server.get(&format!("/tools/describe?path={path}")).await;
            declare(&mut declarations, &format!("{name}{number}"), &tool);
        }
    }
    let namespaces = server
        .value("return await tools.catalog.namespaces()")
        .await;
    assert_eq!(namespaces["total"], 3, "{namespaces:#}");
    let counts = namespaces["namespaces"].as_array().expect("a list");
    let counted: u64 = counts.iter().filter_map(|n| n["toolCount"].as_u64()).sum();
    assert_eq!(counted, total as u64, "{namespaces:#}");
    compile(&server.scratch("types.ts"), &declarations).await;
}

/// Every path of a namespace, each once.
async fn listed(server: &Server, namespace: &str) -> Vec<String> {
    let mut paths = Vec::new();
    loop {
        let offset = paths.len();
        let route = format!("/tools?namespace={namespace}&limit=200&offset={offset}");
        let page = server.get(&route).await;
        let results = page["results"].as_array().expect("a list");
        paths.extend(
            results
                .iter()
                .map(|t| t["path"].as_str().expect("a path").to_owned()),
        );
        if page["hasMore"] != true {
            break;
        }
        assert!(!results.is_empty(), "an empty page says that there is more");
    }
    paths.sort();
    paths.dedup();
    paths
}

/// Puts a tool's declarations into namespaces of their own, as two tools may share names.
fn declare(into: &mut String, name: &str, tool: &Value) {
    for side in ["input", "output"] {
        let text = tool[side].as_str().expect("a description has declarations");
        assert!(!text.trim().is_empty(), "{side} of {tool:#}");
        writeln!(into, "namespace {name}_{side} {{\n{text}\n}}").expect("memory takes it");
    }
}

async fn compile(file: &Path, declarations: &str) {
    let tsc = binary::root().join("tests/node/node_modules/.bin/tsc");
    assert!(
        tsc.is_file(),
        "{} is missing; run `cargo xtask setup`",
        tsc.display()
    );
    // The witness must be able to fail: the same compiler refuses a broken declaration.
    let broken = file.with_file_name("broken.ts");
    std::fs::write(&broken, "export {};\ntype A = { a: Missing };\n").expect("the file is written");
    assert!(
        !check(&tsc, &broken).await.0,
        "tsc lets a broken declaration through"
    );

    std::fs::write(file, format!("export {{}};\n{declarations}")).expect("the file is written");
    let begun = Instant::now();
    let (compiles, told) = check(&tsc, file).await;
    eprintln!(
        "{} KB of types: {} ms",
        declarations.len() >> 10,
        begun.elapsed().as_millis()
    );
    let first = told.lines().take(20).collect::<Vec<_>>().join("\n");
    assert!(compiles, "the declarations do not compile:\n{first}");
}

async fn check(tsc: &Path, file: &Path) -> (bool, String) {
    let mut command = Command::new(tsc);
    command
        .args([
            "--strict",
            "--noEmit",
            "--skipLibCheck",
            "--target",
            "es2022",
        ])
        .arg(file);
    let output = command.output().await.expect("tsc runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
