//! `executor login`: a person on another machine, played by a data directory that no server runs for.
//! The server takes people by a provider, so that being the same user of the same machine opens
//! nothing; that a command works is owed to its token.

use crate::binary::{self, Ran};
use crate::database::Database;
use crate::issuer::Issuer;
use crate::people::text;
use crate::server::{PATIENCE, Server};
use crate::visitor::Visitor;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};

on_both_databases!(a_person_signs_in_on_another_machine_and_out_again);

/// A machine elsewhere.
struct Elsewhere<'a> {
    server: &'a Server,
    home: PathBuf,
}

impl<'a> Elsewhere<'a> {
    fn new(server: &'a Server, name: &str) -> Self {
        let home = server.scratch(name);
        std::fs::create_dir_all(home.join("home")).expect("a home directory");
        Self { server, home }
    }

    fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = binary::command(binary::path(), &self.home);
        command.args(arguments);
        command
    }

    /// A command at the server.
    async fn runs(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.env("EXECUTOR_URL", self.server.url());
        let ran = binary::finish(command, None).await;
        self.server.hear(ran.out.as_bytes());
        self.server.hear(ran.err.as_bytes());
        ran
    }

    /// Begins to sign in; a person in a browser does the rest, given the code.
    async fn signs_in(&self, more: &[&str], person: impl AsyncFnOnce(String)) -> Ran {
        let url = self.server.url();
        let mut command = self.command(&["login", "--json", "--server", &url]);
        command.args(more).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let told = child.stderr.take().expect("a pipe");
        let mut lines = BufReader::new(told).lines();
        let code = async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .expect("text")
                    .expect("it says more");
                if let Some((_, rest)) = line.split_once("user_code=") {
                    return rest.split(' ').next().expect("a code").to_owned();
                }
            }
        };
        let code = tokio::time::timeout(PATIENCE, code).await;
        person(code.expect("it shows a code")).await;
        let reading = async {
            let mut rest = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                rest.push_str(&line);
                rest.push('\n');
            }
            rest
        };
        let ended = tokio::time::timeout(PATIENCE, async {
            tokio::join!(reading, child.wait_with_output())
        });
        let (err, output) = ended.await.expect("it ends");
        let output = output.expect("it ran");
        self.server.hear(err.as_bytes());
        self.server.hear(&output.stdout);
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err,
        }
    }

    fn book(&self) -> PathBuf {
        self.home.join("data/logins.json")
    }

    fn kept(&self) -> Value {
        let text = std::fs::read_to_string(self.book()).expect("it is there");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// What people granted at the server, as its owner sees it.
async fn grants(server: &Server) -> Vec<Value> {
    let listed = server.cli(&["grants", "list", "--json"]).await.exits(0);
    listed.json().as_array().expect("a list").clone()
}

async fn a_person_signs_in_on_another_machine_and_out_again(database: Database) {
    let issuer = Issuer::start().await;
    let mut server = Server::prepare(database);
    server.environment = issuer.settings("oidc");
    server.launch().await;
    let visitor = Visitor::signed_in(&server).await;
    let laptop = Elsewhere::new(&server, "laptop");
    let list = ["sources", "list", "--json"];
    laptop.runs(&list).await.exits(7).says(&["executor login"]);

    // No is no, and nothing is kept.
    let refused = laptop
        .signs_in(&[], async |code: String| {
            let page = visitor.get(&format!("/device?user_code={code}")).await;
            let ticket = page.input("ticket");
            let deny = [("ticket", ticket.as_str()), ("decision", "deny")];
            assert_eq!(visitor.post("/oauth/authorize", &deny).await.status, 200);
        })
        .await
        .exits(7);
    assert_eq!(refused.json()["error"]["code"], "access_denied");
    assert!(!laptop.book().exists());

    let allow = async |code: String| {
        let page = visitor.get(&format!("/device?user_code={code}")).await;
        assert!(page.text.contains("executor on "), "{page:#?}");
        assert_eq!(visitor.allow(&page).await.status, 200);
    };
    let signed_in = laptop.signs_in(&[], &allow).await.exits(0).json();
    assert_eq!(signed_in["server"], server.url());
    assert_eq!(signed_in["for"], "api");
    laptop.runs(&list).await.exits(0);
    only_its_owner_reads_the_tokens(&laptop);
    commands_do_what_was_allowed(&server, &laptop).await;
    many_commands_at_once_renew_once(&server, &laptop).await;

    // Another sign-in takes the place of the one before, at the server as well.
    laptop.signs_in(&[], &allow).await.exits(0);
    assert_eq!(grants(&server).await.len(), 1);
    let narrow = laptop.signs_in(&["--scope", "read"], &allow).await.exits(0);
    assert_eq!(narrow.json()["scopes"], json!(["read"]));
    assert_eq!(grants(&server).await.len(), 1);
    let write = ["run", "-e", "return 1"];
    laptop
        .runs(&write)
        .await
        .exits(7)
        .says(&["lacks the scope 'run'"]);
    signing_out_ends_it_there_too(&server, &laptop, &allow).await;
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(!heard.contains("exa_") && !heard.contains("exr_") && !heard.contains("exd_"));
}

fn only_its_owner_reads_the_tokens(laptop: &Elsewhere<'_>) {
    let mode = |path: PathBuf| {
        let about = std::fs::metadata(&path).expect("it is there");
        about.permissions().mode() & 0o777
    };
    assert_eq!(mode(laptop.book()), 0o600);
    assert_eq!(mode(laptop.home.join("data")), 0o700);
}

async fn commands_do_what_was_allowed(server: &Server, laptop: &Elsewhere<'_>) {
    let ran = laptop.runs(&["run", "-e", "return 7", "--json"]).await;
    assert_eq!(ran.exits(0).json()["result"], 7);
    // A grant, which decides nothing that takes a person.
    let granted = grants(server).await;
    assert_eq!(granted.len(), 1, "{granted:#?}");
    assert!(text(&granted[0]["clientName"]).starts_with("executor on "));
    laptop.runs(&["web", "--print"]).await.exits(7);
    let shown = laptop.runs(&["login", "--list", "--json"]).await.exits(0);
    assert_eq!(shown.json()[0]["server"], server.url());
    // A server that is another one gets none of it.
    let other = Server::start(Database::sqlite()).await;
    let mut command = laptop.command(&["config"]);
    command.env("EXECUTOR_URL", other.url());
    binary::finish(command, None).await.exits(0);
}

/// Each refresh token works once, and a second use would end the grant.
async fn many_commands_at_once_renew_once(server: &Server, laptop: &Elsewhere<'_>) {
    let before = laptop.kept();
    let mut old = before.clone();
    old["logins"][0]["expiresAt"] = json!(0);
    std::fs::write(laptop.book(), old.to_string()).expect("written");
    let list = ["sources", "list", "--json"];
    let all = futures_util::future::join_all((0..6).map(|_| laptop.runs(&list))).await;
    for ran in all {
        ran.exits(0);
    }
    let after = laptop.kept();
    assert_ne!(
        before["logins"][0]["refresh"],
        after["logins"][0]["refresh"]
    );
    assert_eq!(grants(server).await.len(), 1, "it lives");
    laptop.runs(&list).await.exits(0);

    // The control: somebody used it behind this machine's back.
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &text(&after["logins"][0]["refresh"])),
        ("client_id", &text(&after["logins"][0]["clientId"])),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let url = format!("{}/oauth/token", server.url());
    let stolen = crate::visitor::form(server.http.post(url), &pairs);
    assert!(
        stolen
            .send()
            .await
            .expect("an answer")
            .status()
            .is_success()
    );
    let mut old = after.clone();
    old["logins"][0]["expiresAt"] = json!(0);
    std::fs::write(laptop.book(), old.to_string()).expect("written");
    let ended = laptop.runs(&list).await.exits(7);
    assert_eq!(ended.json()["error"]["code"], "signed_out");
    ended.says(&["executor login --server"]);
    assert!(grants(server).await.is_empty(), "the family");
    assert_eq!(laptop.kept()["logins"], json!([]));
}

async fn signing_out_ends_it_there_too(
    server: &Server,
    laptop: &Elsewhere<'_>,
    allow: &impl AsyncFn(String),
) {
    let mcp = laptop.signs_in(&["--mcp"], allow).await.exits(0);
    assert_eq!(mcp.json()["for"], "mcp");
    assert_eq!(grants(server).await.len(), 2);
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "tests", "version": "1" } } });
    let mut command = laptop.command(&["mcp"]);
    command.env("EXECUTOR_URL", server.url());
    let spoken = binary::finish(command, Some(&format!("{hello}\n"))).await;
    assert!(spoken.out.contains("\"serverInfo\""), "{spoken:#?}");
    let kept = laptop.kept();
    let out = laptop.runs(&["logout", "--json"]).await.exits(0);
    assert_eq!(out.json().as_array().map(Vec::len), Some(2));
    assert!(grants(server).await.is_empty());
    let list = ["sources", "list", "--json"];
    laptop.runs(&list).await.exits(7);
    let again = laptop.runs(&["logout", "--json"]).await.exits(1);
    assert_eq!(again.json()["error"]["code"], "not_signed_in");
    // Tokens that somebody copied before are worth nothing.
    std::fs::write(laptop.book(), kept.to_string()).expect("written");
    let ended = laptop.runs(&list).await.exits(7);
    assert_eq!(ended.json()["error"]["code"], "signed_out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_sign_in_at_is_said() {
    let server = Server::start(Database::sqlite()).await;
    let laptop = Elsewhere::new(&server, "laptop");
    let says = async |arguments: &[&str], code: i32, words: &[&str]| {
        let ran = binary::finish(laptop.command(arguments), None).await;
        ran.exits(code).says(words);
    };
    says(&["login"], 2, &["executor login --server"]).await;
    let plain = ["login", "--server", "http://executor.example.com"];
    says(&plain, 2, &["https"]).await;
    let nobody = ["login", "--server", "http://127.0.0.1:9"];
    says(&nobody, 6, &["no server answers"]).await;
    let scope = ["login", "--server", &server.url(), "--scope", "everything"];
    says(&scope, 2, &["everything"]).await;
    says(&["logout"], 1, &["nobody is signed in"]).await;
    // At one's own server there is nothing to sign in for.
    let own = server.cli(&["login", "--server", &server.url()]).await;
    own.exits(2).says(&["your own server"]);
}
