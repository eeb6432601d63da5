//! Values to store, each with identifiers of its own and something in every field.

use domain::access::Channel;
use domain::approval::{Answered, Approval, ApprovalStatus, Previous, Question};
use domain::audit::AuditDraft;
use domain::call::{Binding, Call, CallStatus, Delivery};
use domain::credential::{Credential, CredentialScope};
use domain::limits::Limits;
use domain::policy::{Ask, Effect, Level, Match, Pattern, Rule};
use domain::source::{
    AuthScheme, Cause, Difference, Finding, FindingKind, Origin, Place, RefreshEvery, Severity,
    Source, SourceKind, SourceStatus, Unreviewed, Upkeep,
};
use domain::task::{Activity, Pins, Task, TaskState};
use domain::tenancy::{Access, Account, Organization, Role, Workspace};
use domain::tool::{Risk, Tool};
use domain::{
    AccountId, ApprovalId, AuditId, CallId, CredentialId, OrganizationId, RuleId, SourceId, TaskId,
    Timestamp, WorkspaceId,
};
use std::sync::atomic::{AtomicU64, Ordering};

const ARGUMENTS: &str = "{\"title\":\"\\u0000 x\"}";

/// Bits that nobody else has.
pub(crate) fn bits() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp(1_795_000_000_000 + ms)
}

pub(crate) fn account_id() -> AccountId {
    AccountId::from_bits([7; 16])
}

pub(crate) fn organization() -> Organization {
    let id = OrganizationId::from_bits(bits());
    Organization {
        slug: id.as_str().replace('_', "-"),
        id,
        name: "Örg 😀".into(),
        created_at: at(0),
        ending: None,
    }
}

pub(crate) fn workspace(organization: &Organization, slug: &str) -> Workspace {
    Workspace {
        id: WorkspaceId::from_bits(bits()),
        organization_id: organization.id.clone(),
        slug: slug.into(),
        name: "A workspace".into(),
        created_at: at(0),
        access: Access::Open,
        ending: None,
    }
}

pub(crate) fn account() -> Account {
    Account {
        id: AccountId::from_bits(bits()),
        name: "Ada".into(),
        created_at: at(0),
    }
}

pub(crate) fn task(scope: &domain::access::Scope, created_ms: i64) -> Task {
    Task {
        id: TaskId::from_bits(bits()),
        organization_id: scope.organization_id().clone(),
        workspace_id: scope.workspace_id().clone(),
        account_id: account_id(),
        role: Role::Admin,
        channel: Channel::Mcp,
        client: "a client".into(),
        key_id: None,
        grant_id: None,
        code: "return '$1 ' + \"é\u{1F600}\"".into(),
        runtime_id: "isolate".into(),
        metadata: "{\"a\":1}".into(),
        limits: Limits {
            calls: 17,
            ..Limits::default()
        },
        seed: "00".repeat(32),
        pins: Pins {
            source: "s".into(),
            code: "c".into(),
            engine: "e".into(),
            fork: None,
            run_as: None,
        },
        state: TaskState::Queued,
        activity: Activity::default(),
        log_lines: 0,
        attempts: 0,
        created_at: at(created_ms),
        started_at: None,
        finished_at: None,
        sandbox_starts: Vec::new(),
    }
}

pub(crate) fn call(task_id: &TaskId, sequence: u32, status: CallStatus) -> Call {
    Call {
        id: CallId::from_bits(bits()),
        binding: Binding {
            task_id: task_id.clone(),
            sequence,
            tool: "github.issues.create".into(),
            definition_digest: "d".into(),
            arguments_digest: domain::canonical::sha256_hex(ARGUMENTS.as_bytes()),
            policy_version: 3,
        },
        source_id: Some(SourceId::from_bits(bits())),
        arguments: ARGUMENTS.into(),
        options: "{}".into(),
        risk: Risk::Write,
        decision: "ask",
        rule_id: Some(RuleId::from_bits(bits())),
        position: Some((3, 14)),
        status,
        started_at: at(10),
        sent_at: None,
        finished_at: None,
        delivery: None,
    }
}

pub(crate) fn delivery(order: u32) -> Delivery {
    Delivery {
        order,
        now: at(20),
        elapsed_ms: 8,
    }
}

pub(crate) fn approval(call: &Call, expires_ms: i64) -> Approval {
    Approval {
        id: ApprovalId::from_bits(bits()),
        call_id: call.id.clone(),
        binding: call.binding.clone(),
        question: Question::Send,
        arguments: call.arguments.clone(),
        request: "{\"method\":\"POST\"}".into(),
        risk: Risk::Write,
        reasons: vec!["POST method".into(), "goes to shop.example".into()],
        previous: Some(Previous {
            task_id: call.binding.task_id.clone(),
            sequence: 1,
        }),
        rule_id: None,
        why: "no rule matches".into(),
        ask: Ask {
            approvers: vec![account_id()],
            requester_may: false,
            wait_ms: Some(5),
            ..Ask::default()
        },
        requested_by: account_id(),
        client: "a client".into(),
        edited: None,
        yeses: Vec::new(),
        status: ApprovalStatus::Pending,
        created_at: at(11),
        expires_at: at(expires_ms),
        extended: None,
        assigned: None,
    }
}

pub(crate) fn answered(reason: &str) -> Answered {
    Answered {
        by: account_id(),
        channel: Channel::Cli,
        at: at(12),
        reason: reason.into(),
    }
}

pub(crate) fn audit(scope: &domain::access::Scope, action: &str, subject: &str) -> AuditDraft {
    AuditDraft {
        id: AuditId::from_bits(bits()),
        workspace_id: scope.workspace_id().clone(),
        account_id: Some(account_id()),
        via: "cli".into(),
        origin: domain::audit::Origin::default(),
        action: action.into(),
        subject: subject.into(),
        detail: "{}".into(),
        at: at(1),
    }
}

pub(crate) fn rule(level: Level, position: i64) -> Rule {
    Rule {
        id: RuleId::from_bits(bits()),
        level,
        account_id: (level == Level::Personal).then(account_id),
        of_set: None,
        position,
        matches: Match {
            sources: vec!["github".into()],
            ..Match::default()
        },
        effect: Effect::Ask(Ask::default()),
        until: Some(at(1_000)),
        note: "why".into(),
        created_at: at(0),
    }
}

pub(crate) fn source(name: &str) -> Source {
    Source {
        id: SourceId::from_bits(bits()),
        name: name.into(),
        kind: SourceKind::OpenApi,
        title: "A title".into(),
        origin: Origin::Url("https://example.com/openapi.json".into()),
        base_url: "https://example.com".into(),
        auth: vec![AuthScheme::Bearer],
        allow_private: true,
        headers: vec![("X-A".into(), "1".into())],
        idempotent: vec![Pattern::parse("github.issues.*").unwrap()],
        trust_hints: true,
        may_ask: true,
        status: SourceStatus::Ready,
        tool_count: 1,
        warnings: vec!["one".into()],
        document_digest: "digest".into(),
        created_at: at(0),
        refreshed_at: at(1),
        upkeep: Upkeep {
            unreviewed: vec![Unreviewed {
                path: format!("{name}.group.tool1"),
                cause: Cause::Changed,
                since: at(1),
                differences: vec![Difference {
                    field: "risk".into(),
                    before: "read".into(),
                    after: "write".into(),
                }],
            }],
            findings: vec![Finding {
                tool: None,
                place: Place::Source,
                at: String::new(),
                kind: FindingKind::LookAlike,
                severity: Severity::Medium,
                excerpt: "z\u{43e}o".into(),
            }],
            refresh_every: Some(RefreshEvery::Ms(3_600_000)),
            next_refresh_at: Some(at(50)),
            failures: 0,
            last_failure: None,
            revision: 1,
        },
    }
}

pub(crate) fn tool(source: &Source, n: usize) -> Tool {
    let schema: serde_json::Value =
        serde_json::from_str("{\"type\":\"object\",\"properties\":{\"z\":{},\"a\":{}}}").unwrap();
    Tool {
        path: format!("{}.group.tool{n}", source.name),
        source_id: source.id.clone(),
        description: "What it does. ".repeat(10),
        risk: Risk::Read,
        input_schema: schema.clone(),
        output_schema: Some(schema),
        binding: serde_json::Value::Null,
        digest: format!("digest {n}"),
    }
}

pub(crate) fn credential(
    source_id: &SourceId,
    scope: CredentialScope,
    by: &AccountId,
) -> Credential {
    Credential {
        id: CredentialId::from_bits(bits()),
        source_id: source_id.clone(),
        scope,
        account_id: by.clone(),
        label: String::new(),
        scheme: AuthScheme::Bearer,
        version: 1,
        created_at: at(0),
        rotated_at: at(0),
        last_used_at: None,
        last_used_by: None,
        connection: None,
    }
}
