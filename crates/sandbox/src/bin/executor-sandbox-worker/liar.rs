//! A worker that was taken over: it says it is locked down, then lies.
//!
//! Writes frames byte by byte, on purpose without the crate's own wire code:
//! what an attacker sends is not made by `Frame::write`.

use std::io::{Read, Write};
use std::os::fd::AsFd;

const CALL: u8 = 0x82;
const LOG: u8 = 0x83;
const TURN_END: u8 = 0x84;
const DONE: u8 = 0x85;
const GONE: u8 = 0x87;

/// Says hello, waits for one program, tells the lie named, and stays.
pub(crate) fn serve(lie: &str) -> ! {
    let stdin = std::io::stdin();
    let socket = stdin
        .as_fd()
        .try_clone_to_owned()
        .expect("the host gave a socket");
    let mut socket = std::fs::File::from(socket);
    send(
        &mut socket,
        &frame(
            0x81,
            2,
            0,
            0,
            br#"[{"name":"seccomp","active":true,"required":true,"detail":"of course"}]"#,
        ),
    );
    let mut first = [0; 1 << 16];
    let read = socket.read(&mut first).expect("the host sends a program");
    assert!(read > 16, "a program is longer than a header");
    send(&mut socket, &told(lie));
    // Whoever lies is killed; one that was believed would wait here for its next order.
    loop {
        if matches!(socket.read(&mut first), Ok(0) | Err(_)) {
            std::process::exit(0);
        }
    }
}

/// Dead before it could finish is what the tests want.
fn send(socket: &mut std::fs::File, bytes: &[u8]) {
    let _ = socket.write_all(bytes);
}

fn told(lie: &str) -> Vec<u8> {
    let deep = "[".repeat(100_000);
    let end = [0_u64.to_le_bytes(), (-1_f64).to_le_bytes()].concat();
    let done = |json: &[u8]| [&0_u64.to_le_bytes(), json].concat();
    match lie {
        "other-task" => frame(LOG, 1, 99, 0, b"I am somebody else"),
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
