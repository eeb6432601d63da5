//! The product from outside: every test starts the built binary on an empty home and data directory
//! of its own, and judges it by what a person, a client or an upstream sees.
//!
//! No product code is linked. `EXECUTOR_BIN` names the binary to try; without it the development
//! build is made first. What holds must hold on both databases, so most cases run twice.
//! Read on in `server.rs` (the binary as a child) and `upstream.rs` (the API that counts).

/// Runs each case on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::database::Database::sqlite()).await; })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::database::Database::postgres()).await; })+
        }
    };
}

mod api;
mod authority;
mod binary;
mod browser;
mod canary;
mod cast;
mod database;
mod described;
mod fleet;
mod issuer;
mod ledger;
mod parrot;
mod receiver;
mod server;
mod shop;
mod stream;
mod upstream;
mod visitor;

mod access;
mod aging;
mod answers;
mod asking;
mod attention;
mod audits;
mod authorization;
mod authorization_attacks;
mod backups;
mod bodies;
mod boundary;
mod catalog;
mod checking;
mod clients;
mod conformance;
mod conformance_client;
mod connecting;
mod crash;
mod crossing;
mod deletions;
mod disk;
mod documents;
mod doors;
mod eras;
mod example;
mod faults;
mod floods;
mod forks;
mod freshness;
mod gate;
mod generated;
mod graphql;
mod hostile;
mod hostile_authorities;
mod http;
mod injections;
mod joining;
mod keeping;
mod keys;
mod kills;
mod lately;
mod leaving;
mod left_out;
mod listings;
mod logins;
mod mcp_sources;
mod onward;
mod outside;
mod outward;
mod pages;
mod people;
mod persons;
mod policies;
mod policy_sets;
mod programs;
mod providers;
mod proxied;
mod push;
mod quotas;
mod real_authority;
mod record;
mod relaying;
mod renewal;
mod role_commands;
mod roles;
mod rules;
mod run_as;
mod runtimes;
mod scopes;
mod secrets;
mod servers;
mod sessions;
mod start;
mod storage;
mod storm;
mod strangers;
mod tenants;
mod uncertain;
mod upkeep;
mod variables;
mod vaulting;
mod visitors;
mod waiting;
mod ways;
mod webhooks;
mod weighing;
mod workos;
mod workspaces;
