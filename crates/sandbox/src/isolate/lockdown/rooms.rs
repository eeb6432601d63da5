//! What a worker sees: namespaces of its own and an empty root.

use std::io::ErrorKind;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

/// Each with its name under `/proc/self/ns`. One for process ids is not among them:
/// it holds for children only, and a second process per worker costs more than it gives.
const ROOMS: [(&str, UnshareFlags); 5] = [
    ("mnt", UnshareFlags::NEWNS),
    ("net", UnshareFlags::NEWNET),
    ("ipc", UnshareFlags::NEWIPC),
    ("uts", UnshareFlags::NEWUTS),
    ("cgroup", UnshareFlags::NEWCGROUP),
];
/// Without these the layer is worth nothing.
const NEEDED: [&str; 2] = ["mnt", "net"];

/// Enters namespaces of its own, as many as this machine gives, and compares them with the old.
pub(super) fn enter() -> Result<String, String> {
    let before = ROOMS.map(|(name, _)| seen(name));
    let user_before = seen("user");
    // It gives the right to the others. A root without it may have that right anyway.
    let user = unshare(UnshareFlags::NEWUSER);
    let mut entered = Vec::new();
    if user.is_ok() && seen("user") != user_before {
        entered.push("user");
    }
    let mut refused = user.err();
    for ((name, flag), before) in ROOMS.into_iter().zip(before) {
        match unshare(flag) {
            Ok(()) if before.is_some() && seen(name) != before => entered.push(name),
            Ok(()) => {
                refused = Some(format!(
                    "{name}: /proc does not show whether it was entered"
                ))
            }
            Err(why) => refused = Some(format!("{name}: {why}")),
        }
    }
    if NEEDED.iter().all(|needed| entered.contains(needed)) {
        return Ok(format!(
            "no network, no view of other processes' objects ({})",
            entered.join(", ")
        ));
    }
    Err(refused.unwrap_or_else(|| "they could not be entered".into()))
}

/// What identifies the namespace this process is in.
fn seen(name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/self/ns/{name}")).ok()
}

fn unshare(flags: UnshareFlags) -> Result<(), String> {
    // SAFETY: the hazard is a file table or file system view shared between threads
    // that then differ; there is one thread, and no such flag is given.
    #[expect(unsafe_code, reason = "unshare has no safe form that covers all flags")]
    let outcome = unsafe { rustix::thread::unshare_unsafe(flags) };
    outcome.map_err(|e| e.to_string())
}

/// Replaces the root by an empty, read-only folder in memory, and looks into it.
pub(super) fn empty_root() -> Result<String, String> {
    replace_root().map_err(|e| e.to_string())?;
    let mut entries = std::fs::read_dir("/").map_err(|e| e.to_string())?;
    if let Some(entry) = entries.next() {
        return Err(format!("something is in it: {entry:?}"));
    }
    match std::fs::create_dir("/new") {
        Err(e) if e.kind() == ErrorKind::ReadOnlyFilesystem => {
            Ok("the file system is one empty folder".into())
        }
        found => Err(format!("it can be written to: {found:?}")),
    }
}

fn replace_root() -> rustix::io::Result<()> {
    let at = ["/tmp", "/mnt", "/proc", "/dev"]
        .into_iter()
        .find(|p| std::path::Path::new(p).is_dir())
        .unwrap_or("/");
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    rustix::mount::mount(
        "none",
        at,
        "tmpfs",
        MountFlags::RDONLY | MountFlags::NOEXEC | MountFlags::NOSUID | MountFlags::NODEV,
        c"size=4k",
    )?;
    rustix::process::chdir(at)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}
