//! Where a server is, and the `mcp.json` blocks in which people pass that around.

use domain::source::{Origin, Source};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

/// The way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpWay {
    /// Over HTTP.
    Url {
        /// The endpoint.
        url: String,
        /// Headers to send with every message.
        headers: Vec<(String, String)>,
        /// Whether its own host and port may be on a private network.
        allow_private: bool,
    },
    /// A program of this machine.
    Command {
        /// The program and its arguments; no shell reads them.
        words: Vec<String>,
        /// What is set in its environment.
        variables: Vec<(String, String)>,
    },
}

impl McpWay {
    /// The way to a source's server.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        match &source.origin {
            Origin::Command(words) => Self::Command {
                words: words.clone(),
                variables: source.headers.clone(),
            },
            Origin::Url(_) | Origin::Upload(_) => Self::Url {
                url: source.base_url.clone(),
                headers: source.headers.clone(),
                allow_private: source.allow_private,
            },
        }
    }

    /// Where calls go, as shown and stored: the address, or the command line after `stdio:`.
    #[must_use]
    pub fn base_url(&self) -> String {
        match self {
            Self::Url { url, .. } => url.clone(),
            Self::Command { words, .. } => {
                format!("stdio:{}", Origin::Command(words.clone()).shown())
            }
        }
    }
}

/// A server of an `mcp.json` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// The name that it has there.
    pub name: String,
    /// The way to it; nothing of it is on a private network unless a person says so.
    pub way: McpWay,
}

/// Whether an address says itself that it is an endpoint of MCP. Asking such a one for a description
/// may open a stream without an end.
#[must_use]
pub fn looks_like_mcp(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let mut segments = url.path().trim_end_matches('/').rsplit('/');
    let last = segments.next().unwrap_or_default().to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default();
    last.contains("mcp") || last == "sse" || host.starts_with("mcp.")
}

/// Largest text that is looked at as a block of servers: a description may be far larger, and is not
/// read twice for it.
const BLOCK_BYTES_MAX: usize = 1 << 20;

/// One entry, in the spellings that clients use.
#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "serverUrl", alias = "httpUrl")]
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
}

/// The servers of an `mcp.json` block, by name; none if the text is no such block.
///
/// # Errors
/// A sentence that says which server is not described as it should be, and how it should.
pub fn mcp_servers(text: &[u8]) -> Option<Result<Vec<McpServer>, String>> {
    if text.len() > BLOCK_BYTES_MAX {
        return None;
    }
    let value: Value = serde_json::from_slice(text).ok()?;
    let servers = ["mcpServers", "servers"]
        .iter()
        .find_map(|key| value.get(*key)?.as_object())?;
    // An OpenAPI description has `servers` too, as a list; and a block has no paths.
    if value.get("openapi").is_some() {
        return None;
    }
    let each = servers.iter().map(|(name, entry)| server(name, entry));
    let found: Result<Vec<McpServer>, String> = each.collect();
    Some(found.and_then(|found| {
        if found.is_empty() {
            Err("the block names no server".to_owned())
        } else {
            Ok(found)
        }
    }))
}

fn server(name: &str, entry: &Value) -> Result<McpServer, String> {
    let wrong = |why: &str| format!("the server `{name}` {why}");
    let entry = Entry::deserialize(entry).map_err(|e| wrong(&format!("cannot be read: {e}")))?;
    let way = match (entry.url, entry.command) {
        (Some(url), None) => McpWay::Url {
            url,
            headers: texts(entry.headers).map_err(|e| wrong(&e))?,
            allow_private: false,
        },
        (None, Some(command)) => McpWay::Command {
            words: std::iter::once(command).chain(entry.args).collect(),
            variables: texts(entry.env).map_err(|e| wrong(&e))?,
        },
        (Some(_), Some(_)) => return Err(wrong("has a `url` and a `command`; give one of them")),
        (None, None) => return Err(wrong("has neither a `url` nor a `command`")),
    };
    Ok(McpServer {
        name: name.to_owned(),
        way,
    })
}

fn texts(values: BTreeMap<String, Value>) -> Result<Vec<(String, String)>, String> {
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) if text.contains("${") => {
            Err(format!("refers to a variable in `{name}`; write its value"))
        }
        Value::String(text) => Ok((name, text)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("has no text as the value of `{name}`"))
        }
    };
    values.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<Vec<McpServer>, String>> {
        mcp_servers(text.as_bytes())
    }

    #[test]
    fn blocks_are_read_as_clients_write_them() {
        let found = read(
            r#"{"mcpServers": {
                "files": {"command": "npx", "args": ["-y", "x", "/tmp"], "env": {"A": "b", "N": 1}},
                "web": {"type": "http", "url": "https://x.example/mcp", "headers": {"X-Team": "a"}},
                "old": {"serverUrl": "https://x.example/sse"}
            }}"#,
        );
        let url = |url: &str, headers: &[(&str, &str)]| McpWay::Url {
            url: url.into(),
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            allow_private: false,
        };
        let files = McpWay::Command {
            words: ["npx", "-y", "x", "/tmp"].map(str::to_owned).to_vec(),
            variables: vec![("A".into(), "b".into()), ("N".into(), "1".into())],
        };
        let named = |name: &str, way| McpServer {
            name: name.into(),
            way,
        };
        assert_eq!(
            found,
            Some(Ok(vec![
                named("files", files),
                named("web", url("https://x.example/mcp", &[("X-Team", "a")])),
                named("old", url("https://x.example/sse", &[])),
            ]))
        );
    }

    #[test]
    fn what_is_no_block_is_none_and_a_broken_one_says_where() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"openapi":"3.1.0","servers":[]}"#,
            "openapi: 3.1.0",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for (text, part) in [
            (r#"{"mcpServers": {}}"#, "names no server"),
            (r#"{"mcpServers": {"a": {}}}"#, "`a` has neither"),
            (
                r#"{"mcpServers": {"a": {"url": "u", "command": "c"}}}"#,
                "give one",
            ),
            (
                r#"{"mcpServers": {"a": {"command": "c", "env": {"K": "${K}"}}}}"#,
                "`K`",
            ),
            (
                r#"{"mcpServers": {"a": {"command": ["c"]}}}"#,
                "cannot be read",
            ),
        ] {
            let said = read(text).and_then(Result::err).unwrap_or_default();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn endpoints_of_mcp_are_known_by_their_address() {
        for (url, is_one) in [
            ("https://x.example/mcp", true),
            ("https://x.example/v1/mcp/?a=b", true),
            ("https://x.example/sse", true),
            ("https://mcp.x.example/", true),
            ("https://x.example/mcp/openapi.json", false),
            ("https://x.example/openapi.yaml", false),
            ("nonsense", false),
        ] {
            assert_eq!(looks_like_mcp(url), is_one, "{url}");
        }
    }
}
