//! The program that a command is given: a file, stdin, or the text itself.

use crate::failure::{Failure, Result};
use std::io::Read;

/// Bytes of a program that are worth sending; the server's own limit is 256 KiB.
const BYTES_MAX: u64 = 16 << 20;

/// Where a command finds its program.
#[derive(clap::Args)]
pub(crate) struct Program {
    /// File with the program, or - for stdin
    #[arg(required_unless_present = "code", conflicts_with = "code")]
    file: Option<String>,
    /// The program itself
    #[arg(short = 'e', long = "eval", value_name = "CODE")]
    code: Option<String>,
}

impl Program {
    /// Whether it comes from stdin, which then cannot answer questions.
    pub(crate) fn is_stdin(&self) -> bool {
        self.file.as_deref() == Some("-")
    }

    /// What to call it in messages.
    pub(crate) fn name(&self) -> &str {
        match self.file.as_deref() {
            Some("-") => "stdin",
            Some(path) => path,
            None => "program",
        }
    }

    /// Its text.
    pub(crate) fn read(&self) -> Result<String> {
        if let Some(code) = &self.code {
            return Ok(code.clone());
        }
        let name = self.file.as_deref().unwrap_or("-");
        let read = |from: &mut dyn Read| {
            let mut text = String::new();
            from.take(BYTES_MAX).read_to_string(&mut text).map(|_| text)
        };
        let text = match name {
            "-" => read(&mut std::io::stdin()),
            path => std::fs::File::open(path).and_then(|mut file| read(&mut file)),
        };
        text.map_err(|e| {
            Failure::usage(format!("cannot read the program from {name}: {e}"))
                .next("name a file, give - for stdin, or the program itself with -e")
        })
    }
}
