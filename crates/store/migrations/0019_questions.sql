-- An administrator may say that a source asks people nothing in the middle of a call; without that it may ask whoever runs the task.

alter table sources add column may_ask bigint not null default 1;
