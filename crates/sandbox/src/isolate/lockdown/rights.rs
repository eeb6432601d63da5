//! What a worker may do: gain nothing, be read by nobody, touch no file, hold no privilege.

use std::fs::File;
use std::io::ErrorKind;

use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// No program can raise its rights, which an unprivileged filter needs as well.
pub(super) fn no_new_privs() -> Result<String, String> {
    rustix::thread::set_no_new_privs(true).map_err(|e| e.to_string())?;
    match rustix::thread::no_new_privs() {
        Ok(true) => Ok("no program can raise its rights".into()),
        found => Err(format!("read back as {found:?}")),
    }
}

/// Other processes of the same user cannot read the worker's memory.
pub(super) fn not_dumpable() -> Result<String, String> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| e.to_string())?;
    match rustix::process::dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) => {
            Ok("other processes of this user cannot read its memory".into())
        }
        found => Err(format!("read back as {found:?}")),
    }
}

/// Landlock with every right it knows handled and none granted.
pub(super) fn landlock() -> Result<String, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset,
        RulesetAttr, Scope,
    };
    // What the kernel does not know yet is left out; the version says what that was.
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V10))
        .and_then(|r| r.handle_access(AccessNet::from_all(ABI::V10)))
        .and_then(|r| r.scope(Scope::from_all(ABI::V10)))
        .and_then(|r| r.create())
        .and_then(|r| r.restrict_self())
        .map_err(|e| e.to_string())?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        LandlockStatus::NotEnabled => return Err("this kernel has Landlock switched off".into()),
        LandlockStatus::NotImplemented => return Err("this kernel has no Landlock".into()),
    };
    match File::open("/") {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
        found => return Err(format!("the root can still be opened: {found:?}")),
    }
    let mut holds = String::from("no file");
    if abi >= ABI::V4 {
        holds += ", no TCP port";
    }
    if abi >= ABI::V6 {
        // By now the parent is in reach of no other rule: signal 0 asks for permission only.
        let parent = rustix::process::getppid().map(rustix::process::test_kill_process);
        if !matches!(parent, None | Some(Err(Errno::PERM | Errno::SRCH))) {
            return Err("signals still reach the server".into());
        }
        holds += ", no foreign signal or abstract socket";
    }
    Ok(format!("{holds} (version {abi} of Landlock's rules)"))
}

/// Drops every privilege, even root's.
pub(super) fn no_capabilities() -> Result<String, String> {
    for capability in CapabilitySet::all().iter() {
        // Refused where the process has no privilege to begin with; looked at below.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(|e| e.to_string())?;
    let held = rustix::thread::capabilities(None).map_err(|e| e.to_string())?;
    if held != none {
        return Err(format!("still held: {held:?}"));
    }
    let bounded = CapabilitySet::all()
        .iter()
        .all(|c| rustix::thread::capability_is_in_bounding_set(c) != Ok(true));
    Ok(if bounded {
        "no privilege is left, even as root, and none can be had".into()
    } else {
        // Only a privileged process may empty it; without new privileges it gives nothing.
        "no privilege is held; the bounding set is out of this user's reach".into()
    })
}
