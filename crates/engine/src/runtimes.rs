//! The runtimes that programs may ask for: the default, and others where somebody configured them.
//!
//! A task keeps the runtime it began on, with the digest of its engine; it is never moved to
//! another. What a runtime is, is `sandbox`'s to know.

use crate::health::{Check, CheckStatus};
use crate::{Engine, Error};
use domain::task::TaskError;
use futures_util::future::BoxFuture;
use sandbox::{CloudflareWorker, ExchangeRefused, Sandbox};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What makes each runtime of the product available, for whoever asks for one that is not.
const TO_ENABLE: [(&str, &str); 2] = [
    (
        "local-bun",
        "set DANGEROUSLY_ALLOW_LOCAL_VM=1 where the server runs, with Bun on its path; programs then have the rights of the server's user",
    ),
    (
        "cloudflare-worker",
        "deploy runtimes/cloudflare-worker and set cloudflare_worker_url, cloudflare_worker_secret and public_url where the server runs",
    ),
];

/// The runtimes of a server.
pub struct Runtimes {
    default: Arc<dyn Sandbox>,
    others: Vec<Arc<dyn Sandbox>>,
    /// The one among them whose sessions come back to this server.
    elsewhere: Option<Arc<CloudflareWorker>>,
}

impl Runtimes {
    /// The default, and the others in the order in which they are listed.
    #[must_use]
    pub fn new(default: Arc<dyn Sandbox>, others: Vec<Arc<dyn Sandbox>>) -> Self {
        Self {
            default,
            others,
            elsewhere: None,
        }
    }

    /// The same, with one whose sessions come back by [`Engine::exchange`].
    #[must_use]
    pub fn with_cloudflare_worker(mut self, worker: Arc<CloudflareWorker>) -> Self {
        self.others.push(worker.clone());
        self.elsewhere = Some(worker);
        self
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Sandbox>> {
        std::iter::once(&self.default).chain(&self.others)
    }

    fn find(&self, id: &str) -> Option<&Arc<dyn Sandbox>> {
        self.all().find(|runtime| runtime.name() == id)
    }

    /// Whether programs that name no runtime run in this one.
    pub(crate) fn is_default(&self, id: &str) -> bool {
        self.default.name() == id
    }

    /// The identifiers, the default first.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.all().map(|runtime| runtime.name()).collect()
    }

    /// Digests of all engines whose tasks can be run here.
    pub(crate) fn engines(&self) -> Vec<String> {
        let engines = self.all().flat_map(|runtime| runtime.engines());
        let engines: BTreeSet<String> = engines.map(str::to_owned).collect();
        engines.into_iter().collect()
    }

    /// Why the default runs no program here.
    pub(crate) fn refusal(&self) -> Option<sandbox::Error> {
        self.default.refusal()
    }

    /// The runtime that a new task asks for.
    ///
    /// # Errors
    /// `unknown_runtime`, or `runtime_not_enabled` with what enables it.
    pub(crate) fn chosen(&self, id: Option<&str>) -> Result<&Arc<dyn Sandbox>, Error> {
        let Some(id) = id else {
            return Ok(&self.default);
        };
        if let Some(runtime) = self.find(id) {
            return Ok(runtime);
        }
        let enabled = self.names().join(", ");
        Err(match TO_ENABLE.iter().find(|(name, _)| *name == id) {
            Some((name, how)) => Error::invalid(
                "runtime_not_enabled",
                format!(
                    "the runtime '{name}' is not enabled here (enabled: {enabled}); to enable it, {how}"
                ),
            ),
            None => Error::invalid(
                "unknown_runtime",
                format!(
                    "there is no runtime '{}'; enabled here: {enabled}",
                    id.chars().take(64).collect::<String>()
                ),
            ),
        })
    }

    /// The runtime that a task began on.
    pub(crate) fn of_task(&self, id: &str) -> Result<&Arc<dyn Sandbox>, TaskError> {
        self.find(id).ok_or_else(|| {
            let enabled = self.names().join(", ");
            TaskError::new(
                "runtime_unavailable",
                format!(
                    "the task began on the runtime '{id}', which this server no longer has \
                     (enabled: {enabled}); enable it again, or run the task again on another"
                ),
            )
        })
    }

    /// The layers of the default, and each runtime with what does not protect it.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let layers = self.default.layers().into_iter().map(|layer| {
            let status = match (layer.active, layer.required) {
                (true, _) => CheckStatus::Ok,
                (false, false) => CheckStatus::Warning,
                (false, true) => CheckStatus::Problem,
            };
            Check {
                next_step: layer_step(status),
                ..Check::new(&format!("sandbox.{}", layer.name), status, layer.detail)
            }
        });
        let default = Check::new(
            &format!("runtime.{}", self.default.name()),
            CheckStatus::Ok,
            "the default".to_owned(),
        );
        let others = self.others.iter().map(|runtime| {
            let name = format!("runtime.{}", runtime.name());
            let layers = runtime.layers();
            let missing: Vec<&str> = layers
                .iter()
                .filter(|layer| !layer.active)
                .map(|layer| layer.detail.as_str())
                .collect();
            if missing.is_empty() {
                let details: Vec<&str> = layers.iter().map(|l| l.detail.as_str()).collect();
                return Check::new(&name, CheckStatus::Ok, details.join("; "));
            }
            Check::new(&name, CheckStatus::Warning, missing.join("; "))
        });
        layers.chain([default]).chain(others).collect()
    }
}

impl Engine {
    /// The largest body of an exchange in bytes; nothing where no session comes back here.
    #[must_use]
    pub fn exchange_bytes_max(&self) -> Option<usize> {
        let elsewhere = self.inner.runtimes.elsewhere.as_ref();
        elsewhere.map(|_| CloudflareWorker::EXCHANGE_BYTES_MAX)
    }

    /// Whether a session of a runtime elsewhere has this token, and is not over.
    #[must_use]
    pub fn has_session(&self, token: &str) -> bool {
        let elsewhere = self.inner.runtimes.elsewhere.as_ref();
        elsewhere.is_some_and(|worker| worker.has_session(token))
    }

    /// Hears a session of a runtime elsewhere and gives it its next command, both JSON. Safe to drop.
    ///
    /// # Errors
    /// [`ExchangeRefused`]
    pub fn exchange(
        &self,
        token: &str,
        said: &[u8],
    ) -> BoxFuture<'static, Result<String, ExchangeRefused>> {
        match &self.inner.runtimes.elsewhere {
            Some(worker) => worker.exchange(token, said),
            None => Box::pin(async { Err(ExchangeRefused::NoSession) }),
        }
    }
}

/// What to do about a layer of the sandbox that does not hold.
fn layer_step(status: CheckStatus) -> Option<String> {
    match status {
        CheckStatus::Ok => None,
        CheckStatus::Warning => Some("The sandbox runs without it, with one wall less.".into()),
        CheckStatus::Problem => Some(
            "No program runs until it holds: run the server where the kernel offers it.".into(),
        ),
    }
}
