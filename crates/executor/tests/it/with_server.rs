//! Commands against a server: shapes, streams, questions, exit codes.

use crate::harness::{Place, Server, eventually, free_port, kill, rest, until};
use serde_json::{Value, json};
use std::io::BufReader;

#[test]
fn programs_run() {
    let place = Place::new();
    let _server = Server::start(&place);
    let typed = "interface P { x: number }\nconst p: P = { x: 41 };\nconsole.log('seen', p.x);\nreturn { value: p.x + 1 };";
    let file = place.file("typed.ts", typed);
    let ran = place.run(&["run", file.to_str().unwrap()]).exits(0);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("{\"value\":42}\n", "seen 41\n")
    );

    let shown = place
        .run_with(&["run", "-", "--json", "--metadata", "a=b=c"], typed)
        .exits(0)
        .json();
    assert_eq!(shown["status"], "completed");
    assert_eq!(shown["result"], json!({ "value": 42 }));
    assert_eq!(
        (&shown["logs"][0]["text"], &shown["error"]),
        (&json!("seen 41"), &Value::Null)
    );
    let task = place.json(&["tasks", "show", shown["taskId"].as_str().unwrap()]);
    assert_eq!(task["metadata"], json!({ "a": "b=c" }));
    assert_eq!(task["calls"], json!([]));

    let nothing = place.json(&["run", "-e", "const a = 1;"]);
    assert_eq!(
        (&nothing["status"], &nothing["result"]),
        (&json!("completed"), &Value::Null)
    );
    let detached = place
        .run(&["run", "-e", "return 7", "--detach"])
        .exits(0)
        .out;
    assert!(detached.starts_with("task_"), "{detached}");
    let list = place.json(&["tasks", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 4, "{list}");
}

#[test]
fn errors_name_the_line() {
    let place = Place::new();
    let _server = Server::start(&place);
    let ran = place
        .run(&["run", "-e", "const a = 1;\nconst b = ;\n"])
        .exits(1);
    assert!(ran.out.is_empty(), "{ran:#?}");
    ran.says(&["syntax error", "2:11", "  2 | const b = ;", "^"]);
    let shown = place
        .run(&["run", "-e", "return (", "--json"])
        .exits(1)
        .json();
    assert_eq!(shown["error"]["code"], "syntax_error", "{shown}");
    assert_eq!(
        (&shown["taskId"], &shown["error"]["line"]),
        (&Value::Null, &json!(1))
    );

    let thrown = "type A = string;\nconst f = () => {\n  throw new Error('on purpose');\n};\nf();";
    place
        .run(&["run", "-e", thrown])
        .exits(1)
        .says(&["on purpose", "3 |   throw new Error"]);
    let shown = place.run(&["run", "-e", thrown, "--json"]).exits(1).json();
    assert_eq!(shown["error"]["line"], 3, "{shown}");
}

#[test]
fn the_tour_of_the_example() {
    let place = Place::new();
    let port = free_port();
    let server = Server::start_with(&place, &["serve", "--port", &port]);
    let tour = place.run(&["example", "--approve"]).exits(0);
    let result: Value = serde_json::from_str(&tour.out).unwrap();
    assert_eq!(
        result,
        json!({ "payment": "pay_1", "travelBalance": 54_500 })
    );
    tour.says(&[
        "best match: ledger.accounts.list",
        "\"amount\":12500",
        "appr_",
        "as --approve asks",
    ]);

    let again = place
        .run(&["example", "--approve", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        again["result"]["payment"], "pay_2",
        "adding twice is harmless: {again}"
    );
    let sources = place.json(&["sources", "list"]);
    assert_eq!(
        (sources.as_array().unwrap().len(), &sources[0]["name"]),
        (1, &json!("ledger"))
    );
    let secret = "ledger-example-token";
    for arguments in [
        &["credentials", "list"][..],
        &["audit", "list"],
        &["approvals", "list"],
        &["sources", "list"],
    ] {
        let shown = place.run(&[arguments, &["--json"]].concat()).exits(0);
        assert!(
            shown.out.contains("ledger") && !shown.out.contains(secret),
            "{shown:#?}"
        );
    }
    assert_eq!(place.json(&["audit", "verify"])["intact"], true);

    // The source goes on working at a server that was started again on the same port.
    server.kill();
    let _server = Server::start_with(&place, &["serve", "--port", &port]);
    place.run(&["example", "--approve"]).exits(0);
    place
        .run(&["doctor"])
        .exits(0)
        .says(&["database", "sandbox", "credentials"]);

    assert_eq!(place.json(&["example", "--remove"])["removed"], true);
    assert_eq!(place.json(&["example", "--remove"])["removed"], false);
    assert_eq!(place.json(&["sources", "list"]), json!([]));
}

#[test]
fn the_example_brings_a_server_where_none_runs() {
    let place = Place::new();
    let port = free_port();
    place.file("data/executor.toml", &format!("port = {port}\n"));
    place
        .run(&["example", "--approve"])
        .exits(0)
        .says(&["executor serve", "pay_1"]);
    assert!(place.notice().is_none(), "it ends with the command");
}

#[test]
fn a_question_is_answered_from_another_terminal() {
    let place = Place::new();
    let port = free_port();
    let server = Server::start_with(&place, &["serve", "--port", &port]);
    place.run(&["example", "--approve"]).exits(0);
    let pay = "console.log('before');\nconst p = await tools.ledger.payments.create({ from: 'acc_reserve', to: 'acc_travel', amount: 5 });\nreturn p.id;";
    let mut asking = place.command(&["run", "-e", pay]).spawn().unwrap();
    let mut said = BufReader::new(asking.stderr.take().unwrap());
    let question = until(&mut said, "approvals approve");
    for word in [
        "before",
        "ledger.payments.create",
        "POST",
        "\"amount\":5",
        "risk",
        &server.address,
    ] {
        assert!(question.contains(word), "{word}: {question}");
    }
    let pending = place.json(&["approvals", "list", "--status", "pending"]);
    let id = pending[0]["id"].as_str().unwrap().to_owned();
    for field in [
        "taskId",
        "tool",
        "arguments",
        "status",
        "risk",
        "requestedBy",
        "createdAt",
        "expiresAt",
    ] {
        assert!(
            pending[0].get(field).is_some_and(|v| !v.is_null()),
            "{field}: {pending}"
        );
    }

    // The server dies while the question is open; the command finds it again.
    server.kill();
    until(&mut said, "the server went away");
    let _server = Server::start_with(&place, &["serve", "--port", &port]);
    until(&mut said, "the server is back");
    place
        .run(&["approvals", "approve", &id])
        .exits(0)
        .says(&[&id, "approved"]);
    place
        .run(&["approvals", "approve", &id])
        .exits(1)
        .says(&["already approved"]);
    assert_eq!(rest(&mut asking.stdout.take().unwrap()), "\"pay_1\"\n");
    assert_eq!(asking.wait().unwrap().code(), Some(0));

    // A denial carries its reason into the program and ends the command with its own code.
    let mut asking = place
        .command(&["run", "-e", pay, "--json"])
        .spawn()
        .unwrap();
    let id = eventually("the question", || {
        let pending = place.json(&["approvals", "list", "--status", "pending"]);
        pending[0]["id"].as_str().map(str::to_owned)
    });
    place
        .run(&["approvals", "deny", &id, "--reason", "not today"])
        .exits(0);
    let shown: Value = serde_json::from_str(&rest(&mut asking.stdout.take().unwrap())).unwrap();
    assert_eq!(
        (&shown["status"], &shown["error"]["code"]),
        (&json!("denied"), &json!("approval_denied"))
    );
    assert!(
        shown["error"]["message"]
            .as_str()
            .unwrap()
            .contains("not today"),
        "{shown}"
    );
    assert_eq!(asking.wait().unwrap().code(), Some(3));
}

#[test]
fn leaving_keeps_the_task() {
    let place = Place::new();
    let _server = Server::start(&place);
    let mut asking = place
        .command(&[
            "run",
            "-e",
            "console.log('begun'); await new Promise((r) => setTimeout(r, 200000));",
        ])
        .spawn()
        .unwrap();
    let mut said = BufReader::new(asking.stderr.take().unwrap());
    until(&mut said, "begun");
    kill(asking.id(), "-INT");
    let left = rest(&mut said);
    assert_eq!(asking.wait().unwrap().code(), Some(5));
    let id = left
        .split_whitespace()
        .find(|w| w.starts_with("task_"))
        .unwrap();
    let id = id.trim_end_matches(['`', ',']);
    assert_eq!(
        place.json(&["tasks", "show", id])["status"],
        "running",
        "{left}"
    );
    place
        .run(&["tasks", "cancel", id])
        .exits(0)
        .says(&["canceled"]);
    place.run(&["tasks", "logs", id]).exits(0).says(&["begun"]);
}

#[test]
fn rules_decide_and_explain() {
    let place = Place::new();
    let _server = Server::start(&place);
    place.run(&["example", "--approve"]).exits(0);
    let pay = [
        "tools",
        "call",
        "ledger.payments.create",
        "{\"from\":\"acc_reserve\",\"to\":\"acc_travel\",\"amount\":10}",
    ];
    let test = ["policies", "test", pay[2], pay[3]];
    assert_eq!(place.json(&test)["decision"], "ask");
    let rule = place.json(&[
        "policies",
        "add",
        "allow",
        "ledger.payments.create",
        "--when",
        "amount <= 20",
        "--note",
        "small",
    ]);
    assert_eq!(place.json(&test)["decision"], "allow");
    let called = place.run(&pay).exits(0).json();
    assert_eq!(called["amount"], 10, "{called}");

    let id = rule["id"].as_str().unwrap();
    let edited = place.json(&["policies", "edit", id, "--effect", "deny"]);
    assert_eq!(
        (&edited["effect"], &edited["note"]),
        (&json!("deny"), &json!("small"))
    );
    place.run(&pay).exits(3).says(&["denied", id]);
    place
        .run(&["policies", "list"])
        .exits(0)
        .says(&["amount <= 20", id]);
    place.run(&["policies", "remove", id]).exits(0);
    assert_eq!(place.json(&["policies", "list"]), json!([]));
    place
        .run(&["policies", "add", "allow", "a.b", "--wait", "2h"])
        .exits(2);
}

#[test]
fn sources_from_files_and_their_credentials() {
    let place = Place::new();
    let _server = Server::start(&place);
    let file = &place.description();
    let add = [
        "sources", "add", file, "--name", "books", "--auth", "bearer", "--json",
    ];
    let added = place.run_with(&add, "very-secret\n").exits(0).json();
    let fields: Vec<_> = added
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        ["id", "name", "kind", "status", "toolCount", "warnings"]
    );
    assert_eq!(
        (&added["name"], &added["toolCount"]),
        (&json!("books"), &json!(6))
    );
    let credentials = place.json(&["credentials", "list"]);
    assert_eq!(
        (&credentials[0]["source"], &credentials[0]["auth"]),
        (&json!("books"), &json!("bearer"))
    );
    let rotated = place
        .run_with(&["credentials", "rotate", "books", "--json"], "other")
        .exits(0)
        .json();
    assert_eq!(rotated["version"], 2);
    place
        .run(&["credentials", "set", "books"])
        .exits(2)
        .says(&["empty", "--from-file"]);

    let found = place.json(&["tools", "search", "list accounts"]);
    assert_eq!(found["bestPath"], "books.accounts.list", "{found}");
    assert_eq!(place.json(&["tools", "list"])[0]["toolCount"], 6);
    assert_eq!(
        place
            .json(&["tools", "list", "books"])
            .as_array()
            .unwrap()
            .len(),
        6
    );
    let tool = place.json(&["tools", "describe", "books.payments.create"]);
    assert!(tool["input"].as_str().unwrap().contains("amount"), "{tool}");
    place
        .run(&["tools", "describe", "books.payments.creat"])
        .exits(1);

    place
        .run(&["sources", "disable", "books"])
        .exits(0)
        .says(&["disabled"]);
    assert_eq!(place.json(&["tools", "list"]), json!([]));
    place
        .run(&["sources", "enable", "books"])
        .exits(0)
        .says(&["ready"]);
    place.run(&["sources", "remove", "books"]).exits(0);
    assert_eq!(place.json(&["credentials", "list"]), json!([]));
    place
        .run(&["sources", "show", "books"])
        .exits(1)
        .says(&["books"]);
}

#[test]
fn the_programs_of_the_examples_folder_run() {
    let place = Place::new();
    let _server = Server::start(&place);
    place.run(&["example", "--approve"]).exits(0);
    place
        .run(&["policies", "add", "allow", "ledger.payments.*"])
        .exits(0);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/ledger");
    let mut results = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let result = place.run(&["run", path.to_str().unwrap()]).exits(0).json();
        results.push((
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            result,
        ));
    }
    results.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(results.len(), 3, "{results:?}");
    assert_eq!(results[0].1["paid"], true, "{results:?}");
    assert_eq!(results[1].1["accounts"], 3, "{results:?}");
    assert_eq!(
        results[2].1.as_array().map(Vec::len),
        Some(2),
        "{results:?}"
    );

    let rule = place.json(&["policies", "list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    place
        .run(&["policies", "edit", &rule, "--effect", "deny"])
        .exits(0);
    place
        .run(&["run", &format!("{folder}/pay.ts")])
        .exits(3)
        .says(&["denied"]);
}

#[test]
fn a_link_signs_a_browser_in() {
    let place = Place::new();
    let server = Server::start(&place);
    let link = place.run(&["web", "--print"]).exits(0);
    assert!(link.out.starts_with(&server.address), "{link:#?}");
}

#[test]
fn services_are_added_by_name_unless_there_is_such_a_file() {
    let place = Place::new();
    let _server = Server::start(&place);
    let presets = place.json(&["sources", "presets"]);
    let names: Vec<&str> = presets
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert!(names.len() >= 20 && names.contains(&"github"), "{names:?}");
    place.run(&["sources", "presets"]).exits(0).says(&[
        "NAME",
        "Stripe",
        "https://dashboard.stripe.com/apikeys",
    ]);
    // One that differs for each customer asks for what is missing, and contacts nobody.
    place
        .run(&["sources", "add", "zendesk"])
        .exits(2)
        .says(&["--base-url https://{subdomain}.zendesk.com"]);
    place
        .run(&["sources", "add", "nosuchservice"])
        .exits(2)
        .says(&["executor sources presets"]);
    // A file of the name wins over the service.
    let text = std::fs::read_to_string(place.description()).unwrap();
    place.file("github", &text);
    let added = place.json(&["sources", "add", "github", "--name", "own"]);
    assert_eq!(
        (&added["name"], &added["toolCount"]),
        (&json!("own"), &json!(6))
    );
    let source = place.json(&["sources", "show", "own"]);
    assert_eq!(source["baseUrl"], "https://books.example");
}
