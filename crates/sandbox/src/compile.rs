//! An agent's TypeScript, checked and turned into what the engine runs.
//!
//! The text is the body of an async function, in any of the forms models write
//! (`shape.rs`). It is untrusted: bounded in size before it is looked at, in
//! depth before it is parsed (`nesting.rs`), and compiled on a stack measured
//! for it. What is emitted is printed from a parsed tree, so no text can close
//! the wrapper around it. Types are erased, not checked.

mod breaks;
mod fence;
mod lines;
mod literal;
mod merged;
mod nesting;
mod places;
mod refuse;
mod shape;
mod survey;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use oxc_allocator::Allocator;
use oxc_codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;
use oxc_transformer::{TransformOptions, Transformer};
use sha2::{Digest, Sha256};

use lines::Lines;
use places::Places;
use survey::Seen;

pub use survey::VisibleCall;

use shape::Shape;

/// Stack for what does not depend on the source.
const STACK_BYTES: usize = 1 << 20;
/// Stack per level of nesting; measured in a debug build, the deepest taker, with room.
const STACK_BYTES_PER_LEVEL: usize = 24 << 10;
/// Longest excerpt of a line shown in an error, in characters.
const EXCERPT_MAX: usize = 200;

/// A program ready to run.
#[derive(Debug)]
pub struct Program {
    code: String,
    places: Places,
    shape: Shape,
    seen: Seen,
    source_digest: String,
    code_digest: String,
}

/// Why a source does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}\n  {excerpt}")]
pub struct CompileError {
    /// What is wrong and, where it is known, what to write instead.
    pub message: String,
    /// In the source as sent, from 1.
    pub line: u32,
    /// In the source as sent, from 1, in UTF-16 units.
    pub column: u32,
    /// The offending line.
    pub excerpt: String,
}

impl CompileError {
    fn at(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let lines = Lines::new(source);
        let place = lines.place(offset);
        CompileError {
            message: message.into(),
            line: place.line,
            column: place.column,
            excerpt: lines.text(place.line).chars().take(EXCERPT_MAX).collect(),
        }
    }

    fn of(source: &str, diagnostic: &OxcDiagnostic) -> Self {
        let mut message = diagnostic.message.to_string();
        if let Some(help) = &diagnostic.help {
            let _ = write!(message, " ({help})");
        }
        let offset = diagnostic
            .labels
            .first()
            .map_or(0, |label| label.offset() as usize);
        Self::at(source, offset, message)
    }
}

impl Program {
    /// SHA-256 of the source as sent, lower-case hexadecimal.
    pub fn source_digest(&self) -> &str {
        &self.source_digest
    }

    /// SHA-256 of the code the engine is given, lower-case hexadecimal.
    pub fn code_digest(&self) -> &str {
        &self.code_digest
    }

    /// The calls of tools that the text shows, in the order of the text; at most 1,000.
    pub fn visible_calls(&self) -> &[VisibleCall] {
        &self.seen.calls
    }

    /// Whether the program may also call tools that [`Program::visible_calls`] does not show,
    /// because `tools` or a part of it is passed on, reassigned or indexed by a computed name.
    pub fn hides_calls(&self) -> bool {
        self.seen.tools_escape
    }

    /// Whether the text returns by itself, outside of functions.
    pub(crate) fn returns(&self) -> bool {
        self.shape == Shape::Returns
    }

    /// A script whose value is the program as an async function.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Where in the source a position in the code stands, both from 1.
    pub(crate) fn locate(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        self.places.locate(line, column)
    }

    /// An engine's stack in the source's positions, and the place of its first frame.
    pub(crate) fn map_stack(&self, stack: &str) -> (String, Option<(u32, u32)>) {
        self.places.map_stack(stack)
    }
}

/// Compiles a source text of at most `source_bytes_max` bytes.
///
/// # Errors
/// [`CompileError`] with the first thing that is wrong.
pub fn compile(source: &str, source_bytes_max: usize) -> Result<Program, CompileError> {
    if source.len() > source_bytes_max {
        let message = format!(
            "the source is {} bytes, over the limit of {source_bytes_max} bytes (sourceBytes)",
            source.len()
        );
        return Err(CompileError::at("", 0, message));
    }
    let levels = nesting::bound(source).map_err(|offset| {
        let message = format!("the program is nested, or one expression is chained, more than {} levels deep; split it up", nesting::LEVELS_MAX);
        CompileError::at(source, offset, message)
    })?;
    let stack = STACK_BYTES + levels * STACK_BYTES_PER_LEVEL;
    // On a stack of its own, not a thread of its own: waking one costs more than compiling.
    let compile = || stacker::grow(stack, || compile_text(source, &text_of(source)));
    let compiled =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(compile)).unwrap_or_else(|_panic| {
            Err(CompileError::at(
                source,
                0,
                "the compiler failed on this source; please report it",
            ))
        });
    let Compiled {
        code,
        places,
        shape,
        seen,
    } = compiled?;
    Ok(Program {
        source_digest: hex(&Sha256::digest(source)),
        code_digest: hex(&Sha256::digest(&code)),
        code,
        places,
        shape,
        seen,
    })
}

/// A source with what is not code blanked out, byte for byte as long.
pub(crate) fn text_of(source: &str) -> Cow<'_, str> {
    if let Some(block) = fence::block(source) {
        return Cow::Owned(block);
    }
    if source.starts_with("#!") {
        let end = source.find(['\n', '\r', '\u{2028}', '\u{2029}']);
        let (first, rest) = source.split_at(end.unwrap_or(source.len()));
        return Cow::Owned(" ".repeat(first.len()) + rest);
    }
    Cow::Borrowed(source)
}

struct Compiled {
    code: String,
    places: Places,
    shape: Shape,
    seen: Seen,
}

/// `text` is `source` with what is not code blanked out, byte for byte as long.
fn compile_text(source: &str, text: &str) -> Result<Compiled, CompileError> {
    let allocator = Allocator::default();
    let options = ParseOptions {
        allow_return_outside_function: true,
        preserve_parens: false,
        ..ParseOptions::default()
    };
    let parsed = Parser::new(&allocator, text, SourceType::ts().with_module(true))
        .with_options(options)
        .parse();
    if let Some(diagnostic) = parsed.diagnostics.first() {
        return Err(CompileError::of(source, diagnostic));
    }
    let mut program = parsed.program;
    refuse::check(source, &program)?;
    let semantic = SemanticBuilder::new_compiler()
        .with_enum_eval(true)
        .with_excess_capacity(2.0)
        .build(&program);
    if let Some(diagnostic) = semantic.diagnostics.first() {
        return Err(CompileError::of(source, diagnostic));
    }
    let scoping = semantic.semantic.into_scoping();
    merged::check(source, &program, &scoping)?;
    let shape = shape::find(&program);
    let seen = survey::survey(&program, shape, &scoping, &Lines::new(source));
    let transformed = Transformer::new(
        &allocator,
        Path::new("task.ts"),
        &TransformOptions::default(),
    )
    .build_with_scoping(scoping, &mut program);
    if let Some(diagnostic) = transformed.diagnostics.first() {
        return Err(CompileError::of(source, diagnostic));
    }
    shape::apply(shape, &mut program, &allocator);
    breaks::escape(text, &mut program, &allocator);

    let options = CodegenOptions {
        comments: CommentOptions::disabled(),
        source_map_path: Some("task.ts".into()),
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).build(&program);
    let places = Places::new(printed.map.as_ref());
    // The program begins on a line of its own; `places` knows of that one line.
    let code = format!(
        "(async function () {{ \"use strict\";\n{}\n}})",
        printed.code
    );
    Ok(Compiled {
        code,
        places,
        shape,
        seen,
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests;
