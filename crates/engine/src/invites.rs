//! Invites: make, list, revoke, look at and accept.
//!
//! Whoever holds the link may use it, so its token is given out once and kept as a digest. What an
//! invite is worth is asked again when it is used: nobody comes in through the invite of somebody who
//! was removed or may not give that role any more. Why one does not work is not told: used, expired,
//! revoked and unknown ones are refused in the same words.

use crate::audit::by_person;
use crate::organizations::too_many_organizations;
use crate::{Engine, Error, entropy};
use domain::access::{Caller, Permission, Person, System};
use domain::canonical::sha256_hex;
use domain::invite::Invite;
use domain::limits::{
    INVITE_MS, INVITE_MS_MAX, INVITE_USES_MAX, INVITES_MAX, MEMBERS_MAX, ORGANIZATIONS_MAX,
};
use domain::tenancy::{Organization, Role};
use domain::{InviteId, Timestamp, WorkspaceId};
use futures_util::future::BoxFuture;
use serde_json::json;
use store::Reader;

/// Longest note, and longest address, in characters.
const NOTE_CHARS_MAX: usize = 500;
const EMAIL_CHARS_MAX: usize = 254;
/// Longest text that is looked up as a token.
const TOKEN_BYTES_MAX: usize = 256;
/// Workspaces that one invite may name.
const WORKSPACES_NAMED_MAX: usize = 100;

/// An invite to make.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// What whoever accepts becomes.
    pub role: Role,
    /// For whom it is meant; a note, since the link proves no address.
    pub email: Option<String>,
    /// What else is to be said of it.
    pub note: Option<String>,
    /// The workspaces of the organization that are to name whoever accepts, by identifier or short
    /// name.
    pub workspaces: Vec<String>,
    /// When it stops to work; in seven days if absent.
    pub expires_at: Option<Timestamp>,
    /// How many may accept it; one if absent.
    pub uses_max: Option<u32>,
}

/// What somebody is invited to.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The organization.
    pub organization: Organization,
    /// What whoever accepts becomes there.
    pub role: Role,
    /// The name of who made the invite.
    pub invited_by: String,
    /// When the invite stops to work.
    pub expires_at: Timestamp,
}

/// An invite as found by its token, with what it is to.
struct Found {
    invite: Invite,
    invitation: Invitation,
}

impl Engine {
    /// Makes an invite to the caller's organization. Its token is given out here and never again.
    ///
    /// # Errors
    /// `forbidden`, also for a role above the caller's; `invalid_email`, `invalid_note`,
    /// `invalid_expiry`, `invalid_uses`, `too_many_invites`; `not_found` for a workspace.
    pub fn create_invite(
        &self,
        caller: &Caller,
        new: NewInvite,
    ) -> BoxFuture<'_, Result<(Invite, String), Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            caller.reaches(new.role, "that role")?;
            self.not_as_visitor(&caller, "let others in").await?;
            let email = checked("invalid_email", "email", new.email, EMAIL_CHARS_MAX)?;
            if !email.is_empty() && !email.contains('@') {
                return Err(Error::invalid(
                    "invalid_email",
                    "email: there is no @ in it",
                ));
            }
            let note = checked("invalid_note", "note", new.note, NOTE_CHARS_MAX)?;
            let uses_max = new.uses_max.unwrap_or(1);
            if !(1..=INVITE_USES_MAX).contains(&uses_max) {
                return Err(Error::invalid(
                    "invalid_uses",
                    format!("an invite may be accepted by 1 to {INVITE_USES_MAX} people"),
                ));
            }
            let now = self.shared_now().await?;
            let expires_at = new.expires_at.unwrap_or(now.plus_ms(INVITE_MS));
            if expires_at <= now || expires_at > now.plus_ms(INVITE_MS_MAX) {
                return Err(Error::invalid(
                    "invalid_expiry",
                    "expiresAt must lie ahead, and by no more than 30 days",
                ));
            }
            let workspaces = self.named_in(&caller, new.workspaces).await?;
            let organization = caller.organization_id.clone();
            let token = entropy::hex(&entropy::bytes::<32>());
            let digest = sha256_hex(token.as_bytes());
            let invite = Invite {
                id: InviteId::from_bits(entropy::bits()),
                role: new.role,
                email,
                note,
                workspaces,
                created_by: caller.account_id.clone(),
                created_at: now,
                expires_at,
                uses_max,
                uses: 0,
                revoked_at: None,
            };
            let made = self
                .commit(&scope.clone(), move |tx| {
                    if store::invites::open(tx, &scope, now)? >= INVITES_MAX {
                        return Err(Error::conflict(
                            "too_many_invites",
                            format!(
                                "the organization has {INVITES_MAX} open invites, which is the \
                                 limit invites; revoke one first"
                            ),
                        ));
                    }
                    store::invites::insert(tx, &scope, &invite, &digest)?;
                    let detail = json!({
                        "role": invite.role.as_str(),
                        "email": invite.email,
                        "workspaces": invite.workspaces,
                        "expiresAt": invite.expires_at.to_rfc3339(),
                        "maxUses": invite.uses_max,
                    });
                    let (action, id) = ("invite.created", invite.id.as_str());
                    let entry = by_person(&caller, &scope, action, id, &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    Ok(invite.clone())
                })
                .await?;
            self.invite_by_mail(&organization, &made).await;
            Ok((made, token))
        })
    }

    /// The workspaces of the caller's organization that names mean.
    async fn named_in(
        &self,
        caller: &Caller,
        names: Vec<String>,
    ) -> Result<Vec<WorkspaceId>, Error> {
        if names.len() > WORKSPACES_NAMED_MAX {
            return Err(Error::invalid(
                "invalid_workspaces",
                format!("an invite names at most {WORKSPACES_NAMED_MAX} workspaces"),
            ));
        }
        let mut found = Vec::new();
        for name in names {
            let entered = self.enter_workspace(caller, &name).await?;
            if entered.organization_id != caller.organization_id {
                return Err(Error::not_found("workspace", &name));
            }
            if !found.contains(&entered.workspace_id) {
                found.push(entered.workspace_id);
            }
        }
        Ok(found)
    }

    /// The invites to the caller's organization, the newest first; those that have ended are listed
    /// for 30 days more.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn invites(&self, caller: &Caller) -> BoxFuture<'_, Result<Vec<Invite>, Error>> {
        let caller = caller.clone();
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            self.inner
                .store
                .read(move |r| Ok(store::invites::list(r, &scope)?))
                .await
        })
    }

    /// Ends an invite: its link lets nobody in any more.
    ///
    /// # Errors
    /// `forbidden`; `not_found`, also for one that was revoked before.
    pub fn revoke_invite(
        &self,
        caller: &Caller,
        id: &InviteId,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let (caller, id) = (caller.clone(), id.clone());
        Box::pin(async move {
            let scope = caller.scope(Permission::ManageMembers)?;
            let now = self.shared_now().await?;
            self.commit(&scope.clone(), move |tx| {
                if !store::invites::revoke(tx, &scope, &id, now)? {
                    return Err(Error::not_found("invite", &id));
                }
                let detail = json!({});
                let entry = by_person(&caller, &scope, "invite.revoked", id.as_str(), &detail, now);
                store::audit::append(tx, &scope, entry)?;
                Ok(())
            })
            .await
        })
    }

    /// What a token invites to. Looking changes nothing.
    ///
    /// # Errors
    /// `invalid_invite` for one that does not work, whyever.
    pub fn invitation(&self, token: &str) -> BoxFuture<'_, Result<Invitation, Error>> {
        let digest = digest_of(token);
        Box::pin(async move {
            let digest = digest?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            self.inner
                .store
                .read(move |r| {
                    let now = r.now(local)?;
                    Ok(working(r, system, &digest, now)?.invitation)
                })
                .await
        })
    }

    /// Makes a person a member of the organization that a token invites to.
    ///
    /// # Errors
    /// `invalid_invite` for one that does not work, whyever; `already_member`, which does not use it
    /// up; `too_many_members`, `too_many_organizations`; `forbidden` for a model.
    pub fn accept_invite(
        &self,
        person: &Person,
        token: &str,
    ) -> BoxFuture<'_, Result<Invitation, Error>> {
        let (person, digest) = (person.clone(), digest_of(token));
        Box::pin(async move {
            let digest = digest?;
            let (system, local) = (self.inner.system, self.inner.clock.now());
            let engine = self.clone();
            self.inner
                .store
                .write(move |tx| {
                    engine.person_is_no_visitor(tx, &person, "accept an invite")?;
                    let now = tx.now(local)?;
                    let Found { invite, invitation } = working(tx, system, &digest, now)?;
                    let organization = &invitation.organization;
                    let place = store::tenancy::first_workspace(tx, system, &organization.id)?
                        .ok_or_else(void)?;
                    let joined = person.at(&organization.id, &place, invite.role);
                    joined.is_person("accept an invite")?;
                    let scope = joined.scope(Permission::RunTasks)?;
                    store::tenancy::lock_organization(tx, &scope)?;
                    let own = store::tenancy::organizations_of(tx, system, &person.account_id)?;
                    if own.iter().any(|(o, _)| o.id == organization.id) {
                        return Err(Error::conflict(
                            "already_member",
                            format!("you are a member of {} already", organization.name),
                        ));
                    }
                    if own.len() >= ORGANIZATIONS_MAX {
                        return Err(too_many_organizations());
                    }
                    if store::tenancy::members(tx, &scope)?.len() >= MEMBERS_MAX {
                        return Err(Error::conflict(
                            "too_many_members",
                            format!(
                                "the organization has {MEMBERS_MAX} members, which is the limit \
                                 members"
                            ),
                        ));
                    }
                    if !store::invites::take(tx, system, &invite.id)? {
                        return Err(void());
                    }
                    let membership = (invite.role, now);
                    let id = &person.account_id;
                    store::tenancy::join(tx, system, &organization.id, id, membership)?;
                    for workspace in &invite.workspaces {
                        let there = system.scope(organization.id.clone(), workspace.clone());
                        store::tenancy::name_member(tx, &there, id, now)?;
                    }
                    let detail = json!({
                        "invite": invite.id,
                        "invitedBy": invite.created_by,
                        "role": invite.role.as_str(),
                        "workspaces": invite.workspaces,
                    });
                    let entry =
                        by_person(&joined, &scope, "member.joined", id.as_str(), &detail, now);
                    store::audit::append(tx, &scope, entry)?;
                    Ok(invitation)
                })
                .await
        })
    }
}

/// The one way in which an invite is refused, whatever is wrong with it.
fn void() -> Error {
    Error::invalid(
        "invalid_invite",
        "this invite does not work; ask whoever sent it for another one",
    )
}

fn digest_of(token: &str) -> Result<String, Error> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Err(void());
    }
    Ok(sha256_hex(token.as_bytes()))
}

/// The invite of a token, if it lets somebody in at this moment.
fn working(
    conn: &mut Reader<'_>,
    system: System,
    digest: &str,
    now: Timestamp,
) -> Result<Found, Error> {
    let (invite, id) = store::invites::find(conn, system, digest)?.ok_or_else(void)?;
    let organization = store::tenancy::organization(conn, system, &id)?
        .filter(|o| o.ending.is_none())
        .ok_or_else(void)?;
    let author = store::tenancy::role(conn, system, &id, &invite.created_by)?;
    if !invite.works(author, now) {
        return Err(void());
    }
    let invited_by = store::accounts::get(conn, system, &invite.created_by)?;
    Ok(Found {
        invitation: Invitation {
            organization,
            role: invite.role,
            invited_by: invited_by.map(|a| a.name).unwrap_or_default(),
            expires_at: invite.expires_at,
        },
        invite,
    })
}

/// A text on one line that may be absent.
fn checked(
    code: &'static str,
    field: &str,
    text: Option<String>,
    chars_max: usize,
) -> Result<String, Error> {
    let text = text.unwrap_or_default().trim().to_owned();
    if text.chars().count() > chars_max {
        return Err(Error::invalid(
            code,
            format!("{field}: it has more than {chars_max} characters"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(
            code,
            format!("{field}: there is a line break or another control character in it"),
        ));
    }
    Ok(text)
}
