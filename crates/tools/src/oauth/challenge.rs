//! What `WWW-Authenticate` says (RFC 9110, section 11.6.1; RFC 6750, section 3): the parameters of its
//! `Bearer` challenge. Read leniently and within bounds; a parameter counts once, the first time.

use super::one_line;

/// Longest header that is read.
const BYTES_MAX: usize = 8 << 10;

/// The parameters of the first `Bearer` challenge, names in small letters; empty if there is none.
pub(crate) fn bearer(header: &str) -> Vec<(String, String)> {
    let mut end = header.len().min(BYTES_MAX);
    while !header.is_char_boundary(end) {
        end -= 1;
    }
    let header = &header[..end];
    let lower = header.to_ascii_lowercase();
    let starts = lower.match_indices("bearer").map(|(at, _)| at);
    let is_scheme = |at: &usize| {
        let before = lower[..*at].trim_end();
        let after = &lower[at + 6..];
        (before.is_empty() || before.ends_with(','))
            && (after.is_empty() || after.starts_with([' ', ',']))
    };
    match starts.into_iter().find(is_scheme) {
        Some(at) => parameters(&header[at + 6..]),
        None => Vec::new(),
    }
}

fn parameters(mut rest: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = rest.split_once('=') else {
            return found;
        };
        let name = name.trim();
        // A word before the next `=` is another scheme: its parameters are not ours.
        if name.is_empty() || name.contains([' ', '\t', ',', '"']) {
            return found;
        }
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = after.find([',', ' ']).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        let name = name.to_ascii_lowercase();
        if !found.iter().any(|(n, _)| *n == name) {
            found.push((name, value));
        }
        rest = next;
    }
}

fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            other => value.push(other),
        }
    }
    (value, "")
}

pub(crate) fn parameter(header: &str, name: &str) -> Option<String> {
    let found = bearer(header);
    found.into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

/// Whether a challenge says that a scope is lacking.
pub(crate) fn is_insufficient_scope(header: &str) -> bool {
    parameter(header, "error").as_deref() == Some("insufficient_scope")
}

/// The scopes that a challenge asks for; empty if it does not say.
#[must_use]
pub fn scope_of(header: &str) -> Vec<String> {
    let scope = parameter(header, "scope").unwrap_or_default();
    domain::oauth::scopes(&one_line(&scope, domain::oauth::SCOPE_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_in_every_spelling() {
        let all = r#"Basic realm="x", Bearer realm="a, b=\"c\"", error=insufficient_scope , scope="a  b a", resource_metadata="https://x.example/p?q=1""#;
        assert_eq!(parameter(all, "realm").as_deref(), Some(r#"a, b="c""#));
        assert!(is_insufficient_scope(all));
        assert_eq!(scope_of(all), ["a", "b"]);
        assert_eq!(
            parameter(all, "resource_metadata").as_deref(),
            Some("https://x.example/p?q=1")
        );
        for (header, expected) in [
            ("bearer scope=a", "a"),
            ("BEARER   Scope=\"a b\", scope=c", "a b"),
            ("Bearer", ""),
            ("Basic scope=\"a\"", ""),
            ("XBearer scope=a", ""),
            ("Bearer realm=\"scope=a", ""),
            ("Bearer scope=\"a\\\"b", "a\"b"),
            ("Bearer x=1, Digest scope=a", ""),
            ("", ""),
        ] {
            let found = parameter(header, "scope").unwrap_or_default();
            assert_eq!(found, expected, "{header}");
        }
        let long = format!("Bearer scope=\"{}\"", "é".repeat(20_000));
        assert!(scope_of(&long).is_empty());
    }
}
