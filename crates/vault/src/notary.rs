//! Signatures that anybody checks: Ed25519 (RFC 8032), for checkpoints of the audit chain.
//!
//! A key is made from 32 random bytes, its seed, which is kept sealed like any other secret; the
//! public key goes out with every signature. What is signed is the caller's affair.

use crate::Error;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::credential::Secret;
use zeroize::Zeroizing;

/// Length of a seed, by RFC 8032, section 5.1.5.
const SEED_BYTES: usize = 32;

/// A key that signs.
pub struct Notary {
    pair: Ed25519KeyPair,
}

impl Notary {
    /// Makes a seed: random bytes, as base64. To be kept sealed.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new_seed() -> Result<Secret, Error> {
        let mut bytes = Zeroizing::new([0u8; SEED_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|_| Error::NoRandomness)?;
        Ok(Secret::new(STANDARD.encode(bytes.as_ref())))
    }

    /// The key of a seed.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] if it is none that [`Notary::new_seed`] made.
    pub fn from_seed(seed: &Secret) -> Result<Self, Error> {
        let bytes = STANDARD.decode(seed.expose()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| Error::DoesNotOpen)?;
        Ed25519KeyPair::from_seed_unchecked(&bytes)
            .map(|pair| Self { pair })
            .map_err(|_| Error::DoesNotOpen)
    }

    /// What checks its signatures, base64.
    #[must_use]
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.pair.public_key().as_ref())
    }

    /// Signs a message; base64.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(message).as_ref())
    }
}

/// Whether a signature is that of a public key over a message. False for anything unreadable.
#[must_use]
pub fn is_signed(public_key: &str, message: &[u8], signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (STANDARD.decode(public_key), STANDARD.decode(signature)) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, key)
        .verify(message, &signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hex(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
        digits
            .chunks(2)
            .map(|d| u8::try_from(d[0] * 16 + d[1]).unwrap())
            .collect()
    }

    #[test]
    fn keys_and_signatures_are_those_of_rfc_8032() {
        // Section 7.1, TEST 2.
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let notary = Notary::from_seed(&Secret::new(STANDARD.encode(from_hex(seed)))).unwrap();
        assert_eq!(notary.public_key(), STANDARD.encode(from_hex(public)));
        assert_eq!(notary.sign(&[0x72]), STANDARD.encode(from_hex(signature)));
    }

    #[test]
    fn only_the_signed_message_is_signed() {
        let notary = Notary::from_seed(&Notary::new_seed().unwrap()).unwrap();
        let other = Notary::from_seed(&Notary::new_seed().unwrap()).unwrap();
        let (key, signature) = (notary.public_key(), notary.sign(b"a"));
        assert!(is_signed(&key, b"a", &signature));
        assert!(!is_signed(&key, b"b", &signature));
        assert!(!is_signed(&other.public_key(), b"a", &signature));
        assert!(!is_signed(&key, b"a", &other.sign(b"a")));
        assert!(!is_signed("", b"a", &signature) && !is_signed(&key, b"a", "no base64!"));
        assert!(Notary::from_seed(&Secret::new("AAAA".into())).is_err());
    }
}
