-- A question may be given more time, once, and somebody may look after it; neither decides anything.

alter table approvals add column extended_by text;
alter table approvals add column extended_via text;
alter table approvals add column extended_at bigint;
alter table approvals add column assigned_to text;
alter table approvals add column assigned_by text;
alter table approvals add column assigned_at bigint;

create index approvals_assigned on approvals (workspace_id, assigned_to, expires_at, id)
    where status = 'pending' and assigned_to is not null;
