//! Everything a run writes goes through here, in the order in which it happened.
//!
//! The outcome of a call that only reads may be given to the program before it is durable, and is
//! then written with whatever the run writes next: until then nothing that rests on it has left the
//! sandbox. Were the server to die in between, the call would be read again. The outcome of any
//! other call is durable before the program hears of it.

use super::logs::write_logs;
use super::{Run, sandbox_outcome};
use crate::{Error, entropy, gate};
use domain::call::{Call, CallStatus, Delivery};
use domain::tool::Risk;
use domain::{CredentialId, HandleId, Timestamp};
use sandbox::Command;
use serde_json::json;

/// Bytes of a large value that its handle shows.
const PREVIEW_BYTES: usize = 2 << 10;

/// A call with its outcome, and the whole value where the outcome is only a handle to it.
pub(super) struct Settled {
    call: Call,
    status: CallStatus,
    large: Option<(HandleId, String)>,
    delivery: Option<Delivery>,
    at: Timestamp,
    opened: Option<CredentialId>,
}

impl Run<'_> {
    /// Writes what has happened since the last write, then does `job`, all in one transaction.
    pub(super) async fn commit<T: Send + 'static>(
        &mut self,
        job: impl Fn(&mut store::Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let outcomes = std::mem::take(&mut self.unwritten);
        let lines = self.take_logs();
        let starts = std::mem::take(&mut self.is_start_unwritten)
            .then(|| (self.task.created_at, self.task.sandbox_starts.clone()));
        let (scope, lease, now) = (self.scope.clone(), self.lease.clone(), self.now());
        let done = self.engine.commit(&self.scope, move |tx| {
            for outcome in &outcomes {
                write_outcome(tx, &scope, &lease, outcome)?;
            }
            if let Some((created_at, starts)) = &starts {
                store::tasks::note_starts(tx, &lease, *created_at, starts)?;
            }
            write_logs(tx, &scope, &lease, &lines, now)?;
            job(tx)
        });
        done.await
    }

    /// Writes what has happened since the last write, if anything has.
    pub(super) async fn write_all(&mut self) -> Result<(), Error> {
        if self.unwritten.is_empty() && self.logs.buffer.is_empty() {
            return Ok(());
        }
        self.commit(|_| Ok(())).await
    }

    /// Gives outcomes to the program, each with its place in the order of delivery.
    pub(super) async fn deliver_ready(&mut self) -> Result<(), Error> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let shown = self.clock.delivery_date(now);
        let elapsed_ms = self.clock.elapsed_ms(now);
        let mut outcomes = self.take_ready();
        let mut commands = Vec::with_capacity(outcomes.len());
        for outcome in &mut outcomes {
            self.deliveries += 1;
            outcome.delivery = Some(Delivery {
                order: self.deliveries,
                now: shown,
                elapsed_ms,
            });
            let binding = &outcome.call.binding;
            commands.push(Command::Deliver {
                seq: binding.sequence,
                now_ms: shown.0,
                elapsed_ms,
                outcome: sandbox_outcome(&binding.tool, &outcome.status),
            });
            self.calls.remove(&binding.sequence);
        }
        let only_read = outcomes.iter().all(|o| o.call.risk == Risk::Read);
        self.unwritten.append(&mut outcomes);
        if !only_read {
            self.write_all().await?;
        }
        for command in commands {
            self.command(command);
        }
        Ok(())
    }

    /// Takes outcomes that the program will not be told, because it has ended or its sandbox died,
    /// into what is written next.
    pub(super) fn settle_undelivered(&mut self) {
        let mut outcomes = self.take_ready();
        for outcome in &outcomes {
            self.calls.remove(&outcome.call.binding.sequence);
        }
        self.unwritten.append(&mut outcomes);
    }

    fn take_ready(&mut self) -> Vec<Settled> {
        let limit = self.task.limits.tool_result_bytes;
        let at = self.now();
        std::mem::take(&mut self.ready)
            .into_iter()
            .filter_map(|(sequence, status)| {
                let call = self.made.get(&sequence)?.clone();
                let (status, large) = within(status, limit);
                Some(Settled {
                    call,
                    status,
                    large,
                    delivery: None,
                    at,
                    opened: self.opened.remove(&sequence),
                })
            })
            .collect()
    }
}

fn write_outcome(
    tx: &mut store::Tx<'_>,
    scope: &domain::access::Scope,
    lease: &domain::task::Lease,
    outcome: &Settled,
) -> Result<(), Error> {
    let Settled {
        call,
        status,
        large,
        delivery,
        at,
        opened,
    } = outcome;
    if let Some((handle, text)) = large {
        store::handles::insert(tx, scope, handle, &lease.task_id, text, *at)?;
    }
    store::calls::record_outcome(tx, lease, call.binding.sequence, status, *at, *delivery)?;
    if let Some(id) = opened {
        store::calls::note_credential(tx, lease, call.binding.sequence, id)?;
    }
    gate::call_event(tx, scope, call, status.as_str(), *at)
}

/// Puts a handle in the place of a value over a limit; never a silent cut.
pub(super) fn handle_for(text: &str) -> (HandleId, String) {
    let id = HandleId::from_bits(entropy::bits());
    let mut end = PREVIEW_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let handle = json!({ "$handle": id, "bytes": text.len(), "preview": &text[..end] });
    (id, handle.to_string())
}

fn within(status: CallStatus, limit: u64) -> (CallStatus, Option<(HandleId, String)>) {
    if let CallStatus::Succeeded(text) = &status
        && text.len() as u64 > limit
    {
        let (id, handle) = handle_for(text);
        return (CallStatus::Succeeded(handle), Some((id, text.clone())));
    }
    (status, None)
}
