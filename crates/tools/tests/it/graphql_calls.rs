//! GraphQL calls against a real server: GraphQL's reference implementation serving a small shop, which
//! notes what it executed and with which arguments.

use crate::fixture::{bearer, call_with, fetch, limits, source};
use crate::graphql::{at, node};
use domain::source::SourceKind;
use domain::tool::{ToolError, ToolErrorCode};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use tools::{Address, Attachment, Egress, SourceTools};

const TOKEN: &str = "shop-token-1234567890";

/// The server; it ends with the test.
struct Shop {
    server: Child,
    base: String,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Shop {
    fn open(token: Option<&str>) -> Self {
        let (_, mut command) = node("graphql.mjs");
        let mut server = command
            .arg("serve")
            .args(token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut base = String::new();
        let mut lines = BufReader::new(server.stdout.take().unwrap());
        lines.read_line(&mut base).unwrap();
        assert!(base.starts_with("http://127.0.0.1:"), "{base}");
        Self {
            server,
            base: base.trim().to_owned(),
        }
    }

    fn endpoint(&self) -> String {
        format!("{}/graphql", self.base)
    }

    /// What it says about itself, as a source.
    async fn source(&self, attachments: &[Attachment]) -> SourceTools {
        let egress = Egress::new(limits());
        let url = self.endpoint();
        let address = Address {
            url: &url,
            kind: None,
            headers: &[],
            attachments,
            allow_private: true,
        };
        let found = tools::read_address(&egress, &address).await.unwrap();
        assert_eq!(found.endpoint.as_deref(), Some(url.as_str()));
        let text = String::from_utf8(found.document).unwrap();
        source("shop", at(&text, "shop", &url))
    }

    async fn received(&self) -> Vec<Value> {
        let egress = Egress::new(limits());
        let url = format!("{}/received", self.base);
        let bytes = fetch(&egress, &url, &[], true).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

async fn call(source: &SourceTools, path: &str, args: Value) -> Result<Value, ToolError> {
    let answer = call_with(source, path, args, &bearer(TOKEN)).await?;
    match answer.failed {
        Some(failed) => Err(failed),
        None => Ok(answer.data),
    }
}

#[tokio::test]
async fn a_server_tells_its_schema_to_who_has_the_credential() {
    let shop = Shop::open(Some(TOKEN));
    let egress = Egress::new(limits());
    let url = shop.endpoint();
    let address = Address {
        url: &url,
        kind: None,
        headers: &[],
        attachments: &[],
        allow_private: true,
    };
    let refused = tools::read_address(&egress, &address)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("could not be read: it answered 405"),
        "{refused}"
    );
    assert!(
        refused.contains("answered 401: who are you?; give its credential"),
        "{refused}"
    );
    let headers = [("Authorization".to_owned(), format!("Bearer {TOKEN}"))];
    for address in [
        Address {
            attachments: &bearer(TOKEN),
            ..address
        },
        Address {
            headers: &headers,
            kind: Some(SourceKind::GraphQl),
            attachments: &[],
            ..address
        },
    ] {
        let found = tools::read_address(&egress, &address).await.unwrap();
        let import = at(std::str::from_utf8(&found.document).unwrap(), "shop", &url);
        assert_eq!(import.evidence, "GraphQL introspection, 12 root fields");
        assert_eq!(import.base_url, url);
    }
    let wrong = Address {
        kind: Some(SourceKind::GraphQl),
        ..address
    };
    let elsewhere = format!("{}/nowhere", shop.base);
    let wrong = Address {
        url: &elsewhere,
        ..wrong
    };
    let refused = tools::read_address(&egress, &wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("as a GraphQL endpoint: ") && refused.contains("404"),
        "{refused}"
    );
}

#[tokio::test]
async fn arguments_of_every_kind_arrive_as_they_were_given() {
    let shop = Shop::open(None);
    let source = shop.source(&[]).await;
    let given = json!({
        "int": -5, "float": 2.5, "text": "a \"quoted\"\n} ✓ \\ $x", "flag": false, "id": 12,
        "color": "BLUE", "colors": ["RED"], "list": [1, null, 3], "lists": [["a"], []],
        "input": { "int": 1, "float": null, "list": [[1, 2]], "color": "RED", "more": { "int": 2, "text": "x" } },
        "one": { "name": "n" }, "when": "2020-01-02T03:04:05Z",
        "any": { "deep": [1, { "er": null }], "__proto": "x" }, "big": "99999999999999999999", "needed": 8,
    });
    let answer = call(&source, "shop.query.echo", given.clone())
        .await
        .unwrap();
    let mut expected = given;
    expected["id"] = json!("12");
    expected["input"]["text"] = json!("none");
    assert_eq!(answer, expected);
    let answer = call(&source, "shop.query.echo", json!({ "text": null }))
        .await
        .unwrap();
    assert_eq!(
        answer,
        json!({ "text": null, "colors": ["RED", "GREEN"], "needed": 7 })
    );

    // What a document is judged by is what the field was given, in every way of writing it.
    let query = "query($id: ID, $in: Everything, $colors: [Color!] = [BLUE]) { \
                 a: echo(id: $id, input: $in, colors: $colors, any: { x: [1, RED, \"s\"] }) \
                 b: echo(id: 5, list: 1, lists: \"x\", one: { id: 3 }, float: 4, input: { int: 1, more: { int: 2 } }) \
                 c: echo(text: \"\"\"\n    block \"q\"\n      more\n    \"\"\", flag: true, color: $c) }"
        .replace(", color: $c", "");
    let args = json!({ "query": query, "variables": { "id": 7, "in": { "int": 3, "list": [4] } } });
    let tool = source
        .tools
        .iter()
        .find(|t| t.path == "shop.graphql")
        .unwrap();
    let judged = tools::judged(tool, &source, &args);
    let before = shop.received().await.len();
    call(&source, "shop.graphql", args).await.unwrap();
    let received = shop.received().await;
    assert_eq!(received.len() - before, 3);
    for (ran, part) in received[before..].iter().zip(&judged.also) {
        assert_eq!(ran["args"], part.arguments, "{}", part.tool);
    }
}

#[tokio::test]
async fn answers_are_the_fields_own_values() {
    let shop = Shop::open(Some(TOKEN));
    let source = shop.source(&bearer(TOKEN)).await;
    let me = call(&source, "shop.query.me", json!({})).await.unwrap();
    assert_eq!(me["login"], "ada");
    assert_eq!(me["friend"]["login"], "bob");
    let page = call(&source, "shop.query.items", json!({ "first": 1 }))
        .await
        .unwrap();
    assert_eq!(page["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(
        page["pageInfo"],
        json!({ "endCursor": "c2", "hasNextPage": false })
    );
    let found = call(&source, "shop.query.search", json!({ "text": "x" }))
        .await
        .unwrap();
    assert_eq!(
        (&found[0]["itemState"], &found[1]["userState"]),
        (&json!("OPEN"), &json!("ACTIVE"))
    );
    let node = call(&source, "shop.query.node", json!({ "id": "u1" }))
        .await
        .unwrap();
    assert_eq!(node["userName"], "Ada");
    let args = json!({ "input": { "name": "tea" }, "select": "{ item { name price } }" });
    let made = call(&source, "shop.mutation.createItem", args)
        .await
        .unwrap();
    assert_eq!(made, json!({ "item": { "name": "tea", "price": 1.5 } }));
    let nothing = call(&source, "shop.query.item", json!({ "id": "0" }))
        .await
        .unwrap();
    assert_eq!(nothing, Value::Null);
    let args = json!({ "query": "query A { me { login } } query B { a: item(id: 1) { name } }", "operationName": "B" });
    let raw = call(&source, "shop.graphql", args).await.unwrap();
    assert_eq!(raw, json!({ "a": { "name": "coffee" } }));
    let args = json!({ "query": "{ __type(name: \"User\") { name fields { name } } }" });
    assert_eq!(
        call(&source, "shop.graphql", args).await.unwrap()["__type"]["name"],
        "User"
    );
}

#[tokio::test]
async fn errors_are_the_errors_of_the_call() {
    let shop = Shop::open(Some(TOKEN));
    let source = shop.source(&bearer(TOKEN)).await;
    let failed = call(&source, "shop.query.fails", json!({}))
        .await
        .unwrap_err();
    assert_eq!(failed.code, ToolErrorCode::UpstreamError);
    assert_eq!(
        failed.message,
        "shop.query.fails: it always fails (at fails; ALWAYS)"
    );
    assert_eq!(
        failed.details.unwrap()["errors"][0]["extensions"]["code"],
        "ALWAYS"
    );

    let answer = call_with(&source, "shop.query.partly", json!({}), &bearer(TOKEN))
        .await
        .unwrap();
    assert_eq!(answer.data, json!({ "bad": null, "good": "yes" }));
    let failed = answer.failed.unwrap();
    assert!(
        failed.message.contains("half of it fails (at partly.bad)"),
        "{failed}"
    );
    assert!(failed.message.contains("meta: true"), "{failed}");
    assert_eq!(
        failed.details.unwrap()["errors"][0]["message"],
        "half of it fails"
    );

    let refused = call_with(&source, "shop.query.me", json!({}), &bearer("wrong"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, ToolErrorCode::CredentialRejected);
    assert!(refused.message.contains("who are you?"), "{refused}");
    let refused = call_with(&source, "shop.query.me", json!({}), &[])
        .await
        .unwrap_err();
    assert_eq!(refused.code, ToolErrorCode::CredentialMissing);
}
