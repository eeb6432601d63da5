//! Which engines replay the journals of which older ones.
//!
//! A task is rebuilt by running its program again, so an engine may only go on with a task of another
//! when both do the same to the byte: the order of turns, randomness, numbers as text, error texts,
//! stack positions. That is never taken for granted: a pair gets in here by review, with a journal
//! recorded by the older version that the test suite replays under the newer one.

/// An older engine that a newer one stands in for.
pub(super) struct Reviewed {
    /// Digest of the newer engine.
    engine: &'static str,
    /// Digest of the older.
    replays: &'static str,
}

/// The pairs that were reviewed. There has been one engine so far.
pub(super) const REVIEWED: &[Reviewed] = &[];

/// An engine with all older ones that it stands in for. Not by way of others: each pair is its own
/// review.
pub(super) fn with_older<'a>(engine: &'a str, reviewed: &'a [Reviewed]) -> Vec<&'a str> {
    let older = reviewed.iter().filter(|r| r.engine == engine);
    std::iter::once(engine)
        .chain(older.map(|r| r.replays))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_reviewed_for_this_engine_counts() {
        let pair = |engine, replays| Reviewed { engine, replays };
        let reviewed = [pair("c", "b"), pair("b", "a"), pair("c", "0")];
        assert_eq!(with_older("c", &reviewed), ["c", "b", "0"]);
        assert_eq!(with_older("b", &reviewed), ["b", "a"]);
        assert_eq!(with_older("a", &reviewed), ["a"]);
    }

    #[test]
    fn no_pair_names_one_engine_twice() {
        for pair in REVIEWED {
            assert_ne!(pair.engine, pair.replays);
            assert_eq!(pair.engine.len(), pair.replays.len());
        }
    }
}
