//! MCP servers as sources: the client half of the protocol, in both eras and over every transport.
//!
//! What leaves over HTTP leaves through [`crate::egress`]; a command is a process of its own
//! (`stdio`). `session` speaks to one server, `pool` keeps one session for each person, `listing`
//! reads the tools, `import` makes them ours, `call` sends one and `answer` reads what comes back.
//! A server is never given a model or a directory. What it asks of a person reaches the one whose
//! call it is (`elicit`, `hearing`); a token that it refuses is renewed beside the session (`carried`).

mod answer;
mod call;
mod carried;
mod configured;
mod elicit;
mod events;
mod fault;
mod hearing;
mod http;
mod import;
mod legacy;
mod limits;
mod listing;
mod mux;
mod peer;
mod pool;
mod session;
mod stdio;
mod wire;

pub(crate) use call::prepare;
pub use call::{McpAnswers, McpInvoked, McpSending};
pub use configured::{McpServer, McpWay, looks_like_mcp, mcp_servers};
pub use fault::McpError;
pub use hearing::{McpAsk, McpHearing, McpNews, McpTold};
pub use import::{HintTrust, McpListing};
pub use pool::{McpChange, McpPerson, McpServers};
