//! Addresses that answers may go to and those that they may not, and what is shown of a client.

use super::*;

fn ours() -> Vec<String> {
    vec!["executor.example".to_owned(), "127.0.0.1:5312".to_owned()]
}

#[test]
fn answers_go_where_they_may() {
    for good in [
        "https://client.example/callback",
        "https://client.example:8443/callback?x=1",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:49152/cb",
        "http://[::1]:7/cb",
        "http://localhost:3000/oauth/callback",
        "cursor://anysphere.cursor-retrieval/oauth/callback",
        "com.example.app:/oauth2redirect",
    ] {
        assert_eq!(check_redirect(good, &ours()), Ok(()), "{good}");
    }
    for (bad, why) in [
        ("", BadRedirect::Malformed),
        ("/callback", BadRedirect::Malformed),
        ("https:", BadRedirect::Malformed),
        ("https:client.example", BadRedirect::Malformed),
        ("https:///cb", BadRedirect::Malformed),
        ("https://client.example/a b", BadRedirect::Malformed),
        (
            "https://client.example\\@evil.example/",
            BadRedirect::Malformed,
        ),
        ("https://client.example/\u{202e}cb", BadRedirect::Malformed),
        ("https://client.example:x/", BadRedirect::Malformed),
        ("https://client.example/cb#part", BadRedirect::Fragment),
        ("https://good.example@evil.example/cb", BadRedirect::User),
        ("http://client.example/cb", BadRedirect::Plain),
        ("http://127.0.0.1.evil.example/cb", BadRedirect::Plain),
        ("http://localhost.evil.example/cb", BadRedirect::Plain),
        ("javascript:alert(1)", BadRedirect::Scheme),
        ("JavaScript:alert(1)", BadRedirect::Scheme),
        ("data:text/html,x", BadRedirect::Scheme),
        ("file:///etc/passwd", BadRedirect::Scheme),
        ("vbscript:x", BadRedirect::Scheme),
        ("https://executor.example/connect", BadRedirect::Ours),
        ("https://EXECUTOR.example:443/connect", BadRedirect::Ours),
        ("http://127.0.0.1:5312/oauth/callback", BadRedirect::Ours),
    ] {
        assert_eq!(check_redirect(bad, &ours()), Err(why), "{bad}");
    }
    let long = format!("https://client.example/{}", "x".repeat(ADDRESS_BYTES_MAX));
    assert_eq!(check_redirect(&long, &ours()), Err(BadRedirect::TooLong));
}

#[test]
fn an_address_matches_itself_and_a_loopback_one_at_any_port() {
    for (registered, wanted, matches) in [
        ("https://a.example/cb", "https://a.example/cb", true),
        ("https://a.example/cb", "https://a.example/cb/", false),
        ("https://a.example/cb", "https://a.example/cb?x=1", false),
        ("https://a.example/cb", "https://A.example/cb", false),
        ("https://a.example/cb", "https://a.example:444/cb", false),
        ("https://a.example/cb", "http://a.example/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:5000/cb", true),
        ("http://localhost/cb", "http://localhost:5000/cb", true),
        ("http://[::1]/cb", "http://[::1]:5000/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5000/other", false),
        (
            "http://127.0.0.1/cb",
            "http://127.0.0.1:5000/cb?next=1",
            false,
        ),
        ("http://127.0.0.1/cb", "http://localhost:5000/cb", false),
        ("http://127.0.0.1/cb", "https://127.0.0.1:5000/cb", false),
        (
            "http://127.0.0.1/cb",
            "http://127.0.0.1:5000@evil.example/cb",
            false,
        ),
        (
            "http://127.0.0.1/cb",
            "http://127.0.0.1.evil.example/cb",
            false,
        ),
        ("app:/cb", "app:/cb", true),
        ("app:/cb", "app:/cb2", false),
    ] {
        assert_eq!(
            redirect_matches(registered, wanted),
            matches,
            "{registered} {wanted}"
        );
    }
}

#[test]
fn what_is_shown_is_where_it_goes() {
    assert_eq!(shown_host("https://a.example:8443/cb"), "a.example");
    assert_eq!(shown_host("http://127.0.0.1:5000/cb"), "127.0.0.1");
    assert_eq!(shown_host("cursor://anysphere/cb"), "cursor:");
    assert_eq!(
        form_target("https://a.example:8443/cb").as_deref(),
        Some("https://a.example:8443")
    );
    assert_eq!(
        form_target("cursor://anysphere/cb").as_deref(),
        Some("cursor:")
    );
    assert_eq!(form_target("https://a;b.example/cb"), None);
    assert_eq!(
        shown_name("  Claude\u{202e}\u{200b}\n Code\u{0} "),
        "Claude Code"
    );
    assert_eq!(shown_name("\u{200b}\t"), "");
    assert_eq!(shown_name(&"x".repeat(500)).len(), NAME_CHARS_MAX);
    assert_eq!(shown_name("<b>Über</b>"), "<b>Über</b>");
}

#[test]
fn a_document_has_one_address() {
    for good in [
        "https://a.example/client.json",
        "https://a.example:8443/x?y=1",
    ] {
        assert!(is_document_address(good), "{good}");
    }
    for bad in [
        "https://a.example",
        "https://a.example/",
        "http://a.example/client.json",
        "HTTPS://a.example/client.json",
        "https://A.example/client.json",
        "https://a.example/../client.json",
        "https://a.example/x/%2E%2e/client.json",
        "https://u:p@a.example/client.json",
        "https://a.example/client.json#x",
        "javascript:alert(1)",
        "client_1",
    ] {
        assert!(!is_document_address(bad), "{bad}");
    }
}
