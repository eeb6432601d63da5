//! One test: what its front matter asks for, and whether it applies to programs here at all.
//!
//! The front matter is YAML, of which the suite uses three forms: `key: value`, `key: [a, b]` and a
//! list of lines with a dash. `INTERPRETING.md` of the suite says what it means.

/// A test that applies.
pub(crate) struct Case {
    /// From the suite's folder `test`.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Harness files it wants besides the usual two.
    pub(crate) includes: Vec<String>,
    /// It tells its end by calling `$DONE`.
    pub(crate) is_async: bool,
    /// It must stand alone, without any harness.
    pub(crate) is_raw: bool,
    /// How it must fail, if it must.
    pub(crate) negative: Option<Negative>,
}

/// The failure that a test wants.
pub(crate) struct Negative {
    /// Before anything runs.
    pub(crate) at_parse: bool,
    /// The error's name.
    pub(crate) kind: String,
}

const MODULES: &str = "programs load no modules";
const THREADS: &str = "one thread: no Atomics, no SharedArrayBuffer";
const COLLECTION: &str = "when garbage is collected is not observable";
const REALM: &str = "there is one realm";
const STRICT: &str = "programs are always strict";
const PROPOSAL: &str = "proposals, and Temporal";
const INTL: &str = "no Intl";
const WEB: &str = "old browser behavior (Annex B)";
const SCRIPTS: &str = "a program is a function body, not a script with global declarations";
const TAIL_CALLS: &str = "tail calls, which no engine but one has";

/// What a test is tagged with that is absent on purpose.
const FEATURES: [(&str, &str); 44] = [
    ("Atomics", THREADS),
    ("Atomics.pause", THREADS),
    ("Atomics.waitAsync", THREADS),
    ("SharedArrayBuffer", THREADS),
    ("WeakRef", COLLECTION),
    ("FinalizationRegistry", COLLECTION),
    ("FinalizationRegistry.prototype.cleanupSome", COLLECTION),
    ("host-gc-required", COLLECTION),
    ("dynamic-import", MODULES),
    ("import.meta", MODULES),
    ("import-attributes", MODULES),
    ("json-modules", MODULES),
    ("top-level-await", MODULES),
    ("export-star-as-namespace-from-module", MODULES),
    ("arbitrary-module-namespace-names", MODULES),
    ("source-phase-imports", MODULES),
    ("source-phase-imports-module-source", MODULES),
    ("import-defer", MODULES),
    ("export-defer", MODULES),
    ("import-text", MODULES),
    ("import-bytes", MODULES),
    ("cross-realm", REALM),
    ("Temporal", PROPOSAL),
    ("ShadowRealm", PROPOSAL),
    ("decorators", PROPOSAL),
    ("explicit-resource-management", PROPOSAL),
    ("immutable-arraybuffer", PROPOSAL),
    ("nonextensible-applies-to-private", PROPOSAL),
    ("await-dictionary", PROPOSAL),
    ("error-stack-accessor", PROPOSAL),
    ("Iterator.prototype.join", PROPOSAL),
    ("iterator-chunking", PROPOSAL),
    ("iterator-includes", PROPOSAL),
    ("joint-iteration", PROPOSAL),
    ("canonical-tz", INTL),
    ("intl-normative-optional", INTL),
    ("Intl-enumeration", INTL),
    ("IsHTMLDDA", WEB),
    ("legacy-regexp", WEB),
    ("caller", WEB),
    ("__getter__", WEB),
    ("__setter__", WEB),
    ("__proto__", WEB),
    ("tail-call-optimization", TAIL_CALLS),
];

/// Beginnings of names of what is absent on purpose.
const PLACES: [(&str, &str); 8] = [
    ("language/module-code/", MODULES),
    ("language/import/", MODULES),
    ("language/export/", MODULES),
    ("language/expressions/dynamic-import/", MODULES),
    ("language/expressions/import.meta/", MODULES),
    ("language/global-code/", SCRIPTS),
    ("built-ins/Atomics/", THREADS),
    ("built-ins/SharedArrayBuffer/", THREADS),
];

/// What the suite's host object would have to give.
const HOST: [(&str, &str); 6] = [
    ("$262.createRealm", REALM),
    ("$262.evalScript", SCRIPTS),
    ("$262.agent", THREADS),
    ("$262.gc", COLLECTION),
    ("$262.AbstractModuleSource", MODULES),
    ("$262.IsHTMLDDA", WEB),
];

impl Case {
    /// Reads a test, or tells why it is left out.
    pub(crate) fn read(name: String, text: String) -> Result<Case, &'static str> {
        let matter = text
            .split_once("/*---")
            .and_then(|(_, rest)| rest.split_once("---*/"))
            // A test of line ends may have any kind of them.
            .map_or(String::new(), |(matter, _)| matter.replace('\r', "\n"));
        let matter = matter.as_str();
        let flags = list(matter, "flags");
        let has = |flag: &str| flags.iter().any(|f| f == flag);
        if let Some(reason) = left_out(&name, &text, &list(matter, "features")) {
            return Err(reason);
        }
        if has("module") {
            return Err(MODULES);
        }
        if has("noStrict") {
            return Err(STRICT);
        }
        if has("CanBlockIsFalse") || has("CanBlockIsTrue") {
            return Err(THREADS);
        }
        Ok(Case {
            includes: list(matter, "includes"),
            is_async: has("async"),
            is_raw: has("raw"),
            negative: matter.contains("negative:").then(|| Negative {
                at_parse: value(matter, "phase").is_some_and(|phase| phase == "parse"),
                kind: value(matter, "type").unwrap_or_default().to_owned(),
            }),
            name,
            text,
        })
    }
}

fn left_out(name: &str, text: &str, features: &[String]) -> Option<&'static str> {
    let place = PLACES.iter().find(|(place, _)| name.starts_with(place));
    let feature = || {
        let mut absent = FEATURES.iter();
        absent.find(|(feature, _)| features.iter().any(|f| f == feature))
    };
    let host = || HOST.iter().find(|(host, _)| text.contains(host));
    place
        .or_else(feature)
        .or_else(host)
        .map(|(_, reason)| *reason)
}

/// The value of `key: value`, wherever it is indented.
fn value<'a>(matter: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = matter.lines().map(str::trim);
    lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
}

/// The values of a key that stands at the beginning of a line.
fn list(matter: &str, key: &str) -> Vec<String> {
    let mut lines = matter.lines();
    let first = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let Some(first) = first.map(str::trim) else {
        return Vec::new();
    };
    let mut inline = first.to_owned();
    if first.starts_with('[') {
        // The brackets may close on a later line.
        while !inline.contains(']') {
            let Some(line) = lines.next() else { break };
            inline.push_str(line.trim());
        }
        let inner = inline.trim_start_matches('[').split(']').next();
        let values = inner.unwrap_or_default().split(',').map(str::trim);
        return values
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect();
    }
    lines
        .map_while(|line| line.trim().strip_prefix("- "))
        .map(|value| value.trim().to_owned())
        .collect()
}
