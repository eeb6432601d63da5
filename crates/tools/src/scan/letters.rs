//! Letters that look like Latin ones: Cyrillic, Greek, Armenian, small capitals, styled letters.
//!
//! The table holds what is seen in look-alike names, not all of Unicode's confusables: a letter
//! that is missing here is a letter that a reader sees to be another.

/// Letters and the Latin letter that each looks like.
const LIKE: [(char, &str); 26] = [
    ('a', "аАαΑɑᴀ"),
    ('b', "ВЬьΒʙ"),
    ('c', "сСϲϹᴄ"),
    ('d', "ԁᴅ"),
    ('e', "еЕёЁεΕᴇ"),
    ('f', "ғϝꜰ"),
    ('g', "ɡɢցԍ"),
    ('h', "һНнΗհʜ"),
    ('i', "іІїЇιΙıɪӀ"),
    ('j', "јЈϳᴊ"),
    ('k', "кКκΚᴋ"),
    ('l', "ӏʟ"),
    ('m', "мМΜᴍ"),
    ('n', "пηΝոɴ"),
    ('o', "оОοΟօᴏ"),
    ('p', "рРρΡᴘ"),
    ('q', "ԛգ"),
    ('r', "гʀ"),
    ('s', "ѕЅꜱ"),
    ('t', "тТτΤᴛ"),
    ('u', "υսᴜ"),
    ('v', "νѵᴠ"),
    ('w', "ԝᴡω"),
    ('x', "хХχΧ"),
    ('y', "уУγΥү"),
    ('z', "ΖᴢZ"),
];

/// The small Latin letter, or the digit, that a character looks like.
pub(super) fn latin(c: char) -> Option<char> {
    if c.is_ascii_alphanumeric() {
        return Some(c.to_ascii_lowercase());
    }
    if c.is_ascii() {
        return None;
    }
    if let Some((letter, _)) = LIKE.iter().find(|(_, like)| like.contains(c)) {
        return Some(*letter);
    }
    let code = u32::from(c);
    let of = |start: u32, first: char| char::from_u32(u32::from(first) + (code - start));
    match c {
        // Full width.
        '\u{ff21}'..='\u{ff3a}' => of(0xff21, 'a'),
        '\u{ff41}'..='\u{ff5a}' => of(0xff41, 'a'),
        '\u{ff10}'..='\u{ff19}' => of(0xff10, '0'),
        // Circled, squared, flags' letters.
        '\u{24b6}'..='\u{24cf}' => of(0x24b6, 'a'),
        '\u{24d0}'..='\u{24e9}' => of(0x24d0, 'a'),
        '\u{1f130}'..='\u{1f149}' => of(0x1f130, 'a'),
        '\u{1f150}'..='\u{1f169}' => of(0x1f150, 'a'),
        '\u{1f170}'..='\u{1f189}' => of(0x1f170, 'a'),
        '\u{1f1e6}'..='\u{1f1ff}' => of(0x1f1e6, 'a'),
        // Mathematical letters: alphabets of 26 capitals and 26 small ones.
        '\u{1d400}'..='\u{1d6a3}' => char::from_u32(u32::from('a') + (code - 0x1d400) % 26),
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_u32(u32::from('0') + (code - 0x1d7ce) % 10),
        _ => None,
    }
}

/// A text as it looks: letters that look Latin as those, small; others as they are.
pub(super) fn skeleton(text: &str) -> String {
    text.chars()
        .flat_map(|c| latin(c).map_or_else(|| c.to_lowercase().collect::<Vec<_>>(), |l| vec![l]))
        .collect()
}

/// The first word that is written in Latin letters but for some that only look like them.
pub(super) fn mixed_word(text: &str) -> Option<(usize, usize)> {
    if text.is_ascii() {
        return None;
    }
    let mut start = None;
    let (mut own, mut like) = (0, 0);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_alphabetic() {
            start.get_or_insert(at);
            own += usize::from(c.is_ascii());
            like += usize::from(is_foreign(c) && latin(c).is_some());
        } else if let Some(start) = start.take() {
            if own >= 2 && like >= 1 {
                return Some((start, at));
            }
            (own, like) = (0, 0);
        }
    }
    None
}

/// Letters of the alphabets that share shapes with Latin.
fn is_foreign(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{52f}' | '\u{530}'..='\u{58f}' | '\u{13a0}'..='\u{13ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_look_like_what_they_look_like() {
        for (text, expected) in [
            ("gіthub", "github"),
            ("ＧｉｔＨｕｂ", "github"),
            ("𝗜𝗴𝗻𝗼𝗿𝗲", "ignore"),
            ("ѕlаck", "slack"),
            ("日本", "日本"),
        ] {
            assert_eq!(skeleton(text), expected);
        }
        assert_eq!(mixed_word("call gіthub now"), Some((5, 12)));
        for text in [
            "Привет, мир",
            "the Δx of µs",
            "naïve café",
            "β-carotene",
            "API для всех",
        ] {
            assert_eq!(mixed_word(text), None, "{text}");
        }
    }
}
