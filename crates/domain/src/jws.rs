//! What signs the tokens of others (RFC 7515, RFC 7518): ways to sign that take a key which one side
//! alone has, and the public keys that check them. The checking itself is the vault's.

/// A way to sign. Shared secrets and no signature at all are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Reads the name that a token's header gives.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// A public key, as its numbers in big-endian bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// P-256.
    P256 {
        /// The point: 4, x, y.
        point: Vec<u8>,
    },
    /// P-384.
    P384 {
        /// The point: 4, x, y.
        point: Vec<u8>,
    },
    /// Ed25519.
    Ed25519 {
        /// The key.
        x: Vec<u8>,
    },
}

/// Says whether a signature is that of a message, by a key, in a way that the key is for.
pub type Verify = fn(Algorithm, &PublicKey, message: &[u8], signature: &[u8]) -> bool;
