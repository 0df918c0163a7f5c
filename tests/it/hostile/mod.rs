//! Clients that mean harm, and have no credentials or few: what they take is theirs alone, and
//! everybody else goes on.

mod connections;
mod heads;
mod logins;
mod operator;
mod unread;

use serde_json::json;

use crate::harness::{Client, Server};
use crate::wire::Wire;

const L1: &str = "11111111-1111-4111-8111-111111111111";

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Somebody who writes in `team`, by a token: no request of theirs costs argon2.
fn writer(server: &Server) -> Client {
    server.token(&server.key("team", "owner"), json!({}))
}

/// A connection from an address that was answered and is idle now.
#[track_caller]
fn idle(address: &str, server: &Server) -> Wire {
    let mut wire = Wire::from(address, server);
    wire.send(HEALTHZ);
    wire.answer().expect("an answer").expect_status(200);
    wire
}
