//! What a new source turns out to be: a description, or a server that describes itself.
//!
//! One address, file, text or command is enough. What is tried is said when all of it fails; the
//! kind may be given, and then nothing else is tried.

use super::NewSource;
use super::reading::{Asked, Incoming, import, kind_named, require_base_url, with_answer};
use crate::{Engine, Error};
use domain::SourceId;
use domain::access::Caller;
use domain::credential::Secret;
use domain::source::{AuthScheme, Origin, SourceKind, SourceStatus};
use tools::{Import, Validators};

/// A source that was read, and is not kept yet.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) document: String,
    pub(super) import: Import,
    pub(super) status: SourceStatus,
    pub(super) headers: Vec<(String, String)>,
    /// A secret that stood in the open, to be sealed.
    pub(super) secret: Option<(AuthScheme, Secret)>,
    /// By what the server of a description recognizes it.
    pub(super) validators: Option<Validators>,
    /// How a description was found, where another address was given.
    pub(super) found_by: Option<String>,
    /// For how long it holds, as its server says.
    pub(super) ttl_ms: Option<u64>,
}

impl Engine {
    /// Finds out what is to be added, and reads it.
    pub(super) async fn found(
        &self,
        caller: &Caller,
        new: &NewSource,
        id: &SourceId,
    ) -> Result<Found, Error> {
        let kind = new.kind.as_deref().map(kind_named).transpose()?;
        if let Some(configured) = self.configured_mcp(new)? {
            return self.found_mcp(caller, new, id, configured).await;
        }
        let Some(url) = new
            .url
            .as_deref()
            .filter(|_| kind.is_none_or(|kind| kind == SourceKind::Mcp))
        else {
            return self.found_description(new, id, kind).await;
        };
        let mcp = || async {
            self.found_mcp(caller, new, id, Self::mcp_at(new, url))
                .await
        };
        if kind == Some(SourceKind::Mcp) {
            return mcp().await;
        }
        let (first, second) = if tools::looks_like_mcp(url) {
            let first = mcp().await;
            if first.is_ok() {
                return first;
            }
            (self.found_description(new, id, None).await, first)
        } else {
            let first = self.found_description(new, id, None).await;
            if first.is_ok() {
                return first;
            }
            let second = mcp().await;
            match second {
                // Anything may want a credential; that alone makes nothing a server of MCP.
                Ok(found) if found.import.tools.is_empty() => (first, Err(unsure())),
                second => (first, second),
            }
        };
        match (first, second) {
            (Ok(found), _) | (_, Ok(found)) => Ok(found),
            (Err(first), Err(second)) => Err(both(first, &second)),
        }
    }

    async fn found_description(
        &self,
        new: &NewSource,
        id: &SourceId,
        kind: Option<SourceKind>,
    ) -> Result<Found, Error> {
        let (origin, found) = self.read_description(new, kind).await?;
        let incoming = Incoming {
            id: id.clone(),
            name: new.name.clone(),
            origin,
            document: found.document,
            kind,
            base_url: new.base_url.clone().or(found.endpoint),
        };
        let asked = Asked {
            egress: &self.inner.egress,
            headers: &new.headers,
            allow_private: new.allow_private,
        };
        let imported = import(incoming, asked).await;
        let (incoming, name, import) =
            imported.map_err(|e| with_answer(e, found.answer.as_ref()))?;
        require_base_url(&import)?;
        Ok(Found {
            name,
            origin: incoming.origin,
            document: String::from_utf8_lossy(&incoming.document).into_owned(),
            import,
            status: SourceStatus::Ready,
            headers: new.headers.clone(),
            secret: None,
            validators: Some(found.validators),
            found_by: found.found_by,
            ttl_ms: None,
        })
    }
}

fn unsure() -> Error {
    Error::invalid(
        "invalid_source",
        "asked as an MCP server it wants a credential; if it is one, say so with --kind mcp",
    )
}

/// What both attempts came to.
fn both(mut description: Error, mcp: &Error) -> Error {
    if let Error::Invalid { message, .. } = &mut description {
        message.push_str(&format!(". As an MCP server: {mcp}"));
    }
    description
}
