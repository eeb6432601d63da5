//! An OpenID Connect provider on loopback that does as it is told: it signs with whatever key, says
//! whatever of itself and of people, and counts what it is asked. It checks what a good one checks.

use crate::upstream::fresh_token;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::Digest as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The client that it knows.
pub(crate) const CLIENT: &str = "executor";
pub(crate) const SECRET: &str = "issuer-client-secret-canary";

/// Three keys made for these tests.
const KEYS: [&str; 3] = [
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwsVJYzPunmm5tdPMf2kTO7Tc6TFOQCKDdsjA/35kYaehRANCAAS83qt8fJS/pteW8DFMQrBWWAf7hqReg9WjsmaFGmUyENprJWXW06fFPTedk8YeIzKZEQ7Ms/EIldWWEeRx/CZ1",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0uU8/NSOLbHAims3B5wZeoFnOEdNx68tPRxCQewx3k2hRANCAAT1ikCZuiePD1TE2ja4IkQxSjEfq2klUUDF9u6tXxQIYh0VWy7e3a9xLulUUYgLohjnhFlPatm5cVwz+u7IT9ug",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8R8euYUwmxvsJVJ1xy9fdwkHLaCb0Ry4UNUrq/RYgMGhRANCAASzk/PWGqrHbcxz1bZY2P/uuwtX/PeO/67ACX/bN8ABQRwwYlsV9OX6NICAwkqXAWIqvXyKhXWfIrRZOldM7BiF",
];

/// What it is told to do, and what it was asked.
pub(crate) struct Book {
    /// Who signs in next.
    pub(crate) claims: Value,
    /// Claims put over those of the token; null takes one away.
    pub(crate) over: Value,
    /// Fields put over its metadata.
    pub(crate) metadata: Value,
    /// What it calls itself when the browser goes back; none to say nothing.
    pub(crate) iss: Option<String>,
    /// The key that it signs with, and those that it lists.
    pub(crate) signs: usize,
    pub(crate) lists: Vec<usize>,
    /// It answers 503 to everything.
    pub(crate) down: bool,
    /// Codes that were traded.
    pub(crate) traded: usize,
    /// Requests for keys.
    pub(crate) keys_read: usize,
    /// The token about a person that it gave out last.
    pub(crate) signed: Option<String>,
    codes: HashMap<String, (String, String, String)>,
}

struct Shared {
    url: String,
    book: Mutex<Book>,
}

/// A running provider. It ends with the test.
pub(crate) struct Issuer {
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Somebody whom it knows.
pub(crate) fn person(sub: &str) -> Value {
    json!({ "sub": sub, "name": format!("Name of {sub}"),
            "email": format!("{sub}@acme.example"), "email_verified": true })
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let book = Book {
            claims: person("ada"),
            over: json!({}),
            metadata: json!({}),
            iss: Some(url.clone()),
            signs: 0,
            lists: vec![0],
            down: false,
            traded: 0,
            keys_read: 0,
            signed: None,
            codes: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            url,
            book: Mutex::new(book),
        });
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the issuer serves until the test ends");
        });
        Self { shared, serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.shared.url
    }

    pub(crate) fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.shared.book.lock().expect("no handler panicked"))
    }

    /// What a server needs to know of it.
    pub(crate) fn settings(&self, mode: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (format!("EXECUTOR_SIGN_IN_{name}"), value.to_owned());
        vec![
            pair("MODE", mode),
            pair("ISSUER", self.url()),
            pair("CLIENT_ID", CLIENT),
            pair("CLIENT_SECRET", SECRET),
        ]
    }
}

fn over(mut object: Map<String, Value>, changes: &Value) -> Map<String, Value> {
    for (name, value) in changes.as_object().expect("changes are an object") {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    object
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else {
        panic!("no object: {value}");
    };
    fields
}

fn key(number: usize) -> EcdsaKeyPair {
    let bytes = STANDARD.decode(KEYS[number]).expect("base64");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes).expect("a key")
}

fn listed(number: usize) -> Value {
    let pair = key(number);
    let point = pair.public_key().as_ref();
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": format!("key-{number}"),
        "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
    })
}

fn signed(number: usize, kid: &str, claims: Map<String, Value>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({ "alg": "ES256", "typ": "JWT", "kid": kid });
    let text = format!("{}.{}", part(&head), part(&Value::Object(claims)));
    let signature = key(number)
        .sign(&SystemRandom::new(), text.as_bytes())
        .expect("a signature");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// An access token for a service, signed with one of the keys, with claims put over its own.
pub(crate) fn access_token(issuer: &Issuer, key: usize, audience: &str, changes: &Value) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let own = json!({ "iss": issuer.url(), "aud": audience, "sub": "ada", "scope": "openid run",
                      "iat": now, "exp": now + 300 });
    signed(key, "key-0", over(object(own), changes))
}

fn pairs(text: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://x/?{text}")).expect("a query");
    url.query_pairs().into_owned().collect()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("text");
    let mut book = shared.book.lock().expect("no handler panicked");
    if book.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match parts.uri.path() {
        "/.well-known/openid-configuration" => {
            let url = &shared.url;
            let own = json!({
                "issuer": url, "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys"),
                "userinfo_endpoint": format!("{url}/me"), "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
            });
            axum::Json(Value::Object(over(object(own), &book.metadata))).into_response()
        }
        "/keys" => {
            book.keys_read += 1;
            let keys: Vec<Value> = book.lists.iter().map(|n| listed(*n)).collect();
            axum::Json(json!({ "keys": keys })).into_response()
        }
        "/authorize" => authorize(&mut book, &pairs(parts.uri.query().unwrap_or_default())),
        "/token" => {
            let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
            let sent = parts.headers.get(header::AUTHORIZATION);
            if sent.is_none_or(|sent| sent.as_bytes() != basic.as_bytes()) {
                return refused("invalid_client");
            }
            token(&shared.url, &mut book, &pairs(&body))
        }
        "/me" => axum::Json(book.claims.clone()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refused(code: &str) -> Response {
    let body = axum::Json(json!({ "error": code }));
    (StatusCode::BAD_REQUEST, body).into_response()
}

/// Signs the person in without asking, and sends the browser back.
fn authorize(book: &mut Book, asked: &HashMap<String, String>) -> Response {
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let fits = of("client_id") == CLIENT
        && of("response_type") == "code"
        && of("code_challenge_method") == "S256"
        && of("scope").split(' ').any(|s| s == "openid")
        && !of("nonce").is_empty();
    if !fits {
        return refused("invalid_request");
    }
    let code = fresh_token();
    let kept = (of("code_challenge"), of("nonce"), of("redirect_uri"));
    book.codes.insert(code.clone(), kept);
    let mut back = reqwest::Url::parse(&of("redirect_uri")).expect("an address");
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &of("state"));
    if let Some(iss) = &book.iss {
        back.query_pairs_mut().append_pair("iss", iss);
    }
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

fn token(url: &str, book: &mut Book, asked: &HashMap<String, String>) -> Response {
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let Some((challenge, nonce, redirect_uri)) = book.codes.remove(&of("code")) else {
        return refused("invalid_grant");
    };
    let proof = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(of("code_verifier").as_bytes()));
    if proof != challenge || of("redirect_uri") != redirect_uri {
        return refused("invalid_grant");
    }
    book.traded += 1;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let mut claims = object(book.claims.clone());
    let own = json!({ "iss": url, "aud": CLIENT, "nonce": nonce, "iat": now, "exp": now + 300 });
    claims.extend(object(own));
    let claims = over(claims, &book.over);
    // A key that it does not list is passed off as one that it does.
    let named = match book.lists.contains(&book.signs) {
        true => book.signs,
        false => book.lists.first().copied().unwrap_or(0),
    };
    let id_token = signed(book.signs, &format!("key-{named}"), claims);
    book.signed = Some(id_token.clone());
    axum::Json(json!({
        "access_token": fresh_token(), "token_type": "Bearer", "expires_in": 60,
        "id_token": id_token,
    }))
    .into_response()
}
