//! The key that protects credentials: where it is found, and when one is made.
//!
//! A key is made once, for a database that was never begun with one. That a given key is the right
//! one is checked by the engine, before it changes anything.

use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::home::replace;
use domain::access::System;
use domain::credential::Secret;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use store::Store;
use vault::{MasterKey, Vault};

/// Name of the key's file in the data directory.
const FILE_NAME: &str = "master.key";

/// What the engine keeps in a database that was begun with a key.
const CHECK: &str = "vault_check";

/// A key, or the place for the one to make.
pub(crate) enum Found {
    /// Somebody gave one.
    Key(MasterKey),
    /// Nobody did, and this file does not exist.
    None(PathBuf),
}

/// Looks for the key: the setting, the file it names, the file in the data directory.
pub(crate) fn find(config: &Config) -> Result<Found> {
    if let Some(secret) = &config.master_key {
        return read(secret.expose(), &config.origin("master_key").to_string());
    }
    let own = config.home.join(FILE_NAME);
    let path = config.master_key_file.as_deref().unwrap_or(&own);
    match std::fs::read_to_string(path) {
        Ok(text) => read(&text, &path.display().to_string()),
        Err(e) if e.kind() == ErrorKind::NotFound && config.master_key_file.is_none() => {
            Ok(Found::None(own))
        }
        Err(e) => {
            let message = format!("cannot read the master key from {}: {e}", path.display());
            Err(Failure::usage(message).next("correct master_key_file, or its permissions"))
        }
    }
}

/// The file that the key is looked for in, unless it is given as text.
pub(crate) fn file(config: &Config) -> Option<PathBuf> {
    if config.master_key.is_some() {
        return None;
    }
    let own = || config.home.join(FILE_NAME);
    Some(config.master_key_file.clone().unwrap_or_else(own))
}

/// Reads a key out of a file.
pub(crate) fn read_file(path: &Path) -> Result<MasterKey> {
    let text = std::fs::read_to_string(path).map(Secret::new);
    let text = text.map_err(|e| {
        Failure::usage(format!(
            "cannot read the master key from {}: {e}",
            path.display()
        ))
    })?;
    match read(text.expose(), &path.display().to_string())? {
        Found::Key(key) => Ok(key),
        Found::None(_) => Err(Failure::usage("there is no master key")),
    }
}

/// Where a key waits that is to take the place of the one in a file.
fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("next")
}

/// Keeps a key beside the one in use, before the server is told of it.
pub(crate) fn put_beside(path: &Path, key: &MasterKey) -> Result<()> {
    replace(&beside(path), format!("{}\n", *key.to_base64()).as_bytes())
}

/// Puts the key that waits in the place of the one before.
pub(crate) fn take_place(path: &Path) -> Result<()> {
    std::fs::rename(beside(path), path).map_err(|e| {
        let message = format!("cannot put the new master key in place: {e}");
        Failure::failed("file_error", message).next(format!(
            "rename {} to {} before the server starts again",
            beside(path).display(),
            path.display()
        ))
    })
}

/// After a change of the key that was interrupted: the key that waits beside, if it is the one that
/// the database is sealed with now.
fn interrupted(config: &Config, check: &str) -> Result<Option<MasterKey>> {
    let Some(path) = file(config).filter(|path| beside(path).exists()) else {
        return Ok(None);
    };
    let waits = read_file(&beside(&path))?;
    if Vault::new(waits.again()).verify_check(check).is_err() {
        return Ok(None);
    }
    take_place(&path)?;
    tracing::info!("a change of the master key was interrupted; it is finished now");
    Ok(Some(waits))
}

/// The key that was found, or a new one where the database has none yet.
pub(crate) async fn take_or_make(
    config: &Config,
    found: Found,
    store: &Store,
    system: System,
) -> Result<MasterKey> {
    let begun = store
        .read(move |reader| store::meta::get(reader, system, CHECK))
        .await;
    let begun = begun.map_err(|e: store::Error| Failure::failed("database", e.to_string()))?;
    if let Some(check) = &begun
        && let Some(key) = interrupted(config, check)?
    {
        return Ok(key);
    }
    let path = match found {
        Found::Key(key) => return Ok(key),
        Found::None(path) => path,
    };
    match begun {
        None => make(&path),
        Some(_) => {
            let message = format!(
                "the master key is missing: {} does not exist, and this database was begun with one",
                path.display()
            );
            Err(Failure::failed("missing_master_key", message).next(
                "put the file back, or give the key with EXECUTOR_MASTER_KEY or EXECUTOR_MASTER_KEY_FILE",
            ))
        }
    }
}

fn make(path: &Path) -> Result<MasterKey> {
    let key = MasterKey::generate()
        .map_err(|e| Failure::failed("randomness", format!("cannot make a master key: {e}")))?;
    replace(path, format!("{}\n", *key.to_base64()).as_bytes())?;
    Ok(key)
}

fn read(text: &str, origin: &str) -> Result<Found> {
    MasterKey::parse(text).map(Found::Key).map_err(|e| {
        Failure::usage(format!("the master key from {origin} is unusable: {e}"))
            .next("it is 32 bytes in base64, as `openssl rand -base64 32` prints")
    })
}
