-- Approvals that expire at one instant are few: the list of what waits puts them in order as it is read, and its index does without the identifier.

drop index approvals_soonest;
create index approvals_soonest on approvals (workspace_id, expires_at) where status = 'pending';
