//! The terms of a whole catalog: a word of a query is looked up once, however many sources there are.

use super::dictionary::Dictionary;
use super::segment::Segment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

/// All terms of all segments in order, each with where it stands.
pub(super) struct Terms {
    dictionary: Dictionary,
    /// Where each term's places begin; one more than there are terms.
    firsts: Vec<u32>,
    /// Segments, each with the term's place in it.
    places: Vec<(u32, u32)>,
    /// How many tools hold each term.
    holders: Vec<u32>,
}

impl Terms {
    /// Merges the terms of segments.
    pub(super) fn of(segments: &[Arc<Segment>]) -> Self {
        let mut merged: Vec<&str> = Vec::new();
        let (mut firsts, mut places, mut holders) = (Vec::new(), Vec::new(), Vec::new());
        // The next term of each segment that has one.
        let mut next: BinaryHeap<_> = segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| segment.terms().len() > 0)
            .map(|(i, segment)| Reverse((segment.terms().term(0), i, 0)))
            .collect();
        while let Some(Reverse((term, i, at))) = next.pop() {
            if merged.last() != Some(&term) {
                merged.push(term);
                firsts.push(places.len() as u32);
                holders.push(0);
            }
            places.push((i as u32, at as u32));
            if let Some(all) = holders.last_mut() {
                *all += segments[i].holders(at) as u32;
            }
            if at + 1 < segments[i].terms().len() {
                next.push(Reverse((segments[i].terms().term(at + 1), i, at + 1)));
            }
        }
        firsts.push(places.len() as u32);
        places.shrink_to_fit();
        Self {
            dictionary: merged.into_iter().collect(),
            firsts,
            places,
            holders,
        }
    }

    /// The place of a term.
    pub(super) fn find(&self, term: &str) -> Option<usize> {
        self.dictionary.find(term)
    }

    /// The term at a place.
    pub(super) fn term(&self, at: usize) -> &str {
        self.dictionary.term(at)
    }

    /// The places of all terms that begin with a text.
    pub(super) fn beginning_with(&self, start: &str) -> Range<usize> {
        self.dictionary.beginning_with(start)
    }

    /// How many tools hold a term.
    pub(super) fn holders(&self, at: usize) -> usize {
        self.holders[at] as usize
    }

    /// The segments that hold a term, in order, each with the term's place in it.
    pub(super) fn places(&self, at: usize) -> &[(u32, u32)] {
        &self.places[self.firsts[at] as usize..self.firsts[at + 1] as usize]
    }

    /// How many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.dictionary.bytes()
            + (self.firsts.capacity() + self.holders.capacity()) * size_of::<u32>()
            + self.places.capacity() * size_of::<(u32, u32)>()
    }
}
