//! The worker process for this crate's tests, honest and otherwise.
//!
//! Called as `sandbox-worker` it is what Executor's binary is. `probe NAME HOLD`
//! gives up as much as HOLD says and then tries something forbidden (`probe.rs`,
//! `attempts.rs`). Under another name it is a worker that lies to its host
//! (`liar.rs`) or one on a machine that lacks something (`lacking.rs`).

mod attempts;
mod lacking;
mod liar;
mod probe;

fn main() {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let name = std::path::Path::new(&name)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match (arguments.next().as_deref(), name.split_once('-')) {
        (Some("sandbox-worker"), Some(("liar", lie))) => liar::serve(lie),
        (Some("sandbox-worker"), Some(("lacking", what))) => {
            lacking::take_away(what);
            sandbox::worker_main()
        }
        (Some("sandbox-worker"), _) => sandbox::worker_main(),
        (Some("probe"), _) => probe::run(&arguments.collect::<Vec<_>>()),
        _ => std::process::exit(probe::NO_SUCH_PROBE),
    }
}
