//! One call on its way out and its answer on the way back.
//!
//! The admission is consumed here, so a call that nobody decided does not compile. Credentials are
//! attached last, only for the source's own origin, and masked in all that returns. A redirect is
//! followed only within the origin. Nothing that may have been done is ever sent twice: one answer
//! alone is followed by another try, a first refusal (401) of a credential that can be renewed.

pub(crate) mod failure;

use crate::answer;
use crate::catalog::SourceTools;
use crate::egress::{self, Arriving, Egress, Outgoing, REDIRECTS_MAX, Reach};
use crate::graphql;
use crate::masking::{Masks, bare_token};
use crate::request::Prepared;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::call::Admission;
use domain::credential::Secret;
use domain::source::{ApiKeyLocation, AuthScheme};
use domain::tool::{Tool, ToolError, ToolErrorCode};
use failure::Failures;
use futures_util::future::BoxFuture;
use serde_json::Value;
use url::Url;

/// A credential for one call: how it is attached, and its value.
pub struct Attachment {
    /// How.
    pub scheme: AuthScheme,
    /// The value: a token, `user:password` or a key; of several together one a line.
    pub secret: Secret,
}

/// Gets a newer credential after the source has refused the one that a call carried.
pub type Renew<'a> = Box<dyn FnOnce() -> BoxFuture<'a, Option<Credentials<'a>>> + Send + 'a>;

/// What a call carries, and what must not come back.
#[derive(Default)]
pub struct Credentials<'a> {
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// What belongs to it without being sent, such as a refresh token: masked as well.
    pub hidden: Vec<Secret>,
    /// How to get a newer one, where that is possible.
    pub renew: Option<Renew<'a>>,
    /// What it is whatever its present value, where an authorization server granted it: it stays the
    /// same while tokens are renewed, and no longer.
    pub grant: Option<String>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Invoked {
    /// What came back.
    pub answer: Result<Answer, ToolError>,
    /// Whether a piece of a secret came back, whose rest may have passed unseen.
    pub echoed: bool,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers worth reading.
    pub headers: Vec<(String, String)>,
    /// The data.
    pub data: Value,
    /// Bytes of the body, decompressed.
    pub bytes: u64,
    /// What went wrong beside the data: the error of the call, unless its caller takes both. Its
    /// `details.errors` are the upstream's own.
    pub failed: Option<ToolError>,
}

/// Sends calls.
#[derive(Clone)]
pub struct Invoker {
    egress: Egress,
}

impl Invoker {
    /// Sends through this client.
    #[must_use]
    pub fn new(egress: Egress) -> Self {
        Self { egress }
    }

    /// Sends a prepared call, once, and reads its answer: a readable 2xx answer, or a [`ToolError`]
    /// for whatever is not; `internal` if the admission is for another call. Dropping the future may
    /// leave the upstream with a request whose answer nobody reads.
    pub fn invoke<'a>(
        &'a self,
        admission: Admission,
        tool: &'a Tool,
        source: &'a SourceTools,
        prepared: &'a Prepared,
        credentials: Credentials<'a>,
        result_bytes_max: u64,
    ) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let mut masks = Masks::default();
            masks.also(&credentials.attachments, &credentials.hidden);
            let call = Call {
                tool,
                source,
                prepared,
                egress: &self.egress,
            };
            let answer = call
                .send(&admission, credentials, &mut masks, result_bytes_max)
                .await
                .map_err(|error| masked(error, &masks));
            let echoed = masks.is_echoed();
            Invoked { answer, echoed }
        })
    }
}

pub(crate) fn masked(mut error: ToolError, masks: &Masks) -> ToolError {
    error.message = masks.text(&error.message).into_owned();
    if let Some(details) = &mut error.details {
        masks.value(details);
    }
    error
}

struct Call<'a> {
    tool: &'a Tool,
    source: &'a SourceTools,
    prepared: &'a Prepared,
    egress: &'a Egress,
}

/// An answer, and how it came about.
struct Followed {
    arriving: Arriving,
    /// Whether credentials went along.
    attached: bool,
    /// How many redirects led here.
    hops: usize,
}

impl Call<'_> {
    async fn send(
        &self,
        admission: &Admission,
        credentials: Credentials<'_>,
        masks: &mut Masks,
        bytes_max: u64,
    ) -> Result<Answer, ToolError> {
        let url = self.admitted(admission)?;
        let failures = Failures {
            tool: self.tool,
            source: &self.source.source,
            method: &self.prepared.method,
            reads: graphql::reads(self.tool, self.prepared),
        };
        let mut followed = self
            .follow(url.clone(), &credentials.attachments, &failures)
            .await?;
        // RFC 9110, section 15.5.2: a request that is answered 401 has not been applied. Behind a
        // redirect only the last step was not: what came before it may have been.
        let was_refused = followed.arriving.status() == 401 && followed.attached;
        if was_refused
            && followed.hops == 0
            && let Some(renew) = credentials.renew
            && let Some(newer) = renew().await
        {
            masks.also(&newer.attachments, &newer.hidden);
            followed = self.follow(url, &newer.attachments, &failures).await?;
        }
        let masks = &*masks;
        let Followed {
            arriving, attached, ..
        } = followed;
        let status = arriving.status();
        let mut headers = answer::worth_reading(arriving.headers());
        if !(200..300).contains(&status) {
            return Err(failures.status(arriving, attached, masks).await);
        }
        let body = arriving
            .read(bytes_max)
            .await
            .map_err(|e| failures.unanswered(&e))?;
        let bytes = body.len() as u64;
        let accept = self.tool.binding.get("accept").and_then(Value::as_str);
        let data = answer::decode(&headers, &body, accept.unwrap_or_default(), masks)
            .map_err(|problem| failures.broken(status, &problem))?;
        let (data, failed) = match graphql::is_ours(self.tool) {
            true => graphql::settle(self.tool, status, data)?,
            false => (data, None),
        };
        for (_, value) in &mut headers {
            *value = masks.text(value).into_owned();
        }
        Ok(Answer {
            status,
            headers,
            data,
            bytes,
            failed,
        })
    }

    /// The address, if the admission is for this very definition and the request leads to where
    /// the definition says.
    fn admitted(&self, admission: &Admission) -> Result<Url, ToolError> {
        let refuse = |text: &str| ToolError::new(ToolErrorCode::Internal, &self.tool.path, text);
        let binding = admission.binding();
        if binding.definition_digest != self.tool.digest || binding.tool != self.tool.path {
            return Err(refuse(
                "the decision was made for another definition of this tool; call it again",
            ));
        }
        let own = self.tool.binding.get("server").and_then(Value::as_str);
        let base = Url::parse(own.unwrap_or(&self.source.source.base_url)).ok();
        match (base, egress::parse(&self.prepared.url)) {
            (Some(base), Ok(url)) if base.origin() == url.origin() => Ok(url),
            _ => Err(refuse(
                "the prepared request does not lead to the source's own address",
            )),
        }
    }

    /// Sends, and follows redirects within the origin.
    async fn follow(
        &self,
        mut url: Url,
        attachments: &[Attachment],
        failures: &Failures<'_>,
    ) -> Result<Followed, ToolError> {
        let base = Url::parse(&self.source.source.base_url).ok();
        let attached =
            !attachments.is_empty() && base.as_ref().is_some_and(|b| b.origin() == url.origin());
        let reach = match base.filter(|_| self.source.source.allow_private) {
            Some(base) => Reach::also(&base),
            None => Reach::public(),
        };
        let deadline = self.egress.deadline();
        let mut method = self.prepared.method.clone();
        let mut body = self.prepared.body.clone();
        for hops in 0..=REDIRECTS_MAX {
            let mut outgoing = Outgoing {
                method: method.clone(),
                url: url.clone(),
                headers: self.prepared.headers.clone(),
                body: body.clone(),
            };
            if body.is_none() {
                outgoing.headers.retain(|(name, _)| name != "content-type");
            }
            if attached {
                attachments.iter().for_each(|a| attach(a, &mut outgoing));
            }
            let arriving = self
                .egress
                .send(outgoing, &reach, deadline)
                .await
                .map_err(|e| failures.unanswered(&e))?;
            let next = arriving
                .redirect()
                .and_then(|l| egress::join(&url, &l).ok());
            let Some(next) = next.filter(|n| n.origin() == url.origin()) else {
                return Ok(Followed {
                    arriving,
                    attached,
                    hops,
                });
            };
            // RFC 9110, section 15.4: 303 asks for the result; 301 and 302 do the same after POST.
            let to_get = match arriving.status() {
                303 => method != "HEAD",
                301 | 302 => method == "POST",
                _ => false,
            };
            if to_get {
                method = "GET".to_owned();
                body = None;
            }
            url = next;
        }
        Err(failures.redirects())
    }
}

/// Puts a credential where its scheme wants it, over anything already there.
pub(crate) fn attach(attachment: &Attachment, outgoing: &mut Outgoing) {
    for (scheme, secret) in attachment.scheme.parts(attachment.secret.expose()) {
        attach_one(scheme, secret, outgoing);
    }
}

fn attach_one(scheme: &AuthScheme, secret: &str, outgoing: &mut Outgoing) {
    let mut set = |name: &str, value: String| {
        let name = name.to_ascii_lowercase();
        outgoing.headers.retain(|(n, _)| *n != name);
        outgoing.headers.push((name, value));
    };
    match scheme {
        // Its parts are taken one by one, and none of them is one again.
        AuthScheme::All(_) => {}
        AuthScheme::Bearer => set("authorization", format!("Bearer {}", bare_token(secret))),
        AuthScheme::Basic => set(
            "authorization",
            format!("Basic {}", STANDARD.encode(secret)),
        ),
        AuthScheme::ApiKey {
            location: ApiKeyLocation::Header,
            name,
        } => set(name, secret.to_owned()),
        AuthScheme::ApiKey {
            location: ApiKeyLocation::Query,
            name,
        } => {
            outgoing.url.query_pairs_mut().append_pair(name, secret);
        }
        // For processes, which get it when they start.
        AuthScheme::Env { .. } => {}
        AuthScheme::ApiKey {
            location: ApiKeyLocation::Cookie,
            name,
        } => {
            let own = format!("{name}={secret}");
            let before = outgoing.headers.iter().position(|(n, _)| n == "cookie");
            let cookie = match before.map(|at| outgoing.headers.remove(at).1) {
                Some(before) => format!("{before}; {own}"),
                None => own,
            };
            outgoing.headers.push(("cookie".to_owned(), cookie));
        }
    }
}
