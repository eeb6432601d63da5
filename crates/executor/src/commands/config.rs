//! `executor config`: every setting, its value and where that came from. Secrets are masked.

use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::output::table;

/// Prints every setting, its effective value and where that came from
#[derive(clap::Args)]
#[command(
    after_help = "Flags come before the environment, the environment before executor.toml in the data\ndirectory, and that before the defaults.\n\nExamples:\n  executor config\n  EXECUTOR_PORT=6000 executor config --json"
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context) -> Result<Exit> {
    let config = &context.config;
    context.output.show(&config.shown(), |settings| {
        let rows: Vec<_> = settings
            .iter()
            .map(|s| {
                let value = if s.value.is_empty() { "-" } else { &s.value };
                vec![
                    s.key.to_owned(),
                    value.to_owned(),
                    s.origin.to_string(),
                    s.env.to_owned(),
                    s.doc.to_owned(),
                ]
            })
            .collect();
        table(&["KEY", "VALUE", "FROM", "ENVIRONMENT", "MEANING"], &rows)
    });
    Ok(Exit::Done)
}
