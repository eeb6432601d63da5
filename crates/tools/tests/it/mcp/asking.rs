//! What a server asks of a person, and a token that it refuses, both in the middle of a call; and that
//! no call is sent that was not decided.

use super::{at, caller, calls, connected, done, error, greeting, result, rpc, servers, tools};
use crate::fixture::{admission, bearer};
use crate::upstream::{Upstream, answer};
use domain::access::{Channel, Permission};
use domain::approval::{Answered, ApprovalStatus};
use domain::elicitation::{Form, Way};
use domain::{AccountId, Timestamp};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tools::{
    Credentials, McpAnswers, McpHearing, McpInvoked, McpNews, McpPerson, McpSending, McpServers,
    SourceTools,
};

const OLD: &str = "old-token-0123456789";
const NEW: &str = "new-token-0123456789";

/// What one call has besides its arguments.
#[derive(Default)]
struct With<'a> {
    credentials: Credentials<'a>,
    hearing: Option<McpHearing>,
    answers: Option<McpAnswers>,
}

async fn send(
    servers: &McpServers,
    source: &SourceTools,
    path: &str,
    with: With<'_>,
) -> McpInvoked {
    let tool = source
        .tools
        .iter()
        .find(|t| t.path == path)
        .expect("the tool");
    let prepared = tools::prepare(tool, source, &json!({})).unwrap();
    let caller = caller(1);
    let scope = caller.scope(Permission::RunTasks).unwrap();
    let sending = McpSending {
        tool,
        source,
        prepared: &prepared,
        person: McpPerson {
            scope: &scope,
            account: &caller.account_id,
        },
        credentials: with.credentials,
        hearing: with.hearing,
        answers: with.answers,
        result_bytes_max: 1 << 20,
    };
    servers.call(admission(tool), sending).await
}

/// A credential that was granted, with a newer version of it, if there is one.
fn granted<'a>(token: &str, newer: Option<&'a str>, renewals: &'a AtomicUsize) -> Credentials<'a> {
    Credentials {
        attachments: bearer(token),
        grant: Some("cred_1 https://as.example 7".to_owned()),
        renew: newer.map(|newer| {
            let renew: tools::Renew<'a> = Box::new(move || {
                renewals.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    Some(Credentials {
                        attachments: bearer(newer),
                        ..Credentials::default()
                    })
                })
            });
            renew
        }),
        ..Credentials::default()
    }
}

/// A server that takes one token at a time, and counts the calls of its session. What it takes, and
/// whether it greets those that it refuses.
async fn guarded(takes: Arc<Mutex<&'static str>>) -> Upstream {
    let counts = AtomicUsize::new(0);
    Upstream::start(move |seen| {
        let (method, id, _) = rpc(seen);
        let token = format!("Bearer {}", takes.lock().unwrap());
        if seen.header("authorization") != Some(&token) && method != "tools/list" {
            return answer(401, &[("www-authenticate", "Bearer")], "");
        }
        greeting(seen, Some("session-1")).unwrap_or_else(|| match method.as_str() {
            "tools/list" => result(&id, tools(&["count"])),
            _ => {
                let count = counts.fetch_add(1, Ordering::SeqCst) + 1;
                result(
                    &id,
                    json!({ "structuredContent": { "count": count, "said": [OLD, NEW] } }),
                )
            }
        })
    })
    .await
}

#[tokio::test]
async fn a_refused_token_is_renewed_beside_the_session() {
    let takes = Arc::new(Mutex::new(OLD));
    let upstream = guarded(Arc::clone(&takes)).await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &bearer(OLD))
        .await
        .unwrap();
    let renewals = AtomicUsize::new(0);
    let count = async |token: &str, newer: Option<&str>| {
        let with = With {
            credentials: granted(token, newer, &renewals),
            ..With::default()
        };
        done(send(&servers, &source, "s.count", with).await).answer
    };
    let begun = calls(&upstream, "initialize").len();
    assert_eq!(count(OLD, Some(NEW)).await.unwrap().data["count"], 1);
    assert_eq!(renewals.load(Ordering::SeqCst), 0, "nothing was refused");
    *takes.lock().unwrap() = NEW;
    let answer = count(OLD, Some(NEW)).await.unwrap();
    assert_eq!(answer.data["count"], 2, "the call was made once");
    assert_eq!(
        answer.data["said"],
        json!(["[secret]", "[secret]"]),
        "both are known"
    );
    assert_eq!(renewals.load(Ordering::SeqCst), 1);
    // From then on the new one is what a call comes with, in the same session.
    assert_eq!(count(NEW, None).await.unwrap().data["count"], 3);
    assert_eq!(
        calls(&upstream, "initialize").len(),
        begun + 1,
        "one session for all of it"
    );
    // A token that stays refused is tried no more than twice, and a session may begin with a refusal.
    *takes.lock().unwrap() = "another-token-0123456789";
    let before = calls(&upstream, "tools/call").len();
    let error = count(NEW, Some(OLD)).await.unwrap_err();
    assert_eq!(error.code.as_str(), "credential_rejected", "{error:?}");
    assert_eq!(calls(&upstream, "tools/call").len(), before + 2);
    *takes.lock().unwrap() = NEW;
    let anew = super::servers();
    let with = With {
        credentials: granted(OLD, Some(NEW), &renewals),
        ..With::default()
    };
    let answer = done(send(&anew, &source, "s.count", with).await).answer;
    assert_eq!(answer.unwrap().data["count"], 4);
}

/// Whom a call can turn to, who refuses to be asked in the middle of it; and what is told.
fn hearing() -> (McpHearing, Arc<Mutex<Vec<McpNews>>>) {
    let news: Arc<Mutex<Vec<McpNews>>> = Arc::default();
    let told = Arc::clone(&news);
    let hearing = McpHearing {
        task: "task".to_owned(),
        ask: Some(Arc::new(|asked| panic!("asked in the middle: {asked:?}"))),
        told: Arc::new(move |one| told.lock().unwrap().push(one)),
    };
    (hearing, news)
}

fn by_ada(content: Value) -> ApprovalStatus {
    let answered = Answered {
        by: AccountId::from_bits([1; 16]),
        channel: Channel::Cli,
        at: Timestamp(0),
        reason: String::new(),
    };
    ApprovalStatus::Happened(answered, content.to_string())
}

#[tokio::test]
async fn a_round_ends_the_call_and_its_answers_come_with_the_next() {
    let upstream = Upstream::start(|seen| {
        let (method, id, params) = rpc(seen);
        let field = |name: &str| json!({ "method": "elicitation/create", "params": { "message": "Who?",
            "requestedSchema": { "type": "object", "properties": { name: { "type": "string" } } } } });
        let ask = |questions: Value| result(&id, json!({ "resultType": "input_required",
            "requestState": { "step": 1 }, "inputRequests": questions }));
        match (method.as_str(), params["name"].as_str().unwrap_or_default()) {
            ("server/discover", _) => result(&id, json!({ "resultType": "complete",
                "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } })),
            ("tools/list", _) => result(&id, tools(&["ask", "secret", "model"])),
            ("tools/call", "model") => ask(json!({ "m": { "method": "sampling/createMessage" } })),
            ("tools/call", name) if params.get("inputResponses").is_none() => {
                let can = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
                assert_eq!(can["elicitation"], json!({ "form": {}, "url": {} }));
                ask(json!({ "q": field(if name == "secret" { "password" } else { "name" }) }))
            }
            ("tools/call", _) => result(&id, json!({ "resultType": "complete",
                "structuredContent": { "answers": params["inputResponses"], "state": params["requestState"] } })),
            (other, _) => panic!("unexpected {other}"),
        }
    })
    .await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    let (hearing, news) = hearing();
    let call = async |path: &str, answers: Option<McpAnswers>| {
        let with = With {
            hearing: Some(hearing.clone()),
            answers,
            ..With::default()
        };
        send(&servers, &source, path, with).await
    };
    let McpInvoked::Asks(asked) = call("s.ask", None).await else {
        panic!("it asks");
    };
    assert_eq!(
        (asked.source.as_str(), asked.way, asked.parts.len()),
        ("s", Way::Round, 1)
    );
    let taken = asked.taken(&json!({ "name": "Ada" })).unwrap();
    // Kept and read back, as it is while a person takes their time.
    let kept = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
    let answers = McpAnswers::of(&kept, &by_ada(taken));
    let answered = done(call("s.ask", Some(answers)).await).answer.unwrap();
    assert_eq!(
        answered.data,
        json!({ "answers": { "q": { "action": "accept", "content": { "name": "Ada" } } }, "state": { "step": 1 } })
    );
    // A secret is not asked for: the server hears a no, and the task why.
    let refused = done(call("s.secret", None).await).answer.unwrap();
    assert_eq!(
        refused.data["answers"],
        json!({ "q": { "action": "decline" } })
    );
    assert!(
        matches!(news.lock().unwrap().as_slice(), [McpNews::Refused(why)] if why.contains("`password`"))
    );
    let error = done(call("s.model", None).await).answer.unwrap_err();
    assert!(
        error.message.contains("asks for a model"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_page_is_visited_before_the_call_is_made_anew() {
    let visited = AtomicUsize::new(0);
    let upstream = Upstream::start(move |seen| {
        let (method, id, _) = rpc(seen);
        greeting(seen, Some("x")).unwrap_or_else(|| match method.as_str() {
            "tools/list" => result(&id, tools(&["login"])),
            _ if visited.fetch_add(1, Ordering::SeqCst) == 0 => {
                let page = json!({ "mode": "url", "elicitationId": "e1", "message": "Sign in",
                    "url": "https://login.example/start" });
                let data = json!({ "elicitations": [page] });
                let error = json!({ "code": -32042, "message": "sign in first", "data": data });
                let message = json!({ "jsonrpc": "2.0", "id": id, "error": error });
                crate::upstream::ok("application/json", message.to_string())
            }
            _ => result(&id, json!({ "structuredContent": { "in": true } })),
        })
    })
    .await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    let with = |hearing: Option<McpHearing>, answers| With {
        hearing,
        answers,
        ..With::default()
    };
    let sent = send(&servers, &source, "s.login", with(Some(hearing().0), None)).await;
    let McpInvoked::Asks(asked) = sent else {
        panic!("it asks");
    };
    assert_eq!((asked.way, asked.parts[0].key.as_str()), (Way::Anew, "e1"));
    assert!(matches!(&asked.parts[0].form, Form::Page { host, .. } if host == "login.example"));
    let answers = McpAnswers::of(&asked, &by_ada(asked.taken(&json!({})).unwrap()));
    let sent = send(
        &servers,
        &source,
        "s.login",
        with(Some(hearing().0), Some(answers)),
    )
    .await;
    assert_eq!(done(sent).answer.unwrap().data, json!({ "in": true }));
    let last = calls(&upstream, "tools/call").pop().unwrap();
    assert_eq!(
        rpc(&last).2.get("inputResponses"),
        None,
        "that revision knows none"
    );
}

#[tokio::test]
async fn where_nobody_can_be_asked_a_page_is_an_error_like_any_other() {
    let upstream = Upstream::start(|seen| {
        let (method, id, params) = rpc(seen);
        if method == "initialize" {
            assert_eq!(params["capabilities"], json!({}));
        }
        greeting(seen, Some("x")).unwrap_or_else(|| match method.as_str() {
            "tools/list" => result(&id, tools(&["login"])),
            _ => error(200, &id, -32042, "sign in first"),
        })
    })
    .await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    let sent = send(&servers, &source, "s.login", With::default()).await;
    let error = done(sent).answer.unwrap_err();
    assert_eq!(error.code.as_str(), "upstream_error", "{error:?}");
}

#[tokio::test]
async fn a_decision_for_another_definition_sends_nothing() {
    let upstream = Upstream::start(|seen| {
        let (_, id, _) = rpc(seen);
        greeting(seen, None).unwrap_or_else(|| result(&id, tools(&["a", "b"])))
    })
    .await;
    let servers = servers();
    let (source, _) = connected(&servers, at(&upstream.url()), &[]).await.unwrap();
    let caller = caller(1);
    let scope = caller.scope(Permission::RunTasks).unwrap();
    let person = McpPerson {
        scope: &scope,
        account: &caller.account_id,
    };
    let (a, b) = (&source.tools[0], &source.tools[1]);
    let for_a = tools::prepare(a, &source, &json!({})).unwrap();
    let mut elsewhere = for_a.clone();
    elsewhere.url = "http://127.0.0.1:1/".to_owned();
    for (admitted, tool, prepared) in [(b, a, &for_a), (b, b, &for_a), (a, a, &elsewhere)] {
        let sending = McpSending {
            tool,
            source: &source,
            prepared,
            person,
            credentials: Credentials::default(),
            hearing: None,
            answers: None,
            result_bytes_max: 1 << 20,
        };
        let sent = servers.call(admission(admitted), sending).await;
        assert_eq!(done(sent).answer.unwrap_err().code.as_str(), "internal");
    }
    assert!(calls(&upstream, "tools/call").is_empty());
}
