//! Moving a state between this server and another backend, by the client itself: along with sources
//! that configure a backend now ([`push_away`]), and back with sources that configure none any more
//! ([`bring_back`]).
//!
//! At every moment there is one live state: what is copied is read back and compared before the
//! place that it came from lets go of it. States go through pipes only, and what OpenTofu encrypts
//! is read and written by OpenTofu.

mod aside;
mod bring_back;
mod command;
mod equality;
mod file;
mod hindrance;
mod old;
pub(super) mod push_away;
mod server_side;
pub(super) mod state_move;

pub(super) use command::{TransferArgs, run};
