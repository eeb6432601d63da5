//! What can go wrong with the database, named for whoever has to act.
//!
//! No variant carries a parameter of a statement: arguments and results never reach an error text.

/// Why a statement, a transaction or the opening of a store did not succeed.
///
/// It can be cloned because one failed commit answers every writer of its group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or does not answer; what was asked for did not happen, unless
    /// the connection broke during the commit itself.
    #[error("the database is not available: {0}; Executor tries again by itself")]
    Unavailable(String),
    /// The database refuses the user or password.
    #[error(
        "the database refuses the sign-in: {0}; check user, password and database name of the database URL"
    )]
    SignIn(String),
    /// The database URL or path cannot be used.
    #[error("the database cannot be opened: {0}")]
    Location(String),
    /// No space is left; nothing was written.
    #[error(
        "no space is left for the database ({0}); nothing was written; free some space and try again"
    )]
    Full(String),
    /// The file or a stored value is not what Executor wrote.
    #[error("the database is damaged: {0}; restore a backup, and keep the damaged copy")]
    Corrupt(String),
    /// A file is no backup, or not as it was written.
    #[error("this backup cannot be used: {0}; nothing was written; take another one")]
    BadBackup(String),
    /// A backup is to go where something is already.
    #[error(
        "the database is not empty; a backup is taken into an empty one only; nothing was written"
    )]
    NotEmpty,
    /// A newer Executor made the database.
    #[error(
        "the database was made by a newer Executor (its schema is {found}, this one knows up to {known}); nothing was changed; start the newer version"
    )]
    Newer {
        /// The schema version found.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// The schema in the database is not the one this program would have made.
    #[error(
        "schema step {0} of the database differs from the one this Executor knows; nothing was changed; start the version that made it"
    )]
    Altered(i64),
    /// Another server holds the task now; the write was refused.
    #[error("another server has taken over {0}; this write was refused")]
    LostLease(domain::TaskId),
    /// The journal of a task was changed after it was written.
    #[error("the journal of {task_id} is broken at call {sequence}: {what}; the task cannot go on")]
    JournalBroken {
        /// The task.
        task_id: domain::TaskId,
        /// The first call that does not fit.
        sequence: u32,
        /// What does not fit.
        what: &'static str,
    },
    /// A row like it exists, or one it refers to does not.
    #[error("this conflicts with what is stored ({0})")]
    Conflict(String),
    /// A text that no database keeps.
    #[error("a text with a NUL character cannot be stored; remove the character")]
    Unstorable,
    /// The store was closed.
    #[error("the database was closed; the server is stopping")]
    Closed,
    /// A fault of Executor itself.
    #[error("a statement failed: {0}; this is a fault of Executor, please report it")]
    Internal(String),
}
