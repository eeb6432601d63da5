//! What a source would bring, before it is added: what it is, its tools with their risks, what was
//! found in its texts. Stores nothing.

use super::NewSource;
use crate::gate::forecast;
use crate::{Engine, Error};
use domain::access::{Caller, Permission};
use domain::source::Source;
use domain::tool::{Risk, fold_path};
use futures_util::future::BoxFuture;

/// Tools that are listed.
const TOOLS_MAX: usize = 5_000;

/// One tool that a source would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedTool {
    /// Its path.
    pub path: String,
    /// What it does.
    pub description: String,
    /// What a call may do.
    pub risk: Risk,
    /// What policy would say to the caller.
    pub decision: &'static str,
}

/// What a source would bring.
#[derive(Debug, Clone)]
pub struct SourcePreview {
    /// The source as it would be added.
    pub source: Source,
    /// What it was taken for, and by what: `OpenAPI 3.1.0, 842 operations`.
    pub evidence: String,
    /// Its tools in order of path, 5,000 at most.
    pub tools: Vec<PreviewedTool>,
    /// How many of all its tools are of each risk.
    pub risks: Vec<(Risk, usize)>,
    /// Whether a source of this name is here already, so that it needs another.
    pub name_is_taken: bool,
}

impl Engine {
    /// What adding a source would bring.
    ///
    /// # Errors
    /// As for [`Engine::add_source`], but for `name_taken` and `quota_exceeded`.
    pub fn preview_source(
        &self,
        caller: &Caller,
        new: NewSource,
    ) -> BoxFuture<'_, Result<SourcePreview, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageSources)?;
            let newcomer = self.newcomer(&caller, &scope, new).await?;
            let (source, import) = (newcomer.source, newcomer.import);
            let (wanted, account) = (scope.clone(), caller.account_id.clone());
            let (there, policy) = self
                .inner
                .store
                .read(move |r| {
                    let there = store::sources::list(r, &wanted)?;
                    let policy = store::policies::policy(r, &wanted, Some(&account))?;
                    Ok::<_, Error>((there, policy))
                })
                .await?;
            let now = self.inner.clock.now();
            let shown = import.tools.iter().take(TOOLS_MAX).map(|tool| {
                let tool_then = (tool, source.review_of(&tool.path));
                PreviewedTool {
                    path: tool.path.clone(),
                    description: tool.description.clone(),
                    risk: tool.risk,
                    decision: forecast(&caller, &policy, tool_then, now).effect.as_str(),
                }
            });
            let count = |risk: Risk| import.tools.iter().filter(|t| t.risk == risk).count();
            let risks = [Risk::Read, Risk::Write, Risk::Destructive, Risk::Unknown];
            let mut evidence = import.evidence.clone();
            if let Some(found_by) = newcomer.found_by {
                evidence = format!("{evidence}; {found_by}");
            }
            Ok(SourcePreview {
                tools: shown.collect(),
                risks: risks.map(|risk| (risk, count(risk))).to_vec(),
                name_is_taken: there
                    .iter()
                    .any(|s| fold_path(&s.name) == fold_path(&source.name)),
                evidence,
                source,
            })
        })
    }
}
