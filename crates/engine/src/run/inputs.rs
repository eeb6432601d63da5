//! What a source asks of whoever runs the task, in the middle of a call or in the place of its answer,
//! and what it says of a call that is under way.
//!
//! A source that keeps nothing is answered whenever the answer comes, by whichever server has the task
//! then. One that waits on an open connection is answered by this one or not at all: should it die, the
//! call is one of unknown outcome like any other.

use super::Run;
use super::calls::CallState;
use crate::gate::{self, Inquiring};
use crate::live::Live;
use crate::{Engine, Error};
use domain::CredentialId;
use domain::access::Scope;
use domain::approval::{Approval, ApprovalStatus, Question};
use domain::call::{Call, CallStatus};
use domain::elicitation::{Elicitation, Way};
use domain::event::EventKind;
use domain::task::{Lease, Task};
use domain::tool::{ToolError, ToolErrorCode};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tools::{McpHearing, McpNews};

/// Least time between two lines about one call, in milliseconds.
const NEWS_PAUSE_MS: u64 = 1_000;

/// Lines about one call, at most.
const NEWS_MAX: u32 = 100;

/// How often a question is looked at whose answer nobody has announced.
const LOOK_AGAIN_MS: u64 = 1_000;

/// What came of a call that was sent.
pub(super) enum Came {
    /// Its outcome, and the credential that went along, if one did.
    Outcome(CallStatus, Option<CredentialId>),
    /// A question, and nothing that the source keeps.
    Asks(Box<Elicitation>),
}

impl Run<'_> {
    /// Takes what came of a call.
    pub(super) fn came(&mut self, (sequence, came): (u32, Came)) {
        match came {
            Came::Outcome(status, opened) => {
                self.opened.extend(opened.map(|id| (sequence, id)));
                self.ready.push((sequence, status));
            }
            Came::Asks(asked) => self.inquiries.push((sequence, *asked)),
        }
    }

    /// Records what sources ask in the place of an answer. Where the task has ended nobody is asked.
    pub(super) async fn inquire(&mut self) -> Result<(), Error> {
        for (sequence, asked) in std::mem::take(&mut self.inquiries) {
            let Some(call) = self.made.get(&sequence).cloned() else {
                continue;
            };
            if self.ended.is_some() {
                let error = unasked(&call.binding.tool, &asked.source);
                self.ready.push((sequence, CallStatus::Failed(error)));
                continue;
            }
            let now = self.now();
            let (scope, lease, task) = (self.scope.clone(), self.lease.clone(), self.task.clone());
            let recorded = self.commit(move |tx| {
                let inquiring = Inquiring {
                    scope: &scope,
                    lease: &lease,
                    task: &task,
                    call: &call,
                    asked: &asked,
                    now,
                };
                gate::inquire(tx, &inquiring)
            });
            match recorded.await? {
                Ok(approval) => {
                    self.approvals.push(approval);
                    self.calls.insert(sequence, CallState::Asked);
                }
                Err(error) => self.ready.push((sequence, CallStatus::Failed(error))),
            }
        }
        Ok(())
    }

    /// Calls under way that wait for a person in the middle, as far as this run knows.
    pub(super) fn asking_live(&self) -> usize {
        let in_flight =
            |sequence: u32| matches!(self.calls.get(&sequence), Some(CallState::InFlight));
        let mut asking: Vec<u32> = self
            .approvals
            .iter()
            .filter(|a| a.question == Question::Input && a.status == ApprovalStatus::Pending)
            .map(|a| a.binding.sequence)
            .filter(|sequence| in_flight(*sequence))
            .collect();
        asking.dedup();
        asking.len()
    }

    /// Whether a recorded call waited for an answer that only the server before could have passed on.
    pub(super) fn lost_its_question(&self, call: &Call) -> bool {
        let latest = self
            .approvals
            .iter()
            .rfind(|a| a.binding.sequence == call.binding.sequence);
        let asked = latest.and_then(Approval::elicitation);
        asked.is_some_and(|asked| asked.way == Way::Live)
    }
}

fn unasked(tool: &str, source: &str) -> ToolError {
    let text = format!("{tool}: `{source}` asks something, and nobody can be asked any more");
    ToolError::new(ToolErrorCode::UpstreamError, tool, text)
        .with_details(json!({ "reason": "nobody_to_ask" }))
}

/// Whom one call can turn to.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) engine: Engine,
    pub(super) scope: Scope,
    pub(super) lease: Lease,
    pub(super) task: Arc<Task>,
    pub(super) call: Arc<Call>,
    pub(super) live: Arc<Live>,
}

/// What was told of a call.
#[derive(Default)]
struct News {
    count: u32,
    at: Option<domain::Timestamp>,
}

impl Listener {
    /// As the client that sends knows it; `may_ask` is whether the source may ask people.
    pub(super) fn hearing(&self, may_ask: bool) -> McpHearing {
        let (asker, teller) = (self.clone(), self.clone());
        let news: Mutex<News> = Mutex::default();
        let ask: tools::McpAsk = Arc::new(move |asked| Box::pin(asker.clone().ask(asked)));
        McpHearing {
            task: self.task.id.to_string(),
            ask: may_ask.then_some(ask),
            told: Arc::new(move |said| teller.told(&news, said)),
        }
    }

    /// Asks while the source waits.
    async fn ask(self, asked: Elicitation) -> Map<String, Value> {
        match self.try_ask(&asked).await {
            Ok(responses) => responses,
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, "a question of a source could not be asked: {error}");
                asked.responses(&ApprovalStatus::Expired)
            }
        }
    }

    async fn try_ask(&self, asked: &Elicitation) -> Result<Map<String, Value>, Error> {
        let (l, question, now) = (self.clone(), asked.clone(), self.engine.inner.clock.now());
        let recorded = self.engine.commit(&self.scope, move |tx| {
            let inquiring = Inquiring {
                scope: &l.scope,
                lease: &l.lease,
                task: &l.task,
                call: &l.call,
                asked: &question,
                now,
            };
            gate::inquire(tx, &inquiring)
        });
        let approval = match recorded.await? {
            Ok(approval) => approval,
            Err(refused) => {
                tracing::warn!(task.id = %self.task.id, "a source may ask no more: {}", refused.message);
                return Ok(asked.responses(&ApprovalStatus::Expired));
            }
        };
        let mut open = Open {
            listener: self.clone(),
            approval: Some(approval.clone()),
        };
        // Whoever shows the task, and whoever keeps its time, learns of it.
        self.engine.tell_answered(&approval);
        let resolved = self.resolved(&approval).await?;
        open.approval = None;
        let (l, at) = (self.clone(), self.engine.inner.clock.now());
        let answered = resolved.clone();
        self.engine
            .commit(&self.scope, move |tx| {
                gate::go_on(tx, (&l.scope, &l.lease), &l.call, &answered, at)
            })
            .await?;
        self.engine.tell_answered(&resolved);
        // A lost task's answer is not this server's to give.
        self.engine.still_ours(&self.live).await;
        Ok(asked.responses(&resolved.status))
    }

    /// Waits until a question is pending no more.
    async fn resolved(&self, approval: &Approval) -> Result<Approval, Error> {
        let mut signals = self.live.signals.subscribe();
        loop {
            let (scope, id) = (self.scope.clone(), approval.id.clone());
            let seen = self
                .engine
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::approvals::get(r, &scope, &id)?))
                .await?;
            match seen {
                Some(seen) if seen.status == ApprovalStatus::Pending => {}
                Some(seen) => return Ok(seen),
                None => return Err(Error::not_found("approval", &approval.id)),
            }
            tokio::select! {
                biased;
                _ = signals.changed() => {}
                () = self.engine.inner.clock.sleep(LOOK_AGAIN_MS) => {}
            }
        }
    }

    /// Keeps a line about the call with the task's events; not too many, and not too often.
    fn told(&self, news: &Mutex<News>, said: McpNews) {
        let now = self.engine.inner.clock.now();
        let source = self.call.binding.tool.split('.').next().unwrap_or_default();
        let (text, is_progress) = match said {
            McpNews::Progress(text) => (text, true),
            McpNews::Refused(why) => {
                tracing::warn!(task.id = %self.task.id, source.name = source, "an MCP server was refused: {why}");
                (
                    format!("`{source}` asked for something and was refused: {why}"),
                    false,
                )
            }
        };
        {
            let mut news = news.lock().unwrap_or_else(PoisonError::into_inner);
            let soon = news.at.is_some_and(|at| now.since(at) < NEWS_PAUSE_MS);
            if news.count >= NEWS_MAX || (soon && is_progress) {
                return;
            }
            (news.count, news.at) = (news.count + 1, Some(now));
        }
        let kind = EventKind::Progress {
            call_id: self.call.id.clone(),
            sequence: self.call.binding.sequence,
            tool: self.call.binding.tool.clone(),
            text: text.replace('\0', "\u{fffd}"),
        };
        let (engine, scope, task) = (
            self.engine.clone(),
            self.scope.clone(),
            self.task.id.clone(),
        );
        self.engine.spawn(async move {
            let kept = engine.commit(&scope.clone(), move |tx| {
                store::events::append(tx, &scope, Some(&task), now, &kind)?;
                Ok(())
            });
            if let Err(error) = kept.await {
                tracing::warn!("how far a call is could not be kept: {error}");
            }
        });
    }
}

/// A question whose source waits for its answer. Let go of without one, it is taken back.
struct Open {
    listener: Listener,
    approval: Option<Approval>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(approval) = self.approval.take() else {
            return;
        };
        let l = self.listener.clone();
        let engine = l.engine.clone();
        engine.clone().spawn(async move {
            let (scope, at, open) = (l.scope.clone(), engine.inner.clock.now(), approval.clone());
            let taken_back = engine.commit(&scope, move |tx| {
                gate::take_back(tx, (&l.scope, &l.lease), &l.call, &open, at)
            });
            match taken_back.await {
                Ok(()) => engine.tell_answered(&approval),
                // Whoever has the task now withdraws it as well.
                Err(error) => tracing::debug!("a question could not be taken back: {error}"),
            }
        });
    }
}
