//! Documents and choices of fields: what is refused, in which words, and as what a document is judged.

use crate::fixture::source;
use crate::graphql::{body, schema, shop, tool};
use domain::partial::{Entry, Partial, Place};
use domain::tool::{Risk, ToolErrorCode};
use serde_json::{Value, json};
use tools::{Judged, SourceTools};

fn hub() -> SourceTools {
    source("hub", schema(&shop()))
}

fn refusal(source: &SourceTools, path: &str, args: &Value) -> String {
    let tool = tool(source, path);
    let error = tools::check_arguments(tool, source, args).unwrap_err();
    assert_eq!(error.code, ToolErrorCode::InvalidArguments);
    error.message
}

fn judged(source: &SourceTools, args: &Value) -> Judged {
    let tool = tool(source, "hub.graphql");
    tools::check_arguments(tool, source, args).unwrap();
    tools::judged(tool, source, args)
}

/// As `path risk arguments`.
fn shown(judged: &Judged) -> Vec<String> {
    let all = judged.also.iter();
    all.map(|p| format!("{} {} {}", p.tool, p.risk.as_str(), p.arguments))
        .collect()
}

#[test]
fn a_document_is_judged_by_every_root_field_that_runs() {
    let hub = hub();
    for (args, risk, expected) in [
        (
            json!({ "query": "{ me { id } __typename }" }),
            Risk::Read,
            vec!["hub.query.me read {}"],
        ),
        (
            // An alias hides nothing, nor do fragments of any kind, nor conditions.
            json!({ "query": "query me { me { id } } mutation M($v: Boolean!) { ...A @include(if: $v) } \
                fragment A on Mutation { ... @skip(if: true) { ...B } } \
                fragment B on Mutation { ... on Mutation { me: deleteItem(id: 7) } }",
                "operationName": "M", "variables": { "v": false } }),
            Risk::Write,
            vec![r#"hub.mutation.deleteItem write {"force":true,"id":"7"}"#],
        ),
        (
            json!({ "query": "query me { me { id } } mutation M { deleteItem(id: 7) }", "operationName": "me" }),
            Risk::Read,
            vec!["hub.query.me read {}"],
        ),
        (
            // Variables, their defaults, and the schema's own.
            json!({ "query": "mutation($id: ID!, $force: Boolean = false, $input: NewItem!) { \
                a: deleteItem(id: $id, force: $force) b: deleteItem(id: \"2\") createItem(input: $input) { item { id } } }",
                "variables": { "id": 5, "input": { "name": "tea" } } }),
            Risk::Write,
            vec![
                r#"hub.mutation.deleteItem write {"force":false,"id":"5"}"#,
                r#"hub.mutation.deleteItem write {"force":true,"id":"2"}"#,
                r#"hub.mutation.createItem write {"input":{"name":"tea","price":1.5}}"#,
            ],
        ),
        (
            // Single values where lists are meant, objects inside, numbers that no reader can hold.
            json!({ "query": "{ echo(colors: BLUE, big: 123456789012345678901234567890, \
                input: { int: 1, list: 4 }, one: { id: 9 }) }" }),
            Risk::Read,
            vec![
                r#"hub.query.echo read {"big":"123456789012345678901234567890","colors":["BLUE"],"input":{"int":1,"list":[[4]],"text":"none"},"needed":7,"one":{"id":"9"}}"#,
            ],
        ),
        (
            json!({ "query": "{ __schema { types { name } } __type(name: \"User\") { name } }" }),
            Risk::Read,
            vec![],
        ),
        (
            json!({ "query": "query($c: [Color!]) { echo(colors: $c) { } }".replace(" { } }", " }") }),
            Risk::Read,
            vec![r#"hub.query.echo read {"colors":["RED","GREEN"],"needed":7}"#],
        ),
    ] {
        let judged = judged(&hub, &args);
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        let mut found = shown(&judged);
        let sorted = |list: &mut Vec<String>| {
            for line in list.iter_mut() {
                let (head, arguments) = line.split_at(line.find('{').unwrap());
                let value: Value = serde_json::from_str(arguments).unwrap();
                *line = format!("{head}{}", domain::canonical::canonical(&value));
            }
        };
        sorted(&mut expected);
        sorted(&mut found);
        assert_eq!(found, expected, "{args}");
        assert_eq!(judged.risk, risk, "{args}");
    }
}

#[test]
fn what_is_sent_is_the_operation_that_was_judged_and_nothing_else() {
    let hub = hub();
    let args = json!({
        "query": "# a comment\nmutation Evil { deleteItem(id: 1) }\nquery Fine($n: Int) @cached {\n  \
                  ...F\n}\nfragment F on Query { items(first: $n) { nodes { name } } }\nfragment Unused on Query { me { id } }",
        "operationName": "Fine", "variables": { "n": 1 },
    });
    let sent = body(&hub, "hub.graphql", &args);
    assert_eq!(
        sent,
        json!({
            "query": "query Fine($n: Int) @cached { ...F } fragment F on Query { items(first: $n) { nodes { name } } }",
            "variables": { "n": 1 }, "operationName": "Fine",
        })
    );
    // A text that another reader might end early stays one text.
    let args = json!({ "query": "{ search(text: \"\"\"a \"quoted\"\n  # no comment } mutation { x }\"\"\") { __typename } }" });
    let sent = body(&hub, "hub.graphql", &args);
    let query = sent["query"].as_str().unwrap();
    assert!(
        !query.contains('\n') && query.contains(r#"\"quoted\""#),
        "{query}"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn documents_are_refused_in_words_that_help() {
    let hub = hub();
    let aliases: String = (0..1_000).map(|i| format!("a{i}: me {{ id }} ")).collect();
    let mut amplified = "{ ...F0 }".to_owned();
    for i in 0..20 {
        let inner = if i == 19 {
            "me { id }".to_owned()
        } else {
            format!("...F{0} ... {{ ...F{0} }}", i + 1)
        };
        amplified.push_str(&format!(" fragment F{i} on Query {{ {inner} }}"));
    }
    let deep = format!(
        "{{ me {}{{ id }}{} }}",
        "{ friend ".repeat(60),
        " }".repeat(60)
    );
    let endless = format!(
        "{{ echo(any: {}1{}) }}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    for (args, expected) in [
        (
            json!({ "query": "{\n  me { id }\n  itm(id: 1) { id }\n}" }),
            "line 3, column 3: `Query` has no field `itm` (did you mean `item`?)",
        ),
        (json!({ "query": "{ me { id " }), "line 1, column"),
        (json!({ "query": "" }), "query"),
        (
            json!({ "query": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }" }),
            "holds itself",
        ),
        (
            json!({ "query": "{ ...Nowhere }" }),
            "there is no fragment `Nowhere`",
        ),
        (
            json!({ "query": format!("{{ {aliases} }}") }),
            "more than 500 fields",
        ),
        (json!({ "query": amplified }), "more than 500 fields"),
        (json!({ "query": deep }), "deeper than 30"),
        (json!({ "query": endless }), "query"),
        (
            json!({ "query": "subscription { ticks }" }),
            "subscriptions are not called",
        ),
        (
            json!({ "query": "query A { me { id } } query B { me { id } }" }),
            "`operationName`: is needed: the document holds `A`, `B`",
        ),
        (
            json!({ "query": "query A { me { id } }", "operationName": "B" }),
            "`B` is not in the document, which holds `A`",
        ),
        (
            json!({ "query": "query A { me { id } } query A { me { login } }", "operationName": "A" }),
            "two operations called `A`",
        ),
        (
            json!({ "query": "{ ...F } fragment F on Query { me { id } } fragment F on Query { me { login } }" }),
            "two fragments called `F`",
        ),
        (
            json!({ "query": "{ me { id } } type X { a: Int }" }),
            "it defines",
        ),
        (json!({ "query": "{ me }" }), "line 1, column 3"),
        (json!({ "query": "{ item { id } }" }), "`Query.item(id:)`"),
        (
            json!({ "query": "{ items(first: \"x\") { totalCount } }" }),
            "line 1",
        ),
        (
            json!({ "query": "query($x: Int!) { items(first: $x) { totalCount } }" }),
            "`variables.x`: is missing",
        ),
        (
            json!({ "query": "query($x: Int) { items(first: $x) { totalCount } }", "variables": { "y": 1 } }),
            "`variables.y`: is not a variable of the operation",
        ),
        (
            json!({ "query": "query($x: Int) { items(first: $x) { totalCount } }", "variables": { "x": "1" } }),
            "`variables.x`: must be `Int`, got \"1\"",
        ),
        (
            json!({ "query": "query($f: ItemFilter) { items(filter: $f) { totalCount } }",
                "variables": { "f": { "nam": "x", "not": { "colors": ["PINK"] } } } }),
            "`variables.f.nam`: is unknown (did you mean `name`?); `variables.f.not.colors[0]`: must be `Color!`",
        ),
        (
            json!({ "query": "query($o: Either) { echo(one: $o) }", "variables": { "o": { "id": 1, "name": "x" } } }),
            "exactly one",
        ),
        (
            json!({ "query": "{ me { id } }", "variable": {} }),
            "`variable` is unknown (did you mean `variables`?)",
        ),
        (json!({ "query": 5 }), "`query` must be string"),
    ] {
        let message = refusal(&hub, "hub.graphql", &args);
        assert!(message.contains(expected), "{message} lacks {expected}");
        assert!(message.len() < 6_000, "{message}");
    }
    let reads = source("hub", schema("type Query { a: Int }"));
    assert!(
        refusal(&reads, "hub.graphql", &json!({ "query": "mutation { a }" }))
            .contains("no mutation operations")
    );
}

#[test]
fn a_choice_of_fields_is_checked_and_cannot_break_out() {
    let hub = hub();
    for select in [
        json!("{ id friend { login } }"),
        json!("id friend { login }"),
        json!(["id", { "friend": ["login"] }]),
        json!({ "id": true, "friend": { "login": true } }),
    ] {
        let sent = body(&hub, "hub.query.me", &json!({ "select": select }));
        assert_eq!(sent["query"], "query me { me { id friend { login } } }");
    }
    let args = json!({ "select": "{ a: login items(first: 3) { nodes { priceIn(currency: \"EUR\") } } ... on User { name @include(if: true) } }" });
    assert_eq!(
        body(&hub, "hub.query.me", &args)["query"],
        "query me { me { a: login items(first: 3) { nodes { priceIn(currency: \"EUR\") } } ... on User { name @include(if: true) } } }"
    );
    // A name of ours beside one of the schema's.
    let sent = body(
        &hub,
        "hub.query.picky",
        &json!({ "select": "theirs", "_select": "id" }),
    );
    assert_eq!(
        sent["query"],
        "query picky($select: String!) { picky(select: $select) { id } }"
    );
    assert_eq!(sent["variables"], json!({ "select": "theirs" }));
    for (select, expected) in [
        (
            json!("{ id frend { login } }"),
            "`User` has no field `frend` (did you mean `friend`?)",
        ),
        (
            json!("{ friend { logn } }"),
            "`User` has no field `logn` (did you mean `login`?)",
        ),
        (
            json!("{ zzz }"),
            "it has friend, id, items, login, name, state",
        ),
        (json!("{ id } } mutation { deleteItem(id: 1) }"), "`select`"),
        (
            json!("{ id } mutation M { deleteItem(id: 1) }"),
            "one selection and nothing else",
        ),
        (json!("id } evil: deleteItem(id: 1) { x"), "`select`"),
        (json!("{ ...F }"), "there is no fragment `F`"),
        (json!("{ friend }"), "`select`"),
        (json!("{ items { totalCount } }"), "first"),
        (json!("{ name: id name }"), "`select`"),
        (json!("{ name @nothing }"), "nothing"),
        (json!("{ id items(first: $x) { totalCount } }"), "`select`"),
        (json!(["id } x { y"]), "is no name of a field"),
        (json!({ "friend": 5 }), "must be `true`"),
        (json!(5), "`select` must be"),
    ] {
        let message = refusal(&hub, "hub.query.me", &json!({ "select": select }));
        assert!(
            message.contains(expected),
            "{select}: {message} lacks {expected}"
        );
    }
}

fn object(entries: &[(&str, Partial)]) -> Partial {
    let place = |i: usize| Place {
        line: 1,
        column: i as u32 + 1,
    };
    Partial::Object {
        entries: entries
            .iter()
            .enumerate()
            .map(|(i, (key, value))| Entry {
                key: (*key).to_owned(),
                place: place(i),
                value: value.clone(),
            })
            .collect(),
        open: false,
    }
}

#[test]
fn a_program_is_checked_as_far_as_it_shows_its_documents() {
    let hub = hub();
    let document = tool(&hub, "hub.graphql");
    let text = |text: &str| Partial::Scalar(json!(text));
    let write = "mutation($id: ID!) { deleteItem(id: $id, force: false) }";
    // What is not known is left out, so that a rule that asks or denies matches.
    let unknown = object(&[("query", text(write)), ("variables", Partial::Unknown)]);
    let judged = tools::judged_partly(document, &hub, &unknown);
    assert_eq!(
        shown(&judged),
        [r#"hub.mutation.deleteItem write {"force":false}"#]
    );
    assert!(tools::check_partial(document, &hub, &unknown).is_ok());
    let hidden = object(&[("query", Partial::Unknown)]);
    assert_eq!(
        tools::judged_partly(document, &hub, &hidden),
        Judged::as_itself(document)
    );
    assert!(tools::check_partial(document, &hub, &hidden).is_ok());

    let broken = object(&[("query", text("{ mee { id } }"))]);
    let mismatch = tools::check_partial(document, &hub, &broken).unwrap_err();
    assert_eq!(mismatch.wrong[0].nearest.as_deref(), Some("me"));
    assert_eq!(mismatch.wrong[0].place, Some(Place { line: 1, column: 1 }));
    let missing = object(&[("query", text(write))]);
    let mismatch = tools::check_partial(document, &hub, &missing).unwrap_err();
    assert!(
        mismatch
            .error
            .message
            .contains("`variables.id`: is missing")
    );

    let me = tool(&hub, "hub.query.me");
    let chosen = object(&[("select", text("{ lgin }"))]);
    let mismatch = tools::check_partial(me, &hub, &chosen).unwrap_err();
    assert_eq!(mismatch.wrong[0].nearest.as_deref(), Some("login"));
    let hidden = object(&[("select", Partial::Unknown)]);
    assert!(tools::check_partial(me, &hub, &hidden).is_ok());
}
