//! The audit chain: entries that each carry the hash of the one before.
//!
//! The hash covers a length-prefixed form of every field, so no two entries share one, and an
//! entry changed, moved or taken out breaks every hash after it.

use crate::canonical::sha256_parts;
use crate::{AccountId, AuditId, OrganizationId, Timestamp, WorkspaceId};

/// Hash before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What somebody did, before it has a place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    /// Its identifier.
    pub id: AuditId,
    /// The workspace it happened in.
    pub workspace_id: WorkspaceId,
    /// The person it was done for or by; none for the server itself.
    pub account_id: Option<AccountId>,
    /// Through what: a channel's name, or `server`.
    pub via: String,
    /// What was done, such as `decision`, `call.sent`, `approval.approved`, `source.added`.
    pub action: String,
    /// What it was done to: an identifier.
    pub subject: String,
    /// What else matters, as JSON text; never a secret, never a tool's answer.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// An entry of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its place in the organization's chain, from 1, without gaps.
    pub sequence: i64,
    /// The organization whose chain it is.
    pub organization_id: OrganizationId,
    /// What was done.
    pub draft: AuditDraft,
    /// Hash of the entry before.
    pub previous_hash: String,
    /// Hash of this entry.
    pub hash: String,
}

impl AuditEntry {
    /// Puts a draft at a place in the chain.
    #[must_use]
    pub fn chain(
        organization_id: OrganizationId,
        sequence: i64,
        previous_hash: String,
        draft: AuditDraft,
    ) -> Self {
        let hash = hash(&organization_id, sequence, &previous_hash, &draft);
        Self {
            sequence,
            organization_id,
            draft,
            previous_hash,
            hash,
        }
    }

    /// Whether the entry follows the one before and its own hash is right.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it.
    pub fn verify(&self, previous: Option<&Self>) -> Result<(), String> {
        let (sequence, hash_before) =
            previous.map_or((0, GENESIS), |p| (p.sequence, p.hash.as_str()));
        if self.sequence != sequence + 1 {
            return Err(format!(
                "entry {} follows entry {sequence}: entries are missing or out of order",
                self.sequence
            ));
        }
        if self.previous_hash != hash_before {
            return Err(format!(
                "entry {} does not continue the chain: the entry before it was changed",
                self.sequence
            ));
        }
        if self.hash
            != hash(
                &self.organization_id,
                self.sequence,
                &self.previous_hash,
                &self.draft,
            )
        {
            return Err(format!(
                "entry {} was changed after it was written",
                self.sequence
            ));
        }
        Ok(())
    }
}

fn hash(
    organization_id: &OrganizationId,
    sequence: i64,
    previous_hash: &str,
    draft: &AuditDraft,
) -> String {
    sha256_parts(&[
        b"executor-audit-1",
        previous_hash.as_bytes(),
        organization_id.as_str().as_bytes(),
        &sequence.to_be_bytes(),
        draft.id.as_str().as_bytes(),
        draft.workspace_id.as_str().as_bytes(),
        draft
            .account_id
            .as_ref()
            .map_or("", AccountId::as_str)
            .as_bytes(),
        draft.via.as_bytes(),
        draft.action.as_bytes(),
        draft.subject.as_bytes(),
        draft.detail.as_bytes(),
        &draft.at.0.to_be_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<AuditEntry> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for n in 1..=3u8 {
            let draft = AuditDraft {
                id: AuditId::from_bits([n; 16]),
                workspace_id: WorkspaceId::from_bits([1; 16]),
                account_id: None,
                via: "server".into(),
                action: "decision".into(),
                subject: format!("call {n}"),
                detail: "{}".into(),
                at: Timestamp(i64::from(n)),
            };
            let before = entries
                .last()
                .map_or(GENESIS.to_owned(), |e| e.hash.clone());
            entries.push(AuditEntry::chain(
                OrganizationId::from_bits([2; 16]),
                i64::from(n),
                before,
                draft,
            ));
        }
        entries
    }

    fn first_bad(entries: &[AuditEntry]) -> Option<usize> {
        (0..entries.len()).find(|i| {
            entries[*i]
                .verify(i.checked_sub(1).map(|p| &entries[p]))
                .is_err()
        })
    }

    #[test]
    fn a_whole_chain_holds_and_every_meddling_shows() {
        assert_eq!(first_bad(&chain()), None);
        let mut changed = chain();
        changed[1].draft.detail = "{\"x\":1}".into();
        assert_eq!(first_bad(&changed), Some(1));
        let mut rehashed = chain();
        let e = rehashed[1].clone();
        let draft = AuditDraft {
            action: "other".into(),
            ..e.draft
        };
        rehashed[1] = AuditEntry::chain(e.organization_id, 2, e.previous_hash, draft);
        assert_eq!(first_bad(&rehashed), Some(2));
        let mut removed = chain();
        removed.remove(1);
        assert_eq!(first_bad(&removed), Some(1));
        let mut swapped = chain();
        swapped.swap(0, 1);
        assert_eq!(first_bad(&swapped), Some(0));
    }
}
