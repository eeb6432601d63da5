//! Servers elsewhere at which a person signed in with `executor login`: the tokens, and how they change
//! hands between commands that run at once.
//!
//! They stand in the data directory, in a file that its owner alone reads. Whoever changes it holds
//! the lock beside it from reading to writing, so that of many commands one renews a token, which
//! works once, and the others find the new one. Next: `client/tokens.rs` for renewing,
//! `commands/login.rs` for signing in and out.

use crate::failure::{Failure, Result};
use crate::home;
use domain::credential::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const BOOK: &str = "logins.json";
const LOCK: &str = "logins.lock";

/// How long to wait for another command, and how often to look. One that renews asks a server.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A token is renewed so long before it ends, in milliseconds.
const EARLY_MS: i64 = 60_000;

/// What a token opens at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Door {
    /// The API, for all commands but one.
    Api,
    /// The MCP endpoint, for `executor mcp`.
    Mcp,
}

impl Door {
    /// The path that tokens for it name as their resource.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Api => "/api/v1",
            Self::Mcp => "/mcp",
        }
    }
}

/// Where somebody is signed in, and by what.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    /// The server: scheme, host and port.
    pub(crate) server: String,
    /// What it opens there.
    pub(crate) door: Door,
    /// What this program is called there.
    pub(crate) client_id: String,
    /// What opens it.
    #[serde(serialize_with = "exposed", deserialize_with = "taken_in")]
    pub(crate) access: Secret,
    /// What is traded for the next two, once.
    #[serde(serialize_with = "exposed", deserialize_with = "taken_in")]
    pub(crate) refresh: Secret,
    /// When `access` ceases to work, in milliseconds since 1970 by this machine's clock.
    pub(crate) expires_at: i64,
    /// What the person allowed.
    pub(crate) scopes: String,
    /// The person's name, as the server said it; empty where it was not asked.
    pub(crate) account: String,
    /// The workspace, as `organization/workspace`; likewise.
    pub(crate) workspace: String,
}

fn exposed<S: Serializer>(secret: &Secret, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

fn taken_in<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

impl Login {
    /// Whether the token works for a while yet.
    pub(crate) fn is_fresh(&self, now_ms: i64) -> bool {
        now_ms < self.expires_at.saturating_sub(EARLY_MS)
    }

    fn is(&self, server: &str, door: Door) -> bool {
        self.server == server && self.door == door
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Book {
    logins: Vec<Login>,
}

/// Everywhere somebody is signed in.
///
/// # Errors
/// When the file is there and cannot be read.
pub(crate) fn all(home: &Path) -> Result<Vec<Login>> {
    let path = home.join(BOOK);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(cannot("read", &path, &e)),
    };
    let book: Book = serde_json::from_str(&text).map_err(|_| {
        Failure::failed("file_error", format!("{} cannot be read", path.display()))
            .next("remove the file and sign in again with `executor login`")
    })?;
    Ok(book.logins)
}

/// How somebody is signed in at a server, if they are.
///
/// # Errors
/// As [`all`].
pub(crate) fn find(home: &Path, server: &str, door: Door) -> Result<Option<Login>> {
    let mut logins = all(home)?.into_iter();
    Ok(logins.find(|login| login.is(server, door)))
}

/// The right to change them, until it is dropped.
pub(crate) struct Held {
    home: PathBuf,
    _lock: File,
}

impl Held {
    /// Takes it, after whoever has it now.
    ///
    /// # Errors
    /// When somebody keeps it for a minute, or there can be no such file.
    pub(crate) async fn take(home: &Path) -> Result<Self> {
        home::prepare(home)?;
        let path = home.join(LOCK);
        let lock = home::private()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| cannot("open", &path, &e))?;
        let since = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        home: home.to_path_buf(),
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let message = format!("another command holds {} for long", path.display());
                    return Err(Failure::failed("logins_busy", message)
                        .next("try again, or end the command that hangs"));
                }
                Err(TryLockError::Error(e)) => return Err(cannot("lock", &path, &e)),
            }
        }
    }

    /// Keeps one in the place of the one before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn keep(&self, login: Login) -> Result<()> {
        let mut logins = all(&self.home)?;
        logins.retain(|other| !other.is(&login.server, login.door));
        logins.push(login);
        self.write(logins)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn forget(&self, server: &str, door: Door) -> Result<()> {
        let mut logins = all(&self.home)?;
        logins.retain(|login| !login.is(server, door));
        self.write(logins)
    }

    fn write(&self, logins: Vec<Login>) -> Result<()> {
        let text =
            serde_json::to_vec_pretty(&Book { logins }).expect("logins are plain text and numbers");
        home::replace(&self.home.join(BOOK), &text)
    }
}

fn cannot(what: &str, path: &Path, e: &std::io::Error) -> Failure {
    let message = format!("cannot {what} {}: {e}", path.display());
    Failure::failed("file_error", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn login(server: &str, door: Door, access: &str) -> Login {
        Login {
            server: server.to_owned(),
            door,
            client_id: "client_1".to_owned(),
            access: Secret::new(access.to_owned()),
            refresh: Secret::new(format!("{access} refresh")),
            expires_at: 100_000,
            scopes: "run read".to_owned(),
            account: "Ada".to_owned(),
            workspace: "local/main".to_owned(),
        }
    }

    #[tokio::test]
    async fn one_is_kept_for_each_server_and_door_and_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        assert!(all(&home).unwrap().is_empty());
        let held = Held::take(&home).await.unwrap();
        held.keep(login("https://a.example", Door::Api, "one"))
            .unwrap();
        held.keep(login("https://a.example", Door::Mcp, "two"))
            .unwrap();
        held.keep(login("https://b.example", Door::Api, "three"))
            .unwrap();
        held.keep(login("https://a.example", Door::Api, "four"))
            .unwrap();
        let access = |server: &str, door| {
            let found = find(&home, server, door).unwrap();
            found.map(|login| login.access.expose().to_owned())
        };
        assert_eq!(
            access("https://a.example", Door::Api).as_deref(),
            Some("four")
        );
        assert_eq!(
            access("https://a.example", Door::Mcp).as_deref(),
            Some("two")
        );
        assert_eq!(access("https://c.example", Door::Api), None);
        held.forget("https://a.example", Door::Api).unwrap();
        assert_eq!(access("https://a.example", Door::Api), None);
        assert_eq!(
            access("https://b.example", Door::Api).as_deref(),
            Some("three")
        );
        for name in [BOOK, LOCK] {
            let mode = std::fs::metadata(home.join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let login = login("https://a.example", Door::Api, "one");
        assert!(login.is_fresh(39_999));
        assert!(!login.is_fresh(40_000));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_named() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(BOOK), "{").unwrap();
        let failure = all(place.path()).err().unwrap();
        assert!(failure.message.contains(BOOK), "{}", failure.message);
    }
}
