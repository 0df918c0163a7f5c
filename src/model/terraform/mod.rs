//! Terraform's format of states, as far as the server reads it: whether bytes are a state, what
//! they say of themselves, and their serial.
//!
//! The format is not ours. It is read by the rules of the programs that write it, so that the
//! server and its clients see the same state.

mod counting;
mod depth;
mod head_value;
pub mod instead;
pub mod member;
pub mod serial;
pub mod tfstate;
