//! Digests in fewer bytes: what is 64 hexadecimal digits everywhere else stands in a row as 43
//! characters of base 64. There are many rows, and several digests to each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::borrow::Cow;

const BYTES: usize = 32;
const PACKED: usize = 43;

/// As it stands in a row. What is not the hexadecimal form of 32 bytes, in small letters, stands there
/// as it is.
pub(crate) fn pack(digest: &str) -> Cow<'_, str> {
    bytes(digest).map_or(Cow::Borrowed(digest), |bytes| {
        Cow::Owned(STANDARD_NO_PAD.encode(bytes))
    })
}

/// What was packed, also where it was written before digests were.
pub(crate) fn unpack(stored: String) -> String {
    if stored.len() != PACKED {
        return stored;
    }
    match STANDARD_NO_PAD.decode(&stored) {
        Ok(bytes) => domain::canonical::hex(&bytes),
        Err(_) => stored,
    }
}

fn bytes(digest: &str) -> Option<[u8; BYTES]> {
    let digits = digest.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_come_back_as_they_were_and_nothing_else_is_touched() {
        let digest = domain::canonical::sha256_hex(b"a tool");
        let packed = pack(&digest).into_owned();
        assert_eq!(packed.len(), PACKED);
        assert_eq!(unpack(packed), digest);
        let upper = digest.to_uppercase();
        for other in [
            "",
            "one",
            &digest[1..],
            &upper,
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            assert_eq!(pack(other), other);
            assert_eq!(unpack(other.to_owned()), other);
        }
    }
}
