//! Devices without a browser (RFC 8628): a code that a person enters elsewhere.
//!
//! A code lasts ten minutes and is one of more than 2·10¹⁰; a person may try twenty. Whoever is sent
//! such a code by a stranger is asked the same as everybody, and told not to enter what they did
//! not begin.

use super::asking::{Params, wanted_scopes};
use super::tokens::{Issued, bad_grant, digest};
use super::{ClientSaid, Consent, DEVICE_PATH, Here, Refused, Tried, refused};
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Scopes};
use domain::credential::Secret;
use domain::grant::Grant;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use store::devices::{Device, Said};

/// How long a person has to enter a code, in milliseconds.
const DEVICE_MS: i64 = 10 * 60_000;
/// How long a device waits between two questions at first, and how much longer each time that it did
/// not (RFC 8628, section 3.5).
const POLL_MS: i64 = 5_000;
/// Devices that wait at the same time.
const DEVICES_MAX: u64 = 10_000;
/// Letters of a code: none that make a word, none that look like a digit (RFC 8628, section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_CHARS: usize = 8;

/// What a device shows, and what it asks with.
#[derive(Clone)]
pub struct DeviceAsking {
    secret: Secret,
    user_code: String,
}

impl DeviceAsking {
    /// The answer to the device (RFC 8628, section 3.2).
    #[must_use]
    pub fn answer(&self, engine: &Engine) -> Value {
        let page = format!("{}{DEVICE_PATH}", engine.issuer());
        let code = shown(&self.user_code);
        json!({
            "device_code": self.secret.expose(),
            "user_code": code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={code}"),
            "expires_in": DEVICE_MS / 1_000,
            "interval": POLL_MS / 1_000,
        })
    }
}

fn shown(user_code: &str) -> String {
    let (first, second) = user_code.split_at(CODE_CHARS / 2);
    format!("{first}-{second}")
}

/// A code as it is stored, whatever a person made of it.
fn read_code(text: &str) -> Option<String> {
    let code: String = text
        .chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let fits = code.len() == CODE_CHARS && code.bytes().all(|b| LETTERS.contains(&b));
    fits.then_some(code)
}

fn new_code() -> String {
    // Bytes beyond the last whole turn of the letters are thrown away, so that all are as likely.
    let whole = 256 - 256 % LETTERS.len();
    let mut code = String::with_capacity(CODE_CHARS);
    while code.len() < CODE_CHARS {
        let drawn = entropy::bytes::<32>();
        let letters = drawn
            .iter()
            .map(|b| usize::from(*b))
            .filter(|b| *b < whole)
            .map(|b| char::from(LETTERS[b % LETTERS.len()]));
        code.extend(letters.take(CODE_CHARS - code.len()));
    }
    code
}

impl Engine {
    /// Gives a device a code to show.
    ///
    /// # Errors
    /// `invalid_client`, `invalid_scope`, `invalid_target`; too often from one address.
    pub fn device_asks(
        &self,
        params: Params,
        said: ClientSaid,
        here: Here,
        address: String,
    ) -> BoxFuture<'_, Result<DeviceAsking, Refused>> {
        Box::pin(async move {
            self.count_try(Tried::Device, address.clone())?;
            let client = self.client(&said.id, &here, address).await?;
            self.proven(said).await?;
            let scopes = wanted_scopes(params.get("scope"))?;
            let resource = here.one_resource(&params.all("resource"))?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let secret = Secret::new(format!("exd_{}", entropy::hex(&entropy::bytes::<32>())));
            let sha256 = digest(&secret);
            let codes: Vec<String> = (0..4).map(|_| new_code()).collect();
            let user_code = self
                .inner
                .store
                .write(move |tx| {
                    let now = tx.now(local)?;
                    if store::devices::pending(tx, system, now)? >= DEVICES_MAX {
                        return Ok::<_, Error>(None);
                    }
                    for user_code in &codes {
                        let device = Device {
                            sha256: sha256.clone(),
                            user_code: user_code.clone(),
                            client_id: client.id.clone(),
                            client_name: client.name.clone(),
                            scopes,
                            resource,
                            said: Said::Pending,
                            grant_id: None,
                            poll_at: now,
                            poll_ms: POLL_MS,
                            created_at: now,
                            expires_at: now.plus_ms(DEVICE_MS),
                        };
                        if store::devices::insert(tx, system, &device)? {
                            return Ok(Some(user_code.clone()));
                        }
                    }
                    Ok(None)
                })
                .await?
                .ok_or(Refused::TooOften(60_000))?;
            Ok(DeviceAsking { secret, user_code })
        })
    }

    /// What the device asks for whose code a person entered.
    ///
    /// # Errors
    /// `not_found`, `forbidden`; too many tries.
    pub fn device_consent(
        &self,
        caller: &Caller,
        user_code: &str,
        browser: &str,
    ) -> BoxFuture<'_, Result<Consent, Refused>> {
        let (caller, browser) = (caller.clone(), browser.to_owned());
        let code = read_code(user_code);
        Box::pin(async move {
            self.count_try_of(Tried::DeviceCode, &caller.account_id)?;
            let missing = || {
                refused(
                    "unknown_code",
                    "no device shows this code, or not any more; look at it again",
                )
            };
            let code = code.ok_or_else(missing)?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let device = self
                .inner
                .store
                .read(move |r| {
                    let now = r.now(local)?;
                    Ok::<_, Error>(store::devices::by_code(r, system, &code, now)?)
                })
                .await?
                .ok_or_else(missing)?;
            Ok(self.consent_to_device(&caller, &device, &browser).await?)
        })
    }

    /// The token of a device, once a person has said yes.
    pub(super) async fn device_token(
        &self,
        params: &Params,
        fits: impl Fn(&Grant) -> Result<(), Refused> + Send + 'static,
    ) -> Result<Issued, Refused> {
        let sha256 = digest(&Secret::new(params.must("device_code")?.to_owned()));
        let (system, local) = (self.inner.system, self.inner.clock.now());
        let issued = Issued::new(Scopes::NONE);
        let answered = self.inner.store.write(move |tx| {
            let now = tx.now(local)?;
            let Some(device) = store::devices::by_secret(tx, system, &sha256)? else {
                return Ok(Err(bad_grant("the device code is not known")));
            };
            if now >= device.expires_at {
                return Ok(Err(refused(
                    "expired_token",
                    "nobody entered the code in time",
                )));
            }
            let grant_id = match (device.said, &device.grant_id) {
                (Said::Denied, _) => {
                    return Ok(Err(refused("access_denied", "the person said no")));
                }
                (Said::Approved, Some(grant)) => grant,
                (Said::Pending, _) | (Said::Approved, None) => {
                    // The first question after a wait is in time, however long the way was.
                    let early = now < device.poll_at;
                    let poll_ms = device.poll_ms + if early { POLL_MS } else { 0 };
                    let poll_at = now.plus_ms(poll_ms - 1_000);
                    store::devices::wait(tx, system, &sha256, poll_at, poll_ms)?;
                    return Ok(Err(if early {
                        refused(
                            "slow_down",
                            "wait five seconds longer than so far between two questions",
                        )
                    } else {
                        refused("authorization_pending", "nobody has entered the code yet")
                    }));
                }
                (Said::Taken, _) => return Ok(Err(bad_grant("the device has its token"))),
            };
            let Some((_, grant)) = store::grants::live(tx, system, grant_id, now)? else {
                return Ok(Err(bad_grant("what was granted has ended")));
            };
            if let Err(refusal) = fits(&grant) {
                return Ok(Err(refusal));
            }
            if !store::devices::take(tx, system, &sha256)? {
                return Ok(Err(bad_grant("the device has its token")));
            }
            let issued = issued.clone().of(grant.scopes);
            issued.record(tx, system, &grant, now)?;
            Ok::<_, Error>(Ok(issued))
        });
        answered.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        for text in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk "] {
            assert_eq!(read_code(text).as_deref(), Some("BCDFGHJK"), "{text}");
        }
        for text in ["", "BCDF-GHJ", "BCDF-GHJKL", "AEIO-UAEI", "BCDF-GHJ1"] {
            assert_eq!(read_code(text), None, "{text}");
        }
        let code = new_code();
        assert_eq!(read_code(&shown(&code)), Some(code));
    }
}
