//! A credential that a person chooses for one call, in the place of the one that its source finds
//! first. The choice gives no right: only what a call of this person might carry anyway can be chosen,
//! and that is asked again when the call is sent (`oauth/attach.rs`).

use crate::{Engine, Error};
use domain::CredentialId;
use domain::access::{Caller, Permission, Scope};
use domain::credential::{Credential, CredentialScope};
use futures_util::future::BoxFuture;
use store::Reader;

impl Engine {
    /// The credential that somebody means for a call of a tool: by its identifier; by its label; or
    /// by whom it serves (`personal`, `workspace`, `organization`), where that is only one.
    ///
    /// # Errors
    /// `not_found` for the tool, or where there is no such credential or it is another person's;
    /// `invalid_credential` where it opens another source, its source does not look at it, or
    /// several are meant; `forbidden`.
    pub fn credential_for_call(
        &self,
        caller: &Caller,
        tool: &str,
        name: &str,
    ) -> BoxFuture<'_, Result<CredentialId, Error>> {
        let (caller, path, name) = (caller.clone(), tool.to_owned(), name.to_owned());
        Box::pin(async move {
            let scope = caller.scope(Permission::RunTasks)?;
            let (catalog, _) = self.catalog_and_policy(&scope, &caller.account_id).await?;
            let Some((_, source)) = catalog.lookup(&path) else {
                return Err(Error::not_found("tool", &path));
            };
            let source = &source.source;
            if let Ok(id) = CredentialId::parse(&name) {
                let found = self.usable_credential(&caller, &scope, &id).await?;
                if found.source_id != source.id {
                    return Err(Error::invalid(
                        "invalid_credential",
                        format!(
                            "the credential {id} opens another source than `{}`, which {path} \
                             belongs to",
                            source.name
                        ),
                    ));
                }
                return Ok(id);
            }
            let (wanted, id, person) = (scope, source.id.clone(), caller.account_id.clone());
            let usable: Vec<Credential> = self
                .inner
                .store
                .read(move |r| {
                    let found = store::credentials::for_source(r, &wanted, &id, &person)?;
                    Ok::<_, Error>(
                        found
                            .into_iter()
                            .map(|(credential, _)| credential)
                            .collect(),
                    )
                })
                .await?;
            only_one(&usable, &source.name, &name)
        })
    }

    /// A credential that calls of this person may carry.
    pub(crate) async fn usable_credential(
        &self,
        caller: &Caller,
        scope: &Scope,
        id: &CredentialId,
    ) -> Result<Credential, Error> {
        let (scope, caller, id) = (scope.clone(), caller.clone(), id.clone());
        self.inner
            .store
            .read(move |r| usable(r, &scope, &caller, &id))
            .await
    }
}

fn usable(
    r: &mut Reader<'_>,
    scope: &Scope,
    caller: &Caller,
    id: &CredentialId,
) -> Result<Credential, Error> {
    let found = store::credentials::get(r, scope, id)?.filter(|c| match c.scope {
        CredentialScope::Personal => c.account_id == caller.account_id,
        CredentialScope::Workspace | CredentialScope::Organization => true,
    });
    let found = found.ok_or_else(|| Error::not_found("credential", id))?;
    let person = &caller.account_id;
    let looked_at = store::credentials::for_source(r, scope, &found.source_id, person)?;
    if looked_at.iter().any(|(c, _)| c.id == *id) {
        return Ok(found);
    }
    Err(Error::invalid(
        "invalid_credential",
        format!(
            "the source of the credential {id} does not look at {} credentials; `executor \
             credentials order` changes that",
            found.scope.as_str()
        ),
    ))
}

/// The one credential among those of a source that a word means.
fn only_one(usable: &[Credential], source: &str, word: &str) -> Result<CredentialId, Error> {
    let labelled = |c: &&Credential| !c.label.is_empty() && c.label == word;
    let serving = |c: &&Credential| c.scope.as_str() == word;
    let mut meant: Vec<&Credential> = usable.iter().filter(labelled).collect();
    if meant.is_empty() {
        meant = usable.iter().filter(serving).collect();
    }
    match meant.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => Err(Error::not_found("credential", word)),
        several => {
            let ids: Vec<&str> = several.iter().map(|c| c.id.as_str()).collect();
            Err(Error::invalid(
                "invalid_credential",
                format!(
                    "several credentials of `{source}` are called `{word}`; name one by its \
                     identifier: {}",
                    ids.join(", ")
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::source::AuthScheme;
    use domain::{AccountId, SourceId, Timestamp};

    fn credential(n: u8, scope: CredentialScope, label: &str) -> Credential {
        Credential {
            id: CredentialId::from_bits([n; 16]),
            source_id: SourceId::from_bits([1; 16]),
            scope,
            account_id: AccountId::from_bits([2; 16]),
            label: label.to_owned(),
            scheme: AuthScheme::Bearer,
            version: 1,
            created_at: Timestamp(0),
            rotated_at: Timestamp(0),
            last_used_at: None,
            last_used_by: None,
            connection: None,
        }
    }

    #[test]
    fn a_word_means_one_credential_or_is_refused() {
        let all = [
            credential(1, CredentialScope::Personal, ""),
            credential(2, CredentialScope::Workspace, "bot"),
            credential(3, CredentialScope::Workspace, "personal"),
            credential(4, CredentialScope::Organization, "bot"),
        ];
        let told = |word: &str| match only_one(&all, "ledger", word) {
            Ok(id) => id.to_string(),
            Err(error) => error.code().to_owned(),
        };
        // A label comes before whom a credential serves.
        assert_eq!(told("personal"), all[2].id.to_string());
        assert_eq!(told("organization"), all[3].id.to_string());
        assert_eq!(told("bot"), "invalid_credential");
        assert_eq!(told("workspace"), "invalid_credential");
        assert_eq!(told("nobody"), "not_found");
        // One without a label is not meant by an empty word.
        assert_eq!(told(""), "not_found");
    }
}
