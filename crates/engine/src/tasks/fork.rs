//! A task that goes on from another's record: the outcomes of the calls before a chosen one are taken
//! over, and from there on it is a task like any other.
//!
//! What is taken over is the journal that rebuilds a task after a crash, under the new task's name: so
//! the program runs again and is answered as it was, with the same random numbers and the same clock,
//! and one that takes another way fails with `replay_diverged` before anything is sent. The new calls
//! pass the gate as of now.

use super::submit::submitted;
use super::{NewTask, TaskView};
use crate::quotas::count_into_day;
use crate::run::outcome_of;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission};
use domain::call::Call;
use domain::task::{Fork, Task};
use domain::{CallId, TaskId, Timestamp};
use futures_util::future::BoxFuture;

/// Where to go on from another task's record, and with what.
#[derive(Debug, Clone, Default)]
pub struct NewFork {
    /// The first call that is made anew, from 1; the outcomes of those before are taken over.
    pub from_call: u32,
    /// Another program; the same if absent. It must make the same calls up to there.
    pub code: Option<String>,
    /// Wall time in milliseconds; that of the other task if absent.
    pub timeout_ms: Option<u64>,
}

impl Engine {
    /// Submits a task that goes on from the record of another one, as a task of the caller.
    ///
    /// # Errors
    /// `not_found`; `invalid_call` for a call that the task did not come to; `no_outcome` where one
    /// before it has none; those of [`Engine::submit_task`].
    pub fn fork_task(
        &self,
        caller: &Caller,
        id: &TaskId,
        new: NewFork,
    ) -> BoxFuture<'_, Result<TaskView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let origin = self.task(&caller, &id).await?.task;
            let scope = caller.scope(Permission::RunTasks)?;
            let recorded = self
                .inner
                .store
                .read({
                    let (scope, id) = (scope.clone(), id.clone());
                    move |r| Ok::<_, Error>(store::calls::list(r, &scope, &id)?)
                })
                .await?;
            let settings = self.settings_at_hand(&scope).await?;
            let clock = origin.clock_begins();
            let from_call = new.from_call;
            let program = NewTask {
                code: new.code.unwrap_or(origin.code),
                timeout_ms: Some(new.timeout_ms.unwrap_or(origin.limits.wall_ms)),
                runtime_id: Some(origin.runtime_id),
                metadata: serde_json::from_str(&origin.metadata).ok(),
                idempotency_key: None,
                run_as: origin.pins.run_as,
            };
            if let Some(chosen) = &program.run_as {
                self.usable_credential(&caller, &scope, chosen).await?;
            }
            let (prepared, _) = self.prepare(&caller, &program, &settings)?;
            let mut task = Task {
                seed: origin.seed,
                // Whoever claims it rebuilds it, as after a crash.
                attempts: 1,
                ..prepared
            };
            task.pins.fork = Some(Fork {
                task_id: id,
                from_call,
                clock,
            });
            let calls = taken_over(recorded, from_call, &task.id, task.created_at)?;
            self.take_place(&scope, &settings).await?;
            self.commit(&scope, {
                let (scope, task) = (scope.clone(), task.clone());
                let owner = self.inner.worker.owner().to_owned();
                move |tx| {
                    store::tasks::insert(tx, &scope, &task)?;
                    count_into_day(tx, &scope, &task, &settings)?;
                    submitted(tx, &scope, &task, None)?;
                    let lease = store::tasks::take_over(tx, &scope, &task.id, &owner)?;
                    let lease = lease.ok_or(Error::LostLease)?;
                    for call in &calls {
                        store::calls::insert(tx, &lease, &scope, call)?;
                    }
                    store::tasks::release(tx, &lease, None)?;
                    Ok(())
                }
            })
            .await?;
            self.inner.worker.kick();
            Ok(TaskView {
                task,
                approvals: Vec::new(),
                calls: None,
            })
        })
    }
}

/// The calls before `from_call` as calls of another task: each with its outcome, told in the same
/// order and at the same readings of the program's clock, and none of them sent.
fn taken_over(
    recorded: Vec<Call>,
    from_call: u32,
    task: &TaskId,
    now: Timestamp,
) -> Result<Vec<Call>, Error> {
    let made = u32::try_from(recorded.len()).unwrap_or(u32::MAX);
    if from_call == 0 || from_call > made.saturating_add(1) {
        return Err(Error::invalid(
            "invalid_call",
            format!(
                "fromCall must be from 1 to {}, not {from_call}: the task made {made} calls",
                made.saturating_add(1)
            ),
        ));
    }
    let before = recorded
        .into_iter()
        .filter(|call| call.binding.sequence < from_call);
    let mut calls = Vec::new();
    for mut call in before {
        let sequence = call.binding.sequence;
        if outcome_of(&call).is_none() {
            return Err(Error::conflict(
                "no_outcome",
                format!(
                    "call {sequence} has no outcome that could be taken over; begin at call \
                     {sequence} or before"
                ),
            ));
        }
        call.id = CallId::from_bits(entropy::bits());
        call.binding.task_id = task.clone();
        call.started_at = now;
        call.sent_at = None;
        call.finished_at = Some(now);
        calls.push(call);
    }
    let mut told: Vec<&mut Call> = calls.iter_mut().filter(|c| c.delivery.is_some()).collect();
    told.sort_by_key(|call| call.delivery.map(|d| d.order));
    for (order, call) in (1u32..).zip(told) {
        if let Some(delivery) = &mut call.delivery {
            delivery.order = order;
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::call::{Binding, CallStatus, Delivery};
    use domain::tool::Risk;

    fn call(sequence: u32, order: Option<u32>, status: CallStatus) -> Call {
        Call {
            id: CallId::from_bits([u8::try_from(sequence).unwrap(); 16]),
            binding: Binding {
                task_id: TaskId::from_bits([1; 16]),
                sequence,
                tool: "ledger.items.listItems".into(),
                definition_digest: String::new(),
                arguments_digest: String::new(),
                policy_version: 1,
            },
            source_id: None,
            arguments: "{}".into(),
            options: "{}".into(),
            risk: Risk::Read,
            decision: "allow",
            rule_id: None,
            position: None,
            status,
            started_at: Timestamp(10),
            sent_at: Some(Timestamp(11)),
            finished_at: Some(Timestamp(12)),
            delivery: order.map(|order| Delivery {
                order,
                now: Timestamp(1_000 + i64::from(order)),
                elapsed_ms: u64::from(order),
            }),
        }
    }

    fn done() -> CallStatus {
        CallStatus::Succeeded("1".into())
    }

    #[test]
    fn what_was_told_before_is_told_in_the_same_order_without_gaps() {
        let recorded = vec![
            call(1, Some(4), done()),
            call(2, Some(1), done()),
            call(3, Some(2), done()),
            call(4, Some(3), done()),
        ];
        let task = TaskId::from_bits([2; 16]);
        let calls = taken_over(recorded, 4, &task, Timestamp(50)).unwrap();
        let orders: Vec<_> = calls.iter().filter_map(|c| c.delivery).collect();
        assert_eq!(
            orders.iter().map(|d| d.order).collect::<Vec<_>>(),
            [3, 1, 2]
        );
        // The program reads the clock that it read then.
        assert_eq!(orders[0].now, Timestamp(1_004));
        assert!(calls.iter().all(|c| c.sent_at.is_none()));
        assert!(calls.iter().all(|c| c.binding.task_id == task));
    }

    #[test]
    fn a_call_without_an_outcome_is_not_taken_over() {
        let recorded = || vec![call(1, Some(1), done()), call(2, None, CallStatus::Unknown)];
        let task = TaskId::from_bits([2; 16]);
        let code = |from| match taken_over(recorded(), from, &task, Timestamp(50)) {
            Ok(calls) => format!("{} calls", calls.len()),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(code(0), "invalid_call");
        assert_eq!(code(1), "0 calls");
        assert_eq!(code(2), "1 calls");
        assert_eq!(code(3), "no_outcome");
        assert_eq!(code(4), "invalid_call");
    }
}
