//! Every limit that an MCP server is held to, with its name.

use std::time::Duration;

/// For a handshake: the server's greeting, once a connection or process is there. A command may
/// have to be fetched and unpacked by its launcher first.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(60);

/// For reading the whole list of tools.
pub(super) const LISTING: Duration = Duration::from_secs(60);

/// Pages of a list that are read.
pub(super) const PAGES_MAX: usize = 1_000;

/// Tools of one server that are taken in.
pub(super) const TOOLS_MAX: usize = 10_000;

/// Bytes of a list, all pages together.
pub(super) const LISTING_BYTES_MAX: usize = 64 << 20;

/// Bytes of one message.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Characters of a tool's description; what is beyond is cut with a mark and a warning.
pub(super) const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// Bytes of one schema; a larger one accepts everything.
pub(super) const SCHEMA_BYTES_MAX: usize = 256 << 10;

/// A session that nobody used for this long is ended.
pub(super) const SESSION_IDLE: Duration = Duration::from_secs(15 * 60);

/// How often idle sessions are looked for.
pub(super) const SWEEP: Duration = Duration::from_secs(30);

/// Sessions at once, of all sources and people; beyond it the one that rested longest is ended.
pub(super) const SESSIONS_MAX: usize = 256;

/// Processes at once.
pub(super) const PROCESSES_MAX: usize = 64;

/// The longest pause before a server that failed is tried again; it doubles from half a second.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A call waits for a pause that is shorter; a longer one is told as an error.
pub(super) const BACKOFF_WAITED: Duration = Duration::from_secs(3);

/// How long a process may take to end after its input was closed, and again after it was asked to.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// The end of a process's error output that is kept, in bytes.
pub(super) const STDERR_BYTES_KEPT: usize = 8 << 10;

/// Messages that wait to be written to a process.
pub(super) const OUTGOING_MAX: usize = 64;

/// How long a list that is said to have changed has to keep still before it is read again.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

/// How long one stream for what a server says by itself is kept before it is opened anew.
pub(super) const LISTEN: Duration = Duration::from_secs(30 * 60);

/// How often an answer whose stream broke off is resumed.
pub(super) const RESUMES_MAX: u32 = 5;

/// The pause before that, where the server names none, and the longest that it may name.
pub(super) const RESUME_PAUSE: Duration = Duration::from_millis(500);
pub(super) const RESUME_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How often a call comes back with a question of its server before it is given up.
pub(super) const ROUNDS_MAX: u32 = 3;

/// How often a task of a server is looked at: at least and at most.
pub(super) const POLL_MIN: Duration = Duration::from_millis(100);
pub(super) const POLL_MAX: Duration = Duration::from_secs(10);

/// For a message that expects no answer.
pub(super) const TELLING: Duration = Duration::from_secs(10);
