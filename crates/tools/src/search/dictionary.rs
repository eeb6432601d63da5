//! Terms in order, in one piece of memory.

use std::ops::Range;

/// Terms in order, each once; a term's number is its place among them.
pub(crate) struct Dictionary {
    /// All terms, one after the other.
    text: String,
    /// Where each term begins in `text`; one more than there are terms.
    starts: Vec<u32>,
}

impl Dictionary {
    /// How many terms there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The term at a place.
    pub(super) fn term(&self, at: usize) -> &str {
        &self.text[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// The place of a term.
    pub(super) fn find(&self, term: &str) -> Option<usize> {
        let at = self.first_not_before(term);
        (at < self.len() && self.term(at) == term).then_some(at)
    }

    /// The places of all terms that begin with a text.
    pub(super) fn beginning_with(&self, start: &str) -> Range<usize> {
        let first = self.first_not_before(start);
        let mut last = first;
        while last < self.len() && self.term(last).starts_with(start) {
            last += 1;
        }
        first..last
    }

    /// How many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.starts.capacity() * size_of::<u32>()
    }

    fn first_not_before(&self, wanted: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.term(middle) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// From terms that are in order, each once.
impl<'t> FromIterator<&'t str> for Dictionary {
    fn from_iter<I: IntoIterator<Item = &'t str>>(terms: I) -> Self {
        let (mut text, mut starts) = (String::new(), vec![0]);
        for term in terms {
            text.push_str(term);
            starts.push(text.len() as u32);
        }
        text.shrink_to_fit();
        starts.shrink_to_fit();
        Self { text, starts }
    }
}
