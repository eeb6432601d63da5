//! A browser as far as signing in needs one: it keeps cookies and follows a redirect when it is told
//! to, so that a test can look at each step.

use crate::server::{PATIENCE, Server};
use serde_json::Value;
use std::collections::BTreeMap;

/// What came back.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    /// Every `Set-Cookie`, as it came.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

impl Shown {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// Where it leads.
    pub(crate) fn leads(&self) -> &str {
        self.location
            .as_deref()
            .unwrap_or_else(|| panic!("no redirect: {self:#?}"))
    }
}

/// A browser.
pub(crate) struct Browser {
    http: reqwest::Client,
    base: String,
    /// Host names do not matter here: everything is on loopback.
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent("TestBrowser/1.0")
            .build()
            .expect("an HTTP client");
        Self {
            http,
            base: server.url(),
            cookies: BTreeMap::new(),
        }
    }

    fn at(&self, address: &str) -> String {
        if address.starts_with('/') {
            format!("{}{address}", self.base)
        } else {
            address.to_owned()
        }
    }

    /// Opens an address; a path is one of the server.
    pub(crate) async fn get(&mut self, address: &str) -> Shown {
        let request = self.http.get(self.at(address));
        self.send(request).await
    }

    /// Sends a form of one of the server's own pages.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let mut query = reqwest::Url::parse("http://x").expect("an address");
        query.query_pairs_mut().extend_pairs(fields);
        let body = query.query().unwrap_or_default().to_owned();
        let request = self
            .http
            .post(self.at(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &self.base)
            .body(body);
        self.send(request).await
    }

    /// Calls the API as the dashboard does.
    pub(crate) async fn api(&mut self, method: &str, path: &str, body: Option<&Value>) -> Shown {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.base))
            .header("origin", &self.base);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    /// Sends a request of the test's own with what the browser keeps.
    pub(crate) async fn send(&mut self, request: reqwest::RequestBuilder) -> Shown {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        // Whoever runs these tests runs the server, too: a proxy's header makes it look at cookies.
        let request = request.header("x-forwarded-for", "203.0.113.7");
        let request = match pairs.is_empty() {
            true => request,
            false => request.header("cookie", pairs.join("; ")),
        };
        let answer = request.send().await.expect("an answer");
        let text = |value: &reqwest::header::HeaderValue| {
            value.to_str().expect("a header is text").to_owned()
        };
        let cookies: Vec<String> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(text)
            .collect();
        for cookie in &cookies {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie is a pair");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Shown {
            status: answer.status().as_u16(),
            location: answer.headers().get("location").map(text),
            cookies,
            body: answer.text().await.expect("a body"),
        }
    }

    pub(crate) fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// Who the browser is signed in as: the account, or none.
    pub(crate) async fn who(&mut self) -> Option<String> {
        let me = self.api("GET", "/me", None).await;
        match me.status {
            200 => Some(crate::people::text(&me.json()["accountId"])),
            401 => None,
            // Signed in, and a member of nothing.
            403 if me.json()["code"] == "no_workspace" => Some(String::new()),
            _ => panic!("{me:#?}"),
        }
    }

    /// Follows a one-time link of the server's owner.
    pub(crate) async fn follow_link(&mut self, server: &Server) -> Shown {
        let made = server.cli(&["web", "--print", "--json"]).await.exits(0);
        let link = crate::people::text(&made.json()["url"]);
        let shown = self.get(&link).await;
        assert_eq!(shown.status, 303, "{shown:#?}");
        shown
    }
}
