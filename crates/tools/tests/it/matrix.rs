//! Every parameter style, type and place, every kind of body and credential, sent by this crate and
//! by an independent client (swagger-client) from the same description: what arrives is the same.
//!
//! Where the two differ by design the row says what each sends.

use crate::fixture::{attachment, call_with, import, source};
use crate::upstream::{Seen, Upstream};
use domain::source::{ApiKeyLocation, AuthScheme};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// One call, for both clients.
struct Row {
    id: String,
    path: String,
    operation: Value,
    /// What our tool is called with.
    args: Value,
    /// What the other client is called with.
    theirs: Value,
    auth: Option<(AuthScheme, &'static str)>,
}

fn values() -> [(&'static str, Value, Value); 5] {
    [
        ("Text", json!({"type": "string"}), json!("b l/u&e=é")),
        ("Number", json!({"type": "integer"}), json!(42)),
        ("Flag", json!({"type": "boolean"}), json!(false)),
        (
            "List",
            json!({"type": "array", "items": {"type": "string"}}),
            json!(["blue", "bl ack"]),
        ),
        (
            "Object",
            json!({"type": "object", "properties": {"R": {"type": "integer"}, "G": {"type": "string"}}}),
            json!({"R": 100, "G": "a b"}),
        ),
    ]
}

fn parameter_rows() -> Vec<Row> {
    const STYLES: [(&str, &str, &[&str]); 7] = [
        (
            "path",
            "simple",
            &["Text", "Number", "Flag", "List", "Object"],
        ),
        ("path", "label", &["Text", "Number", "List", "Object"]),
        ("path", "matrix", &["Text", "Number", "List", "Object"]),
        (
            "query",
            "form",
            &["Text", "Number", "Flag", "List", "Object"],
        ),
        ("query", "deepObject", &["Object"]),
        ("query", "pipeDelimited", &["List"]),
        ("query", "spaceDelimited", &["List"]),
    ];
    let more: [(&str, &str, &[&str]); 2] = [
        ("header", "simple", &["Number", "Flag", "List", "Object"]),
        ("cookie", "form", &["Number", "Flag"]),
    ];
    let mut rows = Vec::new();
    for (place, style, kinds) in STYLES.into_iter().chain(more) {
        for (kind, schema, value) in values() {
            for explode in [false, true] {
                // The specification leaves the other combinations open.
                let undefined = (style == "deepObject" && !explode)
                    || (style.ends_with("Delimited") && explode);
                if !kinds.contains(&kind) || undefined {
                    continue;
                }
                let id = format!("{place}{style}{kind}{explode}");
                let parameter = json!({"name": "c", "in": place, "required": true, "style": style,
                    "explode": explode, "schema": schema});
                let path = if place == "path" { "/{c}" } else { "" };
                rows.push(Row {
                    path: format!("/{id}{path}"),
                    operation: json!({"parameters": [parameter]}),
                    args: json!({"c": value}),
                    theirs: json!({"parameters": {"c": value}}),
                    auth: None,
                    id,
                });
            }
        }
    }
    rows
}

fn special_rows() -> Vec<Row> {
    let row = |id: &str, parameter: Value, value: Value| Row {
        id: id.to_owned(),
        path: format!("/{id}"),
        operation: json!({"parameters": [parameter]}),
        args: json!({"c": value}),
        theirs: json!({"parameters": {"c": value}}),
        auth: None,
    };
    let text = json!({"type": "string"});
    vec![
        row("reserved", json!({"name": "c", "in": "query", "allowReserved": true, "schema": text}), json!("a/b?c:d@e")),
        row("content", json!({"name": "c", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}), json!({"a": [1, "x y"]})),
        row("empty", json!({"name": "c", "in": "query", "allowEmptyValue": true, "schema": text}), json!("")),
        row("headerText", json!({"name": "X-C", "in": "header", "schema": text}), json!("a b")),
    ]
    .into_iter()
    .map(|mut row| {
        if row.id == "headerText" {
            let value = row.args["c"].take();
            row.args = json!({"X-C": value});
            row.theirs = json!({"parameters": {"X-C": value}});
        }
        row
    })
    .collect()
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn body_rows() -> Vec<Row> {
    let object = json!({"type": "object", "properties": {
        "a": {"type": "string"}, "n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string"}},
        "o": {"type": "object", "properties": {"k": {"type": "string"}}}}});
    let value = json!({"a": "x &=é", "n": 1, "l": ["p", "q r"], "o": {"k": "v w"}});
    let form = "application/x-www-form-urlencoded";
    let binary = json!({"type": "string", "format": "binary"});
    let upload = json!({"type": "object", "properties": {"file": binary, "note": {"type": "string"},
        "meta": {"type": "object", "properties": {"k": {"type": "string"}}}}});
    let file = json!({"$file": {"name": "a.png", "type": "image/png", "base64": "aGkK"}});
    let spread = |id: &str, media_type: &str, schema: &Value, more: Value, value: Value| {
        let mut media = json!({"schema": schema});
        media
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Row {
            id: id.to_owned(),
            path: format!("/{id}"),
            operation: json!({"requestBody": {"required": true, "content": {media_type: media}}}),
            theirs: json!({"requestBody": value, "requestContentType": media_type}),
            args: value,
            auth: None,
        }
    };
    let whole = |id: &str, media_type: &str, schema: Value, value: Value| {
        let mut row = spread(id, media_type, &schema, json!({}), value);
        row.args = json!({"body": row.args});
        row
    };
    let few = json!({"a": "x", "l": ["p", "q r"]});
    vec![
        spread(
            "json",
            "application/json",
            &object,
            json!({}),
            value.clone(),
        ),
        spread(
            "patch",
            "application/merge-patch+json",
            &object,
            json!({}),
            few.clone(),
        ),
        whole(
            "jsonList",
            "application/json",
            json!({"type": "array", "items": {"type": "integer"}}),
            json!([1, 2]),
        ),
        whole(
            "text",
            "text/plain",
            json!({"type": "string"}),
            json!("é\nx"),
        ),
        whole(
            "bytes",
            "application/octet-stream",
            binary.clone(),
            file.clone(),
        ),
        spread("form", form, &object, json!({}), few.clone()),
        spread(
            "formPipes",
            form,
            &object,
            json!({"encoding": {"l": {"style": "pipeDelimited", "explode": false}}}),
            few.clone(),
        ),
        spread(
            "formJoined",
            form,
            &object,
            json!({"encoding": {"l": {"style": "form", "explode": false}}}),
            few,
        ),
        spread(
            "formDeep",
            form,
            &object,
            json!({"encoding": {"o": {"style": "deepObject", "explode": true}}}),
            json!({"o": {"k": "v w"}}),
        ),
        spread(
            "multipart",
            "multipart/form-data",
            &upload,
            json!({}),
            json!({"file": file, "note": "x", "meta": {"k": "v"}}),
        ),
    ]
}

fn auth_rows() -> Vec<Row> {
    let key = |location, name: &str| AuthScheme::ApiKey {
        location,
        name: name.to_owned(),
    };
    let user = json!({"username": "me", "password": "secret-1"});
    [
        (
            "authBearer",
            json!(["bearer"]),
            json!({"bearer": "secret-token-1"}),
            AuthScheme::Bearer,
            "secret-token-1",
        ),
        (
            "authBasic",
            json!(["basic"]),
            json!({"basic": user}),
            AuthScheme::Basic,
            "me:secret-1",
        ),
        (
            "authHeader",
            json!(["header"]),
            json!({"header": "secret-key-1"}),
            key(ApiKeyLocation::Header, "X-Key"),
            "secret-key-1",
        ),
        (
            "authQuery",
            json!(["query"]),
            json!({"query": "secret/key 1"}),
            key(ApiKeyLocation::Query, "key"),
            "secret/key 1",
        ),
        (
            "authBoth",
            json!(["basic", "header"]),
            json!({"basic": user, "header": "secret-key-1"}),
            AuthScheme::All(vec![
                AuthScheme::Basic,
                key(ApiKeyLocation::Header, "X-Key"),
            ]),
            "me:secret-1\nsecret-key-1",
        ),
    ]
    .map(|(id, names, securities, scheme, secret)| {
        let needed: Map<String, Value> = names
            .as_array()
            .unwrap()
            .iter()
            .map(|n| (n.as_str().unwrap().to_owned(), json!([])))
            .collect();
        Row {
            id: id.to_owned(),
            path: format!("/{id}"),
            operation: json!({"security": [needed]}),
            args: json!({}),
            theirs: json!({"securities": securities}),
            auth: Some((scheme, secret)),
        }
    })
    .into()
}

/// What a request means, apart from how freely it may be spelled.
fn meaning(seen: &Seen) -> Value {
    let media = seen.header("content-type").unwrap_or_default();
    let plain = media.split(';').next().unwrap_or_default();
    let body = match plain {
        "" => json!(String::from_utf8_lossy(&seen.body)),
        "application/x-www-form-urlencoded" => {
            let pairs: Vec<_> = url::form_urlencoded::parse(&seen.body)
                .into_owned()
                .collect();
            json!(pairs)
        }
        "multipart/form-data" => parts(media, &seen.body),
        json if json.ends_with("json") => serde_json::from_slice(&seen.body)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&seen.body))),
        _ => json!(String::from_utf8_lossy(&seen.body)),
    };
    let headers: Vec<Option<&str>> = ["c", "x-c", "cookie", "authorization", "x-key"]
        .into_iter()
        .map(|name| seen.header(name))
        .collect();
    json!({"line": spelled(seen.line()), "type": plain, "body": body, "headers": headers})
}

/// Octets that need no encoding bare, all others in capitals (RFC 3986, section 6.2.2).
fn spelled(line: &str) -> String {
    let mut out = String::new();
    // What may not stand bare counts as encoded, and a plus in a query as a space.
    let line = line
        .replace('|', "%7C")
        .replace('[', "%5B")
        .replace(']', "%5D")
        .replace('+', "%20");
    let mut rest = line.split('%');
    out.push_str(rest.next().unwrap());
    for piece in rest {
        let byte = u8::from_str_radix(&piece[..2], 16).unwrap();
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out.push_str(&piece[2..]);
    }
    out
}

/// Name, file name, type and content of each part.
fn parts(media: &str, body: &[u8]) -> Value {
    let boundary = media.split_once("boundary=").unwrap().1.trim_matches('"');
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut found: Vec<Value> = text
        .split(&format!("--{boundary}"))
        .filter_map(|part| part.strip_prefix("\r\n")?.strip_suffix("\r\n"))
        .map(|part| {
            let (head, content) = part.split_once("\r\n\r\n").unwrap();
            let quoted = |key: &str| {
                head.split_once(key)
                    .map(|(_, rest)| rest.split('"').next().unwrap())
            };
            let line = head.lines().find_map(|l| l.strip_prefix("Content-Type: "));
            // The other client leaves out the type that an object has where none is set.
            let line = line.filter(|l| *l != "application/json");
            json!([quoted(" name=\""), quoted("filename=\""), line, content])
        })
        .collect();
    found.sort_by_key(Value::to_string);
    json!(found)
}

fn described(server: &str, rows: &[Row]) -> Value {
    let mut paths = Map::new();
    for row in rows {
        let mut operation = row.operation.clone();
        operation["operationId"] = row.id.clone().into();
        operation["responses"] = json!({"200": {"description": ""}});
        let method = if operation.get("requestBody").is_some() {
            "post"
        } else {
            "get"
        };
        paths.insert(row.path.clone(), json!({method: operation}));
    }
    json!({"openapi": "3.0.3", "info": {"title": "Matrix", "version": "1"},
        "servers": [{"url": server}], "paths": paths,
        "components": {"securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"},
            "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "query": {"type": "apiKey", "in": "query", "name": "key"}}}})
}

/// The other client, over the same rows.
fn send_theirs(spec: &Value, rows: &[Row]) {
    let calls: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut call = row.theirs.clone();
            call["operationId"] = row.id.clone().into();
            call
        })
        .collect();
    let node = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/node"));
    assert!(
        node.join("node_modules/swagger-client").exists(),
        "swagger-client is missing: run `cargo xtask setup` (npm ci in tests/node)"
    );
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("matrix.json");
    std::fs::write(&file, json!({"spec": spec, "calls": calls}).to_string()).unwrap();
    let output = Command::new("node")
        .arg("described.mjs")
        .arg(&file)
        .current_dir(node)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Where the other client does otherwise than OpenAPI 3.1.1 says ("Style Examples": a label that is
/// not exploded joins by commas, as RFC 6570 does; a list in a form is repeated), and what it says.
const OTHERWISE: [(&str, &str); 3] = [
    ("pathlabelListfalse", "/.blue,bl%20ack"),
    ("pathlabelObjectfalse", "/.R,100,G,a%20b"),
    ("form", r#"["l","p"],["l","q r"]"#),
];

#[tokio::test]
async fn what_arrives_is_what_an_independent_client_sends() {
    let rows: Vec<Row> = [parameter_rows(), special_rows(), body_rows(), auth_rows()]
        .into_iter()
        .flatten()
        .map(|mut row| {
            // The other client writes JSON of this name only where it is given as text.
            if ["patch", "json", "jsonList"].contains(&row.id.as_str()) {
                row.theirs["requestBody"] = row.theirs["requestBody"].to_string().into();
            }
            row
        })
        .collect();
    let upstream = Arc::new(Upstream::json("{}").await);
    let spec = described(&upstream.url(), &rows);
    let rows = tokio::task::spawn_blocking({
        let spec = spec.clone();
        move || {
            send_theirs(&spec, &rows);
            rows
        }
    })
    .await
    .unwrap();
    let theirs = upstream.seen();
    assert_eq!(theirs.len(), rows.len());
    let source = source("m", import("m", &spec));
    assert_eq!(source.tools.len(), rows.len());
    let mut different = Vec::new();
    for (row, theirs) in rows.iter().zip(&theirs) {
        let attachments = row
            .auth
            .as_ref()
            .map(|(scheme, secret)| attachment(scheme.clone(), secret))
            .unwrap_or_default();
        call_with(
            &source,
            &format!("m.{}", row.id),
            row.args.clone(),
            &attachments,
        )
        .await
        .unwrap();
        let (ours, theirs) = (meaning(&upstream.last()), meaning(theirs));
        let known = OTHERWISE.iter().find(|(id, _)| row.id == *id);
        if let Some((id, here)) = known {
            assert!(ours.to_string().contains(here), "{id}: {ours}");
            assert_ne!(ours, theirs, "{id} is no exception any more");
        } else if ours != theirs {
            different.push(format!("{}\n  ours   {ours}\n  theirs {theirs}", row.id));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {} differ:\n{}",
        different.len(),
        rows.len(),
        different.join("\n")
    );
}
