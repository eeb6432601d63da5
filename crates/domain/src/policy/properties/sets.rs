//! What holds of every policy set: it makes no answer milder, and its copies are always what it says.

use super::*;
use crate::WorkspaceId;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_more_never_weakens(
        call in call(),
        (policy, last) in (policy(), effects()),
        set in prop::collection::vec(rule(), 1..5),
        (level, mine) in (prop::sample::select(Level::ALL.to_vec()), 1u8..3),
    ) {
        // What no rule says anything to, a set may open as any rule may: here one has the last word.
        let mut policy = policy;
        policy.rules.push(Rule {
            id: RuleId::from_bits([99; 16]),
            level: Level::Organization,
            account_id: None,
            position: 99,
            matches: Match::default(),
            effect: last,
            of_set: None,
            until: None,
            note: String::new(),
            created_at: Timestamp(0),
        });
        let before = on(&call, |r| decide(r, &policy));
        prop_assert!(before.rule_id.is_some());
        let mut more = policy.clone();
        for (n, rule) in (1u8..).zip(set) {
            more.rules.push(Rule {
                id: RuleId::from_bits([100 + n; 16]),
                level,
                account_id: (level == Level::Personal).then(|| AccountId::from_bits([mine; 16])),
                of_set: Some(of_assignment(3, level, mine)),
                position: i64::from(n),
                ..rule
            });
        }
        let after = on(&call, |r| decide(r, &more));
        match (&before.effect, &after.effect) {
            (Effect::Ask(was), Effect::Ask(is)) => {
                prop_assert!(is.count >= was.count);
                prop_assert!(was.requester_may || !is.requester_may);
                prop_assert!(was.may_edit || !is.may_edit);
                prop_assert!(is.approvers.iter().all(|p| was.approvers.contains(p)));
                prop_assert!(was.wait_ms.is_none_or(|was| is.wait_ms.is_some_and(|is| is <= was)));
            }
            (was, is) => prop_assert!(is.strictness() >= was.strictness()),
        }
    }

    #[test]
    fn copies_follow_their_set(
        rules in prop::collection::vec(rule(), 0..5),
        changes in prop::collection::vec((rule(), any::<u8>(), 0usize..7), 0..6),
        (target, others) in (0u8..3, policy()),
    ) {
        let text = |n: u8, rule: &Rule| SetRule {
            id: SetRuleId::from_bits([n; 16]),
            matches: rule.matches.clone(),
            effect: rule.effect.clone(),
            until: rule.until,
            note: rule.note.clone(),
            created_at: Timestamp(i64::from(n)),
        };
        let (workspace, person) = (WorkspaceId::from_bits([1; 16]), AccountId::from_bits([1; 16]));
        let assignment = Assignment {
            id: AssignmentId::from_bits([99; 16]),
            set_id: PolicySetId::from_bits([99; 16]),
            target: match target {
                0 => Target::Organization,
                1 => Target::Workspace(workspace),
                _ => Target::Person(workspace, person),
            },
            created_at: Timestamp(0),
        };
        let mut set = PolicySet {
            id: assignment.set_id.clone(),
            name: "a set".to_owned(),
            description: String::new(),
            rules: (0..).zip(&rules).map(|(n, rule)| text(n, rule)).collect(),
            created_at: Timestamp(0),
        };
        let mut drawn = 100u8;
        let mut draw = || {
            drawn += 1;
            RuleId::from_bits([drawn; 16])
        };
        let layer_of = |policy: &Policy| Policy {
            version: 0,
            rules: policy
                .rules
                .iter()
                .filter(|r| r.assignment_id() == Some(&assignment.id))
                .cloned()
                .collect(),
        };
        let mut now = others.clone();
        let mut done = assignment.brings(&set, &mut draw);
        done.iter().for_each(|change| change.apply(&mut now));
        for (n, (rule, which, position)) in (50u8..).zip(changes) {
            let some = set.rules.get(position % set.rules.len().max(1)).map(|r| r.id.clone());
            let change = match (which % 4, some) {
                (0, _) => Some(SetChange::add(&set, text(n, &rule))),
                (1, Some(id)) => SetChange::edit(&set, SetRule { id, ..text(n, &rule) }),
                (2, Some(id)) => SetChange::move_to(&set, &id, position),
                (_, Some(id)) => SetChange::remove(&set, &id),
                (_, None) => None,
            };
            let Some(change) = change else { continue };
            change.apply(&mut set);
            let copies = change.of_copies(&assignment, &set.name, &layer_of(&now), draw());
            let copies = copies.expect("every rule of the set has its copy");
            copies.apply(&mut now);
            done.push(copies);
            let mut n = 0u8;
            let afresh = assignment.brings(&set, || {
                n += 1;
                RuleId::from_bits([n; 16])
            });
            let plain = |r: &Rule| (r.position, r.matches.clone(), r.effect.clone(), r.of_set.clone());
            let afresh: Vec<_> = afresh.iter().map(|change| plain(change.rule())).collect();
            let kept: Vec<_> = layer_of(&now).rules.iter().map(plain).collect();
            prop_assert_eq!(kept, afresh);
        }
        let gone = Assignment::takes_away(&layer_of(&now));
        prop_assert_eq!(gone.len(), set.rules.len());
        gone.iter().for_each(|change| change.apply(&mut now));
        prop_assert_eq!(&now, &others);
        for change in done.iter().chain(&gone).rev() {
            change.undo(&mut now);
        }
        prop_assert_eq!(now, others);
    }
}
