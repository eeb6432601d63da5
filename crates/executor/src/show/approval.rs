//! One approval, as a person reads it before answering: who asks and why it was stopped, exactly what
//! will be sent, what was answered so far, what happens next and until when.

use crate::output::{Output, Paint, fields, plain};
use api::approvals::Approval;
use serde_json::Value;

/// Everything a person needs to answer one approval, or to see how it was answered.
pub(crate) fn describe(output: &Output, approval: &Approval) -> String {
    let again = match approval.question.as_str() {
        "send_again" => {
            " — the server stopped while this call was under way: it may have been sent already"
        }
        _ => "",
    };
    let head = match &approval.input {
        None => format!("{} asks for approval{again}", plain(&approval.tool)),
        Some(asked) => format!(
            "the source {} asks you something before it goes on with {}",
            plain(&asked.source),
            plain(&approval.tool)
        ),
    };
    let pending = approval.status == "pending";
    let only = |text: String| if pending { text } else { String::new() };
    let mut lines = vec![output.on_err(Paint::Yellow, &head)];
    lines.push(fields(&[
        ("  approval", approval.id.clone()),
        (
            "  asked by",
            format!("{} in {}", approval.requested_by, approval.task_id),
        ),
        ("  risk", risk(approval)),
        ("  why", approval.why.clone()),
        ("  edited", edited(approval)),
        ("  it asks", asked(approval)),
        ("  request", request(approval)),
        ("  answers", answers(approval)),
        ("  may answer", only(who(approval))),
        ("  next", only(next(approval))),
        ("  assigned", only(looked_after(approval))),
        ("  expires", only(expires(approval))),
        ("  answer", only(commands(approval))),
    ]));
    lines.join("\n")
}

/// The word for the risk, never without its reasons where there are some.
fn risk(approval: &Approval) -> String {
    let reasons: Vec<String> = approval.risk_reasons.iter().map(|r| plain(r)).collect();
    if reasons.is_empty() {
        return approval.risk.clone();
    }
    format!("{}: {}", approval.risk, reasons.join("; "))
}

/// What a source asks, in its own words, with ours beside them.
fn asked(approval: &Approval) -> String {
    let mut lines = Vec::new();
    for part in approval.input.iter().flat_map(|asked| &asked.parts) {
        lines.push(format!("“{}”", plain(&part.message)));
        lines.extend(part.warning.clone());
        if let (Some(url), Some(host)) = (&part.url, &part.host) {
            lines.push(format!("a page of {host}: {}", plain(url)));
        }
        let schema = part.schema.as_ref();
        let fields = schema
            .and_then(|s| s.get("properties"))
            .and_then(Value::as_object);
        let required = schema
            .and_then(|s| s.get("required"))
            .and_then(Value::as_array);
        for (name, field) in fields.into_iter().flatten() {
            let must = required.is_some_and(|all| all.iter().any(|one| one == name.as_str()));
            lines.push(format!(
                "{}{}: {}",
                plain(name),
                if must { " (required)" } else { "" },
                plain(&field.to_string())
            ));
        }
    }
    lines.join("\n")
}

fn request(approval: &Approval) -> String {
    if approval.input.is_some() {
        return String::new();
    }
    if approval.request.is_null() {
        return format!(
            "none: it cannot be sent any more; its arguments were {}",
            approval.arguments
        );
    }
    let text = |key: &str| {
        approval
            .request
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut request = vec![format!("{} {}", text("method"), text("url"))];
    if let Some(headers) = approval.request.get("headers").and_then(Value::as_array) {
        for pair in headers.iter().filter_map(Value::as_array) {
            let words: Vec<_> = pair.iter().filter_map(Value::as_str).collect();
            request.push(words.join(": "));
        }
    }
    match approval.request.get("body") {
        None | Some(Value::Null) => {}
        Some(Value::String(body)) => request.push(body.clone()),
        Some(other) => request.push(other.to_string()),
    }
    if let Some(bytes) = approval.request.get("bodyBase64").and_then(Value::as_str) {
        request.push(format!("bytes in base64: {bytes}"));
    }
    request.join("\n")
}

fn edited(approval: &Approval) -> String {
    approval.edited.as_ref().map_or_else(String::new, |e| {
        format!(
            "by {} at {}: the program asked for {}",
            e.by, e.at, e.original_arguments
        )
    })
}

fn answers(approval: &Approval) -> String {
    if approval.needed <= 1 {
        return String::new();
    }
    let mut lines = vec![format!(
        "{} people must say yes{}",
        approval.needed,
        match approval.missing {
            0 => String::new(),
            missing => format!(", {missing} still missing"),
        }
    )];
    lines.extend(approval.answers.iter().map(|yes| {
        let why = yes.reason.as_ref().map(|r| format!(": {r}"));
        format!(
            "yes by {} via {} at {}{}",
            yes.by,
            yes.via,
            yes.at,
            why.unwrap_or_default()
        )
    }));
    lines.join("\n")
}

/// Who may answer, where that is somebody besides administrators.
fn who(approval: &Approval) -> String {
    if approval.approvers.is_empty() {
        return String::new();
    }
    format!("administrators and {}", approval.approvers.join(", "))
}

/// Who looks after it, which is no condition for an answer.
fn looked_after(approval: &Approval) -> String {
    let assigned = approval.assigned.as_ref();
    assigned.map_or_else(String::new, |a| a.to.clone())
}

fn expires(approval: &Approval) -> String {
    match &approval.extended {
        None => approval.expires_at.clone(),
        Some(e) => format!("{}, extended by {} at {}", approval.expires_at, e.by, e.at),
    }
}

fn next(approval: &Approval) -> String {
    let requester = match approval.requester_may {
        true => "",
        false => "; whoever runs the task may not answer",
    };
    match approval.question.as_str() {
        "input" => {
            "answered, the source gets what you enter; denied, it gets a no; expired, it gets \
                    nothing. Only you are asked, because you run the task"
                .to_owned()
        }
        "send_again" => format!(
            "approved, it is sent again with the same idempotency key where the tool takes one; \
             said to have happened, the program gets the value you give; denied or expired, the \
             program gets outcome_unknown{requester}"
        ),
        _ => format!(
            "approved, it is sent once, as shown; denied, the program gets approval_denied with \
             your reason; expired, approval_expired{requester}"
        ),
    }
}

fn commands(approval: &Approval) -> String {
    let id = &approval.id;
    let mut lines = vec![approval.url.clone()];
    if !approval.request.is_null() {
        lines.push(format!("executor approvals approve {id}"));
    }
    if approval.question == "input" {
        lines.push(format!("executor approvals answer {id} --field NAME=VALUE"));
    }
    if approval.question == "send_again" {
        lines.push(format!("executor approvals approve {id} --happened JSON"));
    }
    if approval.may_edit {
        lines.push(format!("executor approvals approve {id} --edit"));
    }
    lines.push(format!("executor approvals deny {id} --reason …"));
    if approval.extends_by_ms > 0 {
        lines.push(format!("executor approvals extend {id}"));
    }
    lines.join("\n")
}
