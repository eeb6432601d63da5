//! One engine from its start until it is killed, stops, or everything has ended; and the people
//! around it: they submit, answer, forget, answer twice or late, cancel, change rules and tools.

use crate::player::Player;
use crate::script::{Script, Tool};
use crate::upstream::{self, BASE};
use crate::world::{Action, CANARY, Change, Planned, Says, World};
use domain::TaskId;
use domain::access::{Caller, Channel, System};
use domain::canonical::sha256_hex;
use domain::credential::{CredentialScope, Secret};
use domain::policy::{Ask, Effect, Level, Match, Pattern};
use domain::tenancy::Role;
use engine::{
    Clock as _, Doubtful, DryRun, Engine, Error, Looked, NewCredential, NewSource, NewTask,
};
use engine::{Parts, RuleDraft, Runtimes, Sharing};
use std::sync::Arc;
use store::{Moment, Store, Watcher};

/// No simulation goes on for longer, in milliseconds of its own time.
const LONGEST_MS: i64 = 1_200_000;
/// How often people look.
const LOOK_MS: u64 = 700;

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Killed,
    Stopped,
    Done,
    Stuck,
}

/// Watches the database for the engine of a life.
pub(crate) fn watcher(world: &World, life: u32) -> Watcher {
    let world = world.clone();
    Arc::new(move |moment| {
        let world = world.clone();
        Box::pin(async move {
            match moment {
                Moment::Before => world.instant(life, "before a transaction").await,
                Moment::Read => {}
                Moment::Committed(points) => {
                    if !points.is_empty() {
                        world.trace(format!("commit: {}", points.join(", ")));
                    }
                    let what = format!("between commit and reply ({})", points.join(", "));
                    world.instant(life, &what).await;
                }
            }
        })
    })
}

pub(crate) async fn start(world: &World, store: Store, life: u32) -> Result<Engine, Error> {
    let player = Player {
        world: world.clone(),
        life,
    };
    let egress = tools::EgressConfig::default();
    Engine::start(Parts {
        store,
        vault: vault::Vault::new(vault::MasterKey::from_bytes([7; 32])),
        credential_store: engine::CredentialStore::default(),
        runtimes: Runtimes::new(Arc::new(player), Vec::new()),
        type_checker: None,
        incidents: tokio::sync::mpsc::channel(1).1,
        egress: tools::Egress::played(egress, upstream::played(world, life)),
        clock: Arc::new(world.clock().clone()),
        system: System::mint(),
        public_url: "http://127.0.0.1:5312".to_owned(),
        server_id: format!("sim-{life}"),
        push_services: Vec::new(),
        authorization: engine::Authorization::default(),
        sharing: Sharing {
            // A kill is certain: nobody waits for the lease of an engine before.
            gone: (1..life).map(|life| format!("sim-{life}")).collect(),
            ..Sharing::default()
        },
        sign_in: engine::SignInConfig::default(),
    })
    .await
}

pub(crate) async fn live(world: World, store: Store, life: u32) -> Ended {
    tokio::select! {
        biased;
        () = world.killed() => Ended::Killed,
        ended = act(&world, store, life) => ended,
    }
}

async fn act(world: &World, store: Store, life: u32) -> Ended {
    let engine = match start(world, store, life).await {
        Ok(engine) => engine,
        Err(error) => {
            world.wrong(format!("the engine does not start: {error}"));
            return Ended::Stuck;
        }
    };
    let people = People {
        world: world.clone(),
        owner: engine.local_caller(Channel::Dashboard, "people".to_owned()),
        engine,
    };
    if !world.state().furnished {
        if let Err(error) = people.furnish().await {
            world.wrong(format!("the workspace cannot be furnished: {error}"));
            return Ended::Stuck;
        }
        people.plan();
        world.state().furnished = true;
    }
    let begun_ms = world.now_ms();
    loop {
        people.begin_what_is_due();
        if let Err(error) = people.look().await {
            world.wrong(format!("approvals cannot be listed: {error}"));
        }
        if people.all_ended().await {
            // Reads that nobody awaits have their ends written too.
            people.engine.shutdown().await;
            return Ended::Done;
        }
        if world.now_ms() - begun_ms > LONGEST_MS {
            return Ended::Stuck;
        }
        if people.naps() {
            people.engine.shutdown().await;
            return Ended::Stopped;
        }
        let next = world.state().actions.keys().next().map(|(due, _)| *due);
        let pause = next.map_or(LOOK_MS, |due| {
            u64::try_from(due - world.now_ms())
                .unwrap_or(0)
                .clamp(1, LOOK_MS)
        });
        world.clock().sleep(pause).await;
    }
}

#[derive(Clone)]
pub(crate) struct People {
    pub(crate) world: World,
    pub(crate) engine: Engine,
    pub(crate) owner: Caller,
}

impl People {
    async fn furnish(&self) -> Result<(), Error> {
        let source = NewSource {
            url: Some(format!("{BASE}/openapi.json")),
            name: Some("up".to_owned()),
            ..NewSource::default()
        };
        self.engine.add_source(&self.owner, source).await?;
        let credential = NewCredential {
            source: "up".to_owned(),
            value: Secret::new(CANARY.to_owned()),
            scope: CredentialScope::Workspace,
            auth: None,
            label: String::new(),
        };
        self.engine.set_credential(&self.owner, credential).await?;
        let second = self
            .engine
            .add_member(&self.owner, "Second", Role::Admin)
            .await?;
        self.world.state().second = Some(second.account.id);
        for tool in Tool::ALL {
            let says = {
                let mut state = self.world.state();
                let choices: &[Says] = match tool {
                    Tool::List => &[Says::Allow, Says::Allow, Says::Ask],
                    Tool::Create => &[Says::Allow, Says::Ask],
                    Tool::Pay => &[Says::Allow, Says::Ask, Says::Ask],
                    Tool::Drop => &[Says::Allow, Says::Ask, Says::Deny],
                };
                state.dice.pick(choices)
            };
            self.engine
                .add_rule(&self.owner, self.draft(tool, says))
                .await?;
            let now_ms = self.world.now_ms();
            let change = Change {
                to: says,
                begun_ms: now_ms,
                done_ms: Some(now_ms),
            };
            self.world.state().rules.insert(tool, vec![change]);
            self.world.trace(format!("{} is {says:?}", tool.path()));
        }
        Ok(())
    }

    fn draft(&self, tool: Tool, says: Says) -> RuleDraft {
        let ask = {
            let mut state = self.world.state();
            Ask {
                wait_ms: Some(3_000 + state.dice.below(20_000)),
                count: 1 + u32::from(state.dice.one_in(4)),
                may_edit: state.dice.one_in(2),
                ..Ask::default()
            }
        };
        RuleDraft {
            level: Level::Workspace,
            matches: Match {
                tools: vec![Pattern::parse(tool.path()).expect("a path is a pattern")],
                ..Match::default()
            },
            effect: match says {
                Says::Allow => Effect::Allow,
                Says::Deny => Effect::Deny,
                Says::Ask => Effect::Ask(ask),
            },
            until: None,
            note: String::new(),
        }
    }

    fn plan(&self) {
        let mut dice = {
            let mut state = self.world.state();
            crate::random::Random::new(state.dice.next())
        };
        for i in 0..=usize::try_from(dice.below(4)).unwrap_or_default() {
            let script = Script::random(format!("t{i}"), &mut dice);
            self.world
                .trace(format!("{} is {:?}", script.name, script.steps));
            let digest = sha256_hex(script.code().as_bytes());
            let mut state = self.world.state();
            state.scripts.insert(digest, script.clone());
            let timeout_ms = dice.one_in(8).then(|| 1 + dice.below(9_000));
            state.tasks.push(Planned {
                script,
                timeout_ms,
                id: None,
            });
            drop(state);
            let at = dice.below(5_000);
            self.world.schedule(at, Action::Submit(i));
            if dice.one_in(9) {
                self.world
                    .schedule(at + dice.below(15_000), Action::Cancel(i));
            }
        }
        if dice.one_in(3) {
            let tool = dice.pick(&Tool::ALL);
            let to = dice.pick(&[Says::Allow, Says::Ask, Says::Deny]);
            self.plan_rule(tool, to, dice.below(12_000));
        }
        if dice.one_in(3) {
            let at = dice.below(12_000);
            self.world.schedule(at, Action::Refresh(2));
        }
    }

    pub(crate) fn plan_rule(&self, tool: Tool, to: Says, in_ms: u64) {
        let place = {
            let mut state = self.world.state();
            let changes = state.rules.entry(tool).or_default();
            changes.push(Change {
                to,
                begun_ms: i64::MAX,
                done_ms: None,
            });
            changes.len() - 1
        };
        self.world.schedule(in_ms, Action::Rule(tool, place));
    }

    fn begin_what_is_due(&self) {
        loop {
            let now_ms = self.world.now_ms();
            let due = {
                let mut state = self.world.state();
                let first = state.actions.first_entry().filter(|e| e.key().0 <= now_ms);
                first.map(|entry| {
                    let (place, action) = entry.remove_entry();
                    (place.1, action)
                })
            };
            let Some((number, action)) = due else {
                return;
            };
            self.world.state().under_way.insert(number, action.clone());
            let people = self.clone();
            tokio::spawn(async move {
                people.take(&action).await;
                people.world.state().under_way.remove(&number);
            });
        }
    }

    async fn take(&self, action: &Action) {
        self.world.trace(format!("{action:?}"));
        match action {
            Action::Submit(task) => self.submit(*task).await,
            Action::Answer(id, by, verdict) => self.answer(id, *by, verdict.clone()).await,
            Action::Extend(id, by) => self.extend(id, *by).await,
            Action::Intrude(id) => self.intrude(id).await,
            Action::Cancel(task) => {
                let id = self.world.state().tasks[*task].id.clone();
                if let Some(id) = id {
                    self.cancel(&id).await;
                }
            }
            Action::Rule(tool, place) => self.change_rule(*tool, *place).await,
            Action::Refresh(revision) => self.refresh(*revision).await,
        }
    }

    /// Asks for the end of a task and waits a little for it.
    async fn cancel(&self, id: &TaskId) {
        let patience = self.world.clock().sleep(3_000);
        tokio::select! {
            biased;
            canceled = self.engine.cancel_task(&self.owner, id) => {
                if let Err(error) = canceled {
                    self.world.wrong(format!("a task cannot be canceled: {error}"));
                }
            }
            () = patience => {}
        }
    }

    async fn submit(&self, task: usize) {
        let planned = self.world.state().tasks[task].clone();
        let new = NewTask {
            code: planned.script.code(),
            timeout_ms: planned.timeout_ms,
            idempotency_key: Some(planned.script.name.clone()),
            ..NewTask::default()
        };
        match self.engine.submit_task(&self.owner, new).await {
            Ok(view) => self.world.state().tasks[task].id = Some(view.task.id),
            Err(error) => self.world.wrong(format!("a task is not taken: {error}")),
        }
    }

    async fn change_rule(&self, tool: Tool, place: usize) {
        let says = {
            let now_ms = self.world.now_ms();
            let mut state = self.world.state();
            let change = &mut state.rules.get_mut(&tool).expect("every tool has a rule")[place];
            change.begun_ms = change.begun_ms.min(now_ms);
            change.to
        };
        let changed = async {
            let policy = self.engine.policy(&self.owner).await?;
            let wanted = Pattern::parse(tool.path()).expect("a path is a pattern");
            let rule = policy
                .rules
                .iter()
                .find(|r| r.matches.tools == [wanted.clone()]);
            let id = rule.expect("every tool has a rule").id.clone();
            self.engine
                .edit_rule(&self.owner, &id, self.draft(tool, says))
                .await
        };
        match changed.await {
            Ok(_) => {
                self.world.trace(format!("{} is {says:?}", tool.path()));
                let now_ms = self.world.now_ms();
                let mut state = self.world.state();
                if let Some(changes) = state.rules.get_mut(&tool) {
                    changes[place].done_ms = Some(now_ms);
                }
            }
            Err(error) => self
                .world
                .wrong(format!("a rule cannot be changed: {error}")),
        }
    }

    async fn refresh(&self, revision: usize) {
        let now_ms = self.world.now_ms();
        {
            let mut state = self.world.state();
            if !state.revisions.iter().any(|r| r.to == revision) {
                state.revisions.push(Change {
                    to: revision,
                    begun_ms: now_ms,
                    done_ms: None,
                });
            }
        }
        match self
            .engine
            .refresh_source(&self.owner, "up", (DryRun::No, Doubtful::KeepOld))
            .await
        {
            Ok(report) => {
                let now_ms = self.world.now_ms();
                self.world
                    .trace(format!("the source is at revision {revision}"));
                // Of every other one the owner looks at what has changed; of the rest each call asks.
                if revision.is_multiple_of(2) {
                    self.review(report.source.upkeep.revision).await;
                }
                let mut state = self.world.state();
                let found = state.revisions.iter_mut().find(|r| r.to == revision);
                if let Some(change) = found {
                    change.done_ms = change.done_ms.or(Some(now_ms));
                }
            }
            Err(error) => self
                .world
                .wrong(format!("the source cannot be refreshed: {error}")),
        }
    }

    async fn review(&self, revision: i64) {
        let all = (Looked::All, revision);
        match self.engine.review_source(&self.owner, "up", all).await {
            Ok(reviewed) => {
                let paths = reviewed.paths.join(", ");
                self.world.trace(format!("the owner has looked at {paths}"));
            }
            Err(error) if error.code() == "source_changed" => {}
            Err(error) => self
                .world
                .wrong(format!("the source cannot be reviewed: {error}")),
        }
    }

    /// Whether every task has been submitted and has ended.
    async fn all_ended(&self) -> bool {
        let tasks = self.world.state().tasks.clone();
        for task in tasks {
            let Some(id) = task.id else {
                return false;
            };
            match self.engine.task(&self.owner, &id).await {
                Ok(view) if view.task.state.is_finished() => {}
                Ok(_) => return false,
                Err(error) => {
                    self.world.wrong(format!("a task is lost: {error}"));
                    return true;
                }
            }
        }
        self.world.state().under_way.is_empty()
    }

    /// The machine sleeps now and then; true if the server is asked to stop in order.
    fn naps(&self) -> bool {
        let (jump, stop) = {
            let mut state = self.world.state();
            (state.dice.one_in(400), state.dice.one_in(250))
        };
        if jump {
            let ms = self.world.state().dice.below(40_000);
            self.world.trace(format!("the machine sleeps for {ms} ms"));
            self.world
                .clock()
                .jump(i64::try_from(ms).unwrap_or_default());
        }
        if stop {
            self.world.trace("the server is asked to stop");
        }
        stop
    }
}
