//! Why a call that is asked about is as risky as it is: what its source says, where it goes, what its
//! arguments do, who opens the door, and whether it was used before. Decides nothing.

use super::Target;
use crate::Error;
use domain::access::Scope;
use domain::approval::{Previous, of_arguments};
use domain::credential::CredentialScope;
use domain::source::{Review, SourceKind};
use domain::task::Task;
use domain::tool::Risk;
use serde_json::Value;
use std::collections::BTreeSet;
use store::Reader;

/// What is said of a question, and the call that it is compared with.
#[derive(Default)]
pub(super) struct Weighed {
    pub(super) reasons: Vec<String>,
    pub(super) previous: Option<Previous>,
}

/// Weighs a call with the arguments that it would be sent with.
pub(super) fn weigh(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task: &Task,
    target: &Target,
    arguments: &Value,
) -> Result<Weighed, Error> {
    let mut reasons = vec![of_source(target)];
    if let Some(host) = host_of(&target.prepared.url) {
        reasons.push(format!("goes to {host}"));
    }
    if target.source.source.review_of(&target.tool.path) == Review::Unreviewed {
        reasons.push("nobody has looked at this tool since it came or changed".to_owned());
    }
    // Who is known matters to calls with addresses alone.
    let members = if arguments.to_string().contains('@') {
        store::identities::addresses(conn, scope)?
    } else {
        BTreeSet::new()
    };
    reasons.extend(of_arguments(arguments, &members));
    reasons.extend(of_credential(conn, scope, task, target)?);
    let used = store::tool_usage::before(conn, scope, &target.tool.path, task)?;
    if used.previous.is_none() {
        let first = if used.by_anybody {
            "first call of it by this client for this person"
        } else {
            "first call of it in this workspace"
        };
        reasons.push(first.to_owned());
    }
    Ok(Weighed {
        reasons,
        previous: used.previous,
    })
}

/// Where the word for the risk comes from.
fn of_source(target: &Target) -> String {
    let source = &target.source.source;
    match source.kind {
        SourceKind::OpenApi => format!("{} method", target.prepared.method),
        SourceKind::GraphQl => match target.risk {
            Risk::Read => "a GraphQL query".to_owned(),
            Risk::Write | Risk::Destructive | Risk::Unknown => "a GraphQL mutation".to_owned(),
        },
        SourceKind::Mcp if source.trust_hints => match target.risk {
            Risk::Read => "its server, which is trusted, says that it only reads".to_owned(),
            Risk::Write => "its server, which is trusted, says that it destroys nothing".to_owned(),
            Risk::Destructive => "its server, which is trusted, says that it destroys".to_owned(),
            Risk::Unknown => "its server does not say what it does".to_owned(),
        },
        SourceKind::Mcp => {
            "what its server says about it is not trusted, so what it does is not known".to_owned()
        }
    }
}

/// Who else is let in by what opens the call's door.
fn of_credential(
    conn: &mut Reader<'_>,
    scope: &Scope,
    task: &Task,
    target: &Target,
) -> Result<Option<String>, Error> {
    let source = &target.source.source;
    let found = store::credentials::for_source(conn, scope, &source.id, &task.account_id)?;
    let chosen = task.pins.run_as.as_ref();
    let mut fitting = found.iter().map(|(credential, _)| credential);
    let opening = fitting.find(|credential| chosen.is_none_or(|id| credential.id == *id));
    Ok(opening.map(|credential| match credential.scope {
        CredentialScope::Personal => "opened by a personal credential".to_owned(),
        CredentialScope::Workspace => {
            "opened by a credential that the whole workspace shares".to_owned()
        }
        CredentialScope::Organization => {
            "opened by a credential that the whole organization shares".to_owned()
        }
    }))
}

/// The host of an address, without what lets somebody in.
fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}
