//! Frames on their way to the host, never many at once.
//!
//! Small frames of one round are sent together. What exceeds a bound is sent at
//! once, and the worker waits until its host has taken it: a program cannot fill
//! memory with what it says.

use std::sync::{Mutex, PoisonError};

use rustix::net::SendFlags;

use super::lockdown;
use super::wire::{Frame, Kind};

/// Bytes that may wait for the end of a round.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// Room kept for the next round.
const KEPT_BYTES: usize = 64 << 10;

/// A host that is gone is an error, not a signal. Where the flag is not known, the
/// standard library has ignored the signal already.
#[cfg(target_os = "linux")]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(target_os = "linux"))]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// What the worker has to say.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Vec<u8>>);

impl Outbox {
    /// Adds a frame whose body is `parts`, one after the other.
    pub(super) fn push(&self, kind: Kind, flags: u8, address: (u32, u32), parts: &[&[u8]]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Frame::write(&mut waiting, kind, flags, address, parts);
        if waiting.len() > WAITING_BYTES_MAX {
            // A host that is gone is noticed by the next `flush`.
            let _ = send(&mut waiting);
        }
    }

    /// Sends everything.
    ///
    /// # Errors
    /// When the host's end of the socket is closed.
    pub(super) fn flush(&self) -> rustix::io::Result<()> {
        send(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn send(waiting: &mut Vec<u8>) -> rustix::io::Result<()> {
    let mut sent = 0;
    while sent < waiting.len() {
        match rustix::net::send(lockdown::socket(), &waiting[sent..], NO_SIGNAL) {
            Ok(more) => sent += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    waiting.clear();
    waiting.shrink_to(KEPT_BYTES);
    Ok(())
}
