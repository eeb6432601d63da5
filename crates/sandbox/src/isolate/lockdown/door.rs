//! What a worker holds: two descriptors, no environment, bounded everything else.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

use super::Layer;

/// The socket to the host.
pub(super) const SOCKET_FD: i32 = 0;
/// The file that holds the machine code and the memory image; sealed, never written.
pub(in super::super) const IMAGE_FD: i32 = 1;

/// All writable memory of one worker, whatever its programs ask for. Address space
/// is no measure: 100 places of 4 GiB each are reserved and never touched.
const DATA_BYTES_MAX: u64 = 4 << 30;

/// Descriptors are looked for beyond what a process opens by itself; the limit comes afterwards.
const LOOK_UP_TO: i32 = 256;

/// Nothing new beside what is held. Memory is bounded, the rest is nothing at all.
const LIMITS: [(Resource, u64); 5] = [
    (Resource::Nofile, 0),
    (Resource::Nproc, 0),
    (Resource::Fsize, 0),
    (Resource::Core, 0),
    (Resource::Data, DATA_BYTES_MAX),
];

/// Whether the host gave an empty environment: it is where servers keep their secrets.
pub(super) fn no_environment() -> Result<String, String> {
    match std::env::vars_os().count() {
        0 => Ok("no variable of the server's reaches it".into()),
        some => Err(format!("{some} variables were handed over")),
    }
}

/// Closes descriptors and sets limits. After every thread is started and all code mapped.
pub(in super::super) fn close_the_door() -> [Layer; 2] {
    [
        Layer::found("descriptors", close_descriptors()),
        Layer::found("limits", set_limits()),
    ]
}

fn close_descriptors() -> Result<String, String> {
    // Descriptor 2 was only for the time before; the image's stays for new memories.
    close_from(2).map_err(|e| e.to_string())?;
    if let Some(open) = (2..LOOK_UP_TO).find(|fd| is_open(*fd)) {
        return Err(format!("descriptor {open} is still open"));
    }
    image_is_fixed()?;
    Ok("one socket, and the engine's code as a file that nobody can write".into())
}

#[cfg(target_os = "linux")]
fn image_is_fixed() -> Result<(), String> {
    use rustix::fs::SealFlags;
    let seals = rustix::fs::fcntl_get_seals(borrow(IMAGE_FD)).map_err(|e| e.to_string())?;
    if seals.contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW) {
        Ok(())
    } else {
        Err("the engine's file can be written".into())
    }
}

/// The file has no name any more; what is left is how it was opened.
#[cfg(not(target_os = "linux"))]
fn image_is_fixed() -> Result<(), String> {
    use rustix::fs::OFlags;
    let flags = rustix::fs::fcntl_getfl(borrow(IMAGE_FD)).map_err(|e| e.to_string())?;
    if flags.intersects(OFlags::WRONLY | OFlags::RDWR) {
        Err("the engine's file can be written".into())
    } else {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn close_from(first: i32) -> std::io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor from `first` up that it will use or close again.
    #[expect(
        unsafe_code,
        reason = "close_range has no safe form: it closes descriptors whoever owns them"
    )]
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
fn close_from(first: i32) -> std::io::Result<()> {
    for fd in first..LOOK_UP_TO {
        // SAFETY: nothing in this process owns a descriptor from `first` up that it will use or close again.
        #[expect(
            unsafe_code,
            reason = "descriptors from whoever started the process have no owner object"
        )]
        unsafe {
            // Most are not open, which is what is wanted.
            let _ = libc::close(fd);
        }
    }
    Ok(())
}

fn is_open(fd: i32) -> bool {
    rustix::io::fcntl_getfd(borrow(fd)) != Err(Errno::BADF)
}

fn set_limits() -> Result<String, String> {
    for (resource, max) in LIMITS {
        let both = Rlimit {
            current: Some(max),
            maximum: Some(max),
        };
        rustix::process::setrlimit(resource, both).map_err(|e| format!("{resource:?}: {e}"))?;
        if rustix::process::getrlimit(resource) != both {
            return Err(format!("{resource:?} was not taken"));
        }
    }
    Ok(format!(
        "no new file, process or core dump; at most {} GiB of memory",
        DATA_BYTES_MAX >> 30
    ))
}

/// The socket, borrowed for the life of the worker.
pub(in super::super) fn socket() -> BorrowedFd<'static> {
    borrow(SOCKET_FD)
}

fn borrow(fd: i32) -> BorrowedFd<'static> {
    // SAFETY: what the host hands over is never closed; of any other number only
    // whether it is open is asked.
    #[expect(
        unsafe_code,
        reason = "descriptors from the host have no owner object; they live as long as the process"
    )]
    unsafe {
        BorrowedFd::borrow_raw(fd)
    }
}
