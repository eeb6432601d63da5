//! Other runtimes doing what the isolate does: Node, Bun and Deno with a process for each task, Node
//! with a fresh `vm` context in a warm process, workerd with a fresh isolate. The same programs, the
//! same answers, driven by the smallest runner that deserves the name (`xtask/bench/`).
//! They come from npm by a lock file of their own, for this measurement only, and for Linux on
//! x86-64 only.

mod pipe;
mod workerd;

use super::process::memory_of_children;
use crate::{project, setup};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The rows of the comparison, as the isolate's own figures are named, and their units.
pub(super) const ROWS: [(&str, &str); 7] = [
    ("first line p50", "ms"),
    ("trivial task finished p50", "ms"),
    ("memory of a waiting task", "KB"),
    ("a tool call, there and back", "us"),
    ("1 MB JSON into a program", "ms"),
    ("filter, sort, group 100,000", "ms"),
    ("5 million steps", "ms"),
];

const FOLDER: &str = "xtask/bench";
const PATIENCE: Duration = Duration::from_secs(60);
const WAITING: usize = 10;
/// Calls of `programs/calls.js`.
const CALLS: usize = 200;
const ROWS_BYTES: usize = 1_000_000;

/// What a program did.
enum Said {
    /// It wrote a line.
    Line,
    /// It called a tool: the call's number.
    Call(u64),
    /// It returned.
    Done,
    /// It threw.
    Failed(String),
}

/// Where the events of each task go.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<HashMap<u64, Sender<Said>>>>);

impl Tasks {
    fn add(&self, task: u64) -> Receiver<Said> {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(task, sender);
        receiver
    }

    fn say(&self, task: u64, said: Said) {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = tasks.get(&task) {
            // Nobody listens to a task that was given up.
            drop(sender.send(said));
        }
    }
}

/// A task under way; dropping it gives it up.
struct Run {
    said: Receiver<Said>,
    answers: Answers,
}

/// Answers a call, by its number, with a value as JSON.
type Answers = Box<dyn FnMut(u64, &str) -> Result<()>>;

impl Run {
    fn next(&self) -> Result<Said> {
        match self.said.recv_timeout(PATIENCE) {
            Ok(Said::Failed(why)) => bail!("a program failed: {why}"),
            Ok(said) => Ok(said),
            Err(_) => bail!("a program said nothing for {} s", PATIENCE.as_secs()),
        }
    }

    fn until_call(&self) -> Result<u64> {
        loop {
            match self.next()? {
                Said::Call(call) => return Ok(call),
                Said::Line => {}
                Said::Done | Said::Failed(_) => bail!("a program ended before its call"),
            }
        }
    }

    /// Answers every call alike until the program ends.
    fn finish(&mut self, answer: &str) -> Result<()> {
        loop {
            match self.next()? {
                Said::Call(call) => (self.answers)(call, answer)?,
                Said::Done => return Ok(()),
                Said::Line | Said::Failed(_) => {}
            }
        }
    }
}

enum Kind {
    /// A new process for each task.
    Fresh(Vec<String>),
    /// One process for all.
    Warm(Arc<pipe::Process>),
    Workerd(workerd::Workerd),
}

struct Peer {
    kind: Kind,
    tasks: u64,
}

impl Peer {
    fn begin(&mut self, code: &str) -> Result<Run> {
        self.tasks += 1;
        match &self.kind {
            Kind::Fresh(command) => {
                Arc::new(pipe::Process::start(command)?).begin(self.tasks, code)
            }
            Kind::Warm(process) => process.clone().begin(self.tasks, code),
            Kind::Workerd(workerd) => Ok(workerd.begin(self.tasks, code)),
        }
    }
}

/// One runtime and what was measured of it, by the names of [`ROWS`].
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) values: Vec<f64>,
}

/// Installs the others and measures one after another.
pub(super) fn measure() -> Result<Vec<Column>> {
    setup::node_modules(FOLDER)?;
    let modules = folder().join("node_modules");
    let program = |path: &str| modules.join(path).display().to_string();
    let script = folder().join("task.mjs").display().to_string();
    let bun = program("@oven/bun-linux-x64/bin/bun");
    let deno = program("@deno/linux-x64-glibc/deno");
    let workerd = program("@cloudflare/workerd-linux-64/bin/workerd");
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let warm = words(&["node", &script, "context"]);
    let fresh = |command: &[&str]| Kind::Fresh(words(command));
    let mut columns = Vec::new();
    for (name, times, kind) in [
        ("node, process", 30, fresh(&["node", &script])),
        (
            "node, vm context",
            300,
            Kind::Warm(Arc::new(pipe::Process::start(&warm)?)),
        ),
        ("bun, process", 30, fresh(&[&bun, &script])),
        (
            "deno, process",
            30,
            fresh(&[&deno, "run", "--no-prompt", "--quiet", &script]),
        ),
        (
            "workerd, isolate",
            50,
            Kind::Workerd(workerd::Workerd::start(&workerd)?),
        ),
    ] {
        let mut peer = Peer { kind, tasks: 0 };
        let values = column(&mut peer, times).with_context(|| name.to_owned())?;
        columns.push(Column { name, values });
    }
    Ok(columns)
}

fn folder() -> PathBuf {
    project::root().join(FOLDER)
}

fn column(peer: &mut Peer, times: usize) -> Result<Vec<f64>> {
    let read = |name: &str| {
        let path = format!("crates/sandbox/examples/figures/programs/{name}.js");
        std::fs::read_to_string(project::root().join(&path)).context(path)
    };
    let (trivial, wait) = (read("trivial")?, read("wait")?);
    let (mut first, mut finished) = (Vec::new(), Vec::new());
    for number in 0..times + times / 5 {
        let begun = Instant::now();
        let mut run = peer.begin(&trivial)?;
        let Said::Line = run.next()? else {
            bail!("the first thing said was no line");
        };
        let line = begun.elapsed();
        run.finish("")?;
        // The first few warm up.
        if number >= times / 5 {
            first.push(line);
            finished.push(begun.elapsed());
        }
    }
    let before = memory_of_children()?;
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        let run = peer.begin(&wait)?;
        run.until_call()?;
        waiting.push(run);
    }
    let memory = memory_of_children()?.saturating_sub(before) as f64 / WAITING as f64 / 1e3;
    drop(waiting);

    let mut called = Vec::new();
    for _ in 0..10 {
        let mut run = peer.begin(&read("calls")?)?;
        let call = run.until_call()?;
        let begun = Instant::now();
        (run.answers)(call, r#"{"n":1}"#)?;
        run.finish(r#"{"n":1}"#)?;
        called.push(begun.elapsed());
    }
    let rows = rows();
    Ok(vec![
        median_ms(first),
        median_ms(finished),
        memory,
        median_ms(called) * 1e3 / CALLS as f64,
        after_answer(peer, &read("rows")?, 10, &rows)?,
        after_answer(peer, &read("sort")?, 7, "{}")?,
        after_answer(peer, &read("loop")?, 7, "{}")?,
    ])
}

/// The median time from a program's one answer to its end.
fn after_answer(peer: &mut Peer, code: &str, times: usize, answer: &str) -> Result<f64> {
    let mut taken = Vec::new();
    for _ in 0..times {
        let mut run = peer.begin(code)?;
        let call = run.until_call()?;
        let begun = Instant::now();
        (run.answers)(call, answer)?;
        run.finish("")?;
        taken.push(begun.elapsed());
    }
    Ok(median_ms(taken))
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// The rows that the isolate's own measurement is answered with (`figures/speed.rs` there).
fn rows() -> String {
    let mut out = String::from("[");
    for id in 0.. {
        if out.len() >= ROWS_BYTES {
            break;
        }
        let comma = if id > 0 { "," } else { "" };
        let (amount, open, tag) = (id * 7, id % 2 == 0, id % 10);
        out += &format!(
            r#"{comma}{{"id":{id},"name":"customer {id}","amount":{amount}.5,"open":{open},"tags":["a","b{tag}"]}}"#
        );
    }
    out.push(']');
    out
}
