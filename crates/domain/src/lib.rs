//! Words and rules of Executor: identifiers, lifecycles, the policy decision, permissions, limits.
//!
//! Nothing here waits, reads a clock, draws randomness or knows a wire form. Everything is decided
//! from its arguments, so every rule is a table test. Modules stand in suggested reading order.

#![warn(missing_docs)]

pub mod id;
pub mod time;
pub mod limits;
pub mod canonical;
pub mod tenancy;
pub mod access;
pub mod source;
pub mod tool;
pub mod task;
pub mod call;
pub mod approval;
pub mod policy;
pub mod credential;
pub mod event;
pub mod audit;

pub use id::{
    AccountId, ApprovalId, AuditId, CallId, CredentialId, HandleId, OrganizationId, RuleId,
    SourceId, TaskId, WorkspaceId,
};
pub use time::Timestamp;
