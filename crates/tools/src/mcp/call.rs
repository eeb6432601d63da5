//! One call of a tool: the message as it is shown and approved, sent once, and its outcome.
//!
//! The admission is used up here. Only the id and the protocol's own `_meta` are added to what was
//! prepared, before its parameters; every byte of these is sent as it was approved.

use super::answer::{self, Outcome};
use super::carried::Carried;
use super::configured::McpWay;
use super::fault::Fault;
use super::hearing::{McpHearing, Patience};
use super::http::header_value;
use super::import::Binding;
use super::pool::{McpPerson, McpServers};
use super::session::{Called, Going, ToolCall, brought_back};
use crate::catalog::SourceTools;
use crate::error::FetchError;
use crate::invoke::failure::{self, Failures};
use crate::invoke::{Answer, Credentials, Invoked, masked};
use crate::masking::Masks;
use crate::request::Prepared;
use domain::approval::ApprovalStatus;
use domain::call::Admission;
use domain::elicitation::Elicitation;
use domain::tool::{Risk, Tool, ToolError, ToolErrorCode};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What stands before the parameters of a prepared call.
const BEFORE: &str = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"#;

/// JSON-RPC: the parameters are not what the method takes.
const INVALID_PARAMS: i64 = -32602;

/// Makes the message of a call whose arguments passed the check.
pub(crate) fn prepare(
    tool: &Tool,
    source: &SourceTools,
    args: &Value,
) -> Result<Prepared, ToolError> {
    let binding = binding(tool)?;
    let name = Value::from(binding.mcp_tool);
    let body = format!(r#"{BEFORE}"name":{name},"arguments":{args}}}}}"#);
    let way = McpWay::of(&source.source);
    let (method, headers) = match &way {
        McpWay::Url { headers, .. } => {
            let own = ("content-type".to_owned(), "application/json".to_owned());
            let extra = headers
                .iter()
                .map(|(n, v)| (n.to_ascii_lowercase(), v.clone()));
            ("POST", std::iter::once(own).chain(extra).collect())
        }
        McpWay::Command { .. } => ("STDIO", Vec::new()),
    };
    Ok(Prepared {
        method: method.to_owned(),
        url: way.base_url(),
        headers,
        body: Some(body.into_bytes()),
    })
}

fn binding(tool: &Tool) -> Result<Binding, ToolError> {
    Binding::deserialize(&tool.binding).map_err(|problem| {
        tracing::error!(tool.path = %tool.path, %problem, "a stored binding cannot be read");
        let text = "the stored definition of this tool is broken; refresh its source";
        ToolError::new(ToolErrorCode::Internal, &tool.path, text)
    })
}

/// A call of a tool, as it is sent.
pub struct McpSending<'a, 'c> {
    /// The tool.
    pub tool: &'a Tool,
    /// Its source.
    pub source: &'a SourceTools,
    /// The message, as it was approved.
    pub prepared: &'a Prepared,
    /// Whose session it goes through.
    pub person: McpPerson<'a>,
    /// What opens the server, and how to get something newer.
    pub credentials: Credentials<'c>,
    /// Whom it can turn to.
    pub hearing: Option<McpHearing>,
    /// The answers that it brings, where the server asked before.
    pub answers: Option<McpAnswers>,
    /// Bytes of a result, at most.
    pub result_bytes_max: u64,
}

/// What a call brings back to a server that asked instead of answering.
#[derive(Debug, Clone)]
pub struct McpAnswers(Map<String, Value>);

impl McpAnswers {
    /// What was asked, as it was answered.
    #[must_use]
    pub fn of(asked: &Elicitation, status: &ApprovalStatus) -> Self {
        Self(brought_back(asked.responses(status), asked.state.clone()))
    }
}

/// How a call went.
pub enum McpInvoked {
    /// It is over.
    Done(Box<Invoked>),
    /// The server asks something first. It has not done the call, and keeps nothing meanwhile.
    Asks(Box<Elicitation>),
}

impl McpServers {
    /// Sends a prepared call, once, in the person's own session, and reads its answer. Where the
    /// future is dropped the server is told that nobody waits any more. The answer is a
    /// [`ToolError`] for whatever is not a result; `internal` if the admission is for another call.
    pub fn call<'a, 'c: 'a>(
        &'a self,
        admission: Admission,
        sending: McpSending<'a, 'c>,
    ) -> BoxFuture<'a, McpInvoked> {
        Box::pin(async move {
            let carried = Carried::new(sending.credentials);
            let call = Call {
                tool: sending.tool,
                source: sending.source,
                prepared: sending.prepared,
                person: sending.person,
                carried: &carried,
            };
            let going = Going {
                patience: Patience::until_deadline(self.deadline()),
                bytes_max: sending.result_bytes_max,
                hearing: sending.hearing.as_ref(),
                carried: &carried,
            };
            let also = sending.answers.map(|answers| answers.0).unwrap_or_default();
            let sent = call.send(self, &admission, also, &going).await;
            let masks = carried.masks();
            let answer = match sent {
                Ok(Called::Asks(asked)) => return McpInvoked::Asks(asked),
                Ok(Called::Result(result)) => call.read(&result, going.bytes_max, &masks),
                Err(Unsent::Error(error)) => Err(error),
                Err(Unsent::Fault(fault)) => Err(call.failed(&call.failures(), fault, &masks)),
            };
            McpInvoked::Done(Box::new(Invoked {
                answer: answer.map_err(|error| masked(error, &masks)),
                echoed: masks.is_echoed(),
            }))
        })
    }
}

struct Call<'a, 'c> {
    tool: &'a Tool,
    source: &'a SourceTools,
    prepared: &'a Prepared,
    person: McpPerson<'a>,
    carried: &'a Carried<'c>,
}

/// Why there is no result.
enum Unsent {
    /// What the program is told.
    Error(ToolError),
    /// What happened on the way.
    Fault(Fault),
}

impl Call<'_, '_> {
    async fn send(
        &self,
        servers: &McpServers,
        admission: &Admission,
        also: Map<String, Value>,
        going: &Going<'_, '_>,
    ) -> Result<Called, Unsent> {
        let params = self.admitted(admission).map_err(Unsent::Error)?;
        let binding = binding(self.tool).map_err(Unsent::Error)?;
        let call = ToolCall {
            name: &binding.mcp_tool,
            params,
            headers: headers(&binding, params),
            also,
        };
        servers
            .exchange(&self.source.source, &self.person, &call, going)
            .await
            .map_err(Unsent::Fault)
    }

    fn failures(&self) -> Failures<'_> {
        let reads = self.tool.risk == Risk::Read;
        Failures {
            tool: self.tool,
            source: &self.source.source,
            method: if reads { "GET" } else { "POST" },
            reads,
        }
    }

    fn read(&self, result: &Value, bytes_max: u64, masks: &Masks) -> Result<Answer, ToolError> {
        let failures = self.failures();
        let bytes = result.to_string().len() as u64;
        if bytes > bytes_max {
            return Err(self.failed(&failures, Fault::TooLarge { max: bytes_max }, masks));
        }
        let declares = self.tool.output_schema.is_some();
        let outcome = answer::read(result, declares, masks)
            .map_err(|problem| failures.broken(200, &problem))?;
        match outcome {
            Outcome::Data(data) => Ok(Answer {
                status: 200,
                headers: Vec::new(),
                data,
                bytes,
                failed: None,
            }),
            Outcome::Failed(words, data) => {
                let words = if words.is_empty() {
                    "the tool failed and did not say why"
                } else {
                    &words
                };
                let error = failures.error(ToolErrorCode::UpstreamError, words);
                Err(error.with_details(json!({ "reason": "tool_error", "body": data })))
            }
        }
    }

    /// The parameters with the braces that close the message, if the admission is for this very
    /// definition and the message for its tool and server.
    fn admitted(&self, admission: &Admission) -> Result<&str, ToolError> {
        let refuse = |text: &str| ToolError::new(ToolErrorCode::Internal, &self.tool.path, text);
        let bound = admission.binding();
        if bound.definition_digest != self.tool.digest || bound.tool != self.tool.path {
            return Err(refuse(
                "the decision was made for another definition of this tool; call it again",
            ));
        }
        let leads_there = self.prepared.url == McpWay::of(&self.source.source).base_url();
        let name = Value::from(binding(self.tool)?.mcp_tool);
        let body = self
            .prepared
            .body
            .as_deref()
            .and_then(|b| std::str::from_utf8(b).ok());
        let params = body.and_then(|b| b.strip_prefix(BEFORE));
        params
            .filter(|p| leads_there && p.starts_with(&format!(r#""name":{name},"arguments":"#)))
            .ok_or_else(|| refuse("the prepared message is not for this tool at its own server"))
    }

    fn failed(&self, failures: &Failures<'_>, fault: Fault, masks: &Masks) -> ToolError {
        use ToolErrorCode::{
            InvalidArguments, UpstreamError, UpstreamTimeout, UpstreamUnreachable,
        };
        let source = &self.source.source;
        let hint = if failures.is_safe() {
            ""
        } else {
            "; the call may have taken effect, so look before calling again"
        };
        let told = |code, reason: &str, text: String, retryable| {
            let mut error = failures
                .error(code, text)
                .with_details(json!({ "reason": reason }));
            error.retryable = retryable;
            error
        };
        match fault {
            Fault::Fetch(error) => failures.unanswered(&error),
            Fault::TooLarge { max } => failures.unanswered(&FetchError::TooLarge {
                host: source.name.clone(),
                max,
            }),
            Fault::Refused(refused) => {
                let headers = crate::answer::worth_reading(refused.headers);
                let body = failure::shown(&headers, &refused.body, refused.complete, masks);
                let attached = !self.carried.now().is_empty();
                failures.refused(refused.status, headers, body, attached)
            }
            Fault::Rpc(error) => {
                let (code, reason) = match error.code {
                    INVALID_PARAMS => (InvalidArguments, "refused_arguments"),
                    _ => (UpstreamError, "rpc_error"),
                };
                let text = format!(
                    "the server refused the call: {}",
                    super::fault::shortened(&error.message)
                );
                let mut details = json!({ "reason": reason, "code": error.code });
                if let Some(data) = error.data.filter(|d| d.to_string().len() <= 4 << 10) {
                    details["data"] = data;
                }
                failures.error(code, text).with_details(details)
            }
            // Nothing was sent in these cases.
            fault @ (Fault::Start(_)
            | Fault::SessionLost
            | Fault::Resting { .. }
            | Fault::Full(_)) => {
                let text = format!(
                    "`{}` could not be reached: {}",
                    source.name,
                    fault.sentence()
                );
                told(UpstreamUnreachable, "connect", text, true)
            }
            Fault::Ended(why) => {
                let text = format!("`{}` broke off: {why}{hint}", source.name);
                told(UpstreamUnreachable, "broke_off", text, failures.is_safe())
            }
            fault @ Fault::Late { .. } => {
                let text = format!("`{}`: {}{hint}", source.name, fault.sentence());
                told(UpstreamTimeout, "answer", text, failures.is_safe())
            }
            Fault::Broken(problem) => {
                failures.broken(200, &format!("`{}`: {problem}", source.name))
            }
        }
    }
}

/// The arguments that the server wants to see in headers too.
fn headers(binding: &Binding, params: &str) -> Vec<(String, String)> {
    if binding.headers.is_empty() {
        return Vec::new();
    }
    let message: Value = serde_json::from_str(&format!("{BEFORE}{params}")).unwrap_or_default();
    let arguments = &message["params"]["arguments"];
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let of = |(header, way): (&String, &Vec<String>)| {
        let value = way.iter().try_fold(arguments, |at, key| at.get(key))?;
        Some((format!("mcp-param-{header}"), header_value(&text(value)?)))
    };
    binding.headers.iter().filter_map(of).collect()
}
