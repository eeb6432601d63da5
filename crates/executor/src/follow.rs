//! Following a task to its end: logs as they come, approvals with everything a person needs.
//!
//! The event stream is resumed from its last number, so a restart of the server loses nothing. It
//! decides nothing by itself: an answer comes from the person at the terminal, or from a flag.

use crate::client::Client;
use crate::events::Events;
use crate::failure::{Exit, Failure, Result};
use crate::output::{Output, plain};
use crate::show::{describe, log_line};
use crate::terminal::Lines;
use api::approvals::{Answer, Approval};
use api::events::Event;
use api::tasks::{LogLine, Task};
use reqwest::Method;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long to look for a server that went away.
const PATIENCE: Duration = Duration::from_secs(120);

/// What to do when the task asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Show it and wait for an answer from elsewhere.
    Show,
    /// Show it and take an answer at the terminal.
    Prompt,
    /// Show it and approve it, saying so.
    Approve,
}

/// How following ended.
pub(crate) enum Followed {
    /// The task has ended; its log lines.
    Ended(Box<Task>, Vec<LogLine>),
    /// The person left; the task goes on.
    Left,
}

/// Follows one task until it ends or the person leaves with Ctrl-C.
pub(crate) async fn follow(
    client: &Client,
    output: &Output,
    id: &str,
    asked: Asked,
) -> Result<Followed> {
    let mut following = Following {
        client: client.clone(),
        output,
        id,
        asked,
        last: None,
        logs: Vec::new(),
        pending: VecDeque::new(),
        lines: Lines::default(),
    };
    loop {
        let Some(stream) = following.connect().await? else {
            return Ok(Followed::Left);
        };
        match following.read(stream).await? {
            Step::Ended => match following.task().await {
                Ok(task) => return Ok(Followed::Ended(Box::new(task), following.logs)),
                Err(failure) if failure.exit == Exit::Unreachable => {}
                Err(failure) => return Err(failure),
            },
            Step::Left => return Ok(Followed::Left),
            Step::Broken => {}
        }
    }
}

/// Sends an answer, bound to what was shown.
pub(crate) async fn answer(
    client: &Client,
    approval: &Approval,
    verdict: &str,
    reason: Option<String>,
) -> Result<Approval> {
    let body = Answer {
        reason,
        digest: Some(approval.digest.clone()),
    };
    client
        .send(Method::POST, &["approvals", &approval.id, verdict], &body)
        .await
}

/// Reads what was typed at a question: yes, no with an optional reason, or nothing.
pub(crate) fn typed(line: &str) -> Option<(&'static str, Option<String>)> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let reason = Some(rest.trim().to_owned()).filter(|r| !r.is_empty());
    match word.to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(("approve", reason)),
        "n" | "no" => Some(("deny", reason)),
        _ => None,
    }
}

enum Step {
    Ended,
    Left,
    Broken,
}

struct Following<'a> {
    client: Client,
    output: &'a Output,
    id: &'a str,
    asked: Asked,
    last: Option<i64>,
    logs: Vec<LogLine>,
    pending: VecDeque<Approval>,
    lines: Lines,
}

impl Following<'_> {
    async fn task(&self) -> Result<Task> {
        self.client.get(&["tasks", self.id], &[]).await
    }

    /// Opens the stream; looks for a server that went away until patience ends.
    async fn connect(&mut self) -> Result<Option<Events>> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let failure = match self
                .client
                .events(&["tasks", self.id, "events"], self.last)
                .await
            {
                Ok(stream) => {
                    if told {
                        self.output.note("the server is back");
                    }
                    return Ok(Some(stream));
                }
                Err(failure) if failure.exit == Exit::Unreachable => failure,
                Err(failure) => return Err(failure),
            };
            if begun.elapsed() > PATIENCE {
                return Err(failure.next(format!(
                    "the task is kept: start the server, then `executor tasks show {}`",
                    self.id
                )));
            }
            if !told {
                self.output
                    .note("the server went away; waiting for it (the task is kept)");
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
                _ = tokio::signal::ctrl_c() => return Ok(None),
            }
            self.client = self.client.again();
        }
    }

    async fn read(&mut self, mut stream: Events) -> Result<Step> {
        loop {
            let ask = self.asked == Asked::Prompt && !self.pending.is_empty();
            tokio::select! {
                event = stream.next() => match event {
                    Ok(Some(event)) => {
                        let sequence = event.sequence;
                        let ended = match self.handle(event).await {
                            Ok(ended) => ended,
                            // The server went away over this event: it is read again from the next.
                            Err(failure) if failure.exit == Exit::Unreachable => {
                                return Ok(Step::Broken);
                            }
                            Err(failure) => return Err(failure),
                        };
                        self.last = Some(sequence);
                        if ended {
                            return Ok(Step::Ended);
                        }
                    }
                    Ok(None) | Err(_) => return self.after_end().await,
                },
                line = self.lines.next(), if ask => self.take_line(&line).await?,
                _ = tokio::signal::ctrl_c() => return Ok(Step::Left),
            }
        }
    }

    /// The stream ended: because the task did, or because the server went away.
    async fn after_end(&self) -> Result<Step> {
        match self.task().await {
            Ok(task) if task.finished_at.is_some() => Ok(Step::Ended),
            Ok(_) => Ok(Step::Broken),
            Err(failure) if failure.exit == Exit::Unreachable => Ok(Step::Broken),
            Err(failure) => Err(failure),
        }
    }

    /// Handles one event; true when the task has ended.
    async fn handle(&mut self, event: Event) -> Result<bool> {
        let text = |key: &str| {
            event
                .data
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match event.kind.as_str() {
            "task" => {
                return Ok(matches!(
                    text("status"),
                    "completed" | "failed" | "timed_out" | "denied" | "canceled"
                ));
            }
            "log" => {
                let line = LogLine {
                    line: event
                        .data
                        .get("line")
                        .and_then(Value::as_u64)
                        .and_then(|l| u32::try_from(l).ok())
                        .unwrap_or(0),
                    level: text("level").to_owned(),
                    text: text("text").to_owned(),
                    at: event.at.clone(),
                };
                self.output.note(&log_line(self.output, &line));
                self.logs.push(line);
            }
            "approval" => {
                let (id, status) = (text("approvalId").to_owned(), text("status").to_owned());
                self.approval(&id, &status).await?;
            }
            _ => {}
        }
        Ok(false)
    }

    async fn approval(&mut self, id: &str, status: &str) -> Result<()> {
        if status != "pending" {
            let was_asked = self.pending.iter().any(|a| a.id == id);
            self.pending.retain(|a| a.id != id);
            self.output
                .note(&format!("approval {id} is {}", plain(status)));
            if was_asked {
                self.question();
            }
            return Ok(());
        }
        let approval: Approval = self.client.get(&["approvals", id], &[]).await?;
        if approval.status != "pending" {
            return Ok(());
        }
        self.output.err(&describe(self.output, &approval));
        if self.asked == Asked::Approve {
            self.output.note("approving it, as --approve asks");
            self.send(&approval, "approve", None).await?;
        } else {
            self.pending.push_back(approval);
            self.question();
        }
        Ok(())
    }

    fn question(&self) {
        if let (Asked::Prompt, Some(first)) = (self.asked, self.pending.front()) {
            self.output.ask(&format!(
                "Send {}? [y]es, [n]o and why: ",
                plain(&first.tool)
            ));
        }
    }

    async fn take_line(&mut self, line: &str) -> Result<()> {
        let (Some(first), Some((verdict, reason))) = (self.pending.front().cloned(), typed(line))
        else {
            self.question();
            return Ok(());
        };
        self.pending.pop_front();
        self.send(&first, verdict, reason).await?;
        self.question();
        Ok(())
    }

    /// Sends an answer; one that came too late is no failure of the task.
    async fn send(&self, approval: &Approval, verdict: &str, reason: Option<String>) -> Result<()> {
        match answer(&self.client, approval, verdict, reason).await {
            Ok(_) => Ok(()),
            Err(Failure {
                exit: Exit::Failed,
                message,
                ..
            }) => {
                self.output.err(&plain(&message));
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_typed() {
        assert_eq!(typed(" Y "), Some(("approve", None)));
        assert_eq!(
            typed("no too much"),
            Some(("deny", Some("too much".to_owned())))
        );
        assert_eq!(typed(""), None);
        assert_eq!(typed("yesterday"), None);
    }
}
