//! How the engine and its parts are, in words.

use crate::{Engine, Error};
use futures_util::future::BoxFuture;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStatus {
    /// It works.
    Ok,
    /// It works, but somebody should look.
    Warning,
    /// It does not work.
    Problem,
}

/// One part that was looked at.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it is.
    pub status: CheckStatus,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    pub next_step: Option<String>,
}

impl Check {
    fn new(name: &str, status: CheckStatus, message: String) -> Self {
        Self {
            name: name.to_owned(),
            status,
            message,
            next_step: None,
        }
    }
}

impl Engine {
    /// Looks at the database, the sandbox and its layers, and the sources.
    pub fn health(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async move {
            let mut checks = vec![self.database().await];
            for layer in self.inner.sandbox.layers() {
                let status = match (layer.active, layer.required) {
                    (true, _) => CheckStatus::Ok,
                    (false, false) => CheckStatus::Warning,
                    (false, true) => CheckStatus::Problem,
                };
                checks.push(Check {
                    next_step: layer_step(status),
                    ..Check::new(&format!("sandbox.{}", layer.name), status, layer.detail)
                });
            }
            checks.push(self.sources_check().await);
            checks
        })
    }

    async fn database(&self) -> Check {
        let kind = self.inner.store.kind();
        let answered: Result<(), Error> =
            self.inner.store.read(|r| Ok(store::health::ping(r)?)).await;
        match answered {
            Ok(()) => Check::new("database", CheckStatus::Ok, format!("{kind} answers")),
            Err(error) => Check {
                next_step: Some("See the server's log, and check that the database runs.".into()),
                ..Check::new("database", CheckStatus::Problem, format!("{kind}: {error}"))
            },
        }
    }

    async fn sources_check(&self) -> Check {
        let caller = self.local_caller(domain::access::Channel::Api, String::new());
        match self.sources(&caller).await {
            Ok(sources) => {
                let degraded: Vec<&str> = sources
                    .iter()
                    .filter(|s| s.status.as_str() == "degraded")
                    .map(|s| s.name.as_str())
                    .collect();
                if degraded.is_empty() {
                    let message = format!("{} connected", sources.len());
                    return Check::new("sources", CheckStatus::Ok, message);
                }
                Check {
                    next_step: Some("Run `executor sources show NAME` for the reason.".into()),
                    ..Check::new(
                        "sources",
                        CheckStatus::Warning,
                        format!("degraded: {}", degraded.join(", ")),
                    )
                }
            }
            Err(error) => Check::new("sources", CheckStatus::Problem, error.to_string()),
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
