-- What keys and tokens may be used for, limits of single keys, and the authorization server for MCP clients: who the clients are, what people granted them, and the tokens that came of it.

alter table api_keys add column scopes text not null default 'run read sources policies credentials keys members settings audit';
alter table api_keys add column requests_per_minute bigint;
alter table api_keys add column tasks_per_day bigint;

alter table tasks add column grant_id text;

create table oauth_apps (
    id text not null,
    name text not null,
    redirect_uris text not null,
    proof text not null,
    secret_sha256 text,
    created_at bigint not null,
    expires_at bigint not null,
    constraint oauth_apps_pk primary key (id),
    constraint oauth_apps_proof check ((proof = 'none') = (secret_sha256 is null))
);

create index oauth_apps_by_age on oauth_apps (expires_at);

create table grants (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    account_id text not null,
    client_id text not null,
    client_name text not null,
    client_host text not null,
    scopes text not null,
    resource text not null,
    status text not null,
    created_at bigint not null,
    last_used_at bigint,
    expires_at bigint not null,
    constraint grants_pk primary key (id),
    constraint grants_workspace foreign key (workspace_id) references workspaces (id),
    constraint grants_account foreign key (account_id) references accounts (id),
    constraint grants_status check (status in ('waiting', 'active', 'ended'))
);

create index grants_by_person on grants (workspace_id, account_id, created_at, id);
create index grants_by_client on grants (client_id);
create index grants_by_age on grants (expires_at);

create table grant_codes (
    code_sha256 text not null,
    workspace_id text not null,
    grant_id text not null,
    redirect_uri text not null,
    challenge text not null,
    expires_at bigint not null,
    used_at bigint,
    constraint grant_codes_pk primary key (code_sha256),
    constraint grant_codes_grant foreign key (grant_id) references grants (id)
);

create index grant_codes_by_grant on grant_codes (grant_id);
create index grant_codes_by_age on grant_codes (expires_at);

create table grant_tokens (
    token_sha256 text not null,
    workspace_id text not null,
    grant_id text not null,
    kind text not null,
    scopes text not null,
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint,
    constraint grant_tokens_pk primary key (token_sha256),
    constraint grant_tokens_grant foreign key (grant_id) references grants (id),
    constraint grant_tokens_kind check (kind in ('access', 'refresh'))
);

create index grant_tokens_by_grant on grant_tokens (grant_id);
create index grant_tokens_by_age on grant_tokens (expires_at);

create table grant_devices (
    device_sha256 text not null,
    user_code text not null,
    client_id text not null,
    client_name text not null,
    scopes text not null,
    resource text not null,
    status text not null,
    grant_id text,
    poll_at bigint not null,
    poll_ms bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    constraint grant_devices_pk primary key (device_sha256),
    constraint grant_devices_code unique (user_code),
    constraint grant_devices_status check (status in ('pending', 'approved', 'denied', 'taken'))
);

create index grant_devices_by_age on grant_devices (expires_at);
