//! People and their keys, as the API shows them.

use crate::error::Failure;
use api::{grants, invites, keys, members, organizations, sessions};
use domain::access::{ScopeName, Scopes};
use domain::grant::Grant;
use domain::invite::Invite;
use domain::key::{ApiKey, KeyLimits};
use domain::sign_in::Session;
use domain::tenancy::{Access, Member, Organization, Role};
use domain::{SessionId, Timestamp};
use engine::{Invitation, OwnOrganization};

pub(crate) fn key(k: &ApiKey, now: Timestamp) -> keys::Key {
    keys::Key {
        id: k.id.to_string(),
        name: k.name.clone(),
        prefix: k.prefix.clone(),
        member: k.account_id.to_string(),
        status: if k.works_at(now) { "active" } else { "expired" }.to_owned(),
        created_by: k.created_by.to_string(),
        created_at: k.created_at.to_rfc3339(),
        rotated_at: k.rotated_at.map(Timestamp::to_rfc3339),
        previous_until: k
            .previous_until
            .filter(|at| now < *at)
            .map(Timestamp::to_rfc3339),
        expires_at: k.expires_at.map(Timestamp::to_rfc3339),
        last_used_at: k.last_used_at.map(Timestamp::to_rfc3339),
        scopes: scope_names(k.scopes),
        limits: (k.limits != KeyLimits::default()).then_some(keys::KeyLimits {
            requests_per_minute: k.limits.requests_per_minute,
            tasks_per_day: k.limits.tasks_per_day,
        }),
    }
}

pub(crate) fn grant(g: &Grant) -> grants::Grant {
    grants::Grant {
        id: g.id.to_string(),
        client_id: g.client_id.clone(),
        client_name: g.client_name.clone(),
        client_host: g.client_host.clone(),
        member: g.account_id.to_string(),
        scopes: scope_names(g.scopes),
        resource: g.resource.as_str().to_owned(),
        created_at: g.created_at.to_rfc3339(),
        last_used_at: g.last_used_at.map(Timestamp::to_rfc3339),
        expires_at: g.expires_at.to_rfc3339(),
    }
}

/// The names of scopes.
pub(crate) fn scope_names(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(|s| s.as_str().to_owned()).collect()
}

/// Reads the names of scopes.
pub(crate) fn scopes(names: &[String]) -> Result<Scopes, Failure> {
    // A name with a space in it would be read as two.
    let one = |name: &String| {
        let known = ScopeName::parse(name);
        known.ok_or_else(|| {
            let all = scope_names(Scopes::ALL).join(", ");
            let name: String = name.chars().take(64).collect();
            Failure::invalid(
                "scopes",
                format!("there is no scope '{name}'; there are {all}"),
            )
        })
    };
    names.iter().map(one).collect()
}

pub(crate) fn key_limits(limits: Option<keys::KeyLimits>) -> KeyLimits {
    let limits = limits.unwrap_or_default();
    KeyLimits {
        requests_per_minute: limits.requests_per_minute,
        tasks_per_day: limits.tasks_per_day,
    }
}

pub(crate) fn member(m: &Member) -> members::Member {
    members::Member {
        id: m.account.id.to_string(),
        name: m.account.name.clone(),
        role: m.role.as_str().to_owned(),
        created_at: m.account.created_at.to_rfc3339(),
        joined_at: m.joined_at.to_rfc3339(),
        last_active_at: m.active_at.map(domain::Timestamp::to_rfc3339),
    }
}

pub(crate) fn organization(o: &Organization) -> organizations::Organization {
    organizations::Organization {
        id: o.id.to_string(),
        slug: o.slug.clone(),
        name: o.name.clone(),
        created_at: o.created_at.to_rfc3339(),
        deleted_at: o.ending.as_ref().map(|e| e.deleted_at.to_rfc3339()),
        purge_at: o.ending.as_ref().map(|e| e.purge_at.to_rfc3339()),
    }
}

pub(crate) fn own_organization(o: &OwnOrganization) -> organizations::OwnOrganization {
    organizations::OwnOrganization {
        organization: organization(&o.organization),
        role: o.role.as_str().to_owned(),
    }
}

pub(crate) fn invite(i: &Invite, now: Timestamp) -> invites::Invite {
    invites::Invite {
        id: i.id.to_string(),
        role: i.role.as_str().to_owned(),
        status: i.status(now).to_owned(),
        email: i.email.clone(),
        note: i.note.clone(),
        workspaces: i.workspaces.iter().map(ToString::to_string).collect(),
        created_by: i.created_by.to_string(),
        created_at: i.created_at.to_rfc3339(),
        expires_at: i.expires_at.to_rfc3339(),
        max_uses: i.uses_max,
        uses: i.uses,
    }
}

pub(crate) fn invitation(i: &Invitation) -> invites::Invitation {
    invites::Invitation {
        organization: organization(&i.organization),
        role: i.role.as_str().to_owned(),
        invited_by: i.invited_by.clone(),
        expires_at: i.expires_at.to_rfc3339(),
    }
}

/// Reads whom a workspace lets in.
pub(crate) fn access(text: &str) -> Result<Access, Failure> {
    Access::parse(text).ok_or_else(|| {
        Failure::invalid("access", format!("'{text}' is neither open nor restricted"))
    })
}

pub(crate) fn session(s: &Session, current: Option<&SessionId>) -> sessions::Session {
    sessions::Session {
        id: s.id.to_string(),
        current: current == Some(&s.id),
        via: s.via.as_str().to_owned(),
        user_agent: s.user_agent.clone(),
        address: s.address.clone(),
        created_at: s.created_at.to_rfc3339(),
        last_used_at: s.seen_at.to_rfc3339(),
        expires_at: s.expires_at.to_rfc3339(),
    }
}

/// Reads the name of a role.
pub(crate) fn role(text: &str) -> Result<Role, Failure> {
    Role::parse(text).ok_or_else(|| {
        Failure::invalid(
            "role",
            format!("'{text}' is none of member, billing_admin, admin, owner"),
        )
    })
}
