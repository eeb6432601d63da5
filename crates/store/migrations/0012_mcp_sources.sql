-- Whether an administrator believes what a source says about the risk of its own tools.

alter table sources add column trust_hints bigint not null default 0;
