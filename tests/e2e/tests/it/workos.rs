//! Signing in through WorkOS, tried on a double of the few calls that are used, made after its
//! published API description: people, organizations, memberships, and hints that are signed.

use crate::browser::Browser;
use crate::database::Database;
use crate::people::text;
use crate::server::Server;
use crate::upstream::fresh_token;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

on_both_databases!(
    people_and_memberships_come_from_workos,
    hints_are_verified_applied_once_and_never_believed,
);

const API_KEY: &str = "sk_test_workos_api_key_canary";
const SIGNING: &str = "whsec_test_signing_canary";

#[derive(Default)]
struct Book {
    /// Who signs in next.
    signs_in: String,
    users: HashMap<String, Value>,
    organizations: HashMap<String, String>,
    /// User, organization, role, status.
    memberships: Vec<(String, String, String, String)>,
    down: bool,
    /// Invites that it was to send.
    invited: Vec<Value>,
    /// Requests for memberships.
    asked: usize,
    codes: HashMap<String, (String, String)>,
}

struct Shared {
    url: String,
    book: Mutex<Book>,
}

struct Double {
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Double {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            url,
            book: Mutex::default(),
        });
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("the double serves until the test ends");
        });
        Self { shared, serving }
    }

    fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.shared.book.lock().expect("no handler panicked"))
    }

    fn knows(&self, id: &str) {
        let user = json!({
            "object": "user", "id": id, "email": format!("{id}@acme.example"),
            "email_verified": true, "first_name": "Name of", "last_name": id,
        });
        self.book(|b| b.users.insert(id.to_owned(), user));
    }

    fn belongs(&self, user: &str, organization: &str, role: &str) {
        self.book(|b| {
            b.organizations
                .insert(organization.to_owned(), format!("Name of {organization}"));
            b.memberships
                .retain(|(u, o, _, _)| u != user || o != organization);
            b.memberships.push((
                user.to_owned(),
                organization.to_owned(),
                role.to_owned(),
                "active".to_owned(),
            ));
        });
    }

    fn parts(&self, user: &str, organization: &str) {
        self.book(|b| {
            b.memberships
                .retain(|(u, o, _, _)| u != user || o != organization);
        });
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let mut book = shared.book.lock().expect("no handler panicked");
    if book.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let url = reqwest::Url::parse(&format!("http://x{}", parts.uri)).expect("an address");
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let of = |name: &str| query.get(name).cloned().unwrap_or_default();
    let path = parts.uri.path();
    if path == "/user_management/authorize" {
        assert_eq!(of("provider"), "authkit");
        let code = fresh_token();
        let kept = (of("code_challenge"), book.signs_in.clone());
        book.codes.insert(code.clone(), kept);
        let mut back = reqwest::Url::parse(&of("redirect_uri")).expect("an address");
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &of("state"));
        return (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response();
    }
    if path == "/user_management/authenticate" {
        let sent: Value = serde_json::from_slice(&body).expect("JSON");
        return authenticate(&mut book, &sent);
    }
    let key = parts.headers.get(header::AUTHORIZATION);
    if key.is_none_or(|k| k.as_bytes() != format!("Bearer {API_KEY}").as_bytes()) {
        let body = axum::Json(json!({ "message": "Unauthorized" }));
        return (StatusCode::UNAUTHORIZED, body).into_response();
    }
    let missing = || {
        let body = axum::Json(json!({ "message": "not found", "code": "entity_not_found" }));
        (StatusCode::NOT_FOUND, body).into_response()
    };
    if let Some(id) = path.strip_prefix("/user_management/users/") {
        return match book.users.get(id) {
            Some(user) => axum::Json(user.clone()).into_response(),
            None => missing(),
        };
    }
    if let Some(id) = path.strip_prefix("/organizations/") {
        return match book.organizations.get(id) {
            Some(name) => axum::Json(json!({ "object": "organization", "id": id, "name": name }))
                .into_response(),
            None => missing(),
        };
    }
    match path {
        "/organizations" => axum::Json(json!({ "object": "list", "data": [] })).into_response(),
        "/user_management/invitations" => {
            let sent: Value = serde_json::from_slice(&body).expect("JSON");
            book.invited.push(sent.clone());
            axum::Json(
                json!({ "object": "invitation", "id": "invitation_1", "email": sent["email"] }),
            )
            .into_response()
        }
        "/user_management/organization_memberships" => {
            book.asked += 1;
            list(&book, &of("user_id"), &of("organization_id"), &of("after"))
        }
        _ => missing(),
    }
}

fn authenticate(book: &mut Book, sent: &Value) -> Response {
    let refused = |code: &str| {
        let body = axum::Json(json!({ "error": code, "error_description": "no" }));
        (StatusCode::BAD_REQUEST, body).into_response()
    };
    if sent["client_secret"] != API_KEY || sent["client_id"] != "client_1" {
        return refused("invalid_client");
    }
    let code = text(&sent["code"]);
    let Some((challenge, user)) = book.codes.remove(&code) else {
        return refused("invalid_grant");
    };
    let verifier = text(&sent["code_verifier"]);
    if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) != challenge {
        return refused("invalid_grant");
    }
    let user = book.users.get(&user).expect("somebody it knows").clone();
    let claims = json!({ "sid": format!("session_of_{}", text(&user["id"])), "sub": user["id"] });
    let access_token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    axum::Json(json!({
        "user": user, "organization_id": null, "access_token": access_token,
        "refresh_token": fresh_token(), "authentication_method": "SSO",
    }))
    .into_response()
}

/// One membership a page, so that the pages are followed.
fn list(book: &Book, user: &str, organization: &str, after: &str) -> Response {
    let fits = |(u, o, _, status): &&(String, String, String, String)| {
        (user.is_empty() || u == user)
            && (organization.is_empty() || o == organization)
            && status == "active"
    };
    let all: Vec<Value> = book
        .memberships
        .iter()
        .filter(fits)
        .map(|(user, organization, role, status)| {
            json!({
                "object": "organization_membership", "id": format!("om_{user}_{organization}"),
                "user_id": user, "organization_id": organization, "status": status,
                "role": { "slug": role },
            })
        })
        .collect();
    let begin = all
        .iter()
        .position(|m| m["id"] == after)
        .map_or(0, |at| at + 1);
    let page: Vec<Value> = all.iter().skip(begin).take(1).cloned().collect();
    let more = begin + 1 < all.len();
    let next = page.first().filter(|_| more).map(|m| m["id"].clone());
    axum::Json(json!({
        "object": "list", "data": page,
        "list_metadata": { "before": null, "after": next },
    }))
    .into_response()
}

async fn started(database: Database) -> (Server, Double) {
    let double = Double::start().await;
    let mut server = Server::prepare(database);
    server.environment = [
        ("MODE", "workos"),
        ("CLIENT_ID", "client_1"),
        ("CLIENT_SECRET", API_KEY),
        ("WEBHOOK_SECRET", SIGNING),
        ("WORKOS_URL", double.shared.url.as_str()),
    ]
    .iter()
    .map(|(name, value)| (format!("EXECUTOR_SIGN_IN_{name}"), (*value).to_owned()))
    .collect();
    server.launch().await;
    (server, double)
}

async fn sign_in(server: &Server, double: &Double, user: &str) -> (Browser, u16) {
    double.book(|b| b.signs_in = user.to_owned());
    let mut browser = Browser::new(server);
    let sent = browser.get("/sign-in/begin").await;
    assert_eq!(sent.status, 303, "{sent:#?}");
    let back = browser.get(sent.leads()).await;
    let shown = browser.get(back.leads()).await;
    (browser, shown.status)
}

async fn reaches(browser: &mut Browser) -> Vec<String> {
    let all = browser.api("GET", "/workspaces", None).await;
    if all.status != 200 {
        return Vec::new();
    }
    let all = all.json();
    let items = all["items"].as_array().expect("a list").iter();
    items.map(|w| text(&w["id"])).collect()
}

/// HMAC-SHA256 (RFC 2104), as WorkOS signs: an own few lines, so that the product is not its own judge.
fn signature(secret: &str, at_ms: u128, body: &str) -> String {
    let mut key = [0u8; 64];
    key[..secret.len()].copy_from_slice(secret.as_bytes());
    let pad = |byte: u8| key.map(|k| k ^ byte);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(format!("{at_ms}.{body}"))
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    let hex: String = outer.iter().map(|b| format!("{b:02x}")).collect();
    format!("t={at_ms}, v1={hex}")
}

fn now_ms() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis()
}

async fn hint(server: &Server, signature: &str, body: &str) -> u16 {
    let sent = server
        .http
        .post(format!("{}/webhooks/workos", server.url()))
        .header("workos-signature", signature)
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .expect("an answer");
    sent.status().as_u16()
}

fn event(id: &str, kind: &str, data: Value) -> String {
    json!({ "id": id, "event": kind, "data": data, "created_at": "2026-01-01T00:00:00Z" })
        .to_string()
}

async fn people_and_memberships_come_from_workos(database: Database) {
    let (server, double) = started(database).await;
    for user in ["user_ada", "user_bob"] {
        double.knows(user);
    }
    double.belongs("user_ada", "org_a", "admin");
    double.belongs("user_ada", "org_b", "member");
    double.belongs("user_bob", "org_a", "member");
    let (mut ada, status) = sign_in(&server, &double, "user_ada").await;
    assert_eq!(status, 303);
    let hers = reaches(&mut ada).await;
    assert_eq!(hers.len(), 2, "one for each organization: {hers:?}");
    let me = ada.api("GET", "/me", None).await.json();
    assert_eq!(me["name"], "Name of user_ada", "{me:#}");
    assert_eq!(me["role"], "admin", "she begins where she is most: {me:#}");
    let (mut bob, _) = sign_in(&server, &double, "user_bob").await;
    let his = reaches(&mut bob).await;
    assert_eq!(his.len(), 1, "{his:?}");
    assert!(hers.contains(&his[0]), "the same organization");
    let role = text(&bob.api("GET", "/me", None).await.json()["role"]);
    assert_eq!(role, "member");
    // Somebody who belongs nowhere is signed in and reaches nothing.
    double.knows("user_cyd");
    let (mut cyd, status) = sign_in(&server, &double, "user_cyd").await;
    assert_eq!((status, cyd.who().await.as_deref()), (303, Some("")));

    // An invite for one address is sent by WorkOS as well; one for anybody is not.
    for invite in [
        json!({ "email": "dan@acme.example" }),
        json!({ "maxUses": 5 }),
    ] {
        let made = ada.api("POST", "/invites", Some(&invite)).await;
        assert!(made.status < 300, "{made:#?}");
    }
    double.book(|b| {
        assert_eq!(b.invited.len(), 1, "{:?}", b.invited);
        assert_eq!(b.invited[0]["email"], "dan@acme.example");
        assert_eq!(b.invited[0]["organization_id"], "org_a");
    });

    // At the next sign-in everything is as it is there.
    double.parts("user_ada", "org_b");
    double.belongs("user_ada", "org_a", "member");
    let (mut ada, _) = sign_in(&server, &double, "user_ada").await;
    assert_eq!(reaches(&mut ada).await, his);
    let role = text(&ada.api("GET", "/me", None).await.json()["role"]);
    assert_eq!(role, "member");

    // Whoever signs out is signed out at WorkOS as well, by the session that was begun there.
    let out = ada.post("/sign-out", &[]).await;
    let to = reqwest::Url::parse(out.leads()).expect("an address");
    assert!(
        out.leads().starts_with(double.shared.url.as_str()),
        "{out:#?}"
    );
    assert_eq!(to.path(), "/user_management/sessions/logout");
    let pairs: HashMap<String, String> = to.query_pairs().into_owned().collect();
    assert_eq!(pairs["session_id"], "session_of_user_ada");
    assert_eq!(pairs["return_to"], format!("{}/sign-in", server.url()));
    assert_eq!(ada.who().await, None);

    // While WorkOS is down nobody new gets in, and nobody is thrown out.
    let mut late = Browser::new(&server);
    double.book(|b| b.signs_in = "user_bob".to_owned());
    let sent = late.get("/sign-in/begin").await;
    let back = late.get(sent.leads()).await;
    double.book(|b| b.down = true);
    let shown = late.get(back.leads()).await;
    assert_eq!(shown.status, 503, "{shown:#?}");
    assert_eq!(reaches(&mut bob).await, his);
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(!heard.contains(API_KEY) && !heard.contains(SIGNING));
}

async fn hints_are_verified_applied_once_and_never_believed(database: Database) {
    let (server, double) = started(database).await;
    double.knows("user_ada");
    double.belongs("user_ada", "org_a", "admin");
    let (mut ada, _) = sign_in(&server, &double, "user_ada").await;
    assert_eq!(reaches(&mut ada).await.len(), 1);
    let made = ada
        .api("POST", "/keys", Some(&json!({ "name": "k" })))
        .await;
    let key = text(&made.json()["secret"]);

    // A hint says that she left; WorkOS says that she did not.
    let data = json!({ "user_id": "user_ada", "organization_id": "org_a", "status": "inactive" });
    let body = event("event_1", "organization_membership.deleted", data.clone());
    let good = |body: &str| signature(SIGNING, now_ms(), body);
    assert_eq!(hint(&server, &good(&body), &body).await, 200);
    assert_eq!(reaches(&mut ada).await.len(), 1, "only a hint");

    // Without a signature that holds nothing is even asked.
    let asked = double.book(|b| b.asked);
    double.parts("user_ada", "org_a");
    let body = event("event_2", "organization_membership.deleted", data.clone());
    let own = good(&body);
    for bad in [
        String::new(),
        "t=1,v1=00".to_owned(),
        own.replace("v1=", "v0="),
        signature("another secret", now_ms(), &body),
        signature(SIGNING, now_ms() - 600_000, &body),
        signature(SIGNING, now_ms() + 600_000, &body),
        good(&event("event_3", "organization_membership.deleted", data)),
    ] {
        assert_eq!(hint(&server, &bad, &body).await, 422, "{bad}");
    }
    assert_eq!(double.book(|b| b.asked), asked);
    assert_eq!(reaches(&mut ada).await.len(), 1);

    // While WorkOS does not answer the hint is not taken, so that it comes again.
    double.book(|b| b.down = true);
    assert_eq!(hint(&server, &own, &body).await, 503);
    double.book(|b| b.down = false);
    assert_eq!(hint(&server, &own, &body).await, 200);
    assert!(reaches(&mut ada).await.is_empty(), "access ends at once");
    let by_key = server.send_as(Some(&key), "GET", "/me", None).await;
    assert_eq!(by_key.status, 401, "and that of the key: {by_key:#?}");

    // The same hint again is not asked about again.
    let asked = double.book(|b| b.asked);
    assert_eq!(hint(&server, &good(&body), &body).await, 200);
    assert_eq!(double.book(|b| b.asked), asked, "applied once");

    // She comes back, by a hint about the organization.
    double.belongs("user_ada", "org_a", "member");
    let data = json!({ "organization_id": "org_a" });
    let body = event("event_4", "dsync.user.updated", data);
    assert_eq!(hint(&server, &good(&body), &body).await, 200);
    assert_eq!(reaches(&mut ada).await.len(), 1);

    // Whoever WorkOS does not know any more is signed out.
    double.book(|b| {
        b.users.clear();
        b.memberships.clear();
    });
    let body = event("event_5", "user.deleted", json!({ "id": "user_ada" }));
    assert_eq!(hint(&server, &good(&body), &body).await, 200);
    assert_eq!(ada.who().await, None);

    // A server without a secret takes none.
    let other = Server::start(Database::sqlite()).await;
    assert_eq!(hint(&other, &good(&body), &body).await, 404);
}
