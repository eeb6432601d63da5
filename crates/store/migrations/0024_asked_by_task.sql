-- What a task asks is found by the index of its calls; a second one of what is pending was written for each question and read by nobody.

drop index approvals_pending_by_task;
