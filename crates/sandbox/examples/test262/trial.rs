//! A test as a program, and what became of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sandbox::{Command, Event, FailureCode, Isolate, Limits, Sandbox, Start};

use crate::Failed;
use crate::case::Case;

const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Some tests walk all of Unicode.
const COMPUTE_MS: u64 = 20_000;

/// What the suite expects of its host. A program ends when its body does, so the end of an
/// asynchronous test is awaited: by a bare `then`, because some tests watch every promise.
const HOST: &str = "
globalThis.$262 = { global: globalThis, detachArrayBuffer(buffer) { buffer.transfer(); return null; } };
globalThis.print = (...values) => console.log(...values);
const ended262 = { then(resolve, reject) { this.end = (error) => (error ? reject(error) : resolve()); this.early?.(); } };
globalThis.$DONE = (error) => {
  if (ended262.end) ended262.end(error);
  else ended262.early = () => ended262.end(error);
};
";

/// How a test went.
pub(crate) enum Verdict {
    Passed,
    /// Not as a program, but as a script in the same engine: why not as a program.
    PassedAsScript(String),
    Failed(String),
}

/// The harness and the pool.
pub(crate) struct Suite {
    harness: HashMap<String, String>,
    isolate: Isolate,
}

/// What running one text came to.
enum End {
    Refused(String),
    Completed,
    Threw { name: String, message: String },
    Stopped(String),
}

impl Suite {
    pub(crate) fn new(checkout: &Path, isolate: Isolate) -> Result<Suite, Failed> {
        let folder = checkout.join("harness");
        let mut harness = HashMap::new();
        for entry in std::fs::read_dir(&folder)?.chain(std::fs::read_dir(folder.join("sm"))?) {
            let path = entry?.path();
            if path.is_file() {
                let name = path.strip_prefix(&folder)?.display().to_string();
                harness.insert(name, std::fs::read_to_string(&path)?);
            }
        }
        Ok(Suite { harness, isolate })
    }

    pub(crate) async fn judge(&self, case: &Case) -> Result<Verdict, Failed> {
        let text = self.text(case)?;
        let wait = if case.is_async { "await ended262;" } else { "" };
        let program = format!("{HOST}{text}\n;{wait} return;");
        let as_program = if case.is_raw {
            format!("{text}\n;return;")
        } else {
            program
        };
        let Some(why) = wrong(case, self.run(&as_program).await?) else {
            return Ok(Verdict::Passed);
        };
        let quoted = serde_json::to_string(&format!("\"use strict\";\n{text}"))?;
        let as_script = format!("{HOST}(0, eval)({quoted});\n{wait} return;");
        Ok(match wrong(case, self.run(&as_script).await?) {
            None => Verdict::PassedAsScript(why),
            Some(_) => Verdict::Failed(why),
        })
    }

    /// The test behind its harness files.
    fn text(&self, case: &Case) -> Result<String, Failed> {
        if case.is_raw {
            return Ok(case.text.clone());
        }
        let usual = ["assert.js".to_owned(), "sta.js".to_owned()];
        let mut text = String::new();
        for name in usual.iter().chain(&case.includes) {
            let file = self.harness.get(name);
            text += file.ok_or_else(|| format!("{}: no harness file {name}", case.name))?;
            text.push('\n');
        }
        Ok(text + &case.text)
    }

    async fn run(&self, source: &str) -> Result<End, Failed> {
        let program = match sandbox::compile(source, SOURCE_BYTES_MAX) {
            Ok(program) => Arc::new(program),
            Err(error) => return Ok(End::Refused(error.message)),
        };
        let start = Start {
            tenant: "test262".into(),
            program,
            seed: [7; 32],
            now_ms: 1_790_000_000_000,
            elapsed_ms: 0,
            limits: limits(),
            snapshot: None,
        };
        let mut session = self.isolate.start(start).await?;
        loop {
            match session.next().await {
                Event::Call { .. } | Event::Log { .. } | Event::Snapshot(_) => {}
                Event::TurnEnd {
                    next_timer_elapsed_ms,
                    ..
                } => {
                    let elapsed_ms = next_timer_elapsed_ms.unwrap_or(0);
                    let advance = Command::Advance {
                        now_ms: 1_790_000_000_000,
                        elapsed_ms,
                    };
                    // A program that has ended meanwhile says so in its next event.
                    drop(session.send(advance).await);
                }
                Event::Done { .. } => return Ok(End::Completed),
                Event::Failed(failure) if failure.code == FailureCode::Thrown => {
                    let (name, message) = (failure.name, failure.message);
                    return Ok(End::Threw { name, message });
                }
                Event::Failed(failure) => return Ok(End::Stopped(failure.message)),
                Event::Lost => return Ok(End::Stopped("its worker died".into())),
            }
        }
    }
}

fn limits() -> Limits {
    Limits {
        compute_ms: COMPUTE_MS,
        memory_bytes: 256 << 20,
        calls_max: 1_000,
        calls_in_flight_max: 32,
        log_bytes_max: 1 << 20,
        result_bytes_max: 1 << 20,
        message_bytes_max: 10 << 20,
    }
}

/// Why an end is not the one that the test wants.
fn wrong(case: &Case, end: End) -> Option<String> {
    match (&case.negative, end) {
        (None, End::Completed) => None,
        (Some(negative), End::Refused(_)) if negative.at_parse => None,
        (Some(negative), End::Threw { name, message })
            if name == negative.kind || message.contains(&negative.kind) =>
        {
            None
        }
        (Some(negative), End::Completed) => Some(format!("no {} came", negative.kind)),
        (_, End::Refused(why)) => Some(format!("does not compile: {why}")),
        (_, End::Threw { name, message }) => Some(format!("{name}: {message}")),
        (_, End::Stopped(why)) => Some(why),
    }
}
