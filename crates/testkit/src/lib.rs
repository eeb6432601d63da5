//! What tests of several crates share: real things started for a test process and ended with it.
//!
//! No doubles of our own parts live here; the product never depends on it.

pub mod postgres;
