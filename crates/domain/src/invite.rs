//! Invites: links by which people become members of an organization.
//!
//! Whoever holds the link may use it, so that it is worth no more than whoever made it is now: with
//! that person's rights gone, so is the invite. Its token is shown once and kept as a digest.

use crate::access::Permission;
use crate::tenancy::Role;
use crate::{AccountId, InviteId, Timestamp, WorkspaceId};

/// An invite, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its identifier.
    pub id: InviteId,
    /// What whoever accepts becomes.
    pub role: Role,
    /// For whom it is meant; empty if that is not said. It is a note: the link proves no address.
    pub email: String,
    /// What else is to be said of it; empty if nothing.
    pub note: String,
    /// The workspaces that are to name whoever accepts.
    pub workspaces: Vec<WorkspaceId>,
    /// Who made it.
    pub created_by: AccountId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work.
    pub expires_at: Timestamp,
    /// How many may accept it.
    pub uses_max: u32,
    /// How many have.
    pub uses: u32,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Invite {
    /// `revoked`, `used`, `expired`, or `open` while it works.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> &'static str {
        if self.revoked_at.is_some() {
            "revoked"
        } else if self.uses >= self.uses_max {
            "used"
        } else if self.expires_at <= now {
            "expired"
        } else {
            "open"
        }
    }

    /// Whether it lets somebody in, given what its author is in the organization at this moment:
    /// somebody who may invite, to a role that is not above their own.
    #[must_use]
    pub fn works(&self, author: Option<Role>, now: Timestamp) -> bool {
        self.status(now) == "open"
            && author.is_some_and(|author| {
                Permission::ManageMembers.granted_to(author) && self.role.rank() <= author.rank()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        Invite {
            id: InviteId::from_bits([1; 16]),
            role: Role::Admin,
            email: String::new(),
            note: String::new(),
            workspaces: Vec::new(),
            created_by: AccountId::from_bits([2; 16]),
            created_at: Timestamp(0),
            expires_at: Timestamp(100),
            uses_max: 1,
            uses: 0,
            revoked_at: None,
        }
    }

    #[test]
    fn an_invite_is_worth_what_its_author_is() {
        for (author, works) in [
            (Some(Role::Owner), true),
            (Some(Role::Admin), true),
            (Some(Role::BillingAdmin), false),
            (Some(Role::Member), false),
            (None, false),
        ] {
            assert_eq!(invite().works(author, Timestamp(99)), works, "{author:?}");
        }
        let to_owner = Invite {
            role: Role::Owner,
            ..invite()
        };
        assert!(!to_owner.works(Some(Role::Admin), Timestamp(0)));
        assert!(to_owner.works(Some(Role::Owner), Timestamp(0)));
    }

    #[test]
    fn it_ends_in_three_ways() {
        let (owner, soon) = (Some(Role::Owner), Timestamp(99));
        let used = Invite {
            uses: 1,
            ..invite()
        };
        let revoked = Invite {
            revoked_at: Some(Timestamp(1)),
            ..invite()
        };
        for (invite, at, status) in [
            (&used, soon, "used"),
            (&revoked, soon, "revoked"),
            (&invite(), Timestamp(100), "expired"),
        ] {
            assert_eq!(invite.status(at), status);
            assert!(!invite.works(owner, at), "{status}");
        }
        assert_eq!(invite().status(soon), "open");
    }
}
