//! What a transaction adds to the numbered logs, the events of workspaces and the audit chains of
//! organizations: gathered while it runs, written right before its commit.
//!
//! Whoever takes a number in a log holds the log's head row until the commit. At the end that is as
//! long as one flush, however much else the transaction does, so servers on one database seldom wait
//! for each other; and what a group of writers adds goes in together. Heads are taken in one order,
//! those of workspaces first, so that no two servers wait for each other in a circle.

use crate::db::{Param, params};
use crate::{Error, Tx};
use domain::audit::{AuditDraft, AuditEntry};
use domain::{OrganizationId, TaskId, Timestamp, WorkspaceId};
use std::collections::BTreeMap;

/// Rows of one statement at most; fewer go in by powers of two, so that few texts are prepared.
const ROWS_MAX: usize = 32;

/// An event that has no number yet.
pub(crate) struct NewEvent {
    pub(crate) organization_id: OrganizationId,
    pub(crate) task_id: Option<TaskId>,
    pub(crate) at: Timestamp,
    pub(crate) log_line: Option<u32>,
    /// Its kind as JSON.
    pub(crate) kind: String,
}

/// Events and audit entries in the order in which they were added.
#[derive(Default)]
pub(crate) struct Appended {
    events: BTreeMap<WorkspaceId, Vec<NewEvent>>,
    entries: BTreeMap<OrganizationId, Vec<AuditDraft>>,
}

impl Appended {
    pub(crate) fn event(&mut self, workspace: &WorkspaceId, event: NewEvent) {
        match self.events.get_mut(workspace) {
            Some(events) => events.push(event),
            None => drop(self.events.insert(workspace.clone(), vec![event])),
        }
    }

    pub(crate) fn entry(&mut self, organization: &OrganizationId, draft: AuditDraft) {
        match self.entries.get_mut(organization) {
            Some(entries) => entries.push(draft),
            None => drop(self.entries.insert(organization.clone(), vec![draft])),
        }
    }

    /// Puts what another part of the transaction has added behind this.
    pub(crate) fn extend(&mut self, more: Self) {
        for (workspace, events) in more.events {
            self.events.entry(workspace).or_default().extend(events);
        }
        for (organization, entries) in more.entries {
            self.entries
                .entry(organization)
                .or_default()
                .extend(entries);
        }
    }

    /// Gives everything its number and writes it.
    ///
    /// # Errors
    /// Those of the database. Nothing of the transaction may be kept then.
    pub(crate) fn write(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for (workspace, events) in self.events {
            write_events(tx, &workspace, &events)?;
        }
        for (organization, drafts) in self.entries {
            write_entries(tx, &organization, drafts)?;
        }
        Ok(())
    }
}

fn write_events(
    tx: &mut Tx<'_>,
    workspace: &WorkspaceId,
    events: &[NewEvent],
) -> Result<(), Error> {
    let last = tx
        .one(
            "update workspace_heads
             set event_sequence = event_sequence + $2
             where workspace_id = $1
             returning event_sequence",
            &params![workspace, events.len() as u64],
            |r| r.int(),
        )?
        .ok_or_else(|| Error::Conflict("workspace_heads_workspace".to_owned()))?;
    let numbers = last - events.len() as i64 + 1..;
    let rows = numbers.zip(events).map(|(sequence, event)| {
        params![
            workspace,
            sequence,
            &event.organization_id,
            event.task_id.as_ref(),
            event.at,
            event.log_line,
            &event.kind,
        ]
    });
    insert(
        tx,
        "events (workspace_id, sequence, organization_id, task_id, at, log_line, kind)",
        &rows.collect::<Vec<_>>(),
    )
}

fn write_entries(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    drafts: Vec<AuditDraft>,
) -> Result<(), Error> {
    let (mut sequence, mut hash) = tx
        .one(
            "select audit_sequence, audit_hash
             from organization_heads
             where organization_id = $1
             for update",
            &params![organization],
            |r| Ok((r.int()?, r.text()?)),
        )?
        .ok_or_else(|| Error::Conflict("organization_heads_organization".to_owned()))?;
    let mut entries = Vec::with_capacity(drafts.len());
    for draft in drafts {
        sequence += 1;
        let entry = AuditEntry::chain(organization.clone(), sequence, hash, draft);
        hash = entry.hash.clone();
        entries.push(entry);
    }
    let rows = entries.iter().map(|entry| {
        let draft = &entry.draft;
        params![
            &entry.organization_id,
            entry.sequence,
            &draft.id,
            &draft.workspace_id,
            draft.account_id.as_ref(),
            &draft.via,
            &draft.action,
            &draft.subject,
            &draft.detail,
            draft.at,
            &entry.previous_hash,
            &entry.hash,
            entry.form,
            &draft.origin.client,
            draft.origin.key_id.as_ref(),
            draft.origin.address.as_ref(),
            draft.origin.request_id.as_ref(),
        ]
    });
    insert(
        tx,
        "audit (organization_id, sequence, id, workspace_id, account_id, via, action, subject, detail,
                at, previous_hash, hash, form, client, key_id, address, request_id)",
        &rows.collect::<Vec<_>>(),
    )?;
    tx.execute(
        "update organization_heads
         set audit_sequence = $2, audit_hash = $3
         where organization_id = $1",
        &params![organization, sequence, hash],
    )?;
    Ok(())
}

/// Inserts rows into the columns of a table, many with each statement.
fn insert<const COLUMNS: usize>(
    tx: &mut Tx<'_>,
    table: &str,
    mut rows: &[[Param<'_>; COLUMNS]],
) -> Result<(), Error> {
    while !rows.is_empty() {
        let most = rows.len().min(ROWS_MAX);
        let (now, rest) = rows.split_at(1 << most.ilog2());
        tx.execute(
            &format!("insert into {table} values {}", places(now.len(), COLUMNS)),
            now.as_flattened(),
        )?;
        rows = rest;
    }
    Ok(())
}

/// `($1, $2), ($3, $4)`
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let numbers = row * columns + 1..=(row + 1) * columns;
        let names: Vec<String> = numbers.map(|n| format!("${n}")).collect();
        format!("({})", names.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_through() {
        assert_eq!(places(1, 3), "($1, $2, $3)");
        assert_eq!(places(2, 2), "($1, $2), ($3, $4)");
    }
}
