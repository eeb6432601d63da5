//! More time for a question, and who looks after it.

use crate::approvals::{get, resolve};
use crate::samples::{account_id, answered, at};
use crate::tasks::asking;
use crate::world::World;
use domain::AccountId;
use domain::access::Channel;
use domain::approval::{Approval, ApprovalStatus, Assigned, Extended};
use store::approvals::{self, ApprovalFilter, ApprovalOrder};

on_each!(
    more_time_is_given_once_and_in_time,
    either_expired_or_given_more_time,
    who_looks_after_it_is_written_while_it_is_asked,
);

fn given(at_ms: i64) -> Extended {
    Extended {
        by: account_id(),
        channel: Channel::Cli,
        at: at(at_ms),
    }
}

/// Gives a question time until 989, said at a time.
async fn extend(w: &World, scope: &domain::access::Scope, asked: &Approval, at_ms: i64) -> bool {
    let longer = Approval {
        expires_at: at(989),
        ..asked.clone()
    };
    let scope = scope.clone();
    w.write(move |tx| approvals::extend(tx, &scope, &longer, &given(at_ms)))
        .await
}

async fn more_time_is_given_once_and_in_time(w: World) {
    let (_, _, asked) = asking(&w).await;
    assert!(!extend(&w, &w.b, &asked, 20).await, "of another workspace");
    assert!(!extend(&w, &w.a, &asked, 500).await, "it has expired");
    assert!(extend(&w, &w.a, &asked, 499).await);
    assert!(!extend(&w, &w.a, &asked, 499).await, "it is done once");
    let longer = Approval {
        expires_at: at(989),
        extended: Some(given(499)),
        ..asked.clone()
    };
    assert_eq!(get(&w, &asked).await, longer);
    let system = w.system;
    let expire = |ms| w.write(move |tx| approvals::expire_due(tx, system, at(ms)));
    assert_eq!(expire(988).await, Vec::new());
    let next = w.read(move |r| approvals::next_expiry(r, system)).await;
    assert_eq!(next, Some(at(989)));
    let status = ApprovalStatus::Expired;
    let expired = vec![(w.a.clone(), Approval { status, ..longer })];
    assert_eq!(expire(989).await, expired);
    for status in [
        ApprovalStatus::Denied(answered("")),
        ApprovalStatus::Approved(answered("")),
        ApprovalStatus::Expired,
    ] {
        let (_, _, asked) = asking(&w).await;
        resolve(&w, &asked, status).await;
        assert!(!extend(&w, &w.a, &asked, 20).await);
    }
}

async fn either_expired_or_given_more_time(w: World) {
    for _ in 0..10 {
        let (_, _, asked) = asking(&w).await;
        let longer = Approval {
            expires_at: at(989),
            ..asked.clone()
        };
        let (scope, system) = (w.a.clone(), w.system);
        let extended = w
            .store
            .write(move |tx| approvals::extend(tx, &scope, &longer, &given(499)));
        let expired = w
            .other
            .write(move |tx| approvals::expire_due(tx, system, at(500)));
        let (extended, expired) = futures_util::future::join(extended, expired).await;
        let expired = !expired.unwrap().is_empty();
        assert_ne!(extended.unwrap(), expired, "one of them was first");
        let now = get(&w, &asked).await;
        assert_eq!(now.status == ApprovalStatus::Expired, expired);
        assert_eq!(now.extended.is_some(), !expired);
        resolve(&w, &asked, ApprovalStatus::Expired).await;
    }
}

async fn who_looks_after_it_is_written_while_it_is_asked(w: World) {
    let (_, _, asked) = asking(&w).await;
    let (_, _, other) = asking(&w).await;
    let me = AccountId::from_bits([9; 16]);
    let hers = Approval {
        assigned: Some(Assigned {
            to: me.clone(),
            by: account_id(),
            at: at(20),
        }),
        ..asked.clone()
    };
    let assign = |scope: &domain::access::Scope, approval: &Approval, at_ms: i64| {
        let (scope, approval) = (scope.clone(), approval.clone());
        w.write(move |tx| approvals::assign(tx, &scope, &approval, at(at_ms)))
    };
    assert!(!assign(&w.b, &hers, 20).await, "of another workspace");
    assert!(!assign(&w.a, &hers, 500).await, "it has expired");
    assert!(assign(&w.a, &hers, 20).await);
    assert_eq!(get(&w, &asked).await, hers);
    let list = |scope: &domain::access::Scope| {
        let filter = ApprovalFilter {
            status: Some("pending".into()),
            assignee: Some(me.clone()),
            order: ApprovalOrder::Soonest,
            limit: 9,
            ..ApprovalFilter::default()
        };
        let scope = scope.clone();
        w.read(move |r| approvals::list(r, &scope, &filter))
    };
    assert_eq!(list(&w.a).await, vec![hers.clone()]);
    assert_eq!(list(&w.b).await, Vec::new());
    assert!(assign(&w.a, &asked, 30).await, "to nobody again");
    assert_eq!(get(&w, &asked).await, asked);
    assert_eq!(list(&w.a).await, Vec::new());
    resolve(&w, &other, ApprovalStatus::Expired).await;
    let late = Approval {
        assigned: hers.assigned,
        ..other
    };
    assert!(!assign(&w.a, &late, 20).await, "it is asked no more");
}
