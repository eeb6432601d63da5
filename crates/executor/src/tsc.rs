//! TypeScript's compiler on this machine: where it is found.
//!
//! What npm installs as `tsc` is a script that needs Node.js and starts the real compiler, which
//! lies in a package of its own beside it. The sandbox gets the path of the real one and whatever
//! else it finds wrong with it is said when types are asked for.

use crate::config::Config;
use sandbox::TypeChecker;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Name of the directory below the data directory in which single checks are made.
const SCRATCH: &str = "types";

/// The configured compiler, or the one on `PATH`.
pub(crate) fn find(config: &Config) -> Option<TypeChecker> {
    let scratch = config.home.join(SCRATCH);
    // What a server before this one was in the middle of.
    if let Err(error) = std::fs::remove_dir_all(&scratch)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "cannot clear {}", scratch.display());
    }
    let exe = config.tsc.clone().or_else(on_path)?;
    Some(TypeChecker::new(native(&exe).unwrap_or(exe), scratch))
}

fn on_path() -> Option<PathBuf> {
    let name = format!("tsc{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(&name))
        .find(|file| file.is_absolute() && file.is_file())
}

/// The compiler that npm's script would start.
fn native(script: &Path) -> Option<PathBuf> {
    let mut head = [0; 2];
    std::fs::File::open(script)
        .and_then(|mut file| file.read_exact(&mut head))
        .ok()?;
    if &head != b"#!" {
        return None;
    }
    // …/node_modules/typescript/bin/tsc
    let script = script.canonicalize().ok()?;
    let package = script.parent()?.parent()?;
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let inside = format!(
        "@typescript/typescript-{os}-{arch}/lib/tsc{}",
        std::env::consts::EXE_SUFFIX
    );
    [
        package.join("node_modules"),
        package.parent()?.to_path_buf(),
    ]
    .into_iter()
    .map(|modules| modules.join(&inside))
    .find(|exe| exe.is_file())
}
