//! Positions: the engine's lines back to the source's.
//!
//! All lines and columns are counted from 1, columns in UTF-16 units, as
//! editors and source maps do.

use oxc_sourcemap::SourceMap;

/// The file name the engine knows the program by (`PROGRAM_FILE` in `engine.c`).
const PROGRAM_FILE: &str = "task.ts:";
/// Lines of wrapper before the program's first.
const WRAPPER_LINES: u32 = 1;

/// Where each piece of the emitted code came from.
#[derive(Debug)]
pub(super) struct Places {
    /// (code line, code column, source line, source column), all from 0, in order.
    marks: Vec<[u32; 4]>,
}

impl Places {
    pub(super) fn new(map: Option<&SourceMap<'_>>) -> Places {
        let marks = map.into_iter().flat_map(|map| {
            map.get_tokens()
                .filter(|token| token.get_source_id().is_some())
                .map(|token| {
                    [
                        token.get_dst_line(),
                        token.get_dst_col(),
                        token.get_src_line(),
                        token.get_src_col(),
                    ]
                })
        });
        Places {
            marks: marks.collect(),
        }
    }

    /// The source position of a code position: that of the last mark before it on its line.
    pub(super) fn locate(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        let line = line.checked_sub(1 + WRAPPER_LINES)?;
        let column = column.checked_sub(1)?;
        let after = self
            .marks
            .partition_point(|mark| (mark[0], mark[1]) <= (line, column));
        let same_line = |mark: &&[u32; 4]| mark[0] == line;
        let mark = self.marks[..after]
            .last()
            .filter(same_line)
            .or_else(|| self.marks.get(after).filter(same_line))?;
        Some((mark[2] + 1, mark[3] + 1))
    }

    /// Keeps the program's own frames, in the source's positions.
    pub(super) fn map_stack(&self, stack: &str) -> (String, Option<(u32, u32)>) {
        let mut out = String::new();
        let mut first = None;
        for frame in stack.lines() {
            let Some((before, rest)) = frame.split_once(PROGRAM_FILE) else {
                continue;
            };
            let mut numbers = rest.trim_end_matches(')').split(':').map(str::parse::<u32>);
            let (Some(Ok(line)), Some(Ok(column))) = (numbers.next(), numbers.next()) else {
                continue;
            };
            // Frames of the wrapper itself have no place in the source.
            let Some((line, column)) = self.locate(line, column) else {
                continue;
            };
            first.get_or_insert((line, column));
            out.push_str(before);
            out.push_str(PROGRAM_FILE);
            out.push_str(&format!("{line}:{column}"));
            out.push_str(if rest.ends_with(')') { ")\n" } else { "\n" });
        }
        out.truncate(out.trim_end().len());
        (out, first)
    }
}
