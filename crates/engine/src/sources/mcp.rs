//! MCP servers as sources: found by an address, a command or an `mcp.json` block; read again when
//! they say that their tools have changed; called in the session of the person behind the task.
//!
//! A command runs as this server's own user. Only an administrator who is signed in adds one.

use super::found::Found;
use super::refresh::ReadAgain;
use super::{Doubtful, DryRun, FirstCredential, NewSource};
use crate::{Engine, Error, aside};
use domain::access::{Caller, Permission, Scope};
use domain::call::Admission;
use domain::credential::{CredentialScope, Secret};
use domain::event::EventKind;
use domain::source::{ApiKeyLocation, AuthScheme, Origin, Source, SourceKind, SourceStatus};
use domain::tool::{Tool, ToolErrorCode};
use domain::{AccountId, SourceId};
use serde_json::json;
use tools::{
    Attachment, Credentials, HintTrust, Import, ImportOptions, McpAnswers, McpChange, McpHearing,
    McpInvoked, McpListing, McpPerson, McpSending, McpServer, McpWay, Prepared, SourceTools,
};

/// Words that say nothing about which server it is.
const FILLER: [&str; 3] = ["mcp", "server", "servers"];

/// Parts of names whose values are secrets.
const SECRET_WORDS: [&str; 7] = [
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "credential",
];

/// A call through the session of a person.
pub(crate) struct McpCall<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) account: &'a AccountId,
    pub(crate) tool: &'a Tool,
    pub(crate) source: &'a SourceTools,
    pub(crate) prepared: &'a Prepared,
    pub(crate) credentials: Credentials<'a>,
    pub(crate) hearing: Option<McpHearing>,
    pub(crate) answers: Option<McpAnswers>,
    pub(crate) bytes_max: u64,
}

impl Engine {
    /// The server that a command or an `mcp.json` block names, if it is one of these.
    pub(super) fn configured_mcp(&self, new: &NewSource) -> Result<Option<McpServer>, Error> {
        if !new.command.is_empty() {
            let program = new.command[0]
                .rsplit(['/', '\\'])
                .next()
                .unwrap_or_default();
            return Ok(Some(McpServer {
                name: program.split('.').next().unwrap_or_default().to_owned(),
                way: McpWay::Command {
                    words: new.command.clone(),
                    variables: new.headers.clone(),
                },
            }));
        }
        let document = new
            .document
            .as_ref()
            .and_then(|(_, text)| tools::mcp_servers(text));
        let Some(servers) = document else {
            return Ok(None);
        };
        let refused = |text: String| Error::invalid("invalid_source", text);
        let servers = servers.map_err(refused)?;
        let names: Vec<String> = servers.iter().map(|s| s.name.clone()).collect();
        let wanted = new.name.as_deref();
        let mut servers = servers.into_iter();
        let chosen = match (servers.len(), wanted) {
            (1, _) => servers.next(),
            (_, Some(wanted)) => servers.find(|s| s.name == wanted),
            (_, None) => None,
        };
        chosen.map(Some).ok_or_else(|| {
            refused(format!(
                "the block names several servers ({}); each is a source of its own: give the name \
                 of one, or add the file with `executor sources add`",
                names.join(", ")
            ))
        })
    }

    /// The server at an address.
    pub(super) fn mcp_at(new: &NewSource, url: &str) -> McpServer {
        McpServer {
            name: String::new(),
            way: McpWay::Url {
                url: url.to_owned(),
                headers: new.headers.clone(),
                allow_private: new.allow_private,
            },
        }
    }

    /// Connects to a server that is to be added, and reads its tools. One that wants a credential is
    /// added without tools, and read when it has got one.
    pub(super) async fn found_mcp(
        &self,
        caller: &Caller,
        new: &NewSource,
        id: &SourceId,
        mut server: McpServer,
    ) -> Result<Found, Error> {
        if matches!(server.way, McpWay::Command { .. }) {
            caller.scope(Permission::RunCommands)?;
            self.not_as_visitor(caller, "run commands of the server's machine")
                .await?;
        }
        let secret = seal_off(&mut server.way)?;
        if let McpWay::Url {
            headers,
            allow_private,
            ..
        } = &mut server.way
        {
            *allow_private = new.allow_private;
            for header in &new.headers {
                if !headers.contains(header) {
                    headers.push(header.clone());
                }
            }
        }
        let mut attachments: Vec<Attachment> = secret.iter().map(attachment).collect();
        attachments.extend(new.credential.iter().map(FirstCredential::attachment));
        let listed = self.inner.mcp.listing(&server.way, &attachments).await;
        let (origin, headers) = match &server.way {
            McpWay::Url { url, headers, .. } => (Origin::Url(url.clone()), headers.clone()),
            McpWay::Command { words, variables } => {
                (Origin::Command(words.clone()), variables.clone())
            }
        };
        let awaited = new.auth.clone().filter(|_| secret.is_none());
        let title = listed.as_ref().map_or("", |l| l.title());
        let name = name_of(new, &server, title);
        let ttl_ms = listed.as_ref().ok().and_then(McpListing::ttl_ms);
        let (mut import, document, status) = match listed {
            Ok(listing) => {
                tracing::info!(source.name = %name, "found {}", listing.evidence());
                let (document, import) =
                    imported(listing, id.clone(), name.clone(), trust(new.trust_hints)).await?;
                (import, document, SourceStatus::Ready)
            }
            Err(error)
                if new.credential.is_none() && (error.wants_credential || awaited.is_some()) =>
            {
                let mut import = nothing_yet(&server.way, &name);
                import.auth = awaited.into_iter().collect();
                if import.auth.is_empty() {
                    import.auth.push(AuthScheme::Bearer);
                }
                let reason = format!(
                    "its tools are read when it has a credential; set one with `executor \
                     credentials set {name}` ({error})"
                );
                (import, String::new(), SourceStatus::Degraded { reason })
            }
            Err(error) => {
                let shown = origin.shown();
                return Err(Error::invalid(
                    "invalid_source",
                    format!("{shown}: {error}"),
                ));
            }
        };
        if let Some((scheme, _)) = &secret {
            import.auth = vec![scheme.clone()];
        }
        Ok(Found {
            name,
            origin,
            document,
            import,
            status,
            headers,
            secret,
            validators: None,
            found_by: None,
            ttl_ms,
        })
    }

    /// Reads the tools of a source again, with the credential that an account has for it.
    pub(super) async fn mcp_again(
        &self,
        scope: &Scope,
        source: &Source,
        account: &AccountId,
    ) -> Result<ReadAgain, Error> {
        let mut listing = self.listing_for(scope, source, account).await?;
        if !listing.is_for_all() && self.reads_with_own(scope, source, account).await? {
            // A list is one of whoever asked for it, unless it says that it is everybody's.
            let nobody = AccountId::from_bits([0; 16]);
            listing = self
                .listing_for(scope, source, &nobody)
                .await
                .map_err(|error| Error::invalid("invalid_source", own_alone(source, &error)))?;
        }
        let ttl_ms = listing.ttl_ms();
        let (document, mut import) = imported(
            listing,
            source.id.clone(),
            source.name.clone(),
            trust(source.trust_hints),
        )
        .await?;
        import.auth.clone_from(&source.auth);
        let mut read = ReadAgain::new(document.into_bytes(), import);
        read.ttl_ms = ttl_ms;
        Ok(read)
    }

    async fn listing_for(
        &self,
        scope: &Scope,
        source: &Source,
        account: &AccountId,
    ) -> Result<McpListing, Error> {
        let attachments = self.attached_to_reading(scope, source, account).await?;
        let way = McpWay::of(source);
        let listing = self.inner.mcp.listing(&way, &attachments).await;
        listing.map_err(|error| {
            let shown = source.origin.shown();
            Error::invalid("invalid_source", format!("{shown}: {error}"))
        })
    }

    /// Whether a person reads a source with a credential of their own, among others who have not got
    /// it.
    async fn reads_with_own(
        &self,
        scope: &Scope,
        source: &Source,
        account: &AccountId,
    ) -> Result<bool, Error> {
        let (scope, id, account) = (scope.clone(), source.id.clone(), account.clone());
        self.inner
            .store
            .read(move |r| {
                let found = store::credentials::for_source(r, &scope, &id, &account)?;
                let own = found.first().map(|(credential, _)| credential.scope);
                Ok(own == Some(CredentialScope::Personal)
                    && store::tenancy::members(r, &scope)?.len() > 1)
            })
            .await
    }

    /// A credential was set for a source: if its tools could not be read without, they are now.
    pub(crate) async fn mcp_after_credential(&self, caller: &Caller, source: &Source) {
        let waits = matches!(source.status, SourceStatus::Degraded { .. });
        if source.kind == SourceKind::Mcp
            && waits
            && let Err(error) = self
                .refresh_source(caller, source.id.as_str(), (DryRun::No, Doubtful::KeepOld))
                .await
        {
            tracing::info!(source.name = %source.name, "its tools cannot be read yet: {error}");
        }
    }

    /// Sends a call, and keeps the source's health.
    pub(crate) async fn call_mcp<'a>(
        &'a self,
        admission: Admission,
        call: McpCall<'a>,
    ) -> McpInvoked {
        let person = McpPerson {
            scope: call.scope,
            account: call.account,
        };
        let servers = &self.inner.mcp;
        let sending = McpSending {
            tool: call.tool,
            source: call.source,
            prepared: call.prepared,
            person,
            credentials: call.credentials,
            hearing: call.hearing,
            answers: call.answers,
            result_bytes_max: call.bytes_max,
        };
        let invoked = servers.call(admission, sending).await;
        let source = &call.source.source;
        let answer = match &invoked {
            McpInvoked::Done(invoked) => invoked.answer.as_ref().map(drop),
            McpInvoked::Asks(_) => Ok(()),
        };
        let seen = match answer {
            Ok(()) => Some(SourceStatus::Ready),
            Err(error) if error.code == ToolErrorCode::UpstreamUnreachable => {
                Some(SourceStatus::Degraded {
                    reason: error.message.clone(),
                })
            }
            Err(_) => None,
        };
        if let Some(status) = seen.filter(|s| s.as_str() != source.status.as_str()) {
            self.note_health(call.scope, &source.id, status).await;
        }
        invoked
    }

    /// Records how a source is, if that differs; nobody switched it.
    async fn note_health(&self, scope: &Scope, id: &SourceId, status: SourceStatus) {
        let now = self.inner.clock.now();
        let (wanted, id) = (scope.clone(), id.clone());
        let noted = self
            .commit(scope, move |tx| {
                let Some(source) = store::sources::get(tx, &wanted, &id)? else {
                    return Ok(());
                };
                let same = source.status.as_str() == status.as_str();
                if same || source.status == SourceStatus::Disabled {
                    return Ok(());
                }
                store::sources::set_status(tx, &wanted, &id, &status)?;
                let kind = EventKind::Source {
                    source_id: id.clone(),
                    change: "changed".to_owned(),
                };
                store::events::append(tx, &wanted, None, now, &kind)?;
                Ok::<_, Error>(())
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!("the health of a source could not be recorded: {error}");
        }
    }

    /// Reads the tools of servers again that say they have changed.
    pub(crate) async fn mcp_loop(self) {
        loop {
            let change = tokio::select! {
                biased;
                () = self.stopping() => return,
                change = self.inner.mcp.changed() => change,
            };
            if let Err(error) = self.mcp_changed(&change).await {
                tracing::info!(source.id = %change.source, "its tools could not be read again: {error}");
            }
        }
    }

    async fn mcp_changed(&self, change: &McpChange) -> Result<(), Error> {
        let (scope, id) = (change.scope.clone(), change.source.clone());
        let source = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::sources::get(r, &scope, &id)?))
            .await?;
        let Some(source) = source else {
            return Ok(());
        };
        if source.status == SourceStatus::Disabled {
            return Ok(());
        }
        // What one member's own credential shows is not what the workspace has: the tools are read
        // with what everybody shares.
        let nobody = AccountId::from_bits([0; 16]);
        let read = self.mcp_again(&change.scope, &source, &nobody).await?;
        if !read.is_of(&source) {
            self.take_over(&change.scope, None, source, read, Doubtful::KeepOld)
                .await?;
        }
        Ok(())
    }
}

fn own_alone(source: &Source, error: &Error) -> String {
    format!(
        "what `{}` offers to your own credential is not what the workspace has: its server says of its \
         list of tools no more than that it is yours. Set a credential that everybody shares with \
         `executor credentials set {} --scope workspace` ({error})",
        source.name, source.name
    )
}

fn trust(hints: bool) -> HintTrust {
    if hints {
        HintTrust::Trusted
    } else {
        HintTrust::Untrusted
    }
}

/// Makes tools of a listing, aside: there may be thousands.
async fn imported(
    listing: McpListing,
    source_id: SourceId,
    name: String,
    trust: HintTrust,
) -> Result<(String, Import), Error> {
    if !tools::valid_name(&name) {
        return Err(Error::invalid(
            "invalid_source",
            format!(
                "'{name}' cannot be the first segment of a tool's path; a name is a camelCase \
                 identifier, such as gitHub"
            ),
        ));
    }
    aside::run(move || {
        let options = ImportOptions {
            source_id,
            name: &name,
            location: None,
            base_url: None,
        };
        let import = listing
            .import(&options, trust)
            .map_err(|e| Error::invalid("invalid_source", e.to_string()))?;
        Ok((listing.document(), import))
    })
    .await?
}

/// A source whose tools are not known yet.
fn nothing_yet(way: &McpWay, name: &str) -> Import {
    Import {
        evidence: "MCP, a server that wants a credential".to_owned(),
        oauth: Vec::new(),
        kind: SourceKind::Mcp,
        version: String::new(),
        title: name.to_owned(),
        base_url: way.base_url(),
        auth: Vec::new(),
        definitions: json!({}),
        tools: Vec::new(),
        warnings: Vec::new(),
        document_digest: String::new(),
    }
}

/// The name a person gave, or one made of what the block or the server calls itself.
fn name_of(new: &NewSource, server: &McpServer, title: &str) -> String {
    let several = new.document.is_some();
    match &new.name {
        Some(name) if !several || tools::valid_name(name) => name.clone(),
        Some(_) | None => {
            let said = if several || title.is_empty() {
                &server.name
            } else {
                title
            };
            let words = said.split(|c: char| !c.is_alphanumeric());
            let telling: Vec<&str> = words
                .filter(|w| !FILLER.iter().any(|filler| w.eq_ignore_ascii_case(filler)))
                .collect();
            let location = match &server.way {
                McpWay::Url { url, .. } => Some(url.as_str()),
                McpWay::Command { .. } => None,
            };
            tools::suggest_name(&telling.join(" "), location)
        }
    }
}

/// Takes the secrets out of what stands in the open, so that they are sealed like any other: several
/// as one credential.
fn seal_off(way: &mut McpWay) -> Result<Option<(AuthScheme, Secret)>, Error> {
    let is_secret = |name: &str| {
        let name = name.to_ascii_lowercase().replace(['-', '_'], "");
        SECRET_WORDS.iter().any(|word| name.contains(word))
    };
    let is_header = matches!(way, McpWay::Url { .. });
    let (McpWay::Url { headers: open, .. }
    | McpWay::Command {
        variables: open, ..
    }) = way;
    let (secrets, rest): (Vec<_>, Vec<_>) = std::mem::take(open)
        .into_iter()
        .partition(|(name, _)| is_secret(name));
    *open = rest;
    let mut sealed: Vec<(AuthScheme, String)> = secrets
        .into_iter()
        .map(|(name, value)| {
            let bearer = value.strip_prefix("Bearer ").map(str::to_owned);
            let bearer = bearer.filter(|_| name.eq_ignore_ascii_case("authorization"));
            match (is_header, bearer) {
                (true, Some(token)) => (AuthScheme::Bearer, token),
                (true, None) => {
                    let location = ApiKeyLocation::Header;
                    (AuthScheme::ApiKey { location, name }, value)
                }
                (false, _) => (AuthScheme::Env { name }, value),
            }
        })
        .collect();
    if sealed.len() > 1 && sealed.iter().any(|(_, value)| value.contains('\n')) {
        return Err(Error::invalid(
            "invalid_source",
            "of several secrets none may have a line break; put the one that has into a file that \
             the server is told of",
        ));
    }
    if sealed.len() > 1 {
        let (schemes, values): (Vec<AuthScheme>, Vec<String>) = sealed.into_iter().unzip();
        sealed = vec![(AuthScheme::All(schemes), values.join("\n"))];
    }
    let one = sealed.pop();
    Ok(one.map(|(scheme, value)| (scheme, Secret::new(value))))
}

fn attachment((scheme, secret): &(AuthScheme, Secret)) -> Attachment {
    Attachment {
        scheme: scheme.clone(),
        secret: Secret::new(secret.expose().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_open_is_taken_out() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect()
        };
        let mut way = McpWay::Url {
            url: "https://x.example/mcp".into(),
            headers: pairs(&[("X-Team", "a"), ("Authorization", "Bearer s3cret")]),
            allow_private: false,
        };
        let (scheme, secret) = seal_off(&mut way).unwrap().expect("a secret");
        assert_eq!((scheme, secret.expose()), (AuthScheme::Bearer, "s3cret"));
        let mut command = McpWay::Command {
            words: vec!["x".into()],
            variables: pairs(&[("LEVEL", "1"), ("GITHUB_TOKEN", "t0ken")]),
        };
        let (scheme, secret) = seal_off(&mut command).unwrap().expect("a secret");
        assert_eq!(
            scheme,
            AuthScheme::Env {
                name: "GITHUB_TOKEN".into()
            }
        );
        assert_eq!(secret.expose(), "t0ken");
        let mut several = McpWay::Command {
            words: vec!["x".into()],
            variables: pairs(&[("A_TOKEN", "t0ken"), ("LEVEL", "1"), ("B_SECRET", "s3cret")]),
        };
        let (scheme, secret) = seal_off(&mut several).unwrap().expect("secrets");
        let names: Vec<_> = scheme.parts(secret.expose());
        assert_eq!(names.len(), 2);
        assert_eq!((names[0].1, names[1].1), ("t0ken", "s3cret"));
        let mut broken = McpWay::Command {
            words: vec!["x".into()],
            variables: pairs(&[("A_TOKEN", "one\ntwo"), ("B_SECRET", "s3cret")]),
        };
        assert!(seal_off(&mut broken).is_err());
        for way in [way, command, several] {
            assert!(
                !format!("{way:?}").contains("s3cret") && !format!("{way:?}").contains("t0ken")
            );
        }
    }
}
