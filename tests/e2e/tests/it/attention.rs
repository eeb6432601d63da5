//! More time for a question, and who looks after it: given once, by whoever may answer and in person,
//! whatever else happens at the same instant; and neither is an answer.

use crate::answers::meddle;
use crate::api::{Reply, items};
use crate::database::Database;
use crate::eras::{Plain, answered, execute, form, let_forms_decide, only_key};
use crate::people::Person;
use crate::receiver::Receiver;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

on_both_databases!(
    of_many_who_give_more_time_one_does,
    more_time_and_an_answer_at_once,
    more_time_and_the_end_of_it_at_once,
    whoever_waits_waits_until_the_new_end,
    more_time_outlives_a_crash_or_was_never_given,
    programs_give_no_time_and_name_nobody,
    somebody_looks_after_it_and_another_may_answer,
);

const CREATE: &str = "try { return (await tools.ledger.items.createItem({ name: 'NAME', amount: 1 })).name; }\n\
     catch (e) { return e.code; }";

fn create(name: &str) -> String {
    CREATE.replace("NAME", name)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Makes questions wait for so long.
async fn ask_for(server: &Server, wait_ms: u64) {
    let tools = json!({ "tools": ["ledger.items.createItem"] });
    let rule = json!({ "effect": "ask", "match": tools, "ask": { "waitMs": wait_ms } });
    server.post("/policies", rule).await;
}

async fn extend(server: &Server, asked: &Value) -> Reply {
    let path = format!("/approvals/{}/extend", text(&asked["id"]));
    server.send("POST", &path, None).await
}

async fn assign(server: &Server, asked: &Value, to: &str) -> Reply {
    let path = format!("/approvals/{}/assign", text(&asked["id"]));
    let body = json!({ "assignee": to });
    server.send("POST", &path, Some(&body)).await
}

async fn now(server: &Server, asked: &Value) -> Value {
    server
        .get(&format!("/approvals/{}", text(&asked["id"])))
        .await
}

/// What the audit log says was done to an approval, the oldest first.
async fn audited(server: &Server, asked: &Value, action: &str) -> Vec<Value> {
    let path = format!("/audit?limit=200&subject={}", text(&asked["id"]));
    let mut entries = items(&server.get(&path).await);
    entries.retain(|e| e["action"] == action);
    entries.reverse();
    entries
}

const DAY_MS: i64 = 86_400_000;

/// Milliseconds of the day of an instant as the server writes it.
fn of_day(instant: &Value) -> i64 {
    let text = text(instant);
    let two = |at: usize| text[at..at + 2].parse::<i64>().expect("digits");
    let ms: i64 = text[20..23].parse().expect("digits");
    (two(11) * 3_600 + two(14) * 60 + two(17)) * 1_000 + ms
}

/// Milliseconds between two instants of one day or the next.
fn between(from: &Value, until: &Value) -> i64 {
    (of_day(until) - of_day(from)).rem_euclid(DAY_MS)
}

/// Milliseconds since 1970, by the clock that the server and its database have as well.
fn clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock").as_millis()).expect("it fits")
}

/// Waits until an instant of this day is over.
async fn over(instant: &Value) {
    let deadline = Instant::now() + PATIENCE;
    while (clock_ms() - of_day(instant)).rem_euclid(DAY_MS) > DAY_MS / 2 {
        assert!(Instant::now() < deadline, "{instant} does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn of_many_who_give_more_time_one_does(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let receiver = Receiver::start().await;
    let hook = json!({ "url": receiver.url("/hook"), "allowPrivate": true });
    server.post("/webhooks", hook).await;
    let task = server.submit(&create("once")).await;
    let asked = server.pending(1).await.remove(0);
    let period = between(&asked["createdAt"], &asked["expiresAt"]);
    assert_eq!(asked["extendsByMs"], period, "{asked:#}");
    let tries = join_all((0..8).map(|_| extend(&server, &asked))).await;
    let (given, refused): (Vec<&Reply>, Vec<_>) = tries.iter().partition(|r| r.status == 200);
    assert_eq!(given.len(), 1, "{tries:#?}");
    let me = server.get("/me").await["accountId"].clone();
    for reply in refused {
        let code = &reply.body["code"];
        assert_eq!((reply.status, code), (409, &json!("already_extended")));
        assert!(
            reply.body["title"]
                .as_str()
                .is_some_and(|t| t.contains(text(&me))),
            "{reply:#?}"
        );
    }
    let longer = &given[0].body;
    assert_eq!(between(&asked["expiresAt"], &longer["expiresAt"]), period);
    assert_eq!(
        (&longer["extended"]["by"], &longer["extendsByMs"]),
        (&me, &json!(0))
    );
    assert_eq!(
        longer["digest"], asked["digest"],
        "what was seen is what is asked"
    );
    assert_eq!(now(&server, &asked).await, *longer);
    let entries = audited(&server, &asked, "approval.extended").await;
    assert_eq!(entries.len(), 1, "{entries:#?}");
    assert_eq!(entries[0]["detail"]["before"], asked["expiresAt"]);
    assert_eq!(entries[0]["detail"]["expiresAt"], longer["expiresAt"]);
    let told = receiver.told_times(&server, "/hook", 2).await;
    let bodies = told
        .iter()
        .map(|t| serde_json::from_slice(&t.body).expect("JSON"));
    let changed: Vec<Value> = bodies
        .filter(|b: &Value| b["type"] == "approval.changed")
        .collect();
    assert_eq!(changed.len(), 1, "{changed:#?}");
    let data = &changed[0]["data"];
    assert_eq!(
        (&data["change"], &data["expiresAt"]),
        (&json!("extended"), &longer["expiresAt"])
    );
    assert!(data["extendedBy"]["name"].is_string(), "{data:#}");
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "once");
    assert_eq!(upstream.created("once"), 1);
    let late = extend(&server, &asked).await;
    assert_eq!(
        (late.status, &late.body["code"]),
        (409, &json!("already_resolved"))
    );
}

async fn more_time_and_an_answer_at_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let names: Vec<String> = (0..10).map(|n| format!("both-{n}")).collect();
    let codes: Vec<String> = names.iter().map(|n| create(n)).collect();
    let tasks = join_all(codes.iter().map(|code| server.submit(code))).await;
    let asked = server.pending(names.len()).await;
    let race = asked.iter().enumerate().map(|(n, one)| {
        let (server, verdict) = (&server, if n % 2 == 0 { "approve" } else { "deny" });
        async move {
            let path = format!("/approvals/{}/{verdict}", text(&one["id"]));
            let body = json!({ "digest": one["digest"] });
            let answer = server.send("POST", &path, Some(&body));
            (verdict, join(answer, extend(server, one)).await, one)
        }
    });
    for (verdict, (answer, more), one) in join_all(race).await {
        assert_eq!(
            answer.status, 200,
            "an answer is never in the way: {answer:#?}"
        );
        let stands = now(&server, one).await;
        let expected = if verdict == "approve" {
            "approved"
        } else {
            "denied"
        };
        assert_eq!(stands["status"], expected);
        match more.status {
            200 => assert!(stands["extended"].is_object(), "{stands:#}"),
            409 => {
                assert_eq!(more.body["code"], "already_resolved");
                assert!(stands["extended"].is_null(), "{stands:#}");
                assert_eq!(stands["expiresAt"], one["expiresAt"]);
            }
            _ => panic!("{more:#?}"),
        }
    }
    let mut sent = 0;
    for task in &tasks {
        let result = server.finished(task).await["result"].clone();
        let result = text(&result);
        if result != "approval_denied" {
            assert_eq!(upstream.created(result), 1);
            sent += 1;
        }
    }
    assert_eq!((sent, upstream.writes()), (5, 5));
}

async fn more_time_and_the_end_of_it_at_once(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let codes: Vec<String> = (0..12).map(|n| create(&format!("end-{n}"))).collect();
    let tasks = join_all(codes.iter().map(|code| server.submit(code))).await;
    server.pending(tasks.len()).await;
    // They all end at one instant, after two seconds, whenever that many were asked.
    let end = clock_ms() + 1_500;
    meddle(
        &server,
        &format!(
            "update approvals set expires_at = {end}, created_at = {}",
            end - 2_000
        ),
    );
    let asked = items(&server.get("/approvals").await);
    assert_eq!(asked.len(), tasks.len());
    // Each is given more time about that instant; the first too late.
    let race = asked.iter().enumerate().map(|(n, one)| {
        let server = &server;
        async move {
            if n == 0 {
                let deadline = Instant::now() + PATIENCE;
                while now(server, one).await["status"] == "pending" {
                    assert!(Instant::now() < deadline, "it does not expire");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            let at = end - 400 + 80 * i64::try_from(n).expect("few");
            let left = u64::try_from(at - clock_ms()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(left)).await;
            (extend(server, one).await, one)
        }
    });
    let raced = join_all(race).await;
    assert_eq!(raced[0].0.status, 409, "{:#?}", raced[0].0);
    for task in &tasks {
        assert_eq!(server.finished(task).await["result"], "approval_expired");
    }
    for (more, one) in &raced {
        let stands = now(&server, one).await;
        assert_eq!(stands["status"], "expired");
        let expires = match more.status {
            200 => {
                assert_eq!(between(&one["expiresAt"], &more.body["expiresAt"]), 2_000);
                &more.body["expiresAt"]
            }
            409 => {
                assert_eq!(more.body["code"], "already_resolved", "{more:#?}");
                assert!(stands["extended"].is_null());
                &one["expiresAt"]
            }
            _ => panic!("{more:#?}"),
        };
        assert_eq!(stands["expiresAt"], *expires, "what was promised holds");
        let ended = audited(&server, one, "approval.expired").await;
        assert_eq!(ended.len(), 1, "{ended:#?}");
        assert_eq!(ended[0]["detail"]["expiredAt"], *expires);
        assert!(
            text(&ended[0]["at"]) >= text(expires),
            "not before: {ended:#?}"
        );
    }
    assert_eq!(upstream.writes(), 0);
}

async fn whoever_waits_waits_until_the_new_end(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let_forms_decide(&server).await;
    ask_for(&server, 20_000).await;
    // One client waits in its request, another was given a round for its person.
    let (waits, asks) = (create("waits"), create("asks"));
    let plain = Plain::new(&server, json!({}));
    let begun = plain.call(execute(&waits)).await["result"]["structuredContent"].clone();
    assert_eq!(begun["status"], "waiting", "{begun:#}");
    let resume = json!({ "taskId": begun["taskId"], "waitMs": 300_000 });
    let waiting = plain.call(json!({ "name": "resume", "arguments": resume }));
    let round = async {
        let plain = Plain::new(&server, form());
        let round = plain.call(execute(&asks)).await["result"].clone();
        assert_eq!(round["resultType"], "input_required", "{round:#}");
        let asked = server.pending(2).await;
        let oldest = text(&asked[0]["expiresAt"]).max(text(&asked[1]["expiresAt"]));
        for one in &asked {
            let more = extend(&server, one).await;
            assert_eq!(more.status, 200, "{more:#?}");
            let task = server.task(text(&one["taskId"])).await;
            assert_eq!(task["approvals"][0]["expiresAt"], more.body["expiresAt"]);
        }
        over(&json!(oldest)).await;
        assert_eq!(server.pending(2).await.len(), 2, "both are still asked");
        let key = only_key(&round["inputRequests"]);
        let mut brought = execute(&asks);
        brought["requestState"] = round["requestState"].clone();
        brought["inputResponses"] = answered(&key, "approve");
        let done = plain.call(brought).await["result"]["structuredContent"].clone();
        assert_eq!(
            (&done["status"], &done["result"]),
            (&json!("completed"), &json!("asks"))
        );
        let other = server.pending(1).await.remove(0);
        server.approve(&other).await;
    };
    let (done, ()) = join(waiting, round).await;
    let done = &done["result"]["structuredContent"];
    assert_eq!(done["result"], "waits", "{done:#}");
    assert_eq!(
        (upstream.created("waits"), upstream.created("asks")),
        (1, 1)
    );
}

async fn more_time_outlives_a_crash_or_was_never_given(database: Database) {
    let (mut server, upstream) = Upstream::connected(database).await;
    let task = server.submit(&create("after all")).await;
    let asked = server.pending(1).await.remove(0);
    let path = format!("/approvals/{}/extend", text(&asked["id"]));
    for (moment, given) in [("before", false), ("after", true)] {
        server.kill().await;
        let fault = format!("approval.extended:{moment}:1");
        server
            .environment
            .push(("EXECUTOR_FAULT".to_owned(), fault));
        server.launch().await;
        let url = format!("{}/api/v1{path}", server.url());
        let told = server.http.post(url).send().await;
        assert!(told.is_err(), "nobody was told: {told:?}");
        server.environment.clear();
        server.died().await;
        server.launch().await;
        let stands = now(&server, &asked).await;
        assert_eq!(
            stands["extended"].is_object(),
            given,
            "{moment}: {stands:#}"
        );
        assert_eq!(
            audited(&server, &asked, "approval.extended").await.len(),
            usize::from(given)
        );
    }
    let again = extend(&server, &asked).await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (409, &json!("already_extended"))
    );
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "after all");
    assert_eq!(upstream.created("after all"), 1);
}

async fn programs_give_no_time_and_name_nobody(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    let admin = Person::add(&server, "Ada", "admin").await;
    server.submit(&create("asked")).await;
    let asked = server.pending(1).await.remove(0);
    let id = text(&asked["id"]);
    for (path, body) in [
        (format!("/approvals/{id}/extend"), None),
        (
            format!("/approvals/{id}/assign"),
            Some(json!({ "assignee": "me" })),
        ),
    ] {
        let by_key = admin.send(&server, "POST", &path, body.as_ref()).await;
        assert_eq!(
            (by_key.status, &by_key.body["code"]),
            (403, &json!("forbidden")),
            "{by_key:#?}"
        );
    }
    let offered = Plain::new(&server, form())
        .ask("tools/list", json!({}))
        .await;
    let offered = offered["result"]["tools"]
        .as_array()
        .expect("tools")
        .clone();
    let names: Vec<&str> = offered.iter().map(|tool| text(&tool["name"])).collect();
    assert!(names.contains(&"resume"), "{names:?}");
    for name in names {
        assert!(
            !name.contains("extend") && !name.contains("assign"),
            "{name}"
        );
    }
    let same = now(&server, &asked).await;
    assert_eq!(same, asked, "nothing has changed");
    // The owner at the machine may; so it was not for another reason that they may not.
    let said = server.cli(&["approvals", "extend", id]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let longer = now(&server, &asked).await;
    assert!(said.out.contains(text(&longer["expiresAt"])), "{said:?}");
    let again = server.cli(&["approvals", "extend", id]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.contains("extended already"), "{again:?}");
}

async fn somebody_looks_after_it_and_another_may_answer(database: Database) {
    let (server, upstream) = Upstream::connected(database).await;
    let admin = Person::add(&server, "Ada", "admin").await;
    let member = Person::add(&server, "Bob", "member").await;
    let task = server.submit(&create("hers")).await;
    server.submit(&create("nobodys")).await;
    let asked = server.pending(2).await;
    let asked = asked
        .iter()
        .find(|a| a["arguments"]["name"] == "hers")
        .expect("it is asked")
        .clone();
    for (to, status, code) in [
        (member.id.as_str(), 422, "invalid_assignee"),
        ("acct_00000000000000000000000000", 422, "invalid_assignee"),
        ("Ada", 422, "invalid_value"),
    ] {
        let refused = assign(&server, &asked, to).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (status, &json!(code)),
            "{refused:#?}"
        );
    }
    let hers = assign(&server, &asked, &admin.id).await;
    assert_eq!(
        (hers.status, &hers.body["assigned"]["to"]),
        (200, &json!(admin.id))
    );
    assert_eq!(hers.body["expiresAt"], asked["expiresAt"]);
    let listed = |who: String| {
        let server = &server;
        async move {
            let path = format!("/approvals?status=pending&assignee={who}");
            items(&server.get(&path).await)
        }
    };
    assert_eq!(listed(admin.id.clone()).await.len(), 1);
    assert_eq!(listed("me".to_owned()).await.len(), 0);
    let own = admin
        .send(&server, "GET", "/approvals?assignee=me", None)
        .await;
    assert_eq!(items(&own.body)[0]["id"], asked["id"]);
    let wrong = server.send("GET", "/approvals?assignee=Ada", None).await;
    assert_eq!(wrong.status, 422);
    // By the command line, by name and back.
    let id = text(&asked["id"]);
    for (to, of) in [
        ("me", None),
        ("nobody", Some("nobody")),
        ("Ada", Some(admin.id.as_str())),
    ] {
        let said = server.cli(&["approvals", "assign", id, "--to", to]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(of.is_none_or(|of| said.out.contains(of)), "{said:?}");
    }
    let list = ["approvals", "list", "--assignee", "Ada", "--json"];
    let list: Vec<Value> = serde_json::from_str(&server.cli(&list).await.out).expect("JSON");
    assert_eq!(list.len(), 1, "{list:#?}");
    let entries = audited(&server, &asked, "approval.assigned").await;
    assert_eq!(entries.len(), 4, "each once: {entries:#?}");
    assert_eq!(entries[3]["detail"]["assignee"], json!(admin.id));
    let same = assign(&server, &asked, &admin.id).await;
    assert_eq!(same.status, 200);
    assert_eq!(audited(&server, &asked, "approval.assigned").await.len(), 4);
    // It is hers to look after; that is no condition for an answer.
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "hers");
    assert_eq!((upstream.created("hers"), upstream.writes()), (1, 1));
    let late = assign(&server, &asked, "nobody").await;
    assert_eq!(
        (late.status, &late.body["code"]),
        (409, &json!("already_resolved"))
    );
}
