//! The worker process: one thread that runs programs, one that keeps time.
//!
//! It trusts its host and nothing it runs. Programs take turns at every tick,
//! so that a busy one does not hold up its neighbours, and between slices the
//! socket is looked at, so that a busy one can be canceled. All memory of a
//! program is gone before its `Gone` is sent. It ends when the host's end of
//! the socket closes.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::guest::{End, Guest, Image, Turn, internal};
use super::lockdown;
use super::outbox::Outbox;
use super::ticker::Ticker;
use super::wire::{Body, Frame, Kind, PARAMS_BYTES, WIRE_VERSION};
use crate::session::FailureCode;
use rustix::net::RecvFlags;
use rustix::time::ClockId;

/// Bytes read from the socket at one time.
const READ_BYTES: usize = 64 << 10;

/// A turn under way. The guest comes back with its end, unless it could not be made.
type Running = Pin<Box<dyn Future<Output = (Option<Box<Guest>>, End)>>>;

/// A program and the turn it is in, if any.
enum Place {
    /// Between turns.
    Resting(Box<Guest>),
    /// Inside one.
    Running(Running),
    /// Ended; only its number is left.
    Over,
}

struct Task {
    place: Place,
    compute_used: Duration,
    compute_limit: Duration,
}

struct Worker {
    image: Arc<Image>,
    ticker: Arc<Ticker>,
    tasks: BTreeMap<u32, Task>,
    outbox: Arc<Outbox>,
    inbox: Vec<u8>,
}

/// The body of `executor sandbox-worker`. Never returns; the process must have one thread.
///
/// Descriptor 0 is the socket to the host, descriptor 1 the engine's code.
pub fn worker_main() -> ! {
    let code = match serve() {
        Ok(()) => 0,
        // Nobody reads a worker's output; the host sees the socket close and the exit code.
        Err(_) => 70,
    };
    std::process::exit(code)
}

fn serve() -> wasmtime::Result<()> {
    let mut layers = lockdown::confine();
    let image = Arc::new(Image::load()?);
    // What is found out once per process is found out now: the clock's address
    // takes a system call that the filter would kill.
    processor_time();
    let ticker = Ticker::start(image.engine().clone())?;
    layers.extend(lockdown::close_the_door());
    layers.push(lockdown::seccomp_layer(
        ticker.filtered().and_then(|()| lockdown::filter()),
    ));

    // Never dropped: to close the engine's file is a system call that the filter kills.
    let mut worker = ManuallyDrop::new(Worker {
        image,
        ticker,
        tasks: BTreeMap::new(),
        outbox: Arc::default(),
        inbox: Vec::new(),
    });
    let hello = serde_json::to_vec(&layers)?;
    let version = WIRE_VERSION;
    worker.outbox.push(Kind::Hello, version, (0, 0), &[&hello]);
    worker.run()
}

impl Worker {
    fn run(&mut self) -> wasmtime::Result<()> {
        loop {
            self.outbox.flush()?;
            let busy = self
                .tasks
                .values()
                .any(|task| matches!(task.place, Place::Running(_)));
            if !self.receive(busy)? {
                return Ok(());
            }
            self.obey()?;
            let running: Vec<u32> = self
                .tasks
                .iter()
                .filter(|(_, task)| matches!(task.place, Place::Running(_)))
                .map(|(number, _)| *number)
                .collect();
            for number in running {
                self.slice(number);
            }
        }
    }

    /// Reads what has come; waits for something when not busy. False when the host is gone.
    fn receive(&mut self, busy: bool) -> wasmtime::Result<bool> {
        let flags = if busy {
            RecvFlags::DONTWAIT
        } else {
            RecvFlags::empty()
        };
        let length = self.inbox.len();
        self.inbox.resize(length + READ_BYTES, 0);
        let received = rustix::net::recv(lockdown::socket(), &mut self.inbox[length..], flags);
        let (read, alive) = match received {
            Ok((0, _)) => (0, false),
            Ok((read, _)) => (read, true),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => (0, true),
            Err(error) => return Err(error.into()),
        };
        self.inbox.truncate(length + read);
        Ok(alive)
    }

    /// Does what the complete frames of the inbox ask.
    fn obey(&mut self) -> wasmtime::Result<()> {
        let inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        while let Some((frame, used)) = Frame::split(&inbox[at..]).map_err(wasmtime::Error::msg)? {
            self.command(&frame)
                .ok_or_else(|| wasmtime::Error::msg("the host sent a frame that makes no sense"))?;
            at += used;
        }
        self.inbox = inbox;
        self.inbox.drain(..at);
        self.inbox.shrink_to(READ_BYTES);
        Ok(())
    }

    fn command(&mut self, frame: &Frame<'_>) -> Option<()> {
        let mut body = Body(frame.body);
        match frame.kind {
            Kind::Start => {
                let params: [u8; PARAMS_BYTES] = body.bytes(PARAMS_BYTES)?.try_into().ok()?;
                let compute_limit = Duration::from_millis(body.u64()?);
                let compute_used = Duration::from_millis(body.u64()?);
                let memory_bytes = u64::from(memory_bytes(&params));
                let rest = body.0.to_vec();
                let turn = if frame.flags == 1 {
                    Turn::Restore { memory: rest }
                } else {
                    Turn::Start { params, code: rest }
                };
                let place = self.new_program(frame.task, memory_bytes, turn);
                self.tasks.insert(
                    frame.task,
                    Task {
                        place,
                        compute_used,
                        compute_limit,
                    },
                );
            }
            Kind::Deliver => {
                let turn = Turn::Deliver {
                    call: frame.call,
                    ok: frame.flags == 1,
                    now: body.f64()?,
                    elapsed: body.f64()?,
                    json: body.0.to_vec(),
                };
                self.resume(frame.task, |mut guest| async move {
                    let end = guest.run(turn).await;
                    (Some(guest), end)
                })?;
            }
            Kind::Advance => {
                let (now, elapsed) = (body.f64()?, body.f64()?);
                self.resume(frame.task, move |mut guest| async move {
                    let end = guest.run(Turn::Advance { now, elapsed }).await;
                    (Some(guest), end)
                })?;
            }
            Kind::Snapshot => {
                let image = self.image.clone();
                self.resume(frame.task, |mut guest| async move {
                    let end = guest.snapshot(&image).await;
                    (Some(guest), end)
                })?;
            }
            Kind::Cancel => {
                self.tasks.remove(&frame.task);
                self.outbox.push(Kind::Gone, 0, (frame.task, 0), &[]);
            }
            Kind::Ping => self.outbox.push(Kind::Pong, 0, (0, 0), &[]),
            Kind::Hello
            | Kind::Call
            | Kind::Log
            | Kind::TurnEnd
            | Kind::Done
            | Kind::Failed
            | Kind::Gone
            | Kind::Pong
            | Kind::Memory => return None,
        }
        Some(())
    }

    fn new_program(&self, number: u32, memory_bytes: u64, turn: Turn) -> Place {
        let (image, outbox) = (self.image.clone(), self.outbox.clone());
        Place::Running(Box::pin(async move {
            match image.instantiate(number, memory_bytes, outbox).await {
                Ok(guest) => {
                    let mut guest = Box::new(guest);
                    let end = guest.run(turn).await;
                    (Some(guest), end)
                }
                Err(error) => (
                    None,
                    internal(&format!("no instance could be made: {error}")),
                ),
            }
        }))
    }

    fn resume<T>(&mut self, number: u32, turn: impl FnOnce(Box<Guest>) -> T) -> Option<()>
    where
        T: Future<Output = (Option<Box<Guest>>, End)> + 'static,
    {
        let task = self.tasks.get_mut(&number)?;
        match std::mem::replace(&mut task.place, Place::Over) {
            Place::Resting(guest) => {
                task.place = Place::Running(Box::pin(turn(guest)));
                Some(())
            }
            // The host sends one command at a time.
            Place::Running(_) => None,
            // It ended in the same moment; its end is on the way.
            Place::Over => Some(()),
        }
    }

    /// Runs a task until its turn ends or the next tick.
    fn slice(&mut self, number: u32) {
        let Some(task) = self.tasks.get_mut(&number) else {
            return;
        };
        let Place::Running(turn) = &mut task.place else {
            return;
        };
        self.ticker.busy();
        let before = processor_time();
        let polled = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        task.compute_used += processor_time().saturating_sub(before);
        let end = match polled {
            Poll::Ready((guest, end)) => {
                task.place = guest.map_or(Place::Over, Place::Resting);
                end
            }
            Poll::Pending if task.compute_used > task.compute_limit => End::Failed {
                code: FailureCode::ComputeLimit,
                json: b"{}".to_vec(),
            },
            Poll::Pending => return,
        };
        let used = u64::try_from(task.compute_used.as_millis())
            .unwrap_or(u64::MAX)
            .to_le_bytes();
        match end {
            End::Snapshot { memory } => {
                self.outbox.push(Kind::Memory, 0, (number, 0), &[&memory]);
            }
            End::Waiting {
                pending,
                next_timer,
            } => self.outbox.push(
                Kind::TurnEnd,
                0,
                (number, pending),
                &[&used, &next_timer.to_le_bytes()],
            ),
            End::Done {
                json,
                was_undefined,
            } => {
                self.outbox.push(
                    Kind::Done,
                    u8::from(was_undefined),
                    (number, 0),
                    &[&used, &json],
                );
                self.over(number);
            }
            End::Failed { code, json } => {
                self.outbox
                    .push(Kind::Failed, code as u8, (number, 0), &[&used, &json]);
                self.over(number);
            }
        }
    }

    /// Frees the instance; its number stays until the host cancels it.
    fn over(&mut self, number: u32) {
        if let Some(task) = self.tasks.get_mut(&number) {
            task.place = Place::Over;
        }
    }
}

/// `memory_bytes` of `struct params`: after the seed and two clocks.
fn memory_bytes(params: &[u8; PARAMS_BYTES]) -> u32 {
    Body(&params[48..]).u32().unwrap_or(0)
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
