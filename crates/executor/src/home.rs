//! The data directory: who may read it, which server holds it, where that server answers.
//!
//! Directory 0700, files 0600. One server at a time: the holder keeps a lock on `executor.lock`,
//! which the system releases however the process ends. `server.json` tells commands where to go.

use crate::failure::{Failure, Result};
use domain::credential::Secret;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const LOCK: &str = "executor.lock";
const NOTICE: &str = "server.json";
const OWNER: &str = "owner-token";
const NAMES: &str = "server-names";

/// Where the server of a directory answers, as written into `server.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notice {
    /// Its address for commands on the same machine.
    pub(crate) address: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Its version.
    pub(crate) version: String,
    /// Where its bundled example API answers, unless switched off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) example: Option<String>,
}

/// What the servers of a directory are called, each start by another name.
#[derive(Debug)]
pub(crate) struct Names {
    /// This start.
    pub(crate) own: String,
    /// Starts before it that are certainly gone.
    pub(crate) gone: Vec<String>,
}

/// The right to serve a directory, held until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    home: PathBuf,
    lock: File,
}

impl Held {
    /// Makes the directory where it is missing and takes it.
    ///
    /// # Errors
    /// When another server holds it, or it cannot be made or written.
    pub(crate) fn take(home: &Path) -> Result<Self> {
        prepare(home)?;
        let path = home.join(LOCK);
        let mut lock = private()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| cannot("open", &path, &e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                home: home.to_path_buf(),
                lock,
            }),
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unread = lock.read_to_string(&mut holder);
                let holder = holder.trim();
                let who = if holder.is_empty() {
                    "another server"
                } else {
                    holder
                };
                Err(Failure::failed("directory_in_use", format!("{} is in use by {who}", home.display()))
                    .next("use that server, stop it, or give this one a directory of its own with --data-dir"))
            }
            Err(std::fs::TryLockError::Error(e)) => Err(cannot("lock", &path, &e)),
        }
    }

    /// A name for this start, and those of starts before it which are certainly gone.
    ///
    /// The lock proves that whoever held this directory before is gone. It proves nothing of the
    /// holder of a copy, in which the same names are written: so they count only where they were
    /// written on this machine since it started, beside this very lock file.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn names(&self) -> Result<Names> {
        let path = self.home.join(NAMES);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(cannot("read", &path, &e)),
        };
        let place = self.place();
        let mut lines = text.lines();
        let here = place.is_some() && lines.next() == place.as_deref();
        let gone = if here {
            lines.map(str::to_owned).collect()
        } else {
            Vec::new()
        };
        let mut bits = [0u8; 16];
        getrandom::fill(&mut bits)
            .map_err(|e| Failure::failed("system", format!("no random bytes could be had: {e}")))?;
        let names = Names {
            own: format!("server_{:032x}", u128::from_be_bytes(bits)),
            gone,
        };
        // Before the name is used: whatever happens from here on, the next start knows of it.
        let all = names.gone.iter().chain([&names.own]);
        self.write_names(all.map(String::as_str))?;
        Ok(names)
    }

    /// The tasks of those that are gone have been taken back: only this start is to be remembered.
    pub(crate) fn forget_gone(&self, names: &Names) -> Result<()> {
        self.write_names([names.own.as_str()].into_iter())
    }

    fn write_names<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<()> {
        let mut text = self.place().unwrap_or_default();
        for name in names {
            text.push('\n');
            text.push_str(name);
        }
        replace(&self.home.join(NAMES), text.as_bytes())
    }

    /// What no copy of the directory shares with it; none where the system does not tell.
    fn place(&self) -> Option<String> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let file = self.lock.metadata().ok()?;
        Some(format!("{} {} {}", boot.trim(), file.dev(), file.ino()))
    }

    /// Tells others who holds the directory and where it answers.
    ///
    /// `owner` is what only the user who runs the server can read, and shows.
    pub(crate) fn announce(&mut self, notice: &Notice, owner: Option<&Secret>) -> Result<()> {
        let path = self.home.join(OWNER);
        match owner {
            Some(owner) => replace(&path, owner.expose().as_bytes())?,
            None => {
                // Of a start that wanted one: nobody looks at it any more.
                let _gone = std::fs::remove_file(&path);
            }
        }
        let holder = format!(
            "the server with process id {} on {}\n",
            notice.pid, notice.address
        );
        let path = self.home.join(LOCK);
        self.lock
            .set_len(0)
            .and_then(|()| self.lock.rewind())
            .and_then(|()| self.lock.write_all(holder.as_bytes()))
            .map_err(|e| cannot("write", &path, &e))?;
        let text = serde_json::to_string(notice).expect("a notice is plain text and numbers");
        replace(&self.home.join(NOTICE), text.as_bytes())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Stale files are harmless: the lock decides, and commands find nobody at the address.
        let _gone = std::fs::remove_file(self.home.join(NOTICE));
        let _gone = std::fs::remove_file(self.home.join(OWNER));
        let _emptied = self.lock.set_len(0);
    }
}

/// What the server of a directory says about itself; none if none runs, even where one ended
/// without cleaning up.
pub(crate) fn notice(home: &Path) -> Option<Notice> {
    let text = std::fs::read_to_string(home.join(NOTICE)).ok()?;
    let notice: Notice = serde_json::from_str(&text).ok()?;
    let process = rustix::process::Pid::from_raw(i32::try_from(notice.pid).ok()?)?;
    // Not being allowed to send it a signal means that it is there.
    match rustix::process::test_kill_process(process) {
        Err(rustix::io::Errno::SRCH) => None,
        Ok(()) | Err(_) => Some(notice),
    }
}

/// What the user who runs the server of a directory shows; none if that server does not ask for it.
pub(crate) fn owner_token(home: &Path) -> Option<Secret> {
    let text = std::fs::read_to_string(home.join(OWNER)).ok()?;
    Some(Secret::new(text))
}

/// Makes the directory where it is missing and closes it to others.
pub(crate) fn prepare(home: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(home)
        .and_then(|()| std::fs::set_permissions(home, Permissions::from_mode(0o700)))
        .map_err(|e| {
            cannot("prepare the data directory", home, &e)
                .next("give another with --data-dir or EXECUTOR_HOME")
        })
}

/// Opens a file that only its owner may read. A link that somebody put in its place is not followed.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Replaces a file in one step: readers see the old text or the new, never a part.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    private()
        .create(true)
        .truncate(true)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|e| cannot("write", path, &e))
}

fn cannot(what: &str, path: &Path, e: &std::io::Error) -> Failure {
    Failure::failed(
        "file_error",
        format!("cannot {what} {}: {e}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_held_this_very_directory_is_known_to_be_gone() {
        let place = tempfile::tempdir().unwrap();
        let (home, copy) = (place.path().join("home"), place.path().join("copy"));
        let start = |home: &Path| Held::take(home).unwrap().names().unwrap();
        let first = start(&home);
        assert_eq!(first.gone, [] as [String; 0]);
        let second = start(&home);
        assert_ne!(first.own, second.own);
        assert_eq!(second.gone, std::slice::from_ref(&first.own));
        // Its tasks were not taken back before it ended: both are still to be.
        let held = Held::take(&home).unwrap();
        let third = held.names().unwrap();
        assert_eq!(third.gone, [first.own, second.own]);
        held.forget_gone(&third).unwrap();
        drop(held);
        prepare(&copy).unwrap();
        for name in [LOCK, NAMES] {
            std::fs::copy(home.join(name), copy.join(name)).unwrap();
        }
        assert_eq!(
            start(&copy).gone,
            [] as [String; 0],
            "the original may live"
        );
        assert_eq!(start(&home).gone, [third.own]);
    }
}
