//! OAuth credentials: how one stands, when it is renewed, and what is sealed of it.
//!
//! What may be seen of a connection is [`Connection`]; what must not be is a [`TokenSet`], which can
//! be neither printed nor serialized and becomes one [`Secret`] to be sealed. Nothing here speaks to
//! an authorization server: that is done in `tools/oauth.rs`, in the order of `engine/oauth.rs`.

use crate::Timestamp;
use crate::credential::Secret;
use crate::source::OAuthHint;

/// A token is renewed this long before it expires, or a fifth of its life if that is less.
pub const RENEW_AHEAD_MS: i64 = 5 * 60_000;

/// How often in a row a source may ask for wider scopes before a person has to widen them by hand.
pub const STEP_UPS_MAX: u32 = 3;

/// Most scopes of a connection, and the most bytes of all of them.
pub const SCOPES_MAX: usize = 100;
/// See [`SCOPES_MAX`].
pub const SCOPE_BYTES_MAX: usize = 4_096;

/// The waits between failed renewals: doubled from the first, never beyond the last.
const RETRY_FIRST_MS: i64 = 5_000;
const RETRY_LAST_MS: i64 = 15 * 60_000;

/// How a credential is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// A person agrees in a browser (authorization code with PKCE).
    Browser,
    /// A person enters a code on any device (RFC 8628).
    Device,
    /// The client alone is known to the server; nobody is asked.
    ClientCredentials,
}

impl Flow {
    const ALL: [Self; 3] = [Self::Browser, Self::Device, Self::ClientCredentials];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Device => "device",
            Self::ClientCredentials => "client-credentials",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == text)
    }
}

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ConnectionState {
    /// It works, as far as is known.
    Connected,
    /// A person has to agree anew.
    ReauthorizationRequired {
        /// Why, in a sentence.
        reason: String,
    },
    /// It cannot be renewed for another reason than that a person has to agree.
    Error {
        /// Why, in a sentence.
        reason: String,
    },
}

/// What may be seen of a credential that an authorization server granted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Who granted it: the issuer, or the origin of its endpoints where it has not said.
    pub issuer: String,
    /// How it was obtained.
    pub flow: Flow,
    /// Whose account it is, where the server says.
    pub account: Option<String>,
    /// What it is good for; empty where the server does not say.
    pub scopes: Vec<String>,
    /// Scopes that the source asked for and that nobody has agreed to yet.
    pub wanted: Vec<String>,
    /// How often in a row the source asked for more.
    pub step_ups: u32,
    /// Whether it can be renewed without a person.
    pub renewable: bool,
    /// When somebody agreed to it; renewals leave it as it is. Zero where that was not kept yet.
    #[serde(default)]
    pub granted_at: Timestamp,
    /// When the present token was given out.
    pub issued_at: Timestamp,
    /// When it ceases to work; none where the server does not say.
    pub expires_at: Option<Timestamp>,
    /// How many renewals in a row have failed for a passing reason.
    pub failures: u32,
    /// When the last of them did.
    pub failed_at: Option<Timestamp>,
    /// How it is.
    pub state: ConnectionState,
}

impl Connection {
    /// When the token is to be renewed; none if that is not possible, not needed or not wanted.
    #[must_use]
    pub fn renew_at(&self) -> Option<Timestamp> {
        if !self.renewable || self.state != ConnectionState::Connected {
            return None;
        }
        let ahead = self.ahead()?;
        Some(match self.failed_at {
            Some(failed_at) => ahead.max(failed_at.plus_ms(retry_ms(self.failures))),
            None => ahead,
        })
    }

    fn ahead(&self) -> Option<Timestamp> {
        let expires_at = self.expires_at?;
        let life = i64::try_from(expires_at.since(self.issued_at)).unwrap_or(i64::MAX);
        Some(expires_at.plus_ms(-(life / 5).min(RENEW_AHEAD_MS)))
    }

    /// Whether its token is past its time.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }

    /// The state as people see it: `connected`, `expiring`, `reauthorization_required` or `error`.
    #[must_use]
    pub fn shown_state(&self, now: Timestamp) -> &'static str {
        match self.state {
            ConnectionState::ReauthorizationRequired { .. } => "reauthorization_required",
            ConnectionState::Error { .. } => "error",
            ConnectionState::Connected if self.is_expired(now) && !self.renewable => {
                "reauthorization_required"
            }
            ConnectionState::Connected => {
                let is_due = self.ahead().is_some_and(|at| now >= at);
                if is_due && (!self.renewable || self.failures > 0) {
                    "expiring"
                } else {
                    "connected"
                }
            }
        }
    }

    /// Why it is not simply connected.
    #[must_use]
    pub fn reason(&self, now: Timestamp) -> Option<String> {
        match &self.state {
            ConnectionState::ReauthorizationRequired { reason }
            | ConnectionState::Error { reason } => Some(reason.clone()),
            ConnectionState::Connected => match self.shown_state(now) {
                "reauthorization_required" => {
                    Some("it has expired, and its server gave nothing to renew it with".to_owned())
                }
                "expiring" if self.renewable => Some(format!(
                    "it could not be renewed yet; {} tries have failed",
                    self.failures
                )),
                "expiring" => Some("its server gave nothing to renew it with".to_owned()),
                _ => None,
            },
        }
    }
}

/// How long to wait after so many failed renewals.
fn retry_ms(failures: u32) -> i64 {
    let doubled = RETRY_FIRST_MS.saturating_mul(1_i64 << failures.saturating_sub(1).min(20));
    doubled.min(RETRY_LAST_MS)
}

/// How a client proves to be itself at a token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all: it has no secret.
    None,
    /// By its secret in the `Authorization` header.
    ClientSecretBasic,
    /// By its secret in the body.
    ClientSecretPost,
}

/// Where a client's identity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrigin {
    /// A person gave it.
    Given,
    /// The authorization server made it when asked (RFC 7591).
    Registered,
    /// It is the address of a document that describes it.
    Document,
}

/// All that is not secret about how to reach an authorization server, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// The issuer, or the origin of its endpoints where it has not said who it is.
    pub issuer: String,
    /// Whether the issuer said so itself, in metadata that name it.
    pub issuer_known: bool,
    /// Whether it promises to name itself in every authorization response (RFC 9207).
    pub names_itself: bool,
    /// Where a browser is sent.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are given out.
    pub token_endpoint: String,
    /// Where a device asks for a code.
    pub device_endpoint: Option<String>,
    /// Where tokens are given back.
    pub revocation_endpoint: Option<String>,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it.
    pub client_auth: ClientAuth,
    /// How we came to be that.
    pub client_origin: ClientOrigin,
    /// What tokens are to be for (RFC 8707).
    pub resource: Option<String>,
    /// Origins on private networks that a person allowed for this.
    pub private_origins: Vec<String>,
}

/// What is sealed as the value of an OAuth credential.
#[derive(Clone)]
pub struct TokenSet {
    /// Where it came from.
    pub setup: Setup,
    /// The client's secret, where it has one.
    pub client_secret: Option<Secret>,
    /// What calls carry.
    pub access_token: Secret,
    /// What renews it.
    pub refresh_token: Option<Secret>,
}

/// What is sealed of a way to a credential until a person has agreed.
#[derive(Clone)]
pub struct Pending {
    /// Whom to ask.
    pub setup: Setup,
    /// The client's secret, where it has one.
    pub client_secret: Option<Secret>,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// PKCE's verifier, once a browser was sent away; or the device's code.
    pub proof: Option<Secret>,
}

/// What a source's description and its administrators say about connecting to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceOAuth {
    /// Read from its description.
    pub hints: Vec<OAuthHint>,
    /// Set by an administrator: outranks the hints.
    pub manual: Option<OAuthHint>,
    /// The issuer that an administrator named.
    pub issuer: Option<String>,
    /// Origins on private networks that an administrator allowed.
    pub private_origins: Vec<String>,
}

/// A sealed text that is none of ours, or of a version that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value is not one of an OAuth credential")]
pub struct NotOAuth;

#[derive(serde::Serialize)]
struct Out<'a> {
    setup: &'a Setup,
    secrets: [Option<&'a str>; 3],
    scopes: &'a [String],
}

#[derive(serde::Deserialize)]
struct In {
    setup: Setup,
    secrets: [Option<String>; 3],
    scopes: Vec<String>,
}

fn text(out: &Out<'_>) -> Secret {
    Secret::new(serde_json::to_string(out).expect("texts always serialize"))
}

/// Everything but the kind: how it was set up, its secrets, its scopes.
type Kept = (Setup, [Option<Secret>; 3], Vec<String>);

fn read(sealed: &Secret) -> Result<Kept, NotOAuth> {
    let read: In = serde_json::from_str(sealed.expose()).map_err(|_| NotOAuth)?;
    Ok((
        read.setup,
        read.secrets.map(|s| s.map(Secret::new)),
        read.scopes,
    ))
}

fn shown(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(Secret::expose)
}

impl TokenSet {
    /// The one text that is sealed.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        text(&Out {
            setup: &self.setup,
            secrets: [
                shown(&self.client_secret),
                Some(self.access_token.expose()),
                shown(&self.refresh_token),
            ],
            scopes: &[],
        })
    }

    /// Reads what [`TokenSet::to_secret`] made.
    ///
    /// # Errors
    /// [`NotOAuth`].
    pub fn from_secret(sealed: &Secret) -> Result<Self, NotOAuth> {
        let (setup, [client_secret, access_token, refresh_token], _) = read(sealed)?;
        Ok(Self {
            setup,
            client_secret,
            access_token: access_token.ok_or(NotOAuth)?,
            refresh_token,
        })
    }

    /// Every value in it that must not be seen.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let all = [
            Some(&self.access_token),
            self.refresh_token.as_ref(),
            self.client_secret.as_ref(),
        ];
        all.into_iter().flatten().cloned().collect()
    }
}

impl Pending {
    /// The one text that is sealed.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        text(&Out {
            setup: &self.setup,
            secrets: [shown(&self.client_secret), shown(&self.proof), None],
            scopes: &self.scopes,
        })
    }

    /// Reads what [`Pending::to_secret`] made.
    ///
    /// # Errors
    /// [`NotOAuth`].
    pub fn from_secret(sealed: &Secret) -> Result<Self, NotOAuth> {
        let (setup, [client_secret, proof, _], scopes) = read(sealed)?;
        Ok(Self {
            setup,
            client_secret,
            scopes,
            proof,
        })
    }
}

/// Scopes as a text names them, each once, in their order: at most as many as are ever asked for.
#[must_use]
pub fn scopes(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut bytes = 0;
    for scope in text.split_whitespace() {
        // RFC 6749, section 3.3: printable ASCII but for `"` and `\`.
        let fits = scope
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        if !fits || found.iter().any(|s| s == scope) {
            continue;
        }
        bytes += scope.len() + 1;
        if found.len() == SCOPES_MAX || bytes > SCOPE_BYTES_MAX {
            break;
        }
        found.push(scope.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(life_ms: i64) -> Connection {
        Connection {
            issuer: "https://as.example".into(),
            flow: Flow::Browser,
            account: None,
            scopes: Vec::new(),
            wanted: Vec::new(),
            step_ups: 0,
            renewable: true,
            granted_at: Timestamp(1_000),
            issued_at: Timestamp(1_000),
            expires_at: Some(Timestamp(1_000 + life_ms)),
            failures: 0,
            failed_at: None,
            state: ConnectionState::Connected,
        }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        for (life_ms, renewed_after_ms) in [
            (3_600_000, 3_300_000),
            (300_000, 240_000),
            (10_000, 8_000),
            (0, 0),
        ] {
            let at = connection(life_ms).renew_at();
            assert_eq!(at, Some(Timestamp(1_000 + renewed_after_ms)), "{life_ms}");
        }
        let endless = Connection {
            expires_at: None,
            ..connection(0)
        };
        assert_eq!(endless.renew_at(), None);
        assert!(!endless.is_expired(Timestamp(i64::MAX)));
        let alone = Connection {
            renewable: false,
            ..connection(10_000)
        };
        assert_eq!(alone.renew_at(), None);
        let refused = Connection {
            state: ConnectionState::ReauthorizationRequired { reason: "x".into() },
            ..connection(10_000)
        };
        assert_eq!(refused.renew_at(), None);
    }

    #[test]
    fn failures_wait_longer_and_longer() {
        let waits: Vec<i64> = [1, 2, 3, 8, 9, 200].map(retry_ms).to_vec();
        assert_eq!(waits, [5_000, 10_000, 20_000, 640_000, 900_000, 900_000]);
        let failed = Connection {
            failures: 2,
            failed_at: Some(Timestamp(20_000)),
            ..connection(10_000)
        };
        assert_eq!(failed.renew_at(), Some(Timestamp(30_000)));
    }

    #[test]
    fn states_are_honest() {
        let (early, due, late) = (Timestamp(2_000), Timestamp(9_500), Timestamp(12_000));
        let renewed = connection(10_000);
        for at in [early, due, late] {
            assert_eq!(renewed.shown_state(at), "connected", "{at:?}");
        }
        let failing = Connection {
            failures: 1,
            ..connection(10_000)
        };
        let alone = Connection {
            renewable: false,
            ..connection(10_000)
        };
        for (connection, at, expected) in [
            (&failing, early, "connected"),
            (&failing, due, "expiring"),
            (&alone, early, "connected"),
            (&alone, due, "expiring"),
            (&alone, late, "reauthorization_required"),
        ] {
            assert_eq!(connection.shown_state(at), expected, "{at:?}");
            assert_eq!(connection.reason(at).is_some(), expected != "connected");
        }
    }

    #[test]
    fn what_is_sealed_reads_back() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let setup = Setup {
            issuer: "https://as.example".into(),
            issuer_known: true,
            names_itself: false,
            authorization_endpoint: Some("https://as.example/authorize".into()),
            token_endpoint: "https://as.example/token".into(),
            device_endpoint: None,
            revocation_endpoint: None,
            client_id: "me".into(),
            client_auth: ClientAuth::None,
            client_origin: ClientOrigin::Given,
            resource: None,
            private_origins: Vec::new(),
        };
        let set = TokenSet {
            setup: setup.clone(),
            client_secret: None,
            access_token: secret("a\"b"),
            refresh_token: Some(secret("r")),
        };
        let read = TokenSet::from_secret(&set.to_secret()).unwrap();
        assert_eq!(read.setup, setup);
        assert_eq!(read.access_token.expose(), "a\"b");
        assert_eq!(shown(&read.refresh_token), Some("r"));
        assert!(read.client_secret.is_none());
        assert_eq!(read.secrets().len(), 2);
        assert!(TokenSet::from_secret(&secret("plain token")).is_err());
        let pending = Pending {
            setup,
            client_secret: Some(secret("s")),
            scopes: vec!["a".into()],
            proof: Some(secret("verifier")),
        };
        let read = Pending::from_secret(&pending.to_secret()).unwrap();
        assert_eq!(shown(&read.proof), Some("verifier"));
        assert_eq!(
            (read.scopes.len(), shown(&read.client_secret)),
            (1, Some("s"))
        );
        // What is pending is no token.
        assert!(
            TokenSet::from_secret(
                &Pending {
                    proof: None,
                    ..pending
                }
                .to_secret()
            )
            .is_err()
        );
    }

    #[test]
    fn scopes_are_bounded() {
        assert_eq!(scopes("a  b a \"c\" d\\e"), ["a", "b"]);
        let many: Vec<String> = (0..1_000).map(|n| format!("s{n}")).collect();
        assert_eq!(scopes(&many.join(" ")).len(), SCOPES_MAX);
        assert!(scopes(&"x".repeat(SCOPE_BYTES_MAX + 1)).is_empty());
    }
}
