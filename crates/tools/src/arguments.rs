//! Arguments against a tool's schema, before anything is sent and before anybody is asked.
//!
//! Every wrong key is named at once: unknown (with the nearest known one), missing, or of a wrong
//! type or value. Patterns run on an engine with linear time, references are never fetched.
//! Compiled validators are kept by the tool's digest, which covers all that they are made of.

mod partial;

use crate::catalog::SourceTools;
use crate::graphql;
use crate::nearest::nearest;
use crate::typings;
use domain::tool::{Tool, ToolError, ToolErrorCode};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Compiled validators that are kept; beyond it all are dropped and compiled again when needed.
const VALIDATORS_MAX: usize = 2_000;

/// Wrong keys that are named; beyond it they are counted.
const WRONG_MAX: usize = 20;

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub use partial::{Mismatch, WrongArgument, check_partial};

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
    LazyLock::new(|| Mutex::new(HashMap::new()));

/// One thing that is wrong with the arguments.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Wrong {
    /// Such as `labels[2].name`; empty for the arguments as a whole.
    path: String,
    /// `unknown`, `missing`, `type` or `value`.
    problem: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<String>,
}

impl Wrong {
    /// Something that a sentence says best.
    pub(crate) fn said(path: String, sentence: String, nearest: Option<String>) -> Self {
        Self {
            path,
            problem: "value",
            expected: Some(sentence),
            got: None,
            nearest,
        }
    }

    fn sentence(&self) -> String {
        let path = if self.path.is_empty() {
            "the arguments"
        } else {
            &self.path
        };
        match (self.problem, &self.expected, &self.got) {
            ("unknown", ..) => match &self.nearest {
                Some(nearest) => format!("`{path}` is unknown (did you mean `{nearest}`?)"),
                None => format!("`{path}` is unknown"),
            },
            ("missing", ..) => format!("`{path}` is missing"),
            (_, Some(expected), Some(got)) => format!("`{path}` must be {expected}, got {got}"),
            (_, Some(expected), None) => format!("`{path}`: {expected}"),
            (_, None, _) => format!("`{path}` does not fit"),
        }
    }
}

/// Checks arguments; `Ok` means that a request can be made of them.
///
/// # Errors
/// `invalid_arguments`, whose `details` are `{ wrong: [{ path, problem, expected?, got?, nearest? }] }`.
pub fn check_arguments(tool: &Tool, source: &SourceTools, args: &Value) -> Result<(), ToolError> {
    if !args.is_object() {
        return Err(error(tool, &[not_an_object(args)]));
    }
    let validator = validator(tool, source)?;
    if validator.is_valid(args) {
        return graphql::check(tool, source, args);
    }
    let mut wrong = Vec::new();
    for problem in validator.iter_errors(args) {
        explain(&problem, tool, &|_| true, &mut wrong);
    }
    wrong.dedup();
    Err(error(tool, &wrong))
}

fn not_an_object(args: &Value) -> Wrong {
    Wrong {
        path: String::new(),
        problem: "type",
        expected: Some("one plain object".to_owned()),
        got: Some(shown(args)),
        nearest: None,
    }
}

/// Whether a schema compiles under the rules of this module.
pub(crate) fn compiles(schema: &Value) -> bool {
    compile(schema).is_ok()
}

fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .should_validate_formats(false)
        .offline()
        .build(schema)
        .map_err(|e| e.to_string())
}

fn validator(tool: &Tool, source: &SourceTools) -> Result<Arc<Validator>, ToolError> {
    let kept = VALIDATORS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&tool.digest)
        .cloned();
    if let Some(validator) = kept {
        return Ok(validator);
    }
    let mut schema = tool.input_schema.clone();
    let reached = typings::reachable(&[&tool.input_schema], &source.definitions);
    let definitions: Map<String, Value> = reached
        .into_iter()
        .map(|(name, definition)| (name.to_owned(), definition.clone()))
        .collect();
    schema["$defs"] = Value::Object(definitions);
    let compiled = compile(&schema).map_err(|problem| {
        tracing::error!(tool.path = %tool.path, %problem, "a stored schema does not compile");
        let text = "the stored definition of this tool is broken; refresh its source";
        ToolError::new(ToolErrorCode::Internal, &tool.path, text)
    })?;
    let compiled = Arc::new(compiled);
    let mut kept = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= VALIDATORS_MAX {
        kept.clear();
    }
    kept.insert(tool.digest.clone(), Arc::clone(&compiled));
    Ok(compiled)
}

/// Says what is wrong, of problems that are to be told of and those within them that are.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum; its own sentence serves for what is not named here"
)]
fn explain(
    problem: &ValidationError<'_>,
    tool: &Tool,
    told: &dyn Fn(&ValidationError<'_>) -> bool,
    out: &mut Vec<Wrong>,
) {
    if !told(problem) {
        return;
    }
    let at = dotted(problem.instance_path().as_str());
    let inside = |key: &str| {
        if at.is_empty() {
            key.to_owned()
        } else {
            format!("{at}.{key}")
        }
    };
    let got = || Some(shown(problem.instance()));
    let mut push = |problem, expected: String| {
        out.push(Wrong {
            path: at.clone(),
            problem,
            expected: Some(expected),
            got: got(),
            nearest: None,
        });
    };
    match problem.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let top = at
                .is_empty()
                .then(|| tool.input_schema.get("properties")?.as_object())
                .flatten();
            for key in unexpected {
                // Below the top the siblings are not at hand; the name alone says enough.
                let near = top.and_then(|p| nearest(key, p.keys().map(String::as_str)));
                out.push(Wrong {
                    path: inside(key),
                    problem: "unknown",
                    expected: None,
                    got: None,
                    nearest: near.map(str::to_owned),
                });
            }
        }
        ValidationErrorKind::Required { property } => out.push(Wrong {
            path: inside(property.as_str().unwrap_or_default()),
            problem: "missing",
            expected: None,
            got: None,
            nearest: None,
        }),
        ValidationErrorKind::Type { kind } => push("type", types(kind).join(" or ")),
        ValidationErrorKind::AnyOf { context } => match nearest_branch(problem, context) {
            Ok(branch) => branch
                .iter()
                .for_each(|inner| explain(inner, tool, told, out)),
            Err(expected) => push("type", expected),
        },
        ValidationErrorKind::Enum { options } => {
            push("value", format!("one of {}", listed(options)))
        }
        ValidationErrorKind::Constant { expected_value } => {
            push("value", expected_value.to_string())
        }
        ValidationErrorKind::FalseSchema | ValidationErrorKind::Not { .. } => {
            push("value", "something else".to_owned());
        }
        // The library's own sentence names the limit: too short, too large, no match and so on.
        _ => {
            let expected = cut(&problem.to_string(), 200);
            out.push(Wrong {
                path: at,
                problem: "value",
                expected: Some(expected),
                got: None,
                nearest: None,
            });
        }
    }
}

/// Of several allowed forms the one that was most likely meant; where the value has the type of
/// none of them, the types that would do.
fn nearest_branch<'e>(
    whole: &ValidationError<'_>,
    context: &'e [Vec<ValidationError<'static>>],
) -> Result<&'e [ValidationError<'static>], String> {
    let here = whole.instance_path().as_str();
    let own_type = |e: &ValidationError<'_>| {
        let ValidationErrorKind::Type { kind } = e.kind() else {
            return None;
        };
        (e.instance_path().as_str() == here).then(|| types(kind))
    };
    // A constant or a list of values that does not match tells variants apart.
    let other_variant = |branch: &[ValidationError<'_>]| {
        branch.iter().any(|e| {
            matches!(
                e.kind(),
                ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. }
            )
        })
    };
    let best = context
        .iter()
        .filter(|branch| !branch.iter().any(|e| own_type(e).is_some()))
        .min_by_key(|branch| (other_variant(branch), branch.len()));
    match best {
        Some(branch) => Ok(branch),
        None => {
            let mut all: Vec<String> = context
                .iter()
                .flatten()
                .filter_map(own_type)
                .flatten()
                .collect();
            all.sort_unstable();
            all.dedup();
            Err(all.join(" or "))
        }
    }
}

fn types(kind: &TypeKind) -> Vec<String> {
    match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|t| t.to_string()).collect(),
    }
}

fn listed(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = options
        .iter()
        .take(12)
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if options.len() > 12 {
        text.push_str(&format!(" and {} more", options.len() - 12));
    }
    text
}

/// `/labels/2/name` → `labels[2].name`.
fn dotted(pointer: &str) -> String {
    let mut text = String::new();
    for part in unescaped(pointer) {
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&part);
        }
    }
    text
}

/// The steps of a JSON pointer.
fn unescaped(pointer: &str) -> impl Iterator<Item = String> {
    pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
}

fn shown(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "null".to_owned(),
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => return format!("array of {}", items.len()),
        Value::Object(_) => return "object".to_owned(),
    };
    format!("{kind} {}", cut(&value.to_string(), 40))
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(crate) fn error(tool: &Tool, wrong: &[Wrong]) -> ToolError {
    let mut sentences: Vec<String> = wrong.iter().take(WRONG_MAX).map(Wrong::sentence).collect();
    if wrong.len() > WRONG_MAX {
        sentences.push(format!("and {} more", wrong.len() - WRONG_MAX));
    }
    let known: Vec<&str> = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|p| p.keys().map(String::as_str))
        .take(30)
        .collect();
    let takes = if known.is_empty() {
        "no arguments".to_owned()
    } else {
        known.join(", ")
    };
    let message = format!(
        "{} cannot be called like this: {}. It takes: {takes}.",
        tool.path,
        sentences.join("; ")
    );
    ToolError::new(ToolErrorCode::InvalidArguments, &tool.path, message)
        .with_details(json!({ "wrong": &wrong[..wrong.len().min(WRONG_MAX)] }))
}
