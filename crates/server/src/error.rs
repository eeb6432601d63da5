//! What goes wrong, as HTTP says it: `application/problem+json` with a stable code.
//!
//! The only file that knows which status belongs to what. The causes of internal failures are in
//! the log under the request's id and are never sent. Statuses of success are in `http/answer.rs`.

use api::error::Problem;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// Why a request did not succeed, ready to be sent.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    /// Boxed to keep results small: failures are rare.
    problem: Box<Problem>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Failure {
    fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        let problem = Problem {
            code: code.to_owned(),
            title: title.into(),
            status: status.as_u16(),
            next_step: None,
            request_id: None,
            details: None,
        };
        Self {
            status,
            problem: Box::new(problem),
            header: None,
        }
    }

    fn next(mut self, step: impl Into<String>) -> Self {
        self.problem.next_step = Some(step.into());
        self
    }

    fn details(mut self, details: Value) -> Self {
        self.problem.details = Some(details);
        self
    }

    fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// A foreign `Host` or `Origin`, or a page of another site.
    pub(crate) fn refused(code: &str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, why).next(
            "Use the address that the server prints when it starts, or list the name in \
             `allowed_hosts`.",
        )
    }

    pub(crate) fn not_signed_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not_signed_in",
            "nobody is signed in on this connection",
        )
        .header(WWW_AUTHENTICATE, "Bearer realm=\"executor\"")
    }

    pub(crate) fn unknown_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unknown_key",
            "the API key sent with the request does not work here",
        )
        .next(
            "Make a new one with `executor keys create NAME`. On the machine of the server, as the \
             user who runs it, none is needed: leave out `Authorization` and `x-api-key`.",
        )
        .header(
            WWW_AUTHENTICATE,
            "Bearer realm=\"executor\", error=\"invalid_token\"",
        )
    }

    /// An access token that opens nothing here, or not any more.
    pub(crate) fn bad_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "the access token sent with the request does not work here, or not any more",
        )
        .next("The client refreshes it, or asks its person again.")
        .header(
            WWW_AUTHENTICATE,
            "Bearer realm=\"executor\", error=\"invalid_token\"",
        )
    }

    /// A good token of another authorization server about somebody who never signed in here.
    pub(crate) fn unknown_person() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "unknown_person",
            "the access token is good, but nobody here is known by it",
        )
        .next("Sign in to the dashboard once, with the same provider; then try again.")
    }

    /// The same with the challenge that a 401 carries, which is made of what the failure says
    /// already.
    pub(crate) fn challenging(mut self, challenge: impl Fn(Option<&str>) -> String) -> Self {
        if self.status == StatusCode::UNAUTHORIZED {
            let is_bad = self.problem.code != "not_signed_in";
            let text = challenge(is_bad.then_some("invalid_token"));
            if let Ok(value) = HeaderValue::from_str(&text) {
                self.header = Some((WWW_AUTHENTICATE, value));
            }
        }
        self
    }

    /// Too many tries; when to try again.
    pub(crate) fn too_often(ms: u64) -> Self {
        let mut failure = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            format!("too many tries; try again in {} s", ms.div_ceil(1_000)),
        );
        failure.header = Some((RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1))));
        failure
    }

    /// A token of `/runtime/exchange` that no session has, or no longer.
    pub(crate) fn unknown_token() -> Self {
        Self::exchange(engine::ExchangeRefused::NoSession)
    }

    /// An exchange that a session of a runtime elsewhere may not make.
    pub(crate) fn exchange(refused: engine::ExchangeRefused) -> Self {
        use engine::ExchangeRefused::{Broken, Busy, NoSession};
        let (status, code) = match refused {
            NoSession => (StatusCode::UNAUTHORIZED, "no_runtime_session"),
            Busy => (StatusCode::CONFLICT, "exchange_under_way"),
            Broken => (StatusCode::BAD_REQUEST, "broken_exchange"),
        };
        Self::new(status, code, refused.to_string())
    }

    pub(crate) fn no_route(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_route",
            format!("there is nothing at '{path}'"),
        )
        .next("See `/api/v1/openapi.json` for what there is.")
    }

    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        engine::Error::NotFound {
            what,
            id: id.chars().take(64).collect(),
        }
        .into()
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this route has no such method",
        )
        .next("See `/api/v1/openapi.json` for what there is.")
    }

    /// A body, query or header that cannot be read as what it should be.
    pub(crate) fn malformed(field: &str, why: impl Into<String>) -> Self {
        let why = why.into();
        let title = if field.is_empty() {
            why
        } else {
            format!("{field}: {why}")
        };
        let failure = Self::new(StatusCode::BAD_REQUEST, "invalid_request", title);
        if field.is_empty() {
            failure
        } else {
            failure.details(json!({ "field": field }))
        }
    }

    /// A field that can be read, and says what cannot be.
    pub(crate) fn invalid(field: &str, why: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_value",
            format!("{field}: {}", why.into()),
        )
        .details(json!({ "field": field }))
    }

    pub(crate) fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the body must be JSON, sent as `Content-Type: application/json`",
        )
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let title = format!("the body is larger than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the body did not arrive in time",
        )
    }

    pub(crate) fn no_session() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "session_not_found",
            "this MCP session has ended; tasks go on without it",
        )
        .next("Send `initialize` again, then `resume` with the task's id.")
    }

    /// A stream cannot go on from where it ended: events after that were removed, up to a number.
    pub(crate) fn events_removed(up_to: i64) -> Self {
        Self::new(
            StatusCode::GONE,
            "events_removed",
            format!("events up to number {up_to} have outlived their time and were removed"),
        )
        .next(format!(
            "Read anew what there is, then follow the stream from now, or from event {up_to}."
        ))
    }

    /// A part of the server failed in a way nobody foresaw; the log names it by the request's id.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong inside Executor; its log says what, under the request's id",
        )
    }

    /// Whether it says that nobody is signed in.
    pub(crate) fn wants_sign_in(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// The same, saying how whoever was refused signs in at this server.
    pub(crate) fn saying_how(self, how: String) -> Self {
        match self.problem.code.as_str() {
            "not_signed_in" => self.next(how),
            _ => self,
        }
    }

    /// What to do next, where there is something to do.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.problem.next_step.as_deref()
    }

    /// The MCP endpoint of visitors, for somebody who is none.
    pub(crate) fn no_visitor() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not_anonymous",
            "this endpoint is for workspaces of visitors, and what came with the request opens another",
        )
        .next("Use `/mcp` instead.")
    }

    /// What was wrong, in a sentence.
    pub(crate) fn title(&self) -> &str {
        &self.problem.title
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let status = match &error {
            engine::Error::NotFound { .. } | engine::Error::NotFoundNear { .. } => {
                StatusCode::NOT_FOUND
            }
            engine::Error::Forbidden(_) => StatusCode::FORBIDDEN,
            engine::Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            engine::Error::Conflict { .. } => StatusCode::CONFLICT,
            engine::Error::Limited { .. } | engine::Error::TooManyTries { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            engine::Error::Unavailable { .. } | engine::Error::LostLease => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            engine::Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut failure = Self::new(status, error.code(), error.to_string());
        failure.problem.next_step = error.next_step();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            failure = failure.header(RETRY_AFTER, "1");
        }
        match error {
            engine::Error::Limited {
                limit,
                value,
                retry_after_ms,
                ..
            } => {
                failure.header = retry_after_ms
                    .map(|ms| (RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1))));
                failure.problem.details = Some(json!({ "limit": limit.as_str(), "value": value }));
            }
            engine::Error::TooManyTries { retry_after_ms } => {
                let seconds = retry_after_ms.div_ceil(1_000).max(1);
                failure.header = Some((RETRY_AFTER, HeaderValue::from(seconds)));
            }
            engine::Error::Invalid { details, .. } => failure.problem.details = details,
            engine::Error::Internal { id } => failure.problem.request_id = Some(id),
            engine::Error::NotFoundNear { near, .. } => {
                failure.problem.details = Some(json!({ "suggestions": near }));
            }
            // RFC 6750, section 3.1: so that a client can ask its person for more.
            engine::Error::Forbidden(domain::access::Forbidden::Scope { missing, .. }) => {
                let text = format!(
                    "Bearer realm=\"executor\", error=\"insufficient_scope\", scope=\"{}\"",
                    missing.as_str()
                );
                failure.header = HeaderValue::from_str(&text)
                    .ok()
                    .map(|value| (WWW_AUTHENTICATE, value));
                failure.problem.details = Some(json!({ "scope": missing.as_str() }));
            }
            engine::Error::NotFound { .. }
            | engine::Error::Forbidden(_)
            | engine::Error::Conflict { .. }
            | engine::Error::Unavailable { .. }
            | engine::Error::LostLease => {}
        }
        failure
    }
}

/// An error as clients of OAuth read it (RFC 6749, section 5.2).
pub(crate) fn oauth_error(refused: engine::Refused) -> Response {
    let (status, code, why, header) = match refused {
        engine::Refused::OAuth { code, why } if code == "invalid_client" => {
            let challenge = HeaderValue::from_static("Basic realm=\"executor\"");
            let header = Some((WWW_AUTHENTICATE, challenge));
            (StatusCode::UNAUTHORIZED, code, why, header)
        }
        engine::Refused::OAuth { code, why } => (StatusCode::BAD_REQUEST, code, why, None),
        engine::Refused::TooOften(ms) => {
            let seconds = ms.div_ceil(1_000).max(1);
            let header = Some((RETRY_AFTER, HeaderValue::from(seconds)));
            let why = format!("too many at once; try again in {seconds} s");
            (
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                why,
                header,
            )
        }
        engine::Refused::Failed(error) => {
            let failure = Failure::from(error);
            let code = match failure.status {
                StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
                status if status.is_server_error() => "server_error",
                _ => "invalid_request",
            };
            (
                failure.status,
                code,
                failure.problem.title.clone(),
                failure.header,
            )
        }
    };
    let body = json!({ "error": code, "error_description": why });
    let mut response = (status, axum::Json(body)).into_response();
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The answer to a message that is none: its error, in the message's own protocol.
pub(crate) fn malformed_message(error: &serde_json::Value) -> Response {
    (StatusCode::BAD_REQUEST, axum::Json(error)).into_response()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem)
            .expect("a problem holds texts, numbers and JSON values only, which all serialize");
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The problems that every route can answer with, for its description.
#[derive(utoipa::IntoResponses)]
#[expect(
    dead_code,
    reason = "described, never made: a `Failure` is what is sent"
)]
pub(crate) enum Problems {
    /// The body or a parameter cannot be read; the problem names the field.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// Nobody is signed in on this connection, or the key is unknown.
    #[response(status = 401, content_type = "application/problem+json")]
    NotSignedIn(Problem),
    /// The role does not allow it, or the request comes from a foreign host or page.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// It does not exist here.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// A rate or quota of the workspace is used up; the problem names it, and `Retry-After` says when
    /// to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(Problem),
    /// A fault of the server; its log names the cause under `requestId`.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The database or the sandbox cannot be used at the moment.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What a route that changes something can answer with besides [`Problems`].
#[derive(utoipa::IntoResponses)]
#[expect(
    dead_code,
    reason = "described, never made: a `Failure` is what is sent"
)]
pub(crate) enum WriteProblems {
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// It cannot be done as things stand: answered already, a name taken, a key used differently.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// A value does not fit; the problem says which and why.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}
