//! Who has sent tasks lately: what the dashboard shows of agents, and what a rule may stop. How one is
//! stopped is in `clients/stop.rs`.

mod stop;

use crate::settings::sees_all_tasks;
use crate::{Engine, Error};
use domain::Timestamp;
use domain::access::{Caller, Permission};
use futures_util::future::BoxFuture;
pub use stop::{StopClient, Stopped};
pub use store::tasks::{ClientName, SeenClient};

/// How far back is looked: a week.
const LOOK_BACK_MS: i64 = 7 * 24 * 3_600_000;
/// Of which tasks calls are counted: those of a day.
const DAY_MS: i64 = 24 * 3_600_000;
/// Clients that one answer tells of at most.
const CLIENTS_MAX: u32 = 500;

impl Engine {
    /// The clients that have sent tasks in the last seven days, the latest first, 500 at most, and since
    /// when was looked. A member sees their own, or everybody's where the workspace lets them.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn clients_seen(
        &self,
        caller: &Caller,
    ) -> BoxFuture<'_, Result<(Timestamp, Vec<SeenClient>), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let now = self.inner.clock.now();
            let (since, day) = (now.plus_ms(-LOOK_BACK_MS), now.plus_ms(-DAY_MS));
            self.inner
                .store
                .read(move |r| {
                    let own = !sees_all_tasks(r, &scope, &caller)?;
                    let account = own.then_some(&caller.account_id);
                    let seen =
                        store::tasks::clients(r, &scope, account, (since, day), CLIENTS_MAX)?;
                    Ok((since, seen))
                })
                .await
        })
    }
}
