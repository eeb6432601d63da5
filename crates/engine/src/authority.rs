//! Executor as an authorization server for MCP clients (OAuth 2.1): who clients are, what a person
//! grants to one, and the tokens that come of it.
//!
//! A token is bound to a person, a workspace, a client, scopes and one of our two doors, and carries
//! no right of its own: role and grant are read again at each request. Nothing that a client says of
//! itself is believed but where its answers go. Every grant is consented to anew: no consent is
//! remembered, so none can be borrowed. Read on in the order of a flow: `clients`, `asking`,
//! `consent`, `tokens`, `devices`; then `bearers` for what a token opens, `elsewhere` for tokens of others, and
//! `granted` for lists.

mod asking;
mod bearers;
mod clients;
mod consent;
mod devices;
mod elsewhere;
mod granted;
mod tokens;

pub use asking::{Asking, AskingRefused, Params};
pub use clients::NewClient;
pub use consent::{Consent, Ticket, Way};
pub use devices::DeviceAsking;
pub use elsewhere::Foreign;
pub use tokens::{ClientSaid, Issued};

pub(crate) use bearers::{Bearers, is_granted};
pub(crate) use elsewhere::elsewhere;

use crate::{Engine, Error};
use domain::access::Scopes;
use domain::grant::{ClientProof, Resource};
use domain::{AccountId, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where a browser asks for consent.
pub const AUTHORIZE_PATH: &str = "/oauth/authorize";
/// Where tokens are given out.
pub const TOKEN_PATH: &str = "/oauth/token";
/// Where clients register themselves.
pub const REGISTER_PATH: &str = "/oauth/register";
/// Where tokens are given back.
pub const REVOKE_PATH: &str = "/oauth/revoke";
/// Where a token is explained to whoever holds a key.
pub const INTROSPECT_PATH: &str = "/oauth/introspect";
/// Where a device asks for a code.
pub const DEVICE_AUTHORIZATION_PATH: &str = "/oauth/device_authorization";
/// Where a person enters such a code.
pub const DEVICE_PATH: &str = "/device";
/// What the authorization server says of itself (RFC 8414).
pub const AUTHORITY_METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// What our doors say of themselves (RFC 9728); the door's own path may follow.
pub const RESOURCE_METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// How long a code may take from the browser to the client, in milliseconds.
pub(crate) const CODE_MS: i64 = 60_000;
/// How long an access token works, in milliseconds.
pub(crate) const ACCESS_MS: i64 = 3_600_000;
/// How long a refresh token works if it is not used, in milliseconds.
pub(crate) const REFRESH_MS: i64 = 30 * DAY_MS;
/// How long a grant lasts at most, however often it is renewed.
pub(crate) const GRANT_MS: i64 = 365 * DAY_MS;
/// How long a person may think about a consent, in milliseconds.
pub(crate) const CONSENT_MS: i64 = 10 * 60_000;
/// How long a client is known that nobody granted anything.
pub(crate) const UNUSED_CLIENT_MS: i64 = DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

/// Tries that are counted for at most so many at once.
const COUNTED_MAX: usize = 10_000;

/// How the server takes part in authorization.
#[derive(Debug, Clone, Default)]
pub struct Authorization {
    /// Origins of clients' documents that may lie at private addresses and speak plain http.
    pub client_origins: Vec<String>,
    /// Another authorization server that gives out the tokens for the MCP endpoint in our place.
    pub elsewhere: Option<Elsewhere>,
}

/// Another authorization server, as configured.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Its name for itself.
    pub issuer: String,
    /// What its tokens must be made for; the address of the MCP endpoint if absent.
    pub audience: Option<String>,
}

/// Under what addresses this request could reach us: public ones first.
#[derive(Debug, Clone)]
pub struct Here {
    origins: Vec<String>,
}

/// Why nothing was granted, as OAuth says it.
#[derive(Debug, Clone)]
pub enum Refused {
    /// An error of OAuth's registries.
    OAuth {
        /// Its code.
        code: &'static str,
        /// What is wrong, for whoever wrote the client.
        why: String,
    },
    /// Too often; when to try again, in milliseconds.
    TooOften(u64),
    /// Executor could not.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) fn refused(code: &'static str, why: impl Into<String>) -> Refused {
    Refused::OAuth {
        code,
        why: why.into(),
    }
}

/// What this server counts, in memory: tries that are cheap for whoever makes them.
#[derive(Default)]
pub(crate) struct Counted {
    tries: Mutex<HashMap<(Tried, String), (u32, Timestamp)>>,
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tried {
    /// Registering a client, by address.
    Register,
    /// Reading a client's document, by address or person.
    Document,
    /// Entering the code of a device, by person.
    DeviceCode,
    /// Asking for the code of a device, by address.
    Device,
}

impl Tried {
    /// How many within how many milliseconds.
    fn most(self) -> (u32, u64) {
        match self {
            Self::Register => (120, 3_600_000),
            Self::Document => (60, 600_000),
            Self::DeviceCode => (20, 600_000),
            Self::Device => (60, 600_000),
        }
    }
}

impl Counted {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Tried, String), (u32, Timestamp)>> {
        // Nothing is left half done where a panic could poison it.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more try; the milliseconds until there is room again where there were too many.
    pub(crate) fn count(&self, what: Tried, who: String, now: Timestamp) -> Result<(), u64> {
        let (most, within_ms) = what.most();
        let mut tries = self.lock();
        if tries.len() >= COUNTED_MAX {
            tries.retain(|(what, _), (_, since)| now.since(*since) < what.most().1);
        }
        let entry = tries.entry((what, who)).or_insert((0, now));
        if now.since(entry.1) >= within_ms {
            *entry = (0, now);
        }
        if entry.0 >= most {
            return Err(within_ms.saturating_sub(now.since(entry.1)).max(1));
        }
        entry.0 += 1;
        Ok(())
    }
}

impl Here {
    /// The addresses of a server that listens at `port` and was reached under `host`, which was
    /// judged before.
    #[must_use]
    pub fn new(engine: &Engine, port: u16, host: Option<&str>) -> Self {
        let mut origins = vec![engine.origin()];
        for local in ["127.0.0.1", "localhost", "[::1]"] {
            origins.push(format!("http://{local}:{port}"));
        }
        if let Some(host) = host.map(str::to_ascii_lowercase) {
            origins.push(format!("https://{host}"));
            origins.push(format!("http://{host}"));
        }
        origins.dedup();
        Self { origins }
    }

    /// Hosts, with their ports where they are not the usual ones.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let host = |origin: &String| Some(origin.split_once("://")?.1.to_owned());
        self.origins.iter().filter_map(host).collect()
    }

    /// Which of our doors an address is that a client names as its resource (RFC 8707).
    pub(crate) fn resource(&self, address: &str) -> Option<Resource> {
        let (origin, path) = tools::oauth::resource_parts(address)?;
        if !self.origins.contains(&origin) {
            return None;
        }
        match path.as_str() {
            "/mcp" | "/v1/mcp" => Some(Resource::Mcp),
            "/api/v1" | "/api" => Some(Resource::Api),
            _ => None,
        }
    }

    /// The same, of every address that a client names; the MCP endpoint where it names none.
    pub(crate) fn one_resource(&self, named: &[String]) -> Result<Resource, Refused> {
        let mut found = None;
        for address in named {
            let Some(resource) = self.resource(address) else {
                let address: String = address.chars().take(200).collect();
                return Err(refused(
                    "invalid_target",
                    format!("'{address}' is not served here"),
                ));
            };
            if found.is_some_and(|before| before != resource) {
                return Err(refused(
                    "invalid_target",
                    "a token is for one resource; ask for one at a time",
                ));
            }
            found = Some(resource);
        }
        Ok(found.unwrap_or(Resource::Mcp))
    }
}

impl Engine {
    /// Whether somebody else gives out the tokens for the MCP endpoint.
    #[must_use]
    pub fn is_authorized_elsewhere(&self) -> bool {
        self.inner.elsewhere.is_some()
    }

    /// Who we are as an authorization server.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.public_url()
    }

    /// Who gives out the tokens for our doors.
    fn authorized_by(&self) -> &str {
        match &self.inner.elsewhere {
            Some(elsewhere) => elsewhere.issuer(),
            None => self.issuer(),
        }
    }

    fn origin(&self) -> String {
        tools::oauth::origin_of(self.public_url()).unwrap_or_else(|| self.public_url().to_owned())
    }

    /// What the authorization server says of itself (RFC 8414).
    #[must_use]
    pub fn authority_metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer());
        let proofs: Vec<&str> = ClientProof::ALL.into_iter().map(|p| p.as_str()).collect();
        json!({
            "issuer": self.issuer(),
            "authorization_endpoint": at(AUTHORIZE_PATH),
            "token_endpoint": at(TOKEN_PATH),
            "registration_endpoint": at(REGISTER_PATH),
            "revocation_endpoint": at(REVOKE_PATH),
            "introspection_endpoint": at(INTROSPECT_PATH),
            "device_authorization_endpoint": at(DEVICE_AUTHORIZATION_PATH),
            "scopes_supported": names(Scopes::ALL),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                tokens::DEVICE_GRANT,
            ],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": proofs,
            "revocation_endpoint_auth_methods_supported": proofs,
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
        })
    }

    /// What one of our doors says of itself (RFC 9728), as it is reached at an origin.
    #[must_use]
    pub fn resource_metadata(&self, origin: &str, path: &str) -> Value {
        let scopes = if path.starts_with("/api") {
            Scopes::ALL
        } else {
            Scopes::USUAL
        };
        json!({
            "resource": format!("{origin}{path}"),
            "resource_name": "Executor",
            "authorization_servers": [self.authorized_by()],
            "scopes_supported": names(scopes),
            "bearer_methods_supported": ["header"],
        })
    }

    /// Counts a try of a person or an address.
    pub(crate) fn count_try(&self, what: Tried, who: String) -> Result<(), Refused> {
        let now = self.inner.clock.now();
        let counted = self.inner.counted_tries.count(what, who, now);
        counted.map_err(Refused::TooOften)
    }

    pub(crate) fn count_try_of(&self, what: Tried, who: &AccountId) -> Result<(), Refused> {
        self.count_try(what, who.to_string())
    }

    /// Clears away what is over: codes, tokens, grants, devices, clients that nobody uses.
    pub(crate) async fn forget_grants(&self, kept_ms: i64) -> Result<(), Error> {
        let (system, local) = (self.inner.system, self.inner.clock.now());
        self.inner
            .store
            .write(move |tx| {
                let now = tx.now(local)?;
                store::grants::remove_expired(tx, system, now, now.plus_ms(-kept_ms))?;
                store::devices::remove_expired(tx, system, now)?;
                store::apps::remove_expired(tx, system, now)?;
                Ok(())
            })
            .await
    }
}

fn names(scopes: Scopes) -> Vec<&'static str> {
    scopes.iter().map(|s| s.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Here {
        Here {
            origins: vec![
                "https://executor.example".to_owned(),
                "http://127.0.0.1:5312".to_owned(),
            ],
        }
    }

    #[test]
    fn a_resource_is_one_of_our_doors() {
        for (address, expected) in [
            ("https://executor.example/mcp", Some(Resource::Mcp)),
            ("https://executor.example/mcp/", Some(Resource::Mcp)),
            ("https://executor.example/v1/mcp", Some(Resource::Mcp)),
            ("http://127.0.0.1:5312/mcp?workspace=a", Some(Resource::Mcp)),
            ("https://executor.example/api/v1", Some(Resource::Api)),
            ("https://executor.example", None),
            ("https://executor.example/mcpx", None),
            ("http://executor.example/mcp", None),
            ("https://executor.example.evil.example/mcp", None),
            ("https://executor.example@evil.example/mcp", None),
            ("https://evil.example/mcp", None),
            ("http://127.0.0.1:5313/mcp", None),
            ("mcp", None),
        ] {
            assert_eq!(here().resource(address), expected, "{address}");
        }
    }

    #[test]
    fn tries_are_counted_and_forgiven() {
        let counted = Counted::default();
        let (most, within) = Tried::DeviceCode.most();
        let count =
            |who: &str, ms: i64| counted.count(Tried::DeviceCode, who.to_owned(), Timestamp(ms));
        for _ in 0..most {
            assert_eq!(count("ada", 0), Ok(()));
        }
        assert_eq!(count("ada", 1_000), Err(within - 1_000));
        assert_eq!(count("bob", 1_000), Ok(()));
        assert_eq!(count("ada", i64::try_from(within).unwrap()), Ok(()));
    }
}
