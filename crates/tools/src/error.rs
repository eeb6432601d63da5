//! What can go wrong outside a call: reading a description, and fetching one.
//!
//! Each text says what was wrong, where, and what to do. The errors of calls are
//! [`domain::tool::ToolError`]. A refused address is one variant without particulars, so that
//! error texts cannot be used to scan a private network.

/// Why a description could not be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The document is larger than the limit.
    #[error("the document has {bytes} bytes; at most {max} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes are no UTF-8 text.
    #[error("the document is not UTF-8 text ({found}); save it as UTF-8 and try again")]
    Encoding {
        /// What it is instead, as far as that can be told.
        found: String,
    },
    /// Broken JSON or YAML.
    #[error("broken {format} at line {line}, column {column}: {problem}")]
    Syntax {
        /// `JSON` or `YAML`.
        format: &'static str,
        /// From 1; 0 where the parser does not say.
        line: usize,
        /// From 1; 0 where the parser does not say.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// Well-formed, but no OpenAPI description.
    #[error("expected an OpenAPI 3 or Swagger 2.0 description, found {found}")]
    NotOpenApi {
        /// What was found.
        found: String,
    },
    /// Well-formed, but no GraphQL schema.
    #[error("expected a GraphQL schema, found {found}")]
    NotGraphQl {
        /// What was found.
        found: String,
    },
    /// The text is no MCP server, and cannot be one.
    #[error(
        "an MCP server is no document: give its address, its command after --, or an mcp.json that \
         names it"
    )]
    NotMcp,
    /// An OpenAPI version that is not read.
    #[error(
        "expected OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0, found version {found}; convert the document \
         to one of these"
    )]
    Version {
        /// The version it declares.
        found: String,
    },
    /// A base address that is no usable HTTP address.
    #[error("`{url}` cannot be the base address: {problem}")]
    BaseUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A server without tools.
    #[error("the server offers no tool that can be called{warnings}")]
    NoTools {
        /// Why tools were left out, if any were; begins with a separator.
        warnings: String,
    },
    /// Nothing to call.
    #[error(
        "the description holds no operation that can be called; looked under `paths`{warnings}"
    )]
    NoOperations {
        /// Why operations were left out, if any were; begins with a separator.
        warnings: String,
    },
}

/// Why a document could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No address that can be fetched.
    #[error("`{url}` is not a usable address: {problem}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The address is one that nobody may reach through Executor.
    #[error(
        "this address may not be reached: private, local and special networks are refused unless \
         the owner allows them for this source (`--allow-private`)"
    )]
    Refused,
    /// The name has no address.
    #[error("the name `{host}` could not be resolved; check its spelling and the network")]
    Name {
        /// The host.
        host: String,
    },
    /// Nobody listens, or the network does not reach.
    #[error("could not connect to `{host}`: {problem}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        problem: String,
    },
    /// The connection is not trustworthy.
    #[error("no secure connection to `{host}`: {problem}")]
    Tls {
        /// Host and port.
        host: String,
        /// What failed.
        problem: String,
    },
    /// Too slow.
    #[error("`{host}` did not {phase} within {limit_ms} ms")]
    Timeout {
        /// Host and port.
        host: String,
        /// `connect`, `begin to answer`, `go on with its answer` or `finish its answer`.
        phase: &'static str,
        /// The limit that passed.
        limit_ms: u64,
    },
    /// The request was sent, or partly, and the connection ended without an answer.
    #[error("`{host}` closed the connection without an answer")]
    NoAnswer {
        /// Host and port.
        host: String,
    },
    /// The answer began and then broke off.
    #[error("the answer of `{host}` broke off after {bytes} bytes")]
    BrokeOff {
        /// Host and port.
        host: String,
        /// How much had come.
        bytes: u64,
    },
    /// Larger than the limit, decompressed.
    #[error("the answer of `{host}` is larger than {max} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit.
        max: u64,
    },
    /// An answer other than 2xx.
    #[error("`{host}` answered {status}; expected the document")]
    Status {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// Redirected in circles.
    #[error("`{host}` redirected more than {max} times")]
    Redirects {
        /// Host and port.
        host: String,
        /// The limit.
        max: usize,
    },
    /// A request that cannot be put on the wire.
    #[error("the request to `{host}` cannot be sent: {problem}")]
    Malformed {
        /// Host and port.
        host: String,
        /// What is wrong.
        problem: String,
    },
}
