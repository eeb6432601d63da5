//! Tool path patterns: `*` stands for one segment or a part of one, `**` for any number of segments.
//!
//! A pattern fits a whole path or not at all, in time linear in pattern times path. It ignores case,
//! `_` and `-` exactly as look-ups do, so no other spelling of a path slips past a rule. What is a
//! wildcard is settled before anything is ignored: `*_*` is one segment, not `**`.

use crate::tool::fold_path;

/// A pattern over tool paths, such as `github.issues.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
    /// Whether `**` is among the segments: else a path has as many.
    any_depth: bool,
}

/// What one segment of a path must be, folded once when the pattern is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`
    Any,
    /// `*`
    One,
    /// Exactly this, and its [`hash`].
    Exact(String, u64),
    /// These parts in this order, with anything between them; the first begins the segment, the
    /// last ends it.
    Parts(Vec<String>),
}

/// A path as patterns see it: folded and cut once, however many patterns look at it.
#[derive(Debug, Clone)]
pub struct Path {
    folded: String,
    segments: Vec<Cut>,
}

/// A segment of a path.
#[derive(Debug, Clone)]
struct Cut {
    start: usize,
    end: usize,
    hash: u64,
}

/// Texts with different hashes are different (FNV-1a, 64 bits): most comparisons end here.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Path {
    /// Reads a tool's path.
    #[must_use]
    pub fn new(path: &str) -> Self {
        let folded = fold_path(path);
        let mut start = 0;
        let segments = folded
            .split('.')
            .map(|segment| {
                let cut = Cut {
                    start,
                    end: start + segment.len(),
                    hash: hash(segment),
                };
                start = cut.end + 1;
                cut
            })
            .collect();
        Self { folded, segments }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a tool pattern: {why}")]
pub struct PatternError {
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Pattern {
    /// Longest pattern in bytes.
    pub const BYTES_MAX: usize = 512;

    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty or too long, a segment is empty, or a character can be in no path.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let refuse = |why| {
            Err(PatternError {
                text: text.chars().take(64).collect(),
                why,
            })
        };
        if text.is_empty() {
            return refuse("it is empty; '**' stands for every tool");
        }
        if text.len() > Self::BYTES_MAX {
            return refuse("it is longer than 512 bytes");
        }
        for segment in text.split('.') {
            if segment.is_empty() {
                return refuse("a segment between two dots is empty");
            }
            if segment.contains("**") && segment != "**" {
                return refuse("'**' must stand alone between dots");
            }
            if !segment
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-$*".contains(c))
            {
                return refuse("segments hold letters, digits, '_', '-', '$' and '*' only");
            }
        }
        let segments: Vec<Segment> = text.split('.').map(Segment::new).collect();
        Ok(Self {
            text: text.to_owned(),
            any_depth: segments.contains(&Segment::Any),
            segments,
        })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a tool's path fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.fits(&Path::new(path))
    }

    /// Whether a path that was read before fits.
    #[must_use]
    pub fn fits(&self, path: &Path) -> bool {
        if !self.any_depth {
            return self.segments.len() == path.segments.len()
                && self
                    .segments
                    .iter()
                    .zip(&path.segments)
                    .all(|(segment, cut)| segment.fits(path, cut));
        }
        // Greedy, with one point to come back to: no pair of segments is compared twice.
        let (mut p, mut s) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while let Some(cut) = path.segments.get(s) {
            match self.segments.get(p) {
                Some(Segment::Any) => {
                    back = Some((p, s));
                    p += 1;
                    continue;
                }
                Some(segment) if segment.fits(path, cut) => {
                    p += 1;
                    s += 1;
                    continue;
                }
                Some(_) | None => {}
            }
            let Some((any, from)) = back else {
                return false;
            };
            (p, s) = (any + 1, from + 1);
            back = Some((any, s));
        }
        self.segments[p..].iter().all(|rest| *rest == Segment::Any)
    }

    /// Whether every path that fits another pattern fits this one. Never yes where that is not so; no
    /// where it takes more than comparing them segment by segment to see it.
    #[must_use]
    pub fn covers(&self, narrow: &Self) -> bool {
        // As in `fits`, with the other pattern's segments in the place of the path's: what stands for
        // many is taken by what stands for many alone.
        let (mut p, mut s) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while let Some(other) = narrow.segments.get(s) {
            match self.segments.get(p) {
                Some(Segment::Any) => {
                    back = Some((p, s));
                    p += 1;
                    continue;
                }
                Some(segment) if segment.covers(other) => {
                    p += 1;
                    s += 1;
                    continue;
                }
                Some(_) | None => {}
            }
            let Some((any, from)) = back else {
                return false;
            };
            (p, s) = (any + 1, from + 1);
            back = Some((any, s));
        }
        self.segments[p..].iter().all(|rest| *rest == Segment::Any)
    }

    /// How narrow the pattern is: a new rule stands above those with a smaller number.
    #[must_use]
    pub fn specificity(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Any => 0,
                Segment::One | Segment::Parts(_) => 10,
                Segment::Exact(..) => 100,
            })
            .sum()
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        if text == "**" {
            Self::Any
        } else if text == "*" {
            Self::One
        } else if text.contains('*') {
            Self::Parts(text.split('*').map(fold_path).collect())
        } else {
            let folded = fold_path(text);
            let hash = hash(&folded);
            Self::Exact(folded, hash)
        }
    }

    /// Whether every segment that fits another one fits this one.
    fn covers(&self, narrow: &Self) -> bool {
        match (self, narrow) {
            (_, Self::Any) => false,
            (Self::Any | Self::One, _) => true,
            (Self::Exact(a, _), Self::Exact(b, _)) => a == b,
            (Self::Exact(..), Self::One | Self::Parts(_)) | (Self::Parts(_), Self::One) => false,
            (Self::Parts(parts), Self::Exact(text, _)) => in_order(parts, text),
            // A character that is in no pattern stands for whatever the other one lets through: only
            // what is between two parts of this one takes it.
            (Self::Parts(parts), Self::Parts(others)) => in_order(parts, &others.join("\u{0}")),
        }
    }

    fn fits(&self, path: &Path, cut: &Cut) -> bool {
        let segment = || &path.folded[cut.start..cut.end];
        match self {
            Self::Any | Self::One => true,
            Self::Exact(text, hash) => *hash == cut.hash && text == segment(),
            Self::Parts(parts) => in_order(parts, segment()),
        }
    }
}

/// Whether a text is made of parts in their order with anything between. Each part is looked for
/// once, from where the one before ended.
pub(super) fn in_order<S: AsRef<str>>(parts: &[S], text: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| only.as_ref() == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_ref()) else {
        return false;
    };
    for part in middle.iter().map(AsRef::as_ref) {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_ref())
}

impl serde::Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn table() {
        for (pattern, path, expected) in [
            ("**", "a.b.c", true),
            ("*", "a", true),
            ("*", "a.b", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.**", "a", true),
            ("a.**", "a.b.c", true),
            ("**.delete*", "github.repos.deleteRepo", true),
            ("**.delete*", "github.repos.undelete", false),
            ("a.**.z", "a.b.c.z", true),
            ("a.**.z", "a.z", true),
            ("a.**.z", "a.z.b", false),
            ("GitHub.list_issues", "github.listIssues", true),
            ("github.issues", "github.issuesX", false),
            ("github.issues", "xgithub.issues", false),
            ("GITHUB.Issues.create", "github.issues.create", true),
            ("github.issues.create", "GitHub.is_sues.CRE-ATE", true),
            ("a.*_*", "a.b.c", false),
            ("a.*-*", "a.bc", true),
            ("a.*b*d", "a.xbyd", true),
            ("a.*b*d", "a.xbydz", false),
            ("a.b*b", "a.b", false),
            ("**.b.**.d", "a.b.b.c.d", true),
            ("**.b.**.d", "a.c.d", false),
            ("**.a.b", "a.a.a.b", true),
            ("a.b", "a.b.", false),
            ("a.*", "a.\u{130}x", true),
        ] {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            assert_eq!(pattern.matches(path), expected, "{pattern:?} {path}");
        }
    }

    #[test]
    fn one_covers_another() {
        for (wide, narrow, expected) in [
            ("**", "a.*.c", true),
            ("**", "**", true),
            ("a.*", "a.b*", true),
            ("a.b*", "a.bc*", true),
            ("a.*c", "a.b*c", true),
            ("a.b*", "a.*", false),
            ("a.b*c", "a.b*", false),
            ("a.*b*", "a.b", true),
            ("a.**", "a.b.**", true),
            ("a.**.c", "a.b.**.c", true),
            ("a.**", "**", false),
            ("a.*", "a.**", false),
            ("A.b_c", "a.BC", true),
            ("a.b", "a.c", false),
            ("a.*.c", "a.b", false),
        ] {
            let [w, n] = [wide, narrow].map(|text| Pattern::parse(text).expect("a pattern"));
            assert_eq!(w.covers(&n), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = Pattern::parse(&format!("{}b", "*a".repeat(250))).expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(20_000)));
        let deep = format!("{}z", "**.a.".repeat(100));
        let pattern = Pattern::parse(&deep).expect("a pattern");
        assert!(!pattern.matches(&"a.".repeat(5_000)));
    }

    #[test]
    fn refused() {
        for bad in ["", "a..b", ".a", "a.b**", "a b", "a/b", "é"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
