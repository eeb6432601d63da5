//! The played API: it counts, fails, stalls, hangs up, and gives back what it was sent, its own
//! credential included. Its description has a version that the address of one operation shows.

use crate::script::Tool;
use crate::world::{Arrival, World};
use engine::Clock as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use tools::{Played, PlayedAnswer, PlayedRequest};

pub(crate) const BASE: &str = "http://up.example";

/// The description at a revision.
pub(crate) fn description(revision: usize) -> String {
    let query = |name: &str| json!({ "name": name, "in": "query", "required": true, "schema": { "type": "string" } });
    let body = json!({ "required": true, "content": { "application/json": { "schema": {
        "type": "object",
        "required": ["key", "seen"],
        "properties": { "key": { "type": "string" }, "seen": { "type": "string" } }
    } } } });
    let operation = |tool: Tool, extra: (&str, Value)| {
        let name = tool.path().rsplit('.').next().unwrap_or_default();
        json!({ "operationId": name, "tags": ["box"], extra.0: extra.1,
                "responses": { "200": { "description": "done" } } })
    };
    json!({
        "openapi": "3.1.0",
        "info": { "title": "up", "version": revision.to_string() },
        "servers": [{ "url": BASE }],
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "token": [] }],
        "paths": {
            "/items": {
                "get": operation(Tool::List, ("parameters", json!([query("key"), query("seen")]))),
                "post": operation(Tool::Create, ("requestBody", body.clone())),
                "delete": operation(Tool::Drop, ("parameters", json!([query("key"), query("seen")]))),
            },
            format!("/v{revision}/pay"): { "post": operation(Tool::Pay, ("requestBody", body)) },
        }
    })
    .to_string()
}

/// The upstream as the engine of a life reaches it.
pub(crate) fn played(world: &World, life: u32) -> Played {
    let world = world.clone();
    Arc::new(move |request| answer(world.clone(), life, request))
}

fn answer(world: World, life: u32, request: PlayedRequest) -> BoxFuture<'static, PlayedAnswer> {
    Box::pin(async move {
        if request.url == format!("{BASE}/openapi.json") {
            let revision = world.state().revisions.iter().map(|r| r.to).max();
            return PlayedAnswer::Json(200, description(revision.unwrap_or(1)));
        }
        world.instant(life, "just before a request arrives").await;
        let fate = {
            let mut state = world.state();
            let fate = state.dice.below(20);
            (
                fate,
                state.dice.below(if fate == 0 { 25_000 } else { 1_200 }),
            )
        };
        if fate.0 == 1 {
            world.trace("the upstream cannot be reached");
            return PlayedAnswer::Unreachable;
        }
        let body = request
            .body
            .map(|b| String::from_utf8_lossy(&b).into_owned());
        let key = key_of(&request.url, body.as_deref());
        let arrival = Arrival {
            at_ms: world.now_ms(),
            key: key.clone(),
            method: request.method,
            url: request.url,
            body,
        };
        world.trace(format!("arrived {key}: {} {}", arrival.method, arrival.url));
        let token = request
            .headers
            .iter()
            .find(|(name, _)| name == "authorization");
        let token = token.map(|(_, value)| value.clone());
        if token.as_deref() != Some(&format!("Bearer {}", crate::world::CANARY)) {
            world.wrong(format!("{key} came without its credential: {token:?}"));
        }
        world.state().arrivals.push(arrival);
        world
            .instant(life, &format!("while {key} is under way"))
            .await;
        world.clock().sleep(fate.1).await;
        world
            .instant(life, &format!("before the answer of {key}"))
            .await;
        match fate.0 {
            2 => PlayedAnswer::Json(
                500,
                json!({ "error": "told to fail", "echo": token }).to_string(),
            ),
            3 => PlayedAnswer::Silence,
            _ => PlayedAnswer::Json(200, json!({ "key": key, "echo": token }).to_string()),
        }
    })
}

fn key_of(url: &str, body: Option<&str>) -> String {
    let in_body = body.and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(key) = in_body.as_ref().and_then(|b| b["key"].as_str()) {
        return key.to_owned();
    }
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let key = query.split('&').find_map(|part| part.strip_prefix("key="));
    key.unwrap_or_default().to_owned()
}
