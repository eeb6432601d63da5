//! What an import costs: real descriptions, and a generated one of 47 MB with 22,000 operations.

use domain::SourceId;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tools::ImportOptions;

/// How often each is imported; the median counts.
const ROUNDS: usize = 5;

const DOCUMENTS: [&str; 5] = ["discord", "twilio", "openai", "github", "generated"];

/// Each in a process of its own, so that the most memory is that of one import.
pub(crate) fn all(data: &Path) {
    let program = std::env::current_exe().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(data).args(arguments);
        assert!(command.status().unwrap().success(), "{arguments:?}");
    };
    // Made by a process of its own, so that its making costs the import nothing.
    let made = std::env::temp_dir().join(format!("generated-{}.json", std::process::id()));
    let made = made.to_str().unwrap();
    run(&["make", made]);
    for document in DOCUMENTS {
        match document {
            "generated" => run(&["import", document, made]),
            _ => run(&["import", document]),
        }
    }
    std::fs::remove_file(made).unwrap();
}

/// Writes the generated description.
pub(crate) fn make(file: &str) {
    std::fs::write(file, generated()).unwrap();
}

pub(crate) fn one(data: &Path, document: &str, made: Option<&str>) {
    let bytes = match made {
        Some(file) => std::fs::read(file).unwrap(),
        None => text_of(data, document),
    };
    let before = resident("VmRSS:");
    let options = ImportOptions {
        source_id: SourceId::from_bits([1; 16]),
        name: "s",
        location: None,
        base_url: None,
    };
    // The most memory is that of one import, not of two that follow each other.
    let rounds = if document == "generated" { 1 } else { ROUNDS };
    let mut count = 0;
    let mut took: Vec<(f64, f64)> = (0..rounds)
        .map(|_| {
            let (begun, busy) = (Instant::now(), on_processor_ms());
            let import = tools::import(&bytes, &options).unwrap();
            let took = begun.elapsed().as_secs_f64() * 1_000.0;
            count = import.tools.len();
            (took, on_processor_ms() - busy)
        })
        .collect();
    took.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (took, busy) = took[took.len() / 2];
    let most = resident("VmHWM:");
    println!(
        "{document};{count};{took:.1};{busy:.1};{:.1};{:.1};{:.1}",
        most,
        most - before,
        bytes.len() as f64 / 1e6,
    );
}

/// How long this process has had processors, in milliseconds, all its threads together, those that have
/// ended included: what it costs, however busy the machine is. To ten milliseconds.
fn on_processor_ms() -> f64 {
    const TICK_MS: f64 = 10.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || fields.next().and_then(|ticks| ticks.parse::<f64>().ok());
    match (next(), next()) {
        (Some(user), Some(system)) => (user + system) * TICK_MS,
        _ => f64::NAN,
    }
}

/// Megabytes, as the system counts them for this process.
fn resident(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(what));
    let kibibytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0 / 1e6
}

fn text_of(data: &Path, document: &str) -> Vec<u8> {
    let github = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/node/node_modules/@octokit/openapi/generated/api.github.com.json"
    );
    let file = match document {
        "discord" => data.join("openapi/discord.json"),
        "twilio" => data.join("openapi/twilio_api_v2010.json"),
        "openai" => data.join("openapi/openai.yaml"),
        "github" => Path::new(github).to_owned(),
        _ => return generated(),
    };
    std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// 22,000 operations over 5,500 paths, 11,000 shared schemas that refer to each other, descriptions
/// as long as real ones. Written piece by piece: what memory it takes is not the import's.
fn generated() -> Vec<u8> {
    let mut text = String::from(
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Generated\",\"version\":\"1\"},\
         \"servers\":[{\"url\":\"https://x.example\"}],\"paths\":{",
    );
    for i in 0..PATHS {
        let comma = if i == 0 { "" } else { "," };
        text.push_str(&format!(
            "{comma}\"/group{}/resources{i}/{{id}}\":{}",
            i % 200,
            path(i)
        ));
    }
    text.push_str("},\"components\":{\"schemas\":{");
    for i in 0..SCHEMAS {
        let comma = if i == 0 { "" } else { "," };
        text.push_str(&format!("{comma}\"Resource{i}\":{}", schema(i)));
    }
    text.push_str("}}}");
    text.into_bytes()
}

const PATHS: usize = 5_500;
const SCHEMAS: usize = 11_000;
const WORDS: &str =
    "returns the resource with all of its attributes and links as they are at this time";

fn reference(i: usize) -> Value {
    json!({"$ref": format!("#/components/schemas/Resource{}", i % SCHEMAS)})
}

fn path(i: usize) -> Value {
    let (text, long) = ([WORDS; 3].join(" "), [WORDS; 5].join(" "));
    let parameters = json!([
        {"name": "id", "in": "path", "required": true, "description": text,
            "schema": {"type": "string"}},
        {"name": "fields", "in": "query", "description": text,
            "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "limit", "in": "query", "description": WORDS,
            "schema": {"type": "integer", "maximum": 100}}]);
    let mut item = Map::new();
    for method in ["get", "put", "patch", "delete"] {
        let mut operation = json!({"operationId": format!("{method}Resource{i}"),
            "tags": [format!("group {}", i % 200)], "summary": WORDS, "description": long,
            "parameters": parameters, "responses": {"200": {"description": WORDS,
                "content": {"application/json": {"schema": reference(i)}}}}});
        if method.starts_with('p') {
            let schema = reference(i + PATHS);
            operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
        }
        item.insert(method.to_owned(), operation);
    }
    Value::Object(item)
}

fn schema(i: usize) -> Value {
    let mut properties = Map::new();
    for p in 0..6 {
        let property = json!({"type": "string", "description": WORDS});
        properties.insert(format!("property{p}"), property);
    }
    properties.insert("next".to_owned(), reference(i + 1));
    let related = json!({"type": "array", "items": reference(i * 7 + 3)});
    properties.insert("related".to_owned(), related);
    json!({"type": "object", "properties": properties, "required": ["property0"]})
}
