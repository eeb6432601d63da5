-- Audit entries say through what client and key and from where; checkpoints of the chain are signed; an organization has data keys with versions, so that they can be changed while serving.

alter table audit add column form bigint not null default 1;
alter table audit add column client text not null default '';
alter table audit add column key_id text;
alter table audit add column address text;
alter table audit add column request_id text;

-- The order in which a source looks for a credential.
alter table sources add column credential_order text not null default 'personal,workspace,organization';

-- Days for which entries are kept; zero keeps them for ever.
alter table organizations add column audit_retention_days bigint not null default 0;

-- What signs an organization's checkpoints: the seed is sealed, the rest is public.
create table audit_keys (
    organization_id text not null,
    public_key text not null,
    sealed text not null,
    created_at bigint not null,
    constraint audit_keys_pk primary key (organization_id),
    constraint audit_keys_organization foreign key (organization_id) references organizations (id)
);

create table audit_checkpoints (
    organization_id text not null,
    kind text not null,
    sequence bigint not null,
    hash text not null,
    at bigint not null,
    public_key text not null,
    signature text not null,
    constraint audit_checkpoints_pk primary key (organization_id, kind, sequence),
    constraint audit_checkpoints_organization foreign key (organization_id) references organizations (id),
    constraint audit_checkpoints_kind check (kind in ('head', 'anchor'))
);

-- The highest version seals; the ones before it open what is not sealed anew yet.
create table data_keys (
    organization_id text not null,
    version bigint not null,
    wrapped text not null,
    created_at bigint not null,
    constraint data_keys_pk primary key (organization_id, version),
    constraint data_keys_organization foreign key (organization_id) references organizations (id)
);

insert into data_keys (organization_id, version, wrapped, created_at)
select organizations.id, 1, meta.value, organizations.created_at
from organizations, meta
where meta.name = 'data_key/' || organizations.id;

delete from meta where name in (select 'data_key/' || id from organizations);
