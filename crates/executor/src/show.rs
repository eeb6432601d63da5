//! What a person sees of a task: its logs, what it asks, how it ended.
//!
//! An approval is shown with the request exactly as it will be sent, in `show/approval.rs`; text
//! from outside is made harmless first (`output.rs`).

mod approval;

pub(crate) use approval::describe;

use crate::failure::Exit;
use crate::output::{Output, Paint, plain};
use api::tasks::{LogLine, Task};
use serde_json::{Value, json};

/// Prints how a task ended and yields the exit code.
pub(crate) fn conclude(output: &Output, task: &Task, logs: &[LogLine]) -> Exit {
    if output.json {
        output.document(&json!({
            "taskId": task.id,
            "status": task.status,
            "result": task.result,
            "logs": logs,
            "error": task.error,
        }));
    } else if task.status == "completed" {
        output.document(&task.result.clone().unwrap_or(Value::Null));
    }
    if let Some((_, bytes)) = task.result.as_ref().and_then(crate::result::handle) {
        output.note(&format!(
            "the result has {bytes} bytes; read it whole with `executor tasks result {}`",
            task.id
        ));
    }
    if let Some(error) = &task.error {
        let head = format!("{} ({})", task.status.replace('_', " "), error.code);
        output.err(&format!(
            "{}: {}",
            output.on_err(Paint::Red, &head),
            plain(&error.message)
        ));
        if let Some(line) = error.line {
            output.err(&excerpt(&task.code, line, error.column));
        }
    } else if task.status == "canceled" {
        output.err(&format!(
            "canceled: task {} was ended before it completed",
            task.id
        ));
    }
    Exit::of_task(&task.status)
}

/// The line of a program that an error is about, with a mark under the column.
pub(crate) fn excerpt(code: &str, line: u32, column: Option<u32>) -> String {
    let place = column.map_or_else(|| format!("line {line}"), |c| format!("{line}:{c}"));
    format!("  at {place}\n{}", marked(code, line, column))
}

/// The same without the place in words.
pub(crate) fn marked(code: &str, line: u32, column: Option<u32>) -> String {
    let text = line_of(code, line).replace('\t', " ");
    let number = line.to_string();
    let mut out = format!("  {number} | {}", plain(&text));
    if let Some(column) = column {
        // Columns are UTF-16 units, the mark stands under what is shown of those before it.
        let before: Vec<u16> = text
            .encode_utf16()
            .take(column.saturating_sub(1) as usize)
            .collect();
        let width = plain(&String::from_utf16_lossy(&before)).chars().count();
        out.push_str(&format!("\n  {:1$} | ", "", number.len()));
        out.push_str(&" ".repeat(width));
        out.push('^');
    }
    out
}

/// A line of a program, as the server counts them: U+2028 and U+2029 end lines too.
fn line_of(code: &str, line: u32) -> String {
    code.replace("\r\n", "\n")
        .split(['\n', '\r', '\u{2028}', '\u{2029}'])
        .nth(line.saturating_sub(1) as usize)
        .unwrap_or_default()
        .to_owned()
}

/// One log line as it is shown.
pub(crate) fn log_line(output: &Output, line: &LogLine) -> String {
    let text = plain(&line.text);
    match line.level.as_str() {
        "error" => output.on_err(Paint::Red, &text),
        "warn" => output.on_err(Paint::Yellow, &text),
        "debug" => output.on_err(Paint::Dim, &text),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn the_mark_stands_under_the_column() {
        assert_eq!(
            excerpt("a\nb + c", 2, Some(5)),
            "  at 2:5\n  2 | b + c\n    |     ^"
        );
        assert_eq!(
            excerpt("a\u{2028}\té😀x\u{1b}y", 2, Some(6)),
            "  at 2:6\n  2 |  é😀x\\u{1b}y\n    |     ^"
        );
    }
}
