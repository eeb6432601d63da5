//! Who clients are: those that register themselves (RFC 7591), and those that are named by the
//! address of a document (SEP-991).
//!
//! Both may call themselves anything. What they say is checked for what could harm whoever follows
//! it, and kept for a day unless somebody grants them something.

use super::{Here, Refused, Tried, UNUSED_CLIENT_MS, refused};
use crate::{Engine, Error, entropy};
use domain::canonical::sha256_hex;
use domain::credential::Secret;
use domain::grant::{
    CLIENT_PREFIX, Client, ClientKind, ClientProof, REDIRECTS_MAX, check_redirect,
    is_document_address, shown_host, shown_name,
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

/// Clients that registered themselves and are known at the same time.
const CLIENTS_MAX: u64 = 10_000;

/// Addresses in metadata that people may be led to. None is ever opened or shown here, but whoever
/// gives one that runs a script is not to be dealt with.
const LINKS: [&str; 4] = ["logo_uri", "client_uri", "policy_uri", "tos_uri"];

/// A client that has registered itself, with its secret, which is told this once.
#[derive(Clone)]
pub struct NewClient {
    /// The client.
    pub client: Client,
    /// Its secret, where it asked to prove itself by one.
    pub secret: Option<Secret>,
}

impl NewClient {
    /// What the client is told (RFC 7591, section 3.2.1).
    #[must_use]
    pub fn metadata(&self) -> Value {
        let client = &self.client;
        let mut told = json!({
            "client_id": client.id,
            "client_id_issued_at": client.created_at.0.div_euclid(1_000),
            "client_name": client.name,
            "redirect_uris": client.redirect_uris,
            "token_endpoint_auth_method": client.proof.as_str(),
            "grant_types": ["authorization_code", "refresh_token", super::tokens::DEVICE_GRANT],
            "response_types": ["code"],
        });
        if let Some(secret) = &self.secret {
            told["client_secret"] = json!(secret.expose());
            told["client_secret_expires_at"] = json!(0);
        }
        told
    }
}

fn bad_metadata(why: impl Into<String>) -> Refused {
    refused("invalid_client_metadata", why)
}

/// The name of a client as it is shown: what it says, or else where its answers go.
fn name_of(fields: &Map<String, Value>, redirect_uris: &[String]) -> Result<String, Refused> {
    let said = match fields.get("client_name") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(bad_metadata("client_name must be a text")),
    };
    let name = shown_name(said);
    if !name.is_empty() {
        return Ok(name);
    }
    Ok(redirect_uris
        .first()
        .map(|u| shown_host(u))
        .unwrap_or_default())
}

fn redirects_of(fields: &Map<String, Value>, here: &Here) -> Result<Vec<String>, Refused> {
    let bad = |why: String| refused("invalid_redirect_uri", why);
    let listed = match fields.get("redirect_uris") {
        None => &Vec::new(),
        Some(Value::Array(listed)) => listed,
        Some(_) => return Err(bad("redirect_uris must be a list".to_owned())),
    };
    if listed.len() > REDIRECTS_MAX {
        return Err(bad(format!(
            "there are more than {REDIRECTS_MAX} redirect_uris"
        )));
    }
    let own = here.hosts();
    let mut addresses = Vec::with_capacity(listed.len());
    for (n, address) in listed.iter().enumerate() {
        let Some(address) = address.as_str() else {
            return Err(bad(format!("redirect_uris[{n}] must be a text")));
        };
        check_redirect(address, &own).map_err(|why| bad(format!("redirect_uris[{n}]: {why}")))?;
        addresses.push(address.to_owned());
    }
    Ok(addresses)
}

fn check_links(fields: &Map<String, Value>) -> Result<(), Refused> {
    for name in LINKS {
        let link = match fields.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(link)) => link.to_ascii_lowercase(),
            Some(_) => return Err(bad_metadata(format!("{name} must be a text"))),
        };
        let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        let fine = link.is_empty()
            || link.starts_with("https://")
            || local.iter().any(|start| link.starts_with(start));
        if !fine {
            return Err(bad_metadata(format!("{name} must begin with https://")));
        }
    }
    Ok(())
}

/// A list in metadata must hold something, where it is given at all.
fn check_holds(fields: &Map<String, Value>, list: &str, something: &str) -> Result<(), Refused> {
    let listed = match fields.get(list) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(listed)) => listed,
        Some(_) => return Err(bad_metadata(format!("{list} must be a list"))),
    };
    if listed.is_empty() || listed.iter().any(|v| v == something) {
        Ok(())
    } else {
        Err(bad_metadata(format!("{list} must hold {something}")))
    }
}

fn check_uses(fields: &Map<String, Value>, redirect_uris: &[String]) -> Result<(), Refused> {
    check_links(fields)?;
    check_holds(fields, "response_types", "code")?;
    let asks_by_device = fields
        .get("grant_types")
        .and_then(Value::as_array)
        .is_some_and(|types| types.iter().any(|t| t == super::tokens::DEVICE_GRANT));
    if !asks_by_device {
        check_holds(fields, "grant_types", "authorization_code")?;
        if redirect_uris.is_empty() {
            return Err(refused(
                "invalid_redirect_uri",
                "redirect_uris must hold where answers go",
            ));
        }
    }
    Ok(())
}

impl Engine {
    /// Registers a client that describes itself, at the wish of an address.
    ///
    /// # Errors
    /// `invalid_client_metadata`, `invalid_redirect_uri`; too often from one address, or too many
    /// clients in all.
    pub fn register_client(
        &self,
        fields: Map<String, Value>,
        here: Here,
        address: String,
    ) -> BoxFuture<'_, Result<NewClient, Refused>> {
        Box::pin(async move {
            self.count_try(Tried::Register, address)?;
            let redirect_uris = redirects_of(&fields, &here)?;
            check_uses(&fields, &redirect_uris)?;
            let proof = match fields.get("token_endpoint_auth_method") {
                None | Some(Value::Null) => ClientProof::Basic,
                Some(named) => named.as_str().and_then(ClientProof::parse).ok_or_else(|| {
                    bad_metadata(
                        "token_endpoint_auth_method must be none, client_secret_basic or \
                         client_secret_post",
                    )
                })?,
            };
            let secret = (proof != ClientProof::None)
                .then(|| Secret::new(format!("exs_{}", entropy::hex(&entropy::bytes::<32>()))));
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let client = Client {
                id: format!("{CLIENT_PREFIX}{}", entropy::hex(&entropy::bytes::<16>())),
                kind: ClientKind::Registered,
                name: name_of(&fields, &redirect_uris)?,
                redirect_uris,
                proof,
                secret_sha256: secret.as_ref().map(|s| sha256_hex(s.expose().as_bytes())),
                created_at: local,
            };
            let made = client.clone();
            let room = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    if store::apps::registered(tx, system, now)? >= CLIENTS_MAX {
                        store::apps::remove_expired(tx, system, now)?;
                        if store::apps::registered(tx, system, now)? >= CLIENTS_MAX {
                            return Ok::<_, Error>(false);
                        }
                    }
                    store::apps::insert(tx, system, &made, now.plus_ms(UNUSED_CLIENT_MS))?;
                    Ok(true)
                })
                .await?;
            if room {
                Ok(NewClient { client, secret })
            } else {
                Err(Refused::TooOften(3_600_000))
            }
        })
    }

    /// A client by its identifier: registered before, or described by the document that it names,
    /// which is read anew at the wish of `who`.
    ///
    /// # Errors
    /// `invalid_client`, and what is wrong with the document; too often.
    pub(crate) async fn client(
        &self,
        id: &str,
        here: &Here,
        who: String,
    ) -> Result<Client, Refused> {
        if self.is_described(id) {
            self.count_try(Tried::Document, who)?;
            return self.described(id, here).await;
        }
        self.known_client(id).await?.ok_or_else(|| {
            refused(
                "invalid_client",
                "this client is not known here, or not any more; register it again",
            )
        })
    }

    /// Whether a client is named by the address of its document.
    pub(crate) fn is_described(&self, id: &str) -> bool {
        let origins = &self.inner.authorization.client_origins;
        is_document_address(id)
            || origins.iter().any(|origin| {
                let path = id.strip_prefix(origin.as_str());
                path.is_some_and(|p| p.starts_with('/') && p.len() > 1)
            })
    }

    pub(crate) async fn known_client(&self, id: &str) -> Result<Option<Client>, Error> {
        if id.is_empty() || id.contains('\0') {
            return Ok(None);
        }
        let (system, local, id) = (self.inner.system, self.inner.clock.now(), id.to_owned());
        self.inner
            .store
            .read(move |r| {
                let now = r.now(local)?;
                Ok(store::apps::get(r, system, &id, now)?)
            })
            .await
    }

    async fn described(&self, id: &str, here: &Here) -> Result<Client, Refused> {
        let bad = |why: String| refused("invalid_client", format!("the document at {id}: {why}"));
        let private = &self.inner.authorization.client_origins;
        let fields = self
            .inner
            .egress
            .client_document(id, private)
            .await
            .map_err(|error| bad(error.to_string()))?;
        if fields.get("client_id").and_then(Value::as_str) != Some(id) {
            return Err(bad("its client_id is not its own address".to_owned()));
        }
        let proof = fields.get("token_endpoint_auth_method");
        if proof.is_some_and(|p| p != ClientProof::None.as_str()) {
            return Err(bad(
                "its token_endpoint_auth_method must be none: a document holds no secret"
                    .to_owned(),
            ));
        }
        if fields.contains_key("client_secret") {
            return Err(bad("it holds a client_secret".to_owned()));
        }
        let within = |refusal: Refused| match refusal {
            Refused::OAuth { why, .. } => bad(why),
            Refused::TooOften(_) | Refused::Failed(_) => refusal,
        };
        let redirect_uris = redirects_of(&fields, here).map_err(within)?;
        check_uses(&fields, &redirect_uris).map_err(within)?;
        let client = Client {
            id: id.to_owned(),
            kind: ClientKind::Document,
            name: name_of(&fields, &redirect_uris).map_err(within)?,
            redirect_uris,
            proof: ClientProof::None,
            secret_sha256: None,
            created_at: self.inner.clock.now(),
        };
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Here {
        Here {
            origins: vec!["https://executor.example".to_owned()],
        }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn code(result: Result<(), Refused>) -> &'static str {
        match result {
            Ok(()) => "",
            Err(Refused::OAuth { code, .. }) => code,
            Err(_) => "other",
        }
    }

    #[test]
    fn metadata_that_could_harm_are_refused() {
        let check = |value: Value| {
            let fields = fields(value);
            redirects_of(&fields, &here()).and_then(|uris| {
                check_uses(&fields, &uris)?;
                name_of(&fields, &uris).map(|_| ())
            })
        };
        let uri = "https://client.example/cb";
        for (value, expected) in [
            (json!({ "redirect_uris": [uri] }), ""),
            (
                json!({ "redirect_uris": [uri], "logo_uri": "https://a.example/x.svg" }),
                "",
            ),
            (
                json!({ "redirect_uris": [uri], "logo_uri": "javascript:alert(1)" }),
                "invalid_client_metadata",
            ),
            (
                json!({ "redirect_uris": [uri], "client_uri": "data:text/html,x" }),
                "invalid_client_metadata",
            ),
            (
                json!({ "redirect_uris": [uri], "client_name": 7 }),
                "invalid_client_metadata",
            ),
            (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
            (json!({}), "invalid_redirect_uri"),
            (json!({ "redirect_uris": "x" }), "invalid_redirect_uri"),
            (
                json!({ "redirect_uris": ["javascript:alert(1)"] }),
                "invalid_redirect_uri",
            ),
            (
                json!({ "redirect_uris": ["https://executor.example/oauth/callback"] }),
                "invalid_redirect_uri",
            ),
            (
                json!({ "redirect_uris": [uri], "response_types": ["token"] }),
                "invalid_client_metadata",
            ),
            (
                json!({ "redirect_uris": [uri], "grant_types": ["client_credentials"] }),
                "invalid_client_metadata",
            ),
            (
                json!({ "grant_types": [super::super::tokens::DEVICE_GRANT] }),
                "",
            ),
        ] {
            assert_eq!(code(check(value.clone())), expected, "{value}");
        }
    }

    #[test]
    fn a_client_without_a_name_is_called_by_its_host() {
        let uris = ["https://client.example/cb".to_owned()];
        let name = |value: Value| name_of(&fields(value), &uris).unwrap();
        assert_eq!(name(json!({ "client_name": "\u{200b}" })), "client.example");
        assert_eq!(name(json!({ "client_name": "Cursor" })), "Cursor");
    }
}
