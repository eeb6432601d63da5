//! Swagger 2.0, rewritten as OpenAPI 3.0 before anything else looks at it.
//!
//! Only what the importer reads is rewritten: servers, parameters, bodies, answers and security.
//! Shared schemas stay under `definitions`, where the document's own references find them. What
//! Swagger can say and OpenAPI cannot (lists separated by tabs) becomes a style of our own.

use super::body::{FORMS, is_json};
use super::document::Document;
use serde_json::{Map, Value, json};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// What of a parameter describes its value; the rest describes the parameter.
const OF_SCHEMA: [&str; 20] = [
    "type",
    "format",
    "items",
    "default",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "multipleOf",
    "x-nullable",
    "schema",
    "properties",
    "additionalProperties",
];

/// Rewrites a Swagger 2.0 document in place; other documents are left alone.
pub(crate) fn upgrade(document: &mut Document) {
    let swagger = Swagger {
        document,
        consumes: media_types(document.root.get("consumes")),
        produces: media_types(document.root.get("produces")),
    };
    let paths = swagger.paths();
    let servers = swagger.servers(document.root.get("schemes"));
    let security = swagger.security_schemes();
    if let Some(root) = document.root.as_object_mut() {
        root.insert("paths".to_owned(), Value::Object(paths));
        root.insert("servers".to_owned(), servers);
        root.insert(
            "components".to_owned(),
            json!({ "securitySchemes": security }),
        );
    }
}

struct Swagger<'d> {
    document: &'d Document,
    consumes: Vec<String>,
    produces: Vec<String>,
}

fn media_types(declared: Option<&Value>) -> Vec<String> {
    let all = declared.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Swagger<'_> {
    /// `host`, `basePath` and `schemes` as addresses, https first. Without a host they are relative
    /// to where the document lies.
    fn servers(&self, schemes: Option<&Value>) -> Value {
        let root = &self.document.root;
        let (host, base) = (text(root, "host"), text(root, "basePath"));
        let base = match base {
            "" => "/".to_owned(),
            given if given.starts_with('/') => given.to_owned(),
            given => format!("/{given}"),
        };
        if host.is_empty() {
            return json!([{ "url": base }]);
        }
        // Some write the scheme into the host.
        let host = host.split_once("://").map_or(host, |(_, host)| host);
        let mut schemes = media_types(schemes);
        schemes.retain(|s| s == "https" || s == "http");
        if schemes.is_empty() {
            schemes.push("https".to_owned());
        }
        schemes.sort_by_key(|s| s != "https");
        let all = schemes
            .iter()
            .map(|s| json!({ "url": format!("{s}://{host}{base}") }));
        all.collect()
    }

    fn security_schemes(&self) -> Map<String, Value> {
        let declared = self.document.root.get("securityDefinitions");
        let declared = declared.and_then(Value::as_object).into_iter().flatten();
        declared
            .map(|(name, scheme)| (name.clone(), security_scheme(scheme)))
            .collect()
    }

    fn paths(&self) -> Map<String, Value> {
        let paths = self.document.root.get("paths").and_then(Value::as_object);
        let paths = paths.into_iter().flatten();
        paths
            .map(|(template, item)| (template.clone(), self.path(item)))
            .collect()
    }

    fn path(&self, item: &Value) -> Value {
        // A reference is kept to be told of, where it leads nowhere.
        let Ok(Value::Object(item)) = self.document.resolve(item) else {
            return item.clone();
        };
        let shared = self.parameters(item.get("parameters"));
        let mut out = Map::new();
        for (key, value) in item {
            match value.as_object() {
                Some(operation) if METHODS.contains(&key.as_str()) => {
                    let operation = self.operation(operation, &shared);
                    out.insert(key.clone(), Value::Object(operation));
                }
                _ if key == "parameters" => {}
                _ => {
                    out.insert(key.clone(), value.clone());
                }
            }
        }
        Value::Object(out)
    }

    /// Parameters with their references followed; one that leads nowhere stays as it is.
    fn parameters<'v>(&'v self, list: Option<&'v Value>) -> Vec<&'v Value> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.map(|p| self.document.resolve(p).unwrap_or(p))
            .collect()
    }

    fn operation(&self, operation: &Map<String, Value>, shared: &[&Value]) -> Map<String, Value> {
        let mut out = operation.clone();
        for key in ["parameters", "responses", "consumes", "produces", "schemes"] {
            out.remove(key);
        }
        let own = self.parameters(operation.get("parameters"));
        let same = |a: &Value, b: &Value| {
            (text(a, "in"), text(a, "name")) == (text(b, "in"), text(b, "name"))
        };
        let inherited = shared
            .iter()
            .copied()
            .filter(|s| !own.iter().any(|o| same(o, s)));
        let all: Vec<&Value> = inherited.chain(own.iter().copied()).collect();
        let consumes = match operation.get("consumes") {
            Some(own) => media_types(Some(own)),
            None => self.consumes.clone(),
        };
        let (mut plain, mut fields, mut body) = (Vec::new(), Vec::new(), None);
        for parameter in all {
            match text(parameter, "in") {
                "body" => body = Some(parameter),
                "formData" => fields.push(parameter),
                _ => plain.push(plain_parameter(parameter)),
            }
        }
        out.insert("parameters".to_owned(), Value::Array(plain));
        let body = body.map(|b| whole_body(b, &consumes));
        let body = body.or_else(|| (!fields.is_empty()).then(|| form(&fields, &consumes)));
        out.extend(body.map(|b| ("requestBody".to_owned(), b)));
        let produces = match operation.get("produces") {
            Some(own) => media_types(Some(own)),
            None => self.produces.clone(),
        };
        out.insert(
            "responses".to_owned(),
            self.responses(operation.get("responses"), &produces),
        );
        if operation.contains_key("schemes") {
            out.insert("servers".to_owned(), self.servers(operation.get("schemes")));
        }
        out
    }

    fn responses(&self, responses: Option<&Value>, produces: &[String]) -> Value {
        let responses = responses.and_then(Value::as_object).into_iter().flatten();
        let all: Map<String, Value> = responses
            .map(|(status, response)| (status.clone(), self.response(response, produces)))
            .collect();
        Value::Object(all)
    }

    fn response(&self, response: &Value, produces: &[String]) -> Value {
        let reference = response.get("$ref").and_then(Value::as_str);
        let Ok(found) = self.document.resolve(response) else {
            return response.clone();
        };
        let Some(schema) = found.get("schema") else {
            return json!({ "description": text(found, "description") });
        };
        let is_file = self
            .document
            .resolve(schema)
            .is_ok_and(|s| text(s, "type") == "file");
        // A shared answer's own schema is kept once.
        let schema = match reference {
            Some(reference) if schema.get("$ref").is_none() && found.get("$ref").is_none() => {
                json!({ "$ref": format!("{reference}/schema") })
            }
            Some(_) | None => schema.clone(),
        };
        let mut kinds: Vec<&str> = produces.iter().map(String::as_str).collect();
        if is_file {
            kinds.retain(|k| !is_json(k));
        }
        if kinds.is_empty() {
            kinds.push(if is_file {
                "application/octet-stream"
            } else {
                "application/json"
            });
        }
        let content: Map<String, Value> = kinds
            .iter()
            .map(|kind| ((*kind).to_owned(), json!({ "schema": schema })))
            .collect();
        // References into the answer as it was still find its schema.
        json!({ "content": content, "schema": schema })
    }
}

/// A parameter of path, query or header: its value's keywords go into a schema of their own.
fn plain_parameter(parameter: &Value) -> Value {
    let Some(map) = parameter.as_object() else {
        return parameter.clone();
    };
    let (schema, mut out): (Map<_, _>, Map<_, _>) = map
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .partition(|(k, _)| OF_SCHEMA.contains(&k.as_str()));
    out.remove("collectionFormat");
    out.insert("schema".to_owned(), own_schema(schema));
    if text(parameter, "type") == "array" {
        let (style, explode) = match (text(parameter, "in"), text(parameter, "collectionFormat")) {
            (_, "ssv") => ("spaceDelimited", false),
            (_, "tsv") => ("tabDelimited", false),
            (_, "pipes") => ("pipeDelimited", false),
            ("query", "multi") => ("form", true),
            ("query", _) => ("form", false),
            _ => ("simple", false),
        };
        out.insert("style".to_owned(), style.into());
        out.insert("explode".to_owned(), explode.into());
    }
    Value::Object(out)
}

/// Some write `schema` where Swagger has none; it counts.
fn own_schema(mut keywords: Map<String, Value>) -> Value {
    match keywords.remove("schema") {
        Some(schema @ Value::Object(_)) if !keywords.contains_key("type") => schema,
        Some(_) | None => Value::Object(keywords),
    }
}

fn whole_body(parameter: &Value, consumes: &[String]) -> Value {
    let any = json!({});
    let schema = parameter.get("schema").unwrap_or(&any);
    let mut kinds: Vec<&str> = consumes.iter().map(String::as_str).collect();
    // A body is never a form in Swagger; documents that list forms for all operations mean others.
    kinds.retain(|k| !FORMS.contains(k));
    if kinds.is_empty() {
        kinds.push("application/json");
    }
    let content: Map<String, Value> = kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), json!({ "schema": schema })))
        .collect();
    let mut body = json!({ "content": content });
    for key in ["description", "required"] {
        if let Some(value) = parameter.get(key) {
            body[key] = value.clone();
        }
    }
    body
}

/// `formData` parameters as one form: multipart where it holds files or where only that is taken.
fn form(fields: &[&Value], consumes: &[String]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut encoding = Map::new();
    let mut files = false;
    for field in fields {
        let name = text(field, "name");
        let keywords: Map<String, Value> = field
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(k, _)| OF_SCHEMA.contains(&k.as_str()) || *k == "description")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        files |= text(field, "type") == "file";
        properties.insert(name.to_owned(), own_schema(keywords));
        if field.get("required") == Some(&Value::Bool(true)) {
            required.push(name);
        }
        if text(field, "type") == "array" {
            let (style, explode) = match text(field, "collectionFormat") {
                "multi" => ("form", true),
                "ssv" => ("spaceDelimited", false),
                "tsv" => ("tabDelimited", false),
                "pipes" => ("pipeDelimited", false),
                _ => ("form", false),
            };
            encoding.insert(
                name.to_owned(),
                json!({ "style": style, "explode": explode }),
            );
        }
    }
    let takes = |wanted: &str| consumes.iter().any(|c| c.starts_with(wanted));
    let [urlencoded, multipart] = FORMS;
    let kind = if files || (takes(multipart) && !takes(urlencoded)) {
        multipart
    } else {
        urlencoded
    };
    json!({
        "required": !required.is_empty(),
        "content": { kind: {
            "schema": { "type": "object", "properties": properties, "required": required },
            "encoding": encoding,
        } },
    })
}

fn security_scheme(scheme: &Value) -> Value {
    match text(scheme, "type") {
        "basic" => json!({ "type": "http", "scheme": "basic" }),
        "oauth2" => {
            let flow = match text(scheme, "flow") {
                "accessCode" => "authorizationCode",
                "application" => "clientCredentials",
                other => other,
            };
            let mut flow_of = Map::new();
            for key in ["authorizationUrl", "tokenUrl", "scopes"] {
                flow_of.extend(scheme.get(key).map(|v| (key.to_owned(), v.clone())));
            }
            json!({ "type": "oauth2", "flows": { flow: flow_of } })
        }
        _ => scheme.clone(),
    }
}
