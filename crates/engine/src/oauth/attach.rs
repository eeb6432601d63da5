//! What a call gets: the credential that serves it, opened at the last moment and good for now; and
//! what its errors mean for a credential that was granted.
//!
//! A token that is due while it still works is used, and renewed beside the call. One that has expired
//! is waited for. One that needs a person fails the call with the link.

use super::renew::NotRenewed;
use super::tell_by_server;
use crate::live::Live;
use crate::{Engine, Error};
use domain::access::Scope;
use domain::credential::{Credential, Secret};
use domain::oauth::{Connection, ConnectionState, STEP_UPS_MAX, TokenSet};
use domain::source::{AuthScheme, Source};
use domain::tool::{ToolError, ToolErrorCode};
use domain::{AccountId, CredentialId, TaskId, Timestamp};
use serde_json::{Value, json};
use store::credentials::Mark;
use tools::{Attachment, Credentials};

/// What goes along with a call, and what it belongs to.
#[derive(Default)]
pub(crate) struct Attached {
    /// The values.
    pub(crate) attachments: Vec<Attachment>,
    /// What belongs to them without being sent.
    pub(crate) hidden: Vec<Secret>,
    /// The credential, if there is one.
    pub(crate) of: Option<Of>,
}

/// The credential that goes along, as far as it has to be known afterwards.
#[derive(Clone)]
pub(crate) struct Of {
    pub(crate) id: CredentialId,
    version: u32,
    /// What it is through all renewals, where it was granted: whoever agrees anew makes another.
    grant: Option<String>,
}

impl Attached {
    fn of_value(credential: &Credential, secret: Secret) -> Self {
        Self {
            attachments: vec![Attachment {
                scheme: credential.scheme.clone(),
                secret,
            }],
            hidden: Vec::new(),
            of: Some(Of {
                id: credential.id.clone(),
                version: credential.version,
                grant: None,
            }),
        }
    }

    fn of_tokens(credential: &Credential, set: &TokenSet) -> Self {
        Self {
            attachments: vec![Attachment {
                scheme: AuthScheme::Bearer,
                secret: set.access_token.clone(),
            }],
            hidden: set.secrets(),
            of: Some(Of {
                id: credential.id.clone(),
                version: credential.version,
                grant: credential.connection.as_ref().map(|connection| {
                    let at = connection.granted_at.0;
                    format!("{} {} {at}", credential.id, connection.issuer)
                }),
            }),
        }
    }
}

/// Which call is meant.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) source: &'a Source,
    pub(crate) account: &'a AccountId,
    pub(crate) tool: &'a str,
    /// The task that makes it; none for what is asked of a source besides.
    pub(crate) task: Option<&'a TaskId>,
    /// The credential that a person chose for it; none for the first that the source finds.
    pub(crate) run_as: Option<&'a CredentialId>,
}

impl Engine {
    /// What to attach to a call: the credential that a person chose for it, as long as the one it
    /// is made for may use it; else the narrowest that there is. In a state to be used.
    ///
    /// # Errors
    /// What the program gets in place of an answer.
    pub(crate) async fn attached(&self, call: For<'_>) -> Result<Attached, ToolError> {
        let fault = |e: Error| fault(call, &e);
        let found = self.nearest(call).await.map_err(fault)?;
        let Some((credential, secret, now)) = found else {
            return match without(call) {
                Some(error) => Err(error),
                None => Ok(Attached::default()),
            };
        };
        let Some(connection) = &credential.connection else {
            return Ok(Attached::of_value(&credential, secret));
        };
        if connection.shown_state(now) == "reauthorization_required"
            || connection.state != ConnectionState::Connected
        {
            return Err(self.over(call, &credential, now));
        }
        let is_due = connection.renew_at().is_some_and(|at| now >= at);
        if !connection.is_expired(now) {
            if is_due {
                self.renew_beside(call.scope, &credential);
            }
            let set = TokenSet::from_secret(&secret).map_err(|e| fault(Error::internal(&e)))?;
            return Ok(Attached::of_tokens(&credential, &set));
        }
        let renewed = self.renew(call.scope, &credential.id, credential.version);
        match renewed.await {
            Ok(()) => {}
            Err(NotRenewed::Gone) => {
                return match without(call) {
                    Some(error) => Err(error),
                    None => Ok(Attached::default()),
                };
            }
            Err(NotRenewed::Over) => {
                let seen = self.sealed_now(call.scope, &credential.id).await;
                let seen = seen.map_err(fault)?.map_or(credential, |(c, _, _)| c);
                return Err(self.over(call, &seen, now));
            }
            Err(NotRenewed::Later(why)) => return Err(later(call, &why)),
            Err(NotRenewed::Fault(error)) => return Err(fault(error)),
        }
        let newer = self.sealed_now(call.scope, &credential.id).await;
        let Some((credential, secret, _)) = newer.map_err(fault)? else {
            return match without(call) {
                Some(error) => Err(error),
                None => Ok(Attached::default()),
            };
        };
        let set = TokenSet::from_secret(&secret).map_err(|e| fault(Error::internal(&e)))?;
        Ok(Attached::of_tokens(&credential, &set))
    }

    async fn nearest(
        &self,
        call: For<'_>,
    ) -> Result<Option<(Credential, Secret, Timestamp)>, Error> {
        let (wanted, person) = (call.scope.clone(), call.account.clone());
        let (id, local) = (call.source.id.clone(), self.inner.clock.now());
        let (found, now) = self
            .inner
            .store
            .read(move |r| {
                let found = store::credentials::for_source(r, &wanted, &id, &person)?;
                let now = if found.is_empty() {
                    local
                } else {
                    r.now(local)?
                };
                Ok::<_, Error>((found, now))
            })
            .await?;
        let fits = |c: &Credential| call.run_as.is_none_or(|chosen| c.id == *chosen);
        let Some((credential, sealed)) = found.into_iter().find(|(c, _)| fits(c)) else {
            return Ok(None);
        };
        let keys = &self.inner.credentials;
        let secret = keys.open(call.scope, &credential, &sealed).await?;
        let local = self.inner.clock.now();
        if keys.due_for_touch(&credential.id, local) {
            let (scope, id) = (call.scope.clone(), credential.id.clone());
            let task = call.task.cloned();
            self.inner
                .store
                .write(move |tx| {
                    Ok::<_, Error>(store::credentials::mark(
                        tx,
                        &scope,
                        &id,
                        Mark::Used(task.as_ref()),
                        local,
                    )?)
                })
                .await?;
        }
        Ok(Some((credential, secret, now)))
    }

    /// Renews without anybody waiting for it.
    pub(super) fn renew_beside(&self, scope: &Scope, credential: &Credential) {
        let (engine, scope) = (self.clone(), scope.clone());
        let (id, seen) = (credential.id.clone(), credential.version);
        self.spawn(async move {
            match engine.renew(&scope, &id, seen).await {
                Ok(()) | Err(NotRenewed::Over | NotRenewed::Later(_) | NotRenewed::Gone) => {}
                Err(NotRenewed::Fault(error)) => {
                    tracing::warn!(credential.id = %id, "could not renew: {error}");
                }
            }
        });
    }

    /// What goes along when a source is asked what it offers.
    ///
    /// # Errors
    /// `invalid_source`, where the credential is in no state to be used.
    pub(crate) async fn attached_to_reading(
        &self,
        scope: &Scope,
        source: &Source,
        account: &AccountId,
    ) -> Result<Vec<Attachment>, Error> {
        let reading = For {
            scope,
            source,
            account,
            tool: &source.name,
            task: None,
            run_as: None,
        };
        let attached = self.attached(reading).await;
        attached
            .map(|attached| attached.attachments)
            .map_err(|error| Error::invalid("invalid_source", error.message))
    }

    /// What the client that sends is given: with it, how to get a newer token after a refusal.
    pub(crate) fn credentials_for<'a>(
        &'a self,
        scope: &'a Scope,
        attached: Attached,
        live: &'a Live,
    ) -> Credentials<'a> {
        let grant = attached.of.as_ref().and_then(|of| of.grant.clone());
        let renew = attached.of.filter(|of| of.grant.is_some()).map(|of| {
            let renew: tools::Renew<'a> = Box::new(move || Box::pin(self.newer(scope, of, live)));
            renew
        });
        Credentials {
            attachments: attached.attachments,
            hidden: attached.hidden,
            renew,
            grant,
        }
    }

    async fn newer<'a>(
        &'a self,
        scope: &'a Scope,
        of: Of,
        live: &'a Live,
    ) -> Option<Credentials<'a>> {
        if !self.renew_refused(scope, &of.id, of.version).await {
            return None;
        }
        let (credential, secret, _) = self.sealed_now(scope, &of.id).await.ok()??;
        let set = TokenSet::from_secret(&secret).ok()?;
        let attached = Attached::of_tokens(&credential, &set);
        // A renewal takes a while, and what is sent next must still be this server's to send.
        self.still_ours(live).await;
        Some(Credentials {
            attachments: attached.attachments,
            hidden: attached.hidden,
            renew: None,
            grant: of.grant,
        })
    }

    /// An error of a call, with what it means for a credential that was granted.
    pub(crate) async fn explained(
        &self,
        call: For<'_>,
        of: &Option<Of>,
        mut error: ToolError,
    ) -> ToolError {
        let concerns = matches!(
            error.code,
            ToolErrorCode::CredentialRejected | ToolErrorCode::InsufficientScope
        );
        let Some(of) = of.as_ref().filter(|of| of.grant.is_some() && concerns) else {
            return error;
        };
        let Ok(Some((credential, _, now))) = self.sealed_now(call.scope, &of.id).await else {
            return error;
        };
        let Some(connection) = credential.connection.clone() else {
            return error;
        };
        if error.code == ToolErrorCode::CredentialRejected {
            if connection.state != ConnectionState::Connected {
                return self.over(call, &credential, now).with_status(401);
            }
            let url = self.connect_url(call.scope, &credential.id);
            error.message = format!(
                "{}: the source refuses a token that was just renewed (401); connect it anew at {url}",
                call.tool
            );
            add(&mut error, "connectUrl", json!(url));
            return error;
        }
        self.wider(call, credential, connection, error).await
    }

    /// The source wants wider scopes: kept, so that whoever connects anew is asked for them, and told
    /// with the link. Not again and again.
    async fn wider(
        &self,
        call: For<'_>,
        credential: Credential,
        connection: Connection,
        mut error: ToolError,
    ) -> ToolError {
        let named = error.details.as_ref().and_then(|d| d.get("scopes"));
        let named = named.and_then(Value::as_array).into_iter().flatten();
        let mut wanted: Vec<String> = named.filter_map(|s| Some(s.as_str()?.to_owned())).collect();
        wanted.retain(|s| !connection.scopes.contains(s));
        let url = self.connect_url(call.scope, &credential.id);
        let source = &call.source.name;
        if wanted.is_empty() {
            add(&mut error, "connectUrl", json!(url));
            return error;
        }
        if wanted == connection.wanted {
            add(&mut error, "connectUrl", json!(url));
            error.message = lacking(call, &wanted, &url);
            return error;
        }
        if connection.step_ups >= STEP_UPS_MAX {
            error.message = format!(
                "{}: the source asks for wider scopes for the {}. time in a row ({}); it is not asked \
                 for them any more. If they are right, connect with them by hand: executor \
                 credentials connect {source} --oauth-scope …",
                call.tool,
                connection.step_ups + 1,
                wanted.join(" ")
            );
            return error;
        }
        error.message = lacking(call, &wanted, &url);
        add(&mut error, "connectUrl", json!(url));
        let noted = Credential {
            connection: Some(Connection {
                wanted,
                step_ups: connection.step_ups + 1,
                ..connection
            }),
            ..credential
        };
        let within = call.scope.clone();
        let kept: Result<(), Error> = self
            .inner
            .store
            .write(move |tx| {
                store::oauth::note(tx, &within, &noted)?;
                Ok(())
            })
            .await;
        if let Err(error) = kept {
            tracing::warn!("could not note which scopes are wanted: {error}");
        }
        error
    }

    /// The error of a call whose credential a person has to look after.
    fn over(&self, call: For<'_>, credential: &Credential, now: Timestamp) -> ToolError {
        let url = self.connect_url(call.scope, &credential.id);
        let reason = credential.connection.as_ref().and_then(|c| c.reason(now));
        let text = format!(
            "{}: somebody has to connect `{}` anew at {url}: {}",
            call.tool,
            call.source.name,
            reason
                .as_deref()
                .unwrap_or("its credential is not good any more"),
        );
        ToolError::new(ToolErrorCode::ReauthorizationRequired, call.tool, text)
            .with_details(json!({ "connectUrl": url, "reason": reason }))
    }

    /// A piece of a secret came back from a source and could not be masked as a whole.
    pub(crate) async fn note_echo(&self, call: For<'_>, of: &Option<Of>) {
        let Some(of) = of else { return };
        let Ok(Some((credential, _, now))) = self.sealed_now(call.scope, &of.id).await else {
            return;
        };
        let (within, detail) = (call.scope.clone(), json!({ "tool": call.tool }));
        let noted: Result<(), Error> = self
            .commit(call.scope, move |tx| {
                let detail = detail.clone();
                tell_by_server(tx, &within, &credential, "echoed", detail, now)
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!("could not note that a secret was given back: {error}");
        }
    }
}

/// What is wrong with a call for which no credential is to be had: nothing, unless a person chose one for
/// it. Then another one, or none, is not what they meant.
fn without(call: For<'_>) -> Option<ToolError> {
    let chosen = call.run_as?;
    let text = format!(
        "{}: the call was to be made with the credential {chosen}, which is gone, opens another \
         source than `{}`, or serves its task's person no longer; nothing was sent. Choose another \
         one, or none",
        call.tool, call.source.name
    );
    let error = ToolError::new(ToolErrorCode::CredentialMissing, call.tool, text);
    Some(error.with_details(json!({ "credential": chosen })))
}

/// Why there is no value: a fault of ours, or a store elsewhere that cannot be reached now.
fn fault(call: For<'_>, error: &Error) -> ToolError {
    let Error::Unavailable { message } = error else {
        return ToolError::new(ToolErrorCode::Internal, call.tool, error.to_string());
    };
    let text = format!(
        "{}: the credential of `{}` cannot be had at the moment: {message}",
        call.tool, call.source.name
    );
    let mut error = ToolError::new(ToolErrorCode::UpstreamUnreachable, call.tool, text)
        .with_details(json!({ "reason": "credential_store" }));
    error.retryable = true;
    error
}

fn later(call: For<'_>, why: &str) -> ToolError {
    let text = format!(
        "{}: the credential of `{}` has expired and could not be renewed yet: {why}",
        call.tool, call.source.name
    );
    let mut error = ToolError::new(ToolErrorCode::UpstreamUnreachable, call.tool, text)
        .with_details(json!({ "reason": "credential_renewal" }));
    error.retryable = true;
    error
}

fn lacking(call: For<'_>, wanted: &[String], url: &str) -> String {
    format!(
        "{}: the credential of `{}` lacks {}; somebody can agree to that at {url}",
        call.tool,
        call.source.name,
        wanted.join(" ")
    )
}

fn add(error: &mut ToolError, key: &str, value: Value) {
    let details = error.details.get_or_insert_with(|| json!({}));
    if let Some(fields) = details.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
