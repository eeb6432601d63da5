//! How sources are, with reasons: how reading them goes, and what their calls come to.
//!
//! Calls are counted in memory and written every few seconds, so that a call costs nothing more; what
//! was counted in the last of those seconds is not shown yet, and lost when a server is killed.

use crate::{Engine, Error};
use domain::access::{Caller, Permission, Scope};
use domain::credential::Credential;
use domain::source::{Ended, Source, SourceStatus, Traffic};
use domain::tool::ToolError;
use domain::{AccountId, SourceId, Timestamp};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// How long calls are counted in memory before they are written.
const WRITE_MS: u64 = 5_000;
/// The time that is shown, and the time for which counts are kept.
pub(crate) const SHOWN_MS: i64 = 24 * 3_600_000;
pub(crate) const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// So many rejections of a credential in a row are a reason to look.
const REJECTED_MIN: u64 = 3;
/// So many calls say something about how many fail.
const CALLS_MIN: u64 = 10;

/// What calls came to since it was last written.
#[derive(Default)]
pub(crate) struct Counted {
    counts: Mutex<HashMap<(Scope, SourceId), Traffic>>,
    some: Notify,
}

impl Counted {
    fn take(&self) -> HashMap<(Scope, SourceId), Traffic> {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Something that is wrong with a source, or wants somebody to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `degraded`, `credential_rejected`, `credential_missing`, `reauthorization_required`,
    /// `credential_failed`, `credential_expiring`, `calls_failing` or `unreviewed`.
    pub code: &'static str,
    /// What is so, in a sentence.
    pub message: String,
    /// What to do.
    pub next_step: String,
}

/// How a source is.
#[derive(Debug, Clone)]
pub struct SourceHealth {
    /// The source.
    pub source: Source,
    /// What its calls came to in the last 24 hours, to within an hour.
    pub calls: Traffic,
    /// What is wrong; nothing where all is well.
    pub reasons: Vec<Reason>,
}

impl Engine {
    /// Counts a call that left.
    pub(crate) fn count_call(
        &self,
        (scope, source): (&Scope, &SourceId),
        error: Option<&ToolError>,
        ms: u64,
    ) {
        let counted = &self.inner.counted;
        let now = self.inner.clock.now();
        let (ended, code) = match error {
            None => (Ended::Well, None),
            Some(e) => (Ended::of(e.code, e.status), Some(e.code)),
        };
        let mut counts = counted
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let of_source = counts.entry((scope.clone(), source.clone())).or_default();
        of_source.count(ended, code, ms, now);
        drop(counts);
        counted.some.notify_one();
    }

    pub(crate) async fn traffic_loop(self) {
        let over = &self.inner.worker.over;
        loop {
            tokio::select! {
                biased;
                () = over.cancelled() => break,
                () = self.inner.counted.some.notified() => {}
            }
            tokio::select! {
                biased;
                () = over.cancelled() => break,
                () = self.inner.clock.sleep(WRITE_MS) => {}
            }
            self.write_counts().await;
        }
        self.write_counts().await;
    }

    async fn write_counts(&self) {
        let counts = self.inner.counted.take();
        if counts.is_empty() {
            return;
        }
        let now = self.inner.clock.now();
        // In one order, so that two servers never wait for each other.
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|((_, a), _), ((_, b), _)| a.as_str().cmp(b.as_str()));
        let written: Result<(), Error> = self
            .inner
            .store
            .write(move |tx| {
                for ((scope, source), traffic) in &counts {
                    store::traffic::add(tx, scope, source, now, traffic)?;
                }
                Ok(())
            })
            .await;
        if let Err(error) = written {
            tracing::warn!("what calls came to could not be written down: {error}");
        }
    }

    /// How one source is.
    ///
    /// # Errors
    /// `not_found`.
    pub fn source_health(
        &self,
        caller: &Caller,
        name_or_id: &str,
    ) -> BoxFuture<'_, Result<SourceHealth, Error>> {
        let (caller, wanted) = (caller.clone(), name_or_id.to_owned());
        Box::pin(async move {
            let source = self.source(&caller, &wanted).await?;
            let all = self.health_of(&caller, vec![source]).await?;
            let missing = || Error::not_found("source", &wanted);
            all.into_iter().next().ok_or_else(missing)
        })
    }

    /// How sources are, to a caller.
    pub(crate) async fn health_of(
        &self,
        caller: &Caller,
        sources: Vec<Source>,
    ) -> Result<Vec<SourceHealth>, Error> {
        let scope = caller.scope(Permission::SeeCatalog)?;
        let since = self.inner.clock.now().plus_ms(-SHOWN_MS);
        let account = caller.account_id.clone();
        let local = self.inner.clock.now();
        self.inner
            .store
            .read(move |r| {
                let mut traffic = store::traffic::since(r, &scope, since)?;
                let now = r.now(local)?;
                sources
                    .iter()
                    .map(|source| look_at(r, (&scope, &account), source, &mut traffic, now))
                    .collect()
            })
            .await
    }
}

fn look_at(
    r: &mut store::Reader<'_>,
    (scope, account): (&Scope, &AccountId),
    source: &Source,
    traffic: &mut BTreeMap<SourceId, Traffic>,
    now: Timestamp,
) -> Result<SourceHealth, Error> {
    let calls = traffic.remove(&source.id).unwrap_or_default();
    // The first is what a call of this person carries.
    let found = store::credentials::for_source(r, scope, &source.id, account)?;
    let credential = found.into_iter().next().map(|(credential, _)| credential);
    Ok(SourceHealth {
        reasons: reasons(source, &calls, credential.as_ref(), now),
        source: source.clone(),
        calls,
    })
}

/// What is wrong with a credential that was granted, and what to do.
fn of_connection(
    credential: &Credential,
    name: &str,
    now: Timestamp,
) -> Option<(&'static str, String, String)> {
    let connection = credential.connection.as_ref()?;
    let reason = connection.reason(now).unwrap_or_default();
    let anew = format!("`executor credentials connect {name}` connects it anew");
    Some(match connection.shown_state(now) {
        "reauthorization_required" => (
            "reauthorization_required",
            format!("somebody has to agree to its credential anew: {reason}"),
            anew,
        ),
        "error" => (
            "credential_failed",
            format!("its credential cannot be renewed: {reason}"),
            anew,
        ),
        "expiring" => {
            let at = connection.expires_at.map(Timestamp::to_rfc3339);
            let at = at.unwrap_or_else(|| "soon".to_owned());
            let next = if connection.renewable {
                format!("it is tried again by itself; {anew}")
            } else {
                anew
            };
            let message = format!("its credential ceases to work at {at}: {reason}");
            ("credential_expiring", message, next)
        }
        _ => return None,
    })
}

fn reasons(
    source: &Source,
    calls: &Traffic,
    credential: Option<&Credential>,
    now: Timestamp,
) -> Vec<Reason> {
    let has_credential = source.auth.is_empty() || credential.is_some();
    let name = &source.name;
    let mut all = Vec::new();
    let mut add = |code, message, next_step: String| {
        all.push(Reason {
            code,
            message,
            next_step,
        });
    };
    let on = match &source.status {
        SourceStatus::Degraded { reason } => {
            let next = format!("`executor sources refresh {name}` tries again");
            add("degraded", reason.clone(), next);
            true
        }
        SourceStatus::Ready => true,
        SourceStatus::Disabled => false,
    };
    let connection = credential.and_then(|c| of_connection(c, name, now));
    if let Some((code, message, next)) = connection.filter(|_| on) {
        add(code, message, next);
    } else if on && calls.rejected_in_a_row >= REJECTED_MIN {
        let message = format!(
            "the last {} calls were refused for their credential",
            calls.rejected_in_a_row
        );
        let next = format!("`executor credentials set {name}` sets another");
        add("credential_rejected", message, next);
    } else if on && !has_credential {
        let message = "it says that it wants a credential, and none is set for you".to_owned();
        let next = format!("`executor credentials set {name}` sets it");
        add("credential_missing", message, next);
    }
    if on && calls.calls >= CALLS_MIN && calls.failed * 2 > calls.calls {
        let last = calls.last_failure.map_or("", |(_, code)| code.as_str());
        let message = format!(
            "{} of {} calls in 24 hours failed, the last with {last}",
            calls.failed, calls.calls
        );
        add(
            "calls_failing",
            message,
            "see whether the API is up".to_owned(),
        );
    }
    let waiting = source.upkeep.unreviewed.len();
    if waiting > 0 {
        let message =
            format!("{waiting} of its tools ask until somebody has looked at them as they are now");
        let next = format!("`executor sources review {name}` shows what is new or changed");
        add("unreviewed", message, next);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::CredentialId;
    use domain::credential::CredentialScope;
    use domain::oauth::{Connection, ConnectionState, Flow};
    use domain::source::AuthScheme;

    const DAY_MS: i64 = 24 * 3_600_000;

    fn credential(connection: Option<Connection>) -> Credential {
        Credential {
            id: CredentialId::from_bits([1; 16]),
            source_id: SourceId::from_bits([2; 16]),
            scope: CredentialScope::Workspace,
            account_id: AccountId::from_bits([3; 16]),
            label: String::new(),
            scheme: AuthScheme::Bearer,
            version: 1,
            created_at: Timestamp(0),
            rotated_at: Timestamp(0),
            last_used_at: None,
            last_used_by: None,
            connection,
        }
    }

    fn connection(state: ConnectionState, renewable: bool, failures: u32) -> Connection {
        Connection {
            issuer: "https://as.example".to_owned(),
            flow: Flow::Browser,
            account: None,
            scopes: Vec::new(),
            wanted: Vec::new(),
            step_ups: 0,
            renewable,
            granted_at: Timestamp(0),
            issued_at: Timestamp(0),
            expires_at: Some(Timestamp(DAY_MS)),
            failures,
            failed_at: None,
            state,
        }
    }

    #[test]
    fn a_credential_that_ends_or_fails_is_told_with_its_reason_and_what_to_do() {
        let over = |reason: &str| ConnectionState::ReauthorizationRequired {
            reason: reason.to_owned(),
        };
        let failed = ConnectionState::Error {
            reason: "the client is unknown".to_owned(),
        };
        let connected = || ConnectionState::Connected;
        let (noon, late, after) = (DAY_MS / 2, DAY_MS - 60_000, DAY_MS + 1);
        for (state, renewable, failures, now, expected) in [
            (connected(), true, 0, noon, None),
            (connected(), true, 0, late, None),
            (
                connected(),
                true,
                3,
                late,
                Some(("credential_expiring", "3 tries")),
            ),
            (
                connected(),
                false,
                0,
                late,
                Some(("credential_expiring", "nothing to renew")),
            ),
            (
                connected(),
                false,
                0,
                after,
                Some(("reauthorization_required", "has expired")),
            ),
            (
                over("it was revoked"),
                true,
                0,
                noon,
                Some(("reauthorization_required", "it was revoked")),
            ),
            (
                failed,
                true,
                1,
                noon,
                Some(("credential_failed", "the client is unknown")),
            ),
        ] {
            let credential = credential(Some(connection(state.clone(), renewable, failures)));
            let told = of_connection(&credential, "shop", Timestamp(now));
            let case = format!("{state:?} at {now}: {told:?}");
            match (told, expected) {
                (None, None) => {}
                (Some((code, message, next)), Some((wanted, why))) => {
                    assert_eq!(code, wanted, "{case}");
                    assert!(message.contains(why), "{case}");
                    assert!(next.contains("credentials connect shop"), "{case}");
                }
                (_, _) => panic!("{case}"),
            }
        }
        assert!(of_connection(&credential(None), "shop", Timestamp(noon)).is_none());
    }
}
