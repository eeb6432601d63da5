//! What the system says of this process and its workers: memory and processor time.

use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;

use crate::Failed;

/// Linux reports processor time in hundredths of a second to every program.
const TICK: Duration = Duration::from_millis(10);

/// Memory in bytes of this process and its workers: each page counted once, however many share it.
pub(crate) fn memory() -> Result<u64, Failed> {
    let mut sum = 0;
    for process in family() {
        // Workers do not let others of the same user look: this needs root.
        let path = format!("/proc/{process}/smaps_rollup");
        let text = read_to_string(&path)
            .map_err(|e| format!("cannot read {path} ({e}); run this as root"))?;
        let pss = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes =
            pss.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        sum += kilobytes.ok_or_else(|| format!("{path} names no Pss"))? * 1024;
    }
    Ok(sum)
}

/// Processor time used so far.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    /// By this process.
    pub(crate) host: Duration,
    /// By its workers, living and ended.
    pub(crate) workers: Duration,
}

impl Used {
    /// As of now.
    pub(crate) fn now() -> Used {
        let own = times("/proc/self/stat");
        let living = workers().map(|process| {
            let times = times(&format!("/proc/{process}/stat"));
            times[0] + times[1]
        });
        Used {
            host: TICK * (own[0] + own[1]),
            workers: TICK * (own[2] + own[3] + living.sum::<u32>()),
        }
    }

    /// Since an earlier moment.
    pub(crate) fn since(self, before: Used) -> Used {
        Used {
            host: self.host.saturating_sub(before.host),
            workers: self.workers.saturating_sub(before.workers),
        }
    }
}

/// `utime stime cutime cstime` of proc(5), zero for what is not there.
fn times(path: &str) -> [u32; 4] {
    let text = read_to_string(Path::new(path)).unwrap_or_default();
    // The name, in parentheses, may hold spaces; what is wanted are fields 14 to 17.
    let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut fields = rest
        .split(' ')
        .skip(11)
        .map(|field| field.parse().unwrap_or(0));
    std::array::from_fn(|_| fields.next().unwrap_or(0))
}

fn family() -> impl Iterator<Item = u32> {
    std::iter::once(std::process::id()).chain(workers())
}

/// The children of this process; workers have none of their own.
fn workers() -> impl Iterator<Item = u32> {
    let threads = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let children = threads.filter_map(|thread| read_to_string(thread.path().join("children")).ok());
    let numbers: Vec<u32> = children
        .flat_map(|line| {
            line.split(' ')
                .filter_map(|number| number.trim().parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    numbers.into_iter()
}
