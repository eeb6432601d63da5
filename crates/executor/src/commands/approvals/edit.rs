//! Arguments that a reviewer changes: given on the command line, or written in an editor. What would
//! be sent is shown before it is.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::home;
use crate::show::describe;
use api::approvals::{Approval, Preview};
use reqwest::Method;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;

/// Reads JSON of the command line, or of the file that `@` names.
pub(super) fn json(text: &str) -> std::result::Result<Value, String> {
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => {
            std::fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"))?
        }
    };
    serde_json::from_str(&text).map_err(|e| format!("this is no JSON: {e}"))
}

/// The arguments as they are after the person has edited them.
pub(super) fn in_editor(context: &Context, approval: &Approval) -> Result<Value> {
    if !context.output.can_ask() {
        return Err(
            Failure::usage("--edit opens an editor, and there is no terminal")
                .next("give the arguments with --arguments JSON or --arguments @FILE"),
        );
    }
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    let home = &context.config.home;
    home::prepare(home)?;
    let path = home.join(format!("edit-{}-{}.json", approval.id, std::process::id()));
    let edited = edit(&editor, &path, &approval.arguments);
    // The file is the person's own and only for now; what cannot be removed is no failure of this.
    let _removed = std::fs::remove_file(&path);
    edited
}

fn edit(editor: &str, path: &Path, arguments: &Value) -> Result<Value> {
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        Failure::failed("editor", format!("{what} {}: {e}", path.display()))
    };
    let text = serde_json::to_string_pretty(arguments).map_err(|e| failed("cannot write", &e))?;
    let mut file = home::private()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|e| failed("cannot create", &e))?;
    writeln!(file, "{text}").map_err(|e| failed("cannot write", &e))?;
    drop(file);
    // An editor may be given with arguments, such as `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program)
        .args(words)
        .arg(path)
        .status()
        .map_err(|e| Failure::failed("editor", format!("cannot start {program}: {e}")))?;
    if !status.success() {
        return Err(Failure::failed(
            "editor",
            format!("{program} ended with {status}; nothing was answered"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|e| failed("cannot read", &e))?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::usage(format!(
            "what was written is no JSON ({e}); nothing was answered"
        ))
    })
}

/// Shows what would be sent with other arguments, and on a terminal asks whether to. Nothing if not.
pub(super) async fn shown(
    context: &Context,
    client: &Client,
    approval: &Approval,
    arguments: &Value,
) -> Result<Option<Approval>> {
    let path = ["approvals", &approval.id, "preview"];
    let preview = Preview {
        arguments: arguments.clone(),
    };
    let shown: Approval = client.send(Method::POST, &path, &preview).await?;
    let output = &context.output;
    output.note(&describe(output, &shown));
    if !output.can_ask() {
        return Ok(Some(shown));
    }
    let sure = inquire::Confirm::new("Send this?")
        .with_default(false)
        .prompt()
        .map_err(|e| Failure::usage(format!("nothing was answered: {e}")))?;
    if !sure {
        output.note("nothing was answered");
    }
    Ok(sure.then_some(shown))
}
