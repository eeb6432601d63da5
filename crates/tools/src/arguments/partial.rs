//! The same check on arguments of which only a part is known yet.
//!
//! What is unknown stands as null before the same compiled schema, and of what that finds wrong only
//! that is kept which no value of the unknown parts could mend. So nothing is reported that a run
//! could not report too, in the same words.

use super::{error, explain, not_an_object, unescaped, validator};
use crate::catalog::SourceTools;
use domain::partial::{Part, Partial, Place};
use domain::tool::{Tool, ToolError};
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;

/// What is wrong with the arguments of a call, as far as they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What the call would fail with.
    pub error: ToolError,
    /// One by one; never empty.
    pub wrong: Vec<WrongArgument>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongArgument {
    /// What is wrong, as in the error's message.
    pub message: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
    /// Where the argument stands, if it is written out.
    pub place: Option<Place>,
}

/// Checks arguments as far as they are known; `Ok` means that they may fit.
///
/// # Errors
/// What the call would fail with whatever the unknown parts turn out to be.
pub fn check_partial(
    tool: &Tool,
    source: &SourceTools,
    args: &Partial,
) -> Result<(), Box<Mismatch>> {
    let wrong = match args {
        Partial::Unknown => return Ok(()),
        Partial::Scalar(_) | Partial::List { .. } => vec![not_an_object(&args.stand_in())],
        Partial::Object { .. } => {
            // A stored schema that does not compile is the run's to report.
            let Ok(validator) = validator(tool, source) else {
                return Ok(());
            };
            let stand_in = args.stand_in();
            let mut wrong = Vec::new();
            for problem in validator.iter_errors(&stand_in) {
                explain(&problem, tool, &|inner| is_certain(inner, args), &mut wrong);
            }
            wrong.dedup();
            match wrong.is_empty() {
                true => crate::graphql::check_partly(tool, source, args),
                false => wrong,
            }
        }
    };
    if wrong.is_empty() {
        return Ok(());
    }
    let places = wrong.iter().map(|w| WrongArgument {
        message: w.sentence(),
        nearest: w.nearest.clone(),
        place: args.place(steps(&w.path).iter().map(String::as_str)),
    });
    Err(Box::new(Mismatch {
        wrong: places.collect(),
        error: error(tool, &wrong),
    }))
}

/// Whether a problem stays whatever the unknown parts turn out to be.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum; what is not named here is judged by the whole value alone"
)]
fn is_certain(problem: &ValidationError<'_>, args: &Partial) -> bool {
    let steps: Vec<String> = unescaped(problem.instance_path().as_str()).collect();
    let Part::Present(found) = args.part(steps.iter().map(String::as_str)) else {
        return false;
    };
    match problem.kind() {
        ValidationErrorKind::Type { .. } | ValidationErrorKind::AdditionalProperties { .. } => true,
        ValidationErrorKind::Required { .. } => {
            !matches!(found, Partial::Object { open: true, .. })
        }
        // Wrong only if every form that is allowed is.
        ValidationErrorKind::AnyOf { context } => context
            .iter()
            .all(|branch| branch.iter().any(|inner| is_certain(inner, args))),
        _ => found.whole().is_some(),
    }
}

/// `labels[2].name` → `labels`, `2`, `name`.
fn steps(path: &str) -> Vec<String> {
    path.split(['.', '['])
        .map(|step| step.trim_end_matches(']').to_owned())
        .filter(|step| !step.is_empty())
        .collect()
}
