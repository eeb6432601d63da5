//! Which tools fit a query: BM25F over the parts of a tool, in memory.
//!
//! The formula and what it reaches are written down in `docs/search.md`: per term, frequencies of
//! all fields are weighted, normalized by the field's length and added before they saturate
//! (Robertson, Zaragoza, Taylor 2004), so a word in the name outweighs any number of repetitions in
//! a description. `segment` is the index of one source, `terms` knows in which segments each term
//! stands, `words` splits, stems and knows synonyms.

mod dictionary;
mod segment;
mod terms;
mod words;

pub(crate) use segment::Segment;
pub(crate) use words::Stemming;

use crate::nearest::distance;
use segment::exact_forms;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use terms::Terms;

/// A synonym counts this much of the word itself.
const SYNONYM: f32 = 0.5;

/// A word of the same family, as far as its beginning tells, counts this much.
const FAMILY: f32 = 0.5;

/// A word that only begins like the last one of the query counts this much.
const PREFIX: f32 = 0.5;

/// A word that is misspelled counts this much for each edit.
const MISSPELLED: f32 = 0.7;

/// How many terms one word of a query may stand for besides itself.
const ALTERNATIVES_MAX: usize = 24;

/// Words of a query beyond this many are not read.
const QUERY_WORDS_MAX: usize = 48;

/// Shorter words have no family and no misspellings.
const FAMILY_CHARS_MIN: usize = 4;

/// How much of the longer word two of one family share at least, in percent.
const FAMILY_SHARE: usize = 60;

/// What a query that names a tool whole adds, in parts of the best score: all of its path, all but
/// the source, its last segment.
const EXACT: [f32; 3] = [4.0, 2.0, 1.0];

/// A tool that shares a word with the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match {
    /// Its place among all tools.
    pub(crate) tool: u32,
    /// How well it fits; more is better.
    pub(crate) score: f32,
    /// Whether the query names it whole.
    pub(crate) is_named: bool,
}

/// A tool that fits worse than the best by more than this shares a word with the query by chance.
const TAIL: f32 = 0.1;

/// Of the tools that share a word with the query, those that `may` be shown and do not share it by
/// chance. What may not be shown moves no bar; `may` is asked only where its answer counts.
pub(crate) fn fitting(mut matches: Vec<Match>, may: &dyn Fn(&Match) -> bool) -> Vec<Match> {
    let plain = matches.iter().filter(|m| !m.is_named);
    let best = plain.fold(0.0, |best, m| {
        if m.score > best && may(m) {
            m.score
        } else {
            best
        }
    });
    matches.retain(|m| (m.is_named || m.score >= best * TAIL) && may(m));
    matches
}

/// The index of one catalog: a segment for each source, one after the other.
pub(crate) struct Index {
    segments: Vec<Arc<Segment>>,
    /// The place of each segment's first tool; one more than there are segments.
    bases: Vec<u32>,
    terms: Terms,
    stemming: Stemming,
}

/// One term that counts for a word of the query.
struct Alternative {
    /// Its place among all terms.
    term: usize,
    /// Its rarity times how much of the word it counts.
    weight: f32,
}

/// A term whose segments are gone through in order.
struct Open<'t> {
    /// Segments that are still to come, each with the term's place in it.
    places: &'t [(u32, u32)],
    weight: f32,
}

impl Open<'_> {
    /// The term's place in a segment; each segment after those asked for before.
    fn place_in(&mut self, segment: usize) -> Option<usize> {
        while let [(at, place), rest @ ..] = self.places {
            match (*at as usize).cmp(&segment) {
                Ordering::Less => self.places = rest,
                Ordering::Equal => return Some(*place as usize),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

impl Index {
    /// Puts segments together, in the order of their tools.
    pub(crate) fn new(segments: Vec<Arc<Segment>>) -> Self {
        let mut bases = vec![0];
        for segment in &segments {
            let last = bases.last().copied().unwrap_or_default();
            bases.push(last + u32::try_from(segment.len()).unwrap_or(u32::MAX));
        }
        Self {
            terms: Terms::of(&segments),
            segments,
            bases,
            stemming: Stemming::new(),
        }
    }

    /// How many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.terms.bytes() + self.segments.iter().map(|s| s.bytes()).sum::<usize>()
    }

    /// All tools of some segments that share a word with the query, in order of place.
    /// `path_of` gives the path at a place.
    pub(crate) fn matches<'p>(
        &self,
        query: &str,
        within: Range<usize>,
        path_of: &dyn Fn(usize) -> &'p str,
    ) -> Vec<Match> {
        let base = self.bases[within.start] as usize;
        let count = self.bases[within.end] as usize - base;
        let mut scores = vec![0_f32; count];
        self.add_words(query, &within, &mut scores);
        let named = self.add_exact(query, &within, &mut scores, path_of);
        let tools = scores.iter().enumerate().filter(|(_, score)| **score > 0.0);
        tools
            .map(|(i, score)| Match {
                tool: (base + i) as u32,
                score: *score,
                is_named: named.contains(&(base + i)),
            })
            .collect()
    }

    /// One segment after the other: what is added up for its tools stays close at hand.
    fn add_words(&self, query: &str, within: &Range<usize>, scores: &mut [f32]) {
        let mut words: Vec<Vec<Open<'_>>> = Vec::new();
        for alternatives in self.words(query) {
            let open = alternatives.iter().map(|alternative| Open {
                places: self.terms.places(alternative.term),
                weight: alternative.weight,
            });
            words.push(open.collect());
        }
        let (mut best, mut touched): (Vec<f32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut rest = scores;
        for at in within.clone() {
            let segment = &self.segments[at];
            let (scores, after) = rest.split_at_mut(segment.len());
            rest = after;
            best.resize(best.len().max(segment.len()), 0.0);
            for alternatives in &mut words {
                let is_alone = alternatives.len() == 1;
                for alternative in alternatives {
                    let Some(term) = alternative.place_in(at) else {
                        continue;
                    };
                    let scored = segment.postings(term, alternative.weight);
                    if is_alone {
                        scored.for_each(|(tool, score)| scores[tool as usize] += score);
                        continue;
                    }
                    for (tool, score) in scored {
                        let so_far = &mut best[tool as usize];
                        if *so_far == 0.0 {
                            touched.push(tool);
                        }
                        *so_far = so_far.max(score);
                    }
                }
                // Of a word's alternatives the best counts, once.
                for tool in touched.drain(..) {
                    scores[tool as usize] += std::mem::take(&mut best[tool as usize]);
                }
            }
        }
    }

    /// The words of a query, each once, with the terms that each may stand for.
    fn words(&self, query: &str) -> Vec<Vec<Alternative>> {
        let mut words = words::of_query(query);
        words.truncate(QUERY_WORDS_MAX);
        let last = words.len().saturating_sub(1);
        let mut seen = BTreeSet::new();
        words
            .iter()
            .enumerate()
            .filter_map(|(i, word)| {
                let stem = self.stemming.stem(word);
                seen.insert(stem.clone())
                    .then(|| self.alternatives(word, &stem, i == last))
            })
            .collect()
    }

    fn alternatives(&self, word: &str, stem: &str, is_last: bool) -> Vec<Alternative> {
        let own = self.terms.find(stem);
        // What stands for a word is never rarer than the word itself.
        let rarity_max = own.map_or(f32::INFINITY, |own| self.rarity(own));
        let mut others: Vec<(usize, f32)> = words::synonyms(word)
            .filter_map(|s| Some((self.terms.find(&self.stemming.stem(s))?, SYNONYM)))
            .collect();
        if stem.chars().count() >= FAMILY_CHARS_MIN {
            // In order, and worth the same: those beyond the limit would not count. One may be its own.
            let family = self.family(stem).take(ALTERNATIVES_MAX + 1);
            others.extend(family.map(|term| (term, FAMILY)));
        }
        if own.is_none() {
            if is_last && word.chars().count() >= 3 {
                let begun = self.terms.beginning_with(word).take(ALTERNATIVES_MAX);
                others.extend(begun.map(|term| (term, PREFIX)));
            }
            if others.is_empty() {
                others = self.misspelled(stem);
            }
        }
        others.retain(|(term, _)| Some(*term) != own);
        // The most telling first, so that the limit and the duplicates cut the others.
        others.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut seen = BTreeSet::new();
        others.retain(|(term, _)| seen.insert(*term));
        others.truncate(ALTERNATIVES_MAX);
        let mut alternatives: Vec<Alternative> = others
            .into_iter()
            .map(|(term, factor)| Alternative {
                term,
                weight: factor * self.rarity(term).min(rarity_max),
            })
            .collect();
        alternatives.extend(own.map(|term| Alternative {
            term,
            weight: rarity_max,
        }));
        alternatives
    }

    fn rarity(&self, term: usize) -> f32 {
        let all = self.bases.last().copied().unwrap_or_default() as f32;
        let holders = self.terms.holders(term) as f32;
        (1.0 + (all - holders + 0.5) / (holders + 0.5)).ln()
    }

    /// Terms that share most of their beginning: `financ` and `financi`, `invest` and `investor`.
    fn family(&self, stem: &str) -> impl Iterator<Item = usize> {
        let chars = stem.chars().count();
        let shared = (chars * FAMILY_SHARE).div_ceil(100).max(FAMILY_CHARS_MIN);
        let start: String = stem.chars().take(shared).collect();
        self.terms.beginning_with(&start).filter(move |at| {
            let term = self.terms.term(*at);
            let pairs = term.chars().zip(stem.chars());
            let common = pairs.take_while(|(a, b)| a == b).count();
            let longer = term.chars().count().max(chars);
            common * 100 >= longer * FAMILY_SHARE
        })
    }

    /// Terms with the same first letter that are one edit away, or two where the word is long.
    fn misspelled(&self, stem: &str) -> Vec<(usize, f32)> {
        let chars = stem.chars().count();
        let Some(first) = stem.chars().next().filter(|_| chars >= FAMILY_CHARS_MIN) else {
            return Vec::new();
        };
        let edits_max = if chars < 8 { 1 } else { 2 };
        let (mut near, own) = (Vec::new(), letters(stem));
        for at in self.terms.beginning_with(first.encode_utf8(&mut [0; 4])) {
            let term = self.terms.term(at);
            if term.len().abs_diff(stem.len()) > edits_max {
                continue;
            }
            // An edit takes away one letter at most and brings another. Nearly all terms end here.
            let others = own.zip(letters(term)).map_or(0, |(a, b)| a ^ b);
            if others.count_ones() as usize > 2 * edits_max {
                continue;
            }
            let edits = distance(stem, term);
            if edits <= edits_max {
                near.push((at, MISSPELLED.powi(edits as i32)));
            }
        }
        near
    }

    /// A query that is a path, or the end of one, wants that tool. Yields the places of those.
    fn add_exact<'p>(
        &self,
        query: &str,
        within: &Range<usize>,
        scores: &mut [f32],
        path_of: &dyn Fn(usize) -> &'p str,
    ) -> Vec<usize> {
        let mut named = Vec::new();
        let wanted: String = domain::tool::fold_path(query)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        if wanted.is_empty() {
            return named;
        }
        let base = self.bases[within.start] as usize;
        let top = scores.iter().copied().fold(1.0, f32::max);
        for segment in within.clone() {
            let first = self.bases[segment] as usize;
            for i in self.segments[segment].named(&wanted) {
                let place = first + i;
                let form = exact_forms(path_of(place)).position(|form| form == wanted);
                if let Some(boost) = form.and_then(|form| EXACT.get(form)) {
                    scores[place - base] += boost * top;
                    named.push(place);
                }
            }
        }
        named
    }
}

/// Which letters, digits and signs a text of ASCII has, a bit for each; some share one.
fn letters(text: &str) -> Option<u64> {
    text.bytes().try_fold(0, |found, byte| {
        byte.is_ascii().then_some(found | 1 << (byte % 64))
    })
}
