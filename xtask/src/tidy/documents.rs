//! Rules about the documents: the map names every crate, decisions are short and listed. Whether
//! they tell the truth is for a reader to judge.

use super::arrows::Member;
use super::{File, Finding};

const MAP: &str = "ARCHITECTURE.md";
const MAP_LINES_MAX: usize = 400;
const DECISIONS: &str = "docs/decisions/";
const DECISION_LINES_MAX: usize = 60;
const EXPECTED: &[&str] = &["README.md", MAP, "STYLE.md", "CHANGELOG.md", "LICENSE"];

/// Everything that is wrong with the documents.
pub(crate) fn check(files: &[File], members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in EXPECTED.iter().filter(|name| text(files, name).is_none()) {
        findings.push(Finding::new(name, 1, "the document is missing", "write it"));
    }
    if let Some(map) = text(files, MAP) {
        check_map(map, members, &mut findings);
    }
    check_decisions(files, &mut findings);
    check_names(files, &mut findings);
    findings
}

/// A source file that a document names exists: `engine/gate.rs` is `crates/engine/src/gate.rs`.
fn check_names(files: &[File], findings: &mut Vec<Finding>) {
    for document in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in document.text.lines().enumerate() {
            let quoted = line.split('`').skip(1).step_by(2);
            let names = quoted.filter(|name| name.ends_with(".rs") && name.contains('/'));
            for name in names.filter(|name| !exists(files, name)) {
                findings.push(Finding::new(
                    &document.path,
                    index + 1,
                    format!("`{name}` does not exist"),
                    "name the file that does it now; a map that lies is worse than none",
                ));
            }
        }
    }
}

fn exists(files: &[File], name: &str) -> bool {
    let in_crate = name
        .split_once('/')
        .map(|(krate, rest)| format!("crates/{krate}/src/{rest}"));
    files
        .iter()
        .any(|file| file.path == name || Some(&file.path) == in_crate.as_ref())
}

fn text<'a>(files: &'a [File], path: &str) -> Option<&'a str> {
    files
        .iter()
        .find(|file| file.path == path)
        .map(|file| file.text.as_str())
}

fn check_map(map: &str, members: &[Member], findings: &mut Vec<Finding>) {
    for member in members {
        // Its folder is its name in the map: `crates/store`, `tests/e2e`, `xtask`.
        let folder = member.manifest_path.trim_end_matches("/Cargo.toml");
        if !map.contains(folder) {
            findings.push(Finding::new(
                MAP,
                1,
                format!("the map does not name `{folder}`"),
                "say in one line what it owns and what it is for",
            ));
        }
    }
    let lines = map.lines().count();
    if lines >= MAP_LINES_MAX {
        findings.push(Finding::new(
            MAP,
            lines,
            format!("{lines} lines; a map has fewer than {MAP_LINES_MAX}"),
            "what only one crate needs belongs to the header of a file",
        ));
    }
}

fn check_decisions(files: &[File], findings: &mut Vec<Finding>) {
    let index_path = format!("{DECISIONS}README.md");
    let index = text(files, &index_path).unwrap_or_default();
    let decisions = files.iter().filter(|file| {
        file.path.starts_with(DECISIONS) && file.path.ends_with(".md") && file.path != index_path
    });
    for file in decisions {
        let name = &file.path[DECISIONS.len()..];
        let lines = file.text.lines().count();
        if lines >= DECISION_LINES_MAX {
            findings.push(Finding::new(
                &file.path,
                lines,
                format!("{lines} lines; a decision has fewer than {DECISION_LINES_MAX}"),
                "keep the context, the decision, and what was given up",
            ));
        }
        if !index.contains(name) {
            findings.push(Finding::new(
                &index_path,
                1,
                format!("the index does not list {name}"),
                "add a line: its number, its title, one sentence",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            text: text.into(),
        }
    }

    fn facts(files: &[File]) -> Vec<String> {
        check(files, &[])
            .into_iter()
            .map(|finding| finding.fact)
            .collect()
    }

    #[test]
    fn a_missing_document_and_an_unlisted_long_decision_are_found() {
        assert_eq!(facts(&[]).len(), EXPECTED.len());
        let mut files: Vec<File> = EXPECTED.iter().map(|name| file(name, "x\n")).collect();
        assert!(facts(&files).is_empty());
        files.push(file("docs/decisions/0001-a.md", &"x\n".repeat(60)));
        let found = facts(&files);
        assert_eq!(found.len(), 2, "{found:?}");
        files.push(file("docs/decisions/README.md", "0001-a.md"));
        assert_eq!(facts(&files), ["60 lines; a decision has fewer than 60"]);
    }

    #[test]
    fn a_named_file_that_does_not_exist_is_found() {
        let mut files: Vec<File> = EXPECTED.iter().map(|name| file(name, "x\n")).collect();
        files.push(file("crates/engine/src/gate.rs", "//! x\n"));
        files.push(file(
            "a.md",
            "`engine/gate.rs`, `crates/engine/src/gate.rs`, `x.rs`\n",
        ));
        assert_eq!(facts(&files), [""; 0]);
        files.push(file("b.md", "see\n`engine/door.rs`\n"));
        assert_eq!(facts(&files), ["`engine/door.rs` does not exist"]);
    }
}
