//! The wire, damaged from both sides (S17). Seeds are printed; each repeats its case.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use sandbox::{Event, Isolate, IsolateConfig, Sandbox};

use crate::host::{named, result, start};

const WORKER: &str = env!("CARGO_BIN_EXE_executor-sandbox-worker");
const CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/executor-quickjs.cwasm"));
const LIARS: u64 = 60;
const HOSTS: u64 = 60;
/// Far more than a worker ever needs to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Xorshift: enough to pick damage, and a seed repeats it.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    let seed = u64::from_le_bytes(bytes) >> 8;
    eprintln!("seed {seed}");
    seed
}

/// A host that hears damaged sessions kills or believes, and lives on with its other workers.
#[tokio::test]
async fn damaged_frames_harm_no_host() {
    let folder = tempfile::tempdir().unwrap();
    let first = seed();
    let mut believed = 0;
    for seed in first..first + LIARS {
        let isolate = Isolate::start(IsolateConfig {
            silence_max: Duration::from_millis(250),
            ..named(folder.path(), &format!("liar-damaged-{seed}"))
        })
        .await
        .unwrap();
        let mut session = isolate.start(start("return 1")).await.unwrap();
        let heard = async {
            loop {
                match session.next().await {
                    Event::Lost => return,
                    Event::Done { .. } => believed += 1,
                    Event::Call {
                        seq,
                        arguments,
                        options,
                        ..
                    } => {
                        assert!(seq > 0 && arguments.starts_with('{') && options.starts_with('{'));
                    }
                    _ => {}
                }
            }
        };
        let heard = tokio::time::timeout(PATIENCE, heard).await;
        assert!(heard.is_ok(), "seed {seed}: the session never ends");
    }
    eprintln!("{believed} of {LIARS} damaged sessions were still valid to their end");
    assert_eq!(result("return 2").await, "2", "an honest worker serves");
}

/// A worker that is told nonsense ends by itself, with its own code: no signal, no waiting.
#[test]
fn damaged_orders_end_a_worker_cleanly() {
    let first = seed();
    let mut refused = 0;
    for seed in first..first + HOSTS {
        let mut random = Random(seed | 1);
        let status = told(&orders(&mut random));
        match status.code() {
            Some(0) => {}
            Some(70) => refused += 1,
            _ => panic!("seed {seed}: {status}"),
        }
    }
    assert!(refused > 0, "some of it was nonsense");
    // Without damage it serves to the end of its host.
    let control = [order(0x05, 0, 0, 0, b""), program(1, b"return 1")].concat();
    assert_eq!(told(&control).code(), Some(0));
}

/// A session as an honest host leads it, damaged.
fn orders(random: &mut Random) -> Vec<u8> {
    let clocks = [0_f64.to_le_bytes(), 5_f64.to_le_bytes()].concat();
    let mut orders = vec![
        program(
            1,
            b"for (let i = 0; i < 9; i++) console.log(await tools.a.b({ i })); return 1",
        ),
        program(
            2,
            b"const a = []; for (;;) a.push(new Array(1000).fill('x'))",
        ),
        order(0x02, 1, 1, 1, &[&clocks[..], br#"{"x":1}"#].concat()),
        order(0x03, 0, 1, 0, &clocks),
        order(0x06, 0, 1, 0, b""),
        order(0x01, 1, 3, 0, &[&params()[..], &[9; 300]].concat()),
        order(0x04, 0, 1, 0, b""),
        order(0x05, 0, 0, 0, b""),
    ];
    for _ in 0..random.below(5) {
        let (from, to) = (random.below(orders.len()), random.below(orders.len()));
        match random.below(3) {
            0 => orders.swap(from, to),
            1 => orders.insert(to, orders[from].clone()),
            _ => drop(orders.remove(from)),
        }
    }
    let mut bytes = orders.concat();
    for _ in 0..1 + random.below(6) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes.truncate(at + 1),
            _ => bytes.insert(at, 7),
        }
    }
    bytes
}

/// `struct params` of the engine, then the limit and use of compute time.
fn params() -> Vec<u8> {
    let words = [16_u32 << 20, 100, 8, 1 << 16, 1 << 16, 1 << 16];
    let mut bytes = vec![7; 32];
    bytes.extend([0; 16]);
    bytes.extend(words.into_iter().flat_map(u32::to_le_bytes));
    bytes.extend(200_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes
}

fn program(task: u32, code: &[u8]) -> Vec<u8> {
    let wrapped = [b"(async () => {\n", code, b"\n})"].concat();
    order(0x01, 0, task, 0, &[&params()[..], &wrapped].concat())
}

fn order(kind: u8, flags: u8, task: u32, call: u32, body: &[u8]) -> Vec<u8> {
    [
        &(body.len() as u32).to_le_bytes()[..],
        &[kind, flags, 0, 0],
        &task.to_le_bytes(),
        &call.to_le_bytes(),
        body,
    ]
    .concat()
}

/// Starts a worker, tells it this and nothing more, and waits for its end.
fn told(orders: &[u8]) -> ExitStatus {
    let (mut host, theirs) = UnixStream::pair().unwrap();
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut image = std::fs::File::from(rustix::fs::memfd_create("image", flags).unwrap());
    image.write_all(CODE).unwrap();
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&image, seals).unwrap();
    let mut worker = Command::new(WORKER)
        .arg("sandbox-worker")
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(image)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    host.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reading = host.try_clone().unwrap();
    // What it says is taken, or it could not go on.
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while matches!(reading.read(&mut buffer), Ok(1..)) {}
    });
    // Dead before all was told is an answer too.
    let _ = host.write_all(orders);
    let _ = host.shutdown(std::net::Shutdown::Write);
    reader.join().unwrap();
    worker.wait().unwrap()
}
