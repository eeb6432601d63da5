//! One schema as one TypeScript type.
//!
//! Refuses nothing: what TypeScript cannot say becomes a wider type. Comments carry descriptions,
//! with anything that could end the comment defused.

use serde_json::{Map, Value};

/// Deepest nesting that is written out.
const DEPTH_MAX: usize = 24;

/// Enumerations with more values are written as their base type.
const ENUM_VALUES_MAX: usize = 200;

/// The same on one line.
const ENUM_VALUES_MAX_LINE: usize = 8;

const ANY_OBJECT: &str = "{ [key: string]: unknown }";

/// How a type is laid out.
pub(crate) struct Style<'d> {
    /// Properties on lines of their own, with comments.
    block: bool,
    /// Deepest object that is written out.
    depth_max: usize,
    /// Longest enumeration that is written out.
    enum_max: usize,
    /// What stands before the name of a shared type.
    prefix: String,
    /// Shared types; those that are plain values are written in place of their name.
    inlined: Option<&'d Value>,
}

impl<'d> Style<'d> {
    /// Properties below each other, descriptions as comments.
    pub(crate) fn block() -> Self {
        Self {
            block: true,
            depth_max: DEPTH_MAX,
            enum_max: ENUM_VALUES_MAX,
            prefix: String::new(),
            inlined: None,
        }
    }

    /// On one line, without comments; deep objects as `object`, shared types that are plain values
    /// as those.
    pub(crate) fn one_line(definitions: &'d Value) -> Self {
        Self {
            block: false,
            depth_max: 3,
            enum_max: ENUM_VALUES_MAX_LINE,
            prefix: String::new(),
            inlined: Some(definitions),
        }
    }

    /// Shared types by a qualified name.
    pub(crate) fn within(mut self, prefix: String) -> Self {
        self.prefix = prefix;
        self
    }
}

/// How much text may still be written.
pub(crate) struct Budget {
    left: Option<usize>,
}

impl Budget {
    pub(crate) fn none() -> Self {
        Self { left: None }
    }

    pub(crate) fn chars(count: usize) -> Self {
        Self { left: Some(count) }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.left == Some(0)
    }

    fn take(&mut self, count: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(count);
        }
    }
}

/// The type of the values that a schema accepts.
pub(crate) fn type_of(schema: &Value, style: &Style<'_>, budget: &mut Budget) -> String {
    Writer { style, budget }.union(schema, 0)
}

/// A property name, quoted where it is no identifier.
pub(crate) fn property_key(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    if plain { name.to_owned() } else { quoted(name) }
}

/// A string literal. JSON's is one, except for two line separators that older readers end lines at.
/// Characters that nobody sees are written out.
fn quoted(text: &str) -> String {
    crate::scan::escaped(&Value::String(text.to_owned()).to_string())
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

struct Writer<'a> {
    style: &'a Style<'a>,
    budget: &'a mut Budget,
}

impl Writer<'_> {
    fn union(&mut self, schema: &Value, depth: usize) -> String {
        let mut parts = self.parts(schema, depth);
        if parts.len() == 1 {
            return parts.remove(0);
        }
        parts.join(" | ")
    }

    /// As an element of an intersection or an array: parenthesized where it is a union.
    fn grouped(&mut self, schema: &Value, depth: usize) -> String {
        let mut parts = self.parts(schema, depth);
        if parts.len() == 1 && !parts[0].contains(" & ") {
            return parts.remove(0);
        }
        format!("({})", parts.join(" | "))
    }

    /// The members of the union that a schema means; never empty.
    fn parts(&mut self, schema: &Value, depth: usize) -> Vec<String> {
        let Some(map) = schema.as_object() else {
            return vec!["unknown".to_owned()];
        };
        if depth > DEPTH_MAX || self.budget.is_spent() {
            return vec!["unknown".to_owned()];
        }
        let mut factors: Vec<Vec<String>> = Vec::new();
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let name = reference
                .strip_prefix(super::REF_PREFIX)
                .unwrap_or("unknown");
            self.budget.take(name.len());
            factors.push(match self.plain(name) {
                Some(plain) => plain,
                None => vec![format!("{}{name}", self.style.prefix)],
            });
        }
        let combined = ["$ref", "allOf", "anyOf"]
            .iter()
            .any(|k| map.contains_key(*k));
        // `type: object` beside `allOf` says nothing that the parts do not.
        let own = self
            .own(map, depth)
            .filter(|own| !(combined && *own == [ANY_OBJECT]));
        factors.extend(own);
        for part in map
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            factors.push(self.parts(part, depth + 1));
        }
        if let Some(branches) = map.get("anyOf").and_then(Value::as_array) {
            factors.push(self.branches(branches, depth));
        }
        factors.retain(|f| *f != ["unknown"]);
        match factors.len() {
            0 => vec!["unknown".to_owned()],
            1 => factors.remove(0),
            _ => vec![intersection(&factors)],
        }
    }

    /// What a shared type is written as where it is a plain value or a short enumeration.
    fn plain(&mut self, name: &str) -> Option<Vec<String>> {
        let map = self.style.inlined?.get(name)?.as_object()?;
        let kind = map.get("type")?;
        let kinds = kind
            .as_array()
            .map_or(std::slice::from_ref(kind), Vec::as_slice);
        let is_plain = kinds
            .iter()
            .all(|k| !matches!(k.as_str(), Some("object" | "array") | None))
            && ["$ref", "allOf", "anyOf"]
                .iter()
                .all(|k| !map.contains_key(*k));
        if is_plain { self.own(map, 0) } else { None }
    }

    fn branches(&mut self, branches: &[Value], depth: usize) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for branch in branches {
            for part in self.parts(branch, depth + 1) {
                if !all.contains(&part) {
                    all.push(part);
                }
            }
        }
        if all.iter().any(|p| p == "unknown") {
            return vec!["unknown".to_owned()];
        }
        all.sort_by_key(|part| part == "null");
        all
    }

    /// What the schema says by itself, apart from references and combinations.
    fn own(&mut self, map: &Map<String, Value>, depth: usize) -> Option<Vec<String>> {
        if let Some(value) = map.get("const") {
            return Some(vec![literal(value)]);
        }
        if let Some(values) = map.get("enum").and_then(Value::as_array)
            && values.len() <= self.style.enum_max
        {
            let mut all: Vec<String> = values.iter().map(literal).collect();
            all.dedup();
            self.budget.take(all.iter().map(|v| v.len() + 3).sum());
            return Some(all);
        }
        if map
            .get("not")
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
        {
            return Some(vec!["never".to_owned()]);
        }
        let kinds: Vec<&str> = match map.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            Some(_) | None if map.contains_key("properties") => vec!["object"],
            Some(_) | None if map.contains_key("additionalProperties") => vec!["object"],
            Some(_) | None if map.contains_key("items") || map.contains_key("prefixItems") => {
                vec!["array"]
            }
            Some(_) | None => return None,
        };
        let mut all: Vec<String> = Vec::new();
        for kind in kinds {
            let text = match kind {
                "integer" | "number" => "number".to_owned(),
                "array" => self.array(map, depth),
                "object" => self.object(map, depth),
                other => other.to_owned(),
            };
            if !all.contains(&text) {
                all.push(text);
            }
        }
        // `null` reads better at the end, wherever the description has it.
        all.sort_by_key(|t| t == "null");
        Some(all)
    }

    fn array(&mut self, map: &Map<String, Value>, depth: usize) -> String {
        let rest = map.get("items").map(|items| self.grouped(items, depth + 1));
        let Some(prefix) = map.get("prefixItems").and_then(Value::as_array) else {
            return format!("{}[]", rest.unwrap_or_else(|| "unknown".to_owned()));
        };
        // JSON Schema lets a tuple be shorter than its prefix.
        let mut parts: Vec<String> = prefix
            .iter()
            .map(|item| format!("{}?", self.grouped(item, depth + 1)))
            .collect();
        match (map.get("items"), rest) {
            (Some(Value::Bool(false)), _) => {}
            (_, Some(rest)) if rest == "never" => {}
            (_, rest) => parts.push(format!(
                "...{}[]",
                rest.unwrap_or_else(|| "unknown".to_owned())
            )),
        }
        format!("[{}]", parts.join(", "))
    }

    fn object(&mut self, map: &Map<String, Value>, depth: usize) -> String {
        let properties = map
            .get("properties")
            .and_then(Value::as_object)
            .filter(|p| !p.is_empty());
        let additional = map.get("additionalProperties");
        let Some(properties) = properties else {
            return match additional {
                Some(schema @ Value::Object(_)) => {
                    format!("{{ [key: string]: {} }}", self.union(schema, depth + 1))
                }
                Some(Value::Bool(false)) => "{}".to_owned(),
                Some(_) | None => ANY_OBJECT.to_owned(),
            };
        };
        if depth >= self.style.depth_max {
            return "object".to_owned();
        }
        let required = map.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|r| r.iter().any(|n| n == name));
        let mut lines: Vec<(Option<String>, String)> = Vec::new();
        for (name, schema) in properties {
            if self.budget.is_spent() {
                lines.push((None, "[key: string]: unknown".to_owned()));
                return self.laid_out(&lines);
            }
            self.budget.take(name.len() + 12);
            let mark = if is_required(name) { "" } else { "?" };
            let kind = self.union(schema, depth + 1);
            lines.push((
                comment(schema),
                format!("{}{mark}: {kind}", property_key(name)),
            ));
        }
        if additional.is_some_and(|a| *a != Value::Bool(false)) {
            lines.push((None, "[key: string]: unknown".to_owned()));
        }
        self.laid_out(&lines)
    }

    fn laid_out(&mut self, lines: &[(Option<String>, String)]) -> String {
        if !self.style.block {
            let all: Vec<&str> = lines.iter().map(|(_, l)| l.as_str()).collect();
            return format!("{{ {} }}", all.join("; "));
        }
        let mut text = "{\n".to_owned();
        for (comment, line) in lines {
            if let Some(comment) = comment {
                text.push_str(&format!("  /** {comment} */\n"));
                self.budget.take(comment.len());
            }
            text.push_str(&format!("  {};\n", line.replace('\n', "\n  ")));
        }
        text.push('}');
        text
    }
}

/// All of several types at once. A union inside is put in parentheses.
fn intersection(factors: &[Vec<String>]) -> String {
    let all: Vec<String> = factors
        .iter()
        .map(|parts| match parts.as_slice() {
            [one] => one.clone(),
            several => format!("({})", several.join(" | ")),
        })
        .collect();
    all.join(" & ")
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        // An exact array or object has no short type.
        Value::Array(_) => "unknown[]".to_owned(),
        Value::Object(_) => ANY_OBJECT.to_owned(),
    }
}

fn comment(schema: &Value) -> Option<String> {
    let mut text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if schema.get("deprecated") == Some(&Value::Bool(true)) {
        text.insert_str(0, "@deprecated ");
    }
    if let Some(default) = schema
        .get("default")
        .filter(|d| !d.is_object() && !d.is_array())
    {
        let default = crate::scan::escaped(&default.to_string());
        text.push_str(&format!(" Default: {default}."));
    }
    let text = text.trim().replace("*/", "* /");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_become_types() {
        for (schema, expected) in [
            (json!({}), "unknown"),
            (json!({"type": ["string", "null"]}), "string | null"),
            (
                json!({"type": "array", "items": {"enum": ["a", 1]}}),
                "(\"a\" | 1)[]",
            ),
            (json!({"type": "object"}), "{ [key: string]: unknown }"),
            (
                json!({"additionalProperties": {"type": "integer"}}),
                "{ [key: string]: number }",
            ),
            (
                json!({"properties": {"a-b": {"const": true}, "c": {"$ref": "#/$defs/C"}}, "required": ["c"]}),
                "{ \"a-b\"?: true; c: C }",
            ),
            (
                json!({"allOf": [{"$ref": "#/$defs/A"}, {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]}]}),
                "A & (B | null)",
            ),
            (
                json!({"prefixItems": [{"type": "string"}], "items": {"not": {}}}),
                "[string?]",
            ),
            (
                json!({"type": "array", "items": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}}),
                "(A & B)[]",
            ),
            (json!({"anyOf": [{"type": "string"}, {}]}), "unknown"),
            (json!({"enum": ["\u{2028}\"'`"]}), "\"\\u2028\\\"'`\""),
        ] {
            assert_eq!(
                type_of(&schema, &Style::one_line(&Value::Null), &mut Budget::none()),
                expected,
                "{schema}"
            );
        }
    }

    #[test]
    fn hostile_text_stays_in_its_comment_and_depth_is_bounded() {
        let schema = json!({"properties": {"a": {"type": "string", "description": "x */ } evil"}}});
        let text = type_of(&schema, &Style::block(), &mut Budget::none());
        assert_eq!(text, "{\n  /** x * / } evil */\n  a?: string;\n}");
        let mut deep = json!({"type": "string"});
        for _ in 0..1000 {
            deep = json!({"type": "array", "items": deep});
        }
        assert!(type_of(&deep, &Style::block(), &mut Budget::none()).starts_with("unknown[]"));
    }
}
