//! How deep a source can possibly nest, before anything recursive reads it.
//!
//! One pass over the bytes finds an upper bound on the depth of any syntax tree
//! the text could have; the stack is sized by it, so no text can overflow it.
//! The pass knows strings, comments, templates and regular expressions, and is
//! never too low: where a slash may divide or begin an expression, whose quotes
//! and brackets would mislead it, it counts openings and no closings for the
//! rest of the line.

/// Deepest bound accepted.
pub(super) const LEVELS_MAX: usize = 10_000;

/// Keywords after which a slash may begin a regular expression.
const VALUE_FOLLOWS: [&[u8]; 21] = [
    b"return",
    b"typeof",
    b"case",
    b"in",
    b"of",
    b"delete",
    b"void",
    b"throw",
    b"new",
    b"await",
    b"yield",
    b"else",
    b"do",
    b"instanceof",
    b"extends",
    b"default",
    b"as",
    b"satisfies",
    b"break",
    b"continue",
    b"debugger",
];

/// What is counted inside one pair of brackets.
#[derive(Clone, Copy, Default)]
struct Bracket {
    /// Operators and keywords in the current statement or list item.
    run: usize,
    /// `else` so far: each nests in the one before.
    elses: usize,
    /// Whether this is the `${` of a template.
    template: bool,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Bracket>,
    /// Sum of all `run` and `elses` in `open`.
    pending: usize,
    /// Levels that are never closed again: those of doubtful lines.
    doubtful: usize,
    doubt: Doubt,
    /// The last byte that is neither blank nor comment; `a` for any name, `k` for
    /// a keyword that a value may follow.
    last: u8,
    /// Whether a line has ended since.
    fresh_line: bool,
    deepest: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    UntilLineEnd,
    ForEver,
}

/// The bound, or the byte offset at which it passes [`LEVELS_MAX`].
pub(super) fn bound(source: &str) -> Result<usize, usize> {
    let mut scan = Scan {
        bytes: source.as_bytes(),
        at: 0,
        open: vec![Bracket::default()],
        pending: 0,
        doubtful: 0,
        doubt: Doubt::None,
        last: b';',
        fresh_line: false,
        deepest: 0,
    };
    while scan.at < scan.bytes.len() {
        scan.step();
        let levels = scan.open.len() + scan.pending + scan.doubtful;
        if levels > LEVELS_MAX {
            return Err((0..=scan.at.min(source.len()))
                .rev()
                .find(|at| source.is_char_boundary(*at))
                .unwrap_or(0));
        }
        scan.deepest = scan.deepest.max(levels);
    }
    Ok(scan.deepest)
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn step(&mut self) {
        let byte = self.peek(0);
        if byte == b'\n' || byte == b'\r' {
            if self.doubt == Doubt::UntilLineEnd {
                self.doubt = Doubt::None;
            }
            self.fresh_line = true;
            self.at += 1;
        } else if byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$' && self.peek(1) != b'{'
        {
            self.word();
        } else if self.doubt == Doubt::None {
            self.plain(byte);
        } else {
            self.doubtful(byte);
        }
    }

    /// Words that can nest without brackets, such as `if (a) if (b)` or `await await a`.
    fn word(&mut self) {
        let start = self.at;
        self.fresh_line = false;
        while self.peek(0).is_ascii_alphanumeric()
            || self.peek(0) == b'_'
            || self.peek(0) == b'$' && self.peek(1) != b'{'
        {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        self.last = if VALUE_FOLLOWS.contains(&word) {
            b'k'
        } else {
            b'a'
        };
        match word {
            b"else" => self.count(|top| &mut top.elses),
            b"if" | b"for" | b"while" | b"do" | b"with" | b"await" | b"yield" | b"typeof"
            | b"void" | b"delete" | b"new" | b"in" | b"of" | b"instanceof" | b"as"
            | b"satisfies" | b"keyof" | b"infer" | b"readonly" | b"unique" | b"extends"
            | b"asserts" | b"is" | b"async" | b"function" | b"class" | b"switch" | b"try"
            | b"abstract" | b"label" => self.count(|top| &mut top.run),
            _ => {}
        }
    }

    fn count(&mut self, which: impl Fn(&mut Bracket) -> &mut usize) {
        if self.doubt != Doubt::None {
            self.doubtful += 1;
        } else if let Some(top) = self.open.last_mut() {
            *which(top) += 1;
            self.pending += 1;
        }
    }

    fn plain(&mut self, byte: u8) {
        match byte {
            b'/' if self.peek(1) == b'/' => return self.line_comment(),
            b'/' if self.peek(1) == b'*' => return self.block_comment(),
            b'/' if self.wants_value() => self.regular_expression(),
            b'/' if self.divides() => self.count(|top| &mut top.run),
            b'/' => {
                self.count(|top| &mut top.run);
                // Inside a template, a miscounted brace would swap text and code for good.
                let in_template = self.open.iter().any(|bracket| bracket.template);
                self.doubt = if in_template {
                    Doubt::ForEver
                } else {
                    Doubt::UntilLineEnd
                };
            }
            b'"' | b'\'' => self.string(byte),
            b'`' => self.template(),
            b'(' | b'[' | b'{' => {
                // What is called, indexed or opened may itself be a chain: a()()()
                self.count(|top| &mut top.run);
                self.open.push(Bracket::default());
            }
            b')' | b']' | b'}' => self.close(byte),
            b',' | b';' => self.new_item(),
            _ if is_operator(byte) => self.count(|top| &mut top.run),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            // The end of an arrow wants a value, as any `=` does.
            self.last = if byte == b'>' && self.last == b'=' {
                b'='
            } else {
                byte
            };
            self.fresh_line = false;
        }
        self.at += 1;
    }

    /// Whether a slash here cannot divide: what stands before it wants a value.
    fn wants_value(&self) -> bool {
        matches!(
            self.last,
            b'(' | b'['
                | b'{'
                | b','
                | b';'
                | b'='
                | b':'
                | b'?'
                | b'&'
                | b'|'
                | b'*'
                | b'%'
                | b'^'
                | b'~'
                | b'<'
        )
    }

    /// Whether a slash here can only divide: it follows a value on the same line.
    fn divides(&self) -> bool {
        !self.fresh_line && matches!(self.last, b'a' | b'0'..=b'9' | b']' | b'"' | b'\'' | b'`')
    }

    fn doubtful(&mut self, byte: u8) {
        // Whether what follows the line's end is a value, nobody can say.
        self.last = b')';
        match byte {
            b'`' => self.doubt = Doubt::ForEver,
            b'(' | b'[' | b'{' => self.doubtful += 2,
            _ if is_operator(byte) || byte == b'/' => self.doubtful += 1,
            _ => {}
        }
        self.at += 1;
    }

    fn close(&mut self, byte: u8) {
        if self.open.len() == 1 {
            return;
        }
        if let Some(closed) = self.open.pop() {
            self.pending -= closed.run + closed.elses;
            if closed.template {
                self.template();
            } else if byte == b'}' {
                // A block ends a statement; an `else` that goes on is counted apart.
                self.new_item();
            }
        }
    }

    fn new_item(&mut self) {
        if let Some(top) = self.open.last_mut() {
            self.pending -= top.run;
            top.run = 0;
        }
    }

    // Each of these begins on its first byte and ends on its last.

    fn string(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' => self.at += 1,
                b'\n' | b'\r' => return,
                byte if byte == quote => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn regular_expression(&mut self) {
        let mut class = false;
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => return,
                b'\n' | b'\r' => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// From a backtick, or the brace that ends an inserted value, to the end or the next value.
    fn template(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' => self.at += 1,
                b'`' => return self.count(|top| &mut top.run), // a tag makes a chain: a`…``…`
                b'$' if self.peek(1) == b'{' => {
                    self.at += 1;
                    return self.open.push(Bracket {
                        template: true,
                        ..Bracket::default()
                    });
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            // U+2028 and U+2029 end a line comment too.
            if rest[0] == b'\n'
                || rest[0] == b'\r'
                || rest.starts_with(&[0xE2, 0x80, 0xA8])
                || rest.starts_with(&[0xE2, 0x80, 0xA9])
            {
                return;
            }
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        self.at += 2;
        while self.at < self.bytes.len() && !(self.peek(0) == b'*' && self.peek(1) == b'/') {
            self.at += 1;
        }
        self.at += 2;
    }
}

fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'~'
            | b'+'
            | b'-'
            | b'*'
            | b'%'
            | b'&'
            | b'|'
            | b'^'
            | b'='
            | b'<'
            | b'>'
            | b'?'
            | b':'
            | b'.'
            | b'@'
    )
}
