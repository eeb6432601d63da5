//! Who grants tokens for a source: what its description says, what it says when asked without one
//! (RFC 9728), and what the authorization server says of itself (RFC 8414, OpenID Connect Discovery).
//!
//! Nobody is believed about somebody else: a resource's metadata must name the source's own address,
//! and a server's metadata the very issuer that was looked up. What was tried is told when nothing
//! is found.

use super::{Answered, OAuthError, Sending, Servers, challenge, text, texts};
use domain::oauth::{ClientAuth, Flow};
use domain::source::OAuthHint;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use url::Url;

/// Authorization servers of one resource that are looked at.
const SERVERS_MAX: usize = 3;

/// What is known beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Where the source's calls go.
    pub base_url: &'a str,
    /// What its description says.
    pub hints: &'a [OAuthHint],
    /// What a person says: outranks everything.
    pub manual: Option<&'a OAuthHint>,
    /// The issuer that a person names.
    pub issuer: Option<&'a str>,
    /// How a token is to be had.
    pub flow: Flow,
}

impl Asking<'_> {
    /// The hint that serves the flow.
    fn hint(&self) -> Option<&OAuthHint> {
        let with_token = || self.hints.iter().filter(|h| h.token_url.is_some());
        match self.flow {
            Flow::Browser => with_token().find(|h| h.authorization_url.is_some()),
            Flow::Device => with_token().find(|h| h.device_url.is_some()),
            Flow::ClientCredentials => with_token()
                .find(|h| h.authorization_url.is_none())
                .or_else(|| with_token().next()),
        }
    }
}

/// What was found of an authorization server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The issuer, or the origin of its endpoints where it has not said who it is.
    pub issuer: String,
    /// Whether it said so itself.
    pub issuer_known: bool,
    /// Whether it promises to name itself in every answer.
    pub names_itself: bool,
    /// Where a browser is sent.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are given out.
    pub token_endpoint: Option<String>,
    /// Where a device asks for a code.
    pub device_endpoint: Option<String>,
    /// Where tokens are given back.
    pub revocation_endpoint: Option<String>,
    /// Where new clients are taken.
    pub registration_endpoint: Option<String>,
    /// What tokens are to be for.
    pub resource: Option<String>,
    /// What to ask for, unless a person says.
    pub scopes: Vec<String>,
    /// Whether it knows `offline_access`, which has to be asked for.
    pub offline: bool,
    /// Whether a client may be the address of a document.
    pub takes_documents: bool,
    /// How clients may prove to be themselves; empty if it does not say.
    pub auth_methods: Vec<String>,
}

impl Found {
    /// How a client with or without a secret proves to be itself here.
    #[must_use]
    pub fn client_auth(&self, has_secret: bool) -> ClientAuth {
        let takes = |name: &str| self.auth_methods.iter().any(|m| m == name);
        if !has_secret {
            ClientAuth::None
        } else if takes("client_secret_post") && !takes("client_secret_basic") {
            ClientAuth::ClientSecretPost
        } else {
            ClientAuth::ClientSecretBasic
        }
    }

    /// How a client that is yet to be made should prove to be itself.
    #[must_use]
    pub fn registered_auth(&self) -> ClientAuth {
        let takes = |name: &str| self.auth_methods.iter().any(|m| m == name);
        // RFC 8414: who does not say takes `client_secret_basic`.
        self.client_auth(!takes("none"))
    }

    fn of_hint(hint: &OAuthHint) -> Option<Self> {
        let first = hint
            .token_url
            .as_deref()
            .or(hint.authorization_url.as_deref())?;
        let named = hint.authorization_url.as_deref().unwrap_or(first);
        Some(Self {
            issuer: super::origin_of(named)?,
            authorization_endpoint: hint.authorization_url.clone(),
            token_endpoint: hint.token_url.clone(),
            device_endpoint: hint.device_url.clone(),
            scopes: domain::oauth::scopes(&hint.scopes.join(" ")),
            ..Self::default()
        })
    }
}

/// What a source says of itself.
struct Resource {
    resource: String,
    servers: Vec<String>,
    scopes: Vec<String>,
}

/// What was tried in vain, in sentences.
#[derive(Default)]
struct Tried(Vec<String>);

impl Tried {
    fn add(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }
}

impl Servers {
    /// Finds out who grants tokens for a source.
    ///
    /// # Errors
    /// [`OAuthError::Unknown`] with what was tried and what came back.
    pub fn discover<'a>(
        &'a self,
        asking: &'a Asking<'a>,
    ) -> BoxFuture<'a, Result<Found, OAuthError>> {
        Box::pin(self.find(asking))
    }

    async fn find(&self, asking: &Asking<'_>) -> Result<Found, OAuthError> {
        let mut tried = Tried::default();
        if let Some(issuer) = asking.issuer {
            let mut found = self.metadata(issuer, &mut tried).await;
            if let (Some(found), Some(manual)) = (&mut found, asking.manual) {
                found.scopes = domain::oauth::scopes(&manual.scopes.join(" "));
            }
            return self.checked(found, tried);
        }
        if let Some(found) = asking.manual.and_then(Found::of_hint) {
            return self.checked(Some(found), tried);
        }
        if let Some(found) = asking.hint().and_then(Found::of_hint) {
            return self.checked(Some(found), tried);
        }
        for hint in asking.hints {
            if let Some(url) = &hint.openid_url
                && let Some(mut found) = self.openid(url, &mut tried).await
            {
                found.scopes = domain::oauth::scopes(&hint.scopes.join(" "));
                return self.checked(Some(found), tried);
            }
        }
        let found = self.of_resource(asking.base_url, &mut tried).await;
        self.checked(found, tried)
    }

    /// Every address that a server gave is one that may be used.
    fn checked(&self, found: Option<Found>, tried: Tried) -> Result<Found, OAuthError> {
        let Some(mut found) = found else {
            let tried = match tried.0.as_slice() {
                [] => String::new(),
                tried => format!("; tried: {}", tried.join("; ")),
            };
            return Err(OAuthError::Unknown(format!(
                "it is not known who grants tokens for this source{tried}. Give the addresses \
                 yourself (--authorization-url, --token-url, --client-id) or the issuer (--issuer)"
            )));
        };
        for address in [&found.authorization_endpoint, &found.token_endpoint]
            .into_iter()
            .flatten()
        {
            self.endpoint(address)?;
        }
        found.device_endpoint = self.usable(found.device_endpoint);
        found.revocation_endpoint = self.usable(found.revocation_endpoint);
        found.registration_endpoint = self.usable(found.registration_endpoint);
        Ok(found)
    }

    async fn of_resource(&self, base_url: &str, tried: &mut Tried) -> Option<Found> {
        if let Some(resource) = self.resource(base_url, tried).await {
            for server in resource.servers.iter().take(SERVERS_MAX) {
                if let Some(mut found) = self.metadata(server, tried).await {
                    found.resource = Some(resource.resource);
                    found.scopes = resource.scopes;
                    return Some(found);
                }
            }
            return None;
        }
        // Before RFC 9728 a server for itself alone described itself at its own root.
        let origin = super::origin_of(base_url)?;
        self.metadata(&origin, tried).await
    }

    /// What a source says of itself: where its refusal points to, else at the well-known places.
    async fn resource(&self, base_url: &str, tried: &mut Tried) -> Option<Resource> {
        let base = self
            .endpoint(base_url)
            .map_err(|e| tried.add(e.to_string()))
            .ok()?;
        let mut asked_for = Vec::new();
        let mut places = Vec::new();
        if let Ok(refusal) = self.once(&base, Sending::get()).await
            && refusal.status == 401
        {
            let all = refusal
                .headers
                .iter()
                .filter(|(n, _)| n == "www-authenticate");
            for (_, header) in all {
                places.extend(challenge::parameter(header, "resource_metadata"));
                asked_for.extend(challenge::scope_of(header));
            }
        }
        let mut root = base.clone();
        root.set_query(None);
        let path = base.path().trim_end_matches('/').to_owned();
        for place in [path.as_str(), ""] {
            root.set_path(&format!("/.well-known/oauth-protected-resource{place}"));
            places.push(root.to_string());
        }
        places.dedup();
        for place in places {
            match self.resource_at(&place, &base).await {
                Ok(Some(mut resource)) => {
                    if !asked_for.is_empty() {
                        resource.scopes = asked_for;
                    }
                    return Some(resource);
                }
                Ok(None) => tried.add(format!("nothing at {place}")),
                Err(error) => tried.add(format!("{place}: {error}")),
            }
        }
        None
    }

    async fn resource_at(&self, place: &str, base: &Url) -> Result<Option<Resource>, OAuthError> {
        let Some((answered, fields)) = self.document(place).await? else {
            return Ok(None);
        };
        // RFC 9728, section 3.3: metadata that name another resource are not about this one.
        let resource = text(&fields, "resource").filter(|r| covers(r, base));
        let Some(resource) = resource else {
            return Err(answered.broken("it describes another resource"));
        };
        Ok(Some(Resource {
            resource,
            servers: texts(&fields, "authorization_servers"),
            scopes: domain::oauth::scopes(&texts(&fields, "scopes_supported").join(" ")),
        }))
    }

    /// A JSON object at an address; none where there is nothing.
    async fn document(
        &self,
        place: &str,
    ) -> Result<Option<(Answered, Map<String, Value>)>, OAuthError> {
        let answered = self.get(place).await?;
        if answered.status != 200 {
            return Ok(None);
        }
        let fields = answered.object()?;
        Ok(Some((answered, fields)))
    }

    /// What an issuer says of itself, wherever it says it.
    async fn metadata(&self, issuer: &str, tried: &mut Tried) -> Option<Found> {
        let url = match self.endpoint(issuer) {
            Ok(url) if url.query().is_none() => url,
            Ok(_) => {
                tried.add(format!("{issuer} cannot be an issuer: it has a query"));
                return None;
            }
            Err(error) => {
                tried.add(error.to_string());
                return None;
            }
        };
        for place in well_known(&url) {
            match self.metadata_at(&place, |said| said == issuer).await {
                Ok(Some(found)) => return Some(found),
                Ok(None) => tried.add(format!("nothing at {place}")),
                Err(error) => tried.add(format!("{place}: {error}")),
            }
        }
        None
    }

    async fn openid(&self, place: &str, tried: &mut Tried) -> Option<Found> {
        let belongs = |issuer: &str| {
            let end = "/.well-known/openid-configuration";
            place.strip_suffix(end) == Some(issuer.trim_end_matches('/'))
        };
        match self.metadata_at(place, belongs).await {
            Ok(Some(found)) => Some(found),
            Ok(None) => {
                tried.add(format!("nothing at {place}"));
                None
            }
            Err(error) => {
                tried.add(format!("{place}: {error}"));
                None
            }
        }
    }

    async fn metadata_at(
        &self,
        place: &str,
        is_asked: impl Fn(&str) -> bool,
    ) -> Result<Option<Found>, OAuthError> {
        let Some((answered, fields)) = self.document(place).await? else {
            return Ok(None);
        };
        let issuer = text(&fields, "issuer").unwrap_or_default();
        if !is_asked(&issuer) {
            return Err(answered.broken(&format!(
                "it names another issuer, `{}`",
                super::one_line(&issuer, 100)
            )));
        }
        let challenges = texts(&fields, "code_challenge_methods_supported");
        if !challenges.is_empty() && !challenges.iter().any(|m| m == "S256") {
            return Err(answered.broken("it does not take PKCE with S256"));
        }
        let is_true = |key: &str| fields.get(key) == Some(&Value::Bool(true));
        let scopes = texts(&fields, "scopes_supported");
        Ok(Some(Found {
            issuer,
            issuer_known: true,
            names_itself: is_true("authorization_response_iss_parameter_supported"),
            authorization_endpoint: text(&fields, "authorization_endpoint"),
            token_endpoint: text(&fields, "token_endpoint"),
            device_endpoint: text(&fields, "device_authorization_endpoint"),
            revocation_endpoint: text(&fields, "revocation_endpoint"),
            registration_endpoint: text(&fields, "registration_endpoint"),
            resource: None,
            scopes: Vec::new(),
            offline: scopes.iter().any(|s| s == "offline_access"),
            takes_documents: is_true("client_id_metadata_document_supported"),
            auth_methods: texts(&fields, "token_endpoint_auth_methods_supported"),
        }))
    }
}

/// Whether a resource's name is the source's own address or one that it lies below.
fn covers(resource: &str, base: &Url) -> bool {
    let Ok(named) = Url::parse(resource) else {
        return false;
    };
    let (above, below) = (named.path().trim_end_matches('/'), base.path());
    named.origin() == base.origin()
        && named.fragment().is_none()
        && (below == above
            || below
                .strip_prefix(above)
                .is_some_and(|rest| rest.starts_with('/')))
}

/// Where an issuer may describe itself: RFC 8414, section 3.1 puts the well-known part before its
/// path, OpenID Connect after it.
fn well_known(issuer: &Url) -> Vec<String> {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url.to_string()
    };
    let mut places = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ];
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_an_issuer() {
        let places = |issuer: &str| well_known(&Url::parse(issuer).unwrap());
        assert_eq!(
            places("https://x.example/a/b"),
            [
                "https://x.example/.well-known/oauth-authorization-server/a/b",
                "https://x.example/.well-known/openid-configuration/a/b",
                "https://x.example/a/b/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            places("https://x.example/"),
            [
                "https://x.example/.well-known/oauth-authorization-server",
                "https://x.example/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn a_resource_is_the_source_or_above_it() {
        let base = Url::parse("https://x.example/v1/mcp").unwrap();
        for (resource, expected) in [
            ("https://x.example/v1/mcp", true),
            ("https://x.example/v1/mcp/", true),
            ("https://x.example/v1", true),
            ("https://x.example", true),
            ("https://x.example/v", false),
            ("https://x.example/v1/mcp/tools", false),
            ("http://x.example/v1/mcp", false),
            ("https://y.example/v1/mcp", false),
            ("https://x.example:8443/v1/mcp", false),
            ("nonsense", false),
        ] {
            assert_eq!(covers(resource, &base), expected, "{resource}");
        }
    }

    #[test]
    fn how_a_client_proves_itself() {
        let found = |methods: &[&str]| Found {
            auth_methods: methods.iter().map(|m| (*m).to_owned()).collect(),
            ..Found::default()
        };
        use ClientAuth::{ClientSecretBasic, ClientSecretPost, None};
        for (methods, with_secret, registered) in [
            (&[][..], ClientSecretBasic, ClientSecretBasic),
            (&["none"], ClientSecretBasic, None),
            (&["client_secret_post"], ClientSecretPost, ClientSecretPost),
            (
                &["client_secret_post", "client_secret_basic"],
                ClientSecretBasic,
                ClientSecretBasic,
            ),
            (&["client_secret_post", "none"], ClientSecretPost, None),
        ] {
            let found = found(methods);
            assert_eq!(found.client_auth(true), with_secret, "{methods:?}");
            assert_eq!(found.client_auth(false), None);
            assert_eq!(found.registered_auth(), registered, "{methods:?}");
        }
    }
}
