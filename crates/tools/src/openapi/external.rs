//! References that lead out of a document, or name a place by `$id` or `$anchor`: bundled, so that
//! everything after this sees pointers into one document.
//!
//! Nothing is read here. Whoever holds the client or the folder is told which documents are wanted
//! and hands them over; what is not handed over leads nowhere. The number of documents, their size
//! and the length of the way to them are bounded.

use super::Warnings;
use super::document;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// The member of the root under which other documents are kept.
pub(crate) const BUNDLED: &str = "x-executor-documents";

/// Most documents that one description is put together of, besides itself.
const DOCUMENTS_MAX: usize = 512;

/// Most text of all of them, in bytes.
const BYTES_MAX: usize = 32 << 20;

/// How many documents lie at most between the description and one that it needs.
const ROUNDS_MAX: usize = 16;

/// The address of a description in a folder, by the name of its file: references to files in that
/// folder and below it are relative to it, and no other documents are wanted.
#[must_use]
pub fn local_address(file_name: &str) -> String {
    let mut url = Url::parse("local:///").expect("it has a scheme, an empty host and a path");
    url.set_path(&format!("/{file_name}"));
    url.into()
}

/// The path of a file that is wanted beside a [`local_address`], relative to its folder. A name
/// that hides `..` in it is not resolved here.
#[must_use]
pub fn local_path(address: &str) -> Option<String> {
    let path = address.strip_prefix("local:///")?;
    Some(document::percent_decoded(path.split('?').next()?))
}

/// Members that hold data or text, where `$ref` is no reference.
const NO_REFERENCES: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Members whose own members are named by the author: `default` is a name there, and no data.
const NAMED: [&str; 9] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "definitions",
    "$defs",
    "schemas",
    "parameters",
    "responses",
    "headers",
];

/// Whether a member of an object may hold references, and if so whether its own members are named
/// by the author.
fn member(key: &str, named: bool) -> Option<bool> {
    match named {
        true => Some(false),
        false if NO_REFERENCES.contains(&key) => None,
        false => Some(NAMED.contains(&key)),
    }
}

/// The documents beside the one that is imported.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// Where the description itself lies: what relative references are relative to.
    base: Option<Url>,
    found: BTreeMap<String, Value>,
    wanted: BTreeSet<String>,
    /// Asked for once and never again, whatever came of it.
    asked: BTreeSet<String>,
    count: usize,
    bytes: usize,
    rounds: usize,
    warnings: Warnings,
    /// Whether any reference is more than a pointer into the description.
    needed: bool,
    /// Whether anything in them may be `readOnly` or `writeOnly`.
    pub(crate) has_directions: bool,
}

impl Others {
    /// Looks for references that lead out. `location` is where the description came from.
    pub(crate) fn of(root: &Value, text: &str, location: Option<&str>) -> Self {
        let location = location.and_then(|l| Url::parse(l).ok());
        // OpenAPI 3.2, "Establishing the Base URI".
        let declared = root.get("$self").and_then(Value::as_str);
        let base = match (declared, &location) {
            (Some(own), Some(location)) => location.join(own).ok(),
            (Some(own), None) => Url::parse(own).ok(),
            (None, _) => None,
        };
        let mut others = Self {
            base: base.or(location).map(without_fragment),
            needed: !only_pointers(text),
            ..Self::default()
        };
        if others.needed {
            others.look(root, others.base.clone().as_ref());
        }
        others
    }

    fn look(&mut self, document: &Value, base: Option<&Url>) {
        let mut stack = vec![(document, false)];
        while let Some((at, named)) = stack.pop() {
            match at {
                Value::Object(map) => {
                    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                        self.want(reference, base);
                    }
                    // What has its name here is not looked for elsewhere.
                    let id = map.get("$id").and_then(Value::as_str);
                    let own = id.and_then(|id| absolute(id, base));
                    self.asked.extend(own.map(String::from));
                    let inner = map.iter();
                    stack.extend(inner.filter_map(|(k, v)| Some((v, member(k, named)?))));
                }
                Value::Array(items) => stack.extend(items.iter().map(|v| (v, false))),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }

    fn want(&mut self, reference: &str, base: Option<&Url>) {
        let document = reference.split('#').next().unwrap_or_default();
        if document.is_empty() {
            return;
        }
        let Some(url) = absolute(document, base) else {
            return;
        };
        let own = self.base.as_ref();
        if own == Some(&url) || self.asked.contains(url.as_str()) {
            return;
        }
        // A document of the web leads into the web, one of a folder into that folder.
        let kind = |url: &Url| matches!(url.scheme(), "http" | "https");
        let reachable =
            own.is_some_and(|own| own.scheme() == url.scheme() || (kind(own) && kind(&url)));
        if !reachable || !url.username().is_empty() || url.password().is_some() {
            self.warnings.add(format!(
                "`{document}` is not read: it lies outside of where the description comes from"
            ));
            self.asked.insert(url.into());
            return;
        }
        self.wanted.insert(url.into());
    }

    /// The documents to hand over next; empty when there is nothing more to read.
    pub(crate) fn wanted(&mut self) -> Vec<String> {
        let room = DOCUMENTS_MAX.saturating_sub(self.count);
        self.rounds += 1;
        let over = self.rounds > ROUNDS_MAX || self.bytes > BYTES_MAX;
        let asked = &self.asked;
        let next = std::mem::take(&mut self.wanted).into_iter();
        let next: Vec<String> = next.filter(|url| !asked.contains(url)).collect();
        let (taken, left) = next.split_at(if over { 0 } else { room.min(next.len()) });
        if let Some(first) = left.first() {
            self.warnings.add(format!(
                "`{first}` and what else it needs is not read: a description may consist of \
                 {DOCUMENTS_MAX} other documents with {BYTES_MAX} bytes, {ROUNDS_MAX} deep"
            ));
        }
        self.asked.extend(next.iter().cloned());
        self.count += taken.len();
        taken.to_vec()
    }

    /// Takes a document, or why it could not be read.
    pub(crate) fn add(&mut self, url: &str, read: Result<Vec<u8>, String>) {
        let read = read.and_then(|bytes| {
            self.bytes += bytes.len();
            if self.bytes > BYTES_MAX {
                return Err(format!(
                    "the documents together are larger than {BYTES_MAX} bytes"
                ));
            }
            self.has_directions |= document::speaks_of_directions(&bytes);
            document::read_any(&bytes).map_err(|e| e.to_string())
        });
        match read {
            Ok(value) => {
                self.look(&value, Url::parse(url).ok().as_ref());
                self.found.insert(url.to_owned(), value);
            }
            Err(problem) => self
                .warnings
                .add(format!("`{url}` could not be read: {problem}")),
        }
    }

    pub(crate) fn is_any(&self) -> bool {
        !self.found.is_empty()
    }

    /// Puts all of it into one document whose references are pointers.
    pub(crate) fn bundle(self, root: &mut Value, warnings: &mut Warnings) {
        for text in self.warnings.finish() {
            warnings.add(text);
        }
        if !self.needed {
            return;
        }
        let keys = keys(self.found.keys());
        let mut places = Places::default();
        places.note(root, self.base.as_ref(), "");
        for (url, value) in &self.found {
            let prefix = format!("/{BUNDLED}/{}", keys[url]);
            places.note(value, Url::parse(url).ok().as_ref(), &prefix);
        }
        places.rewrite(root, self.base.as_ref(), false);
        let mut bundled = Map::new();
        for (url, mut value) in self.found {
            places.rewrite(&mut value, Url::parse(&url).ok().as_ref(), false);
            bundled.insert(keys[&url].clone(), value);
        }
        if let Some(root) = root.as_object_mut()
            && !bundled.is_empty()
        {
            root.insert(BUNDLED.to_owned(), Value::Object(bundled));
        }
    }
}

/// Whether every reference of a text is a pointer into it. Says no where it is not sure.
fn only_pointers(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), "$ref").all(|at| {
        let rest = text[at + 4..].trim_start_matches(['"', '\'', ':', ' ', '\t', '\n', '\r']);
        rest.starts_with("#/")
    })
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

fn absolute(reference: &str, base: Option<&Url>) -> Option<Url> {
    let url = match base {
        Some(base) => base.join(reference).ok()?,
        None => Url::parse(reference).ok()?,
    };
    Some(without_fragment(url))
}

/// A short name for each document: that of its file, numbered where several share it.
fn keys<'u>(urls: impl Iterator<Item = &'u String>) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::new();
    let mut named = BTreeMap::new();
    for url in urls {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let file = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let stem = file.split('.').next().unwrap_or_default();
        let plain: String = stem
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(40)
            .collect();
        let plain = if plain.is_empty() {
            "document".to_owned()
        } else {
            plain
        };
        let mut key = plain.clone();
        let mut count = 1;
        while !taken.insert(key.clone()) {
            count += 1;
            key = format!("{plain}{count}");
        }
        named.insert(url.clone(), key);
    }
    named
}

/// Where documents, identifiers and anchors lie: by address, the pointer of each.
#[derive(Default)]
struct Places(BTreeMap<String, String>);

/// How far down identifiers are looked for.
const DEPTH_MAX: usize = 128;

impl Places {
    fn note(&mut self, document: &Value, base: Option<&Url>, prefix: &str) {
        let own = base.map_or_else(String::new, Url::to_string);
        self.0.insert(own.clone(), prefix.to_owned());
        self.walk(document, (base, &own), (prefix, false), 0);
    }

    fn walk(
        &mut self,
        value: &Value,
        (base, own): (Option<&Url>, &str),
        (at, named): (&str, bool),
        depth: usize,
    ) {
        if depth > DEPTH_MAX {
            return;
        }
        if let Value::Object(map) = value {
            if let Some(id) = map.get("$id").and_then(Value::as_str)
                && let Some(url) = absolute(id, base)
            {
                self.0.entry(url.into()).or_insert_with(|| at.to_owned());
            }
            for key in ["$anchor", "$dynamicAnchor"] {
                if let Some(anchor) = map.get(key).and_then(Value::as_str) {
                    let name = format!("{own}#{anchor}");
                    self.0.entry(name).or_insert_with(|| at.to_owned());
                }
            }
            for (key, inner) in map {
                if let Some(named) = member(key, named) {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    self.walk(
                        inner,
                        (base, own),
                        (&format!("{at}/{key}"), named),
                        depth + 1,
                    );
                }
            }
        } else if let Value::Array(items) = value {
            for (i, inner) in items.iter().enumerate() {
                self.walk(inner, (base, own), (&format!("{at}/{i}"), false), depth + 1);
            }
        }
    }

    /// The pointer that a reference found in a document means.
    fn pointer(&self, reference: &str, base: Option<&Url>) -> Option<String> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let url = if document.is_empty() {
            base.map_or_else(String::new, Url::to_string)
        } else {
            absolute(document, base)?.into()
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.0.get(&format!("{url}#{fragment}")).cloned();
        }
        Some(format!("{}{fragment}", self.0.get(&url)?))
    }

    fn rewrite(&self, value: &mut Value, base: Option<&Url>, named: bool) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get_mut("$ref")
                    && let Some(pointer) = self.pointer(reference, base)
                {
                    *reference = format!("#{pointer}");
                }
                for (key, inner) in map.iter_mut() {
                    if let Some(named) = member(key, named) {
                        self.rewrite(inner, base, named);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.rewrite(v, base, false)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bundled(
        location: Option<&str>,
        root: Value,
        files: &[(&str, Value)],
    ) -> (Value, Vec<String>) {
        let mut others = Others::of(&root, &root.to_string(), location);
        loop {
            let wanted = others.wanted();
            if wanted.is_empty() {
                break;
            }
            for url in wanted {
                let found = files.iter().find(|(u, _)| *u == url);
                let read = found.map(|(_, v)| v.to_string().into_bytes());
                others.add(&url, read.ok_or_else(|| "not there".to_owned()));
            }
        }
        let mut root = root;
        let mut warnings = Warnings::default();
        others.bundle(&mut root, &mut warnings);
        (root, warnings.finish())
    }

    #[test]
    fn other_documents_become_part_of_this_one() {
        let root = json!({
            "a": {"$ref": "b.json#/x"}, "self": {"$ref": "https://h.example/d/a.json#/a"},
            "example": {"$ref": "c.json"}, "properties": {"default": {"$ref": "b.json#/y"}}, "n": {"$ref": "#named"},
            "m": {"$anchor": "named"}, "i": {"$id": "https://elsewhere.example/t"},
            "j": {"$ref": "https://elsewhere.example/t"}});
        let other =
            json!({"x": {"$ref": "#/y"}, "y": {"$ref": "a.json#/m"}, "z": {"$ref": "../e/b.json"}});
        let files = [
            ("https://h.example/d/b.json", other),
            ("https://h.example/e/b.json", json!({"k": 1})),
        ];
        let (root, warnings) = bundled(Some("https://h.example/d/a.json"), root, &files);
        let lead = |pointer: &str| {
            root.pointer(pointer).unwrap()["$ref"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(lead("/a"), "#/x-executor-documents/b/x");
        assert_eq!(lead("/self"), "#/a");
        assert_eq!(lead("/n"), "#/m");
        assert_eq!(lead("/j"), "#/i");
        assert_eq!(lead("/example"), "c.json");
        assert_eq!(lead("/properties/default"), "#/x-executor-documents/b/y");
        assert_eq!(
            lead("/x-executor-documents/b/x"),
            "#/x-executor-documents/b/y"
        );
        assert_eq!(lead("/x-executor-documents/b/y"), "#/m");
        assert_eq!(
            lead("/x-executor-documents/b/z"),
            "#/x-executor-documents/b2"
        );
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn the_way_is_bounded_and_stays_where_it_began() {
        let file = |i: usize| json!({"$ref": format!("{}.json", i + 1)});
        let urls: Vec<String> = (0..100).map(|i| format!("local:///{i}.json")).collect();
        let files: Vec<(&str, Value)> = urls
            .iter()
            .enumerate()
            .map(|(i, u)| (u.as_str(), file(i)))
            .collect();
        let (root, warnings) = bundled(
            Some("local:///start.json"),
            json!({"$ref": "0.json"}),
            &files,
        );
        assert_eq!(root[BUNDLED].as_object().unwrap().len(), ROUNDS_MAX);
        assert!(warnings[0].contains("16 deep"), "{warnings:?}");
        for outside in [
            "file:///etc/passwd",
            "https://h.example/x",
            "ftp://h.example/x",
        ] {
            let mut others = Others::of(
                &json!({"$ref": outside}),
                &json!({"$ref": outside}).to_string(),
                Some("local:///start.json"),
            );
            assert!(others.wanted().is_empty(), "{outside}");
        }
        // A path cannot climb out of the folder that the description lies in.
        let up = json!({"$ref": "../../etc/passwd"});
        let mut others = Others::of(&up, &up.to_string(), Some("local:///start.json"));
        assert_eq!(others.wanted(), ["local:///etc/passwd"]);
        let up = json!({"$ref": "file:///etc/passwd"});
        let mut others = Others::of(&up, &up.to_string(), Some("https://h.example/a.json"));
        assert!(others.wanted().is_empty());
    }
}
