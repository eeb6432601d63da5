//! How persons come into an organization and go out of it, what each role may do there, and all of it
//! from the command line.

use crate::api::Reply;
use crate::binary::Ran;
use crate::database::Database;
use crate::people::{SCOPES, text};
use crate::server::Server;
use serde_json::{Value, json};

on_both_databases!(roles_of_persons_in_an_organization, from_the_command_line);

/// A path of the API, in the club's first workspace.
fn in_club(path: &str) -> String {
    format!("{path}?workspace=club/main")
}

/// What a person may who is not the organization's owner: the local person joins it in each role.
async fn roles_of_persons_in_an_organization(database: Database) {
    let server = Server::start(database).await;
    let new = json!({ "name": "Club", "slug": "club" });
    server.post("/organizations", new).await;
    let me = text(&server.get("/me").await["accountId"]);
    let other = json!({ "name": "Other", "role": "owner" });
    let other = text(&server.post(&in_club("/members"), other).await["id"]);
    let key = json!({ "name": "other", "member": other, "scopes": SCOPES });
    let key = text(&server.post(&in_club("/keys"), key).await["secret"]);
    server
        .post(&in_club("/workspaces"), json!({ "slug": "spare" }))
        .await;
    let closed = json!({ "slug": "closed", "access": "restricted" });
    let closed = server
        .send_as(Some(&key), "POST", "/workspaces", Some(&closed))
        .await;
    assert_eq!(closed.status, 201, "{closed:#?}");
    let set_role = |role: &'static str| {
        let (server, key, path) = (&server, &key, format!("/members/{me}"));
        async move {
            let change = json!({ "role": role });
            let done = server
                .send_as(Some(key), "PATCH", &path, Some(&change))
                .await;
            assert_eq!(done.status, 200, "{done:#?}");
        }
    };
    for (role, owner, admin) in [
        ("member", false, false),
        ("billing_admin", false, false),
        ("admin", false, true),
        ("owner", true, true),
    ] {
        set_role(role).await;
        a_role_may_what_it_is_for(&server, role, owner, admin).await;
        // A restricted workspace is there for administrators and for those whom it names.
        let seen = server
            .get("/workspaces")
            .await
            .to_string()
            .contains("closed");
        assert_eq!(seen, admin, "{role}");
        let entered = server.send("GET", "/me?workspace=club/closed", None).await;
        assert_eq!(entered.status, if admin { 200 } else { 404 }, "{role}");
    }
    let members = "/workspaces/club%2Fclosed/members";
    server.post(members, json!({ "member": me })).await;
    set_role("member").await;
    server.get("/me?workspace=club/closed").await;
    // A key is bound to its workspace: it names nobody in another.
    let whom = json!({ "member": other });
    let elsewhere = server
        .send_as(Some(&key), "POST", members, Some(&whom))
        .await;
    assert_eq!(elsewhere.status, 403, "{elsewhere:#?}");
    set_role("owner").await;
    let path = format!("{members}/{me}");
    assert_eq!(server.send("DELETE", &path, None).await.status, 204);
    set_role("member").await;
    let entered = server.send("GET", "/me?workspace=club/closed", None).await;
    assert_eq!(entered.status, 404, "{entered:#?}");
    an_invite_is_worth_what_its_author_is(&server, &key, &me).await;
}

/// What takes an owner of the organization, and what an administrator.
async fn a_role_may_what_it_is_for(server: &Server, role: &str, owner: bool, admin: bool) {
    let name = json!({ "name": "Club" });
    let wrong = json!({ "slug": "Wrong" });
    let unknown = format!("acct_{}", "0".repeat(26));
    let whom = json!({ "member": unknown });
    for (method, path, body, may, otherwise) in [
        (
            "PATCH",
            "/organizations/club".to_owned(),
            Some(&name),
            owner,
            200,
        ),
        (
            "DELETE",
            "/organizations/club?confirm=no".to_owned(),
            None,
            owner,
            422,
        ),
        (
            "DELETE",
            in_club("/workspaces/club%2Fspare"),
            None,
            admin,
            422,
        ),
        (
            "PATCH",
            in_club("/workspaces/club%2Fspare"),
            Some(&wrong),
            admin,
            422,
        ),
        (
            "POST",
            in_club("/workspaces/club%2Fspare/members"),
            Some(&whom),
            admin,
            404,
        ),
        (
            "GET",
            in_club("/workspaces/club%2Fspare/members"),
            None,
            admin,
            200,
        ),
        ("GET", in_club("/invites"), None, admin, 200),
        ("GET", in_club("/members"), None, admin, 200),
        ("GET", in_club("/audit"), None, admin, 200),
    ] {
        let answer = server.send(method, &path, body).await;
        let expected = if may { otherwise } else { 403 };
        assert_eq!(
            answer.status, expected,
            "{method} {path} by {role}: {answer:#?}"
        );
    }
}

/// Leaving, and coming back by an invite; and all the invites that do not work.
async fn an_invite_is_worth_what_its_author_is(server: &Server, key: &str, me: &str) {
    let left = server
        .send("DELETE", "/members/me?workspace=club/main", None)
        .await;
    assert_eq!(left.status, 204, "{left:#?}");
    let gone = server.send("GET", "/me?workspace=club/main", None).await;
    assert_eq!(gone.status, 404, "{gone:#?}");
    an_invite_that_makes_no_sense_is_refused(server, key).await;
    let (revoked, good) = (
        invite(server, key, &json!({})).await,
        invite(server, key, &json!({ "role": "admin" })).await,
    );
    let path = format!("/invites/{}", text(&revoked["invite"]["id"]));
    let done = server.send_as(Some(key), "DELETE", &path, None).await;
    assert_eq!(done.status, 204, "{done:#?}");
    let page = format!("{}/invite/{}", server.url(), token_of(&good));
    an_invites_page_takes_a_person_in(server, &page).await;
    let me_there = server.get("/me?workspace=club/main").await;
    assert_eq!(me_there["role"], "admin", "{me_there:#}");
    let twice = invite(server, key, &json!({})).await;
    let twice = accept(server, &token_of(&twice)).await;
    assert_eq!(twice.body["code"], "already_member", "{twice:#?}");
    // An administrator's invite to a role above what they are now lets nobody in.
    let own = server
        .post("/invites?workspace=club/main", json!({ "role": "admin" }))
        .await;
    let above = json!({ "role": "owner" });
    let above = server
        .send("POST", "/invites?workspace=club/main", Some(&above))
        .await;
    assert_eq!(above.status, 403, "{above:#?}");
    let change = json!({ "role": "member" });
    let path = format!("/members/{me}");
    server
        .send_as(Some(key), "PATCH", &path, Some(&change))
        .await;
    let words = |reply: &Reply| (reply.status, reply.body.to_string());
    let unknown = accept(server, &"0".repeat(64)).await;
    assert_eq!(unknown.status, 422, "{unknown:#?}");
    for void in [token_of(&own), token_of(&revoked), token_of(&good)] {
        let refused = accept(server, &void).await;
        assert_eq!(words(&refused), words(&unknown));
    }
    let log = server.log();
    assert!(!log.contains(&token_of(&good)), "no log holds a token");
}

async fn invite(server: &Server, key: &str, body: &Value) -> Value {
    let made = server
        .send_as(Some(key), "POST", "/invites", Some(body))
        .await;
    assert_eq!(made.status, 201, "{made:#?}");
    made.body
}

async fn accept(server: &Server, token: &str) -> Reply {
    let given = json!({ "token": token });
    server
        .send("POST", "/invitations/accept", Some(&given))
        .await
}

/// The token in the link of an invite.
fn token_of(made: &Value) -> String {
    let url = text(&made["url"]);
    url.rsplit_once("/invite/").expect("a link").1.to_owned()
}

async fn an_invite_that_makes_no_sense_is_refused(server: &Server, key: &str) {
    for bad in [
        json!({ "expiresAt": "2020-01-01T00:00:00Z" }),
        json!({ "expiresAt": "2099-01-01T00:00:00Z" }),
        json!({ "maxUses": 0 }),
        json!({ "role": "king" }),
        json!({ "email": "nobody" }),
    ] {
        let refused = server
            .send_as(Some(key), "POST", "/invites", Some(&bad))
            .await;
        assert_eq!(refused.status, 422, "{bad}: {refused:#?}");
    }
}

/// Whoever is signed in is let in by the form on the page, and by nothing else.
async fn an_invites_page_takes_a_person_in(server: &Server, page: &str) {
    // Looking uses nothing up, neither by the API nor on the page.
    for _ in 0..2 {
        let shown = server.http.get(page).send().await.expect("a page");
        assert_eq!(shown.status(), 200);
        let shown = shown.text().await.expect("text");
        assert!(shown.contains("Club") && shown.contains("Other"), "{shown}");
    }
    let from_elsewhere = server
        .http
        .post(page)
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(from_elsewhere.status(), 403);
    let without = server.http.post(page).send().await.expect("an answer");
    assert_eq!(without.status(), 403, "a form says where it comes from");
    let stranger = server
        .http
        .get(page)
        .header("x-forwarded-for", "203.0.113.7")
        .send()
        .await;
    // Nobody signed in there: sent to sign in, and back.
    let stranger = stranger.expect("an answer");
    assert!(
        stranger
            .url()
            .query()
            .is_some_and(|q| q.contains("next=%2Finvite%2F")),
        "{}",
        stranger.url()
    );
    let joined = server
        .http
        .post(page)
        .header("origin", server.url())
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        joined.status(),
        200,
        "{}",
        joined.text().await.expect("text")
    );
}

async fn from_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let made = run(&server, "organizations create Acme --json")
        .await
        .exits(0)
        .json();
    assert_eq!(
        (&made["slug"], &made["role"]),
        (&json!("acme"), &json!("owner"))
    );
    let second = run(&server, "orgs create Acme --json")
        .await
        .exits(0)
        .json();
    assert!(
        text(&second["slug"]).starts_with("acme-"),
        "a name that is taken is marked: {second:#}"
    );
    run(&server, "organizations rename acme --name Acme2 --json")
        .await
        .exits(0);
    workspaces_from_the_command_line(&server).await;
    invites_from_the_command_line(&server).await;
    run(&server, "members leave --workspace acme/main")
        .await
        .exits(1)
        .says(&["last owner"]);
    run(&server, "organizations delete acme").await.exits(2);
    run(&server, "organizations delete acme --confirm acme --json")
        .await
        .exits(0);
    run(&server, "tasks list --workspace acme/main")
        .await
        .exits(1);
    run(&server, "organizations restore acme --json")
        .await
        .exits(0);
    run(&server, "tasks list --workspace acme/main")
        .await
        .exits(0);
}

/// A line of words without blanks in them.
async fn run(server: &Server, line: &str) -> Ran {
    server.cli(&line.split(' ').collect::<Vec<_>>()).await
}

async fn workspaces_from_the_command_line(server: &Server) {
    run(
        server,
        "workspaces create closed --access restricted --workspace acme/main --json",
    )
    .await
    .exits(0);
    let ran = run(server, "run -e 1 --workspace acme/closed --json")
        .await
        .exits(0)
        .json();
    assert_eq!(ran["status"], "completed", "{ran:#}");
    let listed = run(server, "workspaces list --json").await.exits(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "{listed:#}");
    run(server, "workspaces change acme/closed --access open --json")
        .await
        .exits(0);
    let ann = run(server, "members add Ann --workspace acme/main --json")
        .await
        .exits(0)
        .json();
    let ann = text(&ann["id"]);
    let named = [
        "workspaces",
        "members",
        "acme/closed",
        "--add",
        &ann,
        "--json",
    ];
    let named = server.cli(&named).await.exits(0).json();
    assert_eq!(named.as_array().map(Vec::len), Some(2), "{named:#}");
    run(server, "workspaces delete acme/closed").await.exits(2);
    run(server, "workspaces delete acme/closed --confirm main")
        .await
        .exits(2);
    run(
        server,
        "workspaces delete acme/closed --confirm closed --json",
    )
    .await
    .exits(0);
    let gone = run(server, "workspaces deleted --json")
        .await
        .exits(0)
        .json();
    assert_eq!(gone.as_array().map(Vec::len), Some(1), "{gone:#}");
    run(server, "workspaces restore acme/closed --json")
        .await
        .exits(0);
}

async fn invites_from_the_command_line(server: &Server) {
    let invite = run(
        server,
        "members invite --role admin --workspace acme/main --json",
    )
    .await
    .exits(0)
    .json();
    let shown = [
        "invites",
        "show",
        invite["url"].as_str().expect("a link"),
        "--json",
    ];
    let shown = server.cli(&shown).await.exits(0).json();
    assert_eq!(shown["organization"]["slug"], "acme", "{shown:#}");
    let accepted = ["invites", "accept", invite["url"].as_str().expect("a link")];
    server.cli(&accepted).await.exits(1).says(&["member"]);
    let id = text(&invite["invite"]["id"]);
    let revoked = ["members", "revoke-invite", &id, "--workspace", "acme/main"];
    server.cli(&revoked).await.exits(0);
    let invites = run(server, "invites list --workspace acme/main --json")
        .await
        .exits(0)
        .json();
    assert_eq!(invites[0]["status"], "revoked", "{invites:#}");
}
