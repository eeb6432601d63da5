//! `executor policies sets`: named lists of rules that bind nobody until they are assigned.
//!
//! A set is named by its identifier or by what it is called. What assigning it or a change of it would
//! do is asked with `executor policies backtest --set`.

use super::rule::{self, Details, Effect};
use super::shown::applies_to;
use crate::client::Client;
use crate::commands::{find, removed};
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{fields, plain, table};
use api::Page;
use api::policies::{NewRule, RuleMove};
use api::policy_sets::{
    NewAssignment, NewPolicySet, PolicySet, PolicySetSummary, SetAssignment, SetRule,
};
use reqwest::Method;

/// Named lists of rules, assigned to the organization, a workspace or a person
#[derive(clap::Args)]
#[command(
    after_help = "A set binds nobody until it is assigned. Each assignment is a layer of its own beside the\nrules of its level: the first match in it decides, and across layers the strictest wins.\nSET is a set's name or id.\n\nExamples:\n  executor policies sets create Production --description 'two people for every write'\n  executor policies sets add Production ask '**' --risk write --count 2\n  executor policies backtest --set Production --assign workspace --since 7d\n  executor policies sets assign Production --to workspace"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists the sets, how many rules each holds, and whom it binds
    #[command(after_help = "Example:\n  executor policies sets list --json")]
    List,
    /// Shows the rules of a set, and whom it binds
    #[command(after_help = "Example:\n  executor policies sets show Production")]
    Show {
        /// The set
        set: String,
    },
    /// Makes a set without rules
    #[command(
        after_help = "Example:\n  executor policies sets create Production --description 'what touches customers'"
    )]
    Create {
        /// What it is called
        name: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Gives a set another name or description
    #[command(after_help = "Example:\n  executor policies sets describe Production --name Live")]
    Describe {
        /// The set
        set: String,
        /// What it is called from now on
        #[arg(long)]
        name: Option<String>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Deletes a set that is assigned nowhere
    #[command(after_help = "Example:\n  executor policies sets delete Production")]
    Delete {
        /// The set
        set: String,
    },
    /// Adds a rule to a set, above broader ones, and wherever the set is assigned
    #[command(
        after_help = "Example:\n  executor policies sets add Production deny 'ledger.**' --when 'amount > 5000'"
    )]
    Add {
        /// The set
        set: String,
        /// What the rule does
        effect: Effect,
        /// Tools it applies to
        pattern: String,
        #[command(flatten)]
        details: Box<Details>,
    },
    /// Changes a rule of a set, wherever the set is assigned: what is not given stays
    #[command(
        after_help = "Example:\n  executor policies sets edit Production srule_… --effect deny"
    )]
    Edit {
        /// The set
        set: String,
        /// The rule's id in the set
        rule: String,
        /// What the rule does
        #[arg(long)]
        effect: Option<Effect>,
        /// Tools it applies to
        #[arg(long)]
        pattern: Option<String>,
        #[command(flatten)]
        details: Box<Details>,
    },
    /// Moves a rule to another place in its set
    #[command(after_help = "Example:\n  executor policies sets move Production srule_… 1")]
    Move {
        /// The set
        set: String,
        /// The rule's id in the set
        rule: String,
        /// Its new place, from 1
        position: usize,
    },
    /// Removes a rule from a set, and wherever the set is assigned
    #[command(after_help = "Example:\n  executor policies sets remove Production srule_…")]
    Remove {
        /// The set
        set: String,
        /// The rule's id in the set
        rule: String,
    },
    /// Binds the organization, this workspace or one person in it with a set
    #[command(
        after_help = "What it would do to recorded calls: `executor policies backtest --set SET --assign WHOM`.\n\nExamples:\n  executor policies sets assign Production\n  executor policies sets assign Production --to acct_…"
    )]
    Assign {
        /// The set
        set: String,
        /// organization, workspace, or a person in this workspace
        #[arg(
            long,
            value_name = "organization|workspace|ACCOUNT",
            default_value = "workspace"
        )]
        to: String,
    },
    /// Takes an assignment back
    #[command(after_help = "Example:\n  executor policies sets unassign Production asgn_…")]
    Unassign {
        /// The set
        set: String,
        /// The assignment's id
        assignment: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::List => {
            let sets = all(&client).await?;
            output.show(&sets, |sets| listed(sets));
        }
        Command::Show { set } => {
            let found = read(&client, &set).await?;
            output.show(&found, in_full);
        }
        Command::Create { name, description } => {
            let new = NewPolicySet { name, description };
            let made: PolicySet = client.send(Method::POST, &SETS, &new).await?;
            output.show(&made, in_full);
        }
        Command::Describe {
            set,
            name,
            description,
        } => {
            let found = renamed(&client, &set, name, description).await?;
            output.show(&found, in_full);
        }
        Command::Delete { set } => {
            let id = id_of(&client, &set).await?;
            client.delete(&["policies", "sets", &id]).await?;
            return Ok(removed(context, "policy set", &id));
        }
        Command::Add {
            set,
            effect,
            pattern,
            details,
        } => {
            let new = details.over(rule::new(effect, pattern))?;
            let made = added(&client, &set, &new).await?;
            output.show(&made, |rule| rules(std::slice::from_ref(rule)));
        }
        Command::Edit {
            set,
            rule,
            effect,
            pattern,
            details,
        } => {
            let found = replaced(&client, (&set, &rule), (effect, pattern), *details).await?;
            output.show(&found, |rule| rules(std::slice::from_ref(rule)));
        }
        Command::Move {
            set,
            rule,
            position,
        } => {
            let found = moved(&client, &set, &rule, position).await?;
            output.show(&found, in_full);
        }
        Command::Remove { set, rule } => {
            let id = id_of(&client, &set).await?;
            let path = ["policies", "sets", &id, "rules", &rule];
            client.delete(&path).await?;
            return Ok(removed(context, "rule", &rule));
        }
        Command::Assign { set, to } => {
            let id = id_of(&client, &set).await?;
            let path = ["policies", "sets", &id, "assignments"];
            let made: SetAssignment = client.send(Method::POST, &path, &whom(&to)).await?;
            output.show(&made, |a| format!("assigned to {} ({})", bound(a), a.id));
        }
        Command::Unassign { set, assignment } => {
            let id = id_of(&client, &set).await?;
            let path = ["policies", "sets", &id, "assignments", &assignment];
            client.delete(&path).await?;
            return Ok(removed(context, "assignment", &assignment));
        }
    }
    Ok(Exit::Done)
}

/// Gives a set another name or description; what is not given stays.
async fn renamed(
    client: &Client,
    set: &str,
    name: Option<String>,
    description: Option<String>,
) -> Result<PolicySet> {
    let old = read(client, set).await?;
    let new = NewPolicySet {
        name: name.unwrap_or(old.name),
        description: Some(description.unwrap_or(old.description)),
    };
    let path = ["policies", "sets", &old.id];
    client.send(Method::PUT, &path, &new).await
}

/// Adds a rule to a set.
async fn added(client: &Client, set: &str, new: &NewRule) -> Result<SetRule> {
    let id = id_of(client, set).await?;
    let path = ["policies", "sets", &id, "rules"];
    client.send(Method::POST, &path, new).await
}

/// Gives a rule of a set another text; what is not given stays.
async fn replaced(
    client: &Client,
    (set, rule): (&str, &str),
    over: (Option<Effect>, Option<String>),
    details: Details,
) -> Result<SetRule> {
    let (id, new) = edited(client, set, rule, over, details).await?;
    let path = ["policies", "sets", &id, "rules", rule];
    client.send(Method::PUT, &path, &new).await
}

/// Moves a rule to another place of its set.
async fn moved(client: &Client, set: &str, rule: &str, position: usize) -> Result<PolicySet> {
    let id = id_of(client, set).await?;
    let path = ["policies", "sets", &id, "rules", rule, "move"];
    client
        .send(Method::POST, &path, &RuleMove { position })
        .await
}

const SETS: [&str; 2] = ["policies", "sets"];

/// What identifiers of sets begin with; no name does.
const ID: &str = "set_";

async fn all(client: &Client) -> Result<Vec<PolicySetSummary>> {
    let found: Page<PolicySetSummary> = client.get(&SETS, &[]).await?;
    Ok(found.items)
}

/// The identifier of a set that is named by it or by what it is called.
pub(super) async fn id_of(client: &Client, set: &str) -> Result<String> {
    if set.starts_with(ID) {
        return Ok(set.to_owned());
    }
    let wanted = set.trim().to_lowercase();
    let sets = all(client).await?;
    let found = find(&sets, "policy set", set, |s| {
        s.name.to_lowercase() == wanted
    })
    .map_err(|failure| failure.next("`executor policies sets list` shows them"))?;
    Ok(found.id.clone())
}

async fn read(client: &Client, set: &str) -> Result<PolicySet> {
    let id = id_of(client, set).await?;
    client.get(&["policies", "sets", &id], &[]).await
}

/// A rule of a set with what was given put over it, and the identifier of the set.
pub(super) async fn edited(
    client: &Client,
    set: &str,
    id: &str,
    (effect, pattern): (Option<Effect>, Option<String>),
    details: Details,
) -> Result<(String, NewRule)> {
    let found = read(client, set).await?;
    let old = find(&found.rules, "rule", id, |r| r.id == id)
        .map_err(|failure| failure.next("`executor policies sets show` shows those of a set"))?
        .clone();
    let old = NewRule {
        effect: old.effect,
        matches: old.matches,
        ask: old.ask,
        level: None,
        until: old.until,
        note: Some(old.note),
    };
    Ok((found.id, rule::changed(old, effect, pattern, details)?))
}

/// Whom an assignment is to bind, as it is written on the command line.
pub(super) fn whom(to: &str) -> NewAssignment {
    let (level, person) = match to {
        "organization" | "workspace" => (to, None),
        person => ("personal", Some(person.to_owned())),
    };
    NewAssignment {
        level: level.to_owned(),
        person,
    }
}

/// Whom an assignment binds, in words.
fn bound(a: &SetAssignment) -> String {
    let workspace = a.workspace_slug.as_deref().unwrap_or_default();
    plain(&match (&a.workspace, &a.person) {
        (None, _) => "the organization".to_owned(),
        (Some(_), None) => format!("the workspace {workspace}"),
        (Some(_), Some(person)) => {
            let name = a.person_name.as_ref().unwrap_or(person);
            format!("{name} in the workspace {workspace}")
        }
    })
}

fn listed(sets: &[PolicySetSummary]) -> String {
    if sets.is_empty() {
        return "no policy sets; `executor policies sets create` makes one".to_owned();
    }
    let row = |s: &PolicySetSummary| {
        let bound: Vec<String> = s.assignments.iter().map(bound).collect();
        vec![
            s.name.clone(),
            s.rule_count.to_string(),
            match bound.as_slice() {
                [] => "nobody".to_owned(),
                bound => bound.join(", "),
            },
            s.description.clone(),
            s.id.clone(),
        ]
    };
    table(
        &["NAME", "RULES", "BINDS", "DESCRIPTION", "ID"],
        &sets.iter().map(row).collect::<Vec<_>>(),
    )
}

fn rules(rules: &[SetRule]) -> String {
    let row = |r: &SetRule| {
        vec![
            r.position.to_string(),
            r.effect.clone(),
            applies_to(&r.matches),
            r.until.clone().unwrap_or_default(),
            r.note.clone(),
            r.id.clone(),
        ]
    };
    table(
        &["#", "EFFECT", "APPLIES TO", "UNTIL", "NOTE", "ID"],
        &rules.iter().map(row).collect::<Vec<_>>(),
    )
}

fn in_full(set: &PolicySet) -> String {
    let mut text = fields(&[
        ("name", plain(&set.name)),
        ("id", set.id.clone()),
        ("description", plain(&set.description)),
    ]);
    text.push_str("\n\n");
    if set.rules.is_empty() {
        text.push_str("no rules; `executor policies sets add` adds one");
    } else {
        text.push_str(&rules(&set.rules));
    }
    text.push_str("\n\n");
    if set.assignments.is_empty() {
        text.push_str("it binds nobody; `executor policies sets assign` changes that");
        return text;
    }
    let row = |a: &SetAssignment| vec![bound(a), a.created_at.clone(), a.id.clone()];
    text.push_str(&table(
        &["BINDS", "SINCE", "ID"],
        &set.assignments.iter().map(row).collect::<Vec<_>>(),
    ));
    text
}

/// What a trial of a set lacks, where it does.
pub(super) fn needs_a_set() -> Failure {
    Failure::usage("--assign and --unassign are about a set")
        .next("name the set with --set; `executor policies sets list` shows them")
}
