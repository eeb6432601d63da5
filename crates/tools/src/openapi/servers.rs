//! Where calls go: one address per source, fixed at import.
//!
//! Variables take the values that the document allows, never ones that a program chooses. Only
//! http and https; no user names in addresses.

use super::document::Document;
use super::{ImportOptions, Warnings};
use crate::error::ImportError;
use serde_json::Value;
use url::Url;

/// The base address of the whole source: a person's choice, else the document's first usable
/// server, without a trailing slash. Empty if there is none.
pub(crate) fn base_url(
    document: &Document,
    options: &ImportOptions<'_>,
    warnings: &mut Warnings,
) -> Result<String, ImportError> {
    if let Some(chosen) = options.base_url {
        return usable(chosen, options.location).map_err(|problem| ImportError::BaseUrl {
            url: chosen.to_owned(),
            problem,
        });
    }
    let found = match document.root.get("servers").and_then(Value::as_array) {
        Some(servers) if !servers.is_empty() => first_usable(servers, options.location, warnings),
        // OpenAPI: no servers means the root of where the document lies.
        Some(_) | None => options.location.and_then(|l| usable("/", Some(l)).ok()),
    };
    if found.is_none() {
        warnings.add(
            "the description names no usable server address; give the base address when adding the source",
        );
    }
    Ok(found.unwrap_or_default())
}

/// The address that one operation or path overrides the source's with.
pub(crate) fn override_of(
    levels: [Option<&Value>; 2],
    base_url: &str,
    options: &ImportOptions<'_>,
    warnings: &mut Warnings,
) -> Option<String> {
    if options.base_url.is_some() {
        return None;
    }
    let servers = levels
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .find(|s| !s.is_empty())?;
    let location = options
        .location
        .or(Some(base_url).filter(|b| !b.is_empty()));
    first_usable(servers, location, warnings).filter(|found| found != base_url)
}

fn first_usable(
    servers: &[Value],
    location: Option<&str>,
    warnings: &mut Warnings,
) -> Option<String> {
    for server in servers {
        let Some(template) = server.get("url").and_then(Value::as_str) else {
            continue;
        };
        match usable(&filled(template, server.get("variables")), location) {
            Ok(url) => return Some(url),
            Err(problem) => warnings.add(format!("the server `{template}` is left out: {problem}")),
        }
    }
    None
}

/// Variables replaced by their default, which must be among the values that the document lists.
fn filled(template: &str, variables: Option<&Value>) -> String {
    let mut url = template.to_owned();
    for (name, variable) in variables.and_then(Value::as_object).into_iter().flatten() {
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let allowed: Vec<String> = variable
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        let value = variable
            .get("default")
            .map(text)
            .filter(|d| allowed.is_empty() || allowed.contains(d))
            .or_else(|| allowed.first().cloned());
        if let Some(value) = value {
            url = url.replace(&format!("{{{name}}}"), &value);
        }
    }
    url
}

fn usable(text: &str, location: Option<&str>) -> Result<String, String> {
    if text.contains(['{', '}']) {
        return Err("it has a variable without a value".to_owned());
    }
    let parsed = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => location
            .and_then(|l| Url::parse(l).ok())
            .and_then(|l| l.join(text).ok())
            .ok_or("it is relative, and the description did not come from an address")?,
        Err(e) => return Err(e.to_string()),
    };
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!("`{}` is neither http nor https", parsed.scheme()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("it holds a user name or password; set a credential instead".to_owned());
    }
    let origin = parsed.origin().ascii_serialization();
    Ok(format!("{origin}{}", parsed.path().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base(servers: Value, location: Option<&str>, chosen: Option<&str>) -> String {
        let document = json!({"openapi": "3.1.0", "servers": servers}).to_string();
        let document = Document::parse(document.as_bytes()).unwrap();
        let options = ImportOptions {
            source_id: domain::SourceId::from_bits([1; 16]),
            name: "x",
            location,
            base_url: chosen,
        };
        base_url(&document, &options, &mut Warnings::default()).unwrap()
    }

    #[test]
    fn the_first_usable_server_counts() {
        let here = Some("https://docs.example/v1/openapi.json");
        for (servers, location, expected) in [
            (
                json!([{"url": "https://api.example/v2/"}]),
                None,
                "https://api.example/v2",
            ),
            (json!([{"url": "/v3"}]), here, "https://docs.example/v3"),
            (json!([{"url": "v3"}]), here, "https://docs.example/v1/v3"),
            (json!([]), here, "https://docs.example"),
            (json!([{"url": "/v3"}]), None, ""),
            (
                json!([{"url": "ws://a.example"}, {"url": "http://b.example:8080"}]),
                None,
                "http://b.example:8080",
            ),
            (json!([{"url": "https://u:p@a.example"}]), None, ""),
            (json!([{"url": "https://{host}/"}]), None, ""),
            (
                json!([{"url": "https://{r}.a.example", "variables": {"r": {"default": "eu", "enum": ["eu", "us"]}}}]),
                None,
                "https://eu.a.example",
            ),
            (
                json!([{"url": "https://{r}.a.example", "variables": {"r": {"default": "evil", "enum": ["us"]}}}]),
                None,
                "https://us.a.example",
            ),
        ] {
            assert_eq!(base(servers.clone(), location, None), expected, "{servers}");
        }
        assert_eq!(
            base(json!([]), None, Some("http://127.0.0.1:9/x/")),
            "http://127.0.0.1:9/x"
        );
    }
}
