//! An API that says back what it was sent, in its body, in its errors, and in every form that is read
//! without knowing what to look for; and that takes credentials in every way.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

/// Every way in which it takes a credential, and where it then stands.
pub(crate) const PARROTED: [(&str, &str); 5] = [
    ("bearer", "authorization"),
    ("basic", "authorization"),
    ("header:X-Api-Key", "x-api-key"),
    ("cookie:sid", "cookie"),
    ("query:api_key", "?"),
];

#[derive(Default)]
struct Heard {
    words: Vec<String>,
    /// Places and what stood there.
    received: Vec<(String, String)>,
}

/// A running one. It ends with the test.
pub(crate) struct Parrot {
    url: String,
    heard: Arc<Mutex<Heard>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Parrot {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heard = Arc::<Mutex<Heard>>::default();
        let state = (url.clone(), Arc::clone(&heard));
        let app = Router::new().fallback(answer).with_state(state);
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("it serves");
        });
        Self {
            url,
            heard,
            serving,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on this is what it says.
    pub(crate) fn repeats(&self, word: &str) {
        let mut heard = self.heard.lock().expect("no handler panicked");
        heard.words = vec![word.to_owned()];
    }

    /// What stood in a header, or, for `?`, in the query, after it was decoded.
    pub(crate) fn received(&self, place: &str) -> Vec<String> {
        let heard = self.heard.lock().expect("no handler panicked");
        let found = heard.received.iter().filter(|(name, _)| name == place);
        found.map(|(_, value)| value.clone()).collect()
    }
}

async fn answer(
    State((url, heard)): State<(String, Arc<Mutex<Heard>>)>,
    request: Request,
) -> Response {
    if request.uri().path() == "/openapi.json" {
        return axum::Json(description(&url)).into_response();
    }
    let mut heard = heard.lock().expect("no handler panicked");
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        heard.received.push((name.to_string(), value));
    }
    let whole = reqwest::Url::parse(&format!("{url}{}", request.uri())).expect("an address");
    for (_, value) in whole.query_pairs() {
        heard.received.push(("?".to_owned(), value.into_owned()));
    }
    let mut said: Vec<String> = heard.words.iter().flat_map(|word| forms(word)).collect();
    said.push(Value::from(whole.as_str()).to_string());
    let sent = request.headers().iter();
    said.extend(sent.map(|(_, v)| Value::from(String::from_utf8_lossy(v.as_bytes())).to_string()));
    let body = format!("{{\"said\":[{}]}}", said.join(","));
    let status = match request.uri().path() {
        "/fail" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A word in many forms, each as it stands in a body of JSON.
fn forms(word: &str) -> Vec<String> {
    let hex = word.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    });
    let percent = word.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    });
    let form = reqwest::Url::parse_with_params("http://x/", [("", word)]).expect("an address");
    let escapes = word.encode_utf16().fold(String::new(), |mut out, unit| {
        let _ = write!(out, "\\u{unit:04x}");
        out
    });
    let texts = [
        word.to_owned(),
        format!("in the midst of{word}of more"),
        STANDARD.encode(word),
        URL_SAFE.encode(word),
        STANDARD.encode(format!("x{word} and more")),
        STANDARD.encode(format!("xy{word} and more")),
        STANDARD.encode(STANDARD.encode(word)),
        hex.to_uppercase(),
        hex,
        percent.to_lowercase(),
        percent,
        form.query().unwrap_or_default().to_owned(),
        word.chars().rev().collect(),
    ];
    let mut said: Vec<String> = texts
        .into_iter()
        .map(|text| Value::from(text).to_string())
        .collect();
    said.push(format!("\"{}\"", word.replace('/', "\\/")));
    said.push(format!("\"{escapes}\""));
    said
}

fn description(url: &str) -> Value {
    let operation = |id: &str| {
        json!({ "tags": ["parrot"], "operationId": id, "summary": format!("Does {id}"),
            "responses": { "200": { "description": "Done",
                "content": { "application/json": { "schema": {} } } } } })
    };
    let mut write = operation("write");
    let note = json!({ "type": "object", "properties": { "note": { "type": "string" } } });
    write["requestBody"] = json!({ "content": { "application/json": { "schema": note } } });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Parrot", "version": "1" },
        "servers": [{ "url": url }],
        "paths": {
            "/say": { "get": operation("say"), "post": write },
            "/fail": { "get": operation("fail") },
        },
    })
}
