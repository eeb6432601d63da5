//! Stable names: sources, groups and operations in camelCase, and type names.
//!
//! The rules are written down in `docs/decisions/0004-openapi-import.md`. Collisions are settled
//! by method and path, never by the document's order. Names are ASCII, so that no two look alike.

use super::operation::Draft;
use domain::tool::fold_path;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Longest segment of a path, in characters.
const SEGMENT_CHARS_MAX: usize = 64;

/// What stands beside the sources under `tools`, and what a JavaScript object answers itself.
const RESERVED: [&str; 10] = [
    "discover",
    "describe",
    "catalog",
    "results",
    "then",
    "constructor",
    "prototype",
    "tostring",
    "valueof",
    "tojson",
];

/// Whether a name can be a source's: a camelCase identifier of at most 64 ASCII letters and
/// digits that begins with a small letter and is not taken by the program's own tools.
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_alphanumeric())
        && name.len() <= SEGMENT_CHARS_MAX
        && !RESERVED.contains(&fold_path(name).as_str())
}

/// A name for a source: from its title without the words that every title has, else from the host
/// or the file name of where it came from. Always a [`valid_name`].
#[must_use]
pub fn suggest_name(document_title: &str, location: Option<&str>) -> String {
    const FILLER: [&str; 14] = [
        "api",
        "apis",
        "rest",
        "http",
        "https",
        "openapi",
        "swagger",
        "specification",
        "spec",
        "preview",
        "the",
        "public",
        "documentation",
        "reference",
    ];
    let is_version = |w: &str| {
        w.strip_prefix('v')
            .unwrap_or(w)
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.')
            && !w.is_empty()
    };
    let titled: Vec<String> = document_title
        .split(" - ")
        .next()
        .map(words)
        .unwrap_or_default()
        .into_iter()
        .filter(|w| !FILLER.contains(&w.as_str()) && !is_version(w))
        .take(4)
        .collect();
    let hosted = || {
        let location = location?;
        let Ok(url) = url::Url::parse(location) else {
            // The name of a file.
            let name = location.rsplit(['/', '\\']).next()?;
            return Some(words(name.split('.').next()?));
        };
        let labels = url.host_str()?.split('.').map(words);
        labels
            .into_iter()
            .find(|l| !matches!(l.join("").as_str(), "api" | "www" | "developer" | ""))
    };
    for candidate in [camel(&titled), camel(&hosted().unwrap_or_default())] {
        let candidate = candidate
            .trim_start_matches(|c: char| !c.is_ascii_alphabetic())
            .to_owned();
        if valid_name(&candidate) {
            return candidate;
        }
        let longer = format!("{candidate}Api");
        if !candidate.is_empty() && valid_name(&longer) {
            return longer;
        }
    }
    "api".to_owned()
}

/// Splits at everything that is no ASCII letter or digit, and where camelCase does; lower case.
pub(crate) fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut word = String::new();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            flush(&mut word, &mut found);
            continue;
        }
        let previous = i.checked_sub(1).map(|p| chars[p]);
        let next = chars.get(i + 1);
        let begins = c.is_ascii_uppercase()
            && previous.is_some_and(|p| {
                p.is_ascii_lowercase()
                    || p.is_ascii_digit()
                    || (p.is_ascii_uppercase() && next.is_some_and(char::is_ascii_lowercase))
            });
        if begins {
            flush(&mut word, &mut found);
        }
        word.push(c.to_ascii_lowercase());
    }
    flush(&mut word, &mut found);
    found
}

fn flush(word: &mut String, found: &mut Vec<String>) {
    if !word.is_empty() {
        found.push(std::mem::take(word));
    }
}

/// `["list", "for", "repo"]` → `listForRepo`, cut at a word below the limit.
pub(crate) fn camel(words: &[String]) -> String {
    let mut name = String::new();
    for word in words {
        if !name.is_empty() && name.len() + word.len() > SEGMENT_CHARS_MAX {
            break;
        }
        if name.is_empty() {
            name.push_str(word);
        } else {
            name.push_str(&capitalized(word));
        }
    }
    name.truncate(SEGMENT_CHARS_MAX);
    name
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| {
        c.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

/// A path segment that a program can write as `tools.a.b`.
pub(crate) fn segment(words: &[String]) -> String {
    let name = camel(words);
    match name.chars().next() {
        Some(c) if c.is_ascii_digit() => format!("_{name}"),
        // `await tools.x` asks an object for `then`; the other two belong to every object.
        Some(_) if matches!(name.as_str(), "then" | "constructor" | "prototype") => {
            format!("{name}_")
        }
        Some(_) | None => name,
    }
}

/// The group that a first tag stands for; empty if its name holds nothing usable.
pub(crate) fn group(tag: Option<&str>) -> String {
    tag.map(|t| segment(&words(t))).unwrap_or_default()
}

/// The operation's own name: its id less a leading copy of the tag.
pub(crate) fn operation(id: Option<&str>, tag: Option<&str>) -> Option<String> {
    let id = words(id?);
    let tag = words(tag.unwrap_or_default());
    let rest = match id.strip_prefix(tag.as_slice()) {
        Some(rest) if !rest.is_empty() => rest,
        Some(_) | None => id.as_slice(),
    };
    (!rest.is_empty()).then(|| segment(rest))
}

/// `GET /users/{id}/posts` → `getUsersByIdPosts`.
pub(crate) fn from_method_and_path(method: &str, path: &str) -> String {
    let mut all = vec![method.to_ascii_lowercase()];
    for part in path.split('/') {
        let mut parameter = false;
        for piece in part.split_inclusive(['{', '}']) {
            if parameter {
                all.push("by".to_owned());
            }
            all.extend(words(piece));
            parameter = piece.ends_with('{');
        }
    }
    segment(&all)
}

/// Gives every draft its path. Operations whose paths would be equal (ignoring case, `_` and `-`)
/// are all named after method and path; what still collides is numbered in that order. So no
/// operation takes over the name of another when one is added to the document.
pub(crate) fn settle(drafts: &mut [Draft], source: &str) {
    drafts.sort_by(|a, b| (&a.template, &a.method).cmp(&(&b.template, &b.method)));
    let join = |group: &str, name: &str| {
        [source, group, name]
            .into_iter()
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join(".")
    };
    let mut holders: HashMap<String, usize> = HashMap::new();
    for draft in drafts.iter_mut() {
        draft.path = join(&draft.group, &draft.name);
        *holders.entry(fold_path(&draft.path)).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut disputed = Vec::new();
    for (i, draft) in drafts.iter().enumerate() {
        let folded = fold_path(&draft.path);
        if holders[&folded] == 1 {
            taken.insert(folded);
        } else {
            disputed.push(i);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for i in disputed {
        let draft = &mut drafts[i];
        let plain = join(
            &draft.group,
            &from_method_and_path(&draft.method, &draft.template),
        );
        let count = counts.entry(fold_path(&plain)).or_default();
        loop {
            *count += 1;
            draft.path = if *count == 1 {
                plain.clone()
            } else {
                format!("{plain}{count}")
            };
            if taken.insert(fold_path(&draft.path)) {
                break;
            }
        }
    }
}

/// A name for a shared schema: PascalCase, from the last telling part of its JSON pointer.
pub(crate) fn type_name(pointer: &str) -> String {
    let decoded: Vec<String> = pointer
        .split('/')
        .map(|p| p.replace("~1", "/").replace("~0", "~"))
        .collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let telling = match parts.as_slice() {
        ["", "components", "schemas", name] | ["", "definitions", name] => words_kept(name),
        // Of another document: its own name for the schema, else that of the document.
        [
            "",
            super::external::BUNDLED,
            _,
            ..,
            "schemas" | "definitions" | "$defs",
            name,
        ] => words_kept(name),
        ["", super::external::BUNDLED, rest @ ..] => {
            rest.iter().flat_map(|p| words_kept(p)).collect()
        }
        other => other.iter().skip(2).flat_map(|p| words_kept(p)).collect(),
    };
    let mut name: String = telling.iter().map(|w| capitalized(w)).collect();
    name.truncate(SEGMENT_CHARS_MAX);
    match name.chars().next() {
        None => "Type".to_owned(),
        Some(c) if c.is_ascii_digit() => format!("T{name}"),
        Some(_) => name,
    }
}

/// Runs of letters and digits, their case kept: type names stay as their authors wrote them.
fn words_kept(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A text fit to be shown: one line, invisible and direction-changing characters made visible as
/// `\u{…}`. The second part says whether there were any: such text can hide instructions.
pub(crate) fn visible_text(text: &str) -> (String, bool) {
    // Most texts are plain ASCII, and there are many.
    let trimmed = text.trim();
    let is_plain = trimmed.bytes().all(|b| (b' '..=b'~').contains(&b));
    if is_plain && !trimmed.contains("  ") {
        return (trimmed.to_owned(), false);
    }
    let mut shown = String::with_capacity(text.len());
    let mut found = false;
    let mut space = false;
    for c in text.trim().chars() {
        if c.is_whitespace() || (c.is_control() && c.is_ascii()) {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            shown.push(' ');
        }
        if invisible(c) {
            found = true;
            shown.push_str(&format!("\\u{{{:x}}}", c as u32));
        } else {
            shown.push(c);
        }
    }
    (shown, found)
}

/// Zero-width, bidirectional, tag and filler characters. The joiner, and the selectors that color
/// emoji, are everyday text and stay.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_lose_a_leading_copy_of_their_tag() {
        for (id, tag, expected) in [
            ("issues/list-for-repo", "issues", "listForRepo"),
            ("getItem", "items", "getItem"),
            ("Issues_List", "Issues", "list"),
            ("issues", "issues", "issues"),
            ("getHTTPServer2Config", "", "getHttpServer2Config"),
            ("2fa.enable", "", "_2faEnable"),
            ("then", "", "then_"),
        ] {
            assert_eq!(
                operation(Some(id), Some(tag)).as_deref(),
                Some(expected),
                "{id}"
            );
        }
        assert_eq!(operation(Some("—/—"), None), None);
        let long = operation(Some(&"veryLong".repeat(1280)), None).unwrap();
        assert!(
            long.len() <= SEGMENT_CHARS_MAX && long.starts_with("veryLong"),
            "{long}"
        );
    }

    #[test]
    fn paths_name_what_has_no_id() {
        for (method, path, expected) in [
            ("get", "/users/{id}/posts", "getUsersByIdPosts"),
            ("DELETE", "/", "delete"),
            ("get", "/a/{b}.{format}", "getAByBByFormat"),
        ] {
            assert_eq!(from_method_and_path(method, path), expected);
        }
    }

    #[test]
    fn sources_are_named_after_their_title_or_host() {
        for (title, location, expected) in [
            ("Discord HTTP API (Preview)", None, "discord"),
            ("OpenAI API", None, "openAi"),
            ("GitHub v3 REST API", None, "gitHub"),
            (
                "API",
                Some("https://api.ledger.example/openapi.json"),
                "ledger",
            ),
            ("", Some("/tmp/pet-store.v2.yaml"), "petStore"),
            ("Catalog", None, "catalogApi"),
            ("", None, "api"),
            ("3scale", None, "scale"),
        ] {
            let name = suggest_name(title, location);
            assert_eq!(name, expected, "{title}");
            assert!(valid_name(&name));
        }
        for bad in ["", "Ledger", "a-b", "9a", "discover", "toString", "é"] {
            assert!(!valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(visible_text(" a\n  b "), ("a b".to_owned(), false));
        assert_eq!(
            visible_text("a\u{200b}b\u{e0041}"),
            ("a\\u{200b}b\\u{e0041}".to_owned(), true)
        );
    }
}
