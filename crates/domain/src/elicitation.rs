//! What a server of MCP asks of a person in the middle of a call: a form or a page, always under the
//! name of the source that asks, answered by nobody but whoever runs the task.
//!
//! A form has the shape that the protocol allows and nothing beside it. It is read, and looked
//! through for secrets, in `tools/mcp/elicit.rs`.
//! <https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation>

use crate::approval::ApprovalStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Questions that one call may ask, one after the other, before it fails.
pub const QUESTIONS_PER_CALL: usize = 5;

/// Characters of one text in an answer.
const ANSWER_CHARS_MAX: usize = 10_000;

/// What a source asks, as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Elicitation {
    /// The name of the source that asks.
    pub source: String,
    /// What is asked, answered all at once.
    pub parts: Vec<Part>,
    /// Answers that take no person, by the server's own name for the question.
    pub given: Map<String, Value>,
    /// What the server wants back with the answers, where it keeps nothing itself.
    pub state: Option<Value>,
    /// How the answers get to the server.
    pub way: Way,
}

/// How answers get to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It waits for them on an open connection, with which the question ends.
    Live,
    /// With the call, which is sent again: the server has not done it and keeps nothing.
    Round,
    /// Not at all: the server has refused the call until a person was on its page, and is called
    /// anew.
    Anew,
}

/// One form or page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The server's own name for it.
    pub key: String,
    /// The server's words. They are its own, and shown as such.
    pub message: String,
    /// What a person should know before answering; none if nothing stands out.
    pub warning: Option<String>,
    /// What is to be done.
    pub form: Form,
}

/// What a person is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Form {
    /// Fill in fields.
    Fields {
        /// In the order in which they are shown.
        fields: Vec<Field>,
    },
    /// Go to a page of the server's and come back. What is entered there passes by nobody.
    Page {
        /// Its address, https always.
        url: String,
        /// The host of the address, as a person should read it.
        host: String,
    },
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its key in the answer.
    pub name: String,
    /// What people call it; empty where the server does not say.
    pub title: String,
    /// What it is for; empty where the server does not say.
    pub description: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// What it holds when nobody changes it.
    pub default: Option<Value>,
    /// What it takes.
    pub kind: Kind,
}

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Kind {
    /// Text.
    Text {
        /// Fewest characters.
        min_length: Option<u64>,
        /// Most characters.
        max_length: Option<u64>,
        /// `email`, `uri`, `date` or `date-time`; a hint, which the server checks itself.
        format: Option<String>,
    },
    /// A number.
    Number {
        /// Whether it has to be whole.
        whole: bool,
        /// The least.
        minimum: Option<f64>,
        /// The greatest.
        maximum: Option<f64>,
    },
    /// Yes or no.
    Boolean,
    /// One of several.
    Choice {
        /// Of these.
        options: Vec<Choice>,
    },
    /// Some of several, as a list.
    Choices {
        /// Of these.
        options: Vec<Choice>,
        /// How many at least.
        min_items: Option<u64>,
        /// How many at most.
        max_items: Option<u64>,
    },
}

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What is answered.
    pub value: String,
    /// What people read.
    pub title: String,
}

impl Elicitation {
    /// The answers of a person as they are kept: by part, each with its fields. Where there is one
    /// part, its fields alone are taken as well.
    ///
    /// # Errors
    /// Which field does not fit, and what would.
    pub fn taken(&self, content: &Value) -> Result<Value, String> {
        let Value::Object(given) = content else {
            return Err("an answer is an object with a member for each field".to_owned());
        };
        let one = match self.parts.as_slice() {
            [part] if !given.get(&part.key).is_some_and(Value::is_object) => Some(part),
            _ => None,
        };
        if let Some(part) = one {
            return Ok(json!({ part.key.as_str(): part.taken(given)? }));
        }
        let unknown = given
            .keys()
            .find(|k| self.parts.iter().all(|p| p.key != **k));
        if let Some(unknown) = unknown {
            return Err(format!("`{unknown}` was not asked"));
        }
        let mut taken = Map::new();
        for part in &self.parts {
            let fields = match given.get(&part.key) {
                Some(Value::Object(fields)) => fields.clone(),
                None => Map::new(),
                Some(_) => return Err(format!("`{}` is an object with fields", part.key)),
            };
            taken.insert(part.key.clone(), part.taken(&fields)?);
        }
        Ok(Value::Object(taken))
    }

    /// What goes back to the server, by its own names for the questions: what was answered, a no,
    /// or, where nobody answered, that the person went away.
    #[must_use]
    pub fn responses(&self, status: &ApprovalStatus) -> Map<String, Value> {
        let content = match status {
            ApprovalStatus::Happened(_, text) => serde_json::from_str::<Value>(text).ok(),
            ApprovalStatus::Pending
            | ApprovalStatus::Approved(_)
            | ApprovalStatus::Denied(_)
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn(_) => None,
        };
        let declined = matches!(status, ApprovalStatus::Denied(_));
        let mut responses = self.given.clone();
        for part in &self.parts {
            let response = match (&content, &part.form) {
                (Some(_), Form::Page { .. }) => json!({ "action": "accept" }),
                (Some(content), Form::Fields { .. }) => {
                    json!({ "action": "accept", "content": content[&part.key] })
                }
                (None, _) if declined => json!({ "action": "decline" }),
                (None, _) => json!({ "action": "cancel" }),
            };
            responses.insert(part.key.clone(), response);
        }
        responses
    }
}

impl Part {
    fn taken(&self, given: &Map<String, Value>) -> Result<Value, String> {
        let Form::Fields { fields } = &self.form else {
            return match given.is_empty() {
                true => Ok(json!({})),
                false => Err("nothing is entered here; it is entered on the page".to_owned()),
            };
        };
        if let Some(unknown) = given.keys().find(|k| fields.iter().all(|f| f.name != **k)) {
            let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            return Err(format!(
                "`{unknown}` is no field of the form; its fields are {}",
                names.join(", ")
            ));
        }
        let mut taken = Map::new();
        for field in fields {
            match given.get(&field.name).filter(|v| !v.is_null()) {
                Some(value) => {
                    field.check(value)?;
                    taken.insert(field.name.clone(), value.clone());
                }
                None if field.required => {
                    return Err(format!("`{}` has to be filled in", field.name));
                }
                None => {}
            }
        }
        Ok(Value::Object(taken))
    }

    /// The form as a JSON Schema of the kind that the protocol allows; none for a page.
    #[must_use]
    pub fn schema(&self) -> Option<Value> {
        let Form::Fields { fields } = &self.form else {
            return None;
        };
        let properties: Map<String, Value> = fields
            .iter()
            .map(|f| (f.name.clone(), f.schema()))
            .collect();
        let required: Vec<&str> = fields
            .iter()
            .filter(|f| f.required)
            .map(|f| f.name.as_str())
            .collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        Some(schema)
    }
}

impl Field {
    fn check(&self, value: &Value) -> Result<(), String> {
        let wrong = |what: String| Err(format!("`{}` takes {what}", self.name));
        let among = |options: &[Choice], value: &Value| {
            value
                .as_str()
                .is_some_and(|text| options.iter().any(|o| o.value == text))
        };
        let names = |options: &[Choice]| {
            let names: Vec<&str> = options.iter().map(|o| o.value.as_str()).collect();
            names.join(", ")
        };
        match &self.kind {
            Kind::Text {
                min_length,
                max_length,
                ..
            } => {
                let most = max_length.unwrap_or(u64::MAX).min(ANSWER_CHARS_MAX as u64);
                let least = min_length.unwrap_or(0);
                let count = value.as_str().map(|text| text.chars().count() as u64);
                match count {
                    Some(count) if (least..=most).contains(&count) => Ok(()),
                    Some(_) | None => wrong(format!("text of {least} to {most} characters")),
                }
            }
            Kind::Number {
                whole,
                minimum,
                maximum,
            } => {
                let fits = value.as_f64().is_some_and(|n| {
                    minimum.is_none_or(|min| n >= min)
                        && maximum.is_none_or(|max| n <= max)
                        && (!whole || n.fract() == 0.0)
                });
                let bounds = match (minimum, maximum) {
                    (None, None) => String::new(),
                    (Some(min), None) => format!(" of at least {min}"),
                    (None, Some(max)) => format!(" of at most {max}"),
                    (Some(min), Some(max)) => format!(" from {min} to {max}"),
                };
                let what = if *whole { "a whole number" } else { "a number" };
                if fits {
                    Ok(())
                } else {
                    wrong(format!("{what}{bounds}"))
                }
            }
            Kind::Boolean if value.is_boolean() => Ok(()),
            Kind::Boolean => wrong("true or false".to_owned()),
            Kind::Choice { options } if among(options, value) => Ok(()),
            Kind::Choice { options } => wrong(format!("one of {}", names(options))),
            Kind::Choices {
                options,
                min_items,
                max_items,
            } => {
                let (least, most) = (min_items.unwrap_or(0), max_items.unwrap_or(u64::MAX));
                let fits = value.as_array().is_some_and(|all| {
                    all.iter().all(|one| among(options, one))
                        && (least..=most).contains(&(all.len() as u64))
                });
                if fits {
                    return Ok(());
                }
                wrong(format!("a list of some of {}", names(options)))
            }
        }
    }

    fn schema(&self) -> Value {
        let mut schema = match &self.kind {
            Kind::Text {
                min_length,
                max_length,
                format,
            } => {
                json!({ "type": "string", "minLength": min_length, "maxLength": max_length, "format": format })
            }
            Kind::Number {
                whole,
                minimum,
                maximum,
            } => {
                let bound = |bound: &Option<f64>, nearest: fn(f64) -> f64| match (bound, whole) {
                    (None, _) => Value::Null,
                    (Some(bound), false) => json!(bound),
                    // Clients and libraries take `1.0` for no bound of an integer.
                    (Some(bound), true) => json!(nearest(*bound) as i64),
                };
                json!({
                    "type": if *whole { "integer" } else { "number" },
                    "minimum": bound(minimum, f64::ceil), "maximum": bound(maximum, f64::floor),
                })
            }
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Choice { options } => json!({ "type": "string", "oneOf": titled(options) }),
            Kind::Choices {
                options,
                min_items,
                max_items,
            } => json!({
                "type": "array", "items": { "anyOf": titled(options) },
                "minItems": min_items, "maxItems": max_items,
            }),
        };
        schema["title"] = json!(Some(&self.title).filter(|t| !t.is_empty()));
        schema["description"] = json!(Some(&self.description).filter(|t| !t.is_empty()));
        schema["default"] = json!(self.default);
        if let Value::Object(fields) = &mut schema {
            fields.retain(|_, value| !value.is_null());
        }
        schema
    }
}

fn titled(options: &[Choice]) -> Vec<Value> {
    let one = |o: &Choice| json!({ "const": o.value, "title": o.title });
    options.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Channel;
    use crate::approval::Answered;
    use crate::{AccountId, Timestamp};

    fn field(name: &str, required: bool, kind: Kind) -> Field {
        Field {
            name: name.to_owned(),
            title: String::new(),
            description: String::new(),
            required,
            default: None,
            kind,
        }
    }

    fn part(key: &str, form: Form) -> Part {
        Part {
            key: key.to_owned(),
            message: "m".to_owned(),
            warning: None,
            form,
        }
    }

    fn choices() -> Vec<Choice> {
        ["a", "b"]
            .map(|v| Choice {
                value: v.to_owned(),
                title: v.to_uppercase(),
            })
            .to_vec()
    }

    fn asked(parts: Vec<Part>) -> Elicitation {
        let mut given = Map::new();
        given.insert("roots".to_owned(), json!({ "roots": [] }));
        Elicitation {
            source: "s".to_owned(),
            parts,
            given,
            state: None,
            way: Way::Round,
        }
    }

    fn form() -> Form {
        let text = Kind::Text {
            min_length: Some(2),
            max_length: Some(3),
            format: None,
        };
        let number = Kind::Number {
            whole: true,
            minimum: Some(1.0),
            maximum: None,
        };
        let some = Kind::Choices {
            options: choices(),
            min_items: Some(1),
            max_items: None,
        };
        let fields = vec![
            field("text", true, text),
            field("count", false, number),
            field("sure", false, Kind::Boolean),
            field("one", false, Kind::Choice { options: choices() }),
            field("some", false, some),
        ];
        Form::Fields { fields }
    }

    #[test]
    fn an_answer_fits_its_form_or_is_told_why_not() {
        let asked = asked(vec![part("q", form())]);
        for fits in [
            json!({ "text": "ab" }),
            json!({ "text": "äöü", "count": 1, "sure": false, "one": "a", "some": ["b", "a"] }),
            json!({ "text": "ab", "count": null }),
            json!({ "q": { "text": "ab" } }),
        ] {
            let taken = asked.taken(&fits).unwrap_or_else(|e| panic!("{fits}: {e}"));
            assert!(taken["q"]["text"].is_string(), "{taken}");
        }
        for (wrong, why) in [
            (json!([]), "object"),
            (json!({}), "`text` has to be filled in"),
            (json!({ "text": "a" }), "2 to 3 characters"),
            (json!({ "text": "abcd" }), "2 to 3 characters"),
            (json!({ "text": 7 }), "2 to 3 characters"),
            (json!({ "text": "ab", "count": 0 }), "at least 1"),
            (json!({ "text": "ab", "count": 1.5 }), "whole number"),
            (json!({ "text": "ab", "sure": "yes" }), "true or false"),
            (json!({ "text": "ab", "one": "c" }), "one of a, b"),
            (json!({ "text": "ab", "some": [] }), "some of a, b"),
            (json!({ "text": "ab", "some": ["c"] }), "some of a, b"),
            (json!({ "text": "ab", "more": 1 }), "`more` is no field"),
        ] {
            let error = asked.taken(&wrong).expect_err("it does not fit");
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_goes_back_is_what_was_said() {
        let page = Form::Page {
            url: "https://a.example/x".to_owned(),
            host: "a.example".to_owned(),
        };
        let asked = asked(vec![part("q", form()), part("p", page)]);
        assert!(asked.taken(&json!({ "text": "ab" })).is_err(), "which one?");
        assert!(
            asked
                .taken(&json!({ "q": { "text": "ab" }, "p": { "x": 1 } }))
                .is_err()
        );
        let taken = asked
            .taken(&json!({ "q": { "text": "ab" } }))
            .expect("fits");
        let by = Answered {
            by: AccountId::from_bits([1; 16]),
            channel: Channel::Cli,
            at: Timestamp(0),
            reason: String::new(),
        };
        let said = |status| Value::Object(asked.responses(&status));
        assert_eq!(
            said(ApprovalStatus::Happened(by.clone(), taken.to_string())),
            json!({
                "roots": { "roots": [] },
                "q": { "action": "accept", "content": { "text": "ab" } },
                "p": { "action": "accept" },
            })
        );
        assert_eq!(
            said(ApprovalStatus::Denied(by))["q"],
            json!({ "action": "decline" })
        );
        for nobody in [ApprovalStatus::Expired, ApprovalStatus::Withdrawn(None)] {
            assert_eq!(said(nobody)["p"], json!({ "action": "cancel" }));
        }
    }

    #[test]
    fn the_schema_is_one_that_the_protocol_allows() {
        let schema = part("q", form()).schema().expect("a form");
        assert_eq!(
            schema,
            json!({ "type": "object", "required": ["text"], "properties": {
                "text": { "type": "string", "minLength": 2, "maxLength": 3 },
                "count": { "type": "integer", "minimum": 1 },
                "sure": { "type": "boolean" },
                "one": { "type": "string", "oneOf": [
                    { "const": "a", "title": "A" }, { "const": "b", "title": "B" }] },
                "some": { "type": "array", "minItems": 1, "items": { "anyOf": [
                    { "const": "a", "title": "A" }, { "const": "b", "title": "B" }] } },
            } })
        );
    }
}
