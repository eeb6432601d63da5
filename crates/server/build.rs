//! Embeds the built dashboard: what lies in `EXECUTOR_WEB_DIST`, else in `web/dist`.
//!
//! Never builds it: that is `cargo xtask web`. Where nothing is built the list is empty, and the
//! server serves a page that says how to build it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=EXECUTOR_WEB_DIST");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist =
        env::var_os("EXECUTOR_WEB_DIST").map_or_else(|| root.join("../../web/dist"), PathBuf::from);
    println!("cargo:rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    find(&dist, &dist, &mut files);
    files.sort();
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("dashboard.rs");
    fs::write(out, listed(&dist, &files)).expect("the build's own folder can be written");
}

/// Every file below `folder`, relative to `dist`; hidden ones are none of the dashboard's.
fn find(dist: &Path, folder: &Path, into: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        } else if path.is_dir() {
            find(dist, &path, into);
        } else if let Ok(name) = path.strip_prefix(dist) {
            into.push(name.to_string_lossy().replace('\\', "/"));
        }
    }
}

fn listed(dist: &Path, files: &[String]) -> String {
    let has = |name: &str| files.iter().any(|file| file == name);
    let include = |name: &str| {
        let path = dist.join(name);
        let path = path.canonicalize().unwrap_or(path);
        format!("include_bytes!({:?})", path.display().to_string())
    };
    let packed = |name: String| {
        let found = has(&name).then(|| include(&name));
        found.map_or_else(|| "None".to_owned(), |text| format!("Some({text})"))
    };
    let index = if has("index.html") {
        let text = include("index.html").replace("include_bytes!", "include_str!");
        format!("Some({text})")
    } else {
        "None".to_owned()
    };
    let mut out = format!("const INDEX: Option<&str> = {index};\n");
    out.push_str("const ASSETS: &[Asset] = &[\n");
    for name in files {
        let is_packed = name.ends_with(".gz") || name.ends_with(".br");
        if name == "index.html" || is_packed {
            continue;
        }
        let (gzip, brotli) = (packed(format!("{name}.gz")), packed(format!("{name}.br")));
        let plain = include(name);
        let _written = writeln!(
            out,
            "    Asset {{ name: {name:?}, plain: {plain}, gzip: {gzip}, brotli: {brotli} }},"
        );
    }
    out.push_str("];\n");
    out
}
