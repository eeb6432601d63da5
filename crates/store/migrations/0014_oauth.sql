-- Credentials that an authorization server grants: how each stands, when it is renewed and by whom; the ways to one; and who we are to each server.

create table credentials_kept as
select id, organization_id, workspace_id, source_id, scope, account_id, person, scheme, version,
       sealed, created_at, rotated_at, last_used_at
from credentials;

drop table credentials;

create table credentials (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    source_id text not null,
    scope text not null,
    account_id text not null,
    person text not null,
    label text not null default '',
    scheme text not null,
    version bigint not null,
    sealed text not null,
    created_at bigint not null,
    rotated_at bigint not null,
    last_used_at bigint,
    preferred_at bigint not null default 0,
    connection text,
    renew_at bigint,
    claimed_by text,
    claimed_until bigint,
    constraint credentials_pk primary key (id),
    constraint credentials_one unique (source_id, scope, person, scheme, label),
    constraint credentials_source foreign key (source_id) references sources (id),
    constraint credentials_scope check (scope in ('personal', 'workspace', 'organization')),
    constraint credentials_person check (person = case scope when 'personal' then account_id else '' end)
);

insert into credentials
    (id, organization_id, workspace_id, source_id, scope, account_id, person, scheme, version,
     sealed, created_at, rotated_at, last_used_at)
select id, organization_id, workspace_id, source_id, scope, account_id, person, scheme, version,
       sealed, created_at, rotated_at, last_used_at
from credentials_kept;

drop table credentials_kept;

create index credentials_by_renewal on credentials (renew_at);

alter table sources add column oauth text not null default '{}';

create table oauth_connects (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    source_id text not null,
    account_id text not null,
    scope text not null,
    label text not null,
    flow text not null,
    asked text not null,
    status text not null,
    problem text,
    credential_id text,
    state_sha256 text,
    browser_sha256 text,
    sealed text,
    poll_at bigint,
    poll_ms bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    constraint oauth_connects_pk primary key (id),
    constraint oauth_connects_state unique (state_sha256),
    constraint oauth_connects_workspace foreign key (workspace_id) references workspaces (id),
    constraint oauth_connects_status check (status in ('pending', 'connected', 'failed'))
);

create index oauth_connects_by_poll on oauth_connects (poll_at);
create index oauth_connects_by_age on oauth_connects (expires_at);

create table oauth_clients (
    workspace_id text not null,
    organization_id text not null,
    issuer text not null,
    redirect_uri text not null,
    client_id text not null,
    client_auth text not null,
    client_origin text not null,
    sealed text,
    created_at bigint not null,
    expires_at bigint,
    constraint oauth_clients_pk primary key (workspace_id, issuer, redirect_uri),
    constraint oauth_clients_workspace foreign key (workspace_id) references workspaces (id)
);
