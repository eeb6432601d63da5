//! Whoever runs the server: the owner of the organization it was begun with, in person.
//!
//! What concerns every organization at once is theirs alone: the master key, a backup of everything.
//! An owner of another organization is a tenant here, and a key or a model is nobody in person.

use crate::{Engine, Error};
use domain::access::{Caller, Forbidden, Permission, Scope};

impl Engine {
    /// The right to do what concerns every organization of this server.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn operator(&self, caller: &Caller, what: &'static str) -> Result<Scope, Error> {
        let scope = caller.scope(Permission::ManageOrganization)?;
        if caller.organization_id != self.inner.local.organization.id {
            return Err(Forbidden::Operator { what }.into());
        }
        if !caller.speaks_for_person() {
            return Err(Forbidden::Program { what }.into());
        }
        Ok(scope)
    }
}
