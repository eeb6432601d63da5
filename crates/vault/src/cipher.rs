//! XChaCha20-Poly1305 and the text its output is kept as: `v1.<base64 of nonce and ciphertext>`.
//!
//! The nonce is 24 random bytes, wide enough to be drawn without counting (the construction:
//! draft-irtf-cfrg-xchacha-03). The binding is associated data: not kept, but without it the text
//! does not open.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use domain::credential::Secret;
use zeroize::Zeroizing;

/// Length of a key.
pub(crate) const KEY_BYTES: usize = 32;

const NONCE_BYTES: usize = 24;

/// The first form of a sealed text.
const V1: &str = "v1.";

/// A key, overwritten when dropped.
pub(crate) struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    pub(crate) fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }

    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| Error::NoRandomness)?;
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.0).into())
    }
}

/// What was inside, overwritten when dropped.
pub(crate) struct Plain(Zeroizing<Vec<u8>>);

impl Plain {
    pub(crate) fn into_key(self) -> Result<Key, Error> {
        Key::from_slice(&self.0).ok_or(Error::DoesNotOpen)
    }

    pub(crate) fn into_secret(mut self) -> Result<Secret, Error> {
        String::from_utf8(std::mem::take(&mut *self.0))
            .map(Secret::new)
            .map_err(|bad| {
                drop(Zeroizing::new(bad.into_bytes()));
                Error::DoesNotOpen
            })
    }
}

/// Seals some bytes, bound to a text.
pub(crate) fn seal(key: &Key, binding: &str, plain: &[u8]) -> Result<String, Error> {
    let mut out = vec![0; NONCE_BYTES];
    getrandom::fill(&mut out).map_err(|_| Error::NoRandomness)?;
    let nonce = XNonce::try_from(out.as_slice()).expect("it was made of this length");
    let payload = Payload {
        msg: plain,
        aad: binding.as_bytes(),
    };
    let sealed = key
        .cipher()
        .encrypt(&nonce, payload)
        .expect("no value reaches the cipher's 256 GiB");
    out.extend(sealed);
    Ok(format!("{V1}{}", STANDARD_NO_PAD.encode(out)))
}

/// Opens a sealed text, given what it is bound to.
pub(crate) fn open(key: &Key, binding: &str, sealed: &str) -> Result<Plain, Error> {
    let bytes = sealed
        .strip_prefix(V1)
        .and_then(|text| STANDARD_NO_PAD.decode(text).ok())
        .filter(|bytes| bytes.len() > NONCE_BYTES)
        .ok_or(Error::DoesNotOpen)?;
    let (nonce, ciphertext) = bytes.split_at(NONCE_BYTES);
    let nonce = XNonce::try_from(nonce).map_err(|_| Error::DoesNotOpen)?;
    let payload = Payload {
        msg: ciphertext,
        aad: binding.as_bytes(),
    };
    key.cipher()
        .decrypt(&nonce, payload)
        .map(|plain| Plain(Zeroizing::new(plain)))
        .map_err(|_| Error::DoesNotOpen)
}
