-- Every change of the rules is kept: who made it, when, and the rule before and after, so that the policy of any version can be had back.

-- A change of the organization's rules is a version of the policy of each of its workspaces.
create table policy_versions (
    workspace_id text not null,
    version bigint not null,
    organization_id text not null,
    rule_id text not null,
    level text not null,
    account_id text,
    author text not null,
    via text not null,
    at bigint not null,
    change text not null,
    rule_before text,
    rule_after text,
    constraint policy_versions_pk primary key (workspace_id, version),
    constraint policy_versions_workspace foreign key (workspace_id) references workspaces (id),
    constraint policy_versions_change check (change in ('added', 'edited', 'moved', 'removed')),
    constraint policy_versions_rules check
        ((rule_before is null) = (change = 'added') and (rule_after is null) = (change = 'removed'))
);
