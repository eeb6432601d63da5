//! What an expression says about its value without being run.
//!
//! Literals, and lists and objects of them; whatever must be computed is unknown, and what JSON
//! drops is left out as it will be. Types around a value are looked through.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the syntax tree's enums are oxc's; what is not named here is unknown"
)]

use domain::partial::{Entry, Partial};
use oxc_ast::ast::{
    ArrayExpressionElement, Expression, ObjectExpression, ObjectPropertyKind, PropertyKind,
    UnaryOperator,
};
use oxc_span::GetSpan;
use serde_json::{Number, Value};

use super::lines::Lines;

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 32;
/// Whole numbers below this are written as such, and fit an `i64`.
const WHOLE_MAX: f64 = 9e18;

/// The value of an expression as far as it is written out; none where JSON leaves it out.
pub(super) fn read(expression: &Expression<'_>, lines: &Lines<'_>) -> Option<Partial> {
    at_depth(expression, lines, 0)
}

fn at_depth(expression: &Expression<'_>, lines: &Lines<'_>, depth: usize) -> Option<Partial> {
    if depth > DEPTH_MAX {
        return Some(Partial::Unknown);
    }
    Some(match expression.get_inner_expression() {
        Expression::NullLiteral(_) => Partial::Scalar(Value::Null),
        Expression::BooleanLiteral(it) => Partial::Scalar(Value::Bool(it.value)),
        Expression::NumericLiteral(it) => number(it.value),
        Expression::StringLiteral(it) if !it.lone_surrogates => text(&it.value),
        Expression::TemplateLiteral(it) => {
            match (it.quasis.as_slice(), it.expressions.is_empty()) {
                ([only], true) if !only.lone_surrogates => only
                    .value
                    .cooked
                    .as_ref()
                    .map_or(Partial::Unknown, |t| text(t)),
                _ => Partial::Unknown,
            }
        }
        Expression::UnaryExpression(it) => {
            match (it.operator, it.argument.get_inner_expression()) {
                (UnaryOperator::UnaryNegation, Expression::NumericLiteral(it)) => number(-it.value),
                (UnaryOperator::UnaryPlus, Expression::NumericLiteral(it)) => number(it.value),
                (UnaryOperator::Void, Expression::NumericLiteral(_)) => return None,
                _ => Partial::Unknown,
            }
        }
        // Shadowing `undefined` takes some malice, and would harm whoever does it alone.
        Expression::Identifier(it) if it.name == "undefined" => return None,
        Expression::ArrayExpression(it) => {
            let mut items = Vec::with_capacity(it.elements.len());
            for element in &it.elements {
                match element {
                    ArrayExpressionElement::SpreadElement(_) => {
                        return Some(Partial::List { items, open: true });
                    }
                    ArrayExpressionElement::Elision(_) => items.push(Partial::Scalar(Value::Null)),
                    _ => items.push(
                        element
                            .as_expression()
                            .and_then(|item| at_depth(item, lines, depth + 1))
                            .unwrap_or(Partial::Scalar(Value::Null)),
                    ),
                }
            }
            Partial::List { items, open: false }
        }
        Expression::ObjectExpression(it) => object(it, lines, depth),
        _ => Partial::Unknown,
    })
}

fn object(it: &ObjectExpression<'_>, lines: &Lines<'_>, depth: usize) -> Partial {
    let mut entries: Vec<Entry> = Vec::with_capacity(it.properties.len());
    let mut open = false;
    for property in &it.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else {
            // Whatever is spread may replace what stands before it.
            open = true;
            entries.iter_mut().for_each(|e| e.value = Partial::Unknown);
            continue;
        };
        let key = property.key.static_name();
        let plain = property.kind == PropertyKind::Init && !property.method;
        let Some(key) = key.filter(|key| plain && key != "__proto__") else {
            open = true;
            continue;
        };
        let known = entries.iter().position(|e| e.key == key);
        let value = at_depth(&property.value, lines, depth + 1);
        match (value, known) {
            (None, None) => {}
            (None, Some(known)) => drop(entries.remove(known)),
            (Some(value), Some(known)) => entries[known].value = value,
            (Some(value), None) => entries.push(Entry {
                key: key.into_owned(),
                place: lines.place(property.key.span().start as usize),
                value,
            }),
        }
    }
    Partial::Object { entries, open }
}

fn text(value: &str) -> Partial {
    Partial::Scalar(Value::String(value.to_owned()))
}

fn number(value: f64) -> Partial {
    if value.fract() == 0.0 && value.abs() < WHOLE_MAX {
        return Partial::Scalar(Value::from(value as i64));
    }
    Number::from_f64(value).map_or(Partial::Unknown, |n| Partial::Scalar(Value::Number(n)))
}
