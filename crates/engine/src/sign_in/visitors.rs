//! Visitors: everybody who comes to a server in mode `anonymous` gets an organization of their own
//! with one workspace, which goes again when nobody has used it for long.
//!
//! Only the session or a key of a visitor leads to it, and only the browser that holds the session
//! can claim it. A visitor owns the workspace and still may not do what reaches beyond it: run
//! commands of the server's machine, reach private addresses, let others in, raise limits.

use super::{Browser, SignIn};
use crate::audit::by_server;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Forbidden, Person};
use domain::limits::Limit;
use domain::settings::Settings;
use domain::sign_in::{Mode, Via};
use domain::tenancy::{Access, Account, Organization, Role, Workspace};
use domain::{AccountId, OrganizationId, Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a visitor may hold and do at most.
const LIMITS: &[(Limit, u64)] = &[
    (Limit::ComputeMs, 10_000),
    (Limit::MemoryBytes, 32 << 20),
    (Limit::WallMs, 120_000),
    (Limit::Calls, 200),
    (Limit::CallsInFlight, 8),
    (Limit::ToolResultBytes, 2 << 20),
    (Limit::ApprovalsPending, 10),
    (Limit::TasksActive, 5),
    (Limit::TasksWaiting, 20),
    (Limit::TasksPerDay, 500),
    (Limit::TasksPerDayPerKey, 500),
    (Limit::WorkspaceApprovalsPending, 50),
    (Limit::Sources, 10),
    (Limit::RequestsPerSecond, 50),
    (Limit::RequestBurst, 200),
    (Limit::RequestsPerSecondEach, 20),
    (Limit::RequestBurstEach, 100),
];

/// Visits that one address may begin within an hour.
const VISITS_PER_HOUR: u32 = 60;
const HOUR_MS: u64 = 3_600_000;
/// Organizations and addresses of which something is remembered.
const KEPT_MAX: usize = 20_000;

/// How often it is looked who was not here for long.
const LOOK_MS: u64 = 60_000;

/// A visit that has begun.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The session's token.
    pub token: String,
}

/// What is remembered of visitors, so that it need not be asked with each request.
#[derive(Default)]
pub(super) struct Known {
    organizations: Mutex<HashMap<OrganizationId, bool>>,
    begun: Mutex<HashMap<String, (u32, Timestamp)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each entry is whole at any instant.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    /// What is known of an organization changes.
    pub(super) fn forget(&self, organization: &OrganizationId) {
        lock(&self.organizations).remove(organization);
    }

    fn is_one(&self, organization: &OrganizationId) -> Option<bool> {
        lock(&self.organizations).get(organization).copied()
    }

    fn learn(&self, organization: &OrganizationId, is_one: bool) {
        let mut all = lock(&self.organizations);
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert(organization.clone(), is_one);
    }

    /// Counts a visit that an address begins.
    fn count(&self, address: &str, now: Timestamp) -> Result<(), u64> {
        let mut all = lock(&self.begun);
        if all.len() >= KEPT_MAX {
            all.retain(|_, (_, since)| now.since(*since) < HOUR_MS);
        }
        let entry = all.entry(address.to_owned()).or_insert((0, now));
        if now.since(entry.1) >= HOUR_MS {
            *entry = (0, now);
        }
        if entry.0 >= VISITS_PER_HOUR {
            return Err(HOUR_MS.saturating_sub(now.since(entry.1)));
        }
        entry.0 += 1;
        Ok(())
    }
}

impl SignIn {
    fn takes_visitors(&self) -> bool {
        self.config.mode == Mode::Anonymous
    }
}

/// The rows of a visit.
struct Rows {
    organization: Organization,
    workspace: Workspace,
    account: Account,
}

impl Rows {
    fn new(now: Timestamp) -> Self {
        let id = OrganizationId::from_bits(entropy::bits());
        let slug = id.as_str().replace('_', "-");
        Self {
            workspace: Workspace {
                id: WorkspaceId::from_bits(entropy::bits()),
                organization_id: id.clone(),
                slug: "visit".to_owned(),
                name: "Visit".to_owned(),
                created_at: now,
                access: Access::Open,
                ending: None,
            },
            organization: Organization {
                id,
                slug,
                name: "Visit".to_owned(),
                created_at: now,
                ending: None,
            },
            account: Account {
                id: AccountId::from_bits(entropy::bits()),
                name: "Visitor".to_owned(),
                created_at: now,
            },
        }
    }
}

impl Engine {
    /// Gives whoever comes a workspace of their own, for a time.
    ///
    /// # Errors
    /// `no_visitors` in another mode; `too_many_tries` for an address that begins too many;
    /// `unavailable` while there are as many visitors as may be.
    pub fn begin_visit(&self, browser: &Browser) -> BoxFuture<'_, Result<Visit, Error>> {
        let browser = browser.clone();
        Box::pin(async move {
            let sign_in = &self.inner.sign_in;
            if !sign_in.takes_visitors() {
                return Err(Error::invalid(
                    "no_visitors",
                    "this server takes no visitors; sign in",
                ));
            }
            let local = self.inner.clock.now();
            let counted = sign_in.visitors.count(&browser.address, local);
            counted.map_err(|retry_after_ms| Error::TooManyTries { retry_after_ms })?;
            let (engine, system) = (self.clone(), self.inner.system);
            let most = sign_in.config.visitors_max;
            let token = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    if store::visitors::count(tx, system)? >= most {
                        return Err(Error::Unavailable {
                            message: format!(
                                "{most} visitors are here, which is as many as may be; \
                                 try again later, or sign in"
                            ),
                        });
                    }
                    let rows = Rows::new(now);
                    store::tenancy::insert(tx, system, &rows.organization, &rows.workspace)?;
                    store::tenancy::insert_account(tx, system, &rows.account)?;
                    let (organization, account) = (&rows.organization.id, &rows.account.id);
                    store::tenancy::join(tx, system, organization, account, (Role::Owner, now))?;
                    store::visitors::insert(tx, system, organization, account, now)?;
                    let scope = system.scope(organization.clone(), rows.workspace.id.clone());
                    let settings = Settings {
                        limits: LIMITS.iter().copied().collect(),
                        ..Settings::default()
                    };
                    store::settings::set(tx, &scope, &settings)?;
                    let detail = json!({ "address": browser.address });
                    let subject = account.as_str();
                    let entry = by_server(&scope, "visit.begun", subject, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    let sign_in = &engine.inner.sign_in;
                    sign_in.begin(tx, system, (account, Via::Visitor), &browser, now)
                })
                .await?;
            Ok(Visit { token })
        })
    }

    /// Whether a caller is in a visitor's workspace.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn is_visitor(&self, caller: &Caller) -> BoxFuture<'_, Result<bool, Error>> {
        let organization = caller.organization_id.clone();
        Box::pin(async move {
            let sign_in = &self.inner.sign_in;
            // Visitors of before are still visitors, whatever the mode is now.
            if let Some(known) = sign_in.visitors.is_one(&organization) {
                return Ok(known);
            }
            let (system, wanted) = (self.inner.system, organization.clone());
            let found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::visitors::is_one(r, system, &wanted)?))
                .await?;
            // Nobody becomes a visitor; a visitor may have been claimed at another server, and is
            // then held back here until somebody asks it again.
            if !found {
                sign_in.visitors.learn(&organization, found);
            }
            Ok(found)
        })
    }

    /// Refuses to a visitor what reaches beyond the workspace, in a transaction of the person's own.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn person_is_no_visitor(
        &self,
        tx: &mut store::Tx<'_>,
        person: &Person,
        what: &'static str,
    ) -> Result<(), Error> {
        if store::visitors::is_account(tx, self.inner.system, &person.account_id)? {
            return Err(Forbidden::Visitor { what }.into());
        }
        Ok(())
    }

    /// Refuses to a visitor what reaches beyond the workspace.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) async fn not_as_visitor(
        &self,
        caller: &Caller,
        what: &'static str,
    ) -> Result<(), Error> {
        if self.is_visitor(caller).await? {
            return Err(Forbidden::Visitor { what }.into());
        }
        Ok(())
    }

    /// Ends the workspaces of visitors who were not here for long. What they held is removed with
    /// their organizations.
    pub(crate) async fn visitors_loop(self) {
        while !self.is_stopping() {
            if let Err(error) = self.end_visits().await {
                tracing::warn!("workspaces of visitors could not be ended: {error}");
            }
            tokio::select! {
                biased;
                () = self.stopping() => return,
                () = self.inner.clock.sleep(LOOK_MS.min(self.visit_look_ms())) => {}
            }
        }
    }

    /// As often as a short span asks for.
    fn visit_look_ms(&self) -> u64 {
        let idle = u64::try_from(self.inner.sign_in.config.visitor_idle_ms).unwrap_or(LOOK_MS);
        (idle / 4).max(1_000)
    }

    async fn end_visits(&self) -> Result<(), Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let idle_ms = self.inner.sign_in.config.visitor_idle_ms;
        loop {
            let gone = self
                .inner
                .store
                .read(move |r| {
                    let before = r.now(local)?.plus_ms(-idle_ms);
                    Ok::<_, Error>(store::visitors::unseen_since(r, system, before)?)
                })
                .await?;
            if gone.is_empty() || self.is_stopping() {
                return Ok(());
            }
            for (organization, account) in gone {
                self.inner
                    .store
                    .write(move |tx| {
                        let now = tx.now(local)?;
                        Ok::<_, Error>(store::visitors::end(tx, system, &account, now)?)
                    })
                    .await?;
                tracing::info!(organization.id = %organization, "a visitor was not here for long");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_visitors_are_within_what_may_be_set_and_below_what_is_usual() {
        for (limit, value) in LIMITS {
            assert!(limit.allows(*value), "{limit:?}");
            assert!(*value < limit.default_value(), "{limit:?}");
        }
    }

    #[test]
    fn an_address_begins_so_many_visits_in_an_hour() {
        let known = Known::default();
        for _ in 0..VISITS_PER_HOUR {
            assert_eq!(known.count("a", Timestamp(0)), Ok(()));
        }
        assert!(known.count("a", Timestamp(1_000)).is_err());
        assert_eq!(known.count("b", Timestamp(1_000)), Ok(()));
        let later = Timestamp(i64::try_from(HOUR_MS).unwrap());
        assert_eq!(known.count("a", later), Ok(()));
    }
}
