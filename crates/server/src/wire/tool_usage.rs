//! What the calls of one tool came to, as it is told.

use api::tools as wire;
use domain::Timestamp;
use engine::{ClientUsage, EndedCall, ToolUsage};

pub(crate) fn tool_usage(usage: &ToolUsage) -> wire::ToolUsage {
    wire::ToolUsage {
        path: usage.path.clone(),
        since: usage.since.to_rfc3339(),
        cut: usage.is_cut,
        own_only: usage.own_only,
        calls: usage.counts.calls,
        last_at: usage.last_at.map(Timestamp::to_rfc3339),
        outcomes: usage.counts.outcomes.clone(),
        decisions: usage.counts.decisions.clone(),
        latency: usage.latency.map(|latency| wire::ToolLatency {
            p50_ms: latency.p50_ms,
            p95_ms: latency.p95_ms,
        }),
        clients: usage.clients.iter().map(client).collect(),
        recent: usage.recent.iter().map(ended).collect(),
    }
}

fn client(usage: &ClientUsage) -> wire::ToolClient {
    wire::ToolClient {
        client: usage.client.clone(),
        channel: usage.channel.as_str().to_owned(),
        account: usage.account_id.to_string(),
        calls: usage.calls,
        failed: usage.failed,
        last_at: usage.last_at.to_rfc3339(),
    }
}

fn ended(call: &EndedCall) -> wire::ToolEnded {
    wire::ToolEnded {
        task_id: call.task_id.to_string(),
        sequence: call.sequence,
        status: call.status.clone(),
        decision: call.decision.clone(),
        client: call.client.clone(),
        channel: call.channel.as_str().to_owned(),
        account: call.account_id.to_string(),
        took_ms: call.took_ms(),
        finished_at: call.finished_at.to_rfc3339(),
    }
}
