//! What lies on the disk: closed to others, reached through no link that somebody put there, and
//! refused clearly where it is damaged or newer than the program.

use crate::database::Database;
use crate::keeping::change;
use crate::record::database_file;
use crate::server::Server;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

on_both_databases!(
    a_newer_schema_is_left_alone,
    nobody_else_may_look_and_no_link_is_followed,
);

async fn a_newer_schema_is_left_alone(database: Database) {
    let mut server = Server::start(database).await;
    let task = server.submit("return 'kept'").await;
    server.finished(&task).await;
    server.stop().await;
    change(
        &server,
        "insert into migrations (number, digest) values (9999, 'x')",
    );
    server
        .launch_refused()
        .await
        .says(&["made by a newer Executor", "nothing was changed"]);
    change(&server, "delete from migrations where number = 9999");
    server.launch().await;
    assert_eq!(server.task(&task).await["result"], "kept");
}

async fn nobody_else_may_look_and_no_link_is_followed(database: Database) {
    let mut server = Server::start(database).await;
    let mode = |path: &std::path::Path| {
        let found = std::fs::symlink_metadata(path).expect("it is there");
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode(server.data()), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(server.data()).expect("it reads") {
        let path = entry.expect("a file").path();
        if path.is_file() {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 3, "the key, the lock and the notice");
    server.stop().await;
    // Somebody put links where the server writes; what they lead to stays as it is.
    let victim = server.scratch("victim");
    for name in ["executor.lock", "server.new"] {
        std::fs::write(&victim, "precious").expect("written");
        let link = server.data().join(name);
        let _none = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&victim, &link).expect("a link");
        server.launch_refused().await.says(&["cannot"]);
        let kept = std::fs::read_to_string(&victim).expect("it reads");
        assert_eq!(kept, "precious", "{name}");
        std::fs::remove_file(&link).expect("removed");
    }
    server.launch().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_told_and_not_read_for_another() {
    let mut server = Server::start(Database::sqlite()).await;
    server.run("return 'kept'").await;
    server.stop().await;
    let path = database_file(&server);
    let whole = std::fs::read(&path).expect("it reads");
    for (what, begins, bytes) in [
        ("zeroed pages", 4_096, vec![0; whole.len() - 4_096]),
        (
            "another file",
            0,
            b"not a database at all, but text ".repeat(64),
        ),
    ] {
        let mut file = std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("it opens");
        file.seek(std::io::SeekFrom::Start(begins))
            .expect("a place");
        file.write_all(&bytes).expect("written");
        drop(file);
        let ran = server.launch_refused().await;
        assert!(
            ran.err.contains("the database is damaged"),
            "{what}: {ran:#?}"
        );
        std::fs::write(&path, &whole).expect("written");
    }
    server.launch().await;
    assert_eq!(server.value("return 'again'").await, "again");
}
