//! The person at the terminal: lines they type, secrets they enter, interruptions.
//!
//! Lines are read on a thread of its own, so that a question can be left when the answer came from
//! elsewhere. A secret is read from a prompt, stdin or a file, never from an argument.

use crate::failure::{Failure, Result};
use crate::output::Output;
use domain::credential::Secret;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;
use tokio::sync::mpsc;

/// Bytes of a secret at most.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Lines typed at the terminal. Reading begins with the first question.
#[derive(Default)]
pub(crate) struct Lines(Option<mpsc::Receiver<String>>);

impl Lines {
    /// The next line; waits for ever once stdin has ended. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> String {
        let lines = self.0.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(16);
            // The thread ends with the process, or with stdin: there is no way to interrupt a read.
            std::thread::spawn(move || {
                for line in stdin().lines().map_while(std::io::Result::ok) {
                    if sender.blocking_send(line).is_err() {
                        return;
                    }
                }
            });
            receiver
        });
        match lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }
}

/// Reads a secret: from a file, from stdin where that is no terminal, else from a prompt without
/// echo. One line end at its end is not part of it.
pub(crate) fn secret(output: &Output, what: &str, from: Option<&Path>) -> Result<Secret> {
    let text = match from {
        Some(path) => {
            let file = std::fs::File::open(path)
                .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
            read_all(file, &path.display().to_string())?
        }
        None if !stdin().is_terminal() => read_all(stdin(), "stdin")?,
        None if output.can_ask() => inquire::Password::new(&format!("{what}:"))
            .without_confirmation()
            .with_display_mode(inquire::PasswordDisplayMode::Hidden)
            .prompt()
            .map_err(|e| Failure::usage(format!("no value was entered: {e}")))?,
        None => {
            return Err(Failure::usage(
                "there is no terminal to ask for the value on",
            ));
        }
    };
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(Failure::usage(format!("{what}: the value is empty")).next(
            "pipe it in, name a file with --from-file, or run this on a terminal to be asked",
        ));
    }
    Ok(Secret::new(value.to_owned()))
}

fn read_all(from: impl Read, place: &str) -> Result<String> {
    let mut text = String::new();
    from.take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|e| Failure::usage(format!("cannot read the value from {place}: {e}")))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the value from {place} is larger than {SECRET_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}
