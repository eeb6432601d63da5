//! What a person is asked on behalf of a client, and what follows from the answer.
//!
//! What is asked travels through the person's browser in a sealed ticket that is bound to the person
//! and to that browser, and lasts ten minutes. So an answer is one to what was shown, and a page of
//! another site cannot give it. Consent is never remembered: each grant is asked for.

use super::{Asking, CODE_MS, CONSENT_MS, GRANT_MS};
use crate::audit::by_person;
use crate::{Engine, Error, ReachedWorkspace, entropy};
use domain::access::{Caller, Channel, Forbidden, Permission, Scope, Scopes};
use domain::canonical::sha256_hex;
use domain::grant::{ClientKind, Grant, Resource, shown_host};
use domain::{GrantId, Timestamp};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::devices::Device;
use store::grants::{Begin, NewCode};

/// How the answer reaches the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// With a code, through the person's browser.
    Browser {
        /// Where to.
        redirect_uri: String,
        /// What the client wants back.
        state: Option<String>,
        /// The S256 challenge of whoever may redeem the code.
        challenge: String,
    },
    /// The client is a device that asks again and again.
    Device {
        /// The code that the person entered.
        user_code: String,
    },
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The client's identifier.
    pub client_id: String,
    /// What it calls itself.
    pub client_name: String,
    /// Where answers go, in words.
    pub host: String,
    /// How the client came to be known: by a document, whose host vouches for it, or by itself.
    pub is_described: bool,
    /// What it asks for, as far as the person has a use for it.
    scopes: String,
    resource: String,
    /// How the answer reaches it.
    pub way: Way,
    expires_at: Timestamp,
}

impl Ticket {
    /// What is asked for.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::parse_stored(&self.scopes)
    }

    fn resource(&self) -> Resource {
        Resource::parse(&self.resource).unwrap_or(Resource::Mcp)
    }
}

/// A page that asks for consent.
#[derive(Debug, Clone)]
pub struct Consent {
    /// What is asked.
    pub ticket: Ticket,
    /// The same, sealed.
    pub sealed: String,
    /// Who is asked.
    pub account_name: String,
    /// The workspaces to choose from, the caller's own first.
    pub workspaces: Vec<ReachedWorkspace>,
}

/// Only a person in a browser consents: a program would grant itself what it likes.
fn in_person(caller: &Caller) -> Result<Scope, Error> {
    if caller.channel != Channel::Dashboard || !caller.speaks_for_person() {
        let what = "grant a client access";
        return Err(Forbidden::Program { what }.into());
    }
    Ok(caller.scope(Permission::OwnKeys)?)
}

fn binding(caller: &Caller, browser: &str) -> String {
    format!(
        "consent of {} in browser {}",
        caller.account_id,
        sha256_hex(browser.as_bytes())
    )
}

fn no_ticket() -> Error {
    Error::invalid(
        "invalid_consent",
        "this page is too old, or was opened by somebody else or in another browser; begin again \
         from the client",
    )
}

impl Engine {
    /// The page that asks a person whether a client may have what it asks for.
    ///
    /// # Errors
    /// `forbidden` for whoever is no person in a browser.
    pub fn consent_to(
        &self,
        caller: &Caller,
        asking: &Asking,
        browser: &str,
    ) -> BoxFuture<'_, Result<Consent, Error>> {
        let ticket = Ticket {
            client_id: asking.client.id.clone(),
            client_name: asking.client.name.clone(),
            host: shown_host(&asking.redirect_uri),
            is_described: asking.client.kind == ClientKind::Document,
            scopes: asking.scopes.to_string(),
            resource: asking.resource.as_str().to_owned(),
            way: Way::Browser {
                redirect_uri: asking.redirect_uri.clone(),
                state: asking.state.clone(),
                challenge: asking.challenge.clone(),
            },
            expires_at: self.inner.clock.now(),
        };
        self.consent_page(caller.clone(), ticket, browser.to_owned())
    }

    /// The page that asks a person whether a device may have what it asks for.
    pub(super) fn consent_to_device(
        &self,
        caller: &Caller,
        device: &Device,
        browser: &str,
    ) -> BoxFuture<'_, Result<Consent, Error>> {
        let is_described = self.is_described(&device.client_id);
        let ticket = Ticket {
            host: if is_described {
                tools::oauth::host_of(&device.client_id).unwrap_or_default()
            } else {
                String::new()
            },
            client_id: device.client_id.clone(),
            client_name: device.client_name.clone(),
            is_described,
            scopes: device.scopes.to_string(),
            resource: device.resource.as_str().to_owned(),
            way: Way::Device {
                user_code: device.user_code.clone(),
            },
            expires_at: self.inner.clock.now(),
        };
        self.consent_page(caller.clone(), ticket, browser.to_owned())
    }

    fn consent_page(
        &self,
        caller: Caller,
        mut ticket: Ticket,
        browser: String,
    ) -> BoxFuture<'_, Result<Consent, Error>> {
        Box::pin(async move {
            let scope = in_person(&caller)?;
            ticket.scopes = ticket
                .scopes()
                .and(Scopes::of_use_to(caller.role))
                .to_string();
            ticket.expires_at = self.shared_now().await?.plus_ms(CONSENT_MS);
            let text = serde_json::to_string(&ticket).map_err(|e| Error::internal(&e))?;
            let keys = &self.inner.credentials;
            let sealed = keys
                .seal_text(&scope, &binding(&caller, &browser), text)
                .await?;
            let me = self.me(&caller).await?;
            let mut workspaces = self.workspaces(&caller).await?;
            workspaces.sort_by_key(|w| w.workspace.id != caller.workspace_id);
            Ok(Consent {
                ticket,
                sealed,
                account_name: me.account.name,
                workspaces,
            })
        })
    }

    async fn ticket(&self, caller: &Caller, sealed: &str, browser: &str) -> Result<Ticket, Error> {
        let scope = in_person(caller)?;
        let opened = self
            .inner
            .credentials
            .open_text(&scope, &binding(caller, browser), sealed)
            .await
            .ok_or_else(no_ticket)?;
        let ticket: Ticket = serde_json::from_str(opened.expose()).map_err(|_| no_ticket())?;
        if self.shared_now().await? >= ticket.expires_at {
            return Err(no_ticket());
        }
        Ok(ticket)
    }

    /// Grants what a ticket asks for, in a workspace and with no more than some of its scopes. Answers
    /// where the person's browser goes, where it goes anywhere.
    ///
    /// # Errors
    /// `invalid_consent`, `invalid_scopes`, `forbidden`; `not_found` for the workspace, or for a code
    /// of a device that was answered meanwhile.
    pub fn grant(
        &self,
        caller: &Caller,
        (sealed, browser): (&str, &str),
        workspace: &str,
        scopes: Scopes,
    ) -> BoxFuture<'_, Result<Option<String>, Error>> {
        let caller = caller.clone();
        let (sealed, browser, workspace) =
            (sealed.to_owned(), browser.to_owned(), workspace.to_owned());
        Box::pin(async move {
            let ticket = self.ticket(&caller, &sealed, &browser).await?;
            let caller = self.enter_workspace(&caller, &workspace).await?;
            let scope = in_person(&caller)?;
            if !scopes.within(ticket.scopes()) {
                return Err(no_ticket());
            }
            let scopes = crate::keys::checked_scopes(&caller, scopes)?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let id = GrantId::from_bits(entropy::bits());
            let code = format!("exc_{}", entropy::hex(&entropy::bytes::<32>()));
            let code_sha256 = sha256_hex(code.as_bytes());
            let asked = ticket.clone();
            self.commit(&scope.clone(), move |tx| {
                let now = tx.now(local)?;
                let grant = Grant {
                    id: id.clone(),
                    workspace_id: scope.workspace_id().clone(),
                    account_id: caller.account_id.clone(),
                    client_id: asked.client_id.clone(),
                    client_name: asked.client_name.clone(),
                    client_host: asked.host.clone(),
                    scopes,
                    resource: asked.resource(),
                    created_at: now,
                    last_used_at: None,
                    expires_at: now.plus_ms(GRANT_MS),
                };
                match &asked.way {
                    Way::Browser {
                        redirect_uri,
                        challenge,
                        ..
                    } => {
                        store::grants::insert(tx, &scope, &grant, Begin::Waiting)?;
                        let code = NewCode {
                            sha256: code_sha256.clone(),
                            redirect_uri: redirect_uri.clone(),
                            challenge: challenge.clone(),
                            expires_at: now.plus_ms(CODE_MS),
                        };
                        store::grants::insert_code(tx, system, &grant, &code)?;
                    }
                    Way::Device { user_code } => {
                        store::grants::insert(tx, &scope, &grant, Begin::Active)?;
                        let id = Some(&grant.id);
                        if !store::devices::say(tx, system, user_code, id, now)? {
                            return Err(no_ticket());
                        }
                    }
                }
                store::apps::keep(tx, system, &grant.client_id, grant.expires_at)?;
                let detail = json!({
                    "client": grant.client_id,
                    "clientName": grant.client_name,
                    "clientHost": grant.client_host,
                    "scopes": grant.scopes.iter().collect::<Vec<_>>(),
                    "resource": grant.resource.as_str(),
                });
                let subject = grant.id.as_str();
                let entry = by_person(&caller, &scope, "grant.created", subject, &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            })
            .await?;
            Ok(self.answered(&ticket, &[("code", code.as_str())]))
        })
    }

    /// Refuses what a ticket asks for. Answers where the person's browser goes, where it goes
    /// anywhere.
    ///
    /// # Errors
    /// `invalid_consent`, `forbidden`.
    pub fn refuse_grant(
        &self,
        caller: &Caller,
        (sealed, browser): (&str, &str),
    ) -> BoxFuture<'_, Result<Option<String>, Error>> {
        let caller = caller.clone();
        let (sealed, browser) = (sealed.to_owned(), browser.to_owned());
        Box::pin(async move {
            let ticket = self.ticket(&caller, &sealed, &browser).await?;
            if let Way::Device { user_code } = &ticket.way {
                let (system, local) = (self.inner.system, self.inner.clock.now());
                let user_code = user_code.clone();
                self.inner
                    .store
                    .write(move |tx| {
                        let now = tx.now(local)?;
                        store::devices::say(tx, system, &user_code, None, now)?;
                        Ok::<_, Error>(())
                    })
                    .await?;
            }
            let error = [
                ("error", "access_denied"),
                ("error_description", "the person said no"),
            ];
            Ok(self.answered(&ticket, &error))
        })
    }

    fn answered(&self, ticket: &Ticket, pairs: &[(&str, &str)]) -> Option<String> {
        match &ticket.way {
            Way::Browser {
                redirect_uri,
                state,
                ..
            } => Some(self.answer(redirect_uri, pairs, state.as_deref())),
            Way::Device { .. } => None,
        }
    }
}
