//! What people and scripts see: results on stdout, everything else on stderr.
//!
//! Text from outside never reaches a terminal raw: control characters are shown, not obeyed. Color
//! only on a terminal and without `NO_COLOR`. With `--json` stdout carries one document alone.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};

/// Where and how a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether stdout carries one JSON document.
    pub(crate) json: bool,
    quiet: bool,
    color: bool,
}

/// A color of the sixteen that every terminal theme keeps readable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// Good.
    Green,
    /// Look at this.
    Yellow,
    /// Bad.
    Red,
}

impl Output {
    /// Decides about color once; `no_color` is whether the environment asks for none.
    pub(crate) fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        Self {
            json,
            quiet,
            color: !no_color,
        }
    }

    /// Prints a line on stdout.
    pub(crate) fn line(&self, text: &str) {
        let mut out = stdout().lock();
        // A reader that went away (`| head`) is no error of ours.
        let _closed = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Prints a JSON document on stdout: indented on a terminal, one line elsewhere.
    pub(crate) fn document<T: Serialize>(&self, value: &T) {
        let text = if stdout().is_terminal() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.line(&text.expect("documents have text keys and no failing serializers"));
    }

    /// Prints the document with `--json`, else the text made from it.
    pub(crate) fn show<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            self.document(value);
        } else {
            self.line(text(value).trim_end());
        }
    }

    /// Prints a line on stderr.
    pub(crate) fn err(&self, text: &str) {
        let mut out = stderr().lock();
        let _closed = writeln!(out, "{text}");
    }

    /// Prints a remark on stderr unless `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.err(text);
        }
    }

    /// Prints a question on stderr without ending the line.
    pub(crate) fn ask(&self, text: &str) {
        let mut out = stderr().lock();
        let _closed = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// Whether a person can be asked: stdin and stderr are a terminal.
    pub(crate) fn can_ask(&self) -> bool {
        stdin().is_terminal() && stderr().is_terminal()
    }

    /// Prints a failure: a sentence and a next step on stderr, the document on stdout with `--json`.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            self.document(&failure.to_json());
        }
        self.failure_line(&failure.message);
        if let Some(step) = &failure.next_step {
            self.err(&format!(
                "{} {}",
                self.on_err(Paint::Dim, " next:"),
                plain(step)
            ));
        }
    }

    /// Prints the sentence of a failure on stderr.
    pub(crate) fn failure_line(&self, message: &str) {
        self.err(&format!(
            "{} {}",
            self.on_err(Paint::Red, "error:"),
            plain(message)
        ));
    }

    /// Colors text that goes to stdout.
    pub(crate) fn on_out(&self, paint: Paint, text: &str) -> String {
        painted(self.color && stdout().is_terminal(), paint, text)
    }

    /// Colors text that goes to stderr.
    pub(crate) fn on_err(&self, paint: Paint, text: &str) -> String {
        painted(self.color && stderr().is_terminal(), paint, text)
    }

    /// Colors the name of a status or decision for stdout.
    pub(crate) fn status(&self, status: &str) -> String {
        let paint = match status {
            "completed" | "approved" | "succeeded" | "ready" | "ok" | "allow" => Paint::Green,
            "waiting" | "pending" | "ask" | "warning" | "degraded" => Paint::Yellow,
            "failed" | "denied" | "timed_out" | "problem" | "deny" | "unknown" => Paint::Red,
            _ => Paint::Dim,
        };
        self.on_out(paint, status)
    }
}

fn painted(on: bool, paint: Paint, text: &str) -> String {
    if !on {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Bold => "1",
        Paint::Dim => "2",
        Paint::Green => "32",
        Paint::Yellow => "33",
        Paint::Red => "31",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Text from outside, made harmless: control characters other than line ends and tabs, and the
/// characters that turn the direction of writing, are shown as escapes.
pub(crate) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\n' && c != '\t') || turns(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// As [`plain`], on one line of at most `chars_max` characters.
pub(crate) fn brief(text: &str, chars_max: usize) -> String {
    let line = plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= chars_max {
        return line;
    }
    let cut: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Rows in aligned columns under headings. Cells are made harmless; identifiers are never cut.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "none".to_owned();
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| brief(cell, 100)).collect())
        .collect();
    let mut widths: Vec<usize> = headings.iter().map(|h| h.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (cell, width) in cells.zip(&widths) {
            let padding = width.saturating_sub(cell.chars().count()) + 2;
            out.push_str(cell);
            out.push_str(&" ".repeat(padding));
        }
        out.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut headings.iter().copied())];
    lines.extend(
        rows.iter()
            .map(|row| line(&mut row.iter().map(String::as_str))),
    );
    lines.join("\n")
}

/// Names and values under one another; empty values are left out, further lines are indented.
pub(crate) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let value = plain(value);
        let mut parts = value.lines();
        lines.push(format!(
            "{name:width$}  {}",
            parts.next().unwrap_or_default()
        ));
        lines.extend(parts.map(|part| format!("{:width$}  {part}", "").trim_end().to_owned()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\r\u{202e}\n"),
            "a\\u{1b}[2Jb\\u{d}\\u{202e}\n"
        );
        assert_eq!(brief("one\ntwo   three", 9), "one two…");
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["a".to_owned(), "bcd".to_owned()],
            vec!["long".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            table(&["id", "name"], &rows),
            "id    name\na     bcd\nlong  x"
        );
        assert_eq!(table(&["id"], &[]), "none");
    }
}
