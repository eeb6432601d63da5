//! Signatures that others check: HMAC-SHA256 over a message, with a secret that both sides hold.
//!
//! Says nothing of what is signed; the scheme of webhooks is `engine/webhooks/signature.rs`.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::credential::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a new signing secret.
const SECRET_BYTES: usize = 32;

/// Makes a signing secret: random bytes, as base64.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_signing_secret() -> Result<Secret, Error> {
    let mut bytes = zeroize::Zeroizing::new([0u8; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(|_| Error::NoRandomness)?;
    Ok(Secret::new(STANDARD.encode(bytes.as_ref())))
}

/// Signs a message with a secret given as base64; the signature is base64 too.
///
/// # Errors
/// [`Error::DoesNotOpen`] if the secret is no base64.
pub fn sign(secret: &Secret, message: &[u8]) -> Result<String, Error> {
    let key = zeroize::Zeroizing::new(
        STANDARD
            .decode(secret.expose())
            .map_err(|_| Error::DoesNotOpen)?,
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(message);
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether a signature, in hexadecimal, is that of a message under a secret as it is written. Takes as
/// long for every signature of the right length.
#[must_use]
pub fn is_hmac_of(secret: &Secret, message: &[u8], signature: &str) -> bool {
    let nibble = |b: u8| char::from(b).to_digit(16);
    let bytes: Option<Vec<u8>> = signature
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok(),
            _ => None,
        })
        .collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(message);
    bytes.is_some_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_others_are_checked() {
        // RFC 4231, test case 2.
        let secret = Secret::new("Jefe".to_owned());
        let message = b"what do ya want for nothing?";
        let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(is_hmac_of(&secret, message, good));
        assert!(is_hmac_of(&secret, message, &good.to_uppercase()));
        for bad in [
            "",
            "5b",
            &good[1..],
            &good.replace('5', "6"),
            "zz",
            "\u{e4}\u{e4}",
        ] {
            assert!(!is_hmac_of(&secret, message, bad), "{bad}");
        }
        assert!(!is_hmac_of(&Secret::new("jefe".to_owned()), message, good));
    }

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        for (key, message, signature) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            let secret = Secret::new(STANDARD.encode(key));
            let signed = STANDARD.decode(sign(&secret, message).unwrap()).unwrap();
            let hex: String = signed.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, signature);
        }
        assert!(sign(&Secret::new("no base64!".into()), b"").is_err());
    }

    #[test]
    fn secrets_differ_and_are_long() {
        let (one, two) = (new_signing_secret().unwrap(), new_signing_secret().unwrap());
        assert_ne!(one.expose(), two.expose());
        assert_eq!(STANDARD.decode(one.expose()).unwrap().len(), SECRET_BYTES);
    }
}
