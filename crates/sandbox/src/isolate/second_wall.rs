//! What the engine image can reach, read from the machine code that workers run.
//!
//! WebAssembly holds whatever the C inside it does, as long as the image imports
//! nothing but its own four doors and every loop in it looks at the clock.

use wasmtime::{Engine, ExternType, Module};

use super::CODE;
use super::settings::settings;

fn load(config: &wasmtime::Config) -> wasmtime::Result<Module> {
    let engine = Engine::new(config)?;
    #[expect(unsafe_code, reason = "machine code cannot be checked, only trusted")]
    // SAFETY: it is what build.rs compiled, part of this program.
    unsafe {
        Module::deserialize(&engine, CODE)
    }
}

#[test]
fn the_image_imports_its_four_doors_and_nothing_else() {
    let module = load(&settings()).expect("the image loads");
    let mut imports: Vec<String> = module
        .imports()
        .map(|import| {
            let is_function = matches!(import.ty(), ExternType::Func(_));
            assert!(is_function, "{} is no function", import.name());
            format!("{}.{}", import.module(), import.name())
        })
        .collect();
    imports.sort_unstable();
    assert_eq!(imports, ["host.call", "host.end", "host.limit", "host.log"]);
}

#[test]
fn its_memory_is_its_own() {
    let module = load(&settings()).expect("the image loads");
    let memories: Vec<_> = module
        .exports()
        .filter_map(|export| export.ty().memory().cloned())
        .collect();
    let [memory] = &memories[..] else {
        panic!("one memory: {memories:?}")
    };
    // 32 bits: no address reaches beyond the guarded reservation. How far it grows, the store limits.
    assert!(!memory.is_64() && !memory.is_shared(), "{memory:?}");
}

/// Machine code without the checks does not load where they are asked for, nor the other way
/// round: that it loads with them says that every loop and function has them.
#[test]
fn every_loop_can_be_interrupted() {
    load(&settings()).expect("with them");
    let mut without = settings();
    without.epoch_interruption(false);
    let error = load(&without).expect_err("without them").to_string();
    assert!(error.contains("epoch"), "{error}");
}
