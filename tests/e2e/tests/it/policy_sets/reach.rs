//! How far a set reaches: no further than the rules that whoever assigns it could write.

use super::{CREATE, assigned, gone, made};
use crate::api::Reply;
use crate::database::Database;
use crate::people::{Person, text};
use crate::server::Server;
use crate::upstream::Upstream;
use serde_json::{Value, json};

pub(super) async fn a_set_reaches_no_further_than_who_assigns_it(database: Database) {
    let (server, _upstream) = Upstream::connected(database).await;
    server.post("/workspaces", json!({ "slug": "other" })).await;
    let admin = Person::add(&server, "Ann", "admin").await;
    let member = Person::add(&server, "Mel", "member").await;
    let set = made(&server, "Careful", &[("deny", 10)]).await;
    let reach = Reach {
        path: format!("/policies/sets/{set}"),
        server,
        admin,
        member,
        set,
    };
    let test = json!({ "tool": CREATE, "arguments": { "name": "x", "amount": 50 } });
    let unassign = a_member_is_bound_and_may_not_undo_it(&reach, &test).await;
    what_is_an_owners_is_so_through_a_set(&reach).await;
    a_key_is_bound_to_its_workspace(&reach).await;
    what_does_not_fit_is_told(&reach).await;
    let admin_unassigns = reach.as_admin("DELETE", &unassign, None).await;
    assert_eq!(admin_unassigns.status, 204, "{admin_unassigns:#?}");
    let hers = reach
        .as_member("POST", "/policies/test", Some(&test))
        .await
        .body;
    assert_eq!(decided(&hers), "ask");
    assert_eq!(reach.as_member("GET", &reach.path, None).await.status, 404);
}

/// Who tries how far a set reaches: the owner of the server, an administrator and a member of it.
struct Reach {
    server: Server,
    admin: Person,
    member: Person,
    set: String,
    /// Of the set.
    path: String,
}

impl Reach {
    async fn as_member(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.member.send(&self.server, method, path, body).await
    }

    async fn as_admin(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.admin.send(&self.server, method, path, body).await
    }

    /// Where the set is assigned.
    fn to(&self) -> String {
        format!("{}/assignments", self.path)
    }

    /// Where rules are added to it.
    fn rules(&self) -> String {
        format!("{}/rules", self.path)
    }
}

/// A rule of no bearing, to be added to a set.
fn denying() -> Value {
    json!({ "effect": "deny", "match": { "tools": ["none.**"] } })
}

fn decided(of: &Value) -> Value {
    of["decision"].clone()
}

/// What binds nobody is not a member's to see; to be bound is to see it. Gives back where an
/// administrator takes back what binds her.
async fn a_member_is_bound_and_may_not_undo_it(reach: &Reach, test: &Value) -> String {
    let (path, to) = (reach.path.as_str(), reach.to());
    assert_eq!(reach.as_member("GET", path, None).await.status, 404);
    let mine = json!({ "level": "personal", "person": reach.member.id });
    assert_eq!(reach.as_member("POST", &to, Some(&mine)).await.status, 403);
    let personal = reach.as_admin("POST", &to, Some(&mine)).await;
    assert_eq!(personal.status, 201, "{personal:#?}");
    assert_eq!(reach.as_member("GET", path, None).await.status, 200);
    let sets = reach.as_member("GET", "/policies/sets", None).await.body;
    assert_eq!(sets["items"].as_array().map(Vec::len), Some(1), "{sets:#}");
    let again = reach.as_admin("POST", &to, Some(&mine)).await;
    assert_eq!(
        (again.status, &again.body["code"]),
        (409, &json!("already_assigned"))
    );
    let hers = reach
        .as_member("POST", "/policies/test", Some(test))
        .await
        .body;
    assert_eq!(decided(&hers), "deny", "{hers:#}");
    let his = reach
        .as_admin("POST", "/policies/test", Some(test))
        .await
        .body;
    assert_eq!(
        decided(&his),
        "ask",
        "a set for one person binds nobody else: {his:#}"
    );
    // Nor may she take back what an administrator bound her with, by the set or by the rule.
    let bound = text(&personal.body["id"]);
    let unassign = format!("{to}/{bound}");
    assert_eq!(reach.as_member("DELETE", &unassign, None).await.status, 403);
    let copy = reach.as_member("GET", "/policies", None).await.body;
    let copy = format!("/policies/{}", text(&copy["rules"][0]["id"]));
    assert_eq!(reach.as_member("DELETE", &copy, None).await.status, 409);
    unassign
}

/// Rules of the organization are an owner's, also through a set: to assign, to change, to take back.
async fn what_is_an_owners_is_so_through_a_set(reach: &Reach) {
    let (server, set) = (&reach.server, reach.set.as_str());
    let (to, rules, deny) = (reach.to(), reach.rules(), denying());
    let everywhere = json!({ "level": "organization" });
    assert_eq!(
        reach.as_admin("POST", &to, Some(&everywhere)).await.status,
        403
    );
    assert_eq!(
        reach.as_admin("POST", &rules, Some(&deny)).await.status,
        201
    );
    let whole = assigned(server, set, everywhere.clone()).await;
    assert_eq!(
        reach.as_admin("POST", &rules, Some(&deny)).await.status,
        403
    );
    let trial = json!({ "change": "add", "set": set, "rule": deny });
    assert_eq!(
        reach
            .as_admin("POST", "/policies/backtest", Some(&trial))
            .await
            .status,
        403
    );
    assert_eq!(
        reach
            .as_admin("DELETE", &format!("{to}/{whole}"), None)
            .await
            .status,
        403
    );
    gone(server, &format!("{to}/{whole}")).await;
    assert_eq!(
        reach.as_admin("POST", &rules, Some(&deny)).await.status,
        201
    );
}

/// A key is bound to its workspace: it neither sees nor changes what a set does in another.
async fn a_key_is_bound_to_its_workspace(reach: &Reach) {
    let (server, path) = (&reach.server, reach.path.as_str());
    let (to, rules, deny) = (reach.to(), reach.rules(), denying());
    let there = format!("{to}?workspace=other");
    let there = server.post(&there, json!({ "level": "workspace" })).await;
    let seen = reach.as_admin("GET", path, None).await.body;
    assert!(!seen.to_string().contains(&text(&there["id"])), "{seen:#}");
    assert_eq!(
        reach.as_admin("POST", &rules, Some(&deny)).await.status,
        403
    );
    let reply = reach
        .as_admin("DELETE", &format!("{to}/{}", text(&there["id"])), None)
        .await;
    assert_eq!(reply.status, 403);
    gone(server, &format!("{to}/{}", text(&there["id"]))).await;
    assert_eq!(
        reach.as_admin("POST", &rules, Some(&deny)).await.status,
        201
    );
}

/// What does not fit is told.
async fn what_does_not_fit_is_told(reach: &Reach) {
    let (to, rules) = (reach.to(), reach.rules());
    for (path, body, status, code) in [
        (
            "/policies/sets",
            json!({ "name": " CAREFUL " }),
            409,
            "name_taken",
        ),
        ("/policies/sets", json!({ "name": " " }), 422, "invalid_set"),
        (
            "/policies/sets",
            json!({ "name": "set_x" }),
            422,
            "invalid_set",
        ),
        (
            rules.as_str(),
            json!({ "effect": "deny", "level": "workspace" }),
            422,
            "invalid_value",
        ),
        (
            to.as_str(),
            json!({ "level": "personal" }),
            422,
            "invalid_value",
        ),
        (
            to.as_str(),
            json!({ "level": "personal", "person": format!("acct_{}", "0".repeat(26)) }),
            404,
            "not_found",
        ),
    ] {
        let refused = reach.server.send("POST", path, Some(&body)).await;
        assert_eq!(
            (refused.status, refused.body["code"].as_str()),
            (status, Some(code)),
            "{refused:#?}"
        );
    }
}
