//! What a run begins with: its program, its sandbox, and what was recorded of it before.

use super::journal::Journal;
use crate::Engine;
use domain::access::Scope;
use domain::approval::Approval;
use domain::task::{Task, TaskError};
use sandbox::Session;
use std::sync::Arc;

pub(super) fn rebuild_program(
    engine: &Engine,
    task: &Task,
) -> Result<Arc<sandbox::Program>, TaskError> {
    if task.pins.engine != sandbox::engine_digest() {
        return Err(TaskError::new(
            "engine_changed",
            "the task began under another version of the engine and cannot be rebuilt under this \
             one; run it again",
        ));
    }
    let program = engine
        .compile(&task.code, &task.limits)
        .map_err(|e| TaskError::new("replay_diverged", e.to_string()))?;
    if program.code_digest() != task.pins.code {
        return Err(TaskError::new(
            "engine_changed",
            "the program compiles to other code than when the task began; run it again",
        ));
    }
    Ok(Arc::new(program))
}

pub(super) async fn recorded(
    engine: &Engine,
    scope: &Scope,
    task: &Task,
) -> Result<(Journal, Vec<Approval>), store::Error> {
    let (scope, id) = (scope.clone(), task.id.clone());
    let (calls, approvals) = engine
        .inner
        .store
        .read(move |r| {
            let calls = store::calls::list(r, &scope, &id)?;
            Ok::<_, store::Error>((calls, store::approvals::for_task(r, &scope, &id)?))
        })
        .await?;
    Ok((Journal::new(calls), approvals))
}

pub(super) async fn start_session(
    engine: &Engine,
    task: &Task,
    program: &Arc<sandbox::Program>,
) -> Result<Session, sandbox::Error> {
    let limits = &task.limits;
    engine
        .inner
        .sandbox
        .start(sandbox::Start {
            tenant: task.workspace_id.to_string(),
            program: Arc::clone(program),
            seed: seed_bytes(&task.seed),
            now_ms: task.created_at.0,
            elapsed_ms: 0,
            limits: sandbox::Limits {
                compute_ms: limits.compute_ms,
                memory_bytes: limits.memory_bytes,
                calls_max: limits.calls,
                calls_in_flight_max: limits.calls_in_flight,
                log_bytes_max: limits.log_bytes,
                result_bytes_max: limits.tool_result_bytes,
                message_bytes_max: limits.tool_result_bytes + (64 << 10),
            },
        })
        .await
}

fn seed_bytes(hex: &str) -> [u8; 32] {
    let mut seed = [0u8; 32];
    for (byte, pair) in seed.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).unwrap_or("0");
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    seed
}

pub(super) fn sandbox_unavailable(error: &sandbox::Error) -> TaskError {
    TaskError::new(
        "sandbox_unavailable",
        format!("no sandbox could be had: {error}"),
    )
}

pub(super) fn journal_broken(sequence: u32, what: &str) -> TaskError {
    TaskError::new(
        "journal_broken",
        format!(
            "the task's journal was changed after it was written: call {sequence}, {what}. The \
             task cannot be rebuilt; nothing was sent again"
        ),
    )
}
