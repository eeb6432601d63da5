//! How many durable writes the store does, and how long one takes, with 1 and with 16 writers.
//!
//! A write is a transaction of the smallest kind, or half of a task's life (begun and an event,
//! ended and an event). Run it as `cargo run --release -p executor-store --example writes`; it
//! makes its databases itself and keeps neither.

use domain::access::{Channel, Scope, System};
use domain::event::EventKind;
use domain::limits::Limits;
use domain::task::{Activity, Outcome, Pins, Task, TaskState};
use domain::tenancy::{Access, Organization, Role, Workspace};
use domain::{AccountId, OrganizationId, TaskId, Timestamp, WorkspaceId};
use futures_util::future::join_all;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::{Error, Location, Store, events, meta, tasks, tenancy};

/// How long each figure is measured.
const MEASURED: Duration = Duration::from_secs(3);

fn bits() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Spread over the index, as random identifiers are.
    let n = NEXT
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u128::from(n).rotate_left(64).to_be_bytes()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir_in(".")?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "database  what        writers  writes/s  p50 us  p99 us"
    )?;
    for kind in ["sqlite", "postgres"] {
        let location = if kind == "sqlite" {
            Location::File(directory.path().join("bench.db"))
        } else {
            Location::Postgres(testkit::postgres::new_database())
        };
        let store = Store::open(location).await?;
        let scope = workspace(&store).await?;
        for (what, halves) in [("smallest", false), ("half a task", true)] {
            for writers in [1, 16] {
                let mut taken = measure(&store, &scope, writers, halves).await?;
                taken.sort_unstable();
                let at = |part: usize| taken[(taken.len() - 1) * part / 100].as_micros();
                writeln!(
                    out,
                    "{:<9} {what:<11} {writers:>7} {:>9.0} {:>7} {:>7}",
                    store.kind(),
                    taken.len() as f64 / MEASURED.as_secs_f64(),
                    at(50),
                    at(99),
                )?;
            }
        }
        store.close().await;
    }
    Ok(())
}

async fn measure(
    store: &Store,
    scope: &Scope,
    writers: usize,
    halves: bool,
) -> Result<Vec<Duration>, Error> {
    let until = Instant::now() + MEASURED;
    let all = join_all((0..writers).map(|n| {
        let (store, scope) = (store.clone(), scope.clone());
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while Instant::now() < until {
                if halves {
                    life(&store, &scope, &mut taken).await?;
                } else {
                    let begun = Instant::now();
                    store.write(move |tx| smallest(tx, n)).await?;
                    taken.push(begun.elapsed());
                }
            }
            Ok::<_, Error>(taken)
        })
    }))
    .await;
    let each: Vec<Vec<Duration>> = all
        .into_iter()
        .map(|done| done.unwrap_or_else(|e| Err(Error::Internal(e.to_string()))))
        .collect::<Result<_, Error>>()?;
    Ok(each.into_iter().flatten().collect())
}

fn smallest(tx: &mut store::Tx<'_>, n: usize) -> Result<(), Error> {
    // A new value each time: SQLite flushes nothing for a page that did not change.
    let value = TaskId::from_bits(bits());
    meta::set(tx, System::mint(), &format!("writer {n}"), value.as_str())
}

async fn life(store: &Store, scope: &Scope, taken: &mut Vec<Duration>) -> Result<(), Error> {
    let (task, at) = (task(scope), Timestamp(1));
    let begun = Instant::now();
    let mine = scope.clone();
    let lease = store
        .write(move |tx| {
            let lease = tasks::insert_claimed(tx, &mine, &task, "bench", at)?;
            let kind = EventKind::Task {
                status: "running".to_owned(),
            };
            events::append(tx, &mine, Some(&task.id), at, &kind)?;
            Ok::<_, Error>(lease)
        })
        .await?;
    taken.push(begun.elapsed());
    let begun = Instant::now();
    let mine = scope.clone();
    store
        .write(move |tx| {
            tasks::finish(tx, &lease, &Outcome::Completed("1".to_owned()), at)?;
            let kind = EventKind::Task {
                status: "completed".to_owned(),
            };
            events::append(tx, &mine, Some(&lease.task_id), at, &kind).map(|_| ())
        })
        .await?;
    taken.push(begun.elapsed());
    Ok(())
}

async fn workspace(store: &Store) -> Result<Scope, Error> {
    let system = System::mint();
    let created_at = Timestamp(0);
    let organization = Organization {
        id: OrganizationId::from_bits(bits()),
        slug: "bench".to_owned(),
        name: "bench".to_owned(),
        created_at,
        ending: None,
    };
    let workspace = Workspace {
        id: WorkspaceId::from_bits(bits()),
        organization_id: organization.id.clone(),
        slug: "bench".to_owned(),
        name: "bench".to_owned(),
        created_at,
        access: Access::Open,
        ending: None,
    };
    let scope = system.scope(organization.id.clone(), workspace.id.clone());
    store
        .write(move |tx| tenancy::insert(tx, system, &organization, &workspace))
        .await?;
    Ok::<_, Error>(scope)
}

fn task(scope: &Scope) -> Task {
    Task {
        id: TaskId::from_bits(bits()),
        organization_id: scope.organization_id().clone(),
        workspace_id: scope.workspace_id().clone(),
        account_id: AccountId::from_bits([1; 16]),
        role: Role::Owner,
        channel: Channel::Mcp,
        client: "bench".to_owned(),
        key_id: None,
        grant_id: None,
        code: "return await tools.github.issues.list({})".to_owned(),
        runtime_id: "isolate".to_owned(),
        metadata: "{}".to_owned(),
        limits: Limits::default(),
        seed: "00".repeat(32),
        pins: Pins {
            source: "0".repeat(64),
            code: "0".repeat(64),
            engine: "0".repeat(64),
            fork: None,
            run_as: None,
        },
        state: TaskState::Queued,
        activity: Activity::default(),
        log_lines: 0,
        attempts: 0,
        created_at: Timestamp(1),
        started_at: None,
        finished_at: None,
        sandbox_starts: Vec::new(),
    }
}
