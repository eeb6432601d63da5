//! A process that takes programs on its standard input and tells on its standard output what they
//! do, a line of JSON each (`xtask/bench/task.mjs`).

use super::{Run, Said, Tasks};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running process; dropping it kills it.
pub(super) struct Process {
    child: Mutex<Child>,
    input: Mutex<ChildStdin>,
    tasks: Tasks,
}

impl Process {
    pub(super) fn start(command: &[String]) -> Result<Process> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.join(" ")))?;
        let input = child.stdin.take().context("its input is a pipe")?;
        let output = child.stdout.take().context("its output is a pipe")?;
        let tasks = Tasks::default();
        let heard = tasks.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                hear(&heard, &line);
            }
        });
        Ok(Process {
            child: Mutex::new(child),
            input: Mutex::new(input),
            tasks,
        })
    }

    pub(super) fn begin(self: Arc<Self>, task: u64, code: &str) -> Result<Run> {
        let said = self.tasks.add(task);
        self.write(&json!({ "task": task, "code": code }).to_string())?;
        let answers = Box::new(move |call, json: &str| {
            self.write(&format!(
                r#"{{"task":{task},"call":{call},"value":{json}}}"#
            ))
        });
        Ok(Run { said, answers })
    }

    fn write(&self, line: &str) -> Result<()> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It has ended already where this fails.
        drop(child.kill());
        drop(child.wait());
    }
}

fn hear(tasks: &Tasks, line: &str) {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let Some(task) = event["task"].as_u64() else {
        return;
    };
    let said = match (&event["call"], &event["failed"], &event["log"]) {
        (Value::Number(call), _, _) => Said::Call(call.as_u64().unwrap_or(0)),
        (_, Value::String(why), _) => Said::Failed(why.clone()),
        (_, _, Value::String(_)) => Said::Line,
        _ => Said::Done,
    };
    tasks.say(task, said);
}
