//! Installs what the tests need and a bare machine lacks: a PostgreSQL server, strace, the compiler of
//! the engine image, the TypeScript compiler, Bun, workerd and the MCP conformance suite with its own
//! Node from npm, official MCP clients and servers from npm and PyPI. It touches the system only on Debian and only as
//! root; elsewhere it says what to install. What is there stays.

use crate::project;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler of the engine image: another gives another image.
pub(crate) const CLANG: &str = "clang-14";

/// Makes the machine able to run every test. Cheap when it already is.
pub(crate) fn run() -> Result<()> {
    need_programs()?;
    let mut packages = Vec::new();
    if postgres_folder().is_none() {
        packages.push("postgresql");
    }
    if !can_make_venv() && !venv().join("bin/python").is_file() {
        packages.push("python3-venv");
    }
    if !project::has("strace") {
        packages.push("strace");
    }
    if !project::has(CLANG) && is_debian_12() {
        packages.push(CLANG);
    }
    if !packages.is_empty() {
        install(&packages)?;
    }
    node_modules("tests/node")?;
    node_modules("tests/conformance")?;
    python_packages()?;
    println!("setup: the machine has all that the tests need");
    Ok(())
}

/// The browser that the pages are tried in: the one that `CHROMIUM_PATH` names, one on the path, or
/// Debian's, which is installed where that is possible.
///
/// # Errors
/// There is none and it cannot be installed.
pub(crate) fn browser() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM_PATH").map(PathBuf::from) {
        if named.is_file() {
            return Ok(named);
        }
        bail!(
            "CHROMIUM_PATH names {}, which is not there",
            named.display()
        );
    }
    if find_browser().is_none() {
        // A browser without any font of the system does not start.
        install(&["chromium", "fonts-liberation"])?;
    }
    find_browser().context("Chromium was installed and is not on the path")
}

fn find_browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// The folder of `initdb` and `postgres`: the newest of Debian's, or one on the path.
pub(crate) fn postgres_folder() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = installed.map(|entry| entry.path().join("bin")).max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = newest
        .into_iter()
        .chain(std::env::split_paths(&path))
        .collect();
    let complete =
        |folder: &&PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    candidates.iter().find(complete).cloned()
}

fn need_programs() -> Result<()> {
    let missing: Vec<&str> = [
        ("node", "Node 20 or newer"),
        ("npm", "npm"),
        ("python3", "Python 3.11"),
        ("git", "git"),
    ]
    .into_iter()
    .filter(|(program, _)| !project::has(program))
    .map(|(_, name)| name)
    .collect();
    if !missing.is_empty() {
        bail!(
            "the tests drive official clients and need: {}",
            missing.join(", ")
        );
    }
    Ok(())
}

/// The release that carries [`CLANG`].
fn is_debian_12() -> bool {
    std::fs::read_to_string("/etc/debian_version").is_ok_and(|version| version.starts_with("12"))
}

fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let is_root = project::output(project::command("id").arg("-u"))?.trim() == "0";
    if !is_root || !Path::new("/etc/debian_version").exists() {
        bail!("please install (Debian's names) {names}, then run this again");
    }
    let apt = || {
        let mut apt = project::command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        apt
    };
    project::run(apt().arg("update"))?;
    project::run(
        apt()
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages),
    )
}

/// Installs what a folder's lock file names, unless that is there.
///
/// # Errors
/// When npm fails.
pub(crate) fn node_modules(folder: &str) -> Result<()> {
    let folder = project::root().join(folder);
    let lock = folder.join("package-lock.json");
    // npm writes the second file when it is done, so an interrupted install is begun again.
    let done = folder.join("node_modules/.package-lock.json");
    if is_newer(&done, &lock) {
        return Ok(());
    }
    let mut npm = project::command("npm");
    project::run(
        npm.args(["ci", "--no-audit", "--no-fund"])
            .current_dir(&folder),
    )
}

fn is_newer(made: &Path, from: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    match (modified(made), modified(from)) {
        (Some(made), Some(from)) => made >= from,
        (_, None) | (None, _) => false,
    }
}

fn venv() -> PathBuf {
    project::root().join("target/venv")
}

fn can_make_venv() -> bool {
    let mut python = Command::new("python3");
    python
        .args(["-c", "import venv, ensurepip"])
        .output()
        .is_ok_and(|out| out.status.success())
}

fn python_packages() -> Result<()> {
    let wanted = project::root().join("tests/python/requirements.txt");
    let wanted_text = std::fs::read_to_string(&wanted).context("tests/python/requirements.txt")?;
    let stamp = venv().join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted_text) {
        return Ok(());
    }
    project::run(project::command("python3").args(["-m", "venv"]).arg(venv()))?;
    let mut pip = project::command(&venv().join("bin/python").to_string_lossy());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    project::run(pip.arg(&wanted))?;
    std::fs::write(&stamp, wanted_text).context("cannot note what was installed")
}
