//! The request body of one operation: its forms, and which arguments each is made of.
//!
//! An object's fields become arguments of their own; anything else becomes `body`. JSON comes
//! before forms before multipart before lines before text before bytes. Another form is kept where
//! it takes what the first cannot (files, bytes, other fields); then the arguments of a call choose
//! the form, so that one call has one form of the bytes.

mod fields;
pub(crate) mod media;

use super::Warnings;
use super::binding::{Body, BodyKind, BodyShape, Encoding, Style};
use super::keywords;
use super::operation::{Arguments, origin};
use super::schema::{ANY, Schemas};
use fields::{Fields, takes_files};
pub(crate) use media::{FORMS, is_json};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most forms of one body.
const FORMS_MAX: usize = 4;

/// How deep files are looked for inside one field: a list of one of several forms.
const PART_DEPTH_MAX: usize = 3;

/// One media type that an operation takes.
struct Media<'d> {
    media_type: &'d str,
    kind: BodyKind,
    declared: &'d Value,
    schema: &'d Value,
    /// Present where it is an object that is spread.
    fields: Option<Fields<'d>>,
}

/// Reads a request body and adds its arguments. The first form is the preferred one.
pub(crate) fn read(
    declaration: &Value,
    schemas: &mut Schemas<'_>,
    arguments: &mut Arguments,
    warnings: &mut Warnings,
) -> Result<Vec<Body>, String> {
    let declaration = schemas.document().resolve(declaration)?;
    let mut offered = offered(declaration, schemas)?;
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    let first = offered.remove(preferred(&offered, schemas));
    let description = declaration
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let description = keywords::described(description, 300, warnings);
    // Most descriptions leave `required` out and mean it; only an explicit `false` is believed.
    let demanded = declaration.get("required").and_then(Value::as_bool);
    let mut forms = Forms {
        schemas,
        arguments,
        demanded,
        known: BTreeMap::new(),
        required: Vec::new(),
        bodies: Vec::new(),
    };
    forms.first(&first, &offered, &description);
    for other in &offered {
        if forms.bodies.len() < FORMS_MAX {
            forms.other(&first, other)?;
        }
    }
    let Forms {
        required,
        mut bodies,
        ..
    } = forms;
    arguments.of_forms(&required);
    if bodies.len() > 1 {
        for (body, required) in bodies.iter_mut().zip(required) {
            body.needs = required.into_iter().collect();
        }
    }
    Ok(bodies)
}

/// Every media type, preferred ones first.
fn offered<'d, 's: 'd>(
    declaration: &'d Value,
    schemas: &Schemas<'s>,
) -> Result<Vec<Media<'d>>, String> {
    let content = declaration.get("content").and_then(Value::as_object);
    let mut found = Vec::new();
    for (media_type, declared) in content.into_iter().flatten() {
        let declared = schemas.document().resolve(declared)?;
        let kind = media::kind(media_type);
        let schema = declared.get("schema").unwrap_or(&ANY);
        let fields = match kind {
            BodyKind::Json | BodyKind::Form | BodyKind::Multipart => fields::of(schema, schemas)?,
            BodyKind::Lines | BodyKind::Text | BodyKind::Binary => None,
        };
        found.push(Media {
            media_type,
            kind,
            declared,
            schema,
            fields,
        });
    }
    found.sort_by_key(|media| (media.kind, media.media_type.len()));
    Ok(found)
}

/// The first, or multipart where that offers JSON for a schema with files in it: JSON cannot carry
/// their bytes.
fn preferred(offered: &[Media<'_>], schemas: &Schemas<'_>) -> usize {
    let multipart = offered.iter().position(|m| m.kind == BodyKind::Multipart);
    let first = &offered[0];
    let with_files = || {
        let fields = first.fields.as_ref();
        fields.is_some_and(|f| f.properties.iter().any(|(_, p)| takes_files(p, schemas)))
    };
    match multipart {
        Some(multipart) if first.kind == BodyKind::Json && with_files() => multipart,
        Some(_) | None => 0,
    }
}

/// The forms of a body while they are read.
struct Forms<'a, 'd, 's> {
    schemas: &'a mut Schemas<'s>,
    arguments: &'a mut Arguments,
    demanded: Option<bool>,
    /// The argument of each field, by its name on the wire.
    known: BTreeMap<&'d str, String>,
    /// The arguments that each form needs.
    required: Vec<BTreeSet<String>>,
    bodies: Vec<Body>,
}

impl<'d, 's: 'd> Forms<'_, 'd, 's> {
    fn first(&mut self, media: &Media<'d>, others: &[Media<'d>], description: &str) {
        if let Some(fields) = &media.fields {
            self.spread(media, fields, None);
            return;
        }
        let required = self.demanded.unwrap_or(false);
        let mut schema = whole(media, self.schemas);
        // Beside other forms of the same text: bytes, told apart by their value.
        let is_binary = |o: &&Media<'_>| o.kind == BodyKind::Binary;
        if media.kind == BodyKind::Json && others.iter().any(|o| is_binary(&o)) {
            schema = json!({ "anyOf": [schema, self.schemas.file()] });
        }
        if !description.is_empty() {
            schema["description"] = description.into();
        }
        let arg = self.arguments.add(origin(None), "body", schema, false);
        let needed = required.then(|| arg.clone()).into_iter().collect();
        self.push(media, BodyShape::Whole(arg), required, needed);
    }

    /// Keeps another form, if it takes what those before cannot.
    fn other(&mut self, first: &Media<'d>, media: &Media<'d>) -> Result<(), String> {
        if let Some(fields) = &media.fields {
            let adds = fields.properties.iter().any(|(name, p)| {
                let is_new = !self.known.contains_key(name);
                is_new || (media.kind != BodyKind::Json && takes_files(p, self.schemas))
            });
            if adds && !self.bodies.iter().any(|b| b.kind == media.kind) {
                self.spread(media, fields, None);
            }
            return Ok(());
        }
        let is_binary = |b: &&mut Body| b.kind == BodyKind::Binary;
        if media.kind == BodyKind::Binary
            && let Some(same) = self.bodies.iter_mut().find(is_binary)
        {
            same.also.push(media.media_type.to_owned());
            return Ok(());
        }
        let whole_before = self.bodies.iter().find_map(|b| match &b.shape {
            BodyShape::Whole(arg) => Some(arg.clone()),
            BodyShape::Fields { .. } => None,
        });
        match (whole_before, media.kind) {
            (Some(arg), BodyKind::Multipart) if first.kind == BodyKind::Json => {
                let fields = fields::partly(media.schema, self.schemas)?;
                if let Some(fields) = fields.filter(|f| f.opaque) {
                    self.spread(media, &fields, Some(arg));
                }
            }
            (Some(arg), BodyKind::Binary) if first.kind == BodyKind::Json => {
                let needed = BTreeSet::from([arg.clone()]);
                self.push(media, BodyShape::Whole(arg), true, needed);
            }
            (Some(_), _) => {}
            (None, _) if self.is_other(first, media) => {
                let schema = whole(media, self.schemas);
                let arg = self.arguments.add(origin(None), "body", schema, false);
                let needed = BTreeSet::from([arg.clone()]);
                self.push(media, BodyShape::Whole(arg), true, needed);
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Whether a form that is not spread says something else than fields that are.
    fn is_other(&self, first: &Media<'d>, media: &Media<'d>) -> bool {
        let schema = self.schemas.document().resolve(media.schema);
        let kind = schema.ok().and_then(|s| s.get("type")?.as_str());
        match media.kind {
            BodyKind::Binary | BodyKind::Lines => true,
            // XML and YAML of the same object are JSON in other words.
            BodyKind::Text => kind == Some("string"),
            BodyKind::Json => media.schema != first.schema && kind != Some("object"),
            BodyKind::Form | BodyKind::Multipart => false,
        }
    }

    fn spread(&mut self, media: &Media<'d>, fields: &Fields<'d>, rest: Option<String>) {
        let is_first = self.bodies.is_empty();
        let needed = self.demanded.unwrap_or(!fields.required.is_empty());
        let mut names = Vec::new();
        let mut renamed = BTreeMap::new();
        let mut required: BTreeSet<String> = BTreeSet::new();
        for (name, property) in &fields.properties {
            if self.schemas.lacks(property) {
                continue;
            }
            let arg = self.field(media, name, property, is_first);
            if needed && fields.required.contains(name) {
                required.insert(arg.clone());
            }
            if arg == *name {
                names.push(arg);
            } else {
                renamed.insert(arg, (*name).to_owned());
            }
        }
        if let Some(open) = fields.open.filter(|_| is_first) {
            let schema = self.schemas.convert(open);
            self.arguments.open(if schema == json!({}) {
                Value::Bool(true)
            } else {
                schema
            });
        }
        required.extend(rest.clone().filter(|_| needed));
        let shape = BodyShape::Fields {
            renamed,
            names,
            open: fields.open.is_some(),
            rest,
        };
        self.push(media, shape, needed, required);
    }

    /// The argument of one field: that of an earlier form, which may now be a file too, or a new one.
    fn field(
        &mut self,
        media: &Media<'d>,
        name: &'d str,
        property: &'d Value,
        is_first: bool,
    ) -> String {
        let is_form = matches!(media.kind, BodyKind::Multipart | BodyKind::Form);
        let known = self.known.get(name).cloned();
        if known.is_some() && !(is_form && takes_files(property, self.schemas)) {
            return known.unwrap_or_default();
        }
        let schema = if is_form {
            part(property, self.schemas, 0)
        } else {
            self.schemas.convert(property)
        };
        if let Some(arg) = known {
            self.arguments.widen(&arg, schema);
            return arg;
        }
        let arg = if is_first {
            self.arguments.add(origin(None), name, schema, false)
        } else {
            self.arguments
                .add(kind_name(media.kind), name, schema, false)
        };
        self.known.insert(name, arg.clone());
        arg
    }

    fn push(
        &mut self,
        media: &Media<'_>,
        shape: BodyShape,
        required: bool,
        needed: BTreeSet<String>,
    ) {
        self.required.push(needed);
        self.bodies.push(Body {
            json_part: self.json_part(media),
            media_type: media.media_type.to_owned(),
            also: Vec::new(),
            needs: Vec::new(),
            kind: media.kind,
            shape,
            required,
            encoding: encodings(media.declared.get("encoding")),
        });
    }

    /// Fields called `files[0]`, `files[1]` … beside a JSON form: the convention of Discord and of
    /// those that follow it, where everything else is one part of JSON. Descriptions do not say so.
    fn json_part(&self, media: &Media<'_>) -> Option<String> {
        let beside_json = self
            .bodies
            .first()
            .is_some_and(|b| b.kind == BodyKind::Json);
        let numbered = |name: &&&str| {
            let number = name
                .strip_prefix("files[")
                .and_then(|n| n.strip_suffix(']'));
            number.is_some_and(|n| n.parse::<u32>().is_ok())
        };
        let fields = media.fields.as_ref()?;
        let names: Vec<&str> = fields.properties.iter().map(|(n, _)| *n).collect();
        let fits = beside_json
            && media.kind == BodyKind::Multipart
            && names.iter().any(|n| numbered(&n))
            && !names.contains(&PAYLOAD_JSON);
        fits.then(|| PAYLOAD_JSON.to_owned())
    }
}

const PAYLOAD_JSON: &str = "payload_json";

/// What a colliding argument of another form is called after.
fn kind_name(kind: BodyKind) -> &'static str {
    match kind {
        BodyKind::Json | BodyKind::Lines | BodyKind::Text | BodyKind::Binary => origin(None),
        BodyKind::Form | BodyKind::Multipart => "form",
    }
}

/// The argument of a body that is not spread.
fn whole(media: &Media<'_>, schemas: &mut Schemas<'_>) -> Value {
    match media.kind {
        BodyKind::Json => schemas.convert(media.schema),
        BodyKind::Form | BodyKind::Multipart => part(media.schema, schemas, 0),
        BodyKind::Lines => lines(media, schemas),
        BodyKind::Text => {
            let essence = media::essence(media.media_type);
            json!({ "type": "string", "description": format!("Text of type {essence}.") })
        }
        BodyKind::Binary => schemas.file(),
    }
}

/// A list of values, one a line. Some descriptions give the schema of the list, others that of one
/// line, others say that it is text.
fn lines(media: &Media<'_>, schemas: &mut Schemas<'_>) -> Value {
    if let Some(item) = media.declared.get("itemSchema") {
        return json!({ "type": "array", "items": schemas.convert(item) });
    }
    let schema = schemas.document().resolve(media.schema);
    let kind = schema.ok().and_then(|s| s.get("type")?.as_str());
    match kind {
        Some("array") => schemas.convert(media.schema),
        Some("object") => json!({ "type": "array", "items": schemas.convert(media.schema) }),
        Some(_) | None => json!({
            "type": ["array", "string"],
            "description": "One JSON value a line: a list of them, or the text.",
        }),
    }
}

/// The schema of one part of a form: binary text becomes a file value.
fn part(raw: &Value, schemas: &mut Schemas<'_>, depth: usize) -> Value {
    let document = schemas.document();
    let Ok(resolved) = document.resolve(raw) else {
        return schemas.convert(raw);
    };
    let described = |mut schema: Value| {
        if let Some(text) = resolved.get("description").and_then(Value::as_str) {
            schema["description"] = keywords::described(text, 300, &mut Warnings::default()).into();
        }
        schema
    };
    if fields::is_file(resolved) {
        return described(schemas.file());
    }
    if depth >= PART_DEPTH_MAX || !takes_files(resolved, schemas) {
        return schemas.convert(raw);
    }
    if let Some(items) = resolved.get("items") {
        let mut schema = json!({ "type": "array", "items": part(items, schemas, depth + 1) });
        for key in ["minItems", "maxItems"] {
            if let Some(count) = resolved.get(key).filter(|c| c.is_u64()) {
                schema[key] = count.clone();
            }
        }
        return described(schema);
    }
    let branches = fields::alternatives(resolved).map(|b| part(b, schemas, depth + 1));
    described(json!({ "anyOf": branches.collect::<Vec<_>>() }))
}

fn encodings(declared: Option<&Value>) -> BTreeMap<String, Encoding> {
    let mut found = BTreeMap::new();
    for (name, encoding) in declared.and_then(Value::as_object).into_iter().flatten() {
        let text = |key: &str| encoding.get(key).and_then(Value::as_str);
        let read = Encoding {
            // Of several allowed types the first is as good as any.
            content_type: text("contentType")
                .and_then(|t| t.split(',').next())
                .map(|t| t.trim().to_owned()),
            style: text("style").and_then(Style::parse),
            explode: encoding.get("explode").and_then(Value::as_bool),
            allow_reserved: encoding.get("allowReserved") == Some(&Value::Bool(true)),
        };
        if read != Encoding::default() {
            found.insert(name.clone(), read);
        }
    }
    found
}
