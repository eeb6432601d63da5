//! Official servers, tool by tool: files, memory, time and git, each a real program that does real
//! things to files of the test's own.

use super::{add, allow, script, tool_by_tool};
use crate::binary;
use crate::database::Database;
use crate::server::Server;
use serde_json::{Value, json};

fn python() -> String {
    let python = binary::root().join("target/venv/bin/python");
    assert!(
        python.is_file(),
        "{} is missing; run `cargo xtask setup`",
        python.display()
    );
    python.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_tool_by_tool() {
    let server = Server::start(Database::sqlite()).await;
    let folder = server.scratch("files");
    std::fs::create_dir(&folder).expect("a folder");
    let folder = folder.canonicalize().expect("it is there");
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::write(at("pixel.png"), [0x89, 0x50, 0x4e, 0x47]).expect("a file");
    let command = ["node", &script("server-filesystem"), &at("")];
    add(&server, "files", &command).await;
    let edits = json!([{ "oldText": "two", "newText": "three" }]);
    tool_by_tool(
        &server,
        "files",
        &[
            ("createDirectory", json!({ "path": at("inner") }), "inner"),
            (
                "writeFile",
                json!({ "path": at("a.txt"), "content": "one\ntwo" }),
                "a.txt",
            ),
            (
                "editFile",
                json!({ "path": at("a.txt"), "edits": edits }),
                "three",
            ),
            (
                "readTextFile",
                json!({ "path": at("a.txt") }),
                "one\\nthree",
            ),
            ("readFile", json!({ "path": at("a.txt"), "head": 1 }), "one"),
            (
                "readMultipleFiles",
                json!({ "paths": [at("a.txt")] }),
                "three",
            ),
            (
                "readMediaFile",
                json!({ "path": at("pixel.png") }),
                "iVBORw==",
            ),
            ("listDirectory", json!({ "path": at("") }), "[FILE] a.txt"),
            ("listDirectoryWithSizes", json!({ "path": at("") }), "a.txt"),
            ("directoryTree", json!({ "path": at("") }), "inner"),
            (
                "moveFile",
                json!({ "source": at("a.txt"), "destination": at("b.txt") }),
                "b.txt",
            ),
            (
                "searchFiles",
                json!({ "path": at(""), "pattern": "b.*" }),
                "b.txt",
            ),
            ("getFileInfo", json!({ "path": at("b.txt") }), "size"),
            ("listAllowedDirectories", json!({}), "files"),
        ],
    )
    .await;
    assert_eq!(
        std::fs::read_to_string(at("b.txt")).expect("the file"),
        "one\nthree"
    );
    let outside = server
        .run("return await tools.files.readTextFile({ path: '/etc/passwd' })")
        .await;
    assert_eq!(outside["error"]["code"], "upstream_error", "{outside:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_tool_by_tool() {
    let server = Server::start(Database::sqlite()).await;
    let file = server.scratch("memory.jsonl").display().to_string();
    let new = json!({ "name": "memory", "command": ["node", script("server-memory")],
        "headers": [{ "name": "MEMORY_FILE_PATH", "value": file }] });
    server.post("/sources", new).await;
    allow(&server, "memory").await;
    let entities = json!([
        { "name": "ada", "entityType": "person", "observations": ["writes"] },
        { "name": "eve", "entityType": "person", "observations": [] },
    ]);
    let relations = json!([{ "from": "ada", "to": "eve", "relationType": "knows" }]);
    let added = json!([{ "entityName": "ada", "contents": ["counts"] }]);
    let deletions = json!([{ "entityName": "ada", "observations": ["writes"] }]);
    tool_by_tool(
        &server,
        "memory",
        &[
            ("createEntities", json!({ "entities": entities }), "ada"),
            (
                "createRelations",
                json!({ "relations": relations }),
                "knows",
            ),
            (
                "addObservations",
                json!({ "observations": added }),
                "counts",
            ),
            (
                "deleteObservations",
                json!({ "deletions": deletions }),
                "success",
            ),
            ("readGraph", json!({}), "counts"),
            ("searchNodes", json!({ "query": "ada" }), "person"),
            ("openNodes", json!({ "names": ["eve"] }), "eve"),
            (
                "deleteRelations",
                json!({ "relations": relations }),
                "success",
            ),
            (
                "deleteEntities",
                json!({ "entityNames": ["eve"] }),
                "success",
            ),
        ],
    )
    .await;
    let left = std::fs::read_to_string(file).expect("what it keeps");
    assert!(left.contains("ada") && !left.contains("eve"), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_tool_by_tool() {
    let server = Server::start(Database::sqlite()).await;
    add(
        &server,
        "time",
        &[
            &python(),
            "-m",
            "mcp_server_time",
            "--local-timezone",
            "UTC",
        ],
    )
    .await;
    let clock =
        json!({ "source_timezone": "Asia/Tokyo", "time": "09:00", "target_timezone": "UTC" });
    tool_by_tool(
        &server,
        "time",
        &[
            (
                "getCurrentTime",
                json!({ "timezone": "Europe/Berlin" }),
                "Europe/Berlin",
            ),
            ("convertTime", clock, "T00:00:00"),
        ],
    )
    .await;
}

/// A repository with one empty commit and one file that it does not know.
fn repository(server: &Server) -> String {
    let folder = server.scratch("repository");
    std::fs::create_dir(&folder).expect("a folder");
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["config", "user.name", "Ada"],
        &["config", "user.email", "ada@example.com"],
        &["commit", "-q", "--allow-empty", "-m", "first"],
    ] {
        let git = std::process::Command::new("git")
            .args(arguments)
            .current_dir(&folder)
            .status();
        assert!(
            git.is_ok_and(|status| status.success()),
            "git {arguments:?}"
        );
    }
    std::fs::write(folder.join("a.txt"), "one").expect("a file");
    folder.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_tool_by_tool() {
    let server = Server::start(Database::sqlite()).await;
    let at = repository(&server);
    add(
        &server,
        "git",
        &[&python(), "-m", "mcp_server_git", "--repository", &at],
    )
    .await;
    let with = |more: Value| {
        let mut arguments = json!({ "repo_path": at });
        for (key, value) in more.as_object().expect("an object") {
            arguments[key] = value.clone();
        }
        arguments
    };
    tool_by_tool(
        &server,
        "git",
        &[
            ("gitStatus", with(json!({})), "a.txt"),
            ("gitAdd", with(json!({ "files": ["a.txt"] })), "staged"),
            ("gitDiffStaged", with(json!({})), "one"),
            ("gitReset", with(json!({})), "reset"),
            ("gitAdd", with(json!({ "files": ["a.txt"] })), "staged"),
            (
                "gitCommit",
                with(json!({ "message": "second" })),
                "committed",
            ),
            ("gitDiffUnstaged", with(json!({})), "nstaged"),
            ("gitLog", with(json!({ "max_count": 2 })), "second"),
            ("gitShow", with(json!({ "revision": "HEAD" })), "second"),
            (
                "gitCreateBranch",
                with(json!({ "branch_name": "side" })),
                "side",
            ),
            (
                "gitCheckout",
                with(json!({ "branch_name": "side" })),
                "side",
            ),
            ("gitDiff", with(json!({ "target": "main" })), "main"),
            ("gitBranch", with(json!({ "branch_type": "local" })), "side"),
        ],
    )
    .await;
}
