//! One server under test: a home and data directory of its own, a port, the binary as a child. How
//! its API is used is in `api.rs`.
//!
//! Everything the server ever said is kept in `heard`, so that a test can look for what must never
//! be said. Waiting is polling with a deadline; nothing here sleeps in the hope that it is enough.

use crate::binary::{self, Ran};
use crate::database::Database;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long anything may take before a test gives up: far more than it ever needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A server with what belongs to it.
pub(crate) struct Server {
    home: tempfile::TempDir,
    data: PathBuf,
    pub(crate) port: u16,
    pub(crate) database: Database,
    pub(crate) environment: Vec<(String, String)>,
    /// The user it and its commands run as, where that is not the tests' own.
    pub(crate) user: Option<u32>,
    under: Vec<String>,
    child: Option<Child>,
    pub(crate) http: reqwest::Client,
    heard: Mutex<Vec<u8>>,
}

impl Server {
    /// A server that is ready.
    pub(crate) async fn start(database: Database) -> Self {
        let mut server = Self::prepare(database);
        server.launch().await;
        server
    }

    /// An empty home and a free port; nothing runs yet.
    pub(crate) fn prepare(database: Database) -> Self {
        let home = tempfile::Builder::new()
            .prefix("executor-e2e-")
            .tempdir()
            .expect("a home");
        std::fs::create_dir(home.path().join("home")).expect("a home directory");
        Self {
            data: home.path().join("data"),
            home,
            port: free_port(),
            database,
            environment: Vec::new(),
            user: None,
            under: Vec::new(),
            child: None,
            http: client(),
            heard: Mutex::default(),
        }
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// A place for a test's own files, outside the data directory.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Process id of the running server.
    pub(crate) fn pid(&self) -> u32 {
        self.child
            .as_ref()
            .and_then(Child::id)
            .expect("the server runs")
    }

    /// The command that starts it.
    pub(crate) fn serve_command(&self) -> Command {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path());
        let log = log.expect("the server's log opens");
        let mut command = match self.under.split_first() {
            None => self.command(),
            Some((program, arguments)) => {
                let mut command = self.own(Path::new(program));
                command.args(arguments).arg(binary::path());
                command
            }
        };
        command.args(["serve", "--port", &self.port.to_string()]);
        if let Some(url) = &self.database.url {
            command.args(["--database-url", url]);
        }
        command
            .stdout(log.try_clone().expect("the log opens twice"))
            .stderr(log);
        command
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn launch(&mut self) {
        self.launch_until(|status| status.is_success()).await;
    }

    /// Starts it where it cannot do its work, and waits until it says so.
    pub(crate) async fn launch_unready(&mut self) {
        self.launch_until(|status| status == reqwest::StatusCode::SERVICE_UNAVAILABLE)
            .await;
    }

    async fn launch_until(&mut self, reached: fn(reqwest::StatusCode) -> bool) {
        let mut child = self.serve_command().spawn().expect("the server starts");
        self.http = client();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("the server can be asked") {
                panic!(
                    "the server ended ({status}) before it was ready:\n{}",
                    self.log()
                );
            }
            let ready = self.http.get(format!("{}/readyz", self.url())).send().await;
            if ready.is_ok_and(|r| reached(r.status())) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the server is not ready:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.child = Some(child);
    }

    /// Starts it where it must refuse to start, and gives back what it said.
    pub(crate) async fn launch_refused(&self) -> Ran {
        let mut command = self.serve_command();
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let ran = binary::finish(command, None).await;
        assert_ne!(
            ran.code, 0,
            "the server should have refused to start: {ran:#?}"
        );
        assert!(
            !ran.err.contains("panicked"),
            "a refusal is no panic: {ran:#?}"
        );
        ran
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().await.expect("the server can be killed");
    }

    /// Waits until it has ended by itself, in whatever way.
    pub(crate) async fn died(&mut self) {
        let mut child = self.child.take().expect("the server ran");
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        ended
            .expect("the server ends by itself")
            .expect("it can be waited for");
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub(crate) async fn stop(&mut self) {
        let child = self.child.take().expect("the server runs");
        let pid = child.id().expect("the server runs").to_string();
        // The shell's own: a bare machine has no program of that name.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -TERM {pid}")])
            .status()
            .await
            .expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        self.child = Some(child);
        self.ended().await;
    }

    /// Waits until it has ended in order, having been asked to.
    pub(crate) async fn ended(&mut self) {
        let status = self.ended_somehow().await;
        assert!(
            status.success(),
            "asked to end, the server ended with {status}:\n{}",
            self.log()
        );
    }

    /// Waits until it has ended, however it does.
    pub(crate) async fn ended_somehow(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        ended
            .expect("the server ends when asked")
            .expect("it can be waited for")
    }

    /// What it wrote to stdout and stderr so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    /// Everything it ever said: answers of the API, output of commands, its own log.
    pub(crate) fn heard(&self) -> Vec<u8> {
        let mut all = self.heard.lock().expect("no test panicked here").clone();
        all.extend_from_slice(self.log().as_bytes());
        all
    }

    /// Notes what came out of it by another way.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        let mut heard = self.heard.lock().expect("no test panicked here");
        heard.extend_from_slice(bytes);
        heard.push(b'\n');
    }

    /// Started from here on by this program, which is given the binary and its arguments.
    pub(crate) fn run_under(&mut self, under: &[&str]) {
        self.under = under.iter().map(|&word| word.to_owned()).collect();
    }

    /// A command of the binary with this server's home.
    pub(crate) fn command(&self) -> Command {
        self.own(binary::path())
    }

    fn own(&self, program: &Path) -> Command {
        let mut command = binary::command(program, self.home.path());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.env("EXECUTOR_HOME", &self.data);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Runs a command line to its end.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Ran {
        self.cli_with(arguments, None).await
    }

    /// Runs a command line to its end, giving it `input`.
    pub(crate) async fn cli_with(&self, arguments: &[&str], input: Option<&str>) -> Ran {
        let mut command = self.command();
        command.args(arguments);
        let ran = binary::finish(command, input).await;
        self.hear(ran.out.as_bytes());
        self.hear(ran.err.as_bytes());
        ran
    }
}

/// A client that keeps no cookies and knows no proxy.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .expect("an HTTP client")
}

/// A port that nobody in this process was given before and nobody listens on.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().expect("no test panicked here");
    let given = given.get_or_insert_default();
    loop {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if given.insert(port) {
            return port;
        }
    }
}
