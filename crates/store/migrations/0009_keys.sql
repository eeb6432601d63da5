-- API keys: each stands for one person in one workspace. Only digests of secrets are kept: the one
-- in use, and for a while after a rotation the one before.

create table api_keys (
    id text not null,
    organization_id text not null,
    workspace_id text not null,
    account_id text not null,
    name text not null,
    secret_sha256 text not null,
    previous_sha256 text,
    previous_until bigint,
    created_by text not null,
    created_at bigint not null,
    rotated_at bigint,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint,
    constraint api_keys_pk primary key (id),
    constraint api_keys_secret unique (secret_sha256),
    constraint api_keys_workspace foreign key (workspace_id) references workspaces (id),
    constraint api_keys_account foreign key (account_id) references accounts (id),
    constraint api_keys_previous check ((previous_sha256 is null) = (previous_until is null))
);

create index api_keys_by_previous on api_keys (previous_sha256) where previous_sha256 is not null;
create index api_keys_by_person on api_keys (workspace_id, account_id, created_at, id);
