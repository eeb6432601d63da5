//! How fast a chain of audit entries is verified: every hash recomputed, on one core.
//!
//! `cargo run --release -p executor-domain --example verify` prints entries per second for entries
//! like those of calls. Measures; promises nothing.

#![expect(clippy::print_stdout)]

use domain::audit::{AuditDraft, AuditEntry, Chain, GENESIS, Origin};
use domain::{AccountId, AuditId, KeyId, OrganizationId, Timestamp, WorkspaceId};
use std::hint::black_box;
use std::time::Instant;

const ENTRIES: i64 = 200_000;
const ROUNDS: u32 = 5;

fn main() {
    let mut entries: Vec<AuditEntry> = Vec::new();
    for n in 1..=ENTRIES {
        let before = entries.last().map_or(GENESIS, |e| e.hash.as_str());
        let (organization, before) = (OrganizationId::from_bits([2; 16]), before.to_owned());
        entries.push(AuditEntry::chain(organization, n, before, draft(n)));
    }
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (mut chain, begun) = (Chain::default(), Instant::now());
        for entry in &entries {
            chain.take(black_box(entry)).expect("the chain holds");
        }
        let seconds = begun.elapsed().as_secs_f64();
        best = best.max(ENTRIES as f64 / seconds);
    }
    println!("{best:.0} entries/s, the best of {ROUNDS} rounds over {ENTRIES} entries");
}

fn draft(n: i64) -> AuditDraft {
    AuditDraft {
        id: AuditId::from_bits(i128::from(n).to_be_bytes()),
        workspace_id: WorkspaceId::from_bits([1; 16]),
        account_id: Some(AccountId::from_bits([3; 16])),
        via: "mcp".into(),
        origin: Origin {
            client: "claude-code/2.1".into(),
            key_id: Some(KeyId::from_bits([4; 16])),
            address: Some("203.0.113.9".into()),
            request_id: Some("req_0123456789abcdef".into()),
        },
        action: "call.sent".into(),
        subject: "call_0000000000000000000000000g".into(),
        detail: format!(
            "{{\"task\":\"task_0000000000000000000000000g\",\"sequence\":{n},\"tool\":\
             \"ledger.items.createItem\",\"arguments\":\
             \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}}"
        ),
        at: Timestamp(1_795_373_640_000 + n),
    }
}
