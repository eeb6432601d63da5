//! The audit chain: list it, verify it, and the entries that operations write with their changes.
//!
//! Every operation appends its entry in the transaction of the change itself, made here by whoever
//! did it: a person, a task, the server. `audit/checkpoints.rs` signs how far the chain went and
//! removes what is kept no longer; `audit/export.rs` reads the whole for others to check.

mod checkpoints;
mod export;

pub(crate) use checkpoints::key_binding;
pub use checkpoints::{AuditKeeping, Standing};
pub use export::{AuditExport, ExportPart};

use crate::{Engine, Error, entropy, origin};
use domain::access::{Caller, Channel, Permission, Scope};
use domain::audit::{AuditDraft, AuditEntry, Chain, Checkpoint, CheckpointKind, Fault};
use domain::task::Task;
use domain::{AccountId, AuditId, GrantId, KeyId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Entries read at once while verifying.
const PAGE: u32 = 1_000;

/// Which entries to list. What is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only actions that begin with this.
    pub action: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only by this person.
    pub account_id: Option<AccountId>,
    /// Only with this API key.
    pub key_id: Option<KeyId>,
    /// Only through this: a channel's name, or `server`.
    pub via: Option<String>,
    /// Only from this instant on.
    pub from: Option<Timestamp>,
    /// Only before this instant.
    pub to: Option<Timestamp>,
    /// Only with this text in action, subject, client or detail, whatever its case.
    pub text: Option<String>,
    /// Only entries before this one.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// Whether the chain holds.
#[derive(Debug, Clone)]
pub struct AuditVerification {
    /// How many entries were checked.
    pub entries: u64,
    /// The place after which the chain begins: 0, or that of the anchor in whose stead it goes on.
    pub begins_after: i64,
    /// The place of the last good entry.
    pub sequence: i64,
    /// Hash of the last good entry.
    pub head: String,
    /// How many signed checkpoints were compared with it.
    pub checkpoints: u64,
    /// What checks the signatures of checkpoints, base64; none before the first is made.
    pub public_key: Option<String>,
    /// The first bad entry, and what is wrong with it.
    pub first_bad: Option<Fault>,
}

impl Engine {
    /// Lists audit entries of the workspace, the newest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn audit(
        &self,
        caller: &Caller,
        query: AuditQuery,
    ) -> BoxFuture<'_, Result<Vec<AuditEntry>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            let filter = store::audit::AuditFilter {
                action_prefix: query.action,
                subject: query.subject,
                account_id: query.account_id,
                key_id: query.key_id,
                via: query.via,
                from: query.from,
                to: query.to,
                text: query.text,
                before: query.before,
                limit: query.limit,
            };
            self.inner
                .store
                .read(move |r| Ok(store::audit::list(r, &scope, &filter)?))
                .await
        })
    }

    /// Checks the whole chain of the caller's organization, and every checkpoint against it.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn verify_audit(&self, caller: &Caller) -> BoxFuture<'_, Result<AuditVerification, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ReadAudit)?;
            let standing = self.audit_standing(&scope).await?;
            let mut chain = standing.begin();
            let mut found = AuditVerification {
                entries: 0,
                begins_after: chain.sequence(),
                sequence: 0,
                head: String::new(),
                checkpoints: 0,
                public_key: standing.public_key.clone(),
                first_bad: standing.broken_anchor(),
            };
            let mut due = self.checkpoints_after(&scope, chain.sequence()).await?;
            while found.first_bad.is_none() {
                let (wanted, after) = (scope.clone(), chain.sequence());
                let page = self
                    .inner
                    .store
                    .read(move |r| Ok::<_, Error>(store::audit::page(r, &wanted, after, PAGE)?))
                    .await?;
                let count = page.len();
                for entry in &page {
                    if let Err(fault) = chain.take(entry) {
                        found.first_bad = Some(fault);
                        break;
                    }
                    while let Some(checkpoint) =
                        due.pop_if(|c: &mut Checkpoint| c.sequence <= entry.sequence)
                    {
                        found.checkpoints += 1;
                        if found.first_bad.is_none() {
                            found.first_bad =
                                standing.judge(&checkpoint, entry.sequence, &entry.hash);
                        }
                    }
                }
                if count < PAGE as usize {
                    break;
                }
            }
            if found.first_bad.is_none() {
                found.first_bad = cut_tail(&standing, &chain, &due);
            }
            found.entries = chain.checked();
            found.sequence = chain.sequence();
            chain.hash().clone_into(&mut found.head);
            Ok(found)
        })
    }
}

/// The head is kept beside the chain and checkpoints beside both: a tail that was cut off shows.
fn cut_tail(standing: &Standing, chain: &Chain, due: &[Checkpoint]) -> Option<Fault> {
    let last = chain.sequence();
    let further = due.iter().map(|c| c.sequence).max().unwrap_or_default();
    let reached = standing.head.0.max(further);
    (reached != last).then(|| Fault {
        sequence: last + 1,
        wrong: domain::audit::Wrong::Missing,
        message: format!("entries after {last} are missing: the chain had {reached}"),
    })
}

impl Standing {
    /// Where the walk along the chain begins.
    fn begin(&self) -> Chain {
        match &self.anchor {
            None => Chain::default(),
            Some(anchor) => Chain::after(anchor.sequence, anchor.hash.clone()),
        }
    }

    /// What is wrong with the anchor in whose stead the chain goes on.
    fn broken_anchor(&self) -> Option<Fault> {
        let anchor = self.anchor.as_ref()?;
        self.judge(anchor, anchor.sequence, &anchor.hash)
    }

    /// What is wrong with a checkpoint, given the entry at its place.
    fn judge(&self, checkpoint: &Checkpoint, sequence: i64, hash: &str) -> Option<Fault> {
        let at = checkpoint.sequence;
        let fault = |message| Fault {
            sequence: at,
            wrong: domain::audit::Wrong::Unlinked,
            message,
        };
        let key = self.public_key.as_deref().unwrap_or_default();
        let message = checkpoint.message();
        if checkpoint.public_key != key
            || !vault::is_signed(key, message.as_bytes(), &checkpoint.signature)
        {
            return Some(fault(format!(
                "the checkpoint at entry {at} is not signed by this organization's key"
            )));
        }
        let same = sequence == at && checkpoint.hash == hash;
        (!same).then(|| {
            fault(format!(
                "entry {at} is not the one that its checkpoint was signed for: the chain was \
                 written anew"
            ))
        })
    }
}

/// Who did something, and through what.
struct By<'a> {
    account_id: Option<&'a AccountId>,
    via: &'static str,
    client: &'a str,
    key_id: Option<&'a KeyId>,
    grant_id: Option<&'a GrantId>,
}

impl By<'_> {
    fn entry(
        &self,
        scope: &Scope,
        action: &str,
        subject: &str,
        detail: &Value,
        at: Timestamp,
    ) -> AuditDraft {
        let mut detail = detail.clone();
        if let Some(grant) = self.grant_id {
            detail["grant"] = json!(grant);
        }
        AuditDraft {
            id: AuditId::from_bits(entropy::bits()),
            workspace_id: scope.workspace_id().clone(),
            account_id: self.account_id.cloned(),
            via: self.via.to_owned(),
            origin: origin::here(self.client, self.key_id),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_string(),
            at,
        }
    }
}

/// An entry about something a person did.
pub(crate) fn by_person(
    caller: &Caller,
    scope: &Scope,
    action: &str,
    subject: &str,
    detail: &Value,
    at: Timestamp,
) -> AuditDraft {
    let by = By {
        account_id: Some(&caller.account_id),
        via: caller.channel.as_str(),
        client: &caller.client,
        key_id: caller.key_id.as_ref(),
        grant_id: caller.grant_id.as_ref(),
    };
    by.entry(scope, action, subject, detail, at)
}

/// An entry about something a task did, for the person who submitted it.
pub(crate) fn by_task(
    task: &Task,
    scope: &Scope,
    action: &str,
    subject: &str,
    detail: &Value,
    at: Timestamp,
) -> AuditDraft {
    let by = By {
        account_id: Some(&task.account_id),
        via: task.channel.as_str(),
        client: &task.client,
        key_id: task.key_id.as_ref(),
        grant_id: task.grant_id.as_ref(),
    };
    by.entry(scope, action, subject, detail, at)
}

/// An entry about something the server did by itself.
pub(crate) fn by_server(
    scope: &Scope,
    action: &str,
    subject: &str,
    detail: &Value,
    at: Timestamp,
) -> AuditDraft {
    let by = By {
        account_id: None,
        via: "server",
        client: "",
        key_id: None,
        grant_id: None,
    };
    by.entry(scope, action, subject, detail, at)
}

/// An entry about a person who is no caller in a workspace: who signs in or out, or sets the server
/// up. Only for what cannot be repeated at will by strangers: each is an entry for ever.
pub(crate) fn by_account(
    (account_id, client): (&AccountId, &str),
    scope: &Scope,
    action: &str,
    subject: &str,
    detail: &Value,
    at: Timestamp,
) -> AuditDraft {
    let by = By {
        account_id: Some(account_id),
        via: Channel::Dashboard.as_str(),
        client,
        key_id: None,
        grant_id: None,
    };
    by.entry(scope, action, subject, detail, at)
}

impl Engine {
    async fn checkpoints_after(
        &self,
        scope: &Scope,
        sequence: i64,
    ) -> Result<Vec<Checkpoint>, Error> {
        let wanted = scope.clone();
        let mut found = self
            .inner
            .store
            .read(move |r| {
                let from = sequence + 1;
                Ok::<_, Error>(store::audit::checkpoints::list(r, &wanted, from, u32::MAX)?)
            })
            .await?;
        found.retain(|c| c.kind == CheckpointKind::Head);
        found.reverse();
        Ok(found)
    }
}
