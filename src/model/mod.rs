//! The words of the product: names, digests, versions, locks, callers, permissions, events.
//!
//! Everything here is pure and parsed once: a value of one of these types is valid, and nothing
//! here reads a disk, a network or (but for [`clock`]) the time.

pub mod acknowledgement;
pub mod actor;
pub mod approval;
pub mod caller;
pub mod claims;
pub mod client_certificate;
pub mod clock;
pub mod commit;
pub mod confirmed;
pub mod consumer;
pub mod digest;
pub mod error_code;
pub mod event;
pub mod event_class;
pub mod event_growth;
pub mod event_head;
pub mod event_kind;
pub mod fingerprint;
pub mod frame;
pub mod freeze;
pub mod hook;
pub mod json_words;
pub mod key;
pub mod lock;
pub mod lock_death;
pub mod name;
pub mod nul;
pub mod on_loss;
pub mod page;
pub mod permission;
pub mod printable;
pub mod quota;
pub mod resource;
pub mod retention;
pub mod scrub;
pub mod search;
pub mod secret;
pub mod signed_head;
pub mod span;
pub mod state;
pub mod terraform;
pub mod time_of_day;
pub mod token;
pub mod transfer;
pub mod trust;
pub mod unique_json;
pub mod version;
pub mod waiter;
