//! `executor sources presets`, and adding a service by its name.
//!
//! The list is the server's. A preset stands for its address and the first name of its tools; what
//! is given on the command line wins over both.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output::{plain, table};
use api::sources::{NewSource, Preset};
use std::path::Path;

/// Lists them.
pub(super) async fn list(context: &Context, client: &Client) -> Result<()> {
    let presets = all(client).await?;
    context.output.show(&presets, |presets| {
        let row = |p: &Preset| {
            vec![
                p.name.clone(),
                p.title.clone(),
                p.kind.clone(),
                p.auth.clone(),
                p.summary.clone(),
                p.credential_url.clone(),
            ]
        };
        let heads = ["NAME", "TITLE", "KIND", "AUTH", "FOR", "CREDENTIAL"];
        table(&heads, &presets.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

/// The preset that a word names, where it can be no file: one that is there wins.
///
/// # Errors
/// The server cannot be asked.
pub(super) async fn named(client: &Client, word: &str) -> Result<Option<Preset>> {
    let is_name = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_name || Path::new(word).exists() {
        return Ok(None);
    }
    let presets = all(client).await?;
    Ok(presets
        .into_iter()
        .find(|p| p.name.eq_ignore_ascii_case(word)))
}

/// Fills in what was not given.
///
/// # Errors
/// The service has an address for each customer, and none was given.
pub(super) fn fill(preset: &Preset, new: &mut NewSource) -> Result<()> {
    if let (Some(address), None) = (&preset.base_url, &new.base_url) {
        if address.contains('{') {
            return Err(Failure::usage(format!(
                "{} has an address for each customer",
                preset.title
            ))
            .next(format!(
                "executor sources add {} --base-url {address}",
                preset.name
            )));
        }
        new.base_url = Some(address.clone());
    }
    new.url = Some(preset.url.clone());
    new.kind.get_or_insert_with(|| preset.kind.clone());
    new.name.get_or_insert_with(|| preset.name.clone());
    Ok(())
}

/// What to do about the credential of a service that was just added under a name.
pub(super) fn advice(preset: &Preset, source: &str) -> String {
    format!(
        "{} lets callers in by {}; `executor credentials set {}` sets it, {} says where it is had",
        plain(&preset.title),
        plain(&preset.auth),
        plain(source),
        plain(&preset.credential_url)
    )
}

async fn all(client: &Client) -> Result<Vec<Preset>> {
    client.list(&["presets"], &[], usize::MAX).await
}
