//! Characters that a reader does not see: what they are, where they are honest, what they encode.
//!
//! [`plain`] is the text that agents are given: without them. [`escaped`] is the text that people
//! are shown: with every one written out.
//! Emoji sequences, joiners of scripts that need them and marks in right-to-left text are honest.

use std::borrow::Cow;

/// What a character that is not seen does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// Takes no room.
    ZeroWidth,
    /// A copy of an ASCII character that no font draws (U+E0000 and on).
    Tag,
    /// Chooses a glyph; 256 of them can carry one byte each.
    Variation,
    /// Looks like a blank and is none.
    Blank,
    /// Turns the direction of what follows.
    Direction,
    /// Marks a direction at one place.
    Mark,
    /// A control character, which a terminal may obey.
    Control,
}

/// What kind of unseen character one is, if it is one.
fn class(c: char) -> Option<Hidden> {
    Some(match c {
        '\t' | '\n' | '\r' => return None,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Hidden::Control,
        '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' => Hidden::ZeroWidth,
        '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => Hidden::ZeroWidth,
        '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' => Hidden::ZeroWidth,
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => Hidden::Blank,
        '\u{2800}' | '\u{3164}' | '\u{ffa0}' => Hidden::Blank,
        '\u{200e}' | '\u{200f}' | '\u{61c}' => Hidden::Mark,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Hidden::Direction,
        '\u{180b}'..='\u{180d}' | '\u{fe00}'..='\u{fe0f}' => Hidden::Variation,
        '\u{e0100}'..='\u{e01ef}' => Hidden::Variation,
        '\u{e0000}'..='\u{e007f}' => Hidden::Tag,
        _ => return None,
    })
}

/// Whether a text can hold one at all: everything below U+00AD but controls is seen.
fn is_clean(text: &str) -> bool {
    text.bytes()
        .all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r'))
}

/// One unseen character that has no honest reason to be where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Its place in the text, in bytes.
    pub(crate) at: usize,
    /// The character.
    pub(crate) c: char,
    /// What it does.
    pub(crate) hidden: Hidden,
}

/// Every unseen character that has no honest reason to be where it is.
pub(crate) fn found(text: &str) -> Vec<Found> {
    if is_clean(text) {
        return Vec::new();
    }
    let right_to_left = text.chars().any(is_right_to_left);
    let mut all = Vec::new();
    let mut previous: Option<char> = None;
    let mut honest_until = 0;
    for (at, c) in text.char_indices() {
        if let Some(hidden) = class(c)
            && at >= honest_until
        {
            let rest = &text[at + c.len_utf8()..];
            let next = rest.chars().next();
            let honest = match hidden {
                Hidden::ZeroWidth => joins(previous, c, next),
                Hidden::Variation => chooses(previous, c, next),
                Hidden::Mark => right_to_left,
                Hidden::Tag => match flag(previous, &text[at..]) {
                    Some(length) => {
                        honest_until = at + length;
                        true
                    }
                    None => false,
                },
                Hidden::Blank => previous.is_some_and(is_hangul) || next.is_some_and(is_hangul),
                Hidden::Direction | Hidden::Control => false,
            };
            if !honest {
                all.push(Found { at, c, hidden });
            }
        }
        previous = Some(c);
    }
    all
}

/// A joiner between emoji, or between letters of scripts that are written with it.
fn joins(previous: Option<char>, c: char, next: Option<char>) -> bool {
    let (Some(previous), Some(next)) = (previous, next) else {
        return false;
    };
    match c {
        '\u{200d}' => {
            (is_emoji(previous) || previous == '\u{fe0f}') && is_emoji(next)
                || is_joining(previous) && (is_joining(next) || next.is_whitespace())
        }
        '\u{200c}' => is_joining(previous),
        _ => false,
    }
}

/// One selector after a character that has more than one form.
fn chooses(previous: Option<char>, c: char, next: Option<char>) -> bool {
    let one = next.is_none_or(|n| class(n) != Some(Hidden::Variation));
    let emoji = matches!(c, '\u{fe0e}' | '\u{fe0f}');
    one && previous.is_some_and(|p| {
        if emoji {
            is_emoji(p) || p.is_ascii_digit() || p == '#' || p == '*'
        } else {
            is_ideograph(p) || ('\u{1800}'..='\u{18af}').contains(&p)
        }
    })
}

/// The length of the tags of one of the three flags that are written with them.
fn flag(previous: Option<char>, rest: &str) -> Option<usize> {
    if previous != Some('\u{1f3f4}') {
        return None;
    }
    ["gbeng", "gbsct", "gbwls"].iter().find_map(|code| {
        let tags: String = code
            .bytes()
            .filter_map(|b| char::from_u32(0xe0000 + u32::from(b)))
            .chain(['\u{e007f}'])
            .collect();
        rest.starts_with(&tags).then_some(tags.len())
    })
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115e}' | '\u{1161}'..='\u{11ff}' | '\u{3131}'..='\u{3163}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{ffa1}'..='\u{ffdc}')
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{61b}' | '\u{61d}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Scripts whose words are written with joiners: Arabic, Syriac, those of India and its neighbors.
fn is_joining(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{7ff}' | '\u{840}'..='\u{dff}' | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17b3}' | '\u{17b6}'..='\u{17ff}' | '\u{1800}'..='\u{180a}'
        | '\u{1810}'..='\u{18af}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// The text without unseen characters: what agents are given.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let found = found(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for one in found {
        out.push_str(&text[from..one.at]);
        from = one.at + one.c.len_utf8();
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// The text with unseen characters put back where an importer has written them out.
pub(crate) fn restored(text: &str) -> Cow<'_, str> {
    const MARK: &str = "\\u{";
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        let after = &rest[at + MARK.len()..];
        let digits = after.split('}').next().unwrap_or_default();
        let code = u32::from_str_radix(digits, 16).ok();
        let unseen = code
            .and_then(char::from_u32)
            .filter(|c| class(*c).is_some() && after.len() > digits.len());
        match unseen {
            Some(c) => {
                out.push_str(&rest[..at]);
                out.push(c);
                rest = &after[digits.len() + 1..];
            }
            None => {
                out.push_str(&rest[..at + MARK.len()]);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The text on one line with every unseen character written out: what people are shown.
pub(crate) fn escaped(text: &str) -> String {
    let found = found(text);
    let mut next = found.iter().map(|f| f.at).peekable();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if next.next_if_eq(&at).is_some() {
            out.push_str(&format!("\\u{{{:X}}}", c as u32));
        } else {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ => out.push(c),
            }
        }
    }
    out
}

/// What unseen characters spell: tags are ASCII, variation selectors are bytes, and two zero-width
/// characters taken in eights are bits.
pub(crate) fn spelled(found: &[Found]) -> Option<String> {
    let tags: String = found
        .iter()
        .filter(|f| f.hidden == Hidden::Tag)
        .filter_map(|f| char::from_u32(f.c as u32 - 0xe0000))
        .filter(|c| (' '..='~').contains(c))
        .collect();
    if !tags.is_empty() {
        return Some(tags);
    }
    let selectors: Vec<u8> = found.iter().filter_map(|f| selected(f.c)).collect();
    readable(&selectors).or_else(|| {
        let mut kinds: Vec<char> = Vec::new();
        let bits: Vec<u8> = found
            .iter()
            .filter(|f| f.hidden == Hidden::ZeroWidth)
            .filter_map(|f| {
                let known = kinds.iter().position(|k| *k == f.c).unwrap_or_else(|| {
                    kinds.push(f.c);
                    kinds.len() - 1
                });
                u8::try_from(known).ok().filter(|b| *b < 2)
            })
            .collect();
        let bytes = |flip: u8| -> Vec<u8> {
            bits.chunks_exact(8)
                .map(|byte| byte.iter().fold(0, |all, bit| all << 1 | (bit ^ flip)))
                .collect()
        };
        readable(&bytes(0)).or_else(|| readable(&bytes(1)))
    })
}

fn selected(c: char) -> Option<u8> {
    match c {
        '\u{fe00}'..='\u{fe0f}' => u8::try_from(c as u32 - 0xfe00).ok(),
        '\u{e0100}'..='\u{e01ef}' => u8::try_from(c as u32 - 0xe0100 + 16).ok(),
        _ => None,
    }
}

/// Bytes as text, where they are that.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let seen = text.chars().filter(|c| !c.is_control()).count();
    (seen >= 3 && seen == text.chars().count()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_sequences_stay() {
        for text in [
            "Ship it 🚀 ✔️ 1️⃣ 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️‍🔥",
            "می‌خواهم",
            "עברית \u{200f}(נכון)",
            "क्‍ष",
            "line\n\tnext\r\n",
            "葛\u{e0100}城",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn hidden_text_is_read() {
        let tags: String = "obey"
            .bytes()
            .filter_map(|b| char::from_u32(0xe0000 + u32::from(b)))
            .collect();
        let text = format!("Adds.{tags}");
        assert_eq!(plain(&text), "Adds.");
        assert_eq!(spelled(&found(&text)).as_deref(), Some("obey"));
        let bytes: String = "run it"
            .bytes()
            .map(|b| match b {
                0..=15 => char::from_u32(0xfe00 + u32::from(b)),
                _ => char::from_u32(0xe0100 + u32::from(b) - 16),
            })
            .map(Option::unwrap)
            .collect();
        let text = format!("😀{bytes}");
        assert_eq!(spelled(&found(&text)).as_deref(), Some("run it"));
        let bits: String = "run"
            .bytes()
            .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1))
            .map(|bit| if bit == 1 { '\u{200c}' } else { '\u{200b}' })
            .collect();
        assert_eq!(spelled(&found(&bits)).as_deref(), Some("run"));
        assert_eq!(restored("a\\u{200B}b\\u{41}\\u{"), "a\u{200b}b\\u{41}\\u{");
        assert_eq!(escaped("a\u{200b}b\u{202e}\n"), "a\\u{200B}b\\u{202E}\\n");
    }

    #[test]
    fn a_flag_carries_no_message() {
        let tags: String = "gbengx"
            .bytes()
            .filter_map(|b| char::from_u32(0xe0000 + u32::from(b)))
            .collect();
        assert!(!found(&format!("\u{1f3f4}{tags}")).is_empty());
    }
}
