//! One program inside WebAssembly: the engine image, its four imports, its end.
//!
//! Runs in the worker only. Imports put frames into the worker's outbox; how a
//! turn ended is kept in [`State`] until its processor time is known. Limits
//! that the image reports (`host.limit`) and those it cannot know (memory of
//! the whole instance, native stack) end it by a trap, which no program catches.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

use wasmtime::{
    Caller, Config, Enabled, Engine, Extern, InstanceAllocationStrategy, InstancePre, Linker,
    Memory, Module, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder, Trap,
    TypedFunc, UpdateDeadline,
};

use super::lockdown::IMAGE_FD;
use super::outbox::Outbox;
use super::pages;
use super::settings::{WASM_STACK_BYTES, settings};
use super::wire::{Kind, PARAMS_BYTES};
use crate::limits::{MEMORY_BYTES_BESIDE, MEMORY_BYTES_CEILING};
use crate::session::FailureCode;

/// Programs one worker can hold at once.
pub(super) const SLOTS: u32 = 100;
/// Memories kept mapped for the next program; each costs about [`KEEP_RESIDENT_BYTES`].
const WARM_SLOTS: u32 = 2;
/// Reset by copying rather than by unmapping: above the image's own size a new
/// program pays no page faults (sandbox measurements: four times faster).
const KEEP_RESIDENT_BYTES: usize = 1280 << 10;

/// How a turn ended.
pub(super) enum End {
    /// Empty when none could be made.
    Snapshot {
        memory: Vec<u8>,
    },
    Waiting {
        pending: u32,
        next_timer: f64,
    },
    Done {
        json: Vec<u8>,
        was_undefined: bool,
    },
    Failed {
        code: FailureCode,
        json: Vec<u8>,
    },
}

/// What the imports of one instance work on.
pub(super) struct State {
    task: u32,
    outbox: Arc<Outbox>,
    end: Option<End>,
    memory: StoreLimits,
}

/// A trap raised by `host.limit`.
#[derive(Debug, thiserror::Error)]
#[error("a limit was passed")]
struct LimitPassed(FailureCode);

/// The engine with the image loaded, ready to make instances.
pub(super) struct Image {
    engine: Engine,
    ready: InstancePre<State>,
}

/// A program that lives.
pub(super) struct Guest {
    store: Store<State>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    start: TypedFunc<(u32, u32, u32), ()>,
    deliver: TypedFunc<(u32, u32, u32, u32, f64, f64), ()>,
    advance: TypedFunc<(f64, f64), ()>,
    rest: TypedFunc<(), ()>,
}

/// What a turn does.
pub(super) enum Turn {
    Start {
        params: [u8; PARAMS_BYTES],
        code: Vec<u8>,
    },
    Deliver {
        call: u32,
        ok: bool,
        now: f64,
        elapsed: f64,
        json: Vec<u8>,
    },
    Advance {
        now: f64,
        elapsed: f64,
    },
    /// The first turn of a program that goes on from a snapshot.
    Restore {
        memory: Vec<u8>,
    },
}

impl Image {
    /// Maps the machine code from [`IMAGE_FD`]. Before the filter: it maps executable pages.
    pub(super) fn load() -> wasmtime::Result<Image> {
        let engine = Engine::new(&worker_settings())?;
        // SAFETY (both): the host passes a sealed file holding what build.rs compiled,
        // under a descriptor that nothing else owns.
        #[expect(
            unsafe_code,
            reason = "machine code cannot be checked, only trusted: it is our own, from a sealed file"
        )]
        let module = unsafe {
            Module::deserialize_open_file(&engine, OwnedFd::from_raw_fd(IMAGE_FD).into())?
        };
        let mut linker = Linker::new(&engine);
        link(&mut linker)?;
        Ok(Image {
            ready: linker.instantiate_pre(&module)?,
            engine,
        })
    }

    /// The engine, whose epoch the ticker advances.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A new instance, as the image left it.
    pub(super) async fn instantiate(
        &self,
        task: u32,
        memory_bytes: u64,
        outbox: Arc<Outbox>,
    ) -> wasmtime::Result<Guest> {
        let cap = memory_bytes.min(MEMORY_BYTES_CEILING) + MEMORY_BYTES_BESIDE;
        let memory = StoreLimitsBuilder::new()
            .memory_size(usize::try_from(cap)?)
            .build();
        let mut store = Store::new(
            &self.engine,
            State {
                task,
                outbox,
                end: None,
                memory,
            },
        );
        store.limiter(|state| &mut state.memory);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store.set_epoch_deadline(1);
        let instance = self.ready.instantiate_async(&mut store).await?;
        Ok(Guest {
            memory: instance
                .get_memory(&mut store, "memory")
                .ok_or_else(|| wasmtime::Error::msg("the image has no memory"))?,
            alloc: instance.get_typed_func(&mut store, "alloc")?,
            start: instance.get_typed_func(&mut store, "start")?,
            deliver: instance.get_typed_func(&mut store, "deliver")?,
            advance: instance.get_typed_func(&mut store, "advance")?,
            rest: instance.get_typed_func(&mut store, "rest")?,
            store,
        })
    }
}

impl Guest {
    /// Runs one turn. It yields at every tick, so that the worker can look up.
    pub(super) async fn run(&mut self, turn: Turn) -> End {
        let outcome = match turn {
            Turn::Start { params, code } => self.begin(&params, &code).await,
            Turn::Deliver {
                call,
                ok,
                now,
                elapsed,
                json,
            } => self.answer(call, ok, now, elapsed, &json).await,
            Turn::Advance { now, elapsed } => {
                self.advance
                    .call_async(&mut self.store, (now, elapsed))
                    .await
            }
            Turn::Restore { memory } => self.restore(&memory).await,
        };
        match outcome {
            Ok(()) => self
                .store
                .data_mut()
                .end
                .take()
                .unwrap_or_else(|| internal("the engine ended a turn without saying how")),
            Err(error) => failed(&error),
        }
    }

    async fn begin(&mut self, params: &[u8], code: &[u8]) -> wasmtime::Result<()> {
        let code_at = self.put(code).await?;
        let params_at = self.put(params).await?;
        self.start
            .call_async(&mut self.store, (code_at, code.len() as u32, params_at))
            .await
    }

    async fn answer(
        &mut self,
        call: u32,
        ok: bool,
        now: f64,
        elapsed: f64,
        json: &[u8],
    ) -> wasmtime::Result<()> {
        let at = self.put(json).await?;
        self.deliver
            .call_async(
                &mut self.store,
                (call, u32::from(ok), at, json.len() as u32, now, elapsed),
            )
            .await
    }

    /// What this program's memory holds beyond the image; empty when that is too much to carry.
    /// Only between turns: then nothing of it lies on a stack.
    pub(super) async fn snapshot(&mut self, image: &Image) -> End {
        let outbox = self.store.data().outbox.clone();
        let memory = match image.instantiate(0, 0, outbox).await {
            Ok(fresh) => pages::pack(
                fresh.memory.data(&fresh.store),
                self.memory.data(&self.store),
            ),
            // Every place is taken: the task is rebuilt from its journal instead.
            Err(_) => None,
        };
        End::Snapshot {
            memory: memory.unwrap_or_default(),
        }
    }

    async fn restore(&mut self, packed: &[u8]) -> wasmtime::Result<()> {
        let unfit = || wasmtime::Error::msg("the snapshot does not fit this engine");
        let pages = pages::unpack(packed).ok_or_else(unfit)?;
        let have = self.memory.data_size(&self.store);
        let more = pages.memory_bytes.saturating_sub(have) as u64;
        self.memory
            .grow_async(
                &mut self.store,
                more.div_ceil(pages::WASM_PAGE_BYTES as u64),
            )
            .await?;
        pages
            .lay_over(self.memory.data_mut(&mut self.store))
            .ok_or_else(unfit)?;
        self.rest.call_async(&mut self.store, ()).await
    }

    async fn put(&mut self, bytes: &[u8]) -> wasmtime::Result<u32> {
        let at = self
            .alloc
            .call_async(&mut self.store, bytes.len() as u32)
            .await?;
        self.memory.write(&mut self.store, at as usize, bytes)?;
        Ok(at)
    }
}

fn worker_settings() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(SLOTS)
        .total_memories(SLOTS)
        .total_tables(SLOTS)
        .total_stacks(SLOTS)
        .max_memory_size((MEMORY_BYTES_CEILING + MEMORY_BYTES_BESIDE) as usize)
        .table_elements(10_000)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        // It would need a system call that the filter kills.
        .pagemap_scan(Enabled::No);
    let mut config = settings();
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(WASM_STACK_BYTES + (512 << 10));
    config.async_stack_zeroing(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn failed(error: &wasmtime::Error) -> End {
    let code = match (
        error.downcast_ref::<LimitPassed>(),
        error.downcast_ref::<Trap>(),
    ) {
        (Some(LimitPassed(code)), _) => *code,
        (None, Some(Trap::StackOverflow)) => FailureCode::StackLimit,
        (None, _) => return internal(&error.root_cause().to_string()),
    };
    End::Failed {
        code,
        json: b"{}".to_vec(),
    }
}

/// A fault of the engine, not of the program.
pub(super) fn internal(what: &str) -> End {
    End::Failed {
        code: FailureCode::Internal,
        json: serde_json::json!({ "message": what })
            .to_string()
            .into_bytes(),
    }
}

/// Copies text out of the guest's memory.
fn text(caller: &mut Caller<'_, State>, at: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or(Trap::MemoryOutOfBounds)?;
    let end = at.checked_add(length).ok_or(Trap::MemoryOutOfBounds)?;
    let bytes = memory
        .data(&*caller)
        .get(at as usize..end as usize)
        .ok_or(Trap::MemoryOutOfBounds)?;
    Ok(bytes.to_vec())
}

fn send(caller: &Caller<'_, State>, kind: Kind, flags: u8, call: u32, parts: &[&[u8]]) {
    let state = caller.data();
    state.outbox.push(kind, flags, (state.task, call), parts);
}

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_output(linker)?;
    link_ends(linker)
}

fn link_output(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "host",
        "call",
        |mut caller: Caller<'_, State>,
         seq: u32,
         line: u32,
         column: u32,
         path_at: u32,
         path_len: u32,
         arguments_at: u32,
         arguments_len: u32,
         options_at: u32,
         options_len: u32| {
            let path = text(&mut caller, path_at, path_len)?;
            let arguments = text(&mut caller, arguments_at, arguments_len)?;
            let options = text(&mut caller, options_at, options_len)?;
            let head: Vec<u8> = [line, column, path_len, arguments_len]
                .into_iter()
                .flat_map(u32::to_le_bytes)
                .collect();
            send(
                &caller,
                Kind::Call,
                0,
                seq,
                &[&head, &path, &arguments, &options],
            );
            wasmtime::Result::Ok(())
        },
    )?;
    linker.func_wrap(
        "host",
        "log",
        |mut caller: Caller<'_, State>, level: u32, at: u32, length: u32| {
            let line = text(&mut caller, at, length)?;
            send(&caller, Kind::Log, level as u8, 0, &[&line]);
            wasmtime::Result::Ok(())
        },
    )?;
    Ok(())
}

fn link_ends(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "host",
        "end",
        |mut caller: Caller<'_, State>,
         how: u32,
         pending: u32,
         next_timer: f64,
         at: u32,
         length: u32| {
            let json = text(&mut caller, at, length)?;
            caller.data_mut().end = Some(match how {
                0 => End::Waiting {
                    pending,
                    next_timer,
                },
                1 | 2 => End::Done {
                    json,
                    was_undefined: how == 2,
                },
                3 => End::Failed {
                    code: FailureCode::Thrown,
                    json,
                },
                4 => End::Failed {
                    code: FailureCode::NeverSettles,
                    json,
                },
                _ => internal("the engine ended a turn in an unknown way"),
            });
            wasmtime::Result::Ok(())
        },
    )?;
    linker.func_wrap("host", "limit", |kind: u32| -> wasmtime::Result<()> {
        Err(LimitPassed(match kind {
            1 => FailureCode::MemoryLimit,
            2 => FailureCode::LogLimit,
            3 => FailureCode::ResultLimit,
            _ => FailureCode::Internal,
        })
        .into())
    })?;
    Ok(())
}
