//! Markdown code fences around a program.
//!
//! What is outside the fence becomes blanks, so that every position stays that
//! of the text as sent.

/// The program of a text that begins with a fence.
pub(super) fn leading(source: &str) -> Option<String> {
    source.trim_start().starts_with("```").then(|| anywhere(source)).flatten()
}

/// The first fenced block of a text.
pub(super) fn anywhere(source: &str) -> Option<String> {
    let mut out = String::with_capacity(source.len());
    let mut inside = false;
    let mut found = false;
    for line in source.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        if fence && (inside || !found) {
            inside = !inside;
            found = true;
            blank(&mut out, line);
        } else if inside {
            out.push_str(line);
        } else {
            blank(&mut out, line);
        }
    }
    found.then_some(out)
}

fn blank(out: &mut String, line: &str) {
    let body = line.strip_suffix('\n').unwrap_or(line);
    out.extend(std::iter::repeat_n(' ', body.len()));
    out.push_str(&line[body.len()..]);
}
