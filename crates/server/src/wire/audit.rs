//! The audit chain, as the API shows it and as it is exported: lines of JSON, or of a spreadsheet.

use super::json;
use crate::error::Failure;
use api::audit::{
    AuditCheckpoint, AuditEntry, AuditHeader, AuditLine, AuditVerification, ExportedEntry,
};
use domain::audit::Checkpoint;
use engine::{AuditExport, ExportPart};

/// The name of the export's form.
const FORMAT: &str = "executor-audit-export-1";

pub(crate) fn entry(e: &domain::audit::AuditEntry) -> AuditEntry {
    let text = |id: &Option<domain::KeyId>| id.as_ref().map(ToString::to_string);
    AuditEntry {
        sequence: e.sequence,
        id: e.draft.id.to_string(),
        workspace_id: e.draft.workspace_id.to_string(),
        account_id: e.draft.account_id.as_ref().map(ToString::to_string),
        via: e.draft.via.clone(),
        client: e.draft.origin.client.clone(),
        key_id: text(&e.draft.origin.key_id),
        address: e.draft.origin.address.clone(),
        request_id: e.draft.origin.request_id.clone(),
        action: e.draft.action.clone(),
        subject: e.draft.subject.clone(),
        detail: json(&e.draft.detail),
        at: e.draft.at.to_rfc3339(),
        previous_hash: e.previous_hash.clone(),
        hash: e.hash.clone(),
    }
}

pub(crate) fn verification(found: engine::AuditVerification) -> AuditVerification {
    AuditVerification {
        intact: found.first_bad.is_none(),
        entries: found.entries,
        begins_after: found.begins_after,
        sequence: found.sequence,
        head: found.head,
        checkpoints: found.checkpoints,
        public_key: found.public_key,
        first_bad: found.first_bad.as_ref().map(|fault| fault.sequence),
        wrong: found
            .first_bad
            .as_ref()
            .map(|fault| fault.wrong.as_str().to_owned()),
        problem: found.first_bad.map(|fault| fault.message),
    }
}

pub(crate) fn checkpoint(c: &Checkpoint) -> AuditCheckpoint {
    AuditCheckpoint {
        organization_id: c.organization_id.to_string(),
        kind: c.kind.as_str().to_owned(),
        sequence: c.sequence,
        hash: c.hash.clone(),
        at: c.at.to_rfc3339(),
        public_key: c.public_key.clone(),
        signature: c.signature.clone(),
    }
}

fn exported(e: &domain::audit::AuditEntry) -> ExportedEntry {
    let draft = &e.draft;
    ExportedEntry {
        sequence: e.sequence,
        id: draft.id.to_string(),
        organization_id: e.organization_id.to_string(),
        workspace_id: draft.workspace_id.to_string(),
        account_id: draft.account_id.as_ref().map(ToString::to_string),
        via: draft.via.clone(),
        client: draft.origin.client.clone(),
        key_id: draft.origin.key_id.as_ref().map(ToString::to_string),
        address: draft.origin.address.clone(),
        request_id: draft.origin.request_id.clone(),
        action: draft.action.clone(),
        subject: draft.subject.clone(),
        detail: draft.detail.clone(),
        at: draft.at.to_rfc3339(),
        form: e.form,
        previous_hash: e.previous_hash.clone(),
        hash: e.hash.clone(),
    }
}

/// What an export looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// One JSON document a line: everything a verifier needs.
    JsonLines,
    /// Comma-separated values (RFC 4180), for reading alone.
    Csv,
}

impl ExportFormat {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Failure> {
        match text {
            None | Some("jsonl") => Ok(Self::JsonLines),
            Some("csv") => Ok(Self::Csv),
            Some(other) => Err(Failure::invalid(
                "format",
                format!("'{other}' is none of jsonl, csv"),
            )),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::JsonLines => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What an export begins with.
    pub(crate) fn head(self, export: &AuditExport) -> String {
        match self {
            Self::JsonLines => line(&AuditLine::Header(AuditHeader {
                format: FORMAT.to_owned(),
                organization_id: export.organization_id().to_string(),
                begins_after: export.begins_after.0,
                begins_after_hash: export.begins_after.1.clone(),
                public_key: export.standing.public_key.clone(),
            })),
            Self::Csv => format!("{}\r\n", COLUMNS.join(",")),
        }
    }

    /// A part of an export.
    pub(crate) fn part(self, part: &ExportPart) -> String {
        match (self, part) {
            (Self::JsonLines, ExportPart::Entries(entries)) => entries
                .iter()
                .map(|e| line(&AuditLine::Entry(Box::new(exported(e)))))
                .collect(),
            (Self::JsonLines, ExportPart::Checkpoints(checkpoints)) => checkpoints
                .iter()
                .map(|c| line(&AuditLine::Checkpoint(checkpoint(c))))
                .collect(),
            (Self::Csv, ExportPart::Entries(entries)) => entries.iter().map(row).collect(),
            // A table of entries has no place for them.
            (Self::Csv, ExportPart::Checkpoints(_)) => String::new(),
        }
    }
}

fn line(line: &AuditLine) -> String {
    let mut text = serde_json::to_string(line)
        .expect("a line holds texts and numbers only, which all serialize");
    text.push('\n');
    text
}

const COLUMNS: [&str; 15] = [
    "sequence",
    "at",
    "action",
    "subject",
    "accountId",
    "via",
    "client",
    "keyId",
    "address",
    "requestId",
    "workspaceId",
    "id",
    "detail",
    "previousHash",
    "hash",
];

fn row(entry: &domain::audit::AuditEntry) -> String {
    let e = exported(entry);
    let or_empty = |text: Option<String>| text.unwrap_or_default();
    let cells = [
        e.sequence.to_string(),
        e.at,
        e.action,
        e.subject,
        or_empty(e.account_id),
        e.via,
        e.client,
        or_empty(e.key_id),
        or_empty(e.address),
        or_empty(e.request_id),
        e.workspace_id,
        e.id,
        e.detail,
        e.previous_hash,
        e.hash,
    ];
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell of a spreadsheet: what would break its line, color a terminal or begin a formula is made
/// harmless. A spreadsheet takes a cell for a formula by its first character (OWASP, CSV Injection).
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    if text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '|', '%', '＝', '＋', '－', '＠',
    ]) {
        out.push('\'');
    }
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c {
            '"' => out.push_str("\"\""),
            c if c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}') => {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_no_formula_and_one_line() {
        for (text, expected) in [
            ("plain", "\"plain\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\\u{9}=1\""),
            ("a\r\nb", "\"a\\u{d}\\u{a}b\""),
            ("\u{1b}[31mred", "\"\\u{1b}[31mred\""),
            ("say \"hi\", twice", "\"say \"\"hi\"\", twice\""),
            ("\u{202e}txt", "\"\\u{202e}txt\""),
            ("＝1", "\"'＝1\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
