//! What servers say, and what becomes of it.

use super::*;
use domain::SourceId;

fn import(tools: Value, trust: HintTrust) -> Result<Import, ImportError> {
    let listing = McpListing {
        version: "2025-11-25".into(),
        identity: Identity::default(),
        base_url: "https://x.example/mcp".into(),
        tools: tools.as_array().cloned().unwrap_or_default(),
        warnings: Vec::new(),
        ttl_ms: None,
        for_all: false,
    };
    let options = ImportOptions {
        source_id: SourceId::from_bits([7; 16]),
        name: "s",
        location: None,
        base_url: None,
    };
    listing.import(&options, trust)
}

fn imported(tools: Value) -> Import {
    import(tools, HintTrust::Untrusted).expect("tools")
}

fn paths(import: &Import) -> Vec<&str> {
    import.tools.iter().map(|t| t.path.as_str()).collect()
}

#[test]
fn paths_depend_on_names_alone() {
    let named = |names: &[&str]| {
        let tools: Vec<Value> = names.iter().map(|n| json!({ "name": n })).collect();
        imported(Value::Array(tools))
    };
    let plain = named(&["get-sum", "admin.tools.list", "Then", "2fa"]);
    assert_eq!(
        paths(&plain),
        ["s._2fa", "s.adminToolsList", "s.getSum", "s.then_"]
    );
    let met = named(&["get_item", "get-item", "other", "日本"]);
    let turned = named(&["日本", "other", "get-item", "get_item"]);
    assert_eq!(paths(&met), paths(&turned));
    assert_eq!(met.tools, turned.tools);
    let mut folded: Vec<String> = paths(&met).iter().map(|p| fold_path(p)).collect();
    folded.dedup();
    assert_eq!(folded.len(), 4, "{:?}", paths(&met));
    // A third that meets them takes nobody's path.
    let three = named(&["get_item", "get-item", "getItem", "other", "日本"]);
    assert!(
        paths(&met).iter().all(|p| paths(&three).contains(p)),
        "{:?}",
        paths(&three)
    );
}

#[test]
fn of_two_tools_with_one_name_the_same_one_is_kept_in_any_order() {
    let (a, b) = (
        json!({"name": "x", "description": "a"}),
        json!({"name": "x", "description": "b"}),
    );
    let (one, other) = (imported(json!([a, b])), imported(json!([b, a])));
    assert_eq!(one.tools, other.tools);
    assert_eq!(
        (one.tools.len(), one.warnings.len()),
        (1, 1),
        "{:?}",
        one.warnings
    );
    assert!(imported(json!([a, a])).warnings.is_empty());
}

#[test]
fn hints_count_only_where_they_are_trusted() {
    let with = |hints: Value| json!([{ "name": "x", "annotations": hints }]);
    for (hints, trusted) in [
        (json!({ "readOnlyHint": true }), Risk::Read),
        (
            json!({ "readOnlyHint": false, "destructiveHint": true }),
            Risk::Destructive,
        ),
        (
            json!({ "readOnlyHint": false, "destructiveHint": false }),
            Risk::Write,
        ),
        (json!({ "readOnlyHint": "yes" }), Risk::Unknown),
        (json!({}), Risk::Unknown),
        (Value::Null, Risk::Unknown),
    ] {
        let risk = |trust| import(with(hints.clone()), trust).expect("tools").tools[0].risk;
        assert_eq!(risk(HintTrust::Trusted), trusted, "{hints}");
        assert_eq!(risk(HintTrust::Untrusted), Risk::Unknown, "{hints}");
    }
    let safe = with(json!({ "idempotentHint": true }));
    let repeated = |trust| {
        let import = import(safe.clone(), trust).expect("tools");
        crate::is_idempotent(&import.tools[0])
    };
    assert!(repeated(HintTrust::Trusted));
    assert!(!repeated(HintTrust::Untrusted));
}

#[test]
fn schemas_keep_to_their_own_definitions() {
    let schema = |kind: &str| {
        json!({
            "type": "object", "required": ["at"],
            "properties": { "at": { "$ref": "#/$defs/Place" }, "self": { "$ref": "#" } },
            "$defs": { "Place": { "type": kind } },
        })
    };
    let import = imported(json!([
        { "name": "a", "inputSchema": schema("string") },
        { "name": "b/c", "inputSchema": schema("integer"), "outputSchema": schema("boolean") },
        { "name": "remote", "inputSchema": { "$ref": "http://127.0.0.1:9/x" } },
    ]));
    let at = |schema: &Value| {
        let reference = schema["properties"]["at"]["$ref"]
            .as_str()
            .expect("a reference");
        let name = reference.strip_prefix("#/$defs/").expect("a local one");
        import.definitions[name]["type"].clone()
    };
    assert_eq!(at(&import.tools[0].input_schema), "string");
    assert_eq!(at(&import.tools[1].input_schema), "integer");
    assert_eq!(
        at(import.tools[1].output_schema.as_ref().expect("one")),
        "boolean"
    );
    assert_eq!(import.tools[2].input_schema, json!({ "type": "object" }));
    // What one tool refers to changes that tool and no other.
    let changed = imported(json!([
        { "name": "a", "inputSchema": schema("number") },
        { "name": "b/c", "inputSchema": schema("integer"), "outputSchema": schema("boolean") },
    ]));
    assert_ne!(import.tools[0].digest, changed.tools[0].digest);
    assert_eq!(import.tools[1].digest, changed.tools[1].digest);
}

#[test]
fn what_is_huge_or_hidden_is_cut_and_said() {
    let import = imported(json!([
        { "name": "long", "description": "word ".repeat(5_000) },
        { "name": "hidden", "description": "a\u{200b}b\u{e0041}" },
        { "name": "wide", "inputSchema": { "type": "object", "description": "x".repeat(300 << 10) } },
        { "description": "no name" },
    ]));
    assert_eq!(import.warnings.len(), 4, "{:?}", import.warnings);
    let of = |path: &str| {
        import
            .tools
            .iter()
            .find(|t| t.path == path)
            .expect("the tool")
    };
    assert!(of("s.long").description.chars().count() <= DESCRIPTION_CHARS_MAX + 1);
    assert_eq!(of("s.hidden").description, "a\\u{200b}b\\u{e0041}");
    assert_eq!(of("s.wide").input_schema, json!({ "type": "object" }));
    assert!(matches!(
        super::tests::import(json!([]), HintTrust::Untrusted),
        Err(ImportError::NoTools { .. })
    ));
}

#[test]
fn arguments_that_travel_in_headers_are_found_under_properties_alone() {
    let of = |properties: Value| mirrored(&json!({ "type": "object", "properties": properties }));
    let found = of(json!({
        "region": { "type": "string", "x-mcp-header": "Region" },
        "inner": { "properties": { "tenant": { "type": "integer", "x-mcp-header": "Tenant" } } },
        "x-mcp-header": { "type": "string" },
    }));
    let way = |names: &[&str]| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .collect::<Vec<String>>()
    };
    let expected = [
        ("region".to_owned(), way(&["region"])),
        ("tenant".to_owned(), way(&["inner", "tenant"])),
    ];
    assert_eq!(found, Ok(expected.into_iter().collect()));
    for malformed in [
        json!({ "a": { "type": "string", "x-mcp-header": "" } }),
        json!({ "a": { "type": "string", "x-mcp-header": "a b" } }),
        json!({ "a": { "type": "string", "x-mcp-header": 1 } }),
        json!({ "a": { "type": "number", "x-mcp-header": "A" } }),
        json!({ "a": { "items": { "type": "string", "x-mcp-header": "A" } } }),
        json!({ "a": { "type": "string", "x-mcp-header": "A" }, "b": { "type": "string", "x-mcp-header": "a" } }),
    ] {
        assert!(of(malformed.clone()).is_err(), "{malformed}");
    }
}
