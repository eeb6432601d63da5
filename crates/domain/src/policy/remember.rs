//! From one call to a rule that is about calls like it and no other.

use super::{Condition, Operator};
use serde_json::Value;

/// Most conditions that are made of one call.
const CONDITIONS_MAX: usize = 40;
/// Longest text of one such condition in characters: what a person is to read.
const CONDITION_CHARS_MAX: usize = 1_000;

/// Conditions that hold of these arguments alone: each that is given has this value, and of the
/// others that the tool knows none is there. None where conditions cannot say so, or no person would
/// read them.
#[must_use]
pub fn exactly<'k>(
    arguments: &Value,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<Vec<Condition>> {
    let given = arguments.as_object()?;
    let equal = given.iter().map(|(name, value)| Condition {
        path: name.clone(),
        op: Operator::Equal,
        value: Some(value.clone()),
    });
    let absent = known
        .into_iter()
        .filter(|name| !given.contains_key(*name))
        .map(|name| Condition {
            path: name.to_owned(),
            op: Operator::Absent,
            value: None,
        });
    let conditions: Vec<Condition> = equal.chain(absent).take(CONDITIONS_MAX + 1).collect();
    let sayable = |c: &Condition| {
        let text = c.to_string();
        // A name with a dot or an operator in it would read back as something else.
        text.chars().count() <= CONDITION_CHARS_MAX
            && Condition::parse(&text).as_ref() == Ok(c)
            && !c.path.contains('.')
    };
    (conditions.len() <= CONDITIONS_MAX && conditions.iter().all(sayable)).then_some(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(arguments: &Value, known: &[&str]) -> Option<Vec<String>> {
        let conditions = exactly(arguments, known.iter().copied())?;
        for condition in &conditions {
            assert!(condition.holds(arguments, false), "{condition}");
        }
        Some(conditions.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_call_and_no_other() {
        let arguments = json!({ "amount": 5, "to": "a = b", "tags": ["x"], "note": null });
        let expected = [
            "amount = 5",
            "to = \"a = b\"",
            "tags = [\"x\"]",
            "note = null",
            "cc absent",
        ];
        assert_eq!(
            texts(&arguments, &["amount", "to", "cc"]),
            Some(expected.map(str::to_owned).to_vec())
        );
        let conditions = exactly(&arguments, ["amount", "to", "cc"]).expect("sayable");
        for other in [
            json!({ "amount": 5.5, "to": "a = b", "tags": ["x"], "note": null }),
            json!({ "amount": 5, "to": "a = b", "tags": ["x"] }),
            json!({ "amount": 5, "to": "a = b", "tags": ["x", "y"], "note": null }),
            json!({ "amount": 5, "to": "a = b", "tags": ["x"], "note": null, "cc": "me" }),
        ] {
            assert!(
                !conditions.iter().all(|c| c.holds(&other, false)),
                "{other}"
            );
        }
    }

    #[test]
    fn what_cannot_be_said_is_not_said_otherwise() {
        assert_eq!(texts(&json!({ "a.b": 1 }), &[]), None);
        assert_eq!(texts(&json!({ "a b": 1 }), &[]), None);
        assert_eq!(texts(&json!({ "": 1 }), &[]), None);
        assert_eq!(texts(&json!({ "a": "x".repeat(2_000) }), &[]), None);
        let many: Vec<String> = (0..50).map(|n| format!("k{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(texts(&json!({}), &many), None);
        assert_eq!(texts(&json!({}), &["a"]), Some(vec!["a absent".to_owned()]));
        assert_eq!(texts(&json!("x"), &[]), None);
    }
}
