//! `executor check`: what is wrong with a program, and what policy would say to its calls, without
//! running it.

use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::output::{Output, Paint, plain, table};
use crate::program::Program;
use crate::show::marked;
use api::check::{Check, NewCheck};
use api::system::Me;
use reqwest::Method;

/// Checks a program against the catalog without running it, with the forecast of decisions
#[derive(clap::Args)]
#[command(
    after_help = "Looks at the calls that the program's text shows: unknown tools, unknown and missing\narguments, wrong values. Says what policy decides about each call today.\nExit code 0 without errors, 1 with any; warnings and types only advise.\n\nExamples:\n  executor check report.ts\n  executor check -e 'return await tools.ledger.payments.list({})' --json\n  executor check report.ts --types"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    program: Program,
    /// Check all types too, with TypeScript's own compiler on the server's machine
    #[arg(long)]
    types: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let me: Me = client.get(&["me"], &[]).await?;
    let new = NewCheck {
        code: arguments.program.read()?,
        types: arguments.types.then_some(true),
    };
    let path = ["workspaces", me.workspace.id.as_str(), "check"];
    let found: Check = client.send(Method::POST, &path, &new).await?;
    let name = arguments.program.name();
    context.output.show(&found, |found| {
        text(&context.output, name, &new.code, found)
    });
    let failed = found.findings.iter().any(|f| f.severity == "error");
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn text(output: &Output, name: &str, code: &str, found: &Check) -> String {
    let mut parts = Vec::new();
    let mut say = |severity: &str, what: &str, message: &str, line: u32, column: u32| {
        let paint = match severity {
            "error" => Paint::Red,
            _ => Paint::Yellow,
        };
        let severity = output.on_out(paint, severity);
        let message = plain(message);
        parts.push(format!(
            "{name}:{line}:{column} {severity} {what}: {message}\n{}",
            marked(code, line, Some(column))
        ));
    };
    for f in &found.findings {
        say(&f.severity, &f.code, &f.message, f.line, f.column);
    }
    for f in found.types.iter().flatten() {
        say("type", &f.code, &f.message, f.line, f.column);
    }
    if parts.is_empty() {
        parts.push("nothing wrong was found".to_owned());
    }
    if !found.forecast.is_empty() {
        let rows: Vec<Vec<String>> = found
            .forecast
            .iter()
            .map(|f| {
                vec![
                    f.line.to_string(),
                    f.tool.clone(),
                    f.risk.clone(),
                    f.decisions.join(" or "),
                    f.reason.clone(),
                ]
            })
            .collect();
        let headings = ["line", "tool", "risk", "decision", "why"];
        parts.push(format!("\n{}", table(&headings, &rows)));
    }
    parts.join("\n")
}
