//! The key that protects credentials: where it is found, and when one is made.
//!
//! A key is made once, for a database that was never begun with one. That a given key is the right
//! one is checked by the engine, before it changes anything.

use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::home::replace;
use domain::access::System;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use store::Store;
use vault::MasterKey;

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

/// The key that was found, or a new one where the database has none yet.
pub(crate) async fn take_or_make(found: Found, store: &Store, system: System) -> Result<MasterKey> {
    let path = match found {
        Found::Key(key) => return Ok(key),
        Found::None(path) => path,
    };
    let begun = store
        .read(move |reader| store::meta::get(reader, system, CHECK))
        .await;
    match begun.map_err(|e: store::Error| Failure::failed("database", e.to_string()))? {
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
