//! What a webhook is sent: the JSON, and the headers that sign it. What people are sent is in
//! `slack.rs`.
//!
//! The scheme is Standard Webhooks (<https://www.standardwebhooks.com>): an identifier that is the same at
//! each try, the time of the try, and HMAC-SHA256 over both and the body. No arguments, no request, no
//! reason a person gave and no token: whoever may see those opens the link and signs in.

use domain::access::Scope;
use domain::approval::Approval;
use domain::credential::Secret;
use domain::tenancy::Workspace;
use domain::webhook::{Delivery, WebhookEvent};
use domain::{AccountId, Timestamp};
use serde_json::{Value, json};
use store::Reader;
use tools::FetchError;

/// What a secret begins with where people see it.
const SECRET_PREFIX: &str = "whsec_";

/// A secret as receivers write it.
pub(super) fn shown(secret: &Secret) -> Secret {
    Secret::new(format!("{SECRET_PREFIX}{}", secret.expose()))
}

/// What is kept of an approval to be told: what it is, never what it carries.
pub(super) fn of_approval(approval: &Approval) -> Value {
    let answered = approval.status.answered();
    let mut data = json!({
        "approvalId": approval.id,
        "taskId": approval.binding.task_id,
        "tool": approval.binding.tool,
        "question": approval.question.as_str(),
        "risk": approval.risk.as_str(),
        "why": approval.why,
        "status": approval.status.as_str(),
        "requestedBy": { "id": approval.requested_by },
        "createdAt": approval.created_at.to_rfc3339(),
        "expiresAt": approval.expires_at.to_rfc3339(),
    });
    if let Some(extended) = &approval.extended {
        data["extendedBy"] = json!({ "id": extended.by });
        data["extendedAt"] = json!(extended.at.to_rfc3339());
    }
    if let Some(assigned) = &approval.assigned {
        data["assignedTo"] = json!({ "id": assigned.to });
    }
    if let Some(answered) = answered {
        data["decidedBy"] = json!({ "id": answered.by });
        data["decidedVia"] = json!(answered.channel.as_str());
        data["decidedAt"] = json!(answered.at.to_rfc3339());
    }
    data
}

/// The fields of what is told that name a person.
const PEOPLE: [&str; 4] = ["requestedBy", "decidedBy", "extendedBy", "assignedTo"];

/// One thing that is told, as it is known when it is sent.
pub(super) struct Told {
    pub(super) event: WebhookEvent,
    /// What was written down, with the names of people in it.
    pub(super) data: Value,
    /// What the client that asked calls itself, where people are told it.
    pub(super) client: Option<String>,
    /// The approval as it is by now, where people are told it.
    pub(super) now: Option<Approval>,
}

impl Told {
    /// What a delivery tells, with the names that people have by now.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn of(
        r: &mut Reader<'_>,
        scope: &Scope,
        delivery: &Delivery,
    ) -> Result<Self, store::Error> {
        let mut data: Value = serde_json::from_str(&delivery.data).unwrap_or_default();
        for field in PEOPLE {
            let id = data[field]["id"].as_str().map(AccountId::parse);
            if let Some(Ok(id)) = id
                && let Some(name) = store::accounts::name(r, scope, &id)?
            {
                data[field]["name"] = json!(name);
            }
        }
        Ok(Self {
            event: delivery.event,
            data,
            client: None,
            now: None,
        })
    }
}

/// Where things are: looked up when a delivery is sent.
pub(super) struct Names<'a> {
    pub(super) workspace: Option<&'a Workspace>,
    pub(super) public_url: &'a str,
}

/// The body of a delivery to a program.
pub(super) fn body(delivery: &Delivery, told: &Told, names: &Names<'_>) -> Vec<u8> {
    let mut data = told.data.clone();
    if let Some(workspace) = names.workspace {
        data["workspace"] =
            json!({ "id": workspace.id, "slug": workspace.slug, "name": workspace.name });
    }
    if let Some(id) = data["approvalId"].as_str() {
        data["url"] = json!(format!("{}/approvals/{id}", names.public_url));
    }
    json!({
        "type": delivery.event.as_str(),
        "timestamp": delivery.created_at.to_rfc3339(),
        "data": data,
    })
    .to_string()
    .into_bytes()
}

/// The headers of a delivery, signed with every secret that is in force.
pub(super) fn headers(
    delivery: &Delivery,
    secrets: &[Secret],
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<(String, String)>, vault::Error> {
    let seconds = now.0.div_euclid(1_000);
    let mut signed = format!("{}.{seconds}.", delivery.id).into_bytes();
    signed.extend_from_slice(body);
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| Ok(format!("v1,{}", vault::sign(secret, &signed)?)))
        .collect::<Result<_, vault::Error>>()?;
    Ok([
        ("content-type", "application/json".to_owned()),
        ("webhook-id", delivery.id.to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec())
}

/// The host of an address, for the log and the audit chain.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The part of an address after its host, where it is long enough to be a secret of the receiver.
pub(super) fn path(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map(|at| &rest[at + 1..])?;
    (path.len() >= 8).then_some(path)
}

/// Why a webhook could not be told, in the words of webhooks.
pub(super) fn why_not(error: &FetchError) -> String {
    match error {
        FetchError::Refused => "this address may not be told: private, local and special networks \
             are refused unless an administrator allows private addresses for this webhook \
             (`--allow-private`), and some are refused always"
            .to_owned(),
        FetchError::BadUrl { .. }
        | FetchError::Name { .. }
        | FetchError::Connect { .. }
        | FetchError::Tls { .. }
        | FetchError::Timeout { .. }
        | FetchError::NoAnswer { .. }
        | FetchError::BrokeOff { .. }
        | FetchError::TooLarge { .. }
        | FetchError::Status { .. }
        | FetchError::Redirects { .. }
        | FetchError::Malformed { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::webhook::DeliveryState;
    use domain::{DeliveryId, WebhookId};

    #[test]
    fn the_signature_is_that_of_the_published_scheme() {
        let delivery = Delivery {
            id: DeliveryId::from_bits([1; 16]),
            webhook_id: WebhookId::from_bits([2; 16]),
            event: WebhookEvent::Test,
            subject: String::new(),
            data: "{}".into(),
            state: DeliveryState::Pending(Timestamp(0)),
            attempts: 1,
            last: None,
            created_at: Timestamp(0),
            give_up_at: Timestamp(0),
        };
        // Computed with Python's `hmac` over `<id>.<seconds>.<body>`.
        let secret = Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let headers = headers(
            &delivery,
            &[secret.clone(), secret],
            br#"{"test": 2432232314}"#,
            Timestamp(1_614_265_330_999),
        )
        .unwrap();
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(value("webhook-id"), "dlv_01040g2081040g2081040g2081");
        assert_eq!(value("webhook-timestamp"), "1614265330");
        let one = "v1,dPzg32PGpQY0dNFbsyk87tCYk0N1Lx/9qFgixTCstz0=";
        assert_eq!(value("webhook-signature"), format!("{one} {one}"));
    }

    #[test]
    fn parts_of_addresses() {
        assert_eq!(host("https://h.example:8/a?b"), "h.example:8");
        assert_eq!(host("https://h.example?b"), "h.example");
        assert_eq!(
            path("https://h.example/services/T0/B0"),
            Some("services/T0/B0")
        );
        assert_eq!(path("https://h.example/hook"), None);
        assert_eq!(path("https://h.example"), None);
    }
}
