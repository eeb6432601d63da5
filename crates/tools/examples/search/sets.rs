//! Golden sets for search: tools, and queries with the tools that answer them; and how well the
//! catalog finds those.
//!
//! Read from two files of JSON lines, or from the public sets as they are published. Used by the
//! example beside it, which prints, and by a test of the crate, which holds a floor.

use domain::SourceId;
use domain::Timestamp;
use domain::source::{Origin, Source, SourceKind, SourceStatus, Upkeep};
use domain::tool::{Risk, Tool};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tools::{Catalog, Query, SourceTools};

/// Tools, and queries with what answers them.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) tools: Vec<Tool>,
    /// Each with the paths of the tools that answer it.
    pub(crate) queries: Vec<(String, Vec<String>)>,
}

/// How well a set is found: means over its queries.
pub(crate) struct Figures {
    /// The share of the wanted tools among the first 1, 3, 5 and 10.
    pub(crate) recall: [f64; 4],
    /// Normalized discounted cumulative gain over the first 10.
    pub(crate) ndcg: f64,
}

/// The depths that recall is told at.
pub(crate) const DEPTHS: [usize; 4] = [1, 3, 5, 10];

/// A tool of a set. A name without a dot is one of the source `s`.
pub(crate) fn tool(name: &str, description: &str, arguments: &[String]) -> Tool {
    let properties: Map<String, Value> = arguments
        .iter()
        .map(|name| (name.clone(), json!({})))
        .collect();
    Tool {
        path: path(name),
        source_id: SourceId::from_bits([1; 16]),
        description: description.to_owned(),
        risk: Risk::Read,
        input_schema: json!({ "type": "object", "properties": properties }),
        output_schema: None,
        binding: json!({}),
        digest: String::new(),
    }
}

fn path(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("s.{name}")
    }
}

/// A source around tools that share the first segment of their paths.
fn source(tools: Vec<Tool>, definitions: Value) -> SourceTools {
    let name = tools
        .first()
        .map(|t| t.source_name().to_owned())
        .unwrap_or_default();
    let source = Source {
        id: SourceId::from_bits([1; 16]),
        name,
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

/// A source for each first segment of the paths of some tools.
pub(crate) fn sources(mut tools: Vec<Tool>) -> Vec<Arc<SourceTools>> {
    tools.sort_by(|a, b| a.path.cmp(&b.path));
    tools
        .chunk_by(|a, b| a.source_name() == b.source_name())
        .map(|tools| Arc::new(source(tools.to_vec(), json!({}))))
        .collect()
}

/// The catalog of some tools.
pub(crate) fn catalog(tools: Vec<Tool>) -> Catalog {
    Catalog::new(sources(tools))
}

/// Asks every query of a set.
pub(crate) fn measure(catalog: &Catalog, queries: &[(String, Vec<String>)]) -> Figures {
    let most = DEPTHS[DEPTHS.len() - 1];
    let mut figures = Figures {
        recall: [0.0; 4],
        ndcg: 0.0,
    };
    let gain = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
    for (text, wanted) in queries {
        let found = first(catalog, text, most);
        for (recall, depth) in figures.recall.iter_mut().zip(DEPTHS) {
            let among = |w: &&String| found.iter().take(depth).any(|path| path == *w);
            *recall += wanted.iter().filter(among).count() as f64 / wanted.len() as f64;
        }
        let found = found.iter().enumerate();
        let dcg: f64 = found
            .filter(|(_, path)| wanted.contains(path))
            .map(|(rank, _)| gain(rank))
            .sum();
        figures.ndcg += dcg / (0..wanted.len().min(most)).map(gain).sum::<f64>();
    }
    let count = queries.len() as f64;
    figures.recall = figures.recall.map(|r| r / count);
    figures.ndcg /= count;
    figures
}

/// The paths that are found first.
pub(crate) fn first(catalog: &Catalog, text: &str, limit: usize) -> Vec<String> {
    let query = Query {
        text: text.to_owned(),
        limit,
        ..Query::default()
    };
    let hits = catalog.search(&query, &|_| true).hits;
    hits.iter().map(|tool| tool.path.clone()).collect()
}

/// A set from two files of JSON lines: `{ "name", "description", "arguments"? }` for each tool, and
/// `{ "query", "tools" }` for each query.
pub(crate) fn from_lines(tools: &Path, queries: &Path) -> Set {
    let tools = lines(tools);
    let tools = tools.iter().map(|row| {
        let arguments = strings(&row["arguments"]);
        tool(text(row, "name"), text(row, "description"), &arguments)
    });
    let queries_of = lines(queries);
    let asked = queries_of.iter().map(|row| {
        let wanted = strings(&row["tools"]);
        let wanted = wanted.iter().map(|n| path(n)).collect();
        (text(row, "query").to_owned(), wanted)
    });
    Set {
        name: queries.display().to_string(),
        tools: tools.collect(),
        queries: asked.collect(),
    }
}

/// MetaTool and Seal-Tools, as they are published, from one folder.
pub(crate) fn published(folder: &Path) -> Vec<Set> {
    let read = |name: &str| {
        let file = folder.join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    let described: Map<String, Value> = serde_json::from_str(&read("metatool_tools.json")).unwrap();
    let metatool = || -> Vec<Tool> {
        let all = described.iter();
        all.map(|(name, text)| tool(name, text.as_str().unwrap(), &[]))
            .collect()
    };
    let single = read("metatool_queries.csv");
    let single = single
        .lines()
        .skip(1)
        .filter_map(|line| line.rsplit_once(','))
        .map(|(query, tool)| (query.trim_matches('"').to_owned(), vec![path(tool)]));
    let two: Vec<Value> = serde_json::from_str(&read("metatool_multi_golden.json")).unwrap();
    let two = two.iter().map(|row| {
        let wanted = strings(&row["tool"]).iter().map(|n| path(n)).collect();
        (text(row, "query").to_owned(), wanted)
    });
    let seal = lines(&folder.join("sealtools_tools.jsonl"));
    let seal = seal.iter().map(|row| {
        let arguments: Vec<String> = row["parameters"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        tool(
            text(row, "api_name"),
            text(row, "api_description"),
            &arguments,
        )
    });
    let asked = lines(&folder.join("sealtools_dev.jsonl"));
    let asked = asked.iter().map(|row| {
        let calls = row["calling"].as_array().unwrap().iter();
        let wanted: BTreeSet<String> = calls.map(|c| path(text(c, "api"))).collect();
        (text(row, "query").to_owned(), wanted.into_iter().collect())
    });
    vec![
        Set {
            name: "MetaTool single".to_owned(),
            tools: metatool(),
            queries: single.collect(),
        },
        Set {
            name: "MetaTool two-tool".to_owned(),
            tools: metatool(),
            queries: two.collect(),
        },
        Set {
            name: "Seal-Tools dev".to_owned(),
            tools: seal.collect(),
            queries: asked.collect(),
        },
    ]
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}: {line}", file.display()))
        })
        .collect()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text `{key}` in {row}"))
}

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}
