//! What must be looked at, as tables: every way in which a reading can differ from the one before.

use super::super::{FindingKind, Place};
use super::*;
use crate::SourceId;
use serde_json::json;

const NOW: Timestamp = Timestamp(9_000);
const EARLIER: Timestamp = Timestamp(1_000);

fn tool(path: &str, risk: Risk, text: &str) -> Tool {
    Tool {
        path: path.to_owned(),
        source_id: SourceId::from_bits([1; 16]),
        description: text.to_owned(),
        risk,
        input_schema: json!({ "type": "object" }),
        output_schema: None,
        binding: json!({}),
        digest: format!("{path} {} {text}", risk.as_str()),
    }
}

fn found(tool: Option<&str>, severity: Severity) -> Finding {
    Finding {
        tool: tool.map(str::to_owned),
        place: Place::Description,
        at: String::new(),
        kind: FindingKind::Override,
        severity,
        excerpt: "ignore all that".to_owned(),
    }
}

fn held(path: &str, cause: Cause) -> Unreviewed {
    Unreviewed {
        path: path.to_owned(),
        cause,
        since: EARLIER,
        differences: Vec::new(),
    }
}

fn text_differs(before: &Tool, after: &Tool) -> Vec<Difference> {
    vec![Difference {
        field: "description".to_owned(),
        before: before.description.clone(),
        after: after.description.clone(),
    }]
}

/// What is unreviewed of `s.a` after a reading: its cause, and since when.
#[expect(clippy::type_complexity, reason = "one row of the table")]
fn after(
    (old, was, seen): (Option<(Risk, &str)>, Option<Cause>, Option<(Risk, &str)>),
    new: Option<(Risk, &str)>,
    finding: Option<Finding>,
) -> Option<(Cause, Timestamp)> {
    let made = |of: Option<(Risk, &str)>| -> Vec<Tool> {
        of.map(|(risk, text)| tool("s.a", risk, text))
            .into_iter()
            .collect()
    };
    let (old, new, seen) = (made(old), made(new), made(seen));
    let was: Vec<Unreviewed> = was.map(|cause| held("s.a", cause)).into_iter().collect();
    let looked_at = [LookedAt {
        by: AccountId::from_bits([2; 16]),
        at: EARLIER,
        digests: seen.iter().map(|t| t.digest.clone()).collect(),
    }];
    let before = Before {
        tools: &old,
        unreviewed: &was,
        looked_at: &looked_at,
    };
    let findings: Vec<Finding> = finding.into_iter().collect();
    let all = unreviewed(before, &new, &findings, &text_differs, NOW);
    assert!(all.len() <= 1, "{all:#?}");
    all.first().map(|u| (u.cause, u.since))
}

#[test]
fn what_is_new_or_changed_is_held_unless_it_only_reads() {
    use Risk::{Destructive, Read, Unknown, Write};
    let high = || Some(found(Some("s.a"), Severity::High));
    let medium = || Some(found(Some("s.a"), Severity::Medium));
    let whole = || Some(found(None, Severity::High));
    let other = || Some(found(Some("s.b"), Severity::High));
    let (new, changed, finding) = (Cause::New, Cause::Changed, Cause::Finding);
    #[rustfmt::skip]
    let table = [
        // (before, was held as, somebody looked at), after, finding -> held as
        ((None, None, None), Some((Write, "1")), None, Some(new)),
        ((None, None, None), Some((Unknown, "1")), None, Some(new)),
        ((None, None, None), Some((Read, "1")), None, None),
        ((None, None, None), Some((Read, "1")), high(), Some(new)),
        ((None, None, None), Some((Read, "1")), medium(), None),
        ((None, None, None), Some((Read, "1")), other(), None),
        ((None, None, Some((Write, "1"))), Some((Write, "1")), None, None),
        ((None, None, Some((Write, "1"))), Some((Write, "2")), None, Some(new)),
        ((Some((Write, "1")), None, None), Some((Write, "1")), None, None),
        ((Some((Write, "1")), None, None), Some((Write, "1")), high(), Some(finding)),
        ((Some((Read, "1")), None, None), Some((Read, "1")), whole(), Some(finding)),
        ((Some((Write, "1")), None, Some((Write, "1"))), Some((Write, "1")), high(), None),
        ((Some((Write, "1")), None, None), Some((Write, "2")), None, Some(changed)),
        ((Some((Write, "1")), None, Some((Write, "2"))), Some((Write, "2")), None, None),
        ((Some((Read, "1")), None, None), Some((Read, "2")), None, None),
        ((Some((Read, "1")), None, None), Some((Destructive, "1")), None, Some(changed)),
        // It says of itself that it only reads now.
        ((Some((Write, "1")), None, None), Some((Read, "1")), None, Some(changed)),
        ((Some((Unknown, "1")), None, None), Some((Read, "1")), None, Some(changed)),
        // Held already: neither another reading nor another change lets it go.
        ((Some((Write, "1")), Some(changed), None), Some((Write, "1")), None, Some(changed)),
        ((Some((Write, "1")), Some(new), None), Some((Write, "2")), None, Some(new)),
        ((Some((Read, "1")), Some(changed), None), Some((Read, "2")), None, Some(changed)),
        // Changed back to what was looked at.
        ((Some((Write, "2")), Some(changed), Some((Write, "1"))), Some((Write, "1")), None, None),
        ((Some((Write, "1")), Some(changed), None), None, None, None),
    ];
    for (row, (before, new, finding, expected)) in table.into_iter().enumerate() {
        let was_held = before.1.is_some();
        let got = after(before, new, finding);
        assert_eq!(got.map(|(cause, _)| cause), expected, "row {row}");
        if let Some((_, since)) = got {
            assert_eq!(since, if was_held { EARLIER } else { NOW }, "row {row}");
        }
    }
}

#[test]
fn differences_add_up_to_what_was_looked_at() {
    let texts = ["1", "2", "3", "1"].map(|text| tool("s.a", Risk::Write, text));
    let mut was: Vec<Unreviewed> = Vec::new();
    let mut shown = Vec::new();
    for pair in texts.windows(2) {
        let before = Before {
            tools: &pair[..1],
            unreviewed: &was,
            looked_at: &[],
        };
        was = unreviewed(before, &pair[1..], &[], &text_differs, NOW);
        let difference = &was[0].differences[0];
        shown.push((difference.before.clone(), difference.after.clone()));
    }
    let expected = [("1", "2"), ("1", "3"), ("1", "1")].map(|(b, a)| (b.to_owned(), a.to_owned()));
    assert_eq!(shown, expected);
}

#[test]
fn whoever_adds_a_source_has_seen_all_but_what_is_dangerous() {
    let tools = [tool("s.b", Risk::Write, ""), tool("s.a", Risk::Read, "")];
    let paths = |findings: &[Finding]| -> Vec<String> {
        first_import(&tools, findings, NOW)
            .into_iter()
            .map(|u| u.path)
            .collect()
    };
    assert_eq!(paths(&[]), [""; 0]);
    assert_eq!(paths(&[found(Some("s.b"), Severity::Medium)]), [""; 0]);
    assert_eq!(paths(&[found(Some("s.b"), Severity::High)]), ["s.b"]);
    assert_eq!(paths(&[found(None, Severity::High)]), ["s.a", "s.b"]);
}

#[test]
fn half_a_document_and_a_flood_are_doubted() {
    for (before, after, doubted) in [
        (100, 100, false),
        (100, 50, false),
        (100, 49, true),
        (100, 0, true),
        (4, 0, false),
        (8, 3, true),
        (10, 100, false),
        (10, 101, false),
        (10, 210, true),
        (100, 1_001, true),
        (0, 150, false),
        (0, 1_000_000, true),
        (1_000, 10_000, false),
    ] {
        let doubt = Growth { before, after }.doubt();
        assert_eq!(doubt.is_some(), doubted, "{before} to {after}");
        if let Some(doubt) = doubt {
            let text = doubt.to_string();
            assert!(text.contains(&after.to_string()), "{text}");
        }
    }
}

#[test]
fn a_time_between_readings_reads_back() {
    for (text, ms) in [
        ("10s", 10_000),
        ("90s", 90_000),
        ("30m", 1_800_000),
        ("24h", REFRESH_MS),
        ("36h", 129_600_000),
        ("7d", 604_800_000),
    ] {
        let every = RefreshEvery::parse(text).unwrap();
        assert_eq!(every, RefreshEvery::Ms(ms));
        assert_eq!(every.to_text(), text);
        let json = serde_json::to_string(&every).unwrap();
        assert_eq!(serde_json::from_str::<RefreshEvery>(&json).unwrap(), every);
    }
    assert_eq!(RefreshEvery::parse("1d"), RefreshEvery::parse("24h"));
    assert_eq!(RefreshEvery::parse("never"), Ok(RefreshEvery::Never));
    assert_eq!(RefreshEvery::default().to_text(), "24h");
    for text in [
        "",
        "9s",
        "31d",
        "h",
        "-1h",
        "+1h",
        "1.5h",
        "1 h",
        "24",
        "24H",
        "1é",
        "99999999999999999999d",
    ] {
        assert!(RefreshEvery::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_next_reading_is_spread_and_backs_off() {
    let after =
        |every, failures, spread| next_read(every, failures, spread, NOW).map(|at| at.since(NOW));
    let day = RefreshEvery::default();
    assert_eq!(after(day, 0, 100), Some(REFRESH_MS));
    assert_eq!(after(day, 0, 0), Some(REFRESH_MS * 9 / 10));
    assert_eq!(after(day, 0, 255), Some(REFRESH_MS * 11 / 10));
    assert_eq!(after(day, 1, 100), Some(RETRY_MS));
    assert_eq!(after(day, 2, 100), Some(2 * RETRY_MS));
    assert_eq!(after(day, 100, 100), Some(REFRESH_MS));
    assert_eq!(after(RefreshEvery::Ms(10_000), 1, 100), Some(10_000));
    assert_eq!(after(RefreshEvery::Ms(10_000), 100, 100), Some(3_600_000));
    assert_eq!(after(RefreshEvery::Never, 0, 100), None);
}

#[test]
fn a_review_is_found_by_path() {
    let upkeep = Upkeep {
        unreviewed: vec![held("a.b", Cause::New), held("a.d", Cause::New)],
        ..Upkeep::default()
    };
    for (path, expected) in [
        ("a.a", Review::LookedAt),
        ("a.b", Review::Unreviewed),
        ("a.c", Review::LookedAt),
        ("a.d", Review::Unreviewed),
    ] {
        assert_eq!(upkeep.review_of(path), expected, "{path}");
    }
}
