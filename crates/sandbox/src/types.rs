//! Full type checking by TypeScript's own compiler, version 7, where there is one on the machine.
//!
//! It advises and never blocks. The compiler is native code that reads untrusted text, so it runs as
//! a process of its own: with an empty environment, in a directory made for it, within limits on
//! time, memory and output, and it opens no file but those it is given. Where it is found is the
//! caller's business. Why it is no part of each compilation: `docs/decisions/0008-check.md`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore};

use crate::Program;
use crate::compile::text_of;

/// Checks that run at the same time.
const AT_ONCE: usize = 2;
/// How long one check may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the compiler's output that are read.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// Findings that are passed on.
const FINDINGS_MAX: usize = 100;
/// Address space of the compiler, in bytes; it takes about 200 MB for a large program.
#[cfg(target_os = "linux")]
const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// Oldest version that is native, and so needs no runtime and no environment.
const MAJOR_MIN: u32 = 7;

/// The program's globals besides ECMAScript's.
const WORLD: &str = include_str!("types/world.d.ts");

/// What the compiler is told. `noResolve` keeps a program from naming files of this machine: their
/// contents would show in the types that errors quote.
const OPTIONS: &[&str] = &[
    "--noEmit",
    "--noResolve",
    "--pretty",
    "false",
    "--target",
    "esnext",
    "--lib",
    "esnext",
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
    "--moduleDetection",
    "force",
    "--types",
    "",
    "--strict",
    "--noImplicitAny",
    "false",
    "--useUnknownInCatchVariables",
    "false",
    "--skipLibCheck",
    "tools.d.ts",
    "world.d.ts",
    PROGRAM,
];

const PROGRAM: &str = "task.ts";

/// Complaints about the forms that programs may have here: exports, imports of types, namespaces and
/// augmentations inside the function that a program is, and modules that cannot be looked at.
const NOT_MEANT: &[&str] = &[
    "TS1184", "TS1231", "TS1232", "TS1233", "TS1234", "TS1235", "TS1258", "TS2307", "TS2669",
    "TS2670",
];

/// TypeScript's compiler.
pub struct TypeChecker {
    exe: PathBuf,
    scratch: PathBuf,
    places: Semaphore,
    version: OnceCell<()>,
}

/// Something that the compiler says about a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFinding {
    /// Such as `TS2345`.
    pub code: String,
    /// The compiler's sentence; further lines explain it.
    pub message: String,
    /// In the source as sent, from 1.
    pub line: u32,
    /// In the source as sent, from 1, in UTF-16 units.
    pub column: u32,
}

/// Why types could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum TypeCheckError {
    /// The compiler is too old, or something else.
    #[error(
        "{exe} is not TypeScript 7 or newer (it says {said:?}); install it with `npm install -g typescript@7` and name it with `tsc` in executor.toml or EXECUTOR_TSC"
    )]
    Version {
        /// The program that was tried.
        exe: String,
        /// What it says of its version.
        said: String,
    },
    /// The compiler could not be run.
    #[error("the TypeScript compiler {exe} could not be run: {reason}")]
    Run {
        /// The program that was tried.
        exe: String,
        /// What happened.
        reason: String,
    },
    /// The compiler took too long.
    #[error("the TypeScript compiler did not finish within {} s; check without types", TIMEOUT.as_secs())]
    Timeout,
}

impl TypeChecker {
    /// A compiler by the path of its native executable. Directories for single checks are made in
    /// `scratch`, and removed again.
    pub fn new(exe: PathBuf, scratch: PathBuf) -> Self {
        Self {
            exe,
            scratch,
            places: Semaphore::new(AT_ONCE),
            version: OnceCell::new(),
        }
    }

    /// Checks a compiled program against declarations of `tools`. `source` is the text that
    /// `program` was compiled from.
    ///
    /// # Errors
    /// [`TypeCheckError`]; that a program's types are wrong is none.
    pub fn check<'t>(
        &'t self,
        program: &Program,
        source: &str,
        declarations: &str,
    ) -> BoxFuture<'t, Result<Vec<TypeFinding>, TypeCheckError>> {
        // What returns by itself is wrapped, on lines of its own: TypeScript does not look at what
        // a `return` outside of functions gives.
        let wrapped = program.returns();
        let text = text_of(source);
        let text = match wrapped {
            true => format!("async function program() {{\n{text}\n}}\n"),
            false => format!("{text}\nexport {{}};\n"),
        };
        let declarations = declarations.to_owned();
        Box::pin(async move {
            let _place = self.places.acquire().await;
            self.version.get_or_try_init(|| self.ask_version()).await?;
            let directory = self.prepare(text, declarations).await?;
            let output = self.run(directory.path(), OPTIONS).await?;
            Ok(findings(&output, u32::from(wrapped)))
        })
    }

    async fn ask_version(&self) -> Result<(), TypeCheckError> {
        let directory = self.prepare(String::new(), String::new()).await?;
        let said = self.run(directory.path(), &["--version"]).await?;
        let said: String = said.trim().chars().take(80).collect();
        let major = said
            .strip_prefix("Version ")
            .and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        match major {
            Some(major) if major >= MAJOR_MIN => Ok(()),
            Some(_) | None => Err(TypeCheckError::Version {
                exe: self.exe.display().to_string(),
                said,
            }),
        }
    }

    fn failed(&self, reason: impl ToString) -> TypeCheckError {
        TypeCheckError::Run {
            exe: self.exe.display().to_string(),
            reason: reason.to_string(),
        }
    }

    async fn prepare(
        &self,
        program: String,
        tools: String,
    ) -> Result<tempfile::TempDir, TypeCheckError> {
        let scratch = self.scratch.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&scratch)?;
            let directory = tempfile::Builder::new()
                .prefix("types-")
                .tempdir_in(&scratch)?;
            for (name, text) in [
                (PROGRAM, program.as_str()),
                ("tools.d.ts", tools.as_str()),
                ("world.d.ts", WORLD),
            ] {
                std::fs::write(directory.path().join(name), text)?;
            }
            Ok::<_, std::io::Error>(directory)
        });
        match prepared.await {
            Ok(Ok(directory)) => Ok(directory),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn run(&self, directory: &Path, arguments: &[&str]) -> Result<String, TypeCheckError> {
        let mut child = Command::new(&self.exe)
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| self.failed(e))?;
        limit_memory(&child).map_err(|e| self.failed(e))?;
        let stdout = child.stdout.take();
        let mut output = Vec::new();
        let reading = async {
            if let Some(stdout) = stdout {
                stdout
                    .take(OUTPUT_BYTES_MAX)
                    .read_to_end(&mut output)
                    .await?;
            }
            // Whoever says more than is read is told so by the closed pipe.
            child.wait().await
        };
        match tokio::time::timeout(TIMEOUT, reading).await {
            Err(_) => Err(TypeCheckError::Timeout),
            Ok(Err(error)) => Err(self.failed(error)),
            // 1 and 2 say that there are findings.
            Ok(Ok(status)) if status.code().is_some_and(|code| code <= 2) => {
                Ok(String::from_utf8_lossy(&output).into_owned())
            }
            Ok(Ok(status)) => Err(self.failed(format!("it ended with {status}"))),
        }
    }
}

#[cfg(target_os = "linux")]
fn limit_memory(child: &tokio::process::Child) -> std::io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let limit = Rlimit {
        current: Some(MEMORY_BYTES_MAX),
        maximum: Some(MEMORY_BYTES_MAX),
    };
    match pid {
        Some(pid) => prlimit(Some(pid), Resource::As, limit)
            .map(drop)
            .map_err(Into::into),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: &tokio::process::Child) -> std::io::Result<()> {
    Ok(())
}

/// Reads `task.ts(3,9): error TS2345: …` and the indented lines after it.
fn findings(output: &str, lines_before: u32) -> Vec<TypeFinding> {
    let mut found: Vec<TypeFinding> = Vec::new();
    let mut ours = false;
    for line in output.lines() {
        if line.starts_with(' ') {
            if let (true, Some(last)) = (ours, found.last_mut()) {
                last.message.push('\n');
                last.message.push_str(line);
            }
            continue;
        }
        let finding = finding(line, lines_before);
        ours = finding.is_some() && found.len() < FINDINGS_MAX;
        if ours {
            found.extend(finding);
        }
    }
    found
}

fn finding(line: &str, lines_before: u32) -> Option<TypeFinding> {
    let rest = line.strip_prefix(PROGRAM)?.strip_prefix('(')?;
    let (place, rest) = rest.split_once("): ")?;
    let (line, column) = place.split_once(',')?;
    let (code, message) = rest.split_once(' ')?.1.split_once(": ")?;
    if NOT_MEANT.contains(&code) {
        return None;
    }
    Some(TypeFinding {
        code: code.to_owned(),
        message: message.to_owned(),
        line: line
            .parse::<u32>()
            .ok()?
            .saturating_sub(lines_before)
            .max(1),
        column: column.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_lines_become_findings() {
        let output = "task.ts(3,9): error TS2345: Argument of type 'number': no.\n  Because.\n    Deeply.\ntools.d.ts(1,1): error TS1: ours\n  and its reason\ntask.ts(4,1): error TS1235: A namespace.\n  Dropped.\ntask.ts(1,2): error TS2304: Cannot find name 'x'.\nerror TS5000: of options\n";
        let found: Vec<String> = findings(output, 1)
            .iter()
            .map(|f| format!("{}:{} {} {}", f.line, f.column, f.code, f.message))
            .collect();
        assert_eq!(
            found,
            [
                "2:9 TS2345 Argument of type 'number': no.\n  Because.\n    Deeply.",
                "1:2 TS2304 Cannot find name 'x'.",
            ]
        );
    }
}
