//! Which rules a decision looked at, and what kept each from matching.
//!
//! [`miss`] is the one test of a rule against a call: the decision, the forecast and the explanation
//! all ask it, so what is told is what was done.

use super::{Decision, Effect, Level, Match, OfSet, Path, Policy, Request, Rule, decide_watched};
use crate::tool::Risk;
use crate::{AssignmentId, RuleId};

/// What kept a rule from matching: the first thing that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// It is another person's own rule.
    Person,
    /// Its time is over.
    Until,
    /// No pattern fits the tool.
    Tools,
    /// A pattern leaves the tool out.
    Except,
    /// Another source.
    Sources,
    /// Another risk.
    Risks,
    /// Another person's task.
    Persons,
    /// Another role.
    Roles,
    /// Another client.
    Clients,
    /// Another API key, or none.
    Keys,
    /// Another channel.
    Channels,
    /// The condition at this place does not hold.
    Condition(usize),
    /// It has conditions, and no arguments were given to try them on.
    NoArguments,
}

impl Miss {
    /// Whether the rule is about the tool and only who calls it, when, or its arguments kept it from
    /// matching.
    #[must_use]
    pub fn is_near(self) -> bool {
        match self {
            Self::Until
            | Self::Persons
            | Self::Roles
            | Self::Clients
            | Self::Keys
            | Self::Channels
            | Self::Condition(_)
            | Self::NoArguments => true,
            Self::Person | Self::Tools | Self::Except | Self::Sources | Self::Risks => false,
        }
    }
}

/// One rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedAt {
    /// The rule.
    pub rule_id: RuleId,
    /// Its level.
    pub level: Level,
    /// The set it comes of, if it does.
    pub of_set: Option<OfSet>,
    /// What kept it from matching; none where it matched.
    pub miss: Option<Miss>,
    /// The same in words.
    pub why: String,
}

impl LookedAt {
    fn layer(&self) -> (Level, Option<&AssignmentId>) {
        let of_set = self.of_set.as_ref();
        (self.level, of_set.map(|set| &set.assignment_id))
    }
}

/// A decision with everything that was looked at to make it, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// What was decided.
    pub decision: Decision,
    /// The rules, up to the one that matched in each layer.
    pub looked_at: Vec<LookedAt>,
}

/// Decides as [`super::decide`] does and tells what was looked at.
#[must_use]
pub fn trace(request: &Request<'_>, policy: &Policy) -> Trace {
    let mut looked_at = Vec::new();
    let decision = decide_watched(request, policy, |tried, rule, miss| {
        let why = miss.map_or_else(
            || format!("matches and says {}", rule.effect.as_str()),
            |miss| miss.tell(rule, tried),
        );
        let why = match request.also {
            [] => why,
            _ => format!("for {}: {why}", tried.tool),
        };
        looked_at.push(LookedAt {
            rule_id: rule.id.clone(),
            level: rule.level,
            of_set: rule.of_set.clone(),
            miss,
            why,
        });
    });
    looked_at.sort_by(|a, b| a.layer().cmp(&b.layer()));
    Trace {
        decision,
        looked_at,
    }
}

/// Whether a rule is about a tool, for whatever caller and arguments.
#[must_use]
pub fn covers(matches: &Match, tool: &str, source: &str, risk: Risk) -> bool {
    is_about(matches, &Path::new(tool), source, risk)
}

fn is_about(matches: &Match, path: &Path, source: &str, risk: Risk) -> bool {
    fits(&matches.risks, |r| *r == risk) && miss_of_tool(matches, path, source).is_none()
}

/// The rules of a policy that deny, for asking of many tools whether any could bear on them.
#[derive(Debug, Clone)]
pub struct Denials(Vec<Match>);

impl Denials {
    /// Those of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let rules = policy.rules.iter();
        let denying = rules.filter(|rule| matches!(rule.effect, Effect::Deny));
        Self(denying.map(|rule| rule.matches.clone()).collect())
    }

    /// Whether a rule denies a tool to some caller, with some arguments. Where none does,
    /// [`decide`](super::decide) never answers [`Effect::Deny`].
    #[must_use]
    pub fn may_cover(&self, tool: &str, source: &str, risk: Risk) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = Path::new(tool);
        self.0.iter().any(|m| is_about(m, &path, source, risk))
    }
}

fn fits<T>(list: &[T], holds: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}

fn miss_of_tool(m: &Match, path: &Path, source: &str) -> Option<Miss> {
    if !fits(&m.tools, |p| p.fits(path)) {
        return Some(Miss::Tools);
    }
    if m.except.iter().any(|p| p.fits(path)) {
        return Some(Miss::Except);
    }
    (!fits(&m.sources, |s| same(s, source))).then_some(Miss::Sources)
}

/// What keeps a rule from matching a call; none where it matches.
pub(super) fn miss(rule: &Rule, request: &Request<'_>, path: &Path) -> Option<Miss> {
    if let Some(miss) = miss_in_general(rule, request, path) {
        return Some(miss);
    }
    let conditions = &rule.matches.conditions;
    match request.arguments {
        None => (!conditions.is_empty()).then_some(Miss::NoArguments),
        Some(arguments) => conditions
            .iter()
            .position(|c| !c.holds(arguments, rule.when_undecided()))
            .map(Miss::Condition),
    }
}

/// The same, the arguments aside.
pub(super) fn miss_in_general(rule: &Rule, request: &Request<'_>, path: &Path) -> Option<Miss> {
    let m = &rule.matches;
    let own = rule.level != Level::Personal || rule.account_id.as_ref() == Some(request.account_id);
    // In the order in which they are cheapest to refuse a rule.
    let checks: [(bool, Miss); 5] = [
        (own, Miss::Person),
        (
            rule.until.is_none_or(|until| request.now < until),
            Miss::Until,
        ),
        (fits(&m.risks, |r| *r == request.risk), Miss::Risks),
        (fits(&m.roles, |r| *r == request.role), Miss::Roles),
        (fits(&m.channels, |c| *c == request.channel), Miss::Channels),
    ];
    if let Some((_, miss)) = checks.into_iter().find(|(holds, _)| !holds) {
        return Some(miss);
    }
    if let Some(miss) = miss_of_tool(m, path, request.source) {
        return Some(miss);
    }
    if !fits(&m.persons, |p| p == request.account_id) {
        return Some(Miss::Persons);
    }
    if !fits(&m.clients, |c| c.eq_ignore_ascii_case(request.client)) {
        return Some(Miss::Clients);
    }
    if !fits(&m.keys, |k| Some(k) == request.key_id) {
        return Some(Miss::Keys);
    }
    None
}

/// Whether two names are one to a look-up, without making new texts of them.
pub(super) fn same(a: &str, b: &str) -> bool {
    fn folded(text: &str) -> impl Iterator<Item = char> {
        text.chars()
            .filter(|c| !matches!(c, '_' | '-'))
            .flat_map(char::to_lowercase)
    }
    folded(a).eq(folded(b))
}

impl Miss {
    /// What did not fit, in words.
    fn tell(self, rule: &Rule, request: &Request<'_>) -> String {
        match self {
            Self::Person => "it is another person's own rule".to_owned(),
            Self::Until => rule.until.map_or_else(String::new, |until| {
                format!("it held until {}", until.to_rfc3339())
            }),
            Self::Tools => format!("no pattern of it fits {}", request.tool),
            Self::Except => format!("it leaves {} out", request.tool),
            Self::Sources => format!("it is about other sources than {}", request.source),
            Self::Risks => format!("it is about other risks than {}", request.risk.as_str()),
            Self::Persons => format!("it is about other people than {}", request.account_id),
            Self::Roles => format!("it is about other roles than {}", request.role.as_str()),
            Self::Clients => format!("it is about other clients than '{}'", request.client),
            Self::Keys => match request.key_id {
                Some(key) => format!("it is about other keys than {key}"),
                None => "it is about keys, and the call came without one".to_owned(),
            },
            Self::Channels => {
                format!(
                    "it is about other channels than {}",
                    request.channel.as_str()
                )
            }
            Self::Condition(at) => match (rule.matches.conditions.get(at), request.arguments) {
                (Some(condition), Some(arguments)) => condition.why_not(arguments),
                (_, _) => "a condition does not hold".to_owned(),
            },
            Self::NoArguments => "it has conditions, and no arguments were given".to_owned(),
        }
    }
}
