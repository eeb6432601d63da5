//! The schema of a source in memory, for calls that need all of it: documents and chosen fields.
//!
//! Read from the binding of the source's own document tool and kept by that tool's digest, which
//! covers the schema and the names made of it.

use super::binding::{Binding, Operation};
use super::fields::DOCUMENT;
use super::schema::Schema;
use crate::catalog::SourceTools;
use crate::openapi::Warnings;
use domain::tool::{Tool, ToolError, ToolErrorCode};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Schemas that are kept; beyond it all are dropped and read again when needed.
const SCHEMAS_MAX: usize = 32;

static SCHEMAS: LazyLock<Mutex<HashMap<String, Arc<Loaded>>>> =
    LazyLock::new(|| Mutex::new(HashMap::new()));

/// A schema with the tools that its root fields are.
pub(crate) struct Loaded {
    pub(crate) schema: Schema,
    paths: HashMap<(Operation, String), String>,
    source: String,
}

impl Loaded {
    /// The schema of a source.
    ///
    /// # Errors
    /// `internal` where the stored schema cannot be read.
    pub(crate) fn of(source: &SourceTools, called: &Tool) -> Result<Arc<Self>, ToolError> {
        let broken = |problem: &str| {
            tracing::error!(tool.path = %called.path, problem, "a stored schema cannot be read");
            let text = "the stored schema of this source is broken; refresh the source";
            ToolError::new(ToolErrorCode::Internal, &called.path, text)
        };
        let name = &source.source.name;
        let path = format!("{name}.{DOCUMENT}");
        let tool = source.tools.iter().find(|t| t.path == path);
        let tool = tool.ok_or_else(|| broken("the source has no document tool"))?;
        let kept = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.get(&tool.digest) {
            return Ok(Arc::clone(kept));
        }
        drop(kept);
        let Some(Binding::Document { schema }) = Binding::of(tool)? else {
            return Err(broken("the document tool has another binding"));
        };
        let schema =
            Schema::read(&schema, &mut Warnings::default()).map_err(|e| broken(&e.to_string()))?;
        let mut paths = HashMap::new();
        for tool in &source.tools {
            if let Some(Binding::Field(field)) = Binding::of(tool)? {
                paths.insert((field.operation, field.name), tool.path.clone());
            }
        }
        let loaded = Arc::new(Self {
            schema,
            paths,
            source: name.clone(),
        });
        let mut kept = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SCHEMAS_MAX {
            kept.clear();
        }
        kept.insert(tool.digest.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The tool that a root field is.
    pub(crate) fn path(&self, operation: Operation, field: &str) -> String {
        let known = self.paths.get(&(operation, field.to_owned()));
        known
            .cloned()
            .unwrap_or_else(|| format!("{}.{}.{field}", self.source, operation.as_str()))
    }
}
