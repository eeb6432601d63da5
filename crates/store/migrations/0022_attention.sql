-- A question may be given more time, once, and somebody may look after it; neither decides anything. What a webhook is told may be written for people, who have quiet hours and are sent a few messages a minute.

alter table approvals add column extended_by text;
alter table approvals add column extended_via text;
alter table approvals add column extended_at bigint;
alter table approvals add column assigned_to text;
alter table approvals add column assigned_by text;
alter table approvals add column assigned_at bigint;

create index approvals_assigned on approvals (workspace_id, assigned_to, expires_at, id)
    where status = 'pending' and assigned_to is not null;

alter table webhooks add column format text not null default 'standard';
alter table webhooks add column quiet text;
alter table webhooks add column pace text not null default '[]';
alter table webhooks add column holds_until bigint not null default 0;
