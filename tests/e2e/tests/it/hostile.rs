//! Programs, upstreams and requests that mean harm: what was checked is what is sent, a credential
//! goes to its own origin alone, and what is not understood is refused.

use crate::browser::Browser;
use crate::database::Database;
use crate::people::text;
use crate::server::{Server, client};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

on_both_databases!(
    arguments_are_read_once,
    a_redirect_takes_no_credential_along,
    a_path_value_stays_one_segment,
    what_is_not_understood_is_refused,
    what_does_not_exist_is_not_found,
    identifiers_are_unguessable,
    swapped_credentials_do_not_open,
);

async fn arguments_are_read_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = r#"
        let reads = 0;
        const changing = { get name() { reads += 1; return "read" + reads; }, amount: 1 };
        const plain = { name: "before", amount: 1 };
        const proxy = new Proxy({ name: "proxy", amount: 1 }, {
            get: (target, key) => key === "name" ? "trap" + (++reads) : Reflect.get(target, key),
        });
        const calls = [changing, plain, proxy].map((a) => tools.ledger.items.createItem(a));
        plain.name = "after";
        return (await Promise.all(calls)).map((made) => made.name);
    "#;
    let task = server.submit(code).await;
    let asked = server.pending(3).await;
    let shown: Vec<Value> = asked
        .iter()
        .map(|a| a["arguments"]["name"].clone())
        .collect();
    for approval in &asked {
        server.approve(approval).await;
    }
    let done = server.finished(&task).await;
    assert_eq!(
        done["result"],
        json!(shown),
        "what was shown is what was sent: {done:#}"
    );
    assert_eq!(shown[1], "before");
    for name in &shown {
        assert_eq!(
            upstream.created(name.as_str().expect("a name")),
            1,
            "{name}"
        );
    }
}

async fn a_redirect_takes_no_credential_along(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "try { return await tools.ledger.probe.elsewhere(); } catch (e) { return e.code; }";
    upstream.redirect_to(&format!("{}/items", upstream.base_url()));
    assert_eq!(
        server.value(code).await["items"][0]["name"],
        "coffee",
        "within its origin it may go"
    );

    let other = Upstream::start().await;
    upstream.redirect_to(&format!("{}/items", other.base_url()));
    let refused = server.value(code).await;
    assert!(
        refused.is_string(),
        "a redirect to another origin is an error: {refused:#}"
    );
    assert_eq!(
        other.received().len(),
        0,
        "another origin sees nothing at all"
    );
}

async fn a_path_value_stays_one_segment(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    for id in [
        "../../admin",
        "..",
        "a?b=c",
        "a#b",
        "//evil.example",
        "a%2fb",
        "a\\\\b",
    ] {
        let before = upstream.received().len();
        let code = format!(
            "try {{ await tools.ledger.items.getItem({{ id: '{id}' }}); }} catch (e) {{ return e.code; }}"
        );
        let caught = server.value(&code).await;
        let received = upstream.received();
        match received.get(before) {
            Some(request) => {
                let rest = request
                    .target
                    .strip_prefix("/items/")
                    .expect("it stays below its path");
                assert!(
                    !rest.contains(['/', '?', '#', '\\']) && rest != "..",
                    "{id}: {rest}"
                );
            }
            None => assert_eq!(
                caught, "invalid_arguments",
                "{id} is sent as one segment or refused"
            ),
        }
    }
    assert!(!upstream.received().is_empty());
}

async fn what_is_not_understood_is_refused(database: Database) {
    let server = Server::start(database).await;
    for (path, body, word) in [
        (
            "/tasks",
            r#"{ "code": "return 1", "role": "owner" }"#,
            "role",
        ),
        (
            "/tasks",
            r#"{ "code": "return 1", "code": "return 2" }"#,
            "code",
        ),
        ("/tasks", r#"{ "code": 1 }"#, "code"),
        ("/tasks", r#"{ "code": "return 1" } trailing"#, ""),
        (
            "/tasks",
            r#"{ "code": "return 1", "timeoutMs": 600001 }"#,
            "timeoutMs",
        ),
        ("/tasks", r#"{}"#, "code"),
        ("/policies", r#"{ "effect": "perhaps" }"#, "perhaps"),
        (
            "/policies",
            r#"{ "effect": "allow", "match": { "tools": ["a..b"] } }"#,
            "a..b",
        ),
        (
            "/policies",
            r#"{ "effect": "allow", "match": { "conditions": ["amount >"] } }"#,
            "amount",
        ),
        (
            "/sources",
            r#"{ "url": "ftp://example.com/openapi.json" }"#,
            "http",
        ),
        (
            "/credentials",
            r#"{ "source": "nobody", "value": "x" }"#,
            "nobody",
        ),
    ] {
        let request = client().post(format!("{}/api/v1{path}", server.url()));
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let problem = answer.text().await.expect("text");
        assert!(
            (400..500).contains(&status),
            "{path} {body}: {status} {problem}"
        );
        let problem: Value = serde_json::from_str(&problem).expect("a problem");
        assert!(
            problem["code"].is_string() && problem["title"].is_string(),
            "{problem:#}"
        );
        assert!(
            problem.to_string().contains(word),
            "{path} {body} names {word}: {problem:#}"
        );
    }
    assert_eq!(
        server.get("/tasks").await["items"],
        json!([]),
        "nothing has run"
    );
}

async fn what_does_not_exist_is_not_found(database: Database) {
    let server = Server::start(database).await;
    for path in [
        "/tasks/task_0",
        "/approvals/appr_0",
        "/sources/none",
        "/results/none",
        "/none",
    ] {
        let reply = server.send("GET", path, None).await;
        assert_eq!(reply.status, 404, "{path}: {reply:#?}");
        assert_eq!(reply.content_type, "application/problem+json", "{path}");
    }
}

/// Everything of a kind that a server gave out, without what is the same in all of it.
#[derive(Default)]
struct Given(BTreeMap<&'static str, HashSet<String>>);

impl Given {
    /// Notes one, which has at least 128 bits in base 32 or 16, and was never given before.
    fn note(&mut self, kind: &'static str, text: &str, letters: usize) {
        let random = text.rsplit(['_', '/']).next().expect("a last part");
        assert!(random.len() >= letters, "{kind}: {text}");
        let of_kind = self.0.entry(kind).or_default();
        assert!(of_kind.insert(random.to_owned()), "{text} was given twice");
    }
}

async fn identifiers_are_unguessable(database: Database) {
    let (mut server, _upstream) = Upstream::connected(database).await;
    let mut given = Given::default();
    let asks = "await tools.ledger.items.createItem({ name: 'a', amount: 1 })";
    for round in 0..2 {
        for _ in 0..10 {
            let task = json!({ "code": asks, "waitMs": 60_000 });
            let task = server.post("/tasks", task).await;
            given.note("task", &text(&task["id"]), 26);
            given.note("approval", &text(&task["approvals"][0]["id"]), 26);
            let key = server.post("/keys", json!({ "name": "k" })).await;
            given.note("key", &text(&key["key"]["id"]), 26);
            given.note("secret", &text(&key["secret"]), 32);
            let invite = server.post("/invites", json!({})).await;
            given.note("invite", &text(&invite["invite"]["id"]), 26);
            given.note("link", &text(&invite["url"]), 32);
            let link = server.post("/sign-in-links", json!({})).await;
            let link = text(&link["url"]);
            let (_, token) = link.split_once("token=").expect("a token");
            given.note("sign-in", token, 32);
            let mut browser = Browser::new(&server);
            browser.get(&link).await;
            let token = browser.cookies.values().next().expect("a session");
            given.note("token", token, 32);
        }
        if round == 0 {
            server.kill().await;
            server.launch().await;
        }
    }
    let sessions = server.get("/sessions").await;
    for session in crate::api::items(&sessions) {
        given.note("session", &text(&session["id"]), 26);
    }
    // Not a counter and not a clock: what was made one after the other shares no beginning.
    assert_eq!(given.0.len(), 9);
    for (kind, of_kind) in &given.0 {
        assert_eq!(of_kind.len(), 20, "{kind}");
        let beginnings: HashSet<&str> = of_kind.iter().map(|id| &id[..5]).collect();
        assert!(beginnings.len() > 15, "{kind}: {of_kind:?}");
    }
}

async fn swapped_credentials_do_not_open(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    if !server.database.is_embedded() {
        eprintln!("skipped: the rows are swapped in the embedded file");
        return;
    }
    let other = Upstream::start().await;
    let url = format!("{}/openapi.json", other.base_url());
    server
        .post(
            "/sources",
            json!({ "url": url, "name": "other", "allowPrivate": true }),
        )
        .await;
    server
        .post(
            "/credentials",
            json!({ "source": "other", "value": other.token() }),
        )
        .await;
    let code = "try { return (await tools.other.items.listItems()).items.length; }\n\
                catch (e) { return e.code; }";
    assert_eq!(server.value(code).await, 1);
    server.stop().await;
    let file = rusqlite::Connection::open(crate::record::database_file(&server)).expect("it opens");
    let swapped = file.execute(
        "update credentials set sealed = swapped.sealed from (\
            select one.id, two.sealed from credentials one join credentials two on two.id <> one.id\
         ) as swapped where swapped.id = credentials.id",
        [],
    );
    assert_eq!(swapped.expect("the rows can be edited"), 2);
    drop(file);
    server.launch().await;
    let before = other.received().len();
    let caught = server.value(code).await;
    assert!(
        caught.is_string(),
        "a value sealed for another row does not open: {caught:#}"
    );
    let sent = other.received().split_off(before);
    let leaked = sent
        .iter()
        .any(|r| r.headers.iter().any(|(_, v)| v.contains(upstream.token())));
    assert!(!leaked, "no source ever sees another's credential");
}
