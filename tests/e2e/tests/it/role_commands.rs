//! The table of roles, tried on every command: by keys of every role, by a key that nobody has, and by
//! whoever runs the server.
//!
//! The commands come from the program's own help: one that is in neither table below fails the test.
//! Who may not ends with 7, or is told that there is no such thing; whoever may succeeds. The same for
//! every route, and by people in browsers, is in `roles.rs`; whoever tries is in `cast.rs`.

use crate::binary::{self, Ran};
use crate::cast::May::{Any, InPerson};
use crate::cast::Rank::{Admin, Member, Nobody, Owner, Stranger};
use crate::cast::{Cast, May, Stage, Trier, Way};
use crate::database::Database;
use crate::server::Server;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use std::collections::BTreeSet;

/// Commands that nobody's role bears on, and why.
const ELSEWHERE: [(&str, &str); 10] = [
    ("serve", "is the server"),
    ("restore", "writes an empty database, and no server runs"),
    ("config", "reads this machine alone"),
    ("version", "reads the program alone"),
    ("sources check", "reads files alone"),
    ("doctor", "tells of a refusal as of any other finding"),
    ("mcp", "passes answers of the protocol on, refusals too"),
    ("approvals watch", "asks at a terminal, and there is none"),
    (
        "login",
        "waits for a person in a browser, who is nobody yet",
    ),
    (
        "logout",
        "gives back what this machine keeps, whosever it is",
    ),
];

/// A line of the program, and who may. Words in braces are named in `cast.rs`. A line counts for the
/// command that it begins with.
#[rustfmt::skip]
const TABLE: &[(&str, May)] = &[
    ("run -e return/**/1", Any(Member)),
    ("check -e return/**/1", Any(Member)),
    ("tasks list", Any(Member)),
    ("tasks show {task}", Any(Member)),
    ("tasks show {bystander's task}", Any(Admin)),
    ("tasks result {task}", Any(Member)),
    ("tasks logs {task}", Any(Member)),
    ("tasks logs {bystander's task}", Any(Admin)),
    ("tasks rerun {task} --detach", Any(Member)),
    ("tasks fork {task} --from 1 --detach", Any(Member)),
    ("tasks clients", Any(Member)),
    ("tasks stop-client --client nobodys --channel api", InPerson(Member)),
    ("tasks stop-client --client nobodys --channel api --pause", InPerson(Admin)),
    ("approvals list", Any(Member)),
    ("approvals show {approval}", Any(Member)),
    ("approvals show {bystander's approval}", Any(Admin)),
    ("approvals extend {approval}", InPerson(Admin)),
    ("approvals assign {approval} --to me", InPerson(Admin)),
    ("approvals approve {approval}", InPerson(Admin)),
    ("approvals deny {approval 2}", InPerson(Admin)),
    ("approvals approve {uncertain} --happened {}", InPerson(Admin)),
    ("approvals answer {question} --field name=Ada", InPerson(Member)),
    ("approvals withdraw {approval 3}", Any(Member)),
    ("approvals withdraw {bystander's approval}", InPerson(Admin)),
    ("tasks cancel {asking}", Any(Member)),
    ("tasks cancel {bystander's task}", Any(Admin)),
    ("sources add {upstream}/openapi.json --name {second} --allow-private", Any(Admin)),
    ("sources list", Any(Member)),
    ("sources show {source}", Any(Member)),
    ("sources refresh {source}", Any(Admin)),
    ("sources review {source} --all", InPerson(Admin)),
    ("sources disable {source}", Any(Admin)),
    ("sources enable {source}", Any(Admin)),
    ("sources edit {source} --no-idempotent", Any(Admin)),
    ("sources presets", Any(Member)),
    ("tools search items", Any(Member)),
    ("tools list", Any(Member)),
    ("tools describe books.items.listItems", Any(Member)),
    ("tools usage books.items.listItems", Any(Member)),
    ("tools call books.items.listItems", Any(Member)),
    ("policies list", Any(Member)),
    ("policies add ask none.** --level personal", Any(Member)),
    ("policies add ask none.**", Any(Admin)),
    ("policies add ask none.** --level organization", Any(Owner)),
    ("policies edit {rule} --note x", Any(Member)),
    ("policies edit {shared rule} --note x", Any(Admin)),
    ("policies move {shared rule} 1", Any(Admin)),
    ("policies test books.items.listItems", Any(Member)),
    ("policies explain {asking}", Any(Member)),
    ("policies usage", Any(Member)),
    ("policies history", Any(Member)),
    ("policies backtest ask none.** --level personal", Any(Member)),
    ("policies backtest ask none.**", Any(Admin)),
    ("policies sets list", Any(Member)),
    ("policies sets show {set}", Any(Member)),
    ("policies sets create {slug}", Any(Admin)),
    ("policies sets describe {set} --name again-{slug}", Any(Admin)),
    ("policies backtest --set {set 2} --assign workspace", Any(Admin)),
    ("policies sets add {set} ask none.**", Any(Admin)),
    ("policies sets edit {set} {set rule} --note x", Any(Admin)),
    ("policies sets move {set} {set rule} 1", Any(Admin)),
    ("policies sets assign {set} --to {bystander}", Any(Admin)),
    ("policies sets assign {set 2} --to organization", Any(Owner)),
    ("policies sets unassign {set} {assignment}", Any(Admin)),
    ("policies sets remove {set} {set rule}", Any(Admin)),
    ("policies sets delete {set 3}", Any(Admin)),
    ("policies remove {shared rule}", Any(Admin)),
    ("policies remove {rule}", Any(Member)),
    ("credentials list", Any(Member)),
    ("credentials test {credential}", Any(Member)),
    ("credentials set {source} --scope personal", Any(Member)),
    ("credentials set {source}", Any(Admin)),
    ("credentials set {source} --scope organization", Any(Owner)),
    ("credentials import --env-file {variables} --env A_TOKEN={source} --scope personal --yes", Any(Member)),
    ("credentials import --env-file {variables} --env A_TOKEN={source} --yes", Any(Admin)),
    ("credentials connect {source} --scope personal --client-id x --authorization-url https://as.example/a --token-url https://as.example/t --print --no-wait", Any(Member)),
    ("credentials connect {source} --client-id x --authorization-url https://as.example/a --token-url https://as.example/t --print --no-wait", Any(Admin)),
    ("credentials order {source}", Any(Member)),
    ("credentials order {source} workspace personal", Any(Admin)),
    ("credentials prefer {credential}", Any(Admin)),
    ("credentials rotate {credential}", Any(Admin)),
    ("credentials remove {credential}", Any(Admin)),
    ("sources remove {source}", Any(Admin)),
    ("keys list", Any(Member)),
    ("keys create own", Any(Member)),
    ("keys create another --member {bystander}", Any(Admin)),
    ("keys rotate {key}", Any(Member)),
    ("keys rotate {bystander's key}", Any(Admin)),
    ("keys revoke {key}", Any(Member)),
    ("keys revoke {bystander's key}", Any(Admin)),
    ("grants list", Any(Member)),
    ("grants revoke {grant}", Any(Admin)),
    ("members list", Any(Admin)),
    ("members add New", Any(Admin)),
    ("members add New --role owner", Any(Owner)),
    ("members edit {bystander} --name Renamed", Any(Admin)),
    ("members invite", Any(Admin)),
    ("members invites", Any(Admin)),
    ("members revoke-invite {invite}", Any(Admin)),
    ("invites create", Any(Admin)),
    ("invites create --role owner", Any(Owner)),
    ("invites list", Any(Admin)),
    ("invites revoke {invite 2}", Any(Admin)),
    ("invites show {guest link}", InPerson(Stranger)),
    ("workspaces list", Any(Member)),
    ("workspaces create {slug}", Any(Admin)),
    ("workspaces change {workspace} --name Renamed", Any(Admin)),
    ("workspaces members {workspace}", Any(Admin)),
    ("workspaces members {workspace} --add {bystander}", Any(Admin)),
    // A key is bound to its workspace.
    ("workspaces change {spare} --name Renamed", InPerson(Admin)),
    ("workspaces members {spare} --add {bystander}", InPerson(Admin)),
    ("workspaces delete {spare} --confirm {spare}", InPerson(Admin)),
    ("workspaces deleted", InPerson(Stranger)),
    ("workspaces restore local/{spare}", InPerson(Admin)),
    ("workspaces storage", Any(Admin)),
    ("workspaces settings", Any(Member)),
    ("workspaces settings --limit calls=999", Any(Admin)),
    ("members remove {bystander}", Any(Admin)),
    ("organizations list", InPerson(Stranger)),
    ("organizations rename {club} --name Renamed", InPerson(Owner)),
    ("organizations delete {club} --confirm {club}", InPerson(Owner)),
    ("organizations restore {club}", InPerson(Owner)),
    ("members leave --workspace {club workspace}", InPerson(Member)),
    ("organizations create Another", InPerson(Stranger)),
    ("webhooks list", Any(Admin)),
    ("webhooks add {upstream}/a-hook --allow-private", Any(Admin)),
    ("webhooks test {webhook}", Any(Admin)),
    ("webhooks edit {webhook} --on", Any(Admin)),
    ("webhooks rotate {webhook}", Any(Admin)),
    ("webhooks deliveries {webhook}", Any(Admin)),
    ("webhooks remove {webhook}", Any(Admin)),
    ("notifications list", Any(Member)),
    ("notifications edit {push} --name Renamed", InPerson(Member)),
    ("notifications test {push}", InPerson(Member)),
    ("notifications remove {push}", InPerson(Member)),
    ("audit list", Any(Admin)),
    ("audit export", Any(Admin)),
    ("audit verify", Any(Admin)),
    ("audit checkpoint", Any(Admin)),
    ("audit retention", Any(Admin)),
    ("audit retention 365", Any(Owner)),
    ("vault status", Any(Owner)),
    ("vault rotate --data-key", Any(Owner)),
    ("vault rotate --generate", InPerson(Owner)),
    ("backup {backup}", InPerson(Owner)),
    ("sessions list", InPerson(Stranger)),
    ("sessions end {session}", InPerson(Stranger)),
    ("sessions end-others", InPerson(Stranger)),
    ("web --print", InPerson(Admin)),
    ("example --approve", InPerson(Admin)),
    ("example --remove", Any(Admin)),
    ("invites accept {guest link}", InPerson(Stranger)),
];

on_both_databases!(every_command_obeys_the_table_of_roles);

async fn every_command_obeys_the_table_of_roles(database: Database) {
    let cast = Cast::on(Stage::CommandLine, database).await;
    let commands = commands(&cast.server).await;
    assert!(commands.len() > 90, "{commands:#?}");
    let mut missing = commands.clone();
    for line in TABLE
        .iter()
        .map(|row| row.0)
        .chain(ELSEWHERE.map(|row| row.0))
    {
        let command = commands.iter().find(|command| begins(line, command));
        let command = command.unwrap_or_else(|| panic!("there is no command `{line}`"));
        missing.remove(command);
    }
    assert!(
        missing.is_empty(),
        "say in a table of tests/e2e/tests/it/role_commands.rs who may do {missing:?}"
    );
    let mut wrong = Vec::new();
    for (line, may) in TABLE {
        let tries = cast
            .triers
            .iter()
            .map(|trier| tries(&cast.server, trier, line, *may));
        if line.starts_with("example") || line.starts_with("vault") {
            // There is one example and one file with a key, whoever brings or changes it.
            for told in tries {
                wrong.extend(told.await);
            }
        } else {
            wrong.extend(join_all(tries).await.into_iter().flatten());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", cast.server.log());
}

fn begins(line: &str, command: &str) -> bool {
    let rest = line.strip_prefix(command);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Runs a line as one of them, and tells of an end that is not as the table says.
async fn tries(server: &Server, trier: &Trier, line: &str, may: May) -> Option<String> {
    let filled = trier.fill(line);
    let mut words: Vec<&str> = filled.split(' ').collect();
    words.push("--json");
    if let Way::Key(key) = &trier.way {
        words.extend(["--api-key", key]);
    }
    let ran = server.cli_with(&words, Some("x\n")).await;
    let fits = if may.lets(trier) {
        ran.code == 0
    } else {
        ran.code == 7 || trier.rank != Nobody && is_unknown(&ran)
    };
    let name = &trier.name;
    (!fits).then(|| format!("{filled} by {name}: {may:?}, {ran:?}"))
}

/// Whether it was told that there is no such thing.
fn is_unknown(ran: &Ran) -> bool {
    ran.code == 1 && ran.out.contains("\"not_found\"")
}

/// Every command that does something, from what the program says of itself.
async fn commands(server: &Server) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut groups = vec![String::new()];
    while !groups.is_empty() {
        let asked = futures_util::stream::iter(groups.drain(..).map(|group| async move {
            let below = below(server, &group).await;
            (group, below)
        }));
        let asked: Vec<_> = asked.buffer_unordered(4).collect().await;
        for (group, below) in asked {
            if below.is_empty() {
                found.insert(group);
            }
            groups.extend(below);
        }
    }
    found
}

/// The commands that a command's help lists.
async fn below(server: &Server, group: &str) -> Vec<String> {
    let mut command = server.command();
    command.args(group.split(' ').filter(|word| !word.is_empty()));
    command.arg("--help");
    let help = binary::finish(command, None).await.exits(0);
    let listed = help.out.lines().skip_while(|line| *line != "Commands:");
    let names = listed.skip(1).take_while(|line| !line.is_empty());
    names
        .filter_map(|line| line.strip_prefix("  ").filter(|l| !l.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(|name| format!("{group} {name}").trim_start().to_owned())
        .collect()
}
