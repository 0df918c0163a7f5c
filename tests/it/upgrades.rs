//! Upgrades: each data directory that an earlier schema made is opened by this binary, and nothing
//! in it is lost.
//!
//! `tests/it/fixtures/` holds one such directory for each schema.

mod apart;
mod chained;
mod checked;
mod fixtures;
mod kills;
mod making;
mod recorded;
mod secrets;

pub use secrets::without_fingerprints;
