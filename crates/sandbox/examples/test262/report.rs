//! What is printed: a line for each folder, what was left out and why, and all failures as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use crate::trial::Verdict;

/// Longest reason kept, in characters; some tests print whole arrays.
const WHY_MAX: usize = 200;

#[derive(Default)]
struct Count {
    passed: usize,
    as_script: usize,
    failed: usize,
}

/// All verdicts.
#[derive(Default)]
pub(crate) struct Report {
    folders: BTreeMap<String, Count>,
    left_out: BTreeMap<&'static str, usize>,
    /// Name, whether it passed as a script, why it did not pass as a program.
    failures: BTreeMap<String, (bool, String)>,
}

impl Report {
    pub(crate) fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    pub(crate) fn add(&mut self, name: String, verdict: Verdict) {
        let folder: Vec<&str> = name.split('/').take(2).collect();
        let count = self.folders.entry(folder.join("/")).or_default();
        let (as_script, why) = match verdict {
            Verdict::Passed => {
                count.passed += 1;
                return;
            }
            Verdict::PassedAsScript(why) => {
                count.as_script += 1;
                (true, why)
            }
            Verdict::Failed(why) => {
                count.failed += 1;
                (false, why)
            }
        };
        let why = why.chars().take(WHY_MAX).collect();
        self.failures.insert(name, (as_script, why));
    }

    /// As Markdown.
    pub(crate) fn table(&self) -> String {
        let mut out = String::from(
            "| folder | tests | pass as a program | pass only as a script | fail |\n|---|---|---|---|---|\n",
        );
        let mut sum = Count::default();
        for (folder, count) in &self.folders {
            sum.passed += count.passed;
            sum.as_script += count.as_script;
            sum.failed += count.failed;
            row(&mut out, &format!("`{folder}`"), count);
        }
        row(&mut out, "all", &sum);
        out += "\n| left out because | tests |\n|---|---|\n";
        for (reason, count) in &self.left_out {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "| {reason} | {count} |");
        }
        out
    }

    pub(crate) fn json(&self) -> String {
        let failures = self.failures.iter();
        let lines = failures.map(|(name, (as_script, why))| {
            json!({ "test": name, "passesAsScript": as_script, "why": why }).to_string()
        });
        format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
    }
}

fn row(out: &mut String, name: &str, count: &Count) {
    let tests = count.passed + count.as_script + count.failed;
    let share = 100.0 * count.passed as f64 / tests.max(1) as f64;
    let _ = writeln!(
        out,
        "| {name} | {tests} | {} ({share:.1} %) | {} | {} |",
        count.passed, count.as_script, count.failed
    );
}
