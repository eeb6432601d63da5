//! What a browser is sent: a few words and a path of this server, sealed for that browser; and the
//! headers by which its push service takes it.
//!
//! RFC 8030 (delivery), RFC 8291 (sealing), RFC 8292 (who sends). It names the tool, its risk, and who
//! asks through what; no arguments, no request, no reason. What others have chosen is one short line.

use crate::webhooks::short;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::approval::{Approval, Question};
use domain::canonical::sha256_hex;
use domain::push::{PushAbout, ttl_seconds};
use domain::{ApprovalId, PushId, Timestamp, WorkspaceId};
use serde_json::{Value, json};
use vault::PushSigner;

/// Identifiers of questions that a message carries at most, of either kind: it has to fit into what
/// every push service takes.
pub(super) const IDS_MAX: usize = 20;
/// How long a signature is good for, in seconds; RFC 8292, section 2, allows a day.
const SIGNED_S: i64 = 12 * 60 * 60;
/// For how long a test is kept for a browser that is not there.
const TEST_TTL_S: i64 = 300;
/// Who sends, where no address is known under which others reach the server: some push services take
/// nothing from nobody. No mail goes to a name that ends in `.invalid`.
const NOBODY: &str = "mailto:operator@executor.invalid";

/// What is sent to one browser.
pub(super) struct Letter {
    pub(super) text: Vec<u8>,
    ttl_s: i64,
    /// A later message with the same topic takes the place of one that still waits.
    topic: String,
}

/// A question with what is told of it besides.
pub(super) struct Asked {
    pub(super) approval: Approval,
    pub(super) about: PushAbout,
    /// The name of the person who runs the task.
    pub(super) by: Option<String>,
}

/// What several messages have in common.
pub(super) struct Envelope<'a> {
    pub(super) push_id: &'a PushId,
    pub(super) workspace: &'a str,
    /// By which a page tells its own workspace's notes from those of others.
    pub(super) workspace_id: &'a WorkspaceId,
    /// Questions that the browser was told of and that are over.
    pub(super) over: &'a [ApprovalId],
    pub(super) now: Timestamp,
}

/// The message about one question.
pub(super) fn single(asked: &Asked, envelope: &Envelope<'_>) -> Letter {
    let approval = &asked.approval;
    let tool = short(&approval.binding.tool);
    let title = match (asked.about, approval.question) {
        (PushAbout::Assigned, _) => format!("{tool} is assigned to you"),
        (PushAbout::Asked, Question::Input) => format!("{tool} asks you something"),
        (PushAbout::Asked, Question::SendAgain) => format!("{tool} may have to be sent again"),
        (PushAbout::Asked, Question::Send) => format!("{tool} waits for a decision"),
    };
    let by = short(asked.by.as_deref().unwrap_or("somebody"));
    let client = short(approval.client.trim());
    let asked_by = match client.is_empty() {
        true => format!("asked by {by}"),
        false => format!("asked by {by} through {client}"),
    };
    let risk = approval.risk.as_str().to_uppercase();
    let id = approval.id.as_str();
    letter(
        envelope,
        (id, approval.expires_at),
        &json!({
            "title": title,
            "body": format!("{risk}, {asked_by}, in {}", short(envelope.workspace)),
            "url": format!("/a/{id}"),
            "tag": id,
            "ids": [id],
        }),
    )
}

/// Several questions as one message, the soonest to expire first; `more` are not among them.
pub(super) fn digest(waiting: &[Approval], more: usize, envelope: &Envelope<'_>) -> Letter {
    let count = waiting.len() + more;
    let soonest = waiting.first().map_or("", |first| first.id.as_str());
    let until = waiting.iter().map(|approval| approval.expires_at).max();
    let ids: Vec<&str> = waiting.iter().map(|a| a.id.as_str()).collect();
    letter(
        envelope,
        ("digest", until.unwrap_or(envelope.now)),
        &json!({
            "title": format!("{count} calls wait for a decision"),
            "body": format!("in {}", short(envelope.workspace)),
            "url": format!("/a/{soonest}"),
            "tag": format!("digest {}", envelope.push_id),
            "ids": ids.iter().take(IDS_MAX).collect::<Vec<_>>(),
        }),
    )
}

/// Something harmless.
pub(super) fn test(envelope: &Envelope<'_>) -> Letter {
    let until = envelope.now.plus_ms(TEST_TTL_S * 1_000);
    letter(
        envelope,
        ("test", until),
        &json!({
            "title": "Notifications reach this browser",
            "body": format!("A test from {}. Nothing is asked.", short(envelope.workspace)),
            "url": "/settings/notifications",
            "tag": "test",
            "ids": [],
        }),
    )
}

fn letter(envelope: &Envelope<'_>, (topic, until): (&str, Timestamp), told: &Value) -> Letter {
    let mut told = told.clone();
    told["workspace"] = json!(envelope.workspace_id);
    told["at"] = json!(envelope.now.0);
    told["over"] = json!(envelope.over);
    // At most 32 characters of base64url (RFC 8030, section 5.4), from which nothing is learnt.
    let topic = sha256_hex(format!("{}/{topic}", envelope.push_id).as_bytes());
    Letter {
        text: told.to_string().into_bytes(),
        ttl_s: ttl_seconds(envelope.now, until),
        topic: topic.chars().take(32).collect(),
    }
}

/// The headers of a message to the push service at an origin.
pub(super) fn headers(
    letter: &Letter,
    signer: &PushSigner,
    (origin, public_url): (&str, &str),
    now: Timestamp,
) -> Result<Vec<(String, String)>, vault::Error> {
    let token = token(signer, (origin, public_url), now)?;
    let key = signer.public_key();
    Ok([
        ("content-type", "application/octet-stream".to_owned()),
        ("content-encoding", "aes128gcm".to_owned()),
        ("ttl", letter.ttl_s.to_string()),
        // A person is waited for: to be told at once, also to save no battery (RFC 8030, section 5.3).
        ("urgency", "high".to_owned()),
        ("topic", letter.topic.clone()),
        ("authorization", format!("vapid t={token}, k={key}")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec())
}

/// The token that says who sends (RFC 8292, section 2).
fn token(
    signer: &PushSigner,
    (origin, public_url): (&str, &str),
    now: Timestamp,
) -> Result<String, vault::Error> {
    let subject = if public_url.starts_with("https://") {
        public_url
    } else {
        NOBODY
    };
    let claims = json!({
        "aud": origin,
        "exp": now.0.div_euclid(1_000) + SIGNED_S,
        "sub": subject,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "typ": "JWT", "alg": "ES256" });
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = signer.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::approval::ApprovalStatus;
    use domain::call::Binding;
    use domain::policy::Ask;
    use domain::tool::Risk;
    use domain::{AccountId, CallId, TaskId};

    const CANARY: &str = "canary-7131";

    fn asked(n: u8, client: &str) -> Asked {
        let approval = Approval {
            id: ApprovalId::from_bits([n; 16]),
            call_id: CallId::from_bits([n; 16]),
            binding: Binding {
                task_id: TaskId::from_bits([n; 16]),
                sequence: 1,
                tool: "github.repos.delete".into(),
                definition_digest: String::new(),
                arguments_digest: CANARY.into(),
                policy_version: 1,
            },
            question: Question::Send,
            arguments: format!("{{\"a\":\"{CANARY}\"}}"),
            request: format!("{{\"b\":\"{CANARY}\"}}"),
            risk: Risk::Destructive,
            rule_id: None,
            why: CANARY.into(),
            reasons: vec![CANARY.into()],
            previous: None,
            ask: Ask::default(),
            requested_by: AccountId::from_bits([3; 16]),
            client: client.into(),
            edited: None,
            status: ApprovalStatus::Pending,
            yeses: Vec::new(),
            created_at: Timestamp(0),
            expires_at: Timestamp(i64::from(n) * 60_000),
            extended: None,
            assigned: None,
        };
        Asked {
            approval,
            about: PushAbout::Asked,
            by: Some("Ana".into()),
        }
    }

    fn read(letter: &Letter) -> Value {
        serde_json::from_slice(&letter.text).unwrap()
    }

    fn within<T>(over: &[ApprovalId], of: impl FnOnce(&Envelope<'_>) -> T) -> T {
        of(&Envelope {
            push_id: &PushId::from_bits([9; 16]),
            workspace: "acme-prod",
            workspace_id: &WorkspaceId::from_bits([8; 16]),
            over,
            now: Timestamp(0),
        })
    }

    #[test]
    fn one_question_is_told_with_tool_client_risk_and_link_and_without_arguments() {
        let mut one = asked(2, "Claude Code");
        let letter = within(&[], |e| single(&one, e));
        let told = read(&letter);
        assert_eq!(told["title"], "github.repos.delete waits for a decision");
        assert_eq!(
            told["body"],
            "DESTRUCTIVE, asked by Ana through Claude Code, in acme-prod"
        );
        let id = one.approval.id.as_str();
        assert_eq!(told["url"], format!("/a/{id}"));
        assert_eq!((&told["tag"], &told["ids"]), (&json!(id), &json!([id])));
        assert_eq!((letter.ttl_s, letter.topic.len()), (120, 32));
        assert!(!String::from_utf8_lossy(&letter.text).contains(CANARY));
        one.about = PushAbout::Assigned;
        let again = within(&[], |e| single(&one, e));
        assert_eq!(
            read(&again)["title"],
            "github.repos.delete is assigned to you"
        );
        assert_eq!(again.topic, letter.topic, "it takes the place of the first");
        let other = within(&[], |e| single(&asked(3, ""), e));
        assert_ne!(other.topic, letter.topic);
        assert_eq!(
            read(&other)["body"],
            "DESTRUCTIVE, asked by Ana, in acme-prod"
        );
    }

    #[test]
    fn texts_of_others_stay_one_short_line_and_the_longest_message_fits() {
        let over: Vec<ApprovalId> = (0..20).map(|n| ApprovalId::from_bits([n; 16])).collect();
        let mut long = asked(1, &"\u{1F600}".repeat(5_000));
        long.by = Some(format!("Ana\n\u{202e}{}", "\"".repeat(5_000)));
        long.approval.binding.tool = "é".repeat(5_000);
        let letter = within(&over, |e| {
            let envelope = Envelope {
                workspace: &"\u{1F600}".repeat(500),
                ..*e
            };
            single(&long, &envelope)
        });
        assert!(
            letter.text.len() <= vault::PUSH_BYTES_MAX,
            "{}",
            letter.text.len()
        );
        let body = read(&letter)["body"].as_str().unwrap().to_owned();
        assert!(!body.contains('\n') && !body.contains('\u{202e}'), "{body}");
        assert!(body.chars().count() < 400);
    }

    #[test]
    fn several_questions_are_one_message() {
        let all: Vec<Approval> = (1..=25).map(|n| asked(n, "").approval).collect();
        let letter = within(&[], |e| digest(&all, 4, e));
        let told = read(&letter);
        assert_eq!(told["title"], "29 calls wait for a decision");
        assert_eq!(told["url"], format!("/a/{}", all[0].id));
        assert_eq!(told["ids"].as_array().map(Vec::len), Some(IDS_MAX));
        assert_eq!(letter.ttl_s, 25 * 60);
        assert_eq!(
            within(&[], |e| digest(&all[..3], 0, e)).topic,
            letter.topic,
            "it takes the place of the one before"
        );
    }

    #[test]
    fn the_token_says_who_sends_to_whom_and_until_when() {
        let signer = PushSigner::from_pair(&PushSigner::new_pair().unwrap()).unwrap();
        let letter = within(&[], test);
        for (public_url, subject) in [
            ("https://x.example", "https://x.example"),
            ("http://127.0.0.1:5312", NOBODY),
        ] {
            let to = ("https://push.example", public_url);
            let headers = headers(&letter, &signer, to, Timestamp(5_999)).unwrap();
            let value = |name: &str| headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
            let authorization = value("authorization");
            let (token, key) = authorization
                .strip_prefix("vapid t=")
                .unwrap()
                .split_once(", k=")
                .unwrap();
            assert_eq!(key, signer.public_key());
            let parts: Vec<&str> = token.split('.').collect();
            let json = |part: &str| -> Value {
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            assert_eq!(json(parts[0]), json!({ "typ": "JWT", "alg": "ES256" }));
            assert_eq!(
                json(parts[1]),
                json!({ "aud": "https://push.example", "exp": 5 + SIGNED_S, "sub": subject })
            );
            assert_eq!(
                (value("ttl"), value("urgency")),
                ("300".into(), "high".into())
            );
        }
    }
}
