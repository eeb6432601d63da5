-- A task names the API key it came in with, and a workspace keeps what its administrators have set.

alter table tasks add column key_id text;
alter table workspaces add column settings text not null default '{}';
