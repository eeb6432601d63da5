//! Seals, opens and signs: the only crate that knows keys and the cipher.
//!
//! Envelope encryption: each organization has a data key, kept wrapped by the master key; values
//! are sealed with the data key by XChaCha20-Poly1305 under a random nonce, bound to the identity of
//! their row. It stores nothing and reads no file: wrapped keys and sealed texts are handed in and
//! out. No plaintext ever stands in an error.

mod brought;
mod cipher;
mod error;
mod foreign;
mod master;
mod notary;
mod push;
mod signing;

pub use brought::{open_by, seal_by};
pub use error::Error;
pub use foreign::verify;
pub use master::MasterKey;
pub use notary::{Notary, is_signed};
pub use push::{PUSH_BYTES_MAX, PushReceiver, PushSigner};
pub use signing::{is_hmac_of, new_signing_secret, sign};

use cipher::Key;
use domain::OrganizationId;
use domain::credential::{Sealed, Secret};

/// A data key as kept: text that opens only with the master key, for its own organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey(pub String);

/// What the check value is sealed over: known, because it protects nothing but against mistakes.
const CHECK: &str = "executor master key";

/// What a master key is bound to that is handed over.
const HANDOVER: &str = "next executor master key";

/// Seals and opens, under one master key.
pub struct Vault {
    master: Key,
}

impl Vault {
    /// A vault under a master key.
    #[must_use]
    pub fn new(master: MasterKey) -> Self {
        Self {
            master: master.into_key(),
        }
    }

    /// A text that tells later whether the same master key was given. To be kept beside the data.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn check_value(&self) -> Result<String, Error> {
        cipher::seal(&self.master, CHECK, CHECK.as_bytes())
    }

    /// Refuses a master key that is not the one the check value was made with.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`].
    pub fn verify_check(&self, check_value: &str) -> Result<(), Error> {
        cipher::open(&self.master, CHECK, check_value)
            .map(|_| ())
            .map_err(|_| Error::WrongMasterKey)
    }

    /// Makes a data key for an organization, wrapped. To be kept; without it nothing of the
    /// organization opens.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new_data_key(&self, organization_id: &OrganizationId) -> Result<WrappedKey, Error> {
        let key = Key::generate()?;
        cipher::seal(&self.master, &key_binding(organization_id), key.bytes()).map(WrappedKey)
    }

    /// Seals a value, bound to an organization's data key and to its row
    /// (`domain::credential::Credential::binding`).
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if the data key does not unwrap; no randomness.
    pub fn seal(
        &self,
        organization_id: &OrganizationId,
        wrapped: &WrappedKey,
        binding: &str,
        secret: &Secret,
    ) -> Result<Sealed, Error> {
        let key = self.unwrap(organization_id, wrapped)?;
        cipher::seal(&key, binding, secret.expose().as_bytes()).map(Sealed)
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if the data key does not unwrap; [`Error::DoesNotOpen`] if the
    /// text was changed, or belongs to another row.
    pub fn open(
        &self,
        organization_id: &OrganizationId,
        wrapped: &WrappedKey,
        binding: &str,
        sealed: &Sealed,
    ) -> Result<Secret, Error> {
        let key = self.unwrap(organization_id, wrapped)?;
        cipher::open(&key, binding, &sealed.0)?.into_secret()
    }

    /// A data key wrapped by another master key instead.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if this vault does not unwrap it; no randomness.
    pub fn rewrap(
        &self,
        organization_id: &OrganizationId,
        wrapped: &WrappedKey,
        to: &Self,
    ) -> Result<WrappedKey, Error> {
        let key = self.unwrap(organization_id, wrapped)?;
        cipher::seal(&to.master, &key_binding(organization_id), key.bytes()).map(WrappedKey)
    }

    /// What the master key is called where it is talked of: the first 16 digits of the SHA-256 of its
    /// bytes under a label. Nothing follows from it about 32 random bytes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest =
            domain::canonical::sha256_parts(&[b"executor-master-key", self.master.bytes()]);
        digest.chars().take(16).collect()
    }

    /// Another master key, sealed by this one, for servers that have only this one yet.
    ///
    /// # Errors
    /// No randomness.
    pub fn hand_over(&self, to: &Self) -> Result<String, Error> {
        cipher::seal(&self.master, HANDOVER, to.master.bytes())
    }

    /// The vault of a master key that [`Vault::hand_over`] sealed.
    ///
    /// # Errors
    /// [`Error::WrongMasterKey`] if another master key sealed it.
    pub fn take_over(&self, sealed: &str) -> Result<Self, Error> {
        cipher::open(&self.master, HANDOVER, sealed)
            .and_then(|plain| plain.into_key())
            .map(|master| Self { master })
            .map_err(|_| Error::WrongMasterKey)
    }

    fn unwrap(&self, organization_id: &OrganizationId, wrapped: &WrappedKey) -> Result<Key, Error> {
        cipher::open(&self.master, &key_binding(organization_id), &wrapped.0)
            .and_then(|plain| plain.into_key())
            .map_err(|_| Error::WrongMasterKey)
    }
}

fn key_binding(organization_id: &OrganizationId) -> String {
    format!("data key of {organization_id}")
}

#[cfg(test)]
mod tests;
