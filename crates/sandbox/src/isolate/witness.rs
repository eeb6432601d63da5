//! What the host sees of a worker from outside, whatever the worker says.
//!
//! The kernel shows of each thread whether a filter is in place and which
//! privileges it has. A report that does not fit is corrected before anybody
//! believes it. Where `/proc` does not show it the report stands, and says so.

use super::lockdown::{LAYERS, Layer, require_one_without_files};

/// The report of worker `pid`, held against what is asked and what the kernel shows of its threads.
pub(super) fn confirm(pid: u32, reported: &[Layer]) -> Vec<Layer> {
    let threads = threads(pid);
    let mut layers: Vec<Layer> = LAYERS
        .iter()
        .map(|name| Layer::found(name, seen(name, reported, &threads)))
        .collect();
    require_one_without_files(&mut layers);
    layers
}

fn seen(name: &str, reported: &[Layer], threads: &[String]) -> Result<String, String> {
    let layer = reported
        .iter()
        .find(|layer| layer.name == name)
        .ok_or("the worker does not report it")?;
    if !layer.active {
        let why = layer.detail.strip_prefix("not active: ");
        return Err(why.unwrap_or(&layer.detail).to_owned());
    }
    let Some((field, wanted)) = shown_as(name) else {
        return Ok(layer.detail.clone());
    };
    if threads.is_empty() {
        return Ok(format!(
            "{} (by its own word: /proc does not show it)",
            layer.detail
        ));
    }
    if threads.iter().all(|thread| has(thread, field, wanted)) {
        return Ok(layer.detail.clone());
    }
    Err(format!(
        "it was reported, but the kernel does not show {field} {wanted}"
    ))
}

/// The line of `/proc/PID/status` that shows a layer, and what it must say.
fn shown_as(layer: &str) -> Option<(&'static str, &'static str)> {
    match layer {
        "seccomp" => Some(("Seccomp:", "2")),
        "no_new_privs" => Some(("NoNewPrivs:", "1")),
        "capabilities" => Some(("CapPrm:", "0000000000000000")),
        _ => None,
    }
}

fn has(status: &str, field: &str, wanted: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .is_some_and(|value| value.trim() == wanted)
}

/// The status of every thread of a process; empty where it is not shown.
fn threads(pid: u32) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok())
        .collect()
}

/// Memory of a process that is in the machine now; none where it is not shown.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
