//! Which tools fit a query: BM25F over the parts of a tool, in memory.
//!
//! The formula is written down in `docs/decisions/0004-openapi-import.md`: per term, frequencies
//! of all fields are weighted, normalized by field length and added before they saturate
//! (Robertson, Zaragoza, Taylor 2004), so a word in the name outweighs any number of repetitions
//! in a description. `words` splits, stems and knows synonyms.

mod words;

use domain::tool::{Tool, fold_path};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use words::{Stemming, split};

/// Saturation of a term's weighted frequency.
const K1: f32 = 1.2;

/// A synonym counts this much of the word itself.
const SYNONYM: f32 = 0.6;

/// A word that only begins like the last one of the query counts this much.
const PREFIX: f32 = 0.5;

/// Repetitions in one field beyond this many count nothing.
const FREQUENCY_MAX: f32 = 2.0;

/// How many words a prefix may stand for.
const PREFIX_WORDS_MAX: usize = 24;

/// Longest query that is read, in words.
const QUERY_WORDS_MAX: usize = 48;

/// The parts of a tool, with weight and length normalization.
const FIELDS: [(f32, f32); 6] = [
    (4.0, 0.3),  // the operation's name
    (2.0, 0.3),  // its group
    (1.0, 0.0),  // its source: name and title
    (2.5, 0.6),  // the first sentence of its description
    (1.0, 0.75), // the rest of the description
    (0.8, 0.75), // names of arguments
];

struct Posting {
    tool: u32,
    /// Weighted, normalized frequency over all fields.
    frequency: f32,
}

/// The index of one catalog.
pub(crate) struct Index {
    terms: BTreeMap<String, Vec<Posting>>,
    /// Folded paths, for exact matches.
    paths: Vec<String>,
    stemming: Stemming,
}

impl Index {
    /// Indexes tools in their order, each with its source's title.
    pub(crate) fn new<'a>(tools: impl Iterator<Item = (&'a Tool, &'a str)>) -> Self {
        let stemming = Stemming::new();
        let mut stems: HashMap<String, String> = HashMap::new();
        let mut counted: Vec<[HashMap<String, f32>; 6]> = Vec::new();
        let mut lengths = [0_f32; 6];
        let mut paths = Vec::new();
        for (tool, title) in tools {
            paths.push(fold_path(&tool.path));
            let mut fields: [HashMap<String, f32>; 6] = Default::default();
            for (field, words) in fields_of(tool, title).into_iter().enumerate() {
                lengths[field] += words.len() as f32;
                for word in words {
                    let stem = match stems.get(&word) {
                        Some(stem) => stem.clone(),
                        None => {
                            let stem = stemming.stem(&word);
                            stems.insert(word, stem.clone());
                            stem
                        }
                    };
                    *fields[field].entry(stem).or_default() += 1.0;
                }
            }
            counted.push(fields);
        }
        let count = counted.len().max(1) as f32;
        let averages = lengths.map(|total| (total / count).max(1.0));
        let mut terms: BTreeMap<String, Vec<Posting>> = BTreeMap::new();
        for (tool, fields) in counted.into_iter().enumerate() {
            let mut frequencies: BTreeMap<String, f32> = BTreeMap::new();
            for (field, words) in fields.into_iter().enumerate() {
                let (weight, b) = FIELDS[field];
                let length: f32 = words.values().sum();
                let norm = 1.0 - b + b * length / averages[field];
                for (word, count) in words {
                    *frequencies.entry(word).or_default() +=
                        weight * count.min(FREQUENCY_MAX) / norm;
                }
            }
            for (word, frequency) in frequencies {
                terms.entry(word).or_default().push(Posting {
                    tool: tool as u32,
                    frequency,
                });
            }
        }
        Self {
            terms,
            paths,
            stemming,
        }
    }

    /// The places of all tools that share a word with the query, best first.
    pub(crate) fn ranked(&self, query: &str) -> Vec<usize> {
        let words = words::telling(split(query).into_iter().take(QUERY_WORDS_MAX).collect());
        let mut scores = vec![0_f32; self.paths.len()];
        let mut shares = vec![0_f32; self.paths.len()];
        let mut whole = 0.0;
        for (i, word) in words.iter().enumerate() {
            let alternatives = self.alternatives(word, i + 1 == words.len());
            let mut best: HashMap<u32, f32> = HashMap::new();
            let mut rarity: f32 = 0.0;
            for (term, factor) in &alternatives {
                let Some(postings) = self.terms.get(term) else {
                    continue;
                };
                let idf = self.idf(postings.len());
                rarity = rarity.max(idf * factor);
                for posting in postings {
                    let f = posting.frequency;
                    let score = factor * idf * f * (K1 + 1.0) / (K1 + f);
                    let held = best.entry(posting.tool).or_default();
                    *held = held.max(score);
                }
            }
            // A word that nothing holds still counts as one that was asked for.
            let rarity = if rarity > 0.0 { rarity } else { 1.0 };
            whole += rarity;
            for (tool, score) in best {
                scores[tool as usize] += score;
                shares[tool as usize] += rarity;
            }
        }
        self.boost_exact(query, &mut scores, &mut shares, whole);
        let mut ranked: Vec<(usize, f32)> = scores
            .into_iter()
            .enumerate()
            .filter(|(_, score)| *score > 0.0)
            // Tools that hold more of what was asked for come before those that hold a part often.
            .map(|(i, score)| (i, score * (shares[i] / whole.max(f32::MIN_POSITIVE)).sqrt()))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked.into_iter().map(|(i, _)| i).collect()
    }

    /// What a word of the query may stand for, each with a factor.
    fn alternatives(&self, word: &str, is_last: bool) -> Vec<(String, f32)> {
        let stem = self.stemming.stem(word);
        let mut all: Vec<(String, f32)> = words::synonyms(word)
            .map(|s| (self.stemming.stem(s), SYNONYM))
            .filter(|(s, _)| *s != stem)
            .collect();
        if is_last && word.chars().count() >= 3 && !self.terms.contains_key(&stem) {
            let from = self
                .terms
                .range::<str, _>((Bound::Included(word), Bound::Unbounded));
            let same = from
                .take_while(|(term, _)| term.starts_with(word))
                .take(PREFIX_WORDS_MAX);
            all.extend(same.map(|(term, _)| (term.clone(), PREFIX)));
        }
        all.push((stem, 1.0));
        all
    }

    fn idf(&self, holders: usize) -> f32 {
        let (all, holders) = (self.paths.len() as f32, holders as f32);
        (1.0 + (all - holders + 0.5) / (holders + 0.5)).ln()
    }

    /// A query that is a path, or the end of one, wants that tool.
    fn boost_exact(&self, query: &str, scores: &mut [f32], shares: &mut [f32], whole: f32) {
        let wanted: String = fold_path(query)
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '.')
            .collect();
        if wanted.is_empty() {
            return;
        }
        let is_wanted = |path: &str| path.chars().filter(|c| *c != '.').eq(wanted.chars());
        let top = scores.iter().copied().fold(1.0, f32::max);
        for (i, path) in self.paths.iter().enumerate() {
            let boost = if is_wanted(path) {
                4.0
            } else if path
                .split_once('.')
                .is_some_and(|(_, rest)| is_wanted(rest))
            {
                2.0
            } else if path.rsplit('.').next().is_some_and(is_wanted) {
                1.0
            } else {
                continue;
            };
            scores[i] += boost * top;
            shares[i] = whole;
        }
    }
}

/// The words of each field, in the order of [`FIELDS`].
fn fields_of(tool: &Tool, title: &str) -> [Vec<String>; 6] {
    let segments: Vec<&str> = tool.path.split('.').collect();
    let (source, rest) = segments
        .split_first()
        .map_or(("", [].as_slice()), |(s, r)| (*s, r));
    let (name, groups) = rest
        .split_last()
        .map_or(("", [].as_slice()), |(n, g)| (*n, g));
    let (first, more) = first_sentence(&tool.description);
    let arguments = tool
        .input_schema
        .get("properties")
        .and_then(serde_json::Value::as_object);
    let arguments = arguments
        .into_iter()
        .flat_map(|p| p.keys())
        .flat_map(|k| split(k))
        .collect();
    let mut source = split(source);
    source.extend(split(title));
    [
        split(name),
        groups.iter().flat_map(|g| split(g)).collect(),
        source,
        words::telling(split(first)),
        words::telling(split(more)),
        arguments,
    ]
}

fn first_sentence(text: &str) -> (&str, &str) {
    let end = text
        .match_indices(['.', '!', '?', '\n'])
        .map(|(i, _)| i + 1)
        .find(|i| text[*i..].chars().next().is_none_or(char::is_whitespace));
    text.split_at(end.unwrap_or(text.len()))
}
