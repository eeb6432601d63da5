//! The attempts themselves: raw system calls, as injected code would make them.

use std::ffi::{CString, c_long};
use std::ptr::{from_mut, from_ref, null, null_mut};

/// What a tester put up to be reached.
pub(crate) struct Target {
    parent: i32,
    /// A word in the parent's memory.
    address: usize,
    /// A listening TCP port on loopback.
    port: u16,
    /// A file that can be read.
    file: CString,
    /// A listening Unix socket.
    socket: CString,
    parent_memory: CString,
}

impl Target {
    pub(crate) fn new(address: &str, port: &str, path: &str) -> Target {
        let parent = std::os::unix::process::parent_id() as i32;
        let text = |text: String| CString::new(text).expect("paths hold no zero");
        Target {
            parent,
            address: address.parse().unwrap_or(0),
            port: port.parse().unwrap_or(0),
            file: text(path.to_owned()),
            socket: text(format!("{path}.socket")),
            parent_memory: text(format!("/proc/{parent}/mem")),
        }
    }

    fn tcp(&self) -> libc::sockaddr_in {
        libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: self.port.to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
            },
            sin_zero: [0; 8],
        }
    }

    fn unix(&self) -> libc::sockaddr_un {
        let mut address = libc::sockaddr_un {
            sun_family: libc::AF_UNIX as u16,
            sun_path: [0; 108],
        };
        for (to, from) in address.sun_path.iter_mut().zip(self.socket.as_bytes()) {
            *to = *from as libc::c_char;
        }
        address
    }
}

const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Makes one attempt. Negative when the kernel refused; `None` when no attempt has this name.
pub(crate) fn attempt(name: &str, target: &Target) -> Option<c_long> {
    files(name, target)
        .or_else(|| others(name, target))
        .or_else(|| network(name, target))
        .or_else(|| processes(name))
        .or_else(|| memory(name))
        .or_else(|| kernel(name))
        .or_else(|| doors(name))
        .or_else(|| needed(name))
}

/// One raw system call; what is left out is zero.
macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {{
        #[expect(
            unsafe_code,
            reason = "the probe plays native code, which asks nobody; arguments are valid or null"
        )]
        // SAFETY: every pointer is null or to something that lives in the caller.
        unsafe { libc::syscall($number $(, $argument as c_long)*) }
    }};
}

fn files(name: &str, target: &Target) -> Option<c_long> {
    let file = target.file.as_ptr();
    let here = libc::AT_FDCWD;
    // struct open_how: flags, mode, resolve.
    let how = [0_u64; 3];
    Some(match name {
        "openat" => call!(libc::SYS_openat, here, file, libc::O_RDONLY, 0),
        "openat2" => call!(libc::SYS_openat2, here, file, from_ref(&how), 24),
        "open-tree" => call!(libc::SYS_open_tree, here, file, 0),
        "stat" => call!(libc::SYS_newfstatat, here, file, null_mut::<u8>(), 0).max(call!(
            libc::SYS_faccessat,
            here,
            file,
            libc::R_OK
        )),
        "open-by-path-only" => call!(libc::SYS_openat, here, file, libc::O_PATH, 0),
        "create" => call!(
            libc::SYS_openat,
            here,
            c"made-by-probe".as_ptr(),
            libc::O_CREAT | libc::O_WRONLY,
            0o600
        ),
        "read-root" => call!(libc::SYS_openat, here, c"/".as_ptr(), libc::O_DIRECTORY, 0),
        "own-memory-file" => call!(
            libc::SYS_openat,
            here,
            c"/proc/self/mem".as_ptr(),
            libc::O_RDWR,
            0
        ),
        "chroot" => call!(libc::SYS_chroot, c"/".as_ptr()),
        "chmod" => call!(libc::SYS_fchmodat, here, file, 0o600),
        "inotify" => call!(libc::SYS_inotify_init1, 0),
        "memfd" => call!(libc::SYS_memfd_create, c"probe".as_ptr(), 0),
        _ => return None,
    })
}

fn others(name: &str, target: &Target) -> Option<c_long> {
    let parent = target.parent;
    let mut word = [0_u8; 8];
    let own = libc::iovec {
        iov_base: from_mut(&mut word).cast(),
        iov_len: 8,
    };
    let theirs = libc::iovec {
        iov_base: target.address as *mut libc::c_void,
        iov_len: 8,
    };
    Some(match name {
        "parent-memory-file" => call!(
            libc::SYS_openat,
            libc::AT_FDCWD,
            target.parent_memory.as_ptr(),
            libc::O_RDONLY,
            0
        ),
        "process-vm-readv" => call!(
            libc::SYS_process_vm_readv,
            parent,
            from_ref(&own),
            1,
            from_ref(&theirs),
            1,
            0
        ),
        // Seizing does not stop it, and this process ends at once.
        "ptrace" => call!(libc::SYS_ptrace, libc::PTRACE_SEIZE, parent, 0, 0),
        "kill" => call!(libc::SYS_kill, parent, 0),
        "tgkill" => call!(libc::SYS_tgkill, parent, parent, 0),
        "pidfd-open" => call!(libc::SYS_pidfd_open, parent, 0),
        "pidfd-send-signal" => {
            let fd = call!(libc::SYS_pidfd_open, parent, 0);
            if fd < 0 {
                return Some(fd);
            }
            call!(libc::SYS_pidfd_send_signal, fd, 0, null::<u8>(), 0)
        }
        "kcmp" => call!(libc::SYS_kcmp, parent, parent, 1, 0, 0),
        "other-limits" => call!(
            libc::SYS_prlimit64,
            parent,
            libc::RLIMIT_CORE,
            null::<u8>(),
            from_mut(&mut [0_u64; 2])
        ),
        _ => return None,
    })
}

fn network(name: &str, target: &Target) -> Option<c_long> {
    let socket = |family: i32, kind: i32| call!(libc::SYS_socket, family, kind, 0);
    let (tcp, unix) = (target.tcp(), target.unix());
    let (tcp_len, unix_len) = (size_of_val(&tcp), size_of_val(&unix));
    Some(match name {
        "socket-inet" => socket(libc::AF_INET, libc::SOCK_STREAM),
        "socket-inet6" => socket(libc::AF_INET6, libc::SOCK_DGRAM),
        "socket-unix" => socket(libc::AF_UNIX, libc::SOCK_STREAM),
        "socket-netlink" => socket(libc::AF_NETLINK, libc::SOCK_RAW),
        "socket-packet" => socket(libc::AF_PACKET, libc::SOCK_RAW),
        "socket-vsock" => socket(libc::AF_VSOCK, libc::SOCK_STREAM),
        "socketpair" => {
            let mut pair = [0_i32; 2];
            call!(
                libc::SYS_socketpair,
                libc::AF_UNIX,
                libc::SOCK_STREAM,
                0,
                from_mut(&mut pair)
            )
        }
        "connect-tcp" => {
            let fd = socket(libc::AF_INET, libc::SOCK_STREAM);
            call!(libc::SYS_connect, fd, from_ref(&tcp), tcp_len)
        }
        "send-udp" => {
            let fd = socket(libc::AF_INET, libc::SOCK_DGRAM);
            call!(
                libc::SYS_sendto,
                fd,
                c"x".as_ptr(),
                1,
                0,
                from_ref(&tcp),
                tcp_len
            )
        }
        "connect-unix" => {
            let fd = socket(libc::AF_UNIX, libc::SOCK_STREAM);
            call!(libc::SYS_connect, fd, from_ref(&unix), unix_len)
        }
        "listen-tcp" => {
            let fd = socket(libc::AF_INET, libc::SOCK_STREAM);
            call!(libc::SYS_listen, fd, 1)
        }
        _ => return None,
    })
}

fn processes(name: &str) -> Option<c_long> {
    let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), c"exit 0".as_ptr(), null()];
    let environment = [null::<u8>()];
    let shell = c"/bin/sh".as_ptr();
    let child = |pid: c_long| {
        if pid == 0 {
            std::process::exit(0);
        }
        pid
    };
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, ...
    let mut clone_args = [0_u64; 11];
    clone_args[4] = libc::SIGCHLD as u64;
    Some(match name {
        "clone" => child(call!(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
        "clone3" => child(call!(libc::SYS_clone3, from_ref(&clone_args), 88)),
        #[cfg(target_arch = "x86_64")]
        "fork" => child(call!(libc::SYS_fork)),
        #[cfg(target_arch = "x86_64")]
        "vfork" => vfork(),
        "execve" => call!(
            libc::SYS_execve,
            shell,
            from_ref(&arguments),
            from_ref(&environment)
        ),
        "execveat" => call!(
            libc::SYS_execveat,
            libc::AT_FDCWD,
            shell,
            from_ref(&arguments),
            from_ref(&environment),
            0
        ),
        "unshare" => call!(libc::SYS_unshare, libc::CLONE_NEWUSER | libc::CLONE_NEWUTS),
        "setns" => call!(libc::SYS_setns, 0, 0),
        "setuid" => call!(libc::SYS_setuid, 0),
        "personality" => call!(libc::SYS_personality, 0x040_0000),
        "set-affinity" => call!(libc::SYS_sched_setaffinity, 0, 8, from_ref(&[1_u64])),
        "set-priority" => call!(libc::SYS_setpriority, 0, 0, 5),
        "raise-limit" => call!(
            libc::SYS_prlimit64,
            0,
            libc::RLIMIT_CORE,
            from_ref(&[0_u64; 2]),
            null::<u8>()
        ),
        "timer" => call!(libc::SYS_setitimer, 0, from_ref(&[0_u64; 4]), null::<u8>()),
        "signal-handler" => call!(
            libc::SYS_rt_sigaction,
            libc::SIGUSR1,
            null::<u8>(),
            from_mut(&mut [0_u64; 8]),
            8
        ),
        "prctl" => call!(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
        "get-pid" => call!(libc::SYS_getpid),
        _ => return None,
    })
}

fn memory(name: &str) -> Option<c_long> {
    let map = |protection: i32, flags: i32, fd: i32| {
        call!(libc::SYS_mmap, null::<u8>(), 4096, protection, flags, fd, 0)
    };
    let exec = libc::PROT_READ | libc::PROT_EXEC;
    Some(match name {
        "map-write-and-execute" => map(READ_WRITE | libc::PROT_EXEC, PRIVATE, -1),
        "map-execute" => map(exec, PRIVATE, -1),
        "make-executable" => {
            let page = map(READ_WRITE, PRIVATE, -1);
            call!(libc::SYS_mprotect, page, 4096, exec)
        }
        "move-then-make-executable" => {
            let page = map(READ_WRITE, PRIVATE, -1);
            let moved = call!(libc::SYS_mremap, page, 4096, 8192, libc::MREMAP_MAYMOVE);
            call!(libc::SYS_mprotect, moved, 8192, exec)
        }
        "make-executable-by-key" => {
            let page = map(READ_WRITE, PRIVATE, -1);
            call!(libc::SYS_pkey_mprotect, page, 4096, exec, -1)
        }
        "map-shared" => map(READ_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1),
        "map-growing" => map(READ_WRITE, PRIVATE | libc::MAP_GROWSDOWN, -1),
        "map-another-file" => map(libc::PROT_READ, libc::MAP_PRIVATE, 2),
        "shared-memory" => call!(libc::SYS_shmget, libc::IPC_PRIVATE, 4096, 0o600),
        "userfaultfd" => call!(libc::SYS_userfaultfd, 0),
        _ => return None,
    })
}

fn kernel(name: &str) -> Option<c_long> {
    // union bpf_attr of BPF_MAP_CREATE: an array of one word.
    let bpf = [2_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    Some(match name {
        "mount" => call!(
            libc::SYS_mount,
            c"none".as_ptr(),
            c"/nowhere".as_ptr(),
            c"tmpfs".as_ptr(),
            0,
            null::<u8>()
        ),
        "keyctl" => call!(libc::SYS_keyctl, 0, -2, 1),
        "add-key" => call!(
            libc::SYS_add_key,
            c"user".as_ptr(),
            c"probe".as_ptr(),
            c"x".as_ptr(),
            1,
            -1
        ),
        "io-uring" => call!(libc::SYS_io_uring_setup, 1, from_mut(&mut [0_u32; 30])),
        "bpf" => call!(libc::SYS_bpf, 0, from_ref(&bpf), size_of_val(&bpf)),
        "perf" => {
            // struct perf_event_attr: a software clock of this thread.
            let mut attributes = [0_u32; 28];
            attributes[0] = 1;
            attributes[1] = 112;
            call!(
                libc::SYS_perf_event_open,
                from_mut(&mut attributes),
                0,
                -1,
                -1,
                0
            )
        }
        "seccomp" => call!(libc::SYS_seccomp, 2, 0, from_ref(&0x7fff_0000_u32)),
        "syslog" => call!(libc::SYS_syslog, 10, 0, 0),
        "init-module" => call!(libc::SYS_init_module, null::<u8>(), 0, c"".as_ptr()),
        "uname" => call!(libc::SYS_uname, from_mut(&mut [0_u8; 390])),
        #[cfg(target_arch = "x86_64")]
        "call-of-32-bit" => by_interrupt(),
        #[cfg(target_arch = "x86_64")]
        "call-of-x32" => call!(0x4000_0000 | libc::SYS_getpid),
        _ => return None,
    })
}

/// What can be tried with the descriptors a worker holds.
fn doors(name: &str) -> Option<c_long> {
    let buffer = [0_u8; 8];
    let at = from_ref(&buffer);
    Some(match name {
        "read-socket" => call!(libc::SYS_fstat, 0, from_mut(&mut [0_u64; 18])),
        "send-descriptor" => send_descriptor(),
        "receive-descriptor" => {
            let mut message = [0_u64; 7];
            call!(
                libc::SYS_recvmsg,
                0,
                from_mut(&mut message),
                libc::MSG_DONTWAIT
            )
        }
        "control-socket" => call!(libc::SYS_ioctl, 0, libc::FIONREAD, from_mut(&mut 0_i32)),
        "own-signals" => call!(libc::SYS_fcntl, 0, libc::F_SETOWN, 0),
        "duplicate" => call!(libc::SYS_dup, 0),
        "close" => call!(libc::SYS_close, 0),
        "socket-options" => call!(
            libc::SYS_getsockopt,
            0,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            from_mut(&mut [0_u32; 3]),
            from_mut(&mut 12_u32)
        ),
        "write-image" => call!(libc::SYS_pwrite64, 1, at, 1, 0),
        "send-to-image" => call!(libc::SYS_sendto, 1, at, 0, 0, null::<u8>(), 0),
        "receive-elsewhere" => call!(libc::SYS_recvfrom, 2, at, 0, 0, null::<u8>(), null::<u8>()),
        "poll" => call!(
            libc::SYS_ppoll,
            null::<u8>(),
            0,
            from_ref(&[0_u64; 2]),
            null::<u8>(),
            8
        ),
        _ => return None,
    })
}

/// What a worker needs: the filter lets it through.
fn needed(name: &str) -> Option<c_long> {
    let mut word = [0_u8; 8];
    Some(match name {
        "take-memory" => call!(
            libc::SYS_mmap,
            null::<u8>(),
            4096,
            READ_WRITE,
            PRIVATE,
            -1,
            0
        ),
        "take-randomness" => call!(libc::SYS_getrandom, from_mut(&mut word), 8, 0),
        "read-clock" => call!(libc::SYS_clock_gettime, 1, from_mut(&mut [0_u64; 2])),
        "send-to-host" => call!(libc::SYS_sendto, 0, c"x".as_ptr(), 1, 0, null::<u8>(), 0),
        "do-nothing" => call!(libc::SYS_sched_yield),
        _ => return None,
    })
}

/// Sends descriptor 1 over the socket, as SCM_RIGHTS.
fn send_descriptor() -> c_long {
    let mut byte = [1_u8];
    let mut part = libc::iovec {
        iov_base: from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    // struct cmsghdr: length, level and type, then the descriptor.
    let mut control = [20_u64, (1 << 32) | 1, 1];
    let message: [u64; 7] = [
        0,
        0,
        from_mut(&mut part) as u64,
        1,
        from_mut(&mut control) as u64,
        24,
        0,
    ];
    call!(libc::SYS_sendmsg, 0, from_ref(&message), libc::MSG_NOSIGNAL)
}

/// The child shares its parent's stack, so it must end without returning.
#[cfg(target_arch = "x86_64")]
fn vfork() -> c_long {
    let result: c_long;
    #[expect(
        unsafe_code,
        reason = "a child on a borrowed stack cannot return from a function"
    )]
    // SAFETY: the child makes one system call, exit, and touches no memory.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "2:",
            inlateout("rax") libc::SYS_vfork => result,
            out("rcx") _, out("r11") _, out("rdi") _,
        );
    }
    refused(result)
}

/// getpid as a 32-bit program asks for it.
#[cfg(target_arch = "x86_64")]
fn by_interrupt() -> c_long {
    let result: c_long;
    #[expect(unsafe_code, reason = "the old door into the kernel has no wrapper")]
    // SAFETY: number 20 of that table takes no argument and changes nothing.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    refused(result)
}

/// The raw answer in the form that libc gives it.
#[cfg(target_arch = "x86_64")]
fn refused(result: c_long) -> c_long {
    if (-4095..0).contains(&result) {
        #[expect(unsafe_code, reason = "errno is libc's own place")]
        // SAFETY: the place is this thread's.
        unsafe {
            *libc::__errno_location() = -result as i32;
        }
        return -1;
    }
    result
}
