-- Servers that share a database know of each other: each has a row while it lives and says which engines it has. What is queued can be claimed in turns between workspaces, by whoever has a task's engine.

create table servers (
    id text not null,
    version text not null,
    state text not null,
    started_at bigint not null,
    seen_at bigint not null,
    constraint servers_pk primary key (id),
    constraint servers_state check (state in ('running', 'draining', 'stopped'))
);

create table server_engines (
    server_id text not null,
    engine text not null,
    constraint server_engines_pk primary key (server_id, engine),
    constraint server_engines_server foreign key (server_id) references servers (id)
);

-- The engine among a task's pins, to ask for; empty for tasks from before, which anybody may claim.
alter table tasks add column engine text not null default '';

create index tasks_queued on tasks (workspace_id, created_at, id) where state = 'queued';
create index tasks_owned on tasks (owner) where owner is not null;
drop index tasks_live;
