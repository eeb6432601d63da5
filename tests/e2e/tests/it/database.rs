//! The two databases on which everything must hold.
//!
//! SQLite needs nothing: it is a file in the data directory. PostgreSQL is a private cluster of the
//! test process, in which each case gets a database of its own.

/// Where a server keeps what it keeps.
pub(crate) struct Database {
    /// The address for `--database-url`; none for the embedded file.
    pub(crate) url: Option<String>,
}

impl Database {
    /// The embedded file.
    pub(crate) fn sqlite() -> Self {
        Self { url: None }
    }

    /// A new, empty database in the process's own PostgreSQL cluster.
    pub(crate) fn postgres() -> Self {
        Self {
            url: Some(testkit::postgres::new_database()),
        }
    }

    /// Whether it is the embedded file.
    pub(crate) fn is_embedded(&self) -> bool {
        self.url.is_none()
    }
}
