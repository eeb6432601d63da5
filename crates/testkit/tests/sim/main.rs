//! The simulation: the real engine on a database in memory, with played programs, a played API and
//! people who approve, deny, change arguments, say that a call happened, forget, answer twice, late
//! or two together, cancel, and change rules and tools; and a kill at any instant between two
//! writes. One seed is one course of events: it fails the same way again, anywhere. `cargo xtask sim`
//! runs it; as a test it plays ten thousand seeds.
//!
//! What must hold is in `judge.rs`. That it can fail is shown in
//! `docs/decisions/0020-simulation.md`. It times nothing and touches no network and no file.

#![expect(
    clippy::print_stdout,
    reason = "a test without the usual harness says itself what it found"
)]

mod clock;
mod judge;
mod life;
mod player;
mod random;
mod reviewers;
mod script;
mod upstream;
mod world;

use life::Ended;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use world::World;

/// Seeds of a run that names no number.
const SEEDS: u64 = 10_000;
/// How often a run says how far it is.
const SAY_EVERY: u64 = 500;
/// Seeds that are played twice, to see that they repeat themselves.
const TWICE: u64 = 40;
/// An engine that begins so often is not getting anywhere.
const LIVES_MAX: u32 = 200;
/// So often in a row the clock may find nobody to wake.
const BEATS_MAX: u64 = 1_000;

/// A course of events and what was wrong with it.
struct Played {
    seed: u64,
    wrong: Vec<String>,
    trace: Vec<String>,
    kills: u32,
    arrivals: usize,
}

fn main() -> ExitCode {
    let options = Options::read();
    if let Some(seed) = options.seed {
        // What the engine has to complain of stands among what happens.
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
            .without_time()
            .init();
        return report(&play(seed, Voice::Aloud));
    }
    if !options.wanted {
        return ExitCode::SUCCESS;
    }
    println!(
        "simulation: seeds {} to {}",
        options.from,
        options.from + options.seeds - 1
    );
    for seed in options.from..options.from + options.seeds.min(TWICE) {
        let (first, second) = (play(seed, Voice::Silent), play(seed, Voice::Silent));
        if first.trace != second.trace {
            let pairs = first.trace.iter().zip(&second.trace);
            let differs = pairs.take_while(|(a, b)| a == b).count();
            println!(
                "seed {seed} does not repeat itself at line {differs}:\n  {:?}\n  {:?}",
                first.trace.get(differs),
                second.trace.get(differs)
            );
            return ExitCode::FAILURE;
        }
    }
    play_all(options.from, options.seeds)
}

/// Plays seeds on every core, up to the first that fails.
fn play_all(from: u64, count: u64) -> ExitCode {
    let (next, failed) = (AtomicU64::new(from), AtomicBool::new(false));
    let (kills, arrivals) = (AtomicU64::new(0), AtomicU64::new(0));
    let worst: Mutex<Option<Played>> = Mutex::new(None);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count {
                        return;
                    }
                    if seed > from && (seed - from).is_multiple_of(SAY_EVERY) {
                        println!("simulation: {} seeds were begun", seed - from);
                    }
                    let played = play(seed, Voice::Silent);
                    kills.fetch_add(u64::from(played.kills), Ordering::Relaxed);
                    arrivals.fetch_add(played.arrivals as u64, Ordering::Relaxed);
                    if !played.wrong.is_empty() {
                        failed.store(true, Ordering::Relaxed);
                        *locked(&worst) = Some(played);
                    }
                }
            });
        }
    });
    let worst = locked(&worst).take();
    if let Some(played) = worst {
        println!("{}", played.trace.join("\n"));
        return report(&played);
    }
    println!(
        "simulation: {count} seeds, {} kills, {} requests: all is well",
        kills.into_inner(),
        arrivals.into_inner()
    );
    ExitCode::SUCCESS
}

fn report(played: &Played) -> ExitCode {
    if played.wrong.is_empty() {
        println!("seed {}: all is well", played.seed);
        return ExitCode::SUCCESS;
    }
    println!("\nseed {} is wrong:", played.seed);
    for what in &played.wrong {
        println!("  {what}");
    }
    println!(
        "play it again with `cargo xtask sim --seed {}`",
        played.seed
    );
    ExitCode::FAILURE
}

/// Whether the course of events is printed as it comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voice {
    Aloud,
    Silent,
}

fn play(seed: u64, voice: Voice) -> Played {
    engine::seed_entropy(seed);
    let world = World::new(seed);
    world.state().aloud = voice == Voice::Aloud;
    let mut wrong = Vec::new();
    let first = store::Store::inline(life::watcher(&world, 0));
    let store = first.expect("a database in memory opens");
    loop {
        let life = world.next_life();
        let ended = in_runtime(&world, || {
            let watched = store.inline_again(life::watcher(&world, life));
            let watched = watched.expect("it is used inline");
            life::live(world.clone(), watched, life)
        });
        match ended {
            Ended::Done => break,
            Ended::Killed | Ended::Stopped if life < LIVES_MAX => {}
            Ended::Killed | Ended::Stopped | Ended::Stuck => {
                wrong.push(format!("it does not come to an end: {ended:?}"));
                break;
            }
        }
    }
    world.state().furnished = false;
    let life = world.next_life();
    let judged = in_runtime(&world, || async {
        let quiet: store::Watcher = Arc::new(|_| Box::pin(async {}));
        let quiet = store.inline_again(quiet).expect("it is used inline");
        match life::start(&world, quiet.clone(), life).await {
            Ok(engine) => judge::judge(&world, &engine, &quiet).await,
            Err(error) => vec![format!("the engine does not start: {error}")],
        }
    });
    wrong.extend(judged);
    let mut state = world.state();
    wrong.append(&mut state.wrong);
    Played {
        seed,
        wrong,
        trace: std::mem::take(&mut state.trace),
        kills: state.kills,
        arrivals: state.arrivals.len(),
    }
}

/// One thread, and a clock that moves when it has nothing to do. Leaving it ends everything in it,
/// as a kill does.
fn in_runtime<F: Future>(world: &World, make: impl FnOnce() -> F) -> F::Output {
    let clock = world.clock().clone();
    let (pulse, beats) = (Arc::new(Mutex::new(None::<Waker>)), AtomicU64::new(0));
    let runtime = {
        let pulse = Arc::clone(&pulse);
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .on_thread_park(move || {
                if clock.advance() {
                    beats.store(0, Ordering::Relaxed);
                } else if beats.fetch_add(1, Ordering::Relaxed) > BEATS_MAX {
                    panic!("nobody waits for anything that time could bring");
                }
                if let Some(waker) = locked(&pulse).take() {
                    waker.wake();
                }
            })
            .build()
            .expect("a runtime")
    };
    // Whoever is woken may have nothing to do; then the thread would sleep, and real time would count.
    runtime.spawn(std::future::poll_fn(move |context| {
        *locked(&pulse) = Some(context.waker().clone());
        Poll::<()>::Pending
    }));
    let made = make();
    runtime.block_on(made)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the command line asks for. The words of the usual test harness are passed over.
struct Options {
    seed: Option<u64>,
    from: u64,
    seeds: u64,
    wanted: bool,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            seed: None,
            from: 0,
            seeds: SEEDS,
            wanted: true,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || {
                let next = words.next().and_then(|n| n.parse().ok());
                next.unwrap_or_else(|| panic!("{word} wants a number"))
            };
            match word.as_str() {
                "--seed" => options.seed = Some(number()),
                "--seeds" => options.seeds = number(),
                "--from" => options.from = number(),
                other if other.starts_with('-') => {}
                filter => options.wanted = "simulation".contains(filter),
            }
        }
        options
    }
}
