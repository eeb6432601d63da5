//! How an API lets callers in, from `securitySchemes` and `security`.
//!
//! OAuth 2 and OpenID Connect become a bearer token that a person sets; kinds that cannot be used
//! are left out with a warning.

use super::Warnings;
use super::document::Document;
use domain::source::{ApiKeyLocation, AuthScheme, OAuthHint};
use serde_json::Value;
use url::Url;

/// The schemes that the document's requirements name, in order of declaration; all declared ones
/// where no requirement names any.
pub(crate) fn schemes(document: &Document, warnings: &mut Warnings) -> Vec<AuthScheme> {
    let Some(declared) = document
        .root
        .pointer("/components/securitySchemes")
        .and_then(Value::as_object)
    else {
        return Vec::new();
    };
    let required = required(&document.root);
    let counts = |name: &String| required.is_empty() || required.contains(&name.as_str());
    let mut found: Vec<AuthScheme> = Vec::new();
    for (name, declaration) in declared.iter().filter(|(name, _)| counts(name)) {
        let scheme = document.resolve(declaration).and_then(scheme);
        match scheme {
            Ok(scheme) if !found.contains(&scheme) => found.push(scheme),
            Ok(_) => {}
            Err(problem) => warnings.add(format!(
                "the security scheme `{name}` is left out: {problem}"
            )),
        }
    }
    found
}

/// Where the document says that OAuth tokens are to be had, each way by itself; relative addresses
/// against where the document lies.
pub(crate) fn hints(document: &Document, location: Option<&str>) -> Vec<OAuthHint> {
    let declared = document
        .root
        .pointer("/components/securitySchemes")
        .and_then(Value::as_object);
    let location = location.and_then(|l| Url::parse(l).ok());
    let address = |at: &Value, key: &str| {
        let text = at.get(key)?.as_str()?;
        match (Url::parse(text), &location) {
            (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => {
                base.join(text).ok().map(String::from)
            }
            (_, _) => Some(text.to_owned()),
        }
    };
    let mut found = Vec::new();
    for declaration in declared.into_iter().flat_map(|d| d.values()) {
        let Ok(scheme) = document.resolve(declaration) else {
            continue;
        };
        match scheme.get("type").and_then(Value::as_str) {
            Some("openIdConnect") => found.push(OAuthHint {
                openid_url: address(scheme, "openIdConnectUrl"),
                ..OAuthHint::default()
            }),
            Some("oauth2") => {
                let flows = scheme.get("flows").and_then(Value::as_object);
                for flow in flows.into_iter().flat_map(|f| f.values()) {
                    let scopes = flow.get("scopes").and_then(Value::as_object);
                    let scopes = scopes.into_iter().flat_map(|s| s.keys());
                    found.push(OAuthHint {
                        authorization_url: address(flow, "authorizationUrl"),
                        token_url: address(flow, "tokenUrl"),
                        device_url: address(flow, "deviceAuthorizationUrl"),
                        openid_url: None,
                        scopes: scopes.cloned().collect(),
                    });
                }
            }
            Some(_) | None => {}
        }
    }
    found
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

fn required(root: &Value) -> Vec<&str> {
    let operations = root
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flat_map(|item| item.values());
    std::iter::once(root)
        .chain(operations)
        .filter_map(|at| at.get("security")?.as_array())
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|requirement| requirement.keys().map(String::as_str))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn required_schemes_are_read() {
        let document = json!({"openapi": "3.0.0", "security": [{"a": []}],
            "paths": {"/x": {"get": {"security": [{"k": [], "o": ["read"]}]}}},
            "components": {"securitySchemes": {
                "a": {"type": "http", "scheme": "Basic"},
                "k": {"type": "apiKey", "in": "query", "name": "key"},
                "o": {"type": "oauth2", "flows": {}},
                "unused": {"type": "http", "scheme": "bearer"},
                "m": {"type": "mutualTLS"}}}});
        let document = Document::parse(document.to_string().as_bytes()).unwrap();
        let key = AuthScheme::ApiKey {
            location: ApiKeyLocation::Query,
            name: "key".to_owned(),
        };
        assert_eq!(
            schemes(&document, &mut Warnings::default()),
            [AuthScheme::Basic, key, AuthScheme::Bearer]
        );
    }

    #[test]
    fn ways_to_a_token_are_read() {
        let document = json!({"openapi": "3.0.0", "paths": {}, "components": {"securitySchemes": {
            "a": {"type": "oauth2", "flows": {"authorizationCode": {
                "authorizationUrl": "/agree", "tokenUrl": "https://as.example/token",
                "scopes": {"read": "", "write": ""}}}},
            "b": {"type": "openIdConnect", "openIdConnectUrl": "https://id.example/x"},
            "c": {"type": "http", "scheme": "bearer"}}}});
        let document = Document::parse(document.to_string().as_bytes()).unwrap();
        let found = hints(&document, Some("https://api.example/v1/openapi.json"));
        let code = OAuthHint {
            authorization_url: Some("https://api.example/agree".into()),
            token_url: Some("https://as.example/token".into()),
            scopes: vec!["read".into(), "write".into()],
            ..OAuthHint::default()
        };
        let openid = OAuthHint {
            openid_url: Some("https://id.example/x".into()),
            ..OAuthHint::default()
        };
        assert_eq!(found, [code, openid]);
    }
}
