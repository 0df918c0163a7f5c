//! Floods of connections: each address has its share, and idle ones make room.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Server, Setup, eventually, lock_body, state_path, tfstate};
use crate::scrape::{Scrape, monitor};
use crate::wire::Wire;

use super::{HEALTHZ, L1, idle, writer};

/// A connection with half a head.
fn half(address: &str, server: &Server) -> Wire {
    let mut wire = Wire::from(address, server);
    wire.send("GET /healthz HTTP/1.1\r\n");
    wire
}

/// Whether a new connection from an address is served at last. A client tries a few times.
fn is_served(address: &str, server: &Server) -> bool {
    (0..20).any(|_| {
        let mut wire = Wire::from(address, server);
        wire.send(HEALTHZ);
        let answer = wire.answer();
        answer.is_some_and(|answer| answer.status == 200)
    })
}

/// How many connections found no place because their address has its share.
fn refused(monitor: &Client) -> u64 {
    let scrape = Scrape::of(monitor);
    scrape.sum(
        "statekeep_connections_refused_total",
        &[("reason", "address")],
    )
}

#[test]
fn idle_connections_of_an_address_make_room_for_its_new_ones() {
    let server = Setup::new().flag("--max-connections", "128").start();
    let mut first: Vec<Wire> = (0..16).map(|_| idle("127.0.0.2", &server)).collect();
    let mut next: Vec<Wire> = (0..8).map(|_| idle("127.0.0.2", &server)).collect();
    for wire in &mut first[..8] {
        wire.closes();
    }
    for wire in first[8..].iter_mut().chain(&mut next) {
        wire.send(HEALTHZ);
        wire.answer().expect("it was left open").expect_status(200);
    }
}

#[test]
fn half_heads_from_one_address_shut_out_that_address_alone() {
    let server = Setup::new().flag("--max-connections", "128").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let flood: Vec<Wire> = (0..60).map(|_| half("127.0.0.2", &server)).collect();
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    eventually("some of the flood are refused", || refused(&monitor) > 0);
    drop(flood);
    assert!(is_served("127.0.0.2", &server), "and its share comes back");
}

#[test]
fn one_that_finds_no_place_is_told_so() {
    let server = Setup::new().flag("--max-connections", "128").start();
    let key = server.key("team", "owner");
    let busy = |number: usize| {
        let mut wire = Wire::from("127.0.0.2", &server);
        let path = state_path(&format!("team/n{number}"));
        wire.send(crate::wire::head(
            "LOCK",
            &path,
            &key,
            &["Content-Length: 500"],
        ));
        assert!(wire.is_quiet(Duration::from_millis(20)));
        wire
    };
    let mut under_way: Vec<Wire> = (0..16).map(busy).collect();
    let mut one_more = Wire::from("127.0.0.2", &server);
    one_more.send(HEALTHZ);
    let refused = one_more.answer().expect("an answer");
    let refused = refused.expect_problem(503, "too_many_connections");
    assert_eq!(refused.header("retry-after"), "2");
    one_more.closes();
    // Requests under way are left alone.
    let body = lock_body("lock-1");
    under_way[0].send(body.clone() + &" ".repeat(500 - body.len()));
    under_way[0].answer().expect("an answer").expect_status(200);
    assert!(
        is_served("127.0.0.2", &server),
        "it is idle, so it makes room"
    );
}

/// The connections of many addresses, as many as there may be, with nothing under way.
#[test]
fn a_server_full_of_idle_connections_serves_new_ones() {
    let server = Setup::new().flag("--max-connections", "128").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let addresses = (2..12).map(|last| format!("127.0.0.{last}"));
    let flood =
        addresses.flat_map(|address| (0..16).map(|_| idle(&address, &server)).collect::<Vec<_>>());
    let mut flood: Vec<Wire> = flood.collect();
    writer.lock("team/net", "lock-1").expect_status(200);
    assert!(is_served("127.0.0.100", &server));
    flood[0].closes();
    eventually("idle ones are closed until there is room", || {
        Scrape::of(&monitor).value("statekeep_connections_open") <= 113
    });
}

/// Whoever has shown good credentials keeps the connection while strangers come and go.
#[test]
fn strangers_make_room_before_those_who_are_known() {
    let server = Setup::new().flag("--max-connections", "128").start();
    let writer = writer(&server);
    let mut known = Wire::to(&server);
    let ask = crate::wire::head("GET", &state_path("team/net"), &writer, &[]);
    known.send(&ask);
    let answer = known.answer().expect("an answer");
    answer.expect_problem(404, "no_state");
    let addresses = (2..12).map(|last| format!("127.0.0.{last}"));
    let flood =
        addresses.flat_map(|address| (0..16).map(|_| idle(&address, &server)).collect::<Vec<_>>());
    let flood: Vec<Wire> = flood.collect();
    known.send(&ask);
    let answer = known.answer().expect("it was left open");
    answer.expect_problem(404, "no_state");
    drop(flood);
}

#[test]
#[ignore = "middle tier: a flood of a thousand connections, with the defaults"]
fn a_flood_of_half_heads_from_many_addresses_leaves_room() {
    let server = Server::start();
    let writer = writer(&server);
    let mut flood = Vec::new();
    for number in 0..2_600 {
        flood.push(half(&format!("127.0.1.{}", number % 13), &server));
    }
    for serial in 1..=20 {
        // A client of its own each time, and so a new connection.
        assert!(is_served("127.0.0.100", &server), "{serial}");
    }
    let writer = server.with(writer.secret());
    eventually("a writer gets through", || {
        writer.write("team/net", tfstate(L1, 1), None).status == 200
    });
    drop(flood);
}

/// Behind a trusted proxy connections are the proxy's, and requests are the clients'.
#[test]
fn a_client_behind_a_trusted_proxy_has_its_share_of_requests() {
    let server = Setup::new()
        .flag("--max-connections", "128")
        .flag("--trusted-proxy", "127.0.0.1/32")
        .start();
    let key = server.token(&server.key("team", "owner"), json!({}));
    let lock = |client: &str, number: usize| {
        let mut wire = Wire::to(&server);
        let path = state_path(&format!("team/n{number}"));
        let from = format!("X-Forwarded-For: {client}");
        wire.send(crate::wire::head(
            "LOCK",
            &path,
            &key,
            &["Content-Length: 500", &from],
        ));
        wire
    };
    let mut under_way: Vec<Wire> = (0..16).map(|number| lock("2001:db8::1", number)).collect();
    for wire in &mut under_way {
        assert!(wire.is_quiet(Duration::from_millis(20)));
    }
    let mut one_more = lock("2001:db8::2", 20);
    let refused = one_more.answer().expect("an answer");
    refused.expect_problem(503, "too_many_connections");
    let mut other = lock("2001:db8:0:1::1", 21);
    assert!(
        other.is_quiet(Duration::from_millis(100)),
        "another network has its own share"
    );
    drop(under_way);
    eventually("and it comes back", || {
        let mut wire = lock("2001:db8::2", 20);
        let body = lock_body("lock-1");
        wire.send(body.clone() + &" ".repeat(500 - body.len()));
        wire.answer().is_some_and(|answer| answer.status == 200)
    });
}
