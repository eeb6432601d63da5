//! Calls that were under way when a server died, once the program has made them again: repeated
//! where that does no harm, else asked about. Whether it may pass is for `gate/again.rs` to say.

use super::Run;
use crate::gate::{self, Target, Uncertain};
use crate::{Error, gate::Verdict};
use domain::approval::Approval;
use domain::call::Call;
use domain::policy::Pattern;

impl Run<'_> {
    /// Settles every call of which nobody knows whether it happened.
    pub(super) async fn settle_uncertain(&mut self) -> Result<(), Error> {
        for call in std::mem::take(&mut self.uncertain) {
            let sequence = call.binding.sequence;
            let granted = self
                .approvals
                .iter()
                .rfind(|a| a.binding.sequence == sequence && a.status.is_approved())
                .cloned();
            let target = self.target_of(&call, granted.as_ref()).await?;
            let verdict = self.uncertain(call, granted, target).await?;
            self.follow_verdict(sequence, verdict);
        }
        Ok(())
    }

    async fn uncertain(
        &mut self,
        call: Call,
        granted: Option<Approval>,
        target: Option<Target>,
    ) -> Result<Verdict, Error> {
        let repeatable = target.as_ref().is_some_and(is_repeatable);
        let now = self.now();
        let (scope, lease, task) = (self.scope.clone(), self.lease.clone(), self.task.clone());
        self.commit(move |tx| {
            gate::uncertain(
                tx,
                &Uncertain {
                    scope: &scope,
                    lease: &lease,
                    task: &task,
                    call: &call,
                    granted: granted.as_ref(),
                    target: target.as_ref(),
                    repeatable,
                    now,
                },
            )
        })
        .await
    }
}

/// Whether sending a call twice does what sending it once does: it only reads, or its source or an
/// administrator says so. That HTTP calls PUT and DELETE idempotent is no such word: the second
/// answer differs, and many an API counts, notifies or bills each time.
fn is_repeatable(target: &Target) -> bool {
    let tool = &target.tool;
    let by_administrator = |p: &Pattern| p.matches(&tool.path);
    target.risk == domain::tool::Risk::Read
        || tools::is_idempotent(tool)
        || target.source.source.idempotent.iter().any(by_administrator)
}
