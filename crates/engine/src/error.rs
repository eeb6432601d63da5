//! Why an operation of the engine did not succeed, in words for whoever asked.

use domain::access::Forbidden;
use domain::limits::Limit;
use domain::tenancy::Role;
use serde_json::Value;

/// Why an operation did not succeed. The text is for people; [`Error::code`] is for programs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It does not exist, or belongs to somebody else.
    #[error("there is no {what} '{id}' here")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By what.
        id: String,
    },
    /// It does not exist, but something like it does.
    #[error("there is no {what} '{id}' here; did you mean {}?", near.join(", "))]
    NotFoundNear {
        /// What was looked for.
        what: &'static str,
        /// By what.
        id: String,
        /// The nearest ones, the best first.
        near: Vec<String>,
    },
    /// The caller may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// What was given does not fit.
    #[error("{message}")]
    Invalid {
        /// A stable code.
        code: &'static str,
        /// What was wrong, where, and what to do.
        message: String,
        /// What else is known.
        details: Option<Value>,
    },
    /// It cannot be done as things stand.
    #[error("{message}")]
    Conflict {
        /// A stable code.
        code: &'static str,
        /// What stands in the way.
        message: String,
    },
    /// A rate or quota of the workspace, or of one key in it, is used up.
    #[error("the limit {} is reached: {value} {}", limit.as_str(), limit.describe())]
    Limited {
        /// `rate_limited` or `quota_exceeded`.
        code: &'static str,
        /// The limit.
        limit: Limit,
        /// What it is here.
        value: u64,
        /// When it may be worth another try; none where waiting does not help.
        retry_after_ms: Option<u64>,
        /// Who set it.
        set_for: SetFor,
    },
    /// A secret was guessed too often from one address.
    #[error("too many tries from this address; wait a moment")]
    TooManyTries {
        /// When the next try is looked at.
        retry_after_ms: u64,
    },
    /// The database or the sandbox cannot be used at the moment.
    #[error("{message}")]
    Unavailable {
        /// What cannot be used, and why.
        message: String,
    },
    /// A fault of Executor; the cause is in its log under the id.
    #[error("something went wrong inside Executor; its log names the cause under {id}")]
    Internal {
        /// Names the failure in the log.
        id: String,
    },
    /// The task changed hands while this server worked on it; the other server goes on.
    #[error("the task is run by another server now")]
    LostLease,
}

/// For whom a limit was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetFor {
    /// For the workspace, by its settings or by default.
    Workspace,
    /// For the one key, when it was made.
    Key,
}

impl Error {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotFound { .. } | Self::NotFoundNear { .. } => "not_found",
            Self::Forbidden(Forbidden::OtherWorkspace { .. }) => "wrong_workspace",
            Self::Forbidden(Forbidden::Ended { .. }) => "workspace_deleted",
            Self::Forbidden(Forbidden::Nowhere) => "no_workspace",
            Self::Forbidden(Forbidden::Scope { .. }) => "insufficient_scope",
            Self::Forbidden(Forbidden::Visitor { .. }) => "visitor",
            Self::Forbidden(
                Forbidden::Role { .. }
                | Forbidden::Program { .. }
                | Forbidden::Above { .. }
                | Forbidden::Operator { .. },
            ) => "forbidden",
            Self::Invalid { code, .. }
            | Self::Conflict { code, .. }
            | Self::Limited { code, .. } => code,
            Self::TooManyTries { .. } => "too_many_tries",
            Self::Unavailable { .. } => "unavailable",
            Self::Internal { .. } => "internal",
            Self::LostLease => "lost_lease",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        match self {
            Self::NotFound { what, .. } => Some(format!(
                "List what there is, and check the {what}'s identifier."
            )),
            Self::Forbidden(Forbidden::Role {
                needed: Role::Owner,
                ..
            }) => Some("Ask an owner of the organization.".into()),
            Self::Forbidden(Forbidden::Role { .. } | Forbidden::Above { .. }) => {
                Some("Ask an administrator of the workspace.".into())
            }
            Self::Forbidden(Forbidden::Scope { missing, .. }) => Some(format!(
                "Use a key that has it: `executor keys create NAME --scope {}`.",
                missing.as_str()
            )),
            Self::Forbidden(
                Forbidden::Program { .. }
                | Forbidden::OtherWorkspace { .. }
                | Forbidden::Operator { .. }
                | Forbidden::Ended { .. }
                | Forbidden::Visitor { .. }
                | Forbidden::Nowhere,
            ) => None,
            Self::Limited {
                retry_after_ms,
                set_for: SetFor::Key,
                ..
            } => Some(format!(
                "Try again in {} s; this limit was set for the key, and one without it is made \
                 with `executor keys create`.",
                retry_after_ms.unwrap_or_default().div_ceil(1_000)
            )),
            Self::Limited {
                limit,
                retry_after_ms,
                set_for: SetFor::Workspace,
                ..
            } => Some(match retry_after_ms {
                Some(ms) => format!(
                    "Try again in {} s; {}.",
                    ms.div_ceil(1_000),
                    limit.how_to_raise()
                ),
                None => format!("Remove what is not needed; {}.", limit.how_to_raise()),
            }),
            Self::TooManyTries { retry_after_ms } => Some(format!(
                "Try again in {} s; whoever has the right link or secret gets in at once.",
                retry_after_ms.div_ceil(1_000)
            )),
            Self::Unavailable { .. } => Some("Run `executor doctor` to see what is wrong.".into()),
            Self::NotFoundNear { .. }
            | Self::Invalid { .. }
            | Self::Conflict { .. }
            | Self::Internal { .. }
            | Self::LostLease => None,
        }
    }

    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            message: message.into(),
            details: None,
        }
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn limited(code: &'static str, limit: Limit, value: u64, retry_ms: u64) -> Self {
        Self::Limited {
            code,
            limit,
            value,
            retry_after_ms: Some(retry_ms),
            set_for: SetFor::Workspace,
        }
    }

    pub(crate) fn limited_by_key(
        code: &'static str,
        limit: Limit,
        value: u64,
        retry_ms: u64,
    ) -> Self {
        Self::Limited {
            code,
            limit,
            value,
            retry_after_ms: Some(retry_ms),
            set_for: SetFor::Key,
        }
    }

    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound {
            what,
            id: id.to_string(),
        }
    }

    /// Logs a cause that nobody outside may see, and names it.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        let id = crate::entropy::short_id();
        tracing::error!(failure.id = %id, "internal failure: {cause}");
        Self::Internal { id }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::LostLease(_) => Self::LostLease,
            store::Error::Full(_) | store::Error::Unavailable(_) | store::Error::Closed => {
                Self::Unavailable {
                    message: error.to_string(),
                }
            }
            store::Error::Unstorable => Self::invalid("invalid_text", error.to_string()),
            store::Error::SignIn(_)
            | store::Error::Location(_)
            | store::Error::Corrupt(_)
            | store::Error::BadBackup(_)
            | store::Error::NotEmpty
            | store::Error::Newer { .. }
            | store::Error::Altered(_)
            | store::Error::JournalBroken { .. }
            | store::Error::Conflict(_)
            | store::Error::Internal(_) => Self::internal(&error),
        }
    }
}
