-- A person may be a member of several organizations, which have short names; a workspace is open to its organization or to named members; organizations and workspaces end with time to think it over; people are invited by links.

alter table organizations add column slug text not null default '';
alter table organizations add column deleted_at bigint;
alter table organizations add column deleted_by text;
alter table organizations add column purge_at bigint
    constraint organizations_ending check ((purge_at is null) = (deleted_at is null)
        and (deleted_by is null) = (deleted_at is null));

-- Until now there was one, that of the local workspace.
update organizations set slug = replace(id, '_', '-');
update organizations set slug = 'local'
where id in (select workspaces.organization_id
             from workspaces, meta
             where meta.name = 'local_workspace' and meta.value like workspaces.id || ' %');

create unique index organizations_slug on organizations (slug);
create index organizations_by_purge on organizations (purge_at) where purge_at is not null;

alter table workspaces add column access text not null default 'open'
    constraint workspaces_access check (access in ('open', 'restricted'));
alter table workspaces add column deleted_at bigint;
alter table workspaces add column deleted_by text;
alter table workspaces add column purge_at bigint
    constraint workspaces_ending check ((purge_at is null) = (deleted_at is null)
        and (deleted_by is null) = (deleted_at is null));

create index workspaces_by_purge on workspaces (purge_at) where purge_at is not null;

-- Since when: a person's first membership is where they are when they name no workspace.
alter table members add column joined_at bigint not null default 0;
update members
set joined_at = (select accounts.created_at from accounts where accounts.id = members.account_id);

-- What the organization calls the person; another one may call them otherwise.
alter table members add column name text;

create index members_by_person on members (account_id, joined_at, organization_id);

-- Who reaches a restricted workspace, beside administrators. Kept when it is opened, for when it is
-- restricted again.
create table workspace_members (
    workspace_id text not null,
    account_id text not null,
    organization_id text not null,
    added_at bigint not null,
    constraint workspace_members_pk primary key (workspace_id, account_id),
    constraint workspace_members_workspace foreign key (workspace_id) references workspaces (id),
    constraint workspace_members_account foreign key (account_id) references accounts (id)
);

create index workspace_members_by_person on workspace_members (organization_id, account_id);

-- Of a link only the digest of its token is kept.
create table invites (
    id text not null,
    organization_id text not null,
    token_sha256 text not null,
    role text not null,
    email text not null,
    note text not null,
    workspaces text not null,
    created_by text not null,
    created_at bigint not null,
    expires_at bigint not null,
    uses_max bigint not null,
    uses bigint not null,
    revoked_at bigint,
    constraint invites_pk primary key (id),
    constraint invites_token unique (token_sha256),
    constraint invites_organization foreign key (organization_id) references organizations (id),
    constraint invites_author foreign key (created_by) references accounts (id),
    constraint invites_role check (role in ('owner', 'admin', 'billing_admin', 'member')),
    constraint invites_uses check (uses >= 0 and uses <= uses_max)
);

create index invites_by_organization on invites (organization_id, created_at, id);
