//! What a client asks for in a person's browser (RFC 6749, section 4.1.1; RFC 7636; RFC 8707).
//!
//! Until it is certain who asks and that its answers may go where it says, nothing is sent there:
//! the person is told instead. From then on errors go back to the client, with `state` and `iss`.

use super::{Here, Refused};
use crate::Engine;
use domain::access::{Caller, Scopes};
use domain::grant::{Client, Resource, redirect_matches};
use futures_util::future::BoxFuture;

/// Longest `state` that is passed through, in bytes.
const STATE_BYTES_MAX: usize = 2_000;

/// The parameters of a request, each of which stands at most once, but for `resource`.
#[derive(Debug, Clone, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Asking {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// What is asked for.
    pub scopes: Scopes,
    /// Which of our doors it is for.
    pub resource: Resource,
    /// What the client wants back.
    pub state: Option<String>,
    /// The S256 challenge of whoever may redeem the code.
    pub challenge: String,
}

/// Why a client gets no consent page.
#[derive(Debug, Clone)]
pub enum AskingRefused {
    /// The person is told, and nobody else.
    Here(Refused),
    /// The client is told, at its address.
    Back(String),
}

impl Params {
    /// Takes the pairs of a query or form.
    ///
    /// # Errors
    /// The name of a parameter that stands twice (RFC 6749, section 3.1).
    pub fn read(text: &[u8]) -> Result<Self, Refused> {
        let pairs = tools::oauth::form_pairs(text);
        for (n, (name, _)) in pairs.iter().enumerate() {
            if name != "resource" && pairs.iter().skip(n + 1).any(|(other, _)| other == name) {
                let name: String = name.chars().take(64).collect();
                return Err(super::refused(
                    "invalid_request",
                    format!("the parameter '{name}' stands twice"),
                ));
            }
        }
        Ok(Self { pairs })
    }

    /// A parameter; one without a value counts as left out (RFC 6749, section 3.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(n, _)| n == name);
        found.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn must(&self, name: &str) -> Result<&str, Refused> {
        self.get(name)
            .ok_or_else(|| super::refused("invalid_request", format!("{name} is missing")))
    }

    /// Every value of a parameter that may stand several times.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<String> {
        let found = self
            .pairs
            .iter()
            .filter(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, v)| v.clone()).collect()
    }
}

/// Scopes as a client asks for them. `offline_access` is nothing here: every grant can be renewed.
pub(super) fn wanted_scopes(text: Option<&str>) -> Result<Scopes, Refused> {
    let text = text.unwrap_or_default();
    let kept: Vec<&str> = text
        .split_ascii_whitespace()
        .filter(|name| *name != "offline_access")
        .collect();
    if kept.is_empty() {
        return Ok(Scopes::USUAL);
    }
    Scopes::parse(&kept.join(" ")).map_err(|e| super::refused("invalid_scope", e.to_string()))
}

/// Whether a text is the S256 challenge of something: 32 bytes in base 64 for addresses.
fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl Engine {
    /// Reads what a client asks for in the browser of a person.
    ///
    /// # Errors
    /// [`AskingRefused`].
    pub fn asking(
        &self,
        caller: &Caller,
        params: Params,
        here: Here,
    ) -> BoxFuture<'_, Result<Asking, AskingRefused>> {
        let who = caller.account_id.to_string();
        Box::pin(async move {
            let (client, redirect_uri) = self
                .whoever_asks(&params, &here, who)
                .await
                .map_err(AskingRefused::Here)?;
            let state = params.get("state").map(str::to_owned);
            let back = |code: &str, why: &str| {
                let error = [("error", code), ("error_description", why)];
                AskingRefused::Back(self.answer(&redirect_uri, &error, state.as_deref()))
            };
            let told = |refusal: Refused| match refusal {
                Refused::OAuth { code, why } => back(code, &why),
                Refused::TooOften(_) | Refused::Failed(_) => AskingRefused::Here(refusal),
            };
            if state.as_ref().is_some_and(|s| s.len() > STATE_BYTES_MAX) {
                let why = format!("state has more than {STATE_BYTES_MAX} bytes");
                return Err(AskingRefused::Here(super::refused("invalid_request", why)));
            }
            match params.get("response_type") {
                Some("code") => {}
                None => return Err(back("invalid_request", "response_type is missing")),
                Some(_) => {
                    let why = "response_type must be code";
                    return Err(back("unsupported_response_type", why));
                }
            }
            if params.get("response_mode").is_some_and(|m| m != "query") {
                return Err(back("invalid_request", "response_mode must be query"));
            }
            if params.get("request").is_some() {
                let why = "request objects are not read; send the parameters";
                return Err(back("request_not_supported", why));
            }
            // Without PKCE, and with `plain`, whoever sees a code can redeem it.
            if params.get("code_challenge_method") != Some("S256") {
                return Err(back(
                    "invalid_request",
                    "code_challenge_method must be S256",
                ));
            }
            let challenge = match params.get("code_challenge") {
                Some(challenge) if is_challenge(challenge) => challenge.to_owned(),
                Some(_) | None => {
                    let why = "code_challenge must be a SHA-256 in base64url without padding";
                    return Err(back("invalid_request", why));
                }
            };
            let scopes = wanted_scopes(params.get("scope")).map_err(told)?;
            let resource = here.one_resource(&params.all("resource")).map_err(told)?;
            if params.get("prompt") == Some("none") {
                let why = "somebody has to look at every request";
                return Err(back("interaction_required", why));
            }
            Ok(Asking {
                client,
                redirect_uri,
                scopes,
                resource,
                state,
                challenge,
            })
        })
    }

    /// The client and where its answers go, which must be certain before anything is sent there.
    async fn whoever_asks(
        &self,
        params: &Params,
        here: &Here,
        who: String,
    ) -> Result<(Client, String), Refused> {
        let client = self.client(params.must("client_id")?, here, who).await?;
        let redirect_uri = match (params.get("redirect_uri"), client.redirect_uris.as_slice()) {
            (Some(wanted), registered) => {
                let known = registered.iter().any(|r| redirect_matches(r, wanted));
                if !known {
                    return Err(super::refused(
                        "invalid_request",
                        "redirect_uri is none of those that the client gave; nothing was sent there",
                    ));
                }
                // A port of this machine that is ours, or the like.
                domain::grant::check_redirect(wanted, &here.hosts()).map_err(|why| {
                    super::refused("invalid_request", format!("redirect_uri: {why}"))
                })?;
                wanted.to_owned()
            }
            (None, [only]) => only.clone(),
            (None, _) => {
                return Err(super::refused(
                    "invalid_request",
                    "redirect_uri is missing, and the client has not exactly one",
                ));
            }
        };
        Ok((client, redirect_uri))
    }

    /// An answer to a client, with who gives it (RFC 9207).
    pub(crate) fn answer(
        &self,
        redirect_uri: &str,
        pairs: &[(&str, &str)],
        state: Option<&str>,
    ) -> String {
        let mut pairs = pairs.to_vec();
        if let Some(state) = state {
            pairs.push(("state", state));
        }
        pairs.push(("iss", self.issuer()));
        tools::oauth::answer_address(redirect_uri, &pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_stands_once() {
        let params = Params::read(b"a=1&b=&resource=x&resource=y").unwrap();
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.get("b"), None);
        assert_eq!(params.all("resource"), ["x", "y"]);
        assert!(params.must("c").is_err());
        assert!(Params::read(b"state=1&state=2").is_err());
    }

    #[test]
    fn scopes_and_challenges() {
        assert_eq!(wanted_scopes(None).unwrap(), Scopes::USUAL);
        assert_eq!(
            wanted_scopes(Some("offline_access")).unwrap(),
            Scopes::USUAL
        );
        let run = wanted_scopes(Some("offline_access run")).unwrap();
        assert_eq!(run.to_string(), "run");
        assert!(wanted_scopes(Some("run everything")).is_err());
        assert!(is_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for bad in [
            "",
            "short",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            &"a".repeat(44),
        ] {
            assert!(!is_challenge(bad), "{bad}");
        }
    }
}
