//! When sources are read again and by whom, how readings went, what was looked at, what calls came to.

use crate::samples::{account_id, at, source};
use crate::world::World;
use domain::source::{
    Ended, LookedAt, ReadFailure, RefreshEvery, Source, SourceStatus, Traffic, Unreviewed,
};
use domain::tool::ToolErrorCode;
use store::sources::upkeep::{self, Due, Failed};
use store::sources::{self, Imported};
use store::traffic;

on_each!(
    a_source_that_is_due_is_claimed_once,
    readings_that_fail_degrade_and_those_that_find_nothing_change_nothing,
    a_review_is_bound_to_its_revision,
    what_calls_came_to_adds_up_and_is_forgotten,
);

async fn added(w: &World, source: &Source) {
    let (scope, source) = (w.a.clone(), source.clone());
    w.write(move |tx| {
        let new = Imported {
            source: &source,
            document: "{}",
            definitions: "{}",
            tools: &[],
            looked_at: &[],
            validators: Some("{\"etag\":\"x\"}"),
        };
        sources::insert(tx, &scope, new)
    })
    .await;
}

async fn stored(w: &World, source: &Source) -> (Source, i64) {
    let (scope, id) = (w.a.clone(), source.id.clone());
    w.read(move |r| {
        let version = sources::catalog_version(r, &scope)?;
        Ok((sources::get(r, &scope, &id)?.expect("it is there"), version))
    })
    .await
}

async fn a_source_that_is_due_is_claimed_once(w: World) {
    let (mut soon, mut later, mut never) = (source("soon"), source("later"), source("never"));
    soon.upkeep.next_refresh_at = Some(at(10));
    later.upkeep.next_refresh_at = Some(at(20));
    never.upkeep.next_refresh_at = None;
    let mut off = source("off");
    off.upkeep.next_refresh_at = Some(at(1));
    off.status = SourceStatus::Disabled;
    for one in [&soon, &later, &never, &off] {
        added(&w, one).await;
    }
    let due = async |now| {
        let system = w.system;
        w.read(move |r| {
            Ok((
                upkeep::due(r, system, at(now), 10)?,
                upkeep::next_due(r, system)?,
            ))
        })
        .await
    };
    assert_eq!(due(9).await, (Vec::new(), Some(at(10))));
    let expected = |of: &Source, ms| Due {
        scope: w.a.clone(),
        id: of.id.clone(),
        at: at(ms),
    };
    assert_eq!(due(15).await.0, [expected(&soon, 10)]);
    assert_eq!(due(25).await.0, [expected(&soon, 10), expected(&later, 20)]);
    let claim = async |due: &Due| {
        let due = due.clone();
        w.write(move |tx| upkeep::claim(tx, &due, at(100))).await
    };
    assert!(claim(&expected(&soon, 10)).await);
    assert!(
        !claim(&expected(&soon, 10)).await,
        "another server was first"
    );
    assert!(!claim(&expected(&off, 1)).await, "what is off is not read");
    assert_eq!(due(25).await.0, [expected(&later, 20)]);
    let (scope, id) = (w.a.clone(), soon.id.clone());
    let set =
        w.write(move |tx| upkeep::set_every(tx, &scope, &id, Some(RefreshEvery::Never), None));
    assert!(set.await);
    let (scope, id) = (w.b.clone(), later.id.clone());
    let foreign = w.write(move |tx| upkeep::set_every(tx, &scope, &id, None, None));
    assert!(!foreign.await);
    let seen = stored(&w, &soon).await.0.upkeep;
    assert_eq!(
        (seen.refresh_every, seen.next_refresh_at),
        (Some(RefreshEvery::Never), None)
    );
}

async fn readings_that_fail_degrade_and_those_that_find_nothing_change_nothing(w: World) {
    let zoo = source("zoo");
    added(&w, &zoo).await;
    let (_, version) = stored(&w, &zoo).await;
    let fail = async |reason: &str, in_a_row| {
        let (scope, id) = (w.a.clone(), zoo.id.clone());
        let failure = ReadFailure {
            at: at(30),
            reason: reason.to_owned(),
        };
        w.write(move |tx| {
            let how = Failed {
                failure: &failure,
                in_a_row,
                next: Some(at(40)),
            };
            upkeep::failed(tx, &scope, &id, how)
        })
        .await;
        stored(&w, &zoo).await
    };
    let (failed, first) = fail("it is gone", 1).await;
    let reason = "it is gone".to_owned();
    assert_eq!(failed.status, SourceStatus::Degraded { reason });
    assert_eq!(
        (failed.upkeep.failures, failed.upkeep.next_refresh_at),
        (1, Some(at(40)))
    );
    assert_eq!(first, version + 1);
    let (failed, second) = fail("it is gone", 2).await;
    assert_eq!(failed.upkeep.failures, 2);
    assert_eq!(second, first, "the same failure again is no other catalog");
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    w.write(move |tx| sources::set_status(tx, &scope, &id, &SourceStatus::Disabled))
        .await;
    let (off, _) = fail("it is gone for good", 3).await;
    assert_eq!(
        off.status,
        SourceStatus::Disabled,
        "a failure does not switch it on"
    );
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    w.write(move |tx| sources::set_status(tx, &scope, &id, &SourceStatus::Ready))
        .await;
    let (_, before) = stored(&w, &zoo).await;
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    w.write(move |tx| upkeep::found_unchanged(tx, &scope, &id, at(50), Some(at(60))))
        .await;
    let (seen, after) = stored(&w, &zoo).await;
    assert_eq!(after, before);
    assert_eq!((seen.refreshed_at, seen.upkeep.failures), (at(50), 0));
    assert!(seen.upkeep.last_failure.is_some(), "what was is still told");
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    let known = w.read(move |r| upkeep::validators(r, &scope, &id)).await;
    assert_eq!(known.as_deref(), Some("{\"etag\":\"x\"}"));
}

async fn a_review_is_bound_to_its_revision(w: World) {
    let zoo = source("zoo");
    added(&w, &zoo).await;
    let (_, version) = stored(&w, &zoo).await;
    let looked = vec![LookedAt {
        by: account_id(),
        at: at(5),
        digests: vec!["d".to_owned()],
    }];
    let review = async |revision, rest: Vec<Unreviewed>| {
        let (scope, id, looked) = (w.a.clone(), zoo.id.clone(), looked.clone());
        w.write(move |tx| upkeep::review(tx, &scope, (&id, revision), &rest, &looked))
            .await
    };
    assert!(!review(2, Vec::new()).await);
    assert!(review(1, Vec::new()).await);
    assert!(
        !review(1, zoo.upkeep.unreviewed.clone()).await,
        "it is at another revision"
    );
    let (seen, after) = stored(&w, &zoo).await;
    assert_eq!((seen.upkeep.revision, after), (2, version + 1));
    assert_eq!(seen.upkeep.unreviewed, []);
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    assert_eq!(
        w.read(move |r| upkeep::looked_at(r, &scope, &id)).await,
        looked
    );
}

async fn what_calls_came_to_adds_up_and_is_forgotten(w: World) {
    let (zoo, gone) = (source("zoo"), source("gone"));
    added(&w, &zoo).await;
    let hour = 3_600_000;
    let count = async |of: &Source, ms: i64, ended: Ended| {
        let (scope, id) = (w.a.clone(), of.id.clone());
        let mut counted = Traffic::default();
        let code = (ended != Ended::Well).then_some(ToolErrorCode::CredentialRejected);
        counted.count(ended, code, 7, at(ms));
        w.write(move |tx| traffic::add(tx, &scope, &id, at(ms), &counted))
            .await;
    };
    count(&zoo, 0, Ended::Well).await;
    count(&zoo, 1, Ended::Rejected).await;
    count(&zoo, hour, Ended::Rejected).await;
    count(&gone, 0, Ended::Well).await;
    let since = async |scope: &domain::access::Scope, ms| {
        let scope = scope.clone();
        w.read(move |r| traffic::since(r, &scope, at(ms))).await
    };
    let all = since(&w.a, 0).await;
    assert_eq!(all.len(), 1, "of what is no source nothing is kept");
    let of_zoo = &all[&zoo.id];
    assert_eq!(
        (of_zoo.calls, of_zoo.failed, of_zoo.rejected_in_a_row),
        (3, 2, 2)
    );
    assert_eq!(since(&w.a, hour).await[&zoo.id].calls, 1);
    assert!(since(&w.b, 0).await.is_empty());
    let system = w.system;
    let forgotten = w.write(move |tx| traffic::forget_before(tx, system, at(hour)));
    assert_eq!(forgotten.await, 1);
    assert_eq!(since(&w.a, 0).await[&zoo.id].calls, 1);
    let (scope, id) = (w.a.clone(), zoo.id.clone());
    assert!(w.write(move |tx| sources::remove(tx, &scope, &id)).await);
    assert!(since(&w.a, 0).await.is_empty());
}
