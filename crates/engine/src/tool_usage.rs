//! What the calls of one tool came to lately: how many, how they ended, how long they took, who made
//! them, and the latest of them. It counts only what the caller may see.

use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::access::{Caller, Channel, Permission};
use domain::{AccountId, Timestamp};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use store::tool_usage::{EndedCall, Looked};

/// How far back is looked: thirty days.
const LOOK_BACK_MS: i64 = 30 * 24 * 3_600_000;
/// Calls that are looked through at most, the latest ones.
const CALLS_MAX: u32 = 10_000;
/// Calls that are shown one by one.
const RECENT_MAX: usize = 20;
/// Clients that are told of.
const CLIENTS_MAX: usize = 50;

/// What the calls of one tool came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolUsage {
    /// The tool's path.
    pub path: String,
    /// Since when calls were counted, by when they ended.
    pub since: Timestamp,
    /// Whether older calls of the last thirty days were left out, because there are too many.
    pub is_cut: bool,
    /// Whether only the caller's own calls were counted.
    pub own_only: bool,
    /// What they came to.
    pub counts: Counts,
    /// When the last of them ended.
    pub last_at: Option<Timestamp>,
    /// How long those took that were sent; none where none was.
    pub latency: Option<Latency>,
    /// Who made them, the busiest first; fifty at most.
    pub clients: Vec<ClientUsage>,
    /// The latest of them; twenty at most.
    pub recent: Vec<EndedCall>,
}

/// How many calls ended how, and what was decided about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub calls: u64,
    /// By how they ended: `succeeded`, `failed`, `denied`.
    pub outcomes: BTreeMap<String, u64>,
    /// By what was decided: `allow`, `ask`, `deny`, and `none` for those refused before that.
    pub decisions: BTreeMap<String, u64>,
}

/// How long calls took from when they were sent to when they ended, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50_ms: u64,
    /// Nineteen in twenty took no longer.
    pub p95_ms: u64,
}

/// The calls of one client for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUsage {
    /// What it calls itself; may be empty.
    pub client: String,
    /// Through what its tasks came.
    pub channel: Channel,
    /// Whose tasks they are.
    pub account_id: AccountId,
    /// How many calls.
    pub calls: u64,
    /// How many of them did not succeed.
    pub failed: u64,
    /// When the last of them ended.
    pub last_at: Timestamp,
}

impl Engine {
    /// What the calls of a tool came to in the last thirty days. At most the 10,000 latest calls of
    /// the workspace are looked through; a member counts their own among them, or everybody's where
    /// the workspace lets them.
    ///
    /// # Errors
    /// `forbidden`; `not_found`, naming the nearest paths.
    pub fn tool_usage(
        &self,
        caller: &Caller,
        path: &str,
    ) -> BoxFuture<'_, Result<ToolUsage, Error>> {
        let (caller, path) = (caller.clone(), path.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeTasks)?;
            let path = self.exact_path(&caller, &path).await?;
            let since = self.inner.clock.now().plus_ms(-LOOK_BACK_MS);
            self.inner
                .store
                .read(move |r| {
                    let own_only = !sees_all_tasks(r, &scope, &caller)?;
                    let account = own_only.then_some(&caller.account_id);
                    let looked = Looked {
                        tool: &path,
                        since,
                        calls_max: CALLS_MAX,
                    };
                    let calls = store::tool_usage::ended(r, &scope, looked, account)?;
                    let cut_at = store::tool_usage::cut_at(r, &scope, looked)?;
                    Ok(ToolUsage {
                        path: path.clone(),
                        since: cut_at.unwrap_or(since),
                        is_cut: cut_at.is_some(),
                        own_only,
                        counts: counts(&calls),
                        last_at: calls.first().map(|call| call.finished_at),
                        latency: latency(&calls),
                        clients: clients(&calls),
                        recent: calls.into_iter().take(RECENT_MAX).collect(),
                    })
                })
                .await
        })
    }
}

fn counts(calls: &[EndedCall]) -> Counts {
    let mut counts = Counts::default();
    for call in calls {
        counts.calls += 1;
        *counts.outcomes.entry(call.status.clone()).or_default() += 1;
        *counts.decisions.entry(call.decision.clone()).or_default() += 1;
    }
    counts
}

/// Of calls that were sent; the nearest rank, so that each figure is one that was measured.
fn latency(calls: &[EndedCall]) -> Option<Latency> {
    let mut all: Vec<u64> = calls.iter().filter_map(EndedCall::took_ms).collect();
    all.sort_unstable();
    let rank = |percent: usize| {
        let place = (all.len() * percent).div_ceil(100);
        all.get(place.saturating_sub(1)).copied()
    };
    Some(Latency {
        p50_ms: rank(50)?,
        p95_ms: rank(95)?,
    })
}

fn clients(calls: &[EndedCall]) -> Vec<ClientUsage> {
    let mut found: BTreeMap<(&str, &str, &AccountId), ClientUsage> = BTreeMap::new();
    // The latest call of each comes first, and is the one that is kept of its time.
    for call in calls {
        let who = (
            call.client.as_str(),
            call.channel.as_str(),
            &call.account_id,
        );
        let usage = found.entry(who).or_insert_with(|| ClientUsage {
            client: call.client.clone(),
            channel: call.channel,
            account_id: call.account_id.clone(),
            calls: 0,
            failed: 0,
            last_at: call.finished_at,
        });
        usage.calls += 1;
        usage.failed += u64::from(call.status != "succeeded");
    }
    let mut found: Vec<ClientUsage> = found.into_values().collect();
    found.sort_by_key(|usage| std::cmp::Reverse((usage.calls, usage.last_at)));
    found.truncate(CLIENTS_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TaskId;

    fn call(n: i64, status: &str, took_ms: Option<i64>, client: &str) -> EndedCall {
        EndedCall {
            task_id: TaskId::from_bits([1; 16]),
            sequence: 1,
            status: status.to_owned(),
            decision: if took_ms.is_some() { "allow" } else { "deny" }.to_owned(),
            sent_at: took_ms.map(|ms| Timestamp(1_000 - n - ms)),
            finished_at: Timestamp(1_000 - n),
            account_id: AccountId::from_bits([2; 16]),
            client: client.to_owned(),
            channel: Channel::Mcp,
        }
    }

    #[test]
    fn nothing_is_counted_of_nothing() {
        assert_eq!(counts(&[]), Counts::default());
        assert_eq!(latency(&[]), None);
        assert_eq!(clients(&[]), []);
    }

    #[test]
    fn calls_are_counted_by_end_decision_and_client() {
        let calls = [
            call(0, "denied", None, "b"),
            call(1, "succeeded", Some(5), "a"),
            call(2, "failed", Some(7), "a"),
            call(3, "succeeded", Some(9), "a"),
        ];
        let counted = counts(&calls);
        assert_eq!(counted.calls, 4);
        let by = |map: &BTreeMap<String, u64>, name: &str| map.get(name).copied();
        assert_eq!(by(&counted.outcomes, "succeeded"), Some(2));
        assert_eq!(by(&counted.outcomes, "failed"), Some(1));
        assert_eq!(by(&counted.outcomes, "denied"), Some(1));
        assert_eq!(by(&counted.decisions, "allow"), Some(3));
        assert_eq!(by(&counted.decisions, "deny"), Some(1));
        let seen = clients(&calls);
        let told: Vec<_> = seen
            .iter()
            .map(|c| (c.client.as_str(), c.calls, c.failed, c.last_at.0))
            .collect();
        assert_eq!(told, [("a", 3, 1, 999), ("b", 1, 1, 1_000)]);
    }

    #[test]
    fn percentiles_are_measured_figures_of_what_was_sent() {
        let one = [call(0, "succeeded", Some(40), "a")];
        let alone = latency(&one).map(|l| (l.p50_ms, l.p95_ms));
        assert_eq!(alone, Some((40, 40)));
        let many: Vec<EndedCall> = (1..=100)
            .rev()
            .map(|ms| call(0, "succeeded", Some(ms), "a"))
            .chain([call(0, "denied", None, "a")])
            .collect();
        let of_many = latency(&many).map(|l| (l.p50_ms, l.p95_ms));
        assert_eq!(of_many, Some((50, 95)));
    }
}
