//! Words for search: splitting, stop words, stems and synonyms.
//!
//! English only, as API descriptions are; other letters pass unstemmed.

use rust_stemmers::{Algorithm, Stemmer};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that say nothing about what is wanted.
const STOP: [&str; 84] = [
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "by", "can", "could", "did",
    "do", "does", "for", "from", "had", "has", "have", "help", "how", "i", "if", "in", "into",
    "is", "it", "its", "just", "let", "like", "me", "my", "need", "of", "on", "or", "our", "out",
    "please", "should", "so", "some", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "to", "up", "us", "use", "used", "using", "want", "was", "we", "were",
    "what", "when", "where", "which", "while", "who", "will", "with", "would", "you", "your", "am",
    "also", "but", "tell", "give", "may", "im", "provide",
];

/// Words that people use for one another when they talk about APIs.
const SYNONYMS: [&[&str]; 36] = [
    &["delete", "remove", "destroy", "drop"],
    &["create", "add", "new", "make", "insert", "open", "generate"],
    &["update", "edit", "modify", "change", "patch", "rename"],
    &["get", "fetch", "retrieve", "read", "show", "view"],
    &["list", "enumerate", "all", "browse"],
    &["search", "find", "query", "lookup"],
    &["send", "post", "publish", "submit"],
    &["pr", "pull"],
    &["repo", "repository"],
    &["org", "organization", "organisation", "company"],
    &["user", "member", "account", "person", "people"],
    &["message", "sms", "text", "chat"],
    &["picture", "image", "photo"],
    &["movie", "film", "video"],
    &["cancel", "abort", "stop"],
    &["config", "configuration", "settings", "preferences"],
    &["doc", "document", "documentation"],
    &["file", "attachment", "upload"],
    &["ticket", "issue", "bug"],
    &["mail", "email"],
    &["pay", "payment", "charge"],
    &["merge", "combine", "join"],
    &["travel", "trip", "vacation", "journey"],
    &["hotel", "accommodation", "lodging"],
    &["job", "career", "employment", "vacancy"],
    &["stock", "share", "finance", "investment", "crypto"],
    &["currency", "exchange", "convert"],
    &["buy", "purchase", "order", "shop", "product"],
    &["price", "cost", "discount", "deal"],
    &["house", "home", "apartment", "property"],
    &["food", "recipe", "meal", "diet"],
    &["course", "class", "lesson", "lecture"],
    &["paper", "research", "academic", "study"],
    &["website", "site", "webpage", "page", "web"],
    &["reminder", "todo", "task", "note"],
    &["law", "legal", "regulation"],
];

/// Tells every word of a text in small letters: split at what is no letter or digit, and where
/// camelCase does.
pub(crate) fn each(text: &str, told: &mut dyn FnMut(&str)) {
    let mut word = String::new();
    let mut previous: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // An apostrophe joins: `don't`, `user's`.
        if c == '\'' || c == '’' {
            continue;
        }
        let begins = c.is_uppercase()
            && previous.is_some_and(|p| {
                p.is_lowercase()
                    || (p.is_uppercase() && chars.peek().is_some_and(|n| n.is_lowercase()))
            });
        if (begins || !c.is_alphanumeric()) && !word.is_empty() {
            told(&word);
            word.clear();
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous = Some(c);
    }
    if !word.is_empty() {
        told(&word);
    }
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each(text, &mut |word| words.push(word.to_owned()));
    words
}

/// The words of a query without those that say nothing, unless nothing else is left.
pub(crate) fn of_query(text: &str) -> Vec<String> {
    let words = split(text);
    let kept: Vec<String> = words.iter().filter(|w| !is_stop(w)).cloned().collect();
    if kept.is_empty() { words } else { kept }
}

/// Whether a word says nothing about what is wanted.
pub(crate) fn is_stop(word: &str) -> bool {
    static STOPS: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP.into_iter().collect());
    STOPS.contains(word)
}

/// A description as a person sees it: without unseen characters and comments.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let plain = crate::scan::plain(text);
    if !plain.contains("<!--") {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain.as_ref();
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A text in two: its first sentence, and the rest.
pub(crate) fn first_sentence(text: &str) -> (&str, &str) {
    let end = text
        .match_indices(['.', '!', '?', '\n'])
        .map(|(i, _)| i + 1)
        .find(|i| text[*i..].chars().next().is_none_or(char::is_whitespace));
    text.split_at(end.unwrap_or(text.len()))
}

/// Other words for one.
pub(crate) fn synonyms(word: &str) -> impl Iterator<Item = &'static str> {
    SYNONYMS
        .iter()
        .filter(move |group| group.contains(&word))
        .flat_map(|group| group.iter().copied())
}

/// Snowball's English stemmer.
pub(crate) struct Stemming(Stemmer);

impl Stemming {
    pub(crate) fn new() -> Self {
        Self(Stemmer::create(Algorithm::English))
    }

    pub(crate) fn stem(&self, word: &str) -> String {
        self.0.stem(word).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_where_people_see_them() {
        for (text, expected) in [
            ("listForRepo", vec!["list", "for", "repo"]),
            (
                "HTTPServer_config-2fa",
                vec!["http", "server", "config", "2fa"],
            ),
            ("the user's DMs", vec!["the", "users", "d", "ms"]),
            ("Übergröße wählen", vec!["übergröße", "wählen"]),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
        assert_eq!(of_query("how to do it"), split("how to do it"));
        assert_eq!(of_query("how to merge it"), ["merge"]);
        assert_eq!(
            shown("Adds.<!-- spam spam --> Sums.<!-- spam"),
            "Adds. Sums."
        );
        assert_eq!(
            first_sentence("Adds v1.2 of it. Sums"),
            ("Adds v1.2 of it.", " Sums")
        );
    }
}
