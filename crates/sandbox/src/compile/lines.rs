//! Byte offsets of a text to lines and columns, and back to the text of a line.
//!
//! Lines end where ECMAScript ends them (<https://tc39.es/ecma262/#sec-line-terminators>), U+2028
//! and U+2029 included, as the source map and the engine count them. All are counted from 1,
//! columns in UTF-16 units.

use domain::partial::Place;

/// Bytes between two marks on one line, so that a long line does not make each look-up long.
const STRIDE: usize = 256;

/// The lines of a text.
pub(super) struct Lines<'s> {
    text: &'s str,
    /// In order; one at the start of each line, others along long ones.
    marks: Vec<Mark>,
}

#[derive(Clone, Copy)]
struct Mark {
    offset: usize,
    place: Place,
}

impl<'s> Lines<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        let mut at = Mark {
            offset: 0,
            place: Place { line: 1, column: 1 },
        };
        let mut marks = vec![at];
        let mut chars = text.char_indices().peekable();
        while let Some((offset, char)) = chars.next() {
            let ends_line = match char {
                '\r' => chars.peek().is_none_or(|(_, next)| *next != '\n'),
                '\n' | '\u{2028}' | '\u{2029}' => true,
                _ => false,
            };
            if ends_line {
                at.place.line += 1;
                at.place.column = 1;
            } else {
                at.place.column += char.len_utf16() as u32;
            }
            at.offset = offset + char.len_utf8();
            let last = marks.last().map_or(0, |mark| mark.offset);
            if ends_line || at.offset - last >= STRIDE {
                marks.push(at);
            }
        }
        Lines { text, marks }
    }

    /// Where a byte offset stands; one past the end is the end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        let mark = self.marks[after.saturating_sub(1)];
        let mut place = mark.place;
        for (at, char) in self.text[mark.offset..].char_indices() {
            if mark.offset + at + char.len_utf8() > offset {
                break;
            }
            place.column += char.len_utf16() as u32;
        }
        place
    }

    /// The text of a line, without its end.
    pub(super) fn text(&self, line: u32) -> &'s str {
        let from = self.marks.partition_point(|mark| mark.place.line < line);
        let to = self.marks.partition_point(|mark| mark.place.line <= line);
        let start = self.marks.get(from).map_or(self.text.len(), |m| m.offset);
        let end = self.marks.get(to).map_or(self.text.len(), |m| m.offset);
        self.text[start..end].trim_end_matches(['\n', '\r', '\u{2028}', '\u{2029}'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_has_its_place() {
        let text = format!("a\nbé😀\r\n\u{2028}x\ry{}z", "é".repeat(1000));
        let lines = Lines::new(&text);
        for (piece, line, column) in [
            ("a", 1, 1),
            ("b", 2, 1),
            ("😀", 2, 3),
            ("\u{2028}", 3, 1),
            ("x", 4, 1),
            ("y", 5, 1),
            ("z", 5, 1002),
        ] {
            let offset = text.find(piece).unwrap();
            assert_eq!(lines.place(offset), Place { line, column }, "{piece}");
        }
        // Inside a character, and past the end.
        assert_eq!(lines.place(4).column, 2);
        assert_eq!(lines.place(usize::MAX).line, 5);
        assert_eq!(lines.text(2), "bé😀");
        assert_eq!((lines.text(3), lines.text(4), lines.text(9)), ("", "x", ""));
        assert_eq!(Lines::new("").place(7), Place { line: 1, column: 1 });
    }
}
