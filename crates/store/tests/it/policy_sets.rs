//! Policy sets: what they hold, whom they bind, and the rules that their assignments brought.

use crate::samples::{account_id, at, bits};
use crate::world::World;
use domain::access::{Channel, Scope};
use domain::policy::{
    Assignment, Change, Effect, Match, Pattern, Policy, PolicySet, SetChange, SetRule, Target,
};
use domain::{AccountId, AssignmentId, PolicySetId, RuleId, SetRuleId};
use store::Tx;
use store::policies::history;
use store::policies::{self, Made, sets};

on_each!(
    a_set_reads_back_and_binds_nobody,
    an_assignment_binds_whom_it_names,
    a_change_of_a_set_is_a_version_wherever_it_binds,
    sets_of_another_organization_are_not_there,
    what_is_assigned_is_not_removed,
);

fn somebody() -> AccountId {
    AccountId::from_bits([8; 16])
}

fn rule(tools: &str, effect: Effect) -> SetRule {
    SetRule {
        id: SetRuleId::from_bits(bits()),
        matches: Match {
            tools: vec![Pattern::parse(tools).unwrap()],
            ..Match::default()
        },
        effect,
        until: Some(at(500)),
        note: "of a set".into(),
        created_at: at(1),
    }
}

/// Stores a set of the organization with two rules.
async fn stored(w: &World, scope: &Scope, name: &str) -> PolicySet {
    let set = PolicySet {
        id: PolicySetId::from_bits(bits()),
        name: name.into(),
        description: "what it is for".into(),
        rules: Vec::new(),
        created_at: at(0),
    };
    let scope = scope.clone();
    w.write(move |tx| {
        let mut set = set.clone();
        sets::insert(tx, &scope, &set)?;
        for rule in [
            rule("a.**", Effect::Deny),
            rule("a.b.c", Effect::Ask(domain::policy::Ask::default())),
        ] {
            let change = SetChange::add(&set, rule);
            sets::change(tx, &scope, &set, &change)?;
            change.apply(&mut set);
        }
        Ok(set)
    })
    .await
}

/// Makes a change of one of the rules that an assignment brought.
fn write(
    tx: &mut Tx<'_>,
    scope: &Scope,
    target: &Target,
    copies: &mut Policy,
    change: &Change,
) -> Result<(), store::Error> {
    let made = Made {
        by: &account_id(),
        channel: Channel::Cli,
        at: at(5),
        change,
    };
    sets::change_copies(tx, scope, target, copies, &made)
}

async fn assigned(w: &World, scope: &Scope, set: &PolicySet, target: Target) -> Assignment {
    let assignment = Assignment {
        id: AssignmentId::from_bits(bits()),
        set_id: set.id.clone(),
        target,
        created_at: at(2),
    };
    let (scope, set, kept) = (scope.clone(), set.clone(), assignment.clone());
    w.write(move |tx| {
        sets::hold(tx, &scope)?;
        sets::assign(tx, &scope, &kept)?;
        let mut copies = Policy::default();
        for change in kept.brings(&set, || RuleId::from_bits(bits())) {
            write(tx, &scope, &kept.target, &mut copies, &change)?;
        }
        Ok(())
    })
    .await;
    assignment
}

async fn policy(w: &World, scope: &Scope, account: &AccountId) -> Policy {
    let (scope, account) = (scope.clone(), account.clone());
    w.read(move |r| policies::policy(r, &scope, Some(&account)))
        .await
}

async fn get(w: &World, scope: &Scope, id: &PolicySetId) -> Option<PolicySet> {
    let (scope, id) = (scope.clone(), id.clone());
    w.read(move |r| sets::get(r, &scope, &id)).await
}

async fn a_set_reads_back_and_binds_nobody(w: World) {
    let set = stored(&w, &w.a, "Production").await;
    // The narrower rule stands above the broader one.
    assert_eq!(set.rules[0].matches.tools[0].as_str(), "a.b.c");
    assert_eq!(get(&w, &w.a, &set.id).await.as_ref(), Some(&set));
    let scope = w.sibling.clone();
    assert_eq!(
        w.read(move |r| sets::all(r, &scope)).await,
        std::slice::from_ref(&set)
    );
    assert_eq!(policy(&w, &w.a, &account_id()).await.rules, []);

    let mut now = set.clone();
    let edits = [
        SetChange::move_to(&set, &set.rules[1].id, 1).unwrap(),
        SetChange::edit(
            &set,
            SetRule {
                note: "another".into(),
                ..set.rules[0].clone()
            },
        )
        .unwrap(),
        SetChange::remove(&set, &set.rules[1].id).unwrap(),
    ];
    for change in edits {
        // A place of the text that was edited is that of the set as it is by then.
        let change = match &change {
            SetChange::Edited(rule, _) => SetChange::edit(&now, rule.clone()).unwrap(),
            SetChange::Added(_, _) | SetChange::Moved(_, _) | SetChange::Removed(_) => {
                change.clone()
            }
        };
        let (scope, before, made) = (w.a.clone(), now.clone(), change.clone());
        w.write(move |tx| sets::change(tx, &scope, &before, &made))
            .await;
        change.apply(&mut now);
        assert_eq!(get(&w, &w.a, &set.id).await.as_ref(), Some(&now));
    }
    assert_eq!(now.rules.len(), 1);

    // No two are called alike, whatever the case; of another organization they may be.
    stored(&w, &w.b, "production").await;
    let (scope, twin) = (
        w.sibling.clone(),
        PolicySet {
            id: PolicySetId::from_bits(bits()),
            name: "PRODUCTION".into(),
            ..now.clone()
        },
    );
    let refused = w.refused(move |tx| sets::insert(tx, &scope, &twin)).await;
    assert_eq!(
        refused.to_string(),
        store::Error::Conflict("policy_sets_name".into()).to_string()
    );
}

async fn an_assignment_binds_whom_it_names(w: World) {
    let set = stored(&w, &w.a, "Production").await;
    let a = w.a.workspace_id().clone();
    let count =
        async |scope: &Scope, account: &AccountId| policy(&w, scope, account).await.rules.len();
    assigned(&w, &w.a, &set, Target::Person(a.clone(), account_id())).await;
    assert_eq!(count(&w.a, &account_id()).await, 2);
    assert_eq!(count(&w.a, &somebody()).await, 0);
    assert_eq!(count(&w.sibling, &account_id()).await, 0);
    let here = assigned(&w, &w.a, &set, Target::Workspace(a.clone())).await;
    assert_eq!(count(&w.a, &account_id()).await, 4);
    assert_eq!(count(&w.a, &somebody()).await, 2);
    assert_eq!(count(&w.sibling, &somebody()).await, 0);
    assigned(&w, &w.sibling, &set, Target::Organization).await;
    assert_eq!(count(&w.a, &somebody()).await, 4);
    assert_eq!(count(&w.sibling, &somebody()).await, 2);
    assert_eq!(count(&w.b, &somebody()).await, 0);

    // They are told apart, and each is named.
    let rules = policy(&w, &w.a, &somebody()).await.rules;
    let of_here: Vec<_> = rules
        .iter()
        .filter(|r| r.assignment_id() == Some(&here.id))
        .collect();
    assert_eq!(of_here.len(), 2);
    for (rule, of) in of_here.iter().zip(&set.rules) {
        let named = rule.of_set.as_ref().unwrap();
        assert_eq!((&named.set_id, &named.set_rule_id), (&set.id, &of.id));
        assert_eq!(named.set_name, "Production");
        assert_eq!((&rule.matches, &rule.effect), (&of.matches, &of.effect));
        assert_eq!((rule.until, rule.note.as_str()), (of.until, "of a set"));
    }
    let scope = w.a.clone();
    let all = w.read(move |r| sets::assignments(r, &scope)).await;
    assert_eq!(all.len(), 3);
    let told = all.iter().find(|a| a.assignment == here).unwrap();
    assert!(told.workspace.is_some() && told.person.is_none());
    // The same is not bound twice.
    let again = Assignment {
        id: AssignmentId::from_bits(bits()),
        ..here
    };
    let scope = w.a.clone();
    let refused = w.refused(move |tx| sets::assign(tx, &scope, &again)).await;
    assert!(matches!(refused, store::Error::Conflict(_)), "{refused}");
}

/// Makes a change of a set and of every copy, as the engine does, from a workspace.
async fn change(w: &World, scope: &Scope, set: &mut PolicySet, change: SetChange) {
    let (scope, before, made_of) = (scope.clone(), set.clone(), change.clone());
    w.write(move |tx| {
        sets::hold(tx, &scope)?;
        sets::change(tx, &scope, &before, &made_of)?;
        for one in sets::assignments(tx, &scope)? {
            let one = one.assignment;
            let mut copies = sets::copies(tx, &scope, &one.id)?;
            let id = RuleId::from_bits(bits());
            let of_copy = made_of.of_copies(&one, &before.name, &copies, id).unwrap();
            write(tx, &scope, &one.target, &mut copies, &of_copy)?;
            assert_eq!(
                sets::copies(tx, &scope, &one.id)?,
                copies,
                "as they are told"
            );
        }
        Ok(())
    })
    .await;
    change.apply(set);
}

async fn a_change_of_a_set_is_a_version_wherever_it_binds(w: World) {
    let mut set = stored(&w, &w.a, "Production").await;
    let a = w.a.workspace_id().clone();
    let mut seen = vec![policy(&w, &w.a, &account_id()).await];
    assigned(&w, &w.a, &set, Target::Workspace(a.clone())).await;
    seen.push(policy(&w, &w.a, &account_id()).await);
    assert_eq!(seen[1].version, seen[0].version + 2, "one for each rule");
    let sibling = policy(&w, &w.sibling, &account_id()).await.version;
    assigned(&w, &w.a, &set, Target::Person(a, account_id())).await;
    seen.push(policy(&w, &w.a, &account_id()).await);
    // Done from the workspace beside it, where it binds nobody.
    let added = SetChange::add(&set, rule("a.x", Effect::Allow));
    change(&w, &w.sibling, &mut set, added).await;
    seen.push(policy(&w, &w.a, &account_id()).await);
    let moved = SetChange::move_to(&set, &set.rules[2].id, 1).unwrap();
    change(&w, &w.sibling, &mut set, moved).await;
    seen.push(policy(&w, &w.a, &account_id()).await);
    let first = SetRule {
        effect: Effect::Allow,
        ..set.rules[0].clone()
    };
    let edited = SetChange::edit(&set, first).unwrap();
    change(&w, &w.sibling, &mut set, edited).await;
    seen.push(policy(&w, &w.a, &account_id()).await);
    let removed = SetChange::remove(&set, &set.rules[1].id).unwrap();
    change(&w, &w.sibling, &mut set, removed).await;
    seen.push(policy(&w, &w.a, &account_id()).await);
    assert_eq!(seen[6].rules.len(), 4);
    for pair in seen.windows(2).skip(2) {
        assert_eq!(pair[1].version, pair[0].version + 2, "one for each copy");
    }
    let beside = policy(&w, &w.sibling, &account_id()).await;
    assert_eq!((beside.version, beside.rules.len()), (sibling, 0));

    // Every version can be had back, the set and the place of each rule with it.
    for then in &seen {
        let (scope, version) = (w.a.clone(), then.version);
        let back = w
            .read(move |r| history::policy_at(r, &scope, &account_id(), version))
            .await;
        assert_eq!(back.as_ref(), Some(then));
    }
    // Who was not meant learns nothing of what bound one person.
    let scope = w.a.clone();
    let told = w
        .read(move |r| history::versions(r, &scope, &somebody(), None, 100))
        .await;
    assert_eq!(told.len(), 6);
}

async fn sets_of_another_organization_are_not_there(w: World) {
    let set = stored(&w, &w.a, "Production").await;
    let here = Target::Workspace(w.a.workspace_id().clone());
    let assignment = assigned(&w, &w.a, &set, here.clone()).await;
    let before = policy(&w, &w.a, &account_id()).await;
    assert_eq!(get(&w, &w.b, &set.id).await, None);
    let (scope, id) = (w.b.clone(), assignment.id.clone());
    let seen = w
        .read(move |r| {
            Ok((
                sets::all(r, &scope)?,
                sets::assignments(r, &scope)?,
                sets::copies(r, &scope, &id)?.rules,
                sets::origins(r, &scope)?.len(),
            ))
        })
        .await;
    assert_eq!(seen, (vec![], vec![], vec![], 0));
    // Whatever is tried from there leaves it as it was.
    let (scope, set_then, id) = (w.b.clone(), set.clone(), assignment.id.clone());
    w.write(move |tx| {
        let mut renamed = set_then.clone();
        renamed.name = "mine now".into();
        sets::describe(tx, &scope, &renamed)?;
        let change = SetChange::remove(&set_then, &set_then.rules[0].id).unwrap();
        sets::change(tx, &scope, &set_then, &change)?;
        sets::unassign(tx, &scope, &id)?;
        sets::remove(tx, &scope, &set_then.id)
    })
    .await;
    let (scope, copies) = (w.b.clone(), before.clone());
    let refused = w
        .refused(move |tx| {
            let change = Change::remove(&copies, &copies.rules[0].id).unwrap();
            write(tx, &scope, &here, &mut copies.clone(), &change)
        })
        .await;
    assert!(matches!(refused, store::Error::Conflict(_)), "{refused}");
    assert_eq!(get(&w, &w.a, &set.id).await, Some(set));
    assert_eq!(policy(&w, &w.a, &account_id()).await, before);
}

async fn what_is_assigned_is_not_removed(w: World) {
    let set = stored(&w, &w.a, "Production").await;
    let assignment = assigned(&w, &w.a, &set, Target::Organization).await;
    let (scope, id) = (w.a.clone(), set.id.clone());
    let refused = w.refused(move |tx| sets::remove(tx, &scope, &id)).await;
    assert!(matches!(refused, store::Error::Conflict(_)), "{refused}");
    let (scope, id) = (w.a.clone(), set.id.clone());
    w.write(move |tx| {
        let mut copies = sets::copies(tx, &scope, &assignment.id)?;
        for change in Assignment::takes_away(&copies.clone()) {
            write(tx, &scope, &assignment.target, &mut copies, &change)?;
        }
        sets::unassign(tx, &scope, &assignment.id)?;
        sets::remove(tx, &scope, &id)
    })
    .await;
    assert_eq!(get(&w, &w.a, &set.id).await, None);
    assert_eq!(policy(&w, &w.a, &account_id()).await.rules, []);
}
