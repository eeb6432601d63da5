//! A worker that was taken over: it is locked down like any other, then lies.
//!
//! Writes frames byte by byte, on purpose without the crate's own wire code:
//! what an attacker sends is not made by `Frame::write`. One lie is told without
//! being locked down, and that one is about the lock-down itself.

use rustix::net::{RecvFlags, SendFlags, recv, send};
use sandbox::Layer;

const CALL: u8 = 0x82;
const LOG: u8 = 0x83;
const TURN_END: u8 = 0x84;
const DONE: u8 = 0x85;
const GONE: u8 = 0x87;

const HONEST: [&str; 10] = [
    "environment",
    "no_new_privs",
    "not_dumpable",
    "namespaces",
    "empty_root",
    "landlock",
    "capabilities",
    "descriptors",
    "limits",
    "seccomp",
];

fn held(name: &str) -> Layer {
    Layer {
        name: name.into(),
        active: true,
        required: true,
        detail: "of course".into(),
    }
}

/// Says hello, waits for one program, tells the lie named, and stays.
pub(crate) fn serve(lie: &str) -> ! {
    let layers = match lie {
        // What an honest report looks like, from a process that is not locked down at all.
        "unlocked" => HONEST.map(held).to_vec(),
        "reports-nothing" => Vec::new(),
        _ => sandbox::lock_down(),
    };
    let layers = serde_json::to_string(&layers).expect("layers are JSON");
    // The version of the wire stands in the flags.
    say(&frame(0x81, 2, 0, 0, layers.as_bytes()));
    let mut first = vec![0; 1 << 16];
    hear(&mut first);
    say(&told(lie));
    if lie.starts_with("damaged-") {
        // What is cut off is not completed by anything.
        std::process::exit(0);
    }
    // Whoever lies is killed; one that was believed would wait here for its next order.
    loop {
        hear(&mut first);
    }
}

/// Dead before it could finish is what the tests want.
fn say(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        match send(std::io::stdin(), rest, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(_) => return,
        }
    }
}

/// Waits for the host's next bytes; ends with it.
fn hear(into: &mut [u8]) {
    if !matches!(
        recv(std::io::stdin(), into, RecvFlags::empty()),
        Ok((1.., _))
    ) {
        std::process::exit(0);
    }
}

/// A valid conversation, damaged: as an attacker might, who tries what the host does with it.
fn damaged(seed: u64) -> Vec<u8> {
    let mut random = seed | 1;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 33).unwrap_or(0) % limit.max(1)
    };
    let end = [0_u64.to_le_bytes(), (-1_f64).to_le_bytes()].concat();
    let done = [&0_u64.to_le_bytes()[..], br#"{"a":[1,"x"]}"#].concat();
    let mut frames = vec![
        frame(LOG, 1, 1, 0, b"a line"),
        frame(CALL, 0, 1, 1, &call(b"a.b", br#"{"x":{"y":[1,2]}}"#)),
        frame(CALL, 0, 1, 2, &call(b"c", b"{}")),
        frame(0x88, 0, 0, 0, b""),
        frame(TURN_END, 0, 1, 2, &end),
        frame(DONE, 0, 1, 0, &done),
        frame(0x89, 0, 1, 0, &[7; 100]),
        frame(GONE, 0, 1, 0, b""),
    ];
    for _ in 0..below(4) {
        let (from, to) = (below(frames.len()), below(frames.len()));
        match below(3) {
            0 => frames.swap(from, to),
            1 => frames.insert(to, frames[from].clone()),
            _ => {
                frames.remove(from);
            }
        }
    }
    let mut bytes = frames.concat();
    for _ in 0..below(4) {
        let at = below(bytes.len());
        match below(4) {
            0 => bytes[at] ^= 1 << below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
            2 => bytes.truncate(at + 1),
            _ => bytes.insert(at, below(256) as u8),
        }
    }
    bytes
}

fn told(lie: &str) -> Vec<u8> {
    if let Some(seed) = lie.strip_prefix("damaged-") {
        return damaged(seed.parse().expect("a number"));
    }
    let deep = "[".repeat(100_000);
    let end = [0_u64.to_le_bytes(), (-1_f64).to_le_bytes()].concat();
    let done = |json: &[u8]| [&0_u64.to_le_bytes(), json].concat();
    match lie {
        "other-task" => frame(LOG, 1, 99, 0, b"I am somebody else"),
        // Whatever the number, it is looked for among this worker's tasks alone.
        "other-worker" => frame(DONE, 0, 2, 0, &done(br#""claimed from another tenant""#)),
        "task-zero" => frame(LOG, 1, 0, 0, b"I am nobody"),
        "four-gigabytes" => vec![0xff, 0xff, 0xff, 0xff, LOG, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        "unknown-kind" => frame(0x42, 0, 1, 0, b""),
        "host-kind" => frame(0x02, 0, 1, 0, b""),
        "second-hello" => frame(0x81, 0, 1, 0, b"[]"),
        "reserved-bits" => [
            &frame(LOG, 1, 1, 0, b"x")[..6],
            &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'x'],
        ]
        .concat(),
        "call-out-of-order" => frame(CALL, 0, 1, 2, &call(b"a.b", b"{}")),
        "call-short" => frame(CALL, 0, 1, 1, &[0; 12]),
        "call-lengths" => frame(
            CALL,
            0,
            1,
            1,
            &[
                &[0; 8][..],
                &u32::MAX.to_le_bytes(),
                &u32::MAX.to_le_bytes(),
                b"x",
            ]
            .concat(),
        ),
        "call-no-object" => frame(CALL, 0, 1, 1, &call(b"a.b", b"[]")),
        "call-not-json" => frame(CALL, 0, 1, 1, &call(b"a.b", b"{\"a\":}")),
        "call-deep" => frame(
            CALL,
            0,
            1,
            1,
            &call(b"a.b", format!("{{\"a\":{deep}").as_bytes()),
        ),
        "call-path-long" => frame(CALL, 0, 1, 1, &call(&[b'a'; 600], b"{}")),
        "call-not-text" => frame(CALL, 0, 1, 1, &call(b"a\xff", b"{}")),
        "log-not-text" => frame(LOG, 1, 1, 0, b"\xff\xfe"),
        "log-level" => frame(LOG, 77, 1, 0, b"x"),
        "log-flood" => frame(LOG, 1, 1, 0, &vec![b'x'; 2 << 20]),
        "done-not-json" => frame(DONE, 0, 1, 0, &done(b"{]")),
        "done-deep" => frame(DONE, 0, 1, 0, &done(deep.as_bytes())),
        "done-huge" => frame(DONE, 0, 1, 0, &done(&vec![b'1'; 2 << 20])),
        "done-twice" => [
            frame(DONE, 0, 1, 0, &done(b"1")),
            frame(DONE, 0, 1, 0, &done(b"2")),
        ]
        .concat(),
        "turn-end-pending" => frame(TURN_END, 0, 1, 5, &end),
        "turn-end-nan" => frame(
            TURN_END,
            0,
            1,
            0,
            &[0_u64.to_le_bytes(), f64::NAN.to_le_bytes()].concat(),
        ),
        "log-after-turn" => [frame(TURN_END, 0, 1, 0, &end), frame(LOG, 1, 1, 0, b"x")].concat(),
        "gone" => frame(GONE, 0, 1, 0, b""),
        _ => std::process::exit(64),
    }
}

fn frame(kind: u8, flags: u8, task: u32, call: u32, body: &[u8]) -> Vec<u8> {
    [
        &(body.len() as u32).to_le_bytes()[..],
        &[kind, flags, 0, 0],
        &task.to_le_bytes(),
        &call.to_le_bytes(),
        body,
    ]
    .concat()
}

fn call(path: &[u8], arguments: &[u8]) -> Vec<u8> {
    let word = |n: usize| (n as u32).to_le_bytes();
    [
        &word(1)[..],
        &word(1),
        &word(path.len()),
        &word(arguments.len()),
        path,
        arguments,
        b"{}",
    ]
    .concat()
}
