//! A person's browser and a program elsewhere, as far as authorization takes them: neither is the
//! user who runs the server, the one keeps cookies and follows no redirect, the other has tokens.

use crate::api::Reply;
use crate::server::Server;
use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Where answers go in these tests; nobody listens there, and nothing has to.
pub(crate) const REDIRECT: &str = "http://127.0.0.1:9/callback";

/// What came back to a browser or a program.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Page {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in answer.headers() {
            let value = value.to_str().unwrap_or_default();
            let kept = headers.entry(name.to_string()).or_default();
            if !kept.is_empty() {
                kept.push('\n');
            }
            kept.push_str(value);
        }
        let text = answer.text().await.expect("text");
        Self {
            status,
            headers,
            text,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// The value of the first input of a name in a form.
    pub(crate) fn input(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .text
            .split_once(&start)
            .unwrap_or_else(|| panic!("no {name}: {self:#?}"));
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// A parameter of where a redirect leads.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        let address = reqwest::Url::parse(self.header(LOCATION.as_str())).ok()?;
        let found = address.query_pairs().find(|(n, _)| n == name);
        found.map(|(_, value)| value.into_owned())
    }
}

/// A request with a form.
pub(crate) fn form(
    request: reqwest::RequestBuilder,
    pairs: &[(&str, &str)],
) -> reqwest::RequestBuilder {
    let address = reqwest::Url::parse_with_params("http://x/", pairs).expect("a query");
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(address.query().unwrap_or_default().to_owned())
}

fn unredirected() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

/// A browser.
pub(crate) struct Visitor {
    base: String,
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Visitor {
    /// A browser in which nobody is signed in.
    pub(crate) fn new(server: &Server) -> Self {
        Self {
            base: server.url(),
            http: unredirected(),
            cookies: Mutex::default(),
        }
    }

    /// A browser in which the owner is signed in.
    pub(crate) async fn signed_in(server: &Server) -> Self {
        let visitor = Self::new(server);
        let link = server.cli(&["web", "--print"]).await.exits(0);
        let link = link.out.trim().to_owned();
        let path = link.strip_prefix(&server.url()).expect("a link to it");
        let page = visitor.get(path).await;
        assert!(page.status < 400, "{page:#?}");
        visitor
    }

    async fn page(&self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<String> = self
            .cookies
            .lock()
            .expect("no panic")
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header("cookie", cookies.join("; "))
            .header("x-forwarded-for", "203.0.113.7");
        let page = Page::of(request).await;
        let mut kept = self.cookies.lock().expect("no panic");
        for line in page.header(SET_COOKIE.as_str()).lines() {
            let pair = line.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
        drop(kept);
        page
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.page(self.http.get(format!("{}{path}", self.base)))
            .await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_with(path, form, &[]).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = form(self.http.post(format!("{}{path}", self.base)), pairs);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.page(request).await
    }

    /// What a client's request shows.
    pub(crate) async fn asked(&self, query: &[(&str, &str)]) -> Page {
        let base = format!("{}/oauth/authorize", self.base);
        let url = reqwest::Url::parse_with_params(&base, query).expect("an address");
        self.page(self.http.get(url)).await
    }

    /// Says yes to a page, to all that it asks for.
    pub(crate) async fn allow(&self, page: &Page) -> Page {
        let (ticket, workspace) = (page.input("ticket"), page.input("workspace"));
        let mut form = vec![
            ("ticket", ticket.as_str()),
            ("workspace", workspace.as_str()),
            ("decision", "allow"),
        ];
        let scopes: Vec<String> = page
            .text
            .split("name=\"scope_")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(|name| format!("scope_{name}"))
            .collect();
        form.extend(scopes.iter().map(|name| (name.as_str(), "on")));
        self.post("/oauth/authorize", &form).await
    }
}

/// A client of the authorization server.
pub(crate) struct App {
    base: String,
    http: reqwest::Client,
    pub(crate) id: String,
}

impl App {
    /// A program that is not known yet.
    pub(crate) fn stranger(server: &Server) -> Self {
        Self {
            base: server.url(),
            http: unredirected(),
            id: String::new(),
        }
    }

    /// A client without a secret that has registered itself under a name.
    pub(crate) async fn registered(server: &Server, name: &str) -> Self {
        let mut app = Self::stranger(server);
        let made = app
            .register(json!({
                "client_name": name, "redirect_uris": [REDIRECT],
                "token_endpoint_auth_method": "none",
            }))
            .await;
        assert_eq!(made.status, 201, "{made:#?}");
        app.id = made.json()["client_id"].as_str().expect("an id").to_owned();
        app
    }

    fn elsewhere(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.header("x-forwarded-for", "203.0.113.8")
    }

    pub(crate) async fn register(&self, fields: Value) -> Page {
        let request = self.http.post(format!("{}/oauth/register", self.base));
        Page::of(self.elsewhere(request).json(&fields)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.base));
        Page::of(self.elsewhere(request)).await
    }

    pub(crate) async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Page {
        let request = form(self.http.post(format!("{}{path}", self.base)), pairs);
        Page::of(self.elsewhere(request)).await
    }

    /// The parameters with which it sends a browser.
    pub(crate) fn asking<'a>(&'a self, scope: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT),
            ("state", "kept by the client & back"),
            ("scope", scope),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]
    }

    /// A code that a person gave it.
    pub(crate) async fn code(&self, visitor: &Visitor, scope: &str) -> String {
        let page = visitor.asked(&self.asking(scope)).await;
        let back = visitor.allow(&page).await;
        assert_eq!(back.status, 303, "{back:#?}");
        back.sent("code").expect("a code")
    }

    pub(crate) async fn redeem(&self, code: &str) -> Page {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", &self.id),
            ("code_verifier", VERIFIER),
        ];
        self.form("/oauth/token", &form).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Page {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.id),
        ];
        self.form("/oauth/token", &form).await
    }

    /// Access and refresh token, by the whole way.
    pub(crate) async fn tokens(&self, visitor: &Visitor, scope: &str) -> (String, String) {
        let code = self.code(visitor, scope).await;
        pair(&self.redeem(&code).await)
    }

    /// Whether a token opens the MCP endpoint.
    pub(crate) async fn opens_mcp(&self, token: &str) -> u16 {
        self.initialize(Some(token)).await.status
    }

    /// The first words of a client of 2025 at the MCP endpoint.
    pub(crate) async fn initialize(&self, token: Option<&str>) -> Page {
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "tests", "version": "1" },
            },
        });
        let mut request = self.http.post(format!("{}/mcp", self.base)).json(&hello);
        request = request.header("accept", "application/json, text/event-stream");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Page::of(self.elsewhere(request)).await
    }

    /// A request to the API with a token.
    pub(crate) async fn api(&self, server: &Server, token: &str, path: &str) -> Reply {
        server.send_as(Some(token), "GET", path, None).await
    }
}

/// Both tokens of an answer.
pub(crate) fn pair(page: &Page) -> (String, String) {
    assert_eq!(page.status, 200, "{page:#?}");
    let told = page.json();
    let text = |name: &str| told[name].as_str().expect(name).to_owned();
    (text("access_token"), text("refresh_token"))
}
