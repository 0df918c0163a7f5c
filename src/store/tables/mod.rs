//! The verbs of each table: one file a table, or a few that belong together. Here is all SQL that
//! work runs; [`super::schema`] makes the tables.

pub(super) mod acknowledgements;
pub(super) mod approvals;
pub(super) mod blobs;
pub(super) mod commits;
pub(super) mod copies;
pub(super) mod event_blocks;
pub(super) mod event_bounds;
pub(super) mod event_chain;
pub(super) mod event_gaps;
pub(super) mod event_growth;
pub(super) mod event_list;
pub(super) mod event_walk;
pub(super) mod events;
pub(super) mod found;
pub(super) mod freezes;
pub(super) mod hashed;
pub(super) mod instance;
pub(super) mod keys;
pub(super) mod locks;
pub(super) mod pages;
pub(super) mod purges;
pub(super) mod quotas;
pub(super) mod rejected;
pub(super) mod retention;
pub(super) mod row_keys;
pub(super) mod rows;
pub(super) mod scrubs;
pub(super) mod search;
pub(super) mod separate;
pub(super) mod serials;
pub(super) mod states;
pub(super) mod tokens;
pub(super) mod transfers;
pub(super) mod trusts;
pub(super) mod versions;
