//! Clients that never finish a handshake: they are ended after a few seconds, and their address
//! alone has fewer places meanwhile.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::authority::Site;
use super::{client_config, connect};
use crate::harness::{Server, eventually};
use crate::scrape::Scrape;
use crate::wire::Wire;

/// The beginning of a handshake that says it has more than comes.
const HALF: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

fn late(server: &Server) -> u64 {
    let scrape = Scrape::of(&server.admin());
    scrape.sum("statekeep_tls_handshakes_total", &[("result", "late")])
}

#[test]
fn a_handshake_that_stalls_is_ended_after_a_few_seconds() {
    let site = Site::new();
    let server = site.setup().flag("--header-timeout", "2s").start();
    let began = Instant::now();
    let mut half = Wire::to(&server);
    half.send(HALF);
    let mut silent = Wire::to(&server);
    half.closes();
    silent.closes();
    assert!(began.elapsed() >= Duration::from_secs(1), "not at once");
    eventually("both are counted", || late(&server) == 2);
}

#[test]
fn stalled_handshakes_take_the_places_of_their_address_alone() {
    let site = Site::new();
    let setup = site.setup().flag("--max-connections", "128");
    let server = setup.flag("--header-timeout", "1h").start();
    let admin = server.admin();
    let flood: Vec<Wire> = (0..60)
        .map(|_| {
            let mut wire = Wire::from("127.0.0.2", &server);
            wire.send(HALF);
            wire
        })
        .collect();
    let refused = || {
        let of_address = [("reason", "address")];
        let scrape = Scrape::of(&admin);
        let count = |name| scrape.sum(name, &of_address);
        count("statekeep_connections_refused_total")
            + count("statekeep_connections_closed_early_total")
    };
    eventually("the flood has no more than its share", || refused() >= 40);
    admin
        .calling_over(site.authority.client())
        .get("/healthz")
        .expect_status(200);
    drop(flood);
}

#[test]
fn a_request_that_stalls_within_tls_ends_as_without() {
    let site = Site::new();
    let server = site.setup().flag("--header-timeout", "1s").start();
    let mut stream = connect(&server, &client_config(&site.authority, &[b"http/1.1"]));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\n")
        .expect("half a head");
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 408"),
        "{rest}"
    );
}

#[test]
fn a_large_head_without_credentials_is_refused_within_tls_too() {
    let site = Site::new();
    let server = site.setup().start();
    let mut stream = connect(&server, &client_config(&site.authority, &[b"http/1.1"]));
    let head = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
