//! Long lists in two halves at once. Which half an item is in depends on the list alone, so that what
//! comes out is the same on every machine.

/// Shorter lists are not worth a thread.
const WORTH: usize = 256;

/// What becomes of each item, in their order.
pub(super) fn each<T: Send, R: Send>(items: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
    if items.len() < WORTH {
        return items.into_iter().map(of).collect();
    }
    let mut first = items;
    let second = first.split_off(first.len() / 2);
    let (mut done, more) = both(
        || first.into_iter().map(&of).collect::<Vec<R>>(),
        || second.into_iter().map(&of).collect::<Vec<R>>(),
    );
    done.extend(more);
    done
}

/// Two things at once. What one of them panics with is passed on.
pub(super) fn both<A, B: Send>(
    here: impl FnOnce() -> A,
    aside: impl FnOnce() -> B + Send,
) -> (A, B) {
    std::thread::scope(|scope| {
        let aside = scope.spawn(aside);
        let here = here();
        let aside = aside.join();
        (
            here,
            aside.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

/// Whether a list is worth two threads.
pub(super) fn worth(items: usize) -> bool {
    items >= WORTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_keep_their_order() {
        for length in [0, 1, WORTH - 1, WORTH, 3 * WORTH + 1] {
            let items: Vec<usize> = (0..length).collect();
            let expected: Vec<usize> = (0..length).map(|i| i * 2).collect();
            assert_eq!(each(items, |i| i * 2), expected, "{length}");
        }
    }
}
