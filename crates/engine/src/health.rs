//! How the engine and its parts are, in words.

use crate::sources::Reason;
use crate::{Engine, Error};
use domain::access::{Caller, Permission};
use futures_util::future::BoxFuture;

/// How far this server's clock and the database's may be apart, in milliseconds.
const CLOCK_APART_MS_MAX: u64 = 5_000;

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
    pub(crate) fn new(name: &str, status: CheckStatus, message: String) -> Self {
        Self {
            name: name.to_owned(),
            status,
            message,
            next_step: None,
        }
    }
}

/// What is kept, and how large it is.
#[derive(Debug, Clone)]
pub struct StorageView {
    /// The database's name.
    pub database: &'static str,
    /// Bytes that the whole database takes.
    pub bytes: u64,
    /// How many tasks of the workspace have each status that people see.
    pub tasks: Vec<(String, u64)>,
    /// Days after its end at which a task is removed; 0 for never.
    pub retention_days: u32,
}

impl Engine {
    /// What is kept of the workspace, and how large the whole database is.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn storage(&self, caller: &Caller) -> BoxFuture<'_, Result<StorageView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeAllTasks)?;
            let database = self.inner.store.kind();
            self.inner
                .store
                .read(move |r| {
                    Ok(StorageView {
                        database,
                        bytes: store::health::size_bytes(r)?,
                        tasks: store::tasks::counts(r, &scope)?,
                        retention_days: store::settings::get(r, &scope)?.kept_days().unwrap_or(0),
                    })
                })
                .await
        })
    }

    /// Looks at the database, the servers that share it, the sandbox and its layers, the runtimes, the
    /// sources, their credentials and the webhooks: what the server needs to do its work.
    pub fn health(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async move {
            let mut checks = vec![self.database().await, self.servers_check().await];
            checks.extend(self.inner.runtimes.checks());
            checks.push(self.lost_workers().await);
            checks.push(self.sources_check().await);
            checks.push(self.credentials_check().await);
            checks.push(self.webhooks_check().await);
            checks
        })
    }

    /// The same, and what somebody should know though the server works: the keys, the clock, the end
    /// of the audit chain, backups, and the provider that people sign in with.
    pub fn examine(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async move {
            let mut checks = self.health().await;
            checks.push(self.vault_check().await);
            checks.push(self.shared_clock_check().await);
            checks.push(self.audit_check().await);
            checks.push(self.backup_check().await);
            checks.push(self.sign_in_check().await);
            checks
        })
    }

    /// The runtimes that programs may ask for, the default first.
    #[must_use]
    pub fn runtimes(&self) -> Vec<&'static str> {
        self.inner.runtimes.names()
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

    /// Whether this server's clock agrees with the database's, by which leases run.
    async fn shared_clock_check(&self) -> Check {
        let name = "clock.database";
        let before = self.inner.clock.now();
        let read = self
            .inner
            .store
            .read(|r| Ok::<_, Error>(store::health::clock(r)?))
            .await;
        let after = self.inner.clock.now();
        match read {
            Err(error) => Check::new(name, CheckStatus::Problem, error.to_string()),
            Ok(None) => Check::new(name, CheckStatus::Ok, "one clock for both".into()),
            Ok(Some(theirs)) => {
                // Read at some instant between the two.
                let apart = before.since(theirs).max(theirs.since(after));
                let message = format!("{apart} ms apart from the database's");
                if apart <= CLOCK_APART_MS_MAX {
                    return Check::new(name, CheckStatus::Ok, message);
                }
                Check {
                    next_step: Some("set the clocks of both machines by NTP".into()),
                    ..Check::new(name, CheckStatus::Warning, message)
                }
            }
        }
    }

    async fn sources_check(&self) -> Check {
        let caller = self.local_caller(domain::access::Channel::Api, String::new());
        let looked = async {
            let sources = self.sources(&caller).await?;
            self.health_of(&caller, sources).await
        };
        let all = match looked.await {
            Ok(all) => all,
            Err(error) => return Check::new("sources", CheckStatus::Problem, error.to_string()),
        };
        // Whether credentials are set is looked at by itself.
        let reasons: Vec<(&str, &Reason)> = all
            .iter()
            .flat_map(|h| h.reasons.iter().map(|r| (h.source.name.as_str(), r)))
            .filter(|(_, r)| r.code != "credential_missing")
            .collect();
        let Some((_, first)) = reasons.first() else {
            let message = format!("{} connected", all.len());
            return Check::new("sources", CheckStatus::Ok, message);
        };
        let told: Vec<String> = reasons
            .iter()
            .map(|(name, r)| format!("{name} {}: {}", r.code, r.message))
            .collect();
        Check {
            next_step: Some(first.next_step.clone()),
            ..Check::new("sources", CheckStatus::Warning, told.join("; "))
        }
    }
}
