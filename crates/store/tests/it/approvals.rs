//! Questions and answers: one answer each, whoever tries.

use crate::samples::{account_id, answered, approval, at, bits, call};
use crate::tasks::{asking, begun};
use crate::world::World;
use domain::AccountId;
use domain::access::Channel;
use domain::approval::{Answered, Approval, ApprovalStatus, Edited, Question, Yes};
use domain::call::CallStatus;
use futures_util::future::join_all;
use store::approvals::{self, ApprovalFilter, ApprovalOrder};
use store::{Error, calls};

on_each!(
    every_status_reads_back,
    one_of_many_answers_counts,
    what_is_due_expires,
    the_end_of_a_task_withdraws_its_questions,
    lists_filter_and_page,
    what_expires_soonest_comes_first,
    each_person_says_yes_once_to_one_thing,
    an_edit_takes_the_place_of_what_was_asked,
    what_is_used_is_used_once,
    what_is_withdrawn_is_withdrawn_until_it_is_used,
    either_used_or_withdrawn,
    a_person_is_shown_full_pages_of_what_concerns_them,
    questions_are_counted,
);

pub(crate) async fn get(w: &World, asked: &Approval) -> Approval {
    let (scope, id) = (w.a.clone(), asked.id.clone());
    w.read(move |r| approvals::get(r, &scope, &id))
        .await
        .unwrap()
}

pub(crate) async fn resolve(w: &World, asked: &Approval, status: ApprovalStatus) -> bool {
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

async fn what_expires_soonest_comes_first(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let mut waiting = Vec::new();
    for (n, expires) in [(1u32, 700), (2, 500), (3, 600), (4, 500)] {
        let call = call(&task.id, n, CallStatus::Waiting);
        let one = approval(&call, expires);
        let (scope, held, row) = (w.a.clone(), lease.clone(), one.clone());
        w.write(move |tx| {
            calls::insert(tx, &held, &scope, &call)?;
            approvals::insert(tx, &scope, &row)
        })
        .await;
        waiting.push(one);
    }
    waiting.sort_by_key(|a| (a.expires_at, a.id.clone()));
    let list = |filter: ApprovalFilter| {
        let scope = w.a.clone();
        w.read(move |r| approvals::list(r, &scope, &filter))
    };
    let soonest = ApprovalFilter {
        status: Some("pending".into()),
        order: ApprovalOrder::Soonest,
        limit: 9,
        ..ApprovalFilter::default()
    };
    assert_eq!(list(soonest.clone()).await, waiting);
    // On from where a page ended, also between two that expire together.
    for n in 0..waiting.len() {
        let rest = ApprovalFilter {
            before: Some((waiting[n].expires_at, waiting[n].id.clone())),
            ..soonest.clone()
        };
        assert_eq!(list(rest).await, waiting[n + 1..]);
    }
    let scope = w.b.clone();
    let foreign = w.read(move |r| approvals::list(r, &scope, &soonest)).await;
    assert_eq!(foreign, Vec::new());
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
        status: Some("pending".into()),
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

fn answered_by(n: u8) -> Answered {
    Answered {
        by: AccountId::from_bits([n; 16]),
        ..answered("seen")
    }
}

/// A question that needs two people.
async fn asking_two(w: &World) -> Approval {
    let (task, lease) = begun(w, "one", 0).await;
    let call = call(&task.id, 1, CallStatus::Waiting);
    let mut asked = approval(&call, 500);
    asked.ask.count = 2;
    let (scope, row) = (w.a.clone(), asked.clone());
    w.write(move |tx| {
        calls::insert(tx, &lease, &scope, &call)?;
        approvals::insert(tx, &scope, &row)
    })
    .await;
    asked
}

async fn each_person_says_yes_once_to_one_thing(w: World) {
    let asked = asking_two(&w).await;
    let say = |scope: &domain::access::Scope, yes: &Yes| {
        let (scope, id, yes) = (scope.clone(), asked.id.clone(), yes.clone());
        w.write(move |tx| approvals::add_yes(tx, &scope, &id, &yes))
    };
    let yes = |n, digest: &str| Yes {
        answered: answered_by(n),
        digest: digest.to_owned(),
    };
    assert!(say(&w.a, &yes(1, "one")).await);
    assert!(!say(&w.a, &yes(1, "one")).await, "once to the same thing");
    assert!(say(&w.a, &yes(2, "one")).await);
    assert!(say(&w.a, &yes(1, "two")).await, "and again to another");
    let expected = vec![yes(1, "two"), yes(2, "one")];
    assert_eq!(get(&w, &asked).await.yeses, expected);
    let (scope, id) = (w.a.clone(), asked.binding.task_id.clone());
    let lists = w
        .read(move |r| {
            let all = ApprovalFilter {
                limit: 9,
                ..ApprovalFilter::default()
            };
            Ok([
                approvals::list(r, &scope, &all)?,
                approvals::for_task(r, &scope, &id)?,
                approvals::for_call(r, &scope, &id, 1)?,
            ])
        })
        .await;
    for list in lists {
        assert_eq!(list[0].yeses, expected);
    }
}

async fn an_edit_takes_the_place_of_what_was_asked(w: World) {
    let (_, _, asked) = asking(&w).await;
    let mut edited = asked.clone();
    edited.arguments = "{\"a\":1}".into();
    edited.binding.arguments_digest = "another".into();
    edited.binding.policy_version = 9;
    edited.request = "{\"method\":\"PUT\"}".into();
    edited.why = "another rule".into();
    edited.ask.count = 1;
    edited.ask.may_edit = true;
    edited.edited = Some(Edited {
        by: account_id(),
        channel: Channel::Dashboard,
        at: at(13),
        original: asked.arguments.clone(),
    });
    let edit = |scope: domain::access::Scope| {
        let edited = edited.clone();
        w.write(move |tx| approvals::edit(tx, &scope, &edited))
    };
    assert!(!edit(w.b.clone()).await);
    assert_eq!(get(&w, &asked).await, asked);
    assert!(edit(w.a.clone()).await);
    assert_eq!(get(&w, &asked).await, edited);
    assert!(resolve(&w, &asked, ApprovalStatus::Expired).await);
    assert!(!edit(w.a.clone()).await, "only what is pending is edited");
}

async fn use_up(w: &World, asked: &Approval) -> bool {
    let (scope, id) = (w.a.clone(), asked.id.clone());
    w.write(move |tx| approvals::use_up(tx, &scope, &id, at(30)))
        .await
}

async fn withdraw(w: &World, asked: &Approval) -> bool {
    let (scope, id) = (w.a.clone(), asked.id.clone());
    w.write(move |tx| approvals::withdraw(tx, &scope, &id, &answered("not needed")))
        .await
}

async fn what_is_used_is_used_once(w: World) {
    let statuses = [
        (ApprovalStatus::Approved(answered("")), true),
        (ApprovalStatus::Happened(answered(""), "1".into()), false),
        (ApprovalStatus::Denied(answered("")), false),
        (ApprovalStatus::Expired, false),
    ];
    for (status, usable) in statuses {
        let (_, _, asked) = asking(&w).await;
        assert!(!use_up(&w, &asked).await, "nobody has answered");
        resolve(&w, &asked, status.clone()).await;
        assert_eq!(use_up(&w, &asked).await, usable, "{status:?}");
        assert!(!use_up(&w, &asked).await, "{status:?} twice");
        assert_eq!(get(&w, &asked).await.status, status);
    }
}

async fn what_is_withdrawn_is_withdrawn_until_it_is_used(w: World) {
    let withdrawn = ApprovalStatus::Withdrawn(Some(answered("not needed")));
    let statuses = [
        (None, true),
        (Some(ApprovalStatus::Approved(answered(""))), true),
        (
            Some(ApprovalStatus::Happened(answered(""), "1".into())),
            false,
        ),
        (Some(ApprovalStatus::Denied(answered(""))), false),
        (Some(ApprovalStatus::Expired), false),
    ];
    for (status, possible) in statuses {
        let (_, _, asked) = asking(&w).await;
        if let Some(status) = status.clone() {
            resolve(&w, &asked, status).await;
        }
        assert_eq!(withdraw(&w, &asked).await, possible, "{status:?}");
        let expected = if possible {
            withdrawn.clone()
        } else {
            status.clone().unwrap_or(ApprovalStatus::Pending)
        };
        assert_eq!(get(&w, &asked).await.status, expected);
        assert!(!withdraw(&w, &asked).await, "{status:?} twice");
        assert!(possible || get(&w, &asked).await.status == expected);
        assert!(
            !possible || !use_up(&w, &asked).await,
            "what is withdrawn is not used"
        );
    }
    let (_, _, asked) = asking(&w).await;
    resolve(&w, &asked, ApprovalStatus::Approved(answered(""))).await;
    assert!(use_up(&w, &asked).await);
    assert!(!withdraw(&w, &asked).await, "its call is on its way");
}

async fn either_used_or_withdrawn(w: World) {
    for _ in 0..10 {
        let (_, _, asked) = asking(&w).await;
        resolve(&w, &asked, ApprovalStatus::Approved(answered(""))).await;
        let (scope, id) = (w.a.clone(), asked.id.clone());
        let used = w
            .store
            .write(move |tx| approvals::use_up(tx, &scope, &id, at(30)));
        let (scope, id) = (w.a.clone(), asked.id.clone());
        let withdrawn = w
            .other
            .write(move |tx| approvals::withdraw(tx, &scope, &id, &answered("")));
        let (used, withdrawn) = futures_util::future::join(used, withdrawn).await;
        assert_ne!(used.unwrap(), withdrawn.unwrap());
    }
}

async fn a_person_is_shown_full_pages_of_what_concerns_them(w: World) {
    let (task, lease) = begun(&w, "one", 0).await;
    let (me, other) = (AccountId::from_bits(bits()), AccountId::from_bits(bits()));
    let mut mine = Vec::new();
    for n in 1..=9u32 {
        let call = call(&task.id, n, CallStatus::Waiting);
        let mut one = approval(&call, 500);
        one.created_at = at(i64::from(n));
        one.requested_by = other.clone();
        one.ask.approvers = vec![other.clone()];
        match n % 3 {
            0 => one.requested_by = me.clone(),
            1 => one.ask.approvers.push(me.clone()),
            _ => {}
        }
        if n % 3 != 2 {
            mine.insert(0, one.id.clone());
        }
        let (scope, held) = (w.a.clone(), lease.clone());
        w.write(move |tx| {
            calls::insert(tx, &held, &scope, &call)?;
            approvals::insert(tx, &scope, &one)
        })
        .await;
    }
    let mut seen = Vec::new();
    let mut filter = ApprovalFilter {
        concerning: Some(me),
        limit: 4,
        ..ApprovalFilter::default()
    };
    loop {
        let (scope, wanted) = (w.a.clone(), filter.clone());
        let page = w.read(move |r| approvals::list(r, &scope, &wanted)).await;
        let full = page.len() == 4;
        filter.before = page.last().map(|a| (a.created_at, a.id.clone()));
        seen.extend(page.into_iter().map(|a| a.id));
        if !full {
            break;
        }
    }
    assert_eq!(seen, mine);
}

async fn questions_are_counted(w: World) {
    let (task, _, asked) = asking(&w).await;
    let count = |since| {
        let (scope, id) = (w.a.clone(), task.id.clone());
        w.read(move |r| approvals::asked_by(r, &scope, &id, since))
    };
    assert_eq!(count(at(0)).await, (1, 1));
    assert_eq!(count(at(11)).await, (1, 0), "asked at 11, not after it");
    resolve(&w, &asked, ApprovalStatus::Expired).await;
    assert_eq!(count(at(0)).await, (0, 1));
}
