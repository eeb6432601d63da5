//! The runtime `cloudflare-worker`: each program in a dynamic isolate at Cloudflare.
//!
//! A session begins with one request to our Worker (`runtimes/cloudflare-worker`)
//! that stays open as long as it lasts. Everything else comes the other way: the
//! Worker brings a turn's events to [`CloudflareWorker::exchange`] and waits
//! there for the next command. Who speaks follows from the session's token
//! alone, which dies with the session; what is said is judged as elsewhere.
//! Sending requests is the caller's: this crate opens no connection. One session
//! is `edge/seat.rs`.

mod seat;

use std::sync::Arc;
use std::time::Duration;

use domain::credential::Secret;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use seat::{Seat, Seats};

use super::said::{Ear, MESSAGE_BYTES_MAX, start_text};
use super::world::{digest, world};
use crate::session::{Event, Sandbox, Session, Start};
use crate::{Error, Layer};

/// Raised together with `PROTOCOL` of the Worker when either side changes what it says.
const PROTOCOL: u8 = 1;
/// Which behavior of the platform programs get.
const COMPATIBILITY_DATE: &str = "2026-01-01";
/// How long a start waits to hear that the Worker could not be reached.
const BEGIN_WAIT: Duration = Duration::from_secs(5);
/// Events a session may fall behind before its Worker is made to wait.
const EVENTS_BEHIND_MAX: usize = 256;

const SCRIPT: &str = include_str!("../../runtimes/cloudflare-worker.js");
const OVER: &str = r#"{"t":"over"}"#;

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
        let ear = Ear::new(start.program, limits.clone());
        let seat = Arc::new(Seat::new(ear, orders, events, arrived));
        self.seats.enter(key, seat.clone());
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

/// Tokens are kept as this, so that no copy of the table opens anything.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
