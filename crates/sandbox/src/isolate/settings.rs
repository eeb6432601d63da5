//! The settings that shape machine code, in one place.
//!
//! Read twice: by `build.rs`, which compiles the engine image with them, and by
//! the worker, which loads the result. The two must agree to the letter, or the
//! worker refuses the code at start. Nothing that differs per machine belongs
//! here; the worker's pools are set up in `guest.rs`.

use wasmtime::Config;

/// Address space kept for one linear memory. With all that 32 bits can reach,
/// no load or store needs a bounds check.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// Native stack of one instance. Measured so that runaway recursion in a
/// program meets the script engine's own limit first (`SCRIPT_STACK_BYTES` in
/// `engine.c`) and ends as a catchable `RangeError`.
pub(crate) const WASM_STACK_BYTES: usize = 8 << 20;

/// The engine's settings, less the machine it runs on.
pub(crate) fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.memory_reservation(MEMORY_RESERVATION);
    config.memory_guard_size(1 << 20);
    config.memory_init_cow(true);
    // Positions inside QuickJS's own machine code help nobody.
    config.generate_address_map(false);
    config.wasm_backtrace_max_frames(None);
    config.native_unwind_info(false);
    config.wasm_simd(false);
    config.wasm_relaxed_simd(false);
    config.wasm_multi_memory(false);
    config.wasm_memory64(false);
    config
}
