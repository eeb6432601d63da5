//! `executor credentials`: values go in from a prompt, stdin or a file, and never come out.

use crate::client::Client;
use crate::commands::{find, removed};
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::{plain, table};
use crate::terminal::secret;
use api::credentials::{
    Credential, CredentialOrder, CredentialRotation, CredentialTest, NewCredential,
};
use reqwest::Method;
use std::path::{Path, PathBuf};

mod connect;
mod import;

/// Sets, tests and rotates what opens a source
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor credentials set github\n  executor credentials set github --from-file token.txt --scope personal"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Sets the credential of a source; the value comes from a prompt, stdin or a file
    #[command(
        after_help = "Examples:\n  executor credentials set github\n  pass show github | executor credentials set github --auth bearer"
    )]
    Set {
        /// The source's name or id
        source: String,
        /// Whom it serves: personal, workspace (the default) or organization
        #[arg(long)]
        scope: Option<String>,
        /// How it is attached, where the source does not say: bearer, basic, header:NAME, query:NAME, cookie:NAME
        #[arg(long)]
        auth: Option<String>,
        /// What tells this account apart, where a source has several
        #[arg(long)]
        label: Option<String>,
        /// File with the value
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// Lets the source's authorization server grant a credential that renews itself (OAuth)
    #[command(
        after_help = "Examples:\n  executor credentials connect github\n  executor credentials connect github --flow device --oauth-scope repo\n  executor credentials connect crm --client-id abc --authorization-url https://… --token-url https://…\n  executor credentials connect crm --flow client-credentials --client-id abc --secret-file secret.txt"
    )]
    Connect(Box<connect::Arguments>),
    /// Makes a credential the one that calls take, among several accounts
    #[command(after_help = "Example:\n  executor credentials prefer cred_…")]
    Prefer {
        /// The credential's id
        credential: String,
    },
    /// Lists credentials, without their values
    #[command(after_help = "Example:\n  executor credentials list --json")]
    List,
    /// Tries a credential with a harmless call; exit 1 if it is rejected
    #[command(after_help = "Example:\n  executor credentials test github")]
    Test {
        /// The credential's id, or the name of a source that has one
        credential: String,
    },
    /// Replaces the value
    #[command(
        after_help = "Example:\n  executor credentials rotate github --from-file new-token.txt"
    )]
    Rotate {
        /// The credential's id, or the name of a source that has one
        credential: String,
        /// File with the value
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// Takes credentials from the environment or a `.env` file, those that you name and no other
    ///
    /// Nothing is ever read from the environment by itself. Names are shown, values never; a person
    /// is asked first.
    #[command(
        after_help = "Examples:\n  executor credentials import --env GITHUB_TOKEN=github\n  executor credentials import --env-file .env --env STRIPE_KEY=stripe --env GH=github --scope personal\n  executor credentials import --env-file .env"
    )]
    Import(import::Arguments),
    /// Shows or sets in which order a source looks: personal, workspace, organization
    #[command(
        after_help = "Examples:\n  executor credentials order github\n  executor credentials order github workspace personal"
    )]
    Order {
        /// The source's name or id
        source: String,
        /// The order; what is left out is not looked in
        order: Vec<String>,
    },
    /// Removes a credential
    #[command(after_help = "Example:\n  executor credentials remove cred_…")]
    Remove {
        /// The credential's id, or the name of a source that has one
        credential: String,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let output = &context.output;
    match arguments.command {
        Command::Set {
            source,
            scope,
            auth,
            label,
            from_file,
        } => {
            let new = NewCredential {
                source,
                value: String::new(),
                scope,
                auth,
                label,
            };
            let credential = set(context, &client, new, from_file.as_deref()).await?;
            output.show(&credential, |c| listed(std::slice::from_ref(c)));
        }
        Command::Order { source, order } => {
            let path = ["sources", &source, "credential-order"];
            let order: CredentialOrder = if order.is_empty() {
                client.get(&path, &[]).await?
            } else {
                let wanted = CredentialOrder { order };
                client.send(Method::PUT, &path, &wanted).await?
            };
            output.show(&order, |o| plain(&o.order.join(", ")));
        }
        Command::Import(arguments) => return import::run(context, &client, arguments).await,
        Command::Connect(arguments) => return connect::run(context, &client, *arguments).await,
        Command::Prefer { credential } => {
            let credential = one(&client, &credential).await?;
            let path = ["credentials", &credential.id, "prefer"];
            let credential: Credential = client.post(&path, &[]).await?;
            output.show(&credential, |c| listed(std::slice::from_ref(c)));
        }
        Command::List => {
            let all: Vec<Credential> = client.list(&["credentials"], &[], usize::MAX).await?;
            output.show(&all, |all| listed(all));
            for credential in &all {
                look_after(context, credential);
            }
        }
        Command::Test { credential } => return test(context, &client, &credential).await,
        Command::Rotate {
            credential,
            from_file,
        } => {
            let credential = rotate(context, &client, &credential, from_file.as_deref()).await?;
            output.show(&credential, |c| listed(std::slice::from_ref(c)));
        }
        Command::Remove { credential } => {
            let credential = one(&client, &credential).await?;
            client.delete(&["credentials", &credential.id]).await?;
            return Ok(removed(context, "credential", &credential.id));
        }
    }
    Ok(Exit::Done)
}

async fn test(context: &Context, client: &Client, credential: &str) -> Result<Exit> {
    let credential = one(client, credential).await?;
    let path = ["credentials", &credential.id, "test"];
    let test: CredentialTest = client.post(&path, &[]).await?;
    context.output.show(&test, |t| {
        let word = match t.accepted {
            Some(true) => "accepted",
            Some(false) => "rejected",
            None => "not tried",
        };
        format!("{word}: {}", plain(&t.message))
    });
    Ok(if test.accepted == Some(false) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

async fn rotate(
    context: &Context,
    client: &Client,
    credential: &str,
    from_file: Option<&Path>,
) -> Result<Credential> {
    let credential = one(client, credential).await?;
    let what = format!("New value for {}", plain(&credential.source));
    let value = secret(&context.output, &what, from_file)?;
    let body = CredentialRotation {
        value: value.expose().to_owned(),
    };
    let path = ["credentials", &credential.id, "rotate"];
    client.send(Method::POST, &path, &body).await
}

/// Reads a value and sets it as the credential of a source.
async fn set(
    context: &Context,
    client: &Client,
    new: NewCredential,
    from_file: Option<&Path>,
) -> Result<Credential> {
    let how = new
        .auth
        .as_deref()
        .map(|a| format!(" ({a})"))
        .unwrap_or_default();
    let what = format!("Credential for {}{how}", new.source);
    let value = secret(&context.output, &what, from_file)?;
    let new = NewCredential {
        value: value.expose().to_owned(),
        ..new
    };
    client.send(Method::POST, &["credentials"], &new).await
}

/// A credential by its id, or by a source that has exactly one.
async fn one(client: &Client, wanted: &str) -> Result<Credential> {
    let all: Vec<Credential> = client.list(&["credentials"], &[], usize::MAX).await?;
    let of_source = all.iter().filter(|c| c.source == wanted).count();
    if of_source > 1 {
        return Err(
            Failure::usage(format!("source {wanted} has {of_source} credentials"))
                .next("name one by its id; `executor credentials list` shows them"),
        );
    }
    find(&all, "credential", wanted, |c| {
        c.id == wanted || c.source == wanted
    })
    .cloned()
}

/// Says what a person has to do about a credential.
fn look_after(context: &Context, credential: &Credential) {
    if let (Some(reason), Some(connection)) = (&credential.reason, &credential.connection) {
        context.output.note(&plain(&format!(
            "{}: {reason}; connect it anew at {}",
            credential.source, connection.connect_url
        )));
    }
}

fn listed(credentials: &[Credential]) -> String {
    let row = |c: &Credential| {
        vec![
            c.source.clone(),
            c.scope.clone(),
            c.label.clone().unwrap_or_default(),
            c.auth.clone(),
            c.state.clone(),
            c.version.to_string(),
            c.rotated_at.clone(),
            c.last_used_at.clone().unwrap_or_else(|| "never".to_owned()),
            c.id.clone(),
        ]
    };
    table(
        &[
            "SOURCE",
            "SCOPE",
            "LABEL",
            "AUTH",
            "STATE",
            "VERSION",
            "SET",
            "LAST USED",
            "ID",
        ],
        &credentials.iter().map(row).collect::<Vec<_>>(),
    )
}
