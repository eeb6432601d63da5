//! workerd with its Worker Loader: a program goes in by HTTP and becomes a dynamic isolate; its lines
//! and calls come back by HTTP to a listener here (`xtask/bench/loader.mjs`).

use super::{Run, Said, Tasks, folder};
use crate::bench::http::Connection;
use crate::bench::process::{Folder, free_port, wait_for};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running workerd; dropping it kills it.
pub(super) struct Workerd {
    child: Child,
    address: SocketAddr,
    bench: Bench,
    _folder: Folder,
}

/// The listener's side: where events go, and where answers to calls come from.
#[derive(Clone, Default)]
struct Bench {
    tasks: Tasks,
    answers: Arc<Mutex<HashMap<u64, Receiver<String>>>>,
}

impl Workerd {
    pub(super) fn start(program: &str) -> Result<Workerd> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own_port = free_port()?;
        let home = Folder::new("workerd")?;
        let config = std::fs::read_to_string(folder().join("workerd.capnp"))?
            .replace("BENCH_PORT", &listener.local_addr()?.port().to_string())
            .replace("OWN_PORT", &own_port.to_string());
        std::fs::write(home.path.join("workerd.capnp"), config)?;
        std::fs::copy(folder().join("loader.mjs"), home.path.join("loader.mjs"))?;
        let bench = Bench::default();
        let served = bench.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bench = served.clone();
                // A connection that breaks is workerd's affair; it will open another.
                thread::spawn(move || drop(bench.serve(stream)));
            }
        });
        let child = Command::new(program)
            .args(["serve", "--experimental", "workerd.capnp"])
            .current_dir(&home.path)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start workerd")?;
        let address = SocketAddr::from(([127, 0, 0, 1], own_port));
        let workerd = Workerd {
            child,
            address,
            bench,
            _folder: home,
        };
        wait_for("workerd to listen", || Connection::open(address).ok())?;
        Ok(workerd)
    }

    pub(super) fn begin(&self, task: u64, code: &str) -> Run {
        let said = self.bench.tasks.add(task);
        let (answer, answers) = channel();
        let mut all = self
            .bench
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(task, answers);
        let (tasks, address) = (self.bench.tasks.clone(), self.address);
        let body = json!({ "task": task, "code": code }).to_string();
        thread::spawn(move || {
            let ended = Connection::open(address).and_then(|mut c| c.send("POST /", "", &body));
            tasks.say(
                task,
                match ended {
                    Ok(response) if response.status == 200 => Said::Done,
                    Ok(response) => Said::Failed(response.body),
                    Err(error) => Said::Failed(error.to_string()),
                },
            );
        });
        let answers = Box::new(move |_, json: &str| send(&answer, json));
        Run { said, answers }
    }
}

fn send(answer: &Sender<String>, json: &str) -> Result<()> {
    answer.send(json.to_owned()).context("the task is gone")
}

impl Drop for Workerd {
    fn drop(&mut self) {
        // It has ended already where this fails.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Bench {
    /// Takes `POST /log/TASK` and `POST /call/TASK`; a call's answer waits for the measurement's.
    fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        loop {
            let (kind, task) = read_request(&mut reader)?;
            let mut answer = String::new();
            if kind == "call" {
                self.tasks.say(task, Said::Call(0));
                answer = self.answer(task);
            } else {
                self.tasks.say(task, Said::Line);
            }
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            reader.get_mut().write_all((head + &answer).as_bytes())?;
        }
    }

    fn answer(&self, task: u64) -> String {
        let mut all = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answers) = all.remove(&task) else {
            return "null".into();
        };
        drop(all);
        // A task that was given up gets an answer that lets it end.
        let answer = answers.recv().unwrap_or_else(|_| "null".into());
        let mut all = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(task, answers);
        answer
    }
}

/// Reads a request whole: the two parts of its path.
fn read_request(reader: &mut BufReader<TcpStream>) -> Result<(String, u64)> {
    let (mut path, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            bail!("closed");
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        path.get_or_insert_with(|| line.split(' ').nth(1).unwrap_or_default().to_owned());
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    let path = path.context("no request line")?;
    // Given as a whole address where the caller takes us for a proxy.
    let mut parts = path.rsplit('/');
    let task = parts.next().unwrap_or_default().parse()?;
    Ok((parts.next().unwrap_or_default().to_owned(), task))
}
