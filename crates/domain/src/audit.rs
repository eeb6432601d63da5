//! The audit chain: entries that each carry the hash of the one before, and checkpoints that say how
//! far it went.
//!
//! The hash covers a length-prefixed form of every field, so no two entries share one, and an
//! entry changed, moved or taken out breaks every hash after it. [`Chain`] walks entries in order
//! and names the first that does not fit; it needs nothing but the entries. Keys and signatures are
//! the vault's: here a checkpoint is only the text that is signed.

use crate::canonical::sha256_parts;
use crate::{AccountId, AuditId, KeyId, OrganizationId, Timestamp, WorkspaceId};

/// Hash before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The form in which entries are hashed now. Entries of older forms stay as they are.
pub const FORM: u32 = 2;

/// Through what somebody acted and from where, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// What the client calls itself; empty if it does not say. Nothing follows from it.
    pub client: String,
    /// The API key that the request came with.
    pub key_id: Option<KeyId>,
    /// The other end of the connection, without its port: behind a proxy, the proxy.
    pub address: Option<String>,
    /// The request, as the server's log names it.
    pub request_id: Option<String>,
}

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
    /// Through what client and key, and from where.
    pub origin: Origin,
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
    /// The form in which it was hashed: 1 or [`FORM`].
    pub form: u32,
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
        let mut entry = Self {
            sequence,
            organization_id,
            form: FORM,
            draft,
            previous_hash,
            hash: String::new(),
        };
        entry.hash = entry.own_hash().unwrap_or_default();
        entry
    }

    /// The hash that the entry's fields come to; none for a form that is not known, or for an entry
    /// of an old form with something in it that the form does not cover.
    fn own_hash(&self) -> Option<String> {
        let draft = &self.draft;
        let sequence = self.sequence.to_be_bytes();
        let at = draft.at.0.to_be_bytes();
        let account = draft.account_id.as_ref().map(AccountId::as_str);
        match self.form {
            1 if draft.origin == Origin::default() => Some(sha256_parts(&[
                b"executor-audit-1",
                self.previous_hash.as_bytes(),
                self.organization_id.as_str().as_bytes(),
                &sequence,
                draft.id.as_str().as_bytes(),
                draft.workspace_id.as_str().as_bytes(),
                account.unwrap_or_default().as_bytes(),
                draft.via.as_bytes(),
                draft.action.as_bytes(),
                draft.subject.as_bytes(),
                draft.detail.as_bytes(),
                &at,
            ])),
            2 => {
                let origin = &draft.origin;
                let key = origin.key_id.as_ref().map(KeyId::as_str);
                let [account, key, address, request] = [
                    account,
                    key,
                    origin.address.as_deref(),
                    origin.request_id.as_deref(),
                ]
                .map(optional);
                Some(sha256_parts(&[
                    b"executor-audit-2",
                    self.previous_hash.as_bytes(),
                    self.organization_id.as_str().as_bytes(),
                    &sequence,
                    draft.id.as_str().as_bytes(),
                    draft.workspace_id.as_str().as_bytes(),
                    &account,
                    draft.via.as_bytes(),
                    origin.client.as_bytes(),
                    &key,
                    &address,
                    &request,
                    draft.action.as_bytes(),
                    draft.subject.as_bytes(),
                    draft.detail.as_bytes(),
                    &at,
                ]))
            }
            _ => None,
        }
    }
}

/// What may be absent: nothing, or a mark and the text, so that an empty text is not nothing.
fn optional(text: Option<&str>) -> Vec<u8> {
    text.map_or_else(Vec::new, |t| [b"+", t.as_bytes()].concat())
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Its fields do not come to its hash.
    Edited,
    /// Entries before it are gone, or it was moved up.
    Missing,
    /// The place it claims was taken by the entry before: it stands there twice.
    Duplicate,
    /// It belongs before entries that stood before it.
    OutOfOrder,
    /// It names another entry as the one before it: that one was replaced, or this one put in.
    Unlinked,
    /// It belongs to another organization.
    Foreign,
}

impl Wrong {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::OutOfOrder => "out_of_order",
            Self::Unlinked => "unlinked",
            Self::Foreign => "foreign",
        }
    }
}

/// The first entry that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The place that the entry claims.
    pub sequence: i64,
    /// What is wrong.
    pub wrong: Wrong,
    /// The same, in a sentence.
    pub message: String,
}

/// A walk along a chain: where it is, and the hash that the next entry has to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    organization_id: Option<OrganizationId>,
    sequence: i64,
    hash: String,
    checked: u64,
}

impl Default for Chain {
    fn default() -> Self {
        Self::after(0, GENESIS.to_owned())
    }
}

impl Chain {
    /// A walk that begins after an entry with this place and hash: 0 and [`GENESIS`] for the whole.
    #[must_use]
    pub fn after(sequence: i64, hash: String) -> Self {
        Self {
            organization_id: None,
            sequence,
            hash,
            checked: 0,
        }
    }

    /// The place of the last good entry.
    #[must_use]
    pub fn sequence(&self) -> i64 {
        self.sequence
    }

    /// The hash of the last good entry.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many entries were found good.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// What is wrong with it; the walk stays where it was.
    pub fn take(&mut self, entry: &AuditEntry) -> Result<(), Fault> {
        let at = entry.sequence;
        let fault = |wrong, message| {
            Err(Fault {
                sequence: at,
                wrong,
                message,
            })
        };
        if let Some(own) = self
            .organization_id
            .as_ref()
            .filter(|own| **own != entry.organization_id)
        {
            let other = &entry.organization_id;
            return fault(
                Wrong::Foreign,
                format!("entry {at} belongs to {other}, the entries before it to {own}"),
            );
        }
        if at == self.sequence && self.checked > 0 {
            return fault(Wrong::Duplicate, format!("entry {at} stands there twice"));
        }
        if at <= self.sequence {
            return fault(
                Wrong::OutOfOrder,
                format!(
                    "entry {at} comes after entry {}: it is out of order or stands there twice",
                    self.sequence
                ),
            );
        }
        if at != self.sequence + 1 {
            return fault(
                Wrong::Missing,
                format!(
                    "entry {at} follows entry {}: entries are missing or out of order",
                    self.sequence
                ),
            );
        }
        if entry.own_hash().as_deref() != Some(entry.hash.as_str()) {
            return fault(
                Wrong::Edited,
                format!("entry {at} was changed after it was written"),
            );
        }
        if entry.previous_hash != self.hash {
            return fault(
                Wrong::Unlinked,
                format!(
                    "entry {at} does not continue the chain: the entry before it was replaced, or \
                     this one was put in"
                ),
            );
        }
        if self.organization_id.is_none() {
            self.organization_id = Some(entry.organization_id.clone());
        }
        self.sequence = at;
        self.hash.clone_from(&entry.hash);
        self.checked += 1;
        Ok(())
    }
}

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointKind {
    /// The chain reached this entry: kept elsewhere, it shows a tail that was cut off.
    Head,
    /// Entries up to and with this one were removed, as the organization keeps them no longer.
    Anchor,
}

impl CheckpointKind {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Anchor => "anchor",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Head, Self::Anchor]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// How far the chain went at some time, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The organization whose chain it is.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub kind: CheckpointKind,
    /// The place of the entry.
    pub sequence: i64,
    /// The entry's hash.
    pub hash: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The key that checks the signature: Ed25519, base64.
    pub public_key: String,
    /// The signature over [`Checkpoint::message`], base64.
    pub signature: String,
}

impl Checkpoint {
    /// What is signed: every field but key and signature, each with its length before it.
    #[must_use]
    pub fn message(&self) -> String {
        sha256_parts(&[
            b"executor-audit-checkpoint-1",
            self.organization_id.as_str().as_bytes(),
            self.kind.as_str().as_bytes(),
            &self.sequence.to_be_bytes(),
            self.hash.as_bytes(),
            &self.at.0.to_be_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(n: u8) -> AuditDraft {
        AuditDraft {
            id: AuditId::from_bits([n; 16]),
            workspace_id: WorkspaceId::from_bits([1; 16]),
            account_id: None,
            via: "server".into(),
            origin: Origin::default(),
            action: "decision".into(),
            subject: format!("call {n}"),
            detail: "{}".into(),
            at: Timestamp(i64::from(n)),
        }
    }

    fn whole() -> Vec<AuditEntry> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for n in 1..=5u8 {
            let before = entries
                .last()
                .map_or(GENESIS.to_owned(), |e| e.hash.clone());
            let organization = OrganizationId::from_bits([2; 16]);
            entries.push(AuditEntry::chain(
                organization,
                i64::from(n),
                before,
                draft(n),
            ));
        }
        entries
    }

    fn first_bad(entries: &[AuditEntry]) -> Option<(i64, Wrong)> {
        let mut chain = Chain::default();
        entries
            .iter()
            .find_map(|e| chain.take(e).err())
            .map(|fault| (fault.sequence, fault.wrong))
    }

    /// The same entry as if it had been written that way, at its place.
    fn rehashed(entry: &AuditEntry, change: impl Fn(&mut AuditDraft)) -> AuditEntry {
        let mut draft = entry.draft.clone();
        change(&mut draft);
        let before = entry.previous_hash.clone();
        AuditEntry::chain(entry.organization_id.clone(), entry.sequence, before, draft)
    }

    #[test]
    fn a_whole_chain_holds_and_every_meddling_shows() {
        assert_eq!(first_bad(&whole()), None);
        type Meddling = fn(&mut Vec<AuditEntry>);
        let tried: [(&str, Meddling, (i64, Wrong)); 8] = [
            (
                "edited",
                |e| e[1].draft.detail = "{\"x\":1}".into(),
                (2, Wrong::Edited),
            ),
            (
                "edited and hashed anew",
                |e| e[1] = rehashed(&e[1], |d| d.action = "other".into()),
                (3, Wrong::Unlinked),
            ),
            (
                "removed",
                |e| {
                    e.remove(1);
                },
                (3, Wrong::Missing),
            ),
            ("swapped", |e| e.swap(1, 2), (3, Wrong::Missing)),
            (
                "twice",
                |e| e.insert(2, e[1].clone()),
                (2, Wrong::Duplicate),
            ),
            (
                "moved down",
                |e| e.push(e[1].clone()),
                (2, Wrong::OutOfOrder),
            ),
            (
                "put in",
                |e| e.insert(3, rehashed(&e[3], |d| d.subject = "x".into())),
                (4, Wrong::Duplicate),
            ),
            (
                "another organization's",
                |e| {
                    let other = OrganizationId::from_bits([3; 16]);
                    let before = e[1].previous_hash.clone();
                    e[1] = AuditEntry::chain(other, 2, before, draft(2));
                },
                (2, Wrong::Foreign),
            ),
        ];
        for (what, meddle, expected) in tried {
            let mut entries = whole();
            meddle(&mut entries);
            assert_eq!(first_bad(&entries), Some(expected), "{what}");
        }
    }

    #[test]
    fn every_field_is_covered() {
        let changes: [fn(&mut AuditDraft); 11] = [
            |d| d.id = AuditId::from_bits([9; 16]),
            |d| d.workspace_id = WorkspaceId::from_bits([9; 16]),
            |d| d.account_id = Some(AccountId::from_bits([9; 16])),
            |d| d.via.push('x'),
            |d| d.origin.client.push('x'),
            |d| d.origin.key_id = Some(KeyId::from_bits([9; 16])),
            |d| d.origin.address = Some(String::new()),
            |d| d.origin.request_id = Some(String::new()),
            |d| d.action.push('x'),
            |d| d.subject.push('x'),
            |d| d.at.0 += 1,
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let mut entries = whole();
            change(&mut entries[1].draft);
            assert_eq!(first_bad(&entries), Some((2, Wrong::Edited)), "{i}");
        }
    }

    #[test]
    fn no_two_entries_share_a_hash_by_where_their_fields_end() {
        let base = &whole()[0];
        let moved = [
            rehashed(base, |d| {
                d.action = "decisioncall".into();
                d.subject = " 1".into();
            }),
            rehashed(base, |d| {
                d.subject = "call 1{}".into();
                d.detail = String::new();
            }),
            rehashed(base, |d| {
                d.via = "serv".into();
                d.origin.client = "er".into();
            }),
            rehashed(base, |d| d.origin.address = Some("a".into())),
            rehashed(base, |d| d.origin.request_id = Some("a".into())),
        ];
        let mut hashes: Vec<&str> = moved.iter().map(|e| e.hash.as_str()).collect();
        hashes.push(&base.hash);
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), moved.len() + 1);
    }

    #[test]
    fn an_entry_of_the_first_form_holds_and_hides_nothing() {
        // Made by the first release: a form that no longer is written must stay readable.
        let mut entry = whole().remove(0);
        entry.form = 1;
        entry.hash = "ba5e".into();
        assert_eq!(first_bad(&[entry.clone()]), Some((1, Wrong::Edited)));
        entry.hash = "548339e128b3c38ecd4b92e8762a7edea94ce40afd400c7c906d8e82e9fbb53f".into();
        assert_eq!(first_bad(&[entry.clone()]), None);
        // What that form does not cover cannot be put in unseen.
        entry.draft.origin.client = "x".into();
        assert_eq!(first_bad(&[entry.clone()]), Some((1, Wrong::Edited)));
        entry.form = 3;
        assert_eq!(first_bad(&[entry]), Some((1, Wrong::Edited)));
    }

    #[test]
    fn a_walk_may_begin_after_an_anchor() {
        let entries = whole();
        let mut chain = Chain::after(2, entries[1].hash.clone());
        assert_eq!(
            entries[2..]
                .iter()
                .map(|e| chain.take(e))
                .find(Result::is_err),
            None
        );
        assert_eq!((chain.sequence(), chain.checked()), (5, 3));
        let wrong = Chain::after(2, GENESIS.to_owned()).take(&entries[2]);
        assert_eq!(wrong.map_err(|f| f.wrong), Err(Wrong::Unlinked));
    }
}
