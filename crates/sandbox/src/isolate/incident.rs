//! A worker that ended while it should have served, as the host saw it.
//!
//! One that asks the kernel for what it may not, lies to its host or does not
//! stop has perhaps been taken over: people must hear of it. Its programs are
//! rebuilt elsewhere. Who is told, and where it is written down, is the engine's.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A worker that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What kind of end it was.
    pub kind: IncidentKind,
    /// What was seen, for a person.
    pub detail: String,
    /// Whose programs were in it; none when it was idle.
    pub tenant: Option<String>,
    /// How many programs were in it; each is rebuilt.
    pub sessions: u32,
}

/// The ways in which a worker is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// It asked for a system call that is not on its list, and the kernel ended it.
    ForbiddenCall,
    /// It said what no honest worker says, and was killed.
    BrokeProtocol,
    /// It used more processor time than its programs may, and was killed.
    Overstayed,
    /// It stopped answering, and was killed.
    Silent,
    /// It ended by itself, or somebody else killed it.
    Died,
}

impl IncidentKind {
    /// The stable name, as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentKind::ForbiddenCall => "forbidden_call",
            IncidentKind::BrokeProtocol => "broke_protocol",
            IncidentKind::Overstayed => "overstayed",
            IncidentKind::Silent => "silent",
            IncidentKind::Died => "died",
        }
    }

    /// What the end of a worker that nobody here killed was.
    pub(super) fn of_end(status: ExitStatus) -> IncidentKind {
        match status.signal() {
            Some(libc::SIGSYS) => IncidentKind::ForbiddenCall,
            Some(_) | None => IncidentKind::Died,
        }
    }
}
