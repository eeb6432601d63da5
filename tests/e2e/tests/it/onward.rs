//! Where a browser goes once it is signed in, and once it is signed out: to the page that it wanted, to
//! the provider's own way out, and nowhere else.

use crate::browser::Browser;
use crate::database::Database;
use crate::issuer::Issuer;
use crate::keeping::texts;
use crate::people::text;
use crate::providers::{Pairs, sign_in, started};
use serde_json::json;

on_both_databases!(
    whoever_signs_out_is_led_to_the_providers_way_out,
    whoever_is_sent_to_sign_in_ends_where_they_were_going,
);

/// The parameters with which a browser is sent to the provider's way out.
fn sent_out(issuer: &Issuer, leads: &str) -> Pairs {
    let url = reqwest::Url::parse(leads).expect("an address");
    assert!(leads.starts_with(issuer.url()), "{leads}");
    assert_eq!(url.path(), "/way-out");
    url.query_pairs().into_owned().collect()
}

async fn whoever_signs_out_is_led_to_the_providers_way_out(database: Database) {
    let (mut server, issuer) = started(database, &[]).await;
    // The control: a provider that publishes none is left alone.
    let mut ada = Browser::new(&server);
    sign_in(&mut ada).await;
    let out = ada.post("/sign-out", &[]).await;
    assert_eq!((out.status, out.leads()), (303, "/sign-in"));

    // What the provider says of itself is read again by the next start.
    let way_out = format!("{}/way-out?kept=1", issuer.url());
    issuer.book(|b| b.metadata = json!({ "end_session_endpoint": way_out }));
    server.stop().await;
    server.launch().await;
    sign_in(&mut ada).await;
    let mut stale = Browser::new(&server);
    stale.cookies = ada.cookies.clone();
    let given = issuer
        .book(|b| b.signed.clone())
        .expect("an identity token");
    let stored = texts(
        &server,
        "select way_out from sessions where way_out is not null",
    );
    assert_eq!(stored.len(), 1, "{stored:?}");
    let said = given.split('.').nth(1).expect("claims");
    assert!(
        !stored[0].contains(said),
        "no token of the provider is at rest"
    );
    let out = ada.post("/sign-out", &[]).await;
    assert_eq!(out.status, 303, "{out:#?}");
    let pairs = sent_out(&issuer, out.leads());
    let of = |name: &str| {
        let mut found = pairs.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "{name} twice: {pairs:?}");
        value
    };
    assert_eq!(of("kept").as_deref(), Some("1"));
    assert_eq!(of("client_id").as_deref(), Some("executor"));
    assert_eq!(of("id_token_hint"), Some(given.clone()));
    let back = format!("{}/sign-in", server.url());
    assert_eq!(of("post_logout_redirect_uri"), Some(back));
    assert_eq!(stale.who().await, None, "ours has ended");
    // A second time there is nothing to end, and nothing is told of what there was.
    let again = stale.post("/sign-out", &[]).await;
    assert_eq!(again.leads(), "/sign-in");

    // A page asks for it as JSON.
    sign_in(&mut ada).await;
    let asked = ada
        .http()
        .post(format!("{}/sign-out", server.url()))
        .header("accept", "application/json");
    let told = ada.send(asked).await;
    assert_eq!(told.status, 200, "{told:#?}");
    sent_out(&issuer, &text(&told.json()["next"]));
    // Whoever came by a link has no session there.
    let mut owner = Browser::new(&server);
    owner.follow_link(&server).await;
    let out = owner.post("/sign-out", &[]).await;
    assert_eq!(out.leads(), "/sign-in");

    // A provider that is down, or names a place where tokens would be read, keeps nobody signed in.
    for (down, place) in [(true, way_out.as_str()), (false, "http://evil.example/out")] {
        issuer.book(|b| b.metadata = json!({ "end_session_endpoint": place }));
        sign_in(&mut ada).await;
        let mut stale = Browser::new(&server);
        stale.cookies = ada.cookies.clone();
        server.stop().await;
        server.launch().await;
        issuer.book(|b| b.down = down);
        let out = ada.post("/sign-out", &[]).await;
        assert_eq!(
            (out.status, out.leads()),
            (303, "/sign-in"),
            "{down} {place}"
        );
        issuer.book(|b| b.down = false);
        assert_eq!(stale.who().await, None, "{down} {place}");
    }
}

async fn whoever_is_sent_to_sign_in_ends_where_they_were_going(database: Database) {
    let (server, issuer) = started(database, &[]).await;
    let wanted = "/approvals/appr_1?x=1&y=a;b";
    // By the provider, also after it did not answer at first.
    let mut ada = Browser::new(&server);
    let page = ada.get(wanted).await;
    assert_eq!(page.status, 401, "{page:#?}");
    let begin = "/sign-in/begin?next=/approvals/appr_1%3Fx%3D1%26y%3Da%3Bb";
    assert!(page.body.contains(begin), "{page:#?}");
    let sent = ada.get(begin).await;
    let back = ada.get(sent.leads()).await.leads().to_owned();
    issuer.book(|b| b.down = true);
    assert_eq!(ada.get(&back).await.status, 503);
    issuer.book(|b| b.down = false);
    let again = ada.get("/sign-in").await;
    assert!(again.body.contains(begin), "{again:#?}");
    let sent = ada.get(begin).await;
    let back = ada.get(sent.leads()).await.leads().to_owned();
    let shown = ada.get(&back).await;
    assert_eq!((shown.status, shown.leads()), (303, wanted), "{shown:#?}");
    let kept = ada.cookies.keys().any(|name| name.contains("next"));
    assert!(!kept, "it is on its way: {:?}", ada.cookies);

    // By a link, which whoever runs the server makes and which says nothing of a page.
    let link = async |more: &[&str]| {
        let all = [&["web", "--print", "--json"], more].concat();
        let made = server.cli(&all).await.exits(0);
        text(&made.json()["url"])
    };
    let mut bob = Browser::new(&server);
    bob.get(wanted).await;
    let shown = bob.get(&link(&[]).await).await;
    assert_eq!((shown.status, shown.leads()), (303, wanted), "{shown:#?}");
    let mut next = Browser::new(&server);
    let shown = next.get(&link(&["--page", "/tasks"]).await).await;
    assert_eq!((shown.status, shown.leads()), (303, "/tasks"));
    let mut plain = Browser::new(&server);
    let shown = plain.get(&link(&[]).await).await;
    assert_eq!(shown.leads(), "/", "the control");

    // Nowhere but to this server: in an address, in what the browser keeps, in either form.
    let name = format!("executor_sign_in_{}_next", server.port);
    for bad in [
        "//evil.example",
        "/%2F/evil.example/..//",
        "\\\\evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example/tasks",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\r\nset-cookie: a=b",
        "/tasks\u{0}",
        "//evil.example\u{2f}tasks",
    ] {
        let mut url = reqwest::Url::parse(&link(&[]).await).expect("an address");
        url.query_pairs_mut().append_pair("next", bad);
        let mut browser = Browser::new(&server);
        let shown = browser.get(url.as_str()).await;
        let leads = shown.leads().to_owned();
        let base = reqwest::Url::parse(&server.url()).expect("an address");
        let to = base.join(&leads).expect("an address");
        assert_eq!(to.origin(), base.origin(), "{bad:?} leads to {leads}");
        assert!(
            bad == "/%2F/evil.example/..//" || leads == "/",
            "{bad:?}: {leads}"
        );
        let encoded: String = bad.bytes().map(|b| format!("%{b:02X}")).collect();
        for kept in [encoded, bad.replace(['\r', '\n', '\t', '\0'], "")] {
            let mut browser = Browser::new(&server);
            browser.cookies.insert(name.clone(), kept.clone());
            let shown = browser.get(&link(&[]).await).await;
            let to = base.join(shown.leads()).expect("an address");
            assert_eq!(to.origin(), base.origin(), "{kept:?}: {shown:#?}");
        }
    }
}
