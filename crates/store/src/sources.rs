//! Sources with what was read from them: the description as it came, and the tools made of it.
//!
//! A source's tools are kept as one text and swapped in one write: nobody ever wants half of them.

pub mod upkeep;

use crate::db::{Row, json, params};
use crate::{Error, Reader, Tx};
use domain::SourceId;
use domain::access::Scope;
use domain::policy::Pattern;
use domain::source::{
    LookedAt, ReadFailure, RefreshEvery, Source, SourceKind, SourceStatus, Upkeep,
};
use domain::tool::Tool;

/// A source as imported.
#[derive(Debug, Clone, Copy)]
pub struct Imported<'a> {
    /// The source itself.
    pub source: &'a Source,
    /// The description as it was read.
    pub document: &'a str,
    /// The definitions that the tools' schemas refer to, as JSON text.
    pub definitions: &'a str,
    /// Its tools.
    pub tools: &'a [Tool],
    /// The definitions that somebody looked at.
    pub looked_at: &'a [LookedAt],
    /// By what its server recognizes the description, as JSON text.
    pub validators: Option<&'a str>,
}

/// What was made of a source's description, as texts: whoever reads them judges whether they are
/// whole, so that one that is not takes no other down with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The definitions that the tools' schemas refer to, as JSON text.
    pub definitions: String,
    /// Its tools, as JSON text.
    pub tools: String,
}

/// Adds a source with its tools.
///
/// # Errors
/// [`Error::Conflict`] (`sources_name`) if the workspace has a source of that name; those of the
/// database.
pub fn insert(tx: &mut Tx<'_>, scope: &Scope, new: Imported<'_>) -> Result<(), Error> {
    let source = new.source;
    tx.execute(
        "insert into sources
             (id, organization_id, workspace_id, name, kind, title, origin, base_url, auth,
              allow_private, headers, status, reason, tool_count, warnings, document_digest,
              created_at, refreshed_at, idempotent, trust_hints, unreviewed, findings, refresh_every,
              next_refresh_at, validators, may_ask)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19, $20, $21, $22, $23, $24, $25, $26)",
        &params![
            &source.id,
            scope.organization_id(),
            scope.workspace_id(),
            &source.name,
            source.kind.as_str(),
            &source.title,
            json(&source.origin)?,
            &source.base_url,
            json(&source.auth)?,
            source.allow_private,
            json(&source.headers)?,
            source.status.as_str(),
            reason(&source.status),
            source.tool_count,
            json(&source.warnings)?,
            &source.document_digest,
            source.created_at,
            source.refreshed_at,
            json(&source.idempotent)?,
            source.trust_hints,
            json(&source.upkeep.unreviewed)?,
            json(&source.upkeep.findings)?,
            source.upkeep.refresh_every.map(RefreshEvery::to_text),
            source.upkeep.next_refresh_at,
            new.validators,
            source.may_ask,
        ],
    )?;
    tx.execute(
        "insert into source_documents
             (source_id, organization_id, workspace_id, document, definitions, tools, looked_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &params![
            &source.id,
            scope.organization_id(),
            scope.workspace_id(),
            new.document,
            new.definitions,
            json(&new.tools)?,
            json(&new.looked_at)?,
        ],
    )?;
    bump(tx, scope)
}

/// Replaces a source and its tools by what was read anew: everything but its identifier, when it was
/// added, how often it is read and which tools are safe to repeat. False if there is no such source
/// at the revision that the new one was made from.
///
/// # Errors
/// As for [`insert`].
pub fn replace(tx: &mut Tx<'_>, scope: &Scope, new: Imported<'_>) -> Result<bool, Error> {
    let source = new.source;
    let replaced = tx.execute(
        "update sources
         set name = $3, kind = $4, title = $5, origin = $6, base_url = $7, auth = $8,
             allow_private = $9, headers = $10, status = $11, reason = $12, tool_count = $13,
             warnings = $14, document_digest = $15, refreshed_at = $16, unreviewed = $17,
             findings = $18, next_refresh_at = $19, validators = $20, failures = 0,
             revision = revision + 1
         where id = $1 and workspace_id = $2 and revision = $21",
        &params![
            &source.id,
            scope.workspace_id(),
            &source.name,
            source.kind.as_str(),
            &source.title,
            json(&source.origin)?,
            &source.base_url,
            json(&source.auth)?,
            source.allow_private,
            json(&source.headers)?,
            source.status.as_str(),
            reason(&source.status),
            source.tool_count,
            json(&source.warnings)?,
            &source.document_digest,
            source.refreshed_at,
            json(&source.upkeep.unreviewed)?,
            json(&source.upkeep.findings)?,
            source.upkeep.next_refresh_at,
            new.validators,
            source.upkeep.revision,
        ],
    )?;
    if replaced == 0 {
        return Ok(false);
    }
    tx.execute(
        "update source_documents
         set document = $3, definitions = $4, tools = $5, looked_at = $6
         where source_id = $1 and workspace_id = $2",
        &params![
            &source.id,
            scope.workspace_id(),
            new.document,
            new.definitions,
            json(&new.tools)?,
            json(&new.looked_at)?
        ],
    )?;
    bump(tx, scope)?;
    Ok(true)
}

fn reason(status: &SourceStatus) -> Option<&str> {
    match status {
        SourceStatus::Degraded { reason } => Some(reason),
        SourceStatus::Ready | SourceStatus::Disabled => None,
    }
}

/// Records how a source is. False if there is no such source.
///
/// # Errors
/// Those of the database.
pub fn set_status(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    status: &SourceStatus,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update sources set status = $3, reason = $4 where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), status.as_str(), reason(status)],
    )?;
    if set == 1 {
        bump(tx, scope)?;
    }
    Ok(set == 1)
}

/// Records which tools of a source an administrator calls safe to repeat. False if there is no such
/// source.
///
/// # Errors
/// Those of the database.
pub fn set_idempotent(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    tools: &[Pattern],
) -> Result<bool, Error> {
    let set = tx.execute(
        "update sources set idempotent = $3 where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), json(&tools)?],
    )?;
    if set == 1 {
        bump(tx, scope)?;
    }
    Ok(set == 1)
}

/// Records whether a source may ask people something. False if there is no such source.
///
/// # Errors
/// Those of the database.
pub fn set_may_ask(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &SourceId,
    may_ask: bool,
) -> Result<bool, Error> {
    let set = tx.execute(
        "update sources set may_ask = $3 where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id(), may_ask],
    )?;
    if set == 1 {
        bump(tx, scope)?;
    }
    Ok(set == 1)
}

/// Removes a source with its tools and credentials. Calls that were made to it stay in the journal.
/// False if there is no such source.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, scope: &Scope, id: &SourceId) -> Result<bool, Error> {
    tx.execute(
        "delete from credentials where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    tx.execute(
        "delete from source_traffic where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    tx.execute(
        "delete from oauth_connects where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    tx.execute(
        "delete from source_documents where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    let removed = tx.execute(
        "delete from sources where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
    )?;
    if removed == 1 {
        bump(tx, scope)?;
    }
    Ok(removed == 1)
}

fn bump(tx: &mut Tx<'_>, scope: &Scope) -> Result<(), Error> {
    tx.execute(
        "update workspace_heads set catalog_version = catalog_version + 1 where workspace_id = $1",
        &params![scope.workspace_id()],
    )?;
    Ok(())
}

const COLUMNS: &str = "sources.id, sources.name, sources.kind, sources.title, sources.origin, \
     sources.base_url, sources.auth, sources.allow_private, sources.headers, sources.status, \
     sources.reason, sources.tool_count, sources.warnings, sources.document_digest, \
     sources.created_at, sources.refreshed_at, sources.idempotent, sources.trust_hints, \
     sources.unreviewed, sources.findings, sources.refresh_every, sources.next_refresh_at, \
     sources.failures, sources.failed_at, sources.failure, sources.revision, sources.may_ask";

fn read(r: &mut Row<'_>) -> Result<Source, Error> {
    Ok(Source {
        id: r.id()?,
        name: r.text()?,
        kind: r.named(SourceKind::parse)?,
        title: r.text()?,
        origin: r.json()?,
        base_url: r.text()?,
        auth: r.json()?,
        allow_private: r.int()? != 0,
        headers: r.json()?,
        status: read_status(r)?,
        tool_count: r.u32()?,
        warnings: r.json()?,
        document_digest: r.text()?,
        created_at: r.time()?,
        refreshed_at: r.time()?,
        idempotent: r.json()?,
        trust_hints: r.int()? != 0,
        upkeep: read_upkeep(r)?,
        may_ask: r.int()? != 0,
    })
}

fn read_upkeep(r: &mut Row<'_>) -> Result<Upkeep, Error> {
    let (unreviewed, findings) = (r.json()?, r.json()?);
    let refresh_every = r
        .opt_text()?
        .map(|text| RefreshEvery::parse(&text).map_err(Error::Corrupt))
        .transpose()?;
    let (next_refresh_at, failures) = (r.opt_time()?, r.u32()?);
    let last_failure = match (r.opt_time()?, r.opt_text()?) {
        (Some(at), Some(reason)) => Some(ReadFailure { at, reason }),
        (_, _) => None,
    };
    Ok(Upkeep {
        unreviewed,
        findings,
        refresh_every,
        next_refresh_at,
        failures,
        last_failure,
        revision: r.int()?,
    })
}

fn read_status(r: &mut Row<'_>) -> Result<SourceStatus, Error> {
    let (status, reason) = (r.text()?, r.opt_text()?);
    Ok(match (status.as_str(), reason) {
        ("ready", None) => SourceStatus::Ready,
        ("degraded", Some(reason)) => SourceStatus::Degraded { reason },
        ("disabled", None) => SourceStatus::Disabled,
        (_, _) => {
            return Err(Error::Corrupt(format!(
                "a source has an odd status, {status}"
            )));
        }
    })
}

/// The sources of the workspace, by name.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<Source>, Error> {
    conn.all(
        &format!("select {COLUMNS} from sources where workspace_id = $1 order by name"),
        &params![scope.workspace_id()],
        read,
    )
}

/// A source of the workspace.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, scope: &Scope, id: &SourceId) -> Result<Option<Source>, Error> {
    conn.one(
        &format!("select {COLUMNS} from sources where id = $1 and workspace_id = $2"),
        &params![id, scope.workspace_id()],
        read,
    )
}

/// A source of the workspace by its name, letter for letter.
///
/// # Errors
/// Those of the database.
pub fn by_name(conn: &mut Reader<'_>, scope: &Scope, name: &str) -> Result<Option<Source>, Error> {
    conn.one(
        &format!("select {COLUMNS} from sources where name = $1 and workspace_id = $2"),
        &params![name, scope.workspace_id()],
        read,
    )
}

/// The description that a source was last imported from, as it was read.
///
/// # Errors
/// Those of the database.
pub fn document(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &SourceId,
) -> Result<Option<String>, Error> {
    conn.one(
        "select document from source_documents where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.text(),
    )
}

/// What was made of one source's description, whatever its status; none if there is no such source.
///
/// # Errors
/// Those of the database.
pub fn made(conn: &mut Reader<'_>, scope: &Scope, id: &SourceId) -> Result<Option<Made>, Error> {
    conn.one(
        "select definitions, tools
         from source_documents
         where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        read_made,
    )
}

/// The tools of one source, whatever its status; none if there is no such source.
///
/// # Errors
/// Those of the database; [`Error::Corrupt`] if they cannot be read as they are stored.
pub fn tools(conn: &mut Reader<'_>, scope: &Scope, id: &SourceId) -> Result<Vec<Tool>, Error> {
    conn.one(
        "select tools from source_documents where source_id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.json(),
    )
    .map(Option::unwrap_or_default)
}

fn read_made(r: &mut Row<'_>) -> Result<Made, Error> {
    Ok(Made {
        definitions: r.text()?,
        tools: r.text()?,
    })
}

/// Every source of the workspace that is not disabled, by name, with what was made of its
/// description.
///
/// # Errors
/// Those of the database.
pub fn catalog(conn: &mut Reader<'_>, scope: &Scope) -> Result<Vec<(Source, Made)>, Error> {
    conn.all(
        &format!(
            "select {COLUMNS}, source_documents.definitions, source_documents.tools
             from sources
             join source_documents on source_documents.source_id = sources.id
             where sources.workspace_id = $1 and sources.status <> 'disabled'
             order by sources.name"
        ),
        &params![scope.workspace_id()],
        |r| Ok((read(r)?, read_made(r)?)),
    )
}

/// A number that rises with every change to the workspace's catalog.
///
/// # Errors
/// Those of the database.
pub fn catalog_version(conn: &mut Reader<'_>, scope: &Scope) -> Result<i64, Error> {
    conn.one(
        "select catalog_version from workspace_heads where workspace_id = $1",
        &params![scope.workspace_id()],
        |r| r.int(),
    )
    .map(Option::unwrap_or_default)
}
