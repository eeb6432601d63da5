//! Asking a client of 2026: the request is answered with what is wanted of its person and a sealed
//! state, and the client sends it again with both.
//!
//! The state continues the task it names; it starts none. It is bound to the caller and to the very
//! request, and is taken once (`engine/rounds.rs`). Next: `elicit.rs` for what is shown.

use super::client::Client;
use super::elicit::{self, Said};
use crate::App;
use domain::access::Caller;
use domain::approval::Approval;
use domain::canonical::{canonical, sha256_hex};
use domain::{ApprovalId, TaskId};
use engine::TaskView;
use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, ErrorData, InputRequest,
    InputRequests, InputRequiredResult, InputResponses,
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Questions in one round. A person answers no more at once.
const ASKED_MAX: usize = 10;

/// The digest of what a call of a tool asks for: a state belongs to one such call.
pub(super) fn request_digest(request: &CallToolRequestParams) -> String {
    let arguments = request.arguments.clone().unwrap_or_default();
    sha256_hex(canonical(&json!([request.name, arguments])).as_bytes())
}

/// What a client can show its person about these approvals: forms where they decide, else the page,
/// else a notice of it.
pub(super) async fn channels(
    app: &App,
    caller: &Caller,
    client: &Client,
    (view, wanted): (&TaskView, &[Approval]),
) -> Result<Vec<(Approval, ElicitRequestParams)>, engine::Error> {
    if !client.form && !client.url {
        return Ok(Vec::new());
    }
    let in_form = match client.form {
        true => app.engine.answerable_in_client(caller, view).await?,
        false => Vec::new(),
    };
    let public_url = app.engine.public_url();
    let channel = |approval: &Approval| {
        let form = in_form.iter().any(|a| a.id == approval.id);
        let form = form.then(|| elicit::form(approval, public_url)).flatten();
        form.unwrap_or_else(|| match client.url {
            true => elicit::page(approval, public_url),
            false => elicit::notice(approval, public_url),
        })
    };
    Ok(wanted
        .iter()
        .take(ASKED_MAX)
        .map(|a| (a.clone(), channel(a)))
        .collect())
}

/// The name of a question in a round or task: the approval, and the beginning of the digest of what
/// is shown.
pub(super) fn key(approval: &Approval) -> String {
    let digest = engine::approval_digest(approval);
    format!("{}.{}", approval.id, &digest[..16.min(digest.len())])
}

/// The questions by name.
pub(super) fn questions(asked: Vec<(Approval, ElicitRequestParams)>) -> InputRequests {
    asked
        .into_iter()
        .map(|(approval, params)| {
            let request = InputRequest::Elicitation(ElicitRequest::new(params));
            (key(&approval), request)
        })
        .collect()
}

/// Asks, and ends the request for now.
pub(super) async fn begin(
    app: &App,
    caller: &Caller,
    request_digest: &str,
    task_id: &TaskId,
    asked: Vec<(Approval, ElicitRequestParams)>,
) -> Result<InputRequiredResult, engine::Error> {
    let approvals: Vec<Approval> = asked.iter().map(|(a, _)| a.clone()).collect();
    let state = app
        .engine
        .begin_round(caller, request_digest, task_id, &approvals)
        .await?;
    Ok(InputRequiredResult::new(
        Some(questions(asked)),
        Some(state),
    ))
}

/// What was asked of a person, and what they said.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Approvals that are not asked about again in this request.
    pub(super) asked: HashSet<ApprovalId>,
    /// Those of them whose answer is worth waiting for.
    pub(super) awaited: HashSet<ApprovalId>,
    /// What has to be told of answers that did not count.
    pub(super) notes: Vec<String>,
}

impl Asked {
    pub(super) fn note(&mut self, approval: &ApprovalId, said: Said) {
        self.asked.insert(approval.clone());
        match said {
            Said::Decided | Said::Looks => {
                self.awaited.insert(approval.clone());
            }
            Said::NotTaken(why) => self.notes.push(why),
            Said::Nothing => {}
        }
    }
}

/// Takes a round back with the person's answers: the task that it continues, and what they said.
///
/// # Errors
/// Those of the protocol: answers without a state, a state that is none or was used.
pub(super) async fn take(
    app: &App,
    caller: &Caller,
    request: &CallToolRequestParams,
) -> Result<(TaskId, Asked), ErrorData> {
    let Some(state) = &request.request_state else {
        return Err(ErrorData::invalid_params(
            "inputResponses without the requestState that they belong to; nothing was done",
            Some(json!({ "code": "invalid_request_state" })),
        ));
    };
    let digest = request_digest(request);
    let round = app.engine.take_round(caller, &digest, state).await;
    let round = round.map_err(|error| {
        let data = json!({ "code": error.code() });
        ErrorData::invalid_params(error.to_string(), Some(data))
    })?;
    let none = InputResponses::new();
    let responses = request.input_responses.as_ref().unwrap_or(&none);
    let mut outcome = Asked::default();
    for (approval, digest) in &round.asked {
        let prefix = format!("{approval}.");
        let response = responses
            .iter()
            .find(|(key, _)| key.starts_with(&prefix))
            .map_or(&Value::Null, |(_, response)| response);
        let said = elicit::hand_on(app, caller, (approval, digest), response).await;
        outcome.note(approval, said);
    }
    Ok((round.task_id, outcome))
}
