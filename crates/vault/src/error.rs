//! What can go wrong with a secret. Nothing here ever quotes one.

/// Why a key or a value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text given as master key is no key.
    #[error(
        "the master key is not 32 bytes in base64: {0}; make one with `openssl rand -base64 32`"
    )]
    BadMasterKey(&'static str),
    /// Another master key made what is stored.
    #[error(
        "this is not the master key that the stored credentials were sealed with; start with the one \
         used before (the file `master.key` of the data directory, EXECUTOR_MASTER_KEY or \
         EXECUTOR_MASTER_KEY_FILE); nothing was changed"
    )]
    WrongMasterKey,
    /// A sealed text was changed, or is not where it belongs.
    #[error("a stored credential does not open: it was changed or moved; set it again")]
    DoesNotOpen,
    /// What a browser gave away to be written to is unusable.
    #[error("{0}")]
    BadPushKeys(&'static str),
    /// More than fits into one message of Web Push.
    #[error("the message is larger than {max} bytes", max = crate::PUSH_BYTES_MAX)]
    TooLarge,
    /// The system gives no randomness.
    #[error("the operating system gives no random bytes; nothing was sealed")]
    NoRandomness,
}
