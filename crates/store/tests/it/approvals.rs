//! Questions and answers: one answer each, whoever tries.

use crate::samples::{answered, approval, at, call};
use crate::tasks::{asking, begun};
use crate::world::World;
use domain::approval::{Approval, ApprovalStatus, Question};
use domain::call::CallStatus;
use futures_util::future::join_all;
use store::approvals::{self, ApprovalFilter};
use store::{Error, calls};

on_each!(
    every_status_reads_back,
    one_of_many_answers_counts,
    what_is_due_expires,
    the_end_of_a_task_withdraws_its_questions,
    lists_filter_and_page,
);

async fn get(w: &World, asked: &Approval) -> Approval {
    let (scope, id) = (w.a.clone(), asked.id.clone());
    w.read(move |r| approvals::get(r, &scope, &id))
        .await
        .unwrap()
}

async fn resolve(w: &World, asked: &Approval, status: ApprovalStatus) -> bool {
    let (scope, id) = (w.a.clone(), asked.id.clone());
    w.write(move |tx| approvals::resolve(tx, &scope, &id, &status))
        .await
}

async fn every_status_reads_back(w: World) {
    for status in [
        ApprovalStatus::Approved(answered("")),
        ApprovalStatus::Denied(answered("no, because é")),
        ApprovalStatus::Happened(answered("seen"), "{\"id\":7}".into()),
        ApprovalStatus::Expired,
    ] {
        let (_, _, asked) = asking(&w).await;
        assert_eq!(get(&w, &asked).await, asked);
        assert!(resolve(&w, &asked, status.clone()).await);
        assert_eq!(
            get(&w, &asked).await,
            Approval {
                status: status.clone(),
                ..asked.clone()
            }
        );
        assert!(
            !resolve(&w, &asked, ApprovalStatus::Expired).await,
            "the first answer stands"
        );
        assert_eq!(get(&w, &asked).await.status, status);
    }
}

async fn one_of_many_answers_counts(w: World) {
    for _ in 0..5 {
        let (_, _, asked) = asking(&w).await;
        let tries = (0..12).map(|n| {
            let (scope, id) = (w.a.clone(), asked.id.clone());
            let store = if n % 2 == 0 { &w.store } else { &w.other };
            store.write(move |tx| {
                let status = ApprovalStatus::Denied(answered(&n.to_string()));
                Ok::<_, Error>(approvals::resolve(tx, &scope, &id, &status)?.then_some(n))
            })
        });
        let won: Vec<i32> = join_all(tries)
            .await
            .into_iter()
            .filter_map(Result::unwrap)
            .collect();
        assert_eq!(won.len(), 1);
        let status = ApprovalStatus::Denied(answered(&won[0].to_string()));
        assert_eq!(get(&w, &asked).await.status, status);
    }
    let (_, _, asked) = asking(&w).await;
    let (scope, id) = (w.b.clone(), asked.id.clone());
    let foreign = w
        .write(move |tx| approvals::resolve(tx, &scope, &id, &ApprovalStatus::Expired))
        .await;
    assert!(!foreign);
    assert_eq!(get(&w, &asked).await.status, ApprovalStatus::Pending);
}

async fn what_is_due_expires(w: World) {
    let system = w.system;
    assert_eq!(
        w.read(move |r| approvals::next_expiry(r, system)).await,
        None
    );
    let (_, _, asked) = asking(&w).await;
    let (_, _, answered_one) = asking(&w).await;
    resolve(&w, &answered_one, ApprovalStatus::Approved(answered(""))).await;
    assert_eq!(
        w.read(move |r| approvals::next_expiry(r, system)).await,
        Some(at(500))
    );
    assert_eq!(
        w.write(move |tx| approvals::expire_due(tx, system, at(499)))
            .await,
        Vec::new()
    );
    let expired = w
        .write(move |tx| approvals::expire_due(tx, system, at(500)))
        .await;
    let status = ApprovalStatus::Expired;
    assert_eq!(expired, vec![(w.a.clone(), Approval { status, ..asked })]);
    assert_eq!(
        w.write(move |tx| approvals::expire_due(tx, system, at(900)))
            .await,
        Vec::new()
    );
    assert_eq!(
        w.read(move |r| approvals::next_expiry(r, system)).await,
        None
    );
}

async fn the_end_of_a_task_withdraws_its_questions(w: World) {
    let (task, _, asked) = asking(&w).await;
    let (_, _, of_another) = asking(&w).await;
    let withdraw = |scope: domain::access::Scope| {
        let id = task.id.clone();
        w.write(move |tx| approvals::withdraw_pending(tx, &scope, &id))
    };
    assert_eq!(withdraw(w.b.clone()).await, Vec::new());
    let status = ApprovalStatus::Withdrawn(None);
    assert_eq!(
        withdraw(w.a.clone()).await,
        vec![Approval { status, ..asked }]
    );
    assert_eq!(withdraw(w.a.clone()).await, Vec::new());
    assert_eq!(get(&w, &of_another).await.status, ApprovalStatus::Pending);
}

async fn lists_filter_and_page(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let mut asked = Vec::new();
    for n in 1..=3u32 {
        let call = call(&task.id, n, CallStatus::Waiting);
        let mut one = approval(&call, 500);
        one.created_at = at(i64::from(n / 2));
        one.question = if n == 3 {
            Question::SendAgain
        } else {
            Question::Send
        };
        let (scope, held, row) = (w.a.clone(), lease.clone(), one.clone());
        w.write(move |tx| {
            calls::insert(tx, &held, &scope, &call)?;
            approvals::insert(tx, &scope, &row)
        })
        .await;
        asked.push(one);
    }
    let (_, _, other) = asking(&w).await;
    resolve(&w, &other, ApprovalStatus::Expired).await;
    let list = |filter: ApprovalFilter| {
        let scope = w.a.clone();
        w.read(move |r| approvals::list(r, &scope, &filter))
    };
    let all = ApprovalFilter {
        limit: 9,
        ..ApprovalFilter::default()
    };
    assert_eq!(list(all.clone()).await.len(), 4);
    let expired = ApprovalFilter {
        status: Some("expired".into()),
        ..all.clone()
    };
    assert_eq!(list(expired).await[0].id, other.id);
    let mut pages = Vec::new();
    let mut filter = ApprovalFilter {
        task: Some(task.id.clone()),
        limit: 1,
        ..all.clone()
    };
    while let Some(one) = list(filter.clone()).await.pop() {
        filter.before = Some((one.created_at, one.id.clone()));
        pages.push(one);
    }
    let mut newest_first = asked.clone();
    newest_first.sort_by_key(|a| std::cmp::Reverse((a.created_at, a.id.clone())));
    assert_eq!(pages, newest_first);
    let (scope, id) = (w.a.clone(), task.id.clone());
    let (of_task, of_call) = w
        .read(move |r| {
            let of_call = approvals::for_call(r, &scope, &id, 2)?;
            Ok((approvals::for_task(r, &scope, &id)?, of_call))
        })
        .await;
    assert_eq!(of_task, asked);
    assert_eq!(of_call, vec![asked[1].clone()]);
    let (scope, id) = (w.b.clone(), task.id.clone());
    let foreign = w
        .read(move |r| {
            let mut seen = approvals::list(r, &scope, &all)?;
            seen.extend(approvals::for_task(r, &scope, &id)?);
            seen.extend(approvals::for_call(r, &scope, &id, 2)?);
            seen.extend(approvals::get(r, &scope, &asked[0].id)?);
            Ok(seen)
        })
        .await;
    assert_eq!(foreign, Vec::new());
}
