//! What each table of a database takes, its indexes included, for `cargo xtask bench durable`.
//!
//! `tables FILE|URL` prints one JSON object: bytes by table, and how many tasks are suspended, in all
//! and with a program kept as it rests. `tables FILE|URL forget` removes what is kept of suspended
//! programs first, so that replay can be measured. Looks behind the store's back and writes nothing
//! else.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::collections::BTreeMap;
use std::error::Error;

const FORGET: &str = "update tasks set snapshot = null where snapshot is not null";
const SUSPENDED: &str = "select count(*), count(snapshot) from tasks where state = 'suspended'";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().ok_or("name a file or a URL")?;
    let forget = arguments.next().is_some_and(|word| word == "forget");
    let (tables, (suspended, kept)) = if place.starts_with("postgres") {
        postgres(&place, forget)?
    } else {
        sqlite(&place, forget)?
    };
    let report = serde_json::json!({ "tables": tables, "suspended": suspended, "kept": kept });
    println!("{report}");
    Ok(())
}

type Found = (BTreeMap<String, i64>, (i64, i64));

fn sqlite(file: &str, forget: bool) -> Result<Found, Box<dyn Error>> {
    let database = rusqlite::Connection::open(file)?;
    database.busy_timeout(std::time::Duration::from_secs(30))?;
    if forget {
        database.execute(FORGET, [])?;
    }
    let mut statement = database.prepare(
        "select coalesce(m.tbl_name, s.name), sum(s.pgsize)
         from dbstat('main', 1) s
         left join sqlite_master m on m.name = s.name
         group by 1",
    )?;
    let tables = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let suspended = database.query_row(SUSPENDED, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((tables, suspended))
}

fn postgres(url: &str, forget: bool) -> Result<Found, Box<dyn Error>> {
    let mut database = postgres::Client::connect(url, postgres::NoTls)?;
    if forget {
        database.execute(FORGET, &[])?;
    }
    let rows = database.query(
        "select cast(relname as text), pg_total_relation_size(oid)
         from pg_class
         where relkind = 'r' and relnamespace = 'public'::regnamespace",
        &[],
    )?;
    let tables = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let row = database.query_one(SUSPENDED, &[])?;
    Ok((tables, (row.get(0), row.get(1))))
}
