-- Large values are stored once in a workspace, under their digest and in parts, for whatever of a task refers to them; and what has ended can be found by its age, to be removed when its time is over.

create table stored_values (
    workspace_id text not null,
    digest text not null,
    organization_id text not null,
    bytes bigint not null,
    kept_at bigint not null,
    constraint stored_values_pk primary key (workspace_id, digest),
    constraint stored_values_workspace foreign key (workspace_id) references workspaces (id)
);

create table value_parts (
    workspace_id text not null,
    digest text not null,
    begins bigint not null,
    content text not null,
    constraint value_parts_pk primary key (workspace_id, digest, begins),
    constraint value_parts_value foreign key (workspace_id, digest)
        references stored_values (workspace_id, digest) on delete cascade
);

-- Which tasks refer to a value: none of them, and it may go.
create table value_holders (
    task_id text not null,
    digest text not null,
    workspace_id text not null,
    constraint value_holders_pk primary key (task_id, digest),
    constraint value_holders_task foreign key (task_id) references tasks (id),
    constraint value_holders_value foreign key (workspace_id, digest)
        references stored_values (workspace_id, digest)
);

create index value_holders_by_value on value_holders (workspace_id, digest);

-- What a call's task and its other indexes say already: there are many calls and approvals.
alter table calls drop column organization_id;
drop index approvals_pending_by_task;

create index handles_by_task on handles (task_id);
create index tasks_ended on tasks (workspace_id, finished_at) where finished_at is not null;
create index tasks_resting on tasks (id) where snapshot is not null;
create index events_apart on events (workspace_id, at) where task_id is null;

-- The highest number of an event that is no longer there: a stream cannot be resumed before it.
alter table workspace_heads add column events_removed bigint not null default 0;
