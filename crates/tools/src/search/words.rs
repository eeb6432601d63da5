//! Words for search: splitting, stop words, stems and synonyms.
//!
//! English only, as API descriptions are; other letters pass unstemmed.

use rust_stemmers::{Algorithm, Stemmer};

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
const SYNONYMS: [&[&str]; 22] = [
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
];

/// Splits at everything that is no letter or digit, and where camelCase does; lower case.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
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
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous = Some(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Without stop words, unless nothing else is left.
pub(crate) fn telling(words: Vec<String>) -> Vec<String> {
    let kept: Vec<String> = words
        .iter()
        .filter(|w| !STOP.contains(&w.as_str()))
        .cloned()
        .collect();
    if kept.is_empty() { words } else { kept }
}

/// Other words for one.
pub(crate) fn synonyms(word: &str) -> impl Iterator<Item = &'static str> {
    let word = word.to_owned();
    SYNONYMS
        .iter()
        .filter(move |group| group.contains(&word.as_str()))
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
        assert_eq!(telling(split("how to do it")), split("how to do it"));
    }
}
