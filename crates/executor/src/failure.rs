//! How a command ends: the exit code, and for a failure what was wrong and what to do.
//!
//! Exit codes are a promise to scripts. Every error a person can see is a
//! [`Failure`]; nothing else is printed as an error. See `output.rs` for how it is shown.

use serde_json::{Value, json};

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Policy or a person refused a call.
    Denied = 3,
    /// A limit on time was passed.
    TimedOut = 4,
    /// Canceled, or left by the person at the terminal.
    Canceled = 5,
    /// No server answers.
    Unreachable = 6,
    /// Not signed in, or not allowed.
    NotAllowed = 7,
}

impl Exit {
    /// The exit code for the final status of a task.
    pub(crate) fn of_task(status: &str) -> Self {
        match status {
            "completed" | "queued" | "running" | "waiting" => Self::Done,
            "denied" => Self::Denied,
            "timed_out" => Self::TimedOut,
            "canceled" => Self::Canceled,
            _ => Self::Failed,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// A stable code.
    pub(crate) code: String,
    /// What was wrong, and where, in a sentence.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) next_step: Option<String>,
    /// What else is known, as the server sent it.
    pub(crate) details: Option<Box<Value>>,
}

/// What commands return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            next_step: None,
            details: None,
        }
    }

    /// Something did not work.
    pub(crate) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    /// The command line or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// No server answers.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, "server_unreachable", message)
    }

    /// Not signed in, or not allowed.
    pub(crate) fn not_allowed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::NotAllowed, code, message)
    }

    /// Whether the server did not know the key or token that was sent.
    pub(crate) fn is_unknown_bearer(&self) -> bool {
        matches!(self.code.as_str(), "unknown_key" | "invalid_token")
    }

    /// The same failure with advice.
    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(step.into());
        self
    }

    /// From a problem that the server answered with.
    pub(crate) fn from_problem(problem: api::error::Problem) -> Self {
        let exit = match problem.status {
            401 | 403 => Exit::NotAllowed,
            _ => Exit::Failed,
        };
        let message = match (&problem.request_id, problem.status >= 500) {
            (Some(id), true) => format!("{} (request {id} in the server's log)", problem.title),
            _ => problem.title,
        };
        // What the server says of a page and of programs is for others.
        let told = problem
            .next_step
            .filter(|_| problem.code != "not_signed_in");
        let next_step = told.or_else(|| {
            (problem.status == 401).then(|| {
                "run this as the user who runs the server, sign in with `executor login --server URL`, or give a key with --api-key or EXECUTOR_API_KEY"
                    .to_owned()
            })
        });
        Self {
            exit,
            code: problem.code,
            message,
            next_step,
            details: problem.details.map(Box::new),
        }
    }

    /// The document that `--json` prints for it.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(step) = &self.next_step {
            error["nextStep"] = json!(step);
        }
        if let Some(details) = &self.details {
            error["details"] = (**details).clone();
        }
        json!({ "error": error })
    }
}
