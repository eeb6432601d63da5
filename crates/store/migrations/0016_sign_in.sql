-- Signing in: sessions that their owner sees and ends, who a provider says somebody is, ways to a provider that are under way, visitors without a name, and what WorkOS manages.

-- Sessions of before knew neither their age nor their last use: whoever has one signs in again.
drop table sessions;

create table sessions (
    id text not null,
    token_sha256 text not null,
    account_id text not null,
    via text not null,
    user_agent text not null,
    address text not null,
    created_at bigint not null,
    seen_at bigint not null,
    expires_at bigint not null,
    constraint sessions_pk primary key (id),
    constraint sessions_token unique (token_sha256),
    constraint sessions_account foreign key (account_id) references accounts (id),
    constraint sessions_via check (via in ('link', 'oidc', 'workos', 'visitor'))
);

create index sessions_by_person on sessions (account_id, created_at, id);
create index sessions_by_age on sessions (expires_at);

create table sign_in_links (
    token_sha256 text not null,
    account_id text not null,
    expires_at bigint not null,
    constraint sign_in_links_pk primary key (token_sha256),
    constraint sign_in_links_account foreign key (account_id) references accounts (id)
);

-- A person is known by who says so and by what they are called there, never by an address.
create table identities (
    issuer text not null,
    subject text not null,
    account_id text not null,
    email text not null,
    email_verified bigint not null,
    name text not null,
    created_at bigint not null,
    seen_at bigint not null,
    constraint identities_pk primary key (issuer, subject),
    constraint identities_account foreign key (account_id) references accounts (id)
);

create index identities_by_person on identities (account_id);

-- What the browser keeps opens these; nothing here does by itself.
create table sign_in_attempts (
    state_sha256 text not null,
    browser_sha256 text not null,
    next text not null,
    expires_at bigint not null,
    constraint sign_in_attempts_pk primary key (state_sha256)
);

create index sign_in_attempts_by_age on sign_in_attempts (expires_at);

-- An organization that belongs to whoever holds a session or a key of it, until somebody claims it
-- or nobody has used it for long.
create table visitors (
    organization_id text not null,
    account_id text not null,
    created_at bigint not null,
    seen_at bigint not null,
    constraint visitors_pk primary key (organization_id),
    constraint visitors_account unique (account_id),
    constraint visitors_organization foreign key (organization_id) references organizations (id)
);

create index visitors_by_age on visitors (seen_at);

-- Which organization stands for which of a provider's, and which memberships follow it.
create table linked_organizations (
    provider text not null,
    external_id text not null,
    organization_id text not null,
    constraint linked_organizations_pk primary key (provider, external_id),
    constraint linked_organizations_one unique (provider, organization_id),
    constraint linked_organizations_organization foreign key (organization_id) references organizations (id)
);

create table linked_members (
    provider text not null,
    organization_id text not null,
    account_id text not null,
    constraint linked_members_pk primary key (provider, organization_id, account_id)
);

create index linked_members_by_person on linked_members (account_id);

create table provider_events (
    provider text not null,
    event_id text not null,
    received_at bigint not null,
    constraint provider_events_pk primary key (provider, event_id)
);

create index provider_events_by_age on provider_events (received_at);
