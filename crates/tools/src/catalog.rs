//! All tools of one workspace, as one immutable snapshot: look-up, lists, search, types.
//!
//! Built beside the old one and swapped; a task keeps the one that it began with. Knows no policy:
//! whoever asks says which tools are visible. Texts are cleaned of characters that nobody sees.

mod clean;

use crate::nearest::{distance, tolerance};
use crate::scan::KnownNames;
use crate::search::{self, Index, Match, Segment, Stemming};
use crate::typings::{self, Shown};
use domain::source::{Review, Source, SourceStatus};
use domain::tool::{Risk, Tool, fold_path};
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;
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
    /// In order of name.
    sources: Vec<Kept>,
    /// In order of path, each with the place of its source.
    tools: Vec<(Arc<Tool>, usize)>,
    folded: Vec<String>,
    by_path: HashMap<String, usize>,
    index: Index,
}

/// A source as it stands in the catalog, with its part of the search index.
#[derive(Clone)]
struct Kept {
    given: Arc<SourceTools>,
    segment: Arc<Segment>,
}

impl Kept {
    /// Tools in order of path, texts cleaned, indexed.
    fn new(given: Arc<SourceTools>, stemming: &Stemming) -> Self {
        let given = clean::source(given);
        let segment = Arc::new(Segment::new(&given.tools, &given.source.title, stemming));
        Self { given, segment }
    }

    /// Whether this is what `other` would become: the same tools under the same title.
    fn is_of(&self, other: &SourceTools) -> bool {
        let (own, given) = (&self.given, other);
        let mut digests: Vec<(&str, &str)> = Vec::with_capacity(given.tools.len());
        digests.extend(
            given
                .tools
                .iter()
                .map(|t| (t.path.as_str(), t.digest.as_str())),
        );
        digests.sort_unstable();
        own.source.id == given.source.id
            && own.source.name == given.source.name
            && own.source.title == given.source.title
            && own.tools.len() == digests.len()
            && own.tools.iter().zip(digests).all(|(t, (path, digest))| {
                t.path == path && t.digest == digest && !digest.is_empty()
            })
    }
}

impl Catalog {
    /// Builds the snapshot and its search index. Disabled sources are left out.
    #[must_use]
    pub fn new(sources: Vec<Arc<SourceTools>>) -> Self {
        Self::after(None, sources)
    }

    /// The same, beside one from before: what it knows of sources that have not changed is kept.
    #[must_use]
    pub fn after(before: Option<&Self>, sources: Vec<Arc<SourceTools>>) -> Self {
        let stemming = Stemming::new();
        let mut sources: Vec<Kept> = sources
            .into_iter()
            .filter(|s| s.source.status != SourceStatus::Disabled)
            .map(|given| {
                let known = before.iter().flat_map(|b| &b.0.sources);
                match known.into_iter().find(|kept| kept.is_of(&given)) {
                    Some(kept) => Kept {
                        given: clean::source(given),
                        segment: Arc::clone(&kept.segment),
                    },
                    None => Kept::new(given, &stemming),
                }
            })
            .collect();
        // A dot sorts before every letter, so this is the order of paths too.
        sources.sort_by(|a, b| a.given.source.name.cmp(&b.given.source.name));
        let tools: Vec<(Arc<Tool>, usize)> = sources
            .iter()
            .enumerate()
            .flat_map(|(at, s)| s.given.tools.iter().map(move |t| (Arc::clone(t), at)))
            .collect();
        let folded: Vec<String> = tools.iter().map(|(t, _)| fold_path(&t.path)).collect();
        let mut by_path = HashMap::with_capacity(tools.len());
        for (i, path) in folded.iter().enumerate() {
            by_path.entry(path.clone()).or_insert(i);
        }
        let index = Index::new(sources.iter().map(|s| Arc::clone(&s.segment)).collect());
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
        Some((tool, &self.0.sources[*source].given))
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
    ///
    /// `total` counts the visible tools that fit: those that share words with the query, less those
    /// that fit ten times worse than the best.
    #[must_use]
    pub fn search(&self, query: &Query, visible: &dyn Fn(&Tool) -> bool) -> Found {
        if query.text.trim().is_empty() {
            return self.list(query, visible);
        }
        let mut fitting = self.fitting(query, visible);
        let total = fitting.len();
        // Of equals the one that does less comes first.
        let risk = |m: &Match| self.0.tools[m.tool as usize].0.risk;
        let better = |a: &Match, b: &Match| {
            let scores = b.score.total_cmp(&a.score);
            scores.then_with(|| (risk(a), a.tool).cmp(&(risk(b), b.tool)))
        };
        // Only what is shown is put in order.
        let end = query.offset.saturating_add(query.limit);
        if end < total {
            fitting.select_nth_unstable_by(end, better);
            fitting.truncate(end);
        }
        fitting.sort_unstable_by(better);
        self.page(fitting.into_iter().map(|m| m.tool as usize), total, query)
    }

    /// The tools that fit a query, in order of path: for leafing through.
    #[must_use]
    pub fn list(&self, query: &Query, visible: &dyn Fn(&Tool) -> bool) -> Found {
        let fitting: Vec<usize> = if query.text.trim().is_empty() {
            let inside = self.inside(query);
            self.places(&self.sources_within(query))
                .filter(|i| inside(*i) && visible(&self.0.tools[*i].0))
                .collect()
        } else {
            let fitting = self.fitting(query, visible);
            fitting.into_iter().map(|m| m.tool as usize).collect()
        };
        let total = fitting.len();
        self.page(fitting.into_iter(), total, query)
    }

    /// Every visible tool within the namespace that shares a word with the query, in order of path.
    fn fitting(&self, query: &Query, visible: &dyn Fn(&Tool) -> bool) -> Vec<Match> {
        let inside = self.inside(query);
        let path_of = |i: usize| self.0.tools[i].0.path.as_str();
        let within = self.sources_within(query);
        let matches = self.0.index.matches(&query.text, within, &path_of);
        search::fitting(matches, &|m| {
            let at = m.tool as usize;
            inside(at) && visible(&self.0.tools[at].0)
        })
    }

    /// The sources that a namespace can lie in.
    fn sources_within(&self, query: &Query) -> Range<usize> {
        let Some(namespace) = wanted_namespace(query) else {
            return 0..self.0.sources.len();
        };
        let name = namespace.split('.').next().unwrap_or_default();
        let sources = &self.0.sources;
        match sources
            .iter()
            .position(|s| fold_path(&s.given.source.name) == name)
        {
            Some(at) => at..at + 1,
            None => 0..0,
        }
    }

    /// The places of the tools of some sources.
    fn places(&self, sources: &Range<usize>) -> Range<usize> {
        let before = |at: usize| self.0.tools.partition_point(|(_, source)| *source < at);
        before(sources.start)..before(sources.end)
    }

    /// Whether the tool at a place lies below the namespace.
    fn inside(&self, query: &Query) -> impl Fn(usize) -> bool {
        let namespace = wanted_namespace(query);
        move |i: usize| match &namespace {
            None => true,
            Some(n) => self.0.folded[i]
                .strip_prefix(n.as_str())
                .is_some_and(|r| r.is_empty() || r.starts_with('.')),
        }
    }

    fn page(&self, fitting: impl Iterator<Item = usize>, total: usize, query: &Query) -> Found {
        let page = fitting.skip(query.offset).take(query.limit);
        Found {
            hits: page.map(|i| Arc::clone(&self.0.tools[i].0)).collect(),
            total,
        }
    }

    /// The names in use, for the scan of a description; without those of one source.
    #[must_use]
    pub fn known_names(&self, except: Option<&str>) -> KnownNames {
        let others = || {
            let all = self.0.sources.iter().map(|kept| kept.given.as_ref());
            all.filter(|s| Some(s.source.name.as_str()) != except)
        };
        KnownNames::new(
            others().map(|s| s.source.name.as_str()),
            others().flat_map(|s| s.tools.iter().map(|t| t.path.as_str())),
        )
    }

    /// How many bytes the search index takes in memory.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.0.index.bytes()
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
            .map(|kept| kept.given.as_ref())
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

/// The namespace of a query as a look-up sees it, if it has one.
fn wanted_namespace(query: &Query) -> Option<String> {
    let folded = query.namespace.as_deref().map(fold_path);
    folded.filter(|n| !n.is_empty())
}
