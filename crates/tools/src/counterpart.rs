//! The call that reads what another call would change: what a person looks at before saying yes.
//! Found by the description alone; nothing is guessed from names. Decides nothing and sends nothing.

use crate::catalog::SourceTools;
use crate::openapi::binding::{Location, Operation, Parameter};
use domain::tool::{Risk, Tool};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A call that reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterpart {
    /// The tool's path.
    pub path: String,
    /// Its arguments: those of the other call that say which thing it is about.
    pub arguments: Value,
    /// The arguments of the other call that say so too; the rest are what it would change.
    pub identifying: Vec<String>,
}

/// The tool that reads what `tool` would change with these arguments: `GET` at the same place of the
/// same API, without an argument that the other call does not give. None for tools of GraphQL
/// endpoints and MCP servers, whose descriptions do not say which belong together.
#[must_use]
pub fn counterpart(source: &SourceTools, tool: &Tool, arguments: &Value) -> Option<Counterpart> {
    let changing = Operation::deserialize(&tool.binding).ok()?;
    if !matches!(changing.method.as_str(), "PUT" | "PATCH" | "DELETE") {
        return None;
    }
    source.tools.iter().find_map(|other| {
        if other.risk != Risk::Read {
            return None;
        }
        let reading = Operation::deserialize(&other.binding).ok()?;
        let same_place = reading.method == "GET"
            && reading.path == changing.path
            && reading.server == changing.server;
        if !same_place {
            return None;
        }
        let mut given = Map::new();
        let mut identifying = Vec::new();
        for place in in_path(&reading) {
            let from = in_path(&changing).find(|p| p.name == place.name)?;
            given.insert(place.arg.clone(), arguments.get(&from.arg)?.clone());
            identifying.push(from.arg.clone());
        }
        let needed = other.input_schema["required"].as_array();
        let is_enough = needed.is_none_or(|names| {
            let mut names = names.iter().filter_map(Value::as_str);
            names.all(|name| given.contains_key(name))
        });
        is_enough.then(|| Counterpart {
            path: other.path.clone(),
            arguments: Value::Object(given),
            identifying,
        })
    })
}

fn in_path(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let parameters = operation.parameters.iter();
    parameters.filter(|p| p.location == Location::Path)
}
