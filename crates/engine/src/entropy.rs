//! Randomness for identifiers and seeds, from the operating system.

/// Random bytes.
///
/// The operating system's generator fails only on a machine that cannot run anything else either;
/// going on without randomness would make identifiers guessable.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0u8; N];
    getrandom::fill(&mut out).expect("the operating system gives random bytes");
    out
}

/// 128 random bits for an identifier.
pub(crate) fn bits() -> [u8; 16] {
    bytes()
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A name for a failure in the log.
pub(crate) fn short_id() -> String {
    format!("err_{}", hex(&bytes::<8>()))
}
