//! What the MCP tools answer: a structured result for programs and a text that a model can read.
//!
//! The shape is fixed: clients rely on it. The text may leave out what is long, and says
//! so; the structured result has the value whole.

use crate::wire;
use api::tasks::LogLine;
use domain::approval::{Approval, ApprovalStatus};
use domain::event::Event;
use domain::task::{Outcome, TaskError, TaskState};
use engine::{Discovery, TaskView};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Characters of a result or of logs in the text. A model reads about a token for every four.
const TEXT_CHARS_MAX: usize = 40_000;

/// Approvals in an answer, the latest ones. More at once are no use to a reader.
const APPROVALS_MAX: usize = 50;

/// What to say of a task: after `execute`, `resume` or `cancel_task`.
pub(super) fn task(view: &TaskView, logs: &[Event], public_url: &str) -> CallToolResult {
    let t = &view.task;
    let status = t.shown_status();
    let lines: Vec<LogLine> = logs.iter().filter_map(wire::log_line).collect();
    let skip = view.approvals.len().saturating_sub(APPROVALS_MAX);
    let approvals: Vec<&Approval> = view.approvals.iter().skip(skip).collect();
    let mut text = Text::new(format!("{status}: {}", t.id));
    let mut structured = json!({ "taskId": t.id, "status": status });
    let mut failed = false;
    match &t.state {
        TaskState::Queued | TaskState::Running | TaskState::Suspended => {
            text.live(view, &approvals, public_url);
        }
        TaskState::Finished(Outcome::Completed(result)) => {
            let result = wire::json(result);
            text.result(&result);
            text.handle(&result);
            structured["result"] = result;
        }
        TaskState::Finished(Outcome::Canceled) => failed = true,
        TaskState::Finished(
            Outcome::Failed(error) | Outcome::TimedOut(error) | Outcome::Denied(error),
        ) => {
            failed = true;
            text.error(error);
            structured["error"] = task_error(error);
        }
    }
    text.logs(&lines, t.log_lines);
    structured["logs"] = lines
        .iter()
        .map(|l| json!({ "line": l.line, "level": l.level, "text": l.text }))
        .collect();
    if !approvals.is_empty() {
        structured["approvals"] = approvals.iter().map(|a| approval(a, public_url)).collect();
    }
    if text.truncated {
        structured["truncated"] = Value::Bool(true);
    }
    structured["runtimeId"] = json!(t.runtime_id);
    structured["workspaceId"] = json!(t.workspace_id);
    result(text.text, structured, failed)
}

fn task_error(error: &TaskError) -> Value {
    let mut shown = json!({ "code": error.code, "message": error.message });
    if let Some(line) = error.line {
        shown["line"] = json!(line);
    }
    if let Some(column) = error.column {
        shown["column"] = json!(column);
    }
    shown
}

fn approval(a: &Approval, public_url: &str) -> Value {
    json!({
        "id": a.id,
        "tool": a.binding.tool,
        "status": a.status.as_str(),
        "url": wire::approval_url(a, public_url),
        "expiresAt": a.expires_at.to_rfc3339(),
    })
}

/// What to say where there is no task: arguments that do not fit, a program that cannot be
/// compiled, a server that cannot work.
pub(super) fn refusal(code: &str, message: &str, details: Option<&Value>) -> CallToolResult {
    let mut error = json!({ "code": code, "message": message });
    for place in ["line", "column"] {
        if let Some(value) = details.and_then(|d| d.get(place)) {
            error[place] = value.clone();
        }
    }
    result(
        format!("failed: {message}"),
        json!({ "status": "failed", "error": error, "logs": [] }),
        true,
    )
}

pub(super) fn engine_error(error: &engine::Error) -> CallToolResult {
    let details = match error {
        engine::Error::Invalid { details, .. } => details.as_ref(),
        engine::Error::Limited { .. } => {
            // A model can wait; a person who reads over its shoulder can raise the limit.
            let next = error.next_step().unwrap_or_default();
            return refusal(error.code(), &format!("{error}. {next}"), None);
        }
        engine::Error::NotFound { .. }
        | engine::Error::NotFoundNear { .. }
        | engine::Error::Forbidden(_)
        | engine::Error::Conflict { .. }
        | engine::Error::Unavailable { .. }
        | engine::Error::Internal { .. }
        | engine::Error::TooManyTries { .. }
        | engine::Error::LostLease => None,
    };
    refusal(error.code(), &error.to_string(), details)
}

/// What a search found.
pub(super) fn discovery(found: &Discovery) -> CallToolResult {
    let wire = wire::discovery(found);
    let mut text = match wire.results.len() {
        0 => "Nothing fits. Try other words, or `await tools.catalog.namespaces()` in `execute`."
            .into(),
        n => format!("{n} of {} tools, the best first:", wire.total),
    };
    for hit in &wire.results {
        let _ = write!(
            text,
            "\n\n{}  [{}, {}]\n{}",
            hit.path, hit.risk, hit.decision, hit.signature
        );
        if !hit.description.is_empty() {
            let _ = write!(text, "\n{}", hit.description);
        }
    }
    result(text, serde_json::to_value(&wire).unwrap_or_default(), false)
}

fn result(text: String, structured: Value, failed: bool) -> CallToolResult {
    let content = vec![ContentBlock::text(text)];
    let mut result = if failed {
        CallToolResult::error(content)
    } else {
        CallToolResult::success(content)
    };
    result.structured_content = Some(structured);
    result
}

/// The text as it grows.
struct Text {
    text: String,
    truncated: bool,
}

impl Text {
    fn new(text: String) -> Self {
        Self {
            text,
            truncated: false,
        }
    }

    fn result(&mut self, result: &Value) {
        let shown = match result {
            Value::String(text) => text.clone(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => result.to_string(),
        };
        self.text.push_str("\n\n");
        self.cut(
            &shown,
            "return less, or read parts of it in the structured result",
        );
    }

    /// A result over its limit is only shown how it begins.
    fn handle(&mut self, result: &Value) {
        let (Some(id), Some(bytes)) = (result["$handle"].as_str(), result["bytes"].as_u64()) else {
            return;
        };
        self.truncated = true;
        let _ = write!(
            self.text,
            "\n\nThe result has {bytes} bytes; this is how it begins. Read on in a program: \
             `await tools.results.read({{ handle: {id:?}, offset, length }})` gives \
             `{{ text, offset, bytes, nextOffset? }}`. Better: return less."
        );
    }

    fn error(&mut self, error: &TaskError) {
        let _ = write!(self.text, "\n\n{}: {}", error.code, error.message);
        if let Some(line) = error.line {
            let _ = write!(self.text, " (line {line}");
            if let Some(column) = error.column {
                let _ = write!(self.text, ", column {column}");
            }
            self.text.push(')');
        }
    }

    fn logs(&mut self, lines: &[LogLine], recorded: u32) {
        if lines.is_empty() {
            return;
        }
        self.text.push_str("\n\nLogs:");
        if let Some(first) = lines.first().filter(|l| l.line > 1) {
            self.truncated = true;
            let _ = write!(
                self.text,
                " (the last {} of {recorded} lines, from line {})",
                lines.len(),
                first.line
            );
        }
        let mut shown = String::new();
        for line in lines {
            let level = if line.level == "log" {
                String::new()
            } else {
                format!("{}: ", line.level)
            };
            let _ = write!(shown, "\n{level}{}", line.text);
        }
        self.cut(&shown, "the API has every line");
    }

    fn live(&mut self, view: &TaskView, approvals: &[&Approval], public_url: &str) {
        let id = &view.task.id;
        let pending: Vec<&&Approval> = approvals
            .iter()
            .filter(|a| a.status == ApprovalStatus::Pending)
            .collect();
        if pending.is_empty() {
            let _ = write!(
                self.text,
                "\n\nThe task goes on. Call `resume` with {{\"taskId\":\"{id}\"}} to wait for its result."
            );
            return;
        }
        self.text
            .push_str("\n\nA person has to approve before the program goes on:");
        for a in pending {
            let _ = write!(
                self.text,
                "\n- {} (expires {})\n  {}",
                a.binding.tool,
                a.expires_at.to_rfc3339(),
                wire::approval_url(a, public_url)
            );
        }
        let _ = write!(
            self.text,
            "\n\nAsk the person to open the link and to approve or deny. You cannot answer it. Then \
             call `resume` with {{\"taskId\":\"{id}\"}}; it waits for the answer and gives the result."
        );
    }

    fn cut(&mut self, text: &str, advice: &str) {
        match text.char_indices().nth(TEXT_CHARS_MAX) {
            None => self.text.push_str(text),
            Some((end, _)) => {
                self.truncated = true;
                self.text.push_str(&text[..end]);
                let left = text.len() - end;
                let _ = write!(
                    self.text,
                    "\n[{left} more bytes are left out of this text: {advice}]"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
