//! Rules about the text of a single file: its header, its size, its name, its words, and what must
//! not be in any file. Functions over 80 lines are left to Clippy, which can count them.

use super::{File, Finding};

/// No file grows beyond this; over 400 lines, look for the second noun.
const LINES_MAX: usize = 600;
/// A header says what the file is for, what it refuses, where to go next.
const HEADER_LINES_MAX: usize = 12;
const SOURCE: &[&str] = &[
    ".rs", ".c", ".h", ".js", ".mjs", ".ts", ".tsx", ".css", ".html", ".py",
];
const NAMES_BANNED: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "misc", "manager", "base",
];
/// A word in the name of a public type, and the word we use.
const SYNONYMS: &[(&str, &str)] = &[
    ("Job", "Task"),
    ("Execution", "Task"),
    ("Manager", "(a verb)"),
];
/// Written in two parts, so that this file does not hold what it looks for.
const OPEN_ENDS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X "),
    concat!("HA", "CK:"),
];
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];
const LOCK_REGISTRIES: &[&str] = &[
    "https://registry.npmjs.org/",
    "registry+https://github.com/rust-lang/crates.io-index",
];

/// Everything that is wrong with one file.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_lock = file.path.ends_with(".lock") || file.path.ends_with("package-lock.json");
    if is_lock {
        check_lock(file, &mut findings);
        return findings;
    }
    if SOURCE.iter().any(|ending| file.path.ends_with(ending)) {
        check_name(file, &mut findings);
        // Made of the API's description, not written.
        if !file.path.ends_with("/schema.d.ts") {
            check_size(file, &mut findings);
        }
    }
    if file.path.ends_with(".rs") {
        check_header(file, &mut findings);
        check_words(file, &mut findings);
    }
    check_lines(file, &mut findings);
    findings
}

fn check_name(file: &File, findings: &mut Vec<Finding>) {
    let parts = file
        .path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    for part in parts.filter(|part| NAMES_BANNED.contains(part)) {
        findings.push(Finding::new(
            &file.path,
            1,
            format!("`{part}` names nothing"),
            "name it for what it does; if it has no name, leave it where it is used",
        ));
    }
}

fn check_size(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding::new(
            &file.path,
            lines,
            format!("{lines} lines; no file has more than {LINES_MAX}"),
            "look for the second noun in it and give that a file of its own",
        ));
    }
}

fn check_header(file: &File, findings: &mut Vec<Finding>) {
    let header = file.text.lines().skip_while(|line| line.starts_with("#!/"));
    let header = header.take_while(|line| line.starts_with("//!")).count();
    if header == 0 {
        findings.push(Finding::new(
            &file.path,
            1,
            "the file does not open with `//!`",
            "begin it with two to eight lines: what it is for, what it refuses to do, where to \
             look next",
        ));
    }
    let is_front_door = file.path.ends_with("/lib.rs") || file.path.ends_with("/main.rs");
    if header > HEADER_LINES_MAX && !is_front_door {
        findings.push(Finding::new(
            &file.path,
            header,
            format!("the header has {header} lines; eight say enough"),
            "move the reasons to the lines they are about, or to docs/decisions/",
        ));
    }
}

fn check_words(file: &File, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let Some(name) = public_type(line) else {
            continue;
        };
        for (word, ours) in SYNONYMS.iter().filter(|(word, _)| has_word(name, word)) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("`{name}` says `{word}`, which is not a word of ours"),
                format!("the glossary in ARCHITECTURE.md says {ours}"),
            ));
        }
    }
}

/// The name of the public type that a line declares.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

/// Whether a camel-case name holds a word: `JobList` holds `Job`, `Jobless` does not.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word)
        .any(|(at, _)| !name[at + word.len()..].starts_with(|c: char| c.is_lowercase()))
}

fn check_lines(file: &File, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let mut found = |fact: String, remedy: &str| {
            findings.push(Finding::new(&file.path, index + 1, fact, remedy));
        };
        if let Some(word) = OPEN_ENDS.iter().find(|word| has_open_end(line, word)) {
            found(
                format!("`{}` without an issue", word.trim()),
                "do it, or write the number of its issue behind it: (#12)",
            );
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| has_path(line, path)) {
            found(
                format!("`{path}…` is a path of one machine"),
                "say it relative to the checkout, to the home (`~`) or to a variable",
            );
        }
    }
}

fn has_open_end(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let stands_alone = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = line[at + word.len()..].trim_start();
        let has_issue = rest
            .strip_prefix("(#")
            .is_some_and(|r| r.starts_with(char::is_numeric));
        stands_alone && !has_issue && !rest.starts_with(|c: char| c.is_lowercase())
    })
}

/// A path begins at the start of a word; `https://example.com/home/` is an address, not a path.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}$>)".contains(c))
            && line[at + path.len()..].starts_with(|c: char| c.is_alphanumeric())
    })
}

fn check_lock(file: &File, findings: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        let address = line
            .strip_prefix("\"resolved\": \"")
            .or_else(|| line.strip_prefix("source = \""))
            .filter(|address| {
                !LOCK_REGISTRIES
                    .iter()
                    .any(|known| address.starts_with(known))
            });
        if let Some(address) = address {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!(
                    "`{}` is not a public registry",
                    address.trim_end_matches(['"', ','])
                ),
                "lock files name the public registries only; make it again without a mirror",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&file)
            .into_iter()
            .map(|f| format!("{}: {}", f.line, f.fact))
            .collect()
    }

    fn one(path: &str, text: &str, expected: &str) {
        let facts = facts(path, text);
        assert_eq!(facts.len(), 1, "{path}: {facts:?}");
        assert!(
            facts[0].contains(expected),
            "{facts:?} does not say {expected}"
        );
    }

    #[test]
    fn a_clean_file_is_left_alone() {
        let text =
            "//! Jobs are none of ours.\n\npub struct Jobless;\n// A day in the /home of it.\n";
        assert_eq!(
            facts("crates/domain/src/task.rs", text),
            Vec::<String>::new()
        );
    }

    #[test]
    fn headers_sizes_and_names() {
        one("a/src/b.rs", "use x;\n", "1: the file does not open");
        one(
            "a/src/b.rs",
            &"//! x\n".repeat(13),
            "13: the header has 13 lines",
        );
        one(
            "a/src/b.rs",
            &format!("//! x\n{}", "\n".repeat(600)),
            "601 lines",
        );
        one("a/src/utils.rs", "//! x\n", "`utils` names nothing");
        one("a/src/common/mod.rs", "//! x\n", "`common` names nothing");
        one("web/helpers.css", "", "`helpers` names nothing");
    }

    #[test]
    fn words_of_others() {
        one(
            "a.rs",
            "//! x\npub struct JobQueue;\n",
            "2: `JobQueue` says `Job`",
        );
        one("a.rs", "//! x\npub enum Execution {\n", "`Execution`");
    }

    #[test]
    fn open_ends_need_an_issue() {
        let word = OPEN_ENDS[0];
        one("a.rs", &format!("//! x\n// {word}: later\n"), "2: `");
        one("a.md", &format!("{word}\n"), "without an issue");
        assert!(facts("a.rs", &format!("//! x\n// {word} (#12): later\n")).is_empty());
        assert!(facts("a.rs", &format!("//! x\n// {word}s are a word\n")).is_empty());
    }

    #[test]
    fn machine_paths_and_mirrors() {
        let (path, home) = (MACHINE_PATHS[0], MACHINE_PATHS[2]);
        one("a.md", &format!("see {path}main\n"), "path of one machine");
        one(
            "a.sh",
            &format!("cd \"{home}someone\"\n"),
            "path of one machine",
        );
        assert!(facts("a.md", &format!("https://example.com{path}main\n")).is_empty());
        assert!(facts("a.md", "~/work/x\n").is_empty());
        one(
            "x/package-lock.json",
            "  \"resolved\": \"http://mirror/a.tgz\",\n",
            "not a public",
        );
        one(
            "Cargo.lock",
            "source = \"registry+http://mirror\"\n",
            "not a public registry",
        );
        let npm = format!("  \"resolved\": \"{}a/-/a.tgz\",\n", LOCK_REGISTRIES[0]);
        assert!(facts("x/package-lock.json", &npm).is_empty());
    }
}
