-- What waits is listed by when it expires, and how often a rule decided is counted from the index alone.

create index approvals_soonest on approvals (workspace_id, expires_at, id) where status = 'pending';
create index calls_by_rule on calls (workspace_id, started_at, rule_id) where rule_id is not null;
