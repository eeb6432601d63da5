//! What a client shows its person about an approval: a form that decides where the workspace allows
//! it, or else the address of the page that decides; and what the person's answer comes to.
//!
//! Nothing here decides: an answer goes to the engine as one of the channel `client`, bound to the
//! digest of what was shown. Closing a form is no answer.

use super::client::Client;
use crate::{App, wire};
use domain::ApprovalId;
use domain::access::{Caller, Channel};
use domain::approval::{Approval, ApprovalStatus, Question, Verdict};
use domain::elicitation::{Elicitation, Form};
use rmcp::model::{
    ClientResult, CustomNotification, ElicitRequest, ElicitRequestParams, ElicitationSchema,
    ServerNotification, ServerRequest,
};
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::time::Instant;

/// Characters of what a form shows. What is longer nobody reads there: then the page decides.
const SHOWN_CHARS_MAX: usize = 8_000;

/// What a person said through their client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Yes or no, and the engine took it.
    Decided,
    /// Yes or no, and it did not count; why, in a sentence.
    NotTaken(String),
    /// That they look at the page.
    Looks,
    /// Nothing: the form was closed, or declined.
    Nothing,
}

/// What to show about one approval: a form, where this one may be answered in it.
pub(super) fn form(approval: &Approval, public_url: &str) -> Option<ElicitRequestParams> {
    if let Some(asked) = approval.elicitation() {
        return source_form(approval, &asked, public_url);
    }
    let message = message(approval, public_url);
    if message.chars().count() > SHOWN_CHARS_MAX {
        return None;
    }
    let schema = json!({
        "type": "object",
        "properties": {
            "decision": {
                "type": "string", "title": "Decision",
                "description": "approve sends exactly what is shown; deny does not",
                "enum": ["approve", "deny"],
            },
            "reason": {
                "type": "string", "title": "Reason", "maxLength": 1_000,
                "description": "Told to the program and kept with the decision; may be left empty",
            },
        },
        "required": ["decision"],
    });
    let Value::Object(schema) = schema else {
        return None;
    };
    Some(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message,
        requested_schema: ElicitationSchema::from_json_schema(schema).ok()?,
    })
}

/// What a source asks, as a form of ours that names it: one form, without a page to visit. What is more
/// than that is answered on the approval's page.
fn source_form(
    approval: &Approval,
    asked: &Elicitation,
    public_url: &str,
) -> Option<ElicitRequestParams> {
    let [part] = asked.parts.as_slice() else {
        return None;
    };
    let Value::Object(schema) = part.schema()? else {
        return None;
    };
    let warning = part.warning.as_ref();
    let warning = warning.map_or_else(String::new, |w| format!("{w}\n\n"));
    let message = escaped(&format!(
        "The source `{}` asks you this before it goes on with {}. These are its own words, not those \
         of Executor:\n\n{}\n\n{warning}What you enter goes to `{}`. The same on its page: {}",
        asked.source,
        approval.binding.tool,
        part.message,
        asked.source,
        wire::approval_url(approval, public_url),
    ));
    if message.chars().count() > SHOWN_CHARS_MAX {
        return None;
    }
    Some(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message,
        requested_schema: ElicitationSchema::from_json_schema(schema).ok()?,
    })
}

/// The address of the page that shows and decides it.
pub(super) fn page(approval: &Approval, public_url: &str) -> ElicitRequestParams {
    ElicitRequestParams::UrlElicitationParams {
        meta: None,
        message: format!(
            "{} {} ({}). Open the page to see exactly what is asked, and to answer.",
            approval.binding.tool,
            match approval.question {
                Question::Send | Question::SendAgain => {
                    "has to be approved before the program goes on"
                }
                Question::Input => "waits because its source asks you something",
            },
            approval.risk.as_str()
        ),
        url: wire::approval_url(approval, public_url),
        elicitation_id: approval.id.to_string(),
    }
}

/// What says that the page decides, for a client that can show a form and open no page: a form with
/// nothing to fill in.
pub(super) fn notice(approval: &Approval, public_url: &str) -> ElicitRequestParams {
    let why: String = approval.why.chars().take(1_000).collect();
    let message = format!(
        "A call of your program waits for an approval, which is not given here.\n\nTool: {}\nRisk: \
         {}\nWhy: {why}\nExpires: {}\n\nOpen {} to see exactly what would be sent, and to approve or \
         deny it.",
        approval.binding.tool,
        approval.risk.as_str(),
        approval.expires_at.to_rfc3339(),
        wire::approval_url(approval, public_url),
    );
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: escaped(&message),
        requested_schema: ElicitationSchema::new(BTreeMap::new()),
    }
}

fn message(approval: &Approval, public_url: &str) -> String {
    let question = match approval.question {
        Question::Send => "May this call be sent?",
        Question::SendAgain => {
            "The server stopped while this call was under way, so that it may have happened \
             already. May it be sent again?"
        }
        Question::Input => "Its source asks you something.",
    };
    let text = format!(
        "{question}\n\nTool: {}\nRisk: {}\nWhy you are asked: {}\nArguments: {}\nRequest, exactly as \
         it will be sent but for the credential: {}\nExpires: {}\nThe same on its page: {}",
        approval.binding.tool,
        approval.risk.as_str(),
        approval.why,
        approval.arguments,
        approval.request,
        approval.expires_at.to_rfc3339(),
        wire::approval_url(approval, public_url),
    );
    escaped(&text)
}

/// Characters that show as nothing, or turn the direction of what follows: with them, two different
/// requests can look the same.
fn is_deceptive(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    unseen || (c.is_control() && c != '\n')
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if is_deceptive(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// Whether a source asks for nothing but a yes: a form that is accepted as it is.
fn has_no_fields(asked: &Approval) -> bool {
    let asked = asked.elicitation();
    asked.is_some_and(|asked| match asked.parts.as_slice() {
        [part] => matches!(&part.form, Form::Fields { fields } if fields.is_empty()),
        _ => false,
    })
}

/// Hands a person's answer on. `digest` is of what they were shown.
pub(super) async fn hand_on(
    app: &App,
    caller: &Caller,
    (approval, digest): (&ApprovalId, &str),
    response: &Value,
) -> Said {
    if response.get("action").and_then(Value::as_str) != Some("accept") {
        return Said::Nothing;
    }
    let asked = match app.engine.approval(caller, approval).await {
        Ok(asked) => asked,
        Err(error) => return Said::NotTaken(format!("{approval} could not be read: {error}.")),
    };
    let is_input = asked.question == Question::Input;
    let content = response.get("content").and_then(Value::as_object);
    let Some(content) = content.filter(|c| !c.is_empty() || has_no_fields(&asked)) else {
        return Said::Looks;
    };
    let verdict = match content.get("decision").and_then(Value::as_str) {
        _ if is_input => Verdict::Input(Value::Object(content.clone())),
        Some("approve") => Verdict::Approve,
        Some("deny") => Verdict::Deny,
        Some(_) | None => {
            return Said::NotTaken(format!(
                "The answer to {approval} is neither approve nor deny; nothing was decided."
            ));
        }
    };
    let reason = content.get("reason").filter(|_| !is_input);
    let reason = reason.and_then(Value::as_str).unwrap_or_default();
    let person = Caller {
        channel: Channel::Client,
        ..caller.clone()
    };
    let answered = app.engine.answer_approval(
        &person,
        approval,
        verdict,
        reason.to_owned(),
        Some(digest.to_owned()),
    );
    match answered.await {
        Ok(_) => Said::Decided,
        Err(error) => Said::NotTaken(format!("The answer to {approval} did not count: {error}.")),
    }
}

/// Asks a person in the middle of a request, as clients of 2025 can; gives up at the deadline, or
/// when the approval is answered elsewhere, and then takes the form back.
pub(super) async fn ask(
    app: &App,
    caller: &Caller,
    client: &Client,
    (approval, params): (&Approval, ElicitRequestParams),
    deadline: Instant,
) -> Said {
    let is_page = matches!(params, ElicitRequestParams::UrlElicitationParams { .. });
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
    let sent = client
        .peer
        .send_cancellable_request(request, PeerRequestOptions::no_options());
    // A client that is gone, or does not know the request after all, has asked nobody.
    let Ok(mut asked) = sent.await else {
        return Said::Nothing;
    };
    let response = tokio::select! {
        response = &mut asked.rx => match response {
            Ok(Ok(ClientResult::ElicitResult(response))) => response,
            Ok(Ok(_) | Err(_)) | Err(_) => return Said::Nothing,
        },
        () = answered_elsewhere(app, caller, &approval.id) => {
            let _gone = asked.cancel(Some("it was answered elsewhere".into())).await;
            return Said::Decided;
        }
        () = tokio::time::sleep_until(deadline) => {
            let _gone = asked.cancel(Some("nobody answered in time".into())).await;
            return Said::Nothing;
        }
        () = app.closing.cancelled() => return Said::Nothing,
    };
    let response = serde_json::to_value(response).unwrap_or_default();
    let said = hand_on(
        app,
        caller,
        (&approval.id, &engine::approval_digest(approval)),
        &response,
    )
    .await;
    if said == Said::Looks {
        tokio::select! {
            () = answered_elsewhere(app, caller, &approval.id) => {
                if !is_page {
                    return Said::Decided;
                }
                let done = CustomNotification::new(
                    "notifications/elicitation/complete",
                    Some(json!({ "elicitationId": approval.id })),
                );
                let done = ServerNotification::CustomNotification(done);
                let _gone = client.peer.send_notification(done).await;
                return Said::Decided;
            }
            () = tokio::time::sleep_until(deadline) => {}
            () = app.closing.cancelled() => {}
        }
    }
    said
}

/// Completes when an approval is pending no more.
async fn answered_elsewhere(app: &App, caller: &Caller, id: &ApprovalId) {
    let Ok(mut watch) = app.engine.watch(caller) else {
        return std::future::pending().await;
    };
    loop {
        match app.engine.approval(caller, id).await {
            Ok(approval) if approval.status == ApprovalStatus::Pending => watch.changed().await,
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::call::Binding;
    use domain::elicitation::{Field, Kind, Part, Way};
    use domain::policy::Ask;
    use domain::tool::Risk;
    use domain::{AccountId, CallId, TaskId, Timestamp};

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(
            escaped("a\u{202e}b\u{200b}c\td\ne"),
            "a\\u{202e}b\\u{200b}c\\u{9}d\ne"
        );
        assert!(!"plain, ünïcode and 日本".chars().any(is_deceptive));
    }

    fn asked(fields: Vec<Field>, message: &str) -> Approval {
        let asked = Elicitation {
            source: "tracker".to_owned(),
            parts: vec![Part {
                key: "q".to_owned(),
                message: message.to_owned(),
                warning: None,
                form: Form::Fields { fields },
            }],
            given: serde_json::Map::new(),
            state: None,
            way: Way::Live,
        };
        Approval {
            id: ApprovalId::from_bits([1; 16]),
            call_id: CallId::from_bits([2; 16]),
            binding: Binding {
                task_id: TaskId::from_bits([3; 16]),
                sequence: 1,
                tool: "tracker.make".to_owned(),
                definition_digest: String::new(),
                arguments_digest: String::new(),
                policy_version: 1,
            },
            question: Question::Input,
            arguments: "{}".to_owned(),
            request: serde_json::to_string(&asked).expect("JSON"),
            risk: Risk::Unknown,
            reasons: Vec::new(),
            previous: None,
            rule_id: None,
            why: String::new(),
            ask: Ask::default(),
            requested_by: AccountId::from_bits([4; 16]),
            client: String::new(),
            edited: None,
            status: ApprovalStatus::Pending,
            yeses: Vec::new(),
            created_at: Timestamp(0),
            expires_at: Timestamp(100),
            extended: None,
            assigned: None,
        }
    }

    #[test]
    fn what_a_source_asks_is_shown_under_its_name_and_as_its_own_words() {
        let field = Field {
            name: "name".to_owned(),
            title: "Your name".to_owned(),
            description: String::new(),
            required: true,
            default: None,
            kind: Kind::Boolean,
        };
        let lie = "Executor asks: approve everything\u{202e}";
        let asked_of = asked(vec![field], lie);
        let Some(ElicitRequestParams::FormElicitationParams {
            message,
            requested_schema,
            ..
        }) = form(&asked_of, "https://e.example")
        else {
            panic!("a form");
        };
        assert!(
            message.starts_with("The source `tracker` asks you this"),
            "{message}"
        );
        assert!(message.contains("not those of Executor"), "{message}");
        assert!(message.contains("\\u{202e}"), "{message}");
        let schema = serde_json::to_value(requested_schema).expect("JSON");
        assert_eq!(schema["required"], json!(["name"]));
        assert!(!has_no_fields(&asked_of));
        assert!(has_no_fields(&asked(Vec::new(), "Go on?")));
        let long = "x".repeat(SHOWN_CHARS_MAX);
        assert!(form(&asked(Vec::new(), &long), "https://e.example").is_none());
    }
}
