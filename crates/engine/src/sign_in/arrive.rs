//! What becomes of somebody whom a provider has named: their account, where they are a member, and
//! the workspace that they had here before they had a name.
//!
//! An account is found by the issuer and by what it calls the person, never by an address: two
//! providers, or one that lets people choose theirs, could name the same.

use super::{Browser, SignIn, way_out};
use crate::audit::{by_account, by_server};
use crate::{Engine, Error, entropy};
use domain::access::{Scope, System};
use domain::canonical::sha256_hex;
use domain::credential::Secret;
use domain::settings::Settings;
use domain::sign_in::{Identity, Newcomers, Via};
use domain::tenancy::{Account, Role};
use domain::{AccountId, OrganizationId, Timestamp};
use serde_json::json;
use store::Tx;

/// Somebody who came, and through what.
#[derive(Clone)]
pub(super) struct Arriving {
    pub(super) identity: Identity,
    pub(super) via: Via,
    pub(super) browser: Browser,
    /// What ends the session with the provider.
    pub(super) way_out: Option<Secret>,
}

/// What a transaction works with.
struct At<'a> {
    engine: &'a Engine,
    system: System,
    now: Timestamp,
}

impl Engine {
    /// Signs somebody in whom a provider has named: gives the account and a session's token.
    pub(super) fn arrive(
        &self,
        tx: &mut Tx<'_>,
        arriving: &Arriving,
        now: Timestamp,
    ) -> Result<(AccountId, String), Error> {
        let (system, sign_in) = (self.inner.system, &self.inner.sign_in);
        let identity = &arriving.identity;
        if !identity.is_of(&sign_in.config.email_domains) {
            return Err(Error::invalid(
                "not_admitted",
                format!(
                    "people sign in here with a verified address of {}",
                    sign_in.config.email_domains.join(", ")
                ),
            ));
        }
        let at = At {
            engine: self,
            system,
            now,
        };
        let visitor = at.visitor(tx, &arriving.browser)?;
        let known = store::identities::find(tx, system, &identity.issuer, &identity.subject)?;
        let account = match known {
            Some(account) => {
                store::identities::update(tx, system, identity, now)?;
                if let Some(visitor) = visitor {
                    at.give(tx, &visitor, &account, &identity.shown_name())?;
                }
                account
            }
            None => at.first_time(tx, identity, visitor)?,
        };
        at.follow_roles(tx, identity, &account)?;
        let token = sign_in.begin(tx, system, (&account, arriving.via), &arriving.browser, now)?;
        if let Some(way_out) = &arriving.way_out {
            way_out::keep(tx, system, &token, way_out)?;
        }
        self.audit_sign_in(tx, "sign_in", (&account, arriving.via), now)?;
        Ok((account, token))
    }

    /// Gives the workspace of the visitor whose session the browser holds to whom a link is for.
    pub(super) fn claim_visit(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<(), Error> {
        let at = At {
            engine: self,
            system: self.inner.system,
            now,
        };
        let (Some(visitor), Some(person)) = (
            at.visitor(tx, browser)?,
            store::accounts::get(tx, at.system, account)?,
        ) else {
            return Ok(());
        };
        at.give(tx, &visitor, account, &person.name)
    }

    /// Notes that somebody signed in or out, in the first organization that they reach, if there is
    /// one.
    pub(super) fn audit_sign_in(
        &self,
        tx: &mut Tx<'_>,
        action: &str,
        (account, via): (&AccountId, Via),
        now: Timestamp,
    ) -> Result<(), Error> {
        let system = self.inner.system;
        let Some(reached) = store::tenancy::first_reached(tx, system, account)? else {
            return Ok(());
        };
        let scope = system.scope(reached.organization_id, reached.workspace_id);
        let detail = json!({ "method": via.as_str() });
        let subject = account.as_str();
        let who = (account, "browser");
        let entry = by_account(who, &scope, action, subject, &detail, now);
        store::audit::append(tx, &scope, entry)?;
        Ok(())
    }
}

impl At<'_> {
    fn sign_in(&self) -> &SignIn {
        &self.engine.inner.sign_in
    }

    fn local(&self) -> &store::tenancy::Local {
        &self.engine.inner.local
    }

    fn local_scope(&self) -> Scope {
        let local = self.local();
        self.system
            .scope(local.organization.id.clone(), local.workspace.id.clone())
    }

    /// The visitor whose session the browser holds: the only one whose workspace it can claim.
    fn visitor(&self, tx: &mut Tx<'_>, browser: &Browser) -> Result<Option<AccountId>, Error> {
        let Some(token) = &browser.before else {
            return Ok(None);
        };
        let digest = sha256_hex(token.as_bytes());
        let held = store::sessions::find(tx, self.system, &digest)?;
        let lasting = self.sign_in().lasting(Via::Visitor);
        let held = held.filter(|s| s.via == Via::Visitor && !s.is_over(lasting, self.now));
        Ok(held.map(|session| session.account_id))
    }

    /// An account for whoever was never here: the visitor's, where the browser holds one.
    fn first_time(
        &self,
        tx: &mut Tx<'_>,
        identity: &Identity,
        visitor: Option<AccountId>,
    ) -> Result<AccountId, Error> {
        let name = identity.shown_name();
        let claimed = match &visitor {
            Some(visitor) => store::visitors::claim(tx, self.system, visitor)?,
            None => None,
        };
        let account = match (visitor, claimed) {
            (Some(visitor), Some(organization)) => {
                store::accounts::rename(tx, self.system, &visitor, &name)?;
                self.keep(tx, &organization, &visitor, &name)?;
                visitor
            }
            (_, _) => {
                let account = Account {
                    id: AccountId::from_bits(entropy::bits()),
                    name,
                    created_at: self.now,
                };
                store::tenancy::insert_account(tx, self.system, &account)?;
                account.id
            }
        };
        if !store::identities::insert(tx, self.system, identity, &account, self.now)? {
            return Err(Error::conflict(
                "signed_in_elsewhere",
                "this person has just signed in for the first time in another window; sign in again",
            ));
        }
        if let Newcomers::Join(role) = self.sign_in().config.newcomers {
            let role = self.mapped(identity).unwrap_or(role);
            self.join(tx, &account, role)?;
        }
        Ok(account)
    }

    fn join(&self, tx: &mut Tx<'_>, account: &AccountId, role: Role) -> Result<(), Error> {
        let scope = self.local_scope();
        let organization = scope.organization_id();
        if store::tenancy::join(tx, self.system, organization, account, (role, self.now))? {
            let detail = json!({ "role": role.as_str(), "by": "sign-in" });
            let entry = by_server(&scope, "member.added", account.as_str(), &detail, self.now);
            store::audit::append(tx, &scope, entry)?;
        }
        Ok(())
    }

    fn mapped(&self, identity: &Identity) -> Option<Role> {
        let words = identity.groups.as_ref()?.iter().map(String::as_str);
        self.sign_in().config.roles.role(words)
    }

    /// Lets a member's role follow the provider's word, where there is one. An owner stays one:
    /// that is given and taken by hand alone.
    fn follow_roles(
        &self,
        tx: &mut Tx<'_>,
        identity: &Identity,
        account: &AccountId,
    ) -> Result<(), Error> {
        if identity.groups.is_none() {
            return Ok(());
        }
        let usual = match self.sign_in().config.newcomers {
            Newcomers::Join(role) => role,
            Newcomers::ByInvite => Role::Member,
        };
        let wanted = self.mapped(identity).unwrap_or(usual);
        let scope = self.local_scope();
        let organization = scope.organization_id().clone();
        let now = store::tenancy::role(tx, self.system, &organization, account)?;
        let Some(before) = now.filter(|role| *role != wanted && *role != Role::Owner) else {
            return Ok(());
        };
        store::tenancy::set_role(tx, self.system, &organization, account, wanted)?;
        // What the person is signed in with elsewhere was begun in another role.
        store::sessions::end_others(tx, self.system, account, None)?;
        let detail = json!({
            "before": { "role": before.as_str() },
            "after": { "role": wanted.as_str() },
            "by": "sign-in",
        });
        let entry = by_server(
            &scope,
            "member.changed",
            account.as_str(),
            &detail,
            self.now,
        );
        store::audit::append(tx, &scope, entry)?;
        Ok(())
    }

    /// Gives a visitor's workspace to somebody who has an account. The visitor stays a member
    /// there, for what was begun and connected as the visitor; its session is over.
    fn give(
        &self,
        tx: &mut Tx<'_>,
        visitor: &AccountId,
        to: &AccountId,
        name: &str,
    ) -> Result<(), Error> {
        let Some(organization) = store::visitors::claim(tx, self.system, visitor)? else {
            return Ok(());
        };
        store::tenancy::join(tx, self.system, &organization, to, (Role::Owner, self.now))?;
        store::tenancy::set_role(tx, self.system, &organization, visitor, Role::Member)?;
        self.keep(tx, &organization, to, name)?;
        store::sessions::end_others(tx, self.system, visitor, None)?;
        Ok(())
    }

    /// Makes a visitor's organization one like any other.
    fn keep(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        owner: &AccountId,
        name: &str,
    ) -> Result<(), Error> {
        store::visitors::rename(tx, self.system, organization, name)?;
        for workspace in store::visitors::workspaces(tx, self.system, organization)? {
            let scope = self.system.scope(organization.clone(), workspace);
            let before = store::settings::get_to_change(tx, &scope)?;
            let after = Settings {
                limits: Default::default(),
                ..before
            };
            store::settings::set(tx, &scope, &after)?;
            let subject = scope.workspace_id().clone();
            let detail = json!({ "owner": owner, "name": name });
            let entry = by_server(
                &scope,
                "workspace.claimed",
                subject.as_str(),
                &detail,
                self.now,
            );
            store::audit::append(tx, &scope, entry)?;
            self.engine.inner.rates.forget(&subject);
        }
        self.sign_in().visitors.forget(organization);
        Ok(())
    }
}
