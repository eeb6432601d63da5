//! The starts of a task's sandbox, as a row has them: few characters, since every waiting task has them.

use crate::db::params;
use crate::{Error, Tx};
use domain::Timestamp;
use domain::task::{Lease, SandboxStart};

/// Notes the starts of a task's sandbox that are kept, in the transaction that the run writes next.
/// `created_at` is that of the task, from which they are counted.
///
/// # Errors
/// [`Error::LostLease`]; those of the database.
pub fn note_starts(
    tx: &mut Tx<'_>,
    lease: &Lease,
    created_at: Timestamp,
    starts: &[SandboxStart],
) -> Result<(), Error> {
    let noted = tx.execute(
        "update tasks set sandbox_starts = $3 where id = $1 and fence = $2 and state = 'running'",
        &params![&lease.task_id, lease.fence, text(created_at, starts)],
    )?;
    if noted == 1 {
        Ok(())
    } else {
        Err(Error::LostLease(lease.task_id.clone()))
    }
}

/// Such as `3+41 90211+35`: milliseconds from the task's submission, and how long each took.
fn text(created_at: Timestamp, starts: &[SandboxStart]) -> String {
    let each = starts.iter().map(|start| {
        let asked = start.asked_at.since(created_at);
        format!("{asked}+{}", start.began_at.since(start.asked_at))
    });
    each.collect::<Vec<_>>().join(" ")
}

/// What the column says; nothing of what is no such text.
pub(super) fn read(created_at: Timestamp, text: Option<&str>) -> Vec<SandboxStart> {
    let each = text.unwrap_or_default().split(' ').filter_map(|start| {
        let (asked, took) = start.split_once('+')?;
        let asked_at = created_at.plus_ms(asked.parse().ok()?);
        Some(SandboxStart {
            asked_at,
            began_at: asked_at.plus_ms(took.parse().ok()?),
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(asked: i64, began: i64) -> SandboxStart {
        SandboxStart {
            asked_at: Timestamp(asked),
            began_at: Timestamp(began),
        }
    }

    #[test]
    fn starts_are_read_as_they_were_written() {
        let created = Timestamp(1_000);
        let starts = vec![start(1_003, 1_044), start(91_211, 91_246)];
        assert_eq!(text(created, &starts), "3+41 90211+35");
        assert_eq!(read(created, Some("3+41 90211+35")), starts);
        assert_eq!(read(created, None), []);
        assert_eq!(read(created, Some("soon")), []);
    }

    #[test]
    fn the_first_and_the_latest_are_kept() {
        let mut starts = Vec::new();
        for n in 0..40 {
            starts = SandboxStart::kept(starts, start(n, n));
        }
        assert_eq!(starts.len(), SandboxStart::KEPT_MAX);
        assert_eq!(starts[0], start(0, 0));
        assert_eq!(starts[1], start(25, 25));
        assert_eq!(starts.last(), Some(&start(39, 39)));
    }
}
