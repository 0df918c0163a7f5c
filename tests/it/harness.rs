//! The harness: the real binary on a port of its own with a data directory of its own, the cast of
//! callers, and verbs to speak with.
//!
//! A test starts a [`Server`], asks it for a [`Client`] (`server.admin()`, `server.key(…)`,
//! `server.anonymous()`), and talks HTTP. The server is killed and its directory removed when the
//! value is dropped. `STATEKEEP_BIN` points the tests at another binary.

mod client;
mod files;
mod process;
mod server;
mod waiting;

pub use crate::answer::Answer;
pub use crate::samples::*;
pub use client::{Client, http_client, state_path};
pub use files::pipe_at;
pub use process::{binary, children, kill, statekeep, with_usual_signals};
pub use server::{Server, Setup};
pub use waiting::{PATIENCE, eventually, eventually_within};
