//! A value of which only a part is known: what a program's text says about the arguments of a call
//! before the program runs.
//!
//! Nothing here guesses: what is not written out as a literal is unknown. Who reads such values out
//! of a program is `sandbox`, who checks them against a schema is `tools`, who asks the policy about
//! them is [`crate::policy::possible`].

use serde_json::{Map, Value};

/// Where something stands in a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// From 1, in UTF-16 units.
    pub column: u32,
}

/// A value as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Partial {
    /// Nothing is known of it.
    Unknown,
    /// Null, a boolean, a number or a text.
    Scalar(Value),
    /// A list.
    List {
        /// Its first items.
        items: Vec<Partial>,
        /// Whether more may follow.
        open: bool,
    },
    /// An object.
    Object {
        /// Its known keys, each once.
        entries: Vec<Entry>,
        /// Whether it may have others.
        open: bool,
    },
}

/// One known key of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub value: Partial,
}

/// A part of a partial value, looked up by its path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part<'p> {
    /// It is there.
    Present(&'p Partial),
    /// It is certain not to be there.
    Absent,
    /// It may be there or not.
    Unknown,
}

impl Partial {
    /// An object without any key, as an absent argument stands for.
    #[must_use]
    pub fn empty() -> Self {
        Self::Object {
            entries: Vec::new(),
            open: false,
        }
    }

    /// The value, if all of it is known.
    #[must_use]
    pub fn whole(&self) -> Option<Value> {
        match self {
            Self::Unknown | Self::List { open: true, .. } | Self::Object { open: true, .. } => None,
            Self::Scalar(value) => Some(value.clone()),
            Self::List { items, open: false } => items.iter().map(Self::whole).collect(),
            Self::Object {
                entries,
                open: false,
            } => entries
                .iter()
                .map(|e| Some((e.key.clone(), e.value.whole()?)))
                .collect::<Option<Map<String, Value>>>()
                .map(Value::Object),
        }
    }

    /// A whole value of the same shape, with null for everything unknown.
    #[must_use]
    pub fn stand_in(&self) -> Value {
        match self {
            Self::Unknown => Value::Null,
            Self::Scalar(value) => value.clone(),
            Self::List { items, .. } => items.iter().map(Self::stand_in).collect(),
            Self::Object { entries, .. } => entries
                .iter()
                .map(|e| (e.key.clone(), e.value.stand_in()))
                .collect(),
        }
    }

    /// The part that a path of keys and list places leads to.
    #[must_use]
    pub fn part<'k>(&self, path: impl Iterator<Item = &'k str>) -> Part<'_> {
        let mut at = self;
        for step in path {
            let next = match at {
                Self::Unknown => return Part::Unknown,
                Self::Scalar(_) => return Part::Absent,
                Self::List { items, open } => {
                    let item = step.parse::<usize>().ok().and_then(|i| items.get(i));
                    item.ok_or(*open)
                }
                Self::Object { entries, open } => entries
                    .iter()
                    .find(|e| e.key == step)
                    .map(|e| &e.value)
                    .ok_or(*open),
            };
            match next {
                Ok(next) => at = next,
                Err(true) => return Part::Unknown,
                Err(false) => return Part::Absent,
            }
        }
        if matches!(at, Self::Unknown) {
            Part::Unknown
        } else {
            Part::Present(at)
        }
    }

    /// Where the last key of a path stands that is written out.
    #[must_use]
    pub fn place<'k>(&self, path: impl Iterator<Item = &'k str>) -> Option<Place> {
        let (mut at, mut place) = (self, None);
        for step in path {
            match at {
                Self::Unknown | Self::Scalar(_) => break,
                Self::List { items, .. } => {
                    let Some(item) = step.parse::<usize>().ok().and_then(|i| items.get(i)) else {
                        break;
                    };
                    at = item;
                }
                Self::Object { entries, .. } => {
                    let Some(entry) = entries.iter().find(|e| e.key == step) else {
                        break;
                    };
                    place = Some(entry.place);
                    at = &entry.value;
                }
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(open: bool, entries: Vec<(&str, Partial)>) -> Partial {
        let entries = entries
            .into_iter()
            .enumerate()
            .map(|(i, (key, value))| Entry {
                key: key.to_owned(),
                place: Place {
                    line: 1,
                    column: i as u32 + 1,
                },
                value,
            });
        Partial::Object {
            entries: entries.collect(),
            open,
        }
    }

    #[test]
    fn parts_are_present_absent_or_unknown() {
        let value = object(
            false,
            vec![
                ("a", Partial::Scalar(json!(1))),
                ("b", Partial::Unknown),
                (
                    "c",
                    Partial::List {
                        items: vec![object(true, vec![("d", Partial::Scalar(json!("x")))])],
                        open: true,
                    },
                ),
            ],
        );
        for (path, expected) in [
            ("a", "present"),
            ("b", "unknown"),
            ("b.c", "unknown"),
            ("c.0.d", "present"),
            ("c.0.e", "unknown"),
            ("c.1", "unknown"),
            ("a.x", "absent"),
            ("z", "absent"),
        ] {
            let found = match value.part(path.split('.')) {
                Part::Present(_) => "present",
                Part::Absent => "absent",
                Part::Unknown => "unknown",
            };
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(value.place("c.0.d".split('.')).map(|p| p.column), Some(1));
        assert_eq!(value.place("b.q".split('.')).map(|p| p.column), Some(2));
        assert_eq!(value.whole(), None);
        assert_eq!(
            value.stand_in(),
            json!({ "a": 1, "b": null, "c": [{ "d": "x" }] })
        );
        assert_eq!(Partial::empty().whole(), Some(json!({})));
    }
}
