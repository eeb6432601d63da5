//! A program looked at before it runs: are the tools there that its text names, do the arguments
//! fit as far as they are written out, and what does policy say to each call today.
//!
//! Decides nothing: the gate looks up, checks and decides again when a call is made. Reads the calls
//! that `sandbox` sees in the text, checks them with what the run itself uses, and asks the gate for
//! the forecast. A submitted program with a certain, uncaught error is not begun
//! (`tasks/submit.rs`).

use crate::builtin::{self, View};
use crate::gate;
use crate::{Engine, Error};
use domain::RuleId;
use domain::access::{Caller, Permission, Scope};
use domain::limits::Limits;
use domain::partial::{Partial, Place};
use domain::policy::Effect;
use domain::task::TaskError;
use domain::tool::{Risk, ToolError, ToolErrorCode};
use futures_util::future::BoxFuture;
use sandbox::{Program, TypeFinding, VisibleCall};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Findings that one look reports.
const FINDINGS_MAX: usize = 50;
/// Further findings that the error of a task carries.
const ALSO_MAX: usize = 10;
/// Options that a call knows.
const OPTIONS: [&str; 1] = ["meta"];

/// Whether something keeps a program from being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The call fails whenever it is made, and nothing catches that: the program is not begun.
    Error,
    /// The program may live with it.
    Warning,
}

impl Severity {
    /// The stable name, as shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something wrong with a program, found in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it keeps the program from being run.
    pub severity: Severity,
    /// `syntax_error`, the code of the tool error that the call would end with, or
    /// `unknown_option`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in the source as sent.
    pub place: Place,
    /// The tool that is called, as written.
    pub tool: Option<String>,
    /// Names that may have been meant, the likeliest first.
    pub suggestions: Vec<String>,
    /// The offending line, for a syntax error.
    pub excerpt: Option<String>,
}

/// What policy says today to one visible call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The tool's path.
    pub tool: String,
    /// Where the call stands.
    pub place: Place,
    /// The tool's risk.
    pub risk: Risk,
    /// The decisions that the call may meet, the strictest first; several where that depends on
    /// arguments that are not written out.
    pub decisions: Vec<&'static str>,
    /// The rule that gives the strictest; none where it is the default.
    pub rule_id: Option<RuleId>,
    /// Why, in a sentence.
    pub reason: String,
}

/// Whether TypeScript's own compiler is to look at a program too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types {
    /// Only what takes no time.
    Erase,
    /// All types, if the compiler is there.
    Check,
}

/// All that is known about a program before it runs.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What is wrong, in the order of the text.
    pub findings: Vec<Finding>,
    /// What policy says to the calls that the text shows, in its order.
    pub forecast: Vec<Forecast>,
    /// What TypeScript's compiler says, where it was asked.
    pub types: Option<Vec<TypeFinding>>,
}

/// A finding with what the call would throw.
struct Problem {
    finding: Finding,
    thrown: String,
}

impl Engine {
    /// Checks a program against the catalog and the policy as they stand. Runs, records and sends
    /// nothing.
    ///
    /// # Errors
    /// `forbidden`, `source_too_large`; with [`Types::Check`] also `no_type_checker`, and
    /// `unavailable` when the compiler fails.
    pub fn check_program(
        &self,
        caller: &Caller,
        code: &str,
        types: Types,
    ) -> BoxFuture<'_, Result<Report, Error>> {
        let (caller, code) = (caller.clone(), code.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeCatalog)?;
            let settings = self.settings_at_hand(&scope).await?;
            let program = match self.compile(&code, &Limits::under(&settings)) {
                Ok(program) => program,
                Err(error) => {
                    return Ok(Report {
                        findings: vec![syntax_error(error)?],
                        ..Report::default()
                    });
                }
            };
            let (catalog, policy) = self.catalog_and_policy(&scope, &caller.account_id).await?;
            let view = View {
                engine: self,
                caller: &caller,
                catalog: &catalog,
                policy: &policy,
                task: None,
                now: self.inner.clock.now(),
            };
            let calls = program.visible_calls();
            let found = problems(&view, calls).into_iter().map(|p| p.finding);
            let mut findings: Vec<Finding> = found.collect();
            findings.sort_by_key(|f| f.place);
            let mut report = Report {
                findings,
                forecast: calls.iter().filter_map(|c| forecast(&view, c)).collect(),
                types: None,
            };
            if types == Types::Check {
                let paths: Vec<&str> = calls
                    .iter()
                    .filter(|c| {
                        catalog
                            .lookup(&c.path)
                            .is_some_and(|(t, _)| view.visible(t))
                    })
                    .map(|c| c.path.as_str())
                    .collect();
                let shown = match program.hides_calls() {
                    true => tools::Shown::InPart,
                    false => tools::Shown::InFull,
                };
                let declarations = catalog.declarations_of(&paths, shown);
                report.types = Some(self.check_types(&program, &code, &declarations).await?);
            }
            Ok(report)
        })
    }

    async fn check_types(
        &self,
        program: &Program,
        code: &str,
        declarations: &str,
    ) -> Result<Vec<TypeFinding>, Error> {
        let Some(checker) = &self.inner.type_checker else {
            return Err(Error::conflict(
                "no_type_checker",
                "there is no TypeScript compiler here to check types with; install one with `npm \
                 install -g typescript@7`, or name one with `tsc` in executor.toml or \
                 EXECUTOR_TSC, and start the server again",
            ));
        };
        checker
            .check(program, code, declarations)
            .await
            .map_err(|e| Error::Unavailable {
                message: e.to_string(),
            })
    }

    /// Why a program is not to be begun: a call that must fail and that nothing catches.
    pub(crate) async fn objection(
        &self,
        caller: &Caller,
        scope: &Scope,
        program: &Program,
    ) -> Result<Option<TaskError>, Error> {
        let calls = program.visible_calls();
        if calls.is_empty() {
            return Ok(None);
        }
        let (catalog, policy) = self.catalog_and_policy(scope, &caller.account_id).await?;
        let view = View {
            engine: self,
            caller,
            catalog: &catalog,
            policy: &policy,
            task: None,
            now: self.inner.clock.now(),
        };
        let mut errors = problems(&view, calls)
            .into_iter()
            .filter(|p| p.finding.severity == Severity::Error);
        let Some(first) = errors.next() else {
            return Ok(None);
        };
        let mut message = format!("{} The program was not run.", first.thrown);
        // The sentence about the first call names all that is wrong with it.
        let others = errors.filter(|p| p.thrown != first.thrown);
        for (at, Problem { finding, .. }) in others.enumerate() {
            if at == ALSO_MAX {
                message.push_str("\nand more");
                break;
            }
            let Place { line, column } = finding.place;
            // Cannot fail: it is written to a text.
            let _written = write!(
                message,
                "\nline {line}, column {column}: {}",
                finding.message
            );
        }
        Ok(Some(TaskError {
            line: Some(first.finding.place.line),
            column: Some(first.finding.place.column),
            ..TaskError::new(first.finding.code, message)
        }))
    }
}

fn syntax_error(error: Error) -> Result<Finding, Error> {
    let Error::Invalid {
        code: "syntax_error",
        message,
        details,
    } = error
    else {
        return Err(error);
    };
    let number = |key: &str| {
        let value = details.as_ref().and_then(|d| d.get(key)?.as_u64());
        value.and_then(|v| u32::try_from(v).ok()).unwrap_or(1)
    };
    let text = |key: &str| {
        let value = details.as_ref().and_then(|d| d.get(key)?.as_str());
        value.map(str::to_owned)
    };
    Ok(Finding {
        severity: Severity::Error,
        code: "syntax_error",
        place: Place {
            line: number("line"),
            column: number("column"),
        },
        message: text("reason").unwrap_or(message),
        tool: None,
        suggestions: Vec::new(),
        excerpt: text("excerpt"),
    })
}

/// What is wrong with the visible calls of a program, in the order of the text.
fn problems(view: &View<'_>, calls: &[VisibleCall]) -> Vec<Problem> {
    let mut found = Vec::new();
    // Finding near names looks at the whole catalog: once for each name.
    let mut unknown: HashMap<&str, ToolError> = HashMap::new();
    for call in calls {
        if found.len() >= FINDINGS_MAX {
            break;
        }
        let severity = match call.guarded {
            true => Severity::Warning,
            false => Severity::Error,
        };
        let problem =
            |code: ToolErrorCode, message: &str, place, suggestions, thrown: &str| Problem {
                finding: Finding {
                    severity,
                    code: code.as_str(),
                    message: message.to_owned(),
                    place,
                    tool: Some(call.path.clone()),
                    suggestions,
                    excerpt: None,
                },
                thrown: thrown.to_owned(),
            };
        if let Some(checked) = builtin::check(&call.path, &call.arguments) {
            found.extend(
                checked
                    .err()
                    .map(|e| problem(e.code, &e.message, call.place, Vec::new(), &e.message)),
            );
            continue;
        }
        match view.catalog.lookup(&call.path) {
            None => {
                let e = unknown
                    .entry(&call.path)
                    .or_insert_with(|| view.not_found(&call.path));
                let near = suggestions(e);
                found.push(problem(e.code, &e.message, call.place, near, &e.message));
            }
            // What a tool takes that the caller may not know of is not told.
            Some((tool, _)) if !view.visible(tool) => {}
            Some((tool, source)) => {
                if let Err(mismatch) = tools::check_partial(tool, source, &call.arguments) {
                    found.extend(mismatch.wrong.iter().map(|wrong| {
                        problem(
                            mismatch.error.code,
                            &format!("{}: {}", tool.path, wrong.message),
                            wrong.place.unwrap_or(call.place),
                            wrong.nearest.iter().cloned().collect(),
                            &mismatch.error.message,
                        )
                    }));
                }
                found.extend(unknown_options(call));
            }
        }
    }
    found
}

fn suggestions(error: &ToolError) -> Vec<String> {
    let near = error
        .details
        .as_ref()
        .and_then(|d| d["suggestions"].as_array());
    near.into_iter()
        .flatten()
        .filter_map(|path| path.as_str().map(str::to_owned))
        .collect()
}

/// Options that no call knows; they are passed over.
fn unknown_options(call: &VisibleCall) -> Vec<Problem> {
    let Partial::Object { entries, .. } = &call.options else {
        return Vec::new();
    };
    let unknown = entries
        .iter()
        .filter(|e| !OPTIONS.contains(&e.key.as_str()));
    unknown
        .map(|entry| Problem {
            finding: Finding {
                severity: Severity::Warning,
                code: "unknown_option",
                message: format!(
                    "`{}` is no option of a call and is passed over; there is {}",
                    entry.key,
                    OPTIONS.join(", ")
                ),
                place: entry.place,
                tool: Some(call.path.clone()),
                suggestions: Vec::new(),
                excerpt: None,
            },
            thrown: String::new(),
        })
        .collect()
}

fn forecast(view: &View<'_>, call: &VisibleCall) -> Option<Forecast> {
    let (tool, source) = view.catalog.lookup(&call.path)?;
    let judged = tools::judged_partly(tool, source, &call.arguments);
    let tool_now = (&**tool, source.source.review_of(&tool.path));
    let decisions = gate::possible(
        view.caller,
        view.policy,
        tool_now,
        &judged,
        &call.arguments,
        view.now,
    );
    let strictest = decisions.first()?;
    let reason = match decisions.as_slice() {
        [only] => only.explain(judged.risk),
        several => {
            let ways: Vec<String> = several.iter().map(|d| d.explain(judged.risk)).collect();
            format!(
                "depends on arguments that are not written out: {}",
                ways.join("; or ")
            )
        }
    };
    Some(Forecast {
        tool: tool.path.clone(),
        place: call.place,
        risk: judged.risk,
        rule_id: strictest.rule_id.clone(),
        decisions: decisions
            .iter()
            .map(|d| Effect::as_str(&d.effect))
            .collect(),
        reason,
    })
}
