//! Measures search on golden sets and at size; `cargo xtask bench search` runs it.
//!
//! `cargo run --release -p executor-tools --example search -- FOLDER` prints the published sets in
//! FOLDER (MetaTool, Seal-Tools) and the figures at size, these also as
//! `size;tools;ms to build;bytes a tool;median ms of a query;99 of 100`; `-- TOOLS QUERIES` one set of JSON lines.

#![expect(clippy::print_stdout, clippy::unwrap_used)]

mod sets;

use domain::tool::Tool;
use sets::{DEPTHS, Set};
use std::path::Path;
use std::time::{Duration, Instant};
use tools::Catalog;

/// Tools of the catalogs at size.
const SIZES: [usize; 2] = [10_000, 125_000];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    match given.as_slice() {
        [folder] => {
            let published = sets::published(Path::new(folder));
            published.iter().for_each(quality);
            published.iter().for_each(stuffed);
            let all = published.last().unwrap();
            SIZES.iter().for_each(|size| at_size(all, *size));
        }
        [tools, queries] => quality(&sets::from_lines(Path::new(tools), Path::new(queries))),
        _ => println!("give FOLDER, or TOOLS and QUERIES"),
    }
}

/// Recall and nDCG of one set.
fn quality(set: &Set) {
    let catalog = sets::catalog(set.tools.clone());
    let begun = Instant::now();
    let figures = sets::measure(&catalog, &set.queries);
    let each = begun.elapsed().as_micros() as f64 / set.queries.len() as f64;
    let recall: Vec<String> = DEPTHS
        .iter()
        .zip(figures.recall)
        .map(|(depth, recall)| format!("R@{depth} {recall:.3}"))
        .collect();
    println!(
        "{}: {}, nDCG@10 {:.3}; {} tools, {} queries, {each:.0} µs each",
        set.name,
        recall.join(", "),
        figures.ndcg,
        set.tools.len(),
        set.queries.len()
    );
}

/// How often tools that hold every word of the set come first, and what they cost the others.
fn stuffed(set: &Set) {
    for (what, spam) in spam(&set.tools) {
        let mut tools = set.tools.clone();
        tools.push(spam.clone());
        let catalog = sets::catalog(tools);
        let with = sets::measure(&catalog, &set.queries);
        let ranks = |limit| {
            let asked = set.queries.iter();
            let hit =
                asked.filter(|(text, _)| sets::first(&catalog, text, limit).contains(&spam.path));
            hit.count() as f64 * 100.0 / set.queries.len() as f64
        };
        println!(
            "{} with {what}: it is first for {:.2} % of the queries, among five for {:.2} %; R@5 {:.3}",
            set.name,
            ranks(1),
            ranks(5),
            with.recall[2]
        );
    }
}

/// Tools made to be found: all words of the set seen, all words unseen, the most frequent ones.
fn spam(tools: &[Tool]) -> [(&'static str, Tool); 3] {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for word in tools.iter().flat_map(|t| t.description.split_whitespace()) {
        *counts.entry(word).or_default() += 1;
    }
    let mut words: Vec<(&str, usize)> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let words: Vec<&str> = words.into_iter().map(|(word, _)| word).collect();
    let every = words.join(" ");
    let often = words[..words.len().min(150)].join(" ");
    [
        (
            "every word in one description",
            sets::tool("spam", &every, &[]),
        ),
        (
            "every word in a comment",
            sets::tool("spam", &format!("Does it. <!-- {every} -->"), &[]),
        ),
        ("its 150 commonest words", sets::tool("spam", &often, &[])),
    ]
}

/// Time and memory of a catalog of many tools, made by repeating a set under other names.
fn at_size(set: &Set, size: usize) {
    const SOURCE: usize = 2_500;
    let tools: Vec<Tool> = (0..size)
        .map(|i| {
            let from = &set.tools[i % set.tools.len()];
            let name = from.path.split('.').next_back().unwrap();
            let (source, copy) = (i / SOURCE, i / set.tools.len());
            Tool {
                path: format!("source{source}.group{}.{name}{copy}", i % 40),
                digest: i.to_string(),
                ..from.clone()
            }
        })
        .collect();
    let changed: Vec<Tool> = tools[..SOURCE.min(size)]
        .iter()
        .map(|t| Tool {
            digest: format!("{} changed", t.digest),
            ..t.clone()
        })
        .collect();
    let mut sources = sets::sources(tools);
    let begun = Instant::now();
    let catalog = Catalog::new(sources.clone());
    let built = begun.elapsed();
    // One source is swapped; the first in order of name holds the first tools.
    sources[0] = sets::sources(changed).remove(0);
    let begun = Instant::now();
    let swapped = Catalog::after(Some(&catalog), sources);
    let again = begun.elapsed();
    assert_eq!(swapped.len(), size);
    let mut each: Vec<Duration> = Vec::new();
    for (text, _) in set.queries.iter().cycle().take(2_000) {
        let begun = Instant::now();
        assert!(!sets::first(&catalog, text, 8).is_empty());
        each.push(begun.elapsed());
    }
    each.sort_unstable();
    let at = |part: f64| each[(each.len() as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{size} tools: catalog in {:.0} ms, {:.0} ms after one of its sources changed; index {} bytes a tool; \
         a query takes {:.2} ms (median), {:.2} ms (99 of 100)",
        built.as_secs_f64() * 1e3,
        again.as_secs_f64() * 1e3,
        catalog.index_bytes() / size,
        at(0.5),
        at(0.99)
    );
    // The same for whoever compares it with what it may be.
    println!(
        "size;{size};{:.1};{};{:.3};{:.3}",
        built.as_secs_f64() * 1e3,
        catalog.index_bytes() / size,
        at(0.5),
        at(0.99)
    );
}
