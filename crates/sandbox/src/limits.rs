//! The limits of one program, and the bounds this crate itself sets.
//!
//! Defaults and maxima of the product live in `domain`; here they are only
//! numbers to hold. Each is enforced from outside the script engine wherever
//! the host could be harmed.

/// What one program may use. Every overrun ends with a message naming the limit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Processor time of the whole task, in milliseconds.
    pub compute_ms: u64,
    /// Script heap, in bytes; at most `MEMORY_BYTES_CEILING`.
    pub memory_bytes: u64,
    /// Tool calls in all. Look-ups in the catalog and in handles are not counted.
    pub calls_max: u32,
    /// Tool calls awaiting an answer at one time.
    pub calls_in_flight_max: u32,
    /// Text logged in all, in bytes, one more per line.
    pub log_bytes_max: u64,
    /// The result as JSON, in bytes.
    pub result_bytes_max: u64,
    /// One message into the sandbox, and the arguments of one call out of it, in bytes.
    pub message_bytes_max: u64,
}

/// The largest heap a worker can give.
pub(crate) const MEMORY_BYTES_CEILING: u64 = 256 << 20;
/// Linear memory beyond the heap: the engine itself, its stack, fragmentation.
pub(crate) const MEMORY_BYTES_BESIDE: u64 = 32 << 20;
/// The largest frame on the wire, header excluded.
pub(crate) const FRAME_BYTES_MAX: usize = 16 << 20;
/// Room in a frame for what accompanies a text.
pub(crate) const FRAME_BYTES_BESIDE: u64 = 64 << 10;

impl Limits {
    /// The same limits, cut to what the isolate runtime can carry.
    pub(crate) fn within_reach(&self) -> Limits {
        let text_max = FRAME_BYTES_MAX as u64 - FRAME_BYTES_BESIDE;
        Limits {
            compute_ms: self.compute_ms,
            memory_bytes: self.memory_bytes.min(MEMORY_BYTES_CEILING),
            calls_max: self.calls_max,
            calls_in_flight_max: self.calls_in_flight_max,
            log_bytes_max: self.log_bytes_max.min(text_max),
            result_bytes_max: self.result_bytes_max.min(text_max),
            message_bytes_max: self.message_bytes_max.min(text_max),
        }
    }
}
