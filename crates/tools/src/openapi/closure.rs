//! What definitions reach, for the digests of tools: a tool's digest changes with what it refers to
//! and with nothing else.
//!
//! Definitions that reach each other share one digest, over all of them and over the digests of
//! what else they reach. So each definition is looked at once, however many tools refer to it.

use super::halves;
use crate::typings::references;
use domain::canonical::{canonical, sha256_hex, sha256_parts};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// The digest of each definition with all that it reaches.
pub(crate) struct Closure {
    digests: HashMap<String, String>,
}

/// One definition while strongly connected ones are found (Tarjan).
struct Visit {
    at: usize,
    /// The next of its references to follow.
    next: usize,
}

impl Closure {
    pub(crate) fn new(definitions: &Map<String, Value>) -> Self {
        let names: Vec<&String> = definitions.keys().collect();
        let place: HashMap<&str, usize> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str(), i))
            .collect();
        let looked = halves::each(definitions.values().collect(), |schema| {
            let found = references(schema);
            let direct = found.iter().filter_map(|r| place.get(r.as_str()).copied());
            let own = sha256_hex(canonical(schema).as_bytes());
            (direct.collect::<Vec<usize>>(), own)
        });
        let (direct, own): (Vec<Vec<usize>>, Vec<String>) = looked.into_iter().unzip();
        let mut digests: Vec<Option<String>> = vec![None; names.len()];
        for group in groups(&direct) {
            let outside: BTreeSet<&str> = group
                .iter()
                .flat_map(|i| &direct[*i])
                .filter_map(|to| digests[*to].as_deref())
                .collect();
            let mut inside: Vec<(&str, &str)> = group
                .iter()
                .map(|i| (names[*i].as_str(), own[*i].as_str()))
                .collect();
            inside.sort_unstable();
            let parts: Vec<&[u8]> = inside
                .iter()
                .flat_map(|(name, digest)| [name.as_bytes(), digest.as_bytes()])
                .chain(std::iter::once(&b""[..]))
                .chain(outside.iter().map(|d| d.as_bytes()))
                .collect();
            let digest = sha256_parts(&parts);
            for i in group {
                digests[i] = Some(digest.clone());
            }
        }
        let digests = names.into_iter().cloned().zip(digests);
        Self {
            digests: digests.filter_map(|(name, d)| Some((name, d?))).collect(),
        }
    }

    /// One digest over every definition that the schemas reach.
    pub(crate) fn digest(&self, schemas: &[&Value]) -> String {
        let direct: BTreeSet<String> = schemas.iter().flat_map(|s| references(s)).collect();
        let parts: Vec<&[u8]> = direct
            .iter()
            .filter_map(|name| Some([name.as_bytes(), self.digests.get(name)?.as_bytes()]))
            .flatten()
            .collect();
        sha256_parts(&parts)
    }
}

/// The strongly connected groups, each after all that it reaches. Without recursion: chains may be
/// as long as the document.
fn groups(direct: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut index = vec![UNSEEN; direct.len()];
    let mut low = vec![0; direct.len()];
    let mut open = vec![false; direct.len()];
    let (mut waiting, mut found, mut count) = (Vec::new(), Vec::new(), 0);
    for start in 0..direct.len() {
        if index[start] != UNSEEN {
            continue;
        }
        let mut way = vec![Visit { at: start, next: 0 }];
        while let Some(visit) = way.last_mut() {
            let at = visit.at;
            if visit.next == 0 {
                (index[at], low[at], open[at]) = (count, count, true);
                count += 1;
                waiting.push(at);
            }
            if let Some(to) = direct[at].get(visit.next).copied() {
                visit.next += 1;
                if index[to] == UNSEEN {
                    way.push(Visit { at: to, next: 0 });
                } else if open[to] {
                    low[at] = low[at].min(index[to]);
                }
                continue;
            }
            way.pop();
            if let Some(before) = way.last() {
                low[before.at] = low[before.at].min(low[at]);
            }
            if low[at] == index[at] {
                let from = waiting.iter().rposition(|i| *i == at).unwrap_or(0);
                let group = waiting.split_off(from);
                group.iter().for_each(|i| open[*i] = false);
                found.push(group);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_come_after_what_they_reach() {
        // 0 → 1 ⇄ 2 → 3, and 4 by itself.
        let found = groups(&[vec![1], vec![2], vec![1, 3], vec![], vec![4]]);
        let found: Vec<Vec<usize>> = found
            .into_iter()
            .map(|mut g| {
                g.sort_unstable();
                g
            })
            .collect();
        assert_eq!(found, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }

    #[test]
    fn a_digest_covers_all_that_is_reached() {
        let reference = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
        let digest = |changed: &str| {
            let mut all = Map::new();
            for (name, to) in [("A", "B"), ("B", "C"), ("C", "B"), ("D", "D")] {
                let mut schema = json!({"properties": {"x": reference(to)}});
                if name == changed {
                    schema["description"] = "changed".into();
                }
                all.insert(name.to_owned(), schema);
            }
            Closure::new(&all).digest(&[&reference("A")])
        };
        let before = digest("");
        for reached in ["A", "B", "C"] {
            assert_ne!(digest(reached), before, "{reached}");
        }
        assert_eq!(digest("D"), before);
    }
}
