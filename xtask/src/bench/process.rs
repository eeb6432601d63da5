//! Starting and ending the program under measurement, and what the system says about it: how soon
//! it is ready, how much memory it and its workers hold.

use super::http::Connection;
use super::postgres::Cluster;
use anyhow::{Context, Result, bail};
use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Name of the master key's file in a data directory.
const MASTER_KEY: &str = "master.key";

/// The binary.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
}

/// Which database the server keeps its rows in.
pub(crate) enum Database {
    /// The embedded one, in the data directory.
    Sqlite,
    /// A new database of this cluster for each home.
    Postgres(Cluster),
}

/// A data directory and the database that belongs to it.
pub(crate) struct Home {
    folder: Folder,
    database_url: Option<String>,
}

impl Home {
    /// Another directory for one more server on the same database, with the same master key.
    pub(crate) fn beside(&self) -> Result<Self> {
        let folder = Folder::new("home")?;
        let key = self.folder.path.join(MASTER_KEY);
        std::fs::copy(&key, folder.path.join(MASTER_KEY))
            .with_context(|| format!("cannot copy {}", key.display()))?;
        Ok(Self {
            folder,
            database_url: self.database_url.clone(),
        })
    }

    /// An empty one.
    pub(crate) fn new(database: &Database) -> Result<Self> {
        thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
        let database_url = match database {
            Database::Sqlite => None,
            Database::Postgres(cluster) => {
                let number = NEXT.replace(NEXT.get() + 1);
                Some(cluster.new_database(&format!("bench{number}"))?)
            }
        };
        Ok(Self {
            folder: Folder::new("home")?,
            database_url,
        })
    }
}

impl Home {
    /// Where its database is: a file or an address.
    pub(crate) fn database(&self) -> String {
        let file = || self.folder.path.join("executor.db").display().to_string();
        self.database_url.clone().unwrap_or_else(file)
    }
}

/// A running server; dropping it ends it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    /// From before its start to its first "ready".
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts the program on a home and waits until it can work.
    pub(crate) fn start(program: &Program, home: &Home) -> Result<Self> {
        let port = free_port()?;
        let data = home.folder.path.clone();
        let mut command = Command::new(&program.path);
        command
            .args(["serve", "--port", &port.to_string(), "--data-dir"])
            .arg(&data);
        if let Some(url) = &home.database_url {
            command.args(["--database-url", url]);
        }
        command
            .env_clear()
            .env("HOME", &data)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(std::fs::File::create(data.join("bench.log"))?);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let started = Instant::now();
        let child = command.spawn().context("cannot start the program")?;
        let mut server = Self {
            child,
            address,
            data,
            ready_after: Duration::ZERO,
        };
        wait_for("the server to be ready", || {
            let mut connection = Connection::open(address).ok()?;
            let response = connection
                .send("GET /readyz", "connection: close\r\n", "")
                .ok()?;
            (response.status == 200).then_some(())
        })
        .with_context(|| {
            std::fs::read_to_string(server.data.join("bench.log")).unwrap_or_default()
        })?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// Resident memory of the server and its workers: `(rss, pss)` in bytes. Shared pages count
    /// fully for each process in the first, once in the second.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        memory(&descendants(self.child.id()))
    }

    /// How many processes the server consists of.
    pub(crate) fn process_count(&self) -> usize {
        descendants(self.child.id()).len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = crate::project::signal(self.child.id(), "TERM").is_ok()
            && wait_for("the server to end", || self.child.try_wait().ok().flatten()).is_ok();
        if !ended {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Memory of every process that this one has started, in bytes, each page counted once.
pub(crate) fn memory_of_children() -> Result<u64> {
    Ok(memory(&descendants(std::process::id())[1..])?.1)
}

fn memory(processes: &[u32]) -> Result<(u64, u64)> {
    let mut sums = (0, 0);
    for process in processes {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {path}; run the measurement as root"))?;
        sums.0 += kilobytes(&text, "Rss:") * 1024;
        sums.1 += kilobytes(&text, "Pss:") * 1024;
    }
    Ok(sums)
}

/// The process and everything it started.
fn descendants(root: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pairs: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name, in parentheses, may hold spaces; the state and the parent follow it.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            pairs
                .iter()
                .filter(|(_, p)| *p == parent)
                .map(|(process, _)| *process),
        );
        next += 1;
    }
    found
}

fn kilobytes(smaps: &str, key: &str) -> u64 {
    let line = smaps.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// A folder that is removed when it is no longer needed.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    /// Makes one below the system's temporary folder, which other users may enter.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let unique = format!("executor-bench-{name}-{}", since.as_nanos());
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What remains lies in the temporary folder: the system will remove it.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Tries every millisecond, for half a minute.
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        if started.elapsed() > Duration::from_secs(30) {
            bail!("waited 30 s in vain for {what}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}
