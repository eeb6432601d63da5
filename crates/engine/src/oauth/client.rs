//! Who we are to an authorization server: what a person gave, what is kept, a document of our own, or
//! a new client. Nothing is registered where something is known.

use super::{CLIENT_NAME, CLIENT_PATH, refused};
use crate::{Engine, Error};
use domain::Timestamp;
use domain::access::Scope;
use domain::credential::Secret;
use domain::oauth::{ClientAuth, ClientOrigin, Flow, Setup};
use serde_json::{Value, json};
use tools::oauth::{Found, Registration, Servers};

/// A client as a person gives it.
pub(super) struct Given {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
}

/// What a client is needed for.
pub(super) struct Wanted<'a> {
    pub(super) source: &'a str,
    pub(super) flow: Flow,
    pub(super) found: &'a Found,
    pub(super) private_origins: Vec<String>,
    /// Whether what a person gives is kept for everybody in the workspace.
    pub(super) keep: Keep,
}

/// Whether a given client is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    No,
}

/// Who we are.
struct Client {
    id: String,
    secret: Option<Secret>,
    auth: ClientAuth,
    origin: ClientOrigin,
}

/// What a client is kept under. An issuer that named itself and one that did not are never taken for
/// each other.
fn kept_under(found: &Found) -> String {
    if found.issuer_known {
        found.issuer.clone()
    } else {
        format!("origin:{}", found.issuer)
    }
}

pub(crate) fn binding(scope: &Scope, issuer: &str, client_id: &str) -> String {
    format!(
        "oauth client {}/{}/{issuer} {client_id}",
        scope.organization_id(),
        scope.workspace_id()
    )
}

impl Engine {
    /// How to reach an authorization server, and as whom.
    pub(super) async fn set_up(
        &self,
        scope: &Scope,
        servers: &Servers,
        wanted: Wanted<'_>,
        given: Option<Given>,
    ) -> Result<(Setup, Option<Secret>), Error> {
        let client = self.client_for(scope, servers, &wanted, given).await?;
        let found = wanted.found;
        let lacking = |what: &str, flag: &str| {
            Error::invalid(
                "connect_failed",
                format!(
                    "{} could not be connected: {} does not say {what}; give it with {flag}",
                    wanted.source, found.issuer
                ),
            )
        };
        if wanted.flow == Flow::Browser && found.authorization_endpoint.is_none() {
            return Err(lacking("where a person agrees", "--authorization-url"));
        }
        let token_endpoint = found
            .token_endpoint
            .clone()
            .ok_or_else(|| lacking("where tokens are given out", "--token-url"))?;
        let setup = Setup {
            issuer: found.issuer.clone(),
            issuer_known: found.issuer_known,
            names_itself: found.names_itself,
            authorization_endpoint: found.authorization_endpoint.clone(),
            token_endpoint,
            device_endpoint: found.device_endpoint.clone(),
            revocation_endpoint: found.revocation_endpoint.clone(),
            client_id: client.id,
            client_auth: client.auth,
            client_origin: client.origin,
            resource: found.resource.clone(),
            private_origins: wanted.private_origins,
        };
        Ok((setup, client.secret))
    }

    async fn client_for(
        &self,
        scope: &Scope,
        servers: &Servers,
        wanted: &Wanted<'_>,
        given: Option<Given>,
    ) -> Result<Client, Error> {
        let found = wanted.found;
        if let Some(given) = given {
            let client = Client {
                auth: found.client_auth(given.secret.is_some()),
                id: given.id,
                secret: given.secret,
                origin: ClientOrigin::Given,
            };
            if wanted.keep == Keep::Yes {
                self.keep_client(scope, found, &client, "", None).await?;
            }
            return Ok(client);
        }
        if let Some(client) = self.kept_client(scope, found).await? {
            return Ok(client);
        }
        let redirect_uri = self.callback_url();
        if wanted.flow == Flow::ClientCredentials {
            return Err(Error::invalid(
                "client_needed",
                format!(
                    "{} grants tokens to a client it knows; give its identifier with --client-id, \
                     and its secret when asked",
                    found.issuer
                ),
            ));
        }
        if found.takes_documents && self.inner.public_url.starts_with("https://") {
            return Ok(Client {
                id: format!("{}{CLIENT_PATH}", self.inner.public_url),
                secret: None,
                auth: ClientAuth::None,
                origin: ClientOrigin::Document,
            });
        }
        let Some(endpoint) = &found.registration_endpoint else {
            return Err(Error::invalid(
                "client_needed",
                format!(
                    "{} takes no new clients by itself; make one there that sends people back to \
                     {redirect_uri}, and give its identifier with --client-id",
                    found.issuer
                ),
            ));
        };
        // Whoever came first may have made one by now.
        let _alone = self.inner.flights.registering.lock().await;
        if let Some(client) = self.kept_client(scope, found).await? {
            return Ok(client);
        }
        let registration = Registration {
            redirect_uri: &redirect_uri,
            name: CLIENT_NAME,
            auth: found.registered_auth(),
            device: found.device_endpoint.is_some(),
        };
        let made = servers
            .register(endpoint, &registration)
            .await
            .map_err(|e| refused(wanted.source, &e))?;
        let client = Client {
            id: made.client_id,
            secret: made.client_secret,
            auth: made.auth,
            origin: ClientOrigin::Registered,
        };
        let until = made
            .expires_at_s
            .map(|s| Timestamp(s.saturating_mul(1_000)));
        self.keep_client(scope, found, &client, &redirect_uri, until)
            .await?;
        Ok(client)
    }

    async fn kept_client(&self, scope: &Scope, found: &Found) -> Result<Option<Client>, Error> {
        let (within, issuer) = (scope.clone(), kept_under(found));
        let (key, redirect_uri) = (issuer.clone(), self.callback_url());
        let local = self.inner.clock.now();
        let kept = self
            .inner
            .store
            .read(move |r| {
                let now = r.now(local)?;
                Ok::<_, Error>(store::oauth::client(r, &within, &key, &redirect_uri, now)?)
            })
            .await?;
        let Some(kept) = kept else { return Ok(None) };
        let binding = binding(scope, &issuer, &kept.client_id);
        let secret = match &kept.sealed {
            None => None,
            Some(sealed) => {
                let keys = &self.inner.credentials;
                let opened = keys.open_text(scope, &binding, &sealed.0).await;
                Some(opened.ok_or_else(|| Error::internal(&"a client's secret does not open"))?)
            }
        };
        Ok(Some(Client {
            id: kept.client_id,
            secret,
            auth: kept.client_auth,
            origin: kept.client_origin,
        }))
    }

    async fn keep_client(
        &self,
        scope: &Scope,
        found: &Found,
        client: &Client,
        redirect_uri: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let issuer = kept_under(found);
        let binding = binding(scope, &issuer, &client.id);
        let keys = &self.inner.credentials;
        let sealed = match &client.secret {
            None => None,
            Some(secret) => {
                let text = secret.expose().to_owned();
                Some(keys.seal_text(scope, &binding, text).await?)
            }
        };
        let kept = store::oauth::Client {
            issuer,
            redirect_uri: redirect_uri.to_owned(),
            client_id: client.id.clone(),
            client_auth: client.auth,
            client_origin: client.origin,
            sealed: sealed.map(domain::credential::Sealed),
            created_at: self.inner.clock.now(),
            expires_at,
        };
        let within = scope.clone();
        self.inner
            .store
            .write(move |tx| Ok::<_, Error>(store::oauth::keep_client(tx, &within, &kept)?))
            .await
    }

    /// Forgets a client that was made and that the server that made it does not know any more.
    pub(super) async fn forget_client(&self, scope: &Scope, setup: &Setup) -> Result<(), Error> {
        if setup.client_origin != ClientOrigin::Registered {
            return Ok(());
        }
        let (within, client_id) = (scope.clone(), setup.client_id.clone());
        let issuer = if setup.issuer_known {
            setup.issuer.clone()
        } else {
            format!("origin:{}", setup.issuer)
        };
        self.inner
            .store
            .write(move |tx| {
                Ok::<_, Error>(store::oauth::forget_client(
                    tx, &within, &issuer, &client_id,
                )?)
            })
            .await
    }

    /// The document that describes us as a client, for authorization servers that read such.
    #[must_use]
    pub fn client_document(&self) -> Value {
        let redirect_uri = self.callback_url();
        let registration = Registration {
            redirect_uri: &redirect_uri,
            name: CLIENT_NAME,
            auth: ClientAuth::None,
            device: true,
        };
        let mut document = registration.metadata();
        document["client_id"] = json!(format!("{}{CLIENT_PATH}", self.inner.public_url));
        document["client_uri"] = json!(self.inner.public_url);
        document
    }
}
