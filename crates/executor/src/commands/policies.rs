//! `executor policies`: the ordered rules that decide about calls.
//!
//! How a rule is written on the command line is in `rule.rs`; what was, is and would be decided is
//! shown by `look.rs`; lists of rules that are assigned are in `sets.rs`.

mod look;
mod rule;
mod sets;
pub(crate) mod shown;

use crate::commands::{json_object, removed};
use crate::context::Context;
use crate::duration::parse_since;
use crate::failure::{Exit, Result};
use api::policies::{Policy, Rule, RuleMove};
use api::policy_history::RulePreview;
use reqwest::Method;
use rule::{Details, Effect};
use serde_json::Value;
use shown::{about, listed};

/// The ordered rules that allow, ask about or deny calls
#[derive(clap::Args)]
#[command(
    after_help = "The rules of a level are a layer, and so is each set that is assigned there. Within a layer\nthe first match decides; across layers the strictest wins. Where no rule matches, reading is\nallowed and everything else asks.\n\nExamples:\n  executor policies add allow 'github.issues.*' --except github.issues.delete\n  executor policies test ledger.payments.create '{\"amount\": 9000}'\n  executor policies backtest deny 'ledger.**' --when 'amount > 5000' --since 7d"
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
        after_help = "Patterns: * stands for one segment, ** for any number.\n\nExamples:\n  executor policies add ask 'ledger.payments.create' --when 'amount > 5000' --note 'large payments'\n  executor policies add deny '**' --risk destructive --level organization --until 2h"
    )]
    Add {
        /// What the rule does
        effect: Effect,
        /// Tools it applies to
        pattern: String,
        #[command(flatten)]
        details: Box<Details>,
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
        details: Box<Details>,
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
        after_help = "Examples:\n  executor policies test ledger.payments.create '{\"amount\": 9000}'\n  executor policies test ledger.payments.create --as role=member --as channel=mcp"
    )]
    Test {
        /// The tool's path
        path: String,
        /// The call's arguments
        #[arg(value_name = "JSON", value_parser = json_object)]
        arguments: Option<Value>,
        /// For whom, for administrators: person=acct_…, role=member, client=NAME, key=key_…,
        /// channel=mcp
        #[arg(long = "as", value_name = "WHAT=WHO", value_parser = look::asked_for)]
        asked_for: Vec<(String, String)>,
    },
    /// Says why recorded calls of a task were decided as they were
    #[command(
        after_help = "Examples:\n  executor policies explain task_…\n  executor policies explain task_… 2"
    )]
    Explain {
        /// The task's id
        task: String,
        /// The call's number in the task; all of them without
        sequence: Option<u32>,
    },
    /// Says how often each rule decided in the last thirty days
    #[command(after_help = "Example:\n  executor policies usage --json")]
    Usage,
    /// Lists the changes of the rules, or shows what one version changed
    #[command(
        after_help = "Examples:\n  executor policies history\n  executor policies history 12 --json"
    )]
    History {
        /// One version, with the difference and the rules as they were
        version: Option<i64>,
        /// Changes at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Tries a change of the rules on recorded calls; changes nothing
    #[command(
        after_help = "Every call is decided twice, by the rules as they are and as they would be.\n\nExamples:\n  executor policies backtest deny 'ledger.**' --when 'amount > 5000' --since 7d\n  executor policies backtest --remove rule_…\n  executor policies backtest --move rule_… --to 1\n  executor policies backtest --set Production --assign workspace"
    )]
    Backtest(Box<Backtest>),
    /// Named lists of rules that are assigned
    Sets(Box<sets::Arguments>),
}

#[derive(clap::Args)]
struct Backtest {
    /// What the rule would do
    effect: Option<Effect>,
    /// Tools it would apply to
    #[arg(requires = "effect")]
    pattern: Option<String>,
    #[command(flatten)]
    details: Details,
    /// Give this rule what else is given, instead of adding one
    #[arg(long, value_name = "RULE", conflicts_with_all = ["remove", "move_rule"])]
    edit: Option<String>,
    /// Remove this rule instead
    #[arg(long, value_name = "RULE", conflicts_with_all = ["effect", "move_rule"])]
    remove: Option<String>,
    /// Move this rule instead
    #[arg(
        long = "move",
        value_name = "RULE",
        requires = "to",
        conflicts_with = "effect"
    )]
    move_rule: Option<String>,
    /// The new place of the rule that is moved, from 1
    #[arg(long, value_name = "PLACE", requires = "move_rule")]
    to: Option<usize>,
    /// Try a change of this policy set, by name or id; rules are then those of the set
    #[arg(long, value_name = "SET")]
    set: Option<String>,
    /// Assign the set: organization, workspace, or a person in this workspace
    #[arg(
        long,
        value_name = "WHOM",
        conflicts_with_all = ["effect", "edit", "remove", "move_rule", "unassign"]
    )]
    assign: Option<String>,
    /// Take this assignment of the set back
    #[arg(
        long,
        value_name = "ASSIGNMENT",
        conflicts_with_all = ["effect", "edit", "remove", "move_rule"]
    )]
    unassign: Option<String>,
    /// Only calls of tasks submitted since: 7d, or an RFC 3339 time
    #[arg(long, value_parser = parse_since)]
    since: Option<String>,
    /// Calls at most, those of the newest tasks first
    #[arg(long, default_value_t = 1_000)]
    limit: u32,
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
            let new = details.over(rule::new(effect, pattern))?;
            let preview: RulePreview = client
                .send(Method::POST, &["policies", "preview"], &new)
                .await?;
            let rule: Rule = client.send(Method::POST, &["policies"], &new).await?;
            output.show(&rule, |r| listed(std::slice::from_ref(r)));
            output.note(&about(&preview));
        }
        Command::Edit {
            id,
            effect,
            pattern,
            details,
        } => {
            let new = rule::edited(&client, &id, effect, pattern, *details).await?;
            let preview: RulePreview = client
                .send(Method::POST, &["policies", "preview"], &new)
                .await?;
            let rule: Rule = client.send(Method::PUT, &["policies", &id], &new).await?;
            output.show(&rule, |r| listed(std::slice::from_ref(r)));
            output.note(&about(&preview));
        }
        Command::Move { id, position } => {
            let path = ["policies", &id, "move"];
            let policy: Policy = client
                .send(Method::POST, &path, &RuleMove { position })
                .await?;
            output.show(&policy.rules, |rules| listed(rules));
        }
        Command::Remove { id } => {
            client.delete(&["policies", &id]).await?;
            return Ok(removed(context, "rule", &id));
        }
        Command::Test {
            path,
            arguments,
            asked_for,
        } => look::test(context, path, arguments, asked_for).await?,
        Command::Explain { task, sequence } => look::explain(context, &task, sequence).await?,
        Command::Usage => look::usage(context).await?,
        Command::History { version, limit } => look::history(context, version, limit).await?,
        Command::Backtest(backtest) => look::backtest(context, *backtest).await?,
        Command::Sets(arguments) => return sets::run(context, *arguments).await,
    }
    Ok(Exit::Done)
}
