//! `executor sources add`: a description, an endpoint, an MCP server, a command, the servers of an
//! `mcp.json`, or a preset. What it is, the server finds out; the files that a description consists
//! of are read here.

use super::{Add, beside, look, presets};
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::plain;
use crate::terminal::secret;
use api::sources::{FirstCredential, NewSource, Preset, Source, SourcePreview};
use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// Adds what was named, or with `--dry-run` shows it.
pub(super) async fn added(context: &Context, client: &Client, mut add: Add) -> Result<Exit> {
    let (mut news, preset) = to_add(client, &mut add).await?;
    let several = news.len() > 1;
    if several && add.auth.is_some() {
        return Err(Failure::usage(
            "--auth sets one credential, and this file names several servers",
        )
        .next("add the file without it, then `executor credentials set SOURCE`"));
    }
    let without_credential = add.auth.is_none();
    if let (Some(auth), [new]) = (add.auth, news.as_mut_slice()) {
        let what = format!("Credential ({auth})");
        let value = secret(&context.output, &what, add.from_file.as_deref())?;
        new.credential = Some(FirstCredential {
            value: value.expose().to_owned(),
            auth: Some(auth),
        });
    }
    if add.dry_run {
        for new in &news {
            let path = ["sources", "preview"];
            let preview: SourcePreview = client.send(Method::POST, &path, new).await?;
            context.output.show(&preview, look::preview);
        }
        return Ok(Exit::Done);
    }
    let mut sources: Vec<Source> = Vec::new();
    for new in &news {
        let source: Source = client.send(Method::POST, &["sources"], new).await?;
        if !context.output.json {
            context.output.line(&told(&source, new.url.as_deref()));
        }
        sources.push(source);
    }
    if let (Some(preset), [source]) = (preset.filter(|_| without_credential), &sources[..]) {
        context.output.note(&presets::advice(&preset, &source.name));
    }
    if context.output.json {
        let shown: Vec<Added<'_>> = sources.iter().map(Added::of).collect();
        match shown.as_slice() {
            [one] => context.output.document(one),
            several => context.output.document(&several),
        }
    }
    Ok(Exit::Done)
}

/// What to add: one source, or one for each server of an `mcp.json`; and the preset it is, if any.
async fn to_add(client: &Client, add: &mut Add) -> Result<(Vec<NewSource>, Option<Preset>)> {
    let mut new = NewSource {
        name: add.name.take(),
        kind: add.kind.take(),
        base_url: add.base_url.take(),
        headers: std::mem::take(&mut add.header),
        trust_hints: add.trust_hints,
        allow_private: add.allow_private,
        refresh_every: add.refresh_every.take(),
        ..NewSource::default()
    };
    let Some(from) = add.from.take() else {
        new.command = std::mem::take(&mut add.command);
        new.headers = std::mem::take(&mut add.env);
        return Ok((vec![new], None));
    };
    if from.starts_with("http://") || from.starts_with("https://") {
        new.url = Some(from);
        return Ok((vec![new], None));
    }
    if let Some(preset) = presets::named(client, &from).await? {
        presets::fill(&preset, &mut new)?;
        return Ok((vec![new], Some(preset)));
    }
    let (name, text) = text_of(&from)?;
    new.file_name = Some(name);
    let servers = match tools::mcp_servers(text.as_bytes()) {
        Some(Ok(servers)) if servers.len() > 1 && new.name.is_none() => servers,
        Some(_) => {
            new.document = Some(text);
            return Ok((vec![new], None));
        }
        None => {
            new.document = Some(match Path::new(&from).is_file() {
                true => beside::whole(Path::new(&from), text),
                false => text,
            });
            return Ok((vec![new], None));
        }
    };
    // Each server of the block is a source of its own, under the name that it has there.
    let block: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let entry = |name: &str| {
        ["mcpServers", "servers"]
            .iter()
            .find_map(|key| block.get(*key)?.get(name))
    };
    let each = servers.iter().map(|server| NewSource {
        document: Some(
            json!({ "mcpServers": { (server.name.as_str()): entry(&server.name) } }).to_string(),
        ),
        ..new.clone()
    });
    Ok((each.collect(), None))
}

/// The text of a description that is no address, and a name for it: a file's, stdin's, or the text
/// itself.
fn text_of(from: &str) -> Result<(String, String)> {
    if from.trim_start().starts_with('{') || from.contains('\n') {
        return Ok(("text".to_owned(), from.to_owned()));
    }
    let read = match from {
        "-" => std::io::read_to_string(std::io::stdin()),
        file => std::fs::read_to_string(file),
    };
    let text = read.map_err(|e| {
        Failure::usage(format!("cannot read a description from {from}: {e}")).next(
            "give an address that begins with http:// or https://, a file with JSON, YAML or a \
             GraphQL schema, - for stdin, or a name from `executor sources presets`",
        )
    })?;
    let name = match from {
        "-" => Some("stdin".to_owned()),
        file => Path::new(file)
            .file_name()
            .map(|n| n.to_string_lossy().into_owned()),
    };
    Ok((name.unwrap_or_else(|| from.to_owned()), text))
}

fn told(source: &Source, given: Option<&str>) -> String {
    let mut text = format!(
        "{} {}: {} tools from {}",
        plain(&source.name),
        source.status,
        source.tool_count,
        plain(&source.title)
    );
    if given.is_some_and(|given| given != source.origin) {
        text.push_str(&format!("\n  read from {}", plain(&source.origin)));
    }
    if let Some(reason) = &source.reason {
        text.push_str(&format!("\n  {}", plain(reason)));
    }
    for warning in &source.warnings {
        text.push_str(&format!("\n  left out: {}", plain(warning)));
    }
    text.push_str(&look::found(&source.findings, "\n  "));
    if source.unreviewed > 0 {
        text.push_str(&format!(
            "\n  {} tools ask until somebody has looked at them: `executor sources review {}`",
            source.unreviewed, source.name
        ));
    }
    text
}

/// What `sources add` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    id: &'a str,
    name: &'a str,
    kind: &'a str,
    status: &'a str,
    tool_count: u32,
    warnings: &'a [String],
}

impl<'a> Added<'a> {
    fn of(s: &'a Source) -> Self {
        Self {
            id: &s.id,
            name: &s.name,
            kind: &s.kind,
            status: &s.status,
            tool_count: s.tool_count,
            warnings: &s.warnings,
        }
    }
}
