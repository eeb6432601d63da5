//! What people are sent: a message as incoming webhooks of Slack take one
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
//!
//! One thing is a message of its own, several are one. It names the tool, its risk, who asks and what
//! became of it, and holds a link; no arguments, no request and no reason. Texts of others cannot call
//! anybody, lead anywhere or look like ours: what Slack reads as its own is written out, and the rest
//! stands where nothing is formatted.

use super::message::{Names, Told};
use domain::access::Scope;
use domain::approval::Approval;
use domain::webhook::{Delivery, WebhookEvent};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use store::Reader;

/// Calls that a message of several names; the others are counted.
const LISTED_MAX: usize = 10;
/// Characters of a name that somebody else has chosen.
const NAME_CHARS_MAX: usize = 100;

/// Looks up what people are told besides: how it stands by now, and through what it is asked.
///
/// # Errors
/// Those of the database.
pub(super) fn look_up(
    r: &mut Reader<'_>,
    scope: &Scope,
    delivery: &Delivery,
    told: &mut Told,
) -> Result<(), store::Error> {
    if let Ok(id) = delivery.subject.parse() {
        told.now = store::approvals::get(r, scope, &id)?;
    }
    let client = told.now.as_ref().map(|approval| approval.client.clone());
    told.client = client.filter(|client| !client.trim().is_empty());
    Ok(())
}

/// The message about one thing, or about several.
pub(super) fn body(told: &[Told], names: &Names<'_>) -> Vec<u8> {
    let text = match told {
        [one] => single(one, names),
        several => digest(several, names),
    };
    // Addresses in texts of others are no links, and nothing is fetched to be shown beside it.
    json!({
        "text": text, "mrkdwn": true, "parse": "none", "unfurl_links": false, "unfurl_media": false,
    })
    .to_string()
    .into_bytes()
}

fn single(told: &Told, names: &Names<'_>) -> String {
    let call = call(&told.data);
    let where_ = workspace(names);
    let is_asked = told.now.as_ref().is_none_or(Approval::is_pending);
    let (what, verb) = match told.event {
        WebhookEvent::Test => {
            return format!("A test of this webhook of Executor{where_}. Nothing is asked.");
        }
        WebhookEvent::ApprovalPending if is_asked => {
            let until = told.now.as_ref().map_or_else(String::new, until);
            let asked = asked(told);
            let sentence = match told.data["question"].as_str() {
                Some("input") => "waits because its source asks something",
                _ => "waits for a decision",
            };
            (
                format!("◆ {call} {sentence}{where_}\n{asked}{until}"),
                "Review",
            )
        }
        WebhookEvent::ApprovalChanged if is_asked => (changed(told, &call, &where_), "Review"),
        WebhookEvent::ApprovalPending
        | WebhookEvent::ApprovalChanged
        | WebhookEvent::ApprovalResolved => (ended(told, &call, &where_), "See what it was"),
    };
    format!("{what}\n{}", link(&told.data, names, verb))
}

/// Several things as one message: what waits, each with its link, and what is over, counted.
fn digest(told: &[Told], names: &Names<'_>) -> String {
    let mut waiting: Vec<&Told> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut over: BTreeMap<String, usize> = BTreeMap::new();
    for one in told.iter().filter(|one| one.event != WebhookEvent::Test) {
        let id = one.data["approvalId"].as_str().unwrap_or_default();
        if !seen.insert(id) {
            continue;
        }
        if one.now.as_ref().is_some_and(Approval::is_pending) {
            waiting.push(one);
        } else {
            *over.entry(status(one)).or_default() += 1;
        }
    }
    let where_ = workspace(names);
    let mut text = match waiting.len() {
        0 => format!("Nothing waits of what was asked{where_}"),
        1 => format!("◆ 1 call waits for a decision{where_}"),
        n => format!("◆ {n} calls wait for a decision{where_}"),
    };
    for one in waiting.iter().take(LISTED_MAX) {
        let (call, asked) = (call(&one.data), asked(one));
        let link = link(&one.data, names, "Review");
        let _ = write!(text, "\n• {call}, {asked} {link}");
    }
    let more = waiting.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        let inbox = format!("{}/approvals", names.public_url);
        let _ = write!(
            text,
            "\n…and {more} more. <{}|Open the inbox>",
            escaped(&inbox)
        );
    }
    if !over.is_empty() {
        let counted: Vec<String> = over.iter().map(|(what, n)| format!("{n} {what}")).collect();
        let _ = write!(text, "\nDecided or over meanwhile: {}", counted.join(", "));
    }
    text
}

/// How it stands by now; as it stood when it was told, where it is gone.
fn status(told: &Told) -> String {
    match &told.now {
        Some(now) => now.status.as_str().to_owned(),
        None => plain(&told.data["status"]),
    }
}

fn changed(told: &Told, call: &str, where_: &str) -> String {
    let person = |field: &str| plain(&told.data[field]["name"]);
    match told.data["change"].as_str() {
        Some("extended") => {
            let until = told.now.as_ref().map_or_else(String::new, until);
            let by = person("extendedBy");
            format!("{call} has more time, given by {by}{where_}{until}")
        }
        _ if told.data["assignedTo"].is_object() => {
            format!("{call} is assigned to {}{where_}", person("assignedTo"))
        }
        _ => format!("{call} is assigned to nobody any more{where_}"),
    }
}

fn ended(told: &Told, call: &str, where_: &str) -> String {
    let by = match told.data["decidedBy"]["name"].as_str() {
        Some(_) => format!(" by {}", plain(&told.data["decidedBy"]["name"])),
        None => String::new(),
    };
    format!("{call} is {}{by}{where_}", status(told))
}

/// Who asks, through what.
fn asked(told: &Told) -> String {
    let by = plain(&told.data["requestedBy"]["name"]);
    match &told.client {
        None => format!("asked by {by}"),
        Some(client) => format!("asked by {by} through {}", code(client)),
    }
}

fn until(approval: &Approval) -> String {
    let at = approval.expires_at;
    format!(
        ", until <!date^{}^{{date_short_pretty}} {{time}}|{}>",
        at.0.div_euclid(1_000),
        at.to_rfc3339()
    )
}

fn call(data: &Value) -> String {
    let text = |field: &str| data[field].as_str().unwrap_or("?").to_owned();
    format!("{} ({})", code(&text("tool")), plain(&data["risk"]))
}

fn link(data: &Value, names: &Names<'_>, verb: &str) -> String {
    let id = data["approvalId"].as_str().unwrap_or_default();
    let url = format!("{}/approvals/{id}", names.public_url);
    format!("<{}|{verb}>", escaped(&url))
}

fn workspace(names: &Names<'_>) -> String {
    names.workspace.map_or_else(String::new, |workspace| {
        format!(" in {}", plain(&json!(workspace.name)))
    })
}

/// A name that somebody has, in one short line.
fn plain(name: &Value) -> String {
    escaped(&short(name.as_str().unwrap_or("somebody")))
}

/// A text of others as code: nothing in it is formatted.
fn code(text: &str) -> String {
    format!("`{}`", escaped(&short(text)).replace('`', "'"))
}

/// One line, without what shows as nothing or turns the direction, and not longer than a name is.
pub(crate) fn short(text: &str) -> String {
    let seen = |c: char| {
        !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let line = text.chars().filter(|c| seen(*c));
    let line = line.map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = line.take(NAME_CHARS_MAX + 1).collect();
    if line.chars().count() > NAME_CHARS_MAX {
        line = line.chars().take(NAME_CHARS_MAX).chain(['…']).collect();
    }
    line
}

/// The three characters that Slack reads as its own, written out
/// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(event: WebhookEvent, n: usize) -> Told {
        Told {
            event,
            data: json!({
                "approvalId": format!("appr_{n}"), "tool": format!("a.b{n}"), "risk": "write",
                "status": "denied", "requestedBy": { "id": "acct_1", "name": "Ada" },
            }),
            client: Some("Claude".to_owned()),
            now: None,
        }
    }

    fn text(told: &[Told]) -> String {
        let names = Names {
            workspace: None,
            public_url: "https://x.example",
        };
        let body: Value = serde_json::from_slice(&body(told, &names)).expect("JSON");
        body["text"].as_str().expect("a text").to_owned()
    }

    #[test]
    fn one_thing_is_told_with_tool_client_risk_and_link() {
        assert_eq!(
            text(&[told(WebhookEvent::ApprovalPending, 1)]),
            "◆ `a.b1` (write) waits for a decision\nasked by Ada through `Claude`\n\
             <https://x.example/approvals/appr_1|Review>"
        );
        let mut resolved = told(WebhookEvent::ApprovalResolved, 1);
        resolved.data["decidedBy"] = json!({ "id": "acct_2", "name": "Bob" });
        assert_eq!(
            text(&[resolved]),
            "`a.b1` (write) is denied by Bob\n<https://x.example/approvals/appr_1|See what it was>"
        );
    }

    #[test]
    fn texts_of_others_call_nobody_and_lead_nowhere() {
        let mut hostile = told(WebhookEvent::ApprovalPending, 1);
        hostile.client = Some("<!channel> `*x*` <https://evil|Review>\n\u{202e}&".to_owned());
        hostile.data["requestedBy"]["name"] = json!("<@U1>\nApproved by \u{200b}all");
        let said = text(&[hostile]);
        assert_eq!(
            said.lines().nth(1),
            Some(
                "asked by &lt;@U1&gt; Approved by all through \
                 `&lt;!channel&gt; '*x*' &lt;https://evil|Review&gt; &amp;`"
            ),
            "{said}"
        );
        assert_eq!(said.lines().count(), 3, "{said}");
        let mut long = told(WebhookEvent::ApprovalPending, 1);
        long.client = Some("é".repeat(5_000));
        assert!(text(&[long]).chars().count() < 400);
    }

    #[test]
    fn several_things_are_one_message_that_counts_what_is_over() {
        let all: Vec<Told> = (0..12)
            .flat_map(|n| {
                [
                    told(WebhookEvent::ApprovalPending, n),
                    told(WebhookEvent::ApprovalResolved, n),
                ]
            })
            .collect();
        assert_eq!(
            text(&all),
            "Nothing waits of what was asked\nDecided or over meanwhile: 12 denied"
        );
    }
}
