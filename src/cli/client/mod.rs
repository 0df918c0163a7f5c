//! The client of the API: the ways to a server, the requests that go over them, and the token that
//! a wrapped program gets.

mod addresses;
pub(super) mod api;
pub(super) mod escaped;
mod inside;
pub(super) mod kept;
pub(super) mod login_source;
pub(super) mod names;
pub(super) mod network;
pub(super) mod pages;
pub(super) mod syslog;
pub(super) mod token;
pub(super) mod trust;
pub(super) mod webhook;
pub(super) mod wire;
