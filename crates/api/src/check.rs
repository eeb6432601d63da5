//! A program checked before it runs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A program to check.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "code": "return await tools.ledger.payments.create({ amout: 10 })" }))]
pub struct NewCheck {
    /// TypeScript or JavaScript: the body of an async function.
    pub code: String,
    /// Whether TypeScript's own compiler is to check all types too. It must be on the server's
    /// machine, and takes longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<bool>,
}

/// What is known about a program before it runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "findings": [{
        "severity": "error", "code": "invalid_arguments", "line": 1, "column": 43,
        "message": "ledger.payments.create: `amout` is unknown (did you mean `amount`?)",
        "tool": "ledger.payments.create", "suggestions": ["amount"],
    }],
    "forecast": [{
        "tool": "ledger.payments.create", "line": 1, "column": 14, "risk": "write",
        "decision": "ask", "decisions": ["ask"],
        "reason": "no rule matches; the default for write tools asks a person (policy version 3)",
    }],
}))]
pub struct Check {
    /// What is wrong, in the order of the text.
    pub findings: Vec<Finding>,
    /// What policy says today to each call that the text shows, in its order.
    pub forecast: Vec<Forecast>,
    /// What TypeScript's compiler says, where it was asked. It advises: nothing of it keeps a
    /// program from being run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<TypeFinding>>,
}

/// Something wrong with a program.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `error`: submitted like this, the program fails without being begun. `warning`: it is run,
    /// because it may catch what the call throws.
    pub severity: String,
    /// `syntax_error`, `tool_not_found`, `invalid_arguments` or `unknown_option`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The line of the program, from 1.
    pub line: u32,
    /// The column, from 1, in UTF-16 units.
    pub column: u32,
    /// The tool that is called, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Names that may have been meant, the likeliest first.
    pub suggestions: Vec<String>,
    /// The offending line, for a syntax error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// What policy says to one call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// The tool's path.
    pub tool: String,
    /// The line of the call, from 1.
    pub line: u32,
    /// The column, from 1, in UTF-16 units.
    pub column: u32,
    /// `read`, `write`, `destructive` or `unknown`.
    pub risk: String,
    /// `allow`, `ask` or `deny`; `depends` where that is decided by arguments that are not written
    /// out.
    pub decision: String,
    /// The decisions that the call may meet, the strictest first.
    pub decisions: Vec<String>,
    /// The rule that gives the strictest; absent where it is the default for the risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
}

/// Something that TypeScript's compiler says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypeFinding {
    /// Such as `TS2345`.
    pub code: String,
    /// The compiler's sentence.
    pub message: String,
    /// The line of the program, from 1.
    pub line: u32,
    /// The column, from 1, in UTF-16 units.
    pub column: u32,
}
