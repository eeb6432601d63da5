//! What a server asks of a person, read strictly: the forms that the protocol allows and nothing
//! beside them, and the addresses of pages.
//!
//! A form that asks for a secret is refused: what is entered in it would lie in our journal and go
//! through our hands. Secrets are entered on the server's own page. What only might be one is shown
//! with a warning. <https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation>

use super::fault::shortened;
use domain::elicitation::{Choice, Elicitation, Field, Form, Kind, Part, Way};
use serde_json::{Map, Value, json};

/// Questions in one request.
const PARTS_MAX: usize = 10;
/// Fields of a form.
const FIELDS_MAX: usize = 40;
/// Options of a field.
const OPTIONS_MAX: usize = 200;
/// Characters of what a server says to a person.
const MESSAGE_CHARS_MAX: usize = 4_000;
/// Characters of a name of a field, of an option, of a question.
const NAME_CHARS_MAX: usize = 200;

/// Parts of names, without separators, of what nobody may be asked for in a form.
const SECRETS: [&str; 24] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "credential",
    "creditcard",
    "debitcard",
    "cardnumber",
    "cardno",
    "securitycode",
    "seedphrase",
    "recoveryphrase",
    "recoverycode",
    "mnemonic",
    "onetimecode",
    "verificationcode",
    "socialsecurity",
    "bearertoken",
];

/// Words that mean one where they stand alone.
const SECRET_WORDS: [&str; 13] = [
    "token", "tokens", "pin", "cvv", "cvc", "cvv2", "csc", "otp", "totp", "ssn", "pwd", "pan",
    "jwt",
];

/// Words that may mean one.
const DOUBTFUL_WORDS: [&str; 9] = [
    "key",
    "code",
    "login",
    "iban",
    "account",
    "passport",
    "licence",
    "license",
    "signature",
];

const FORM_KEYWORDS: [&str; 5] = [
    "$schema",
    "type",
    "properties",
    "required",
    "additionalProperties",
];

/// What a server asks, from the parameters of `elicitation/create`. The error is why it is refused.
pub(super) fn part(key: &str, params: &Value) -> Result<Part, String> {
    let message = params.get("message").and_then(Value::as_str);
    let message = visible(message.unwrap_or_default(), MESSAGE_CHARS_MAX);
    let mode = params.get("mode").and_then(Value::as_str).unwrap_or("form");
    let form = match mode {
        "form" => fields(params.get("requestedSchema").unwrap_or(&Value::Null))?,
        "url" => page(
            params
                .get("url")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )?,
        other => {
            return Err(format!(
                "a question of the unknown mode `{}`",
                shortened(other)
            ));
        }
    };
    if key.chars().count() > NAME_CHARS_MAX {
        return Err("a question whose name is too long".to_owned());
    }
    let warning = warning(&message, &form);
    Ok(Part {
        key: key.to_owned(),
        message,
        warning,
        form,
    })
}

/// What a server asks instead of an answer: the questions that a person can be asked, with the answers
/// to those that take none. `refused` is told why another is not asked. None if it asks for a model.
pub(super) fn sorted(
    source: &str,
    result: &Value,
    can_ask: bool,
    refused: &mut dyn FnMut(String),
) -> Option<Elicitation> {
    let mut asked = Elicitation {
        source: source.to_owned(),
        parts: Vec::new(),
        given: Map::new(),
        state: result.get("requestState").filter(|s| !s.is_null()).cloned(),
        way: Way::Round,
    };
    let none = Map::new();
    let questions = result.get("inputRequests").and_then(Value::as_object);
    for (key, question) in questions.unwrap_or(&none) {
        let params = question.get("params").unwrap_or(&Value::Null);
        match question.get("method").and_then(Value::as_str) {
            Some("roots/list") => {
                asked.given.insert(key.clone(), json!({ "roots": [] }));
            }
            Some("elicitation/create") => {
                let read = if !can_ask {
                    Err("it may ask nobody".to_owned())
                } else if asked.parts.len() == PARTS_MAX {
                    Err(format!("it asks more than {PARTS_MAX} questions at once"))
                } else {
                    part(key, params)
                };
                match read {
                    Ok(part) => asked.parts.push(part),
                    Err(why) => {
                        refused(why);
                        asked
                            .given
                            .insert(key.clone(), json!({ "action": "decline" }));
                    }
                }
            }
            Some(_) | None => return None,
        }
    }
    Some(asked)
}

/// The pages that a server wants a person to visit before it takes a call, from the data of its error.
pub(super) fn pages(source: &str, data: &Value) -> Result<Elicitation, String> {
    let all = data.get("elicitations").and_then(Value::as_array);
    let all = all.filter(|all| !all.is_empty() && all.len() <= PARTS_MAX);
    let all = all.ok_or("it wants a person to visit pages and names none")?;
    let mut parts = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let key = one.get("elicitationId").and_then(Value::as_str);
        let part = part(key.unwrap_or(&at.to_string()), one)?;
        if matches!(part.form, Form::Fields { .. }) {
            return Err("it wants a page to be visited and asks for something else".to_owned());
        }
        parts.push(part);
    }
    Ok(Elicitation {
        source: source.to_owned(),
        parts,
        given: Map::new(),
        state: None,
        way: Way::Anew,
    })
}

fn page(url: &str) -> Result<Form, String> {
    let url = url::Url::parse(url).map_err(|_| "a page whose address is none".to_owned())?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let is_plain = url.username().is_empty() && url.password().is_none();
    if url.scheme() != "https" || host.is_empty() || !is_plain || url.as_str().len() > 4_096 {
        return Err(
            "a page whose address does not begin with https://, names a user, or is too long"
                .to_owned(),
        );
    }
    let url = url.to_string();
    Ok(Form::Page { url, host })
}

fn fields(schema: &Value) -> Result<Form, String> {
    let Value::Object(schema) = schema else {
        return Err("a form without fields".to_owned());
    };
    only(schema, &FORM_KEYWORDS, "the form")?;
    let closed = schema.get("additionalProperties");
    if closed.is_some_and(|more| *more != Value::Bool(false)) {
        return Err("a form with fields that it does not name".to_owned());
    }
    let none = Map::new();
    let properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err("a form whose fields are no object".to_owned()),
        None => &none,
    };
    if properties.len() > FIELDS_MAX {
        return Err(format!("a form of more than {FIELDS_MAX} fields"));
    }
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let field =
        |(name, schema): (&String, &Value)| field(name, schema, required.contains(&name.as_str()));
    let fields = properties
        .iter()
        .map(field)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Form::Fields { fields })
}

fn field(name: &str, schema: &Value, required: bool) -> Result<Field, String> {
    let Value::Object(schema) = schema else {
        return Err(format!("a field `{}` of no type", shortened(name)));
    };
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err("a field whose name is empty or too long".to_owned());
    }
    let text = |key: &str| {
        let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
        visible(text, 1_000)
    };
    let kind = kind(name, schema)?;
    let (title, description) = (text("title"), text("description"));
    let entered = matches!(kind, Kind::Text { .. } | Kind::Number { .. });
    let names = [name, title.as_str(), description.as_str()];
    let is_password = schema.get("format").and_then(Value::as_str) == Some("password")
        || schema.get("writeOnly") == Some(&Value::Bool(true));
    if entered && (is_password || names.iter().any(|text| is_secret(text))) {
        return Err(format!(
            "a form that asks for a secret (`{}`); a server asks for secrets on a page of its own",
            shortened(name)
        ));
    }
    Ok(Field {
        name: name.to_owned(),
        title,
        description,
        required,
        default: schema.get("default").filter(|d| !d.is_null()).cloned(),
        kind,
    })
}

fn kind(name: &str, schema: &Map<String, Value>) -> Result<Kind, String> {
    let at = format!("the field `{}`", shortened(name));
    let told = [
        "type",
        "title",
        "description",
        "default",
        "format",
        "writeOnly",
    ];
    let also = |more: &[&'static str]| [&told[..], more].concat();
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if schema.contains_key("enum") || schema.contains_key("oneOf") => {
            only(schema, &also(&["enum", "enumNames", "oneOf"]), &at)?;
            let options = options(schema, "oneOf", &at)?;
            Ok(Kind::Choice { options })
        }
        Some("string") => {
            only(schema, &also(&["minLength", "maxLength", "pattern"]), &at)?;
            let format = schema.get("format").and_then(Value::as_str);
            Ok(Kind::Text {
                min_length: count("minLength"),
                max_length: count("maxLength"),
                format: format.map(|f| visible(f, 40)),
            })
        }
        Some(kind @ ("number" | "integer")) => {
            only(schema, &also(&["minimum", "maximum"]), &at)?;
            Ok(Kind::Number {
                whole: kind == "integer",
                minimum: number("minimum"),
                maximum: number("maximum"),
            })
        }
        Some("boolean") => {
            only(schema, &also(&[]), &at)?;
            Ok(Kind::Boolean)
        }
        Some("array") => {
            only(
                schema,
                &also(&["items", "minItems", "maxItems", "uniqueItems"]),
                &at,
            )?;
            let Some(Value::Object(items)) = schema.get("items") else {
                return Err(format!("{at} is a list of anything"));
            };
            only(items, &["type", "enum", "anyOf"], &at)?;
            Ok(Kind::Choices {
                options: options(items, "anyOf", &at)?,
                min_items: count("minItems"),
                max_items: count("maxItems"),
            })
        }
        Some(_) | None => Err(format!("{at} is of no type that a form may have")),
    }
}

fn options(schema: &Map<String, Value>, several: &str, at: &str) -> Result<Vec<Choice>, String> {
    let wrong = || format!("{at} offers what is no text, nothing, or too much");
    let short = |text: &str| text.chars().count() <= NAME_CHARS_MAX;
    let mut found = Vec::new();
    if let Some(Value::Array(values)) = schema.get("enum") {
        let names = schema.get("enumNames").and_then(Value::as_array);
        for (index, value) in values.iter().enumerate() {
            let value = value.as_str().filter(|v| short(v)).ok_or_else(wrong)?;
            let title = names.and_then(|n| n.get(index)).and_then(Value::as_str);
            found.push(Choice {
                value: value.to_owned(),
                title: visible(title.unwrap_or(value), NAME_CHARS_MAX),
            });
        }
    } else if let Some(Value::Array(all)) = schema.get(several) {
        for one in all {
            let Value::Object(one) = one else {
                return Err(wrong());
            };
            only(one, &["const", "title"], at)?;
            let value = one.get("const").and_then(Value::as_str);
            let value = value.filter(|v| short(v)).ok_or_else(wrong)?;
            let title = one.get("title").and_then(Value::as_str).unwrap_or(value);
            found.push(Choice {
                value: value.to_owned(),
                title: visible(title, NAME_CHARS_MAX),
            });
        }
    }
    if found.is_empty() || found.len() > OPTIONS_MAX {
        return Err(wrong());
    }
    Ok(found)
}

/// Whatever else a schema says could hide a field, or mean it differently to whoever reads it.
fn only(schema: &Map<String, Value>, known: &[&str], at: &str) -> Result<(), String> {
    match schema.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(other) => Err(format!(
            "{at} says `{}`, which no form may",
            shortened(other)
        )),
    }
}

fn visible(text: &str, chars_max: usize) -> String {
    let (text, _) = crate::openapi::lent::visible_text(text);
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The words of a text, camelCase taken apart.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in text.chars() {
        let starts = c.is_uppercase() && was_lower;
        if starts || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|w| !w.is_empty());
    words
}

fn is_secret(text: &str) -> bool {
    let words = words(text);
    let joined = words.concat();
    SECRETS.iter().any(|secret| joined.contains(secret))
        || words.iter().any(|w| SECRET_WORDS.contains(&w.as_str()))
}

fn warning(message: &str, form: &Form) -> Option<String> {
    let Form::Fields { fields } = form else {
        return None;
    };
    let entered = |f: &&Field| matches!(f.kind, Kind::Text { .. } | Kind::Number { .. });
    let is_doubtful = |text: &str| {
        let words = words(text);
        words.iter().any(|w| DOUBTFUL_WORDS.contains(&w.as_str()))
    };
    let doubtful = fields
        .iter()
        .filter(entered)
        .any(|f| is_doubtful(&f.name) || is_doubtful(&f.title));
    let asks_for_one = is_secret(message) && fields.iter().any(|f| entered(&f));
    (doubtful || asks_for_one).then(|| {
        "This may ask for a secret. Enter no password, key, code or card number here: a server asks \
         for those on a page of its own, never in a form."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(properties: Value) -> Value {
        json!({ "message": "Who?", "requestedSchema": { "type": "object", "properties": properties } })
    }

    #[test]
    fn every_shape_of_a_form_is_read() {
        let asked = json!({ "message": "Who\u{200b}?", "requestedSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "additionalProperties": false, "required": ["name"], "properties": {
                "name": { "type": "string", "title": "Your name", "minLength": 1, "maxLength": 50, "pattern": "^.*$" },
                "mail": { "type": "string", "format": "email", "default": "a@b.example" },
                "age": { "type": "integer", "minimum": 0, "maximum": 150 },
                "sure": { "type": "boolean", "default": true },
                "color": { "type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"] },
                "size": { "type": "string", "oneOf": [{ "const": "s", "title": "Small" }] },
                "tags": { "type": "array", "minItems": 1, "items": { "type": "string", "enum": ["a", "b"] } },
                "more": { "type": "array", "items": { "anyOf": [{ "const": "x", "title": "X" }] } } } } });
        let part = part("q", &asked).expect("a form");
        assert!(
            part.message.contains("200b") || part.message.contains("200B"),
            "{}",
            part.message
        );
        assert_eq!(part.warning, None);
        let schema = part.schema().expect("fields");
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(
            schema["properties"]["color"]["oneOf"][1],
            json!({ "const": "g", "title": "Green" })
        );
        assert_eq!(schema["properties"]["mail"]["default"], "a@b.example");
        assert_eq!(
            schema["properties"]["tags"]["items"]["anyOf"][0]["const"],
            "a"
        );
        assert_eq!(schema["properties"].as_object().map(Map::len), Some(8));
    }

    #[test]
    fn a_form_that_asks_for_a_secret_is_refused_however_it_is_hidden() {
        let text = json!({ "type": "string" });
        for (name, schema) in [
            ("password", text.clone()),
            ("userPassword", text.clone()),
            ("api_key", text.clone()),
            ("apiKey", text.clone()),
            ("githubToken", text.clone()),
            ("card-number", json!({ "type": "number" })),
            ("CVV", json!({ "type": "integer" })),
            ("a", json!({ "type": "string", "title": "Your PIN" })),
            (
                "a",
                json!({ "type": "string", "description": "the secret from your settings" }),
            ),
            ("a", json!({ "type": "string", "format": "password" })),
            ("a", json!({ "type": "string", "writeOnly": true })),
            (
                "a",
                json!({ "type": "string", "oneOf": [{ "const": "x", "properties": {} }] }),
            ),
            (
                "a",
                json!({ "oneOf": [{ "type": "string", "title": "Password" }] }),
            ),
            (
                "a",
                json!({ "type": "object", "properties": { "password": text } }),
            ),
            (
                "a",
                json!({ "type": "array", "items": { "type": "string" } }),
            ),
            ("a", json!({ "$ref": "#/x" })),
            ("a", json!({ "type": ["string"] })),
        ] {
            let asked = form(json!({ name: schema.clone() }));
            assert!(part("q", &asked).is_err(), "{name} {schema}");
        }
        for hidden in [
            json!({ "type": "object", "additionalProperties": { "type": "string", "title": "Password" } }),
            json!({ "type": "object", "additionalProperties": true }),
            json!({ "type": "object", "patternProperties": { "pass.*": text } }),
            json!({ "type": "object", "oneOf": [{ "properties": { "password": text } }] }),
            json!({ "type": "object", "allOf": [] }),
            json!([]),
        ] {
            let asked = json!({ "message": "m", "requestedSchema": hidden });
            assert!(part("q", &asked).is_err(), "{hidden}");
        }
        // The control: the same shapes that ask for nothing secret.
        for name in ["passenger", "keyboard", "spin", "pancake", "tokenize"] {
            let read = part("q", &form(json!({ name: text }))).expect("no secret");
            assert_eq!(read.warning, None, "{name}");
        }
        let yes_no = form(json!({ "rotatePassword": { "type": "boolean" } }));
        assert!(part("q", &yes_no).is_ok(), "a yes is no secret");
    }

    #[test]
    fn what_may_be_a_secret_is_shown_with_a_warning() {
        let doubtful = form(json!({ "code": { "type": "string" } }));
        assert!(part("q", &doubtful).expect("a form").warning.is_some());
        let mut by_message = form(json!({ "a": { "type": "string" } }));
        by_message["message"] = json!("Enter your password below");
        assert!(part("q", &by_message).expect("a form").warning.is_some());
    }

    #[test]
    fn a_page_is_one_of_https_and_says_whose_it_is() {
        let asked = |url: &str| json!({ "mode": "url", "message": "m", "url": url });
        let found = part("q", &asked("https://login.example/x?y=1")).expect("a page");
        assert_eq!(
            found.form,
            Form::Page {
                url: "https://login.example/x?y=1".to_owned(),
                host: "login.example".to_owned()
            }
        );
        for refused in [
            "",
            "x",
            "http://login.example/",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://good.example@evil.example/",
            "data:text/html,x",
        ] {
            assert!(part("q", &asked(refused)).is_err(), "{refused}");
        }
        assert!(part("q", &json!({ "mode": "voice", "message": "m" })).is_err());
    }

    #[test]
    fn a_round_is_sorted_into_what_a_person_is_asked_and_what_takes_none() {
        let result = json!({ "requestState": "s", "inputRequests": {
            "who": { "method": "elicitation/create", "params": form(json!({ "a": { "type": "string" } })) },
            "pw": { "method": "elicitation/create", "params": form(json!({ "password": { "type": "string" } })) },
            "dirs": { "method": "roots/list" } } });
        let mut why = Vec::new();
        let asked = sorted("src", &result, true, &mut |w| why.push(w)).expect("no model");
        assert_eq!((asked.parts.len(), asked.parts[0].key.as_str()), (1, "who"));
        assert_eq!(asked.given["pw"], json!({ "action": "decline" }));
        assert_eq!(asked.given["dirs"], json!({ "roots": [] }));
        assert_eq!((asked.state, why.len()), (Some(json!("s")), 1));
        let nobody = sorted("src", &result, false, &mut |_| {}).expect("no model");
        assert!(nobody.parts.is_empty());
        let model = json!({ "inputRequests": { "m": { "method": "sampling/createMessage" } } });
        assert!(sorted("src", &model, true, &mut |_| {}).is_none());
    }
}
