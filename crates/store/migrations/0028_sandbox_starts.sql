-- When a task's sandbox was asked for and its program began, each time; null until the first is noted.

alter table tasks add column sandbox_starts text;
