//! Takes away everything a worker does not need, before the first user byte.
//!
//! Three steps: [`confine`] while the process has one thread, [`close_the_door`]
//! once all code is mapped, [`filter`] on each thread once all exist. Every layer
//! is looked at after it was set, and reported as found; what this machine does
//! not offer is said, not hidden. `rooms` (what it sees), `rights` (what it may),
//! `door` (what it holds), `wall` (what it may ask the kernel); `elsewhere` is what
//! other systems than Linux offer in their place. The host looks
//! once more, from outside: `witness.rs`. Why: docs/decisions/0010-boundary.md.

mod door;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod rights;
#[cfg(target_os = "linux")]
mod rooms;
#[cfg(target_os = "linux")]
mod wall;

use serde::{Deserialize, Serialize};

#[cfg(not(target_os = "linux"))]
use elsewhere::{rights, rooms, wall};

pub(super) use door::{IMAGE_FD, close_the_door, socket};
pub use wall::allowed_calls;
pub(super) use wall::filter;

/// One protection of a worker, as found when it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Short name, as `doctor` shows it.
    pub name: String,
    /// Whether it holds.
    pub active: bool,
    /// Whether programs are refused without it.
    pub required: bool,
    /// What it does, or why it does not hold.
    pub detail: String,
}

/// Every layer, in the order in which they are set.
pub(super) const LAYERS: [&str; 10] = [
    "environment",
    "no_new_privs",
    "not_dumpable",
    "namespaces",
    "empty_root",
    "landlock",
    "capabilities",
    "descriptors",
    "limits",
    "seccomp",
];
/// The second wall behind the filter: many a machine offers only some of it.
const SECOND_WALL: [&str; 3] = ["namespaces", "empty_root", "landlock"];

impl Layer {
    /// What was found: what the layer does, or why it does not hold.
    pub(super) fn found(name: &str, outcome: Result<String, String>) -> Layer {
        let (active, detail) = match outcome {
            Ok(does) => (true, does),
            Err(why) => (false, format!("not active: {why}")),
        };
        Layer {
            required: !SECOND_WALL.contains(&name),
            name: name.into(),
            active,
            detail,
        }
    }
}

/// What is required of layers as a whole: one of those that take the files away.
/// With neither, every file would be one mistake in the filter away.
pub(super) fn require_one_without_files(layers: &mut [Layer]) {
    let hides_files = |l: &Layer| l.active && (l.name == "empty_root" || l.name == "landlock");
    if layers.iter().any(hides_files) {
        return;
    }
    if let Some(landlock) = layers.iter_mut().find(|l| l.name == "landlock") {
        landlock.required = true;
    }
}

/// Everything this process can give up, in the order that works. For a process
/// with one thread; a test hook, since workers start a thread between the steps.
pub fn lock_down() -> Vec<Layer> {
    let mut layers = shut_in();
    layers.push(seccomp_layer(filter()));
    layers
}

/// The same without the filter, so that tests see what the other layers hold alone.
pub fn shut_in() -> Vec<Layer> {
    let mut layers = confine();
    layers.extend(close_the_door());
    layers
}

/// What one thread can do for the whole process. The caller must be single-threaded.
pub(super) fn confine() -> Vec<Layer> {
    let mut layers = vec![
        Layer::found("environment", door::no_environment()),
        Layer::found("no_new_privs", rights::no_new_privs()),
        Layer::found("not_dumpable", rights::not_dumpable()),
    ];
    let namespaces = rooms::enter();
    let root = match &namespaces {
        Ok(_) => rooms::empty_root(),
        Err(_) => Err("needs namespaces".into()),
    };
    layers.push(Layer::found("namespaces", namespaces));
    layers.push(Layer::found("empty_root", root));
    layers.push(Layer::found("landlock", rights::landlock()));
    layers.push(Layer::found("capabilities", rights::no_capabilities()));
    layers
}

/// The layer for what [`filter`] returned. Whether it holds is seen from outside.
pub(super) fn seccomp_layer(outcome: Result<(), String>) -> Layer {
    let does = "any system call beyond memory, clock and one socket kills the worker";
    Layer::found("seccomp", outcome.map(|()| does.into()))
}
