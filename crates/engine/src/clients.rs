//! Who has come lately: what the dashboard shows of agents, and what a rule may stop. Clients of MCP
//! are seen when they list the tools, all others when they send a task. How one is stopped is in
//! `clients/stop.rs`.

mod stop;

use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::Timestamp;
use domain::access::{Caller, Channel, Permission};
use domain::event::EventKind;
use futures_util::future::BoxFuture;
pub use stop::{StopClient, Stopped};
use store::listings::{Lister, Listing};
pub use store::tasks::{ClientName, SeenClient};

/// How far back is looked: a week.
const LOOK_BACK_MS: i64 = 7 * 24 * 3_600_000;
/// Of which tasks calls are counted: those of a day.
const DAY_MS: i64 = 24 * 3_600_000;
/// Clients that one answer tells of at most.
const CLIENTS_MAX: u32 = 500;
/// How often it is noted again that a client listed the same tools.
const SAME_MS: u64 = 3_600_000;
/// How often it is noted that it was shown another number of them.
const CHANGED_MS: u64 = 10_000;

/// A client that has sent tasks, or has listed the tools, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientView {
    /// What it has sent; of one that has sent nothing yet, when it listed.
    pub client: SeenClient,
    /// How many tools it was shown when it last listed them, and when that was.
    pub listed: Option<(u32, Timestamp)>,
}

impl Engine {
    /// The clients that have sent tasks or listed the tools in the last seven days, the latest first, 500
    /// at most, and since when was looked. A member sees their own, or everybody's where the
    /// workspace lets them.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn clients_seen(
        &self,
        caller: &Caller,
    ) -> BoxFuture<'_, Result<(Timestamp, Vec<ClientView>), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let now = self.inner.clock.now();
            let (since, day) = (now.plus_ms(-LOOK_BACK_MS), now.plus_ms(-DAY_MS));
            let (seen, listings) = self
                .inner
                .store
                .read(move |r| {
                    let own = !sees_all_tasks(r, &scope, &caller)?;
                    let account = own.then_some(&caller.account_id);
                    let seen =
                        store::tasks::clients(r, &scope, account, (since, day), CLIENTS_MAX)?;
                    let listings = store::listings::list(r, &scope, account, since, CLIENTS_MAX)?;
                    Ok::<_, Error>((seen, listings))
                })
                .await?;
            Ok((since, together(seen, listings)))
        })
    }

    /// Notes that a client of MCP was shown so many tools, and tells watchers of the workspace where
    /// that is news.
    ///
    /// # Errors
    /// `rate_limited`, `forbidden`.
    pub fn note_listing(&self, caller: &Caller, tools: u32) -> BoxFuture<'_, Result<(), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::Enter)?;
            let now = self.inner.clock.now();
            let lister = Lister {
                account_id: caller.account_id.clone(),
                key_id: caller.key_id.clone(),
                client: caller.client.clone(),
            };
            let (within, wanted) = (scope.clone(), lister.clone());
            let known = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::listings::get(r, &within, &wanted)?))
                .await?;
            let is_news = known.as_ref().is_none_or(|k| k.tools != tools);
            let patience = if is_news { CHANGED_MS } else { SAME_MS };
            if known.is_some_and(|k| now.since(k.last_at) < patience) {
                return Ok(());
            }
            // Clients name themselves: what a name makes us write counts like any request.
            self.count_request(&caller).await?;
            let within = scope.clone();
            self.commit(&scope, move |tx| {
                let times = (now.plus_ms(-LOOK_BACK_MS), now);
                store::listings::note(tx, &within, &lister, tools, times)?;
                if is_news {
                    let kind = EventKind::Client {
                        client: lister.client.clone(),
                        account_id: lister.account_id.clone(),
                        key_id: lister.key_id.clone(),
                        tools,
                    };
                    store::events::append(tx, &within, None, now, &kind)?;
                }
                Ok(())
            })
            .await
        })
    }
}

/// Each client once, with what it sent and what it was shown, the latest first.
fn together(seen: Vec<SeenClient>, listings: Vec<Listing>) -> Vec<ClientView> {
    let mut all: Vec<ClientView> = seen
        .into_iter()
        .map(|client| ClientView {
            client,
            listed: None,
        })
        .collect();
    for listing in listings {
        let listed = Some((listing.tools, listing.last_at));
        let Lister {
            account_id,
            key_id,
            client,
        } = listing.lister;
        let known = all.iter_mut().find(|view| {
            let seen = &view.client;
            seen.channel == Channel::Mcp
                && (&seen.client, &seen.account_id, &seen.key_id) == (&client, &account_id, &key_id)
        });
        if let Some(known) = known {
            known.listed = listed;
            continue;
        }
        all.push(ClientView {
            client: SeenClient {
                client,
                channel: Channel::Mcp,
                account_id,
                key_id,
                tasks: 0,
                open: 0,
                pending: 0,
                calls: 0,
                first_at: listing.first_at,
                last_at: listing.last_at,
            },
            listed,
        });
    }
    all.sort_by_key(|view| std::cmp::Reverse(view.client.last_at));
    all.truncate(CLIENTS_MAX as usize);
    all
}
