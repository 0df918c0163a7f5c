//! Moving a state between this server and another backend, by the client itself: along with sources
//! that configure a backend now ([`push_away`]), and back with sources that configure none any more
//! ([`bring_back`]).
//!
//! At every moment there is one live state: a copy is read back and compared before the original is
//! given up. States go through pipes only, and OpenTofu reads and writes the states that it
//! encrypts.

mod already_here;
mod aside;
mod bring_back;
mod command;
mod earlier_try;
mod equality;
mod file;
mod not_moved;
mod old_server;
pub(super) mod push_away;
mod server_side;
pub(super) mod state_move;

pub(super) use command::{TransferArgs, run};
