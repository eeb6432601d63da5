//! Builds the engine image: QuickJS-ng as WebAssembly, started and furnished.
//!
//! Run from anywhere: `cargo run --manifest-path crates/sandbox/image/Cargo.toml`.
//! It needs Debian's `clang-14` (or `CLANG`) and the `rust-lld` of the toolchain.
//! The result, `executor-quickjs.wasm` and its `.sha256`, is committed; `--check`
//! builds it again and compares, which is what CI runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The C files of QuickJS-ng, other than `quickjs.c`, which `engine.c` includes.
const QUICKJS_FILES: [&str; 3] = ["libregexp.c", "libunicode.c", "dtoa.c"];
const OUR_FILES: [&str; 2] = ["engine.c", "libc.c"];

/// Changes to `quickjs.c`: each text must occur exactly once.
const PATCHES: [(&str, &str); 10] = [
    // A missing global says what to use instead; see absent.c.
    (
        "    return JS_ThrowReferenceError(ctx, \"%s is not defined\",\n                                  JS_AtomGetStr(ctx, buf, sizeof(buf), name));",
        "    const char *shown = JS_AtomGetStr(ctx, buf, sizeof(buf), name);\n    return JS_ThrowReferenceError(ctx, \"%s is not defined%s\", shown, absent_hint(shown));",
    ),
    (
        "\"BigInt are forbidden in JSON.stringify\"",
        "\"a BigInt has no JSON form; convert it with String() or Number()\"",
    ),
    // The prelude's functions do not show their source.
    (
        "        if (b->source)\n            return JS_NewStringLen(ctx, b->source, b->source_len);",
        "        if (b->source && b->filename != hidden_file)\n            return JS_NewStringLen(ctx, b->source, b->source_len);",
    ),
    // Most numbers in JSON are short; see number.c.
    (
        "    s->token.u.num.val = js_float64(strtod((const char *)p_start, NULL));\n",
        "    s->token.u.num.val = json_number(p_start, p);\n",
    ),
    (
        "static int json_parse_number(JSParseState *s, const uint8_t **pp)\n{",
        "#include \"number.c\"\n\nstatic int json_parse_number(JSParseState *s, const uint8_t **pp)\n{",
    ),
    // QuickJS marks the place of a call before its arguments and not at all for
    // a property: errors would point at the last argument, or lines above.
    (
        "        bool has_optional_chain = false;\n",
        "        bool has_optional_chain = false;\n        int at_line = s->token.line_num, at_column = s->token.col_num;\n",
    ),
    (
        "            emit_func_call:\n",
        "            emit_func_call:\n                emit_source_loc_at(s, at_line, at_column);\n",
    ),
    (
        "                emit_op(s, OP_drop);\n\n                /* apply function call */\n",
        "                emit_op(s, OP_drop);\n                emit_source_loc_at(s, at_line, at_column);\n",
    ),
    (
        "                    emit_op(s, OP_get_field);\n                    emit_atom(s, s->token.u.ident.atom);\n                }\n            }\n            if (next_token(s))\n                return -1;\n        } else if (s->token.val == '[') {",
        "                    emit_source_loc(s);\n                    emit_op(s, OP_get_field);\n                    emit_atom(s, s->token.u.ident.atom);\n                }\n            }\n            if (next_token(s))\n                return -1;\n        } else if (s->token.val == '[') {",
    ),
    (
        "            } else {\n                emit_op(s, OP_get_array_el);\n            }\n        } else {\n            break;\n",
        "            } else {\n                emit_source_loc_at(s, at_line, at_column);\n                emit_op(s, OP_get_array_el);\n            }\n        } else {\n            break;\n",
    ),
];

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = std::env::args().any(|a| a == "--check");
    let work = std::env::temp_dir().join(format!("executor-image-{}", std::process::id()));
    std::fs::create_dir_all(&work)?;
    let linked = build(here, &work);
    std::fs::remove_dir_all(&work)?;
    let image = preinitialize(&linked?)?;
    let digest = hex(&Sha256::digest(&image));

    let image_path = here.join("executor-quickjs.wasm");
    let digest_path = here.join("executor-quickjs.wasm.sha256");
    if check {
        let committed = std::fs::read_to_string(&digest_path)?;
        if committed.trim() != digest || std::fs::read(&image_path)? != image {
            return Err(format!(
                "the committed image ({}) is not what its sources give ({digest})",
                committed.trim()
            )
            .into());
        }
        println!("the image matches its sources: {digest}");
    } else {
        std::fs::write(&image_path, &image)?;
        std::fs::write(&digest_path, format!("{digest}\n"))?;
        println!("{} bytes, sha256 {digest}", image.len());
    }
    Ok(())
}

/// Compiles and links; returns the module before its first run.
fn build(here: &Path, work: &Path) -> Result<Vec<u8>> {
    let crate_dir = quickjs_crate(here)?;
    let quickjs = crate_dir.join("quickjs");
    let patched = patch(std::fs::read_to_string(quickjs.join("quickjs.c"))?)?;
    std::fs::write(work.join("quickjs.c"), patched)?;
    std::fs::copy(here.join("c/number.c"), work.join("number.c"))?;
    std::fs::write(work.join("prelude.c"), prelude(here)?)?;

    let mut sources: Vec<PathBuf> = QUICKJS_FILES.iter().map(|f| quickjs.join(f)).collect();
    sources.extend(OUR_FILES.iter().map(|f| here.join("c").join(f)));
    sources.push(work.join("prelude.c"));
    let mut objects = Vec::new();
    for source in &sources {
        let name = source.file_stem().expect("every source is a named file");
        let object = work.join(name).with_extension("o");
        run(clang()
            .args([
                "--target=wasm32-unknown-unknown",
                "-c",
                "-O3",
                "-std=gnu11",
                "-w",
            ])
            .args([
                "-mbulk-memory",
                "-msign-ext",
                "-mnontrapping-fptoint",
                "-mmutable-globals",
            ])
            // As on emscripten, so that QuickJS asks for no threads and no atomics.
            .args([
                "-DNDEBUG",
                "-D_GNU_SOURCE",
                "-DEMSCRIPTEN=1",
                "-DFE_DOWNWARD=0",
                "-DFE_UPWARD=0",
            ])
            .arg("-isystem")
            .arg(crate_dir.join("vendor/wasi-libc/include"))
            .arg("-I")
            .arg(work)
            .arg("-I")
            .arg(&quickjs)
            .arg(source)
            .arg("-o")
            .arg(&object))?;
        objects.push(object);
    }

    let linked = work.join("linked.wasm");
    run(Command::new(rust_lld()?)
        .args([
            "-flavor",
            "wasm",
            "--no-entry",
            "--stack-first",
            "-z",
            "stack-size=524288",
            "--strip-all",
        ])
        .args(&objects)
        .arg(crate_dir.join("vendor/wasi-libc/lib/libc.a"))
        .arg("-o")
        .arg(&linked))?;
    Ok(std::fs::read(linked)?)
}

/// Where cargo keeps the sources of `rquickjs-sys`.
fn quickjs_crate(here: &Path) -> Result<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let manifest = here.join("Cargo.toml");
    let output = Command::new(cargo)
        .arg("metadata")
        .args(["--format-version=1", "--locked", "--manifest-path"])
        .arg(manifest)
        .output()?;
    let json = String::from_utf8(output.stdout)?;
    // The one fact needed of the whole document; not worth a JSON parser.
    let path = json
        .split("\"manifest_path\":\"")
        .filter_map(|part| part.split('"').next())
        .find(|path| path.contains("/rquickjs-sys-"))
        .ok_or("cargo metadata does not name rquickjs-sys")?;
    Ok(Path::new(path)
        .parent()
        .ok_or("a manifest lies in a folder")?
        .to_path_buf())
}

fn patch(mut source: String) -> Result<String> {
    for (from, to) in PATCHES {
        if source.matches(from).count() != 1 {
            return Err(format!("quickjs.c no longer holds, exactly once: {from}").into());
        }
        source = source.replace(from, to);
    }
    Ok(source)
}

/// The prelude as a C array: its files joined inside one function.
fn prelude(here: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(here.join("prelude"))?
        .map(|e| e.map(|e| e.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut js = String::from("(function (native) {\n");
    for file in files {
        js.push_str(&std::fs::read_to_string(file)?);
    }
    js.push_str("return { toolError, describe };\n})");
    let bytes: Vec<String> = js.bytes().chain([0]).map(|b| b.to_string()).collect();
    Ok(format!(
        "const char prelude_source[] = {{{}}};\nconst unsigned prelude_source_len = {};\n",
        bytes.join(","),
        js.len()
    ))
}

/// Runs the engine's start and the prelude, and writes the memory they leave as data.
fn preinitialize(linked: &[u8]) -> Result<Vec<u8>> {
    let wizer = wasmtime_wizer::Wizer::new();
    let (context, instrumented) = wizer.instrument(linked).map_err(|e| e.to_string())?;
    let engine = wasmi::Engine::default();
    let module = wasmi::Module::new(&engine, &instrumented[..])?;
    let mut store = wasmi::Store::new(&engine, ());
    let mut linker = wasmi::Linker::<()>::new(&engine);
    for import in module.imports() {
        let wasmi::ExternType::Func(ty) = import.ty() else {
            return Err(format!(
                "the image imports something that is no function: {}",
                import.name()
            )
            .into());
        };
        if import.module() != "host" {
            return Err(format!("the image imports {}.{}", import.module(), import.name()).into());
        }
        let name = import.name().to_owned();
        linker.func_new("host", import.name(), ty.clone(), move |_, _, _| {
            Err(wasmi::Error::new(format!("the prelude called host.{name}")))
        })?;
    }
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    instance
        .get_typed_func::<(), ()>(&store, wizer.get_init_func())?
        .call(&mut store, ())?;
    let mut state = Interpreted { store, instance };
    let snapshot = wizer.snapshot(&context, &mut state);
    // Nothing in the snapshot waits, so one poll finishes it.
    let mut polled = std::pin::pin!(snapshot);
    match polled
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(image) => Ok(image.map_err(|e| e.to_string())?),
        std::task::Poll::Pending => Err("the snapshot waits for something".into()),
    }
}

struct Interpreted {
    store: wasmi::Store<()>,
    instance: wasmi::Instance,
}

impl wasmtime_wizer::InstanceState for Interpreted {
    async fn global_get(
        &mut self,
        name: &str,
        _: wasmtime_wizer::ValType,
    ) -> wasmtime_wizer::SnapshotVal {
        let global = self
            .instance
            .get_global(&self.store, name)
            .expect("wizer exports every global");
        match global.get(&self.store) {
            wasmi::Val::I32(v) => wasmtime_wizer::SnapshotVal::I32(v),
            wasmi::Val::I64(v) => wasmtime_wizer::SnapshotVal::I64(v),
            wasmi::Val::F32(v) => wasmtime_wizer::SnapshotVal::F32(v.to_bits()),
            wasmi::Val::F64(v) => wasmtime_wizer::SnapshotVal::F64(v.to_bits()),
            other => panic!("a global of an unexpected kind: {other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self
            .instance
            .get_memory(&self.store, name)
            .expect("wizer exports every memory");
        contents(memory.data(&self.store));
    }
}

fn clang() -> Command {
    Command::new(std::env::var("CLANG").unwrap_or_else(|_| "clang-14".into()))
}

/// The toolchain's own linker; Debian's lld 14 does not define `__heap_end`.
fn rust_lld() -> Result<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .output()?;
    let libdir = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    Ok(libdir
        .parent()
        .ok_or("rustc has an odd layout")?
        .join("bin/rust-lld"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .map_err(|e| format!("{:?}: {e}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr)).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
