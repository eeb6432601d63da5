//! Whether whoever a task acts for may still act at all: read anew in the transaction of each
//! decision, because a task may outlive the rights that it was submitted with by weeks.
//!
//! A member who was removed has none left. Nor has a task that came in with a key that was revoked,
//! or a token whose grant was ended since, for whoever revokes one wants what came in with it to stop.
//! One that has merely expired was good when the task was submitted, and its tasks go on. In
//! a workspace that was deleted nothing is decided at all: its tasks are held.

use super::append_audit;
use crate::Error;
use domain::Timestamp;
use domain::access::Scope;
use domain::call::Call;
use domain::task::Task;
use domain::tenancy::Role;
use domain::tool::{ToolError, ToolErrorCode};
use serde_json::json;
use store::{Reader, Tx};

/// What a task's person may do now.
pub(crate) enum Standing {
    /// What this role may.
    Member(Role),
    /// Nothing, and why.
    Lost(&'static str),
}

/// Reads what a task's person may do now.
pub(crate) fn standing(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task: &Task,
) -> Result<Standing, Error> {
    let Some(role) = store::tenancy::role_in(conn, scope, &task.account_id)? else {
        if store::tenancy::is_ending(conn, scope)? {
            // Nothing is decided about it and nothing recorded: it waits until the deletion is taken
            // back, and goes on from its journal.
            return Err(Error::LostLease);
        }
        let is_member = store::tenancy::member(conn, scope, &task.account_id)?.is_some();
        return Ok(Standing::Lost(if is_member {
            "the person it acts for may not enter the workspace any more"
        } else {
            "the person it acts for is no member of the organization any more"
        }));
    };
    match &task.key_id {
        Some(key) if store::keys::is_revoked(conn, scope, key)? => {
            Ok(Standing::Lost("the API key it came in with was revoked"))
        }
        Some(_) | None => match &task.grant_id {
            Some(grant) if store::grants::is_ended(conn, scope, grant)? => Ok(Standing::Lost(
                "what was granted to the client that it came in with was revoked",
            )),
            Some(_) | None => Ok(Standing::Member(role)),
        },
    }
}

/// The error of a call whose task may make none any more.
pub(crate) fn denied_to_caller(tool: &str, why: &str) -> ToolError {
    ToolError::new(
        ToolErrorCode::DeniedByPolicy,
        tool,
        format!("{tool} is denied: the task may make no more calls, because {why}"),
    )
}

/// Records that a call was refused for want of any right.
pub(crate) fn audit_lost(
    tx: &mut Tx<'_>,
    scope: &Scope,
    task: &Task,
    call: &Call,
    why: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let detail = json!({
        "task": task.id,
        "sequence": call.binding.sequence,
        "tool": call.binding.tool,
        "decision": "deny",
        "why": why,
        "arguments": call.binding.arguments_digest,
    });
    append_audit(tx, scope, task, "decision", call.id.as_str(), &detail, now)
}
