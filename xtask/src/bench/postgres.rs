//! A PostgreSQL cluster for one measurement: its own folder, port and user, durable as in
//! production (`fsync` on), gone afterwards. The measurements start it; tests have their own.

use super::process::{Folder, free_port, wait_for};
use crate::{project, setup};
use anyhow::{Context, Result};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running cluster; dropping it stops it.
pub(crate) struct Cluster {
    server: Child,
    programs: PathBuf,
    port: u16,
    /// After the server in the order of fields, so that it is removed last.
    _folder: Folder,
}

impl Cluster {
    /// Makes and starts one.
    pub(crate) fn start() -> Result<Self> {
        let programs = setup::postgres_folder()
            .context("no PostgreSQL server found; run `cargo xtask setup`")?;
        let folder = Folder::new("postgres")?;
        let user = unprivileged_user()?;
        if let Some(user) = user {
            project::output(project::command("chown").arg(user).arg(&folder.path))?;
        }
        let data = folder.path.join("data");
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb
            .args([
                "--auth=trust",
                "--username=bench",
                "--encoding=UTF8",
                "--pgdata",
            ])
            .arg(&data);
        project::output(&mut initdb)?;
        let port = free_port()?;
        let mut server = as_user(user, &programs.join("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder.path)
            .args(["-p", &port.to_string()]);
        server.stdout(Stdio::null()).stderr(Stdio::null());
        let server = server.spawn().context("cannot start PostgreSQL")?;
        let cluster = Self {
            server,
            programs,
            port,
            _folder: folder,
        };
        wait_for("PostgreSQL to listen", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })?;
        Ok(cluster)
    }

    /// Makes an empty database and gives its address.
    pub(crate) fn new_database(&self, name: &str) -> Result<String> {
        let mut create = Command::new(self.programs.join("createdb"));
        create.args([
            "-h",
            "127.0.0.1",
            "-U",
            "bench",
            "-p",
            &self.port.to_string(),
            name,
        ]);
        wait_for("PostgreSQL to accept commands", || {
            project::output(&mut create).ok()
        })?;
        Ok(format!("postgres://bench@127.0.0.1:{}/{name}", self.port))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An interrupt ends it at once and in order, so that it gives its shared memory back.
        if project::signal(self.server.id(), "INT").is_err() {
            drop(self.server.kill());
        }
        drop(self.server.wait());
    }
}

/// PostgreSQL refuses to run as root.
fn unprivileged_user() -> Result<Option<&'static str>> {
    let is_root = project::output(project::command("id").arg("-u"))?.trim() == "0";
    let has_postgres = project::output(project::command("id").args(["-u", "postgres"])).is_ok();
    Ok(is_root.then_some(if has_postgres { "postgres" } else { "nobody" }))
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .args(["--clear-groups", "--"])
        .arg(program);
    command.current_dir("/");
    command
}
