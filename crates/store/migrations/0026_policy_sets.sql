-- Named lists of rules that are assigned to an organization, a workspace or a person: what binds is a copy of each rule, beside the rules that were made there.

create table policy_sets (
    id text not null,
    organization_id text not null,
    name text not null,
    -- The name without its case: no two of an organization are alike.
    name_folded text not null,
    description text not null,
    created_at bigint not null,
    constraint policy_sets_pk primary key (id),
    constraint policy_sets_name unique (organization_id, name_folded),
    constraint policy_sets_organization foreign key (organization_id) references organizations (id)
);

create table policy_set_rules (
    id text not null,
    organization_id text not null,
    set_id text not null,
    position bigint not null,
    matches text not null,
    effect text not null,
    until bigint,
    note text not null,
    created_at bigint not null,
    constraint policy_set_rules_pk primary key (id),
    constraint policy_set_rules_set foreign key (set_id) references policy_sets (id)
);

create index policy_set_rules_in_order on policy_set_rules (set_id, position);

create table policy_assignments (
    id text not null,
    organization_id text not null,
    set_id text not null,
    level text not null,
    workspace_id text,
    account_id text,
    -- Whom it binds, as one text: a set is assigned to nobody twice.
    target text not null,
    created_at bigint not null,
    constraint policy_assignments_pk primary key (id),
    constraint policy_assignments_target unique (set_id, target),
    constraint policy_assignments_set foreign key (set_id) references policy_sets (id),
    constraint policy_assignments_workspace_is foreign key (workspace_id) references workspaces (id),
    constraint policy_assignments_level check (level in ('organization', 'workspace', 'personal')),
    constraint policy_assignments_workspace check ((level = 'organization') = (workspace_id is null)),
    constraint policy_assignments_person check ((level = 'personal') = (account_id is not null))
);

create index policy_assignments_by_target on policy_assignments (organization_id, target);

-- What a copy comes of. A rule that was made on its level has none of these.
alter table rules add column assignment_id text;
alter table rules add column set_id text;
alter table rules add column set_rule_id text;

create index rules_by_assignment on rules (assignment_id, position) where assignment_id is not null;
