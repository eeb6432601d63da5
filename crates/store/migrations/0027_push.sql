-- Browsers of people that are told of approvals while they are closed, what each is still to be told, and the one key pair by which push services know this installation.

-- One row. It is sealed for the organization that the installation was begun with.
create table push_key (
    id text not null,
    organization_id text not null,
    public_key text not null,
    sealed text not null,
    created_at bigint not null,
    constraint push_key_pk primary key (id)
);

create table push_subscriptions (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    account_id text not null,
    session_id text,
    endpoint_sha256 text not null,
    sealed text not null,
    service text not null,
    name text not null,
    quiet text,
    pace text not null,
    holds_until bigint not null,
    failures bigint not null,
    rests_until bigint not null,
    taken_at bigint,
    last_attempt text,
    created_at bigint not null,
    constraint push_subscriptions_pk primary key (id),
    constraint push_subscriptions_once unique (workspace_id, account_id, endpoint_sha256),
    constraint push_subscriptions_workspace foreign key (workspace_id) references workspaces (id)
);

create index push_subscriptions_by_endpoint on push_subscriptions (endpoint_sha256);
create index push_subscriptions_by_account on push_subscriptions (account_id, session_id);

-- No foreign key to the browsers: one that is removed just now must not fail the transaction that
-- records an approval. What is left over is never claimed, and forgotten with its age.
create table push_messages (
    organization_id text not null,
    workspace_id text not null,
    push_id text not null,
    approval_id text not null,
    about text not null,
    state text not null,
    due_at bigint not null,
    claimed_until bigint not null,
    attempts bigint not null,
    created_at bigint not null,
    constraint push_messages_pk primary key (push_id, approval_id),
    constraint push_messages_state check (state in ('pending', 'told'))
);

create index push_messages_due on push_messages (due_at) where state = 'pending';
create index push_messages_by_approval on push_messages (approval_id);
create index push_messages_by_workspace on push_messages (workspace_id);
