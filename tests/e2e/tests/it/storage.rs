//! A full disk: writes are refused with a clear error, and once there is room again everything that
//! was promised is still there.

use crate::database::Database;
use crate::server::Server;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own, unmounted with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount.
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory to mount on");
        let size = format!("size={megabytes}m,mode=0700");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output();
        mount
            .is_ok_and(|m| m.status.success())
            .then(|| Self(at.to_owned()))
    }

    /// Leaves no room; removing the file gives it back.
    fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let ballast = self.0.join("ballast");
        let mut file = std::fs::File::create(&ballast).expect("there is room for a file");
        let block = vec![0_u8; 64 << 10];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as a killed server's files may take a moment to close.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_damages_nothing() {
    let mut server = Server::prepare(Database::sqlite());
    let Some(disk) = SmallDisk::mount(server.data(), 24) else {
        eprintln!("skipped: this process may not mount a small file system");
        return;
    };
    server.launch().await;
    let before = server.submit("return 'before'").await;
    let before = server.finished(&before).await;

    let ballast = disk.fill();
    let code = format!("// {}\nreturn 1", "x".repeat(200_000));
    let mut refused = None;
    for _ in 0..50 {
        let reply = server
            .send("POST", "/tasks", Some(&json!({ "code": code })))
            .await;
        if reply.status >= 300 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("a full disk cannot take 10 MB");
    assert_eq!(refused.status, 503, "{refused:#?}");
    assert_eq!(refused.content_type, "application/problem+json");
    assert!(
        refused.body["title"]
            .as_str()
            .is_some_and(|t| t.contains("full")),
        "{refused:#?}"
    );
    let id = before["id"].as_str().expect("an id");
    assert_eq!(server.task(id).await, before, "reading goes on");

    std::fs::remove_file(ballast).expect("room again");
    assert_eq!(
        server.value("return 'after'").await,
        "after",
        "with room it works again"
    );
    let verified = server.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");
    server.kill().await;
    server.launch().await;
    assert_eq!(server.task(id).await, before);
    let verified = server.get("/audit/verify").await;
    assert_eq!(verified["intact"], true, "{verified:#}");
    server.stop().await;
    drop(disk);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_to_postgresql_are_made_anew() {
    let (server, upstream) = crate::upstream::Upstream::connected(Database::postgres()).await;
    let code = "return (await tools.ledger.items.createItem({ name: 'x', amount: 1 })).name";
    let task = server.submit(code).await;
    let asked = server.pending(1).await.remove(0);
    let url = server.database.url.clone().expect("it runs on PostgreSQL");
    let cut = move || {
        let mut connection =
            postgres::Client::connect(&url, postgres::NoTls).expect("the database can be reached");
        let row = connection.query_one(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()",
            &[],
        );
        row.expect("connections can be cut").get::<_, i64>(0)
    };
    let cut = tokio::task::spawn_blocking(cut)
        .await
        .expect("the cut is made");
    assert!(cut > 0, "the server was connected");
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    while server.send("GET", "/tasks", None).await.status != 200 {
        assert!(std::time::Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.approve(&asked).await;
    assert_eq!(server.finished(&task).await["result"], "x");
    assert_eq!(upstream.created("x"), 1);
}
