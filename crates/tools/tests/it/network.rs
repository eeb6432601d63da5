//! A network of hostile servers: names that change their mind, answers that never end, floods of
//! headers, bombs. Each case has its control, and every canary counts who came.

use crate::fixture::{fetch, limits};
use crate::upstream::{Reply, Seen, Upstream, answer, ok};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tools::{Egress, EgressConfig, FetchError, Names};

/// Names that lead where each next answer says; the last one stays.
fn names(answers: &[&[&str]]) -> (Names, Arc<AtomicUsize>) {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|all| all.iter().map(|ip| ip.parse().unwrap()).collect())
        .collect();
    let (left, asked) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let names: Names = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut left = left.lock().unwrap();
        if left.len() > 1 {
            left.remove(0)
        } else {
            left[0].clone()
        }
    });
    (names, asked)
}

fn closing(body: &'static str) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |_| {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
        Reply::Close(format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes())
    }
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialed() {
    let first = Upstream::start(closing("first")).await;
    let port = first.address.port();
    let second = Upstream::start_at(("127.0.0.2", port), closing("second")).await;
    let (names, asked) = names(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let egress = Egress::with_names(limits(), names);
    let url = format!("http://api.example:{port}/");
    // Allowed, so that both may be dialed: one look-up for each connection, and no second one.
    for expected in ["first", "second", "second"] {
        let read = fetch(&egress, &url, &[], true).await.unwrap();
        assert_eq!(read, expected.as_bytes());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!((first.connections(), second.connections()), (1, 2));
}

#[tokio::test]
async fn a_name_that_leads_inward_is_refused_whatever_else_it_leads_to() {
    let canary = Upstream::start(closing("canary")).await;
    let port = canary.address.port();
    let url = format!("http://api.example:{port}/");
    for answers in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["8.8.8.8", "9.9.9.9", "10.0.0.1", "1.1.1.1"],
        &["2606:4700:4700::1111", "::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["2002:7f00:1::"],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["fe80::1"],
        &["fec0::1"],
        &["100.64.0.1"],
        &["0.0.0.0"],
        &["224.0.0.1"],
        &["240.0.0.1"],
    ] {
        let egress = Egress::with_names(limits(), names(&[answers]).0);
        let error = fetch(&egress, &url, &[], false).await.unwrap_err();
        assert_eq!(error, FetchError::Refused, "{answers:?}");
    }
    // A grant is for private addresses; metadata services stay closed, also beside a good address.
    for answers in [&["169.254.169.254"][..], &["127.0.0.1", "169.254.169.254"]] {
        let egress = Egress::with_names(limits(), names(&[answers]).0);
        let error = fetch(&egress, &url, &[], true).await.unwrap_err();
        assert_eq!(error, FetchError::Refused, "{answers:?}");
    }
    for name in ["metadata.google.internal", "METADATA.google.internal."] {
        let egress = Egress::with_names(limits(), names(&[&["127.0.0.1"]]).0);
        let url = format!("http://{name}:{port}/");
        let error = fetch(&egress, &url, &[], true).await.unwrap_err();
        assert_eq!(error, FetchError::Refused, "{name}");
    }
    assert_eq!(canary.connections(), 0);
    let egress = Egress::with_names(limits(), names(&[&["127.0.0.1"]]).0);
    let read = fetch(&egress, &url, &[], true).await.unwrap();
    assert_eq!(
        (read.as_slice(), canary.connections()),
        (b"canary".as_slice(), 1)
    );
}

#[tokio::test]
async fn a_redirect_to_a_name_that_leads_inward_is_refused() {
    let canary = Upstream::start(closing("canary")).await;
    let inward = format!("http://inward.example:{}/", canary.address.port());
    let start = Upstream::start(move |_| answer(302, &[("location", &inward)], "")).await;
    let (names, asked) = names(&[&["127.0.0.1"]]);
    let egress = Egress::with_names(limits(), names);
    let url = format!("http://start.example:{}/", start.address.port());
    let error = fetch(&egress, &url, &[], true).await.unwrap_err();
    assert_eq!(error, FetchError::Refused);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "both names were judged");
    assert_eq!((start.connections(), canary.connections()), (1, 0));
}

#[tokio::test]
async fn refused_targets_are_told_apart_by_nothing() {
    // Something that listens, something that does not, and something that is no server at all.
    let open = Upstream::start(closing("open")).await;
    let closed = {
        let gone = Upstream::start(closing("gone")).await;
        gone.address.port()
    };
    let egress = Egress::new(limits());
    let mut told = Vec::new();
    for url in [
        format!("http://127.0.0.1:{}/", open.address.port()),
        format!("http://127.0.0.1:{closed}/"),
        format!("https://127.0.0.1:{}/", open.address.port()),
        "http://10.255.255.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let error = fetch(&egress, &url, &[], false).await.unwrap_err();
        told.push(error.to_string());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(open.connections(), 0);
}

/// 48 MiB of zeros in 80 bytes.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfb3ffeffffc13f0110870500baf77ffcffff837f02200e0b0074effff2ffff0fff04401c1600e8deff01";

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[tokio::test]
async fn an_answer_is_bounded_in_every_way() {
    let hostile = Upstream::start(|seen| match seen.line() {
        "GET /good" => ok("text/plain", "good"),
        "GET /bomb" => answer(200, &[("content-encoding", "br")], bytes(BROTLI_BOMB)),
        "GET /endless" => {
            let mut chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            (0..64).for_each(|_| chunks.extend_from_slice(chunk.as_bytes()));
            Reply::Silence(chunks)
        }
        "GET /many-headers" => {
            let many: String = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect();
            let text = format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n");
            Reply::Silence(text.into_bytes())
        }
        "GET /long-header" => {
            let long = "x".repeat(4 << 20);
            let text = format!("HTTP/1.1 200 OK\r\nx: {long}\r\ncontent-length: 0\r\n\r\n");
            Reply::Silence(text.into_bytes())
        }
        "GET /half-a-header" => Reply::Silence(b"HTTP/1.1 200 OK\r\nx-slow".to_vec()),
        "GET /no-end" => Reply::Silence(b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec()),
        other => panic!("unexpected {other}"),
    })
    .await;
    let config = EgressConfig {
        document_bytes_max: 1 << 20,
        ..limits()
    };
    let egress = Egress::new(config);
    for (path, expected) in [
        ("/bomb", "is larger than 1048576 bytes"),
        ("/endless", "is larger than 1048576 bytes"),
        ("/many-headers", "without an answer"),
        ("/long-header", "without an answer"),
        ("/half-a-header", "did not begin to answer within"),
        ("/no-end", "did not go on with its answer within"),
    ] {
        let url = format!("{}{path}", hostile.url());
        let error = fetch(&egress, &url, &[], true).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{path}: {error}");
    }
    let url = format!("{}/good", hostile.url());
    let read = fetch(&egress, &url, &[], true).await.unwrap();
    assert_eq!(read, b"good");
    // What it does not decode it does not ask for.
    let asked = hostile.last();
    let asked = asked.header("accept-encoding").unwrap_or_default();
    assert!(asked.contains("br") && !asked.contains("zstd"), "{asked}");
}

#[tokio::test]
async fn another_service_that_is_offered_is_not_gone_to() {
    let canary = Upstream::start(closing("canary")).await;
    let offered = format!("h2=\"127.0.0.1:{}\"; ma=86400", canary.address.port());
    let start = Upstream::start(move |_| answer(200, &[("alt-svc", &offered)], "own")).await;
    let egress = Egress::new(limits());
    for _ in 0..3 {
        let read = fetch(&egress, &start.url(), &[], true).await.unwrap();
        assert_eq!(read, b"own");
    }
    assert_eq!(canary.connections(), 0);
}
