//! The stages of `cargo xtask ci`, cheapest first, and the tests. Clippy, rustdoc and the tests all
//! select the whole workspace, always: another selection would unify other features and build the
//! libraries again. The test binaries are built once and started from here, so that the stages
//! `test`, `e2e` and `web` share them; what they print is what `cargo test` prints. The dashboard is
//! built before everything that compiles, so that the one program that is built has it in it.

use crate::{project, setup, tidy, web};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A part of the whole check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stage {
    /// Formatting and the rules of `cargo xtask tidy`.
    Tidy,
    /// Clippy and rustdoc, warnings being errors.
    Lint,
    /// The tests of every crate, on SQLite and PostgreSQL.
    Test,
    /// The built binary from outside, with official MCP clients, on SQLite and PostgreSQL.
    E2e,
    /// The dashboard: its types against the API, and its pages in a browser.
    Web,
}

const STAGES: [Stage; 5] = [
    Stage::Tidy,
    Stage::Lint,
    Stage::Test,
    Stage::E2e,
    Stage::Web,
];
const PRODUCT_TESTS: &str = "executor-e2e";
const THREADS: &str = "RUST_TEST_THREADS";

/// Runs one stage or all of them and prints how long each took.
pub(crate) fn run(only: Option<Stage>) -> Result<()> {
    let stages: Vec<Stage> = only.map_or(STAGES.to_vec(), |stage| vec![stage]);
    let mut times = Vec::new();
    let mut timed = |name: String, step: &mut dyn FnMut() -> Result<()>| {
        println!("\n=== {name}");
        let started = Instant::now();
        let outcome = step();
        times.push(format!(
            "{name:<9} {:>7.1} s",
            started.elapsed().as_secs_f64()
        ));
        outcome.with_context(|| format!("stage `{name}`"))
    };
    let needs_setup = stages
        .iter()
        .any(|stage| matches!(stage, Stage::Test | Stage::E2e | Stage::Web));
    let mut outcome = Ok(());
    if needs_setup {
        outcome = timed("setup".into(), &mut setup::run);
        if outcome.is_ok() {
            outcome = timed("dashboard".into(), &mut web::build_if_possible);
        }
    }
    for stage in stages {
        if outcome.is_ok() {
            let name = format!("{stage:?}").to_lowercase();
            outcome = timed(name, &mut || run_stage(stage));
        }
    }
    println!("\n=== times");
    println!("{}", times.join("\n"));
    if outcome.is_ok() {
        println!("ci: all is well");
    }
    outcome
}

fn run_stage(stage: Stage) -> Result<()> {
    match stage {
        Stage::Tidy => {
            project::run(project::cargo().args(["fmt", "--all", "--check"]))?;
            tidy::run()
        }
        Stage::Lint => {
            project::run(project::cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-Dwarnings",
            ]))?;
            let mut rustdoc = project::cargo();
            rustdoc.args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--quiet",
            ]);
            project::run(rustdoc.env("RUSTDOCFLAGS", "-Dwarnings"))?;
            image()
        }
        Stage::Test => run_tests(|package| package != PRODUCT_TESTS, None),
        Stage::E2e => run_tests(|package| package == PRODUCT_TESTS, None),
        Stage::Web => web::check_in_browser(),
    }
}

/// Builds the engine image from its sources and compares it with the one in the repository.
fn image() -> Result<()> {
    if !project::has(setup::CLANG) {
        println!(
            "skipped: the engine image is not compared, {} is not here",
            setup::CLANG
        );
        return Ok(());
    }
    let manifest = "crates/sandbox/image/Cargo.toml";
    project::run(project::cargo().args([
        "run",
        "--release",
        "--quiet",
        "--manifest-path",
        manifest,
        "--",
        "--check",
    ]))
}

/// Builds and runs every test whose name contains `filter`.
pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    run_tests(|_| true, filter)
}

/// Builds the program as the tests use it, and says where it is.
///
/// # Errors
/// It does not build.
pub(crate) fn program() -> Result<PathBuf> {
    build_tests().map(|(_, program)| program)
}

/// A built test binary.
struct TestBinary {
    package: String,
    target: String,
    folder: PathBuf,
    path: PathBuf,
}

fn run_tests(wanted: impl Fn(&str) -> bool, filter: Option<&str>) -> Result<()> {
    let (tests, executor) = build_tests()?;
    let mut failed = Vec::new();
    for test in tests.iter().filter(|test| wanted(&test.package)) {
        println!(
            "     Running {} {} ({})",
            test.package,
            test.target,
            shown(&test.path)
        );
        let mut command = Command::new(&test.path);
        command
            .args(filter)
            .current_dir(&test.folder)
            .stdin(Stdio::null())
            .env("CARGO_MANIFEST_DIR", &test.folder)
            .env("CARGO_PKG_NAME", &test.package)
            // A snapshot that differs is a failure here, never a new file.
            .env("INSTA_UPDATE", "no")
            .env("EXECUTOR_BIN", &executor);
        if test.package == PRODUCT_TESTS && std::env::var_os(THREADS).is_none() {
            command.env(THREADS, product_threads().to_string());
        }
        let status = command
            .status()
            .with_context(|| format!("cannot start {}", test.target))?;
        if !status.success() {
            failed.push(format!("{} {}", test.package, test.target));
        }
    }
    if !failed.is_empty() {
        bail!("tests failed in: {}", failed.join(", "));
    }
    Ok(())
}

/// Cases of the product tests that run side by side: one and a half for each core, as they wait for
/// servers, clocks and clients half of their time.
fn product_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores + cores.div_ceil(2)
}

/// What cargo says about what it built; other messages are of no interest.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds every test and the program itself: their binaries, and the path of the program.
fn build_tests() -> Result<(Vec<TestBinary>, PathBuf)> {
    let mut cargo = project::cargo();
    cargo.args(["test", "--workspace", "--no-run", "--quiet"]);
    cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    println!("$ cargo test --workspace --no-run");
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the tests do not build; see above");
    }
    let mut tests = Vec::new();
    let mut program = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Message = serde_json::from_str(line).context("cargo changed its messages")?;
        let (Some(path), Some(manifest), Some(target), Some(profile)) = (
            message.executable,
            message.manifest_path,
            message.target,
            message.profile,
        ) else {
            continue;
        };
        let folder = manifest.parent().map(Path::to_path_buf).unwrap_or_default();
        if profile.test {
            let package = package_name(&manifest)?;
            let kind = if target.kind.iter().any(|kind| kind == "test") {
                "tests/"
            } else {
                "unit "
            };
            tests.push(TestBinary {
                package,
                target: format!("{kind}{}", target.name),
                folder,
                path,
            });
        } else if target.name == "executor" {
            program = Some(path);
        }
    }
    tests.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    let program = program.context("cargo built no program named `executor`")?;
    Ok((tests, program))
}

fn package_name(manifest: &Path) -> Result<String> {
    let text = std::fs::read_to_string(manifest)?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned)
        .with_context(|| format!("{} has no name", manifest.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(project::root())
        .unwrap_or(path)
        .display()
        .to_string()
}
