//! The JavaScript that makes a foreign engine's realm the isolate's.
//!
//! The image's prelude, word for word, on `runtimes/world.js` and `realm.js`,
//! which do what the image does in C. One text for every foreign runtime; what
//! surrounds it is each runtime's own file.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// A function of `native`: the files of `image/prelude`, joined by `build.rs`.
const PRELUDE: &str = include_str!(concat!(env!("OUT_DIR"), "/prelude.js"));
const WORLD: &str = include_str!("../../runtimes/world.js");
const REALM: &str = include_str!("../../runtimes/realm.js");

/// Part of the digests of foreign runtimes: the form of commands and events.
const MESSAGES_VERSION: u8 = 1;

/// An expression: a function of `host` that gives the function `turn`.
pub(super) fn world() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        format!(
            "(function (host) {{ \"use strict\";\nconst prelude = {PRELUDE};\n{WORLD}\n{REALM}\n}})"
        )
    })
}

/// Digest of what a replay on a foreign runtime depends on besides the program.
pub(super) fn digest(runtime: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update([MESSAGES_VERSION]);
    hash.update(world());
    for part in runtime {
        hash.update([0]);
        hash.update(part);
    }
    crate::compile::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::WORLD;

    /// The image says the same of absent names, in C.
    #[test]
    fn hints_are_those_of_the_image() {
        let image = include_str!("../../image/c/absent.c");
        let hint = |line: &str| {
            let rest = line.trim().strip_prefix("{ \"")?.strip_suffix("\" },")?;
            let (name, hint) = rest.split_once("\", \"")?;
            Some((name.to_owned(), hint.replace("\\\"", "\"")))
        };
        let hints: Vec<_> = image.lines().filter_map(hint).collect();
        assert!(hints.len() > 20, "{hints:?}");
        for (name, hint) in hints {
            let quoted = if hint.contains('"') {
                format!("  {name}: '{hint}',")
            } else {
                format!("  {name}: \"{hint}\",")
            };
            assert!(WORLD.contains(&quoted), "{quoted}");
        }
    }
}
