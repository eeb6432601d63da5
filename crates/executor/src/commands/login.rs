//! `executor login` and `executor logout`: a person at a server elsewhere.
//!
//! The person says yes in a browser, on whatever machine, to a code that is shown here (RFC 8628).
//! What comes of it stands for the person within the scopes that they left checked, never decides
//! approvals, and is a grant like any other: `executor grants` lists and ends it.

use crate::client::{Client, Told, number, text};
use crate::config::Config;
use crate::context::Context;
use crate::duration::now_ms;
use crate::failure::{Exit, Failure, Result};
use crate::logins::{self, Door, Held, Login};
use crate::output::{plain, table};
use crate::sign_in::is_near;
use api::system::Me;
use domain::access::Scopes;
use domain::credential::Secret;
use serde_json::{Map, Value, json};
use std::time::Duration;
use url::Url;

/// The name of the grant of a device (RFC 8628, section 3.4).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Signs you in at a server on another machine
#[derive(clap::Args)]
#[command(
    after_help = "It shows a link and a code for a browser, where you say what commands may do. Tokens are\nkept in the data directory, for you alone, and renewed by themselves.\nOn the machine of the server, as the user who runs it, none of this is needed.\n\nExamples:\n  executor login --server https://executor.example.com\n  executor login --mcp --server https://executor.example.com   for `executor mcp`\n  executor login --list"
)]
pub(crate) struct Arguments {
    /// What commands may do there; without it whatever your role lets you, and you choose in the browser
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Sign in for `executor mcp` instead of for the other commands
    #[arg(long)]
    mcp: bool,
    /// List where you are signed in, and do nothing else
    #[arg(long, conflicts_with_all = ["scopes", "mcp"])]
    list: bool,
}

/// Signs you out at a server on another machine
#[derive(clap::Args)]
#[command(
    after_help = "The tokens end there and are forgotten here.\n\nExamples:\n  executor logout\n  executor logout --server https://executor.example.com\n  executor logout --all"
)]
pub(crate) struct LogoutArguments {
    /// Sign out at every server
    #[arg(long)]
    all: bool,
}

pub(crate) async fn login(context: &Context, arguments: Arguments) -> Result<Exit> {
    if arguments.list {
        return list(context);
    }
    let client = elsewhere(context)?;
    let door = if arguments.mcp { Door::Mcp } else { Door::Api };
    let scopes = wanted(&arguments.scopes, door)?;
    let id = registered(&client).await?;
    let asked = device(&client, (&id, door), scopes).await?;
    tell(context, &asked);
    let given = until_answered(&client, &id, &asked).await?;
    let empty = Login {
        server: client.origin(),
        door,
        client_id: id,
        access: Secret::new(String::new()),
        refresh: Secret::new(String::new()),
        expires_at: now_ms(),
        scopes: scopes.to_string(),
        account: String::new(),
        workspace: String::new(),
    };
    let login = client.taken(&given, empty)?;
    let before = keep(&context.config, login.clone()).await?;
    if let Some(before) = before {
        // Nobody has a use for the grant of before. That it goes is not what was asked for.
        let _ended = end(&client, &before).await;
    }
    let login = named(context, &client, login).await?;
    context.output.show(&shown(&login), |_| {
        let who = match login.account.as_str() {
            "" => "signed in".to_owned(),
            name => format!(
                "signed in as {} in {}",
                plain(name),
                plain(&login.workspace)
            ),
        };
        let use_it = match door {
            Door::Api => "commands use it with",
            Door::Mcp => "`executor mcp` uses it with",
        };
        let server = &login.server;
        format!(
            "{who} at {server} ({})\n{use_it} --server {server} or EXECUTOR_URL={server}",
            login.scopes
        )
    });
    Ok(Exit::Done)
}

/// The server that the command line or a setting names; never the one of the data directory.
fn elsewhere(context: &Context) -> Result<Client> {
    let Some(address) = &context.config.url else {
        return Err(Failure::usage("it is not said where to sign in")
            .next("name the server: executor login --server https://executor.example.com"));
    };
    let client = context.client_to_be()?;
    if client.is_own() {
        return Err(Failure::usage(format!("{address} is your own server"))
            .next("commands need no sign-in there; leave out --server"));
    }
    let url = Url::parse(address).ok();
    if url.is_some_and(|url| url.scheme() != "https" && !is_near(&url)) {
        let message =
            format!("{address} is no https address: everybody on the way could read your tokens");
        return Err(Failure::usage(message).next(
            "use the server's https address; plain http is for this machine and private networks",
        ));
    }
    Ok(client)
}

fn wanted(names: &[String], door: Door) -> Result<Scopes> {
    if names.is_empty() {
        return Ok(match door {
            Door::Api => Scopes::ALL,
            Door::Mcp => Scopes::USUAL,
        });
    }
    let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
    Scopes::parse(&names.join(" ")).map_err(|e| Failure::usage(e.to_string()))
}

/// What this program is called at the server, from now on.
async fn registered(client: &Client) -> Result<String> {
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    let about = json!({
        "client_name": format!("executor on {machine}"),
        "grant_types": [DEVICE_GRANT, "refresh_token"],
        "response_types": [],
        "token_endpoint_auth_method": "none",
    });
    let fields = client.register(&about).await?.given("not signed in")?;
    text(&fields, "client_id").ok_or_else(|| unusable(client))
}

fn unusable(client: &Client) -> Failure {
    let message = format!("{} gave an answer that cannot be used", client.address());
    Failure::failed("unexpected_answer", message)
        .next("see that server and command have the same version")
}

/// What the server wants a person to enter, and what this program asks with meanwhile.
struct Asked {
    secret: Secret,
    code: String,
    page: String,
    link: String,
    lasts_s: i64,
    wait_s: u64,
}

async fn device(client: &Client, (id, door): (&str, Door), scopes: Scopes) -> Result<Asked> {
    let resource = format!("{}{}", client.origin(), door.path());
    let scope = scopes.to_string();
    let form = [
        ("client_id", id),
        ("scope", scope.as_str()),
        ("resource", resource.as_str()),
    ];
    let path = ["oauth", "device_authorization"];
    let told = client.form(&path, &form).await?;
    let fields = told.given("not signed in")?;
    let must = |name: &str| text(&fields, name).ok_or_else(|| unusable(client));
    let page = must("verification_uri")?;
    Ok(Asked {
        secret: Secret::new(must("device_code")?),
        code: must("user_code")?,
        link: text(&fields, "verification_uri_complete").unwrap_or_else(|| page.clone()),
        page,
        lasts_s: number(&fields, "expires_in").unwrap_or(600),
        wait_s: number(&fields, "interval")
            .and_then(|s| u64::try_from(s).ok())
            .unwrap_or(5)
            .clamp(1, 60),
    })
}

/// Said whatever is to be left unsaid: nothing goes on without it.
fn tell(context: &Context, asked: &Asked) {
    let minutes = asked.lasts_s.div_euclid(60).max(1);
    context.output.err(&format!(
        "Open {} in a browser and allow it there.\nIt shows the code {}; or enter the code at {}.\n\
         Waiting for up to {minutes} min …",
        plain(&asked.link),
        plain(&asked.code),
        plain(&asked.page)
    ));
}

async fn until_answered(client: &Client, id: &str, asked: &Asked) -> Result<Map<String, Value>> {
    let form = [
        ("grant_type", DEVICE_GRANT),
        ("device_code", asked.secret.expose()),
        ("client_id", id),
    ];
    let mut wait_s = asked.wait_s;
    loop {
        tokio::time::sleep(Duration::from_secs(wait_s)).await;
        match client.form(&["oauth", "token"], &form).await? {
            Told::Given(fields) => return Ok(fields),
            Told::Refused { code, why } => match code.as_str() {
                "authorization_pending" => {}
                // RFC 8628, section 3.5.
                "slow_down" => wait_s += 5,
                "access_denied" => {
                    let message = "not signed in: the answer in the browser was no";
                    return Err(Failure::not_allowed(&code, message));
                }
                "expired_token" => {
                    let message = "not signed in: nobody entered the code in time";
                    return Err(Failure::not_allowed(&code, message)
                        .next("run `executor login` again for another code"));
                }
                _ => {
                    return Err(Failure::not_allowed(&code, format!("not signed in: {why}")));
                }
            },
        }
    }
}

/// Keeps a login; gives the one before in its place.
async fn keep(config: &Config, login: Login) -> Result<Option<Login>> {
    let held = Held::take(&config.home).await?;
    let before = logins::find(&config.home, &login.server, login.door)?;
    held.keep(login)?;
    Ok(before)
}

/// The same with who it stands for, where tokens open what says so.
async fn named(context: &Context, client: &Client, login: Login) -> Result<Login> {
    if login.door == Door::Mcp {
        return Ok(login);
    }
    let me: Me = client.get(&["me"], &[]).await?;
    let named = Login {
        account: me.name,
        workspace: format!("{}/{}", me.organization.slug, me.workspace.slug),
        ..login
    };
    keep(&context.config, named.clone()).await?;
    Ok(named)
}

/// What is shown of a login: no token.
fn shown(login: &Login) -> Value {
    json!({
        "server": login.server,
        "for": login.door,
        "account": login.account,
        "workspace": login.workspace,
        "scopes": login.scopes.split(' ').collect::<Vec<_>>(),
    })
}

fn list(context: &Context) -> Result<Exit> {
    let all = logins::all(&context.config.home)?;
    let documents: Vec<Value> = all.iter().map(shown).collect();
    context.output.show(&documents, |_| {
        let row = |login: &Login| {
            let door = match login.door {
                Door::Api => "commands",
                Door::Mcp => "mcp",
            };
            vec![
                login.server.clone(),
                door.to_owned(),
                plain(&login.account),
                plain(&login.workspace),
                plain(&login.scopes),
            ]
        };
        let rows: Vec<_> = all.iter().map(row).collect();
        table(&["SERVER", "FOR", "ACCOUNT", "WORKSPACE", "SCOPES"], &rows)
    });
    Ok(Exit::Done)
}

pub(crate) async fn logout(context: &Context, arguments: LogoutArguments) -> Result<Exit> {
    let client = context.client_to_be()?;
    let named = context.config.url.as_ref().map(|_| client.origin());
    let known = logins::all(&context.config.home)?;
    let wanted = to_end(known, named.as_deref(), arguments.all)?;
    let held = Held::take(&context.config.home).await?;
    let mut ended = Vec::new();
    let mut untold = None;
    for login in wanted {
        // As it is now: another command may have renewed it.
        let now = logins::find(&context.config.home, &login.server, login.door)?;
        let Some(login) = now else { continue };
        held.forget(&login.server, login.door)?;
        let at = Url::parse(&login.server).map(|url| client.at(url));
        if let Ok(client) = at
            && let Err(failure) = end(&client, &login).await
        {
            untold = Some((login.server.clone(), failure));
        }
        ended.push(login);
    }
    if let Some((server, failure)) = untold {
        let message = format!(
            "the tokens are forgotten here, but {server} could not be told: {}",
            failure.message
        );
        return Err(Failure { message, ..failure }.next(
            "end what was granted there: `executor grants list` and `executor grants revoke`",
        ));
    }
    let documents: Vec<Value> = ended.iter().map(shown).collect();
    context.output.show(&documents, |_| {
        let lines = ended.iter().map(|l| format!("signed out at {}", l.server));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Done)
}

/// Which logins to end: those at the server that is named, the only one, or all.
fn to_end(known: Vec<Login>, server: Option<&str>, all: bool) -> Result<Vec<Login>> {
    let nowhere = |place: &str| {
        Failure::failed("not_signed_in", format!("nobody is signed in{place}"))
            .next("`executor login --list` shows where you are")
    };
    if all {
        return Ok(known);
    }
    if let Some(server) = server {
        let there: Vec<Login> = known.into_iter().filter(|l| l.server == server).collect();
        return match there.is_empty() {
            true => Err(nowhere(&format!(" at {server}"))),
            false => Ok(there),
        };
    }
    let Some(first) = known.first().map(|login| login.server.clone()) else {
        return Err(nowhere(""));
    };
    if known.iter().any(|login| login.server != first) {
        return Err(Failure::usage("you are signed in at several servers")
            .next("name one with --server, or sign out everywhere with --all"));
    }
    Ok(known)
}

/// Gives a refresh token back, and its grant with it (RFC 7009).
async fn end(client: &Client, login: &Login) -> Result<()> {
    let form = [
        ("token", login.refresh.expose()),
        ("client_id", login.client_id.as_str()),
    ];
    match client.form(&["oauth", "revoke"], &form).await? {
        Told::Given(_) => Ok(()),
        // What is not known there has ended there.
        Told::Refused { code, .. } if code == "invalid_client" => Ok(()),
        Told::Refused { code, why } => Err(Failure::failed(&code, why)),
    }
}
