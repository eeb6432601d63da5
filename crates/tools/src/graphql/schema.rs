//! A GraphQL schema as the rest of this folder sees it: read from SDL, freed of what is broken, and
//! in an order that does not depend on the document's.
//!
//! Lenient: what refers to nothing is left out with a warning and the rest stays. The parser and its
//! types are `apollo-compiler`'s; introspection comes here as SDL (`introspection`).

use crate::error::ImportError;
use crate::openapi::Warnings;
use apollo_compiler::ast::{DirectiveLocation, OperationType, Type};
use apollo_compiler::parser::{LineColumn, Parser};
use apollo_compiler::schema::{
    Component, DirectiveDefinition, ExtendedType, FieldDefinition, InputValueDefinition,
};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{Name, Node, Schema as Parsed};
use std::collections::{BTreeMap, BTreeSet};

/// Most tokens of a schema that are read.
const TOKENS_MAX: usize = 8_000_000;

/// Deepest nesting within a schema's text.
const NESTING_MAX: usize = 200;

/// Directives of a schema that mean something here.
const KNOWN_DIRECTIVES: [&str; 3] = ["deprecated", "oneOf", "specifiedBy"];

/// What can be asked of a schema.
pub(crate) struct Schema {
    inner: Valid<Parsed>,
    /// The objects that each interface and union may be, in order of name.
    possible: BTreeMap<Name, Vec<Name>>,
}

impl Schema {
    /// Reads SDL.
    ///
    /// # Errors
    /// Broken syntax, with line and column; a document without any type to begin a query at.
    pub(crate) fn read(text: &str, warnings: &mut Warnings) -> Result<Self, ImportError> {
        let mut parser = Parser::new()
            .token_limit(TOKENS_MAX)
            .recursion_limit(NESTING_MAX);
        let parsed = parser
            .parse_ast(text, "schema")
            .map_err(|e| broken(&e.errors))?;
        let built = Parsed::builder()
            .adopt_orphan_extensions()
            .ignore_builtin_redefinitions()
            .add_ast(&parsed)
            .build();
        let mut schema = built.unwrap_or_else(|failed| {
            for problem in failed.errors.iter() {
                let place = problem.line_column_range().map(|r| r.start);
                warnings.add(format!("{}{} is left out", at(place), problem.error));
            }
            failed.partial
        });
        Mend::new(&schema).mend(&mut schema, warnings);
        let roots = &schema.schema_definition;
        if roots.query.is_none() && roots.mutation.is_none() {
            return Err(ImportError::NotGraphQl {
                found: "a GraphQL document without a query type and without a mutation type"
                    .to_owned(),
            });
        }
        let possible = possible(&schema);
        Ok(Self {
            // What the rules of the language demand beyond what was mended is the server's affair:
            // it runs this schema, whatever anybody says.
            inner: Valid::assume_valid(schema),
            possible,
        })
    }

    /// The schema, for the library's own checks of documents.
    pub(crate) fn inner(&self) -> &Valid<Parsed> {
        &self.inner
    }

    /// Where operations of a kind begin.
    pub(crate) fn root(&self, operation: OperationType) -> Option<&Name> {
        self.inner.root_operation(operation)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&ExtendedType> {
        self.inner.types.get(name)
    }

    /// The fields of an object or interface, in order of name.
    pub(crate) fn fields(&self, name: &str) -> Vec<&FieldDefinition> {
        match self.get(name) {
            Some(ExtendedType::Object(object)) => plain(object.fields.values()),
            Some(ExtendedType::Interface(interface)) => plain(interface.fields.values()),
            Some(
                ExtendedType::Scalar(_)
                | ExtendedType::Union(_)
                | ExtendedType::Enum(_)
                | ExtendedType::InputObject(_),
            )
            | None => Vec::new(),
        }
    }

    /// One field, meta fields included.
    pub(crate) fn field(&self, of: &str, name: &str) -> Option<&FieldDefinition> {
        self.inner.type_field(of, name).ok().map(|f| &***f)
    }

    /// Whether a type is a plain value, without fields.
    pub(crate) fn is_leaf(&self, name: &str) -> bool {
        matches!(
            self.get(name),
            Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_))
        )
    }

    /// The objects that an interface or union may be.
    pub(crate) fn possible(&self, name: &str) -> &[Name] {
        self.possible.get(name).map_or(&[], Vec::as_slice)
    }

    /// The schema as text, without descriptions.
    pub(crate) fn to_compact(&self) -> String {
        let mut bare = (*self.inner).clone();
        bare.schema_definition.make_mut().description = None;
        for directive in bare.directive_definitions.values_mut() {
            if !directive.is_built_in() {
                let directive = directive.make_mut();
                directive.description = None;
                directive.arguments.iter_mut().for_each(undescribed);
            }
        }
        for definition in bare.types.values_mut().filter(|t| !t.is_built_in()) {
            undescribed_type(definition);
        }
        bare.serialize().no_indent().to_string()
    }
}

fn plain<'a>(
    fields: impl Iterator<Item = &'a Component<FieldDefinition>>,
) -> Vec<&'a FieldDefinition> {
    fields.map(|f| &***f).collect()
}

fn undescribed(value: &mut Node<InputValueDefinition>) {
    value.make_mut().description = None;
}

fn undescribed_fields<'a>(fields: impl Iterator<Item = &'a mut Component<FieldDefinition>>) {
    for field in fields {
        let field = field.make_mut();
        field.description = None;
        field.arguments.iter_mut().for_each(undescribed);
    }
}

fn undescribed_type(definition: &mut ExtendedType) {
    match definition {
        ExtendedType::Scalar(scalar) => scalar.make_mut().description = None,
        ExtendedType::Union(union) => union.make_mut().description = None,
        ExtendedType::Object(object) => {
            let object = object.make_mut();
            object.description = None;
            undescribed_fields(object.fields.values_mut());
        }
        ExtendedType::Interface(interface) => {
            let interface = interface.make_mut();
            interface.description = None;
            undescribed_fields(interface.fields.values_mut());
        }
        ExtendedType::Enum(values) => {
            let values = values.make_mut();
            values.description = None;
            for value in values.values.values_mut() {
                value.make_mut().description = None;
            }
        }
        ExtendedType::InputObject(input) => {
            let input = input.make_mut();
            input.description = None;
            for field in input.fields.values_mut() {
                field.make_mut().description = None;
            }
        }
    }
}

/// The first syntax error.
fn broken(errors: &DiagnosticList) -> ImportError {
    let first = errors.iter().next();
    let place = first
        .as_ref()
        .and_then(|d| d.line_column_range())
        .map(|r| r.start);
    ImportError::Syntax {
        format: "GraphQL",
        line: place.map_or(0, |p| p.line),
        column: place.map_or(0, |p| p.column),
        problem: first.map_or_else(
            || "it cannot be read".to_owned(),
            |d| d.error.to_string().replace("syntax error: ", ""),
        ),
    }
}

/// `line 3, column 5: `, where the place is known.
pub(crate) fn at(place: Option<LineColumn>) -> String {
    place.map_or_else(String::new, |p| {
        format!("line {}, column {}: ", p.line, p.column)
    })
}

fn possible(schema: &Parsed) -> BTreeMap<Name, Vec<Name>> {
    let mut found: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (name, definition) in &schema.types {
        match definition {
            ExtendedType::Object(object) => {
                for interface in &object.implements_interfaces {
                    let objects = found.entry(interface.name.clone()).or_default();
                    objects.insert(name.clone());
                }
            }
            ExtendedType::Union(union) => {
                let members = union.members.iter().map(|m| m.name.clone());
                found.entry(name.clone()).or_default().extend(members);
            }
            ExtendedType::Scalar(_)
            | ExtendedType::Interface(_)
            | ExtendedType::Enum(_)
            | ExtendedType::InputObject(_) => {}
        }
    }
    found
        .into_iter()
        .map(|(name, objects)| (name, objects.into_iter().collect()))
        .collect()
}

/// Where a type may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Output,
    Input,
    Both,
}

/// What each name means, for taking out what means nothing.
struct Mend {
    uses: BTreeMap<Name, Use>,
    objects: BTreeSet<Name>,
    interfaces: BTreeSet<Name>,
}

impl Mend {
    fn new(schema: &Parsed) -> Self {
        let mut mend = Self {
            uses: BTreeMap::new(),
            objects: BTreeSet::new(),
            interfaces: BTreeSet::new(),
        };
        for (name, definition) in &schema.types {
            let place = match definition {
                ExtendedType::Scalar(_) | ExtendedType::Enum(_) => Use::Both,
                ExtendedType::InputObject(_) => Use::Input,
                ExtendedType::Union(_) => Use::Output,
                ExtendedType::Object(_) => {
                    mend.objects.insert(name.clone());
                    Use::Output
                }
                ExtendedType::Interface(_) => {
                    mend.interfaces.insert(name.clone());
                    Use::Output
                }
            };
            mend.uses.insert(name.clone(), place);
        }
        mend
    }

    fn mend(&self, schema: &mut Parsed, warnings: &mut Warnings) {
        let roots = schema.schema_definition.make_mut();
        roots.directives.0.clear();
        for root in [
            &mut roots.query,
            &mut roots.mutation,
            &mut roots.subscription,
        ] {
            let known = root.as_ref().is_none_or(|r| self.objects.contains(&r.name));
            if !known && let Some(name) = root.take() {
                let text = format!("the root type `{name}` is no object type of this schema");
                warnings.add(text);
            }
        }
        schema
            .directive_definitions
            .retain(|_, d| d.is_built_in() || self.directive(d));
        for (name, definition) in &mut schema.types {
            if !definition.is_built_in() {
                self.definition(name, definition, warnings);
            }
        }
        schema.types.sort_keys();
        schema.directive_definitions.sort_keys();
    }

    /// Only what a document may carry, with arguments that mean something.
    fn directive(&self, directive: &Node<DirectiveDefinition>) -> bool {
        let in_documents = |location: &DirectiveLocation| {
            matches!(
                location,
                DirectiveLocation::Query
                    | DirectiveLocation::Mutation
                    | DirectiveLocation::Field
                    | DirectiveLocation::FragmentDefinition
                    | DirectiveLocation::FragmentSpread
                    | DirectiveLocation::InlineFragment
                    | DirectiveLocation::VariableDefinition
            )
        };
        directive.locations.iter().any(in_documents)
            && directive.arguments.iter().all(|a| self.is_input(&a.ty))
    }

    fn is_input(&self, ty: &Type) -> bool {
        let place = self.uses.get(ty.inner_named_type());
        matches!(place, Some(Use::Input | Use::Both))
    }

    fn is_output(&self, ty: &Type) -> bool {
        let place = self.uses.get(ty.inner_named_type());
        matches!(place, Some(Use::Output | Use::Both))
    }

    fn definition(&self, name: &Name, definition: &mut ExtendedType, warnings: &mut Warnings) {
        match definition {
            ExtendedType::Scalar(scalar) => {
                scalar.make_mut().directives.0.retain(|d| known(&d.name));
            }
            ExtendedType::Object(object) => {
                let object = object.make_mut();
                object.directives.0.clear();
                object
                    .implements_interfaces
                    .retain(|i| self.interfaces.contains(&i.name));
                object
                    .fields
                    .retain(|_, field| self.field(name, field, warnings));
                object.fields.sort_keys();
            }
            ExtendedType::Interface(interface) => {
                let interface = interface.make_mut();
                interface.directives.0.clear();
                interface
                    .implements_interfaces
                    .retain(|i| self.interfaces.contains(&i.name));
                interface
                    .fields
                    .retain(|_, field| self.field(name, field, warnings));
                interface.fields.sort_keys();
            }
            ExtendedType::Union(union) => {
                let union = union.make_mut();
                union.directives.0.clear();
                union.members.retain(|m| self.objects.contains(&m.name));
                union.members.sort_by(|a, b| a.name.cmp(&b.name));
            }
            ExtendedType::Enum(values) => {
                let values = values.make_mut();
                values.directives.0.clear();
                for value in values.values.values_mut() {
                    value.make_mut().directives.0.retain(|d| known(&d.name));
                }
            }
            ExtendedType::InputObject(input) => {
                let input = input.make_mut();
                input.directives.0.retain(|d| known(&d.name));
                input.fields.retain(|field, value| {
                    let stays = self.is_input(&value.ty);
                    if !stays {
                        warnings.add(format!("`{name}.{field}` is left out: {}", of(&value.ty)));
                    }
                    stays
                });
                input.fields.sort_keys();
                for value in input.fields.values_mut() {
                    value.make_mut().directives.0.retain(|d| known(&d.name));
                }
            }
        }
    }

    /// Whether a field stays; its broken arguments go.
    fn field(
        &self,
        of_type: &Name,
        field: &mut Component<FieldDefinition>,
        warnings: &mut Warnings,
    ) -> bool {
        let place = format!("{of_type}.{}", field.name);
        if !self.is_output(&field.ty) {
            warnings.add(format!("`{place}` is left out: {}", of(&field.ty)));
            return false;
        }
        let broken = |a: &&Node<InputValueDefinition>| !self.is_input(&a.ty);
        if let Some(argument) = field
            .arguments
            .iter()
            .find(|a| broken(a) && a.is_required())
        {
            warnings.add(format!(
                "`{place}` is left out: its argument `{}` is needed, and {}",
                argument.name,
                of(&argument.ty)
            ));
            return false;
        }
        let field = field.make_mut();
        field.directives.0.retain(|d| known(&d.name));
        field.arguments.retain(|argument| {
            let stays = self.is_input(&argument.ty);
            if !stays {
                warnings.add(format!(
                    "the argument `{}` of `{place}` is left out: {}",
                    argument.name,
                    of(&argument.ty)
                ));
            }
            stays
        });
        field.arguments.sort_by(|a, b| a.name.cmp(&b.name));
        for argument in &mut field.arguments {
            argument.make_mut().directives.0.retain(|d| known(&d.name));
        }
        true
    }
}

fn of(ty: &Type) -> String {
    format!("the type `{}` cannot stand there", ty.inner_named_type())
}

fn known(directive: &Name) -> bool {
    KNOWN_DIRECTIVES.contains(&directive.as_str())
}
