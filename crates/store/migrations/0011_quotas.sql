-- What quotas are counted by: the tasks of a day in one row, and indexes for what a workspace holds.

create table task_days (
    workspace_id text not null,
    day bigint not null,
    key_id text not null,
    organization_id text not null,
    tasks bigint not null,
    constraint task_days_pk primary key (workspace_id, day, key_id),
    constraint task_days_workspace foreign key (workspace_id) references workspaces (id)
);

create index tasks_active on tasks (workspace_id) where state in ('queued', 'running');
