-- What a client was given to bring back is taken once: its name is kept until it would have expired.

create table mcp_rounds (
    workspace_id text not null,
    id text not null,
    organization_id text not null,
    expires_at bigint not null,
    constraint mcp_rounds_pk primary key (workspace_id, id),
    constraint mcp_rounds_workspace foreign key (workspace_id) references workspaces (id)
);

create index mcp_rounds_by_age on mcp_rounds (expires_at);
