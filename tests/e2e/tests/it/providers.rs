//! Signing in by an OpenID Connect provider: who gets in, who does not, and what an attacker between
//! browser, provider and server can do.

use crate::browser::{Browser, Shown};
use crate::database::Database;
use crate::issuer::{Issuer, SECRET, person};
use crate::people::text;
use crate::real_authority::{Person, Real};
use crate::server::Server;
use serde_json::{Value, json};

on_both_databases!(
    people_sign_in_by_a_provider,
    an_answer_counts_once_from_whom_was_asked_in_the_browser_that_was_sent,
    what_a_provider_says_is_verified,
    a_provider_that_is_down_stops_nobody_who_is_signed_in,
    the_first_owner_knows_the_secret_of_the_console,
    roles_and_domains_follow_the_provider,
    a_real_provider_signs_people_in,
);

/// The parameters of an address, in their order.
pub(crate) type Pairs = Vec<(String, String)>;

pub(crate) async fn started(database: Database, more: &[(&str, &str)]) -> (Server, Issuer) {
    let issuer = Issuer::start().await;
    let mut server = Server::prepare(database);
    server.environment = issuer.settings("oidc");
    server.environment.extend(
        more.iter()
            .map(|(name, value)| (format!("EXECUTOR_SIGN_IN_{name}"), (*value).to_owned())),
    );
    server.launch().await;
    (server, issuer)
}

/// Goes to the provider and back: the answer that the browser brings, not yet given.
async fn away(browser: &mut Browser, next: &str) -> String {
    let sent = browser.get(&format!("/sign-in/begin?next={next}")).await;
    assert_eq!(sent.status, 303, "{sent:#?}");
    let back = browser.get(sent.leads()).await;
    assert_eq!(back.status, 302, "{back:#?}");
    back.leads().to_owned()
}

pub(crate) async fn sign_in(browser: &mut Browser) -> Shown {
    let back = away(browser, "/tasks").await;
    browser.get(&back).await
}

async fn people_sign_in_by_a_provider(database: Database) {
    let (server, issuer) = started(database, &[]).await;
    let mut ada = Browser::new(&server);
    let page = ada.get("/tasks/task_1?x=1").await;
    assert_eq!(page.status, 401);
    assert!(
        page.body
            .contains("/sign-in/begin?next=/tasks/task_1%3Fx%3D1"),
        "{page:#?}"
    );
    let api = ada.api("GET", "/me", None).await;
    assert!(
        text(&api.json()["nextStep"]).contains("/sign-in"),
        "{api:#?}"
    );
    let shown = sign_in(&mut ada).await;
    assert_eq!((shown.status, shown.leads()), (303, "/tasks"), "{shown:#?}");
    let me = ada.api("GET", "/me", None).await.json();
    assert_eq!(me["name"], "Name of ada", "{me:#}");
    assert_eq!(me["role"], "member");
    let first = text(&me["accountId"]);

    // The same person again, in another browser: the same account.
    let mut again = Browser::new(&server);
    sign_in(&mut again).await;
    assert_eq!(again.who().await.as_deref(), Some(first.as_str()));

    // Somebody else with the same address is somebody else.
    issuer.book(|b| {
        b.claims = person("eve");
        b.claims["email"] = json!("ada@acme.example");
        b.claims["name"] = json!("Name of ada");
    });
    let mut eve = Browser::new(&server);
    sign_in(&mut eve).await;
    assert_ne!(eve.who().await.expect("signed in"), first);

    // Only paths of this server are gone to afterwards.
    for bad in ["//evil.example", "https://evil.example", "/%5Cevil.example"] {
        let mut browser = Browser::new(&server);
        let back = away(&mut browser, bad).await;
        let shown = browser.get(&back).await;
        assert_eq!((shown.status, shown.leads()), (303, "/"), "{bad}");
    }

    // The user who runs the server is no stranger to it, by what only that user can read.
    let me = server.cli(&["members", "list", "--json"]).await.exits(0);
    assert_eq!(me.json().as_array().map(Vec::len), Some(3), "{me:#?}");
    let bare = server.send("GET", "/me", None).await;
    assert_eq!(bare.status, 401, "being at the same machine is not enough");
    assert!(!String::from_utf8_lossy(&server.heard()).contains(SECRET));
    let config = server.cli(&["config", "--json"]).await.exits(0);
    assert!(config.out.contains("sign_in_issuer") && !config.out.contains(SECRET));
    server.cli(&["doctor"]).await.says(&["sign-in"]);
}

async fn an_answer_counts_once_from_whom_was_asked_in_the_browser_that_was_sent(
    database: Database,
) {
    let (server, issuer) = started(database, &[]).await;
    let mut browser = Browser::new(&server);
    let back = away(&mut browser, "/").await;

    // In another browser it counts for nothing (M09), and stays good for the first.
    let mut other = Browser::new(&server);
    let stolen = other.get(&back).await;
    assert_eq!(stolen.status, 422, "{stolen:#?}");
    assert_eq!(other.who().await, None);
    away(&mut other, "/").await;
    let stolen = other.get(&back).await;
    assert_eq!(stolen.status, 422, "{stolen:#?}");

    // Without a state, with another, with one that stands twice.
    let mut url = reqwest::Url::parse(&back).expect("an address");
    let own: Pairs = url.query_pairs().into_owned().collect();
    let with = |change: &dyn Fn(&mut Pairs)| {
        let mut pairs = own.clone();
        change(&mut pairs);
        url.query_pairs_mut().clear().extend_pairs(&pairs);
        url.to_string()
    };
    let set = |pairs: &mut Pairs, name: &str, value: &str| {
        for pair in pairs.iter_mut().filter(|(n, _)| n == name) {
            value.clone_into(&mut pair.1);
        }
    };
    let mut with = with;
    for bad in [
        with(&|p| p.retain(|(n, _)| n != "state")),
        with(&|p| set(p, "state", &"0".repeat(64))),
        with(&|p| p.push(("state".into(), "x".into()))),
        with(&|p| p.retain(|(n, _)| n != "code")),
    ] {
        let shown = browser.get(&bad).await;
        assert_eq!(shown.status, 422, "{bad}: {shown:#?}");
        assert_eq!(browser.who().await, None, "{bad}");
    }
    let good = browser.get(&back).await;
    assert_eq!(good.status, 303, "the way itself stayed open: {good:#?}");
    assert!(browser.who().await.is_some());
    let replayed = browser.get(&back).await;
    assert_eq!(replayed.status, 422, "once: {replayed:#?}");

    // Somebody else's code in one's own answer: the verifier does not fit (M09).
    let mut victim = Browser::new(&server);
    let theirs = away(&mut victim, "/").await;
    let code = |url: &str| {
        let url = reqwest::Url::parse(url).expect("an address");
        let mut pairs = url.query_pairs();
        let found = pairs.find(|(n, _)| n == "code").expect("a code");
        found.1.into_owned()
    };
    let mut attacker = Browser::new(&server);
    let mine = away(&mut attacker, "/").await;
    let injected = mine.replace(&code(&mine), &code(&theirs));
    let shown = attacker.get(&injected).await;
    assert_eq!(shown.status, 422, "{shown:#?}");
    assert_eq!(attacker.who().await, None);

    // Another provider's answer, or one that does not say whose it is though it promised (M07).
    let traded = issuer.book(|b| b.traded);
    for iss in [
        None,
        Some("https://evil.example".to_owned()),
        Some(format!("{}/", issuer.url())),
        Some(issuer.url().to_uppercase()),
    ] {
        issuer.book(|b| b.iss.clone_from(&iss));
        let mut browser = Browser::new(&server);
        let shown = sign_in(&mut browser).await;
        assert_eq!(shown.status, 422, "{iss:?}: {shown:#?}");
        assert_eq!(browser.who().await, None, "{iss:?}");
    }
    assert_eq!(issuer.book(|b| b.traded), traded, "no code was sent on");
    let own = issuer.url().to_owned();
    issuer.book(|b| b.iss = Some(own));
    let mut browser = Browser::new(&server);
    assert_eq!(sign_in(&mut browser).await.status, 303);
}

async fn what_a_provider_says_is_verified(database: Database) {
    let (server, issuer) = started(database, &[]).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    for bad in [
        json!({ "iss": "https://evil.example" }),
        json!({ "aud": "another-client" }),
        json!({ "aud": ["executor", "another-client"] }),
        json!({ "azp": "another-client" }),
        json!({ "exp": now - 3_600 }),
        json!({ "iat": now + 3_600 }),
        json!({ "iat": now - 7_200 }),
        json!({ "nonce": "of another request" }),
        json!({ "nonce": Value::Null }),
        json!({ "sub": Value::Null }),
    ] {
        issuer.book(|b| b.over = bad.clone());
        let mut browser = Browser::new(&server);
        let shown = sign_in(&mut browser).await;
        assert_eq!(shown.status, 422, "{bad}: {shown:#?}");
        assert_eq!(browser.who().await, None, "{bad}");
    }
    issuer.book(|b| b.over = json!({}));
    let mut browser = Browser::new(&server);
    assert_eq!(sign_in(&mut browser).await.status, 303, "the control");

    // A key that the provider does not list.
    issuer.book(|b| b.signs = 2);
    let mut browser = Browser::new(&server);
    assert_eq!(sign_in(&mut browser).await.status, 422);
    // A new key is found when it is needed, and the old one is kept in mind until then.
    let read = issuer.book(|b| {
        (b.signs, b.lists) = (1, vec![1, 0]);
        b.keys_read
    });
    let mut browser = Browser::new(&server);
    assert_eq!(sign_in(&mut browser).await.status, 303);
    let mut browser = Browser::new(&server);
    assert_eq!(sign_in(&mut browser).await.status, 303);
    assert_eq!(issuer.book(|b| b.keys_read), read + 1, "read once more");
}

async fn a_provider_that_is_down_stops_nobody_who_is_signed_in(database: Database) {
    let (server, issuer) = started(database, &[]).await;
    let mut ada = Browser::new(&server);
    sign_in(&mut ada).await;
    let mut late = Browser::new(&server);
    let back = away(&mut late, "/").await;
    issuer.book(|b| b.down = true);
    let shown = late.get(&back).await;
    assert_eq!(shown.status, 503, "{shown:#?}");
    assert!(
        shown.body.contains("whoever is signed in stays so"),
        "{shown:#?}"
    );
    assert!(ada.who().await.is_some(), "sessions go on");
    let done = ada
        .api("POST", "/tasks", Some(&json!({ "code": "return 1" })))
        .await;
    assert!(done.status < 300, "{done:#?}");
    assert_eq!(ada.get("/").await.status, 200);
    let page = Browser::new(&server).get("/sign-in").await;
    assert_eq!(page.status, 200, "the page is there all the same");
    server
        .cli(&["doctor"])
        .await
        .exits(1)
        .says(&["sign-in", "503"]);
    issuer.book(|b| b.down = false);
    let mut late = Browser::new(&server);
    assert_eq!(sign_in(&mut late).await.status, 303);
}

/// The secret that the console shows.
fn console_secret(server: &Server) -> Option<String> {
    let log = server.log();
    let line = log.lines().rfind(|l| l.contains("/setup and enter "))?;
    Some(line.rsplit(' ').next()?.to_owned())
}

async fn the_first_owner_knows_the_secret_of_the_console(database: Database) {
    let (mut server, issuer) = started(database, &[]).await;
    let secret = console_secret(&server).expect("the console shows one");
    let in_files = std::fs::read_dir(server.data())
        .expect("it reads")
        .filter_map(Result::ok)
        .filter_map(|entry| std::fs::read(entry.path()).ok())
        .any(|bytes| bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
    assert!(!in_files, "it is written nowhere");
    let (mut ada, mut eve) = (Browser::new(&server), Browser::new(&server));
    let page = ada.get("/setup").await;
    assert_eq!(page.status, 401, "whoever sets up signs in first");
    sign_in(&mut ada).await;
    issuer.book(|b| b.claims = person("eve"));
    sign_in(&mut eve).await;
    let wrong = eve.post("/setup", &[("secret", "aaaa-aaaa")]).await;
    assert_eq!(wrong.status, 422, "{wrong:#?}");
    // Guessing gets slower, and takes nothing from whoever knows it.
    let mut told = Vec::new();
    for n in 0..20 {
        let guess = format!("guess-{n}");
        told.push(eve.post("/setup", &[("secret", &guess)]).await.status);
    }
    assert_eq!(told.last(), Some(&429), "{told:?}");
    let role = |me: Shown| text(&me.json()["role"]);
    assert_eq!(role(eve.api("GET", "/me", None).await), "member");

    // Of several who know it and come at once, one becomes the owner (W08).
    let mut more = Vec::new();
    for n in 0..6 {
        issuer.book(|b| b.claims = person(&format!("p{n}")));
        let mut browser = Browser::new(&server);
        sign_in(&mut browser).await;
        more.push(browser);
    }
    let racing: Vec<_> = more
        .into_iter()
        .map(|mut browser| {
            let secret = secret.clone();
            tokio::spawn(async move {
                let shown = browser.post("/setup", &[("secret", &secret)]).await;
                let me = browser.api("GET", "/me", None).await;
                (shown.status, text(&me.json()["role"]))
            })
        })
        .collect();
    let mut ended = Vec::new();
    for racer in racing {
        ended.push(racer.await.expect("it ends"));
    }
    let owners = ended.iter().filter(|(_, role)| role == "owner").count();
    assert_eq!(owners, 1, "{ended:?}");
    let won = ended.iter().filter(|(status, _)| *status == 303).count();
    assert_eq!(won, 1, "{ended:?}");
    let late = ada.post("/setup", &[("secret", &secret)]).await;
    assert!(matches!(late.status, 422 | 429), "{late:#?}");
    assert!(
        !late.body.contains("already"),
        "no word on whether it was right"
    );
    server.stop().await;
    let lines = server.log().matches("/setup and enter").count();
    server.launch().await;
    let after = server.log().matches("/setup and enter").count();
    assert_eq!(after, lines, "nobody is waited for any more");
}

async fn roles_and_domains_follow_the_provider(database: Database) {
    let (server, issuer) = started(
        database,
        &[
            ("ROLE_CLAIM", "groups"),
            ("ROLE_MAP", "ops=admin,billing=billing_admin"),
            ("EMAIL_DOMAINS", "acme.example"),
        ],
    )
    .await;
    let claims = |groups: Value| {
        let mut claims = person("ada");
        claims["groups"] = groups;
        claims
    };
    issuer.book(|b| b.claims = claims(json!(["ops", "all"])));
    let mut ada = Browser::new(&server);
    sign_in(&mut ada).await;
    let me = ada.api("GET", "/me", None).await.json();
    assert_eq!(me["role"], "admin", "{me:#}");
    let mut elsewhere = Browser::new(&server);
    issuer.book(|b| b.claims = claims(json!(["all"])));
    sign_in(&mut elsewhere).await;
    let me = elsewhere.api("GET", "/me", None).await.json();
    assert_eq!(me["role"], "member", "{me:#}");
    assert_eq!(
        ada.who().await,
        None,
        "the session of another role has ended"
    );

    for (email, verified) in [
        (json!("ada@evil.example"), json!(true)),
        (json!("ada@acme.example"), json!(false)),
        (json!("ada@acme.example.evil.example"), json!(true)),
        (Value::Null, json!(true)),
    ] {
        issuer.book(|b| {
            b.claims = person("bob");
            b.claims["email"] = email.clone();
            b.claims["email_verified"] = verified.clone();
        });
        let mut bob = Browser::new(&server);
        let shown = sign_in(&mut bob).await;
        assert_eq!(shown.status, 422, "{email} {verified}: {shown:#?}");
        assert_eq!(bob.who().await, None);
    }
    issuer.book(|b| b.claims = person("bob"));
    let mut bob = Browser::new(&server);
    assert_eq!(sign_in(&mut bob).await.status, 303, "the control");
}

/// The provider of another maker, with pages of its own on which a person signs in.
async fn a_real_provider_signs_people_in(database: Database) {
    let mut server = Server::prepare(database);
    let callback = format!("{}/sign-in/callback", server.url());
    let real = Real::for_callback(&callback).await;
    server.environment = [
        ("MODE", "oidc"),
        ("ISSUER", real.issuer.as_str()),
        ("CLIENT_ID", "app"),
        ("CLIENT_SECRET", "app-secret-0123456789"),
        ("SCOPES", "openid"),
    ]
    .iter()
    .map(|(name, value)| (format!("EXECUTOR_SIGN_IN_{name}"), (*value).to_owned()))
    .collect();
    server.launch().await;
    let mut ada = Browser::new(&server);
    let sent = ada.get("/sign-in/begin?next=/tasks").await;
    let back = Person::new().agree(sent.leads(), &callback).await;
    let mut other = Browser::new(&server);
    assert_eq!(other.get(&back).await.status, 422, "the control");
    let shown = ada.get(&back).await;
    assert_eq!((shown.status, shown.leads()), (303, "/tasks"), "{shown:#?}");
    let me = ada.api("GET", "/me", None).await.json();
    assert_eq!(me["name"], "ada@authority.example", "{me:#}");
}

#[tokio::test]
async fn settings_that_do_not_belong_together_are_refused() {
    let issuer = Issuer::start().await;
    let set = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(n, v)| (format!("EXECUTOR_SIGN_IN_{n}"), (*v).to_owned()))
            .collect()
    };
    for (pairs, says) in [
        (set(&[("MODE", "sso")]), "sign_in_mode"),
        (set(&[("MODE", "oidc")]), "sign_in_issuer"),
        (
            set(&[("MODE", "oidc"), ("ISSUER", issuer.url())]),
            "sign_in_client_id",
        ),
        (set(&[("ISSUER", issuer.url())]), "sign_in_issuer"),
        (
            set(&[
                ("MODE", "oidc"),
                ("ISSUER", "http://id.example.com"),
                ("CLIENT_ID", "x"),
            ]),
            "sign_in_issuer",
        ),
        (
            set(&[("MODE", "workos"), ("CLIENT_ID", "client_1")]),
            "sign_in_client_secret",
        ),
        (
            set(&[("MODE", "local"), ("PROVIDER", "oidc")]),
            "sign_in_provider",
        ),
    ] {
        let mut server = Server::prepare(Database::sqlite());
        server.environment = pairs.clone();
        let refused = server.launch_refused().await;
        assert_eq!(refused.code, 2, "{pairs:?}: {refused:#?}");
        assert!(refused.err.contains(says), "{pairs:?}: {refused:#?}");
    }
    let mut server = Server::prepare(Database::sqlite());
    server.environment = issuer.settings("oidc");
    server.launch().await;
}
