//! Starting and ending: what is refused, what is left on the disk.

use crate::harness::{Place, Server};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_directory_belongs_to_one_server_and_one_person() {
    let place = Place::new();
    let server = Server::start(&place);
    for entry in std::fs::read_dir(place.data()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
    assert_eq!(
        std::fs::metadata(place.data())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );

    let pid = server.pid().to_string();
    let second = place.run(&["serve", "--port", "0"]).exits(1);
    second.says(&[&pid, &server.address, "--data-dir"]);
    place.run(&["run", "-e", "return 1"]).exits(0);

    assert_eq!(server.stop(), 0, "asked to end, it ends in order");
    assert!(place.notice().is_none(), "nobody answers there any more");
    Server::start(&place).kill();
    Server::start(&place);
}

#[test]
fn a_busy_port_is_named() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    place
        .run(&["serve", "--port", &port])
        .exits(1)
        .says(&[&port, "--port"]);
    let shown = place
        .run(&["serve", "--port", &port, "--json"])
        .exits(1)
        .json();
    assert_eq!(shown["error"]["code"], "port_in_use");
    drop(taken);
    let server = Server::start_with(&place, &["serve", "--port", &port]);
    assert!(server.address.ends_with(&port), "{}", server.address);
}

#[test]
fn a_wrong_master_key_is_refused_and_a_missing_one_not_replaced() {
    let place = Place::new();
    assert_eq!(Server::start(&place).stop(), 0);
    let key = place.data().join("master.key");
    let right = std::fs::read_to_string(&key).unwrap();

    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let start = |value: &str| {
        let mut command = place.command(&["serve", "--port", "0"]);
        let output = command.env("EXECUTOR_MASTER_KEY", value).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said) = start(wrong);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("master key") && !said.contains(wrong),
        "{said}"
    );
    let (code, said) = start("too short");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("EXECUTOR_MASTER_KEY") && !said.contains("too short"),
        "{said}"
    );

    std::fs::remove_file(&key).unwrap();
    place
        .run(&["serve", "--port", "0"])
        .exits(1)
        .says(&["master key", "EXECUTOR_MASTER_KEY_FILE"]);
    assert!(!key.exists(), "no other key is made");
    std::fs::write(&key, right).unwrap();
    Server::start(&place);
}

#[test]
fn the_server_of_another_directory_is_not_taken_for_ours() {
    let other = Place::new();
    let server = Server::start(&other);
    let port = server.address.rsplit(':').next().unwrap();
    let place = Place::new();
    place.file("data/executor.toml", &format!("port = {port}\n"));
    for arguments in [&["example", "--approve"][..], &["mcp"]] {
        place.run(arguments).exits(1).says(&[port, "in use"]);
    }
    assert_eq!(other.json(&["tasks", "list"]), serde_json::json!([]));
}

#[test]
fn a_database_that_cannot_be_used_is_named_without_its_password() {
    let place = Place::new();
    let start = |url: &str| place.run(&["serve", "--port", "0", "--database-url", url]);
    start("mysql://host/db")
        .exits(2)
        .says(&["mysql://host/db", "--database-url", "postgres://"]);
    let ran = start("postgres://me:hunter2@127.0.0.1:9/db").exits(1);
    assert!(!ran.err.contains("hunter2"), "{ran:#?}");
    ran.says(&["127.0.0.1:9/db", "--database-url"]);

    place.file("data/executor.db", &"this is no database ".repeat(100));
    place
        .run(&["serve", "--port", "0"])
        .exits(1)
        .says(&["damaged"]);
    let kept = std::fs::read_to_string(place.data().join("executor.db")).unwrap();
    assert!(
        kept.starts_with("this is no database"),
        "the file is left as it is"
    );
}
