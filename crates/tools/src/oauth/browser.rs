//! The person's browser: where it is sent, and what it brings back.

use super::one_line;
use domain::credential::Secret;
use domain::oauth::Setup;
use url::Url;

/// Longest query that is read.
const QUERY_BYTES_MAX: usize = 16 << 10;

/// The address that a person's browser is sent to (RFC 6749, section 4.1.1; RFC 7636; RFC 8707). None
/// where the server has no such endpoint.
#[must_use]
pub fn authorization_url(
    setup: &Setup,
    redirect_uri: &str,
    scopes: &[String],
    state: &str,
    challenge: &str,
) -> Option<String> {
    let mut url = Url::parse(setup.authorization_endpoint.as_deref()?).ok()?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &setup.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", state)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        if !scopes.is_empty() {
            query.append_pair("scope", &scopes.join(" "));
        }
        if let Some(resource) = &setup.resource {
            query.append_pair("resource", resource);
        }
        // OpenID Connect Core, section 11: what may be used while nobody is there wants to be asked
        // for each time.
        if scopes.iter().any(|s| s == "offline_access") {
            query.append_pair("prompt", "consent");
        }
        // Google gives what renews a token only where it is asked like this.
        if setup.issuer == "https://accounts.google.com" {
            query
                .append_pair("access_type", "offline")
                .append_pair("prompt", "consent");
        }
    }
    Some(url.into())
}

/// What a browser brings back.
#[derive(Clone)]
pub struct Redirected {
    /// What it was sent away with.
    pub state: String,
    /// Who sends it back, where that says so (RFC 9207).
    pub iss: Option<String>,
    /// The code; or the error's code and what is said about it.
    pub outcome: Result<Secret, (String, String)>,
}

/// Reads the query that a browser comes back with. A parameter that stands twice, and a state that is
/// missing, are refused: which of two counts would depend on the reader.
///
/// # Errors
/// What is wrong with it.
pub fn redirected(query: &str) -> Result<Redirected, &'static str> {
    if query.len() > QUERY_BYTES_MAX {
        return Err("it is longer than any answer of an authorization server");
    }
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let one = |name: &str| -> Result<Option<String>, &'static str> {
        let mut found = pairs.iter().filter(|(n, _)| n == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err("a parameter stands in it twice"),
            (first, None) => Ok(first.map(|(_, v)| v.clone().into_owned())),
        }
    };
    let state = one("state")?.filter(|s| !s.is_empty());
    let (code, error) = (one("code")?, one("error")?);
    let (iss, description) = (one("iss")?, one("error_description")?);
    let outcome = match (code, error) {
        (Some(code), None) if !code.is_empty() => Ok(Secret::new(code)),
        (None, Some(error)) => Err((
            one_line(&error, 64),
            one_line(&description.unwrap_or_default(), 200),
        )),
        (_, _) => return Err("it holds neither a code nor an error"),
    };
    Ok(Redirected {
        state: state.ok_or("it does not say which request it answers (`state`)")?,
        iss,
        outcome,
    })
}

impl Redirected {
    /// Whether whoever sends the browser back is who it was sent to (RFC 9207, section 2.4).
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check_issuer(&self, setup: &Setup) -> Result<(), String> {
        match &self.iss {
            None if setup.names_itself => Err(format!(
                "{} promises to name itself in its answer and the answer names nobody",
                setup.issuer
            )),
            None => Ok(()),
            // Compared as text: an issuer that differs in a slash is another one.
            Some(iss) if setup.issuer_known && *iss == setup.issuer => Ok(()),
            Some(iss) if !setup.issuer_known && same_origin(iss, &setup.issuer) => Ok(()),
            Some(iss) => Err(format!(
                "the answer comes from {} and {} was asked",
                one_line(iss, 100),
                setup.issuer
            )),
        }
    }
}

fn same_origin(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::oauth::{ClientAuth, ClientOrigin};

    fn setup() -> Setup {
        Setup {
            issuer: "https://as.example".into(),
            issuer_known: true,
            names_itself: true,
            authorization_endpoint: Some("https://as.example/a?tenant=1".into()),
            token_endpoint: "https://as.example/t".into(),
            device_endpoint: None,
            revocation_endpoint: None,
            client_id: "me & you".into(),
            client_auth: ClientAuth::None,
            client_origin: ClientOrigin::Given,
            resource: Some("https://api.example/mcp".into()),
            private_origins: Vec::new(),
        }
    }

    #[test]
    fn where_a_browser_is_sent() {
        let scopes = ["read".to_owned(), "offline_access".to_owned()];
        let url = authorization_url(&setup(), "http://x/cb", &scopes, "st", "ch").unwrap();
        assert_eq!(
            url,
            "https://as.example/a?tenant=1&response_type=code&client_id=me+%26+you\
             &redirect_uri=http%3A%2F%2Fx%2Fcb&state=st&code_challenge=ch\
             &code_challenge_method=S256&scope=read+offline_access\
             &resource=https%3A%2F%2Fapi.example%2Fmcp&prompt=consent"
        );
    }

    #[test]
    fn what_a_browser_brings_back() {
        for (query, expected) in [
            ("code=c&state=s", Ok(("s", Some("c")))),
            ("error=access_denied&state=s", Ok(("s", None))),
            ("code=c", Err("state")),
            ("code=c&state=", Err("state")),
            ("state=s", Err("neither")),
            ("code=&state=s", Err("neither")),
            ("code=c&error=e&state=s", Err("neither")),
            ("code=c&code=d&state=s", Err("twice")),
            ("code=c&state=s&state=t", Err("twice")),
            ("code=c&state=s&iss=a&iss=b", Err("twice")),
        ] {
            match (redirected(query), expected) {
                (Ok(read), Ok((state, code))) => {
                    assert_eq!(read.state, state, "{query}");
                    let found = read.outcome.ok().map(|c| c.expose().to_owned());
                    assert_eq!(found.as_deref(), code, "{query}");
                }
                (Err(why), Err(part)) => assert!(why.contains(part), "{query}: {why}"),
                (read, _) => panic!("{query}: {:?}", read.err()),
            }
        }
        assert!(redirected(&format!("code=c&state={}", "x".repeat(20_000))).is_err());
    }

    #[test]
    fn the_issuer_must_be_the_one_that_was_asked() {
        let from = |iss: &str| redirected(&format!("code=c&state=s{iss}")).unwrap();
        let known = setup();
        let silent = Setup {
            names_itself: false,
            ..setup()
        };
        let unknown = Setup {
            issuer_known: false,
            names_itself: false,
            ..setup()
        };
        for (iss, by_known, by_silent, by_unknown) in [
            ("&iss=https://as.example", true, true, true),
            ("", false, true, true),
            ("&iss=https://as.example/", false, false, true),
            ("&iss=https://AS.example", false, false, true),
            ("&iss=https://as.example:443", false, false, true),
            ("&iss=https://evil.example", false, false, false),
            ("&iss=http://as.example", false, false, false),
            ("&iss=nonsense", false, false, false),
            ("&iss=", false, false, false),
        ] {
            let back = from(iss);
            assert_eq!(back.check_issuer(&known).is_ok(), by_known, "{iss}");
            assert_eq!(back.check_issuer(&silent).is_ok(), by_silent, "{iss}");
            assert_eq!(back.check_issuer(&unknown).is_ok(), by_unknown, "{iss}");
        }
    }
}
