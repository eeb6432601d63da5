-- What calls of one tool came to is read from an index, the latest first; a call that has not ended is not in it. A member keeps when they were last there.

create index calls_by_tool on calls (workspace_id, tool, finished_at) where finished_at is not null;

-- Written once in a while, of each organization by itself: nothing of one tells of another.
alter table members add column active_at bigint;
