//! A rule as it is written on the command line.

use crate::client::Client;
use crate::commands::find;
use crate::duration::{parse_ms, parse_until};
use crate::failure::{Failure, Result};
use api::policies::{NewRule, Policy, RuleAsk, RuleMatch};
use clap::ValueEnum;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Effect {
    /// Let it through
    Allow,
    /// Ask a person
    Ask,
    /// Refuse it
    Deny,
}

impl Effect {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

#[derive(clap::Args)]
pub(super) struct Details {
    /// Tools the rule leaves out
    #[arg(long, value_name = "PATTERN")]
    except: Vec<String>,
    /// Only tools of this source
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Only tools of this risk: read, write, destructive, unknown
    #[arg(long)]
    risk: Vec<String>,
    /// Only tasks of this person
    #[arg(long, value_name = "ACCOUNT")]
    person: Vec<String>,
    /// Only tasks of people in this role: owner, admin, billing_admin, member
    #[arg(long)]
    role: Vec<String>,
    /// Only tasks of this client, by the name it gives itself
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
    /// Only tasks that came in with this API key
    #[arg(long)]
    key: Vec<String>,
    /// Only tasks that came in through this: dashboard, cli, api, mcp
    #[arg(long)]
    channel: Vec<String>,
    /// Condition on arguments; all must hold: 'amount > 5000', 'country in ["DE","FR"]'
    #[arg(long, value_name = "CONDITION")]
    when: Vec<String>,
    /// Whom it binds: organization, workspace (the default) or personal
    #[arg(long)]
    level: Option<String>,
    /// When it stops to hold: 2h, 7d, or an RFC 3339 time
    #[arg(long, value_parser = parse_until)]
    until: Option<String>,
    /// Who may answer besides administrators, for ask
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    approvers: Vec<String>,
    /// How many people must say yes, for ask: 1 to 10
    #[arg(long)]
    count: Option<u32>,
    /// Whoever runs the task may not answer, for ask
    #[arg(long)]
    requester_may_not: bool,
    /// Reviewers may change the arguments, for ask
    #[arg(long)]
    may_edit: bool,
    /// How long an approval waits, for ask: 10m, 2h, at most 30d
    #[arg(long, value_parser = parse_ms)]
    wait: Option<u64>,
    /// Why it is there
    #[arg(long)]
    note: Option<String>,
}

/// A rule about some tools and nothing else yet.
pub(super) fn new(effect: Effect, pattern: String) -> NewRule {
    NewRule {
        effect: effect.name().to_owned(),
        matches: RuleMatch {
            tools: vec![pattern],
            ..RuleMatch::default()
        },
        ..NewRule::default()
    }
}

/// A rule of the policy with what was given put over it.
pub(super) async fn edited(
    client: &Client,
    id: &str,
    effect: Option<Effect>,
    pattern: Option<String>,
    details: Details,
) -> Result<NewRule> {
    let policy: Policy = client.get(&["policies"], &[]).await?;
    let old = find(&policy.rules, "rule", id, |r| r.id == id)
        .map_err(|failure| failure.next("`executor policies list` shows them"))?
        .clone();
    let old = NewRule {
        effect: old.effect,
        matches: old.matches,
        ask: old.ask,
        level: Some(old.level),
        until: old.until,
        note: Some(old.note),
    };
    changed(old, effect, pattern, details)
}

/// A rule with what was given put over it.
pub(super) fn changed(
    mut rule: NewRule,
    effect: Option<Effect>,
    pattern: Option<String>,
    details: Details,
) -> Result<NewRule> {
    if let Some(effect) = effect {
        rule.effect = effect.name().to_owned();
    }
    if let Some(pattern) = pattern {
        rule.matches.tools = vec![pattern];
    }
    if rule.effect != Effect::Ask.name() {
        rule.ask = None;
    }
    details.over(rule)
}

impl Details {
    /// A rule with what was given on the command line put over it.
    pub(super) fn over(self, mut rule: NewRule) -> Result<NewRule> {
        self.check(&rule)?;
        let matches = &mut rule.matches;
        for (given, field) in [
            (self.except, &mut matches.except),
            (self.source, &mut matches.sources),
            (self.risk, &mut matches.risks),
            (self.person, &mut matches.persons),
            (self.role, &mut matches.roles),
            (self.client, &mut matches.clients),
            (self.key, &mut matches.keys),
            (self.channel, &mut matches.channels),
            (self.when, &mut matches.conditions),
        ] {
            if !given.is_empty() {
                *field = given;
            }
        }
        let asks = !self.approvers.is_empty()
            || self.count.is_some()
            || self.requester_may_not
            || self.may_edit
            || self.wait.is_some();
        if asks {
            let mut ask = rule.ask.unwrap_or_default();
            if !self.approvers.is_empty() {
                ask.approvers = self.approvers;
            }
            rule.ask = Some(RuleAsk {
                count: self.count.unwrap_or(ask.count),
                requester_may: ask.requester_may && !self.requester_may_not,
                may_edit: ask.may_edit || self.may_edit,
                wait_ms: self.wait.or(ask.wait_ms),
                ..ask
            });
        }
        rule.level = self.level.or(rule.level);
        rule.until = self.until.or(rule.until);
        rule.note = self.note.or(rule.note);
        Ok(rule)
    }

    /// What is only for rules that ask is given to none else.
    fn check(&self, rule: &NewRule) -> Result<()> {
        let given = [
            ("--approvers", !self.approvers.is_empty()),
            ("--count", self.count.is_some()),
            ("--requester-may-not", self.requester_may_not),
            ("--may-edit", self.may_edit),
            ("--wait", self.wait.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) if rule.effect != Effect::Ask.name() => Err(Failure::usage(format!(
                "{flag} is for rules that ask; this one says {}",
                rule.effect
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        details: Details,
    }

    fn over(rule: NewRule, line: &[&str]) -> Result<NewRule> {
        let line = Line::parse_from([&["rule"], line].concat());
        line.details.over(rule)
    }

    #[test]
    fn every_flag_goes_into_its_field() {
        let line = [
            "--except",
            "a.x",
            "--source",
            "s",
            "--risk",
            "write",
            "--person",
            "acct_1",
            "--role",
            "member",
            "--client",
            "c",
            "--key",
            "key_1",
            "--channel",
            "mcp",
            "--when",
            "n > 1",
            "--when",
            "n < 9",
            "--level",
            "personal",
            "--approvers",
            "acct_2,acct_3",
            "--count",
            "2",
            "--requester-may-not",
            "--may-edit",
            "--wait",
            "10m",
            "--note",
            "why",
        ];
        let rule = over(new(Effect::Ask, "a.*".to_owned()), &line).expect("a rule");
        let shown = serde_json::to_value(&rule).expect("JSON");
        let expected = serde_json::json!({
            "effect": "ask", "level": "personal", "note": "why",
            "match": {
                "tools": ["a.*"], "except": ["a.x"], "sources": ["s"], "risks": ["write"],
                "persons": ["acct_1"], "roles": ["member"], "clients": ["c"], "keys": ["key_1"],
                "channels": ["mcp"], "conditions": ["n > 1", "n < 9"],
            },
            "ask": {
                "approvers": ["acct_2", "acct_3"], "count": 2, "requesterMay": false,
                "mayEdit": true, "waitMs": 600_000,
            },
        });
        assert_eq!(shown, expected);
        let kept = over(rule, &["--note", "another"]).expect("a rule");
        assert_eq!(kept.matches.keys, ["key_1"]);
        assert_eq!(kept.note.as_deref(), Some("another"));
    }

    #[test]
    fn only_a_rule_that_asks_says_how() {
        for line in [
            &["--approvers", "acct_1"][..],
            &["--count", "2"],
            &["--requester-may-not"],
            &["--may-edit"],
            &["--wait", "1m"],
        ] {
            let refused = over(new(Effect::Deny, "a".to_owned()), line);
            let refused = refused.expect_err("refused").message;
            assert!(refused.contains(line[0]), "{refused}");
        }
    }
}
