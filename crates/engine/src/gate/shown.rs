//! Decisions that are made to be shown: of recorded calls, on policies as they were or would be.
//! Nothing here admits anything.

use domain::Timestamp;
use domain::approval::Approval;
use domain::call::Call;
use domain::policy::{self, Decision, JudgedAs, Policy, Request, Trace};
use domain::source::Review;
use domain::task::Task;
use serde_json::Value;
use store::recorded::Recorded;
use tools::Catalog;

/// What a recorded call came to besides its tool, as its source describes that today; nothing where
/// the tool is gone.
pub(crate) fn also_of(catalog: &Catalog, tool: &str, arguments: &Value) -> Vec<JudgedAs> {
    let found = catalog.lookup(tool);
    found.map_or_else(Vec::new, |(tool, source)| {
        tools::judged(tool, source, arguments).also
    })
}

/// What policy says to a call, with everything that was looked at.
pub(crate) fn explained(request: &Request<'_>, policy: &Policy) -> Trace {
    policy::trace(request, policy)
}

/// What policy says to a call that was recorded.
pub(crate) fn forecast_of(
    call: &Recorded,
    (arguments, also): (&Value, &[JudgedAs]),
    (policy, review): (&Policy, Review),
    now: Timestamp,
) -> Decision {
    let request = Request {
        tool: &call.tool,
        source: source_name(&call.tool),
        risk: call.risk,
        review,
        arguments: Some(arguments),
        also,
        account_id: &call.account_id,
        role: call.role,
        client: &call.client,
        key_id: call.key_id.as_ref(),
        channel: call.channel,
        now,
    };
    policy::decide(&request, policy)
}

/// What policy says to the call that an approval is about.
pub(crate) fn would_be(
    task: &Task,
    approval: &Approval,
    (arguments, also): (&Value, &[JudgedAs]),
    (policy, review): (&Policy, Review),
    now: Timestamp,
) -> Decision {
    let request = Request {
        tool: &approval.binding.tool,
        source: source_name(&approval.binding.tool),
        risk: approval.risk,
        review,
        also,
        ..of_task(task, arguments, now)
    };
    policy::decide(&request, policy)
}

/// A call as it was decided when it was recorded, of a tool that somebody had looked at or not.
pub(crate) fn recorded<'a>(
    task: &'a Task,
    (call, review): (&'a Call, Review),
    (arguments, also): (&'a Value, &'a [JudgedAs]),
    at: Timestamp,
) -> Request<'a> {
    Request {
        tool: &call.binding.tool,
        source: source_name(&call.binding.tool),
        risk: call.risk,
        review,
        also,
        ..of_task(task, arguments, at)
    }
}

/// Person and client of a task; what is called stands for itself until it is filled in.
fn of_task<'a>(task: &'a Task, arguments: &'a Value, now: Timestamp) -> Request<'a> {
    Request {
        tool: "",
        source: "",
        risk: domain::tool::Risk::Unknown,
        review: Review::Unreviewed,
        arguments: Some(arguments),
        also: &[],
        account_id: &task.account_id,
        role: task.role,
        client: &task.client,
        key_id: task.key_id.as_ref(),
        channel: task.channel,
        now,
    }
}

pub(crate) fn source_name(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}
