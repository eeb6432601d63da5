//! The worker process for this crate's tests, as Executor's binary would be.

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("sandbox-worker") => sandbox::worker_main(),
        _ => std::process::exit(64),
    }
}
