//! One suite of checks, run on both databases through the crate's own door.
//!
//! A check is an async function of a [`world::World`]; `on_each!` makes a test of it per database.

#![expect(clippy::unwrap_used, reason = "a check that meets an error has failed")]

/// Makes one test per database of each check of a module.
macro_rules! on_each {
    ($($check:ident),* $(,)?) => {
        on_files!($($check),*);
        mod memory {
            $(#[test] fn $check() { crate::world::run(crate::world::Kind::Memory, super::$check); })*
        }
    };
}

/// Likewise, for checks that look at the database from outside.
macro_rules! on_files {
    ($($check:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $check() { crate::world::run(crate::world::Kind::Sqlite, super::$check); })*
        }
        mod postgres {
            $(#[test] fn $check() { crate::world::run(crate::world::Kind::Postgres, super::$check); })*
        }
    };
}

mod approvals;
mod attention;
mod audit;
mod calls;
mod catalog;
mod claims;
mod events;
mod group;
mod listings;
mod opening;
mod people;
mod policies;
mod policy_sets;
mod purge;
mod push;
mod retention;
mod samples;
mod servers;
mod small;
mod tasks;
mod tool_usage;
mod upkeep;
mod values;
mod webhooks;
mod world;
