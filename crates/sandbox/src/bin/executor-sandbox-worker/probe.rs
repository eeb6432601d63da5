//! Attempts of native code inside a locked-down worker (attack S14).
//!
//! Each stands for what an attacker who broke both QuickJS and WebAssembly
//! could try. A refused attempt never returns: the kernel kills the process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Exit code of an attempt that the kernel let through.
const LET_THROUGH: i32 = 42;

/// Locks down, makes one attempt, and exits: 42 when it was let through, 0 for the control.
#[expect(clippy::too_many_lines, reason = "a table of attempts")]
pub(crate) fn attempt(name: &str) -> ! {
    let layers = sandbox::lock_down();
    if layers.iter().any(|layer| layer.required && !layer.active) {
        std::process::exit(70);
    }
    let zero = std::ptr::null::<u8>();
    let path = c"/etc/passwd".as_ptr();
    // SAFETY: raw system calls with arguments that are valid or null; none returns
    // anything this process goes on to use.
    #[expect(unsafe_code, reason = "the probe plays native code, which asks nobody")]
    unsafe {
        match name {
            "control" => {
                let memory = libc::mmap(
                    std::ptr::null_mut(),
                    4096,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                );
                libc::exit(if memory == libc::MAP_FAILED { 1 } else { 0 })
            }
            "open" => libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, libc::O_RDONLY),
            "parent-memory" => libc::syscall(
                libc::SYS_process_vm_readv,
                libc::getppid(),
                zero,
                0,
                zero,
                0,
                0,
            ),
            "ptrace" => libc::syscall(libc::SYS_ptrace, libc::PTRACE_ATTACH, libc::getppid(), 0, 0),
            "kill" => libc::syscall(libc::SYS_kill, 1, 0),
            "socket" => libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
            "unix-socket" => libc::syscall(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0),
            "connect" => libc::syscall(libc::SYS_connect, 0, zero, 0),
            "clone" => libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0),
            "execve" => libc::syscall(libc::SYS_execve, path, zero, zero),
            "exec-image" => libc::syscall(
                libc::SYS_execveat,
                1,
                c"".as_ptr(),
                zero,
                zero,
                libc::AT_EMPTY_PATH,
            ),
            "mount" => libc::syscall(libc::SYS_mount, path, path, path, 0, zero),
            "keyctl" => libc::syscall(libc::SYS_keyctl, 0, 0, 0, 0, 0),
            "io-uring" => libc::syscall(libc::SYS_io_uring_setup, 1, zero),
            "bpf" => libc::syscall(libc::SYS_bpf, 0, zero, 0),
            "memfd" => libc::syscall(libc::SYS_memfd_create, path, 0),
            "userfaultfd" => libc::syscall(libc::SYS_userfaultfd, 0),
            "unshare" => libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER),
            "prctl" => libc::syscall(libc::SYS_prctl, libc::PR_GET_DUMPABLE, 0, 0, 0, 0),
            "setrlimit" => libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, zero, zero),
            "write-elsewhere" => libc::syscall(libc::SYS_sendto, 3, zero, 0, 0, zero, 0),
            "write-image" => libc::syscall(libc::SYS_write, 1, zero, 0),
            "executable-memory" => {
                let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
                libc::syscall(
                    libc::SYS_mmap,
                    zero,
                    4096,
                    protection,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                )
            }
            "make-executable" => {
                let memory = libc::mmap(
                    std::ptr::null_mut(),
                    4096,
                    libc::PROT_READ,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                );
                libc::syscall(
                    libc::SYS_mprotect,
                    memory,
                    4096,
                    libc::PROT_READ | libc::PROT_EXEC,
                )
            }
            "map-file" => libc::syscall(
                libc::SYS_mmap,
                zero,
                4096,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                5,
                0,
            ),
            _ => libc::exit(64),
        }
    };
    // Reached whether the kernel said yes or politely no: the wall must do neither.
    std::process::exit(LET_THROUGH)
}

/// Makes this process one whose kernel has no seccomp to offer.
pub(crate) fn take_seccomp_away() {
    let set_filter = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        libc::PR_SET_SECCOMP as u64,
    )
    .expect("one argument of six");
    let rules = BTreeMap::from([
        (libc::SYS_seccomp, Vec::new()),
        (
            libc::SYS_prctl,
            vec![SeccompRule::new(vec![set_filter]).expect("a rule of one condition")],
        ),
    ]);
    let arch = std::env::consts::ARCH
        .try_into()
        .expect("tests run where workers run");
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EINVAL as u32),
        arch,
    )
    .expect("two different actions");
    let program: BpfProgram = filter.try_into().expect("a small filter");
    seccompiler::apply_filter(&program).expect("this machine has seccomp to take away");
}
