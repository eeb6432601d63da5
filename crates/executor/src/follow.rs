//! Following a task to its end: logs as they come, approvals with everything a person needs.
//!
//! The event stream is resumed from its last number, so a restart of the server loses nothing. It
//! decides nothing by itself: an answer comes from the person at the terminal, or from a flag.

use crate::client::Client;
use crate::events::{Events, text_of};
use crate::failure::{Exit, Failure, Result};
use crate::output::{Output, plain};
use crate::reconnect::Source;
use crate::show::{describe, log_line};
use crate::terminal::Lines;
use api::approvals::{Answer, Approval, Happened, Input};
use api::events::Event;
use api::policies::NewRule;
use api::tasks::{LogLine, Task};
use reqwest::Method;
use serde_json::{Map, Value};
use std::collections::{HashSet, VecDeque};

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
        answered: HashSet::new(),
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

/// An answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// Send it, or send it again.
    Approve,
    /// Send it with these arguments.
    Edit(Value),
    /// Do not; one that may have happened fails.
    Deny,
    /// Do not, and end the task.
    DenyAndStop,
    /// It happened, and gave this.
    Happened(Value),
    /// What its source wanted to know.
    Input(Map<String, Value>),
}

/// Sends an answer, bound to what was shown.
pub(crate) async fn answer(
    client: &Client,
    approval: &Approval,
    reply: Reply,
    reason: Option<String>,
) -> Result<Approval> {
    answer_with(client, approval, reply, reason, None).await
}

/// The same, with a rule that is stored in the same step.
pub(crate) async fn answer_with(
    client: &Client,
    approval: &Approval,
    reply: Reply,
    reason: Option<String>,
    remember: Option<NewRule>,
) -> Result<Approval> {
    let digest = Some(approval.digest.clone());
    let stop = reply == Reply::DenyAndStop;
    let (verdict, arguments) = match reply {
        Reply::Approve => ("approve", None),
        Reply::Edit(arguments) => ("approve", Some(arguments)),
        Reply::Deny | Reply::DenyAndStop => ("deny", None),
        Reply::Happened(value) => {
            let body = Happened {
                value,
                reason,
                digest,
            };
            let path = ["approvals", &approval.id, "happened"];
            return client.send(Method::POST, &path, &body).await;
        }
        Reply::Input(content) => {
            let body = Input {
                content,
                reason,
                digest,
            };
            let path = ["approvals", &approval.id, "answer"];
            return client.send(Method::POST, &path, &body).await;
        }
    };
    let body = Answer {
        arguments,
        reason,
        digest,
        stop,
        remember,
    };
    client
        .send(Method::POST, &["approvals", &approval.id, verdict], &body)
        .await
}

/// What to type at a question.
pub(crate) fn prompt(approval: &Approval) -> String {
    let tool = plain(&approval.tool);
    match approval.question.as_str() {
        "send_again" => format!(
            "Did {tool} happen? [y]es send it again, [h]appened and the value as JSON, [n]o let it \
             fail: "
        ),
        "input" => format!(
            "What does {tool} get? [a]nswer and its fields as JSON (none for a page that you \
             visited), [n]o: "
        ),
        _ => format!("Send {tool}? [y]es, [n]o and why: "),
    }
}

/// Reads what was typed at a question: yes, no with an optional reason, what it gave, what a source
/// wanted to know, or nothing.
pub(crate) fn typed(line: &str) -> Option<(Reply, Option<String>)> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let reason = Some(rest.trim().to_owned()).filter(|r| !r.is_empty());
    match word.to_ascii_lowercase().as_str() {
        "y" | "yes" => Some((Reply::Approve, reason)),
        "n" | "no" => Some((Reply::Deny, reason)),
        "h" | "happened" => {
            let value = reason.map_or(Ok(Value::Null), |text| serde_json::from_str(&text));
            Some((Reply::Happened(value.ok()?), None))
        }
        "a" | "answer" => {
            let content = reason.map_or(Ok(Map::new()), |text| serde_json::from_str(&text));
            Some((Reply::Input(content.ok()?), None))
        }
        _ => None,
    }
}

/// How an answer was taken, in a line.
pub(crate) fn taken(approval: &Approval) -> String {
    match approval.missing {
        0 => format!("{} {}", approval.id, approval.status),
        missing => format!(
            "{} {}: your yes counts, {missing} of {} still missing",
            approval.id, approval.status, approval.needed
        ),
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
    /// What this person has answered.
    answered: HashSet<String>,
    lines: Lines,
}

impl Following<'_> {
    async fn task(&self) -> Result<Task> {
        self.client.get(&["tasks", self.id], &[]).await
    }

    async fn connect(&mut self) -> Result<Option<Events>> {
        let source = Source {
            output: self.output,
            path: vec!["tasks", self.id, "events"],
            kept: "the task is kept",
            next: format!(
                "the task is kept: start the server, then `executor tasks show {}`",
                self.id
            ),
        };
        source.open(&mut self.client, self.last).await
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
        let text = |key: &str| text_of(&event, key);
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
            "progress" => {
                let line = format!("{}: {}", text("tool"), text("text"));
                self.output.note(&plain(&line));
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
        if let Some(known) = self.pending.iter_mut().find(|a| a.id == approval.id) {
            // Somebody else said yes, or changed the arguments; it is shown anew where it differs.
            let differs = known.digest != approval.digest;
            *known = approval.clone();
            if !differs {
                return Ok(());
            }
        } else if self.answered.contains(&approval.digest) {
            return Ok(());
        } else if !self.approves(&approval) {
            self.pending.push_back(approval.clone());
        }
        self.output.err(&describe(self.output, &approval));
        if self.approves(&approval) {
            self.output.note("approving it, as --approve asks");
            self.send(&approval, Reply::Approve, None).await?;
        } else {
            self.question();
        }
        Ok(())
    }

    /// Whether it is approved by itself. What a source asks is answered by a person or not at all.
    fn approves(&self, approval: &Approval) -> bool {
        self.asked == Asked::Approve && approval.question != "input"
    }

    fn question(&self) {
        if let (Asked::Prompt, Some(first)) = (self.asked, self.pending.front()) {
            self.output.ask(&prompt(first));
        }
    }

    async fn take_line(&mut self, line: &str) -> Result<()> {
        let (Some(first), Some((reply, reason))) = (self.pending.front().cloned(), typed(line))
        else {
            self.question();
            return Ok(());
        };
        self.pending.pop_front();
        self.send(&first, reply, reason).await?;
        self.question();
        Ok(())
    }

    /// Sends an answer; one that came too late is no failure of the task.
    async fn send(
        &mut self,
        approval: &Approval,
        reply: Reply,
        reason: Option<String>,
    ) -> Result<()> {
        self.answered.insert(approval.digest.clone());
        match answer(&self.client, approval, reply, reason).await {
            Ok(answered) => {
                if answered.missing > 0 {
                    self.output.note(&taken(&answered));
                }
                Ok(())
            }
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
        assert_eq!(typed(" Y "), Some((Reply::Approve, None)));
        assert_eq!(
            typed("no too much"),
            Some((Reply::Deny, Some("too much".to_owned())))
        );
        assert_eq!(
            typed("h {\"id\": 7}"),
            Some((Reply::Happened(serde_json::json!({ "id": 7 })), None))
        );
        assert_eq!(
            typed("happened"),
            Some((Reply::Happened(Value::Null), None))
        );
        assert_eq!(
            typed("a {\"name\": \"x\"}"),
            Some((
                Reply::Input(Map::from_iter([("name".to_owned(), Value::from("x"))])),
                None
            ))
        );
        assert_eq!(typed("a"), Some((Reply::Input(Map::new()), None)));
        assert_eq!(typed("a [1]"), None);
        assert_eq!(typed("h {"), None);
        assert_eq!(typed(""), None);
        assert_eq!(typed("yesterday"), None);
    }
}
