//! What a pending question is given besides an answer: more time, once, and a person who looks after
//! it. Neither decides anything, and neither changes who may.

use super::{Approval, ApprovalStatus, Question, Refusal, Roles};
use crate::access::Channel;
use crate::limits::APPROVAL_WAIT_MS_MAX;
use crate::{AccountId, Timestamp};

/// That a person gave a question more time. It happens once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// The person.
    pub by: AccountId,
    /// Through what.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
}

/// Who looks after a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Who looks after it.
    pub to: AccountId,
    /// Who says so.
    pub by: AccountId,
    /// When.
    pub at: Timestamp,
}

impl Approval {
    /// Whether it is still asked.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status == ApprovalStatus::Pending
    }

    /// What extending it adds, in milliseconds: its own period, but never so much that it would wait
    /// longer than anything may. Nothing where it was extended before, waits that long already, or is
    /// asked no more.
    #[must_use]
    pub fn extends_by_ms(&self) -> i64 {
        if self.extended.is_some() || !self.is_pending() {
            return 0;
        }
        let period = self.expires_at.since(self.created_at);
        let more = period.min(APPROVAL_WAIT_MS_MAX.saturating_sub(period));
        i64::try_from(more).unwrap_or(0)
    }

    /// The last instant at which it might be answered, were it given more time.
    #[must_use]
    pub fn latest_expiry(&self) -> Timestamp {
        self.expires_at.plus_ms(self.extends_by_ms())
    }

    /// The approval with more time, counted from when it would have expired.
    ///
    /// # Errors
    /// When it is pending no more, has expired or was extended before; when it waits as long as
    /// anything may; and for whoever may not answer it.
    pub fn with_more_time(&self, extended: Extended, roles: Roles<'_>) -> Result<Self, Refusal> {
        self.open(extended.at)?;
        self.may_be_answered_by(&extended.by, roles)?;
        if let Some(before) = &self.extended {
            return Err(Refusal::ExtendedBefore(format!(
                "{} was extended already, by {} at {}, and that is done once; it expires at {}",
                self.id,
                before.by,
                before.at.to_rfc3339(),
                self.expires_at.to_rfc3339()
            )));
        }
        if self.extends_by_ms() == 0 {
            return Err(Refusal::WaitsLongest);
        }
        Ok(Self {
            expires_at: self.latest_expiry(),
            extended: Some(extended),
            ..self.clone()
        })
    }

    /// The approval with whoever looks after it from now on; with nobody, given none.
    ///
    /// # Errors
    /// When it is pending no more or has expired, where nobody else is asked, and for an assignee who
    /// may not answer it.
    pub fn assigned_to(
        &self,
        assigned: Option<Assigned>,
        at: Timestamp,
        roles: Roles<'_>,
    ) -> Result<Self, Refusal> {
        self.open(at)?;
        if self.question == Question::Input {
            return Err(Refusal::NotThisQuestion(
                "its source asks this of the person who runs the task, and of nobody else, so that \
                 it is nobody else's to look after",
            ));
        }
        if let Some(assigned) = &assigned {
            let role = roles(&assigned.to);
            if let Err(refusal) = self.ask.admits(&assigned.to, role, &self.requested_by) {
                return Err(Refusal::Assignee(match refusal {
                    Refusal::Requester => {
                        "the rule that asks does not let the person who runs the \
                                           task answer, so that they cannot look after it either; \
                                           name another reviewer"
                    }
                    Refusal::NotAReviewer
                    | Refusal::AlreadyResolved(_)
                    | Refusal::AnsweredBefore(_)
                    | Refusal::NotThisQuestion(_)
                    | Refusal::NotTheOwner
                    | Refusal::DoesNotFit(_)
                    | Refusal::ExtendedBefore(_)
                    | Refusal::WaitsLongest
                    | Refusal::Assignee(_) => {
                        "whoever looks after this must be able to answer it: \
                                               an administrator of this workspace, or a person whom \
                                               the rule names"
                    }
                }));
            }
        }
        Ok(Self {
            assigned,
            ..self.clone()
        })
    }
}
