//! The hashes of the journal: what they cover, and the check of a whole journal. They are
//! packed: there are two to each call.

use super::Journaled;
use crate::tasks::Header;
use crate::{Error, packed};
use domain::call::{Call, Delivery};
use domain::{RuleId, SourceId, TaskId};

fn hash(parts: &[&[u8]]) -> String {
    packed::pack(&domain::canonical::sha256_parts(parts)).into_owned()
}

pub(super) fn genesis(task_id: &TaskId, header: &Header) -> String {
    let pins = &header.pins;
    let mut parts = vec![
        b"executor-journal-1".as_slice(),
        task_id.as_str().as_bytes(),
        header.seed.as_bytes(),
        pins.source.as_bytes(),
        pins.code.as_bytes(),
        pins.engine.as_bytes(),
    ];
    // Only where one was chosen: what was recorded without stays as it was.
    parts.extend(pins.run_as.as_ref().map(|id| id.as_str().as_bytes()));
    hash(&parts)
}

/// What the program did: replay must find it again. The arguments are taken as their row has them.
pub(super) fn chain(before: &str, call: &Call, arguments: &str) -> String {
    let (line, column) = call.position.unwrap_or_default();
    hash(&[
        b"executor-call-1",
        before.as_bytes(),
        call.id.as_str().as_bytes(),
        &call.binding.sequence.to_be_bytes(),
        call.binding.tool.as_bytes(),
        call.binding.arguments_digest.as_bytes(),
        arguments.as_bytes(),
        call.options.as_bytes(),
        &line.to_be_bytes(),
        &column.to_be_bytes(),
        &call.started_at.0.to_be_bytes(),
    ])
}

/// What was decided about it, what came of it, as its row has it, and when the program was told.
pub(super) fn outcome_hash(
    chain: &str,
    call: &Call,
    status: &str,
    outcome: Option<&str>,
    delivery: Option<&Delivery>,
) -> String {
    let (order, now, elapsed_ms) = delivery.map_or((0, 0, 0), |d| (d.order, d.now.0, d.elapsed_ms));
    hash(&[
        b"executor-outcome-1",
        chain.as_bytes(),
        call.binding.definition_digest.as_bytes(),
        &call.binding.policy_version.to_be_bytes(),
        call.source_id
            .as_ref()
            .map_or("", SourceId::as_str)
            .as_bytes(),
        call.risk.as_str().as_bytes(),
        call.decision.as_bytes(),
        call.rule_id.as_ref().map_or("", RuleId::as_str).as_bytes(),
        status.as_bytes(),
        outcome.unwrap_or_default().as_bytes(),
        &order.to_be_bytes(),
        &now.to_be_bytes(),
        &elapsed_ms.to_be_bytes(),
    ])
}

pub(super) fn verify(task_id: &TaskId, header: &Header, rows: &[Journaled]) -> Result<(), Error> {
    let mut before = genesis(task_id, header);
    let mut orders: Vec<u32> = Vec::new();
    for (expected, row) in (1u32..).zip(rows) {
        let broken = |what| {
            Err(Error::JournalBroken {
                task_id: task_id.clone(),
                sequence: expected,
                what,
            })
        };
        if row.call.binding.sequence != expected {
            return broken("the call is missing");
        }
        if chain(&before, &row.call, &row.call.arguments) != row.chain {
            return broken("the call, or one before it, was changed after it was written");
        }
        let delivery = row.call.delivery.as_ref();
        orders.extend(delivery.map(|d| d.order));
        let outcome = row.outcome.as_deref();
        let found = row
            .call
            .finished_at
            .map(|_| outcome_hash(&row.chain, &row.call, &row.status, outcome, delivery));
        if found != row.outcome_hash || (delivery.is_some() && found.is_none()) {
            return broken("its decision, outcome or delivery was changed after it was written");
        }
        before.clone_from(&row.chain);
    }
    orders.sort_unstable();
    match (1u32..)
        .zip(&orders)
        .find(|(expected, order)| expected != *order)
    {
        None => Ok(()),
        Some((sequence, _)) => Err(Error::JournalBroken {
            task_id: task_id.clone(),
            sequence,
            what: "a delivery is missing; the number is its place in the order",
        }),
    }
}
