//! The worker's second thread: it says when a program's slice is over.
//!
//! It does nothing else, and filters itself before it begins. While no program
//! runs it sleeps, so that an idle worker costs no processor time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::Engine;

use super::lockdown;

/// How long a program runs before the worker looks up.
const TICK: Duration = Duration::from_millis(2);
/// Ticks without work after which the ticker sleeps until called.
const IDLE_TICKS: u32 = 50;

/// Advances the engine's epoch while there is work, and sleeps while there is none.
pub(super) struct Ticker {
    worked: AtomicBool,
    asleep: AtomicBool,
    /// 0 not yet, 1 the filter holds on the ticker's thread, 2 it does not.
    filter: AtomicU32,
    thread: OnceLock<std::thread::Thread>,
}

impl Ticker {
    /// Starts the thread; it filters itself before it does anything else.
    pub(super) fn start(engine: Engine) -> std::io::Result<Arc<Ticker>> {
        let ticker = Arc::new(Ticker {
            worked: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            filter: AtomicU32::new(0),
            thread: OnceLock::new(),
        });
        let own = ticker.clone();
        // 64 KiB: it calls nothing deep.
        let handle = std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || own.run(&engine))?;
        let _ = ticker.thread.set(handle.thread().clone());
        Ok(ticker)
    }

    /// Waits until the ticker's thread has its own filter.
    pub(super) fn filtered(&self) -> Result<(), String> {
        loop {
            match self.filter.load(Ordering::Acquire) {
                0 => std::thread::sleep(Duration::from_micros(50)),
                1 => return Ok(()),
                _ => return Err("the time-keeping thread could not be filtered".into()),
            }
        }
    }

    fn run(&self, engine: &Engine) {
        let outcome = lockdown::filter();
        self.filter
            .store(if outcome.is_ok() { 1 } else { 2 }, Ordering::Release);
        let mut idle = 0;
        loop {
            std::thread::sleep(TICK);
            engine.increment_epoch();
            idle = if self.worked.swap(false, Ordering::SeqCst) {
                0
            } else {
                idle + 1
            };
            if idle > IDLE_TICKS {
                self.asleep.store(true, Ordering::SeqCst);
                // Work that began in this very moment saw us awake and will not call.
                while self.asleep.load(Ordering::SeqCst) && !self.worked.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
        }
    }

    /// Before each slice: without ticks, a program that loops would never be looked at again.
    pub(super) fn busy(&self) {
        self.worked.store(true, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}
