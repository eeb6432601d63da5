//! One session at Cloudflare as its Worker finds it: what it says, what it is told, how it ends.
//!
//! Exchanges come in by the token (`edge.rs`), one at a time. Beside them stands
//! a watch, which ends a session that is silent for too long, was dropped, or
//! whose Worker is gone. Whoever ends it, its token opens nothing from then on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::foreign::said::{Ear, Turn};
use crate::isolate::Violation;
use crate::session::{Command, Event, FailureCode};

/// How long an exchange waits for a command before it is asked to come again.
const POLL: Duration = Duration::from_secs(25);
/// How often silence is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Asks to come again.
const WAIT: &str = r#"{"t":"wait"}"#;

/// The sessions by the hash of their token.
#[derive(Default)]
pub(super) struct Seats(Mutex<HashMap<[u8; 32], Arc<Seat>>>);

/// One session as its Worker finds it.
pub(super) struct Seat {
    pub(super) talk: tokio::sync::Mutex<Talk>,
    pub(super) events: mpsc::Sender<Event>,
    /// Since when the program has been silent inside a turn.
    silent_since: Mutex<Option<Instant>>,
    /// Canceled when no exchange may wait any longer.
    ended: CancellationToken,
}

pub(super) struct Talk {
    ear: Ear,
    orders: mpsc::Receiver<Command>,
    /// Its last event was heard.
    pub(super) over: bool,
    /// Told at the first exchange.
    arrived: Option<oneshot::Sender<()>>,
}

#[derive(Deserialize)]
struct Exchange<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// How the Worker says that a session ended.
#[derive(Deserialize)]
struct Ended {
    end: Way,
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Way {
    Over,
    Cpu,
    Memory,
    Lost,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Seat>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a token a session.
    pub(super) fn enter(&self, key: [u8; 32], seat: Arc<Seat>) {
        self.lock().insert(key, seat);
    }

    pub(super) fn find(&self, key: &[u8; 32]) -> Option<Arc<Seat>> {
        self.lock().get(key).cloned()
    }

    pub(super) fn remove(&self, key: &[u8; 32]) {
        self.lock().remove(key);
    }
}

impl Seat {
    /// For a session whose first turn begins now. `arrived` is told at the first exchange.
    pub(super) fn new(
        ear: Ear,
        orders: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        arrived: oneshot::Sender<()>,
    ) -> Seat {
        Seat {
            talk: tokio::sync::Mutex::new(Talk {
                ear,
                orders,
                over: false,
                arrived: Some(arrived),
            }),
            events,
            silent_since: Mutex::new(Some(Instant::now())),
            ended: CancellationToken::new(),
        }
    }

    /// Passes events on, but for the last of the session, which is given back.
    pub(super) async fn hear(
        &self,
        talk: &mut Talk,
        body: &[u8],
    ) -> Result<Option<Event>, Violation> {
        *self.silence() = None;
        if let Some(arrived) = talk.arrived.take() {
            // Nobody waits for it any more when the start took long.
            let _ = arrived.send(());
        }
        let Exchange { events } =
            serde_json::from_slice(body).map_err(|_| Violation("an exchange without events"))?;
        for event in events {
            let event = talk.ear.hear(event.get().as_bytes(), 0)?;
            if matches!(event, Event::Done { .. } | Event::Failed(_) | Event::Lost) {
                talk.over = true;
                return Ok(Some(event));
            }
            // A session that was dropped meanwhile wants no events.
            let _ = self.events.send(event).await;
        }
        if talk.ear.in_turn() {
            return Err(Violation("an exchange that ends no turn"));
        }
        Ok(None)
    }

    /// The next command as it is told, or that there is none yet; nothing when the session was dropped.
    pub(super) async fn next(&self, talk: &mut Talk) -> Option<String> {
        let until = tokio::time::Instant::now() + POLL;
        loop {
            let order = tokio::select! {
                order = tokio::time::timeout_at(until, talk.orders.recv()) => order,
                () = self.events.closed() => return None,
                () = self.ended.cancelled() => return None,
            };
            let Ok(order) = order else {
                return Some(WAIT.to_owned());
            };
            let Some(turn) = Turn::of(&order?) else {
                self.events.send(Event::Snapshot(None)).await.ok()?;
                continue;
            };
            if !talk.ear.begin_turn(&turn) {
                tracing::error!("an answer was given to a call that does not wait for one");
                return None;
            }
            *self.silence() = Some(Instant::now());
            return Some(turn.text);
        }
    }

    /// Stays with the session until it is over, and tells how, where its Worker could not.
    pub(super) async fn supervise(
        &self,
        sent: BoxFuture<'static, Result<(u16, Vec<u8>), String>>,
        patience: Duration,
        fail: oneshot::Sender<String>,
    ) {
        let mut sent = sent.fuse();
        let code = loop {
            tokio::select! {
                () = self.events.closed() => return,
                answer = &mut sent => match ended(answer) {
                    Ok(code) => break code,
                    Err(reason) => {
                        tracing::warn!(reason, "a session at Cloudflare is lost");
                        let _ = fail.send(reason);
                        break None;
                    }
                },
                () = tokio::time::sleep(WATCH_EVERY) => {
                    if self.silence().is_some_and(|since| since.elapsed() > patience) {
                        break Some(FailureCode::ComputeLimit);
                    }
                }
            }
        };
        // What an exchange under way says still counts, and may be the end.
        self.ended.cancel();
        let mut talk = self.talk.lock().await;
        let event = match code {
            _ if talk.over => return,
            Some(code) if talk.ear.in_turn() => talk.ear.passed(code, 0),
            Some(_) | None => Event::Lost,
        };
        // A session that was dropped meanwhile wants no events.
        let _ = self.events.send(event).await;
    }

    fn silence(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limit by which the Worker's answer says that a session ended, if by one.
fn ended(answer: Result<(u16, Vec<u8>), String>) -> Result<Option<FailureCode>, String> {
    let (status, body) = answer?;
    match status {
        200 => {}
        401 => return Err("it refused the secret; cloudflare_worker_secret and its EXECUTOR_SECRET must be the same".into()),
        409 => return Err("it is of another version; deploy runtimes/cloudflare-worker of this version".into()),
        other => return Err(format!("it answered with status {other}")),
    }
    let ended: Ended =
        serde_json::from_slice(&body).map_err(|_| "its answer broke off".to_owned())?;
    match ended.end {
        Way::Over => Ok(None),
        Way::Cpu => Ok(Some(FailureCode::ComputeLimit)),
        Way::Memory => Ok(Some(FailureCode::MemoryLimit)),
        Way::Lost => Err(ended.why),
    }
}
