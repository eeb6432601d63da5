//! Workers of the sandbox that were lost: what people are told of them.
//!
//! A worker that asked the kernel for what it may not, lied or did not stop was perhaps taken over
//! by what ran in it. Each one becomes an entry of the audit log and an event of the workspace whose
//! programs were in it, and shows in `doctor` for a day. Its tasks are rebuilt without anybody's doing.

use crate::audit::by_server;
use crate::health::{Check, CheckStatus};
use crate::{AuditQuery, Engine, Error};
use domain::access::{Channel, Scope};
use domain::event::EventKind;
use sandbox::{Incident, IncidentKind};
use serde_json::json;
use tokio::sync::mpsc;

/// What the audit log calls it.
const ACTION: &str = "sandbox.worker_killed";
/// How long `doctor` shows it.
const SHOWN_MS: i64 = 24 * 60 * 60 * 1_000;

impl Engine {
    /// Writes down every worker that is lost.
    pub(crate) async fn incident_loop(self, mut incidents: mpsc::Receiver<Incident>) {
        loop {
            let incident = tokio::select! {
                biased;
                incident = incidents.recv() => incident,
                () = self.stopping() => None,
            };
            let Some(incident) = incident else { return };
            if let Err(error) = self.note(incident).await {
                tracing::error!("a lost sandbox worker could not be written down: {error}");
            }
        }
    }

    async fn note(&self, incident: Incident) -> Result<(), Error> {
        let scope = self.scope_of(incident.tenant.as_deref()).await?;
        let now = self.inner.clock.now();
        let reason = incident.kind.as_str();
        let kind = EventKind::Sandbox {
            reason: reason.to_owned(),
            tasks: incident.sessions,
        };
        let detail = json!({
            "reason": reason,
            "seen": incident.detail,
            "tasksRebuilt": incident.sessions,
        });
        let draft = by_server(&scope, ACTION, "isolate", &detail, now);
        let wanted = scope.clone();
        self.commit(&scope, move |tx| {
            store::events::append(tx, &wanted, None, now, &kind)?;
            store::audit::append(tx, &wanted, draft.clone())?;
            Ok(())
        })
        .await
    }

    /// The workspace whose programs were in a worker; the local one where it held none.
    async fn scope_of(&self, tenant: Option<&str>) -> Result<Scope, Error> {
        let system = self.inner.system;
        let local = &self.inner.local.workspace;
        let found = match tenant.and_then(|t| t.parse().ok()) {
            None => None,
            Some(id) => {
                let find = move |r: &mut store::Reader<'_>| {
                    Ok::<_, Error>(store::tenancy::find(r, system, &id)?)
                };
                self.inner.store.read(find).await?
            }
        };
        let workspace = found.as_ref().unwrap_or(local);
        Ok(system.scope(workspace.organization_id.clone(), workspace.id.clone()))
    }

    /// Whether workers were lost lately, for `doctor`.
    pub(crate) async fn lost_workers(&self) -> Check {
        let caller = self.local_caller(Channel::Api, String::new());
        let query = AuditQuery {
            action: Some(ACTION.into()),
            limit: 100,
            ..AuditQuery::default()
        };
        let name = "sandbox.workers";
        let entries = match self.audit(&caller, query).await {
            Ok(entries) => entries,
            Err(error) => return Check::new(name, CheckStatus::Problem, error.to_string()),
        };
        let since = self.inner.clock.now().0 - SHOWN_MS;
        let lately = entries.iter().filter(|e| e.draft.at.0 >= since);
        let Some(last) = lately.clone().next() else {
            return Check::new(name, CheckStatus::Ok, "none was lost in 24 hours".into());
        };
        let taken_over = [IncidentKind::ForbiddenCall, IncidentKind::BrokeProtocol]
            .iter()
            .any(|kind| {
                lately
                    .clone()
                    .any(|e| e.draft.detail.contains(kind.as_str()))
            });
        let step = if taken_over {
            "A program may have broken into its worker. See `executor audit list --action sandbox` for when, and which tasks ran then."
        } else {
            "Its tasks were rebuilt. See `executor audit list --action sandbox`."
        };
        Check {
            next_step: Some(step.into()),
            ..Check::new(
                name,
                CheckStatus::Warning,
                format!(
                    "{} lost in 24 hours, the last at {}: {}",
                    lately.count(),
                    last.draft.at.to_rfc3339(),
                    last.draft.detail
                ),
            )
        }
    }
}
