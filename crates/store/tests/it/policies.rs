//! Rules and the version of the policy they make.

use crate::samples::{account_id, at, rule};
use crate::world::World;
use domain::AccountId;
use domain::access::Scope;
use domain::policy::{Effect, Level, Policy, Rule};
use store::policies;

on_each!(
    a_policy_reads_back_for_whom_it_binds,
    every_change_changes_the_version_wherever_it_bears,
    foreign_rules_cannot_be_touched,
    rules_are_put_in_order,
);

async fn policy(w: &World, scope: &Scope, account: Option<AccountId>) -> Policy {
    let scope = scope.clone();
    w.read(move |r| policies::policy(r, &scope, account.as_ref()))
        .await
}

async fn insert(w: &World, scope: &Scope, rule: &Rule) -> i64 {
    let (scope, rule) = (scope.clone(), rule.clone());
    w.write(move |tx| policies::insert(tx, &scope, &rule)).await
}

async fn a_policy_reads_back_for_whom_it_binds(w: World) {
    let mut deny = rule(Level::Workspace, 2);
    deny.effect = Effect::Deny;
    deny.until = None;
    let (organization, personal) = (rule(Level::Organization, 1), rule(Level::Personal, 3));
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

async fn every_change_changes_the_version_wherever_it_bears(w: World) {
    let versions = async || {
        let mut seen = Vec::new();
        for scope in [&w.a, &w.sibling, &w.b] {
            seen.push(policy(&w, scope, None).await.version);
        }
        seen
    };
    let start = versions().await;
    let (mut own, wide) = (rule(Level::Workspace, 1), rule(Level::Organization, 1));
    assert_eq!(insert(&w, &w.a, &own).await, start[0] + 1);
    assert_eq!(versions().await, [start[0] + 1, start[1], start[2]]);
    assert_eq!(insert(&w, &w.a, &wide).await, start[0] + 2);
    assert_eq!(versions().await, [start[0] + 2, start[1] + 1, start[2]]);
    own.note = "another".into();
    let (scope, changed) = (w.a.clone(), own.clone());
    let updated = w
        .write(move |tx| policies::update(tx, &scope, &changed))
        .await;
    assert_eq!(updated, Some(start[0] + 3));
    let (scope, id) = (w.sibling.clone(), wide.id.clone());
    let removed = w.write(move |tx| policies::remove(tx, &scope, &id)).await;
    assert_eq!(removed, Some(start[1] + 2));
    assert_eq!(versions().await, [start[0] + 4, start[1] + 2, start[2]]);
    assert_eq!(policy(&w, &w.a, None).await.rules, [own]);
}

async fn foreign_rules_cannot_be_touched(w: World) {
    let own = rule(Level::Workspace, 1);
    insert(&w, &w.a, &own).await;
    let before = policy(&w, &w.a, None).await;
    for foreign in [&w.b, &w.sibling] {
        let (scope, mut changed) = (foreign.clone(), own.clone());
        changed.note = "mine now".into();
        let touched = w
            .write(move |tx| {
                Ok((
                    policies::get(tx, &scope, &changed.id)?,
                    policies::update(tx, &scope, &changed)?,
                    policies::remove(tx, &scope, &changed.id)?,
                ))
            })
            .await;
        assert_eq!(touched, (None, None, None));
    }
    let (scope, mut raised) = (w.a.clone(), own);
    raised.level = Level::Organization;
    let updated = w
        .write(move |tx| policies::update(tx, &scope, &raised))
        .await;
    assert_eq!(updated, None, "a rule does not change its level");
    assert_eq!(policy(&w, &w.a, None).await, before);
}

async fn rules_are_put_in_order(w: World) {
    let rules = [
        rule(Level::Workspace, 1),
        rule(Level::Workspace, 1),
        rule(Level::Workspace, 1),
    ];
    for one in &rules {
        insert(&w, &w.a, one).await;
    }
    let before = policy(&w, &w.a, None).await;
    let order = [&rules[2], &rules[0], &rules[1]].map(|r| r.id.clone());
    let (scope, wanted) = (w.a.clone(), order.clone());
    let version = w
        .write(move |tx| policies::set_order(tx, &scope, &wanted))
        .await;
    let after = policy(&w, &w.a, None).await;
    assert_eq!(
        after.rules.iter().map(|r| r.id.clone()).collect::<Vec<_>>(),
        order
    );
    assert_eq!(
        after.rules.iter().map(|r| r.position).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(
        (after.version, version),
        (before.version + 1, before.version + 1)
    );
    assert_eq!(after.rules[0].created_at, at(0));
}
