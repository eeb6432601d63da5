//! The tools of a server: every page, within bounds.

use super::fault::Fault;
use super::limits::{LISTING_BYTES_MAX, PAGES_MAX, TOOLS_MAX};
use super::session::Session;
use serde_json::{Map, Value};
use std::collections::HashSet;
use tokio::time::Instant;

const METHOD_NOT_FOUND: i64 = -32601;

/// What a server offers.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Every tool as the server describes it.
    pub(super) tools: Vec<Value>,
    /// What was cut.
    pub(super) warnings: Vec<String>,
    /// For how long it holds, in milliseconds, where the server says: that of the page that ages
    /// first.
    pub(super) ttl_ms: Option<u64>,
    /// Whether every page holds for everybody. What says nothing holds for whoever asked alone.
    pub(super) for_all: bool,
}

impl Listed {
    /// Notes what a page says of itself (`ttlMs` and `cacheScope` of the revision 2026-07-28).
    fn holds(&mut self, page: &Value, is_first: bool) {
        let ttl = page.get("ttlMs").and_then(Value::as_u64);
        self.ttl_ms = match (self.ttl_ms, ttl) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        let is_public = page.get("cacheScope").and_then(Value::as_str) == Some("public");
        self.for_all = is_public && (is_first || self.for_all);
    }
}

/// Reads what a server offers.
pub(super) async fn tools(session: &Session, deadline: Instant) -> Result<Listed, Fault> {
    let mut listed = Listed::default();
    let mut seen = HashSet::new();
    let (mut cursor, mut bytes, mut pages) = (None::<String>, 0, 0);
    loop {
        if pages == PAGES_MAX {
            listed.warnings.push(format!(
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
        listed.holds(&page, pages == 1);
        let Some(Value::Array(tools)) = page.get("tools") else {
            return Err(Fault::Broken("its list of tools is no list".to_owned()));
        };
        for tool in tools {
            bytes += tool.to_string().len();
            if listed.tools.len() == TOOLS_MAX || bytes > LISTING_BYTES_MAX {
                listed.warnings.push(format!(
                    "it offers more than {} tools or {} MiB of descriptions; the rest was left out",
                    listed.tools.len(),
                    LISTING_BYTES_MAX >> 20
                ));
                return Ok(listed);
            }
            listed.tools.push(tool.clone());
        }
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) if !seen.insert(next.to_owned()) => {
                listed
                    .warnings
                    .push("the list of tools goes round in circles; it was read once".to_owned());
                break;
            }
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_holds_for_whom_every_page_says_and_as_long_as_the_first_to_age() {
        let held = |pages: &[Value]| {
            let mut listed = Listed::default();
            for (at, page) in pages.iter().enumerate() {
                listed.holds(page, at == 0);
            }
            (listed.ttl_ms, listed.for_all)
        };
        let public = json!({ "ttlMs": 5_000, "cacheScope": "public" });
        assert_eq!(held(std::slice::from_ref(&public)), (Some(5_000), true));
        for private in [
            json!({}),
            json!({ "cacheScope": "private" }),
            json!({ "cacheScope": 1 }),
        ] {
            assert_eq!(
                held(std::slice::from_ref(&private)),
                (None, false),
                "{private}"
            );
            assert_eq!(
                held(&[public.clone(), private.clone()]),
                (Some(5_000), false)
            );
            assert_eq!(held(&[private, public.clone()]), (Some(5_000), false));
        }
        let sooner = json!({ "ttlMs": 10, "cacheScope": "public" });
        assert_eq!(held(&[public, sooner]), (Some(10), true));
    }
}
