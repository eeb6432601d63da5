//! Takes away everything a worker does not need, before the first user byte.
//!
//! Two steps: [`confine`] while the process has one thread, [`filter`] on each
//! thread once all exist and all code is loaded. Each layer is tried and
//! reported; what this machine does not offer is said, not hidden. Seccomp is
//! the wall; the others are for the case of a mistake in it. Judging the report
//! is the host's part (`pool.rs`).

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde::{Deserialize, Serialize};

/// The socket to the host.
pub(super) const SOCKET_FD: i32 = 0;
/// The file that holds the machine code and the memory image; sealed, never written.
pub(super) const IMAGE_FD: i32 = 1;

/// All writable memory of one worker, whatever its programs ask for.
const DATA_BYTES_MAX: u64 = 4 << 30;

/// One protection of a worker, as found when it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Short name, as `doctor` shows it.
    pub name: String,
    /// Whether it holds.
    pub active: bool,
    /// Whether programs are refused without it.
    pub required: bool,
    /// What it does, or why it does not hold.
    pub detail: String,
}

impl Layer {
    fn new(name: &str, does: &str, outcome: Result<(), String>) -> Layer {
        let required = name == "seccomp";
        match outcome {
            Ok(()) => Layer {
                name: name.into(),
                active: true,
                required,
                detail: does.into(),
            },
            Err(why) => Layer {
                name: name.into(),
                active: false,
                required,
                detail: format!("not active: {why}"),
            },
        }
    }
}

/// Everything this process can give up, in the order that works. For a process
/// with one thread; a test hook, since workers start a thread between the steps.
pub fn lock_down() -> Vec<Layer> {
    let mut layers = confine();
    layers.push(close_the_door());
    layers.push(seccomp_layer(filter()));
    layers
}

/// Every layer but the last. The caller must be single-threaded.
pub(super) fn confine() -> Vec<Layer> {
    let plain = |r: rustix::io::Result<()>| r.map_err(|e| e.to_string());
    let namespaces = enter_namespaces();
    let root = match &namespaces {
        Ok(()) => plain(empty_root()),
        Err(_) => Err("needs namespaces".into()),
    };
    vec![
        Layer::new(
            "no_new_privs",
            "no program can raise its rights",
            plain(rustix::thread::set_no_new_privs(true)),
        ),
        Layer::new(
            "not_dumpable",
            "other processes of this user cannot read the worker's memory",
            plain(rustix::process::set_dumpable_behavior(
                DumpableBehavior::NotDumpable,
            )),
        ),
        Layer::new(
            "namespaces",
            "no network, no view of other processes' objects",
            plain(namespaces),
        ),
        Layer::new("empty_root", "the file system is an empty folder", root),
        Layer::new(
            "landlock",
            "no file, no TCP port, no foreign socket or signal",
            landlock_nothing(),
        ),
        Layer::new(
            "capabilities",
            "no privilege is left, even as root",
            plain(drop_capabilities()),
        ),
    ]
}

/// Closes descriptors and sets limits. After every thread is started and all code mapped.
pub(super) fn close_the_door() -> Layer {
    // Descriptor 2 was only for the time before; the image's stays for new memories.
    let closed = close_from(2);
    let limits = [
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Data, DATA_BYTES_MAX),
    ]
    .into_iter()
    .try_for_each(|(resource, max)| {
        rustix::process::setrlimit(
            resource,
            Rlimit {
                current: Some(max),
                maximum: Some(max),
            },
        )
    });
    let outcome = closed.and_then(|()| limits.map_err(io::Error::from));
    Layer::new(
        "limits",
        "no new file, process or core dump; memory bounded; all descriptors closed but one socket",
        outcome.map_err(|e| e.to_string()),
    )
}

/// The layer for what [`filter`] returned.
pub(super) fn seccomp_layer(outcome: Result<(), String>) -> Layer {
    Layer::new(
        "seccomp",
        "any system call beyond memory, clock and one socket kills the worker",
        outcome,
    )
}

fn enter_namespaces() -> rustix::io::Result<()> {
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP
        | UnshareFlags::NEWNET;
    // SAFETY: the hazard is a file table or file system view shared between threads
    // that then differ; there is one thread, and no such flag is given.
    #[expect(unsafe_code, reason = "unshare has no safe form that covers all flags")]
    unsafe {
        rustix::thread::unshare_unsafe(flags)
    }
}

/// Replaces the root by an empty, read-only folder in memory.
fn empty_root() -> rustix::io::Result<()> {
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

fn landlock_nothing() -> Result<(), String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
        RulesetStatus, Scope,
    };
    // What the kernel does not know yet is left out; the status says so.
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|r| r.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|r| r.scope(Scope::from_all(ABI::V6)))
        .and_then(|r| r.create())
        .and_then(|r| r.restrict_self())
        .map_err(|e| e.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock".into()),
    }
}

fn drop_capabilities() -> rustix::io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        // Refused where the process has none to begin with; the sets below decide.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )
}

fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor from `first` up that it will use or close again.
    #[expect(
        unsafe_code,
        reason = "close_range has no safe form: it closes descriptors whoever owns them"
    )]
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the calling thread make only the system calls a worker needs; any other kills the process.
///
/// # Errors
/// The kernel's or the filter's reason, when it could not be put in place.
pub(super) fn filter() -> Result<(), String> {
    let program = allow_list().map_err(|e| e.to_string())?;
    seccompiler::apply_filter(&program).map_err(|e| e.to_string())
}

fn allow_list() -> Result<BpfProgram, seccompiler::BackendError> {
    let argument = |index: u8, op: SeccompCmpOp, value: u64| {
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, value)
    };
    let on_socket = || -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        Ok(vec![SeccompRule::new(vec![argument(
            0,
            SeccompCmpOp::Eq,
            SOCKET_FD as u64,
        )?])?])
    };
    let executable = libc::PROT_EXEC as u64;
    let not_executable = || argument(2, SeccompCmpOp::MaskedEq(executable), 0);
    let of_file = |fd: i32| argument(4, SeccompCmpOp::Eq, u64::from(fd as u32));

    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in [
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_restart_syscall,
        libc::SYS_sched_yield,
        libc::SYS_getrandom,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ] {
        rules.insert(call, Vec::new());
    }
    rules.insert(libc::SYS_recvfrom, on_socket()?);
    rules.insert(libc::SYS_sendto, on_socket()?);
    // Machine code is mapped before the filter: nothing executable is ever needed again.
    rules.insert(
        libc::SYS_mprotect,
        vec![SeccompRule::new(vec![not_executable()?])?],
    );
    rules.insert(
        libc::SYS_mmap,
        vec![
            SeccompRule::new(vec![not_executable()?, of_file(-1)?])?,
            SeccompRule::new(vec![not_executable()?, of_file(IMAGE_FD)?])?,
        ],
    );
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        arch,
    )?
    .try_into()
}

/// The socket, borrowed for the life of the worker.
pub(super) fn socket() -> BorrowedFd<'static> {
    // SAFETY: the host hands the worker this descriptor, and nothing ever closes it.
    #[expect(
        unsafe_code,
        reason = "descriptor 0 has no owner object; it lives as long as the process"
    )]
    unsafe {
        BorrowedFd::borrow_raw(SOCKET_FD)
    }
}
