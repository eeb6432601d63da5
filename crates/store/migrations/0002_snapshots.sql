-- A suspended task keeps its program as it rests, so that going on need not begin anew. It is a
-- cache beside the journal: written when the task is suspended, gone when it ends.

alter table tasks add column snapshot text;
