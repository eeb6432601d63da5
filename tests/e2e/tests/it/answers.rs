//! What people may answer: together, with other arguments, or that they take the question back. The
//! counting upstream judges what was sent.

use crate::api::items;
use crate::database::Database;
use crate::record::database_file;
use crate::server::Server;
use crate::upstream::Upstream;
use futures_util::StreamExt;
use serde_json::{Value, json};

on_both_databases!(
    two_people_must_say_yes,
    whoever_runs_the_task_may_not_answer,
    edited_arguments_are_what_is_sent,
    an_edit_gets_past_no_rule,
    what_is_withdrawn_is_not_sent,
    a_thousand_answers_at_once_count_once,
    too_many_questions_are_not_asked,
    a_policy_that_changes_while_a_person_is_asked,
    a_credential_that_changes_while_a_person_is_asked,
    what_expires_next_is_listed_first_with_who_may_answer,
);

const CREATE: &str = "try { return await tools.ledger.items.createItem({ name: 'tea', amount: 40 }); }\n\
     catch (e) { return { code: e.code, message: e.message, details: e.details }; }";

async fn rule(server: &Server, ask: Value) -> Value {
    let tools = json!({ "tools": ["ledger.items.createItem"] });
    let new = json!({ "effect": "ask", "match": tools, "ask": ask });
    server.post("/policies", new).await
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

async fn refused(server: &Server, approval: &Value, verdict: &str, body: Value, code: &str) {
    let path = format!("/approvals/{}/{verdict}", id(approval));
    let reply = server.send("POST", &path, Some(&body)).await;
    assert!((400..500).contains(&reply.status), "{reply:#?}");
    assert_eq!(reply.body["code"], code, "{reply:#?}");
}

async fn audited(server: &Server, action: &str) -> usize {
    let entries = items(&server.get("/audit?limit=200").await);
    entries.iter().filter(|e| e["action"] == action).count()
}

/// Runs SQL behind the server's back.
pub(crate) fn meddle(server: &Server, sql: &str) {
    match &server.database.url {
        // The driver may not be used on a thread that runs async code.
        Some(url) => std::thread::scope(|threads| {
            let done = threads.spawn(|| {
                let client = postgres::Client::connect(url, postgres::NoTls);
                client.expect("a connection").batch_execute(sql)
            });
            done.join().expect("no panic").expect("the SQL runs");
        }),
        None => {
            let file = rusqlite::Connection::open(database_file(server)).expect("the file opens");
            file.execute_batch(sql).expect("the SQL runs");
        }
    }
}

/// Puts the yes of another person into the database: the person is a member with a role.
fn other_yes(server: &Server, approval: &Value, role: &str) {
    let account = "acct_00000000000000000000000007";
    let (approval_id, digest) = (id(approval), approval["digest"].as_str().expect("a digest"));
    meddle(
        server,
        &format!(
            "insert into accounts (id, name, created_at) values ('{account}', 'Other', 0)
                 on conflict (id) do nothing;
             insert into members (organization_id, account_id, role)
                 select id, '{account}', '{role}' from organizations where true
                 on conflict (organization_id, account_id) do update set role = excluded.role;
             insert into approval_yeses
                 (approval_id, account_id, organization_id, workspace_id, digest, via, at, reason)
                 select id, '{account}', organization_id, workspace_id, '{digest}', 'dashboard', 1, ''
                 from approvals where id = '{approval_id}';"
        ),
    );
}

async fn two_people_must_say_yes(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let add = ["policies", "add", "ask", "ledger.items.createItem"];
    let with = [&add[..], &["--count", "2"]].concat();
    server.cli(&with).await.exits(0);
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(
        (&asked["needed"], &asked["missing"]),
        (&json!(2), &json!(2))
    );
    let first = server.approve(&asked).await;
    assert_eq!(
        (&first["status"], &first["missing"]),
        (&json!("pending"), &json!(1)),
        "{first:#}"
    );
    assert_eq!(first["answers"][0]["by"], asked["requestedBy"], "{first:#}");
    refused(&server, &asked, "approve", json!({}), "answered_before").await;
    assert_eq!(audited(&server, "approval.refused").await, 1);
    let shown = server
        .cli(&["approvals", "show", id(&asked)])
        .await
        .exits(0);
    shown.says(&["2 people must say yes", "1 still missing"]);
    assert_eq!(server.task(&task).await["status"], "waiting");
    assert_eq!(upstream.writes(), 0);
    // One no ends it.
    let denied = server.deny(&asked, "no").await;
    assert_eq!(denied["status"], "denied");
    let done = server.finished(&task).await;
    assert_eq!(done["result"]["code"], "approval_denied", "{done:#}");

    // The yes of somebody who may not decide (any more) counts for nothing, that of one who may does.
    for (role, sent) in [("member", 0), ("admin", 1)] {
        let task = server.submit(CREATE).await;
        let asked = server.pending(1).await.remove(0);
        other_yes(&server, &asked, role);
        let answered = server.approve(&asked).await;
        if sent == 1 {
            assert_eq!(answered["status"], "approved", "{answered:#}");
        } else {
            assert_eq!(answered["status"], "pending", "{answered:#}");
            server.deny(&asked, "").await;
        }
        server.finished(&task).await;
        assert_eq!(upstream.created("tea"), sent, "{role}");
    }
}

async fn whoever_runs_the_task_may_not_answer(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let add = ["policies", "add", "ask", "ledger.items.createItem"];
    let with = [&add[..], &["--requester-may-not"]].concat();
    server.cli(&with).await.exits(0);
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    assert_eq!(asked["requesterMay"], false);
    for verdict in ["approve", "deny"] {
        refused(
            &server,
            &asked,
            verdict,
            json!({}),
            "requester_may_not_answer",
        )
        .await;
    }
    assert_eq!(server.task(&task).await["status"], "waiting");
    // What they may is to take it back.
    let take = [
        "approvals",
        "withdraw",
        id(&asked),
        "--reason",
        "never mind",
    ];
    server.cli(&take).await.exits(0).says(&["withdrawn"]);
    let done = server.finished(&task).await;
    assert_eq!(done["result"]["code"], "approval_denied", "{done:#}");
    assert_eq!(upstream.writes(), 0);
}

async fn what_expires_next_is_listed_first_with_who_may_answer(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let new = json!({ "name": "Ada", "role": "member" });
    let ada = server.post("/members", new).await;
    let mut asked = Vec::new();
    // Each waits for less long than the one before.
    for minutes in [30, 20, 10] {
        let rule = rule(
            &server,
            json!({ "waitMs": minutes * 60_000, "approvers": [id(&ada)] }),
        )
        .await;
        server.submit(CREATE).await;
        let pending = server.pending(asked.len() + 1).await;
        let newest = pending
            .into_iter()
            .find(|a| a["rule"] == rule["id"])
            .expect("the question of this rule");
        assert_eq!(newest["approvers"], json!([id(&ada)]), "{newest:#}");
        asked.push(id(&newest).to_owned());
    }
    let ids = |page: &Value| -> Vec<String> {
        let items = items(page);
        items.iter().map(|a| id(a).to_owned()).collect()
    };
    asked.reverse();
    let first = server
        .get("/approvals?status=pending&order=soonest&limit=2")
        .await;
    assert_eq!(ids(&first), asked[..2]);
    let cursor = first["nextCursor"].as_str().expect("a cursor");
    let path = format!("/approvals?status=pending&order=soonest&limit=2&cursor={cursor}");
    let rest = server.get(&path).await;
    assert_eq!(
        (ids(&rest), &rest["nextCursor"]),
        (asked[2..].to_vec(), &Value::Null)
    );
    let list = ["approvals", "list", "--order", "soonest", "--json"];
    let listed = server.cli(&list).await.json();
    let listed: Vec<_> = listed.as_array().expect("a list").iter().map(id).collect();
    assert_eq!(listed, asked);
    let shown = server.cli(&["approvals", "show", &asked[0]]).await;
    shown.says(&["administrators and", id(&ada)]);
    let wrong = server
        .send("GET", "/approvals?order=loudest", None::<&Value>)
        .await;
    assert_eq!(wrong.status, 422, "{wrong:#?}");
}

async fn edited_arguments_are_what_is_sent(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    // Unless a rule says so, nobody edits.
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    let other = json!({ "name": "coffee", "amount": 4 });
    let edit = json!({ "arguments": other });
    refused(
        &server,
        &asked,
        "approve",
        edit.clone(),
        "editing_not_allowed",
    )
    .await;
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"]["name"], "tea");

    rule(&server, json!({ "mayEdit": true })).await;
    let code = "const made = await tools.ledger.items.createItem({ name: 'tea', amount: 40 }, { meta: true });\n\
         const next = await tools.ledger.items.createItem({ name: 'last', amount: 1 });\n\
         return [made.data.name, made.editedArguments, next.name]";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    let wrong = json!({ "arguments": { "name": "coffee", "amuont": 4 } });
    refused(&server, &asked, "approve", wrong, "invalid_arguments").await;
    refused(&server, &asked, "deny", edit.clone(), "invalid_value").await;
    let shown = format!("/approvals/{}", id(&asked));
    let before = server.get(&shown).await;
    let path = format!("/approvals/{}/preview", id(&asked));
    let preview = server.post(&path, edit.clone()).await;
    assert_ne!(preview["digest"], asked["digest"]);
    assert_eq!(
        server.get(&shown).await,
        before,
        "a preview changes nothing"
    );
    let approve = ["approvals", "approve", id(&asked), "--arguments"];
    let text = other.to_string();
    let answered = server
        .cli(&[&approve[..], &[&text, "--json"]].concat())
        .await
        .exits(0)
        .json();
    assert_eq!(answered["status"], "approved", "{answered:#}");
    assert_eq!(answered["request"], preview["request"]);
    assert_eq!(answered["digest"], preview["digest"]);
    assert_eq!(answered["edited"]["originalArguments"], asked["arguments"]);
    let next = server.pending(1).await.remove(0);
    let sent = upstream.received();
    let body = preview["request"]["body"].as_str().expect("a body");
    assert_eq!(sent.last().expect("it was sent").body, body.as_bytes());
    // The task is rebuilt by what the program asked for, and is told what was sent.
    server.kill().await;
    server.launch().await;
    server.approve(&next).await;
    let done = server.finished(&task).await;
    assert_eq!(done["result"], json!(["coffee", other, "last"]), "{done:#}");
    assert_eq!(
        (upstream.created("tea"), upstream.created("coffee")),
        (1, 1)
    );
    let calls = server.calls(&task).await;
    assert_eq!(calls[0]["arguments"], asked["arguments"]);
    assert_eq!(audited(&server, "approval.edited").await, 1);
}

async fn an_edit_gets_past_no_rule(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let when = |condition: &str| json!({ "tools": ["ledger.items.createItem"], "conditions": [condition] });
    rule(&server, json!({ "mayEdit": true })).await;
    let two = json!({ "effect": "ask", "match": when("amount > 50"), "ask": { "count": 2 } });
    server.post("/policies", two).await;
    let never = json!({ "effect": "deny", "match": when("amount > 500") });
    server.post("/policies", never).await;
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    let edit = |amount: u32| json!({ "arguments": { "name": "edited", "amount": amount } });
    refused(&server, &asked, "approve", edit(501), "denied_by_policy").await;
    refused(&server, &asked, "preview", edit(501), "denied_by_policy").await;
    let path = format!("/approvals/{}/approve", id(&asked));
    let one = server.post(&path, edit(51)).await;
    assert_eq!(
        (&one["status"], &one["needed"], &one["missing"]),
        (&json!("pending"), &json!(2), &json!(1)),
        "{one:#}"
    );
    assert_eq!(upstream.writes(), 0);
    // What was shown before the edit is not what would be sent now.
    let stale = json!({ "digest": asked["digest"] });
    refused(&server, &asked, "approve", stale, "answered_before").await;
    // Another edit, and the demand does not fall again.
    let back = server.post(&path, edit(7)).await;
    assert_eq!(back["missing"], 1, "{back:#}");
    other_yes(&server, &back, "admin");
    let last = server.post(&path, edit(8)).await;
    assert_eq!(last["missing"], 1, "the other yes was for 7: {last:#}");
    assert_eq!(upstream.writes(), 0);
    server.deny(&last, "enough").await;
    assert_eq!(
        server.finished(&task).await["result"]["code"],
        "approval_denied"
    );
    assert_eq!(upstream.writes(), 0);
}

async fn what_is_withdrawn_is_not_sent(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!("/approvals/{}/withdraw", id(&asked));
    let withdrawn = server.post(&path, json!({ "reason": "not needed" })).await;
    assert_eq!(withdrawn["status"], "withdrawn");
    let done = server.finished(&task).await;
    assert_eq!(done["result"]["code"], "approval_denied", "{done:#}");
    let message = done["result"]["message"].as_str().expect("a message");
    assert!(message.contains("withdrawn: not needed"), "{message}");
    for verdict in ["approve", "deny", "withdraw"] {
        refused(&server, &asked, verdict, json!({}), "already_resolved").await;
    }
    assert_eq!(upstream.writes(), 0);
    // What is done cannot be taken back.
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    server.approve(&asked).await;
    server.finished(&task).await;
    refused(&server, &asked, "withdraw", json!({}), "already_resolved").await;
    assert_eq!(upstream.writes(), 1);
    assert_eq!(audited(&server, "approval.withdrawn").await, 1);
}

async fn a_thousand_answers_at_once_count_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    let answers = (0..1_000).map(|n| {
        let verdict = if n % 2 == 0 { "approve" } else { "deny" };
        let path = format!("/approvals/{}/{verdict}", id(&asked));
        let server = &server;
        async move { server.send("POST", &path, Some(&json!({}))).await.status }
    });
    // As many at once as keeps each within the patience of its client on a busy machine.
    let statuses: Vec<u16> = futures_util::stream::iter(answers)
        .buffer_unordered(250)
        .collect()
        .await;
    let won = statuses.iter().filter(|s| **s == 200).count();
    let told = statuses.iter().filter(|s| **s == 409).count();
    assert_eq!((won, told), (1, 999), "one counts and all others are told");
    server.finished(&task).await;
    let now = server.get(&format!("/approvals/{}", id(&asked))).await;
    let approved = now["status"] == "approved";
    assert_eq!(upstream.writes(), usize::from(approved), "{now:#}");
    let answered = audited(&server, "approval.approved").await;
    let denied = audited(&server, "approval.denied").await;
    let refused = audited(&server, "approval.refused").await;
    // The newest page of the audit holds 200 entries; nearly all of them are of these attempts.
    assert!(answered + denied <= 1 && refused > 150, "{refused}");
}

async fn too_many_questions_are_not_asked(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let code = "const all = Array.from({ length: 30 }, (_, i) => tools.ledger.items\n\
         .createItem({ name: `${i}`, amount: i }).then(() => 'sent', (e) => [e.code, e.details?.limit]));\n\
         return Promise.all(all)";
    let task = server.submit(code).await;
    let asked = server.pending(25).await;
    for approval in &asked {
        server.approve(approval).await;
    }
    let done = server.finished(&task).await;
    let outcomes = done["result"].as_array().expect("outcomes");
    let refused = json!(["rate_limited", "approvalsPending"]);
    let sent = outcomes.iter().filter(|o| **o == "sent").count();
    let limited = outcomes.iter().filter(|o| **o == refused).count();
    assert_eq!((sent, limited), (25, 5), "{done:#}");
    assert_eq!(upstream.writes(), 25);
}

/// A rule while the question is asked and another when its answer is used: whether it is asked again.
async fn a_policy_that_changes_while_a_person_is_asked(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    for (number, (then, now, again)) in [
        (json!({}), json!({}), false),
        (
            json!({ "waitMs": 600_000 }),
            json!({ "waitMs": 900_000 }),
            false,
        ),
        (json!({}), json!({ "count": 2 }), true),
        (json!({}), json!({ "requesterMay": false }), true),
        (json!({ "count": 2 }), json!({ "count": 1 }), false),
    ]
    .into_iter()
    .enumerate()
    {
        let before = upstream.writes();
        let first = rule(&server, then.clone()).await;
        let task = server.submit(CREATE).await;
        let asked = server.pending(1).await.remove(0);
        server
            .send("DELETE", &format!("/policies/{}", id(&first)), None)
            .await;
        let second = rule(&server, now.clone()).await;
        if then["count"] == 2 {
            other_yes(&server, &asked, "admin");
        }
        let path = format!("/approvals/{}/approve", id(&asked));
        let answered = server.send("POST", &path, Some(&json!({}))).await;
        assert_eq!(answered.body["status"], "approved", "{answered:#?}");
        if again {
            let afresh = server.pending(1).await.remove(0);
            assert_ne!(afresh["id"], asked["id"], "case {number}");
            let why = afresh["why"].as_str().expect("a reason");
            assert!(why.contains("asked again because"), "{why}");
            assert_eq!(afresh["rule"], second["id"]);
            assert_eq!(upstream.writes(), before, "case {number}");
            let path = format!("/approvals/{}/withdraw", id(&afresh));
            server.post(&path, json!({})).await;
        }
        let done = server.finished(&task).await;
        let sent = usize::from(!again);
        assert_eq!(upstream.writes() - before, sent, "case {number}: {done:#}");
        server
            .send("DELETE", &format!("/policies/{}", id(&second)), None)
            .await;
    }
}

async fn a_credential_that_changes_while_a_person_is_asked(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let credentials = server.get("/credentials").await;
    let credential = id(&credentials["items"][0]).to_owned();
    let wrong = crate::upstream::fresh_token();
    let rotate = |value: String| {
        let (server, credential) = (&server, credential.clone());
        async move {
            let rotate = ["credentials", "rotate", &credential];
            server.cli_with(&rotate, Some(&value)).await.exits(0);
        }
    };
    rotate(wrong.clone()).await;
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    assert!(!asked.to_string().contains(&wrong), "no secret is shown");
    rotate(upstream.token().to_owned()).await;
    server.approve(&asked).await;
    let done = server.finished(&task).await;
    assert_eq!(done["result"]["name"], "tea", "{done:#}");
    let sent = upstream.received();
    let expected = format!("Bearer {}", upstream.token());
    assert_eq!(sent[0].header("authorization"), Some(expected.as_str()));
    // One that is gone goes along with nothing.
    let task = server.submit(CREATE).await;
    let asked = server.pending(1).await.remove(0);
    server
        .cli(&["credentials", "remove", &credential])
        .await
        .exits(0);
    server.approve(&asked).await;
    let done = server.finished(&task).await;
    assert_eq!(done["result"]["code"], "credential_missing", "{done:#}");
    let sent = upstream.received();
    assert_eq!(sent[1].header("authorization"), None);
}
