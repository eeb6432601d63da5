//! A program at rest as bytes, to go on from later.
//!
//! A cache, never the truth: the journal is that, and whoever cannot use a
//! snapshot replays. It fits the engine image and the program it was made with
//! and nothing else. It holds what the program knew, answers of tools included,
//! so it is kept as the journal is.

use serde::{Deserialize, Serialize};

use crate::Program;

/// A program at rest, as the runtime that made it understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) head: Head,
    pub(crate) memory: Vec<u8>,
}

/// What the host knows of a program at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) engine: String,
    pub(crate) code: String,
    pub(crate) last_seq: u32,
    pub(crate) lookups: u32,
    /// Calls that wait for their answer, with the bytes of their arguments and options.
    pub(crate) pending: Vec<(u32, u64)>,
    pub(crate) log_bytes: u64,
    pub(crate) compute_ms: u64,
}

impl Snapshot {
    /// Number of the latest call; zero when none was made.
    pub fn last_call(&self) -> u32 {
        self.head.last_seq
    }

    /// Numbers of the calls that wait for their answer, in no order.
    pub fn pending(&self) -> impl Iterator<Item = u32> {
        self.head.pending.iter().map(|(seq, _)| *seq)
    }

    /// For keeping.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head).expect("texts and numbers have a JSON form");
        let length = u32::try_from(head.len()).expect("a head is a few hundred bytes");
        [&length.to_le_bytes()[..], &head, &self.memory].concat()
    }

    /// What was kept, if it fits this engine and this program.
    pub fn from_bytes(bytes: &[u8], program: &Program) -> Option<Snapshot> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (head, memory) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        let fits =
            head.engine == crate::isolate::engine_digest() && head.code == program.code_digest();
        fits.then(|| Snapshot {
            head,
            memory: memory.to_vec(),
        })
    }
}
