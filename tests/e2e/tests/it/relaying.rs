//! What a source asks in the middle of a call, answered by the person behind the official MCP client who
//! began the task: in a form of that client where it has forms, by the API or the command line where it
//! has none. The task goes on with the answer, and the source hears it.
//!
//! The person's scripts are those of `persons.rs`, the source that asks is that of `asking.rs`.

use crate::api::items;
use crate::asking::{answer, asking, question};
use crate::database::Database;
use crate::doors::Mcp;
use crate::eras::let_forms_decide;
use crate::people::{Person, text};
use crate::persons::converse;
use crate::server::Server;
use serde_json::{Value, json};

on_both_databases!(
    typescript_answers_in_its_form,
    python_answers_between_requests,
    whoever_runs_the_task_answers_whatever_their_role,
    an_answer_that_does_not_fit_does_not_count,
    a_client_without_forms_is_told_where,
);

const GREET: &str = "const said = await tools.asking.greet(); return { said, after: 1 + 1 };";
const TYPESCRIPT: (&str, &str, &str) = ("typescript", "http", "legacy");

fn whole(content: &Value) -> Value {
    let answer = json!({ "action": "accept", "content": content });
    json!({ "said": { "answer": answer }, "after": 2 })
}

/// What was shown is the source's own question, under its name.
fn shows_the_source(told: &Value) {
    let shown = told["shown"].as_array().expect("what was shown");
    assert_eq!(shown.len(), 1, "{told:#}");
    let message = text(&shown[0]["message"]);
    for part in [
        "The source `asking` asks you",
        "Who is it for?",
        "/approvals/appr_",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let fields = shown[0]["requestedSchema"]["properties"].as_object();
    let fields: Vec<&String> = fields.expect("fields").keys().collect();
    assert_eq!(fields, ["name", "count", "size"], "{told:#}");
}

async fn answered(server: &Server, way: (&str, &str, &str)) {
    let_forms_decide(server).await;
    let content = json!({ "name": "Ada", "count": 3, "size": "large" });
    let told = json!({ "code": GREET, "answers": [content] });
    let told = converse(server, way, told).await;
    shows_the_source(&told);
    let structured = &told["structured"];
    assert_eq!(structured["status"], "completed", "{told:#}");
    assert_eq!(structured["result"], whole(&content), "{told:#}");
    let entries = items(&server.get("/audit?action=approval.answered").await);
    assert_eq!(entries.len(), 1, "{entries:#?}");
    assert_eq!(entries[0]["via"], "client", "{entries:#?}");
    assert!(!entries[0].to_string().contains("Ada"), "{entries:#?}");
}

async fn typescript_answers_in_its_form(database: Database) {
    answered(&asking(database).await, TYPESCRIPT).await;
}

async fn python_answers_between_requests(database: Database) {
    answered(&asking(database).await, ("python", "http", "auto")).await;
}

async fn whoever_runs_the_task_answers_whatever_their_role(database: Database) {
    let server = asking(database).await;
    let_forms_decide(&server).await;
    let ada = Person::add(&server, "Ada", "member").await;
    let authorization = format!("Bearer {}", ada.key);
    let content = json!({ "name": "Ada" });
    let told = json!({
        "code": GREET, "answers": [content], "headers": { "authorization": authorization },
    });
    let told = converse(&server, TYPESCRIPT, told).await;
    shows_the_source(&told);
    assert_eq!(told["structured"]["result"], whole(&content), "{told:#}");
    // The key alone answers nothing: it takes the client's form.
    let new = json!({ "code": GREET, "waitMs": 60_000 });
    let task = ada.send(&server, "POST", "/tasks", Some(&new)).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!("/approvals/{}/answer", text(&asked["id"]));
    let content = json!({ "content": { "name": "a program" } });
    let refused = ada.send(&server, "POST", &path, Some(&content)).await;
    assert_eq!(refused.status, 403, "{refused:#?}");
    let path = format!("/tasks/{}", text(&task.body["id"]));
    let still = ada.send(&server, "GET", &path, None).await;
    assert_eq!(still.body["status"], "waiting", "{still:#?}");
}

async fn an_answer_that_does_not_fit_does_not_count(database: Database) {
    let server = asking(database).await;
    let_forms_decide(&server).await;
    let told = json!({ "code": GREET, "answers": [{ "name": "Ada", "count": 10 }] });
    let told = converse(&server, TYPESCRIPT, told).await;
    assert_eq!(told["structured"]["status"], "waiting", "{told:#}");
    assert!(text(&told["text"]).contains("did not count"), "{told:#}");
    let task = text(&told["structured"]["taskId"]);
    let asked = question(&server, &task).await;
    let content = json!({ "name": "Ada", "count": 9 });
    let taken = answer(&server, &asked, content.clone()).await;
    assert_eq!(taken.status, 200, "{taken:#?}");
    assert_eq!(server.finished(&task).await["result"], whole(&content));
}

async fn a_client_without_forms_is_told_where(database: Database) {
    let server = asking(database).await;
    for by_command in [true, false] {
        let told = json!({ "code": GREET, "answers": null });
        let told = converse(&server, TYPESCRIPT, told).await;
        assert_eq!(told["shown"], json!([]), "{told:#}");
        let structured = &told["structured"];
        assert_eq!(structured["status"], "waiting", "{told:#}");
        let url = text(&structured["approvals"][0]["url"]);
        assert!(text(&told["text"]).contains(&url), "{told:#}");
        let task = text(&structured["taskId"]);
        let asked = question(&server, &task).await;
        let content = json!({ "name": "Ada" });
        if by_command {
            let id = text(&asked["id"]);
            let words = ["approvals", "answer", &id, "--field", "name=Ada"];
            server.cli(&words).await.exits(0);
        } else {
            let taken = answer(&server, &asked, content.clone()).await;
            assert_eq!(taken.status, 200, "{taken:#?}");
        }
        let (mcp, _) = Mcp::connect(&server, "2025-11-25").await;
        let resume = json!({ "taskId": task, "waitMs": 60_000 });
        let done = mcp.call("resume", resume).await;
        let done = &done["structuredContent"];
        assert_eq!(done["status"], "completed", "{done:#}");
        assert_eq!(done["result"], whole(&content), "{done:#}");
    }
}
