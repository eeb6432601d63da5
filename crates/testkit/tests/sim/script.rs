//! What a played program does, made from a seed, and the program itself as it runs: a machine that
//! is the same to the byte given the same script and commands, like the isolate.
//!
//! What it was told goes into its digest, and the digest into the arguments of its next call: a
//! program that is rebuilt with other answers, or the same in another order, makes other calls.

use crate::random::Random;
use domain::canonical::sha256_hex;
use sandbox::{Event, Failure, FailureCode, LogLevel, Outcome};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The tools of the played source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    List,
    Create,
    Pay,
    Drop,
}

impl Tool {
    pub(crate) const ALL: [Self; 4] = [Self::List, Self::Create, Self::Pay, Self::Drop];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::List => "up.box.list",
            Self::Create => "up.box.create",
            Self::Pay => "up.box.pay",
            Self::Drop => "up.box.drop",
        }
    }
}

/// Whether a program catches the error of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Caught,
    Thrown,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) tool: Tool,
    pub(crate) error: Error,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `await tool()`, or `await Promise.all([…])`.
    All(Vec<Spec>),
    /// `await Promise.race([…, timer])`: the rest goes on unheard.
    Race(Vec<Spec>, Option<u64>),
    /// `tool()` without `await`.
    Loose(Spec),
    Sleep(u64),
    Log,
    Throw,
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

impl Script {
    pub(crate) fn random(name: String, random: &mut Random) -> Self {
        let spec = |random: &mut Random| Spec {
            tool: random.pick(&Tool::ALL),
            error: if random.one_in(6) {
                Error::Thrown
            } else {
                Error::Caught
            },
        };
        let several = |random: &mut Random, most: u64| -> Vec<Spec> {
            (0..=random.below(most)).map(|_| spec(random)).collect()
        };
        let steps = (0..=random.below(6))
            .map(|_| match random.below(16) {
                0..=6 => Step::All(vec![spec(random)]),
                7..=9 => Step::All(several(random, 4)),
                10 => Step::Race(several(random, 3), None),
                11 => Step::Race(several(random, 2), Some(random.below(4_000))),
                12 => Step::Loose(spec(random)),
                13 => Step::Sleep(random.below(3_000)),
                14 if random.one_in(4) => Step::Throw,
                _ => Step::Log,
            })
            .collect();
        Self { name, steps }
    }

    /// A text that compiles, and is another for each program.
    pub(crate) fn code(&self) -> String {
        format!("return {:?};", self.name)
    }
}

/// One answer as the program was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) sequence: u32,
    pub(crate) now_ms: i64,
    pub(crate) elapsed_ms: u64,
    pub(crate) answer: String,
}

enum Waits {
    ForNothing,
    ForAll(BTreeSet<u32>),
    ForFirst(BTreeSet<u32>, Option<u64>),
    Until(u64),
}

/// What an answer is to a program.
enum Word {
    /// Nobody awaits it.
    Unheard,
    /// It is awaited, with others.
    More,
    /// It is what was still awaited.
    Last,
}

pub(crate) struct Program {
    script: Script,
    place: usize,
    made: u32,
    open: BTreeMap<u32, Error>,
    waits: Waits,
    /// When timers are due, in task time.
    timers: BTreeSet<u64>,
    elapsed_ms: u64,
    digest: String,
    over: bool,
}

impl Program {
    pub(crate) fn new(script: Script, seed: &[u8]) -> Self {
        Self {
            script,
            place: 0,
            made: 0,
            open: BTreeMap::new(),
            waits: Waits::ForNothing,
            timers: BTreeSet::new(),
            elapsed_ms: 0,
            digest: sha256_hex(seed),
            over: false,
        }
    }

    /// The first turn.
    pub(crate) fn begin(&mut self) -> Vec<Event> {
        let mut said = Vec::new();
        self.go_on(&mut said);
        self.rest(said)
    }

    /// Time passes.
    pub(crate) fn advance(&mut self, elapsed_ms: u64) -> Vec<Event> {
        let mut said = Vec::new();
        self.pass(elapsed_ms, &mut said);
        self.rest(said)
    }

    /// A call is answered.
    pub(crate) fn deliver(&mut self, heard: &Heard, outcome: &Outcome) -> Vec<Event> {
        let mut said = Vec::new();
        self.pass(heard.elapsed_ms, &mut said);
        if !self.over {
            self.note(&format!("{heard:?}"));
            let error = self.open.remove(&heard.sequence);
            let thrown = matches!(outcome, Outcome::Error(_)) && error == Some(Error::Thrown);
            match self.hear(heard.sequence) {
                Word::Unheard => {}
                Word::Last | Word::More if thrown => self.fail(outcome, &mut said),
                Word::Last => self.go_on(&mut said),
                Word::More => {}
            }
        }
        self.rest(said)
    }

    /// What an answer is to what the program waits for.
    fn hear(&mut self, sequence: u32) -> Word {
        match &mut self.waits {
            Waits::ForAll(calls) => match (calls.remove(&sequence), calls.is_empty()) {
                (true, true) => Word::Last,
                (true, false) => Word::More,
                (false, _) => Word::Unheard,
            },
            Waits::ForFirst(calls, _) if calls.contains(&sequence) => Word::Last,
            Waits::ForFirst(..) | Waits::ForNothing | Waits::Until(_) => Word::Unheard,
        }
    }

    fn pass(&mut self, elapsed_ms: u64, said: &mut Vec<Event>) {
        while let Some(due) = self
            .timers
            .first()
            .copied()
            .filter(|due| *due <= elapsed_ms)
        {
            if self.over {
                return;
            }
            self.timers.remove(&due);
            self.elapsed_ms = self.elapsed_ms.max(due);
            self.note(&format!("timer {due}"));
            let awaited = match &self.waits {
                Waits::Until(at) | Waits::ForFirst(_, Some(at)) => *at == due,
                Waits::ForNothing | Waits::ForAll(_) | Waits::ForFirst(_, None) => false,
            };
            if awaited {
                self.go_on(said);
            }
        }
        self.elapsed_ms = self.elapsed_ms.max(elapsed_ms);
    }

    fn note(&mut self, what: &str) {
        self.digest = sha256_hex(format!("{}{what}", self.digest).as_bytes());
    }

    fn go_on(&mut self, said: &mut Vec<Event>) {
        self.waits = Waits::ForNothing;
        while matches!(self.waits, Waits::ForNothing) && !self.over {
            let Some(step) = self.script.steps.get(self.place).cloned() else {
                self.over = true;
                let result = json!({ "digest": self.digest }).to_string();
                said.push(Event::Done {
                    result,
                    was_undefined: false,
                    compute_ms: 1,
                });
                return;
            };
            self.place += 1;
            self.take(step, said);
        }
    }

    fn take(&mut self, step: Step, said: &mut Vec<Event>) {
        match step {
            Step::All(specs) => {
                let calls = specs.iter().map(|spec| self.call(*spec, said)).collect();
                self.waits = Waits::ForAll(calls);
            }
            Step::Race(specs, timer) => {
                let calls = specs.iter().map(|spec| self.call(*spec, said)).collect();
                let due = timer.map(|ms| self.timer(ms));
                self.waits = Waits::ForFirst(calls, due);
            }
            Step::Loose(spec) => {
                self.call(spec, said);
            }
            Step::Sleep(ms) => self.waits = Waits::Until(self.timer(ms)),
            Step::Log => said.push(Event::Log {
                level: LogLevel::Log,
                text: format!("{} at {}", &self.digest[..8], self.elapsed_ms),
            }),
            Step::Throw => {
                self.over = true;
                said.push(Event::Failed(failure("it threw", None)));
            }
        }
    }

    fn timer(&mut self, ms: u64) -> u64 {
        // Two timers at one instant would be one here.
        let mut due = self.elapsed_ms + ms.max(1);
        while !self.timers.insert(due) {
            due += 1;
        }
        due
    }

    fn call(&mut self, spec: Spec, said: &mut Vec<Event>) -> u32 {
        self.made += 1;
        self.open.insert(self.made, spec.error);
        let arguments = json!({
            "key": format!("{}-{}", self.script.name, self.made),
            "seen": &self.digest[..12],
        });
        said.push(Event::Call {
            seq: self.made,
            path: spec.tool.path().to_owned(),
            arguments: arguments.to_string(),
            options: "{}".to_owned(),
            position: None,
        });
        self.made
    }

    fn fail(&mut self, outcome: &Outcome, said: &mut Vec<Event>) {
        let Outcome::Error(text) = outcome else {
            return;
        };
        self.over = true;
        let parsed: Value = serde_json::from_str(text).unwrap_or_default();
        let message = parsed["message"].as_str().unwrap_or_default();
        said.push(Event::Failed(failure(message, Some(text))));
    }

    fn rest(&self, mut said: Vec<Event>) -> Vec<Event> {
        if !self.over {
            said.push(Event::TurnEnd {
                pending_calls: u32::try_from(self.open.len()).unwrap_or(u32::MAX),
                next_timer_elapsed_ms: self.timers.first().copied(),
                compute_ms: 1,
            });
        }
        said
    }
}

fn failure(message: &str, tool_error: Option<&str>) -> Failure {
    Failure {
        code: FailureCode::Thrown,
        message: message.to_owned(),
        name: "Error".to_owned(),
        stack: String::new(),
        line: None,
        column: None,
        tool_error: tool_error.map(str::to_owned),
        compute_ms: 1,
    }
}
