//! Backups while serving: everything that the database holds, at one instant, as a stream.
//!
//! For whoever runs the server, as it holds every organization. It holds no key that opens what is
//! sealed: whoever has lost the master key has lost the credentials, backup or not. The form of the
//! file is the store's (`store/backup.rs`).

use crate::audit::by_person;
use crate::{Check, CheckStatus, Engine, Error};
use domain::Timestamp;
use domain::access::Caller;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// The fact that says when the last backup was whole.
const LAST: &str = "last_backup_at";
/// Pieces that may wait for whoever takes them.
const PIECES_WAITING: usize = 8;
/// How long one piece may wait: a reader that stopped must not hold a view of the database for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// How old a backup may be before `doctor` says so.
const AGE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// A backup under way.
pub struct Backup {
    pieces: mpsc::Receiver<Result<Vec<u8>, Error>>,
    _one_at_a_time: OwnedSemaphorePermit,
}

impl Backup {
    /// The next piece; none after the last. One that fails is the last, and the file is cut off.
    pub async fn next_piece(&mut self) -> Option<Result<Vec<u8>, Error>> {
        self.pieces.recv().await
    }
}

impl Engine {
    /// Begins a backup.
    ///
    /// # Errors
    /// `forbidden` but for whoever runs the server; `backup_under_way`.
    pub fn backup(&self, caller: &Caller) -> BoxFuture<'_, Result<Backup, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = self.operator(&caller, "take a backup of the whole server")?;
            let one = std::sync::Arc::clone(&self.inner.backups);
            let one = one.try_acquire_owned().map_err(|_| {
                Error::conflict(
                    "backup_under_way",
                    "another backup is being taken; wait for its end",
                )
            })?;
            let (within, now) = (scope.clone(), self.inner.clock.now());
            self.commit(&scope, move |tx| {
                let subject = within.organization_id().as_str();
                let detail = json!({});
                let entry = by_person(&caller, &within, "backup.taken", subject, &detail, now);
                store::audit::append(tx, &within, entry)?;
                Ok(())
            })
            .await?;
            let (sender, pieces) = mpsc::channel(PIECES_WAITING);
            let engine = self.clone();
            self.inner.worker.runs.spawn(async move {
                engine.write_backup(sender, now).await;
            });
            Ok(Backup {
                pieces,
                _one_at_a_time: one,
            })
        })
    }

    async fn write_backup(
        &self,
        sender: mpsc::Sender<Result<Vec<u8>, Error>>,
        taken_at: Timestamp,
    ) {
        let (system, to) = (self.inner.system, sender.clone());
        let (runtime, begun) = (tokio::runtime::Handle::current(), AtomicBool::new(false));
        let written = self
            .inner
            .store
            .read(move |r| {
                // A read may be run again after a lost connection; what was sent cannot be taken back.
                if begun.swap(true, Ordering::Relaxed) {
                    return Err(Error::Unavailable {
                        message: "the database was lost while a backup was taken".to_owned(),
                    });
                }
                let mut sink = |piece: Vec<u8>| {
                    let sent = to.send_timeout(Ok(piece), PATIENCE);
                    runtime.block_on(sent).is_ok()
                };
                Ok(store::backup::write(r, system, taken_at, &mut sink)?)
            })
            .await;
        match written {
            Ok(true) => {
                let kept: Result<(), Error> = self
                    .inner
                    .store
                    .write(move |tx| {
                        let text = taken_at.0.to_string();
                        Ok(store::meta::set(tx, system, LAST, &text)?)
                    })
                    .await;
                if let Err(error) = kept {
                    tracing::warn!("that a backup was taken could not be noted: {error}");
                }
            }
            Ok(false) => tracing::info!("a backup was broken off by whoever took it"),
            Err(error) => {
                tracing::warn!("a backup failed: {error}");
                let _gone = sender.send(Err(error)).await;
            }
        }
    }

    /// How old the last backup is, for `doctor`.
    pub(crate) async fn backup_check(&self) -> Check {
        let system = self.inner.system;
        let read = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::meta::get(r, system, LAST)?))
            .await;
        let last = match read {
            Ok(last) => last.and_then(|text| text.parse().ok()).map(Timestamp),
            Err(error) => {
                return Check::new("backup", CheckStatus::Problem, error.to_string());
            }
        };
        let Some(last) = last else {
            // New installations have nothing to lose yet, and others back the database up themselves.
            let message = "none was taken with `executor backup`".to_owned();
            return Check::new("backup", CheckStatus::Ok, message);
        };
        let message = format!("the last was taken at {}", last.to_rfc3339());
        if self.inner.clock.now().since(last) > AGE_MS_MAX {
            return Check {
                next_step: Some("executor backup FILE".into()),
                ..Check::new("backup", CheckStatus::Warning, message)
            };
        }
        Check::new("backup", CheckStatus::Ok, message)
    }
}
