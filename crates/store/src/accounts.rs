//! People, as far as they must be named. Who may do what is `tenancy`'s roles.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::AccountId;
use domain::access::{Scope, System};
use domain::tenancy::Account;

/// A person.
///
/// # Errors
/// Those of the database.
pub fn get(conn: &mut Reader<'_>, _: System, id: &AccountId) -> Result<Option<Account>, Error> {
    conn.one(
        "select id, name, created_at from accounts where id = $1",
        &params![id],
        |r| {
            Ok(Account {
                id: r.id()?,
                name: r.text()?,
                created_at: r.time()?,
            })
        },
    )
}

/// The name of a member of the scope's organization; none for anybody else.
///
/// # Errors
/// Those of the database.
pub fn name(conn: &mut Reader<'_>, scope: &Scope, id: &AccountId) -> Result<Option<String>, Error> {
    conn.one(
        "select coalesce(members.name, accounts.name)
         from accounts
         join members on members.account_id = accounts.id
         where accounts.id = $1 and members.organization_id = $2",
        &params![id, scope.organization_id()],
        |r| r.text(),
    )
}

/// Gives a person another name, wherever they are a member.
///
/// # Errors
/// Those of the database.
pub fn rename(tx: &mut Tx<'_>, _: System, id: &AccountId, name: &str) -> Result<(), Error> {
    tx.execute(
        "update accounts set name = $2 where id = $1",
        &params![id, name],
    )?;
    Ok(())
}
