//! ID tokens (OIDC) of issuers that a trust names, from the text to what it lets in.
//!
//! A token is read strictly, its signature comes before anything that it says, and each refusal has
//! a reason of its own for the events. Which key verifies it is the key set's word alone: nothing
//! in a token brings a key along.

pub(super) mod admission;
pub mod fault;
pub(super) mod key_set;
pub(super) mod parts;
pub mod sources;
