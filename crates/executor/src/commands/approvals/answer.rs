//! `executor approvals answer`: what a source asks of the person who runs the task.

use super::edit;
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::follow::{Reply, answer_with};
use api::approvals::Approval;
use serde_json::{Map, Value};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The approval's id
    id: String,
    /// A field of the form and what it gets; several values of one field make a list
    #[arg(long = "field", value_name = "NAME=VALUE")]
    fields: Vec<String>,
    /// All fields at once: JSON, or @FILE
    #[arg(long, value_name = "JSON|@FILE", value_parser = edit::json, conflicts_with = "fields")]
    content: Option<Value>,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<Approval> {
    let approval: Approval = client.get(&["approvals", &arguments.id], &[]).await?;
    let content = match arguments.content {
        Some(Value::Object(content)) => content,
        Some(_) => return Err(Failure::usage("--content takes a JSON object")),
        None => entered(&approval, &arguments.fields)?,
    };
    let reply = Reply::Input(content);
    answer_with(client, &approval, reply, arguments.reason, None).await
}

/// Fields as they were typed, each as its form takes it.
fn entered(approval: &Approval, fields: &[String]) -> Result<Map<String, Value>> {
    let parts = approval.input.as_ref().map(|asked| &asked.parts);
    let forms = parts
        .into_iter()
        .flatten()
        .filter_map(|p| p.schema.as_ref());
    let forms: Vec<&Value> = forms.collect();
    let mut content = Map::new();
    for field in fields {
        let (name, text) = field.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--field takes NAME=VALUE; `{field}` has no `=`"))
        })?;
        let kinds = forms.iter().map(|form| &form["properties"][name]["type"]);
        let kind = kinds.filter_map(Value::as_str).next().unwrap_or("string");
        if kind == "array" {
            let list = content
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(text.into());
            }
            continue;
        }
        let value = match kind {
            "string" => text.into(),
            _ => serde_json::from_str(text)
                .map_err(|_| Failure::usage(format!("--field {name}: `{text}` is no {kind}")))?,
        };
        content.insert(name.to_owned(), value);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn approval() -> Approval {
        let schema = json!({ "type": "object", "properties": {
            "name": { "type": "string" }, "count": { "type": "integer" },
            "sure": { "type": "boolean" }, "tags": { "type": "array" } } });
        let part = json!({ "key": "q", "kind": "form", "message": "m", "schema": schema });
        serde_json::from_value(json!({
            "id": "appr_1", "taskId": "task_1", "callId": "call_1", "sequence": 1, "tool": "s.t",
            "question": "input", "arguments": {}, "request": null, "status": "pending",
            "input": { "source": "s", "parts": [part], "live": true },
            "risk": "unknown", "rule": null, "why": "", "requestedBy": "acct_1", "url": "",
            "createdAt": "", "expiresAt": "", "needed": 1, "missing": 1, "answers": [],
            "requesterMay": true, "mayEdit": false, "digest": "d",
        }))
        .expect("an approval")
    }

    #[test]
    fn fields_become_what_the_form_takes() {
        let typed = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
            entered(&approval(), &fields)
        };
        let taken = typed(&[
            "name=3",
            "count=3",
            "sure=true",
            "tags=a",
            "tags=b",
            "x=1=2",
        ]);
        assert_eq!(
            Value::Object(taken.expect("fields")),
            json!({ "name": "3", "count": 3, "sure": true, "tags": ["a", "b"], "x": "1=2" })
        );
        assert!(typed(&["count=many"]).is_err());
        assert!(typed(&["name"]).is_err());
    }
}
