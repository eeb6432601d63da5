//! A credential goes in and never comes out: not in an answer, a log, an error or the audit chain,
//! and not in clear on the disk.
//!
//! The search is proven by markers that are no secret and must be found by the same search.

use crate::authority::Authority;
use crate::canary::{NOWHERE, Search, holding};
use crate::database::Database;
use crate::parrot::{PARROTED, Parrot};
use crate::server::Server;
use crate::upstream::{Upstream, fresh_token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::{Path, PathBuf};

on_both_databases!(
    the_token_is_nowhere,
    every_kind_of_credential_is_nowhere,
    what_was_granted_is_nowhere,
);

async fn the_token_is_nowhere(database: Database) {
    let mut server = Server::prepare(database);
    // At its most talkative, what is logged is still no secret.
    server.environment = vec![("EXECUTOR_LOG".to_owned(), "trace".to_owned())];
    server.launch().await;
    let upstream = Upstream::start().await;
    upstream.connect_without_credential(&server).await;
    let set = server
        .cli_with(&["credentials", "set", "ledger"], Some(upstream.token()))
        .await;
    set.exits(0);

    let marker = fresh_token();
    use_it_in_every_way(&server, &upstream, &marker).await;

    let attached = format!("Bearer {}", upstream.token());
    let received = upstream.received();
    assert!(
        received
            .iter()
            .any(|r| r.header("authorization") == Some(&attached)),
        "it was used"
    );

    let said = server.scratch("said");
    std::fs::write(&said, server.heard()).expect("the file is written");
    let said = [said];
    assert_eq!(
        holding(&said, &marker).await,
        said,
        "the search finds what is there"
    );
    assert_eq!(
        holding(&said, upstream.token()).await,
        NOWHERE,
        "in what the server said"
    );

    let mut places = places_of(&server).await;
    assert!(
        !holding(&places, &marker).await.is_empty(),
        "the search looks in the right places"
    );
    let backup = taken_out(&server, &["backup"], "all.backup").await;
    assert_eq!(
        holding(std::slice::from_ref(&backup), &marker).await,
        std::slice::from_ref(&backup),
        "a backup holds what is no secret"
    );
    let export = ["audit", "export", "--output"];
    let table = ["audit", "export", "--format", "csv", "--output"];
    places.extend([
        backup,
        taken_out(&server, &export, "audit.jsonl").await,
        taken_out(&server, &table, "audit.csv").await,
    ]);
    assert_eq!(
        holding(&places, upstream.token()).await,
        NOWHERE,
        "on the disk"
    );

    // Nor in the processes that run programs.
    for pid in crate::crash::children(server.pid()) {
        let memory = server.scratch("memory");
        std::fs::write(&memory, memory_of(pid)).expect("the file is written");
        assert_eq!(
            holding(&[memory], upstream.token()).await,
            NOWHERE,
            "in worker {pid}"
        );
    }

    // Still sealed and still usable after a restart.
    server.stop().await;
    server.launch().await;
    let read = server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    assert_eq!(read, 1);
    assert_eq!(holding(&places, upstream.token()).await, NOWHERE);
}

/// Every way in which a credential is sent, with one of its own for each, to somebody who sends it back
/// in every form.
async fn every_kind_of_credential_is_nowhere(database: Database) {
    let mut server = Server::prepare(database);
    server.environment = vec![("EXECUTOR_LOG".to_owned(), "trace".to_owned())];
    server.launch().await;
    let (parrot, mut secrets) = (Parrot::start().await, Vec::new());
    let marker = fresh_token();
    for (kind, (auth, attached)) in PARROTED.into_iter().enumerate() {
        let secret = format!("{}/+%=", fresh_token());
        let url = format!("{}/openapi.json", parrot.url());
        let new = json!({ "url": url, "name": format!("kind{kind}"), "allowPrivate": true });
        server.post("/sources", new).await;
        let value = match auth {
            "basic" => format!("somebody:{secret}"),
            _ => secret.clone(),
        };
        parrot.repeats(&secret);
        let set = ["credentials", "set", &format!("kind{kind}"), "--auth", auth];
        server.cli_with(&set, Some(&value)).await.exits(0);
        let code = format!(
            "// {marker}\nconst said = await tools.kind{kind}.parrot.say({{}}, {{ meta: true }});\n\
             console.log(JSON.stringify(said));\n\
             try {{ await tools.kind{kind}.parrot.fail() }} catch (e) {{\n\
             console.error(e.message, JSON.stringify(e.details), e.stack) }}\n\
             await tools.kind{kind}.parrot.write({{ note: '{marker}' }});\nreturn said"
        );
        let task = server.submit(&code).await;
        let asked = server.pending(1).await.remove(0);
        let id = asked["id"].as_str().expect("an id").to_owned();
        server.cli(&["approvals", "show", &id]).await.exits(0);
        server.approve(&asked).await;
        let done = server.finished(&task).await;
        assert_eq!(done["status"], "completed", "{done:#}");
        let masked = done["result"].to_string().matches("[secret]").count();
        assert!(masked >= 10, "{auth}: {done:#}");
        let received = parrot.received(attached);
        let expected = match auth {
            "basic" => format!("Basic {}", STANDARD.encode(&value)),
            "bearer" => format!("Bearer {value}"),
            _ => value,
        };
        let was_sent = received.iter().any(|sent| sent.contains(&expected));
        assert!(was_sent, "{auth}: {received:?}");
        server.logs(&task).await;
        server.calls(&task).await;
        server
            .cli(&["tasks", "show", &task, "--json"])
            .await
            .exits(0);
        secrets.push(secret);
    }
    for path in [
        "/credentials",
        "/audit",
        "/sources",
        "/approvals",
        "/health",
    ] {
        server.get(path).await;
    }
    server.cli(&["doctor"]).await;
    let said = server.scratch("said");
    std::fs::write(&said, server.heard()).expect("the file is written");
    let export = ["audit", "export", "--output"];
    let mut places = places_of(&server).await;
    places.extend([
        taken_out(&server, &["backup"], "all.backup").await,
        taken_out(&server, &export, "audit.jsonl").await,
        said.clone(),
    ]);
    let search = Search::of(&places).await;
    let found = search.holding(&marker).await;
    assert!(found.contains(&said) && found.len() > 2, "{found:?}");
    for secret in &secrets {
        assert_eq!(search.holding(secret).await, NOWHERE);
    }
}

/// Everything that an authorization server ever gave out: tokens, codes, the client's secret.
async fn what_was_granted_is_nowhere(database: Database) {
    let mut server = Server::prepare(database);
    server.environment = vec![("EXECUTOR_LOG".to_owned(), "trace".to_owned())];
    server.launch().await;
    let authority = Authority::start().await;
    authority.add_to(&server).await;
    authority.connect(&server).await;
    authority.expire();
    let code = "const echo = await tools.things.echo({}); console.log(JSON.stringify(echo));\n\
                const split = await tools.things.split({}); console.log(JSON.stringify(split));\n\
                try { await tools.things.never({}) } catch (e) { console.error(e.message) }\n\
                return { echo, split }";
    let done = server.run(code).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    let mask = "[secret]";
    assert_eq!(
        done["result"]["echo"],
        json!({ "sent": mask, "kept": [mask, mask] }),
        "what belongs to the credential without being sent is masked, too"
    );
    // Of a token in two pieces the larger one is masked, and that it came back is told.
    assert_eq!(done["result"]["split"]["b"], mask, "{done:#}");
    let told = server.get("/audit?action=credential.echoed").await;
    assert!(
        told["items"].as_array().is_some_and(|i| !i.is_empty()),
        "{told:#}"
    );
    assert_eq!(
        authority.granted("refresh_token"),
        1,
        "the first call renewed it"
    );
    for path in ["/credentials", "/audit", "/sources", "/tasks", "/health"] {
        server.get(path).await;
    }
    server
        .cli(&["credentials", "list", "--json"])
        .await
        .exits(0);
    server.cli(&["doctor"]).await;
    let marker = fresh_token();
    server.run(&format!("console.log('{marker}')")).await;
    let given = authority.book(|b| b.given.clone());
    assert!(given.len() >= 5, "a secret, a code and two pairs of tokens");
    let said = server.scratch("said");
    std::fs::write(&said, server.heard()).expect("the file is written");
    let mut places = places_of(&server).await;
    places.push(said);
    let search = Search::of(&places).await;
    assert!(
        !search.holding(&marker).await.is_empty(),
        "the search finds what is there"
    );
    for secret in &given {
        assert_eq!(search.holding(secret).await, NOWHERE);
    }
}

/// A crash leaves nothing of the server's memory behind, where the system would keep all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_no_dump() {
    let (mut server, upstream) = Upstream::connected(Database::sqlite()).await;
    server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    server.stop().await;
    let under = ["sh", "-c", "ulimit -c unlimited && exec \"$@\"", "sh"];
    // What the same crash leaves of another process.
    let place = server.scratch("other");
    std::fs::create_dir(&place).expect("a directory");
    let crash = "kill -ABRT $$";
    let _crashed = std::process::Command::new(under[0])
        .args(&under[1..])
        .args(["sh", "-c", crash])
        .current_dir(&place)
        .status();
    let left = std::fs::read_dir(&place).expect("a directory").count();
    if left == 0 {
        eprintln!("skipped: this machine keeps no dump in the directory of a process");
        return;
    }
    server.run_under(&under);
    server.launch().await;
    server
        .value("return (await tools.ledger.items.listItems()).items.length")
        .await;
    let crash = format!("kill -ABRT {}", server.pid());
    let sent = std::process::Command::new("sh")
        .args(["-c", &crash])
        .status();
    assert!(sent.is_ok_and(|status| status.success()));
    server.died().await;
    let all = server.scratch("");
    let names = std::fs::read_dir(&all).expect("a directory");
    let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
    let dumps = names
        .iter()
        .filter(|name| name.to_string_lossy().contains("core"));
    assert_eq!(dumps.count(), 0, "{names:?}");
    assert_eq!(holding(&[all], upstream.token()).await, NOWHERE);
}

/// A file that a command writes, whose last argument it is.
async fn taken_out(server: &Server, command: &[&str], name: &str) -> PathBuf {
    let file = server.scratch(name);
    let path = file.to_str().expect("a path");
    let arguments: Vec<&str> = command.iter().copied().chain([path]).collect();
    server.cli(&arguments).await.exits(0);
    file
}

/// What a process has written to: its private, writable memory. Empty where that may not be read.
fn memory_of(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let Ok(memory) = std::fs::File::open(format!("/proc/{pid}/mem")) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for map in maps
        .lines()
        .filter(|m| m.split(' ').nth(1).is_some_and(|p| p.starts_with("rw")))
    {
        let Some((from, to)) = map
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'))
        else {
            continue;
        };
        let address = |hex: &str| u64::from_str_radix(hex, 16).expect("an address");
        let mut page = [0; 4096];
        for at in (address(from)..address(to)).step_by(page.len()) {
            if memory.read_exact_at(&mut page, at).is_ok() && page.iter().any(|b| *b != 0) {
                all.extend_from_slice(&page);
            }
        }
    }
    all
}

async fn use_it_in_every_way(server: &Server, upstream: &Upstream, marker: &str) {
    let code = format!(
        "// {marker}\nconst echo = await tools.ledger.probe.echo({{}}, {{ meta: true }});\n\
         console.log(JSON.stringify(echo));\n\
         try {{ await tools.ledger.probe.leak(); }} catch (e) {{\n\
         console.error(e.message, JSON.stringify(e.details), e.stack); }}\n\
         await tools.ledger.items.createItem({{ name: '{marker}', amount: 1 }});\nreturn echo;"
    );
    let task = server.submit(&code).await;
    let asked = server.pending(1).await;
    server.approve(&asked[0]).await;
    let done = server.finished(&task).await;
    assert_eq!(done["status"], "completed", "{done:#}");
    assert!(
        done["result"].to_string().contains("[secret]"),
        "the mask shows: {done:#}"
    );
    // Uncaught, with the secret in the error's text.
    let failed = server.run("return await tools.ledger.probe.leak()").await;
    assert_eq!(failed["status"], "failed", "{failed:#}");
    assert!(
        failed["error"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("500")),
        "{failed:#}"
    );

    for path in [
        "/tasks",
        "/approvals",
        "/credentials",
        "/sources",
        "/audit",
        "/policies",
    ] {
        server.get(path).await;
    }
    server.get(&format!("/tasks/{task}/calls")).await;
    server.logs(&task).await;
    for command in [
        &["credentials", "list"][..],
        &["sources", "show", "ledger"],
        &["audit", "list", "--json"],
        &["tasks", "show", &task],
        &["tasks", "logs", &task],
        &["config"],
        &["doctor"],
        &["run", "-e", "return await tools.ledger.probe.echo()"],
    ] {
        server.cli(command).await.exits(0);
    }
    let credentials = server.get("/credentials").await;
    let id = credentials["items"][0]["id"].as_str().expect("an id");
    server
        .post(&format!("/credentials/{id}/test"), json!({}))
        .await;
    assert!(upstream.received().len() > 3);
}

/// Where the server may have kept something. Of PostgreSQL's files these are those of the database
/// and, of the write-ahead log that it shares with the databases of other cases, what was written to
/// since the server has its key.
async fn places_of(server: &Server) -> Vec<PathBuf> {
    let mut places = vec![server.data().to_owned()];
    if let Some(url) = server.database.url.clone() {
        let directories = tokio::task::spawn_blocking(move || postgres_directories(&url)).await;
        let [database, log] = directories.expect("PostgreSQL tells where its files are");
        let modified = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified());
        let begun = modified(&server.data().join("master.key")).expect("the server's key");
        let segments = std::fs::read_dir(&log).expect("the write-ahead log");
        let segments = segments.flatten().map(|entry| entry.path());
        places.extend(segments.filter(|path| modified(path).is_ok_and(|at| at >= begun)));
        places.push(database);
    }
    places
}

fn postgres_directories(url: &str) -> [PathBuf; 2] {
    let mut connection =
        postgres::Client::connect(url, postgres::NoTls).expect("the database can be reached");
    connection
        .batch_execute("checkpoint")
        .expect("what is in memory goes to the disk");
    let row = connection
        .query_one(
            "select current_setting('data_directory'), oid::bigint from pg_database \
             where datname = current_database()",
            &[],
        )
        .expect("PostgreSQL knows itself");
    let root = PathBuf::from(row.get::<_, String>(0));
    [
        root.join("base").join(row.get::<_, i64>(1).to_string()),
        root.join("pg_wal"),
    ]
}
