//! A real authorization server, `oidc-provider`, in every way that a source is connected: discovered
//! from the API's own refusal, by a client that it makes, by one that a person made, on a device, and
//! by the client alone.

use crate::api::items;
use crate::authority::{Browser, text};
use crate::binary;
use crate::database::Database;
use crate::server::{PATIENCE, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

on_both_databases!(a_real_authority_connects_in_every_way);

const WHO: &str = "return await tools.things.listThings({})";

pub(crate) struct Real {
    pub(crate) issuer: String,
    api: String,
    _child: Child,
    /// Read no more, and kept open: who writes to a closed pipe ends.
    _says: Lines<BufReader<ChildStdout>>,
}

impl Real {
    async fn start(server: &Server) -> Self {
        Self::for_callback(&format!("{}/oauth/callback", server.url())).await
    }

    /// One whose client `app` comes back to an address.
    pub(crate) async fn for_callback(callback: &str) -> Self {
        let folder = binary::root().join("tests/node");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "{} lacks oidc-provider; run `cargo xtask setup`",
            folder.display()
        );
        let mut child = Command::new("node")
            .arg(folder.join("authority.mjs"))
            .arg(callback)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let out = child.stdout.take().expect("it has an output");
        let mut says = BufReader::new(out).lines();
        let line = says.next_line().await;
        let line = line
            .expect("it can be read")
            .expect("it says its addresses");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        Self {
            issuer: text(&said["issuer"]).to_owned(),
            api: text(&said["api"]).to_owned(),
            _child: child,
            _says: says,
        }
    }

    async fn log(&self, server: &Server) -> Vec<String> {
        let url = format!("{}/_log", self.api);
        let answer = server.http.get(url).send().await.expect("an answer");
        let log = answer.text().await.expect("text");
        serde_json::from_str(&log).expect("a list")
    }
}

/// A page's form, filled in and sent by a browser that keeps cookies; follows redirects until one
/// leads to `end` or a page is shown.
pub(crate) struct Person {
    http: reqwest::Client,
    cookies: std::sync::Mutex<Vec<(String, String)>>,
}

impl Person {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            cookies: std::sync::Mutex::default(),
        }
    }

    /// Goes on from an address: the page that is shown at last, or the address at `end`.
    async fn go(&self, form: Option<&[(&str, &str)]>, start: &str, end: &str) -> (String, String) {
        let mut at = reqwest::Url::parse(start).expect("an address");
        let mut form = form;
        for _ in 0..12 {
            let request = match form.take() {
                Some(fields) => {
                    let mut query = reqwest::Url::parse("http://x").expect("an address");
                    query.query_pairs_mut().extend_pairs(fields);
                    let kind = "application/x-www-form-urlencoded";
                    let body = query.query().unwrap_or_default().to_owned();
                    let request = self.http.post(at.clone()).header("content-type", kind);
                    request.body(body)
                }
                None => self.http.get(at.clone()),
            };
            let cookies = {
                let kept = self.cookies.lock().expect("no test panicked here");
                let pairs: Vec<String> = kept.iter().map(|(n, v)| format!("{n}={v}")).collect();
                pairs.join("; ")
            };
            let answer = request.header("cookie", cookies).send().await;
            let answer = answer.expect("an answer");
            for cookie in answer.headers().get_all("set-cookie") {
                let pair = cookie.to_str().expect("text").split(';').next();
                let (name, value) = pair.and_then(|p| p.split_once('=')).expect("a pair");
                let mut kept = self.cookies.lock().expect("no test panicked here");
                kept.retain(|(n, _)| n != name);
                kept.push((name.to_owned(), value.to_owned()));
            }
            let location = answer.headers().get("location").cloned();
            let Some(location) = location else {
                let page = answer.text().await.expect("text");
                return (at.to_string(), page);
            };
            at = at
                .join(location.to_str().expect("text"))
                .expect("an address");
            if at.as_str().starts_with(end) {
                return (at.to_string(), String::new());
            }
        }
        panic!("redirected in circles from {start}");
    }

    /// Signs in and agrees on the provider's own pages, until one leads to `end`.
    pub(crate) async fn agree(&self, start: &str, end: &str) -> String {
        let (mut at, mut page) = self.go(None, start, end).await;
        for _ in 0..4 {
            if at.starts_with(end) {
                return at;
            }
            let prompt = if page.contains("name=\"login\"") {
                vec![("prompt", "login"), ("login", "ada"), ("password", "x")]
            } else {
                vec![("prompt", "consent")]
            };
            let action = form_of(&page).unwrap_or_else(|| panic!("no form at {at}: {page}"));
            (at, page) = self.go(Some(&prompt), &action, end).await;
        }
        panic!("it never ended: {at}\n{page}");
    }
}

fn form_of(page: &str) -> Option<String> {
    let rest = page.split("action=\"").nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

async fn connected(server: &Server, begun: &Value) -> Value {
    let path = format!("/connects/{}", text(&begun["id"]));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let connect = server.get(&path).await;
        if connect["status"] == "connected" {
            return connect;
        }
        let still = connect["status"] == "pending" && Instant::now() < deadline;
        assert!(still, "{connect:#}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn in_browser(server: &Server, begun: &Value) {
    let ours = Browser::new();
    let away = ours.go(begun).await;
    let end = format!("{}/oauth/callback", server.url());
    let back = Person::new().agree(&away, &end).await;
    let page = ours.visit(&back).await.page;
    assert!(
        page.contains("things is connected"),
        "{page}\n{}",
        server.log()
    );
    connected(server, begun).await;
}

async fn a_real_authority_connects_in_every_way(database: Database) {
    let server = Server::start(database).await;
    let real = Real::start(&server).await;
    let url = format!("{}/openapi.json", real.api);
    let add = json!({ "url": url, "name": "things", "allowPrivate": true });
    server.post("/sources", add).await;
    // Without a word about who grants tokens: the API refuses and says whom to ask, who is on another
    // private port, which an administrator has to allow.
    let refused = server
        .send("POST", "/sources/things/connect", Some(&json!({})))
        .await;
    assert!(
        text(&refused.body["title"]).contains("--allow-private"),
        "{refused:#?}"
    );
    let allow = json!({ "allowPrivate": [real.issuer] });
    let begun = server.post("/sources/things/connect", allow).await;
    in_browser(&server, &begun).await;
    let who = server.value(WHO).await;
    assert_eq!(who["who"], "ada", "{who:#}");
    let credential = items(&server.get("/credentials").await)[0].clone();
    assert_eq!(credential["connection"]["issuer"], json!(real.issuer));
    assert_eq!(
        credential["connection"]["renewable"], true,
        "{credential:#}"
    );
    // A token that is over is renewed under a rotated refresh token, twice.
    let expire = format!("{}/_expire", real.api);
    server.http.get(&expire).send().await.expect("an answer");
    assert_eq!(server.value(WHO).await["who"], "ada");
    let log = real.log(&server).await;
    let refreshed = log.iter().filter(|l| *l == "refresh_token").count();
    assert_eq!(refreshed, 1, "{log:?}");
    // Again, and by now nothing has to be said: no new client.
    let begun = server.post("/sources/things/connect", json!({})).await;
    in_browser(&server, &begun).await;
    // By a client that a person made.
    let given = json!({ "clientId": "app", "clientSecret": "app-secret-0123456789",
        "label": "given" });
    let begun = server.post("/sources/things/connect", given).await;
    in_browser(&server, &begun).await;
    let log = real.log(&server).await;
    let made = log.iter().filter(|l| *l == "registered").count();
    assert_eq!(made, 1, "{log:?}");
    by_the_client_alone(&server, &real).await;
}

async fn by_the_client_alone(server: &Server, real: &Real) {
    let new = json!({ "flow": "client-credentials", "clientId": "machine", "label": "machine",
        "scope": "personal", "clientSecret": "machine-secret-0123456789",
        "scopes": ["things:read"] });
    let ended = server.post("/sources/things/connect", new).await;
    assert_eq!(ended["status"], "connected", "{ended:#}");
    let who = server.value(WHO).await;
    assert_eq!(who, json!({ "who": "machine", "scope": "things:read" }));
    let log = real.log(server).await;
    assert!(log.iter().any(|l| l == "client_credentials"), "{log:?}");
}
