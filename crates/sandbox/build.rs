//! Compiles the engine image to machine code for this target's architecture.
//!
//! The image itself is built from C by `image/` and committed; here it only
//! meets the compiler, so that the shipped program needs none. The code is for
//! a generic processor of the target, not for the machine that builds it.

use std::path::PathBuf;

use wasmtime::{Engine, OptLevel};

#[path = "src/isolate/settings.rs"]
#[expect(dead_code, reason = "the stack size is the worker's to set")]
mod settings;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/isolate/settings.rs");
    println!("cargo::rerun-if-changed=image/executor-quickjs.wasm");
    println!("cargo::rerun-if-changed=image/prelude");
    let target = std::env::var("TARGET").expect("cargo names the target");
    let out: PathBuf = std::env::var_os("OUT_DIR")
        .expect("cargo names a folder")
        .into();
    std::fs::write(out.join("prelude.js"), prelude()).expect("the build folder is writable");

    let mut config = settings::settings();
    config.target(&target).expect("wasmtime knows the target");
    config.cranelift_opt_level(OptLevel::Speed);
    // Replay must not depend on what bits a processor gives a NaN.
    config.cranelift_nan_canonicalization(true);
    let engine = Engine::new(&config).expect("the settings agree with each other");
    let image = std::fs::read("image/executor-quickjs.wasm")
        .expect("the engine image is part of the repository");
    let code = engine
        .precompile_module(&image)
        .expect("the engine image compiles");
    std::fs::write(out.join("executor-quickjs.cwasm"), code).expect("the build folder is writable");
}

/// The prelude as a function of `native`, joined as the image joins it; for runtimes whose engine is not ours.
fn prelude() -> String {
    let mut files: Vec<PathBuf> = std::fs::read_dir("image/prelude")
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .expect("the prelude is part of the repository");
    files.sort();
    let mut text = String::from("(function (native) {\n");
    for file in files {
        text.push_str(&std::fs::read_to_string(file).expect("the prelude is readable"));
    }
    text.push_str("return { toolError, describe };\n})");
    text
}
