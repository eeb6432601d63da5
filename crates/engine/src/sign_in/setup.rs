//! The first owner of a server at which people sign in by a provider: whoever is signed in and knows
//! the secret that the server's console shows.
//!
//! Only its digest is kept. Each start shows another one until somebody has used one; of several who
//! come at once the database lets one through.

use super::Browser;
use crate::audit::by_account;
use crate::{Engine, Error, entropy, origin};
use domain::access::Person;
use domain::canonical::sha256_hex;
use domain::sign_in::Mode;
use domain::tenancy::Role;
use futures_util::future::BoxFuture;
use serde_json::json;

/// The name of the fact; its value is the digest of the secret, or this word.
const SETUP: &str = "setup";
const DONE: &str = "done";

impl Engine {
    /// A secret that makes whoever enters it an owner, to be shown at the console and nowhere else.
    /// None where nobody needs it: the user who runs the server is the owner, or somebody is.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn open_setup(&self) -> BoxFuture<'_, Result<Option<String>, Error>> {
        Box::pin(async move {
            if self.sign_in_mode() == Mode::Local {
                return Ok(None);
            }
            let secret = readable(&entropy::bytes::<20>());
            let digest = digest_of(&secret);
            let system = self.inner.system;
            let local = self.inner.local.clone();
            let open = self
                .inner
                .store
                .write(move |tx| {
                    let known = store::meta::get(tx, system, SETUP)?;
                    if known.as_deref() == Some(DONE) {
                        return Ok(false);
                    }
                    let organization = &local.organization.id;
                    let scope = system.scope(organization.clone(), local.workspace.id.clone());
                    let members = store::tenancy::members(tx, &scope)?;
                    let owned = members.iter().any(|member| {
                        member.role == Role::Owner && member.account.id != local.account.id
                    });
                    let value = if owned { DONE } else { &digest };
                    // Somebody may just be using the secret of another server's console.
                    let set = match known {
                        None => store::meta::set_first(tx, system, SETUP, value)?,
                        Some(known) => store::meta::swap(tx, system, SETUP, &known, value)?,
                    };
                    Ok::<_, Error>(set && !owned)
                })
                .await?;
            Ok(open.then_some(secret))
        })
    }

    /// Makes the person an owner of the server's organization, once, if they know the secret.
    ///
    /// # Errors
    /// `invalid_setup_secret` for a wrong one and where nobody is waited for any more: the two are
    /// not told apart; after many of those from one address `too_many_tries`.
    pub fn take_setup(
        &self,
        person: &Person,
        secret: &str,
        browser: &Browser,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (person, digest) = (person.clone(), digest_of(secret));
        let address = browser.address.clone();
        Box::pin(async move {
            let (system, now) = (self.inner.system, self.inner.clock.now());
            let local = self.inner.local.clone();
            let account = person.account_id.clone();
            let taken = self
                .inner
                .store
                .write(origin::taken_along(move |tx: &mut store::Tx<'_>| {
                    if !store::meta::swap(tx, system, SETUP, &digest, DONE)? {
                        return Ok(false);
                    }
                    let organization = &local.organization.id;
                    let scope = system.scope(organization.clone(), local.workspace.id.clone());
                    let joined = store::tenancy::join(
                        tx,
                        system,
                        organization,
                        &account,
                        (Role::Owner, now),
                    )?;
                    if !joined {
                        store::tenancy::set_role(tx, system, organization, &account, Role::Owner)?;
                    }
                    let detail = json!({ "role": Role::Owner.as_str() });
                    let subject = account.as_str();
                    let who = (&account, person.client.as_str());
                    let entry = by_account(who, &scope, "setup.done", subject, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    Ok::<_, Error>(true)
                }))
                .await?;
            if taken {
                tracing::info!("the server's organization has its first owner");
                return Ok(());
            }
            Err(self.failed_try(
                &address,
                Error::invalid(
                    "invalid_setup_secret",
                    "this is not the secret that the server's console shows, or it was used; \
                     the server shows another one when it is restarted, as long as there is no owner",
                ),
            ))
        })
    }
}

/// Bytes in groups of letters and digits that are hard to mistake for each other: five bits each.
fn readable(bytes: &[u8; 20]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    let letters: Vec<char> = bytes
        .chunks(5)
        .flat_map(|five| {
            let bits = five
                .iter()
                .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
            (0..8).map(move |n| char::from(ALPHABET[(bits >> (35 - 5 * n)) as usize & 31]))
        })
        .collect();
    let groups = letters.chunks(4).map(|group| group.iter().collect());
    groups.collect::<Vec<String>>().join("-")
}

/// The digest of a secret as somebody enters it: spaces, hyphens and capitals do not matter.
fn digest_of(secret: &str) -> String {
    let plain: String = secret
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .take(256)
        .flat_map(char::to_lowercase)
        .collect();
    sha256_hex(format!("executor-setup {plain}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_as_people_write_them() {
        let secret = readable(&[0xa5; 20]);
        assert_eq!(secret.len(), 39, "{secret}");
        assert_eq!(digest_of(&secret), digest_of(&secret.to_uppercase()));
        let spaced = format!(" {} ", secret.replace('-', " "));
        assert_eq!(digest_of(&secret), digest_of(&spaced));
        assert_ne!(digest_of(&secret), digest_of(&readable(&[0xa6; 20])));
        assert_ne!(digest_of(""), DONE);
    }
}
