//! Rules and the version of the policy they make.

use crate::samples::{account_id, at, call, rule, task};
use crate::world::World;
use domain::AccountId;
use domain::access::{Channel, Scope};
use domain::call::CallStatus;
use domain::policy::{Change, Effect, Level, Policy, Rule, Version};
use store::policies::history;
use store::policies::{self, Made};
use store::recorded::{self, RecordedFilter};

on_each!(
    a_policy_reads_back_for_whom_it_binds,
    every_change_is_a_version_wherever_it_bears,
    foreign_rules_cannot_be_touched,
    every_version_can_be_had_back,
    other_peoples_own_rules_are_not_in_the_history,
    recorded_calls_are_read_in_pages,
);

async fn policy(w: &World, scope: &Scope, account: Option<AccountId>) -> Policy {
    let scope = scope.clone();
    w.read(move |r| policies::policy(r, &scope, account.as_ref()))
        .await
}

/// Makes a change of the policy as it is; answers the version.
async fn change(
    w: &World,
    scope: &Scope,
    make: impl Fn(&Policy) -> Change + Send + 'static,
) -> i64 {
    let scope = scope.clone();
    w.write(move |tx| {
        let policy = policies::in_force(tx, &scope, Some(&account_id()))?;
        let made = Made {
            by: &account_id(),
            channel: Channel::Cli,
            at: at(5),
            change: &make(&policy),
        };
        policies::change(tx, &scope, &policy, &made)
    })
    .await
}

/// Adds a rule as the last of its level.
async fn insert(w: &World, scope: &Scope, rule: &Rule) -> i64 {
    let rule = rule.clone();
    change(w, scope, move |policy| Change::Added {
        after: Rule {
            position: policy.order_beside(&rule).len() as i64 + 1,
            ..rule.clone()
        },
    })
    .await
}

async fn a_policy_reads_back_for_whom_it_binds(w: World) {
    // Rules of one place come in the order of their identifiers.
    let organization = rule(Level::Organization, 1);
    let mut deny = rule(Level::Workspace, 1);
    deny.effect = Effect::Deny;
    deny.until = None;
    let personal = rule(Level::Personal, 1);
    for one in [&deny, &organization, &personal] {
        insert(&w, &w.a, one).await;
    }
    let all = policy(&w, &w.a, Some(account_id())).await;
    assert_eq!(
        all.rules,
        [organization.clone(), deny.clone(), personal.clone()]
    );
    let somebody = policy(&w, &w.a, Some(AccountId::from_bits([8; 16]))).await;
    assert_eq!(somebody.rules, [organization.clone(), deny.clone()]);
    assert_eq!(
        policy(&w, &w.a, None).await.rules,
        [organization.clone(), deny]
    );
    assert_eq!(
        policy(&w, &w.sibling, Some(account_id())).await.rules,
        [organization]
    );
    assert_eq!(policy(&w, &w.b, Some(account_id())).await.rules, []);
    let (scope, id) = (w.a.clone(), personal.id.clone());
    assert_eq!(
        w.read(move |r| policies::get(r, &scope, &id)).await,
        Some(personal)
    );
}

async fn versions(w: &World, scope: &Scope, account: AccountId) -> Vec<Version> {
    let scope = scope.clone();
    w.read(move |r| history::versions(r, &scope, &account, None, 100))
        .await
}

async fn policy_at(w: &World, scope: &Scope, number: i64) -> Option<Policy> {
    let scope = scope.clone();
    w.read(move |r| history::policy_at(r, &scope, &account_id(), number))
        .await
}

async fn every_change_is_a_version_wherever_it_bears(w: World) {
    let numbers = async || {
        let mut seen = Vec::new();
        for scope in [&w.a, &w.sibling, &w.b] {
            seen.push(policy(&w, scope, None).await.version);
        }
        seen
    };
    let start = numbers().await;
    let (own, wide) = (rule(Level::Workspace, 1), rule(Level::Organization, 1));
    assert_eq!(insert(&w, &w.a, &own).await, start[0] + 1);
    assert_eq!(numbers().await, [start[0] + 1, start[1], start[2]]);
    assert_eq!(insert(&w, &w.a, &wide).await, start[0] + 2);
    assert_eq!(numbers().await, [start[0] + 2, start[1] + 1, start[2]]);
    let edited = Rule {
        note: "another".into(),
        ..own.clone()
    };
    let text = edited.clone();
    let made = change(&w, &w.a, move |p| {
        Change::edit(p, text.clone()).expect("it is there")
    });
    assert_eq!(made.await, start[0] + 3);
    let id = wide.id.clone();
    let made = change(&w, &w.sibling, move |p| {
        Change::remove(p, &id).expect("it is there")
    });
    assert_eq!(made.await, start[1] + 2);
    assert_eq!(numbers().await, [start[0] + 4, start[1] + 2, start[2]]);
    assert_eq!(
        policy(&w, &w.a, None).await.rules,
        std::slice::from_ref(&edited)
    );

    let told = |versions: &[Version]| -> Vec<(i64, &'static str)> {
        let one = |v: &Version| (v.number, v.change.as_str());
        versions.iter().map(one).collect()
    };
    let here = versions(&w, &w.a, account_id()).await;
    assert_eq!(
        told(&here),
        [
            (start[0] + 4, "removed"),
            (start[0] + 3, "edited"),
            (start[0] + 2, "added"),
            (start[0] + 1, "added")
        ]
    );
    assert_eq!(here[1].change.before(), Some(&own));
    assert_eq!(here[1].change.after(), Some(&edited));
    assert_eq!(
        (&here[1].by, here[1].channel),
        (&account_id(), Channel::Cli)
    );
    let beside = versions(&w, &w.sibling, account_id()).await;
    let expected = [(start[1] + 2, "removed"), (start[1] + 1, "added")];
    assert_eq!(told(&beside), expected);
    assert_eq!(versions(&w, &w.b, account_id()).await, []);
    let scope = w.a.clone();
    let one = w.read(move |r| history::version(r, &scope, &account_id(), start[0] + 3));
    assert_eq!(one.await.as_ref(), Some(&here[1]));
}

async fn foreign_rules_cannot_be_touched(w: World) {
    let own = rule(Level::Workspace, 1);
    insert(&w, &w.a, &own).await;
    let before = policy(&w, &w.a, None).await;
    let mut raised = own.clone();
    raised.level = Level::Organization;
    for (scope, rule) in [(&w.b, &own), (&w.sibling, &own), (&w.a, &raised)] {
        let mut changed = rule.clone();
        changed.note = "mine now".into();
        let edit = Change::Edited {
            before: rule.clone(),
            after: changed,
        };
        let remove = Change::Removed {
            before: rule.clone(),
        };
        for change in [edit, remove] {
            if rule.level != own.level && change.after().is_none() {
                continue;
            }
            let scope = scope.clone();
            let refused = w.refused(move |tx| {
                let policy = policies::in_force(tx, &scope, Some(&account_id()))?;
                let made = Made {
                    by: &account_id(),
                    channel: Channel::Cli,
                    at: at(5),
                    change: &change,
                };
                policies::change(tx, &scope, &policy, &made)
            });
            assert!(matches!(refused.await, store::Error::Conflict(_)));
        }
    }
    assert_eq!(policy(&w, &w.a, None).await, before);
    assert_eq!(versions(&w, &w.b, account_id()).await, []);
}

async fn every_version_can_be_had_back(w: World) {
    let rules: Vec<Rule> = [
        Level::Workspace,
        Level::Organization,
        Level::Workspace,
        Level::Personal,
        Level::Workspace,
    ]
    .map(|level| rule(level, 1))
    .to_vec();
    let mut seen = vec![policy(&w, &w.a, Some(account_id())).await];
    for rule in &rules {
        insert(&w, &w.a, rule).await;
        seen.push(policy(&w, &w.a, Some(account_id())).await);
    }
    let (first, last) = (rules[0].id.clone(), rules[4].clone());
    let moved = {
        let last = last.id.clone();
        change(&w, &w.a, move |p| {
            Change::move_to(p, &last, 1).expect("there")
        })
    };
    moved.await;
    seen.push(policy(&w, &w.a, Some(account_id())).await);
    let order: Vec<_> = seen[6]
        .rules
        .iter()
        .filter(|r| r.level == Level::Workspace)
        .collect();
    assert_eq!(order[0].id, last.id);
    assert_eq!(
        order.iter().map(|r| r.position).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    change(&w, &w.a, move |p| Change::remove(p, &first).expect("there")).await;
    seen.push(policy(&w, &w.a, Some(account_id())).await);
    // What happens beside it moves nothing here.
    insert(&w, &w.sibling, &rule(Level::Workspace, 1)).await;
    for policy in &seen {
        assert_eq!(
            policy_at(&w, &w.a, policy.version).await.as_ref(),
            Some(policy)
        );
    }
    let newest = seen[7].version;
    assert_eq!(policy_at(&w, &w.a, newest + 1).await, None);
    assert_eq!(policy_at(&w, &w.a, seen[0].version - 1).await, None);
}

async fn other_peoples_own_rules_are_not_in_the_history(w: World) {
    let mine = rule(Level::Personal, 1);
    let made = insert(&w, &w.a, &mine).await;
    let somebody = AccountId::from_bits([8; 16]);
    assert_eq!(versions(&w, &w.a, account_id()).await.len(), 1);
    assert_eq!(versions(&w, &w.a, somebody.clone()).await, []);
    let scope = w.a.clone();
    let theirs = w
        .read(move |r| {
            Ok((
                history::version(r, &scope, &somebody, made)?,
                history::policy_at(r, &scope, &somebody, made)?,
            ))
        })
        .await;
    assert_eq!(theirs.0, None);
    assert_eq!(theirs.1.map(|p| p.rules), Some(Vec::new()));
}

async fn recorded_calls_are_read_in_pages(w: World) {
    let mut made = Vec::new();
    for n in 0..3 {
        let (scope, task) = (w.a.clone(), task(&w.a, n / 2));
        let calls: Vec<_> = (1..=3)
            .map(|sequence| {
                let mut call = call(&task.id, sequence, CallStatus::Waiting);
                if sequence == 2 {
                    call.decision = "none";
                }
                call
            })
            .collect();
        made.push((task.created_at, task.id.clone()));
        w.write(move |tx| {
            let lease = store::tasks::insert_claimed(tx, &scope, &task, "one", at(60_000))?;
            for call in &calls {
                store::calls::insert(tx, &lease, &scope, call)?;
            }
            Ok(())
        })
        .await;
    }
    made.sort_by(|a, b| b.cmp(a));
    let expected: Vec<_> = made
        .iter()
        .flat_map(|(_, id)| [(id.clone(), 1), (id.clone(), 3)])
        .collect();
    let mut filter = RecordedFilter {
        limit: 2,
        ..RecordedFilter::default()
    };
    for page_size in [1, 2, 4, 100] {
        let mut seen = Vec::new();
        filter.after = None;
        filter.limit = page_size;
        loop {
            let (scope, wanted) = (w.a.clone(), filter.clone());
            let page = w.read(move |r| recorded::calls(r, &scope, &wanted)).await;
            let Some(last) = page.last() else { break };
            assert_eq!(last.account_id, account_id());
            filter.after = Some((last.submitted_at, last.task_id.clone(), last.sequence));
            seen.extend(page.into_iter().map(|c| (c.task_id, c.sequence)));
        }
        assert_eq!(seen, expected, "in pages of {page_size}");
    }
    let none = RecordedFilter {
        account: Some(AccountId::from_bits([8; 16])),
        limit: 9,
        ..RecordedFilter::default()
    };
    let late = RecordedFilter {
        since: Some(at(1)),
        limit: 9,
        ..RecordedFilter::default()
    };
    for (scope, filter, count) in [
        (&w.a, none, 0),
        (&w.a, late.clone(), 2),
        (&w.sibling, late, 0),
    ] {
        let (scope, filter) = (scope.clone(), filter);
        let page = w.read(move |r| recorded::calls(r, &scope, &filter)).await;
        assert_eq!(page.len(), count);
    }
}
