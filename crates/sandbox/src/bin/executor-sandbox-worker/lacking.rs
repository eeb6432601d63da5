//! Machines that lack a protection, played by a filter that refuses to give it.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Makes this process one whose kernel does not offer `what`: parts joined by `+`
/// of `seccomp`, `namespaces` (as in an unprivileged container), `landlock`.
pub(crate) fn take_away(what: &str) {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut refused_with = libc::EPERM;
    for part in what.split('+') {
        match part {
            "seccomp" => {
                let set_filter = SeccompCondition::new(
                    0,
                    SeccompCmpArgLen::Dword,
                    SeccompCmpOp::Eq,
                    libc::PR_SET_SECCOMP as u64,
                )
                .expect("one argument of six");
                let rule = SeccompRule::new(vec![set_filter]).expect("a rule of one condition");
                rules.insert(libc::SYS_prctl, vec![rule]);
                rules.insert(libc::SYS_seccomp, Vec::new());
                refused_with = libc::EINVAL;
            }
            "namespaces" => {
                rules.insert(libc::SYS_unshare, Vec::new());
            }
            "landlock" => {
                rules.insert(libc::SYS_landlock_create_ruleset, Vec::new());
                refused_with = libc::ENOSYS;
            }
            _ => std::process::exit(crate::probe::NO_SUCH_PROBE),
        }
    }
    let arch = std::env::consts::ARCH
        .try_into()
        .expect("tests run where workers run");
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(refused_with as u32),
        arch,
    )
    .expect("two different actions");
    let program: BpfProgram = filter.try_into().expect("a small filter");
    seccompiler::apply_filter(&program).expect("this machine has seccomp to take away");
}
