//! How a source's tools are kept up to date: what an administrator has looked at, when its
//! description is read again, and what a reading may not do by itself.
//!
//! Each tool is pinned by its digest. What is new or changed since somebody looked is *unreviewed*:
//! the policy asks where it would allow ([`crate::policy`]). Pure: readings, clocks and digests come
//! from outside.

use super::{Finding, Severity};
use crate::tool::{Risk, Tool};
use crate::{AccountId, Timestamp};
use std::collections::{HashMap, HashSet};

/// Whether an administrator has looked at a tool as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Review {
    /// Somebody has, or nobody needs to.
    #[default]
    LookedAt,
    /// Nobody has.
    Unreviewed,
}

/// Why somebody should look at a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// It came with a refresh.
    New,
    /// Its definition is not the one that was looked at.
    Changed,
    /// Its text was found to be dangerous.
    Finding,
}

impl Cause {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Finding => "finding",
        }
    }
}

/// One way in which two definitions of a tool differ, as texts to show.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// `description`, `input`, `output`, `risk`, `endpoint` or `definition`.
    pub field: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// A tool that nobody has looked at as it is now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unreviewed {
    /// The tool's path.
    pub path: String,
    /// Why somebody should.
    pub cause: Cause,
    /// Since when it is so.
    pub since: Timestamp,
    /// How it differs from what was looked at last; empty where it is new.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub differences: Vec<Difference>,
}

/// Definitions that somebody looked at, by their digests.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LookedAt {
    /// Who.
    pub by: AccountId,
    /// When.
    pub at: Timestamp,
    /// The digests.
    pub digests: Vec<String>,
}

/// Time between two readings of a description where nothing else is set: a day.
pub const REFRESH_MS: u64 = 24 * 3_600_000;

/// Shortest and longest time that may be set: ten seconds, thirty days.
const REFRESH_MS_MIN: u64 = 10_000;
const REFRESH_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// Time until the first try after a failed one; each further failure doubles it.
const RETRY_MS: u64 = 5 * 60_000;

/// How often a description is read again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshEvery {
    /// Only when a person says so.
    Never,
    /// Each time after so many milliseconds.
    Ms(u64),
}

impl Default for RefreshEvery {
    fn default() -> Self {
        Self::Ms(REFRESH_MS)
    }
}

impl RefreshEvery {
    /// Reads `never`, or a whole number with `s`, `m`, `h` or `d`, from 10 seconds to 30 days.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let refuse = || {
            format!(
                "'{text}' is no time between two refreshes; give one from 10s to 30d, such as 30m, \
                 24h or 7d, or `never`"
            )
        };
        let unit = text.chars().last().ok_or_else(refuse)?;
        let each: u64 = match unit {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 24 * 3_600_000,
            _ => return Err(refuse()),
        };
        let number = text.strip_suffix(unit).unwrap_or_default();
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| digits).ok_or_else(refuse)?;
        Some(number.saturating_mul(each))
            .filter(|ms| (REFRESH_MS_MIN..=REFRESH_MS_MAX).contains(ms))
            .map(Self::Ms)
            .ok_or_else(refuse)
    }

    /// As it is written: in the largest unit that leaves no rest.
    #[must_use]
    pub fn to_text(self) -> String {
        let Self::Ms(ms) = self else {
            return "never".to_owned();
        };
        let units = [(24 * 3_600_000, 'd'), (3_600_000, 'h'), (60_000, 'm')];
        // A day reads better as 24h, which is also how it is set by default.
        let fits = |each: u64| ms.is_multiple_of(each) && (each != 24 * 3_600_000 || ms > each);
        match units.into_iter().find(|(each, _)| fits(*each)) {
            Some((each, unit)) => format!("{}{unit}", ms / each),
            None => format!("{}s", ms / 1_000),
        }
    }
}

impl serde::Serialize for RefreshEvery {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_text())
    }
}

impl<'de> serde::Deserialize<'de> for RefreshEvery {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// When a description is read next: after the time between two readings, or sooner after a failure,
/// later with each further one. `spread` from 0 to 200 moves it by up to a tenth either way, so that
/// sources added together are not read together.
#[must_use]
pub fn next_read(
    every: RefreshEvery,
    failures: u32,
    spread: u8,
    now: Timestamp,
) -> Option<Timestamp> {
    let RefreshEvery::Ms(every) = every else {
        return None;
    };
    let wait = match failures {
        0 => every,
        n => RETRY_MS
            .min(every)
            .saturating_mul(1_u64 << (n - 1).min(20))
            .min(every.max(3_600_000)),
    };
    let moved = wait / 1_000 * (900 + u64::from(spread.min(200)));
    Some(now.plus_ms(i64::try_from(moved).unwrap_or(i64::MAX)))
}

/// A reading of the description that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFailure {
    /// When.
    pub at: Timestamp,
    /// What failed, in a sentence.
    pub reason: String,
}

/// How a source's tools are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// Tools that nobody has looked at as they are now, in order of path.
    pub unreviewed: Vec<Unreviewed>,
    /// What was found in the texts of its tools.
    pub findings: Vec<Finding>,
    /// How often it is read again; none for what the workspace says.
    pub refresh_every: Option<RefreshEvery>,
    /// When it is read next by itself.
    pub next_refresh_at: Option<Timestamp>,
    /// How many readings in a row have failed.
    pub failures: u32,
    /// The last reading that failed, however long ago.
    pub last_failure: Option<ReadFailure>,
    /// Rises with each change of its tools, and of what was looked at.
    pub revision: i64,
}

impl Upkeep {
    /// Whether somebody has looked at a tool as it is now.
    #[must_use]
    pub fn review_of(&self, path: &str) -> Review {
        match self
            .unreviewed
            .binary_search_by(|u| u.path.as_str().cmp(path))
        {
            Ok(_) => Review::Unreviewed,
            Err(_) => Review::LookedAt,
        }
    }
}

/// What is unreviewed of a source that an administrator has just added: they saw its tools, but a
/// text that was found to be dangerous takes a look of its own.
#[must_use]
pub fn first_import(tools: &[Tool], findings: &[Finding], now: Timestamp) -> Vec<Unreviewed> {
    let dangerous = dangerous(findings);
    let held = tools
        .iter()
        .filter(|t| dangerous.has(&t.path))
        .map(|t| Unreviewed {
            path: t.path.clone(),
            cause: Cause::Finding,
            since: now,
            differences: Vec::new(),
        });
    sorted(held.collect())
}

/// The tools of a source before a reading, as they matter to what must be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The tools.
    pub tools: &'a [Tool],
    /// Which of them nobody had looked at.
    pub unreviewed: &'a [Unreviewed],
    /// The definitions that somebody looked at.
    pub looked_at: &'a [LookedAt],
}

/// What is unreviewed after a reading: a tool that is new or changed, unless it only reads and did
/// so before, or somebody has looked at that very definition; and a tool whose text was found to be
/// dangerous. `differ` tells how two definitions differ.
#[must_use]
pub fn unreviewed(
    before: Before<'_>,
    after: &[Tool],
    findings: &[Finding],
    differ: &dyn Fn(&Tool, &Tool) -> Vec<Difference>,
    now: Timestamp,
) -> Vec<Unreviewed> {
    let old: HashMap<&str, &Tool> = before.tools.iter().map(|t| (t.path.as_str(), t)).collect();
    let held: HashMap<&str, &Unreviewed> = before
        .unreviewed
        .iter()
        .map(|u| (u.path.as_str(), u))
        .collect();
    let seen: HashSet<&str> = before
        .looked_at
        .iter()
        .flat_map(|l| l.digests.iter().map(String::as_str))
        .collect();
    let dangerous = dangerous(findings);
    let found = after.iter().filter_map(|tool| {
        if seen.contains(tool.digest.as_str()) {
            return None;
        }
        let was = held.get(tool.path.as_str()).copied();
        let made = |cause, differences| Unreviewed {
            path: tool.path.clone(),
            cause,
            since: was.map_or(now, |w| w.since),
            differences,
        };
        let harmless = tool.risk == Risk::Read && !dangerous.has(&tool.path);
        match old.get(tool.path.as_str()) {
            Some(same) if same.digest == tool.digest => match was {
                Some(was) => Some(was.clone()),
                None if dangerous.has(&tool.path) => Some(made(Cause::Finding, Vec::new())),
                None => None,
            },
            // A tool that says of itself that it only reads now is looked at as well.
            Some(other) if harmless && other.risk == Risk::Read && was.is_none() => None,
            Some(other) => {
                let since_then = was.map_or(&[][..], |w| &w.differences);
                let cause = was.map_or(Cause::Changed, |w| w.cause);
                Some(made(cause, added_up(since_then, differ(other, tool))))
            }
            None if harmless => None,
            None => Some(made(Cause::New, Vec::new())),
        }
    });
    sorted(found.collect())
}

/// How a tool differs now from what was looked at, when it had changed once before.
fn added_up(first: &[Difference], then: Vec<Difference>) -> Vec<Difference> {
    let mut all: Vec<Difference> = Vec::new();
    for difference in then {
        let before = first
            .iter()
            .find(|f| f.field == difference.field)
            .map_or(difference.before, |f| f.before.clone());
        all.push(Difference {
            before,
            ..difference
        });
    }
    for earlier in first {
        if all.iter().all(|d| d.field != earlier.field) {
            all.push(earlier.clone());
        }
    }
    all
}

/// The tools whose texts were found to be dangerous.
enum Dangerous<'a> {
    /// What they share, such as the title, is; or a type that many of them use.
    All,
    These(HashSet<&'a str>),
}

impl Dangerous<'_> {
    fn has(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(paths) => paths.contains(path),
        }
    }
}

fn dangerous(findings: &[Finding]) -> Dangerous<'_> {
    let high = || findings.iter().filter(|f| f.severity == Severity::High);
    if high().any(|f| f.tool.is_none()) {
        return Dangerous::All;
    }
    Dangerous::These(high().filter_map(|f| f.tool.as_deref()).collect())
}

fn sorted(mut all: Vec<Unreviewed>) -> Vec<Unreviewed> {
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// How many tools a source had, and how many a reading of its description would leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Before.
    pub before: usize,
    /// After.
    pub after: usize,
}

/// Why a reading is not taken over by itself: it looks like half a document, or like a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// More than half of the tools would be gone.
    Shrunk(Growth),
    /// There would be more than ten times as many.
    Grown(Growth),
}

/// Fewer tools than this may go at once without a doubt.
const SHRUNK_BY_MIN: usize = 5;
/// A source may grow this many times at once.
const GROWN_TIMES_MAX: usize = 10;
/// More tools than this may come at once without a doubt.
const GROWN_BY_MIN: usize = 200;

impl Growth {
    /// What is doubtful about it, if anything is.
    #[must_use]
    pub fn doubt(self) -> Option<Doubt> {
        let Self { before, after } = self;
        if after * 2 < before && before - after >= SHRUNK_BY_MIN {
            Some(Doubt::Shrunk(self))
        } else if after > before.max(1) * GROWN_TIMES_MAX && after - before >= GROWN_BY_MIN {
            Some(Doubt::Grown(self))
        } else {
            None
        }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shrunk(g) => write!(
                f,
                "the description now holds {} of the {} tools that there were, fewer than half",
                g.after, g.before
            ),
            Self::Grown(g) => write!(
                f,
                "the description now holds {} tools where there were {}, more than \
                 {GROWN_TIMES_MAX} times as many",
                g.after, g.before
            ),
        }
    }
}

#[cfg(test)]
mod tests;
