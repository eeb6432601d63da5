//! `executor credentials import`: values that somebody already has in variables, taken over on purpose.
//!
//! A variable is taken where it is named with its source (`--env NAME=SOURCE`), or where its name and
//! a source's say the same (`GITHUB_TOKEN`, `github`). What is to be set is shown first, by name, and
//! nothing happens without a yes. No value is shown, logged or passed as an argument.

use super::{listed, plain};
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use api::credentials::{Credential, NewCredential};
use api::sources::Source;
use domain::credential::Secret;
use reqwest::Method;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of a file of variables at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the name of a variable ends with where it holds a credential.
const ENDINGS: [&str; 7] = [
    "apikey",
    "apitoken",
    "accesstoken",
    "token",
    "secret",
    "password",
    "key",
];

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Variable to take, and the source it opens: NAME or NAME=SOURCE; may be given several times
    #[arg(long = "env", value_name = "NAME[=SOURCE]")]
    names: Vec<String>,
    /// File of variables to take them from instead of the environment
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Whom they serve: personal, workspace (the default) or organization
    #[arg(long)]
    scope: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// A variable and the source that its value opens.
struct Taken {
    name: String,
    source: String,
    value: Secret,
}

pub(super) async fn run(context: &Context, client: &Client, arguments: Arguments) -> Result<Exit> {
    if arguments.names.is_empty() && arguments.env_file.is_none() {
        return Err(Failure::usage("say which variables to take")
            .next("name them with --env NAME=SOURCE, or a file with --env-file FILE"));
    }
    let sources: Vec<Source> = client.list(&["sources"], &[], usize::MAX).await?;
    let file = arguments.env_file.as_deref().map(read_file).transpose()?;
    let taken = match (&file, arguments.names.is_empty()) {
        (Some(all), true) => matching(all, &sources)?,
        (_, _) => named(&arguments.names, file.as_ref(), &sources)?,
    };
    for one in &taken {
        context.output.note(&format!(
            "{} opens {}",
            plain(&one.name),
            plain(&one.source)
        ));
    }
    let scope = arguments.scope.as_deref().unwrap_or("workspace");
    if !arguments.yes && !agreed(context, taken.len(), scope)? {
        return Err(Failure {
            exit: Exit::Canceled,
            ..Failure::failed("canceled", "nothing was set")
        });
    }
    let mut set = Vec::new();
    for one in taken {
        let new = NewCredential {
            source: one.source,
            value: one.value.expose().to_owned(),
            scope: arguments.scope.clone(),
            auth: None,
            label: None,
        };
        let credential: Credential = client.send(Method::POST, &["credentials"], &new).await?;
        set.push(credential);
    }
    context.output.show(&set, |set| listed(set));
    Ok(Exit::Done)
}

fn agreed(context: &Context, count: usize, scope: &str) -> Result<bool> {
    if !context.output.can_ask() {
        return Err(
            Failure::usage("there is no terminal to ask on; nothing was set")
                .next("look at what would be set, and say --yes"),
        );
    }
    let what = if count == 1 {
        "1 credential".to_owned()
    } else {
        format!("{count} credentials")
    };
    inquire::Confirm::new(&format!("Set {what} for {scope}?"))
        .with_default(false)
        .prompt()
        .map_err(|e| Failure::usage(format!("no answer was given: {e}")))
}

/// Letters and digits of a name, in lower case: what two spellings have in common.
fn plainest(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The source that the name of a variable speaks of.
fn spoken_of<'s>(name: &str, sources: &'s [Source]) -> Option<&'s Source> {
    let name = plainest(name);
    let stem = |ending: &&str| name.strip_suffix(*ending).map(str::to_owned);
    let stems: Vec<String> = ENDINGS
        .iter()
        .filter_map(stem)
        .chain([name.clone()])
        .collect();
    sources
        .iter()
        .find(|source| stems.contains(&plainest(&source.name)))
}

fn named(
    names: &[String],
    file: Option<&BTreeMap<String, Secret>>,
    sources: &[Source],
) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for wanted in names {
        let (name, source) = match wanted.split_once('=') {
            Some((name, source)) => (
                name,
                sources.iter().find(|s| s.name == source || s.id == source),
            ),
            None => (wanted.as_str(), spoken_of(wanted, sources)),
        };
        let Some(source) = source else {
            let message = format!("no source is known for {name}");
            return Err(Failure::usage(message).next(format!(
                "say which: --env {name}=SOURCE; `executor sources list` shows them"
            )));
        };
        let value = match file {
            Some(all) => all.get(name).cloned(),
            None => crate::config::variable(name),
        };
        let Some(value) = value.filter(|value| !value.expose().is_empty()) else {
            let place = if file.is_some() {
                "the file"
            } else {
                "the environment"
            };
            return Err(Failure::usage(format!("{name} is not set in {place}")));
        };
        taken.push(Taken {
            name: name.to_owned(),
            source: source.name.clone(),
            value,
        });
    }
    Ok(taken)
}

fn matching(all: &BTreeMap<String, Secret>, sources: &[Source]) -> Result<Vec<Taken>> {
    let mut taken: Vec<Taken> = Vec::new();
    for (name, value) in all {
        let Some(source) = spoken_of(name, sources).filter(|_| !value.expose().is_empty()) else {
            continue;
        };
        if let Some(other) = taken.iter().find(|t| t.source == source.name) {
            let message = format!("{} and {name} both speak of {}", other.name, source.name);
            return Err(Failure::usage(message).next("name one of them with --env NAME=SOURCE"));
        }
        taken.push(Taken {
            name: name.clone(),
            source: source.name.clone(),
            value: value.clone(),
        });
    }
    if taken.is_empty() {
        return Err(Failure::usage("no variable of the file speaks of a source")
            .next("name one with --env NAME=SOURCE; `executor sources list` shows the sources"));
    }
    Ok(taken)
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Secret>> {
    let place = path.display();
    let cannot = |e: std::io::Error| Failure::usage(format!("cannot read {place}: {e}"));
    if std::fs::metadata(path).map_err(cannot)?.len() > FILE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{place} is larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    let text = std::fs::read_to_string(path)
        .map(Secret::new)
        .map_err(cannot)?;
    let mut all = BTreeMap::new();
    for (number, line) in (1..).zip(text.expose().lines()) {
        match variable(line) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                all.insert(name.to_owned(), Secret::new(value));
            }
            // The line itself may hold a secret.
            Err(why) => return Err(Failure::usage(format!("{place}, line {number}: {why}"))),
        }
    }
    Ok(all)
}

/// One line of a file of variables: nothing, or a name and a value, quoted or not.
fn variable(line: &str) -> std::result::Result<Option<(&str, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=').ok_or("there is no = in it")?;
    let (name, value) = (name.trim_end(), value.trim_start());
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        return Err("what stands before = is no name of a variable");
    }
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = &value[1..];
            let (end, rest) = closing(inner, quote).ok_or("its quotation mark is not closed")?;
            let rest = rest.trim_start();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err("something stands after the closing quotation mark");
            }
            if quote == '"' {
                unescaped(end)
            } else {
                end.to_owned()
            }
        }
        _ => {
            let end = value.find(" #").unwrap_or(value.len());
            value[..end].trim_end().to_owned()
        }
    };
    Ok(Some((name, value)))
}

/// What stands before a closing quotation mark, and after it.
fn closing(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, false) => out.push(c),
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn lines_of_a_file_of_variables() {
        for (line, expected) in [
            ("", None),
            ("  # a remark", None),
            ("A=b", Some(("A", "b"))),
            ("export A = b c # said", Some(("A", "b c"))),
            ("A=b#c", Some(("A", "b#c"))),
            ("A='b \\n # c' # said", Some(("A", "b \\n # c"))),
            ("A=\"b\\n\\\"c\\\"\"", Some(("A", "b\n\"c\""))),
            ("A=", Some(("A", ""))),
            ("A==", Some(("A", "="))),
        ] {
            let read = variable(line).unwrap();
            let read = read.as_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(read, expected, "{line}");
        }
        for line in ["A", "=b", "A B=c", "A='b", "A=\"b\\\"", "A='b' c"] {
            assert!(variable(line).is_err(), "{line}");
        }
    }
}
