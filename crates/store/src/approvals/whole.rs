//! Approvals as they were asked: with the large values that their rows refer to, and with every yes.
//!
//! The view of a reviewer is drawn from these texts, and they are what is sent.

use super::yeses;
use crate::values::{self, Whole};
use crate::{Error, Reader};
use domain::access::Scope;
use domain::approval::{Approval, Edited};
use domain::call::Binding;

/// Completes approvals that were read from their rows. Each large value is read once.
pub(super) fn whole(
    conn: &mut Reader<'_>,
    scope: &Scope,
    found: Vec<Approval>,
) -> Result<Vec<Approval>, Error> {
    let mut large = Whole::of(scope.workspace_id());
    let found: Result<Vec<Approval>, Error> = found
        .into_iter()
        .map(|found| {
            let named = found.binding.arguments_digest;
            let edited = match found.edited {
                None => None,
                Some(edited) => Some(Edited {
                    original: large.sound(conn, edited.original)?,
                    ..edited
                }),
            };
            Ok(Approval {
                edited,
                binding: Binding {
                    arguments_digest: values::digest(&found.arguments, named),
                    ..found.binding
                },
                arguments: large.sound(conn, found.arguments)?,
                request: large.sound(conn, found.request)?,
                ..found
            })
        })
        .collect();
    yeses::with_all(conn, scope, found?)
}
