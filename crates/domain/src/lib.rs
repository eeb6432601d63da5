//! Words and rules of Executor: identifiers, lifecycles, the policy decision, permissions, limits.
//!
//! Nothing here waits, reads a clock, draws randomness or knows a wire form. Everything is decided
//! from its arguments, so every rule is a table test. Modules stand in suggested reading order.

#![warn(missing_docs)]

pub mod access;
pub mod approval;
pub mod audit;
pub mod call;
pub mod canonical;
pub mod connect;
pub mod credential;
pub mod elicitation;
pub mod event;
pub mod grant;
pub mod id;
pub mod invite;
pub mod jws;
pub mod key;
pub mod limits;
pub mod oauth;
pub mod partial;
pub mod policy;
pub mod preset;
pub mod push;
pub mod server;
pub mod settings;
pub mod sign_in;
pub mod source;
pub mod task;
pub mod tenancy;
pub mod time;
pub mod tool;
pub mod webhook;

pub use id::{
    AccountId, ApprovalId, AssignmentId, AuditId, CallId, ConnectId, CredentialId, DeliveryId,
    GrantId, HandleId, InviteId, KeyId, OrganizationId, PolicySetId, PushId, RuleId, SessionId,
    SetRuleId, SourceId, TaskId, WebhookId, WorkspaceId,
};
pub use time::Timestamp;
