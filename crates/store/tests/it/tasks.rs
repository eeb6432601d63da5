//! A task's row: what it keeps, what it is counted as, how it is listed and ended.

use crate::samples::{account_id, answered, approval, at, call, task};
use crate::world::World;
use domain::approval::ApprovalStatus;
use domain::call::CallStatus;
use domain::task::{Activity, Lease, Outcome, Task, TaskError, TaskState};
use store::tasks::{self, TaskFilter};
use store::{Error, approvals, calls};

on_each!(
    a_queued_task_reads_back,
    a_task_begun_at_once_reads_back,
    activity_is_counted,
    every_outcome_reads_back_and_ends_the_task,
    only_what_no_server_runs_ends_unclaimed,
    cancels_reach_the_server_that_runs,
    lists_filter_and_page,
    a_search_is_bounded_by_a_place,
);

/// A task that a server called `owner` runs.
pub(crate) async fn begun(w: &World, owner: &'static str, created_ms: i64) -> (Task, Lease) {
    let (scope, task) = (w.a.clone(), task(&w.a, created_ms));
    let stored = task.clone();
    let lease = w
        .write(move |tx| tasks::insert_claimed(tx, &scope, &stored, owner, at(created_ms + 100)))
        .await;
    (task, lease)
}

/// A task that waits for a person, still running.
pub(crate) async fn asking(w: &World) -> (Task, Lease, domain::approval::Approval) {
    let (task, lease) = begun(w, "one", 0).await;
    let call = call(&task.id, 1, CallStatus::Waiting);
    let approval = approval(&call, 500);
    let (scope, held, asked) = (w.a.clone(), lease.clone(), approval.clone());
    w.write(move |tx| {
        calls::insert(tx, &held, &scope, &call)?;
        approvals::insert(tx, &scope, &asked)
    })
    .await;
    (task, lease, approval)
}

pub(crate) async fn get(w: &World, task: &Task) -> Task {
    let (scope, id) = (w.a.clone(), task.id.clone());
    w.read(move |r| tasks::get(r, &scope, &id)).await.unwrap()
}

async fn a_queued_task_reads_back(w: World) {
    let (scope, new) = (w.a.clone(), task(&w.a, 0));
    let stored = new.clone();
    w.write(move |tx| tasks::insert(tx, &scope, &stored)).await;
    assert_eq!(get(&w, &new).await, new);
    for foreign in [w.b.clone(), w.sibling.clone()] {
        let (id, filter) = (
            new.id.clone(),
            TaskFilter {
                limit: 9,
                ..TaskFilter::default()
            },
        );
        let seen = w
            .read(move |r| {
                let counted = tasks::counts(r, &foreign)?;
                Ok((
                    tasks::get(r, &foreign, &id)?,
                    tasks::list(r, &foreign, &filter)?,
                    counted,
                ))
            })
            .await;
        assert_eq!(seen, (None, Vec::new(), Vec::new()));
    }
}

async fn a_task_begun_at_once_reads_back(w: World) {
    let (new, lease) = begun(&w, "one", 5).await;
    assert_eq!(
        lease,
        Lease {
            task_id: new.id.clone(),
            fence: 1
        }
    );
    let expected = Task {
        state: TaskState::Running,
        attempts: 1,
        started_at: Some(at(5)),
        ..new.clone()
    };
    assert_eq!(get(&w, &new).await, expected);
    let held = lease.clone();
    w.write(move |tx| tasks::set_log_lines(tx, &held, 4)).await;
    assert_eq!(get(&w, &new).await.log_lines, 4);
}

async fn activity_is_counted(w: World) {
    let (task, lease, _) = asking(&w).await;
    let seen = get(&w, &task).await;
    assert_eq!(
        seen.activity,
        Activity {
            approvals_pending: 1,
            calls_running: 0
        }
    );
    assert_eq!(seen.shown_status(), "waiting");
    let (scope, second) = (w.a.clone(), call(&task.id, 2, CallStatus::Running));
    w.write(move |tx| calls::insert(tx, &lease, &scope, &second))
        .await;
    let seen = get(&w, &task).await;
    assert_eq!(
        seen.activity,
        Activity {
            approvals_pending: 1,
            calls_running: 1
        }
    );
    assert_eq!(seen.shown_status(), "running");
}

async fn every_outcome_reads_back_and_ends_the_task(w: World) {
    let error = TaskError {
        line: Some(3),
        ..TaskError::new("thrown", "it \"threw\"")
    };
    for outcome in [
        Outcome::Completed("{\"a\":[1,\"é\"]}".into()),
        Outcome::Failed(error.clone()),
        Outcome::TimedOut(error.clone()),
        Outcome::Denied(error),
        Outcome::Canceled,
    ] {
        let (task, lease) = begun(&w, "one", 0).await;
        let (held, ended) = (lease.clone(), outcome.clone());
        w.write(move |tx| tasks::finish(tx, &held, &ended, at(9)))
            .await;
        let seen = get(&w, &task).await;
        assert_eq!(seen.state, TaskState::Finished(outcome));
        assert_eq!(seen.finished_at, Some(at(9)));
        let again = w
            .refused(move |tx| tasks::finish(tx, &lease, &Outcome::Canceled, at(10)))
            .await;
        assert_eq!(again, Error::LostLease(task.id));
    }
}

async fn only_what_no_server_runs_ends_unclaimed(w: World) {
    let (scope, queued) = (w.a.clone(), task(&w.a, 0));
    let stored = queued.clone();
    w.write(move |tx| tasks::insert(tx, &scope, &stored)).await;
    let (running, _) = begun(&w, "one", 0).await;
    let (suspended, lease, _) = asking(&w).await;
    assert!(w.write(move |tx| tasks::suspend(tx, &lease, None)).await);
    for (task, scope, ends) in [
        (&queued, &w.b, false),
        (&queued, &w.a, true),
        (&queued, &w.a, false),
        (&running, &w.a, false),
        (&suspended, &w.a, true),
    ] {
        let (scope, id) = (scope.clone(), task.id.clone());
        let ended = w
            .write(move |tx| tasks::finish_unclaimed(tx, &scope, &id, &Outcome::Canceled, at(9)))
            .await;
        assert_eq!(ended, ends, "{}", task.id);
    }
    assert_eq!(get(&w, &suspended).await.shown_status(), "canceled");
    assert_eq!(get(&w, &running).await.shown_status(), "running");
}

async fn cancels_reach_the_server_that_runs(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    begun(&w, "one", 0).await;
    begun(&w, "two", 0).await;
    let request = |scope: domain::access::Scope| {
        let id = task.id.clone();
        w.write(move |tx| tasks::request_cancel(tx, &scope, &id, &account_id()))
    };
    assert!(!request(w.b.clone()).await);
    assert!(request(w.a.clone()).await);
    assert!(request(w.a.clone()).await);
    let system = w.system;
    let asked = move |owner: &'static str| {
        let store = w.store.clone();
        async move {
            let found: Result<_, Error> = store
                .read(move |r| tasks::cancel_requested(r, system, owner))
                .await;
            found.unwrap()
        }
    };
    assert_eq!(asked("one").await, vec![task.id.clone()]);
    assert_eq!(asked("two").await, Vec::new());
    let ended: Result<(), Error> = w
        .other
        .write(move |tx| tasks::finish(tx, &lease, &Outcome::Canceled, at(1)))
        .await;
    ended.unwrap();
    assert_eq!(asked("one").await, Vec::new());
    let (scope, id) = (w.a.clone(), task.id.clone());
    let late: Result<bool, Error> = w
        .other
        .write(move |tx| tasks::request_cancel(tx, &scope, &id, &account_id()))
        .await;
    assert_eq!(late, Ok(false));
}

async fn a_search_is_bounded_by_a_place(w: World) {
    for n in 0..7 {
        // Two of one millisecond: the identifier decides their order.
        let (scope, new) = (w.a.clone(), task(&w.a, n / 2));
        w.write(move |tx| tasks::insert(tx, &scope, &new)).await;
    }
    let list = |filter: TaskFilter| {
        let scope = w.a.clone();
        w.read(move |r| tasks::list(r, &scope, &filter))
    };
    let every = TaskFilter {
        limit: 9,
        ..TaskFilter::default()
    };
    let all = list(every.clone()).await;
    let nth = |n: usize| Some((all[n].created_at, all[n].id.clone()));
    // As far back as a task, itself among them.
    let back = TaskFilter {
        back_to: nth(2),
        ..every
    };
    assert_eq!(list(back).await, all[..3]);
    let place = |scope: &domain::access::Scope, after, count| {
        let scope = scope.clone();
        w.read(move |r| {
            let after: Option<&(domain::Timestamp, domain::TaskId)> = Option::as_ref(&after);
            tasks::last_of(r, &scope, after, count)
        })
    };
    assert_eq!(place(&w.a, None, 7).await, nth(6), "the oldest of all");
    assert_eq!(place(&w.a, None, 8).await, None, "there are fewer");
    assert_eq!(place(&w.a, nth(0), 2).await, nth(2));
    assert_eq!(place(&w.b, None, 1).await, None, "another tenant's");
}

async fn lists_filter_and_page(w: World) {
    let mut stored = Vec::new();
    for n in 0..5 {
        // Two of one millisecond: the identifier decides their order.
        let (scope, mut new) = (w.a.clone(), task(&w.a, n / 2));
        new.account_id = if n == 0 {
            domain::AccountId::from_bits([9; 16])
        } else {
            account_id()
        };
        let row = new.clone();
        w.write(move |tx| tasks::insert(tx, &scope, &row)).await;
        stored.push(new);
    }
    let (waiting, lease, asked) = asking(&w).await;
    let (running, _) = begun(&w, "one", 50).await;
    let list = |filter: TaskFilter| {
        let scope = w.a.clone();
        w.read(move |r| {
            Ok(tasks::list(r, &scope, &filter)?
                .into_iter()
                .map(|t| t.id)
                .collect::<Vec<_>>())
        })
    };
    let status = |s: &str| TaskFilter {
        status: Some(s.into()),
        limit: 9,
        ..TaskFilter::default()
    };
    assert_eq!(list(status("waiting")).await, vec![waiting.id.clone()]);
    assert_eq!(list(status("running")).await, vec![running.id.clone()]);
    assert_eq!(list(status("completed")).await, Vec::new());
    let mut paged = Vec::new();
    let mut filter = TaskFilter {
        limit: 2,
        ..status("queued")
    };
    loop {
        let page = list(filter.clone()).await;
        let Some(last) = page.last() else { break };
        let last = stored.iter().find(|t| t.id == *last).unwrap();
        filter.before = Some((last.created_at, last.id.clone()));
        paged.extend(page);
    }
    stored.sort_by_key(|t| std::cmp::Reverse((t.created_at, t.id.clone())));
    assert_eq!(
        paged,
        stored.iter().map(|t| t.id.clone()).collect::<Vec<_>>()
    );
    let by = Some(domain::AccountId::from_bits([9; 16]));
    assert_eq!(
        list(TaskFilter {
            account: by,
            ..status("queued")
        })
        .await
        .len(),
        1
    );

    let (scope, id) = (w.a.clone(), asked.id.clone());
    w.write(move |tx| {
        tasks::suspend(tx, &lease, None)?;
        let yes = ApprovalStatus::Approved(answered("fine"));
        approvals::resolve(tx, &scope, &id, &yes)
    })
    .await;
    // Suspended with nothing pending: seen as running until it is woken.
    assert_eq!(list(status("running")).await, vec![running.id, waiting.id]);
    assert_eq!(list(status("waiting")).await, Vec::new());
    let scope = w.a.clone();
    let counts = w.read(move |r| tasks::counts(r, &scope)).await;
    assert_eq!(
        counts,
        vec![("queued".to_owned(), 5), ("running".to_owned(), 2)]
    );
}
