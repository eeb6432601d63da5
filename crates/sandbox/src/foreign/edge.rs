//! The runtime `cloudflare-worker`: each program in a dynamic isolate at Cloudflare.
//!
//! A session begins with one request to our Worker (`runtimes/cloudflare-worker`)
//! that stays open as long as it lasts. Everything else comes the other way: the
//! Worker brings a turn's events to [`CloudflareWorker::exchange`] and waits
//! there for the next command. Who speaks follows from the session's token
//! alone, which dies with the session; what is said is judged as elsewhere.
//! Sending requests is the caller's: this crate opens no connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::credential::Secret;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::said::{Ear, MESSAGE_BYTES_MAX, Turn, start_text};
use super::world::{digest, world};
use crate::isolate::Violation;
use crate::session::{Command, Event, FailureCode, Sandbox, Session, Start};
use crate::{Error, Layer};

/// Raised together with `PROTOCOL` of the Worker when either side changes what it says.
const PROTOCOL: u8 = 1;
/// Which behavior of the platform programs get.
const COMPATIBILITY_DATE: &str = "2026-01-01";
/// How long an exchange waits for a command before it is asked to come again.
const POLL: Duration = Duration::from_secs(25);
/// How often silence is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// How long a start waits to hear that the Worker could not be reached.
const BEGIN_WAIT: Duration = Duration::from_secs(5);
/// Events a session may fall behind before its Worker is made to wait.
const EVENTS_BEHIND_MAX: usize = 256;

const SCRIPT: &str = include_str!("../../runtimes/cloudflare-worker.js");
const OVER: &str = r#"{"t":"over"}"#;
const WAIT: &str = r#"{"t":"wait"}"#;

/// A request to the Worker. Its answer arrives when the session is over.
pub struct RunRequest {
    /// Where the Worker listens.
    pub url: String,
    /// Names and values; one carries the shared secret.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// Sends a request and gives back status and body, or why there is none.
pub type Courier =
    Arc<dyn Fn(RunRequest) -> BoxFuture<'static, Result<(u16, Vec<u8>), String>> + Send + Sync>;

/// How the runtime is set up.
pub struct CloudflareWorkerConfig {
    /// The Worker's address, as deployed.
    pub url: String,
    /// What the Worker knows as `EXECUTOR_SECRET`.
    pub secret: Secret,
    /// Where the Worker reaches [`CloudflareWorker::exchange`].
    pub exchange_url: String,
    /// What carries requests.
    pub courier: Courier,
    /// How long past its compute limit a program may stay silent, for the way there and back.
    pub grace: Duration,
}

/// Why an exchange is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeRefused {
    /// No session has this token, or no longer.
    #[error("no session has this token")]
    NoSession,
    /// Another exchange of the session is under way.
    #[error("the session's exchange is under way already")]
    Busy,
    /// What was said makes no sense; the session is over.
    #[error("these are not events of the session; it is over")]
    Broken,
}

/// Programs at Cloudflare. Dropping it ends none that run.
pub struct CloudflareWorker {
    config: CloudflareWorkerConfig,
    digest: String,
    seats: Arc<Seats>,
}

/// The sessions by the hash of their token.
#[derive(Default)]
struct Seats(Mutex<HashMap<[u8; 32], Arc<Seat>>>);

/// One session as its Worker finds it.
struct Seat {
    talk: tokio::sync::Mutex<Talk>,
    events: mpsc::Sender<Event>,
    /// Since when the program has been silent inside a turn.
    silent_since: Mutex<Option<Instant>>,
    /// Canceled when no exchange may wait any longer.
    ended: CancellationToken,
}

struct Talk {
    ear: Ear,
    orders: mpsc::Receiver<Command>,
    /// Its last event was heard.
    over: bool,
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

impl CloudflareWorker {
    /// Nothing is sent yet.
    pub fn new(config: CloudflareWorkerConfig) -> CloudflareWorker {
        CloudflareWorker {
            config,
            digest: digest(&["cloudflare-worker", SCRIPT, COMPATIBILITY_DATE]),
            seats: Arc::default(),
        }
    }

    /// The largest body of an exchange, in bytes.
    pub const EXCHANGE_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

    /// Whether a session has this token, and is not over.
    pub fn has_session(&self, token: &str) -> bool {
        self.seats.find(&hash(token)).is_some()
    }

    /// Hears the events of a turn and waits for the next command, both JSON.
    ///
    /// `{"t":"wait"}` asks to come again without events; `{"t":"over"}` ends it.
    ///
    /// # Errors
    /// [`ExchangeRefused`]; only [`ExchangeRefused::Busy`] leaves a session as it was.
    pub fn exchange(
        &self,
        token: &str,
        body: &[u8],
    ) -> BoxFuture<'static, Result<String, ExchangeRefused>> {
        let key = hash(token);
        let (seats, body) = (self.seats.clone(), body.to_vec());
        async move {
            let seat = seats.find(&key).ok_or(ExchangeRefused::NoSession)?;
            let mut talk = seat.talk.try_lock().map_err(|_| ExchangeRefused::Busy)?;
            let (last, answer) = match seat.hear(&mut talk, &body).await {
                Ok(None) => match seat.next(&mut talk).await {
                    Some(command) => return Ok(command),
                    None => (None, Ok(OVER.to_owned())),
                },
                Ok(last) => (last, Ok(OVER.to_owned())),
                Err(violation) => {
                    tracing::error!(%violation, "a Worker broke the protocol; its session is over");
                    talk.over = true;
                    (Some(Event::Lost), Err(ExchangeRefused::Broken))
                }
            };
            // The token opens nothing any more before anybody hears of the end.
            seats.remove(&key);
            if let Some(last) = last {
                // A session that was dropped meanwhile wants no events.
                let _ = seat.events.send(last).await;
            }
            answer
        }
        .boxed()
    }

    async fn session(&self, start: Start) -> Result<Session, Error> {
        let limits = start.limits.within_reach();
        let mut bits = [0u8; 32];
        getrandom::fill(&mut bits).map_err(|e| Error::Host {
            doing: "draw a token",
            source: std::io::Error::other(e),
        })?;
        let token = crate::compile::hex(&bits);
        let key = hash(&token);
        let sent = (self.config.courier)(self.request(&start, &limits, &token));
        let (events, heard) = mpsc::channel(EVENTS_BEHIND_MAX);
        let (commands, orders) = mpsc::channel(1);
        let (arrived, here) = oneshot::channel();
        let seat = Arc::new(Seat {
            talk: tokio::sync::Mutex::new(Talk {
                ear: Ear::new(start.program, limits.clone()),
                orders,
                over: false,
                arrived: Some(arrived),
            }),
            events,
            silent_since: Mutex::new(Some(Instant::now())),
            ended: CancellationToken::new(),
        });
        self.seats.lock().insert(key, seat.clone());
        let (fail, failed) = oneshot::channel();
        let seats = self.seats.clone();
        let patience = Duration::from_millis(limits.compute_ms) + self.config.grace;
        tokio::spawn(async move {
            seat.supervise(sent, patience, fail).await;
            // From here on the token opens nothing.
            seats.remove(&key);
        });
        tokio::select! {
            Ok(()) = here => {}
            failed = failed => if let Ok(reason) = failed {
                return Err(Error::Elsewhere { url: self.config.url.clone(), reason });
            },
            // It is long about its first turn.
            () = tokio::time::sleep(BEGIN_WAIT) => {}
        }
        Ok(Session::new(commands, heard))
    }

    fn request(&self, start: &Start, limits: &crate::Limits, token: &str) -> RunRequest {
        let body = json!({
            "protocol": PROTOCOL,
            "exchangeUrl": self.config.exchange_url,
            "token": token,
            "compatibilityDate": COMPATIBILITY_DATE,
            "modules": {
                "main.js": SCRIPT,
                "world.js": format!("export default {}", world()),
                // In a list, so that the function is given no name; its first line is the wrapper's.
                "task.ts": format!("export default () => [{}][0]", start.program.code()),
            },
            "start": start_text(start, limits),
            "cpuMs": limits.compute_ms,
        });
        let secret = format!("Bearer {}", self.config.secret.expose());
        RunRequest {
            url: format!("{}/run", self.config.url.trim_end_matches('/')),
            headers: vec![
                ("authorization".into(), secret),
                ("content-type".into(), "application/json".into()),
            ],
            body: body.to_string().into_bytes(),
        }
    }
}

impl Sandbox for CloudflareWorker {
    fn name(&self) -> &'static str {
        "cloudflare-worker"
    }

    fn engine_digest(&self) -> &str {
        &self.digest
    }

    /// The walls are Cloudflare's.
    fn layers(&self) -> Vec<Layer> {
        vec![Layer {
            name: "boundary".into(),
            active: true,
            required: false,
            detail: format!(
                "programs that ask for it run in isolates at {}, which keep them apart",
                self.config.url
            ),
        }]
    }

    fn start(&self, start: Start) -> BoxFuture<'_, Result<Session, Error>> {
        self.session(start).boxed()
    }
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Seat>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &[u8; 32]) -> Option<Arc<Seat>> {
        self.lock().get(key).cloned()
    }

    fn remove(&self, key: &[u8; 32]) {
        self.lock().remove(key);
    }
}

impl Seat {
    /// Passes events on, but for the last of the session, which is given back.
    async fn hear(&self, talk: &mut Talk, body: &[u8]) -> Result<Option<Event>, Violation> {
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
    async fn next(&self, talk: &mut Talk) -> Option<String> {
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
    async fn supervise(
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

/// Tokens are kept as this, so that no copy of the table opens anything.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
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
