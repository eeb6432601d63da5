//! From what a person gives to the text of a description, and the errors of that with what came back.

use super::{DOCUMENT_BYTES_MAX, NewSource};
use crate::{Engine, Error};
use domain::source::Origin;
use serde_json::json;
use tools::{NotLocated, Tried, Validators};

/// A description that was read.
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) document: Vec<u8>,
    pub(super) validators: Option<Validators>,
    /// What the address answered, for an error.
    pub(super) answer: Option<Tried>,
    /// How it was found, where another address was given.
    pub(super) found_by: Option<String>,
}

impl Engine {
    /// The description that a person means.
    pub(super) async fn read_description(&self, new: &NewSource) -> Result<Found, Error> {
        match (&new.url, &new.document) {
            (Some(url), None) => {
                let located = self
                    .inner
                    .egress
                    .locate(url, &new.headers, new.allow_private);
                let located = located.await.map_err(not_located)?;
                Ok(Found {
                    origin: Origin::Url(located.url),
                    document: located.document,
                    validators: Some(located.validators),
                    answer: Some(located.answer),
                    found_by: located.found_by,
                })
            }
            (None, Some((name, document))) => {
                if document.len() > DOCUMENT_BYTES_MAX {
                    return Err(Error::invalid(
                        "invalid_source",
                        format!("the description is larger than {DOCUMENT_BYTES_MAX} bytes"),
                    ));
                }
                Ok(Found {
                    origin: Origin::Upload(name.clone()),
                    document: document.clone(),
                    validators: None,
                    answer: None,
                    found_by: None,
                })
            }
            (Some(_), Some(_)) | (None, None) => Err(Error::invalid(
                "invalid_source",
                "give either the address of a description or its text",
            )),
        }
    }
}

fn not_located(error: NotLocated) -> Error {
    let message = error.to_string();
    let details = match error {
        NotLocated::NoAnswer { .. } => None,
        NotLocated::Elsewhere { tried, .. } => Some(json!({ "tried": tried })),
    };
    Error::Invalid {
        code: "invalid_source",
        message,
        details,
    }
}

/// An error of an import with what the address answered beside it.
pub(super) fn with_answer(error: Error, answer: Option<&Tried>) -> Error {
    match (error, answer) {
        (
            Error::Invalid {
                code: "invalid_source",
                message,
                details: None,
            },
            Some(answer),
        ) if message.starts_with(&answer.url) => Error::Invalid {
            code: "invalid_source",
            message: format!("{message} ({answer})"),
            details: Some(json!({ "tried": [answer] })),
        },
        (error, _) => error,
    }
}
