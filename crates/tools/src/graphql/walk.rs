//! Looking over the selections of a document: how many fields they come to, how deep, whether
//! fragments go round in circles, and which fields there are none of.
//!
//! Knows nothing of policy. Everything is counted as if every `@skip` and `@include` let it in, and
//! with fragments where they are used, because that is what the server would do.

use super::schema::{Schema, at};
use crate::nearest::nearest;
use apollo_compiler::Node;
use apollo_compiler::ast::{Field, FragmentDefinition, Selection};
use apollo_compiler::parser::SourceMap;
use std::collections::{BTreeMap, BTreeSet};

/// Most fields of a document, with fragments counted wherever they are used.
pub(crate) const FIELDS_MAX: usize = 500;

/// Deepest nesting of selections.
pub(crate) const DEPTH_MAX: usize = 30;

/// Field names that are listed of a type that lacks one.
const NAMES_MAX: usize = 40;

/// Something wrong with a document or a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// In a sentence without a stop, with the place where it is known.
    pub(crate) text: String,
    /// The name that was probably meant.
    pub(crate) nearest: Option<String>,
}

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            nearest: None,
        }
    }
}

/// The fragments of a document by name.
pub(crate) type Fragments<'d> = BTreeMap<&'d str, &'d Node<FragmentDefinition>>;

/// Counts, and stops at the limits.
pub(crate) struct Counter<'d> {
    fragments: &'d Fragments<'d>,
    known: BTreeMap<&'d str, usize>,
    open: BTreeSet<&'d str>,
}

impl<'d> Counter<'d> {
    pub(crate) fn new(fragments: &'d Fragments<'d>) -> Self {
        Self {
            fragments,
            known: BTreeMap::new(),
            open: BTreeSet::new(),
        }
    }

    /// How many fields some selections come to.
    pub(crate) fn count(
        &mut self,
        selections: &'d [Selection],
        depth: usize,
    ) -> Result<usize, Problem> {
        if depth > DEPTH_MAX {
            let text =
                format!("it is nested deeper than {DEPTH_MAX} selections, which is the limit");
            return Err(Problem::new(text));
        }
        let mut fields = 0_usize;
        for selection in selections {
            fields += match selection {
                Selection::Field(field) => 1 + self.count(&field.selection_set, depth + 1)?,
                Selection::InlineFragment(inline) => {
                    self.count(&inline.selection_set, depth + 1)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name, depth)?,
            };
            if fields > FIELDS_MAX {
                return Err(Problem::new(format!(
                    "it asks for more than {FIELDS_MAX} fields, fragments counted wherever they \
                     are used, which is the limit; ask for less, or in several calls"
                )));
            }
        }
        Ok(fields)
    }

    fn fragment(&mut self, name: &str, depth: usize) -> Result<usize, Problem> {
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Err(Problem::new(format!("there is no fragment `{name}`")));
        };
        let name: &'d str = name;
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        if !self.open.insert(name) {
            return Err(Problem::new(format!(
                "the fragment `{name}` holds itself, directly or through others"
            )));
        }
        let count = self.count(&fragment.selection_set, depth + 1)?;
        self.open.remove(name);
        self.known.insert(name, count);
        Ok(count)
    }

    /// The fragments that were used, whatever they were used through.
    pub(crate) fn used(&self) -> BTreeSet<&'d str> {
        self.known.keys().copied().collect()
    }
}

/// The fields of a root type that some selections ask for, through fragments of every kind.
pub(crate) fn roots<'d>(
    selections: &'d [Selection],
    fragments: &Fragments<'d>,
    seen: &mut BTreeSet<&'d str>,
    found: &mut Vec<&'d Field>,
) {
    for selection in selections {
        match selection {
            Selection::Field(field) => found.push(field),
            Selection::InlineFragment(inline) => {
                roots(&inline.selection_set, fragments, seen, found);
            }
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.as_str();
                if let Some(fragment) = fragments.get(name)
                    && seen.insert(name)
                {
                    roots(&fragment.selection_set, fragments, seen, found);
                }
            }
        }
    }
}

/// Names every field that its type does not have.
pub(crate) fn unknown_fields(
    schema: &Schema,
    of: &str,
    selections: &[Selection],
    sources: &SourceMap,
    found: &mut Vec<Problem>,
) {
    for selection in selections {
        match selection {
            Selection::Field(field) => match schema.field(of, &field.name) {
                Some(definition) => {
                    let inner = definition.ty.inner_named_type();
                    unknown_fields(schema, inner, &field.selection_set, sources, found);
                }
                None if schema.get(of).is_some() => {
                    found.push(unknown(schema, of, field, sources));
                }
                None => {}
            },
            Selection::InlineFragment(inline) => {
                let of = inline.type_condition.as_ref().map_or(of, |c| c.as_str());
                unknown_fields(schema, of, &inline.selection_set, sources, found);
            }
            // Looked over by itself.
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn unknown(schema: &Schema, of: &str, field: &Node<Field>, sources: &SourceMap) -> Problem {
    let place = at(field.line_column_range(sources).map(|r| r.start));
    let known: Vec<&str> = schema.fields(of).iter().map(|f| f.name.as_str()).collect();
    let near = nearest(&field.name, known.iter().copied()).map(str::to_owned);
    let hint = match &near {
        Some(near) => format!(" (did you mean `{near}`?)"),
        None if known.is_empty() => String::new(),
        None => {
            let more = if known.len() > NAMES_MAX { ", …" } else { "" };
            let names = &known[..known.len().min(NAMES_MAX)];
            format!("; it has {}{more}", names.join(", "))
        }
    };
    Problem {
        text: format!("{place}`{of}` has no field `{}`{hint}", field.name),
        nearest: near,
    }
}
