//! Measures importing and calling; prints one line per figure. Search is in `search/main.rs`.
//!
//! `cargo run --release -p executor-tools --example measure [DATA] [import]`, where DATA holds
//! `openapi/` and `search/` (see `shared/data`). With `call` only calls:
//! `call;µs of ours;µs by reqwest`, medians. With `import` only imports, each in a process of its own: `name;operations;ms;ms on a processor;most MB;MB beside the text;MB of text`. The search sets
//! are for tuning: figures for publication must come from others.

#![expect(clippy::print_stdout, clippy::unwrap_used)]

use domain::call::{Admission, Binding};
use domain::credential::Secret;
use domain::policy::{Decision, Effect};
use domain::source::{AuthScheme, Origin, Source, SourceKind, SourceStatus, Upkeep};
use domain::tool::Tool;
use domain::{SourceId, TaskId, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tools::{
    Attachment, Catalog, Credentials, Egress, EgressConfig, ImportOptions, Invoker, SourceTools,
};

mod import;

fn main() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned();
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap_or(default);
    let data = Path::new(&data);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("import"), None) => return import::all(data),
        (Some("import"), Some(document)) => {
            return import::one(data, &document, arguments.next().as_deref());
        }
        (Some("make"), Some(file)) => return import::make(&file),
        (Some("call"), None) => {}
        _ => {
            for file in ["discord.json", "openai.yaml", "twilio_api_v2010.json"] {
                import(&data.join("openapi").join(file));
            }
        }
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(calls());
}

/// One call, checked, prepared, sent and masked, against the same request by reqwest alone.
async fn calls() {
    const ROUNDS: u32 = 5_000;
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"id\": \"i_1\"}";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while socket.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    socket.write_all(ANSWER).await.unwrap();
                }
            });
        }
    });
    let document = json!({"openapi": "3.1.0", "servers": [{"url": format!("http://{address}")}], "paths": {
        "/items/{id}": {"get": {"operationId": "getItem", "parameters": [
            {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
            {"name": "page", "in": "query", "schema": {"type": "integer"}}]}}}});
    let options = ImportOptions {
        source_id: SourceId::from_bits([1; 16]),
        name: "s",
        location: None,
        base_url: None,
    };
    let import = tools::import(document.to_string().as_bytes(), &options).unwrap();
    let base_url = import.base_url.clone();
    let mut source = source(import.tools, import.definitions);
    source.source.base_url = base_url;
    source.source.allow_private = true;
    let tool = &source.tools[0];
    let invoker = Invoker::new(Egress::new(EgressConfig::default()));
    let args = json!({"id": "i_1", "page": 2});
    let once = async || {
        tools::check_arguments(tool, &source, &args).unwrap();
        let prepared = tools::prepare(tool, &source, &args).unwrap();
        let sent = invoker.invoke(
            admission(tool),
            tool,
            &source,
            &prepared,
            credentials(),
            1 << 20,
        );
        sent.await.answer.unwrap()
    };
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}/items/i_1?page=2");
    let alone = async || {
        let request = plain.get(&url).bearer_auth("a-token-of-some-length");
        let answer = request.send().await.unwrap();
        serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap()
    };
    // By turns, so that whatever else the machine does meets both.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        once().await;
        ours.push(begun.elapsed());
        let begun = Instant::now();
        assert!(alone().await.is_object());
        theirs.push(begun.elapsed());
    }
    let median = |all: &mut Vec<Duration>| {
        all.sort_unstable();
        all[all.len() / 2].as_secs_f64() * 1e6
    };
    println!("call;{:.1};{:.1}", median(&mut ours), median(&mut theirs));
    server.abort();
}

fn admission(tool: &Tool) -> Admission {
    let decision = Decision {
        effect: Effect::Allow,
        rule_id: None,
        level: None,
        of_set: None,
        policy_version: 1,
        unreviewed: false,
    };
    let binding = Binding {
        task_id: TaskId::from_bits([1; 16]),
        sequence: 1,
        tool: tool.path.clone(),
        definition_digest: tool.digest.clone(),
        arguments_digest: String::new(),
        policy_version: 1,
    };
    Admission::by_policy(&decision, binding).unwrap()
}

fn import(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let options = ImportOptions {
        source_id: SourceId::from_bits([1; 16]),
        name: "s",
        location: None,
        base_url: None,
    };
    let begun = Instant::now();
    let import = tools::import(&bytes, &options).unwrap();
    let imported = begun.elapsed().as_millis();
    let (count, warnings) = (import.tools.len(), import.warnings.len());
    let begun = Instant::now();
    let tools = source(import.tools, import.definitions);
    let catalog = Catalog::new(vec![Arc::new(tools)]);
    println!(
        "{}: {count} tools, {warnings} warnings, imported in {imported} ms, indexed in {} ms",
        file.file_name().unwrap().to_string_lossy(),
        begun.elapsed().as_millis()
    );
    drop(catalog);
}

fn source(tools: Vec<Tool>, definitions: Value) -> SourceTools {
    let source = Source {
        id: SourceId::from_bits([1; 16]),
        name: "s".to_owned(),
        kind: SourceKind::OpenApi,
        title: String::new(),
        origin: Origin::Upload(String::new()),
        base_url: "https://x.example".to_owned(),
        auth: Vec::new(),
        allow_private: false,
        headers: Vec::new(),
        idempotent: Vec::new(),
        trust_hints: false,
        may_ask: true,
        status: SourceStatus::Ready,
        tool_count: tools.len() as u32,
        warnings: Vec::new(),
        document_digest: String::new(),
        created_at: Timestamp(0),
        refreshed_at: Timestamp(0),
        upkeep: Upkeep::default(),
    };
    SourceTools {
        source,
        definitions: Arc::new(definitions),
        tools: tools.into_iter().map(Arc::new).collect(),
    }
}

fn credentials<'a>() -> Credentials<'a> {
    Credentials {
        attachments: vec![Attachment {
            scheme: AuthScheme::Bearer,
            secret: Secret::new("a-token-of-some-length".to_owned()),
        }],
        ..Credentials::default()
    }
}
