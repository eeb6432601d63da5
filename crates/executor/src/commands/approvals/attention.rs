//! `executor approvals extend` and `assign`: more time for a question, and who looks after it.

use crate::client::Client;
use crate::commands::members;
use crate::failure::Result;
use crate::output::plain;
use api::approvals::{Approval, Assignment};
use api::members::Member;
use reqwest::Method;

pub(super) async fn extend(client: &Client, id: &str) -> Result<Approval> {
    client.post(&["approvals", id, "extend"], &[]).await
}

pub(super) async fn assign(client: &Client, id: &str, to: &str) -> Result<Approval> {
    let assignee = match to {
        "nobody" => to.to_owned(),
        who => person(client, who).await?,
    };
    let body = Assignment { assignee };
    client
        .send(Method::POST, &["approvals", id, "assign"], &body)
        .await
}

/// A person as the API takes one. Names are looked up among the members, which takes an administrator;
/// identifiers are not.
pub(super) async fn person(client: &Client, who: &str) -> Result<String> {
    if who == "me" || who.starts_with("acct_") {
        return Ok(who.to_owned());
    }
    let all: Vec<Member> = client.list(&["members"], &[], usize::MAX).await?;
    Ok(members::one(&all, who)?.id.clone())
}

/// What to say of a question that has more time.
pub(super) fn extended(approval: &Approval) -> String {
    format!(
        "{} {} waits until {}",
        approval.id,
        plain(&approval.tool),
        approval.expires_at
    )
}

/// What to say of who looks after a question.
pub(super) fn assigned(approval: &Approval) -> String {
    let who = approval.assigned.as_ref().map(|a| a.to.as_str());
    format!(
        "{} {} is looked after by {}",
        approval.id,
        plain(&approval.tool),
        who.unwrap_or("nobody")
    )
}
