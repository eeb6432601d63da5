//! The master key: read from text, or made. Never printed but by whoever writes its file.

use crate::Error;
use crate::cipher::{KEY_BYTES, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// 32 bytes that everything else is wrapped by. Several servers on one database share it.
pub struct MasterKey(Key);

impl MasterKey {
    /// Makes a key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Key::generate().map(Self)
    }

    /// Takes a key's bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Key::new(bytes))
    }

    /// Reads a key from base64, white space around it aside.
    ///
    /// # Errors
    /// [`Error::BadMasterKey`], saying what is wrong without quoting it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::BadMasterKey("it is empty"));
        }
        let bytes = STANDARD
            .decode(text)
            .map(Zeroizing::new)
            .map_err(|_| Error::BadMasterKey("it is not base64"))?;
        Key::from_slice(&bytes)
            .map(Self)
            .ok_or(Error::BadMasterKey(if bytes.len() < KEY_BYTES {
                "it is shorter"
            } else {
                "it is longer"
            }))
    }

    /// The key as [`MasterKey::parse`] reads it, for the file that keeps it.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.bytes()))
    }

    /// The same key once more.
    #[must_use]
    pub fn again(&self) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes.copy_from_slice(self.0.bytes());
        Self(Key::new(*bytes))
    }

    pub(crate) fn into_key(self) -> Key {
        self.0
    }
}
