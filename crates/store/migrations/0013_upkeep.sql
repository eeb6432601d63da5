-- A source keeps what nobody has looked at, what was found in its texts, when it is read again and how reading it goes; what its calls came to is counted by the hour.

alter table sources add column unreviewed text not null default '[]';
alter table sources add column findings text not null default '[]';
alter table sources add column refresh_every text;
alter table sources add column next_refresh_at bigint;
alter table sources add column failures bigint not null default 0;
alter table sources add column failed_at bigint;
alter table sources add column failure text;
alter table sources add column validators text;
alter table sources add column revision bigint not null default 1;

-- The definitions that somebody looked at, by digest: large, and wanted only when tools change.
alter table source_documents add column looked_at text not null default '[]';

-- What came from an address is read again a day after it was read last.
update sources set next_refresh_at = refreshed_at + 86400000 where origin like '{"url":%';

create index sources_due on sources (next_refresh_at) where next_refresh_at is not null;

-- No foreign key to sources: what is counted of one that is removed just now must not fail the rest.
create table source_traffic (
    source_id text not null,
    hour bigint not null,
    organization_id text not null,
    workspace_id text not null,
    traffic text not null,
    constraint source_traffic_pk primary key (source_id, hour)
);

create index source_traffic_by_hour on source_traffic (hour);
create index source_traffic_by_workspace on source_traffic (workspace_id, hour);
