//! A task of the server's (the extension of 2026) is followed to its end; what it asks on the way is
//! asked of whoever runs ours.

use super::super::fault::Fault;
use super::super::limits::{POLL_MAX, POLL_MIN, ROUNDS_MAX};
use super::super::wire;
use super::underway::Underway;
use super::{Going, Session};
use domain::elicitation::{Elicitation, Way};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::Instant;

impl Session {
    /// Looks at a task of the server until it has ended.
    pub(super) async fn task(&self, begun: &Value, going: &Going<'_, '_>) -> Result<Value, Fault> {
        let id = begun
            .get("taskId")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut params = Map::new();
        params.insert("taskId".to_owned(), id.clone().into());
        let cancel = self.outbound("tasks/cancel", params.clone(), Some(id.clone()));
        let mut underway = Underway {
            link: self.link.clone(),
            told: Some(cancel.text),
        };
        let mut at = begun.clone();
        let (begun, mut refusals) = (Instant::now(), 0);
        loop {
            match at.get("status").and_then(Value::as_str) {
                Some("completed") => {
                    underway.is_over();
                    return at.get("result").cloned().ok_or_else(|| {
                        Fault::Broken("its task is completed without a result".to_owned())
                    });
                }
                Some("failed") => {
                    underway.is_over();
                    let error = wire::refusal(at.to_string().as_bytes());
                    let unnamed = || Fault::Broken("its task failed".to_owned());
                    return Err(error.map_or_else(unnamed, Fault::Rpc));
                }
                Some("cancelled") => {
                    underway.is_over();
                    return Err(Fault::Broken("its task was canceled there".to_owned()));
                }
                Some("input_required") if refusals < ROUNDS_MAX => {
                    refusals += 1;
                    let mut answer = self.answered_live(&at, going).await?;
                    answer.insert("taskId".to_owned(), id.clone().into());
                    let update = self.outbound("tasks/update", answer, Some(id.clone()));
                    self.exchange_for(&update, going).await?;
                }
                Some("working") => {}
                Some(_) | None => {
                    return Err(Fault::Broken(
                        "its task is in no state that is known".to_owned(),
                    ));
                }
            }
            let pause = at
                .get("pollIntervalMs")
                .and_then(Value::as_u64)
                .unwrap_or(500);
            let pause = Duration::from_millis(pause).clamp(POLL_MIN, POLL_MAX);
            let until = going.patience.until();
            if Instant::now() + pause >= until {
                return Err(Fault::late(begun, until));
            }
            tokio::time::sleep(pause).await;
            let look = self.outbound("tasks/get", params.clone(), Some(id.clone()));
            at = self.exchange_for(&look, going).await?;
        }
    }

    /// The answers that a task of the server waits for.
    async fn answered_live(
        &self,
        at: &Value,
        going: &Going<'_, '_>,
    ) -> Result<Map<String, Value>, Fault> {
        let asked = self.asked(at, going)?;
        let state = asked.state.clone();
        let ask = going.hearing.and_then(|hearing| hearing.ask.as_ref());
        let responses = match ask {
            Some(ask) if !asked.parts.is_empty() => {
                let _standing = going.patience.stand();
                let way = Way::Live;
                ask(Elicitation { way, ..asked }).await
            }
            Some(_) | None => asked.given,
        };
        Ok(brought_back(responses, state))
    }
}

/// What goes with a request that is sent again after the server asked.
pub(in super::super) fn brought_back(
    responses: Map<String, Value>,
    state: Option<Value>,
) -> Map<String, Value> {
    let mut also = Map::new();
    if !responses.is_empty() {
        also.insert("inputResponses".to_owned(), Value::Object(responses));
    }
    also.extend(state.map(|state| ("requestState".to_owned(), state)));
    also
}
