//! A place of one test, commands in it, and a server that ends with it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take: far more than it ever needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An empty home with a data directory in it.
pub(crate) struct Place(tempfile::TempDir);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_executor"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.0.path())
            .env("EXECUTOR_HOME", self.data())
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// A description of an API that nobody serves.
    pub(crate) fn description(&self) -> String {
        let bundled = include_str!("../../src/example_api/openapi.json");
        let text = bundled.replace("\"url\": \"/\"", "\"url\": \"https://books.example\"");
        self.file("books.json", &text).to_str().unwrap().to_owned()
    }

    /// The one JSON document that a command prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).exits(0).json()
    }

    /// Where the server of the directory says that it is.
    pub(crate) fn notice(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.data().join("server.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            let said = self.out.contains(word) || self.err.contains(word);
            assert!(said, "{word:?} is missing from {self:#?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts one on a free port and waits for the line that says it is ready.
    pub(crate) fn start(place: &Place) -> Self {
        Self::start_with(place, &["serve", "--port", "0"])
    }

    pub(crate) fn start_with(place: &Place, arguments: &[&str]) -> Self {
        let log = place.file("serve.log", "");
        let log = std::fs::File::options().append(true).open(log).unwrap();
        let mut child = place.command(arguments).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said = std::fs::read_to_string(place.0.path().join("serve.log")).unwrap();
        assert!(
            line.starts_with("executor is ready on http://127.0.0.1:"),
            "{line} {said}"
        );
        let address = line.split_whitespace().nth(4).unwrap().to_owned();
        Self { child, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> i32 {
        kill(self.pid(), "-TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Ends it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

pub(crate) fn kill(pid: u32, signal: &str) {
    // The shell's own: a bare machine has no program of that name.
    Command::new("sh")
        .args(["-c", &format!("kill {signal} {pid}")])
        .status()
        .unwrap();
}

/// Asks again until there is an answer, or patience ends.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads a child's output until it holds a word.
#[track_caller]
pub(crate) fn until(reader: &mut impl BufRead, word: &str) -> String {
    let mut all = String::new();
    while !all.contains(word) {
        let before = all.len();
        reader.read_line(&mut all).unwrap();
        assert!(all.len() > before, "it ended without {word:?}: {all}");
    }
    all
}

/// Everything that is left to read.
pub(crate) fn rest(reader: &mut impl Read) -> String {
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    all
}
