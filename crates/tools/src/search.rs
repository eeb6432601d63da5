//! Which tools fit a query: BM25F over the parts of a tool, in memory.
//!
//! The formula and what it reaches are written down in `docs/search.md`: per term, frequencies of
//! all fields are weighted, normalized by the field's length and added before they saturate
//! (Robertson, Zaragoza, Taylor 2004), so a word in the name outweighs any number of repetitions in
//! a description. `segment` is the index of one source, `words` splits, stems and knows synonyms.

mod segment;
mod words;

pub(crate) use segment::Segment;
pub(crate) use words::Stemming;

use crate::nearest::distance;
use segment::exact_forms;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

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

/// Leaves out what shares a word with the query by chance, beside what fits.
pub(crate) fn without_tail(matches: &mut Vec<Match>) {
    let plain = matches.iter().filter(|m| !m.is_named);
    let best = plain.map(|m| m.score).fold(0.0, f32::max);
    matches.retain(|m| m.is_named || m.score >= best * TAIL);
}

/// The index of one catalog: a segment for each source, one after the other.
pub(crate) struct Index {
    segments: Vec<Arc<Segment>>,
    /// The place of each segment's first tool; one more than there are segments.
    bases: Vec<u32>,
    stemming: Stemming,
}

/// What one word of the query may stand for.
struct Word {
    alternatives: Vec<Alternative>,
}

/// One term that counts for a word.
struct Alternative {
    /// Where it stands: segment and place in it.
    places: Vec<(usize, usize)>,
    /// Its rarity times how much of the word it counts.
    weight: f32,
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
            segments,
            bases,
            stemming: Stemming::new(),
        }
    }

    /// How many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.segments.iter().map(|s| s.bytes()).sum()
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

    fn add_words(&self, query: &str, within: &Range<usize>, scores: &mut [f32]) {
        let base = self.bases[within.start] as usize;
        let mut best: Vec<f32> = Vec::new();
        let mut touched: Vec<usize> = Vec::new();
        for word in self.words(query) {
            let is_alone = word.alternatives.len() == 1;
            for alternative in &word.alternatives {
                for (segment, term) in &alternative.places {
                    if !within.contains(segment) {
                        continue;
                    }
                    let first = self.bases[*segment] as usize - base;
                    let postings = self.segments[*segment].postings(*term);
                    let scored =
                        postings.map(|(i, impact)| (first + i, alternative.weight * impact));
                    if is_alone {
                        scored.for_each(|(i, score)| scores[i] += score);
                        continue;
                    }
                    best.resize(scores.len(), 0.0);
                    for (i, score) in scored {
                        if best[i] == 0.0 {
                            touched.push(i);
                        }
                        best[i] = best[i].max(score);
                    }
                }
            }
            // Of a word's alternatives the best counts, once.
            for i in touched.drain(..) {
                scores[i] += std::mem::take(&mut best[i]);
            }
        }
    }

    /// The words of a query, each once, with what they stand for.
    fn words(&self, query: &str) -> Vec<Word> {
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
                    .then(|| self.word(word, &stem, i == last))
            })
            .collect()
    }

    fn word(&self, word: &str, stem: &str, is_last: bool) -> Word {
        let own = self.places(stem);
        // What stands for a word is never rarer than the word itself.
        let rarity_max = if own.is_empty() {
            f32::INFINITY
        } else {
            self.rarity(&own)
        };
        let mut terms: Vec<(String, f32)> = words::synonyms(word)
            .map(|s| (self.stemming.stem(s), SYNONYM))
            .collect();
        if stem.chars().count() >= FAMILY_CHARS_MIN {
            terms.extend(self.family(stem).map(|t| (t, FAMILY)));
        }
        if own.is_empty() {
            if is_last && word.chars().count() >= 3 {
                terms.extend(self.beginning_with(word).map(|t| (t, PREFIX)));
            }
            if terms.is_empty() {
                terms = self.misspelled(stem);
            }
        }
        terms.retain(|(term, _)| term != stem);
        // The most telling first, so that the limit and the duplicates cut the others.
        terms.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut seen = BTreeSet::new();
        terms.retain(|(term, _)| seen.insert(term.clone()));
        let mut alternatives: Vec<Alternative> = terms
            .iter()
            .filter_map(|(term, factor)| {
                let places = self.places(term);
                let rarity = self.rarity(&places).min(rarity_max);
                (!places.is_empty()).then_some(Alternative {
                    weight: factor * rarity,
                    places,
                })
            })
            .take(ALTERNATIVES_MAX)
            .collect();
        if !own.is_empty() {
            alternatives.push(Alternative {
                weight: rarity_max,
                places: own,
            });
        }
        Word { alternatives }
    }

    /// Where a term stands.
    fn places(&self, term: &str) -> Vec<(usize, usize)> {
        let segments = self.segments.iter().enumerate();
        segments
            .filter_map(|(i, segment)| Some((i, segment.find(term)?)))
            .collect()
    }

    fn rarity(&self, places: &[(usize, usize)]) -> f32 {
        let all = self.bases.last().copied().unwrap_or_default() as f32;
        let holders: usize = places
            .iter()
            .map(|(segment, term)| self.segments[*segment].holders(*term))
            .sum();
        let holders = holders as f32;
        (1.0 + (all - holders + 0.5) / (holders + 0.5)).ln()
    }

    /// Terms that begin with a text, at most [`ALTERNATIVES_MAX`] of each segment.
    fn beginning_with(&self, start: &str) -> impl Iterator<Item = String> {
        self.segments.iter().flat_map(move |segment| {
            let places = segment.beginning_with(start).take(ALTERNATIVES_MAX);
            places.map(|at| segment.term(at).to_owned())
        })
    }

    /// Terms that share most of their beginning: `financ` and `financi`, `invest` and `investor`.
    fn family(&self, stem: &str) -> impl Iterator<Item = String> {
        let chars = stem.chars().count();
        let shared = (chars * FAMILY_SHARE).div_ceil(100).max(FAMILY_CHARS_MIN);
        let start: String = stem.chars().take(shared).collect();
        let stem = stem.to_owned();
        self.segments.iter().flat_map(move |segment| {
            let stem = stem.clone();
            segment.beginning_with(&start).filter_map(move |at| {
                let term = segment.term(at);
                let common = term
                    .chars()
                    .zip(stem.chars())
                    .take_while(|(a, b)| a == b)
                    .count();
                let longer = term.chars().count().max(chars);
                (common * 100 >= longer * FAMILY_SHARE).then(|| term.to_owned())
            })
        })
    }

    /// Terms with the same first letter that are one edit away, or two where the word is long.
    fn misspelled(&self, stem: &str) -> Vec<(String, f32)> {
        let chars = stem.chars().count();
        let Some(first) = stem.chars().next().filter(|_| chars >= FAMILY_CHARS_MIN) else {
            return Vec::new();
        };
        let edits_max = if chars < 8 { 1 } else { 2 };
        let mut near = Vec::new();
        for segment in &self.segments {
            for at in segment.beginning_with(first.encode_utf8(&mut [0; 4])) {
                let term = segment.term(at);
                if term.len().abs_diff(stem.len()) > edits_max {
                    continue;
                }
                let edits = distance(stem, term);
                if edits <= edits_max {
                    near.push((term.to_owned(), MISSPELLED.powi(edits as i32)));
                }
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
