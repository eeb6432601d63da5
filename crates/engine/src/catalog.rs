//! The catalog of each workspace, kept in memory until its version in the database changes.

use crate::{Engine, Error};
use domain::WorkspaceId;
use domain::access::Scope;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tools::{Catalog, SourceTools};

/// Catalogs by workspace with the version each was made from.
#[derive(Default)]
pub(crate) struct Cache {
    workspaces: Mutex<HashMap<WorkspaceId, (i64, Catalog)>>,
}

impl Cache {
    fn get(&self, workspace: &WorkspaceId, version: i64) -> Option<Catalog> {
        let workspaces = self.workspaces.lock().unwrap_or_else(|e| e.into_inner());
        workspaces
            .get(workspace)
            .filter(|(v, _)| *v == version)
            .map(|(_, c)| c.clone())
    }

    fn put(&self, workspace: &WorkspaceId, version: i64, catalog: Catalog) {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(|e| e.into_inner());
        workspaces.insert(workspace.clone(), (version, catalog));
    }
}

impl Engine {
    /// All enabled tools of a workspace as they stand.
    pub(crate) async fn catalog(&self, scope: &Scope) -> Result<Catalog, Error> {
        let wanted = scope.clone();
        let version = self
            .inner
            .store
            .read(move |r| Ok::<_, Error>(store::sources::catalog_version(r, &wanted)?))
            .await?;
        if let Some(catalog) = self.inner.catalogs.get(scope.workspace_id(), version) {
            return Ok(catalog);
        }
        let wanted = scope.clone();
        // Read again beside the tools, so that version and tools belong together.
        let (version, sources) = self
            .inner
            .store
            .read(move |r| {
                let version = store::sources::catalog_version(r, &wanted)?;
                Ok::<_, Error>((version, store::sources::catalog(r, &wanted)?))
            })
            .await?;
        let catalog = tokio::task::spawn_blocking(move || {
            let sources = sources
                .into_iter()
                .map(|(source, definitions, tools)| {
                    let definitions = serde_json::from_str(&definitions)?;
                    Ok(Arc::new(SourceTools {
                        source,
                        definitions: Arc::new(definitions),
                        tools: tools.into_iter().map(Arc::new).collect(),
                    }))
                })
                .collect::<Result<Vec<_>, serde_json::Error>>()?;
            Ok::<_, serde_json::Error>(Catalog::new(sources))
        })
        .await
        .map_err(|e| Error::internal(&e))?
        .map_err(|e| Error::internal(&e))?;
        self.inner
            .catalogs
            .put(scope.workspace_id(), version, catalog.clone());
        Ok(catalog)
    }
}
