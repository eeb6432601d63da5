//! What in the arguments of a call makes it weigh more than its tool says: wildcards, switches that
//! force, long lists, amounts, and recipients whom the organization does not know. Words for people who
//! decide; nothing is decided by them.

use serde_json::Value;
use std::collections::BTreeSet;

/// Entries of a list beyond which it is worth a word.
const MANY: usize = 20;
/// Values that are looked at, of all arguments together.
const LOOKED_AT_MAX: usize = 2_000;
/// Reasons that one call has from its arguments at most.
const REASONS_MAX: usize = 8;
/// Characters of a name or a recipient that are shown.
const SHOWN_CHARS: usize = 60;
/// How deep is looked.
const DEPTH_MAX: usize = 12;

/// Switches that make a call do more than it says.
const FORCING: [&str; 12] = [
    "force",
    "forced",
    "recursive",
    "all",
    "cascade",
    "permanent",
    "permanently",
    "purge",
    "hard",
    "overwrite",
    "skipconfirmation",
    "noconfirm",
];
/// Words of which the name of an amount has one.
const AMOUNTS: [&str; 9] = [
    "amount", "price", "total", "sum", "cost", "fee", "value", "balance", "budget",
];
/// Names of those who get something.
const RECIPIENTS: [&str; 12] = [
    "to",
    "cc",
    "bcc",
    "recipient",
    "recipients",
    "email",
    "emails",
    "invitee",
    "invitees",
    "attendees",
    "sharewith",
    "reviewers",
];
/// Hosts of mail where everybody has an address: one of a member says nothing about the others.
const ANYBODYS: [&str; 10] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "icloud.com",
    "yahoo.com",
    "proton.me",
    "protonmail.com",
    "gmx.net",
];

/// What makes the call weigh more, each once, in the order of its arguments. `members` are the mail
/// addresses of the organization's people, in small letters; where there are none, every recipient is
/// named.
#[must_use]
pub fn of_arguments(arguments: &Value, members: &BTreeSet<String>) -> Vec<String> {
    let mut look = Look {
        members,
        left: LOOKED_AT_MAX,
        reasons: Vec::new(),
    };
    look.at(arguments, &[]);
    look.reasons
}

struct Look<'a> {
    members: &'a BTreeSet<String>,
    left: usize,
    reasons: Vec<String>,
}

impl Look<'_> {
    fn at(&mut self, value: &Value, path: &[&str]) {
        if self.left == 0 || path.len() > DEPTH_MAX {
            return;
        }
        self.left -= 1;
        let name = plain(path.last().copied().unwrap_or_default());
        match value {
            Value::String(text) => {
                if is_wildcard(text) {
                    self.say(format!("a wildcard in {}", shown(path)));
                }
                if RECIPIENTS.contains(&name.as_str()) {
                    self.recipient(text);
                }
                if is_amount(path) && text.trim().parse::<f64>().is_ok_and(|n| n != 0.0) {
                    self.say(format!("{} is {}", shown(path), cut(text.trim())));
                }
            }
            Value::Number(number) => {
                if is_amount(path) && number.as_f64() != Some(0.0) {
                    self.say(format!("{} is {}", shown(path), cut(&number.to_string())));
                }
            }
            Value::Bool(true) => {
                if FORCING.contains(&name.as_str()) {
                    self.say(format!("{} is set", shown(path)));
                }
            }
            Value::Array(entries) => {
                if entries.len() > MANY {
                    self.say(format!("{} entries in {}", entries.len(), shown(path)));
                }
                for entry in entries {
                    self.at(entry, path);
                }
            }
            Value::Object(fields) => {
                for (field, value) in fields {
                    let deeper: Vec<&str> = path.iter().copied().chain([field.as_str()]).collect();
                    self.at(value, &deeper);
                }
            }
            Value::Null | Value::Bool(false) => {}
        }
    }

    /// Names whoever gets something and is none of the organization's people, nor has an address where
    /// they have theirs.
    fn recipient(&mut self, text: &str) {
        for address in text.split([',', ';']) {
            let address = address
                .rsplit_once('<')
                .map_or(address, |(_, rest)| rest.trim_end_matches('>'))
                .trim()
                .to_lowercase();
            let Some((_, host)) = address.rsplit_once('@') else {
                continue;
            };
            let same_host = |member: &String| {
                member
                    .rsplit_once('@')
                    .is_some_and(|(_, at)| at == host && !ANYBODYS.contains(&at))
            };
            let is_known = self.members.contains(&address) || self.members.iter().any(same_host);
            if is_known || host.is_empty() || address.contains(char::is_whitespace) {
                continue;
            }
            let shown = cut(&address);
            if self.members.is_empty() {
                self.say(format!("goes to {shown}"));
            } else {
                self.say(format!("goes to {shown}, outside of the organization"));
            }
        }
    }

    fn say(&mut self, reason: String) {
        if self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// A name without case and without what joins its words.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_amount(path: &[&str]) -> bool {
    // `money: { value: 5 }` is an amount; `value` alone may be anything.
    let name = |back: usize| path.iter().rev().nth(back).copied().unwrap_or_default();
    let last = words(name(0));
    if last == ["value"] {
        let of = words(name(1));
        return of.iter().any(|word| word == "money" || is_sum(word));
    }
    last.last().is_some_and(|word| is_sum(word)) || last.first().is_some_and(|word| is_sum(word))
}

fn is_sum(word: &str) -> bool {
    word != "value" && AMOUNTS.contains(&word)
}

/// The words of a name, in small letters: `unitAmount_decimal` has three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before_is_small) {
            words.push(String::new());
        }
        before_is_small = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A text that stands for many things: a lone `*` or `%`, or a `*` where a part of an address, a path
/// or a pattern would be.
fn is_wildcard(text: &str) -> bool {
    let text = text.trim();
    let around = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + 1..].chars().next();
        before.is_some_and(|c| "/:.=*".contains(c)) || after.is_some_and(|c| "/.*".contains(c))
    };
    matches!(text, "*" | "%") || text.match_indices('*').any(|(at, _)| around(at))
}

fn shown(path: &[&str]) -> String {
    match path {
        [] => "the arguments".to_owned(),
        path => cut(&path.join(".")),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(SHOWN_CHARS).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(arguments: &Value, members: &[&str], expected: &[&str]) {
        let members = members.iter().map(|m| (*m).to_owned()).collect();
        assert_eq!(of_arguments(arguments, &members), expected, "{arguments}");
    }

    #[test]
    fn what_reaches_further_than_one_thing_is_named() {
        check(&json!({ "name": "pens", "memo": "5 * 3" }), &[], &[]);
        check(
            &json!({ "path": "/home/*", "tags": ["*"], "where": "%", "key": "a:*" }),
            &[],
            &[
                "a wildcard in path",
                "a wildcard in tags",
                "a wildcard in where",
                "a wildcard in key",
            ],
        );
        let many: Vec<u32> = (0..21).collect();
        check(
            &json!({ "ids": many, "force": true, "recursive": false, "options": { "hard": true } }),
            &[],
            &["21 entries in ids", "force is set", "options.hard is set"],
        );
    }

    #[test]
    fn amounts_are_read_by_the_words_of_their_names() {
        check(
            &json!({ "amount": 5000, "unit_amount": "12.50", "totalCents": 7, "discount": 3, "value": 9,
                     "accounts": 2, "amountless": 1, "fee": 0, "price": { "value": 4 } }),
            &[],
            &[
                "amount is 5000",
                "unit_amount is 12.50",
                "totalCents is 7",
                "price.value is 4",
            ],
        );
    }

    #[test]
    fn recipients_are_judged_by_where_members_have_their_addresses() {
        let mail = json!({ "to": ["Ada <ada@acme.example>", "eve@evil.example"], "cc": "bob@gmail.com, me@gmail.com",
                           "text": "mail mallory@evil.example" });
        check(
            &mail,
            &["me@gmail.com", "boss@acme.example"],
            &[
                "goes to eve@evil.example, outside of the organization",
                "goes to bob@gmail.com, outside of the organization",
            ],
        );
        // Where nobody's address is known, nobody is called an outsider.
        check(
            &json!({ "to": "eve@evil.example" }),
            &[],
            &["goes to eve@evil.example"],
        );
    }

    #[test]
    fn much_is_cut_and_nothing_is_said_twice() {
        let wide: serde_json::Map<String, Value> =
            (0..50).map(|n| (format!("f{n}"), json!("*"))).collect();
        assert_eq!(
            of_arguments(&Value::Object(wide), &BTreeSet::new()).len(),
            REASONS_MAX
        );
        check(&json!({ "a": ["*", "*"] }), &[], &["a wildcard in a"]);
        let name = "x".repeat(200);
        let said = of_arguments(&json!({ name: "*" }), &BTreeSet::new());
        assert!(said[0].chars().count() < 90, "{said:?}");
    }
}
