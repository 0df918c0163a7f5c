//! The operator's socket answers while no client can reach the server, and to the operator alone.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::harness::{Server, Setup, eventually, state_path};
use crate::skip;
use crate::wire::Wire;

use super::writer;

/// Every place is taken by a request under way, from several addresses.
fn crowd(server: &Server) -> Vec<Wire> {
    let busy = |number: usize| {
        let mut wire = Wire::from(&format!("127.0.0.{}", 2 + number % 8), server);
        wire.send("GET /healthz HTTP/1.1\r\n");
        wire
    };
    (0..200).map(busy).collect()
}

#[test]
fn the_operator_is_served_while_every_place_is_taken() {
    let server = Setup::new()
        .flag("--max-connections", "64")
        .flag("--header-timeout", "10min")
        .start();
    let key = server.key("team", "writer");
    let owner = writer(&server);
    owner.lock("team/net", "lock-1").expect_status(200);
    let crowd = crowd(&server);
    for args in [
        vec!["key", "list"],
        vec!["key", "revoke", &key.key_id, "--yes"],
        vec!["state", "unlock", "team/net", "--yes"],
    ] {
        let output = server.cli(&args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    drop(crowd);
    // While the crowd leaves, a connection may still be refused.
    eventually("the key is refused", || {
        let asked = key.request("GET", &state_path("team/net")).send();
        asked.is_ok_and(|answer| answer.status() == 401)
    });
}

fn socket_status(server: &Server, headers: &str) -> u16 {
    let mut wire = Wire::to_socket_of(server);
    wire.send(format!(
        "GET /api/keys HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
    ));
    wire.answer().expect("an answer").status.as_u16()
}

#[test]
fn the_operator_comes_through_no_proxy_and_no_browser() {
    let server = Server::start();
    assert_eq!(socket_status(&server, ""), 200);
    for header in [
        "X-Forwarded-For: 192.0.2.1",
        "x-forwarded-proto: https",
        "Forwarded: for=192.0.2.1",
        "Via: 1.1 proxy",
        "X-Real-IP: 192.0.2.1",
        "Origin: https://example.org",
        "Sec-Fetch-Site: cross-site",
    ] {
        assert_eq!(
            socket_status(&server, &format!("{header}\r\n")),
            401,
            "{header}"
        );
    }
}

/// The data directory keeps other users from the socket by its mode. This is for a directory that
/// somebody has opened.
#[test]
fn another_user_at_the_socket_is_not_the_operator() {
    if !rustix::process::geteuid().is_root() {
        skip::missing("only root can start a process of another user");
        return;
    }
    let Some(curl) = skip::program("curl", "STATEKEEP_CURL") else {
        return;
    };
    let server = Server::start();
    let socket = server.data().join("statekeep.sock");
    let status_of = |user: u32| {
        let output = Command::new(&curl)
            .uid(user)
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "--unix-socket",
            ])
            .arg(&socket)
            .arg("http://x/api/keys")
            .output()
            .expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(status_of(0), "200");
    assert_eq!(status_of(NOBODY), "000", "the directory is closed");
    for (path, mode) in [
        (server.data().parent().expect("a parent"), 0o711),
        (server.data(), 0o711),
        (socket.as_path(), 0o666),
    ] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    }
    assert_eq!(status_of(NOBODY), "401");
    assert_eq!(status_of(0), "200");
}

/// The user that owns nothing, by its number on Linux.
const NOBODY: u32 = 65_534;
