//! How to call a tool of a GraphQL source: what the importer writes into `Tool::binding` and the
//! request builder reads.
//!
//! Part of a tool's digest, so a changed field is a changed tool.

use apollo_compiler::ast::OperationType;
use domain::tool::{Risk, Tool, ToolError, ToolErrorCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a tool stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "graphql")]
pub(crate) enum Binding {
    /// One field of a root type.
    Field(Field),
    /// Whatever a document asks for.
    Document {
        /// The source's schema, in the language of schemas, without descriptions.
        schema: String,
    },
}

/// One field of a root type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    pub(crate) operation: Operation,
    /// Its name in the schema.
    pub(crate) name: String,
    /// Its arguments with their types as they are written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) arguments: BTreeMap<String, String>,
    /// What is selected unless the call says otherwise, and the argument that says so; none for
    /// plain values.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) selection: Option<Selected>,
}

/// A default selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Selected {
    /// With its braces.
    pub(crate) text: String,
    /// The argument that takes its place.
    pub(crate) argument: String,
}

/// The operations that are called; subscriptions are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Query,
    Mutation,
}

impl Operation {
    pub(crate) const ALL: [Self; 2] = [Self::Query, Self::Mutation];

    /// As it is written, and as it is called in paths.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
        }
    }

    pub(crate) fn risk(self) -> Risk {
        match self {
            Self::Query => Risk::Read,
            Self::Mutation => Risk::Write,
        }
    }

    pub(crate) fn of(kind: OperationType) -> Option<Self> {
        match kind {
            OperationType::Query => Some(Self::Query),
            OperationType::Mutation => Some(Self::Mutation),
            OperationType::Subscription => None,
        }
    }

    pub(crate) fn kind(self) -> OperationType {
        match self {
            Self::Query => OperationType::Query,
            Self::Mutation => OperationType::Mutation,
        }
    }
}

/// Whether a tool belongs to a GraphQL source.
pub(crate) fn is_ours(tool: &Tool) -> bool {
    tool.binding.get("graphql").is_some()
}

impl Binding {
    /// What a tool of a GraphQL source stands for; none for tools of other sources.
    ///
    /// # Errors
    /// A stored binding that cannot be read.
    pub(crate) fn of(tool: &Tool) -> Result<Option<Self>, ToolError> {
        if !is_ours(tool) {
            return Ok(None);
        }
        Self::deserialize(&tool.binding).map(Some).map_err(|problem| {
            tracing::error!(tool.path = %tool.path, %problem, "a stored binding cannot be read");
            let text = "the stored definition of this tool is broken; refresh its source";
            ToolError::new(ToolErrorCode::Internal, &tool.path, text)
        })
    }
}
