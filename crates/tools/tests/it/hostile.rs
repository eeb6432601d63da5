//! Descriptions that nobody should have written: each ends soon, with a clear error or a defined
//! meaning.

use crate::fixture::{document, import, options, source};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tools::{Catalog, ImportError, SourceTools};

fn with_schemas(schema: Value, schemas: Value) -> Value {
    let mut made = document(
        "https://x.example",
        json!({"/x": {"post": {"operationId": "go", "requestBody": {"content": {"application/json": {"schema":
            {"type": "object", "properties": {"v": schema}}}}},
            "responses": {"200": {"content": {"application/json": {"schema": schema}}}}}}}),
    );
    made["components"] = json!({"schemas": schemas});
    made
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Imports, checks a value, describes: everything that walks schemas.
fn walked(document: &Value, value: Value) -> bool {
    let source = source("s", import("s", document));
    let fits = tools::check_arguments(&source.tools[0], &source, &json!({"v": value})).is_ok();
    described(source);
    fits
}

fn described(source: SourceTools) {
    let catalog = Catalog::new(vec![std::sync::Arc::new(source)]);
    let described = catalog.describe("s.go").unwrap();
    assert!(described.input.len() + described.output.len() < 64 << 10);
    let signature = catalog.signature(catalog.lookup("s.go").unwrap().0);
    assert!(signature.len() < 1_000);
}

#[test]
fn long_chains_of_references_end() {
    // Each is nothing but a reference to the next.
    let plain = chain(100_000, |next| next);
    let made = with_schemas(reference("S0"), plain);
    assert!(walked(&made, json!("x")));
    assert!(!walked(&made, json!(1)));
    // Each holds the next, as a part of itself or as one form of itself.
    let part = |next| json!({"type": "object", "properties": {"next": next}});
    let form = |next| json!({"anyOf": [next, {"type": "null"}]});
    for hops in [1_000, 20_000] {
        for schemas in [chain(hops, part), chain(hops, form)] {
            let made = with_schemas(reference("S0"), schemas);
            if hops == 1_000 {
                walked(&made, json!(null));
            } else {
                described(source("s", import("s", &made)));
            }
        }
    }
}

/// `S0`, `S1` … each made of a reference to the next, and a text at the end.
fn chain(hops: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut all: Map<String, Value> = (0..hops)
        .map(|i| (format!("S{i}"), link(reference(&format!("S{}", i + 1)))))
        .collect();
    all.insert(format!("S{hops}"), json!({"type": "string"}));
    Value::Object(all)
}

#[test]
fn circles_end() {
    for (schemas, value, fits) in [
        (json!({"A": reference("A")}), json!(1), true),
        (
            json!({"A": reference("B"), "B": reference("C"), "C": reference("A")}),
            json!(1),
            true,
        ),
        (
            json!({"A": {"allOf": [reference("A"), {"type": "string"}]}}),
            json!(1),
            false,
        ),
        (
            json!({"A": {"anyOf": [reference("B")]}, "B": {"not": reference("A")}}),
            json!(1),
            true,
        ),
        (
            json!({"A": {"type": "object", "properties": {"a": reference("A")}}}),
            json!({"a": {"a": 1}}),
            false,
        ),
        (
            json!({"A": {"items": reference("B")}, "B": {"items": reference("A")}}),
            json!([[[]]]),
            true,
        ),
        (
            json!({"A": {"additionalProperties": reference("A"), "type": "object"}}),
            json!({"x": {"y": {}}}),
            true,
        ),
    ] {
        assert_eq!(
            walked(&with_schemas(reference("A"), schemas.clone()), value),
            fits,
            "{schemas}"
        );
    }
}

#[test]
fn references_of_any_spelling_are_found() {
    let made = with_schemas(
        json!({"anyOf": [
            {"$ref": "#/components/schemas/a~1b"}, {"$ref": "#/components/schemas/a%20b"},
            {"$ref": "#/components/schemas/%C3%A9"}, {"$ref": "#/components/schemas/ü"},
            {"$ref": "#/components/schemas/a~0%25b"}]}),
        json!({"a/b": {"const": 1}, "a b": {"const": 2}, "é": {"const": 3}, "ü": {"const": 4}, "a~%b": {"const": 5}}),
    );
    for value in 1..=5 {
        assert!(walked(&made, json!(value)), "{value}");
    }
    assert!(!walked(&made, json!(6)));
    for broken in [
        "#/components/schemas/%",
        "#/%zz",
        "#/components/schemas/a~2b",
        "##",
        "#x",
        "%%%",
        "http://[",
    ] {
        let made = with_schemas(json!({"$ref": broken}), json!({}));
        assert!(walked(&made, json!(1)), "{broken}");
        let import = import("s", &made);
        assert_eq!(import.warnings.len(), 1, "{broken}: {:?}", import.warnings);
    }
}

#[test]
fn products_and_masses_stay_small() {
    // 2^40 forms, if they were multiplied out.
    let mut products = Map::new();
    for i in 0..40 {
        let next = reference(&format!("P{}", i + 1));
        products.insert(format!("P{i}"), json!({"allOf": [
            {"oneOf": [next, {"type": "object", "properties": {format!("a{i}"): {"type": "string"}}}]},
            {"oneOf": [next, {"type": "object", "properties": {format!("b{i}"): {"type": "string"}}}]}]}));
    }
    products.insert("P40".to_owned(), json!({"type": "object"}));
    let values: Vec<String> = (0..10_000).map(|i| format!("value {i}")).collect();
    let properties: Map<String, Value> = (0..100_000)
        .map(|i| (format!("p{i}"), json!({"type": "integer"})))
        .collect();
    let mut deep = json!({"type": "string"});
    for _ in 0..50 {
        deep = json!({"type": "array", "items": deep});
    }
    for (schemas, value) in [
        (products, json!({})),
        (
            json!({"P0": {"type": "string", "enum": values}})
                .as_object()
                .unwrap()
                .clone(),
            json!("value 9999"),
        ),
        (
            json!({"P0": {"type": "object", "properties": properties}})
                .as_object()
                .unwrap()
                .clone(),
            json!({"p99999": 1}),
        ),
        (
            json!({"P0": deep}).as_object().unwrap().clone(),
            json!([[]]),
        ),
    ] {
        assert!(walked(
            &with_schemas(reference("P0"), Value::Object(schemas)),
            value
        ));
    }
    // Deeper than any reader follows.
    let nested = format!(
        "{}{}{}",
        "{\"items\":".repeat(1_000),
        "{}",
        "}".repeat(1_000)
    );
    let text = format!(
        "{{\"openapi\":\"3.1.0\",\"paths\":{{\"/x\":{{\"get\":{{}}}}}},\"components\":{{\"schemas\":{{\"A\":{nested}}}}}}}"
    );
    let error = tools::import(text.as_bytes(), &options("s")).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
    let mut bomb = "a: &a0 [x]\n".to_owned();
    for i in 0..40 {
        let _ = writeln!(bomb, "b{i}: &a{} [*a{i}, *a{i}, *a{i}]", i + 1);
    }
    let error =
        tools::import(format!("openapi: 3.1.0\n{bomb}").as_bytes(), &options("s")).unwrap_err();
    assert!(
        matches!(error, ImportError::Syntax { format: "YAML", .. }),
        "{error}"
    );
}

#[test]
fn names_of_any_kind_become_paths() {
    let long = "x".repeat(10_000);
    let ids = [
        "same",
        "same",
        "Same",
        "s_a_m_e",
        "§§§",
        "——",
        &long,
        &long,
        "0",
        "then",
        "__proto__",
        "a.b/c:d",
        "日本語",
    ];
    let paths: Map<String, Value> = ids
        .iter()
        .enumerate()
        .map(|(i, id)| {
            (
                format!("/p{i}"),
                json!({"get": {"operationId": id, "tags": [id]}}),
            )
        })
        .collect();
    let made = document("https://x.example", Value::Object(paths));
    let found = import("s", &made);
    assert_eq!(found.tools.len(), ids.len());
    let mut folded: Vec<String> = found
        .tools
        .iter()
        .map(|t| domain::tool::fold_path(&t.path))
        .collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), ids.len());
    for tool in &found.tools {
        assert!(
            tool.path.split('.').all(|s| {
                !s.is_empty()
                    && s.len() <= 66
                    && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            }),
            "{}",
            tool.path
        );
    }
    // The other way round it is the same.
    let mut turned = made.clone();
    let paths: Vec<(String, Value)> = made["paths"]
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .collect();
    turned["paths"] = Value::Object(paths.into_iter().rev().collect());
    let again = import("s", &turned);
    let names = |tools: &[domain::tool::Tool]| {
        tools
            .iter()
            .map(|t| (t.path.clone(), t.digest.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&again.tools), names(&found.tools));
}

#[test]
fn bytes_of_any_kind_have_a_meaning_or_an_error() {
    let text = |value: &str| {
        format!(
            "{{\"openapi\":\"3.1.0\",\"servers\":[{{\"url\":\"https://x.example\"}}],\"paths\":{{\"/x\":{{\"get\":{{\"parameters\":[{{\"name\":\"a\",\"in\":\"query\",\"schema\":{{\"default\":{value}}}}}]}}}}}}}}"
        )
    };
    let default = |bytes: &[u8]| {
        let import = tools::import(bytes, &options("s"))?;
        Ok::<_, ImportError>(import.tools[0].input_schema["properties"]["a"]["default"].clone())
    };
    for (value, expected) in [
        ("1", json!(1)),
        (
            "18446744073709551615",
            json!(18_446_744_073_709_551_615_u64),
        ),
        ("1e400", json!("1e400")),
        ("\"\\ud83d\\ude00\"", json!("😀")),
        ("\"a\\u0000b\"", json!("a\0b")),
        ("1,\"default\":2", json!(2)),
    ] {
        assert_eq!(
            default(text(value).as_bytes()).unwrap(),
            expected,
            "{value}"
        );
        let marked = [b"\xEF\xBB\xBF", text(value).as_bytes()].concat();
        assert_eq!(default(&marked).unwrap(), expected, "{value}");
    }
    for (value, expected) in [
        ("\"\\ud800\"", "broken JSON at line 1"),
        ("\"a\0b\"", "broken JSON at line 1"),
        ("[1", "broken JSON at line 1"),
    ] {
        let error = default(text(value).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{value}: {error}");
    }
    let wide: Vec<u8> = "\u{feff}{}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, expected) in [
        (wide.as_slice(), "UTF-16"),
        (
            b"{\"openapi\": \"3.1.0\xff\"}",
            "byte 18 begins no valid character",
        ),
        (b"\0", "broken YAML"),
    ] {
        let error = tools::import(bytes, &options("s")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
