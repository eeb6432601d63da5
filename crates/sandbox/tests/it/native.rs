//! Native code inside a worker (S14): what the kernel lets it do behind all layers,
//! behind all but the filter, and behind none.
//!
//! The attempts are real: each is first made without protection, where it must
//! succeed or be answered by the part of the kernel that it is about. One that
//! this machine refuses anyway is reported as skipped, with the kernel's reason.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use rustix::fs::{MemfdFlags, SealFlags};

use sandbox::Sandbox;

use crate::host::isolate;

const WORKER: &str = env!("CARGO_BIN_EXE_executor-sandbox-worker");
const SIGSYS: i32 = 31;
const NOBODY: u32 = 65_534;

/// The attempt, and the error of a kernel that took it seriously though it did not succeed.
const FORBIDDEN: &[(&str, i32)] = &[
    ("openat", 0),
    ("openat2", 0),
    ("open-tree", 0),
    ("stat", 0),
    ("open-by-path-only", 0),
    ("create", 0),
    ("read-root", 0),
    ("own-memory-file", 0),
    ("chroot", 0),
    ("chmod", 0),
    ("inotify", 0),
    ("memfd", 0),
    ("parent-memory-file", 0),
    ("process-vm-readv", 0),
    ("ptrace", 0),
    ("kill", 0),
    ("tgkill", 0),
    ("pidfd-open", 0),
    ("pidfd-send-signal", 0),
    ("kcmp", 0),
    ("other-limits", 0),
    ("socket-inet", 0),
    ("socket-inet6", 0),
    ("socket-unix", 0),
    ("socket-netlink", 0),
    ("socket-packet", 0),
    ("socket-vsock", 0),
    ("socketpair", 0),
    ("connect-tcp", 0),
    ("send-udp", 0),
    ("connect-unix", 0),
    ("listen-tcp", 0),
    ("clone", 0),
    ("clone3", 0),
    #[cfg(target_arch = "x86_64")]
    ("fork", 0),
    #[cfg(target_arch = "x86_64")]
    ("vfork", 0),
    ("execve", 0),
    ("execveat", 0),
    ("unshare", 0),
    ("setns", libc::EINVAL),
    ("setuid", 0),
    ("personality", 0),
    ("set-affinity", 0),
    ("set-priority", 0),
    ("raise-limit", 0),
    ("timer", 0),
    ("signal-handler", 0),
    ("prctl", 0),
    ("get-pid", 0),
    ("map-write-and-execute", 0),
    ("map-execute", 0),
    ("make-executable", 0),
    ("move-then-make-executable", 0),
    ("make-executable-by-key", 0),
    ("map-shared", 0),
    ("map-growing", 0),
    ("map-another-file", 0),
    ("shared-memory", 0),
    ("userfaultfd", 0),
    ("mount", libc::ENOENT),
    ("keyctl", libc::ENOKEY),
    ("add-key", 0),
    ("io-uring", 0),
    ("bpf", 0),
    ("perf", 0),
    ("seccomp", 0),
    ("syslog", 0),
    ("init-module", libc::ENOEXEC),
    ("uname", 0),
    #[cfg(target_arch = "x86_64")]
    ("call-of-32-bit", 0),
    #[cfg(target_arch = "x86_64")]
    ("call-of-x32", 0),
    ("read-socket", 0),
    ("send-descriptor", 0),
    ("receive-descriptor", libc::EAGAIN),
    ("control-socket", 0),
    ("own-signals", 0),
    ("duplicate", 0),
    ("close", 0),
    ("socket-options", 0),
    ("write-image", 0),
    ("send-to-image", libc::ENOTSOCK),
    ("receive-elsewhere", libc::ENOTSOCK),
    ("poll", 0),
];

/// What a worker needs goes on working behind everything.
const NEEDED: [&str; 5] = [
    "take-memory",
    "take-randomness",
    "read-clock",
    "send-to-host",
    "do-nothing",
];

/// What namespaces, empty root, Landlock and limits refuse without the filter's help.
const REFUSED_WITHOUT_FILTER: [&str; 24] = [
    "openat",
    "openat2",
    "open-tree",
    "stat",
    "open-by-path-only",
    "create",
    "read-root",
    "own-memory-file",
    "chroot",
    "chmod",
    "parent-memory-file",
    "process-vm-readv",
    "ptrace",
    "kill",
    "tgkill",
    "connect-tcp",
    "send-udp",
    "connect-unix",
    "execve",
    "execveat",
    "memfd",
    "socket-inet",
    "duplicate",
    "write-image",
];

/// Things that a prober may reach, and the user it is.
struct Range {
    folder: tempfile::TempDir,
    tcp: TcpListener,
    _udp: UdpSocket,
    _unix: UnixListener,
    word: Box<u64>,
    /// Where root may, probes run as nobody in particular.
    worker: PathBuf,
    user: Option<u32>,
}

impl Range {
    fn new() -> Range {
        let folder = tempfile::tempdir().unwrap();
        let everybodys = Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), everybodys.clone()).unwrap();
        let worker = folder.path().join("worker");
        // By another process: a file open for writing here could be inherited by a neighbor's child.
        let copied = Command::new("cp").arg(WORKER).arg(&worker).status();
        assert!(copied.unwrap().success());
        std::fs::write(folder.path().join("file"), "a secret").unwrap();
        std::fs::set_permissions(folder.path().join("file"), everybodys.clone()).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(folder.path().join("file.socket")).unwrap();
        std::fs::set_permissions(folder.path().join("file.socket"), everybodys).unwrap();
        Range {
            worker,
            user: None,
            _unix: unix,
            _udp: UdpSocket::bind(tcp.local_addr().unwrap()).unwrap(),
            tcp,
            word: Box::new(7),
            folder,
        }
    }

    /// Makes one attempt in a process of its own that has given up what `hold` says.
    fn attempt(&self, name: &str, hold: &str) -> ExitStatus {
        let (_host, theirs) = UnixStream::pair().unwrap();
        let file: PathBuf = self.folder.path().join("file");
        let mut command = Command::new(&self.worker);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
            .args(["probe", name, hold])
            .arg((&raw const *self.word as usize).to_string())
            .arg(self.tcp.local_addr().unwrap().port().to_string())
            .arg(&file)
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(image(hold != "nothing"))
            .stderr(File::open(&file).unwrap())
            .status()
            .unwrap()
    }
}

/// What stands for the engine's file: sealed, except where it is to be shown that sealing matters.
fn image(sealed: bool) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("image", flags).unwrap());
    file.write_all(&[0; 4096]).unwrap();
    if sealed {
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&file, seals).unwrap();
    }
    file
}

#[test]
fn native_code_dies_of_whatever_it_tries() {
    let range = Range::new();
    let mut skipped = Vec::new();
    for (name, taken_seriously) in FORBIDDEN {
        let control = range.attempt(name, "nothing");
        if control.code() != Some(0) && control.code() != Some(*taken_seriously) {
            skipped.push(format!("{name} ({control})"));
        }
        let locked = range.attempt(name, "all");
        assert_eq!(locked.signal(), Some(SIGSYS), "{name}: {locked}");
    }
    if !skipped.is_empty() {
        eprintln!(
            "skipped: without protection this machine refuses anyway: {}",
            skipped.join(", ")
        );
    }
    // A table that tested nothing would pass as well.
    assert!(skipped.len() < 10, "{skipped:?}");
    for name in NEEDED {
        let allowed = range.attempt(name, "all");
        assert_eq!(allowed.code(), Some(0), "{name}: {allowed}");
    }
}

#[test]
fn an_ordinary_user_is_held_as_root_is() {
    let mut range = Range::new();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: every other test runs as an ordinary user already");
        return;
    }
    range.user = Some(NOBODY);
    for (name, _) in FORBIDDEN {
        let locked = range.attempt(name, "all");
        assert_eq!(locked.signal(), Some(SIGSYS), "{name}: {locked}");
    }
    for name in NEEDED {
        let allowed = range.attempt(name, "all");
        assert_eq!(allowed.code(), Some(0), "{name}: {allowed}");
    }
}

#[tokio::test]
async fn the_other_layers_hold_without_the_filter() {
    let layers = isolate().await.layers();
    if let Some(layer) = layers.iter().find(|layer| !layer.active) {
        eprintln!(
            "skipped: this machine has no {}: {}",
            layer.name, layer.detail
        );
        return;
    }
    let range = Range::new();
    for name in REFUSED_WITHOUT_FILTER {
        let shut_in = range.attempt(name, "all-but-seccomp");
        assert!(
            // By an error, or by the signal for a file over its limit.
            matches!(shut_in.code(), Some(1..200)) || shut_in.signal() == Some(libc::SIGXFSZ),
            "{name}: {shut_in}"
        );
        let control = range.attempt(name, "nothing");
        assert_eq!(
            control.code(),
            Some(0),
            "{name} without protection: {control}"
        );
    }
}
