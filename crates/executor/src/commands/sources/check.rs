//! `executor sources check`: imports descriptions here, without saving or contacting anything.
//!
//! Folders are walked for what may be a description; links are not followed, and what is hidden or
//! belongs to `node_modules` is passed over. A broken file stops no other; one is enough for exit 1.

use super::beside;
use crate::failure::Exit;
use crate::output::{Output, plain, table};
use domain::SourceId;
use domain::source::{Finding, Severity, SourceKind};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tools::{Import, ImportOptions, KnownNames, McpServer};

/// Endings of files that are tried where a folder is given.
const ENDINGS: [&str; 5] = ["json", "yaml", "yml", "graphql", "gql"];

/// Largest file that is read, in bytes; a server reads no larger one either.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Deepest folder that is walked.
const DEPTH_MAX: usize = 32;

/// What one file came to.
struct Checked {
    file: String,
    ms: u64,
    outcome: Result<(Import, Vec<Finding>), String>,
}

/// Checks files and everything below folders; prints a table, or one document.
pub(super) fn check(output: &Output, given: &[PathBuf]) -> Exit {
    let mut all = Vec::new();
    for path in given {
        if path.is_dir() {
            let mut files = Vec::new();
            if let Err(why) = walk(path, 0, &mut files) {
                all.push(failed(path, why));
            } else if files.is_empty() {
                let why = format!("holds no file that ends in {}", ENDINGS.join(", "));
                all.push(failed(path, why));
            }
            all.extend(files.iter().map(|file| checked(file)));
        } else {
            all.push(checked(path));
        }
    }
    if output.json {
        output.document(&all.iter().map(document).collect::<Vec<_>>());
    } else {
        show(output, &all);
    }
    for one in &all {
        if let Err(why) = &one.outcome {
            output.failure_line(&format!("{}: {why}", one.file));
        }
    }
    if all.iter().all(|one| one.outcome.is_ok()) {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Every file below a folder that may be a description, in order of name.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("lies deeper than {DEPTH_MAX} folders"));
    }
    let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
    let mut entries = entries
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(|e| e.to_string())?;
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if kind.is_file() {
            let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            if ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) {
                files.push(path);
            }
        }
    }
    Ok(())
}

fn failed(path: &Path, why: String) -> Checked {
    Checked {
        file: path.display().to_string(),
        ms: 0,
        outcome: Err(why),
    }
}

fn checked(path: &Path) -> Checked {
    let begun = Instant::now();
    let outcome = read(path).and_then(|bytes| {
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        let options = ImportOptions {
            source_id: SourceId::from_bits([0; 16]),
            name: &tools::suggest_name(&stem.unwrap_or_default(), None),
            location: None,
            base_url: None,
        };
        if let Some(servers) = tools::mcp_servers(&bytes) {
            return Ok((of_servers(&servers?, &options), Vec::new()));
        }
        let parsed = beside::parsed(path, &bytes).map_err(|e| e.to_string())?;
        let import = parsed.import(&options).map_err(|e| e.to_string())?;
        let findings = tools::scan(&import, &KnownNames::default());
        Ok((import, findings))
    });
    Checked {
        file: path.display().to_string(),
        ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        outcome,
    }
}

/// What a block of MCP servers comes to: which servers there are, and that none of them was asked.
fn of_servers(servers: &[McpServer], options: &ImportOptions<'_>) -> Import {
    let names: Vec<&str> = servers.iter().map(|s| s.name.as_str()).collect();
    let warnings = servers.iter().map(|server| {
        let (name, way) = (&server.name, server.way.base_url());
        format!("`{name}` ({way}) was not contacted: it tells its tools when it is added")
    });
    Import {
        evidence: format!(
            "mcp.json, {} server{}: {}",
            names.len(),
            if names.len() == 1 { "" } else { "s" },
            names.join(", ")
        ),
        oauth: Vec::new(),
        kind: SourceKind::Mcp,
        version: String::new(),
        title: options.name.to_owned(),
        base_url: String::new(),
        auth: Vec::new(),
        definitions: json!({}),
        tools: Vec::new(),
        warnings: warnings.collect(),
        document_digest: String::new(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    // Read no further than the limit, whatever the file says of its size.
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn document(one: &Checked) -> Value {
    match &one.outcome {
        Ok((import, findings)) => {
            let mut document = json!({
                "file": one.file,
                "kind": import.kind.as_str(),
                "toolCount": import.tools.len(),
                "warnings": import.warnings,
                "ms": one.ms,
            });
            if !findings.is_empty() {
                document["findings"] = json!(findings);
            }
            document
        }
        Err(why) => json!({
            "file": one.file,
            "kind": null,
            "toolCount": 0,
            "warnings": [],
            "ms": one.ms,
            "error": why,
        }),
    }
}

fn show(output: &Output, all: &[Checked]) {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let (kind, tools, warnings, findings) = match &one.outcome {
                Ok((import, findings)) => (
                    plain(&import.evidence),
                    import.tools.len().to_string(),
                    import.warnings.len().to_string(),
                    findings.len().to_string(),
                ),
                Err(_) => ("failed".to_owned(), "-".into(), "-".into(), "-".into()),
            };
            let (file, ms) = (plain(&one.file), one.ms.to_string());
            vec![file, kind, tools, warnings, findings, ms]
        })
        .collect();
    let heads = ["FILE", "KIND", "TOOLS", "WARNINGS", "FINDINGS", "MS"];
    output.line(&table(&heads, &rows));
    for one in all {
        let Ok((import, findings)) = &one.outcome else {
            continue;
        };
        if import.warnings.is_empty() && findings.is_empty() {
            continue;
        }
        output.line(&format!("\n{}", plain(&one.file)));
        for warning in &import.warnings {
            let how = match import.kind {
                SourceKind::Mcp => "note",
                SourceKind::OpenApi | SourceKind::GraphQl => "left out",
            };
            output.line(&format!("  {how}: {}", plain(warning)));
        }
        for finding in findings {
            output.line(&format!("  {}", plain(&told(finding))));
        }
    }
}

/// A finding on one line.
fn told(finding: &Finding) -> String {
    let grave = match finding.severity {
        Severity::High => "look at this",
        Severity::Medium => "unusual",
        Severity::Low => "note",
    };
    let of = finding.tool.as_deref().unwrap_or("the source as a whole");
    let place = match finding.at.as_str() {
        "" => finding.place.as_str().to_owned(),
        at => format!("{} {at}", finding.place.as_str()),
    };
    let (kind, excerpt) = (finding.kind.sentence(), &finding.excerpt);
    format!("{grave}: {of} ({place}) {kind}: {excerpt}")
}
