//! `executor doctor`: looks at everything that could be wrong and says what to do about it.
//!
//! The server reports on its own parts; what a server cannot see about itself is looked at here.

use crate::client::Client;
use crate::context::Context;
use crate::duration::now_ms;
use crate::failure::{Exit, Result};
use crate::master_key;
use crate::output::{Output, Paint, plain};
use crate::runtimes;
use api::credentials::Credential;
use api::sources::Source;
use api::system::{Check, Health};
use sandbox::Sandbox;
use std::os::unix::fs::PermissionsExt;

/// Free space below which there is a problem, and below which there is a warning.
const FREE_BYTES_MIN: u64 = 200 << 20;
const FREE_BYTES_GOOD: u64 = 1 << 30;

/// How far the clocks of server and command may be apart, in milliseconds.
const CLOCK_SKEW_MS_MAX: i64 = 5_000;

/// Before this time no clock of a machine that runs this program can be right: 2026-01-01.
const CLOCK_FLOOR_MS: i64 = 1_767_225_600_000;

/// Checks server, database, sandbox, sources, credentials, keys, audit, backups, clock and disk; exit 1 on a problem
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor doctor\n  executor doctor --json | jq '.checks[] | select(.status != \"ok\")'"
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context) -> Result<Exit> {
    let client = context.client_to_be()?;
    let mut checks = vec![directory(context), disk(context), key_file(context)];
    match client.alive_here().await {
        Ok(date) => {
            checks.push(clock(date.as_deref()));
            of_server(&client, &mut checks).await;
        }
        Err(failure) => {
            checks.push(clock(None));
            checks.push(problem("server", failure.message, failure.next_step));
            checks.extend(sandbox_layers(context).await);
            checks.extend(local_vm(context));
        }
    }
    let ready = !checks.iter().any(|c| c.status == "problem");
    let health = Health {
        ready,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        checks,
    };
    context
        .output
        .show(&health, |h| listed(&context.output, &h.checks));
    Ok(if ready { Exit::Done } else { Exit::Failed })
}

async fn of_server(client: &Client, checks: &mut Vec<Check>) {
    let health: Health = match client.get(&["health"], &[]).await {
        Ok(health) => health,
        Err(failure) => {
            checks.push(problem("server", failure.message, failure.next_step));
            return;
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    checks.push(if health.version == own {
        ok(
            "server",
            format!("version {own} answers at {}", client.address()),
        )
    } else {
        let message = format!(
            "{} runs version {}, this command is {own}",
            client.address(),
            health.version
        );
        warning(
            "server",
            message,
            "restart the server with the same program",
        )
    });
    checks.extend(health.checks);
    checks.push(credentials(client).await);
}

/// Every source that wants a credential should have one.
async fn credentials(client: &Client) -> Check {
    let read = async {
        let sources: Vec<Source> = client.list(&["sources"], &[], usize::MAX).await?;
        let set: Vec<Credential> = client.list(&["credentials"], &[], usize::MAX).await?;
        Ok::<_, crate::failure::Failure>((sources, set))
    };
    let (sources, set) = match read.await {
        Ok(found) => found,
        Err(failure) => return problem("credentials", failure.message, failure.next_step),
    };
    let missing: Vec<_> = sources
        .iter()
        .filter(|s| s.status != "disabled" && !s.auth.is_empty())
        .filter(|s| !set.iter().any(|c| c.source == s.name))
        .map(|s| s.name.as_str())
        .collect();
    match missing.first() {
        None => ok("credentials", format!("{} set, none missing", set.len())),
        Some(first) => warning(
            "credentials",
            format!("missing for {}", missing.join(", ")),
            &format!("executor credentials set {first}"),
        ),
    }
}

fn directory(context: &Context) -> Check {
    let home = &context.config.home;
    let place = home.display();
    match std::fs::metadata(home) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => warning(
            "directory",
            format!("{place} does not exist yet"),
            "the first `executor serve` makes it",
        ),
        Err(e) => problem(
            "directory",
            format!("{place} cannot be read: {e}"),
            Some("give another with --data-dir".to_owned()),
        ),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => warning(
            "directory",
            format!("others may look into {place}"),
            &format!("chmod 700 {place}"),
        ),
        Ok(_) => ok("directory", format!("{place}, closed to others")),
    }
}

/// Whether the master key lies where it is looked for, closed to others. Whether it is the right one
/// the server says.
fn key_file(context: &Context) -> Check {
    let name = "master_key.file";
    let Some(path) = master_key::file(&context.config) else {
        let origin = context.config.origin("master_key");
        return ok(name, format!("given by {origin}; keep a copy of it"));
    };
    let place = path.display();
    match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => warning(
            name,
            format!("{place} does not exist"),
            "the first start with an empty database makes it; otherwise put it back",
        ),
        Err(e) => problem(name, format!("{place} cannot be read: {e}"), None),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => problem(
            name,
            format!("others may read {place}"),
            Some(format!("chmod 600 {place}")),
        ),
        Ok(_) => ok(
            name,
            format!("{place}, closed to others; keep a copy apart from the backups"),
        ),
    }
}

fn disk(context: &Context) -> Check {
    let existing = context.config.home.ancestors().find(|p| p.exists());
    let free = match existing.map(rustix::fs::statvfs) {
        Some(Ok(found)) => found.f_bavail.saturating_mul(found.f_frsize),
        Some(Err(e)) => {
            return warning(
                "disk",
                format!("free space is not known: {e}"),
                "look at it with `df`",
            );
        }
        None => {
            return warning(
                "disk",
                "free space is not known".to_owned(),
                "look at it with `df`",
            );
        }
    };
    let message = format!("{} MB free", free >> 20);
    let step = "free some space, or move the directory with --data-dir";
    match free {
        FREE_BYTES_GOOD.. => ok("disk", message),
        FREE_BYTES_MIN.. => warning("disk", message, step),
        _ => problem("disk", message, Some(step.to_owned())),
    }
}

fn clock(server: Option<&str>) -> Check {
    let step = "set it: approvals expire and rules end by it";
    let now = now_ms();
    if now < CLOCK_FLOOR_MS {
        let shown = domain::Timestamp(now).to_rfc3339();
        return problem(
            "clock",
            format!("the system's clock says {shown}, which cannot be"),
            Some(step.to_owned()),
        );
    }
    match server.and_then(http_date_ms) {
        // An HTTP date has whole seconds.
        Some(theirs) if (now - theirs).abs() > CLOCK_SKEW_MS_MAX + 1_000 => {
            let message = format!(
                "the server's clock is {} s apart from this one",
                (now - theirs).abs() / 1_000
            );
            warning("clock", message, step)
        }
        Some(_) => ok("clock", "agrees with the server's".to_owned()),
        None => ok("clock", "plausible".to_owned()),
    }
}

/// Reads the fixed form of an HTTP date (RFC 9110 section 5.6.7) as milliseconds since 1970.
/// Days are counted as in Howard Hinnant's `days_from_civil`.
fn http_date_ms(text: &str) -> Option<i64> {
    let words: Vec<_> = text.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, _] = words.as_slice() else {
        return None;
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = i64::try_from(names.iter().position(|m| m == month)?).ok()? + 1;
    let year = number(year)? - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + number(day)? - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    Some((((days * 24 + number(hour)?) * 60 + number(minute)?) * 60 + number(second)?) * 1_000)
}

/// What the next server on this machine would offer beside the sandbox.
fn local_vm(context: &Context) -> Option<Check> {
    context.config.dangerously_allow_local_vm.then(|| {
        warning(
            "runtime.local-bun",
            "DANGEROUSLY_ALLOW_LOCAL_VM is set: programs that ask for it run with the rights of the server's user, behind no wall".to_owned(),
            "unset it, unless every program is trusted",
        )
    })
}

/// What the sandbox of a server on this machine would be made of, found by starting one.
async fn sandbox_layers(context: &Context) -> Vec<Check> {
    let isolate = match runtimes::start_sandbox(&context.config, 1, None).await {
        Ok(isolate) => isolate,
        Err(failure) => return vec![problem("sandbox", failure.message, None)],
    };
    let check = |layer: sandbox::Layer| {
        let name = format!("sandbox.{}", layer.name);
        match (layer.active, layer.required) {
            (true, _) => ok(&name, layer.detail),
            (false, false) => warning(
                &name,
                layer.detail,
                "the sandbox runs without it, with one wall less",
            ),
            (false, true) => problem(
                &name,
                layer.detail,
                Some(
                    "no program runs until it holds: run the server where the kernel offers it"
                        .to_owned(),
                ),
            ),
        }
    };
    isolate.layers().into_iter().map(check).collect()
}

fn check(name: &str, status: &str, message: String, next_step: Option<String>) -> Check {
    Check {
        name: name.to_owned(),
        status: status.to_owned(),
        message,
        next_step,
    }
}

fn ok(name: &str, message: String) -> Check {
    check(name, "ok", message, None)
}

fn warning(name: &str, message: String, step: &str) -> Check {
    check(name, "warning", message, Some(step.to_owned()))
}

fn problem(name: &str, message: String, next_step: Option<String>) -> Check {
    check(name, "problem", message, next_step)
}

fn listed(output: &Output, checks: &[Check]) -> String {
    let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for check in checks {
        let status = format!("{:7}", check.status);
        let status = status.replace(&check.status, &output.status(&check.status));
        lines.push(format!(
            "{status}  {:width$}  {}",
            check.name,
            plain(&check.message)
        ));
        if let Some(step) = &check.next_step {
            lines.push(format!(
                "{:9}{:width$}  {}",
                "",
                "",
                output.on_out(Paint::Dim, &format!("next: {}", plain(step)))
            ));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::http_date_ms;

    #[test]
    fn http_dates() {
        for (text, ms) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 00:00:01 GMT", Some(951_782_401_000)),
            ("Sun, 22 Nov 2026 18:54:00 GMT", Some(1_795_373_640_000)),
            ("yesterday", None),
        ] {
            assert_eq!(http_date_ms(text), ms, "{text}");
        }
    }
}
