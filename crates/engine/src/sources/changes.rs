//! What a refresh changes: the paths that are new, gone, or defined otherwise.

use domain::tool::Tool;
use std::collections::HashMap;

/// Paths that were added, removed and changed.
pub(super) fn difference(
    before: &[Tool],
    after: &[Tool],
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let old: HashMap<&str, &str> = before
        .iter()
        .map(|t| (t.path.as_str(), t.digest.as_str()))
        .collect();
    let new: HashMap<&str, &str> = after
        .iter()
        .map(|t| (t.path.as_str(), t.digest.as_str()))
        .collect();
    let of = |tools: &[Tool], keep: &dyn Fn(&Tool) -> bool| {
        let mut paths: Vec<String> = tools
            .iter()
            .filter(|t| keep(t))
            .map(|t| t.path.clone())
            .collect();
        paths.sort();
        paths
    };
    (
        of(after, &|t| !old.contains_key(t.path.as_str())),
        of(before, &|t| !new.contains_key(t.path.as_str())),
        of(after, &|t| {
            old.get(t.path.as_str()).is_some_and(|d| *d != t.digest)
        }),
    )
}
