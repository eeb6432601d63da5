//! Devices without a browser that ask for a token (RFC 8628): the code that a person enters, what
//! became of it, and how often the device may ask.

use crate::db::{Row, params};
use crate::{Error, Reader, Tx};
use domain::access::{Scopes, System};
use domain::grant::Resource;
use domain::{GrantId, Timestamp};

/// What a person said to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Pending,
    /// Yes.
    Approved,
    /// No.
    Denied,
    /// Yes, and the device has its token.
    Taken,
}

impl Said {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "pending" => Some(Self::Pending),
            "approved" => Some(Self::Approved),
            "denied" => Some(Self::Denied),
            "taken" => Some(Self::Taken),
            _ => None,
        }
    }
}

/// A device that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// SHA-256 of what it asks with, in hexadecimal.
    pub sha256: String,
    /// What a person enters, in capitals without a dash.
    pub user_code: String,
    /// The client's identifier.
    pub client_id: String,
    /// What the client calls itself.
    pub client_name: String,
    /// What it asks for.
    pub scopes: Scopes,
    /// Which door it is for.
    pub resource: Resource,
    /// What became of it.
    pub said: Said,
    /// The grant, once there is one.
    pub grant_id: Option<GrantId>,
    /// When it may ask again.
    pub poll_at: Timestamp,
    /// How long it has to wait between, in milliseconds.
    pub poll_ms: i64,
    /// When it began to ask.
    pub created_at: Timestamp,
    /// When it has to give up.
    pub expires_at: Timestamp,
}

/// Records a device. False where its code is another's.
///
/// # Errors
/// Those of the database.
pub fn insert(tx: &mut Tx<'_>, _: System, device: &Device) -> Result<bool, Error> {
    let made = tx.execute(
        "insert into grant_devices
             (device_sha256, user_code, client_id, client_name, scopes, resource, status, poll_at,
              poll_ms, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9, $10)
         on conflict (user_code) do nothing",
        &params![
            &device.sha256,
            &device.user_code,
            &device.client_id,
            &device.client_name,
            device.scopes.to_string(),
            device.resource.as_str(),
            device.poll_at,
            device.poll_ms,
            device.created_at,
            device.expires_at,
        ],
    )?;
    Ok(made == 1)
}

const COLUMNS: &str = "device_sha256, user_code, client_id, client_name, scopes, resource, status, \
     grant_id, poll_at, poll_ms, created_at, expires_at";

fn read(r: &mut Row<'_>) -> Result<Device, Error> {
    Ok(Device {
        sha256: r.text()?,
        user_code: r.text()?,
        client_id: r.text()?,
        client_name: r.text()?,
        scopes: Scopes::parse_stored(&r.text()?),
        resource: r.named(Resource::parse)?,
        said: r.named(Said::parse)?,
        grant_id: r.opt_id()?,
        poll_at: r.time()?,
        poll_ms: r.int()?,
        created_at: r.time()?,
        expires_at: r.time()?,
    })
}

/// The device that waits for a person to enter a code.
///
/// # Errors
/// Those of the database.
pub fn by_code(
    conn: &mut Reader<'_>,
    _: System,
    user_code: &str,
    now: Timestamp,
) -> Result<Option<Device>, Error> {
    conn.one(
        &format!(
            "select {COLUMNS} from grant_devices
             where user_code = $1 and status = 'pending' and expires_at > $2"
        ),
        &params![user_code, now],
        read,
    )
}

/// Records what a person said; with a grant it is a yes. False where somebody was first.
///
/// # Errors
/// Those of the database.
pub fn say(
    tx: &mut Tx<'_>,
    _: System,
    user_code: &str,
    grant: Option<&GrantId>,
    now: Timestamp,
) -> Result<bool, Error> {
    let status = if grant.is_some() {
        "approved"
    } else {
        "denied"
    };
    let said = tx.execute(
        "update grant_devices set status = $2, grant_id = $3
         where user_code = $1 and status = 'pending' and expires_at > $4",
        &params![user_code, status, grant, now],
    )?;
    Ok(said == 1)
}

/// A device that asks whether somebody said something.
///
/// # Errors
/// Those of the database.
pub fn by_secret(conn: &mut Reader<'_>, _: System, sha256: &str) -> Result<Option<Device>, Error> {
    conn.one(
        &format!("select {COLUMNS} from grant_devices where device_sha256 = $1"),
        &params![sha256],
        read,
    )
}

/// Records when a device may ask again.
///
/// # Errors
/// Those of the database.
pub fn wait(
    tx: &mut Tx<'_>,
    _: System,
    sha256: &str,
    poll_at: Timestamp,
    poll_ms: i64,
) -> Result<(), Error> {
    tx.execute(
        "update grant_devices set poll_at = $2, poll_ms = $3 where device_sha256 = $1",
        &params![sha256, poll_at, poll_ms],
    )?;
    Ok(())
}

/// Gives a device its token, once: false for whoever comes second.
///
/// # Errors
/// Those of the database.
pub fn take(tx: &mut Tx<'_>, _: System, sha256: &str) -> Result<bool, Error> {
    let taken = tx.execute(
        "update grant_devices set status = 'taken'
         where device_sha256 = $1 and status = 'approved'",
        &params![sha256],
    )?;
    Ok(taken == 1)
}

/// How many devices wait for a person.
///
/// # Errors
/// Those of the database.
pub fn pending(conn: &mut Reader<'_>, _: System, now: Timestamp) -> Result<u64, Error> {
    let count = conn.one(
        "select count(*) from grant_devices where status = 'pending' and expires_at > $1",
        &params![now],
        |r| r.int(),
    )?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

/// Forgets the devices whose time is over; answers how many.
///
/// # Errors
/// Those of the database.
pub fn remove_expired(tx: &mut Tx<'_>, _: System, now: Timestamp) -> Result<u64, Error> {
    tx.execute(
        "delete from grant_devices where expires_at <= $1",
        &params![now],
    )
}
