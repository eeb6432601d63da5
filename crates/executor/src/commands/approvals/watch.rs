//! `executor approvals watch`: asks on the terminal as questions come, through restarts of the server.

use crate::client::Client;
use crate::context::Context;
use crate::events::text_of;
use crate::failure::{Exit, Failure, Result};
use crate::follow::{answer, prompt, taken, typed};
use crate::output::{Output, plain};
use crate::reconnect::Source;
use crate::show::describe;
use crate::terminal::Lines;
use api::approvals::Approval;
use api::events::Event;
use api::system::Me;
use std::collections::{HashSet, VecDeque};

/// Most questions that are shown one after the other.
const PENDING_MAX: usize = 1_000;

/// Asks about what is pending, then about what comes, until Ctrl-C.
pub(super) async fn run(context: &Context, mut client: Client) -> Result<Exit> {
    let output = &context.output;
    if !output.can_ask() || output.json {
        return Err(
            Failure::usage("`approvals watch` asks on the terminal, and there is none").next(
                "use `executor approvals list --status pending --json`, then approve or deny by id",
            ),
        );
    }
    let me: Me = client.get(&["me"], &[]).await?;
    let source = Source {
        output,
        path: vec!["workspaces", &me.workspace.id, "events"],
        kept: "questions are kept",
        next: "start the server, then `executor approvals watch`".to_owned(),
    };
    let mut watching = Watching {
        output,
        waiting: VecDeque::new(),
        asked: String::new(),
        answered: HashSet::new(),
    };
    let (mut lines, mut last) = (Lines::default(), None);
    output.note("watching; Ctrl-C ends");
    while let Some(mut stream) = source.open(&mut client, last).await? {
        // The stream is opened before the list is read, so nothing falls between the two.
        if watching.read_pending(&client).await.is_err() {
            continue;
        }
        loop {
            watching.question();
            tokio::select! {
                event = stream.next() => {
                    let Ok(Some(event)) = event else { break };
                    if watching.heard(&client, &event).await.is_err() {
                        break;
                    }
                    last = Some(event.sequence);
                }
                line = lines.next(), if !watching.waiting.is_empty() => {
                    watching.take(&client, &line).await;
                }
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            }
        }
    }
    Ok(Exit::Done)
}

struct Watching<'a> {
    output: &'a Output,
    waiting: VecDeque<Approval>,
    /// What the question on the terminal is about.
    asked: String,
    /// What this person has answered, by digest: a yes may not be the last that is needed.
    answered: HashSet<String>,
}

impl Watching<'_> {
    async fn read_pending(&mut self, client: &Client) -> Result<()> {
        let pending: Vec<Approval> = client
            .list(&["approvals"], &[("status", "pending")], PENDING_MAX)
            .await?;
        let fresh = pending.into_iter().rev();
        self.waiting = fresh
            .filter(|a| !self.answered.contains(&a.digest))
            .collect();
        Ok(())
    }

    /// Shows the first question, unless it stands there already.
    fn question(&mut self) {
        let Some(first) = self.waiting.front() else {
            return;
        };
        if first.digest != self.asked {
            self.output.err(&describe(self.output, first));
            self.output.ask(&prompt(first));
            self.asked.clone_from(&first.digest);
        }
    }

    async fn heard(&mut self, client: &Client, event: &Event) -> Result<()> {
        let text = |key: &str| text_of(event, key);
        if event.kind != "approval" {
            return Ok(());
        }
        let id = text("approvalId");
        if text("status") == "pending" {
            let approval: Approval = client.get(&["approvals", id], &[]).await?;
            let known = self.waiting.iter_mut().find(|a| a.id == id);
            match known {
                Some(known) => *known = approval,
                None if approval.status == "pending"
                    && !self.answered.contains(&approval.digest) =>
                {
                    self.waiting.push_back(approval);
                }
                None => {}
            }
        } else if self.waiting.iter().any(|a| a.id == id) {
            self.output
                .note(&format!("\n{id} is {}", plain(text("status"))));
            self.waiting.retain(|a| a.id != id);
        }
        Ok(())
    }

    async fn take(&mut self, client: &Client, line: &str) {
        self.asked.clear();
        let (Some(first), Some((reply, reason))) = (self.waiting.front().cloned(), typed(line))
        else {
            return;
        };
        self.waiting.pop_front();
        self.answered.insert(first.digest.clone());
        match answer(client, &first, reply, reason).await {
            Ok(a) => self.output.note(&taken(&a)),
            Err(failure) => {
                // What was not taken is asked again when the server is back.
                if failure.exit == Exit::Unreachable {
                    self.answered.remove(&first.digest);
                }
                self.output.failure(&failure);
            }
        }
    }
}
