-- What keys and tokens may be used for, limits of single keys, and the authorization server for MCP clients: who the clients are, what people granted them, and the tokens that came of it.

alter table api_keys add column scopes text not null default 'run read sources policies credentials keys members settings audit';
alter table api_keys add column requests_per_minute bigint;
alter table api_keys add column tasks_per_day bigint;

alter table tasks add column grant_id text;

