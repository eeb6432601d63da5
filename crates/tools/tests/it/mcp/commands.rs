//! Servers that are commands: a real process each, which sees nothing of ours, may do its worst, and
//! is gone when it should be.

use super::{call, connected, servers, value};
use domain::credential::Secret;
use domain::source::AuthScheme;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use tools::{Attachment, McpServers, McpWay, SourceTools};

fn hostile() -> McpWay {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/node/mcp_hostile.mjs"
    )
    .to_owned();
    let words = [
        "node".to_owned(),
        script,
        "an argument with $HOME; and spaces".to_owned(),
    ];
    McpWay::Command {
        words: words.to_vec(),
        variables: vec![("LEVEL".into(), "high".into())],
    }
}

async fn started() -> (McpServers, SourceTools) {
    let servers = servers();
    let (source, _) = connected(&servers, hostile(), &[]).await.unwrap();
    (servers, source)
}

/// Whether a process is there and has not merely been left unburied.
fn lives(pid: &Value) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

async fn gone(pid: &Value) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while lives(pid) {
        assert!(Instant::now() < deadline, "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_command_sees_what_was_set_for_it_and_nothing_else() {
    let (servers, source) = started().await;
    let secret = [Attachment {
        scheme: AuthScheme::Env {
            name: "API_TOKEN".into(),
        },
        secret: Secret::new("s3cret-of-the-command".into()),
    }];
    let seen = call(&servers, &source, 1, "s.see", json!({}), &secret)
        .await
        .unwrap()
        .data;
    let names: Vec<&str> = seen["env"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for name in &names {
        let passed = [
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "TERM",
            "TMPDIR",
            "TZ",
            "LEVEL",
            "API_TOKEN",
        ];
        assert!(passed.contains(name), "{name} of {names:?}");
    }
    assert_eq!(seen["env"]["LEVEL"], "high");
    // It was given the secret, and what it says of it is masked.
    assert_eq!(seen["env"]["API_TOKEN"], "[secret]");
    assert_eq!(seen["argv"], json!(["an argument with $HOME; and spaces"]));
    assert_eq!(
        seen["fds"],
        json!(["0", "1", "2"]),
        "no descriptor but three pipes"
    );
    let group = std::fs::read_to_string(format!("/proc/{}/stat", seen["pid"])).unwrap();
    let group = group
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(2)
        .unwrap()
        .to_owned();
    assert_eq!(group, seen["pid"].to_string(), "a process group of its own");
    servers.close().await;
    assert!(!lives(&seen["pid"]), "it is gone when closing is done");
}

#[tokio::test]
async fn its_whole_group_goes_with_it() {
    let (servers, source) = started().await;
    let litter = value(&servers, &source, "s.litter", json!({})).await;
    assert!(lives(&litter["pid"]));
    servers.close().await;
    gone(&litter["pid"]).await;
}

#[tokio::test]
async fn one_that_dies_says_why_and_is_started_again() {
    let (servers, source) = started().await;
    assert_eq!(
        value(&servers, &source, "s.count", json!({})).await["calls"],
        1
    );
    assert_eq!(
        value(&servers, &source, "s.count", json!({})).await["calls"],
        2
    );
    let died = call(&servers, &source, 1, "s.die", json!({}), &[])
        .await
        .unwrap_err();
    assert_eq!(
        (died.code.as_str(), died.retryable),
        ("upstream_unreachable", false),
        "{died:?}"
    );
    assert!(died.message.contains("my last words"), "{died:?}");
    assert!(
        died.message.contains("look before calling again"),
        "{died:?}"
    );
    assert_eq!(
        value(&servers, &source, "s.count", json!({})).await["calls"],
        1,
        "a new process"
    );
    // One that dies each time is left alone before long.
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let died = call(&servers, &source, 1, "s.die", json!({}), &[])
            .await
            .unwrap_err();
        if died.message.contains("tried again in") {
            assert!(died.retryable, "nothing was sent: {died:?}");
            break;
        }
        assert!(
            Instant::now() < deadline,
            "it was started again and again: {died:?}"
        );
    }
    servers.close().await;
}

#[tokio::test]
async fn what_is_no_answer_is_left_out_and_what_is_too_long_ends_it() {
    let (servers, source) = started().await;
    let right = value(&servers, &source, "s.mumble", json!({})).await;
    assert_eq!(right, json!({ "right": true }));
    let flooded = call(&servers, &source, 1, "s.flood", json!({}), &[])
        .await
        .unwrap_err();
    assert!(
        matches!(
            flooded.code.as_str(),
            "result_too_large" | "upstream_timeout"
        ),
        "{flooded:?}"
    );
    servers.close().await;
}

#[tokio::test]
async fn one_that_never_answers_is_told_that_nobody_waits() {
    let (servers, source) = started().await;
    let begun = value(&servers, &source, "s.canceled", json!({})).await;
    assert_eq!(begun["canceled"], json!([]));
    {
        let waiting = call(&servers, &source, 1, "s.hang", json!({}), &[]);
        let given_up = tokio::time::timeout(Duration::from_millis(300), waiting).await;
        assert!(given_up.is_err(), "it hangs");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let told = value(&servers, &source, "s.canceled", json!({})).await;
        if told["canceled"].as_array().is_some_and(|c| c.len() == 1) {
            break;
        }
        assert!(Instant::now() < deadline, "it was never told: {told}");
    }
    servers.close().await;
}

#[tokio::test]
async fn its_questions_are_refused() {
    let (servers, source) = started().await;
    let said = value(&servers, &source, "s.question", json!({})).await;
    assert_eq!(said["form"], json!({ "action": "decline" }));
    assert_eq!(said["model"]["code"], -32601);
    assert_eq!(
        (&said["roots"], &said["ping"]),
        (&json!({ "roots": [] }), &json!({}))
    );
    servers.close().await;
}

#[tokio::test]
async fn a_command_that_is_none_says_so() {
    let way = |word: &str| McpWay::Command {
        words: vec![word.into()],
        variables: Vec::new(),
    };
    let missing = connected(&servers(), way("/no/such/program"), &[])
        .await
        .map(drop)
        .unwrap_err();
    assert!(
        missing.message.contains("could not be started"),
        "{missing:?}"
    );
    let other = connected(&servers(), way("true"), &[])
        .await
        .map(drop)
        .unwrap_err();
    assert!(other.message.contains("has ended"), "{other:?}");
}
