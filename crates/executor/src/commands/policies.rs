//! `executor policies`: the ordered rules that decide about calls.

use crate::client::Client;
use crate::commands::{find, json_object, removed};
use crate::context::Context;
use crate::duration::{parse_ms, parse_until};
use crate::failure::{Exit, Failure, Result};
use crate::output::{Output, plain, table};
use api::policies::{NewRule, Policy, PolicyTest, Rule, RuleAsk, RuleMatch, RuleMove, Verdict};
use clap::ValueEnum;
use reqwest::Method;
use serde_json::Value;

/// The ordered rules that allow, ask about or deny calls
#[derive(clap::Args)]
#[command(
    after_help = "Within a level the first match decides; across levels the strictest wins. Where no rule\nmatches, reading is allowed and everything else asks.\n\nExamples:\n  executor policies add allow 'github.issues.*' --except github.issues.delete\n  executor policies test ledger.payments.create '{\"amount\": 9000}'"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists the rules in the order in which they are looked at
    #[command(after_help = "Example:\n  executor policies list --json")]
    List,
    /// Adds a rule, above broader ones of its level
    #[command(
        after_help = "Patterns: * stands for one segment, ** for any number.\n\nExamples:\n  executor policies add ask 'ledger.payments.create' --when 'amount > 5000' --note 'large payments'\n  executor policies add deny '**' --level organization --until 2h"
    )]
    Add {
        /// What the rule does
        effect: Effect,
        /// Tools it applies to
        pattern: String,
        #[command(flatten)]
        details: Details,
    },
    /// Changes a rule: what is not given stays
    #[command(
        after_help = "Example:\n  executor policies edit rule_… --effect deny --note 'until the audit'"
    )]
    Edit {
        /// The rule's id
        id: String,
        /// What the rule does
        #[arg(long)]
        effect: Option<Effect>,
        /// Tools it applies to
        #[arg(long)]
        pattern: Option<String>,
        #[command(flatten)]
        details: Details,
    },
    /// Moves a rule to another place in its level
    #[command(after_help = "Example:\n  executor policies move rule_… 1")]
    Move {
        /// The rule's id
        id: String,
        /// Its new place, from 1
        position: usize,
    },
    /// Removes a rule
    #[command(after_help = "Example:\n  executor policies remove rule_…")]
    Remove {
        /// The rule's id
        id: String,
    },
    /// Says what would be decided about a call, and why
    #[command(
        after_help = "Example:\n  executor policies test ledger.payments.create '{\"amount\": 9000}'"
    )]
    Test {
        /// The tool's path
        path: String,
        /// The call's arguments
        #[arg(value_name = "JSON", value_parser = json_object)]
        arguments: Option<Value>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Effect {
    /// Let it through
    Allow,
    /// Ask a person
    Ask,
    /// Refuse it
    Deny,
}

impl Effect {
    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

#[derive(clap::Args)]
struct Details {
    /// Tools the rule leaves out
    #[arg(long, value_name = "PATTERN")]
    except: Vec<String>,
    /// Condition on arguments; all must hold: 'amount > 5000', 'country in ["DE","FR"]'
    #[arg(long, value_name = "CONDITION")]
    when: Vec<String>,
    /// Whom it binds: organization, workspace (the default) or personal
    #[arg(long)]
    level: Option<String>,
    /// When it stops to hold: 2h, 7d, or an RFC 3339 time
    #[arg(long, value_parser = parse_until)]
    until: Option<String>,
    /// How long an approval waits, for ask: 10m, 2h, at most 30d
    #[arg(long, value_parser = parse_ms)]
    wait: Option<u64>,
    /// How many people must say yes, for ask: 1 to 10
    #[arg(long)]
    count: Option<u32>,
    /// Whoever runs the task may not answer, for ask
    #[arg(long)]
    requester_may_not: bool,
    /// Reviewers may change the arguments, for ask
    #[arg(long)]
    may_edit: bool,
    /// Why it is there
    #[arg(long)]
    note: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let policy: Policy = client.get(&["policies"], &[]).await?;
            output.show(&policy.rules, |rules| listed(rules));
        }
        Command::Add {
            effect,
            pattern,
            details,
        } => {
            let matches = RuleMatch {
                tools: vec![pattern],
                ..RuleMatch::default()
            };
            let new = NewRule {
                effect: effect.name().to_owned(),
                matches,
                ..NewRule::default()
            };
            let rule: Rule = client
                .send(Method::POST, &["policies"], &details.over(new)?)
                .await?;
            output.show(&rule, |r| listed(std::slice::from_ref(r)));
        }
        Command::Edit {
            id,
            effect,
            pattern,
            details,
        } => {
            let rule = edited(&client, &id, effect, pattern, details).await?;
            output.show(&rule, |r| listed(std::slice::from_ref(r)));
        }
        Command::Move { id, position } => {
            let policy: Policy = client
                .send(
                    Method::POST,
                    &["policies", &id, "move"],
                    &RuleMove { position },
                )
                .await?;
            output.show(&policy.rules, |rules| listed(rules));
        }
        Command::Remove { id } => {
            client.delete(&["policies", &id]).await?;
            return Ok(removed(context, "rule", &id));
        }
        Command::Test { path, arguments } => {
            let test = PolicyTest {
                tool: path,
                arguments,
            };
            let verdict: Verdict = client
                .send(Method::POST, &["policies", "test"], &test)
                .await?;
            output.show(&verdict, |v| explained(output, v));
        }
    }
    Ok(Exit::Done)
}

async fn edited(
    client: &Client,
    id: &str,
    effect: Option<Effect>,
    pattern: Option<String>,
    details: Details,
) -> Result<Rule> {
    let policy: Policy = client.get(&["policies"], &[]).await?;
    let old = find(&policy.rules, "rule", id, |r| r.id == id)
        .map_err(|failure| failure.next("`executor policies list` shows them"))?
        .clone();
    let mut new = NewRule {
        effect: effect.map_or(old.effect, |e| e.name().to_owned()),
        matches: old.matches,
        ask: old.ask,
        level: Some(old.level),
        until: old.until,
        note: Some(old.note),
    };
    if let Some(pattern) = pattern {
        new.matches.tools = vec![pattern];
    }
    if new.effect != Effect::Ask.name() {
        new.ask = None;
    }
    client
        .send(Method::PUT, &["policies", id], &details.over(new)?)
        .await
}

impl Details {
    /// A rule with what was given on the command line put over it.
    fn over(self, mut rule: NewRule) -> Result<NewRule> {
        if !self.except.is_empty() {
            rule.matches.except = self.except;
        }
        if !self.when.is_empty() {
            rule.matches.conditions = self.when;
        }
        if let Some(wait) = self.wait {
            if rule.effect != Effect::Ask.name() {
                return Err(Failure::usage(format!(
                    "--wait is for rules that ask; this one says {}",
                    rule.effect
                )));
            }
            rule.ask = Some(RuleAsk {
                wait_ms: Some(wait),
                ..rule.ask.unwrap_or_default()
            });
        }
        if self.count.is_some() || self.requester_may_not || self.may_edit {
            if rule.effect != Effect::Ask.name() {
                return Err(Failure::usage(format!(
                    "--count, --requester-may-not and --may-edit are for rules that ask; this one \
                     says {}",
                    rule.effect
                )));
            }
            let ask = rule.ask.unwrap_or_default();
            rule.ask = Some(RuleAsk {
                count: self.count.unwrap_or(ask.count),
                requester_may: ask.requester_may && !self.requester_may_not,
                may_edit: ask.may_edit || self.may_edit,
                ..ask
            });
        }
        rule.level = self.level.or(rule.level);
        rule.until = self.until.or(rule.until);
        rule.note = self.note.or(rule.note);
        Ok(rule)
    }
}

fn listed(rules: &[Rule]) -> String {
    let row = |r: &Rule| {
        vec![
            r.level.clone(),
            r.position.to_string(),
            r.effect.clone(),
            applies_to(&r.matches),
            r.until.clone().unwrap_or_default(),
            r.note.clone(),
            r.id.clone(),
        ]
    };
    if rules.is_empty() {
        return "no rules: reading is allowed, everything else asks".to_owned();
    }
    table(
        &["LEVEL", "#", "EFFECT", "APPLIES TO", "UNTIL", "NOTE", "ID"],
        &rules.iter().map(row).collect::<Vec<_>>(),
    )
}

fn applies_to(m: &RuleMatch) -> String {
    let tools = if m.tools.is_empty() {
        "**".to_owned()
    } else {
        m.tools.join(", ")
    };
    let part = |word: &str, values: &[String], between: &str| {
        if values.is_empty() {
            String::new()
        } else {
            format!(" {word} {}", values.join(between))
        }
    };
    [
        tools,
        part("except", &m.except, ", "),
        part("of", &m.sources, ", "),
        part("risk", &m.risks, ", "),
        part("for", &m.persons, ", "),
        part("role", &m.roles, ", "),
        part("client", &m.clients, ", "),
        part("key", &m.keys, ", "),
        part("via", &m.channels, ", "),
        part("when", &m.conditions, " and "),
    ]
    .concat()
}

fn explained(output: &Output, verdict: &Verdict) -> String {
    let mut text = format!(
        "{}: {}",
        output.status(&verdict.decision),
        plain(&verdict.explanation)
    );
    for rule in &verdict.looked_at {
        text.push_str(&format!(
            "\n  {} {}",
            rule.rule,
            if rule.matched {
                "matched"
            } else {
                "did not match"
            }
        ));
    }
    text
}
