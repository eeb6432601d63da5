//! WorkOS Vault: values that are kept there, encrypted under keys of one organization, and read back.
//!
//! By its published API (<https://workos.com/docs/reference/vault>): an object has a unique name, a
//! value and a key context, and is found again by its identifier. Everything goes through the guarded
//! client to the one address that whoever runs the server configured. That an object is of the
//! organization that asks for it is checked with every read. No error quotes a value.

use crate::egress::{self, Egress, Outgoing, Reach};
use crate::error::FetchError;
use domain::OrganizationId;
use domain::credential::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Milliseconds for one answer, connecting included.
const ANSWER_MS: u64 = 10_000;

/// Largest answer, in bytes: a value of 64 KiB, escaped, with what is told of it.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The name under which the organization stands in an object's key context
/// (<https://workos.com/docs/vault/key-context>). It stands there alone: each further entry would be
/// another key to encrypt by, and the environment follows from the API key.
const CONTEXT: &str = "organization_id";

/// The organization that a value is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultOwner {
    /// What we call it.
    pub own: OrganizationId,
    /// What WorkOS calls it, where it is an organization there: what is new stands under this name,
    /// so that a key of the organization's own is the one that encrypts it.
    pub at_workos: Option<String>,
}

impl VaultOwner {
    fn context(&self) -> &str {
        self.at_workos.as_deref().unwrap_or(self.own.as_str())
    }

    /// Whether a name is this organization's: what was kept before WorkOS knew it stays under ours.
    fn is(&self, named: &str) -> bool {
        named == self.own.as_str() || self.at_workos.as_deref() == Some(named)
    }
}

/// Why WorkOS Vault did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkosVaultError {
    /// It was not reached, or not in time.
    #[error("WorkOS Vault cannot be reached: {0}")]
    Unreachable(#[from] FetchError),
    /// It says that it cannot answer now.
    #[error("WorkOS Vault answered {0}; it is not available at the moment")]
    Busy(u16),
    /// It refused.
    #[error("WorkOS Vault answered {0}; check the API key and that Vault is enabled for it")]
    Refused(u16),
    /// It has no such object.
    #[error("WorkOS Vault no longer has this value; set the credential again")]
    Gone,
    /// The object is another organization's.
    #[error("the value in WorkOS Vault belongs to another organization; it was not read")]
    Foreign,
    /// Its answer is not as documented.
    #[error("WorkOS Vault gave an answer that cannot be read")]
    Unreadable,
}

/// The way to WorkOS Vault.
#[derive(Clone)]
pub struct WorkosVault {
    egress: Egress,
    base: Url,
    key: Secret,
}

/// What the API tells of an object.
#[derive(Deserialize)]
struct Metadata {
    id: String,
    context: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Object {
    value: String,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Value<'a> {
    value: &'a str,
}

impl WorkosVault {
    /// The way to an address with an API key. Plain http is for an address on loopback alone.
    ///
    /// # Errors
    /// A sentence, if the address cannot be one.
    pub fn new(egress: Egress, address: &str, key: Secret) -> Result<Self, String> {
        let base = egress::parse(address).map_err(|e| e.to_string())?;
        let local = matches!(base.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if base.scheme() != "https" && !local {
            return Err("the address of WorkOS Vault begins with https://".to_owned());
        }
        Ok(Self { egress, base, key })
    }

    /// Keeps a value under a name, in the place of the one before; answers the object's identifier.
    ///
    /// # Errors
    /// [`WorkosVaultError`]; where it fails, the value before may be there or not.
    pub async fn put(
        &self,
        name: &str,
        owner: &VaultOwner,
        value: &Secret,
    ) -> Result<String, WorkosVaultError> {
        let new = json!({
            "name": name,
            "value": value.expose(),
            "key_context": { CONTEXT: owner.context() },
        });
        let (status, text) = self.ask("POST", &["kv"], Some(&new)).await?;
        if (200..300).contains(&status) {
            let made: Metadata = read(&text)?;
            return of(owner, made);
        }
        if !matches!(status, 400 | 409 | 422) {
            return Err(refused(status));
        }
        // Perhaps the name is taken: by what this credential had before.
        let (found, text) = self.ask("GET", &["kv", "name", name], None).await?;
        if !(200..300).contains(&found) {
            return Err(refused(status));
        }
        let id = of(owner, read::<Object>(&text)?.metadata)?;
        let new = Value {
            value: value.expose(),
        };
        let new = serde_json::to_value(new).map_err(|_| WorkosVaultError::Unreadable)?;
        let (status, _) = self.ask("PUT", &["kv", &id], Some(&new)).await?;
        if (200..300).contains(&status) {
            Ok(id)
        } else {
            Err(refused(status))
        }
    }

    /// Reads a value of an organization.
    ///
    /// # Errors
    /// [`WorkosVaultError::Foreign`] for an object of another one.
    pub async fn get(&self, id: &str, owner: &VaultOwner) -> Result<Secret, WorkosVaultError> {
        let (status, text) = self.ask("GET", &["kv", id], None).await?;
        if !(200..300).contains(&status) {
            return Err(refused(status));
        }
        let object: Object = read(&text)?;
        let value = Secret::new(object.value);
        if of(owner, object.metadata)? != id {
            return Err(WorkosVaultError::Unreadable);
        }
        Ok(value)
    }

    /// Removes a value. One that is gone already is no error.
    ///
    /// # Errors
    /// [`WorkosVaultError`].
    pub async fn remove(&self, id: &str) -> Result<(), WorkosVaultError> {
        match self.ask("DELETE", &["kv", id], None).await? {
            (200..300 | 404, _) => Ok(()),
            (status, _) => Err(refused(status)),
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &[&str],
        body: Option<&serde_json::Value>,
    ) -> Result<(u16, Secret), WorkosVaultError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["vault", "v1"]).extend(path);
        }
        let mut headers = vec![(
            "authorization".to_owned(),
            format!("Bearer {}", self.key.expose()),
        )];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let outgoing = Outgoing {
            method: method.to_owned(),
            url,
            headers,
            body: body.map(|b| b.to_string().into_bytes()),
        };
        // Whoever runs the server configured this one address.
        let reach = Reach::also(&self.base);
        let deadline = Instant::now() + Duration::from_millis(ANSWER_MS);
        let answer = self.egress.send(outgoing, &reach, deadline).await?;
        let status = answer.status();
        let bytes = tokio::time::timeout_at(deadline, answer.read(ANSWER_BYTES_MAX))
            .await
            .map_err(|_| {
                WorkosVaultError::Unreachable(FetchError::Timeout {
                    host: egress::host_of(&self.base),
                    phase: "answer",
                    limit_ms: ANSWER_MS,
                })
            })??;
        let text = String::from_utf8(bytes).map_err(|_| WorkosVaultError::Unreadable)?;
        Ok((status, Secret::new(text)))
    }
}

fn read<T: for<'de> Deserialize<'de>>(text: &Secret) -> Result<T, WorkosVaultError> {
    serde_json::from_str(text.expose()).map_err(|_| WorkosVaultError::Unreadable)
}

/// The identifier of an object that is this organization's.
fn of(owner: &VaultOwner, told: Metadata) -> Result<String, WorkosVaultError> {
    match told.context.get(CONTEXT) {
        Some(named) if owner.is(named) => Ok(told.id),
        Some(_) | None => Err(WorkosVaultError::Foreign),
    }
}

fn refused(status: u16) -> WorkosVaultError {
    match status {
        404 | 410 => WorkosVaultError::Gone,
        408 | 425 | 429 | 500.. => WorkosVaultError::Busy(status),
        _ => WorkosVaultError::Refused(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_of_the_organization_by_either_name() {
        let own = OrganizationId::from_bits([1; 16]);
        let other = OrganizationId::from_bits([2; 16]);
        let told = |named: &str| Metadata {
            id: "secret_1".to_owned(),
            context: [(CONTEXT.to_owned(), named.to_owned())].into(),
        };
        let unlinked = VaultOwner {
            own: own.clone(),
            at_workos: None,
        };
        let linked = VaultOwner {
            own: own.clone(),
            at_workos: Some("org_01".to_owned()),
        };
        assert_eq!(unlinked.context(), own.as_str());
        assert_eq!(linked.context(), "org_01");
        for (owner, named, fits) in [
            (&unlinked, own.as_str(), true),
            (&linked, own.as_str(), true),
            (&linked, "org_01", true),
            (&unlinked, "org_01", false),
            (&linked, "org_02", false),
            (&linked, other.as_str(), false),
        ] {
            assert_eq!(of(owner, told(named)).is_ok(), fits, "{named}");
        }
        let nameless = Metadata {
            id: "secret_1".to_owned(),
            context: [("tenant".to_owned(), own.to_string())].into(),
        };
        assert_eq!(of(&linked, nameless), Err(WorkosVaultError::Foreign));
    }
}
