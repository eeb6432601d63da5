//! What everybody who tries a table of roles has to try it on: their own, what whoever runs the server
//! made for them, and what belongs to a bystander.

use super::{Trier, Way};
use crate::api::items;
use crate::people::{SCOPES, text};
use crate::receiver::Receiver;
use crate::server::Server;
use crate::upstream::Upstream;
use crate::visitor::{App, Visitor};
use serde_json::json;

pub(super) async fn connect(server: &Server, upstream: &Upstream, name: &str) {
    let url = format!("{}/openapi.json", upstream.base_url());
    let new = json!({ "url": url, "name": name, "allowPrivate": true });
    Way::Operator.post(server, "/sources", new).await;
    let value = json!({ "source": name, "value": upstream.token() });
    Way::Operator.post(server, "/credentials", value).await;
}

/// A new member of a role with a key of all scopes: the account and the key.
pub(super) async fn keyed(server: &Server, role: &str) -> (String, String) {
    let member = json!({ "name": role, "role": role });
    let member = Way::Operator.post(server, "/members", member).await;
    let member = text(&member["id"]);
    let key = spare_key(server, &member).await;
    (member, key.1)
}

pub(super) async fn spare_key(server: &Server, member: &str) -> (String, String) {
    let key = json!({ "name": "spare", "member": member, "scopes": SCOPES });
    let key = Way::Operator.post(server, "/keys", key).await;
    (text(&key["key"]["id"]), text(&key["secret"]))
}

/// The token of an invite to a role.
pub(super) async fn invited(server: &Server, path: &str, role: &str) -> String {
    let invite = Way::Operator
        .post(server, path, json!({ "role": role }))
        .await;
    let url = text(&invite["url"]);
    url.rsplit('/').next().expect("a token").to_owned()
}

/// Grants to clients, all of whoever runs the server.
pub(super) async fn grants(server: &Server, count: usize) -> Vec<String> {
    let visitor = Visitor::signed_in(server).await;
    for _ in 0..count {
        let app = App::registered(server, "a client").await;
        app.tokens(&visitor, "run").await;
    }
    let grants = items(&Way::Operator.get(server, "/grants").await);
    assert_eq!(grants.len(), count, "{grants:#?}");
    grants.iter().map(|grant| text(&grant["id"])).collect()
}

/// What whoever runs the server made for one of them to try.
pub(super) async fn shared_things(
    server: &Server,
    (upstream, receiver): (&Upstream, &Receiver),
    trier: &Trier,
) -> Vec<(&'static str, String)> {
    let (operator, tag) = (Way::Operator, trier.tag);
    let me = operator.get(server, "/me").await;
    let source = format!("own{tag}");
    connect(server, upstream, &source).await;
    let credentials = items(&operator.get(server, "/credentials").await);
    let credential = credentials.iter().find(|c| c["source"] == *source);
    let rule = json!({ "effect": "ask", "match": { "tools": ["none.**"] } });
    let rule = operator.post(server, "/policies", rule).await;
    let [set, second_set, third_set, everybodys] = sets(server, tag).await;
    let hook = receiver.url("/hook");
    let hook = json!({ "url": hook, "allowPrivate": true });
    let hook = operator.post(server, "/webhooks", hook).await;
    let invite = operator.post(server, "/invites", json!({})).await;
    let another = operator.post(server, "/invites", json!({})).await;
    let spare = format!("spare-{tag}");
    operator
        .post(server, "/workspaces", json!({ "slug": spare }))
        .await;
    let unreviewed = format!("/sources/{source}/unreviewed");
    let unreviewed = operator.get(server, &unreviewed).await;
    let variables = server.scratch(&format!("{tag}.env"));
    std::fs::write(&variables, "A_TOKEN=x\n").expect("a file of variables");
    let backup = server.scratch(&format!("{tag}.backup"));
    vec![
        ("variables", variables.display().to_string()),
        ("backup", backup.display().to_string()),
        ("workspace", text(&me["workspace"]["id"])),
        ("upstream", upstream.base_url().to_owned()),
        ("credential", text(&credential.expect("set")["id"])),
        ("second", format!("second{tag}")),
        ("slug", format!("of-{tag}")),
        ("shared rule", text(&rule["id"])),
        ("set", set[0].clone()),
        ("set rule", set[1].clone()),
        ("assignment", set[2].clone()),
        ("set 2", second_set[0].clone()),
        ("set 3", third_set[0].clone()),
        ("everybody's set", everybodys[0].clone()),
        ("webhook", text(&hook["webhook"]["id"])),
        ("invite", text(&invite["invite"]["id"])),
        ("invite 2", text(&another["invite"]["id"])),
        ("revision", unreviewed["revision"].to_string()),
        ("source", source),
        ("spare", spare),
    ]
}

/// Four policy sets, the first with a rule and assigned to the workspace, the last assigned to the
/// organization; each with those of its identifiers that there are.
async fn sets(server: &Server, tag: char) -> [Vec<String>; 4] {
    let operator = Way::Operator;
    let make = async |n: u8| {
        let new = json!({ "name": format!("set {n} of {tag}") });
        text(&operator.post(server, "/policies/sets", new).await["id"])
    };
    let set = make(1).await;
    let rule = json!({ "effect": "ask", "match": { "tools": ["none.**"] } });
    let path = format!("/policies/sets/{set}/rules");
    let rule = operator.post(server, &path, rule).await;
    let path = format!("/policies/sets/{set}/assignments");
    let to = json!({ "level": "workspace" });
    let assignment = operator.post(server, &path, to).await;
    let everybodys = make(4).await;
    let path = format!("/policies/sets/{everybodys}/assignments");
    let to = json!({ "level": "organization" });
    operator.post(server, &path, to).await;
    [
        vec![set, text(&rule["id"]), text(&assignment["id"])],
        vec![make(2).await],
        vec![make(3).await],
        vec![everybodys],
    ]
}

/// An organization in which somebody is what they are here, beside another owner. A key has no place
/// in any other than its own.
pub(super) async fn club(server: &Server, trier: &Trier) -> Vec<(&'static str, String)> {
    let club = format!("club-{}", trier.tag);
    let there = format!("{club}/main");
    if matches!(trier.way, Way::Key(_)) {
        let me = trier.way.get(server, "/me").await;
        let here = text(&me["workspace"]["id"]);
        return vec![("club", "local".to_owned()), ("club workspace", here)];
    }
    let new = json!({ "name": "Club", "slug": club });
    Way::Operator.post(server, "/organizations", new).await;
    match &trier.way {
        Way::Session(_) => {
            let me = trier.way.get(server, "/me").await;
            let path = format!("/invites?workspace={there}");
            let token = invited(server, &path, &text(&me["role"])).await;
            let token = json!({ "token": token });
            trier.way.post(server, "/invitations/accept", token).await;
        }
        Way::Nothing | Way::Key(_) | Way::Operator => {
            let other = json!({ "name": "Other", "role": "owner" });
            let path = format!("/members?workspace={there}");
            Way::Operator.post(server, &path, other).await;
        }
    }
    vec![("club", club), ("club workspace", there)]
}

/// A browser of theirs that is notified. A key adds none.
pub(super) async fn notified(
    server: &Server,
    receiver: &Receiver,
    trier: &Trier,
) -> Vec<(&'static str, String)> {
    let id = match &trier.way {
        Way::Key(_) | Way::Nothing => format!("push_{}", "0".repeat(26)),
        Way::Session(_) | Way::Operator => {
            let new = json!({
                "endpoint": receiver.url(&format!("/push/{}", trier.tag)),
                "keys": {
                    // Of RFC 8291, appendix A.
                    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\
                               aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                },
            });
            let added = trier.way.post(server, "/push/subscriptions", new).await;
            text(&added["id"])
        }
    };
    vec![("push", id)]
}

/// A member who has nothing to do with it, and whose things are tried.
pub(super) async fn bystander(server: &Server) -> Vec<(&'static str, String)> {
    let member = Way::Operator
        .post(server, "/members", json!({ "name": "By" }))
        .await;
    let member = text(&member["id"]);
    let (key, secret) = spare_key(server, &member).await;
    let code = "return await tools.books.items.createItem({ name: 'theirs', amount: 1 })";
    let task = Way::Key(secret).submit(server, code).await;
    vec![
        ("bystander", member),
        ("bystander's key", key),
        ("bystander's task", task),
    ]
}

/// What somebody has made.
pub(super) async fn own_things(
    server: &Server,
    trier: &Trier,
    source: &str,
) -> Vec<(&'static str, String)> {
    let way = &trier.way;
    let large = "console.log('x'); return 'x'.repeat(2 * 1024 * 1024)";
    let large = json!({ "code": large, "waitMs": 60_000 });
    let done = way.post(server, "/tasks", large).await;
    let writes = "return (await Promise.allSettled([1, 2, 3, 4].map((amount) =>\n\
                  tools.books.items.createItem({ name: 'own', amount })))).length";
    let asking = way.submit(server, writes).await;
    way.submit(server, "return await tools.asking.greet()")
        .await;
    let rule = json!({
        "effect": "ask", "level": "personal", "match": { "tools": ["none.**"] },
    });
    let rule = way.post(server, "/policies", rule).await;
    let client = json!({ "scope": "personal", "clientId": "x",
        "authorizationUrl": "https://as.example/a", "tokenUrl": "https://as.example/t" });
    let path = format!("/sources/{source}/connect");
    let connect = way.post(server, &path, client).await;
    vec![
        ("task", text(&done["id"])),
        ("handle", text(&done["result"]["$handle"])),
        ("asking", asking),
        ("rule", text(&rule["id"])),
        ("connect", text(&connect["id"])),
        ("key", spare_key(server, &trier.account).await.0),
    ]
}

/// An organization that nobody here is a member of, and a link that lets everybody in.
pub(super) async fn guests(server: &Server) -> String {
    let operator = Way::Operator;
    let new = json!({ "name": "Guests", "slug": "guests" });
    operator.post(server, "/organizations", new).await;
    let at = |path: &str| format!("{path}?workspace=guests/main");
    let host = json!({ "name": "Host", "role": "owner" });
    let host = operator.post(server, &at("/members"), host).await;
    let key = json!({ "name": "host", "member": host["id"], "scopes": SCOPES });
    let key = operator.post(server, &at("/keys"), key).await;
    let invite = json!({ "maxUses": 100 });
    let invite = Way::Key(text(&key["secret"]))
        .post(server, "/invites", invite)
        .await;
    let path = at("/members/me");
    let left = operator.send(server, "DELETE", &path, None).await;
    assert_eq!(left.status, 204, "{left:#?}");
    text(&invite["url"])
}
