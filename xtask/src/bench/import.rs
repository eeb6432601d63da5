//! What it costs to read a description of an API. The measuring is done by the example `measure` of
//! `executor-tools`, one process for each description; the budgets are here.

use super::{Budget, Figure, Options};
use crate::project;
use anyhow::{Context, Result, bail};

/// A description, the milliseconds that its import may take, and the megabytes at most.
const BUDGETS: [(&str, &str, f64, Option<f64>); 5] = [
    ("discord", "Discord, JSON", 100.0, None),
    ("twilio", "Twilio, JSON", 150.0, None),
    ("openai", "OpenAI, YAML", 300.0, None),
    ("github", "GitHub, JSON", 900.0, None),
    ("generated", "generated, JSON", 3_000.0, Some(500.0)),
];

/// What one call may take beyond the same request by reqwest, in microseconds.
const CALL_US_MAX: f64 = 250.0;

pub(super) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let example = super::example(options, "measure")?;
    let data = super::data();
    let measured = |what: &str| {
        let mut command = project::command(&example.display().to_string());
        project::output(command.arg(&data).arg(what))
    };
    let said = measured("import")?;
    let mut figures = Vec::new();
    for (id, name, ms_max, mb_max) in BUDGETS {
        let line = said.lines().find(|l| l.starts_with(&format!("{id};")));
        let fields: Vec<&str> = line.context("a figure is missing")?.split(';').collect();
        let [_, count, ms, busy, most, own, size] = fields.as_slice() else {
            bail!("`measure` says what is not understood: {fields:?}");
        };
        figures.push(Figure {
            name,
            value: ms.parse()?,
            unit: "ms",
            budget: Budget::AtMost(ms_max),
            note: format!("{busy} ms on a processor; {size} MB, {count} operations, {own} MB of memory beside the text"),
        });
        if let Some(mb_max) = mb_max {
            figures.push(Figure {
                name: "its memory at most",
                value: most.parse()?,
                unit: "MB",
                budget: Budget::AtMost(mb_max),
                note: "the whole process, the text included".to_owned(),
            });
        }
    }
    let said = measured("call")?;
    let fields: Vec<&str> = said.trim().split(';').collect();
    let ["call", ours, alone] = fields.as_slice() else {
        bail!("`measure` says what is not understood: {fields:?}");
    };
    let (ours, alone): (f64, f64) = (ours.parse()?, alone.parse()?);
    figures.push(Figure {
        name: "one call beyond reqwest (p50)",
        value: ours - alone,
        unit: "µs",
        budget: Budget::AtMost(CALL_US_MAX),
        note: format!(
            "checked, prepared, sent, masked: {ours:.0} µs; reqwest alone {alone:.0} µs. What the \
             journal adds is in `bench product`"
        ),
    });
    Ok(figures)
}
