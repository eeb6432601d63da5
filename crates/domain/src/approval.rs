//! A question to a person about one call, and its one answer.

use crate::access::Channel;
use crate::call::Binding;
use crate::policy::Ask;
use crate::tool::Risk;
use crate::{AccountId, ApprovalId, CallId, RuleId, Timestamp};

/// Where an approval stands: pending, then exactly one of the others, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalStatus {
    /// Nobody has answered.
    Pending,
    /// A person said yes.
    Approved(Answered),
    /// A person said no.
    Denied(Answered),
    /// Nobody answered in time.
    Expired,
    /// Its task ended before an answer.
    Withdrawn,
}

/// Who answered, through what, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The person.
    pub by: AccountId,
    /// Through what.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
    /// In the person's words; empty if none were given.
    pub reason: String,
}

impl ApprovalStatus {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Denied(_) => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether a person said yes.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Approved(_))
    }

    /// Who answered, if anybody did.
    #[must_use]
    pub fn answered(&self) -> Option<&Answered> {
        match self {
            Self::Approved(a) | Self::Denied(a) => Some(a),
            Self::Pending | Self::Expired | Self::Withdrawn => None,
        }
    }
}

/// What a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// May this call be sent?
    Send,
    /// The server died while this call was under way: may it be sent again?
    SendAgain,
}

impl Question {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::SendAgain => "send_again",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Send, Self::SendAgain]
            .into_iter()
            .find(|q| q.as_str() == text)
    }
}

/// An approval as recorded. What the reviewer sees is drawn from these stored texts, and they are
/// what is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Its identifier.
    pub id: ApprovalId,
    /// The call it is about.
    pub call_id: CallId,
    /// What it is bound to.
    pub binding: Binding,
    /// What is asked.
    pub question: Question,
    /// Canonical arguments, as JSON text.
    pub arguments: String,
    /// The request exactly as it will be sent, without its credential, as JSON text.
    pub request: String,
    /// The tool's risk.
    pub risk: Risk,
    /// The rule that asks; none means the default for the risk.
    pub rule_id: Option<RuleId>,
    /// Why it was stopped, in a sentence.
    pub why: String,
    /// Who may answer.
    pub ask: Ask,
    /// Whose task it is.
    pub requested_by: AccountId,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it expires unless answered.
    pub expires_at: Timestamp,
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Approve,
    /// Do not.
    Deny,
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was answered before, or has ended otherwise.
    #[error("{0}")]
    AlreadyResolved(String),
    /// Whoever runs the task may not answer here.
    #[error(
        "the rule that asks does not let the person who runs the task answer; ask another reviewer"
    )]
    Requester,
}

impl Approval {
    /// What its status becomes by an answer at a time.
    ///
    /// # Errors
    /// When it is pending no more, has expired, or the person may not answer.
    pub fn answer(&self, verdict: Verdict, answered: Answered) -> Result<ApprovalStatus, Refusal> {
        let resolved = |what: String| Err(Refusal::AlreadyResolved(what));
        match &self.status {
            ApprovalStatus::Pending => {}
            ApprovalStatus::Approved(a) | ApprovalStatus::Denied(a) => {
                return resolved(format!(
                    "{} was already {} by {} at {}; the first answer stands",
                    self.id,
                    self.status.as_str(),
                    a.by,
                    a.at.to_rfc3339()
                ));
            }
            ApprovalStatus::Expired => {
                return resolved(format!(
                    "{} expired at {} without an answer; the program was told so",
                    self.id,
                    self.expires_at.to_rfc3339()
                ));
            }
            ApprovalStatus::Withdrawn => {
                return resolved(format!("{} was withdrawn: its task has ended", self.id));
            }
        }
        if answered.at >= self.expires_at {
            return resolved(format!(
                "{} expired at {}",
                self.id,
                self.expires_at.to_rfc3339()
            ));
        }
        if !self.ask.requester_may && answered.by == self.requested_by {
            return Err(Refusal::Requester);
        }
        Ok(match verdict {
            Verdict::Approve => ApprovalStatus::Approved(answered),
            Verdict::Deny => ApprovalStatus::Denied(answered),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;

    fn approval(status: ApprovalStatus, requester_may: bool) -> Approval {
        Approval {
            id: ApprovalId::from_bits([1; 16]),
            call_id: CallId::from_bits([2; 16]),
            binding: Binding {
                task_id: TaskId::from_bits([3; 16]),
                sequence: 1,
                tool: "a.b".into(),
                definition_digest: "d".into(),
                arguments_digest: "e".into(),
                policy_version: 1,
            },
            question: Question::Send,
            arguments: "{}".into(),
            request: "{}".into(),
            risk: Risk::Write,
            rule_id: None,
            why: String::new(),
            ask: Ask {
                requester_may,
                ..Ask::default()
            },
            requested_by: AccountId::from_bits([4; 16]),
            status,
            created_at: Timestamp(0),
            expires_at: Timestamp(100),
        }
    }

    fn by(n: u8, at: i64) -> Answered {
        Answered {
            by: AccountId::from_bits([n; 16]),
            channel: Channel::Cli,
            at: Timestamp(at),
            reason: String::new(),
        }
    }

    #[test]
    fn every_state_and_every_answer() {
        let answered = by(5, 50);
        for verdict in [Verdict::Approve, Verdict::Deny] {
            let done = approval(ApprovalStatus::Pending, true).answer(verdict, answered.clone());
            let name = if verdict == Verdict::Approve {
                "approved"
            } else {
                "denied"
            };
            assert_eq!(done.map(|s| s.as_str()), Ok(name));
            for ended in [
                ApprovalStatus::Approved(by(6, 10)),
                ApprovalStatus::Denied(by(6, 10)),
                ApprovalStatus::Expired,
                ApprovalStatus::Withdrawn,
            ] {
                assert!(
                    approval(ended, true)
                        .answer(verdict, answered.clone())
                        .is_err()
                );
            }
            assert!(
                approval(ApprovalStatus::Pending, true)
                    .answer(verdict, by(5, 100))
                    .is_err()
            );
            let own = approval(ApprovalStatus::Pending, false).answer(verdict, by(4, 50));
            assert_eq!(own, Err(Refusal::Requester));
        }
    }
}
