//! How an API lets callers in, from `securitySchemes` and `security`.
//!
//! Each requirement is one way in: a scheme, or several together. Without requirements every
//! declared scheme is one. OAuth 2 and OpenID Connect become a bearer token; what the document says
//! of how to get one is in [`hints`]. Kinds that cannot be used are left out with a warning.

use super::Warnings;
use super::document::Document;
use domain::source::{ApiKeyLocation, AuthScheme, OAuthHint};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::Url;

/// Most ways in that are kept.
const SCHEMES_MAX: usize = 32;

/// Most scopes that are kept of one flow.
const SCOPES_MAX: usize = 500;

fn declared(document: &Document) -> Option<&Map<String, Value>> {
    document
        .root
        .pointer("/components/securitySchemes")?
        .as_object()
}

/// The ways in that the document's requirements name: single schemes in order of declaration, then
/// those that are several together; every declared scheme where no requirement names any.
pub(crate) fn schemes(document: &Document, warnings: &mut Warnings) -> Vec<AuthScheme> {
    let Some(declared) = declared(document) else {
        return Vec::new();
    };
    let mut ways = requirements(&document.root);
    if ways.is_empty() {
        ways = declared.keys().map(|name| vec![name.as_str()]).collect();
    }
    let place = |name: &str| {
        declared
            .keys()
            .position(|k| k == name)
            .unwrap_or(usize::MAX)
    };
    ways.sort_by_key(|way| (way.len(), way.iter().map(|n| place(n)).collect::<Vec<_>>()));
    ways.dedup();
    let mut usable: BTreeMap<&str, Option<AuthScheme>> = BTreeMap::new();
    let mut found: Vec<AuthScheme> = Vec::new();
    for way in ways {
        let mut parts = Vec::new();
        for name in &way {
            let scheme = usable.entry(name).or_insert_with(|| {
                let read = declared
                    .get(*name)
                    .ok_or("it is declared nowhere".to_owned());
                let read = read.and_then(|d| document.resolve(d)).and_then(scheme);
                read.map_err(|problem| {
                    warnings.add(format!(
                        "the security scheme `{name}` is left out: {problem}"
                    ));
                })
                .ok()
            });
            parts.extend(scheme.clone().filter(|s| !parts.contains(s)));
        }
        let whole = way.iter().all(|name| usable[name].is_some());
        let scheme = match parts.len() {
            1 if whole => parts.remove(0),
            2.. if whole => AuthScheme::All(parts),
            _ => continue,
        };
        if !found.contains(&scheme) && found.len() < SCHEMES_MAX {
            found.push(scheme);
        }
    }
    found
}

/// Where the document says that tokens are to be had, one hint for each flow.
pub(crate) fn hints(document: &Document, location: Option<&str>) -> Vec<OAuthHint> {
    let location = location.and_then(|l| Url::parse(l).ok());
    let mut found: Vec<OAuthHint> = Vec::new();
    for declaration in declared(document).into_iter().flat_map(Map::values) {
        let Ok(scheme) = document.resolve(declaration) else {
            continue;
        };
        let kind = scheme.get("type").and_then(Value::as_str);
        let address = |at: &Value, key: &str| shown(at.get(key)?.as_str()?, location.as_ref());
        let openid_url = match kind {
            Some("openIdConnect") => address(scheme, "openIdConnectUrl"),
            Some("oauth2") => address(scheme, "oauth2MetadataUrl"),
            Some(_) | None => continue,
        };
        let flows = scheme.get("flows").and_then(Value::as_object);
        let mut hints: Vec<OAuthHint> = flows
            .into_iter()
            .flatten()
            .filter(|(_, flow)| flow.is_object())
            .map(|(_, flow)| OAuthHint {
                authorization_url: address(flow, "authorizationUrl"),
                token_url: address(flow, "tokenUrl"),
                device_url: address(flow, "deviceAuthorizationUrl"),
                openid_url: openid_url.clone(),
                scopes: scopes(flow),
            })
            .collect();
        if hints.is_empty() && openid_url.is_some() {
            hints.push(OAuthHint {
                openid_url,
                ..OAuthHint::default()
            });
        }
        for hint in hints {
            if hint != OAuthHint::default() && !found.contains(&hint) && found.len() < SCHEMES_MAX {
                found.push(hint);
            }
        }
    }
    found
}

/// An address that may be opened: http or https, resolved against where the document lies.
fn shown(text: &str, location: Option<&Url>) -> Option<String> {
    let url = match location {
        Some(location) => location.join(text).ok()?,
        None => Url::parse(text).ok()?,
    };
    let fine = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none();
    fine.then(|| url.into())
}

fn scopes(flow: &Value) -> Vec<String> {
    let named = |name: &&String| !name.is_empty() && !name.contains(char::is_whitespace);
    let scopes = flow.get("scopes").and_then(Value::as_object);
    let names = scopes.into_iter().flat_map(Map::keys).filter(named);
    names.take(SCOPES_MAX).cloned().collect()
}

fn scheme(declaration: &Value) -> Result<AuthScheme, String> {
    let text = |key: &str| {
        declaration
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match text("type") {
        "http" => match text("scheme").to_ascii_lowercase().as_str() {
            "bearer" => Ok(AuthScheme::Bearer),
            "basic" => Ok(AuthScheme::Basic),
            other => Err(format!("HTTP authentication `{other}` is not supported")),
        },
        "apiKey" => {
            let location = match text("in") {
                "header" => ApiKeyLocation::Header,
                "query" => ApiKeyLocation::Query,
                "cookie" => ApiKeyLocation::Cookie,
                other => return Err(format!("an API key in `{other}` is unknown")),
            };
            match text("name") {
                "" => Err("it does not say the name of its header or parameter".to_owned()),
                name => Ok(AuthScheme::ApiKey {
                    location,
                    name: name.to_owned(),
                }),
            }
        }
        "oauth2" | "openIdConnect" => Ok(AuthScheme::Bearer),
        other => Err(format!("its type `{other}` is not supported")),
    }
}

/// The names of each requirement of the document and of its operations that names any.
fn requirements(root: &Value) -> Vec<Vec<&str>> {
    let operations = root
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flat_map(|item| item.values());
    let mut found: Vec<Vec<&str>> = std::iter::once(root)
        .chain(operations)
        .filter_map(|at| at.get("security")?.as_array())
        .flatten()
        .filter_map(Value::as_object)
        .filter(|requirement| !requirement.is_empty())
        .map(|requirement| requirement.keys().map(String::as_str).collect())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(document: &Value) -> (Vec<AuthScheme>, Vec<OAuthHint>, Vec<String>) {
        let document = Document::parse(document.to_string().as_bytes()).unwrap();
        let mut warnings = Warnings::default();
        let schemes = schemes(&document, &mut warnings);
        let hints = hints(&document, Some("https://h.example/v1/openapi.json"));
        (schemes, hints, warnings.finish())
    }

    #[test]
    fn each_requirement_is_one_way_in() {
        let schemes = json!({
            "a": {"type": "http", "scheme": "Basic"},
            "k": {"type": "apiKey", "in": "query", "name": "key"},
            "o": {"type": "oauth2", "flows": {}},
            "unused": {"type": "http", "scheme": "digest"},
            "m": {"type": "mutualTLS"}});
        let key = AuthScheme::ApiKey {
            location: ApiKeyLocation::Query,
            name: "key".to_owned(),
        };
        let all = |parts: &[&AuthScheme]| AuthScheme::All(parts.iter().copied().cloned().collect());
        for (global, own, expected, warned) in [
            (
                json!([{"a": []}]),
                json!([{"k": [], "o": ["read"]}]),
                vec![AuthScheme::Basic, all(&[&key, &AuthScheme::Bearer])],
                0,
            ),
            (
                json!([{"k": []}, {"a": []}]),
                json!([{}]),
                vec![AuthScheme::Basic, key.clone()],
                0,
            ),
            (
                json!([{"k": [], "m": []}]),
                json!([{"o": []}]),
                vec![AuthScheme::Bearer],
                1,
            ),
            (json!([{"gone": []}]), json!([]), vec![], 1),
            (
                json!([]),
                json!([]),
                vec![AuthScheme::Basic, key.clone(), AuthScheme::Bearer],
                2,
            ),
        ] {
            let document = json!({"openapi": "3.0.0", "security": global,
                "paths": {"/x": {"get": {"security": own}}},
                "components": {"securitySchemes": schemes}});
            let (found, _, warnings) = read(&document);
            assert_eq!(found, expected, "{global} {own}");
            assert_eq!(warnings.len(), warned, "{warnings:?}");
        }
    }

    #[test]
    fn flows_say_where_tokens_are_to_be_had() {
        let document = json!({"openapi": "3.2.0", "paths": {}, "components": {"securitySchemes": {
            "o": {"type": "oauth2", "oauth2MetadataUrl": "https://id.example/.well-known/x", "flows": {
                "authorizationCode": {"authorizationUrl": "https://id.example/authorize",
                    "tokenUrl": "/token", "scopes": {"read": "Reads", "write": "Writes", "a b": ""}},
                "deviceAuthorization": {"deviceAuthorizationUrl": "https://id.example/device",
                    "tokenUrl": "javascript:alert(1)", "scopes": {}}}},
            "i": {"type": "openIdConnect", "openIdConnectUrl": "https://id.example/.well-known/openid-configuration"}}}});
        let text = |t: &str| Some(t.to_owned());
        let metadata = text("https://id.example/.well-known/x");
        let (schemes, hints, _) = read(&document);
        assert_eq!(schemes, [AuthScheme::Bearer]);
        assert_eq!(
            hints,
            [
                OAuthHint {
                    authorization_url: text("https://id.example/authorize"),
                    token_url: text("https://h.example/token"),
                    openid_url: metadata.clone(),
                    scopes: vec!["read".to_owned(), "write".to_owned()],
                    ..OAuthHint::default()
                },
                OAuthHint {
                    device_url: text("https://id.example/device"),
                    openid_url: metadata,
                    ..OAuthHint::default()
                },
                OAuthHint {
                    openid_url: text("https://id.example/.well-known/openid-configuration"),
                    ..OAuthHint::default()
                },
            ]
        );
    }

    #[test]
    fn swagger_says_it_in_other_words() {
        let document = json!({"swagger": "2.0", "paths": {}, "securityDefinitions": {
            "b": {"type": "basic"},
            "o": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://id.example/a",
                "tokenUrl": "https://id.example/t", "scopes": {"r": ""}}}});
        let (schemes, hints, warnings) = read(&document);
        assert_eq!(schemes, [AuthScheme::Basic, AuthScheme::Bearer]);
        assert_eq!(hints[0].token_url.as_deref(), Some("https://id.example/t"));
        assert_eq!(hints[0].scopes, ["r"]);
        assert!(warnings.is_empty());
    }
}
