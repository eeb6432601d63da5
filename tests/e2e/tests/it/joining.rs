//! How persons come into an organization and go out of it, what each role may do there, and all of it
//! from the command line.

use crate::database::Database;
use crate::people::{SCOPES, text};
use crate::server::Server;
use serde_json::{Value, json};

on_both_databases!(roles_of_persons_in_an_organization, from_the_command_line);

/// What a person may who is not the organization's owner: the local person joins it in each role.
async fn roles_of_persons_in_an_organization(database: Database) {
    let server = Server::start(database).await;
    let new = json!({ "name": "Club", "slug": "club" });
    server.post("/organizations", new).await;
    let at = |path: &str| format!("{path}?workspace=club/main");
    let me = text(&server.get("/me").await["accountId"]);
    let other = json!({ "name": "Other", "role": "owner" });
    let other = text(&server.post(&at("/members"), other).await["id"]);
    let key = json!({ "name": "other", "member": other, "scopes": SCOPES });
    let key = text(&server.post(&at("/keys"), key).await["secret"]);
    server
        .post(&at("/workspaces"), json!({ "slug": "spare" }))
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
            ("DELETE", at("/workspaces/club%2Fspare"), None, admin, 422),
            (
                "PATCH",
                at("/workspaces/club%2Fspare"),
                Some(&wrong),
                admin,
                422,
            ),
            (
                "POST",
                at("/workspaces/club%2Fspare/members"),
                Some(&whom),
                admin,
                404,
            ),
            (
                "GET",
                at("/workspaces/club%2Fspare/members"),
                None,
                admin,
                200,
            ),
            ("GET", at("/invites"), None, admin, 200),
            ("GET", at("/members"), None, admin, 200),
            ("GET", at("/audit"), None, admin, 200),
        ] {
            let answer = server.send(method, &path, body).await;
            let expected = if may { otherwise } else { 403 };
            assert_eq!(
                answer.status, expected,
                "{method} {path} by {role}: {answer:#?}"
            );
        }
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

/// Leaving, and coming back by an invite; and all the invites that do not work.
async fn an_invite_is_worth_what_its_author_is(server: &Server, key: &str, me: &str) {
    let left = server
        .send("DELETE", "/members/me?workspace=club/main", None)
        .await;
    assert_eq!(left.status, 204, "{left:#?}");
    let gone = server.send("GET", "/me?workspace=club/main", None).await;
    assert_eq!(gone.status, 404, "{gone:#?}");
    let invite = |body: Value| async move {
        let made = server
            .send_as(Some(key), "POST", "/invites", Some(&body))
            .await;
        assert_eq!(made.status, 201, "{made:#?}");
        made.body
    };
    let accept = |token: String| async move {
        let given = json!({ "token": token });
        server
            .send("POST", "/invitations/accept", Some(&given))
            .await
    };
    let token = |made: &Value| {
        let url = text(&made["url"]);
        url.rsplit_once("/invite/").expect("a link").1.to_owned()
    };
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
    let (revoked, good) = (
        invite(json!({})).await,
        invite(json!({ "role": "admin" })).await,
    );
    let path = format!("/invites/{}", text(&revoked["invite"]["id"]));
    let done = server.send_as(Some(key), "DELETE", &path, None).await;
    assert_eq!(done.status, 204, "{done:#?}");
    // Looking uses nothing up, neither by the API nor on the page.
    let page = format!("{}/invite/{}", server.url(), token(&good));
    for _ in 0..2 {
        let shown = server.http.get(&page).send().await.expect("a page");
        assert_eq!(shown.status(), 200);
        let shown = shown.text().await.expect("text");
        assert!(shown.contains("Club") && shown.contains("Other"), "{shown}");
    }
    let from_elsewhere = server
        .http
        .post(&page)
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(from_elsewhere.status(), 403);
    let without = server.http.post(&page).send().await.expect("an answer");
    assert_eq!(without.status(), 403, "a form says where it comes from");
    let stranger = server
        .http
        .get(&page)
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
        .post(&page)
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
    let me_there = server.get("/me?workspace=club/main").await;
    assert_eq!(me_there["role"], "admin", "{me_there:#}");
    let twice = invite(json!({})).await;
    let twice = accept(token(&twice)).await;
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
    let words = |reply: &crate::api::Reply| (reply.status, reply.body.to_string());
    let unknown = accept("0".repeat(64)).await;
    assert_eq!(unknown.status, 422, "{unknown:#?}");
    for void in [token(&own), token(&revoked), token(&good)] {
        let refused = accept(void).await;
        assert_eq!(words(&refused), words(&unknown));
    }
    let log = server.log();
    assert!(!log.contains(&token(&good)), "no log holds a token");
}

async fn from_the_command_line(database: Database) {
    let server = Server::start(database).await;
    let run = |line: &'static str| {
        let server = &server;
        async move { server.cli(&line.split(' ').collect::<Vec<_>>()).await }
    };
    let made = run("organizations create Acme --json")
        .await
        .exits(0)
        .json();
    assert_eq!(
        (&made["slug"], &made["role"]),
        (&json!("acme"), &json!("owner"))
    );
    let second = run("orgs create Acme --json").await.exits(0).json();
    assert!(
        text(&second["slug"]).starts_with("acme-"),
        "a name that is taken is marked: {second:#}"
    );
    run("organizations rename acme --name Acme2 --json")
        .await
        .exits(0);
    run("workspaces create closed --access restricted --workspace acme/main --json")
        .await
        .exits(0);
    let ran = run("run -e 1 --workspace acme/closed --json")
        .await
        .exits(0)
        .json();
    assert_eq!(ran["status"], "completed", "{ran:#}");
    let listed = run("workspaces list --json").await.exits(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "{listed:#}");
    run("workspaces change acme/closed --access open --json")
        .await
        .exits(0);
    let ann = run("members add Ann --workspace acme/main --json")
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
    run("workspaces delete acme/closed").await.exits(2);
    run("workspaces delete acme/closed --confirm main")
        .await
        .exits(2);
    run("workspaces delete acme/closed --confirm closed --json")
        .await
        .exits(0);
    let gone = run("workspaces deleted --json").await.exits(0).json();
    assert_eq!(gone.as_array().map(Vec::len), Some(1), "{gone:#}");
    run("workspaces restore acme/closed --json").await.exits(0);
    let invite = run("members invite --role admin --workspace acme/main --json")
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
    let invites = run("invites list --workspace acme/main --json")
        .await
        .exits(0)
        .json();
    assert_eq!(invites[0]["status"], "revoked", "{invites:#}");
    run("members leave --workspace acme/main")
        .await
        .exits(1)
        .says(&["last owner"]);
    run("organizations delete acme").await.exits(2);
    run("organizations delete acme --confirm acme --json")
        .await
        .exits(0);
    run("tasks list --workspace acme/main").await.exits(1);
    run("organizations restore acme --json").await.exits(0);
    run("tasks list --workspace acme/main").await.exits(0);
}
