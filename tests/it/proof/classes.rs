//! Small and urgent requests beside work that does not end: lists that hold their places among the
//! readers, and large states that hold their threads. A fault holds both for as long as a file is
//! there, so no test depends on how long anything takes.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::sabotaged::sabotaged_binary;
use crate::harness::{Client, Server, Setup, state_path, tfstate, tfstate_noted};
use crate::wire::{Wire, head};

const L1: &str = "11111111-1111-4111-8111-111111111111";
/// More than there are places and threads of any kind.
const ASKERS: usize = 12;
/// Enough that what was sent before them has come to its place.
const ROUNDS: u64 = 25;

/// The file that holds work for as long as it is there.
struct Held {
    dir: TempDir,
}

impl Held {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let held = Self { dir };
        std::fs::write(held.file(), "").expect("a file");
        held
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("held")
    }

    fn release(&self) {
        std::fs::remove_file(self.file()).expect("the file");
    }
}

/// A server in which this work is held from its start on. It decodes a state each time.
fn holding(fault: &str, file: &Path) -> Server {
    Setup::new()
        .binary(sabotaged_binary())
        .env("STATEKEEP_SABOTAGE", fault)
        .env("STATEKEEP_HELD_BY", file.to_str().expect("UTF-8"))
        .flag("--cache-size", "0")
        .flag("--header-timeout", "10m")
        .flag("--body-timeout", "10m")
        .start()
}

/// What a client needs within a moment, many times over.
fn does_all_that_is_urgent(server: &Server, client: &Client) {
    for round in 1..=ROUNDS {
        let number = round * 2;
        client.lock("team/small", "mine").expect_status(200);
        client
            .write("team/small", tfstate(L1, number), Some("mine"))
            .expect_status(200);
        client.unlock("team/small", "mine").expect_status(200);
        client
            .write("team/small", tfstate(L1, number + 1), None)
            .expect_status(200);
        let read = client.read("team/small").expect_status(200);
        assert_eq!(read.text(), tfstate(L1, number + 1));
        let old = format!("{}/versions/1", state_path("team/small"));
        client.get(&old).expect_status(200);
        server.anonymous().get("/readyz").expect_status(200);
    }
}

/// Sends the requests, and looks that none is answered while all that is urgent is.
fn beside(server: &Server, client: &Client, held: &Held, requests: &[String]) {
    let mut askers: Vec<Wire> = requests
        .iter()
        .map(|request| {
            let mut wire = Wire::to(server);
            wire.send(request);
            wire
        })
        .collect();
    does_all_that_is_urgent(server, client);
    for asker in &mut askers {
        assert!(
            asker.is_quiet(std::time::Duration::from_millis(1)),
            "held work is not answered"
        );
    }
    held.release();
    for asker in &mut askers {
        asker.answer().expect("an answer").expect_status(200);
    }
}

#[test]
#[ignore = "middle tier: builds the server once more"]
fn what_is_urgent_goes_on_beside_lists_counts_and_events_that_hold_their_places() {
    let held = Held::new();
    let server = holding("held-long-reads", &held.file());
    let client = server.make_key(&json!({ "name": "all", "role": "admin" }));
    let lists = [
        "/api/terraform/state",
        "/api/events?kind=state.purge",
        "/api/status",
        "/metrics",
    ];
    let requests: Vec<String> = lists
        .iter()
        .cycle()
        .take(ASKERS)
        .map(|target| head("GET", target, &client, &[]))
        .collect();
    beside(&server, &client, &held, &requests);
}

#[test]
#[ignore = "middle tier: builds the server once more"]
fn what_is_urgent_goes_on_beside_large_states_that_hold_their_threads() {
    let held = Held::new();
    let server = holding("held-large-work", &held.file());
    let client = server.make_key(&json!({ "name": "all", "role": "admin" }));
    let large = tfstate_noted(L1, 1, &"x".repeat(2 * 1024 * 1024));
    let requests: Vec<String> = (0..ASKERS / 2)
        .map(|number| {
            let target = state_path(&format!("team/large-{number}"));
            let length = format!("Content-Length: {}", large.len());
            head("POST", &target, &client, &[&length]) + &large
        })
        .collect();
    beside(&server, &client, &held, &requests);
}
