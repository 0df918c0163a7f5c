//! One file for each kind of call: parse, ask the domain, map the answer. They do not know each
//! other; what they share is in [`super::wire`].

pub(super) mod activity;
pub(super) mod approvals;
pub(super) mod backup;
pub(super) mod consumers;
pub(super) mod detect;
pub(super) mod diff;
pub(super) mod events;
pub(super) mod freeze;
pub(super) mod health;
pub(super) mod hooks;
pub(super) mod import;
pub(super) mod inventory;
pub(super) mod keys;
pub(super) mod lock;
pub(super) mod login;
pub(super) mod openapi;
pub(super) mod page;
pub(super) mod quotas;
pub(super) mod resources;
pub(super) mod retention;
pub(super) mod rollback;
pub(super) mod search;
pub(super) mod state;
pub(super) mod states;
pub(super) mod storage;
pub(super) mod transfer;
pub(super) mod trusts;
pub(super) mod verify;
pub(super) mod versions;
pub(super) mod whoami;
