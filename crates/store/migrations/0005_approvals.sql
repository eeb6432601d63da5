-- An approval may need several people, each with a yes of their own; a reviewer may edit arguments, say that a call of unknown outcome happened, or withdraw the question until it is used. A source keeps which of its tools an administrator calls safe to repeat.

alter table approvals add column original_arguments text;
alter table approvals add column edited_by text;
alter table approvals add column edited_via text;
alter table approvals add column edited_at bigint;
alter table approvals add column happened text;
alter table approvals add column used_at bigint;
alter table approvals add column withdrawn_by text;
alter table approvals add column withdrawn_via text;
alter table approvals add column withdrawn_at bigint;
alter table approvals add column withdrawn_reason text;

-- What was approved before and sent, or refused after all, is used up.
update approvals
set used_at = answered_at
where status = 'approved'
  and not exists (select 1 from calls
                  where calls.task_id = approvals.task_id and calls.sequence = approvals.sequence
                    and calls.status in ('waiting', 'unknown') and calls.finished_at is null);

-- Only of approvals that need more than one person: the one answer of the others is in their row.
create table approval_yeses (
    approval_id text not null,
    account_id text not null,
    organization_id text not null,
    workspace_id text not null,
    digest text not null,
    via text not null,
    at bigint not null,
    reason text not null,
    constraint approval_yeses_pk primary key (approval_id, account_id),
    constraint approval_yeses_approval foreign key (approval_id) references approvals (id)
);

alter table sources add column idempotent text not null default '[]';
