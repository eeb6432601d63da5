//! The tools of a server: every page, within bounds.

use super::fault::Fault;
use super::limits::{LISTING_BYTES_MAX, PAGES_MAX, TOOLS_MAX};
use super::session::Session;
use serde_json::{Map, Value};
use std::collections::HashSet;
use tokio::time::Instant;

const METHOD_NOT_FOUND: i64 = -32601;

/// Every tool as the server describes it, and what was cut.
pub(super) async fn tools(
    session: &Session,
    deadline: Instant,
) -> Result<(Vec<Value>, Vec<String>), Fault> {
    let mut found: Vec<Value> = Vec::new();
    let mut warnings = Vec::new();
    let mut seen = HashSet::new();
    let (mut cursor, mut bytes, mut pages) = (None::<String>, 0, 0);
    loop {
        if pages == PAGES_MAX {
            warnings.push(format!(
                "the list of tools goes on after {PAGES_MAX} pages; the rest was left out"
            ));
            break;
        }
        pages += 1;
        let mut params = Map::new();
        params.extend(cursor.take().map(|c| ("cursor".to_owned(), c.into())));
        let page = match session.ask("tools/list", params, None, deadline).await {
            Ok(page) => page,
            Err(Fault::Rpc(error)) if error.code == METHOD_NOT_FOUND && pages == 1 => break,
            Err(fault) => return Err(fault),
        };
        let Some(Value::Array(tools)) = page.get("tools") else {
            return Err(Fault::Broken("its list of tools is no list".to_owned()));
        };
        for tool in tools {
            bytes += tool.to_string().len();
            if found.len() == TOOLS_MAX || bytes > LISTING_BYTES_MAX {
                warnings.push(format!(
                    "it offers more than {} tools or {} MiB of descriptions; the rest was left out",
                    found.len(),
                    LISTING_BYTES_MAX >> 20
                ));
                return Ok((found, warnings));
            }
            found.push(tool.clone());
        }
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) if !seen.insert(next.to_owned()) => {
                warnings
                    .push("the list of tools goes round in circles; it was read once".to_owned());
                break;
            }
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    Ok((found, warnings))
}
