//! The dashboard: builds it into `web/dist`, which the next build of the server embeds; makes the
//! types of the API; runs the browser's tests against the release build.
//!
//! Nothing else of the project needs Node. Installation scripts of packages are never run.

use crate::{ci, dist, project, setup};
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;

/// How the measuring ends where something that is no time is over its budget.
const OVER: i32 = 3;

/// The oldest versions of Node that the build tools run on, by their first number.
const NODE: [(u32, u32); 2] = [(20, 19), (22, 12)];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Makes the types of the API of what the built program describes, instead of building
    #[arg(long)]
    schema: bool,
    /// With --schema: only looks whether they are fresh
    #[arg(long, requires = "schema")]
    check: bool,
    /// Runs the browser's tests afterwards; a word runs those whose name contains it
    #[arg(long, num_args = 0..=1, default_missing_value = "", conflicts_with = "schema")]
    test: Option<String>,
}

/// # Errors
/// Node is missing or too old, or a step failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    check_node()?;
    if options.schema {
        return schema(&ci::program()?, options.check);
    }
    build()?;
    match &options.test {
        Some(filter) => test(&dist::program()?, &setup::browser()?, filter),
        None => Ok(()),
    }
}

/// Builds the dashboard for the check of the whole project, where the machine has a Node that can;
/// elsewhere it says so, and the program is built without it.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_if_possible() -> Result<()> {
    match check_node() {
        Ok(()) => build(),
        Err(reason) => {
            println!("skipped: {reason:#}");
            Ok(())
        }
    }
}

/// Builds the dashboard unless what is built is newer than everything that it is made of.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_if_stale() -> Result<()> {
    let web = project::root().join("web");
    let of_sources = [
        "src",
        "public",
        "index.html",
        "package-lock.json",
        "vite.config.ts",
    ]
    .into_iter()
    .filter_map(|name| project::newest_change(&web.join(name)))
    .max();
    match project::newest_change(&web.join("dist/index.html")) {
        Some(built) if Some(built) > of_sources => Ok(()),
        Some(_) | None => build(),
    }
}

/// Whether the types of the API are fresh, and the pages of the release build in a browser: the stage
/// `web`. A machine on
/// which neither Node nor a browser can be had skips it, and says why.
///
/// # Errors
/// The types are stale, a test failed, or something is over its budget.
pub(crate) fn check_in_browser() -> Result<()> {
    if let Err(reason) = check_node() {
        println!("skipped: {reason:#}");
        return Ok(());
    }
    schema(&ci::program()?, true)?;
    match setup::browser().and_then(|browser| starts(&browser).map(|()| browser)) {
        Ok(browser) => {
            let program = dist::program()?;
            test(&program, &browser, "")?;
            measure(&program, &browser)
        }
        Err(reason) => {
            println!("skipped: the pages are not tried in a browser: {reason:#}");
            Ok(())
        }
    }
}

/// Whether a browser that is there also starts, within a minute.
fn starts(browser: &Path) -> Result<()> {
    let mut shown = project::command("timeout");
    shown.arg("60").arg(browser).args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--dump-dom",
        "about:blank",
    ]);
    let shown = project::output(&mut shown).context("the browser does not start")?;
    if !shown.contains("<html") {
        bail!("the browser starts and shows nothing");
    }
    Ok(())
}

/// Makes the types of the API of what `program` describes, or only looks whether they are fresh.
fn schema(program: &Path, is_check: bool) -> Result<()> {
    let mut schema = node(&["scripts/schema.mjs"]);
    if is_check {
        schema.arg("--check");
    }
    project::run(schema.env("EXECUTOR_BIN", program))
}

/// Installs, checks types, builds and packs.
///
/// # Errors
/// As [`run`].
pub(crate) fn build() -> Result<()> {
    check_node()?;
    project::run(&mut node(&["scripts/lockfile.mjs"]))?;
    let web = project::root().join("web");
    if !is_installed(&web) {
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        project::run(npm().args(arguments))?;
    }
    project::run(npm().args(["run", "--silent", "typecheck"]))?;
    project::run(npm().args(["run", "--silent", "build"]))?;
    println!("web: the next build of the server takes it in");
    Ok(())
}

/// Whether a built program has the dashboard in it.
///
/// # Errors
/// It has not, or it does not run.
pub(crate) fn check_bundled(program: &Path) -> Result<()> {
    let version = project::output(Command::new(program).args(["version", "--json"]))?;
    if !version.contains(r#""web":"bundled""#) {
        bail!("the program was built without the dashboard: {version}");
    }
    Ok(())
}

/// Runs the browser's tests whose name contains `filter`, against a program with the dashboard in it.
fn test(program: &Path, browser: &Path, filter: &str) -> Result<()> {
    check_bundled(program)?;
    let mut tests = node(&["tests/run.mjs"]);
    tests
        .arg(filter)
        .env("EXECUTOR_BIN", program)
        .env("CHROMIUM_PATH", browser);
    project::run(&mut tests)
}

/// Measures what the dashboard promises and prints it, with nothing beside it. Times it does not judge:
/// a busy machine is no defect of the program. Budgets of bytes sent are the build's.
///
/// # Errors
/// A page draws more rows, or takes more memory, than its budget.
fn measure(program: &Path, browser: &Path) -> Result<()> {
    let mut measure = node(&["tests/measure.mjs"]);
    measure
        .env("EXECUTOR_BIN", program)
        .env("CHROMIUM_PATH", browser);
    let status = measure.status().context("node does not start")?;
    match status.code() {
        Some(0) => {}
        Some(OVER) => bail!("the dashboard is over its budget; see above"),
        _ => println!("web: not measured to the end: {status}"),
    }
    Ok(())
}

/// Whether what is installed is what the lockfile says: npm writes down what it installed.
fn is_installed(web: &Path) -> bool {
    let written = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let installed = written(&web.join("node_modules/.package-lock.json"));
    let locked = written(&web.join("package-lock.json"));
    matches!((installed, locked), (Some(installed), Some(locked)) if installed >= locked)
}

fn npm() -> Command {
    let mut command = project::command("npm");
    command.current_dir(project::root().join("web"));
    command
}

fn node(arguments: &[&str]) -> Command {
    let mut command = project::command("node");
    command
        .current_dir(project::root().join("web"))
        .args(arguments);
    command
}

fn check_node() -> Result<()> {
    let said = project::output(Command::new("node").arg("--version"))
        .context("the dashboard is built with Node, which is not here; install Node 22 or newer")?;
    let mut numbers = said.trim().trim_start_matches('v').split('.');
    let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (next(), next()) else {
        bail!("node calls itself {said}, which is no version");
    };
    let [older, newer] = NODE;
    let is_enough = (major == older.0 && minor >= older.1)
        || (major == newer.0 && minor >= newer.1)
        || major > newer.0;
    if !is_enough {
        bail!("Node {major}.{minor} is too old: 20.19, 22.12 or newer builds the dashboard");
    }
    Ok(())
}
