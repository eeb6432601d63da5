//! `executor vault`: how the keys stand that protect credentials, and changing them while serving.
//!
//! A new master key is written beside the one in use before the server is told of it, and takes its
//! place after; a start finds either and knows which is right (`master_key.rs`).

use crate::config::Config;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::master_key;
use api::vault::{MasterKeyRotation, VaultStatus};
use reqwest::Method;
use std::path::PathBuf;
use vault::{MasterKey, Vault};

/// The keys that protect credentials, and changing them while serving
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  executor vault status\n  executor vault rotate --generate")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Says how the keys stand, without any of them
    #[command(after_help = "Example:\n  executor vault status --json")]
    Status,
    /// Changes the master key, or with --data-key that of the organization; no call fails meanwhile
    ///
    /// For whoever runs the server. Several servers take the new master key over by themselves, but
    /// each needs it to start again: give it to all of them.
    #[command(
        after_help = "Examples:\n  executor vault rotate --generate\n  executor vault rotate --new-key-file new.key\n  executor vault rotate --data-key"
    )]
    Rotate {
        /// File with the new master key: 32 bytes in base64
        #[arg(long, value_name = "FILE", conflicts_with_all = ["generate", "data_key"])]
        new_key_file: Option<PathBuf>,
        /// Make a new master key, and keep it where the present one lies
        #[arg(long, conflicts_with = "data_key")]
        generate: bool,
        /// Make a new data key for the organization, and seal anew what the one before sealed
        #[arg(long)]
        data_key: bool,
    },
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let client = context.client()?;
    let status: VaultStatus = client.get(&["vault"], &[]).await?;
    let status = match arguments.command {
        Command::Status => status,
        Command::Rotate { data_key: true, .. } => client.post(&["vault", "data-key"], &[]).await?,
        Command::Rotate {
            new_key_file,
            generate,
            ..
        } => {
            let kept = kept_here(&context.config, &status)?;
            let next = match (&new_key_file, generate) {
                (Some(path), _) => master_key::read_file(path)?,
                (None, true) if kept.is_some() => MasterKey::generate()
                    .map_err(|e| Failure::failed("randomness", e.to_string()))?,
                (None, true) => {
                    return Err(Failure::usage(
                        "the server's master key is in no file of this machine, so a new one would \
                         be kept nowhere",
                    )
                    .next("make one with `openssl rand -base64 32`, keep it, and give it with --new-key-file"));
                }
                (None, false) => {
                    return Err(Failure::usage(
                        "give a key with --new-key-file, or --generate one",
                    ));
                }
            };
            if let Some(path) = &kept {
                master_key::put_beside(path, &next)?;
            }
            let body = MasterKeyRotation {
                key: next.to_base64().to_string(),
            };
            let path = ["vault", "master-key"];
            let rotated: VaultStatus = client.send(Method::POST, &path, &body).await?;
            match &kept {
                Some(path) => {
                    master_key::take_place(path)?;
                    context.output.note(&format!(
                        "the new master key is in {}; keep a copy apart from the backups",
                        path.display()
                    ));
                }
                None => context.output.note(
                    "give the new master key to every server before it starts again, where it was \
                     given the one before (EXECUTOR_MASTER_KEY or EXECUTOR_MASTER_KEY_FILE)",
                ),
            }
            rotated
        }
    };
    context.output.show(&status, told);
    Ok(Exit::Done)
}

fn told(status: &VaultStatus) -> String {
    let taking = if status.handing_over {
        "; servers are still taking it over"
    } else {
        ""
    };
    let data_key = match &status.data_key {
        None => "no data key yet".to_owned(),
        Some(key) if key.resealing => format!(
            "data key {} of {}; what older ones sealed is being sealed anew",
            key.version, key.created_at
        ),
        Some(key) => format!("data key {} of {}", key.version, key.created_at),
    };
    format!("master key {}{taking}\n{data_key}", status.master_key)
}

/// The file of this machine in which the server's present master key is kept, if it is one.
fn kept_here(config: &Config, status: &VaultStatus) -> Result<Option<PathBuf>> {
    let Some(path) = master_key::file(config) else {
        return Ok(None);
    };
    if !path.exists() {
        return Ok(None);
    }
    let present = Vault::new(master_key::read_file(&path)?).fingerprint();
    Ok((present == status.master_key).then_some(path))
}
