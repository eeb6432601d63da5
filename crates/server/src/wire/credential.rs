//! Credentials and the ways to them, as the API shows them: never a value.

use super::auth_text;
use crate::error::Failure;
use api::{connects, credentials};
use domain::Timestamp;
use domain::connect::ConnectStatus;
use domain::credential::CredentialScope;
use engine::{ConnectView, CredentialView};

/// Reads whom a credential is to serve; the workspace unless it says.
pub(crate) fn credential_scope(text: Option<&str>) -> Result<CredentialScope, Failure> {
    let Some(text) = text else {
        return Ok(CredentialScope::Workspace);
    };
    CredentialScope::parse(text).ok_or_else(|| {
        let why = format!("'{text}' is none of personal, workspace, organization");
        Failure::invalid("scope", why)
    })
}

pub(crate) fn credential(view: &CredentialView) -> credentials::Credential {
    let c = &view.credential;
    let connection = c.connection.as_ref().map(|known| credentials::Connection {
        issuer: known.issuer.clone(),
        flow: known.flow.as_str().to_owned(),
        account: known.account.clone(),
        scopes: known.scopes.clone(),
        wanted: known.wanted.clone(),
        renewable: known.renewable,
        expires_at: known.expires_at.map(Timestamp::to_rfc3339),
        connect_url: view.connect_url.clone().unwrap_or_default(),
    });
    credentials::Credential {
        id: c.id.to_string(),
        source: view.source_name.clone(),
        scope: c.scope.as_str().to_owned(),
        set_by: c.account_id.to_string(),
        auth: auth_text(&c.scheme),
        version: c.version,
        created_at: c.created_at.to_rfc3339(),
        rotated_at: c.rotated_at.to_rfc3339(),
        last_used_at: c.last_used_at.map(Timestamp::to_rfc3339),
        last_used_by: c.last_used_by.as_ref().map(ToString::to_string),
        label: said(&c.label),
        state: view.state.to_owned(),
        reason: view.reason.clone(),
        connection,
    }
}

/// The credential that went along with a call.
pub(crate) fn opened(opened: &engine::Opened) -> api::tasks::CallCredential {
    let named = opened.named.as_ref();
    api::tasks::CallCredential {
        id: opened.id.to_string(),
        scope: named.map(|(scope, _)| scope.as_str().to_owned()),
        label: named.and_then(|(_, label)| said(label)),
    }
}

pub(crate) fn connect(view: &ConnectView) -> connects::Connect {
    let c = &view.connect;
    let (credential, problem) = match &c.status {
        ConnectStatus::Pending => (None, None),
        ConnectStatus::Connected(id) => (Some(id.to_string()), None),
        ConnectStatus::Failed(why) => (None, Some(why.clone())),
    };
    let device = c.asked.device.as_ref().map(|d| connects::DeviceCode {
        user_code: d.user_code.clone(),
        verification_uri: d.verification_uri.clone(),
        verification_uri_complete: d.verification_uri_complete.clone(),
    });
    connects::Connect {
        id: c.id.to_string(),
        source: view.source_name.clone(),
        status: view.status.to_owned(),
        flow: c.flow.as_str().to_owned(),
        scope: c.scope.as_str().to_owned(),
        label: said(&c.label),
        host: c.asked.host.clone(),
        scopes: c.asked.scopes.clone(),
        wider: c.asked.wider.clone(),
        url: view.url.clone(),
        device,
        credential,
        problem,
        created_at: c.created_at.to_rfc3339(),
        expires_at: c.expires_at.to_rfc3339(),
    }
}

fn said(label: &str) -> Option<String> {
    (!label.is_empty()).then(|| label.to_owned())
}
