//! People who answer: each question is looked at once, and somebody makes up their mind about it:
//! now or late, alone or with another, twice or never, with other arguments, with more time; and those
//! who may not.

use crate::life::People;
use crate::random::Random;
use crate::script::Tool;
use crate::world::{Acknowledged, Action, Reviewer, Says};
use domain::access::{Caller, Channel};
use domain::approval::{Approval, ApprovalStatus, Question, Verdict};
use domain::tenancy::Role;
use domain::{AccountId, ApprovalId, OrganizationId, WorkspaceId};
use engine::{ApprovalQuery, Clock as _, Error};
use serde_json::{Value, json};

/// What a person may find a question to be by the time of the answer.
const TOO_LATE: [&str; 5] = [
    "already_resolved",
    "answered_before",
    "approval_changed",
    "denied_by_policy",
    "editing_not_allowed",
];

/// What more time may be found to be too late for.
const NO_MORE_TIME: [&str; 2] = ["already_resolved", "already_extended"];

/// A reviewer's mind about a question.
fn verdict(approval: &Approval, dice: &mut Random) -> Verdict {
    let may_edit = approval.question == Question::Send && approval.ask.may_edit;
    match dice.below(8) {
        0 | 1 => Verdict::Deny,
        2 | 3 if may_edit => {
            let mut arguments: Value =
                serde_json::from_str(&approval.arguments).unwrap_or_default();
            arguments["seen"] = json!(format!("edited-{}", dice.below(100)));
            Verdict::Edit(arguments)
        }
        2 | 3 if approval.question == Question::SendAgain => {
            Verdict::Happened(json!({ "happened": dice.below(100) }))
        }
        _ => Verdict::Approve,
    }
}

impl People {
    /// Reviewers look at what is pending and make up their minds, each once.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        let query = ApprovalQuery {
            status: Some("pending".to_owned()),
            limit: 100,
            ..ApprovalQuery::default()
        };
        let mut pending = self.engine.approvals(&self.owner, query).await?;
        pending.reverse();
        for approval in pending {
            let is_new = self.world.state().seen.insert(approval.id.clone());
            if is_new {
                self.make_up_mind(&approval);
            }
        }
        Ok(())
    }

    fn make_up_mind(&self, approval: &Approval) {
        let mut dice = {
            let mut state = self.world.state();
            Random::new(state.dice.next())
        };
        let id = &approval.id;
        if dice.one_in(12) {
            self.world
                .schedule(dice.below(3_000), Action::Intrude(id.clone()));
        }
        let by = if dice.one_in(3) {
            Reviewer::Second
        } else {
            Reviewer::Owner
        };
        let answer = |in_ms, by, verdict| {
            self.world
                .schedule(in_ms, Action::Answer(id.clone(), by, verdict));
        };
        let forgets = approval.question == Question::Send && dice.one_in(6);
        let left = approval.expires_at.since(self.world.clock().now());
        let extends = dice.one_in(if forgets { 2 } else { 5 });
        if extends {
            // At any time, often when an answer comes as well; or at the very end; or two at once.
            let in_ms = if forgets {
                (left + dice.below(1_500)).saturating_sub(1_000)
            } else {
                dice.below(2_000)
            };
            let extend = |by| self.world.schedule(in_ms, Action::Extend(id.clone(), by));
            extend(by);
            if dice.one_in(3) {
                extend(by.other());
            }
        }
        if forgets {
            if dice.one_in(2) {
                // At the very end, or just after it; with more time, at either end.
                let more = if extends && dice.one_in(2) { left } else { 0 };
                let late = (left + more + dice.below(1_500)).saturating_sub(700);
                answer(late, by, Verdict::Approve);
            }
            return;
        }
        let in_ms = if dice.one_in(3) {
            dice.below(14_000)
        } else {
            dice.below(900)
        };
        answer(in_ms, by, verdict(approval, &mut dice));
        if dice.one_in(4) {
            // The same person or another says the same again, or something else.
            let again = if dice.one_in(2) { by } else { by.other() };
            answer(in_ms + dice.below(3), again, verdict(approval, &mut dice));
        }
        if approval.ask.needed() > 1 && !dice.one_in(5) {
            answer(in_ms + dice.below(2_000), by.other(), Verdict::Approve);
        }
        if dice.one_in(8) {
            let tool = dice.pick(&Tool::ALL);
            let to = dice.pick(&[Says::Allow, Says::Ask, Says::Deny]);
            self.plan_rule(tool, to, dice.below(4_000));
        }
    }

    fn reviewer(&self, by: Reviewer) -> Caller {
        match by {
            Reviewer::Owner => self.owner.clone(),
            Reviewer::Second => Caller {
                account_id: self.world.state().second.clone().expect("it was added"),
                role: Role::Admin,
                ..self.owner.clone()
            },
        }
    }

    pub(crate) async fn answer(&self, id: &ApprovalId, by: Reviewer, verdict: Verdict) {
        let reason = "because".to_owned();
        let reviewer = self.reviewer(by);
        // They answer what they see, which somebody may change in the same instant.
        let answered = match self.engine.approval(&reviewer, id).await {
            Ok(seen) => {
                let digest = Some(engine::approval_digest(&seen));
                self.engine
                    .answer_approval(&reviewer, id, verdict.clone(), reason, digest)
                    .await
            }
            Err(error) => Err(error),
        };
        match answered {
            Ok(approval) => {
                let acknowledged = Acknowledged {
                    id: id.clone(),
                    by: reviewer.account_id,
                    verdict,
                    resolved: approval.status != ApprovalStatus::Pending,
                };
                self.world.trace(format!("{acknowledged:?}"));
                self.world.state().acknowledged.push(acknowledged);
            }
            Err(error) if TOO_LATE.contains(&error.code()) => {
                self.world.trace(format!("{} for {id}", error.code()));
            }
            Err(error) => self.world.wrong(format!("an answer is not taken: {error}")),
        }
    }

    pub(crate) async fn extend(&self, id: &ApprovalId, by: Reviewer) {
        let reviewer = self.reviewer(by);
        match self.engine.extend_approval(&reviewer, id).await {
            Ok(approval) => {
                let (by, until) = (reviewer.account_id, approval.expires_at);
                self.world.trace(format!("{id} has time until {}", until.0));
                self.world.state().extended.push((id.clone(), by, until));
            }
            Err(error) if NO_MORE_TIME.contains(&error.code()) => {
                self.world.trace(format!("{} for {id}", error.code()));
            }
            Err(error) => self.world.wrong(format!("no more time is given: {error}")),
        }
    }

    /// Nobody of another organization, and no model, answers or gives more time.
    pub(crate) async fn intrude(&self, id: &ApprovalId) {
        let stranger = Caller {
            organization_id: OrganizationId::from_bits([9; 16]),
            workspace_id: WorkspaceId::from_bits([9; 16]),
            account_id: AccountId::from_bits([9; 16]),
            role: Role::Owner,
            ..self.owner.clone()
        };
        let model = Caller {
            channel: Channel::Mcp,
            ..self.owner.clone()
        };
        for caller in [stranger, model] {
            let answered = self
                .engine
                .answer_approval(&caller, id, Verdict::Approve, String::new(), None)
                .await;
            let extended = self.engine.extend_approval(&caller, id).await;
            for told in [answered, extended] {
                let code = told.map(|_| ()).map_err(|e| e.code().to_owned());
                let code = code.err();
                let refused = matches!(code.as_deref(), Some("not_found" | "forbidden"));
                if !refused {
                    self.world
                        .wrong(format!("an intruder was told {code:?} about {id}"));
                }
            }
        }
    }
}
