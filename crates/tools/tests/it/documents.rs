//! Real descriptions: every operation is a tool, and every type compiles.

use crate::fixture::{options, source};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tools::{Catalog, Import, SourceTools};

const DOCUMENTS: [(&str, &str); 4] = [
    ("discord", "discord.json"),
    ("openAi", "openai.yaml"),
    ("twilio", "twilio_api_v2010.json"),
    ("gitHub", GITHUB),
];

/// Of the npm package `@octokit/openapi`.
const GITHUB: &str = "api.github.com.json";

pub(crate) fn shared(folder: &str) -> PathBuf {
    let shared = std::env::var_os("EXECUTOR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let data = shared.join("data").join(folder);
    assert!(
        data.is_dir(),
        "{} is missing: set EXECUTOR_SHARED to the directory that holds data/",
        data.display()
    );
    data
}

fn bytes(file: &str) -> Vec<u8> {
    let path = if file == GITHUB {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/node/node_modules/@octokit/openapi/generated/api.github.com.json"
        ))
    } else {
        shared("openapi").join(file)
    };
    std::fs::read(&path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}; `cargo xtask setup` installs it (npm ci in tests/node)",
            path.display()
        )
    })
}

pub(crate) fn imported(name: &str, file: &str) -> Import {
    let bytes = bytes(file);
    let begun = Instant::now();
    let import = tools::import(&bytes, &options(name)).unwrap();
    eprintln!(
        "{file}: {} tools in {} ms",
        import.tools.len(),
        begun.elapsed().as_millis()
    );
    import
}

/// Counted without the importer: in JSON every member of a path that is named like a method, in
/// YAML every line between `paths:` and the next section that is such a key.
fn operations(file: &str) -> usize {
    let text = String::from_utf8(bytes(file)).unwrap();
    let methods = [
        "get", "put", "post", "delete", "options", "head", "patch", "trace",
    ];
    if file.ends_with(".yaml") {
        let paths = text.lines().skip_while(|l| *l != "paths:").skip(1);
        let section = paths.take_while(|l| l.starts_with(' ') || l.is_empty());
        return section
            .filter_map(|l| l.strip_prefix("    ")?.strip_suffix(':'))
            .filter(|k| methods.contains(k))
            .count();
    }
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    paths
        .flat_map(|item| item.as_object().unwrap().keys())
        .filter(|k| methods.contains(&k.as_str()))
        .count()
}

fn sources() -> Vec<Arc<SourceTools>> {
    DOCUMENTS
        .map(|(name, file)| Arc::new(source(name, imported(name, file))))
        .to_vec()
}

#[test]
fn every_operation_is_a_tool() {
    for (name, file) in DOCUMENTS {
        let import = imported(name, file);
        assert_eq!(
            import.tools.len(),
            operations(file),
            "{file}: {:?}",
            import.warnings
        );
        let paths: std::collections::HashSet<String> = import
            .tools
            .iter()
            .map(|t| domain::tool::fold_path(&t.path))
            .collect();
        assert_eq!(paths.len(), import.tools.len());
        assert!(import.base_url.starts_with("https://"));
        // GitHub says in prose how it lets callers in.
        assert_eq!(import.auth.is_empty(), file == GITHUB);
        let left_out: Vec<&String> = import
            .warnings
            .iter()
            .filter(|w| w.contains("left out: the ref"))
            .collect();
        assert!(left_out.is_empty(), "{left_out:?}");
        let source = source(name, import);
        for tool in &source.tools {
            // Compiles every validator; no arguments are wrong only where some are required.
            let checked = tools::check_arguments(tool, &source, &serde_json::json!({}));
            assert_eq!(
                checked.is_ok(),
                tool.input_schema.get("required").is_none(),
                "{}: {checked:?}",
                tool.path
            );
        }
    }
}

#[test]
fn well_known_tools_have_their_names() {
    let catalog = Catalog::new(sources());
    for (path, signature) in [
        (
            "openAi.models.listModels",
            "openAi.models.listModels(): Promise<ListModelsResponse>",
        ),
        (
            "discord.getMyApplication",
            "discord.getMyApplication(): Promise<PrivateApplicationResponse>",
        ),
        (
            "gitHub.issues.listForRepo",
            "gitHub.issues.listForRepo(args: { owner: string; repo: string; milestone?: string; state?: \"open\" | \"closed\" | \"all\"; assignee?: string; type?: string; creator?: string; mentioned?: string; issue_field_values?: string; labels?: string; sort?: \"created\" | \"updated\" | \"comments\"; direction?: \"asc\" | \"desc\"; since?: string; per_page?: number; page?: number }): Promise<Issue[]>",
        ),
        (
            "twilio.api20100401Message.fetchMessage",
            "twilio.api20100401Message.fetchMessage(args: { AccountSid: string; Sid: string }): Promise<ApiV2010AccountMessage>",
        ),
    ] {
        let tool = catalog
            .lookup(path)
            .unwrap_or_else(|| panic!("no {path}"))
            .0;
        assert_eq!(catalog.signature(tool), signature);
    }
    let listed = catalog
        .search(
            &tools::Query {
                limit: 10_000,
                ..Default::default()
            },
            &|_| true,
        )
        .hits;
    for tool in &listed {
        let signature = catalog.signature(tool);
        assert!(
            signature.len() < 700 && !signature.contains('\n'),
            "{signature}"
        );
        let described = catalog.describe(&tool.path).unwrap();
        assert!(
            described.input.len() + described.output.len() < 60_000,
            "{}",
            tool.path
        );
    }
}

/// Runs the real compiler over generated text.
pub(crate) fn compile(name: &str, files: &[(String, String)]) {
    let tsc = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/node/node_modules/.bin/tsc"
    ));
    assert!(
        tsc.exists(),
        "the TypeScript compiler is missing: run `cargo xtask setup` (npm ci in tests/node)"
    );
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    for (file, text) in files {
        std::fs::write(directory.join(file), text).unwrap();
    }
    let flags = [
        "--strict", "--noEmit", "--target", "es2022", "--lib", "es2022", "--types", "", "--pretty",
        "false",
    ];
    let output = Command::new(tsc)
        .args(flags)
        .args(files.iter().map(|(file, _)| file))
        .current_dir(&directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let shown: String = said.lines().take(20).collect::<Vec<_>>().join("\n");
    assert!(
        output.status.success(),
        "{} errors:\n{shown}\n{}",
        said.lines().count(),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn declarations_of_all_tools_compile_and_are_exact() {
    let catalog = Catalog::new(sources());
    let declarations = catalog.declarations(None);
    eprintln!(
        "{} tools, {} KiB of declarations",
        catalog.len(),
        declarations.len() >> 10
    );
    // A program that uses them; each `@ts-expect-error` fails the build where no error is.
    let program = r#"
        async function main() {
          const models = await tools.openAi.models.listModels();
          const id: string = models.data[0]!.id;
          const { status, data } = await tools.openAi.models.listModels({}, { meta: true });
          const code: number = status, same: string = data.data[0]!.id;
          const found = await tools.discover({ query: "send a message", limit: 3 });
          const path: string = found.results[0]!.path;
          await tools.twilio.api20100401Message.fetchMessage({ AccountSid: "AC", Sid: "SM" });
          // @ts-expect-error a missing argument
          await tools.twilio.api20100401Message.fetchMessage({ AccountSid: "AC" });
          // @ts-expect-error an unknown argument
          await tools.twilio.api20100401Message.fetchMessage({ AccountSid: "AC", Sid: "SM", sid: "SM" });
          // @ts-expect-error an unknown tool
          await tools.openAi.models.listModel();
          return [id, code, same, path];
        }
    "#;
    compile(
        "declarations",
        &[
            ("tools.d.ts".to_owned(), declarations),
            ("main.ts".to_owned(), program.to_owned()),
        ],
    );
}

#[test]
fn every_description_compiles_by_itself() {
    let catalog = Catalog::new(sources());
    let listed = catalog
        .search(
            &tools::Query {
                limit: 10_000,
                ..Default::default()
            },
            &|_| true,
        )
        .hits;
    assert_eq!(listed.len(), catalog.len());
    // One file of modules in namespaces: a compiler start for each tool would take minutes.
    let mut text = String::new();
    for (i, tool) in listed.iter().enumerate() {
        let described = catalog.describe(&tool.path).unwrap();
        text.push_str(&format!(
            "namespace In{i} {{\n{}}}\nnamespace Out{i} {{\n{}}}\n",
            described.input, described.output
        ));
    }
    compile("descriptions", &[("all.ts".to_owned(), text)]);
}
