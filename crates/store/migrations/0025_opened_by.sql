-- A call says which credential went along with it, and a credential which task used it last.

alter table calls add column credential_id text;
alter table credentials add column last_used_by text;
