//! Signatures that others make with keys of their own, checked with the public half.

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use domain::jws::{Algorithm, PublicKey};

/// Whether a signature is that of a message, by a key, in a way that the key is for. RSA keys have
/// from 2048 to 8192 bits.
#[must_use]
pub fn verify(algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    match (algorithm, key) {
        (Algorithm::Es256, PublicKey::P256 { point }) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok()
        }
        (Algorithm::Es384, PublicKey::P384 { point }) => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
                .verify(message, signature)
                .is_ok()
        }
        (Algorithm::EdDsa, PublicKey::Ed25519 { x }) => UnparsedPublicKey::new(&ED25519, x)
            .verify(message, signature)
            .is_ok(),
        (algorithm, PublicKey::Rsa { n, e }) => rsa(algorithm).is_some_and(|parameters| {
            RsaPublicKeyComponents { n, e }
                .verify(parameters, message, signature)
                .is_ok()
        }),
        (_, PublicKey::P256 { .. } | PublicKey::P384 { .. } | PublicKey::Ed25519 { .. }) => false,
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().collect();
        let pair = |p: &[char]| u8::from_str_radix(&p.iter().collect::<String>(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn the_vector_of_rfc_8032_and_nothing_like_it() {
        let key = PublicKey::Ed25519 {
            x: bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
        };
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert!(verify(Algorithm::EdDsa, &key, &[0x72], &signature));
        assert!(!verify(Algorithm::EdDsa, &key, &[0x73], &signature));
        assert!(!verify(Algorithm::Rs256, &key, &[0x72], &signature));
        assert!(!verify(Algorithm::EdDsa, &key, &[0x72], &signature[1..]));
        let empty = PublicKey::Ed25519 { x: Vec::new() };
        assert!(!verify(Algorithm::EdDsa, &empty, &[0x72], &signature));
        let rsa = PublicKey::Rsa {
            n: vec![1],
            e: vec![1],
        };
        assert!(!verify(Algorithm::Rs256, &rsa, &[0x72], &signature));
    }
}
