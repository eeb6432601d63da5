//! What a worker may ask the kernel: one list, and death for anything else.
//!
//! Another architecture's calls, such as 32-bit ones on x86-64, are not on the
//! list whatever their number. Memory is private and never executable: shared
//! and growing mappings would not count against the limit.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

use super::door::{IMAGE_FD, SOCKET_FD};

/// Allowed whatever the arguments.
const PLAIN: [i64; 15] = [
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
];

/// Allowed on the host's socket alone.
const ON_SOCKET: [i64; 2] = [libc::SYS_recvfrom, libc::SYS_sendto];

/// Allowed where nothing becomes executable or shared.
const ON_MEMORY: [i64; 2] = [libc::SYS_mprotect, libc::SYS_mmap];

/// The numbers of all system calls a worker may make, for the test that traces one.
pub fn allowed_calls() -> Vec<i64> {
    [&PLAIN[..], &ON_SOCKET, &ON_MEMORY].concat()
}

/// Lets the calling thread make only the system calls a worker needs; any other kills the process.
///
/// # Errors
/// The kernel's or the filter's reason, when it could not be put in place.
pub(in super::super) fn filter() -> Result<(), String> {
    let program = allow_list().map_err(|e| e.to_string())?;
    seccompiler::apply_filter(&program).map_err(|e| e.to_string())
}

fn allow_list() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in PLAIN {
        rules.insert(call, Vec::new());
    }
    for call in ON_SOCKET {
        let socket = argument(0, SeccompCmpOp::Eq, SOCKET_FD as u32)?;
        rules.insert(call, vec![SeccompRule::new(vec![socket])?]);
    }
    // Machine code is mapped before the filter: nothing executable is ever needed again.
    let not_executable = || argument(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    rules.insert(
        libc::SYS_mprotect,
        vec![SeccompRule::new(vec![not_executable()?])?],
    );
    let uncounted = (libc::MAP_SHARED | libc::MAP_GROWSDOWN | libc::MAP_HUGETLB) as u64;
    let mapping_of = |fd: i32| {
        SeccompRule::new(vec![
            not_executable()?,
            argument(3, SeccompCmpOp::MaskedEq(uncounted), 0)?,
            argument(4, SeccompCmpOp::Eq, fd as u32)?,
        ])
    };
    rules.insert(libc::SYS_mmap, vec![mapping_of(-1)?, mapping_of(IMAGE_FD)?]);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        arch,
    )?
    .try_into()
}

fn argument(index: u8, op: SeccompCmpOp, value: u32) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, u64::from(value))
}
