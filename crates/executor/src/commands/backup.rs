//! `executor backup` and `executor restore`: everything that a server keeps, in one file, and back.
//!
//! A backup is taken over the API while the server serves, or from the database itself where none
//! runs. It is looked through before it gets its name. A restore goes into an empty database only,
//! of either kind, and is done by whoever may read the data directory, with no server running.

use crate::client::Client;
use crate::config::without_password;
use crate::context::Context;
use crate::duration::now_ms;
use crate::failure::{Exit, Failure, Result};
use crate::home::{self, Held};
use crate::master_key::{self, Found};
use crate::serve;
use domain::Timestamp;
use serde::Serialize;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use store::backup::Restored;
use vault::Vault;

/// What everybody who keeps a backup has to know.
const ESCROW: &str = "the master key is not in it: without that key the credentials in this backup \
    cannot be opened. Keep the key apart from the backup, such as in a password manager or a sealed \
    envelope";

/// Writes everything that the server keeps to one file, while it serves
///
/// For whoever runs the server: it holds every organization. Credentials are in it as they are kept,
/// sealed; the master key is not.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor backup executor-2026-11-27.backup\n  executor backup --output executor.backup --json"
)]
pub(crate) struct BackupArguments {
    /// File to write
    #[arg(required_unless_present = "output")]
    file: Option<PathBuf>,
    /// The same
    #[arg(long, short, value_name = "FILE", conflicts_with = "file")]
    output: Option<PathBuf>,
}

/// Takes a backup into an empty data directory or database, with no server running
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  executor restore executor.backup --data-dir ./restored\n  executor restore executor.backup --database-url postgres://executor@localhost/executor"
)]
pub(crate) struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// PostgreSQL database to restore into; the embedded one of the data directory by default [env: EXECUTOR_DATABASE_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    file: String,
    bytes: u64,
    taken_at: String,
    master_key_included: bool,
}

pub(crate) async fn backup(context: &Context, arguments: BackupArguments) -> Result<Exit> {
    let Some(path) = arguments.file.or(arguments.output) else {
        return Err(Failure::usage("name a file to write"));
    };
    // Beside its place, so that a part is never taken for the whole.
    let draft = path.with_added_extension("part");
    let written = write(context, &draft).await.and_then(|bytes| {
        let header = store::backup::look_through(BufReader::new(open(&draft)?)).map_err(refused)?;
        std::fs::rename(&draft, &path).map_err(|e| cannot("write", &path, &e))?;
        Ok(Taken {
            file: path.display().to_string(),
            bytes,
            taken_at: Timestamp(header.taken_at).to_rfc3339(),
            master_key_included: false,
        })
    });
    let taken = written.inspect_err(|_| {
        let _none = std::fs::remove_file(&draft);
    })?;
    context.output.show(&taken, |t| {
        format!("{} bytes in {}, as of {}", t.bytes, t.file, t.taken_at)
    });
    context.output.note(ESCROW);
    Ok(Exit::Done)
}

async fn write(context: &Context, draft: &Path) -> Result<u64> {
    let mut file = home::private()
        .create(true)
        .truncate(true)
        .open(draft)
        .map_err(|e| cannot("write", draft, &e))?;
    let serves = context.config.url.is_some() || home::notice(&context.config.home).is_some();
    let bytes = if serves {
        download(&context.client()?, &mut file, draft).await?
    } else {
        read_database(context, &mut file, draft)?
    };
    file.sync_all().map_err(|e| cannot("write", draft, &e))?;
    Ok(bytes)
}

async fn download(client: &Client, file: &mut File, draft: &Path) -> Result<u64> {
    let mut answer = client.download(&["backup"], &[]).await?;
    let mut bytes = 0;
    while let Some(piece) = answer.chunk().await.map_err(|e| client.broke_off(&e))? {
        file.write_all(&piece)
            .map_err(|e| cannot("write", draft, &e))?;
        bytes += piece.len() as u64;
    }
    Ok(bytes)
}

/// With no server running, whoever may read the database may copy it.
fn read_database(context: &Context, file: &mut File, draft: &Path) -> Result<u64> {
    let location = serve::location(&context.config)?;
    if let store::Location::File(path) = &location
        && !path.exists()
    {
        let message = format!(
            "there is nothing to back up: {} does not exist",
            path.display()
        );
        return Err(Failure::failed("not_found", message)
            .next("name the data directory with --data-dir, or a server with --server"));
    }
    let (mut bytes, mut failed) = (0, None);
    let mut sink = |piece: Vec<u8>| match file.write_all(&piece) {
        Ok(()) => {
            bytes += piece.len() as u64;
            true
        }
        Err(e) => {
            failed = Some(e);
            false
        }
    };
    let system = serve::system();
    apart(|| store::backup::write_from(&location, system, Timestamp(now_ms()), &mut sink))??;
    match failed {
        Some(e) => Err(cannot("write", draft, &e)),
        None => Ok(bytes),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TakenIn {
    taken_at: String,
    database: String,
    rows: u64,
    tables: Vec<(String, u64)>,
    master_key: &'static str,
}

pub(crate) async fn restore(context: &Context, arguments: RestoreArguments) -> Result<Exit> {
    let config = &context.config;
    // Nobody serves this directory while it is filled.
    let _held = Held::take(&config.home)?;
    let location = serve::location(config)?;
    let key = master_key::find(config)?;
    let database = match &location {
        store::Location::File(path) => path.display().to_string(),
        store::Location::Memory => "memory".to_owned(),
        store::Location::Postgres(url) => without_password(url),
    };
    let mut known = "absent";
    let judge = |header: &store::backup::Header| -> Result<()> {
        match &key {
            Found::None(_) => Ok(()),
            Found::Key(_) if header.vault_check.is_none() => Ok(()),
            Found::Key(_) => {
                known = "fits";
                fits(&key, header)
            }
        }
    };
    let file = &arguments.file;
    let restored: Restored =
        apart(|| store::backup::restore(&location, || open(file).map(BufReader::new), judge))??;
    let shown = TakenIn {
        taken_at: Timestamp(restored.taken_at).to_rfc3339(),
        database,
        rows: restored.rows.iter().map(|(_, rows)| rows).sum(),
        tables: restored.rows,
        master_key: known,
    };
    context.output.show(&shown, |s| {
        let tables = s.tables.len();
        format!(
            "{} rows of {tables} tables, as of {}, are in {}",
            s.rows, s.taken_at, s.database
        )
    });
    if let Found::None(path) = &key {
        context.output.note(&format!(
            "no master key is here yet: put the one of the server that was backed up at {} (or give \
             it with EXECUTOR_MASTER_KEY) before you start; without it the credentials cannot be \
             opened",
            path.display()
        ));
    }
    Ok(Exit::Done)
}

fn fits(key: &Found, header: &store::backup::Header) -> Result<()> {
    let (Found::Key(key), Some(check)) = (key, &header.vault_check) else {
        return Ok(());
    };
    Vault::new(key.again()).verify_check(check).map_err(|_| {
        let message = "the master key here is not the one that this backup was sealed with; nothing \
                       was written";
        Failure::failed("wrong_master_key", message).next(
            "give the key of the server that was backed up, with EXECUTOR_MASTER_KEY, \
             EXECUTOR_MASTER_KEY_FILE or the file master.key of the data directory",
        )
    })
}

/// Runs work on a thread of its own: a database is not spoken to on one that runs async code.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|threads| threads.spawn(work).join())
        .map_err(|_| Failure::failed("internal", "the work panicked"))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| cannot("read", path, &e))
}

fn cannot(what: &str, path: &Path, e: &std::io::Error) -> Failure {
    let message = format!("cannot {what} {}: {e}", path.display());
    Failure::failed("file_error", message)
}

fn refused(e: store::Error) -> Failure {
    let code = match &e {
        store::Error::BadBackup(_) => "bad_backup",
        store::Error::NotEmpty => "not_empty",
        store::Error::Newer { .. } | store::Error::Altered(_) => "newer_schema",
        store::Error::Unavailable(_)
        | store::Error::SignIn(_)
        | store::Error::Location(_)
        | store::Error::Full(_)
        | store::Error::Corrupt(_)
        | store::Error::LostLease(_)
        | store::Error::JournalBroken { .. }
        | store::Error::Conflict(_)
        | store::Error::Unstorable
        | store::Error::Closed
        | store::Error::Internal(_) => "database",
    };
    Failure::failed(code, e.to_string())
}

impl From<store::Error> for Failure {
    fn from(e: store::Error) -> Self {
        refused(e)
    }
}
