//! Line separators that engines count differently, out of the emitted code.
//!
//! U+2028 and U+2029 end lines for the source map and for some engines, and not for others when they
//! stand in a template. In strings the printer escapes them; here the same is done in templates. In
//! tagged ones they stay, because their tag may look at the text as it is written.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Program, TaggedTemplateExpression, TemplateElement};
use oxc_ast_visit::{VisitMut, walk_mut};

const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// Escapes the separators in a program's templates.
pub(super) fn escape<'a>(source: &str, program: &mut Program<'a>, allocator: &'a Allocator) {
    if source.contains(SEPARATORS) {
        Escaper { allocator }.visit_program(program);
    }
}

struct Escaper<'a> {
    allocator: &'a Allocator,
}

impl<'a> VisitMut<'a> for Escaper<'a> {
    fn visit_tagged_template_expression(&mut self, it: &mut TaggedTemplateExpression<'a>) {
        self.visit_expression(&mut it.tag);
        walk_mut::walk_expressions(self, &mut it.quasi.expressions);
    }

    fn visit_template_element(&mut self, it: &mut TemplateElement<'a>) {
        if it.value.raw.contains(SEPARATORS) {
            it.value.raw = self.allocator.alloc_str(&escaped(&it.value.raw)).into();
        }
    }
}

fn escaped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 8);
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            '\\' => match chars.next() {
                // A backslash before a line's end stands for nothing.
                Some('\u{2028}' | '\u{2029}') | None => {}
                Some(next) => out.extend(['\\', next]),
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn the_meaning_stays() {
        for (raw, expected) in [
            ("a\u{2028}b\u{2029}", "a\\u2028b\\u2029"),
            ("a\\\u{2028}b", "ab"),
            ("a\\\\\u{2028}b", "a\\\\\\u2028b"),
            ("\\`${\\u{1}", "\\`${\\u{1}"),
        ] {
            assert_eq!(escaped(raw), expected);
        }
    }
}
