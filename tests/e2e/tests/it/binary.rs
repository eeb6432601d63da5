//! The binary under test, and how a command of it is run to its end.
//!
//! Commands get an empty environment but for a home, a path and what a test adds, so that nothing
//! of the developer's own set-up can make a case pass.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::sync::OnceLock;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Where the binary is; builds it on first use unless `EXECUTOR_BIN` names one.
pub(crate) fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("EXECUTOR_BIN") {
            let given = PathBuf::from(given);
            assert!(
                given.is_file(),
                "EXECUTOR_BIN names no file: {}",
                given.display()
            );
            return given;
        }
        let root = root();
        let built = StdCommand::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "executor"])
            .current_dir(&root)
            .status()
            .expect("cargo runs");
        assert!(
            built.success(),
            "`cargo build --package executor` failed; see its messages above"
        );
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        target.join("debug/executor")
    })
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace is there")
}

/// A command with an empty environment but for `home`, a path and the data directory.
pub(crate) fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home.join("home"))
        .env("EXECUTOR_HOME", home.join("data"))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; -1 where a signal ended it.
    pub(crate) code: i32,
    /// What it wrote to stdout.
    pub(crate) out: String,
    /// What it wrote to stderr.
    pub(crate) err: String,
}

impl Ran {
    /// Its whole stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("stdout is not one JSON document ({e}): {self:#?}"))
    }

    /// The same, with its exit code checked.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self:#?}");
        self
    }

    /// The same, with every word found in what it told people.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let told = format!("{}{}", self.out, self.err);
        for word in words {
            assert!(told.contains(word), "{word:?} is missing from {self:#?}");
        }
        self
    }
}

/// Runs a command to its end, giving it `input`.
pub(crate) async fn finish(mut command: Command, input: Option<&str>) -> Ran {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().expect("the command starts");
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        // The command may end without reading; what it then says is what the test looks at.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let limit = std::time::Duration::from_secs(90);
    let output = tokio::time::timeout(limit, child.wait_with_output())
        .await
        .expect("the command ends within 90 s")
        .expect("the command can be waited for");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
