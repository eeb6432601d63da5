//! How two JSON values compare: by kind first, numbers exactly, and not at all across kinds.
//!
//! No number is rounded to compare it: 2^53 + 1 is not 2^53, and 5000.0 is 5000. A text that looks
//! like a number is a text. What cannot be compared has no answer; who asks decides what that means.

use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::mem::discriminant;

/// The smallest float beyond every `i128`.
const BEYOND_I128: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

/// Whether two values are the same; none where they are of different kinds. Null is of every kind
/// and equals itself alone, so `= null` and `!= null` always have an answer.
pub(super) fn equal(found: &Value, operand: &Value) -> Option<bool> {
    match (found, operand) {
        (_, Value::Null) => Some(found.is_null()),
        _ => alike(found, operand).then(|| same(found, operand)),
    }
}

/// Whether one of several operands is the value; none where none is and the value's kind is not
/// among theirs. No operand at all is a plain no.
pub(super) fn among(found: &Value, operands: &[Value]) -> Option<bool> {
    let mut comparable = operands.is_empty();
    for operand in operands {
        match equal(found, operand) {
            Some(true) => return Some(true),
            // A null among the operands says nothing about the kind of the others.
            Some(false) => comparable |= alike(found, operand),
            None => {}
        }
    }
    comparable.then_some(false)
}

/// Whether a text has a part, or a list an item. None for anything else, and for a list that lacks
/// the item but has items of other kinds.
pub(super) fn contains(found: &Value, operand: &Value) -> Option<bool> {
    match (found, operand) {
        (Value::String(text), Value::String(part)) => Some(text.contains(part.as_str())),
        (Value::Array(items), operand) => {
            if items.iter().any(|item| equal(item, operand) == Some(true)) {
                return Some(true);
            }
            let comparable = items.iter().all(|item| equal(item, operand).is_some());
            comparable.then_some(false)
        }
        _ => None,
    }
}

/// The order of two numbers, or of two texts by code points; none for anything else.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn alike(a: &Value, b: &Value) -> bool {
    discriminant(a) == discriminant(b)
}

/// Equality all the way down, with numbers by their value.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let held = |(key, value): (&String, &Value)| b.get(key).is_some_and(|b| same(value, b));
            a.len() == b.len() && a.iter().all(held)
        }
        _ => a == b,
    }
}

fn numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => against_float(a, b.as_f64()?),
        (None, Some(b)) => against_float(b, a.as_f64()?).map(Ordering::reverse),
        (None, None) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn integer(number: &Number) -> Option<i128> {
    let signed = number.as_i64().map(i128::from);
    signed.or_else(|| number.as_u64().map(i128::from))
}

/// The order of an integer and a float, without turning the integer into one.
fn against_float(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float >= BEYOND_I128 {
        return Some(Ordering::Less);
    }
    if float < -BEYOND_I128 {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    // The float is whole and within range, so this loses nothing.
    let order = integer.cmp(&(whole as i128));
    Some(order.then_with(|| {
        0.0f64
            .partial_cmp(&(float - whole))
            .unwrap_or(Ordering::Equal)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("a value")
    }

    #[test]
    fn numbers_compare_by_what_they_are() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("9007199254740993", "9007199254740992", Greater),
            ("9007199254740993", "9007199254740992.0", Greater),
            ("9007199254740992", "9007199254740992.0", Equal),
            ("18446744073709551615", "9223372036854775807", Greater),
            ("18446744073709551615", "-1", Greater),
            ("18446744073709551615", "18446744073709551616.0", Less),
            ("9223372036854775807", "9223372036854775808.0", Less),
            ("-9223372036854775808", "-9223372036854775808.0", Equal),
            ("1000000.0", "1000000", Equal),
            ("1e6", "1000000", Equal),
            ("1e300", "18446744073709551615", Greater),
            ("-1e300", "-9223372036854775808", Less),
            ("1e39", "1", Greater),
            ("5000.5", "5000", Greater),
            ("-5000.5", "-5000", Less),
            ("0", "-0.0", Equal),
            ("0.5", "0", Greater),
            ("0.1", "0.1", Equal),
            ("1e-9", "0", Greater),
        ] {
            let (a, b) = (read(a), read(b));
            assert_eq!(order(&a, &b), Some(expected), "{a} {b}");
            assert_eq!(order(&b, &a), Some(expected.reverse()), "{b} {a}");
            assert_eq!(equal(&a, &b), Some(expected == Equal), "{a} {b}");
        }
    }

    #[test]
    fn kinds_do_not_mix() {
        for (a, b) in [
            (json!("1e9"), json!(1_000_000_000)),
            (json!("5"), json!(5)),
            (json!(true), json!("true")),
            (json!(1), json!(true)),
            (json!(["a"]), json!("a")),
            (json!({ "a": 1 }), json!("a")),
            (json!(null), json!("")),
            (json!(null), json!(0)),
        ] {
            assert_eq!(equal(&a, &b), None, "{a} {b}");
            assert_eq!(order(&a, &b), None, "{a} {b}");
            assert_eq!(among(&a, std::slice::from_ref(&b)), None, "{a} {b}");
        }
        assert_eq!(equal(&json!(5), &Value::Null), Some(false));
        assert_eq!(equal(&Value::Null, &Value::Null), Some(true));
        assert_eq!(among(&json!(5), &[]), Some(false));
        assert_eq!(among(&json!(5), &[Value::Null]), None);
        assert_eq!(among(&json!(5), &[json!("a"), json!(6)]), Some(false));
        assert_eq!(among(&json!(5), &[json!("a"), json!(5.0)]), Some(true));
    }

    #[test]
    fn what_is_nested_is_compared_whole() {
        let a = json!({ "x": [1, { "y": 2.0 }], "z": "s" });
        assert_eq!(
            equal(&a, &json!({ "z": "s", "x": [1.0, { "y": 2 }] })),
            Some(true)
        );
        assert_eq!(
            equal(&a, &json!({ "z": "s", "x": [1.0, { "y": 3 }] })),
            Some(false)
        );
        assert_eq!(equal(&a, &json!({ "x": [1, { "y": 2.0 }] })), Some(false));
        assert_eq!(contains(&json!(["a", "b"]), &json!("c")), Some(false));
        assert_eq!(contains(&json!([1, 2.0]), &json!(2)), Some(true));
        assert_eq!(contains(&json!(["a", ["c"]]), &json!("c")), None);
        assert_eq!(contains(&json!([]), &json!("c")), Some(false));
        assert_eq!(contains(&json!(7), &json!(7)), None);
    }
}
