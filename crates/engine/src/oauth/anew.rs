//! A credential is connected anew, on the terms that it was granted on: one click for the person, and
//! nothing that has to be known again.

use super::ConnectView;
use super::begin::{Beginning, NewConnect, Prepared};
use crate::credentials::permission;
use crate::{Engine, Error};
use domain::CredentialId;
use domain::access::Caller;
use domain::connect::Asked;
use domain::oauth::{ConnectionState, Flow, Pending, TokenSet};
use futures_util::future::BoxFuture;

impl Engine {
    /// Begins a connect in the place of a credential, on the terms that it was granted on and with what
    /// its source has asked for since.
    ///
    /// # Errors
    /// As [`Engine::begin_connect`].
    pub fn reconnect(
        &self,
        caller: &Caller,
        id: &CredentialId,
    ) -> BoxFuture<'_, Result<ConnectView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let credential = self.credential(&caller, &id).await?.credential;
            let scope = caller.scope(permission(credential.scope))?;
            let not_granted = || {
                let text = "this credential is a value that somebody set; set another one";
                Error::invalid("invalid_connect", text)
            };
            let connection = credential.connection.clone().ok_or_else(not_granted)?;
            let is_lost = matches!(connection.state, ConnectionState::Error { .. });
            if is_lost || connection.flow != Flow::Browser {
                // Who we are there, or where that is, may have changed.
                let new = NewConnect {
                    source: credential.source_id.to_string(),
                    scope: credential.scope,
                    label: credential.label,
                    flow: Some(connection.flow),
                    scopes: Vec::new(),
                    issuer: None,
                    endpoints: None,
                    client_id: None,
                    client_secret: None,
                    private_origins: Vec::new(),
                };
                return self.begin_connect(&caller, new).await;
            }
            let source = self.source(&caller, credential.source_id.as_str()).await?;
            let opened = self.sealed_now(&scope, &id).await?;
            let (_, opened, now) = opened.ok_or_else(|| Error::not_found("credential", &id))?;
            let set = TokenSet::from_secret(&opened).map_err(|e| Error::internal(&e))?;
            let scopes = [connection.scopes.as_slice(), &connection.wanted].concat();
            let pending = Pending {
                setup: set.setup,
                client_secret: set.client_secret,
                scopes: domain::oauth::scopes(&scopes.join(" ")),
                proof: None,
            };
            let address = pending.setup.authorization_endpoint.as_deref();
            let asked = Asked {
                host: address.and_then(tools::oauth::host_of).unwrap_or_default(),
                scopes: pending.scopes.clone(),
                wider: connection.wanted,
                device: None,
            };
            let connect = Beginning {
                source: &source,
                scope: credential.scope,
                label: credential.label,
                asked,
            }
            .at(&caller, Flow::Browser, now);
            let private = &pending.setup.private_origins;
            let prepared = Prepared {
                servers: self.inner.egress.authorization_servers(private),
                scope,
                source,
                connect,
                pending,
            };
            let connect = self.begin_in_browser(&caller, prepared).await?;
            self.connect_view(&caller, connect).await
        })
    }
}
