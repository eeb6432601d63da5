//! The nearest known name to a misspelled one, by edit distance.
//!
//! Used for unknown arguments and unknown paths. Bounded: names longer than 96 characters are
//! never near.

const NAME_CHARS_MAX: usize = 96;

/// The known name nearest to `name`, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = domain::tool::fold_path(name);
    known
        .map(|k| (distance(&folded, &domain::tool::fold_path(k)), k))
        .filter(|(d, k)| *d <= tolerance(k))
        .min()
        .map(|(_, k)| k)
}

/// How many edits still count as a misspelling of a name: a third of it.
pub(crate) fn tolerance(name: &str) -> usize {
    (name.chars().count() / 3).max(1)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of
/// neighbors (<https://en.wikipedia.org/wiki/Damerau–Levenshtein_distance>).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len() > NAME_CHARS_MAX || b.len() > NAME_CHARS_MAX {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (previous[j] + usize::from(x != y))
                .min(previous[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_near_and_others_are_not() {
        let known = ["title", "body", "assignees", "owner"];
        for (given, expected) in [
            ("titel", Some("title")),
            ("Title", Some("title")),
            ("asignees", Some("assignees")),
            ("as_signees", Some("assignees")),
            ("colour", None),
        ] {
            assert_eq!(nearest(given, known.into_iter()), expected, "{given}");
        }
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
