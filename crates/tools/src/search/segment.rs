//! The inverted index of one source: terms in order, and for each the tools that hold it.
//!
//! Immutable and complete in itself: how much a term says about a tool (its impact) depends on that
//! tool alone, never on its neighbors. So a segment outlives every swap of other sources, and only
//! the rarity of terms is left to the moment of a query.

use super::dictionary::Dictionary;
use super::words::{self, Stemming};
use domain::tool::{Tool, fold_path};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Saturation of a term's weighted frequency.
pub(super) const K1: f32 = 3.0;

/// Repetitions in one field beyond this many count nothing.
const FREQUENCY_MAX: f32 = 2.0;

/// Words of one field beyond this many are counted for its length, not indexed.
const WORDS_MAX: usize = 400;

/// Impacts are kept as parts of this of the largest.
const IMPACT_STEPS: f32 = u16::MAX as f32;

/// A part of a tool.
#[derive(Clone, Copy)]
struct Field {
    /// How much a word in it counts.
    weight: f32,
    /// Up to how many words its length is an honest one.
    free: f32,
    /// What each word after the first costs: a short name says more with its one word.
    slope: f32,
}

/// The parts of a tool, in the order of [`words_of`].
const FIELDS: [Field; 6] = [
    // The operation's name.
    Field {
        weight: 3.0,
        free: 4.0,
        slope: 0.1,
    },
    // Its group.
    Field {
        weight: 1.0,
        free: 3.0,
        slope: 0.0,
    },
    // Its source: name and title.
    Field {
        weight: 0.5,
        free: 4.0,
        slope: 0.0,
    },
    // The first sentence of its description.
    Field {
        weight: 1.2,
        free: 30.0,
        slope: 0.0,
    },
    // The rest of the description.
    Field {
        weight: 1.0,
        free: 40.0,
        slope: 0.0,
    },
    // The names of its arguments.
    Field {
        weight: 0.8,
        free: 8.0,
        slope: 0.0,
    },
];

/// The index of one source's tools.
pub(crate) struct Segment {
    terms: Dictionary,
    /// Where each term's tools begin in `tools`; one more than there are terms.
    postings: Vec<u32>,
    tools: Vec<u32>,
    /// How much the term says about the tool, in steps of the largest impact.
    impacts: Vec<u16>,
    /// Hashes of what a query may be word for word, in order, each with its tool.
    exact: Vec<(u64, u32)>,
    count: usize,
}

impl Segment {
    /// Indexes tools in their order.
    pub(crate) fn new(tools: &[Arc<Tool>], title: &str, stemming: &Stemming) -> Self {
        let mut build = Build::new(stemming);
        let mut exact = Vec::with_capacity(tools.len() * 3);
        for (i, tool) in tools.iter().enumerate() {
            let i = u32::try_from(i).unwrap_or(u32::MAX);
            build.add(i, tool, title);
            exact.extend(exact_forms(&tool.path).map(|form| (hash(&form), i)));
        }
        exact.sort_unstable();
        exact.dedup();
        exact.shrink_to_fit();
        build.finish(exact, tools.len())
    }

    /// How many tools there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Its terms.
    pub(super) fn terms(&self) -> &Dictionary {
        &self.terms
    }

    /// How many tools hold a term.
    pub(super) fn holders(&self, at: usize) -> usize {
        (self.postings[at + 1] - self.postings[at]) as usize
    }

    /// The tools that hold a term, each with the term's impact, from 0 to K1 + 1, times its weight.
    pub(super) fn postings(&self, at: usize, weight: f32) -> impl Iterator<Item = (u32, f32)> {
        let range = self.postings[at] as usize..self.postings[at + 1] as usize;
        let step = weight * ((K1 + 1.0) / IMPACT_STEPS);
        let tools = self.tools[range.clone()].iter();
        tools
            .zip(&self.impacts[range])
            .map(move |(tool, impact)| (*tool, f32::from(*impact) * step))
    }

    /// The tools that a query may name word for word; to be compared with their paths.
    pub(super) fn named(&self, folded: &str) -> impl Iterator<Item = usize> {
        let hash = hash(folded);
        let first = self.exact.partition_point(|(h, _)| *h < hash);
        self.exact[first..]
            .iter()
            .take_while(move |(h, _)| *h == hash)
            .map(|(_, tool)| *tool as usize)
    }

    /// How many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.terms.bytes()
            + (self.postings.capacity() + self.tools.capacity()) * 4
            + self.impacts.capacity() * 2
            + self.exact.capacity() * size_of::<(u64, u32)>()
    }
}

/// The forms in which a path is named whole: all of it, without its source, its last segment; each
/// without dots.
pub(super) fn exact_forms(path: &str) -> impl Iterator<Item = String> {
    let folded = fold_path(path);
    let tail = |from: Option<usize>| from.map_or("", |i| &folded[i + 1..]).replace('.', "");
    let forms = [
        folded.replace('.', ""),
        tail(folded.find('.')),
        tail(folded.rfind('.')),
    ];
    forms.into_iter().filter(|form| !form.is_empty())
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A segment in the making.
struct Build<'a> {
    stemming: &'a Stemming,
    /// The number of each word's stem.
    words: HashMap<String, u32>,
    stems: HashMap<String, u32>,
    /// Stem, tool, impact.
    found: Vec<(u32, u32, u16)>,
    /// Of one tool: stem and field of every word.
    held: Vec<(u32, u8)>,
}

impl<'a> Build<'a> {
    fn new(stemming: &'a Stemming) -> Self {
        Self {
            stemming,
            words: HashMap::new(),
            stems: HashMap::new(),
            found: Vec::new(),
            held: Vec::new(),
        }
    }

    fn add(&mut self, at: u32, tool: &Tool, title: &str) {
        let mut held = std::mem::take(&mut self.held);
        held.clear();
        let mut lengths = [0_usize; FIELDS.len()];
        words_of(tool, title, &mut |field, word| {
            lengths[field] += 1;
            if lengths[field] <= WORDS_MAX {
                held.push((self.stem(word), field as u8));
            }
        });
        held.sort_unstable();
        let norms: Vec<f32> = FIELDS
            .iter()
            .zip(lengths)
            .map(|(field, length)| {
                let more = length.saturating_sub(1) as f32 * field.slope;
                field.weight / ((length as f32 / field.free).max(1.0) * (1.0 + more))
            })
            .collect();
        for same in held.chunk_by(|a, b| a.0 == b.0) {
            let frequency: f32 = same
                .chunk_by(|a, b| a.1 == b.1)
                .map(|of_field| {
                    norms[usize::from(of_field[0].1)] * (of_field.len() as f32).min(FREQUENCY_MAX)
                })
                .sum();
            // Of the form f·(k1 + 1)/(k1 + f), less the constant factor.
            let impact = frequency / (K1 + frequency) * IMPACT_STEPS;
            self.found.push((same[0].0, at, (impact as u16).max(1)));
        }
        self.held = held;
    }

    fn stem(&mut self, word: &str) -> u32 {
        if let Some(stem) = self.words.get(word) {
            return *stem;
        }
        let next = self.stems.len() as u32;
        let stem = *self.stems.entry(self.stemming.stem(word)).or_insert(next);
        self.words.insert(word.to_owned(), stem);
        stem
    }

    fn finish(self, exact: Vec<(u64, u32)>, count: usize) -> Segment {
        let mut terms: Vec<(String, u32)> = self.stems.into_iter().collect();
        terms.sort_unstable();
        let mut place = vec![0_u32; terms.len()];
        for (i, (_, stem)) in terms.iter().enumerate() {
            place[*stem as usize] = i as u32;
        }
        let mut postings = vec![0_u32; terms.len() + 1];
        for (stem, _, _) in &self.found {
            postings[place[*stem as usize] as usize + 1] += 1;
        }
        for i in 1..postings.len() {
            postings[i] += postings[i - 1];
        }
        let mut next = postings.clone();
        let mut tools = vec![0_u32; self.found.len()];
        let mut impacts = vec![0_u16; self.found.len()];
        for (stem, tool, impact) in self.found {
            let at = &mut next[place[stem as usize] as usize];
            tools[*at as usize] = tool;
            impacts[*at as usize] = impact;
            *at += 1;
        }
        Segment {
            terms: terms.iter().map(|(term, _)| term.as_str()).collect(),
            postings,
            tools,
            impacts,
            exact,
            count,
        }
    }
}

/// Tells every word of a tool with its field.
fn words_of(tool: &Tool, title: &str, told: &mut dyn FnMut(usize, &str)) {
    let (source, rest) = tool.path.split_once('.').unwrap_or((&tool.path, ""));
    let (groups, name) = rest.rsplit_once('.').unwrap_or(("", rest));
    words::each(name, &mut |w| told(0, w));
    words::each(groups, &mut |w| told(1, w));
    words::each(source, &mut |w| told(2, w));
    words::each(title, &mut |w| told(2, w));
    let description = words::shown(&tool.description);
    let (first, more) = words::first_sentence(&description);
    for (field, text) in [(3, first), (4, more)] {
        words::each(text, &mut |w| {
            if !words::is_stop(w) {
                told(field, w);
            }
        });
    }
    let arguments = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    for name in arguments.into_iter().flat_map(|p| p.keys()) {
        words::each(name, &mut |w| told(5, w));
    }
}
