//! The catalog of each workspace, kept in memory until its version in the database changes.

use crate::sources::told;
use crate::{Engine, Error, aside};
use domain::access::Scope;
use domain::policy::Policy;
use domain::source::Source;
use domain::tool::Tool;
use domain::{AccountId, WorkspaceId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use store::sources::Made;
use tools::{Catalog, SourceTools};

/// Tools of all catalogs that are kept in memory together; the one in use is kept whatever its size.
const TOOLS_KEPT: usize = 250_000;

/// Catalogs by workspace; those that nobody has used for the longest make room for new ones.
#[derive(Default)]
pub(crate) struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    workspaces: HashMap<WorkspaceId, Entry>,
    /// Counts uses, so that the order of the last ones is known.
    uses: u64,
}

struct Entry {
    /// The version that the catalog was made from.
    version: i64,
    catalog: Catalog,
    /// The number of its last use.
    used: u64,
}

impl Cache {
    fn get(&self, workspace: &WorkspaceId, version: i64) -> Option<Catalog> {
        let mut kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        kept.uses += 1;
        let uses = kept.uses;
        let entry = kept.workspaces.get_mut(workspace)?;
        entry.used = uses;
        (entry.version == version).then(|| entry.catalog.clone())
    }

    /// The catalog last made, whatever its version.
    fn before(&self, workspace: &WorkspaceId) -> Option<Catalog> {
        let kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        kept.workspaces.get(workspace).map(|e| e.catalog.clone())
    }

    fn put(&self, workspace: &WorkspaceId, version: i64, catalog: Catalog) {
        let mut kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        kept.uses += 1;
        let entry = Entry {
            version,
            catalog,
            used: kept.uses,
        };
        kept.workspaces.insert(workspace.clone(), entry);
        kept.make_room(TOOLS_KEPT);
    }
}

impl Kept {
    /// Lets go of the catalogs that were used least lately, until so many tools are left or one
    /// catalog alone.
    fn make_room(&mut self, tools_max: usize) {
        let mut tools: usize = self.workspaces.values().map(|e| e.catalog.len()).sum();
        while tools > tools_max && self.workspaces.len() > 1 {
            let oldest = self.workspaces.iter().min_by_key(|(_, e)| e.used);
            let oldest = oldest.map(|(workspace, _)| workspace.clone());
            let gone = oldest.and_then(|workspace| self.workspaces.remove(&workspace));
            tools -= gone.map_or(tools, |e| e.catalog.len());
        }
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
        let (catalog, unreadable) = aside::run(move || {
            let (mut whole, mut unreadable) = (Vec::new(), Vec::new());
            for (source, made) in sources {
                match read(source, &made) {
                    Ok(source) => whole.push(Arc::new(source)),
                    Err(broken) => unreadable.push(*broken),
                }
            }
            (Catalog::after(before.as_ref(), whole), unreadable)
        })
        .await?;
        for (source, problem) in unreadable {
            self.unreadable(scope, source, &problem).await?;
        }
        self.inner
            .catalogs
            .put(scope.workspace_id(), version, catalog.clone());
        Ok(catalog)
    }

    /// A source whose tools cannot be read as they are stored is left out and degraded; the others
    /// are served.
    async fn unreadable(&self, scope: &Scope, source: Source, problem: &str) -> Result<(), Error> {
        let why = format!(
            "what is stored of its tools cannot be read ({problem}); `executor sources refresh {}` \
             makes it anew",
            source.name
        );
        tracing::error!(source.id = %source.id, "a source is left out of the catalog: {why}");
        let (scope, now) = (scope.clone(), self.inner.clock.now());
        self.commit(&scope.clone(), move |tx| {
            if store::sources::upkeep::degrade(tx, &scope, &source.id, &why)?
                && let Some(source) = store::sources::get(tx, &scope, &source.id)?
            {
                told(tx, &scope, None, &source, "changed", now)?;
            }
            Ok(())
        })
        .await
    }
}

/// A source with its tools as they are stored; else the source and what is wrong with that.
fn read(source: Source, made: &Made) -> Result<SourceTools, Box<(Source, String)>> {
    let definitions = serde_json::from_str(&made.definitions);
    let tools = serde_json::from_str::<Vec<Tool>>(&made.tools);
    match (definitions, tools) {
        (Ok(definitions), Ok(tools)) => Ok(SourceTools {
            source,
            definitions: Arc::new(definitions),
            tools: tools.into_iter().map(Arc::new).collect(),
        }),
        (Err(problem), _) | (_, Err(problem)) => Err(Box::new((source, problem.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::source::{Origin, SourceKind, SourceStatus, Upkeep};
    use domain::tool::Risk;
    use domain::{SourceId, Timestamp};
    use serde_json::Value;

    fn catalog(tools: usize) -> Catalog {
        let source_id = SourceId::from_bits([1; 16]);
        let tool = |n| Tool {
            path: format!("s.t{n}"),
            source_id: source_id.clone(),
            description: String::new(),
            risk: Risk::Read,
            input_schema: Value::Null,
            output_schema: None,
            binding: Value::Null,
            digest: String::new(),
        };
        let source = Source {
            id: source_id.clone(),
            name: "s".to_owned(),
            kind: SourceKind::OpenApi,
            title: String::new(),
            origin: Origin::Upload(String::new()),
            base_url: String::new(),
            auth: Vec::new(),
            allow_private: false,
            headers: Vec::new(),
            idempotent: Vec::new(),
            trust_hints: false,
            may_ask: true,
            status: SourceStatus::Ready,
            tool_count: 0,
            warnings: Vec::new(),
            document_digest: String::new(),
            created_at: Timestamp(0),
            refreshed_at: Timestamp(0),
            upkeep: Upkeep::default(),
        };
        Catalog::new(vec![Arc::new(SourceTools {
            source,
            definitions: Arc::new(Value::Null),
            tools: (0..tools).map(|n| Arc::new(tool(n))).collect(),
        })])
    }

    #[test]
    fn what_was_used_least_lately_makes_room() {
        let mut kept = Kept::default();
        for (place, used) in [(1_u8, 4), (2, 1), (3, 3), (4, 2)] {
            let entry = Entry {
                version: 1,
                catalog: catalog(100),
                used,
            };
            let workspace = WorkspaceId::from_bits([place; 16]);
            kept.workspaces.insert(workspace, entry);
        }
        let left = |kept: &Kept| {
            let mut left: Vec<u64> = kept.workspaces.values().map(|e| e.used).collect();
            left.sort_unstable();
            left
        };
        kept.make_room(400);
        assert_eq!(left(&kept), [1, 2, 3, 4]);
        kept.make_room(399);
        assert_eq!(left(&kept), [2, 3, 4]);
        // The one that is being used is kept, however large.
        kept.make_room(10);
        assert_eq!(left(&kept), [4]);
    }
}
