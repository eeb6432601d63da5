//! A private PostgreSQL cluster for the test process, and a database of its own for each test.
//!
//! The cluster is real: flushes are on, it listens on a free loopback port and on a socket in its
//! own directory. PostgreSQL refuses to run as root, so under root it runs as `postgres`. A shell
//! holds it and waits for the end of its input: however the test process ends, the cluster stops
//! and its directory goes. A missing PostgreSQL fails the test; it is never passed over.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes the cluster, starts it, says so, and ends it when its input ends. `$1` is the directory of
/// PostgreSQL's programs, `$2` the port. The role `guarded` needs a password it does not have.
const SCRIPT: &str = r#"
set -e
cd /
home=$(mktemp -d "${TMPDIR:-/tmp}/executor-postgres.XXXXXX")
trap 'rm -rf "$home"' EXIT
"$1/initdb" -D "$home/data" -U executor -A trust -E UTF8 --locale=C --no-sync >"$home/log" 2>&1 || {
    cat "$home/log" >&2
    exit 1
}
sed -i '1i host all guarded 127.0.0.1/32 scram-sha-256' "$home/data/pg_hba.conf"
"$1/pg_ctl" -D "$home/data" -l "$home/log" -w -o "-p $2 -k $home -c listen_addresses=127.0.0.1" start \
    >"$home/start" 2>&1 || {
    cat "$home/start" "$home/log" >&2
    exit 1
}
echo ready
cat >/dev/null
"$1/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1
"#;

struct Cluster {
    programs: PathBuf,
    port: u16,
    /// When the process ends this closes, and the shell stops the cluster.
    _lifeline: ChildStdin,
    _shell: Child,
}

/// Makes an empty database; answers its URL.
///
/// # Panics
/// If PostgreSQL is not installed or does not start, saying what to do.
#[must_use]
pub fn new_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.get_or_init(|| start().unwrap_or_else(|why| panic!("{why}")));
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let made = Command::new(cluster.programs.join("createdb"))
        .args([
            "-h",
            "127.0.0.1",
            "-U",
            "executor",
            "-p",
            &cluster.port.to_string(),
            &name,
        ])
        .output()
        .unwrap_or_else(|e| panic!("createdb cannot be run: {e}"));
    assert!(
        made.status.success(),
        "createdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    format!("postgres://executor@127.0.0.1:{}/{name}", cluster.port)
}

fn start() -> Result<Cluster, String> {
    let programs = programs().ok_or(
        "PostgreSQL is needed for this test and initdb is neither in PATH nor in \
         /usr/lib/postgresql/*/bin; on Debian: apt-get install postgresql",
    )?;
    // Free a moment ago; nobody else on a test machine takes one of these on purpose.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|e| format!("no loopback port is free: {e}"))?
        .port();
    let mut shell = as_a_user_who_may()
        .args(["sh", "-c", SCRIPT, "executor-postgres"])
        .arg(&programs)
        .arg(port.to_string())
        // In a group of its own: what kills the tests as a group must not kill who cleans up.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("a shell for PostgreSQL cannot be started: {e}"))?;
    let lifeline = shell.stdin.take().ok_or("the shell has no input")?;
    let mut said = String::new();
    BufReader::new(shell.stdout.take().ok_or("the shell has no output")?)
        .read_line(&mut said)
        .map_err(|e| e.to_string())?;
    if said != "ready\n" {
        let mut why = String::new();
        if let Some(mut errors) = shell.stderr.take() {
            errors.read_to_string(&mut why).map_err(|e| e.to_string())?;
        }
        return Err(format!("PostgreSQL does not start: {why}"));
    }
    Ok(Cluster {
        programs,
        port,
        _lifeline: lifeline,
        _shell: shell,
    })
}

/// The directory that holds `initdb` beside the server itself.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path)
        .filter_map(|d| d.join("initdb").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_owned));
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    installed.sort();
    in_path
        .chain(installed.into_iter().rev())
        .find(|d| d.join("postgres").exists())
}

fn as_a_user_who_may() -> Command {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    if root {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ]);
        command
    } else {
        Command::new("env")
    }
}
