//! Every state with every answer, and what a yes is worth when it is used.

use super::*;
use crate::TaskId;
use serde_json::json;

fn person(n: u8) -> AccountId {
    AccountId::from_bits([n; 16])
}

/// The requester of every approval here.
const REQUESTER: u8 = 4;
/// A member whom some rules name.
const NAMED: u8 = 7;
/// Somebody who is no member any more.
const GONE: u8 = 9;

fn roles(id: &AccountId) -> Option<Role> {
    if *id == person(GONE) {
        None
    } else if *id == person(NAMED) || *id == person(8) {
        Some(Role::Member)
    } else {
        Some(Role::Admin)
    }
}

fn approval(status: ApprovalStatus, ask: Ask) -> Approval {
    Approval {
        id: ApprovalId::from_bits([1; 16]),
        call_id: CallId::from_bits([2; 16]),
        binding: Binding {
            task_id: TaskId::from_bits([3; 16]),
            sequence: 1,
            tool: "a.b".into(),
            definition_digest: "d".into(),
            arguments_digest: "e".into(),
            policy_version: 1,
        },
        question: Question::Send,
        arguments: "{}".into(),
        request: "{}".into(),
        risk: Risk::Write,
        reasons: Vec::new(),
        previous: None,
        rule_id: None,
        why: String::new(),
        ask,
        requested_by: person(REQUESTER),
        client: String::new(),
        edited: None,
        status,
        yeses: Vec::new(),
        created_at: Timestamp(0),
        expires_at: Timestamp(100),
        extended: None,
        assigned: None,
    }
}

fn by(n: u8, at: i64) -> Answered {
    Answered {
        by: person(n),
        channel: Channel::Cli,
        at: Timestamp(at),
        reason: String::new(),
    }
}

fn verdicts() -> [Verdict; 4] {
    [
        Verdict::Approve,
        Verdict::Edit(json!({})),
        Verdict::Deny,
        Verdict::Happened(json!({ "id": 1 })),
    ]
}

fn resolved(effect: Result<Effect, Refusal>) -> ApprovalStatus {
    match effect {
        Ok(Effect::Resolves(status)) => status,
        other => panic!("it does not resolve: {other:?}"),
    }
}

#[test]
fn every_question_and_every_answer() {
    use ApprovalStatus::{Approved, Denied, Happened};
    let a = by(5, 50);
    for (question, verdict, expected) in [
        (Question::Send, Verdict::Approve, Some(Approved(a.clone()))),
        (
            Question::Send,
            Verdict::Edit(json!({})),
            Some(Approved(a.clone())),
        ),
        (Question::Send, Verdict::Deny, Some(Denied(a.clone()))),
        (Question::Send, Verdict::Happened(json!(1)), None),
        (
            Question::SendAgain,
            Verdict::Approve,
            Some(Approved(a.clone())),
        ),
        (Question::SendAgain, Verdict::Edit(json!({})), None),
        (Question::SendAgain, Verdict::Deny, Some(Denied(a.clone()))),
        (
            Question::SendAgain,
            Verdict::Happened(json!("\u{0}")),
            Some(Happened(a.clone(), "\"\\u0000\"".into())),
        ),
    ] {
        let asked = Approval {
            question,
            ..approval(ApprovalStatus::Pending, Ask::default())
        };
        let answer = asked.answer(&verdict, a.clone(), &roles);
        match expected {
            Some(status) => assert_eq!(resolved(answer), status, "{question:?} {verdict:?}"),
            None => assert!(
                matches!(answer, Err(Refusal::NotThisQuestion(_))),
                "{answer:?}"
            ),
        }
    }
}

#[test]
fn what_has_ended_takes_no_answer() {
    for ended in [
        ApprovalStatus::Approved(by(6, 10)),
        ApprovalStatus::Happened(by(6, 10), "1".into()),
        ApprovalStatus::Denied(by(6, 10)),
        ApprovalStatus::Expired,
        ApprovalStatus::Withdrawn(None),
        ApprovalStatus::Withdrawn(Some(by(6, 10))),
    ] {
        for question in [Question::Send, Question::SendAgain] {
            for verdict in verdicts() {
                let asked = Approval {
                    question,
                    ..approval(ended.clone(), Ask::default())
                };
                let refused = asked.answer(&verdict, by(5, 50), &roles);
                let Err(Refusal::AlreadyResolved(told)) = refused else {
                    panic!("{ended:?} {verdict:?}: {refused:?}");
                };
                if let Some(first) = ended.answered() {
                    assert!(told.contains(first.by.as_str()), "{told}");
                }
            }
        }
    }
}

#[test]
fn the_moment_of_expiry_is_too_late_whoever_noticed() {
    for verdict in [Verdict::Approve, Verdict::Deny] {
        let asked = approval(ApprovalStatus::Pending, Ask::default());
        assert!(asked.answer(&verdict, by(5, 99), &roles).is_ok());
        for late in [100, 101, i64::MAX] {
            let refused = asked.answer(&verdict, by(5, late), &roles);
            assert!(
                matches!(refused, Err(Refusal::AlreadyResolved(_))),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn who_may_answer() {
    let named = Ask {
        approvers: vec![person(NAMED), person(GONE), person(REQUESTER)],
        ..Ask::default()
    };
    let not_own = Ask {
        requester_may: false,
        ..named.clone()
    };
    for (ask, who, expected) in [
        (&Ask::default(), 5, Ok(())),
        (&Ask::default(), REQUESTER, Ok(())),
        (&Ask::default(), NAMED, Err(Refusal::NotAReviewer)),
        (&named, NAMED, Ok(())),
        (&named, 8, Err(Refusal::NotAReviewer)),
        (&named, GONE, Err(Refusal::NotAReviewer)),
        (&not_own, REQUESTER, Err(Refusal::Requester)),
        (&not_own, 5, Ok(())),
    ] {
        let asked = approval(ApprovalStatus::Pending, ask.clone());
        for verdict in [Verdict::Approve, Verdict::Deny] {
            let answer = asked.answer(&verdict, by(who, 50), &roles).map(|_| ());
            assert_eq!(answer, expected, "person {who} {verdict:?}");
        }
    }
}

fn two() -> Ask {
    Ask {
        count: 2,
        approvers: vec![person(NAMED)],
        ..Ask::default()
    }
}

#[test]
fn several_must_say_yes_each_once_and_one_no_ends_it() {
    let mut asked = approval(ApprovalStatus::Pending, two());
    assert_eq!(asked.missing(), 2);
    let Ok(Effect::OneMore(yes)) = asked.answer(&Verdict::Approve, by(5, 10), &roles) else {
        panic!("one yes is not two");
    };
    asked.yeses.push(yes);
    assert_eq!(asked.missing(), 1);
    let again = asked.answer(&Verdict::Approve, by(5, 20), &roles);
    assert!(
        matches!(again, Err(Refusal::AnsweredBefore(_))),
        "{again:?}"
    );
    let denied = resolved(asked.answer(&Verdict::Deny, by(5, 20), &roles));
    assert_eq!(denied, ApprovalStatus::Denied(by(5, 20)));
    let last = resolved(asked.answer(&Verdict::Approve, by(NAMED, 30), &roles));
    assert_eq!(last, ApprovalStatus::Approved(by(NAMED, 30)));
    asked.status = last;
    assert_eq!(asked.missing(), 0);
    assert!(asked.satisfies(&two(), &roles));
}

#[test]
fn the_yes_of_whoever_lost_the_right_counts_no_more() {
    let mut asked = approval(ApprovalStatus::Pending, two());
    let digest = asked.digest();
    let answered = by(5, 10);
    asked.yeses.push(Yes { answered, digest });
    let without_five = |id: &AccountId| roles(id).filter(|_| *id != person(5));
    let second = asked.answer(&Verdict::Approve, by(6, 20), &without_five);
    assert!(matches!(second, Ok(Effect::OneMore(_))), "{second:?}");
    let second = asked.answer(&Verdict::Approve, by(6, 20), &roles);
    asked.status = resolved(second);
    assert!(asked.satisfies(&two(), &roles));
    assert!(!asked.satisfies(&two(), &without_five));
}

#[test]
fn an_edit_is_something_else_than_was_approved_before() {
    let mut asked = approval(ApprovalStatus::Pending, two());
    let (digest, answered) = (asked.digest(), by(5, 10));
    asked.yeses.push(Yes { answered, digest });
    let at = (person(6), Channel::Cli, Timestamp(20));
    let edited = asked.with_arguments(&json!({ "b": 1, "a": 2 }), "{\"x\":1}".into(), at);
    assert_eq!(edited.arguments, r#"{"a":2,"b":1}"#);
    assert_ne!(
        edited.binding.arguments_digest,
        asked.binding.arguments_digest
    );
    assert_ne!(edited.digest(), asked.digest());
    assert_eq!(edited.missing(), 2, "the yes before was for other bytes");
    assert_eq!(edited.edited.as_ref().unwrap().original, "{}");
    let at = (person(6), Channel::Cli, Timestamp(21));
    let twice = edited.with_arguments(&json!({}), "{}".into(), at);
    assert_eq!(
        twice.edited.unwrap().original,
        "{}",
        "what the program made stays known"
    );
    let effect = edited.answer(&Verdict::Edit(json!({})), by(6, 20), &roles);
    assert!(matches!(effect, Ok(Effect::OneMore(yes)) if yes.digest == edited.digest()));
}

/// What was granted under one demand against what is demanded when it is used.
#[test]
fn a_grant_against_the_demand_of_today() {
    let granted = |people: &[u8]| {
        let mut asked = approval(ApprovalStatus::Pending, two());
        let digest = asked.digest();
        for n in people {
            let (answered, digest) = (by(*n, 10), digest.clone());
            asked.yeses.push(Yes { answered, digest });
        }
        let last = people.last().copied().unwrap_or(5);
        asked.status = ApprovalStatus::Approved(by(last, 20));
        asked
    };
    let ask = |count, approvers: &[u8], requester_may| Ask {
        count,
        approvers: approvers.iter().map(|n| person(*n)).collect(),
        requester_may,
        ..Ask::default()
    };
    for (people, today, enough) in [
        (&[5][..], ask(1, &[], true), true),
        (&[5], ask(1, &[NAMED], true), true),
        (&[5], ask(2, &[], true), false),
        (&[5, 6], ask(2, &[], true), true),
        (&[5, 6], ask(3, &[], true), false),
        (&[NAMED], ask(1, &[NAMED], true), true),
        (&[NAMED], ask(1, &[], true), false),
        (&[NAMED], ask(1, &[8], true), false),
        (&[REQUESTER], ask(1, &[], true), true),
        (&[REQUESTER], ask(1, &[], false), false),
        (&[REQUESTER, 5], ask(1, &[], false), true),
        (&[REQUESTER, 5], ask(2, &[], false), false),
        (&[GONE], ask(1, &[GONE], true), false),
    ] {
        let asked = granted(people);
        assert_eq!(
            asked.satisfies(&today, &roles),
            enough,
            "{people:?} {today:?}"
        );
        let waiting_longer = Ask {
            wait_ms: Some(5),
            ..today
        };
        assert_eq!(asked.satisfies(&waiting_longer, &roles), enough);
        for other in [
            ApprovalStatus::Pending,
            ApprovalStatus::Happened(by(5, 20), "1".into()),
            ApprovalStatus::Denied(by(5, 20)),
            ApprovalStatus::Expired,
            ApprovalStatus::Withdrawn(Some(by(5, 20))),
        ] {
            let not_granted = Approval {
                status: other,
                ..asked.clone()
            };
            assert!(!not_granted.satisfies(&waiting_longer, &roles));
        }
    }
}

#[test]
fn only_a_yes_admits() {
    for (status, admits) in [
        (ApprovalStatus::Approved(by(5, 20)), true),
        (ApprovalStatus::Happened(by(5, 20), "1".into()), false),
        (ApprovalStatus::Denied(by(5, 20)), false),
        (ApprovalStatus::Pending, false),
        (ApprovalStatus::Expired, false),
        (ApprovalStatus::Withdrawn(None), false),
    ] {
        let asked = approval(status.clone(), Ask::default());
        let admission = crate::call::Admission::by_approval(&asked, asked.binding.clone());
        assert_eq!(admission.is_some(), admits, "{status:?}");
    }
}

fn more_time(n: u8, at: i64) -> Extended {
    Extended {
        by: person(n),
        channel: Channel::Cli,
        at: Timestamp(at),
    }
}

#[test]
fn more_time_is_given_once_and_counts_from_the_old_end() {
    let asked = Approval {
        created_at: Timestamp(40),
        ..approval(ApprovalStatus::Pending, Ask::default())
    };
    assert_eq!(asked.extends_by_ms(), 60);
    assert_eq!(asked.latest_expiry(), Timestamp(160));
    let longer = asked.with_more_time(more_time(5, 99), &roles).unwrap();
    assert_eq!(longer.expires_at, Timestamp(160));
    assert_eq!(longer.extended, Some(more_time(5, 99)));
    assert_eq!(longer.digest(), asked.digest(), "answers go on to fit");
    assert_eq!(longer.latest_expiry(), Timestamp(160));
    // It is answered until the new end, and given no more.
    for (at, counts) in [(100, true), (159, true), (160, false)] {
        let answer = longer.answer(&Verdict::Approve, by(5, at), &roles);
        assert_eq!(answer.is_ok(), counts, "{at}");
    }
    let again = longer.with_more_time(more_time(6, 120), &roles);
    let Err(Refusal::ExtendedBefore(told)) = again else {
        panic!("{again:?}");
    };
    assert!(told.contains(person(5).as_str()), "{told}");
    // At the end it is over, whether or not anybody has noted it.
    for at in [100, 101] {
        let late = asked.with_more_time(more_time(5, at), &roles);
        assert!(matches!(late, Err(Refusal::AlreadyResolved(_))), "{late:?}");
    }
}

#[test]
fn nothing_waits_longer_than_anything_may() {
    const DAY: i64 = 86_400_000;
    for (days, more) in [(1, 1), (15, 15), (20, 10), (30, 0)] {
        let asked = Approval {
            expires_at: Timestamp(days * DAY),
            ..approval(ApprovalStatus::Pending, Ask::default())
        };
        assert_eq!(asked.extends_by_ms(), more * DAY, "{days}");
        let longer = asked.with_more_time(more_time(5, 1), &roles);
        match more {
            0 => assert_eq!(longer, Err(Refusal::WaitsLongest)),
            _ => assert_eq!(longer.unwrap().expires_at, Timestamp((days + more) * DAY)),
        }
    }
}

#[test]
fn who_may_answer_gives_more_time_and_nobody_else() {
    let named = Ask {
        approvers: vec![person(NAMED), person(REQUESTER)],
        requester_may: false,
        ..Ask::default()
    };
    let asked = approval(ApprovalStatus::Pending, named);
    for (who, expected) in [
        (5, Ok(())),
        (NAMED, Ok(())),
        (8, Err(Refusal::NotAReviewer)),
        (GONE, Err(Refusal::NotAReviewer)),
        (REQUESTER, Err(Refusal::Requester)),
    ] {
        let given = asked.with_more_time(more_time(who, 50), &roles);
        assert_eq!(given.map(|_| ()), expected, "{who}");
    }
    // What a source asks is one person's alone.
    let input = Approval {
        question: Question::Input,
        ..approval(ApprovalStatus::Pending, Ask::default())
    };
    assert!(
        input
            .with_more_time(more_time(REQUESTER, 50), &roles)
            .is_ok()
    );
    assert_eq!(
        input.with_more_time(more_time(5, 50), &roles),
        Err(Refusal::NotTheOwner)
    );
    for ended in [
        ApprovalStatus::Approved(by(6, 10)),
        ApprovalStatus::Denied(by(6, 10)),
        ApprovalStatus::Expired,
        ApprovalStatus::Withdrawn(None),
    ] {
        let ended = approval(ended, Ask::default());
        let late = ended.with_more_time(more_time(5, 50), &roles);
        assert!(matches!(late, Err(Refusal::AlreadyResolved(_))), "{late:?}");
        let late = ended.assigned_to(None, Timestamp(50), &roles);
        assert!(matches!(late, Err(Refusal::AlreadyResolved(_))), "{late:?}");
    }
}

#[test]
fn whoever_looks_after_it_can_answer_it() {
    let assigned = |n: u8| Assigned {
        to: person(n),
        by: person(5),
        at: Timestamp(50),
    };
    let asked = approval(
        ApprovalStatus::Pending,
        Ask {
            approvers: vec![person(NAMED)],
            requester_may: false,
            ..Ask::default()
        },
    );
    for (who, may) in [
        (5, true),
        (NAMED, true),
        (8, false),
        (GONE, false),
        (REQUESTER, false),
    ] {
        let after = asked.assigned_to(Some(assigned(who)), Timestamp(50), &roles);
        match may {
            true => assert_eq!(after.unwrap().assigned, Some(assigned(who)), "{who}"),
            false => assert!(matches!(after, Err(Refusal::Assignee(_))), "{who}"),
        }
    }
    // It changes nothing about who may answer.
    let hers = asked
        .assigned_to(Some(assigned(NAMED)), Timestamp(50), &roles)
        .unwrap();
    assert!(hers.answer(&Verdict::Approve, by(6, 60), &roles).is_ok());
    let nobodys = hers.assigned_to(None, Timestamp(60), &roles).unwrap();
    assert_eq!(nobodys, asked);
    let due = asked.assigned_to(Some(assigned(5)), Timestamp(100), &roles);
    assert!(matches!(due, Err(Refusal::AlreadyResolved(_))), "{due:?}");
    let input = Approval {
        question: Question::Input,
        ..asked
    };
    let refused = input.assigned_to(Some(assigned(5)), Timestamp(50), &roles);
    assert!(
        matches!(refused, Err(Refusal::NotThisQuestion(_))),
        "{refused:?}"
    );
}

#[test]
fn whose_answer_is_wanted() {
    let asked = approval(
        ApprovalStatus::Pending,
        Ask {
            approvers: vec![person(NAMED)],
            requester_may: false,
            count: 2,
            ..Ask::default()
        },
    );
    let wanted =
        |of: &Approval, n: u8, at: i64| of.waits_for(&person(n), roles(&person(n)), Timestamp(at));
    for (who, may) in [
        (5, true),
        (NAMED, true),
        (8, false),
        (GONE, false),
        (REQUESTER, false),
    ] {
        assert_eq!(wanted(&asked, who, 50), may, "{who}");
        assert!(!wanted(&asked, who, 100), "it has expired");
    }
    let once = Approval {
        yeses: vec![Yes {
            answered: by(5, 10),
            digest: asked.digest(),
        }],
        ..asked.clone()
    };
    assert!(!wanted(&once, 5, 50), "whoever said yes is not asked again");
    assert!(wanted(&once, 6, 50));
    let other = Approval {
        arguments: "{\"a\":1}".into(),
        ..once
    };
    assert!(wanted(&other, 5, 50), "that was for something else");
    let input = Approval {
        question: Question::Input,
        ..asked.clone()
    };
    assert!(wanted(&input, REQUESTER, 50) && !wanted(&input, 5, 50));
    let over = approval(ApprovalStatus::Denied(by(6, 10)), Ask::default());
    assert!(!wanted(&over, 5, 50));
}
