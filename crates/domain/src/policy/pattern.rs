//! Tool path patterns: `*` stands for one segment or a part of one, `**` for any number of segments.
//!
//! Matching takes time linear in pattern times path and ignores case, `_` and `-`, as look-ups do.

use crate::tool::fold_path;

/// A pattern over tool paths, such as `github.issues.*`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

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
        Ok(Self(text.to_owned()))
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a tool's path fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let pattern = fold_path(&self.0);
        let path = fold_path(path);
        let pattern: Vec<&str> = pattern.split('.').collect();
        let path: Vec<&str> = path.split('.').collect();
        wildcard(
            &pattern,
            &path,
            |p| *p == "**",
            |p, s| {
                let p: Vec<char> = p.chars().collect();
                let s: Vec<char> = s.chars().collect();
                wildcard(&p, &s, |c| *c == '*', |a, b| a == b)
            },
        )
    }

    /// How narrow the pattern is: a new rule stands above those with a smaller number.
    #[must_use]
    pub fn specificity(&self) -> usize {
        self.0
            .split('.')
            .map(|s| match s {
                "**" => 0,
                s if s.contains('*') => 10,
                _ => 100,
            })
            .sum()
    }
}

/// Greedy matching with one point to come back to: linear memory, at most quadratic time.
fn wildcard<P, S>(
    pattern: &[P],
    subject: &[S],
    star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &S) -> bool,
) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while s < subject.len() {
        if p < pattern.len() && star(&pattern[p]) {
            back = Some((p, s));
            p += 1;
        } else if p < pattern.len() && fits(&pattern[p], &subject[s]) {
            p += 1;
            s += 1;
        } else if let Some((star_p, star_s)) = back {
            p = star_p + 1;
            s = star_s + 1;
            back = Some((star_p, star_s + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(star)
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
        ] {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            assert_eq!(pattern.matches(path), expected, "{pattern:?} {path}");
        }
    }

    #[test]
    fn refused() {
        for bad in ["", "a..b", ".a", "a.b**", "a b", "a/b", "é"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
