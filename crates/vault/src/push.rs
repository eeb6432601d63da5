//! What Web Push seals and signs: messages that one browser alone opens (RFC 8291, in the encoding
//! `aes128gcm` of RFC 8188), and the key pair by which push services know this installation (RFC 8292).
//!
//! The curve is P-256 throughout. What is signed and what is sealed is the caller's affair.

use crate::Error;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::credential::Secret;
use zeroize::Zeroizing;

/// Bytes of a point, uncompressed.
const POINT_BYTES: usize = 65;
/// Bytes of the secret that a browser shares with whoever may write to it.
const AUTH_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Size of the one record, as it is announced (RFC 8291, section 4).
const RECORD_BYTES: u32 = 4_096;
/// Bytes that stand before the record: salt, record size, the length of a key and the key.
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
/// Largest message, in bytes: all of it is within the 4096 that every push service takes (RFC 8030,
/// section 7.2), with its header, its delimiter and the tag.
pub const PUSH_BYTES_MAX: usize = 4_096 - HEADER_BYTES - 1 - TAG_BYTES;
/// Messages are filled up to a multiple of this, so that their length tells little.
const FILLED_TO: usize = 512;

/// The key pair by which push services know this installation.
pub struct PushSigner {
    pair: EcdsaKeyPair,
}

impl PushSigner {
    /// Makes a key pair, as base64. To be kept sealed.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new_pair() -> Result<Secret, Error> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map_err(|_| Error::NoRandomness)?;
        Ok(Secret::new(STANDARD.encode(pair.as_ref())))
    }

    /// The key pair that [`PushSigner::new_pair`] made.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] if it is none.
    pub fn from_pair(pair: &Secret) -> Result<Self, Error> {
        let bytes = STANDARD.decode(pair.expose()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| Error::DoesNotOpen)?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes)
            .map(|pair| Self { pair })
            .map_err(|_| Error::DoesNotOpen)
    }

    /// The public half, as browsers and push services take it: an uncompressed point in base64url.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    /// Signs a message as `ES256` does (RFC 7518, section 3.4); base64url.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<String, Error> {
        let signed = self.pair.sign(&SystemRandom::new(), message);
        let signed = signed.map_err(|_| Error::NoRandomness)?;
        Ok(URL_SAFE_NO_PAD.encode(signed.as_ref()))
    }
}

/// What seals for one browser: what it gave away when it subscribed.
#[derive(Clone)]
pub struct PushReceiver {
    public: Vec<u8>,
    auth: Vec<u8>,
}

impl PushReceiver {
    /// Reads the two keys of a subscription, base64url: `p256dh`, a point of the curve, and `auth`, 16
    /// bytes.
    ///
    /// # Errors
    /// [`Error::BadPushKeys`], saying which of the two is none.
    pub fn parse(p256dh: &str, auth: &str) -> Result<Self, Error> {
        let read = |text: &str, bytes: usize| {
            let text = text
                .trim_end_matches('=')
                .replace('+', "-")
                .replace('/', "_");
            let read = URL_SAFE_NO_PAD.decode(text).ok();
            read.filter(|read| read.len() == bytes)
        };
        let point = "p256dh is no point of the curve P-256 in base64url, 65 bytes";
        let public = read(p256dh, POINT_BYTES).ok_or(Error::BadPushKeys(point))?;
        let auth = read(auth, AUTH_BYTES);
        let auth = auth.ok_or(Error::BadPushKeys("auth is not 16 bytes in base64url"))?;
        // Whether it lies on the curve shows when somebody agrees on a secret with it.
        let probe = PrivateKey::generate(&ECDH_P256).map_err(|_| Error::NoRandomness)?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, &public);
        agree(&probe, peer, Error::BadPushKeys(point), |_| Ok(()))?;
        Ok(Self { public, auth })
    }

    /// Seals a message of at most [`PUSH_BYTES_MAX`] bytes: the body of a request to the push service.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; no randomness.
    pub fn seal(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let own = PrivateKey::generate(&ECDH_P256).map_err(|_| Error::NoRandomness)?;
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| Error::NoRandomness)?;
        let filled = message.len().div_ceil(FILLED_TO) * FILLED_TO;
        self.seal_with(&own, salt, message, filled.min(PUSH_BYTES_MAX))
    }

    /// RFC 8291, section 3.4, and RFC 8188, section 2: one record, the last, filled up to a length.
    fn seal_with(
        &self,
        own: &PrivateKey,
        salt: [u8; SALT_BYTES],
        message: &[u8],
        filled: usize,
    ) -> Result<Vec<u8>, Error> {
        if message.len() > PUSH_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let public = own.compute_public_key().map_err(|_| Error::NoRandomness)?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, &self.public);
        let prk = agree(own, peer, Error::DoesNotOpen, |secret| {
            Ok(Salt::new(HKDF_SHA256, &self.auth).extract(secret))
        })?;
        let whose = [b"WebPush: info\0", self.public.as_slice(), public.as_ref()];
        let secret = expanded::<32>(&prk, &whose)?;
        let prk = Salt::new(HKDF_SHA256, &salt).extract(secret.as_ref());
        let key = expanded::<KEY_BYTES>(&prk, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce = expanded::<NONCE_BYTES>(&prk, &[b"Content-Encoding: nonce\0"])?;

        let mut record = Vec::with_capacity(filled.max(message.len()) + 1 + TAG_BYTES);
        record.extend_from_slice(message);
        record.push(2);
        record.resize(filled.max(message.len()) + 1, 0);
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).map_err(|_| Error::DoesNotOpen)?;
        LessSafeKey::new(key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(*nonce),
                Aad::empty(),
                &mut record,
            )
            .map_err(|_| Error::DoesNotOpen)?;

        let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
        body.extend_from_slice(&salt);
        body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
        body.extend(u8::try_from(POINT_BYTES));
        body.extend_from_slice(public.as_ref());
        body.extend_from_slice(&record);
        Ok(body)
    }
}

/// A length for the expansion of HKDF.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expanded<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Result<Zeroizing<[u8; N]>, Error> {
    let mut out = Zeroizing::new([0; N]);
    prk.expand(info, Length(N))
        .and_then(|okm| okm.fill(out.as_mut()))
        .map_err(|_| Error::DoesNotOpen)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_FIXED};

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    // RFC 8291, section 5 and appendix A.
    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\
                          aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const OWN: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    const SALT: &str = "DGv6ra1nlYgDCS1FRnbzlw";
    const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
                        mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
                        pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

    #[test]
    fn a_message_is_sealed_as_in_rfc_8291() {
        let receiver = PushReceiver::parse(P256DH, AUTH).unwrap();
        let own = PrivateKey::from_private_key(&ECDH_P256, &bytes(OWN)).unwrap();
        let salt = bytes(SALT).try_into().unwrap();
        let message = b"When I grow up, I want to be a watermelon";
        let body = receiver.seal_with(&own, salt, message, 0).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(body), BODY);
    }

    #[test]
    fn lengths_tell_little_and_fit_what_services_take() {
        let receiver = PushReceiver::parse(P256DH, AUTH).unwrap();
        let length = |n: usize| receiver.seal(&vec![b'a'; n]).map(|body| body.len());
        assert_eq!(length(10), length(500));
        assert_ne!(length(10), length(600));
        assert_eq!(length(PUSH_BYTES_MAX), Ok(4_096));
        assert_eq!(length(PUSH_BYTES_MAX + 1), Err(Error::TooLarge));
        let (one, two) = (receiver.seal(b"a").unwrap(), receiver.seal(b"a").unwrap());
        assert_ne!(one, two, "a salt and a key of its own for each");
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let padded = format!("{AUTH}==");
        assert!(PushReceiver::parse(P256DH, &padded).is_ok());
        let off_curve = {
            let mut point = bytes(P256DH);
            point[64] ^= 1;
            URL_SAFE_NO_PAD.encode(point)
        };
        for (p256dh, auth, which) in [
            (off_curve.as_str(), AUTH, "p256dh"),
            (&P256DH[..80], AUTH, "p256dh"),
            ("", AUTH, "p256dh"),
            ("no base64!", AUTH, "p256dh"),
            (P256DH, "", "auth"),
            (P256DH, &AUTH[..20], "auth"),
        ] {
            let Err(Error::BadPushKeys(why)) = PushReceiver::parse(p256dh, auth) else {
                panic!("{p256dh} {auth}");
            };
            assert!(why.starts_with(which), "{why}");
        }
    }

    #[test]
    fn a_pair_signs_and_is_kept() {
        let pair = PushSigner::new_pair().unwrap();
        let signer = PushSigner::from_pair(&pair).unwrap();
        let public = bytes(&signer.public_key());
        assert_eq!((public.len(), public[0]), (POINT_BYTES, 4));
        let signature = bytes(&signer.sign(b"a.b").unwrap());
        assert_eq!(signature.len(), 64);
        let key = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public);
        assert!(key.verify(b"a.b", &signature).is_ok());
        assert!(key.verify(b"a.c", &signature).is_err());
        let other = PushSigner::from_pair(&PushSigner::new_pair().unwrap()).unwrap();
        assert_ne!(other.public_key(), signer.public_key());
        assert!(PushSigner::from_pair(&Secret::new("AAAA".into())).is_err());
    }
}
