//! Conditions on arguments: typed predicates over argument paths, total by construction.
//!
//! `amount > 5000`, `labels contains "prod"`, `owner in ["a", "b"]`, `note exists`. A comparison of
//! unlike types, like a missing argument, answers what keeps the rule safe: no for a rule that
//! allows, yes for one that asks or denies. A null that was sent is there: it exists, and is unlike
//! everything but null. Numbers are exact; how values compare is in `compare.rs`.

use super::compare::{among, contains, equal, order};
use super::pattern::in_order;
use crate::partial::{Part, Partial};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::fmt;

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Operator {
    /// `=`
    #[serde(rename = "=")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
    /// `in`: the operand is a list.
    #[serde(rename = "in")]
    In,
    /// `not in`
    #[serde(rename = "not in")]
    NotIn,
    /// `<`: numbers, or texts in code point order.
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Greater,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `exists`: without operand.
    #[serde(rename = "exists")]
    Exists,
    /// `absent`: without operand.
    #[serde(rename = "absent")]
    Absent,
    /// `glob`: a text with `*` for any characters.
    #[serde(rename = "glob")]
    Glob,
    /// `contains`: a part of a text, or an item of a list.
    #[serde(rename = "contains")]
    Contains,
}

impl Operator {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Exists => "exists",
            Self::Absent => "absent",
            Self::Glob => "glob",
            Self::Contains => "contains",
        }
    }
}

const OPERATORS: [(&str, Operator); 12] = [
    ("not in", Operator::NotIn),
    ("contains", Operator::Contains),
    ("exists", Operator::Exists),
    ("absent", Operator::Absent),
    ("glob", Operator::Glob),
    ("in", Operator::In),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// One predicate over one argument.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Names and list places joined by dots: `items.0.price`.
    pub path: String,
    /// How to compare.
    pub op: Operator,
    /// What to compare with; absent for `exists` and `absent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Why a text or document is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a condition: {why}")]
pub struct ConditionError {
    /// The text as given, cut to 128 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Condition {
    /// Reads `path operator value`, the value in JSON; a bare word stands for a text.
    ///
    /// # Errors
    /// When there is no operator, the path is empty, or the operand does not fit the operator.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let refuse = |why| ConditionError {
            text: text.chars().take(128).collect(),
            why,
        };
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| c.is_whitespace() || "=!<>".contains(c))
            .ok_or_else(|| refuse("expected 'path operator value', such as 'amount > 5000'"))?;
        let (path, rest) = trimmed.split_at(end);
        let rest = rest.trim_start();
        let (name, op) = OPERATORS
            .into_iter()
            .find(|(name, _)| {
                rest.strip_prefix(name).is_some_and(|tail| {
                    !name.ends_with(|c: char| c.is_ascii_alphabetic())
                        || tail.is_empty()
                        || tail.starts_with(|c: char| c.is_whitespace() || c == '[' || c == '"')
                })
            })
            .ok_or_else(|| {
                refuse(
                    "the operator is one of = != in 'not in' < <= > >= exists absent glob contains",
                )
            })?;
        let operand = rest[name.len()..].trim();
        let value: Option<Value> = (!operand.is_empty()).then(|| {
            serde_json::from_str(operand).unwrap_or_else(|_| Value::String(operand.to_owned()))
        });
        let whole = operand
            .trim_start_matches('-')
            .bytes()
            .all(|b| b.is_ascii_digit());
        if whole && value.as_ref().is_some_and(Value::is_f64) {
            return Err(refuse(
                "a whole number beyond 64 bits would be rounded; write it as 1e20 if that is meant",
            ));
        }
        let condition = Self {
            path: path.to_owned(),
            op,
            value,
        };
        condition.validate().map_err(refuse)?;
        Ok(condition)
    }

    /// Why it does not hold, or is not certain to, in a few words after the rule's name.
    #[must_use]
    pub fn why_not(&self, arguments: &Value) -> String {
        match find(arguments, &self.path) {
            None => format!("{self}: `{}` is missing", self.path),
            Some(found) => {
                let kind = kind(found);
                let undecided = self
                    .value
                    .as_ref()
                    .is_some_and(|operand| self.compare(found, operand).is_none());
                if undecided {
                    format!(
                        "{self}: `{}` is {kind}, which cannot be compared so",
                        self.path
                    )
                } else {
                    format!("{self} does not hold")
                }
            }
        }
    }

    /// Checks that the operand fits the operator; conditions from outside pass through here.
    ///
    /// # Errors
    /// A sentence saying what does not fit.
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.path.is_empty() || self.path.split('.').any(str::is_empty) {
            return Err("the argument path is empty or has an empty part");
        }
        match (self.op, &self.value) {
            (Operator::Exists | Operator::Absent, None)
            | (Operator::In | Operator::NotIn, Some(Value::Array(_)))
            | (Operator::Glob, Some(Value::String(_)))
            | (
                Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast,
                Some(Value::Number(_) | Value::String(_)),
            )
            | (Operator::Equal | Operator::NotEqual | Operator::Contains, Some(_)) => Ok(()),
            (Operator::Exists | Operator::Absent, Some(_)) => {
                Err("'exists' and 'absent' take no value")
            }
            (Operator::In | Operator::NotIn, _) => Err("'in' takes a list, such as [\"a\", \"b\"]"),
            (Operator::Glob, _) => Err("'glob' takes a text, such as \"prod-*\""),
            (Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast, _) => {
                Err("an order comparison takes a number or a text")
            }
            (Operator::Equal | Operator::NotEqual | Operator::Contains, None) => {
                Err("the operator takes a value")
            }
        }
    }

    /// Whether it holds of some arguments. `when_undecided` is the answer where the argument is
    /// missing (and the operator does not ask about that) or the types cannot be compared.
    #[must_use]
    pub fn holds(&self, arguments: &Value, when_undecided: bool) -> bool {
        let found = find(arguments, &self.path);
        match self.op {
            Operator::Exists => return found.is_some(),
            Operator::Absent => return found.is_none(),
            Operator::Equal
            | Operator::NotEqual
            | Operator::In
            | Operator::NotIn
            | Operator::Less
            | Operator::AtMost
            | Operator::Greater
            | Operator::AtLeast
            | Operator::Glob
            | Operator::Contains => {}
        }
        let (Some(found), Some(operand)) = (found, &self.value) else {
            return when_undecided;
        };
        self.compare(found, operand).unwrap_or(when_undecided)
    }

    /// Whether the condition holds of arguments known in part; none where that depends on what is
    /// not known.
    #[must_use]
    pub fn may_hold(&self, arguments: &Partial, when_undecided: bool) -> Option<bool> {
        let found = match arguments.part(self.path.split('.')) {
            Part::Unknown => return None,
            Part::Absent => None,
            Part::Present(found) => Some(found),
        };
        match (self.op, found) {
            (Operator::Exists, found) => Some(found.is_some()),
            (Operator::Absent, found) => Some(found.is_none()),
            (_, None) => Some(when_undecided),
            (_, Some(found)) => {
                let (found, operand) = (found.whole()?, self.value.as_ref());
                let compared = operand.and_then(|operand| self.compare(&found, operand));
                Some(compared.unwrap_or(when_undecided))
            }
        }
    }

    fn compare(&self, found: &Value, operand: &Value) -> Option<bool> {
        let ordered = |accept: fn(Ordering) -> bool| order(found, operand).map(accept);
        let listed = || among(found, operand.as_array()?);
        match self.op {
            Operator::Exists | Operator::Absent => None,
            Operator::Equal => equal(found, operand),
            Operator::NotEqual => equal(found, operand).map(|same| !same),
            Operator::In => listed(),
            Operator::NotIn => listed().map(|is| !is),
            Operator::Less => ordered(Ordering::is_lt),
            Operator::AtMost => ordered(Ordering::is_le),
            Operator::Greater => ordered(Ordering::is_gt),
            Operator::AtLeast => ordered(Ordering::is_ge),
            Operator::Glob => match (found, operand) {
                (Value::String(text), Value::String(glob)) => Some(glob_matches(glob, text)),
                _ => None,
            },
            Operator::Contains => contains(found, operand),
        }
    }
}

/// A condition as it is written: its text reads back to the same condition.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.op.as_str())?;
        match &self.value {
            Some(value) => write!(f, " {value}"),
            None => Ok(()),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if !path.as_bytes().contains(&b'.') {
        return step(value, path);
    }
    path.split('.').try_fold(value, step)
}

fn step<'v>(value: &'v Value, part: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => member(map, part),
        Value::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Looking through a few names is quicker than hashing one, and every rule may ask.
fn member<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    const FEW: usize = 8;
    if map.len() > FEW {
        return map.get(name);
    }
    let found = map.iter().find(|(key, _)| key.as_str() == name);
    found.map(|(_, value)| value)
}

/// `*` stands for any characters, also none.
fn glob_matches(glob: &str, text: &str) -> bool {
    in_order(&glob.split('*').collect::<Vec<_>>(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table() {
        let args = json!({"amount": 5000, "to": "prod-eu", "tags": ["a"], "n": {"x": [1.5]}, "z": null,
                   "big": 9_007_199_254_740_993_u64, "sci": "1e9"});
        for (text, expected) in [
            ("amount > 4999", Some(true)),
            ("amount>5000", Some(false)),
            ("amount >= 5000.0", Some(true)),
            ("amount = 5000.0", Some(true)),
            ("amount < \"a\"", None),
            ("to glob prod-*", Some(true)),
            ("to glob *-us", Some(false)),
            ("to in [\"prod-eu\", \"x\"]", Some(true)),
            ("to not in [\"prod-eu\"]", Some(false)),
            ("tags contains a", Some(true)),
            ("to contains od-e", Some(true)),
            ("amount contains 5", None),
            ("n.x.0 = 1.5", Some(true)),
            ("n.x.1 = 1.5", None),
            ("missing != 1", None),
            ("missing absent", Some(true)),
            ("z exists", Some(true)),
            ("to != prod-eu", Some(false)),
            ("to != 5", None),
            ("tags = a", None),
            ("tags != a", None),
            ("tags in [\"a\"]", None),
            ("tags not in [\"b\"]", None),
            ("amount = \"5000\"", None),
            ("amount != \"5000\"", None),
            ("z = null", Some(true)),
            ("z != null", Some(false)),
            ("z != x", None),
            ("z < 1", None),
            ("z absent", Some(false)),
            ("to != null", Some(true)),
            ("missing = null", None),
            ("n.x = [1.5]", Some(true)),
            ("n = {\"x\": [1.50]}", Some(true)),
            ("big > 9007199254740992", Some(true)),
            ("big = 9007199254740993", Some(true)),
            ("big = 9007199254740992", Some(false)),
            ("sci >= 1000000000", None),
        ] {
            let condition = Condition::parse(text).expect(text);
            assert_eq!(
                condition.holds(&args, true),
                expected.unwrap_or(true),
                "{text}"
            );
            assert_eq!(
                condition.holds(&args, false),
                expected.unwrap_or(false),
                "{text}"
            );
        }
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "amount",
            "amount ~ 5",
            "a in 5",
            "a glob 5",
            "a exists 5",
            "a =",
            "a..b = 1",
            "> 5",
            "amount < 18446744073709551617",
        ] {
            assert!(Condition::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn glob_parts_may_not_overlap() {
        assert!(!glob_matches("ab*ba", "aba"));
        assert!(glob_matches("ab*ba", "abba"));
        assert!(glob_matches("*", ""));
        assert!(!glob_matches("", "x"));
    }
}
