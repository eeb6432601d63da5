//! "Remember this": a rule made of an approval, shown exactly as it will be stored, and stored only
//! after a yes of its own.

use crate::client::Client;
use crate::commands::policies::shown::{new_line, tried};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::terminal::Lines;
use api::approvals::Approval;
use api::policies::NewRule;
use api::policy_history::{Suggestion, Suggestions};
use clap::ValueEnum;

/// How much a rule that is made of an approval covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Which {
    /// Only calls with exactly these arguments
    Exact,
    /// Every call of this tool
    Tool,
}

/// How a rule is made of an approval.
#[derive(clap::Args)]
pub(super) struct Remember {
    /// Also store a rule that decides calls like this one: with exactly these arguments, or with
    /// =tool whatever they are. It is shown first
    #[arg(long, value_enum, value_name = "WHICH", num_args = 0..=1, require_equals = true,
          default_missing_value = "exact")]
    remember: Option<Which>,
    /// Store the rule without asking
    #[arg(long, requires = "remember")]
    yes: bool,
}

/// What is to be stored with an answer.
pub(super) enum Kept {
    /// Nothing was asked for.
    Nothing,
    /// This rule.
    Rule(Box<NewRule>),
    /// The person does not want it so; nothing is to be answered.
    Left,
}

impl Remember {
    /// The rule to store with an answer: `allow` with a yes, `deny` with a no.
    pub(super) async fn choose(
        &self,
        context: &Context,
        client: &Client,
        approval: &Approval,
        effect: &str,
    ) -> Result<Kept> {
        let Some(which) = self.remember else {
            return Ok(Kept::Nothing);
        };
        let path = ["approvals", &approval.id, "remember"];
        let found: Suggestions = client.get(&path, &[("effect", effect)]).await?;
        let suggestion = pick(found.items, which, effect)?;
        let output = &context.output;
        output.err(&format!(
            "this rule would be stored, at place {} of its level:\n  {}\n  {}",
            suggestion.position,
            new_line(&suggestion.rule),
            tried(&suggestion.backtest)
        ));
        if self.yes {
            return Ok(Kept::Rule(Box::new(suggestion.rule)));
        }
        if !output.can_ask() {
            let undone = "nothing is answered and nothing is stored: there is no terminal to ask";
            return Err(
                Failure::usage(undone).next("add --yes to store the rule as it is shown here")
            );
        }
        output.ask("Store it and answer? [y]es, [n]o: ");
        let typed = Lines::default().next().await;
        Ok(match typed.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Kept::Rule(Box::new(suggestion.rule)),
            _ => {
                output.note("nothing is answered and nothing is stored");
                Kept::Left
            }
        })
    }
}

fn pick(found: Vec<Suggestion>, which: Which, effect: &str) -> Result<Suggestion> {
    let exact = |s: &Suggestion| !s.rule.matches.conditions.is_empty();
    let wanted = |s: &Suggestion| match which {
        Which::Exact => exact(s),
        Which::Tool => !exact(s),
    };
    let only_wide = which == Which::Exact && found.iter().any(|s| !exact(s));
    found.into_iter().find(wanted).ok_or_else(|| {
        let failure = Failure::failed(
            "rule_does_not_decide",
            format!("no rule of yours would {effect} calls like this one"),
        );
        failure.next(if only_wide {
            "these arguments cannot be written as conditions; --remember=tool covers the tool \
             whatever they are"
        } else {
            "a stricter rule of a higher level decides, or you may not make rules for this \
             person; answer without --remember"
        })
    })
}
