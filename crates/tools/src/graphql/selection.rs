//! The selection that a tool makes by itself, and the JSON Schema of what it gives.
//!
//! Always valid: values and fields without required arguments, into a type within itself only once,
//! at most so deep and so many. What two members of a union call alike but type
//! differently gets a name of its own for each (the rule that fields can merge). Connections give
//! their totals, their page and their nodes.

use super::schema::Schema;
use super::types::{Types, deprecation, object};
use apollo_compiler::Name;
use apollo_compiler::ast::{FieldDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most fields of one selection.
const FIELDS_MAX: usize = 160;

/// Plain values taken of an object, by how deep it lies.
const VALUES_MAX: [usize; 3] = [40, 16, 8];

/// Objects within an object, by how deep it lies.
const OBJECTS_MAX: [usize; 3] = [12, 4, 0];

/// How often a type may lie within itself: a person's friend is shown, and not that one's friend.
const TIMES_MAX: usize = 2;

/// Plain values taken of each member of a union or interface.
const MEMBER_VALUES_MAX: usize = 10;

/// Members that are told apart; where there are more, only what is common is taken.
const MEMBERS_MAX: usize = 12;

/// What comes first where not everything has room: what tells things apart.
const FIRST: [&str; 16] = [
    "id",
    "key",
    "slug",
    "number",
    "name",
    "login",
    "title",
    "nameWithOwner",
    "displayName",
    "fullName",
    "email",
    "state",
    "status",
    "type",
    "url",
    "clientMutationId",
];

/// A selection, as text with its braces, and the schema of what it gives.
pub(crate) struct Selection {
    pub(crate) text: String,
    pub(crate) output: Value,
}

/// What a field of this type gives: its selection, none for plain values, and its schema.
pub(crate) fn default(
    schema: &Schema,
    types: &mut Types<'_>,
    ty: &Type,
) -> (Option<String>, Value) {
    let named = ty.inner_named_type();
    if schema.is_leaf(named) {
        return (None, types.of(ty));
    }
    let mut maker = Maker {
        schema,
        types,
        left: FIELDS_MAX,
        within: Vec::new(),
    };
    let made = maker.composite(named, 0);
    (Some(made.text), wrapped(ty, made.output))
}

/// The schema of a type, given that of what it names.
fn wrapped(ty: &Type, inner: Value) -> Value {
    use super::types::nullable;
    match ty {
        Type::NonNullNamed(_) => inner,
        Type::Named(_) => nullable(inner),
        Type::NonNullList(item) => json!({ "type": "array", "items": wrapped(item, inner) }),
        Type::List(item) => nullable(json!({ "type": "array", "items": wrapped(item, inner) })),
    }
}

struct Maker<'m, 't> {
    schema: &'m Schema,
    types: &'m mut Types<'t>,
    /// Fields that there is still room for.
    left: usize,
    /// The types that are being selected.
    within: Vec<Name>,
}

/// The parts of a selection in the making.
#[derive(Default)]
struct Parts {
    texts: Vec<String>,
    properties: Map<String, Value>,
}

impl Parts {
    fn add(&mut self, key: &str, text: String, schema: Value) {
        self.texts.push(text);
        self.properties.insert(key.to_owned(), schema);
    }

    fn finish(self) -> Selection {
        let keys: Vec<String> = self.properties.keys().cloned().collect();
        let required: Vec<&str> = keys.iter().map(String::as_str).collect();
        Selection {
            text: format!("{{ {} }}", self.texts.join(" ")),
            output: object(self.properties, &required),
        }
    }
}

fn type_name() -> Value {
    json!({ "type": "string" })
}

impl Maker<'_, '_> {
    fn composite(&mut self, name: &Name, depth: usize) -> Selection {
        self.within.push(name.clone());
        let made = match self.schema.get(name) {
            Some(ExtendedType::Union(_)) => self.union(name),
            Some(ExtendedType::Interface(_)) => self.interface(name, depth),
            Some(
                ExtendedType::Object(_)
                | ExtendedType::Scalar(_)
                | ExtendedType::Enum(_)
                | ExtendedType::InputObject(_),
            )
            | None => {
                let mut parts = Parts::default();
                self.fields(name, depth, &mut parts);
                parts.finish()
            }
        };
        self.within.pop();
        made
    }

    /// The fields of an object or interface; its type's name where there is nothing else to take.
    fn fields(&mut self, name: &Name, depth: usize, parts: &mut Parts) {
        let all = usable(self.schema, name);
        let connection = connection(&all);
        for field in self.values(&all, VALUES_MAX[depth.min(2)]) {
            let schema = self.types.of(&field.ty);
            parts.add(&field.name, field.name.to_string(), schema);
        }
        if let Some(wanted) = connection {
            for field in all.iter().filter(|f| wanted.contains(&f.name.as_str())) {
                // A page lies no deeper than what it is a page of.
                self.nested(field, depth, parts);
            }
        } else {
            let mut room = OBJECTS_MAX[depth.min(2)];
            for field in &all {
                let inner = field.ty.inner_named_type();
                if room == 0 || self.schema.is_leaf(inner) || self.is_page(inner) {
                    continue;
                }
                if self.nested(field, depth + 1, parts) {
                    room -= 1;
                }
            }
        }
        if parts.texts.is_empty() {
            parts.add("__typename", "__typename".to_owned(), type_name());
        }
    }

    /// Whether a type is one page of many: those within an object want arguments that nobody gave.
    fn is_page(&self, name: &str) -> bool {
        connection(&usable(self.schema, name)).is_some()
    }

    fn nested(&mut self, field: &FieldDefinition, depth: usize, parts: &mut Parts) -> bool {
        let inner = field.ty.inner_named_type();
        let times = self.within.iter().filter(|within| *within == inner);
        if self.left == 0 || times.count() >= TIMES_MAX || self.schema.is_leaf(inner) {
            return false;
        }
        self.left -= 1;
        let made = self.composite(inner, depth);
        let schema = wrapped(&field.ty, made.output);
        parts.add(&field.name, format!("{} {}", field.name, made.text), schema);
        true
    }

    /// The plain values among some fields, the telling ones first, as far as there is room.
    fn values<'f>(&mut self, all: &[&'f FieldDefinition], most: usize) -> Vec<&'f FieldDefinition> {
        let mut values: Vec<&FieldDefinition> = all
            .iter()
            .copied()
            .filter(|f| self.schema.is_leaf(f.ty.inner_named_type()))
            .collect();
        values.sort_by_key(|f| rank(&f.name));
        values.truncate(most.min(self.left));
        self.left -= values.len();
        values
    }

    fn union(&mut self, name: &Name) -> Selection {
        self.members(name, Parts::default())
    }

    fn interface(&mut self, name: &Name, depth: usize) -> Selection {
        let mut parts = Parts::default();
        self.fields(name, depth, &mut parts);
        self.members(name, parts)
    }

    /// What is common to all members of an abstract type, and what each has besides.
    fn members(&mut self, name: &Name, common: Parts) -> Selection {
        let members = self.schema.possible(name);
        let mut texts = vec!["__typename".to_owned()];
        texts.extend(common.texts.into_iter().filter(|t| t != "__typename"));
        let mut shared = common.properties;
        shared.insert("__typename".to_owned(), type_name());
        let own = if members.len() > MEMBERS_MAX {
            Vec::new()
        } else {
            let taken: BTreeSet<String> = shared.keys().cloned().collect();
            self.apart(members, &taken)
        };
        let mut forms = Vec::new();
        for (member, fields) in members.iter().zip(&own) {
            let mut properties = shared.clone();
            properties.insert("__typename".to_owned(), json!({ "const": member.as_str() }));
            if !fields.is_empty() {
                let chosen: Vec<&str> = fields.iter().map(|(_, text, _)| text.as_str()).collect();
                texts.push(format!("... on {member} {{ {} }}", chosen.join(" ")));
            }
            for (key, _, schema) in fields {
                properties.insert(key.clone(), schema.clone());
            }
            forms.push(closed(properties));
        }
        let output = match forms.len() {
            0 => closed(shared),
            _ => json!({ "anyOf": forms }),
        };
        Selection {
            text: format!("{{ {} }}", texts.join(" ")),
            output,
        }
    }

    /// The values of each member beyond those that are taken, each with its key, its text and its
    /// schema.
    fn apart(
        &mut self,
        members: &[Name],
        taken: &BTreeSet<String>,
    ) -> Vec<Vec<(String, String, Value)>> {
        let mut chosen = Vec::new();
        let mut kinds: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
        for member in members {
            let all: Vec<&FieldDefinition> = usable(self.schema, member)
                .into_iter()
                .filter(|f| !taken.contains(f.name.as_str()))
                .collect();
            let values = self.values(&all, MEMBER_VALUES_MAX);
            for field in &values {
                let kinds = kinds.entry(field.name.clone()).or_default();
                kinds.insert(field.ty.to_string());
            }
            chosen.push(values);
        }
        let mut keys: BTreeSet<String> = taken.clone();
        keys.extend(kinds.keys().map(Name::to_string));
        let mut parts = Vec::new();
        for (member, values) in members.iter().zip(chosen) {
            let mut own = Vec::new();
            for field in values {
                let schema = self.types.of(&field.ty);
                let name = field.name.to_string();
                if kinds.get(&field.name).is_some_and(|k| k.len() > 1) {
                    let key = alias(member, &field.name, &mut keys);
                    own.push((key.clone(), format!("{key}: {name}"), schema));
                } else {
                    own.push((name.clone(), name, schema));
                }
            }
            parts.push(own);
        }
        parts
    }
}

fn closed(properties: Map<String, Value>) -> Value {
    let keys: Vec<String> = properties.keys().cloned().collect();
    let required: Vec<&str> = keys.iter().map(String::as_str).collect();
    object(properties, &required)
}

/// Fields that can be selected without arguments and that nobody advises against, in order of name.
fn usable<'s>(schema: &'s Schema, of: &str) -> Vec<&'s FieldDefinition> {
    schema
        .fields(of)
        .into_iter()
        .filter(|f| !f.arguments.iter().any(|a| a.is_required()))
        .filter(|f| deprecation(&f.directives).is_none())
        .collect()
}

/// What to take of a connection besides its values, if these are the fields of one.
fn connection(fields: &[&FieldDefinition]) -> Option<[&'static str; 2]> {
    let lists = |name: &&str| fields.iter().any(|f| f.name == **name && f.ty.is_list());
    fields.iter().find(|f| f.name == "pageInfo")?;
    let things = ["nodes", "edges"].into_iter().find(lists)?;
    Some(["pageInfo", things])
}

fn rank(name: &str) -> usize {
    let known = FIRST.iter().position(|first| *first == name);
    known.unwrap_or(match name {
        // What the asker may do with a thing says little about it.
        _ if name.starts_with("viewer") => FIRST.len() + 1,
        _ => FIRST.len(),
    })
}

/// A key that only this member has: `issueState`.
fn alias(member: &Name, field: &Name, keys: &mut BTreeSet<String>) -> String {
    let mut chars = field.chars();
    let capital = chars.next().map(|c| c.to_ascii_uppercase());
    let mut member_chars = member.chars();
    let small = member_chars.next().map(|c| c.to_ascii_lowercase());
    let mut key: String = small
        .into_iter()
        .chain(member_chars)
        .chain(capital)
        .chain(chars)
        .collect();
    while !keys.insert(key.clone()) {
        key.push('_');
    }
    key
}
