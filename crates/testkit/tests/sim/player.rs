//! The runtime of played programs: it keeps the rules of the isolate towards the engine, takes a
//! moment for a turn now and then, and dies once in a while.

use crate::script::{Heard, Program};
use crate::world::World;
use futures_util::future::BoxFuture;
use sandbox::{Command, Error, Event, Layer, Outcome, Sandbox, Session, Start};
use tokio::sync::mpsc;

pub(crate) struct Player {
    pub(crate) world: World,
    pub(crate) life: u32,
}

impl Sandbox for Player {
    fn name(&self) -> &'static str {
        "played"
    }

    fn engine_digest(&self) -> &str {
        "c3a9b1f0c3a9b1f0c3a9b1f0c3a9b1f0c3a9b1f0c3a9b1f0c3a9b1f0c3a9b1f0"
    }

    fn layers(&self) -> Vec<Layer> {
        Vec::new()
    }

    fn start(&self, start: Start) -> BoxFuture<'_, Result<Session, Error>> {
        Box::pin(async move {
            let (script, session) = {
                let mut state = self.world.state();
                let script = state.scripts.get(start.program.source_digest()).cloned();
                let script = script.expect("every program was registered");
                let lists = state.heard.entry(script.name.clone()).or_default();
                lists.push(Vec::new());
                (script, lists.len() - 1)
            };
            let (commands, orders) = mpsc::channel(8);
            let (says, events) = mpsc::channel(8);
            let name = script.name.clone();
            let turns = Turns {
                world: self.world.clone(),
                life: self.life,
                name,
                session,
                says,
            };
            tokio::spawn(turns.play(Program::new(script, &start.seed), orders));
            Ok(Session::new(commands, events))
        })
    }
}

struct Turns {
    world: World,
    life: u32,
    name: String,
    /// Which of the program's lives this is. An old one may go on for a moment beside a new one.
    session: usize,
    says: mpsc::Sender<Event>,
}

impl Turns {
    async fn play(self, mut program: Program, mut orders: mpsc::Receiver<Command>) {
        if !self.say(program.begin()).await {
            return;
        }
        while let Some(command) = orders.recv().await {
            self.world
                .instant(self.life, "before a turn of a program")
                .await;
            if self.dies() {
                return;
            }
            let said = match command {
                Command::Snapshot => vec![Event::Snapshot(None)],
                Command::Advance { elapsed_ms, .. } => program.advance(elapsed_ms),
                Command::Deliver {
                    seq,
                    now_ms,
                    elapsed_ms,
                    outcome,
                } => {
                    let heard = Heard {
                        sequence: seq,
                        now_ms,
                        elapsed_ms,
                        answer: match &outcome {
                            Outcome::Value(text) | Outcome::Error(text) => text.to_string(),
                        },
                    };
                    self.note(&heard);
                    program.deliver(&heard, &outcome)
                }
            };
            if !self.say(said).await {
                return;
            }
        }
    }

    async fn say(&self, said: Vec<Event>) -> bool {
        for event in said {
            if self.says.send(event).await.is_err() {
                return false;
            }
        }
        true
    }

    fn note(&self, heard: &Heard) {
        let answer: String = heard.answer.chars().take(60).collect();
        let line = format!(
            "{} hears {} at {} ms: {answer}",
            self.name, heard.sequence, heard.elapsed_ms
        );
        self.world.trace(line);
        let mut state = self.world.state();
        let lists = state.heard.get_mut(&self.name);
        if let Some(list) = lists.and_then(|lists| lists.get_mut(self.session)) {
            list.push(heard.clone());
        }
    }

    fn dies(&self) -> bool {
        let mut state = self.world.state();
        let dies = state.losses_left > 0 && state.dice.one_in(20);
        if dies {
            state.losses_left -= 1;
            drop(state);
            self.world
                .trace(format!("the sandbox of {} dies", self.name));
        }
        dies
    }
}
