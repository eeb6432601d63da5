//! GraphQL schemas become tools: what each takes and gives, and that hostile schemas are survived.
//!
//! The judge of every document that is made is GraphQL's reference implementation
//! (`tests/node/graphql.mjs`), over GitHub's own schema.

use crate::documents::{compile, shared};
use crate::fixture::{options, source};
use domain::SourceId;
use domain::source::SourceKind;
use domain::tool::{Risk, Tool};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tools::{Catalog, Import, ImportOptions, Parsed, SourceTools};

/// An address that nothing in these tests reaches.
const ENDPOINT: &str = "https://hub.example/graphql";

pub(crate) fn node(script: &str) -> (PathBuf, Command) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/node"));
    assert!(
        folder.join("node_modules/graphql").is_dir(),
        "the npm package graphql is missing: run `cargo xtask setup` (npm ci in tests/node)"
    );
    let mut command = Command::new("node");
    command.arg(folder.join(script));
    (folder, command)
}

pub(crate) fn schema(text: &str) -> Import {
    at(text, "hub", ENDPOINT)
}

pub(crate) fn at(text: &str, name: &str, endpoint: &str) -> Import {
    let options = ImportOptions {
        base_url: Some(endpoint),
        ..options(name)
    };
    tools::import(text.as_bytes(), &options).unwrap()
}

pub(crate) fn shop() -> String {
    let (folder, _) = node("graphql.mjs");
    std::fs::read_to_string(folder.join("shop.graphql")).unwrap()
}

pub(crate) fn tool<'s>(source: &'s SourceTools, path: &str) -> &'s Arc<Tool> {
    let found = source.tools.iter().find(|t| t.path == path);
    found.unwrap_or_else(|| panic!("no {path}"))
}

/// The body of the request that a call would send.
pub(crate) fn body(source: &SourceTools, path: &str, args: &Value) -> Value {
    let tool = tool(source, path);
    tools::check_arguments(tool, source, args).unwrap();
    let prepared = tools::prepare(tool, source, args).unwrap();
    assert_eq!(prepared.method, "POST");
    serde_json::from_slice(&prepared.body.unwrap()).unwrap()
}

#[test]
fn kinds_are_told_apart_with_evidence() {
    let introspected = json!({ "data": { "__schema": { "queryType": { "name": "Q" }, "types": [
        { "kind": "OBJECT", "name": "Q", "fields": [
            { "name": "a", "args": [], "type": { "kind": "SCALAR", "name": "Int" } }] }] } } });
    let openapi = json!({ "openapi": "3.1.0", "servers": [{ "url": "https://a.example" }],
        "paths": { "/a": { "get": {} } } });
    for (text, kind, evidence) in [
        (
            "# a comment with type: in it\n\"\"\"\nquery\n\"\"\"\ntype Query { a: Int b: Int }"
                .to_owned(),
            SourceKind::GraphQl,
            "GraphQL SDL, 2 root fields",
        ),
        (
            "schema @link(url: \"x\") { query: Q } type Q { a: Int }".to_owned(),
            SourceKind::GraphQl,
            "GraphQL SDL, 1 root fields",
        ),
        (
            introspected.to_string(),
            SourceKind::GraphQl,
            "GraphQL introspection, 1 root fields",
        ),
        (
            openapi.to_string(),
            SourceKind::OpenApi,
            "OpenAPI 3.1, 1 operations",
        ),
    ] {
        let import = schema(&text);
        assert_eq!((import.kind, import.evidence.as_str()), (kind, evidence));
    }
    let wrong = |kind, text: &str| {
        Parsed::parse_as(kind, text.as_bytes(), None)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(wrong(SourceKind::OpenApi, "type Query { a: Int }").contains("OpenAPI"));
    assert!(wrong(SourceKind::GraphQl, "{\"openapi\": \"3.1.0\"}").contains("__schema"));
    assert!(
        wrong(SourceKind::GraphQl, "type Query {\n  a: Int\n  b Int\n}").contains("line 3, column")
    );
    assert!(wrong(SourceKind::GraphQl, "type User { a: Int }").contains("without a query type"));
    assert!(wrong(SourceKind::GraphQl, "query { a }").contains("without a query type"));
}

#[test]
fn root_fields_are_tools_with_their_risk_types_and_words() {
    let source = source("shop", schema(&shop()));
    // The fixture's name is the source's.
    let paths: Vec<&str> = source.tools.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "hub.graphql",
            "hub.mutation.createItem",
            "hub.mutation.deleteItem",
            "hub.query.echo",
            "hub.query.fails",
            "hub.query.item",
            "hub.query.items",
            "hub.query.me",
            "hub.query.node",
            "hub.query.oldName",
            "hub.query.partly",
            "hub.query.picky",
            "hub.query.search",
        ]
    );
    assert_eq!(tool(&source, "hub.query.me").risk, Risk::Read);
    assert_eq!(tool(&source, "hub.mutation.deleteItem").risk, Risk::Write);
    assert_eq!(tool(&source, "hub.graphql").risk, Risk::Write);
    assert_eq!(tool(&source, "hub.query.me").description, "Who is asking.");
    assert_eq!(
        tool(&source, "hub.query.oldName").description,
        "Deprecated. use me query old_name: String"
    );
    assert!(
        source
            .source
            .warnings
            .iter()
            .any(|w| w.contains("1 subscriptions"))
    );
    let takes = &tool(&source, "hub.query.echo").input_schema;
    assert_eq!(takes["required"], Value::Null, "`needed` has a default");
    assert_eq!(takes["properties"]["needed"]["default"], 7);
    assert_eq!(
        takes["properties"]["colors"]["default"],
        json!(["RED", "GREEN"])
    );
    let definitions = &source.definitions;
    assert_eq!(definitions["bigint_"]["type"], Value::Null);
    assert_eq!(definitions["DateTime"]["type"], "string");
    assert_eq!(definitions["Either"]["anyOf"].as_array().unwrap().len(), 2);
    assert_eq!(
        definitions["ItemFilter"]["properties"]["not"],
        json!({ "anyOf": [{ "$ref": "#/$defs/ItemFilter" }, { "type": "null" }] })
    );
    // An argument of the schema keeps its name; ours moves.
    let picky = &tool(&source, "hub.query.picky").input_schema["properties"];
    assert_eq!(picky["select"]["type"], "string");
    assert!(picky["_select"].is_object());
    let catalog = Catalog::new(vec![Arc::new(source)]);
    let signature = catalog.signature(catalog.lookup("hub.query.picky").unwrap().0);
    assert!(signature.contains("_select?: string"), "{signature}");
}

#[test]
fn default_selections_hold_what_is_useful_and_valid() {
    let source = source("shop", schema(&shop()));
    for (path, args, query) in [
        (
            "hub.query.me",
            json!({}),
            "query me { me { id name login state friend { id name login state } } }",
        ),
        (
            "hub.query.items",
            json!({ "first": 2 }),
            "query items($first: Int) { items(first: $first) { totalCount nodes { id name state \
             price tags seller { id name login state friend { id name login state } } } pageInfo \
             { endCursor hasNextPage } } }",
        ),
        (
            // `state` is an ItemState of one and a UserState of the other.
            "hub.query.search",
            json!({ "text": "x" }),
            "query search($text: String!) { search(text: $text) { __typename ... on Item { id \
             itemName: name itemState: state price tags } ... on User { id userName: name login \
             userState: state } } }",
        ),
        (
            "hub.query.node",
            json!({ "id": "1" }),
            "query node($id: ID!) { node(id: $id) { __typename id ... on Item { itemName: name \
             itemState: state price tags } ... on User { userName: name login userState: state } \
             } }",
        ),
        (
            "hub.mutation.deleteItem",
            json!({ "id": "1" }),
            "mutation deleteItem($id: ID!) { deleteItem(id: $id) }",
        ),
    ] {
        let body = body(&source, path, &args);
        assert_eq!(body["query"], query, "{path}");
    }
}

#[test]
fn nothing_depends_on_the_order_of_the_schema() {
    let one = "type Query { b(y: Int, x: In): B a_b: Int aB: Int } type B { d: Int c: Int } \
               input In { q: Int p: Int } union U = B | C type C { e: Int }";
    let other = "type C { e: Int } input In { p: Int q: Int } union U = C | B type B { c: Int d: Int } \
                 type Query { aB: Int a_b: Int b(x: In, y: Int): B }";
    let digests = |text| {
        let tools = schema(text).tools;
        let all = tools.into_iter().map(|t| (t.path, t.digest));
        all.collect::<Vec<_>>()
    };
    assert_eq!(digests(one), digests(other));
}

fn github() -> (PathBuf, SourceTools) {
    let file = shared("graphql").join("github.graphql");
    let text = std::fs::read_to_string(&file).unwrap();
    let begun = Instant::now();
    let options = ImportOptions {
        source_id: SourceId::from_bits([7; 16]),
        name: "gitHub",
        location: None,
        base_url: Some("https://api.github.com/graphql"),
    };
    let import = tools::import(text.as_bytes(), &options).unwrap();
    eprintln!(
        "github.graphql: {} tools in {} ms",
        import.tools.len(),
        begun.elapsed().as_millis()
    );
    // The document defines two fields twice.
    let twice = |w: &String| w.contains("duplicate definitions");
    assert!(import.warnings.iter().all(twice), "{:?}", import.warnings);
    (file, source("gitHub", import))
}

/// A value that a schema accepts: every property of every object, once round a circle at most.
fn sample(schema: &Value, definitions: &Value, depth: usize) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        return sample(&definitions[name], definitions, depth + 1);
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        // Where it may be null, deep down, it is.
        let pick = if depth > 6 {
            forms.last()
        } else {
            forms.first()
        };
        return sample(pick.unwrap(), definitions, depth);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    let kind = &schema["type"];
    let first = kind.as_array().map_or(kind, |kinds| &kinds[0]);
    let kind = first.as_str().unwrap_or("any");
    match kind {
        "integer" => json!(3),
        "number" => json!(2.5),
        "boolean" => json!(true),
        "array" => json!([sample(&schema["items"], definitions, depth + 1)]),
        "object" => {
            let required = schema["required"].as_array();
            let is_required = |n: &str| required.is_some_and(|r| r.iter().any(|x| x == n));
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields
                .filter(|(name, _)| depth < 6 || is_required(name))
                .map(|(name, s)| (name.clone(), sample(s, definitions, depth + 1)))
                .collect()
        }
        "null" => Value::Null,
        _ => json!("2020-01-02T03:04:05Z"),
    }
}

#[test]
fn every_root_field_of_github_asks_what_the_reference_implementation_accepts() {
    let (file, source) = github();
    let text = std::fs::read_to_string(&file).unwrap();
    let begins = |root: &str| {
        // Counted without the importer: the fields are the lines of two spaces and a name.
        let section = text.split(&format!("\ntype {root} ")).nth(1).unwrap();
        let section = section.split("\n}").next().unwrap();
        let is_field = |l: &&str| {
            let name = l.strip_prefix("  ").unwrap_or_default();
            let rest = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            rest.len() < name.len() && (rest.starts_with('(') || rest.starts_with(": "))
        };
        // A long argument list begins with the name and ends on another line.
        section.lines().filter(is_field).count()
    };
    let roots = begins("Query") + begins("Mutation");
    assert_eq!(source.tools.len(), roots + 1, "and the tool for documents");
    let mut requests = Vec::new();
    let mut longest = 0;
    for tool in source.tools.iter().filter(|t| t.path != "gitHub.graphql") {
        let mut args = sample(&tool.input_schema, &source.definitions, 0);
        args.as_object_mut().unwrap().remove("select");
        let fields = args.as_object().unwrap();
        let full = body(&source, &tool.path, &args);
        longest = longest.max(full["query"].as_str().unwrap().len());
        requests.push(
            json!({ "path": tool.path, "query": full["query"], "variables": full["variables"] }),
        );
        let required = tool.input_schema["required"].as_array();
        let is_required = |n: &String| required.is_some_and(|r| r.iter().any(|x| x == n));
        let args: Value = fields
            .iter()
            .filter(|(n, _)| is_required(n))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let least = body(&source, &tool.path, &args);
        requests.push(
            json!({ "path": tool.path, "query": least["query"], "variables": least["variables"] }),
        );
    }
    eprintln!(
        "{} requests, the longest query has {longest} bytes",
        requests.len()
    );
    assert!(longest < 6_000, "{longest}");
    let order = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("graphql-requests.json");
    std::fs::write(
        &order,
        json!({ "schema": file, "requests": requests }).to_string(),
    )
    .unwrap();
    let (_, mut command) = node("graphql.mjs");
    let output = command.arg("validate").arg(&order).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let wrong: Vec<Value> = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{complained}"));
    assert!(
        wrong.is_empty(),
        "{} wrong, such as {:#}",
        wrong.len(),
        wrong[0]
    );
}

#[test]
fn types_of_all_tools_compile_and_a_choice_opens_the_answer() {
    let (_, github) = github();
    let shop = source("shop", at(&shop(), "shop", ENDPOINT));
    let catalog = Catalog::new(vec![Arc::new(github), Arc::new(shop)]);
    let declarations = catalog.declarations(None);
    eprintln!(
        "{} tools, {} KiB of declarations",
        catalog.len(),
        declarations.len() >> 10
    );
    let program = r#"
        async function main() {
          const me = await tools.shop.query.me();
          const login: string = me.login;
          const friend: string | undefined = me.friend?.login;
          const found = await tools.shop.query.search({ text: "x" });
          const names = found.map((f) => (f.__typename === "Item" ? f.itemName : f.login));
          const chosen = await tools.shop.query.items({ first: 1, select: "{ nodes { seller { id } } }" });
          const deep: string = chosen.nodes[0].seller.id;
          const { data } = await tools.shop.query.me({ select: ["id"] }, { meta: true });
          await tools.shop.query.echo({ one: { id: "1" }, color: "RED", input: { int: 1, more: { int: 2 } } });
          // @ts-expect-error no such color
          await tools.shop.query.echo({ color: "PINK" });
          // @ts-expect-error a missing argument
          await tools.shop.query.item({});
          const repository = await tools.gitHub.query.repository({ owner: "o", name: "n" });
          const id: string | number | undefined = repository?.id;
          const raw = await tools.shop.graphql({ query: "{ me { id } }", variables: { a: 1 } });
          return [login, friend, names, deep, data, id, raw];
        }
    "#;
    let files = [
        ("tools.d.ts".to_owned(), declarations),
        ("main.ts".to_owned(), program.to_owned()),
    ];
    compile("graphql-declarations", &files);
    let listed = catalog.list(
        &tools::Query {
            limit: 5_000,
            ..Default::default()
        },
        &|_| true,
    );
    let mut text = String::new();
    for (i, tool) in listed.hits.iter().enumerate() {
        let described = catalog.describe(&tool.path).unwrap();
        let signature = catalog.signature(tool);
        assert!(
            signature.len() < 700 && !signature.contains('\n'),
            "{signature}"
        );
        text.push_str(&format!(
            "namespace In{i} {{\n{}}}\nnamespace Out{i} {{\n{}}}\n",
            described.input, described.output
        ));
    }
    compile("graphql-descriptions", &[("all.ts".to_owned(), text)]);
}

#[test]
fn broken_parts_are_left_out_and_the_rest_imports() {
    let import = schema(
        "type Query { good: Int bad: Nothing needs(x: Nothing!): Int takes(x: Nothing, y: Int): Int \
         wrongWay: In input(x: Out): Int } type Out { a: Int } input In { a: Int b: Out } \
         union U = Out | Nothing | In type Mutation implements Nothing { m(x: In): U } \
         extend type Query { more: Int } extend type Orphan { a: Int } type Out { twice: Int }",
    );
    let paths: Vec<&str> = import.tools.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "hub.graphql",
            "hub.mutation.m",
            "hub.query.good",
            "hub.query.input",
            "hub.query.more",
            "hub.query.takes"
        ]
    );
    let all = import.warnings.join("\n");
    for expected in [
        "`Query.bad` is left out",
        "`Query.needs` is left out: its argument `x` is needed",
        "the argument `x` of `Query.takes`",
        "`Query.wrongWay`",
        "the argument `x` of `Query.input`",
        "`In.b` is left out",
        "`Out` is defined multiple times",
    ] {
        assert!(all.contains(expected), "{all} lacks {expected}");
    }
}

#[test]
fn an_introspection_is_the_word_of_a_stranger() {
    let int = json!({ "kind": "SCALAR", "name": "Int" });
    let argument = |default: &str| json!({ "name": "a", "type": int, "defaultValue": default });
    let field = |name: &str, args: Value| {
        json!({ "name": name, "args": args, "type": int,
        "description": "\"\"\" } type Mutation { evil: Int } \\u0022" })
    };
    let root = json!({ "__schema": { "queryType": { "name": "Q" }, "mutationType": { "name": "Q } type M { x: Int" },
        "types": [{ "kind": "OBJECT", "name": "Q", "interfaces": [], "fields": [
            field("plain", json!([])),
            field("fair", json!([argument("5")])),
            field("foul", json!([argument("5) : Int } type Mutation { evil: Int } type X { b(a: Int")])),
            field("b: Int } type Mutation { evil: Int", json!([])),
            json!({ "name": "typeless" }),
            json!({ "name": "endless", "type": (0..50).fold(int.clone(), |t, _| json!({ "kind": "LIST", "ofType": t })) }),
        ] }, { "kind": "OBJECT", "name": "E } type Mutation { evil: Int", "fields": [] },
        { "kind": "MONSTER", "name": "Odd" }], "directives": [
            { "name": "x on FIELD type Mutation { evil: Int } directive @y", "locations": ["FIELD"] },
            { "name": "fine", "locations": ["FIELD", "FIELD | OBJECT"], "args": [] }] } });
    let import = schema(&root.to_string());
    let paths: Vec<&str> = import.tools.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "hub.graphql",
            "hub.query.fair",
            "hub.query.foul",
            "hub.query.plain"
        ]
    );
    assert!(import.tools.iter().all(|t| t.risk == Risk::Read));
    assert_eq!(
        import.tools[1].input_schema["properties"]["a"]["default"],
        5
    );
    assert_eq!(
        import.tools[2].input_schema["properties"]["a"].get("default"),
        None
    );
    assert!(
        import.tools[3]
            .description
            .contains("type Mutation { evil: Int }")
    );
    assert!(
        import
            .warnings
            .iter()
            .any(|w| w.contains("is not one GraphQL value"))
    );
}

#[test]
fn hostile_schemas_are_survived() {
    let begun = Instant::now();
    let mut many = "type Query { t0: T0 }\n".to_owned();
    for i in 0..100_000 {
        let next = (i + 1) % 100_000;
        many.push_str(&format!(
            "type T{i} {{ id: ID! next: T{next} other: T{} }}\n",
            next / 2
        ));
    }
    assert_eq!(schema(&many).tools.len(), 2);
    eprintln!("100,000 types: {} ms", begun.elapsed().as_millis());

    let flood = "@a(x: 1) ".repeat(50_000);
    assert_eq!(
        schema(&format!("type Query {flood} {{ a: Int {flood} }}"))
            .tools
            .len(),
        2
    );

    // Depth that would end a careless reader is refused with a place.
    let deep = format!(
        "type Query {{ a(x: Int = {}1{}): Int }}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let refused = Parsed::parse_as(SourceKind::GraphQl, deep.as_bytes(), None)
        .err()
        .unwrap();
    assert!(refused.to_string().contains("line 1"), "{refused}");
    let wrapped = format!(
        "type Query {{ a: {}Int{} }}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(Parsed::parse_as(SourceKind::GraphQl, wrapped.as_bytes(), None).is_err());

    // Defaults that go round in circles, a union of everything, an enormous enumeration.
    let values: String = (0..20_000).map(|i| format!("V{i} ")).collect();
    let members: Vec<String> = (0..2_000).map(|i| format!("M{i}")).collect();
    let types: String = members
        .iter()
        .map(|m| format!("type {m} {{ x: Int y: E }} "))
        .collect();
    let circles = format!(
        "type Query {{ a(x: In = {{}}): U e: E }} input In {{ in: In = {{}} other: [In!] = [{{}}] }} \
         enum E {{ {values} }} union U = {} {types}",
        members.join(" | ")
    );
    let hostile = source("hub", schema(&circles));
    assert!(
        body(&hostile, "hub.query.a", &json!({}))["query"]
            .as_str()
            .unwrap()
            .len()
            < 500
    );
    let document = json!({ "query": "{ a { __typename } }" });
    let judged = tools::judged(tool(&hostile, "hub.graphql"), &hostile, &document);
    assert!(judged.also[0].arguments["x"]["in"].is_object());
}
