-- A question says why its call is as risky as it is, and which call of its tool the same client sent last before it.

alter table approvals add column reasons text;
alter table approvals add column previous_task text;
alter table approvals add column previous_sequence bigint;
