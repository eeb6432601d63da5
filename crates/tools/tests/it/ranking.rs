//! How well search finds what is meant: floors on golden sets, and that stuffing does not pay.
//!
//! Floors are quality, not time; they lie a little under what is reached and is written down in
//! `docs/search.md`. The published sets are those that the formula was tuned on; the queries about
//! real APIs are in `tests/search/apis.jsonl`.

use crate::documents::{imported, shared};
use crate::fixture::source;
use serde_json::Value;
use std::sync::Arc;
use tools::{Catalog, Query};

#[path = "../../examples/search/sets.rs"]
#[expect(dead_code, reason = "the example beside it uses all of it")]
mod sets;

/// Recall among the first five that each published set must reach.
const FLOORS: [(&str, f64); 3] = [
    ("MetaTool single", 0.66),
    ("MetaTool two-tool", 0.70),
    ("Seal-Tools dev", 0.82),
];

fn published() -> Vec<sets::Set> {
    let mut sets = sets::published(&shared("search"));
    // Every tenth of twenty thousand tells the same, in a tenth of the time.
    let single = &mut sets[0].queries;
    *single = single.iter().step_by(10).cloned().collect();
    sets
}

#[test]
fn golden_sets_are_found() {
    for (set, (name, floor)) in published().iter().zip(FLOORS) {
        assert_eq!(set.name, name);
        let reached = sets::measure(&sets::catalog(set.tools.clone()), &set.queries).recall[2];
        eprintln!("{name}: R@5 {reached:.3}");
        assert!(
            reached >= floor,
            "{name}: R@5 {reached:.3} is under {floor}"
        );
    }
}

#[test]
fn stuffed_descriptions_do_not_win() {
    for set in published() {
        let words: Vec<&str> = set
            .tools
            .iter()
            .flat_map(|t| t.description.split_whitespace())
            .collect();
        let mut tools = set.tools.clone();
        let all = words.join(" ");
        tools.push(sets::tool("spam", &all, &[]));
        tools.push(sets::tool(
            "unseen",
            &format!("Does it. <!-- {all} -->"),
            &[],
        ));
        let catalog = sets::catalog(tools);
        let asked = set.queries.iter().take(500);
        let share = |path: &str, limit: usize| {
            let hit = asked
                .clone()
                .filter(|(text, _)| sets::first(&catalog, text, limit).iter().any(|p| p == path));
            hit.count() as f64 / asked.len() as f64
        };
        for (path, limit, most) in [
            ("s.spam", 1, 0.01),
            ("s.spam", 5, 0.05),
            ("s.unseen", 5, 0.01),
        ] {
            let share = share(path, limit);
            eprintln!("{}: {path} among {limit}: {share:.3}", set.name);
            assert!(share <= most, "{}: {path} among {limit}: {share}", set.name);
        }
    }
}

/// Three real APIs together, asked in the words of people.
fn apis() -> Catalog {
    let all = [
        ("discord", "discord.json"),
        ("openAi", "openai.yaml"),
        ("twilio", "twilio_api_v2010.json"),
    ];
    let sources = all.map(|(name, file)| Arc::new(source(name, imported(name, file))));
    Catalog::new(sources.into())
}

#[test]
fn real_apis_are_found() {
    let catalog = apis();
    let rows: Vec<Value> = include_str!("../search/apis.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let queries: Vec<(String, Vec<String>)> = rows
        .iter()
        .map(|row| {
            let tools = row["tools"].as_array().unwrap();
            let tools = tools.iter().map(|t| t.as_str().unwrap().to_owned());
            (row["query"].as_str().unwrap().to_owned(), tools.collect())
        })
        .collect();
    for path in queries.iter().flat_map(|(_, tools)| tools) {
        assert!(catalog.lookup(path).is_some(), "no tool {path}");
    }
    let figures = sets::measure(&catalog, &queries);
    for (query, tools) in &queries {
        let found = sets::first(&catalog, query, 5);
        if !tools.iter().all(|t| found.contains(t)) {
            eprintln!("{query}: wanted {tools:?}, found {found:?}");
        }
    }
    eprintln!(
        "real APIs: recall {:?}, nDCG@10 {:.3}",
        figures.recall, figures.ndcg
    );
    assert!(figures.recall[2] >= 0.80, "R@5 {:.3}", figures.recall[2]);
    assert!(figures.recall[0] >= 0.48, "R@1 {:.3}", figures.recall[0]);
}

#[test]
fn a_misspelled_word_is_understood() {
    let catalog = apis();
    for (text, expected) in [
        ("mesages", "discord.createMessage"),
        ("embedings", "openAi.embeddings.createEmbedding"),
        ("transcripton audio", "openAi.audio.createTranscription"),
    ] {
        let found = sets::first(&catalog, text, 50);
        assert!(found.iter().any(|p| p == expected), "{text}: {found:?}");
    }
    assert!(sets::first(&catalog, "zzzzqqqq", 5).is_empty());
}

/// Text of a query is never more than words: no syntax, no pattern, no end.
#[test]
fn queries_have_no_syntax() {
    let catalog = apis();
    let long = "message ".repeat(100_000);
    for text in [
        "' OR 1=1 --",
        "message*) AND (path:\"x\"",
        "%_%",
        "\\",
        "\u{0}\u{202e}message",
        "$.properties['x']",
        "(a+)+$",
        long.as_str(),
    ] {
        let query = Query {
            text: text.to_owned(),
            limit: 5,
            ..Query::default()
        };
        let found = catalog.search(&query, &|_| true);
        assert!(found.hits.len() <= 5 && found.total <= catalog.len());
    }
    // What stands between words says nothing.
    let plain = sets::first(&catalog, "create message", 5);
    assert_eq!(sets::first(&catalog, "create% 'message'--", 5), plain);
}

/// Of a tool that may not be seen there is no trace: not in hits, counts or pages.
#[test]
fn counts_know_only_what_is_visible() {
    let catalog = apis();
    let query = |namespace: Option<&str>, limit| Query {
        text: "message".to_owned(),
        namespace: namespace.map(str::to_owned),
        limit,
        offset: 0,
    };
    let all = catalog.search(&query(None, 1_000), &|_| true);
    let some = catalog.search(&query(None, 1_000), &|t| t.source_name() != "discord");
    let own = catalog.search(&query(Some("discord"), 1_000), &|_| true);
    assert!(all.total > some.total && own.total > 0);
    assert_eq!(all.total, some.total + own.total);
    assert_eq!((all.hits.len(), some.hits.len()), (all.total, some.total));
    assert!(own.hits.iter().all(|t| t.source_name() == "discord"));
    assert_eq!(catalog.search(&query(Some("disc"), 5), &|_| true).total, 0);
    // Pages do not overlap and come in one order.
    let paged: Vec<String> = (0..4)
        .flat_map(|page| {
            let query = Query {
                offset: page * 5,
                ..query(None, 5)
            };
            catalog.search(&query, &|_| true).hits
        })
        .map(|t| t.path.clone())
        .collect();
    let whole: Vec<String> = all.hits.iter().take(20).map(|t| t.path.clone()).collect();
    assert_eq!(paged, whole);
}

/// A catalog built beside an older one answers as one built anew.
#[test]
fn what_is_kept_of_an_older_catalog_changes_nothing() {
    let paths = |operation: &str, summary: &str| serde_json::json!({"/x": {"get": {"operationId": operation, "summary": summary}}});
    let made = |name: &str, operation: &str, summary: &str| {
        let document = crate::fixture::document("https://x.example", paths(operation, summary));
        Arc::new(source(name, crate::fixture::import(name, &document)))
    };
    let still = made("still", "getStill", "Gets what is still there");
    let before = Catalog::new(vec![
        made("moving", "getOld", "Gets an old thing"),
        Arc::clone(&still),
    ]);
    let after = Catalog::after(
        Some(&before),
        vec![still, made("moving", "getNew", "Gets a young thing")],
    );
    let found = |text: &str| sets::first(&after, text, 5);
    assert_eq!(found("still"), ["still.getStill"]);
    assert_eq!(found("young"), ["moving.getNew"]);
    assert!(found("old").is_empty());
    assert_eq!(after.len(), 2);
    assert_eq!(sets::first(&before, "old", 5), ["moving.getOld"]);
}
