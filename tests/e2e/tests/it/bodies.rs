//! What bodies may not say: fields that nobody asked for, a field twice or in other letters (T10, T11),
//! and identifiers of another tenant in every field that holds a text (T01).
//!
//! Operations and fields come from the server's own description, bodies that are right from the table
//! of `roles.rs`: a new operation, or a new field, is tried without anybody's thinking of it.

use crate::api::{Reply, items};
use crate::database::Database;
use crate::people::text;
use crate::roles;
use crate::server::Server;
use crate::tenants::Tenant;
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

on_both_databases!(
    fields_that_nobody_asked_for_are_refused,
    identifiers_of_another_tenant_are_unknown_in_every_field,
    names_that_look_the_same_are_the_same,
);

/// Fields that would give somebody more than they have.
const FORBIDDEN: [&str; 6] = [
    "role",
    "workspaceId",
    "organizationId",
    "accountId",
    "approved",
    "isAdmin",
];

/// Things of another tenant that stand in fields.
const KINDS: [&str; 7] = [
    "members",
    "workspaces",
    "sources",
    "credentials",
    "tasks",
    "approvals",
    "keys",
];

/// Requests at once.
const AT_ONCE: usize = 8;

/// An operation with a body that is right, as somebody of one tenant would send it.
struct Operation {
    method: String,
    path: String,
    body: Value,
    /// Where objects stand in it whose fields are all known, and which these are.
    objects: Vec<(Vec<String>, BTreeSet<String>)>,
    /// Where texts stand in it.
    texts: Vec<Vec<String>>,
}

/// Every operation that takes a body.
fn operations(description: &Value, tenant: &Tenant) -> Vec<Operation> {
    let mut found = BTreeMap::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if !schema.is_null() {
                let id = text(&operation["operationId"]);
                found.insert(id, (method.to_uppercase(), path, schema));
            }
        }
    }
    let mut tried = BTreeSet::new();
    let mut all = Vec::new();
    for (id, path, body) in roles::lines() {
        let Some((method, _, schema)) = found.get(id) else {
            continue;
        };
        let body = match fill(tenant, body) {
            body if body.is_empty() => json!({}),
            body => serde_json::from_str(&body).unwrap_or_else(|e| panic!("{body}: {e}")),
        };
        let (mut objects, mut texts) = (Vec::new(), Vec::new());
        walk(
            description,
            schema,
            &mut Vec::new(),
            (&mut objects, &mut texts),
        );
        tried.insert(id.to_owned());
        all.push(Operation {
            method: method.clone(),
            path: fill(tenant, path),
            body,
            objects,
            texts,
        });
    }
    let described: BTreeSet<String> = found.into_keys().collect();
    assert_eq!(
        tried, described,
        "every operation with a body is in the table"
    );
    all
}

/// A line of the table with one tenant's things in it.
fn fill(tenant: &Tenant, line: &str) -> String {
    let nothing = |kind: &str| format!("{kind}_{}", "0".repeat(26));
    let of = |word: &str| tenant.id(word).to_owned();
    let words = [
        ("workspace", of("workspaces")),
        ("bystander", of("members")),
        ("bystander's key", of("keys")),
        ("key", of("keys")),
        ("task", of("tasks")),
        ("bystander's task", of("tasks")),
        ("asking", of("tasks")),
        ("handle", of("results")),
        ("approval", of("approvals")),
        ("approval 2", of("approvals")),
        ("approval 3", of("approvals")),
        ("approval 4", of("approvals")),
        ("uncertain", of("approvals")),
        ("question", of("approvals")),
        ("bystander's approval", of("approvals")),
        ("rule", of("policies")),
        ("shared rule", of("policies")),
        ("webhook", of("webhooks")),
        ("credential", of("credentials")),
        ("source", "ledger".to_owned()),
        ("invite", of("invites")),
        ("push", nothing("push")),
        ("grant", nothing("grant")),
        ("connect", nothing("conn")),
        ("session", nothing("sess")),
        ("club", of("organizations")),
        ("club workspace", of("workspaces")),
        ("spare", of("workspaces")),
        ("guest token", "0".repeat(64)),
        ("slug", "spare".to_owned()),
        ("second", "second".to_owned()),
        ("revision", "1".to_owned()),
        ("upstream", tenant.upstream.base_url().to_owned()),
    ];
    words.iter().fold(line.to_owned(), |line, (word, value)| {
        line.replace(&format!("{{{word}}}"), value)
    })
}

type Found<'a> = (
    &'a mut Vec<(Vec<String>, BTreeSet<String>)>,
    &'a mut Vec<Vec<String>>,
);

/// Notes where objects and texts stand in what a schema describes. What may hold anything holds
/// nothing of ours.
fn walk(description: &Value, schema: &Value, at: &mut Vec<String>, found: Found<'_>) {
    let (objects, texts) = found;
    if at.len() > 6 {
        return;
    }
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().expect("a name");
        let named = &description["components"]["schemas"][name];
        return walk(description, named, at, (objects, texts));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        for one in schema[choice].as_array().into_iter().flatten() {
            walk(description, one, at, (&mut *objects, &mut *texts));
        }
    }
    let is = |kind: &str| match &schema["type"] {
        Value::String(name) => name == kind,
        Value::Array(several) => several.iter().any(|name| name == kind),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    if is("string") && schema.get("enum").is_none() {
        texts.push(at.clone());
    }
    if is("array") {
        at.push("0".to_owned());
        walk(
            description,
            &schema["items"],
            at,
            (&mut *objects, &mut *texts),
        );
        at.pop();
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    objects.push((at.clone(), properties.keys().cloned().collect()));
    for (name, property) in properties {
        at.push(name.clone());
        walk(description, property, at, (&mut *objects, &mut *texts));
        at.pop();
    }
}

/// The same body with a value at a place; what is missing on the way there is put in.
fn with(body: &Value, at: &[String], value: Value) -> Value {
    let Some((first, rest)) = at.split_first() else {
        return value;
    };
    if first == "0" {
        let old = body.get(0).cloned().unwrap_or(Value::Null);
        return json!([with(&old, rest, value)]);
    }
    let mut object = body.as_object().cloned().unwrap_or_default();
    let old = object.get(first).cloned().unwrap_or(Value::Null);
    object.insert(first.clone(), with(&old, rest, value));
    Value::Object(object)
}

/// What stands at a place.
fn at<'a>(body: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(body, |body, step| match step.as_str() {
        "0" => &body[0],
        name => &body[name],
    })
}

async fn send(server: &Server, tenant: &Tenant, operation: &Operation, body: &Value) -> Reply {
    let (method, path) = (&operation.method, &operation.path);
    server
        .send_as(Some(&tenant.admin.1), method, path, Some(body))
        .await
}

/// Sends text as it is, for whoever runs the server, who may do everything and is a person.
async fn status_of(server: &Server, tenant: &Tenant, operation: &Operation, body: String) -> u16 {
    let method = operation.method.parse().expect("a method");
    let and = if operation.path.contains('?') {
        '&'
    } else {
        '?'
    };
    let at = format!("{}{and}workspace={}", operation.path, tenant.workspace);
    let url = format!("{}/api/v1{at}", server.url());
    let request = server.http.request(method, url);
    let request = request
        .header("content-type", "application/json")
        .body(body);
    request.send().await.expect("an answer").status().as_u16()
}

/// The body with one field more in an object of it, for each object and each field that is none of
/// its own; and with a field of its own in other letters.
fn with_more(operation: &Operation) -> Vec<String> {
    let mut bodies = Vec::new();
    for (place, known) in &operation.objects {
        let fields = at(&operation.body, place).as_object().cloned();
        let present = fields.unwrap_or_default();
        let mut add = |name: &str, value: Value| {
            let mut place = place.clone();
            place.push(name.to_owned());
            bodies.push(with(&operation.body, &place, value).to_string());
        };
        for name in FORBIDDEN.iter().filter(|name| !known.contains(**name)) {
            add(name, json!("owner"));
        }
        for (name, value) in &present {
            let (first, rest) = name.split_at(1);
            add(&format!("{}{rest}", first.to_uppercase()), value.clone());
        }
    }
    bodies
}

/// The body with its first field a second time, written plainly and written in escapes.
fn with_twice(body: &Value) -> Vec<String> {
    let fields: &Map<String, Value> = body.as_object().expect("an object");
    let Some((name, value)) = fields.iter().next() else {
        return Vec::new();
    };
    let text = body.to_string();
    let escaped: String = name
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    [name.clone(), escaped]
        .iter()
        .map(|name| format!("{{\"{name}\":{value},{}", &text[1..]))
        .collect()
}

async fn fields_that_nobody_asked_for_are_refused(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let description = server.get("/openapi.json").await;
    let operations = operations(&description, &a);
    let mut bodies = Vec::new();
    for operation in &operations {
        let wrong = with_more(operation);
        assert!(wrong.len() >= 5, "{}", operation.path);
        let twice = with_twice(&operation.body);
        bodies.extend(wrong.into_iter().chain(twice).map(|body| (operation, body)));
    }
    assert!(bodies.len() > 500, "{}", bodies.len());
    let (server, a) = (&server, &a);
    let tried = bodies.into_iter().map(|(operation, body)| async move {
        let status = status_of(server, a, operation, body.clone()).await;
        let (method, path) = (&operation.method, &operation.path);
        (status != 400).then(|| format!("{method} {path} {body}: {status}"))
    });
    let tried = futures_util::stream::iter(tried).buffer_unordered(AT_ONCE);
    let taken: Vec<String> = tried.filter_map(async |taken| taken).collect().await;
    assert!(taken.is_empty(), "{taken:#?}");
    // Without them each is understood, whether or not it may be done.
    for operation in &operations {
        let reply = send(server, a, operation, &operation.body).await;
        let (method, path) = (&operation.method, &operation.path);
        assert_ne!(reply.status, 400, "{method} {path}: {reply:#?}");
    }
}

/// Whether something of B at a place of a body is more to A than what nobody has; then, what came.
async fn is_known(
    server: &Server,
    (a, b): (&Tenant, &Tenant),
    operation: &Operation,
    (place, kind): (&[String], &str),
) -> Option<String> {
    let id = b.id(kind);
    let (prefix, bits) = id.split_once('_').expect("a prefix");
    let nobodys = format!("{prefix}_{}", "0".repeat(bits.len()));
    let foreign = with(&operation.body, place, json!(id));
    let unknown = with(&operation.body, place, json!(nobodys));
    let foreign = send(server, a, operation, &foreign).await;
    let unknown = send(server, a, operation, &unknown).await;
    let told = |reply: &Reply, id: &str| reply.body.to_string().replace(id, "it");
    let (foreign_told, unknown_told) = (told(&foreign, id), told(&unknown, &nobodys));
    // What is taken as a text is taken alike, and what was made is in the way of the second; answers
    // that tell of what was made differ by its identifier.
    let taken = |status| status < 300 || status == 409;
    let alike = taken(foreign.status) && taken(unknown.status)
        || foreign.status == unknown.status && foreign_told == unknown_told;
    let tells = |mark: &&String| *mark != id && foreign_told.contains(mark.as_str());
    let (method, path) = (&operation.method, &operation.path);
    (!alike || b.marks.iter().any(|mark| tells(&mark))).then(|| {
        format!("{method} {path} {place:?} {kind}: {foreign:?}, for what nobody has {unknown:?}")
    })
}

async fn identifiers_of_another_tenant_are_unknown_in_every_field(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let b = Tenant::new(&server, "second").await;
    let description = server.get("/openapi.json").await;
    let operations = operations(&description, &a);
    let tries: usize = operations.iter().map(|o| o.texts.len() * KINDS.len()).sum();
    assert!(tries > 500, "{tries}");
    let (server, a, b) = (&server, &a, &b);
    let tried = operations.iter().map(|operation| async move {
        let mut wrong = Vec::new();
        for place in &operation.texts {
            for kind in KINDS {
                wrong.extend(is_known(server, (a, b), operation, (place, kind)).await);
            }
        }
        wrong
    });
    let tried = futures_util::stream::iter(tried).buffer_unordered(AT_ONCE);
    let wrong: Vec<String> = tried.collect::<Vec<_>>().await.concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing of the other's has changed, and with one's own identifier the same is done.
    let key = Some(b.admin.1.as_str());
    let task = format!("/tasks/{}", b.id("tasks"));
    let task = server.send_as(key, "GET", &task, None).await;
    assert_eq!(task.body["status"], "waiting", "{task:#?}");
    let members = server.send_as(key, "GET", "/members", None).await;
    assert_eq!(items(&members.body).len(), 3, "{members:#?}");
    for (tenant, expected) in [(a, 201), (b, 404)] {
        let own = json!({ "name": "k", "member": tenant.id("members") });
        let made = server
            .send_as(Some(&a.admin.1), "POST", "/keys", Some(&own))
            .await;
        assert_eq!(made.status, expected, "{made:#?}");
    }
}

/// `é` as one character, and as two.
const COMPOSED: &str = "Caf\u{e9}";
const APART: &str = "Cafe\u{301}";

async fn names_that_look_the_same_are_the_same(database: Database) {
    let server = Server::start(database).await;
    let a = Tenant::new(&server, "first").await;
    let key = Some(a.admin.1.as_str());
    let labelled = async |label: &str| {
        let new = json!({ "source": "ledger", "value": "x", "label": label });
        let made = server
            .send_as(key, "POST", "/credentials", Some(&new))
            .await;
        assert!(made.status < 300, "{made:#?}");
        (text(&made.body["id"]), text(&made.body["label"]))
    };
    let first = labelled(COMPOSED).await;
    assert_eq!(labelled(APART).await, first, "it is the same account");
    assert_ne!(labelled("Cafe").await.0, first.0, "and this is another");
    for (path, more) in [("/keys", json!({})), ("/members", json!({}))] {
        let mut new = more;
        new["name"] = json!(APART);
        let made = server.send_as(key, "POST", path, Some(&new)).await;
        let told = made.body.to_string();
        assert!(told.contains(COMPOSED) && !told.contains(APART), "{told}");
    }
    // What names a thing in addresses and programs has letters that look like no others.
    for slug in [
        APART,
        COMPOSED,
        "m\u{430}in",
        "ma\u{131}n",
        "main\u{200b}",
        "MAIN",
    ] {
        let new = json!({ "slug": slug });
        let refused = server.send_as(key, "POST", "/workspaces", Some(&new)).await;
        assert_eq!(refused.status, 422, "{slug}: {refused:#?}");
        let url = format!("{}/openapi.json", a.upstream.base_url());
        let new = json!({ "url": url, "name": format!("a{slug}\u{301}"), "allowPrivate": true });
        let refused = server.send_as(key, "POST", "/sources", Some(&new)).await;
        assert_eq!(refused.status, 422, "{slug}: {refused:#?}");
        let path = format!("/me?workspace=first/{slug}");
        let nowhere = server.send_as(key, "GET", &path, None).await;
        assert!(matches!(nowhere.status, 400 | 404), "{slug}: {nowhere:#?}");
    }
    let found = server
        .send_as(key, "GET", "/me?workspace=first/main", None)
        .await;
    assert_eq!(found.status, 200, "{found:#?}");
}
