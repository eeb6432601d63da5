-- A workspace's webhooks, and the outbox of what each of them is still to be told.

create table webhooks (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    url text not null,
    events text not null,
    enabled bigint not null,
    allow_private bigint not null,
    secret text not null,
    secret_version bigint not null,
    previous_secret text,
    overlap_until bigint,
    created_by text not null,
    created_at bigint not null,
    failures bigint not null,
    rests_until bigint not null,
    taken_at bigint,
    last_attempt text,
    constraint webhooks_pk primary key (id),
    constraint webhooks_workspace foreign key (workspace_id) references workspaces (id)
);

create index webhooks_by_workspace on webhooks (workspace_id, created_at);

-- No foreign key to webhooks: one that is removed just now must not fail the transaction that records
-- an approval. What is left over is never claimed, and forgotten with its age.
create table webhook_deliveries (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    webhook_id text not null,
    event text not null,
    subject text not null,
    data text not null,
    state text not null,
    state_at bigint not null,
    claimed_until bigint not null,
    attempts bigint not null,
    last_attempt text,
    created_at bigint not null,
    give_up_at bigint not null,
    constraint webhook_deliveries_pk primary key (id),
    constraint webhook_deliveries_state check (state in ('pending', 'delivered', 'failed'))
);

create index webhook_deliveries_by_state on webhook_deliveries (state, state_at);
create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, created_at);
