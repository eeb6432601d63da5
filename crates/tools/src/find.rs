//! From what a person gives to the text of a description. An address that is a web page, or nothing,
//! is asked where its description is: by what it links, then at well-known places of its own origin.
//!
//! Never leaves that origin, and asks a few times only. Where nothing is found, the error says what
//! was tried and what came back.

use crate::egress::{Egress, Seen, Validators};
use crate::error::FetchError;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use url::Url;

/// Where descriptions usually are (the last: RFC 9727).
const PLACES: [&str; 6] = [
    "/openapi.json",
    "/swagger.json",
    "/openapi.yaml",
    "/v3/api-docs",
    "/.well-known/openapi.json",
    "/.well-known/api-catalog",
];

/// Most addresses that are asked besides the one that was given.
const TRIES_MAX: usize = 10;

/// How much of an answer is shown, in characters.
const BEGINNING_CHARS: usize = 80;

/// How far into a text its kind is looked for, in bytes.
const KIND_WITHIN: usize = 4 << 10;

/// A text that may be a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Where it is read again.
    pub url: String,
    /// The text.
    pub document: Vec<u8>,
    /// By what its server recognizes it.
    pub validators: Validators,
    /// What the server said, for the error of whoever cannot read it.
    pub answer: Tried,
    /// How it was found, where another address was given.
    pub found_by: Option<String>,
}

/// One address that was asked, and what came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// The address.
    pub url: String,
    /// The HTTP status; none where there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What it says that it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// Its first characters; those that a reader would not see are written out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub begins_with: String,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Why no description was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLocated {
    /// The address gave no answer.
    #[error("{url} could not be read: {error}")]
    NoAnswer {
        /// The address that was given.
        url: String,
        /// Why.
        error: FetchError,
    },
    /// It answered, and neither that nor what was asked besides is a description.
    #[error("{} could not be read: {}", tried.first().map_or("it", |t| t.url.as_str()), all(tried, next))]
    Elsewhere {
        /// Everything that was asked, the given address first.
        tried: Vec<Tried>,
        /// What to do.
        next: &'static str,
    },
}

impl NotLocated {
    /// Every address that was asked, and what came back.
    #[must_use]
    pub fn tried(&self) -> &[Tried] {
        match self {
            Self::NoAnswer { .. } => &[],
            Self::Elsewhere { tried, .. } => tried,
        }
    }
}

impl Located {
    /// What the address itself gave.
    pub(crate) fn at(url: &str, seen: Seen) -> Self {
        located(url, seen, None)
    }
}

fn all(tried: &[Tried], next: &str) -> String {
    let Some((first, rest)) = tried.split_first() else {
        return next.to_owned();
    };
    let places: Vec<String> = rest
        .iter()
        .map(|t| match t.status {
            Some(status) => format!("{} ({status})", t.url),
            None => format!("{} (no answer)", t.url),
        })
        .collect();
    if places.is_empty() {
        format!("{first}; {next}")
    } else {
        format!("{first}; looked also at {}; {next}", places.join(", "))
    }
}

impl Egress {
    /// Reads the description at an address. Where that is a web page, or nothing, looks for one at
    /// what it links and at well-known places of the same origin. `allow_private` holds for its own
    /// host and port alone.
    ///
    /// # Errors
    /// [`NotLocated`] says what was tried and what came back.
    pub fn locate<'a>(
        &'a self,
        url: &'a str,
        headers: &'a [(String, String)],
        allow_private: bool,
    ) -> BoxFuture<'a, Result<Located, NotLocated>> {
        Box::pin(async move {
            let none = Validators::default();
            let seen = self.look(url, headers, allow_private, &none).await;
            let seen = seen.map_err(|error| NotLocated::NoAnswer {
                url: url.to_owned(),
                error,
            })?;
            self.locate_from((url, seen), headers, allow_private).await
        })
    }

    /// The same where the address was looked at already.
    pub(crate) async fn locate_from(
        &self,
        (url, seen): (&str, Seen),
        headers: &[(String, String)],
        allow_private: bool,
    ) -> Result<Located, NotLocated> {
        let none = Validators::default();
        let mut tried = vec![Tried::of(url, &seen)];
        if seen.is_success() && !is_page(&seen) {
            return Ok(located(url, seen, None));
        }
        if matches!(seen.status, 401 | 403 | 407) {
            let next = "it wants to know who asks; give what it wants with --header 'Name: value'";
            return Err(NotLocated::Elsewhere { tried, next });
        }
        let mut places = candidates(&seen);
        let mut asked = 0;
        while let Some(place) = places.get(asked).cloned()
            && asked < TRIES_MAX
        {
            asked += 1;
            let there = match self.look(&place, headers, allow_private, &none).await {
                Ok(there) => there,
                Err(error) => {
                    tried.push(Tried {
                        url: place,
                        problem: Some(error.to_string()),
                        ..Tried::default()
                    });
                    continue;
                }
            };
            tried.push(Tried::of(&place, &there));
            if !there.is_success() || is_page(&there) || !same_origin(url, &there.url) {
                continue;
            }
            if names_its_kind(&there.body) {
                let how = format!("{url} is no description itself; one was found at {place}");
                return Ok(located(&place, there, Some(how)));
            }
            places.extend(catalog_links(&there).filter(|l| same_origin(url, l)));
        }
        let next = if is_page(&seen) {
            "this is a web page; give the address of the description itself, which it may name"
        } else {
            "give the address of the description itself"
        };
        Err(NotLocated::Elsewhere { tried, next })
    }
}

fn located(url: &str, seen: Seen, found_by: Option<String>) -> Located {
    Located {
        answer: Tried::of(url, &seen),
        url: url.to_owned(),
        validators: seen.validators,
        document: seen.body,
        found_by,
    }
}

/// Whether a text says near its beginning what it is.
pub(crate) fn names_its_kind(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(KIND_WITHIN)]);
    start.contains("openapi") || start.contains("swagger")
}

impl Tried {
    /// What came back.
    #[must_use]
    pub fn of(url: &str, seen: &Seen) -> Self {
        Self {
            url: url.to_owned(),
            status: Some(seen.status),
            content_type: seen.content_type.clone(),
            begins_with: beginning(&seen.body),
            problem: None,
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(status) = self.status else {
            return f.write_str(self.problem.as_deref().unwrap_or("there was no answer"));
        };
        let kind = match self.content_type.as_str() {
            "" => "no content type",
            kind => kind,
        };
        write!(f, "it answered {status} with {kind}, ")?;
        match self.begins_with.as_str() {
            "" => f.write_str("and nothing in it"),
            begins => write!(f, "beginning with `{begins}`"),
        }
    }
}

/// The first characters; those that a reader would not see are written out.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * BEGINNING_CHARS)]);
    let text = text.trim();
    let shown: String = text
        .chars()
        .take(BEGINNING_CHARS)
        .flat_map(|c| {
            let plain = c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic();
            let (as_is, escaped) = if plain {
                (Some(c), None)
            } else {
                (None, Some(c.escape_default()))
            };
            as_is.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(BEGINNING_CHARS).is_some() {
        format!("{shown}…")
    } else {
        shown
    }
}

/// Whether it is a web page, for people.
pub(crate) fn is_page(seen: &Seen) -> bool {
    let start = &seen.body[..seen.body.len().min(512)];
    let start = String::from_utf8_lossy(start)
        .trim_start()
        .to_ascii_lowercase();
    let says = seen.content_type.to_ascii_lowercase();
    start.starts_with("<!doctype html")
        || start.starts_with("<html")
        || (says.starts_with("text/html") && start.starts_with('<'))
}

fn same_origin(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        (_, _) => false,
    }
}

/// Where the description of what answered may be, on the same origin: what it links first.
fn candidates(seen: &Seen) -> Vec<String> {
    let Ok(base) = Url::parse(&seen.url) else {
        return Vec::new();
    };
    let headers = seen.links.iter().flat_map(|l| l.split(','));
    let mut linked: Vec<String> = headers.filter_map(service_desc).collect();
    if is_page(seen) {
        linked.extend(links_of_page(&String::from_utf8_lossy(&seen.body)));
    }
    let all = linked.iter().map(String::as_str).chain(PLACES);
    let mut places: Vec<String> = Vec::new();
    for place in all.filter_map(|link| base.join(link).ok()) {
        let text = place.to_string();
        let new = text != seen.url && !places.contains(&text);
        if new && place.origin() == base.origin() {
            places.push(text);
        }
    }
    places
}

/// The target of one link of a `Link` header, if it leads to a description (RFC 8631).
fn service_desc(link: &str) -> Option<String> {
    let (target, parameters) = link.split_once('>')?;
    let relation = parameters.split(';').find_map(|p| {
        let (name, value) = p.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("rel")).then(|| value.trim().trim_matches('"'))
    })?;
    let describes = relation
        .split_whitespace()
        .any(|r| r.eq_ignore_ascii_case("service-desc"));
    describes.then(|| target.trim().trim_start_matches('<').to_owned())
}

/// Addresses of descriptions in a page: its `service-desc` links, and what the two common viewers of
/// descriptions are told to show.
fn links_of_page(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.split_whitespace().next().unwrap_or_default();
        if name.eq_ignore_ascii_case("link")
            && attribute(tag, "rel").is_some_and(|r| r.eq_ignore_ascii_case("service-desc"))
        {
            found.extend(attribute(tag, "href"));
        }
        if name.eq_ignore_ascii_case("redoc") {
            found.extend(attribute(tag, "spec-url"));
        }
    }
    if let Some((_, settings)) = page.split_once("SwaggerUIBundle") {
        found.extend(attribute(settings, "url"));
    }
    found
}

/// The quoted value after a name and `=` or `:`.
fn attribute(text: &str, name: &str) -> Option<String> {
    text.match_indices(name).find_map(|(at, _)| {
        let alone = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && c != '-');
        let rest = text[at + name.len()..]
            .trim_start_matches(['"', '\''])
            .trim_start();
        let value = rest.strip_prefix(['=', ':'])?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, _) = value[1..].split_once(quote)?;
        alone.then(|| value.to_owned())
    })
}

/// The descriptions that a catalog of APIs names (RFC 9727, RFC 9264).
fn catalog_links(seen: &Seen) -> impl Iterator<Item = String> + use<> {
    let read: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let sets = read["linkset"].as_array().cloned().unwrap_or_default();
    let base = Url::parse(&seen.url).ok();
    sets.into_iter()
        .flat_map(|set| set["service-desc"].as_array().cloned().unwrap_or_default())
        .filter_map(|link| link["href"].as_str().map(str::to_owned))
        .filter_map(move |href| Some(base.as_ref()?.join(&href).ok()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(content_type: &str, links: &[&str], body: &str) -> Seen {
        Seen {
            url: "https://api.example/docs/".to_owned(),
            status: 200,
            content_type: content_type.to_owned(),
            links: links.iter().map(|&l| l.to_owned()).collect(),
            validators: Validators::default(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_page_is_told_from_a_description() {
        for (content_type, body, page) in [
            ("text/html; charset=utf-8", "\n <!DOCTYPE html>", true),
            ("", "<HTML lang=en>", true),
            ("text/html", "<div>", true),
            ("text/html", "{\"openapi\": \"3.1.0\"}", false),
            ("application/json", "{}", false),
            ("text/plain", "openapi: 3.1.0", false),
        ] {
            assert_eq!(is_page(&seen(content_type, &[], body)), page, "{body}");
        }
    }

    #[test]
    fn what_a_page_links_is_tried_first_and_nothing_of_another_origin() {
        let page = r#"<html><link rel="stylesheet" href="/a.css">
            <link href='../v2/api.yaml' rel='service-desc'><link rel="service-desc" href="https://evil.example/x">
            <redoc spec-url="spec.json"></redoc>
            <script>SwaggerUIBundle({ dom_id: "x", "url": "/swagger/v1.json" })</script>"#;
        let links = ["</first.json>; rel=\"service-desc\"; type=\"a/b\", </no>; rel=next"];
        let places = candidates(&seen("text/html", &links, page));
        let own = |p: &str| format!("https://api.example{p}");
        let first = [
            "/first.json",
            "/v2/api.yaml",
            "/docs/spec.json",
            "/swagger/v1.json",
        ]
        .map(own);
        assert_eq!(places[..4], first);
        assert_eq!(places[4..], PLACES.map(own));
    }

    #[test]
    fn a_catalog_of_apis_names_descriptions() {
        let text = r#"{"linkset":[{"anchor":"https://api.example/","service-desc":[{"href":"/d.json"}]}]}"#;
        let links: Vec<String> =
            catalog_links(&seen("application/linkset+json", &[], text)).collect();
        assert_eq!(links, ["https://api.example/d.json"]);
        assert_eq!(catalog_links(&seen("", &[], "{}")).count(), 0);
    }

    #[test]
    fn beginnings_are_short_and_hide_nothing() {
        assert_eq!(beginning(b"  <a>\n\x1b[31m"), "<a>\\n\\u{1b}[31m");
        assert_eq!(beginning("\u{202e}x".as_bytes()), "\\u{202e}x");
        let long = beginning(&[b'a'; 500]);
        assert_eq!(long.chars().count(), BEGINNING_CHARS + 1);
        assert_eq!(beginning(&[]), "");
    }
}
