-- When a task's sandbox was asked for and its program began, each time; null until the first is noted.
-- And what each client of MCP was shown when it listed the tools last, so that people see that one has
-- come before it sends its first task.

alter table tasks add column sandbox_starts text;

create table client_listings (
    workspace_id text not null,
    account_id text not null,
    key_id text not null,
    client text not null,
    tools bigint not null,
    first_at bigint not null,
    last_at bigint not null,
    constraint client_listings_pk primary key (workspace_id, account_id, key_id, client)
);
