//! GraphQL: from a schema to tools, and from calls to documents.
//!
//! Every field of the query and mutation types is a tool; one more takes whole documents, which
//! [`judged`] takes apart into the tools that they come to. The steps of an import are
//! `introspection` (a server's own words to SDL), `schema`, `types` (what is given), `selection`
//! (what is taken) and `fields`; those of a call are `select`, `document`, `request` and `answer`.
//! Subscriptions are left out.

mod answer;
mod binding;
mod document;
mod fields;
pub(crate) mod introspection;
mod loaded;
mod request;
mod schema;
mod select;
mod selection;
mod types;
mod values;
mod walk;

pub(crate) use answer::settle;
pub(crate) use binding::{Binding, is_ours};
pub(crate) use request::prepare;

use crate::arguments::Wrong;
use crate::catalog::SourceTools;
use crate::error::ImportError;
use crate::openapi::{Import, ImportOptions, Warnings};
use crate::request::Prepared;
use binding::Operation;
use document::Variables;
use domain::partial::{Part, Partial};
use domain::policy::JudgedAs;
use domain::source::SourceKind;
use domain::tool::{Risk, Tool, ToolError};
use loaded::Loaded;
use schema::Schema;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use url::Url;
use walk::Problem;

/// A schema that is read, not yet made into tools.
pub(crate) struct Parsed {
    schema: Schema,
    origin: Written,
    digest: String,
    warnings: Warnings,
}

/// How a schema came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// In the language of schemas.
    Sdl,
    /// As the answer to an introspection query.
    Introspected,
}

impl Parsed {
    /// Reads SDL, or the JSON of an introspection.
    ///
    /// # Errors
    /// Broken text, or no schema.
    pub(crate) fn parse(text: &str) -> Result<Self, ImportError> {
        let mut warnings = Warnings::default();
        let (sdl, origin) = if text.trim_start().starts_with('{') {
            let root: Value = serde_json::from_str(text).map_err(|e| ImportError::Syntax {
                format: "JSON",
                line: e.line(),
                column: e.column(),
                problem: e.to_string(),
            })?;
            let sdl = introspection::to_sdl(&root, &mut warnings)?;
            (sdl, Written::Introspected)
        } else {
            (text.to_owned(), Written::Sdl)
        };
        Ok(Self {
            schema: Schema::read(&sdl, &mut warnings)?,
            origin,
            digest: domain::canonical::sha256_hex(text.as_bytes()),
            warnings,
        })
    }

    /// How many tools there will be, without the one for documents.
    fn roots(&self) -> usize {
        let fields = |o: Operation| {
            let root = self.schema.root(o.kind());
            root.map_or(0, |root| self.schema.fields(root).len())
        };
        Operation::ALL.into_iter().map(fields).sum()
    }

    /// What it is, and what shows it.
    pub(crate) fn evidence(&self) -> String {
        let form = match self.origin {
            Written::Sdl => "GraphQL SDL",
            Written::Introspected => "GraphQL introspection",
        };
        format!("{form}, {} root fields", self.roots())
    }

    /// Makes the tools.
    ///
    /// # Errors
    /// No root field, or the chosen address is none.
    pub(crate) fn import(mut self, options: &ImportOptions<'_>) -> Result<Import, ImportError> {
        let evidence = self.evidence();
        let base_url = match options.base_url {
            Some(chosen) => endpoint(chosen)?,
            None => String::new(),
        };
        if self.roots() == 0 {
            return Err(ImportError::NotGraphQl {
                found: "a schema whose query and mutation types have no fields".to_owned(),
            });
        }
        let ends = apollo_compiler::ast::OperationType::Subscription;
        if let Some(root) = self.schema.root(ends) {
            let count = self.schema.fields(root).len();
            self.warnings.add(format!(
                "{count} subscriptions are left out: they do not end"
            ));
        }
        let collected = fields::collect(&self.schema, options, &mut self.warnings);
        Ok(Import {
            kind: SourceKind::GraphQl,
            version: String::new(),
            title: title(options.location),
            base_url,
            auth: Vec::new(),
            oauth: Vec::new(),
            definitions: Value::Object(collected.definitions),
            tools: collected.tools,
            warnings: self.warnings.finish(),
            document_digest: self.digest,
            evidence,
        })
    }
}

/// The title of a schema, which gives itself none.
fn title(location: Option<&str>) -> String {
    let host = location
        .and_then(|l| Url::parse(l).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "GraphQL API".to_owned())
}

/// The one address that calls go to.
fn endpoint(text: &str) -> Result<String, ImportError> {
    let bad = |problem: String| ImportError::BaseUrl {
        url: text.to_owned(),
        problem,
    };
    let mut url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("`{}` is neither http nor https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let text = "it holds a user name or password; set a credential instead";
        return Err(bad(text.to_owned()));
    }
    url.set_fragment(None);
    Ok(url.into())
}

/// Whether a text is in the language of schemas, going by how it begins.
pub(crate) fn looks_like_sdl(text: &str) -> bool {
    const WORDS: [&str; 9] = [
        "schema",
        "type",
        "interface",
        "union",
        "enum",
        "input",
        "scalar",
        "directive",
        "extend",
    ];
    let mut rest = text.trim_start_matches('\u{feff}');
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        rest = if let Some(comment) = rest.strip_prefix('#') {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(block) = rest.strip_prefix("\"\"\"") {
            block.split_once("\"\"\"").map_or("", |(_, after)| after)
        } else if let Some(string) = rest.strip_prefix('"') {
            string.split_once('"').map_or("", |(_, after)| after)
        } else {
            break;
        };
    }
    let word: &str = rest
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    // In YAML these words would be keys.
    WORDS.contains(&word) && !rest[word.len()..].trim_start().starts_with(':')
}

/// The arguments of the document tool.
struct Documented<'a> {
    query: &'a str,
    operation_name: Option<&'a str>,
    variables: &'a Map<String, Value>,
}

static NO_VARIABLES: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl<'a> Documented<'a> {
    fn of(args: &'a Value) -> Self {
        Self {
            query: args["query"].as_str().unwrap_or_default(),
            operation_name: args["operationName"].as_str(),
            variables: args["variables"].as_object().unwrap_or(&NO_VARIABLES),
        }
    }
}

/// What a call is decided as: its risk, and the tools that it comes to besides its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What this very call may do.
    pub risk: Risk,
    /// The tools of a document's root fields, each with the arguments it is given; empty for every
    /// other call.
    pub also: Vec<JudgedAs>,
}

impl Judged {
    /// A call that is what its tool is.
    #[must_use]
    pub fn as_itself(tool: &Tool) -> Self {
        Self {
            risk: tool.risk,
            also: Vec::new(),
        }
    }
}

/// What a call with these arguments is decided as. A document that cannot be read is decided as the
/// worst that its tool can do; [`crate::check_arguments`] refuses it.
#[must_use]
pub fn judged(tool: &Tool, source: &SourceTools, args: &Value) -> Judged {
    let given = Documented::of(args);
    let variables = Variables::Given(given.variables);
    judged_document(tool, source, (given.query, given.operation_name), variables)
}

/// The same, of arguments that are known in part. What is not known is left out of the arguments of
/// a document's fields; where the document itself is not known, the worst is assumed of it.
#[must_use]
pub fn judged_partly(tool: &Tool, source: &SourceTools, args: &Partial) -> Judged {
    match KnownDocument::of(args) {
        Some(known) => judged_document(tool, source, known.text(), known.variables()),
        None => Judged::as_itself(tool),
    }
}

fn judged_document(
    tool: &Tool,
    source: &SourceTools,
    (query, name): (&str, Option<&str>),
    variables: Variables<'_>,
) -> Judged {
    if !matches!(Binding::of(tool), Ok(Some(Binding::Document { .. }))) {
        return Judged::as_itself(tool);
    }
    let Ok(loaded) = Loaded::of(source, tool) else {
        return Judged::as_itself(tool);
    };
    let Ok(reading) = document::read(&loaded, query, name, variables) else {
        return Judged::as_itself(tool);
    };
    let operation = reading.operation;
    let mut also: Vec<JudgedAs> = Vec::new();
    for root in reading.roots {
        let tool = loaded.path(operation, &root.field);
        let part = JudgedAs {
            risk: operation.risk(),
            review: source.source.review_of(&tool),
            tool,
            arguments: root.arguments,
        };
        if !also.contains(&part) {
            also.push(part);
        }
    }
    // A mutation that asks for nothing but its type's name does nothing.
    let risk = also.iter().map(|p| p.risk).max().unwrap_or(Risk::Read);
    Judged { risk, also }
}

/// The argument by which a call chooses what it is given, if the tool has one.
pub(crate) fn select_argument(tool: &Tool) -> Option<String> {
    match Binding::of(tool) {
        Ok(Some(Binding::Field(field))) => field.selection.map(|s| s.argument),
        Ok(Some(Binding::Document { .. }) | None) | Err(_) => None,
    }
}

/// Whether a request only reads: known from the operation that it sends.
pub(crate) fn reads(tool: &Tool, prepared: &Prepared) -> bool {
    let query = || {
        let body: Value = serde_json::from_slice(prepared.body.as_deref()?).ok()?;
        let sent = document::parse(body["query"].as_str()?).ok()?;
        let mut operations = sent
            .definitions
            .iter()
            .filter_map(|d| d.as_operation_definition());
        Some(operations.all(|o| o.operation_type.is_query()))
    };
    is_ours(tool) && query() == Some(true)
}

/// One argument, as far as it is known.
enum Known {
    Value(Value),
    Absent,
    No,
}

fn known(args: &Partial, name: &str) -> Known {
    match args.part(std::iter::once(name)) {
        Part::Present(found) => found.whole().map_or(Known::No, Known::Value),
        Part::Absent => Known::Absent,
        Part::Unknown => Known::No,
    }
}

/// A document whose text and operation are known.
struct KnownDocument {
    query: String,
    operation_name: Option<String>,
    variables: Known,
}

impl KnownDocument {
    fn of(args: &Partial) -> Option<Self> {
        let Known::Value(Value::String(query)) = known(args, "query") else {
            return None;
        };
        let operation_name = match known(args, "operationName") {
            Known::Value(Value::String(name)) => Some(name),
            Known::Absent | Known::Value(_) => None,
            Known::No => return None,
        };
        Some(Self {
            query,
            operation_name,
            variables: known(args, "variables"),
        })
    }

    fn text(&self) -> (&str, Option<&str>) {
        (&self.query, self.operation_name.as_deref())
    }

    fn variables(&self) -> Variables<'_> {
        match &self.variables {
            Known::Value(Value::Object(given)) => Variables::Given(given),
            Known::Absent | Known::Value(_) => Variables::Given(&NO_VARIABLES),
            Known::No => Variables::Unknown,
        }
    }
}

/// What the schema finds wrong with arguments that fit their types.
pub(crate) fn check(tool: &Tool, source: &SourceTools, args: &Value) -> Result<(), ToolError> {
    match Binding::of(tool)? {
        Some(Binding::Field(field)) => {
            let Some(selected) = &field.selection else {
                return Ok(());
            };
            let Some(chosen) = request::chosen(&selected.argument, args) else {
                return Ok(());
            };
            let loaded = Loaded::of(source, tool)?;
            select::read(&loaded, &field, chosen)
                .map(drop)
                .map_err(|problems| refused(tool, &selected.argument, problems))
        }
        Some(Binding::Document { .. }) => {
            let loaded = Loaded::of(source, tool)?;
            let given = Documented::of(args);
            let variables = Variables::Given(given.variables);
            document::read(&loaded, given.query, given.operation_name, variables)
                .map(drop)
                .map_err(|wrong| refused_parts(tool, wrong))
        }
        None => Ok(()),
    }
}

/// The same of arguments that are known in part: nothing that a run would not find too.
pub(crate) fn check_partly(tool: &Tool, source: &SourceTools, args: &Partial) -> Vec<Wrong> {
    let Ok(Some(binding)) = Binding::of(tool) else {
        return Vec::new();
    };
    let Ok(loaded) = Loaded::of(source, tool) else {
        return Vec::new();
    };
    let found: Vec<document::Wrong> = match binding {
        Binding::Field(field) => {
            let argument = field.selection.as_ref().map(|s| s.argument.clone());
            let chosen = argument.and_then(|argument| match known(args, &argument) {
                Known::Value(chosen) if !chosen.is_null() => Some((argument, chosen)),
                Known::Value(_) | Known::Absent | Known::No => None,
            });
            let Some((argument, chosen)) = chosen else {
                return Vec::new();
            };
            let problems = select::read(&loaded, &field, &chosen).err();
            let problems = problems.into_iter().flatten();
            problems.map(|p| (argument.clone(), p)).collect()
        }
        Binding::Document { .. } => {
            let Some(document) = KnownDocument::of(args) else {
                return Vec::new();
            };
            let (query, name) = document.text();
            let read = document::read(&loaded, query, name, document.variables());
            read.err().unwrap_or_default()
        }
    };
    found.into_iter().map(|(at, p)| wrong(at, p)).collect()
}

fn wrong(path: String, problem: Problem) -> Wrong {
    Wrong::said(path, problem.text, problem.nearest)
}

fn refused(tool: &Tool, argument: &str, problems: Vec<Problem>) -> ToolError {
    let all = problems.into_iter().map(|p| (argument.to_owned(), p));
    refused_parts(tool, all.collect())
}

fn refused_parts(tool: &Tool, found: Vec<document::Wrong>) -> ToolError {
    let all: Vec<Wrong> = found.into_iter().map(|(at, p)| wrong(at, p)).collect();
    crate::arguments::error(tool, &all)
}
