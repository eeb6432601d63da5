//! OAuth credentials: how a person comes to one, how it stays good, and what a call gets of it.
//!
//! Read in the order of a life: `begin` (whom to ask), `client` (as whom), `agree` (the person in the
//! browser), `device` (the person elsewhere), `renew` (once for all who wait, and once among servers),
//! `attach` (the call), `anew` (after a refusal), `duty` (what is done without being asked). How to
//! speak to an authorization server is in `tools/oauth.rs`; what may be seen of a credential, in
//! `domain/oauth.rs`.

mod agree;
mod anew;
mod attach;
mod begin;
mod client;
mod device;
mod duty;
mod renew;

pub(crate) use agree::name_of;
pub use agree::{SentAway, answer_name};
pub(crate) use attach::For;
pub use begin::NewConnect;
pub(crate) use client::binding as client_binding;

use crate::audit::{by_person, by_server};
use crate::credentials::permission;
use crate::keys::composed;
use crate::{Check, CheckStatus, Engine, Error, entropy};
use domain::access::{Caller, Channel, Permission, Scope};
use domain::connect::{Connect, ConnectStatus, LABEL_CHARS_MAX};
use domain::credential::{Credential, Secret};
use domain::event::EventKind;
use domain::oauth::{Connection, ConnectionState, Flow, Setup, SourceOAuth, TokenSet};
use domain::source::{AuthScheme, OAuthHint, Source};
use domain::{ConnectId, CredentialId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Mutex as Gate;
use tools::oauth::{OAuthError, Tokens};

/// Where browsers come back to.
pub const CALLBACK_PATH: &str = "/oauth/callback";

/// Where the document is that describes us as a client.
pub const CLIENT_PATH: &str = "/.well-known/oauth-client";

/// What we are called at authorization servers.
const CLIENT_NAME: &str = "Executor";

/// What this server remembers of renewals. Truth is in the database.
#[derive(Default)]
pub(crate) struct Flights {
    /// Held by whoever renews a credential here; the others wait and look again.
    gates: Mutex<HashMap<CredentialId, Arc<Gate<()>>>>,
    /// Which version a source last refused that looked good, and when.
    forced: Mutex<HashMap<CredentialId, (u32, Timestamp)>>,
    /// Held while a new client is made.
    registering: Gate<()>,
}

/// Credentials of which something is remembered; beyond it all is forgotten.
const REMEMBERED_MAX: usize = 10_000;

impl Flights {
    fn gate(&self, id: &CredentialId) -> Arc<Gate<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= REMEMBERED_MAX {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        Arc::clone(gates.entry(id.clone()).or_default())
    }

    /// Whether a refused token may be renewed now: all calls that carried it, but not one version
    /// after the other for a source that refuses everything.
    fn may_force(&self, id: &CredentialId, version: u32, now: Timestamp) -> bool {
        const EVERY_MS: u64 = 60_000;
        let mut forced = self.forced.lock().unwrap_or_else(PoisonError::into_inner);
        if forced.len() >= REMEMBERED_MAX {
            forced.clear();
        }
        match forced.get(id) {
            Some((refused, _)) if *refused == version => true,
            Some((_, at)) if now.since(*at) < EVERY_MS => false,
            Some(_) | None => {
                forced.insert(id.clone(), (version, now));
                true
            }
        }
    }
}

/// A connect with what people are shown of it.
#[derive(Debug, Clone)]
pub struct ConnectView {
    /// The connect.
    pub connect: Connect,
    /// The name of its source.
    pub source_name: String,
    /// Where it stands: `pending`, `connected`, `failed` or `expired`.
    pub status: &'static str,
    /// The page on which a person goes on.
    pub url: String,
}

impl Engine {
    /// The page on which a person connects a credential anew.
    pub(crate) fn connect_url(&self, scope: &Scope, credential: &CredentialId) -> String {
        let workspace = scope.workspace_id();
        format!(
            "{}/connect/{credential}?workspace={workspace}",
            self.inner.public_url
        )
    }

    fn callback_url(&self) -> String {
        format!("{}{CALLBACK_PATH}", self.inner.public_url)
    }

    /// Where a connect stands. Whoever began it sees it, nobody else.
    ///
    /// # Errors
    /// `not_found`.
    pub fn connect(
        &self,
        caller: &Caller,
        id: &ConnectId,
    ) -> BoxFuture<'_, Result<ConnectView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeCredentials)?;
            let wanted = id.clone();
            let found = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::connects::get(r, &scope, &wanted)?))
                .await?
                .filter(|c| c.account_id == caller.account_id)
                .ok_or_else(|| Error::not_found("connect", &id))?;
            self.connect_view(&caller, found).await
        })
    }

    async fn connect_view(&self, caller: &Caller, connect: Connect) -> Result<ConnectView, Error> {
        let source = self.source(caller, connect.source_id.as_str()).await?;
        let now = self.shared_now().await?;
        Ok(ConnectView {
            status: connect.shown_status(now),
            url: format!("{}/connect/{}", self.inner.public_url, connect.id),
            source_name: source.name,
            connect,
        })
    }

    /// Makes the credential that somebody agreed to, or puts it in the place of the one before, and
    /// ends the connect with it: one write.
    async fn granted(
        &self,
        caller: &Caller,
        connect: &Connect,
        granted: Granted,
    ) -> Result<CredentialId, Error> {
        let scope = caller.scope(permission(connect.scope))?;
        let now = self.shared_now().await?;
        let known = self
            .own_credentials(&scope, caller)
            .await?
            .into_iter()
            .find(|c| {
                c.source_id == connect.source_id
                    && c.scope == connect.scope
                    && c.label == connect.label
            });
        let before = known.as_ref().and_then(|c| c.connection.clone());
        let connection = granted.connection(connect, before.as_ref());
        let credential = match known {
            Some(old) => Credential {
                scheme: AuthScheme::Bearer,
                version: old.version + 1,
                rotated_at: now,
                connection: Some(connection),
                ..old
            },
            None => Credential {
                id: CredentialId::from_bits(entropy::bits()),
                source_id: connect.source_id.clone(),
                scope: connect.scope,
                account_id: caller.account_id.clone(),
                label: connect.label.clone(),
                scheme: AuthScheme::Bearer,
                version: 1,
                created_at: now,
                rotated_at: now,
                last_used_at: None,
                last_used_by: None,
                connection: Some(connection),
            },
        };
        let set = TokenSet {
            setup: granted.setup,
            client_secret: granted.client_secret,
            access_token: granted.tokens.access_token,
            refresh_token: granted.tokens.refresh_token,
        };
        let keys = &self.inner.credentials;
        let sealed = keys.seal(&scope, &credential, &set.to_secret()).await?;
        let id = credential.id.clone();
        let (within, caller, connect_id) = (scope.clone(), caller.clone(), connect.id.clone());
        self.commit(&scope, move |tx| {
            store::credentials::upsert(tx, &within, &credential, &sealed)?;
            let connected = ConnectStatus::Connected(credential.id.clone());
            store::connects::end(tx, &within, &connect_id, &connected)?;
            let detail = detail(&credential);
            let subject = credential.id.as_str();
            let draft = by_person(
                &caller,
                &within,
                "credential.connected",
                subject,
                &detail,
                now,
            );
            store::audit::append(tx, &within, draft)?;
            tell(tx, &within, &credential, "connected", now)
        })
        .await?;
        Ok(id)
    }

    /// Ends a connect that came to nothing.
    async fn not_granted(
        &self,
        scope: &Scope,
        connect: &Connect,
        why: String,
    ) -> Result<(), Error> {
        let (within, id) = (scope.clone(), connect.id.clone());
        self.commit(scope, move |tx| {
            store::connects::end(tx, &within, &id, &ConnectStatus::Failed(why.clone()))?;
            Ok(())
        })
        .await
    }

    /// The credentials of the local workspace that a person has to look at.
    pub(crate) async fn credentials_check(&self) -> Check {
        let caller = self.local_caller(Channel::Api, String::new());
        let (found, now) = match (self.credentials(&caller).await, self.shared_now().await) {
            (Ok(found), Ok(now)) => (found, now),
            (Err(error), _) | (_, Err(error)) => {
                return Check::new("credentials", CheckStatus::Problem, error.to_string());
            }
        };
        let of_state = |wanted: &str| {
            let of_state = found.iter().filter(|view| {
                let connection = view.credential.connection.as_ref();
                connection.is_some_and(|c| c.shown_state(now) == wanted)
            });
            of_state.map(|v| v.source_name.as_str()).collect::<Vec<_>>()
        };
        let states = ["reauthorization_required", "error", "expiring"];
        let bad: Vec<String> = states
            .into_iter()
            .map(|state| (state, of_state(state)))
            .filter(|(_, names)| !names.is_empty())
            .map(|(state, names)| format!("{state}: {}", names.join(", ")))
            .collect();
        if bad.is_empty() {
            let message = format!("{} set", found.len());
            return Check::new("credentials", CheckStatus::Ok, message);
        }
        Check {
            next_step: Some(
                "Run `executor credentials connect SOURCE`; `credentials list` says why.".into(),
            ),
            ..Check::new("credentials", CheckStatus::Warning, bad.join("; "))
        }
    }
}

/// What an authorization server gave out, and on what terms.
struct Granted {
    setup: Setup,
    client_secret: Option<Secret>,
    tokens: Tokens,
    /// What was asked for: what it is good for where the server does not say (RFC 6749, section 5.1).
    asked: Vec<String>,
    /// When it was asked for: its life counts from then.
    asked_at: Timestamp,
}

impl Granted {
    fn connection(&self, connect: &Connect, before: Option<&Connection>) -> Connection {
        let scopes = self.tokens.scopes.clone();
        // Somebody who widens by hand starts anew; who only follows what the source asks does not.
        let step_ups = match before {
            Some(before) if !connect.asked.wider.is_empty() => before.step_ups,
            Some(_) | None => 0,
        };
        Connection {
            issuer: self.setup.issuer.clone(),
            flow: connect.flow,
            account: self.tokens.account.clone(),
            scopes: scopes.unwrap_or_else(|| self.asked.clone()),
            wanted: Vec::new(),
            step_ups,
            renewable: connect.flow == Flow::ClientCredentials
                || self.tokens.refresh_token.is_some(),
            granted_at: self.asked_at,
            issued_at: self.asked_at,
            expires_at: self.tokens.lasts_ms.map(|ms| self.asked_at.plus_ms(ms)),
            failures: 0,
            failed_at: None,
            state: ConnectionState::Connected,
        }
    }
}

/// What the audit log keeps of a credential that was granted.
fn detail(credential: &Credential) -> serde_json::Value {
    let connection = credential.connection.as_ref();
    json!({
        "source": credential.source_id,
        "scope": credential.scope,
        "label": credential.label,
        "version": credential.version,
        "issuer": connection.map(|c| c.issuer.as_str()),
        "flow": connection.map(|c| c.flow.as_str()),
        "account": connection.and_then(|c| c.account.as_deref()),
        "scopes": connection.map(|c| &c.scopes),
    })
}

/// Tells whoever follows the workspace what became of a credential.
fn tell(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    credential: &Credential,
    change: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let kind = EventKind::Credential {
        credential_id: credential.id.clone(),
        source_id: credential.source_id.clone(),
        change: change.to_owned(),
    };
    store::events::append(tx, scope, None, now, &kind)?;
    Ok(())
}

/// The same, and keeps it: what the server found out by itself.
fn tell_by_server(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    credential: &Credential,
    change: &str,
    mut detail: serde_json::Value,
    now: Timestamp,
) -> Result<(), Error> {
    detail["source"] = json!(credential.source_id);
    let action = format!("credential.{change}");
    let draft = by_server(scope, &action, credential.id.as_str(), &detail, now);
    store::audit::append(tx, scope, draft)?;
    tell(tx, scope, credential, change, now)
}

/// Keeps where the description says that OAuth tokens are to be had.
pub(crate) fn keep_hints(
    tx: &mut store::Tx<'_>,
    scope: &Scope,
    source: &Source,
    hints: &[OAuthHint],
) -> Result<(), Error> {
    let known = store::oauth::of_source(tx, scope, &source.id)?;
    let known = SourceOAuth {
        hints: hints.to_vec(),
        ..known
    };
    Ok(store::oauth::set_of_source(tx, scope, &source.id, &known)?)
}

/// A text that can tell apart several accounts, composed: none that looks like another is another.
pub(crate) fn checked_label(label: &str) -> Result<String, Error> {
    if label.chars().count() <= LABEL_CHARS_MAX && !label.chars().any(char::is_control) {
        return Ok(composed(label));
    }
    Err(Error::invalid(
        "invalid_label",
        format!("a label has at most {LABEL_CHARS_MAX} characters and no control characters"),
    ))
}

/// Why connecting did not work, for whoever asked.
fn refused(source: &str, error: &OAuthError) -> Error {
    Error::invalid(
        "connect_failed",
        format!("{source} could not be connected: {error}"),
    )
}
