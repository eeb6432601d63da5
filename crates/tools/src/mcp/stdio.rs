//! A server that is a program of this machine: one JSON message a line, in and out.
//!
//! No shell sees the command. The process gets a clean environment, a process group of its own and
//! none of our descriptors but three pipes; what it writes is bounded. It is ended with its whole
//! group: its input is closed, then it is asked to end, then it is killed. Whoever lets go of the
//! [`Process`] ends it.

use super::fault::{Fault, shortened};
use super::hearing::Patience;
use super::limits::{GRACE, MESSAGE_BYTES_MAX, OUTGOING_MAX, STDERR_BYTES_KEPT};
use super::mux::Mux;
use super::peer::{Peer, Reply};
use super::wire::Outbound;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What of our own environment a process gets: where programs, temporary files and the person's own
/// files are, and how text and time are shown.
const PASSED_ON: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TMPDIR",
    "TZ",
    "SYSTEMROOT",
    "APPDATA",
    "LOCALAPPDATA",
];

/// A running program.
pub(super) struct Process {
    mux: Arc<Mux>,
    outgoing: mpsc::Sender<String>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Process {
    /// Starts a program with its arguments and the variables that were set for it.
    pub(super) fn start(
        words: &[String],
        variables: &[(String, String)],
        peer: Arc<Peer>,
    ) -> Result<Self, Fault> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Fault::Start("the command is empty".to_owned()));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                PASSED_ON
                    .iter()
                    .filter_map(|n| Some((n, std::env::var_os(n)?))),
            )
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        if let Some(home) = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|h| h.is_dir())
        {
            command.current_dir(home);
        }
        let mut child = command.spawn().map_err(|error| {
            Fault::Start(format!(
                "`{}` could not be started: {error}",
                shortened(program)
            ))
        })?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Fault::Start("the command came without pipes".to_owned()));
        };
        let mux = Arc::new(Mux::default());
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
        let (stop, stopped) = watch::channel(false);
        let (over, ended) = watch::channel(false);
        tokio::spawn(write(input, to_write, stopped.clone()));
        let errors = tokio::spawn(keep_tail(errors, Arc::clone(&tail)));
        let reader = Reader {
            mux: Arc::clone(&mux),
            peer,
            replies: outgoing.clone(),
        };
        let reading = tokio::spawn(reader.run(output, stop.clone()));
        let keeper = Keeper {
            child,
            group: None,
            mux: Arc::clone(&mux),
            tail,
        };
        tokio::spawn(async move {
            keeper.run(stopped).await;
            reading.abort();
            errors.abort();
            over.send_replace(true);
        });
        Ok(Self {
            mux,
            outgoing,
            stop,
            ended,
        })
    }

    pub(super) async fn exchange(
        &self,
        out: &Outbound,
        patience: &Patience,
    ) -> Result<Value, Fault> {
        let begun = Instant::now();
        let answer = self.mux.wait(out.id)?;
        let gone = || Fault::Ended("the command has ended".to_owned());
        let exchanged = async {
            // A process that reads nothing fills its pipe; the deadline covers that too. Where it
            // is ending, whoever ends it answers with its last words.
            drop(self.outgoing.send(out.text.clone()).await);
            answer.await.unwrap_or_else(|_| Err(gone()))
        };
        let outcome = patience.wait(exchanged).await;
        self.mux.forget(out.id);
        outcome.unwrap_or_else(|| Err(Fault::late(begun, patience.until())))
    }

    /// Sends a message that has no answer, unless the process does not read.
    pub(super) fn tell(&self, text: String) {
        if self.outgoing.try_send(text).is_err() {
            tracing::debug!("an MCP command does not read its input");
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.mux.is_closed()
    }

    /// Ends it, and waits until it has ended.
    pub(super) async fn end(&self) {
        self.stop.send_replace(true);
        let mut ended = self.ended.clone();
        // An error says that the keeper is gone, and the process with it.
        drop(ended.wait_for(|ended| *ended).await);
    }
}

async fn write(
    mut input: ChildStdin,
    mut messages: mpsc::Receiver<String>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let message = tokio::select! {
            biased;
            () = until(&mut stopped) => return,
            message = messages.recv() => message,
        };
        let Some(mut line) = message else {
            return;
        };
        line.push('\n');
        let written = tokio::select! {
            biased;
            () = until(&mut stopped) => return,
            written = input.write_all(line.as_bytes()) => written,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Waits until it is to end.
async fn until(stopped: &mut watch::Receiver<bool>) {
    // An error says that nobody holds the process any more.
    drop(stopped.wait_for(|stop| *stop).await);
}

/// Keeps the end of what it writes to its error output.
async fn keep_tail(mut errors: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; 4096];
    while let Ok(count @ 1..) = errors.read(&mut chunk).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&chunk[..count]);
        let beyond = tail.len().saturating_sub(STDERR_BYTES_KEPT);
        tail.drain(..beyond);
    }
}

struct Reader {
    mux: Arc<Mux>,
    peer: Arc<Peer>,
    replies: mpsc::Sender<String>,
}

impl Reader {
    /// Reads lines until the output ends, or breaks a limit: then the process is ended.
    async fn run(self, output: impl AsyncRead + Unpin, stop: watch::Sender<bool>) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut output).take(MESSAGE_BYTES_MAX as u64 + 1);
            match limited.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => break,
                Ok(_) if line.len() > MESSAGE_BYTES_MAX => {
                    self.mux.close(&Fault::too_large());
                    break;
                }
                Ok(_) => {}
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            match self.mux.take(text, &self.peer) {
                Ok(replies) => {
                    for reply in replies {
                        self.reply(reply);
                    }
                }
                // Commands that print something else among their messages are common.
                Err(_) => tracing::debug!("an MCP command wrote a line that is no message"),
            }
        }
        stop.send_replace(true);
    }

    fn reply(&self, reply: Reply) {
        match reply {
            Reply::Now(text) => {
                if self.replies.try_send(text).is_err() {
                    tracing::debug!("an MCP command does not read its input");
                }
            }
            Reply::Later(later) => {
                let replies = self.replies.clone();
                tokio::spawn(async move {
                    if let Some(text) = later.await {
                        // An error says that the process has ended.
                        drop(replies.send(text).await);
                    }
                });
            }
        }
    }
}

/// Waits for the end of a process, or brings it about.
struct Keeper {
    child: Child,
    group: Option<u32>,
    mux: Arc<Mux>,
    tail: Arc<Mutex<Vec<u8>>>,
}

impl Keeper {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        self.group = self.child.id();
        let ended = tokio::select! {
            biased;
            status = self.child.wait() => status.ok(),
            () = until(&mut stopped) => self.bring_to_end().await,
        };
        // What it left behind in its group goes with it.
        self.signal(Signal::Kill);
        self.mux.close(&Fault::Ended(self.last_words(ended)));
    }

    /// Its input is closed by now, which is how the protocol says goodbye.
    async fn bring_to_end(&mut self) -> Option<ExitStatus> {
        for signal in [None, Some(Signal::Ask), Some(Signal::Kill)] {
            if let Some(signal) = signal {
                self.signal(signal);
            }
            if let Ok(status) = tokio::time::timeout(GRACE, self.child.wait()).await {
                return status.ok();
            }
        }
        None
    }

    #[cfg(unix)]
    fn signal(&self, signal: Signal) {
        use rustix::process::{Pid, kill_process_group};
        let signal = match signal {
            Signal::Ask => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        let group = self
            .group
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // An error says that nobody of the group is left.
            let _gone = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _signal: Signal) {
        drop(self.child.start_kill());
    }

    fn last_words(&self, status: Option<ExitStatus>) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&tail);
        let said: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        let said = said[said.len().saturating_sub(3)..].join(" / ");
        let how = status.map_or_else(
            || "the command has ended".to_owned(),
            |s| format!("the command has ended ({s})"),
        );
        if said.is_empty() {
            how
        } else {
            format!("{how}; the last it said: {}", shortened(&said))
        }
    }
}

enum Signal {
    Ask,
    Kill,
}
