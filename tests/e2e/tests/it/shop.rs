//! A GraphQL API for tests: the reference implementation serving `tests/node/shop.graphql` on loopback,
//! which wants a bearer token and notes every root field that it executed.

use crate::binary;
use crate::server::{PATIENCE, Server, client};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The running API. It ends with the test.
pub(crate) struct Shop {
    _serving: Child,
    base_url: String,
    token: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let folder = binary::root().join("tests/node");
        assert!(
            folder.join("node_modules/graphql").is_dir(),
            "the npm package graphql is missing: run `cargo xtask setup` (npm ci in tests/node)"
        );
        let token = crate::upstream::fresh_token();
        let mut serving = Command::new("node")
            .arg(folder.join("graphql.mjs"))
            .args(["serve", &token])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut lines = BufReader::new(serving.stdout.take().expect("it is piped")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .expect("it says where it is in time")
            .expect("its output can be read");
        Self {
            _serving: serving,
            base_url: line.expect("it says where it is"),
            token,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/graphql", self.base_url)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// What it executed: `{ field, args }`.
    pub(crate) async fn received(&self) -> Vec<Value> {
        let url = format!("{}/received", self.base_url);
        let answer = client().get(url).send().await.expect("it answers");
        answer.json().await.expect("it answers with JSON")
    }

    /// The mutations that it executed.
    pub(crate) async fn writes(&self) -> Vec<Value> {
        let mut all = self.received().await;
        all.retain(|r| r["field"] == "createItem" || r["field"] == "deleteItem");
        all
    }

    /// Adds it to a server as the source `shop`, with its token.
    pub(crate) async fn connect(&self, server: &Server) -> Value {
        let new = json!({
            "url": self.endpoint(), "name": "shop", "allowPrivate": true,
            "credential": { "value": self.token, "auth": "bearer" },
        });
        server.post("/sources", new).await
    }
}
