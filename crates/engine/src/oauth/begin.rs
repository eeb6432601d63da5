//! A connect begins: whom to ask, as whom, and what for.
//!
//! What an administrator gives is kept for the source, so that others connect by its name alone; what
//! anybody else gives is good for that once. Private addresses are an administrator's to allow.

use super::client::{Given, Keep, Wanted};
use super::{ConnectView, Granted, checked_label, refused};
use crate::audit::by_person;
use crate::credentials::permission;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::connect::{Asked, CONNECT_MS, Connect, ConnectStatus};
use domain::credential::{CredentialScope, Sealed, Secret};
use domain::oauth::{Flow, Pending, SourceOAuth};
use domain::source::{OAuthHint, Source};
use domain::{ConnectId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use tools::oauth::{Asking, Found, Grant, Servers};

/// Most origins on private networks that a source may need.
const PRIVATE_ORIGINS_MAX: usize = 8;

/// A connect to begin.
#[derive(Clone)]
pub struct NewConnect {
    /// The source: its name or identifier.
    pub source: String,
    /// Whom the credential will serve.
    pub scope: CredentialScope,
    /// Tells apart several accounts; empty for the only one.
    pub label: String,
    /// How; in the browser if absent.
    pub flow: Option<Flow>,
    /// What to ask for; what the source says if empty.
    pub scopes: Vec<String>,
    /// The authorization server, where a person knows better.
    pub issuer: Option<String>,
    /// Its addresses, where it does not describe itself.
    pub endpoints: Option<OAuthHint>,
    /// Who we are there, where a person made a client.
    pub client_id: Option<String>,
    /// The client's secret.
    pub client_secret: Option<Secret>,
    /// Origins on private networks that may be reached for this.
    pub private_origins: Vec<String>,
}

/// What is known of a connect before anybody is asked.
pub(super) struct Prepared {
    pub(super) scope: Scope,
    pub(super) source: Source,
    pub(super) servers: Servers,
    pub(super) connect: Connect,
    pub(super) pending: Pending,
}

/// What a connect is for.
pub(super) struct Beginning<'a> {
    pub(super) source: &'a Source,
    pub(super) scope: CredentialScope,
    pub(super) label: String,
    pub(super) asked: Asked,
}

impl Beginning<'_> {
    pub(super) fn at(self, caller: &Caller, flow: Flow, now: Timestamp) -> Connect {
        Connect {
            id: ConnectId::from_bits(entropy::bits()),
            source_id: self.source.id.clone(),
            account_id: caller.account_id.clone(),
            scope: self.scope,
            label: self.label,
            flow,
            asked: self.asked,
            status: ConnectStatus::Pending,
            browser_sha256: None,
            created_at: now,
            expires_at: now.plus_ms(CONNECT_MS),
        }
    }
}

impl Engine {
    /// Begins a connect. With client credentials it is at its end when this returns.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_connect`; `connect_failed` with what was tried and what came
    /// back; `client_needed` where a person has to make a client first.
    pub fn begin_connect(
        &self,
        caller: &Caller,
        new: NewConnect,
    ) -> BoxFuture<'_, Result<ConnectView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let prepared = self.prepare_connect(&caller, new).await?;
            let connect = match prepared.connect.flow {
                Flow::Browser => self.begin_in_browser(&caller, prepared).await?,
                Flow::Device => self.begin_on_device(&caller, prepared).await?,
                Flow::ClientCredentials => self.connect_at_once(&caller, prepared).await?,
            };
            self.connect_view(&caller, connect).await
        })
    }

    async fn prepare_connect(&self, caller: &Caller, new: NewConnect) -> Result<Prepared, Error> {
        let scope = caller.scope(permission(new.scope))?;
        let may_manage = caller.scope(Permission::ManageSources);
        if !new.private_origins.is_empty() {
            may_manage.clone()?;
            self.not_as_visitor(caller, "reach private addresses")
                .await?;
        }
        let new = checked(new)?;
        let source = self.source(caller, &new.source).await?;
        let known = self.known_of(&scope, &source).await?;
        let learned = learn(known, &new)?;
        let mut private_origins = learned.private_origins.clone();
        if source.allow_private {
            private_origins.extend(tools::oauth::origin_of(&source.base_url));
        }
        let servers = self.inner.egress.authorization_servers(&private_origins);
        let flow = new.flow.unwrap_or(Flow::Browser);
        let asking = Asking {
            base_url: &source.base_url,
            hints: &learned.hints,
            manual: learned.manual.as_ref(),
            issuer: learned.issuer.as_deref(),
            flow,
        };
        let found = servers.discover(&asking).await;
        let found = found.map_err(|e| refused(&source.name, &e))?;
        let wanted = Wanted {
            source: &source.name,
            flow,
            found: &found,
            private_origins,
            keep: match may_manage {
                Ok(_) => Keep::Yes,
                Err(_) => Keep::No,
            },
        };
        let given = new.client_id.clone().map(|id| Given {
            id,
            secret: new.client_secret.clone(),
        });
        let (setup, client_secret) = self.set_up(&scope, &servers, wanted, given).await?;
        if may_manage.is_ok() {
            self.keep_of(&scope, &source, &learned).await?;
        }
        let (scopes, wider) = self.what_for(caller, &scope, &source, &new, &found).await?;
        let address = match flow {
            Flow::Browser => setup.authorization_endpoint.as_ref(),
            Flow::Device | Flow::ClientCredentials => Some(&setup.token_endpoint),
        };
        let host = address.and_then(|a| tools::oauth::host_of(a));
        let now = self.shared_now().await?;
        let asked = Asked {
            host: host.unwrap_or_default(),
            scopes: scopes.clone(),
            wider,
            device: None,
        };
        let connect = Beginning {
            source: &source,
            scope: new.scope,
            label: new.label,
            asked,
        }
        .at(caller, flow, now);
        let pending = Pending {
            setup,
            client_secret,
            scopes,
            proof: None,
        };
        Ok(Prepared {
            scope,
            source,
            servers,
            connect,
            pending,
        })
    }

    async fn known_of(&self, scope: &Scope, source: &Source) -> Result<SourceOAuth, Error> {
        let (scope, id) = (scope.clone(), source.id.clone());
        self.inner
            .store
            .read(move |r| Ok(store::oauth::of_source(r, &scope, &id)?))
            .await
    }

    async fn keep_of(
        &self,
        scope: &Scope,
        source: &Source,
        learned: &SourceOAuth,
    ) -> Result<(), Error> {
        let (scope, id, learned) = (scope.clone(), source.id.clone(), learned.clone());
        self.inner
            .store
            .write(move |tx| {
                // The hints are the description's, which may have been read anew meanwhile.
                let hints = store::oauth::of_source(tx, &scope, &id)?.hints;
                let kept = SourceOAuth {
                    hints,
                    ..learned.clone()
                };
                Ok(store::oauth::set_of_source(tx, &scope, &id, &kept)?)
            })
            .await
    }

    /// What to ask for, and which of it the credential so far does not have: what a person says; else
    /// what it has with what the source asked for since; else what the source says.
    async fn what_for(
        &self,
        caller: &Caller,
        scope: &Scope,
        source: &Source,
        new: &NewConnect,
        found: &Found,
    ) -> Result<(Vec<String>, Vec<String>), Error> {
        let before = self
            .own_credentials(scope, caller)
            .await?
            .into_iter()
            .find(|c| c.source_id == source.id && c.scope == new.scope && c.label == new.label)
            .and_then(|c| c.connection);
        let (mut scopes, wider) = match before {
            _ if !new.scopes.is_empty() => (new.scopes.clone(), Vec::new()),
            Some(before) if !before.wanted.is_empty() => {
                let joined = [before.scopes.as_slice(), before.wanted.as_slice()].concat();
                (joined, before.wanted)
            }
            Some(before) if !before.scopes.is_empty() => (before.scopes, Vec::new()),
            Some(_) | None => (found.scopes.clone(), Vec::new()),
        };
        let is_for_a_person = new.flow != Some(Flow::ClientCredentials);
        if found.offline && is_for_a_person && new.scopes.is_empty() {
            scopes.push("offline_access".to_owned());
        }
        Ok((domain::oauth::scopes(&scopes.join(" ")), wider))
    }

    pub(super) async fn begin_in_browser(
        &self,
        caller: &Caller,
        prepared: Prepared,
    ) -> Result<Connect, Error> {
        let sealed = self
            .seal_pending(&prepared.scope, &prepared.connect.id, &prepared.pending)
            .await?;
        self.record(caller, &prepared, sealed, None).await?;
        Ok(prepared.connect)
    }

    async fn begin_on_device(
        &self,
        caller: &Caller,
        mut prepared: Prepared,
    ) -> Result<Connect, Error> {
        let Pending {
            setup,
            client_secret,
            scopes,
            ..
        } = &prepared.pending;
        let device = prepared
            .servers
            .device(setup, client_secret.as_ref(), scopes)
            .await
            .map_err(|e| refused(&prepared.source.name, &e))?;
        let uri = &device.shown.verification_uri;
        prepared.connect.asked.host = tools::oauth::host_of(uri).unwrap_or_default();
        prepared.connect.asked.device = Some(device.shown);
        let lasts_ms = device.lasts_ms.min(CONNECT_MS);
        prepared.connect.expires_at = prepared.connect.created_at.plus_ms(lasts_ms);
        prepared.pending.proof = Some(device.code);
        let sealed = self
            .seal_pending(&prepared.scope, &prepared.connect.id, &prepared.pending)
            .await?;
        let first = prepared.connect.created_at.plus_ms(device.poll_ms.into());
        self.record(caller, &prepared, sealed, Some((first, device.poll_ms)))
            .await?;
        Ok(prepared.connect)
    }

    async fn connect_at_once(&self, caller: &Caller, prepared: Prepared) -> Result<Connect, Error> {
        let Pending {
            setup,
            client_secret,
            scopes,
            ..
        } = &prepared.pending;
        let asked_at = self.shared_now().await?;
        let tokens = prepared
            .servers
            .token(setup, client_secret.as_ref(), Grant::Client { scopes })
            .await
            .map_err(|e| refused(&prepared.source.name, &e))?;
        let sealed = self
            .seal_pending(&prepared.scope, &prepared.connect.id, &prepared.pending)
            .await?;
        self.record(caller, &prepared, sealed, None).await?;
        let granted = Granted {
            setup: setup.clone(),
            client_secret: client_secret.clone(),
            asked: scopes.clone(),
            tokens,
            asked_at,
        };
        let id = self.granted(caller, &prepared.connect, granted).await?;
        Ok(Connect {
            status: ConnectStatus::Connected(id),
            ..prepared.connect
        })
    }

    async fn record(
        &self,
        caller: &Caller,
        prepared: &Prepared,
        sealed: Sealed,
        poll: Option<(Timestamp, u32)>,
    ) -> Result<(), Error> {
        let (scope, connect) = (prepared.scope.clone(), prepared.connect.clone());
        let detail = json!({
            "source": connect.source_id,
            "scope": connect.scope,
            "label": connect.label,
            "flow": connect.flow.as_str(),
            "issuer": prepared.pending.setup.issuer,
            "clientOrigin": prepared.pending.setup.client_origin,
            "scopes": connect.asked.scopes,
        });
        let (within, caller, now) = (scope.clone(), caller.clone(), connect.created_at);
        self.commit(&scope, move |tx| {
            store::connects::insert(tx, &within, &connect, &sealed, poll)?;
            let subject = connect.id.as_str();
            let draft = by_person(&caller, &within, "connect.begun", subject, &detail, now);
            store::audit::append(tx, &within, draft)?;
            Ok(())
        })
        .await
    }

    pub(super) async fn seal_pending(
        &self,
        scope: &Scope,
        id: &ConnectId,
        pending: &Pending,
    ) -> Result<Sealed, Error> {
        let text = pending.to_secret().expose().to_owned();
        let keys = &self.inner.credentials;
        keys.seal_text(scope, &pending_binding(scope, id), text)
            .await
            .map(Sealed)
    }

    pub(super) async fn open_pending(
        &self,
        scope: &Scope,
        id: &ConnectId,
        sealed: &Sealed,
    ) -> Result<Pending, Error> {
        let keys = &self.inner.credentials;
        keys.open_text(scope, &pending_binding(scope, id), &sealed.0)
            .await
            .and_then(|text| Pending::from_secret(&text).ok())
            .ok_or_else(|| Error::internal(&"what is sealed of a connect does not open"))
    }
}

fn pending_binding(scope: &Scope, id: &ConnectId) -> String {
    format!(
        "connect {}/{}/{id}",
        scope.organization_id(),
        scope.workspace_id()
    )
}

/// What is known of connecting to the source, with what a person says now.
fn learn(known: SourceOAuth, new: &NewConnect) -> Result<SourceOAuth, Error> {
    let mut learned = known;
    if let Some(endpoints) = &new.endpoints {
        learned.manual = Some(endpoints.clone());
        learned.issuer = None;
    }
    if let Some(issuer) = &new.issuer {
        learned.issuer = Some(issuer.clone());
    }
    for text in &new.private_origins {
        let origin = tools::oauth::origin_of(text).ok_or_else(|| {
            Error::invalid(
                "invalid_connect",
                format!("'{text}' is no origin; one looks like http://127.0.0.1:8080"),
            )
        })?;
        if !learned.private_origins.contains(&origin) {
            learned.private_origins.push(origin);
        }
    }
    if learned.private_origins.len() > PRIVATE_ORIGINS_MAX {
        return Err(Error::invalid(
            "invalid_connect",
            format!("a source needs no more than {PRIVATE_ORIGINS_MAX} private origins"),
        ));
    }
    Ok(learned)
}

/// What can be asked for, its label composed.
fn checked(new: NewConnect) -> Result<NewConnect, Error> {
    let invalid = |text: String| Err(Error::invalid("invalid_connect", text));
    let is_plain = |text: &str| text.chars().all(|c| !c.is_control());
    let asked = domain::oauth::scopes(&new.scopes.join(" "));
    if let Some(odd) = new.scopes.iter().find(|s| !asked.contains(s)) {
        let shown: String = odd.chars().take(64).collect();
        return invalid(format!(
            "'{shown}' cannot be asked for: a scope is one word of printable ASCII, given once"
        ));
    }
    if new.client_secret.is_some() && new.client_id.is_none() {
        return invalid("a client's secret comes with its identifier".to_owned());
    }
    if let Some(id) = &new.client_id
        && (id.is_empty() || id.len() > 2_048 || !is_plain(id))
    {
        return invalid("a client's identifier is one line of at most 2048 bytes".to_owned());
    }
    let label = checked_label(&new.label)?;
    Ok(NewConnect { label, ..new })
}
