//! Credentials: set, rotate, test, remove; and opening them for the one call that needs them.
//!
//! A value goes in and never comes out: it is opened here at the last moment and handed to the
//! client that sends it.

mod chosen;
mod order;

use crate::audit::by_person;
use crate::tasks::{NewTask, Until};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Scope};
use domain::credential::{Credential, CredentialScope, Secret};
use domain::source::AuthScheme;
use domain::task::{Outcome, TaskState};
use domain::tool::{Risk, Tool};
use domain::{CredentialId, SourceId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use store::credentials::Mark;

/// Longest value in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// A credential to set.
#[derive(Clone)]
pub struct NewCredential {
    /// The source it opens: its name or identifier.
    pub source: String,
    /// The value.
    pub value: Secret,
    /// Who it serves.
    pub scope: CredentialScope,
    /// How it is attached; the source's own way if absent.
    pub auth: Option<AuthScheme>,
    /// Tells apart several accounts; empty for the only one.
    pub label: String,
}

/// A credential as people see it.
#[derive(Debug, Clone)]
pub struct CredentialView {
    /// The credential without its value.
    pub credential: Credential,
    /// The name of the source it opens.
    pub source_name: String,
    /// `set` for a value that a person entered; else how it stands with the server that granted it.
    pub state: &'static str,
    /// Why it is not simply connected.
    pub reason: Option<String>,
    /// The page on which a person connects it anew, where that is possible.
    pub connect_url: Option<String>,
}

/// What a test of a credential found.
#[derive(Debug, Clone)]
pub struct CredentialTest {
    /// Whether the source let it in; none where that could not be told.
    pub accepted: Option<bool>,
    /// The tool that was called.
    pub tool: Option<String>,
    /// What came back, in a sentence.
    pub message: String,
}

pub(crate) fn permission(scope: CredentialScope) -> Permission {
    match scope {
        CredentialScope::Personal => Permission::OwnCredentials,
        CredentialScope::Workspace => Permission::ManageCredentials,
        CredentialScope::Organization => Permission::OrganizationCredentials,
    }
}

impl Engine {
    /// Sets a credential; one of the same source, scope and person is rotated.
    ///
    /// # Errors
    /// `not_found` for the source, `forbidden`, `invalid_credential`.
    pub fn set_credential(
        &self,
        caller: &Caller,
        new: NewCredential,
    ) -> BoxFuture<'_, Result<CredentialView, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(permission(new.scope))?;
            let source = self.source(&caller, &new.source).await?;
            let scheme = match (new.auth, source.auth.as_slice()) {
                (Some(scheme), _) => scheme,
                (None, [only]) => only.clone(),
                (None, []) => AuthScheme::Bearer,
                (None, [first, ..]) => {
                    // Several ways are alternatives: bearer is what people hold most often.
                    let bearer = source.auth.iter().find(|s| matches!(s, AuthScheme::Bearer));
                    bearer.unwrap_or(first).clone()
                }
            };
            check_value(&scheme, &new.value)?;
            let label = crate::oauth::checked_label(&new.label)?;
            let known = self
                .own_credentials(&scope, &caller)
                .await?
                .into_iter()
                .find(|c| c.source_id == source.id && c.scope == new.scope && c.label == label);
            let now = self.inner.clock.now();
            let (credential, action) = match known {
                Some(old) => {
                    let next = Credential {
                        scheme,
                        version: old.version + 1,
                        rotated_at: now,
                        connection: None,
                        ..old
                    };
                    (next, "credential.rotated")
                }
                None => {
                    let first = Credential {
                        id: CredentialId::from_bits(entropy::bits()),
                        source_id: source.id.clone(),
                        scope: new.scope,
                        account_id: caller.account_id.clone(),
                        label,
                        scheme,
                        version: 1,
                        created_at: now,
                        rotated_at: now,
                        last_used_at: None,
                        last_used_by: None,
                        connection: None,
                    };
                    (first, "credential.set")
                }
            };
            self.put_credential(&caller, &scope, &credential, &new.value, action)
                .await?;
            self.mcp_after_credential(&caller, &source).await;
            Ok(self.credential_view(&scope, credential, source.name, now))
        })
    }

    async fn put_credential(
        &self,
        caller: &Caller,
        scope: &Scope,
        credential: &Credential,
        value: &Secret,
        action: &'static str,
    ) -> Result<(), Error> {
        let keys = &self.inner.credentials;
        let sealed = keys.seal(scope, credential, value).await?;
        let now = credential.rotated_at;
        let (scope_in, caller, credential) = (scope.clone(), caller.clone(), credential.clone());
        self.commit(scope, move |tx| {
            let put = store::credentials::upsert(tx, &scope_in, &credential, &sealed);
            if matches!(put, Err(store::Error::Conflict(_))) {
                return Err(Error::conflict(
                    "credential_changed",
                    "this credential was set by another request at the same moment; set it again \
                     where yours is the one that counts",
                ));
            }
            put?;
            let draft = audit(&caller, &scope_in, &credential, action, now);
            store::audit::append(tx, &scope_in, draft)?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn own_credentials(
        &self,
        scope: &Scope,
        caller: &Caller,
    ) -> Result<Vec<Credential>, Error> {
        let (wanted, person) = (scope.clone(), caller.account_id.clone());
        self.inner
            .store
            .read(move |r| Ok(store::credentials::list(r, &wanted, &person)?))
            .await
    }

    /// The credentials a caller may use, without their values.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn credentials(
        &self,
        caller: &Caller,
    ) -> BoxFuture<'_, Result<Vec<CredentialView>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::SeeCredentials)?;
            let names: HashMap<SourceId, String> = self
                .sources(&caller)
                .await?
                .into_iter()
                .map(|s| (s.id, s.name))
                .collect();
            let found = self.own_credentials(&scope, &caller).await?;
            let now = self.shared_now().await?;
            let view = |credential: Credential| {
                let name = names.get(&credential.source_id).cloned();
                self.credential_view(&scope, credential, name.unwrap_or_default(), now)
            };
            Ok(found.into_iter().map(view).collect())
        })
    }

    fn credential_view(
        &self,
        scope: &Scope,
        credential: Credential,
        source_name: String,
        now: Timestamp,
    ) -> CredentialView {
        let connection = credential.connection.as_ref();
        CredentialView {
            state: connection.map_or("set", |c| c.shown_state(now)),
            reason: connection.and_then(|c| c.reason(now)),
            connect_url: connection.map(|_| self.connect_url(scope, &credential.id)),
            source_name,
            credential,
        }
    }

    pub(crate) async fn credential(
        &self,
        caller: &Caller,
        id: &CredentialId,
    ) -> Result<CredentialView, Error> {
        self.credentials(caller)
            .await?
            .into_iter()
            .find(|v| v.credential.id == *id)
            .ok_or_else(|| Error::not_found("credential", id))
    }

    /// Gives a credential a new value.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_credential`.
    pub fn rotate_credential(
        &self,
        caller: &Caller,
        id: &CredentialId,
        value: Secret,
    ) -> BoxFuture<'_, Result<CredentialView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let view = self.credential(&caller, &id).await?;
            let scope = caller.scope(permission(view.credential.scope))?;
            if view.credential.connection.is_some() {
                return Err(Error::invalid(
                    "invalid_credential",
                    "this credential renews itself; to have another one, connect its source anew, or \
                     set a value in its place",
                ));
            }
            check_value(&view.credential.scheme, &value)?;
            let now = self.inner.clock.now();
            let version = view.credential.version + 1;
            let credential = Credential {
                version,
                rotated_at: now,
                ..view.credential
            };
            self.put_credential(&caller, &scope, &credential, &value, "credential.rotated")
                .await?;
            Ok(self.credential_view(&scope, credential, view.source_name, now))
        })
    }

    /// Removes a credential.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn remove_credential(
        &self,
        caller: &Caller,
        id: &CredentialId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let credential = self.credential(&caller, &id).await?.credential;
            let scope = caller.scope(permission(credential.scope))?;
            let now = self.inner.clock.now();
            self.give_back(&scope, &credential).await?;
            let (of, id) = (scope.clone(), credential.id.clone());
            let held = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::oauth::sealed(r, &of, &id)?))
                .await?;
            let (within, gone) = (scope.clone(), credential.clone());
            self.commit(&scope, move |tx| {
                store::credentials::remove(tx, &within, &gone.id)?;
                let draft = audit(&caller, &within, &gone, "credential.removed", now);
                store::audit::append(tx, &within, draft)?;
                Ok(())
            })
            .await?;
            if let Some((_, sealed)) = held {
                let keys = &self.inner.credentials;
                keys.forget(&scope, &credential, &sealed).await;
            }
            Ok(())
        })
    }

    /// Puts a credential before the others of its source and scope: the one that calls take.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn prefer_credential(
        &self,
        caller: &Caller,
        id: &CredentialId,
    ) -> BoxFuture<'_, Result<CredentialView, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let view = self.credential(&caller, &id).await?;
            let scope = caller.scope(permission(view.credential.scope))?;
            let now = self.shared_now().await?;
            let credential = view.credential.clone();
            self.commit(&scope.clone(), move |tx| {
                store::credentials::mark(tx, &scope, &credential.id, Mark::Preferred, now)?;
                let draft = audit(&caller, &scope, &credential, "credential.preferred", now);
                store::audit::append(tx, &scope, draft)?;
                Ok(())
            })
            .await?;
            Ok(view)
        })
    }

    /// Tries a credential by calling a tool of its source that only reads and needs no arguments,
    /// as a task like any other that carries this very credential.
    ///
    /// # Errors
    /// `not_found`.
    pub fn test_credential(
        &self,
        caller: &Caller,
        id: &CredentialId,
    ) -> BoxFuture<'_, Result<CredentialTest, Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let view = self.credential(&caller, &id).await?;
            let scope = caller.scope(Permission::OwnCredentials)?;
            let (wanted, source) = (scope.clone(), view.credential.source_id.clone());
            let tools = self
                .inner
                .store
                .read(move |r| Ok::<_, Error>(store::sources::tools(r, &wanted, &source)?))
                .await?;
            let harmless = tools
                .iter()
                .find(|t| t.risk == Risk::Read && needs_nothing(t));
            let Some(tool) = harmless else {
                return Ok(CredentialTest {
                    accepted: None,
                    tool: None,
                    message: format!(
                        "{} has no tool that only reads and needs no arguments; call one yourself",
                        view.source_name
                    ),
                });
            };
            let new = NewTask {
                code: format!(
                    "await tools[{}]({{}}); return true",
                    serde_json::Value::String(tool.path.clone())
                ),
                timeout_ms: Some(30_000),
                metadata: Some(json!({ "purpose": "credential test" })),
                run_as: Some(id),
                ..NewTask::default()
            };
            let until = Until::FinishedOrWaiting;
            let done = self
                .run_task(&caller, new, until, Duration::from_secs(35))
                .await;
            match done {
                Ok(done) => Ok(judge(tool, &done.task.state)),
                // No call carries it, so none can try it.
                Err(Error::Invalid {
                    code: "invalid_credential",
                    message,
                    ..
                }) => Ok(CredentialTest {
                    accepted: None,
                    tool: None,
                    message,
                }),
                Err(error) => Err(error),
            }
        })
    }
}

fn judge(tool: &Tool, state: &TaskState) -> CredentialTest {
    let (accepted, message) = match state {
        TaskState::Finished(Outcome::Completed(_)) => {
            (Some(true), format!("{} answered", tool.path))
        }
        TaskState::Finished(outcome) => match outcome.error() {
            Some(error)
                if matches!(
                    error.code.as_str(),
                    "credential_rejected" | "credential_missing"
                ) =>
            {
                (Some(false), error.message.clone())
            }
            Some(error) => (None, error.message.clone()),
            None => (None, "the test was canceled".to_owned()),
        },
        TaskState::Queued | TaskState::Running | TaskState::Suspended => (
            None,
            format!(
                "{} asks a person first, or did not answer in time",
                tool.path
            ),
        ),
    };
    CredentialTest {
        accepted,
        tool: Some(tool.path.clone()),
        message,
    }
}

fn needs_nothing(tool: &Tool) -> bool {
    tool.input_schema["required"]
        .as_array()
        .is_none_or(Vec::is_empty)
}

pub(crate) fn check_value(scheme: &AuthScheme, value: &Secret) -> Result<(), Error> {
    let text = value.expose();
    let refuse = |why: &str| Err(Error::invalid("invalid_credential", why));
    if text.is_empty() {
        return refuse("the value is empty");
    }
    if text.len() > VALUE_BYTES_MAX {
        return refuse("the value is longer than 64 KiB");
    }
    if let AuthScheme::All(schemes) = scheme {
        let lines = text.lines().count();
        if lines != schemes.len() {
            let wanted = schemes.len();
            return refuse(&format!(
                "the source takes {wanted} credentials together, so the value has {wanted} lines, one \
                 for each in their order; this one has {lines}"
            ));
        }
        let mut parts = scheme.parts(text).into_iter();
        return parts.try_for_each(|(one, line)| check_value(one, &Secret::new(line.to_owned())));
    }
    if text.chars().any(char::is_control) {
        return refuse(
            "the value has a line break or another control character in it; a header cannot carry it",
        );
    }
    if *scheme == AuthScheme::Basic && !text.contains(':') {
        return refuse("basic authentication takes user:password; the value has no colon");
    }
    Ok(())
}

fn audit(
    caller: &Caller,
    scope: &Scope,
    credential: &Credential,
    action: &str,
    now: Timestamp,
) -> domain::audit::AuditDraft {
    let detail = json!({
        "source": credential.source_id,
        "scope": credential.scope.as_str(),
        "scheme": credential.scheme,
        "version": credential.version,
    });
    by_person(caller, scope, action, credential.id.as_str(), &detail, now)
}
