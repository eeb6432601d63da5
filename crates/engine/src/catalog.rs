//! The catalog of each workspace, kept in memory until its version in the database changes.

use crate::{Engine, Error, aside};
use domain::access::Scope;
use domain::policy::Policy;
use domain::{AccountId, WorkspaceId};
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

    /// The catalog last made, whatever its version.
    fn before(&self, workspace: &WorkspaceId) -> Option<Catalog> {
        let workspaces = self.workspaces.lock().unwrap_or_else(|e| e.into_inner());
        workspaces.get(workspace).map(|(_, c)| c.clone())
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
        self.catalog_of(scope, version).await
    }

    /// The catalog, and the rules that bear on a person, as both stand: one look at the database.
    pub(crate) async fn catalog_and_policy(
        &self,
        scope: &Scope,
        account: &AccountId,
    ) -> Result<(Catalog, Policy), Error> {
        let (wanted, account) = (scope.clone(), account.clone());
        let (version, policy) = self
            .inner
            .store
            .read(move |r| {
                let version = store::sources::catalog_version(r, &wanted)?;
                let policy = store::policies::policy(r, &wanted, Some(&account))?;
                Ok::<_, Error>((version, policy))
            })
            .await?;
        Ok((self.catalog_of(scope, version).await?, policy))
    }

    async fn catalog_of(&self, scope: &Scope, version: i64) -> Result<Catalog, Error> {
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
        // What has not changed since need not be indexed again.
        let before = self.inner.catalogs.before(scope.workspace_id());
        let catalog = aside::run(move || {
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
            Ok::<_, serde_json::Error>(Catalog::after(before.as_ref(), sources))
        })
        .await?
        .map_err(|e| Error::internal(&e))?;
        self.inner
            .catalogs
            .put(scope.workspace_id(), version, catalog.clone());
        Ok(catalog)
    }
}
