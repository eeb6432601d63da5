//! What outlives a killed engine: the clock, the dice, what the upstream received, what programs
//! heard, what people decided; and the instants at which an engine may be killed.

use crate::clock::SimClock;
use crate::random::Random;
use crate::script::{Heard, Script, Tool};
use domain::{AccountId, ApprovalId, TaskId, Timestamp};
use engine::Clock as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The secret that no row may hold.
pub(crate) const CANARY: &str = "canary-4c1f9e27d8b6a350";

/// What a rule says about a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Allow,
    Ask,
    Deny,
}

/// Something that became so at an instant between two others.
#[derive(Clone, Debug)]
pub(crate) struct Change<T> {
    pub(crate) to: T,
    pub(crate) begun_ms: i64,
    pub(crate) done_ms: Option<i64>,
}

/// What may have held at some instant of a span, given all changes.
pub(crate) fn possible<T: Copy>(changes: &[Change<T>], from_ms: i64, to_ms: i64) -> Vec<T> {
    let over = |change: &Change<T>| {
        changes.iter().any(|later| {
            later.done_ms.is_some_and(|done| done < from_ms)
                && change.done_ms.is_some_and(|done| later.begun_ms > done)
        })
    };
    changes
        .iter()
        .filter(|change| change.begun_ms <= to_ms && !over(change))
        .map(|change| change.to)
        .collect()
}

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at_ms: i64,
    pub(crate) key: String,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) body: Option<String>,
}

/// Something that happens at its time, and is tried again if the engine was killed meanwhile.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Submit(usize),
    Answer(ApprovalId, Reviewer, domain::approval::Verdict),
    /// More time for a question.
    Extend(ApprovalId, Reviewer),
    /// By somebody of another organization, or through MCP: refused.
    Intrude(ApprovalId),
    Cancel(usize),
    Rule(Tool, usize),
    Refresh(usize),
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reviewer {
    Owner,
    /// An administrator besides.
    Second,
}

impl Reviewer {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Owner => Self::Second,
            Self::Second => Self::Owner,
        }
    }
}

/// An answer that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) id: ApprovalId,
    pub(crate) by: AccountId,
    pub(crate) verdict: domain::approval::Verdict,
    /// Whether it was the last that was needed.
    pub(crate) resolved: bool,
}

/// A task of the simulation.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) script: Script,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) id: Option<TaskId>,
}

pub(crate) struct State {
    pub(crate) dice: Random,
    /// How many engines there have been.
    pub(crate) life: u32,
    dead: bool,
    /// Kills begin when the workspace is furnished.
    pub(crate) furnished: bool,
    pub(crate) kills_left: u32,
    kill_odds: u64,
    pub(crate) losses_left: u32,
    pub(crate) kills: u32,
    pub(crate) trace: Vec<String>,
    /// The trace is printed as it comes.
    pub(crate) aloud: bool,
    pub(crate) tasks: Vec<Planned>,
    pub(crate) scripts: BTreeMap<String, Script>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) heard: BTreeMap<String, Vec<Vec<Heard>>>,
    pub(crate) rules: BTreeMap<Tool, Vec<Change<Says>>>,
    pub(crate) revisions: Vec<Change<usize>>,
    pub(crate) actions: BTreeMap<(i64, u64), Action>,
    pub(crate) under_way: BTreeMap<u64, Action>,
    actions_made: u64,
    /// Approvals that reviewers have made up their minds about.
    pub(crate) seen: BTreeSet<ApprovalId>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Who was told that a question has more time, and until when.
    pub(crate) extended: Vec<(ApprovalId, AccountId, Timestamp)>,
    /// The administrator who answers besides the owner.
    pub(crate) second: Option<AccountId>,
    /// What was found wrong while it ran.
    pub(crate) wrong: Vec<String>,
}

struct Shared {
    clock: SimClock,
    kill: Notify,
    state: Mutex<State>,
}

#[derive(Clone)]
pub(crate) struct World(Arc<Shared>);

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Random::new(seed);
        let kills_left = u32::try_from(dice.below(6)).unwrap_or_default();
        let kill_odds = dice.pick(&[15, 40, 120]);
        let state = State {
            life: 0,
            dead: false,
            furnished: false,
            kills_left,
            kill_odds,
            losses_left: u32::from(dice.one_in(4)),
            kills: 0,
            trace: Vec::new(),
            aloud: false,
            tasks: Vec::new(),
            scripts: BTreeMap::new(),
            arrivals: Vec::new(),
            heard: BTreeMap::new(),
            rules: BTreeMap::new(),
            revisions: vec![Change {
                to: 1,
                begun_ms: 0,
                done_ms: Some(0),
            }],
            actions: BTreeMap::new(),
            under_way: BTreeMap::new(),
            actions_made: 0,
            seen: BTreeSet::new(),
            acknowledged: Vec::new(),
            extended: Vec::new(),
            second: None,
            wrong: Vec::new(),
            dice,
        };
        Self(Arc::new(Shared {
            clock: SimClock::default(),
            kill: Notify::new(),
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn clock(&self) -> &SimClock {
        &self.0.clock
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.passed_ms()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trace(&self, what: impl AsRef<str>) {
        let line = format!("{:>8} ms  {}", self.now_ms(), what.as_ref());
        let mut state = self.state();
        if state.aloud {
            println!("{line}");
        }
        state.trace.push(line);
    }

    pub(crate) fn wrong(&self, what: String) {
        self.trace(format!("WRONG: {what}"));
        self.state().wrong.push(what);
    }

    pub(crate) fn schedule(&self, in_ms: u64, action: Action) {
        let due = self.now_ms() + i64::try_from(in_ms).unwrap_or(i64::MAX / 2);
        let mut state = self.state();
        state.actions_made += 1;
        let place = (due, state.actions_made);
        state.actions.insert(place, action);
    }

    /// The engine that lives now, after the one before was killed or has stopped. What people were
    /// doing meanwhile, they try again.
    pub(crate) fn next_life(&self) -> u32 {
        let again = {
            let mut state = self.state();
            state.life += 1;
            state.dead = false;
            std::mem::take(&mut state.under_way)
        };
        for (_, action) in again {
            let soon = self.state().dice.below(1_500);
            self.schedule(soon, action);
        }
        self.state().life
    }

    /// Completes when the engine is killed.
    pub(crate) async fn killed(&self) {
        self.0.kill.notified().await;
    }

    /// An instant at which the engine may be killed, or held up for a moment. Nothing of a killed
    /// engine gets past.
    pub(crate) async fn instant(&self, life: u32, what: &str) {
        if let Some(pause_ms) = self.passes(life, what) {
            if pause_ms > 0 {
                self.0.clock.sleep(pause_ms).await;
            }
            if self.lives(life) {
                return;
            }
        }
        std::future::pending().await
    }

    fn lives(&self, life: u32) -> bool {
        let state = self.state();
        state.life == life && !state.dead
    }

    fn passes(&self, life: u32, what: &str) -> Option<u64> {
        let mut state = self.state();
        if state.life != life || state.dead {
            return None;
        }
        let odds = state.kill_odds;
        if state.furnished && state.kills_left > 0 && state.dice.one_in(odds) {
            state.kills_left -= 1;
            state.kills += 1;
            state.dead = true;
            drop(state);
            self.trace(format!("KILLED {what}"));
            self.0.kill.notify_one();
            return None;
        }
        Some(if state.dice.one_in(5) {
            state.dice.below(4)
        } else {
            0
        })
    }
}
