//! The rules of STYLE.md and ARCHITECTURE.md that no compiler checks. It reads; it changes nothing,
//! and it judges no taste: every finding has a place, a fact and a remedy.
//! It runs in `cargo xtask tidy` and as a test, so that it cannot be forgotten.
//! Next: `tidy/arrows.rs`, the table of which crate may import which.

mod arrows;
mod documents;
mod places;
mod text;

use crate::project;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::Path;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, from the root of the checkout.
    file: String,
    /// The line, from 1.
    line: usize,
    /// What is wrong.
    fact: String,
    /// What to do about it.
    remedy: String,
}

impl Finding {
    fn new(file: &str, line: usize, fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}\n    {}",
            self.file, self.line, self.fact, self.remedy
        )
    }
}

/// A file of the project and its text.
pub(crate) struct File {
    /// From the root of the checkout, with `/`.
    path: String,
    /// The whole text.
    text: String,
}

/// Checks everything and prints what is broken.
pub(crate) fn run() -> Result<()> {
    let findings = findings(&project::root())?;
    if findings.is_empty() {
        println!("tidy: nothing to say");
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}");
    }
    bail!("tidy: {} finding(s), listed above", findings.len())
}

fn findings(root: &Path) -> Result<Vec<Finding>> {
    let members = arrows::members(root)?;
    let files = files(root)?;
    let mut findings = arrows::check(&members);
    findings.extend(files.iter().flat_map(text::check));
    findings.extend(files.iter().flat_map(places::check));
    findings.extend(documents::check(&files, &members));
    Ok(findings)
}

/// Every text file that git tracks or would track.
fn files(root: &Path) -> Result<Vec<File>> {
    let list = project::output(project::command("git").args([
        // The checkout may belong to somebody else, as it does in a container.
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("tidy reads the list of files from git; run it in a clone")?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        // A file may be deleted and not yet staged, and an image is no text: neither is judged.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(File {
                path: path.into(),
                text,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_tidy() {
        let findings = findings(&project::root()).expect("tidy can read the project");
        let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "\n{}\n", list.join("\n"));
    }
}
