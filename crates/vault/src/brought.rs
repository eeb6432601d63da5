//! What opens only with something that somebody brings: sealed by a token of 256 random bits that is
//! kept nowhere, so that neither the database nor the master key opens it.

use crate::Error;
use crate::cipher::{self, Key};
use domain::credential::{Sealed, Secret};
use sha2::{Digest as _, Sha256};

/// Sets these keys apart from every other digest of a token, such as the one it is found by.
const LABEL: &[u8] = b"executor sealed by a token:";

fn key_of(token: &Secret) -> Result<Key, Error> {
    let digest = Sha256::new()
        .chain_update(LABEL)
        .chain_update(token.expose().as_bytes())
        .finalize();
    Key::from_slice(&digest).ok_or(Error::DoesNotOpen)
}

/// Seals a text so that it opens with the token alone, and for the same purpose.
///
/// The token must be random and of 256 bits: its digest is the key.
///
/// # Errors
/// No randomness.
pub fn seal_by(token: &Secret, purpose: &str, text: &Secret) -> Result<Sealed, Error> {
    cipher::seal(&key_of(token)?, purpose, text.expose().as_bytes()).map(Sealed)
}

/// Opens such a text.
///
/// # Errors
/// [`Error::DoesNotOpen`] with another token, or for another purpose.
pub fn open_by(token: &Secret, purpose: &str, sealed: &Sealed) -> Result<Secret, Error> {
    cipher::open(&key_of(token)?, purpose, &sealed.0)?.into_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_with_its_token_and_for_its_purpose() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let token = secret(&"7f".repeat(32));
        let sealed = seal_by(&token, "a", &secret("kept")).unwrap();
        assert!(!sealed.0.contains("kept"));
        let opened = open_by(&token, "a", &sealed).unwrap();
        assert_eq!(opened.expose(), "kept");
        let other = secret(&"8f".repeat(32));
        assert!(open_by(&other, "a", &sealed).is_err());
        assert!(open_by(&token, "b", &sealed).is_err());
        let broken = Sealed(sealed.0.replace("v1.", "v2."));
        assert!(open_by(&token, "a", &broken).is_err());
    }
}
