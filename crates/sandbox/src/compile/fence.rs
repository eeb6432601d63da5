//! Markdown code fences around a program.
//!
//! What is outside the fence becomes blanks, so that every position stays that
//! of the text as sent. A fence is taken for what it says even where the whole
//! text happens to parse, as labels and templates that mean nothing; only one
//! inside a comment is none.

/// The first fenced block of a text, as long as the text, byte for byte.
pub(super) fn block(source: &str) -> Option<String> {
    let mut out = String::with_capacity(source.len());
    let mut inside = false;
    let mut found = false;
    let mut in_comment = false;
    for line in source.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        if fence && (inside || !found && !in_comment) {
            inside = !inside;
            found = true;
            blank(&mut out, line);
        } else if inside {
            out.push_str(line);
        } else {
            blank(&mut out, line);
        }
        let (opened, closed) = (line.rfind("/*"), line.rfind("*/"));
        if opened != closed {
            in_comment = opened > closed;
        }
    }
    found.then_some(out)
}

fn blank(out: &mut String, line: &str) {
    let body = line.strip_suffix('\n').unwrap_or(line);
    out.extend(std::iter::repeat_n(' ', body.len()));
    out.push_str(&line[body.len()..]);
}
