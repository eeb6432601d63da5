//! Attempts of native code inside a worker (attack S14).
//!
//! Each stands for what an attacker who broke both QuickJS and WebAssembly could
//! try. Without protection it succeeds, which shows that the attempt is a real
//! one; behind all layers it never returns, because the kernel kills the process.

use crate::attempts::{Target, attempt};

/// Nobody knows an attempt of this name.
pub(crate) const NO_SUCH_PROBE: i32 = 200;
/// The layers could not be set.
const NOT_LOCKED: i32 = 201;

/// `NAME HOLD ADDRESS PORT PATH`: gives up as HOLD says (`nothing`, `all-but-seccomp`, `all`),
/// tries, and exits with 0 when it was let through, else with the kernel's error number.
/// The rest names what the tester put up to be reached: a word of the tester's memory, a
/// TCP port, a file with a listening socket beside it.
pub(crate) fn run(arguments: &[String]) -> ! {
    let [name, hold, address, port, path] = arguments else {
        std::process::exit(NO_SUCH_PROBE)
    };
    let target = Target::new(address, port, path);
    let layers = match hold.as_str() {
        "nothing" => Vec::new(),
        "all-but-seccomp" => sandbox::shut_in(),
        "all" => sandbox::lock_down(),
        _ => std::process::exit(NO_SUCH_PROBE),
    };
    if layers.iter().any(|layer| layer.required && !layer.active) {
        std::process::exit(NOT_LOCKED);
    }
    let code = match attempt(name, &target) {
        None => NO_SUCH_PROBE,
        Some(0..) => 0,
        Some(_) => std::io::Error::last_os_error().raw_os_error().unwrap_or(0),
    };
    std::process::exit(code)
}
