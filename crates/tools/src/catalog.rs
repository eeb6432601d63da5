//! All tools of one workspace, as one immutable snapshot: look-up, lists, search, types.
//!
//! Built beside the old one and swapped; a task keeps the one that it began with. Knows no policy:
//! whoever asks says which tools are visible.

use crate::nearest::{distance, tolerance};
use crate::search::Index;
use crate::typings::{self, Shown};
use domain::source::{Review, Source, SourceStatus};
use domain::tool::{Risk, Tool, fold_path};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// How many near paths are suggested for one that does not exist.
const SUGGESTIONS_MAX: usize = 3;

/// How many paths show what a namespace holds.
const SAMPLES_MAX: usize = 3;

/// One source with its tools.
#[derive(Debug)]
pub struct SourceTools {
    /// The source.
    pub source: Source,
    /// The schemas that its tools share, by type name.
    pub definitions: Arc<Value>,
    /// Its tools.
    pub tools: Vec<Arc<Tool>>,
}

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Words; empty enumerates.
    pub text: String,
    /// Only below this path, such as `github` or `github.issues`.
    pub namespace: Option<String>,
    /// How many to return.
    pub limit: usize,
    /// How many to pass over.
    pub offset: usize,
}

/// One page of tools.
#[derive(Debug, Clone)]
pub struct Found {
    /// The page.
    pub hits: Vec<Arc<Tool>>,
    /// How many there are in all.
    pub total: usize,
}

/// What one source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The first segment of the paths.
    pub namespace: String,
    /// How many tools the asker may see.
    pub tool_count: usize,
    /// A few of their paths.
    pub sample_paths: Vec<String>,
}

/// One tool in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its path.
    pub path: String,
    /// What it does.
    pub description: String,
    /// What a call may do.
    pub risk: Risk,
    /// TypeScript: `type Input = …;` and the types that it names.
    pub input: String,
    /// TypeScript: `type Output = …;` and the types that it names.
    pub output: String,
}

/// An immutable snapshot of a workspace's tools; cheap to clone.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    sources: Vec<Arc<SourceTools>>,
    /// In order of path, each with the place of its source.
    tools: Vec<(Arc<Tool>, usize)>,
    folded: Vec<String>,
    by_path: HashMap<String, usize>,
    index: Index,
}

impl Catalog {
    /// Builds the snapshot and its search index. Disabled sources are left out.
    #[must_use]
    pub fn new(sources: Vec<Arc<SourceTools>>) -> Self {
        let sources: Vec<Arc<SourceTools>> = sources
            .into_iter()
            .filter(|s| s.source.status != SourceStatus::Disabled)
            .collect();
        let mut tools: Vec<(Arc<Tool>, usize)> = sources
            .iter()
            .enumerate()
            .flat_map(|(at, s)| s.tools.iter().map(move |t| (Arc::clone(t), at)))
            .collect();
        tools.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let folded: Vec<String> = tools.iter().map(|(t, _)| fold_path(&t.path)).collect();
        let mut by_path = HashMap::with_capacity(tools.len());
        for (i, path) in folded.iter().enumerate() {
            by_path.entry(path.clone()).or_insert(i);
        }
        let index = Index::new(
            tools
                .iter()
                .map(|(t, s)| (t.as_ref(), sources[*s].source.title.as_str())),
        );
        Self(Arc::new(Inner {
            sources,
            tools,
            folded,
            by_path,
            index,
        }))
    }

    /// A tool by its path, ignoring case, `_` and `-`, and its source.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<(&Arc<Tool>, &Arc<SourceTools>)> {
        let (tool, source) = &self.0.tools[*self.0.by_path.get(&fold_path(path))?];
        Some((tool, &self.0.sources[*source]))
    }

    /// Whether an administrator has looked at a tool of this catalog as it is now.
    #[must_use]
    pub fn review_of(&self, tool: &Tool) -> Review {
        self.review_at(&tool.path)
    }

    /// The same by its path; what is no tool needs no look.
    #[must_use]
    pub fn review_at(&self, path: &str) -> Review {
        self.lookup(path)
            .map_or(Review::LookedAt, |(tool, source)| {
                source.source.review_of(&tool.path)
            })
    }

    /// Up to three visible paths near one that does not exist, nearest first.
    #[must_use]
    pub fn suggestions(&self, path: &str, visible: &dyn Fn(&Tool) -> bool) -> Vec<String> {
        let wanted = fold_path(path);
        let last = |p: &str| p.rsplit('.').next().unwrap_or_default().to_owned();
        let wanted_last = last(&wanted);
        let mut near: Vec<(usize, usize)> = Vec::new();
        for (i, folded) in self.0.folded.iter().enumerate() {
            let last = last(folded);
            // Lengths bound the distance from below; most candidates end here.
            let apart = |a: &str, b: &str| a.len().abs_diff(b.len());
            let whole = if apart(&wanted, folded) > tolerance(folded) {
                usize::MAX
            } else {
                distance(&wanted, folded)
            };
            let tail = if apart(&wanted_last, &last) > tolerance(&last) {
                usize::MAX
            } else {
                distance(&wanted_last, &last)
            };
            if whole <= tolerance(folded) {
                near.push((whole, i));
            } else if tail <= tolerance(&last) && tail < last.len() {
                // The right operation under a wrong group or source.
                near.push((tail + 8, i));
            }
        }
        near.sort_unstable();
        let mut paths: Vec<String> = near
            .into_iter()
            .map(|(_, i)| &self.0.tools[i].0)
            .filter(|t| visible(t))
            .take(SUGGESTIONS_MAX)
            .map(|t| t.path.clone())
            .collect();
        if paths.is_empty() {
            let query = Query {
                text: path.replace('.', " "),
                limit: SUGGESTIONS_MAX,
                ..Query::default()
            };
            paths = self
                .search(&query, visible)
                .hits
                .iter()
                .map(|t| t.path.clone())
                .collect();
        }
        paths
    }

    /// The tools that fit a query best, best first. An empty query enumerates in order of path.
    #[must_use]
    pub fn search(&self, query: &Query, visible: &dyn Fn(&Tool) -> bool) -> Found {
        if query.text.trim().is_empty() {
            return self.page((0..self.0.tools.len()).collect(), query, visible);
        }
        self.page(self.0.index.ranked(&query.text), query, visible)
    }

    /// The tools that fit a query, in order of path: for leafing through.
    #[must_use]
    pub fn list(&self, query: &Query, visible: &dyn Fn(&Tool) -> bool) -> Found {
        if query.text.trim().is_empty() {
            return self.search(query, visible);
        }
        let mut fitting = self.0.index.ranked(&query.text);
        fitting.sort_unstable();
        self.page(fitting, query, visible)
    }

    fn page(
        &self,
        candidates: Vec<usize>,
        query: &Query,
        visible: &dyn Fn(&Tool) -> bool,
    ) -> Found {
        let namespace = query
            .namespace
            .as_deref()
            .map(fold_path)
            .filter(|n| !n.is_empty());
        let inside = |i: usize| match &namespace {
            None => true,
            Some(n) => self.0.folded[i]
                .strip_prefix(n.as_str())
                .is_some_and(|r| r.is_empty() || r.starts_with('.')),
        };
        let mut hits = Vec::new();
        let mut total = 0;
        for i in candidates.into_iter().filter(|i| inside(*i)) {
            let tool = &self.0.tools[i].0;
            if !visible(tool) {
                continue;
            }
            if total >= query.offset && hits.len() < query.limit {
                hits.push(Arc::clone(tool));
            }
            total += 1;
        }
        Found { hits, total }
    }

    /// Every source with at least one visible tool, in order of name.
    #[must_use]
    pub fn namespaces(&self, visible: &dyn Fn(&Tool) -> bool) -> Vec<Namespace> {
        let mut found: Vec<Namespace> = Vec::new();
        for (tool, _) in self.0.tools.iter().filter(|(t, _)| visible(t)) {
            let name = tool.source_name();
            if found.last().is_none_or(|n| n.namespace != name) {
                let namespace = name.to_owned();
                found.push(Namespace {
                    namespace,
                    tool_count: 0,
                    sample_paths: Vec::new(),
                });
            }
            if let Some(namespace) = found.last_mut() {
                namespace.tool_count += 1;
                if namespace.sample_paths.len() < SAMPLES_MAX {
                    namespace.sample_paths.push(tool.path.clone());
                }
            }
        }
        found
    }

    /// One tool in full, with types that compile.
    #[must_use]
    pub fn describe(&self, path: &str) -> Option<Description> {
        let (tool, source) = self.lookup(path)?;
        let (input, output) = typings::described(tool, &source.definitions);
        Some(Description {
            path: tool.path.clone(),
            description: tool.description.clone(),
            risk: tool.risk,
            input,
            output,
        })
    }

    /// One line that says how a tool is called and what it gives back.
    #[must_use]
    pub fn signature(&self, tool: &Tool) -> String {
        let none = Value::Null;
        let definitions = self
            .lookup(&tool.path)
            .map_or(&none, |(_, source)| &source.definitions);
        typings::signature(tool, definitions)
    }

    /// A `.d.ts` of every tool, or of one source's.
    #[must_use]
    pub fn declarations(&self, source: Option<&str>) -> String {
        let wanted: Vec<&SourceTools> = self
            .0
            .sources
            .iter()
            .map(Arc::as_ref)
            .filter(|s| source.is_none_or(|name| s.source.name == name))
            .collect();
        typings::declarations(&wanted)
    }

    /// A `.d.ts` of single tools under the paths they are called by.
    #[must_use]
    pub fn declarations_of(&self, paths: &[&str], shown: Shown) -> String {
        let called: Vec<(&str, &Tool, &SourceTools)> = paths
            .iter()
            .filter_map(|path| {
                let (tool, source) = self.lookup(path)?;
                Some((*path, tool.as_ref(), source.as_ref()))
            })
            .collect();
        typings::declarations_of(&called, shown)
    }

    /// Whether any tool is as asked for.
    #[must_use]
    pub fn any(&self, wanted: &dyn Fn(&Tool) -> bool) -> bool {
        self.0.tools.iter().any(|(tool, _)| wanted(tool))
    }

    /// How many tools there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.tools.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.tools.is_empty()
    }
}
