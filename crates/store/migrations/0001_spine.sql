-- The first release's tables: tenants, tasks with their journal and approvals, policies, sources, credentials, events and audit.

create table organizations (
    id text not null,
    name text not null,
    created_at bigint not null,
    constraint organizations_pk primary key (id)
);

-- One row per organization that changes all the time, apart from the row that others refer to.
create table organization_heads (
    organization_id text not null,
    policy_version bigint not null,
    audit_sequence bigint not null,
    audit_hash text not null,
    constraint organization_heads_pk primary key (organization_id),
    constraint organization_heads_organization foreign key (organization_id) references organizations (id)
);

create table workspaces (
    id text not null,
    organization_id text not null,
    slug text not null,
    name text not null,
    created_at bigint not null,
    constraint workspaces_pk primary key (id),
    constraint workspaces_slug unique (organization_id, slug),
    constraint workspaces_organization foreign key (organization_id) references organizations (id)
);

-- Likewise for a workspace: whoever takes the next number holds this row until the commit.
create table workspace_heads (
    workspace_id text not null,
    organization_id text not null,
    event_sequence bigint not null,
    policy_version bigint not null,
    catalog_version bigint not null,
    constraint workspace_heads_pk primary key (workspace_id),
    constraint workspace_heads_workspace foreign key (workspace_id) references workspaces (id)
);

create table accounts (
    id text not null,
    name text not null,
    created_at bigint not null,
    constraint accounts_pk primary key (id)
);

create table members (
    organization_id text not null,
    account_id text not null,
    role text not null,
    constraint members_pk primary key (organization_id, account_id),
    constraint members_organization foreign key (organization_id) references organizations (id),
    constraint members_account foreign key (account_id) references accounts (id),
    constraint members_role check (role in ('owner', 'admin', 'billing_admin', 'member'))
);

create table tasks (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    account_id text not null,
    role text not null,
    channel text not null,
    client text not null,
    code text not null,
    runtime_id text not null,
    metadata text not null,
    limits text not null,
    seed text not null,
    pins text not null,
    state text not null,
    result text,
    error text,
    log_lines bigint not null,
    attempts bigint not null,
    fence bigint not null,
    owner text,
    lease_until bigint,
    cancel_by text,
    created_at bigint not null,
    started_at bigint,
    finished_at bigint,
    constraint tasks_pk primary key (id),
    constraint tasks_workspace foreign key (workspace_id) references workspaces (id),
    constraint tasks_state check (state in
        ('queued', 'running', 'suspended', 'completed', 'failed', 'timed_out', 'denied', 'canceled')),
    constraint tasks_leased check ((state = 'running') = (owner is not null and lease_until is not null)),
    constraint tasks_ended check
        ((state in ('completed', 'failed', 'timed_out', 'denied', 'canceled')) = (finished_at is not null))
);

create index tasks_by_age on tasks (workspace_id, created_at, id);
create index tasks_by_state on tasks (workspace_id, state, created_at, id);
create index tasks_live on tasks (created_at, id) where state in ('queued', 'running');

create table calls (
    task_id text not null,
    sequence bigint not null,
    organization_id text not null,
    workspace_id text not null,
    id text not null,
    tool text not null,
    definition_digest text not null,
    arguments_digest text not null,
    policy_version bigint not null,
    source_id text,
    arguments text not null,
    options text not null,
    risk text not null,
    decision text not null,
    rule_id text,
    line bigint,
    position bigint,
    status text not null,
    outcome text,
    started_at bigint not null,
    sent_at bigint,
    finished_at bigint,
    delivery_order bigint,
    delivery_now bigint,
    delivery_elapsed_ms bigint,
    chain text not null,
    outcome_hash text,
    constraint calls_pk primary key (task_id, sequence),
    constraint calls_task foreign key (task_id) references tasks (id),
    constraint calls_status check (status in
        ('waiting', 'running', 'succeeded', 'failed', 'denied', 'unknown')),
    constraint calls_outcome check ((status in ('succeeded', 'failed', 'denied')) = (outcome is not null)),
    constraint calls_delivery unique (task_id, delivery_order)
);

create index calls_running on calls (task_id) where status = 'running';

create table approvals (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    task_id text not null,
    sequence bigint not null,
    call_id text not null,
    tool text not null,
    definition_digest text not null,
    arguments_digest text not null,
    policy_version bigint not null,
    question text not null,
    arguments text not null,
    request text not null,
    risk text not null,
    rule_id text,
    why text not null,
    ask text not null,
    requested_by text not null,
    status text not null,
    answered_by text,
    answered_via text,
    answered_at bigint,
    reason text,
    created_at bigint not null,
    expires_at bigint not null,
    constraint approvals_pk primary key (id),
    constraint approvals_call foreign key (task_id, sequence) references calls (task_id, sequence),
    constraint approvals_status check (status in
        ('pending', 'approved', 'denied', 'expired', 'withdrawn')),
    constraint approvals_answered check ((status in ('approved', 'denied')) =
        (answered_by is not null and answered_via is not null and answered_at is not null and reason is not null))
);

create index approvals_by_age on approvals (workspace_id, created_at, id);
create index approvals_by_status on approvals (workspace_id, status, created_at, id);
create index approvals_by_call on approvals (task_id, sequence);
create index approvals_pending on approvals (expires_at) where status = 'pending';
create index approvals_pending_by_task on approvals (task_id) where status = 'pending';

create table events (
    workspace_id text not null,
    sequence bigint not null,
    organization_id text not null,
    task_id text,
    at bigint not null,
    log_line bigint,
    kind text not null,
    constraint events_pk primary key (workspace_id, sequence)
);

create index events_by_task on events (task_id, sequence) where task_id is not null;
create index events_logs on events (task_id, log_line) where log_line is not null;

create table audit (
    organization_id text not null,
    sequence bigint not null,
    id text not null,
    workspace_id text not null,
    account_id text,
    via text not null,
    action text not null,
    subject text not null,
    detail text not null,
    at bigint not null,
    previous_hash text not null,
    hash text not null,
    constraint audit_pk primary key (organization_id, sequence),
    constraint audit_organization foreign key (organization_id) references organizations (id)
);

create index audit_by_subject on audit (organization_id, subject, sequence);

create table rules (
    id text not null,
    organization_id text not null,
    workspace_id text,
    account_id text,
    level text not null,
    position bigint not null,
    matches text not null,
    effect text not null,
    until bigint,
    note text not null,
    created_at bigint not null,
    constraint rules_pk primary key (id),
    constraint rules_organization foreign key (organization_id) references organizations (id),
    constraint rules_level check (level in ('organization', 'workspace', 'personal')),
    constraint rules_workspace check ((level = 'organization') = (workspace_id is null)),
    constraint rules_person check ((level = 'personal') = (account_id is not null))
);

create index rules_in_order on rules (organization_id, position);

create table sources (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    name text not null,
    kind text not null,
    title text not null,
    origin text not null,
    base_url text not null,
    auth text not null,
    allow_private bigint not null,
    headers text not null,
    status text not null,
    reason text,
    tool_count bigint not null,
    warnings text not null,
    document_digest text not null,
    created_at bigint not null,
    refreshed_at bigint not null,
    constraint sources_pk primary key (id),
    constraint sources_name unique (workspace_id, name),
    constraint sources_workspace foreign key (workspace_id) references workspaces (id),
    constraint sources_status check (status in ('ready', 'degraded', 'disabled')),
    constraint sources_reason check ((status = 'degraded') = (reason is not null))
);

-- The description as read, and what was made of it: large, and wanted only as a whole.
create table source_documents (
    source_id text not null,
    organization_id text not null,
    workspace_id text not null,
    document text not null,
    definitions text not null,
    tools text not null,
    constraint source_documents_pk primary key (source_id),
    constraint source_documents_source foreign key (source_id) references sources (id)
);

create table credentials (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    source_id text not null,
    scope text not null,
    account_id text not null,
    person text not null,
    scheme text not null,
    version bigint not null,
    sealed text not null,
    created_at bigint not null,
    rotated_at bigint not null,
    last_used_at bigint,
    constraint credentials_pk primary key (id),
    constraint credentials_one unique (source_id, scope, person, scheme),
    constraint credentials_source foreign key (source_id) references sources (id),
    constraint credentials_scope check (scope in ('personal', 'workspace', 'organization')),
    constraint credentials_person check (person = case scope when 'personal' then account_id else '' end)
);

create table handles (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    task_id text not null,
    content text not null,
    constraint handles_pk primary key (id),
    constraint handles_task foreign key (task_id) references tasks (id)
);

create table idempotency (
    workspace_id text not null,
    key text not null,
    organization_id text not null,
    request_digest text not null,
    response text not null,
    at bigint not null,
    constraint idempotency_pk primary key (workspace_id, key),
    constraint idempotency_workspace foreign key (workspace_id) references workspaces (id)
);

create index idempotency_by_age on idempotency (at);

create table sessions (
    token_sha256 text not null,
    account_id text not null,
    kind text not null,
    expires_at bigint not null,
    constraint sessions_pk primary key (token_sha256),
    constraint sessions_account foreign key (account_id) references accounts (id),
    constraint sessions_kind check (kind in ('session', 'link'))
);

create table meta (
    name text not null,
    value text not null,
    constraint meta_pk primary key (name)
);
