//! The schema, as a list of steps that only goes forward.
//!
//! Each step begins with a sentence of intent and is never changed once released: its digest is
//! recorded with it. A database that knows a step this program does not is left alone.

use crate::Error;
use crate::db::{Connection, Control, Reader, Tx, params};
use domain::canonical::sha256_hex;

/// The steps, in order; the first has number 1.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_spine.sql"),
    include_str!("../migrations/0002_snapshots.sql"),
    include_str!("../migrations/0003_keys_settings.sql"),
    include_str!("../migrations/0004_policy_versions.sql"),
    include_str!("../migrations/0005_approvals.sql"),
    include_str!("../migrations/0006_servers.sql"),
    include_str!("../migrations/0007_mcp.sql"),
    include_str!("../migrations/0008_webhooks.sql"),
    include_str!("../migrations/0009_keys.sql"),
    include_str!("../migrations/0010_values.sql"),
    include_str!("../migrations/0011_quotas.sql"),
    include_str!("../migrations/0012_mcp_sources.sql"),
    include_str!("../migrations/0013_upkeep.sql"),
    include_str!("../migrations/0014_oauth.sql"),
    include_str!("../migrations/0015_tenancy.sql"),
    include_str!("../migrations/0016_sign_in.sql"),
    include_str!("../migrations/0017_authorization.sql"),
    include_str!("../migrations/0018_audit_vault.sql"),
    include_str!("../migrations/0019_questions.sql"),
    include_str!("../migrations/0020_way_out.sql"),
    include_str!("../migrations/0021_lists.sql"),
    include_str!("../migrations/0022_attention.sql"),
    include_str!("../migrations/0023_tool_usage.sql"),
    include_str!("../migrations/0024_narrower_lists.sql"),
    include_str!("../migrations/0025_opened_by.sql"),
    include_str!("../migrations/0026_policy_sets.sql"),
    include_str!("../migrations/0027_push.sql"),
    include_str!("../migrations/0028_starts_and_listings.sql"),
    include_str!("../migrations/0029_reasons.sql"),
    include_str!("../migrations/0030_key_prefix.sql"),
];

/// Brings the schema up to date, in one transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    connection.control(Control::BeginWrite)?;
    let done = steps(connection, STEPS);
    let end = if done.is_ok() {
        Control::Commit
    } else {
        Control::Rollback
    };
    let ended = connection.control(end);
    done.and(ended)
}

/// The steps that a database has gone, with their digests, in order.
pub(crate) fn applied(reader: &mut Reader<'_>) -> Result<Vec<(i64, String)>, Error> {
    reader.all(
        "select number, digest from migrations order by number",
        &[],
        |r| Ok((r.int()?, r.text()?)),
    )
}

/// Goes the steps that have these digests, in an open transaction; a database that has gone more is
/// refused, as are steps that this program does not know.
pub(crate) fn up_to(connection: &mut Connection, digests: &[String]) -> Result<(), Error> {
    let newest_known = STEPS.len() as i64;
    let wanted = digests.len() as i64;
    if wanted > newest_known {
        return Err(Error::Newer {
            found: wanted,
            known: newest_known,
        });
    }
    for (number, (step, digest)) in (1i64..).zip(STEPS.iter().zip(digests)) {
        if sha256_hex(step.as_bytes()) != *digest {
            return Err(Error::Altered(number));
        }
    }
    steps(connection, &STEPS[..digests.len()])
}

/// Goes the rest of the steps, in an open transaction.
pub(crate) fn to_newest(connection: &mut Connection) -> Result<(), Error> {
    steps(connection, STEPS)
}

fn steps(connection: &mut Connection, known: &[&str]) -> Result<(), Error> {
    connection.lock_migrations()?;
    connection.script(
        "create table if not exists migrations (
             number bigint not null,
             digest text not null,
             constraint migrations_pk primary key (number)
         )",
    )?;
    let applied = applied(&mut Reader::new(connection))?;
    let newest_known = known.len() as i64;
    if let Some((found, _)) = applied.last().filter(|(n, _)| *n > newest_known) {
        return Err(Error::Newer {
            found: *found,
            known: newest_known,
        });
    }
    for (number, step) in (1i64..).zip(known) {
        let digest = sha256_hex(step.as_bytes());
        match applied.iter().find(|(n, _)| *n == number) {
            Some((_, recorded)) if *recorded == digest => {}
            Some(_) => return Err(Error::Altered(number)),
            None => {
                connection.script(step)?;
                Tx::new(connection).execute(
                    "insert into migrations (number, digest) values ($1, $2)",
                    &params![number, digest],
                )?;
            }
        }
    }
    Ok(())
}
