//! A question to a person about one call, and its one answer.
//!
//! A question may need several people: each yes is theirs and for exactly what they saw. What a yes
//! is worth is asked again whenever it is used, with the roles as they are then.

mod attention;
mod reasons;

pub use attention::{Assigned, Extended};
pub use reasons::of_arguments;

use crate::access::{Channel, Permission};
use crate::call::Binding;
use crate::canonical::{canonical, sha256_hex, sha256_parts};
use crate::elicitation::Elicitation;
use crate::policy::Ask;
use crate::tenancy::Role;
use crate::tool::Risk;
use crate::{AccountId, ApprovalId, CallId, RuleId, TaskId, Timestamp};
use serde_json::Value;

/// Where an approval stands: pending, then exactly one of the others. Of those, only one that was
/// approved and not used yet can still change, by being withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalStatus {
    /// Not everybody who must answer has answered.
    Pending,
    /// A person said yes: the last of those whose yes was needed.
    Approved(Answered),
    /// A person said what was asked for, as JSON text: that the call in question happened and what it
    /// gave, or what its source wanted to know. People see it as approved; it admits nothing.
    Happened(Answered, String),
    /// A person said no.
    Denied(Answered),
    /// Nobody answered in time.
    Expired,
    /// Taken back by a person, or, with nobody named, because its task ended.
    Withdrawn(Option<Answered>),
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

/// One yes of those that a question needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// Whose, when and why.
    pub answered: Answered,
    /// Digest of what the person saw; the yes is for nothing else.
    pub digest: String,
}

/// That a reviewer changed the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Who did it last.
    pub by: AccountId,
    /// Through what.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
    /// Canonical arguments as the program made them.
    pub original: String,
}

impl ApprovalStatus {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) | Self::Happened(..) => "approved",
            Self::Denied(_) => "denied",
            Self::Expired => "expired",
            Self::Withdrawn(_) => "withdrawn",
        }
    }

    /// Whether everybody whose yes was needed said that the call may be sent.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Approved(_))
    }

    /// Who answered, if anybody did.
    #[must_use]
    pub fn answered(&self) -> Option<&Answered> {
        match self {
            Self::Approved(a) | Self::Happened(a, _) | Self::Denied(a) => Some(a),
            Self::Pending | Self::Expired | Self::Withdrawn(_) => None,
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
    /// The source asks something of whoever runs the task before it goes on with the call.
    Input,
}

impl Question {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::SendAgain => "send_again",
            Self::Input => "input",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Send, Self::SendAgain, Self::Input]
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
    /// What it is bound to; with edited arguments, to those.
    pub binding: Binding,
    /// What is asked.
    pub question: Question,
    /// Canonical arguments, as JSON text.
    pub arguments: String,
    /// The request exactly as it will be sent, without its credential, as JSON text; `null` where
    /// nothing can be sent any more. Of a question of the source's own: that question, as an
    /// [`Elicitation`].
    pub request: String,
    /// The tool's risk.
    pub risk: Risk,
    /// Why it is that risk, and what else makes the call weigh more, in words for people.
    pub reasons: Vec<String>,
    /// The call of the same tool that the same client last sent for the same person.
    pub previous: Option<Previous>,
    /// The rule that asks; none means the default for the risk.
    pub rule_id: Option<RuleId>,
    /// Why it was stopped, in a sentence.
    pub why: String,
    /// Who may answer.
    pub ask: Ask,
    /// Whose task it is.
    pub requested_by: AccountId,
    /// What the client of the task calls itself; may be empty.
    pub client: String,
    /// What a reviewer changed, if one did.
    pub edited: Option<Edited>,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// Each yes so far, where several are needed.
    pub yeses: Vec<Yes>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it expires unless answered.
    pub expires_at: Timestamp,
    /// Who gave it more time, if anybody did; part of `expires_at` already.
    pub extended: Option<Extended>,
    /// Who looks after it. It changes nothing about who may answer.
    pub assigned: Option<Assigned>,
}

/// A call that was sent before the one in question. It may be gone by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its task.
    pub task_id: TaskId,
    /// Its place in the task, from 1.
    pub sequence: u32,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Send it.
    Approve,
    /// Send it with these arguments in place of the program's.
    Edit(Value),
    /// Do not.
    Deny,
    /// Do not: it happened when it was sent before, and gave this.
    Happened(Value),
    /// What the source wanted to know.
    Input(Value),
}

impl Verdict {
    /// Whether it lets something through that was shown before.
    #[must_use]
    pub fn lets_through(&self) -> bool {
        match self {
            Self::Approve | Self::Edit(_) | Self::Happened(_) | Self::Input(_) => true,
            Self::Deny => false,
        }
    }
}

/// What an answer that counts does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The question is answered.
    Resolves(ApprovalStatus),
    /// One yes of several; others are still missing.
    OneMore(Yes),
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was answered before, or has ended otherwise.
    #[error("{0}")]
    AlreadyResolved(String),
    /// The same person said yes to the same thing before.
    #[error("{0}")]
    AnsweredBefore(String),
    /// Whoever runs the task may not answer here.
    #[error(
        "the rule that asks does not let the person who runs the task answer; ask another reviewer"
    )]
    Requester,
    /// The person may not answer, or no longer.
    #[error("you may not answer this: it takes an administrator, or a person whom the rule names")]
    NotAReviewer,
    /// The answer fits another question.
    #[error("{0}")]
    NotThisQuestion(&'static str),
    /// Only whoever runs the task is asked this.
    #[error("its source asks this of the person who runs the task, and of nobody else")]
    NotTheOwner,
    /// What was entered does not fit the form.
    #[error("{0}")]
    DoesNotFit(String),
    /// It was given more time before.
    #[error("{0}")]
    ExtendedBefore(String),
    /// It waits as long as anything may.
    #[error("it waits for 30 days already, the longest that anything may wait")]
    WaitsLongest,
    /// Whoever is to look after it may not answer it.
    #[error("{0}")]
    Assignee(&'static str),
}

/// Which role each person has at the moment; none for whoever is no member.
pub type Roles<'a> = &'a dyn Fn(&AccountId) -> Option<Role>;

impl Ask {
    /// How many people must say yes.
    #[must_use]
    pub fn needed(&self) -> usize {
        usize::try_from(self.count.max(1)).unwrap_or(usize::MAX)
    }

    /// Whether a person with a role may answer a question about somebody's task.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(
        &self,
        person: &AccountId,
        role: Option<Role>,
        requester: &AccountId,
    ) -> Result<(), Refusal> {
        let reviewer = role.is_some_and(|role| {
            Permission::DecideApprovals.granted_to(role) || self.approvers.contains(person)
        });
        if !reviewer {
            return Err(Refusal::NotAReviewer);
        }
        if !self.requester_may && person == requester {
            return Err(Refusal::Requester);
        }
        Ok(())
    }
}

impl Approval {
    /// Digest of what a reviewer sees: an answer is bound to it.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256_parts(&[
            self.id.as_str().as_bytes(),
            self.binding.tool.as_bytes(),
            self.binding.definition_digest.as_bytes(),
            self.arguments.as_bytes(),
            self.request.as_bytes(),
        ])
    }

    /// The people whose yes is for what would be sent now, each once.
    fn for_this(&self) -> Vec<&Answered> {
        let digest = self.digest();
        let mut people: Vec<&Answered> = Vec::new();
        let last = match &self.status {
            ApprovalStatus::Approved(last) => Some(last),
            ApprovalStatus::Pending
            | ApprovalStatus::Happened(..)
            | ApprovalStatus::Denied(_)
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn(_) => None,
        };
        let earlier = self.yeses.iter().filter(|y| y.digest == digest);
        for answered in earlier.map(|y| &y.answered).chain(last) {
            if !people.iter().any(|p| p.by == answered.by) {
                people.push(answered);
            }
        }
        people
    }

    /// How many more people must say yes to what would be sent now.
    #[must_use]
    pub fn missing(&self) -> usize {
        match &self.status {
            ApprovalStatus::Pending => self.ask.needed().saturating_sub(self.for_this().len()),
            ApprovalStatus::Approved(_)
            | ApprovalStatus::Happened(..)
            | ApprovalStatus::Denied(_)
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn(_) => 0,
        }
    }

    /// Whether the answers given are enough for what is demanded today, by people who may still
    /// give them: the answer of a person who has lost the right is worth nothing.
    #[must_use]
    pub fn satisfies(&self, today: &Ask, roles: Roles<'_>) -> bool {
        let may = |p: &AccountId| today.admits(p, roles(p), &self.requested_by).is_ok();
        let counting = self.for_this().iter().filter(|a| may(&a.by)).count();
        self.status.is_approved() && counting >= today.needed()
    }

    /// The approval with other arguments, and the request that is made of them. Every yes given
    /// before was for something else.
    #[must_use]
    pub fn with_arguments(
        &self,
        arguments: &Value,
        request: String,
        (by, channel, at): (AccountId, Channel, Timestamp),
    ) -> Self {
        let arguments = canonical(arguments);
        let original = self
            .edited
            .as_ref()
            .map_or(&self.arguments, |e| &e.original)
            .clone();
        let mut edited = self.clone();
        edited.binding.arguments_digest = sha256_hex(arguments.as_bytes());
        edited.arguments = arguments;
        edited.request = request;
        edited.edited = Some(Edited {
            by,
            channel,
            at,
            original,
        });
        edited
    }

    /// What an answer does at a time. The arguments of an edit are put in place before.
    ///
    /// # Errors
    /// When it is pending no more, has expired, or the person may not answer.
    pub fn answer(
        &self,
        verdict: &Verdict,
        answered: Answered,
        roles: Roles<'_>,
    ) -> Result<Effect, Refusal> {
        self.open(answered.at)?;
        self.may_be_answered_by(&answered.by, roles)?;
        if self.question == Question::Input {
            return self.input(verdict, answered);
        }
        match (verdict, self.question) {
            (_, Question::Input) | (Verdict::Input(_), _) => Err(Refusal::NotThisQuestion(
                "nothing is asked for here but whether the call may be sent; approve or deny it",
            )),
            (Verdict::Approve, _) | (Verdict::Edit(_), Question::Send) => {
                self.one_yes(answered, roles)
            }
            (Verdict::Deny, _) => Ok(Effect::Resolves(ApprovalStatus::Denied(answered))),
            (Verdict::Happened(value), Question::SendAgain) => Ok(Effect::Resolves(
                ApprovalStatus::Happened(answered, value.to_string()),
            )),
            (Verdict::Happened(_), Question::Send) => Err(Refusal::NotThisQuestion(
                "the call was never sent, so it cannot have happened; approve or deny it",
            )),
            (Verdict::Edit(_), Question::SendAgain) => Err(Refusal::NotThisQuestion(
                "the call may have been sent already, so its arguments cannot be changed; send it \
                 again as it was, say that it happened, or let it fail",
            )),
        }
    }

    /// What the source asks, where the question is its own.
    #[must_use]
    pub fn elicitation(&self) -> Option<Elicitation> {
        let is_asked = self.question == Question::Input;
        is_asked.then(|| serde_json::from_str(&self.request).ok())?
    }

    /// Whether a person may answer it, apart from what they have answered before. A question of the
    /// source's own is for whoever runs the task, as long as they are a member, and for nobody else,
    /// whatever their role.
    fn may_be_answered_by(&self, person: &AccountId, roles: Roles<'_>) -> Result<(), Refusal> {
        let role = roles(person);
        match self.question {
            Question::Input if *person != self.requested_by || role.is_none() => {
                Err(Refusal::NotTheOwner)
            }
            Question::Input => Ok(()),
            Question::Send | Question::SendAgain => {
                self.ask.admits(person, role, &self.requested_by)
            }
        }
    }

    /// Whether an answer of a person with a role is wanted at a time: it is asked, the person may
    /// answer, and has not said yes to what would be sent now.
    #[must_use]
    pub fn waits_for(&self, person: &AccountId, role: Option<Role>, at: Timestamp) -> bool {
        let roles = |who: &AccountId| role.filter(|_| who == person);
        self.open(at).is_ok()
            && self.may_be_answered_by(person, &roles).is_ok()
            && !self.for_this().iter().any(|yes| yes.by == *person)
    }

    /// An answer to a question of the source's own.
    fn input(&self, verdict: &Verdict, answered: Answered) -> Result<Effect, Refusal> {
        match verdict {
            Verdict::Deny => Ok(Effect::Resolves(ApprovalStatus::Denied(answered))),
            Verdict::Input(content) => {
                let asked = self.elicitation().ok_or(Refusal::NotThisQuestion(
                    "what the source asked cannot be read any more; deny it",
                ))?;
                let taken = asked.taken(content).map_err(Refusal::DoesNotFit)?;
                let taken = ApprovalStatus::Happened(answered, taken.to_string());
                Ok(Effect::Resolves(taken))
            }
            Verdict::Approve | Verdict::Edit(_) | Verdict::Happened(_) => {
                Err(Refusal::NotThisQuestion(
                    "the source asks for an answer, not for leave; answer or deny it",
                ))
            }
        }
    }

    fn one_yes(&self, answered: Answered, roles: Roles<'_>) -> Result<Effect, Refusal> {
        let before = self.for_this();
        if let Some(own) = before.iter().find(|a| a.by == answered.by) {
            return Err(Refusal::AnsweredBefore(format!(
                "you approved {} already, at {}; it needs {} more of other people",
                self.id,
                own.at.to_rfc3339(),
                self.missing()
            )));
        }
        let may = |p: &AccountId| self.ask.admits(p, roles(p), &self.requested_by).is_ok();
        let counting = before.iter().filter(|a| may(&a.by)).count();
        Ok(if counting + 1 >= self.ask.needed() {
            Effect::Resolves(ApprovalStatus::Approved(answered))
        } else {
            Effect::OneMore(Yes {
                answered,
                digest: self.digest(),
            })
        })
    }

    /// Whether it can be answered at a time. One that is due has expired, whether or not anybody
    /// has noted it yet.
    fn open(&self, at: Timestamp) -> Result<(), Refusal> {
        let expired = format!(
            "{} expired at {} without an answer",
            self.id,
            self.expires_at.to_rfc3339()
        );
        let told = match &self.status {
            ApprovalStatus::Pending if at < self.expires_at => return Ok(()),
            ApprovalStatus::Pending => expired,
            ApprovalStatus::Expired => format!("{expired}; the program was told so"),
            ApprovalStatus::Approved(a) | ApprovalStatus::Denied(a) => format!(
                "{} was already {} by {} at {}; the first answer stands",
                self.id,
                self.status.as_str(),
                a.by,
                a.at.to_rfc3339()
            ),
            ApprovalStatus::Happened(a, _) => format!(
                "{} was already answered by {} at {}; the first answer stands",
                self.id,
                a.by,
                a.at.to_rfc3339()
            ),
            ApprovalStatus::Withdrawn(None) => {
                let why = match self.question {
                    Question::Send | Question::SendAgain => "its task has ended",
                    Question::Input => "whoever asked does not wait for an answer any more",
                };
                format!("{} was withdrawn: {why}", self.id)
            }
            ApprovalStatus::Withdrawn(Some(a)) => format!(
                "{} was withdrawn by {} at {}",
                self.id,
                a.by,
                a.at.to_rfc3339()
            ),
        };
        Err(Refusal::AlreadyResolved(told))
    }
}

#[cfg(test)]
mod tests;
