//! Randomness for identifiers and seeds, from the operating system; in a development build it may be
//! drawn from a seed instead, so that a simulation repeats itself.

pub(crate) use domain::canonical::hex;

/// Random bytes.
///
/// The operating system's generator fails only on a machine that cannot run anything else either;
/// going on without randomness would make identifiers guessable.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0u8; N];
    #[cfg(debug_assertions)]
    if seeded::fill(&mut out) {
        return out;
    }
    getrandom::fill(&mut out).expect("the operating system gives random bytes");
    out
}

/// 128 random bits for an identifier.
pub(crate) fn bits() -> [u8; 16] {
    bytes()
}

/// A name for a failure in the log.
pub(crate) fn short_id() -> String {
    format!("err_{}", hex(&bytes::<8>()))
}

#[cfg(debug_assertions)]
pub use seeded::seed_entropy;

#[cfg(debug_assertions)]
mod seeded {
    use sha2::{Digest, Sha256};
    use std::cell::Cell;

    thread_local! {
        /// The seed of this thread, and how many blocks have been drawn from it.
        static SEED: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }

    /// Draws what this thread wants of randomness from a seed from now on. No release can do this.
    pub fn seed_entropy(seed: u64) {
        SEED.set(Some((seed, 0)));
    }

    /// Fills from the seed, where this thread has one.
    pub(super) fn fill(out: &mut [u8]) -> bool {
        let Some((seed, mut drawn)) = SEED.get() else {
            return false;
        };
        for part in out.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(seed.to_le_bytes());
            hash.update(drawn.to_le_bytes());
            drawn += 1;
            part.copy_from_slice(&hash.finalize()[..part.len()]);
        }
        SEED.set(Some((seed, drawn)));
        true
    }
}
