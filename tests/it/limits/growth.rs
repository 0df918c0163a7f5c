//! What a site has gathered in years makes no job longer: on data that has grown, each job of the
//! writer takes hardly more steps of SQLite's than where there is little, and none takes many.
//!
//! Steps are counted by a build for tests, so the machine's speed does not matter.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};

use super::L1;

/// What the log of a build for tests says behind each job.
const LINE: &str = "the steps of a job";
/// What a client asked for, and what the server does by itself, when it comes to it.
const ASKED_FOR: &str = "write";
const OWN: &str = "own write";
/// No job takes more steps than this, which are some milliseconds.
const MOST: u64 = 100_000;
/// A job takes at most so many times the steps where there is much, and so many more: pages of a
/// tree that is one level higher, and what a small one has not yet.
const TIMES: u64 = 2;
const MORE: u64 = 1_500;

/// How much there is: states, versions of one of them, and rounds of locking, two events each.
struct Much {
    states: usize,
    versions: u64,
    locks: usize,
}

const LITTLE: Much = Much {
    states: 4,
    versions: 12,
    locks: 4,
};
const GROWN: Much = Much {
    states: 200,
    versions: 400,
    locks: 400,
};

/// A data directory with so much.
fn filled(much: &Much) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Setup::new().data(dir.path()).start();
    let admin = server.admin();
    for number in 0..much.states {
        let name = format!("w-{}/b-{number}", number % 3);
        admin.write(&name, tfstate(L1, 1), None).expect_status(200);
    }
    for serial in 1..=much.versions {
        admin
            .write("team/long", tfstate(L1, serial), None)
            .expect_status(200);
    }
    for _ in 0..much.locks {
        admin.lock("w-0/b-0", "lock-1").expect_status(200);
        admin.unlock("w-0/b-0", "lock-1").expect_status(200);
    }
    server.stop();
    dir
}

/// The most steps that a job of the writer took, of those of this kind that a log tells of.
fn most_steps(log: &str, what: &str) -> Option<u64> {
    let lines = log.lines().filter(|line| line.contains(LINE));
    let told = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let written = told.filter(|line| line["what"] == what);
    written
        .map(|line| line["steps"].as_u64().expect("a number of steps"))
        .max()
}

/// Each act by its name.
type Act = (&'static str, fn(&Client, &Much));

const ACTS: [Act; 12] = [
    ("a lock", |admin, _| {
        admin.lock("w-1/b-1", "lock-2").expect_status(200);
    }),
    ("a write under it", |admin, _| {
        let state = tfstate(L1, 2);
        admin
            .write("w-1/b-1", state, Some("lock-2"))
            .expect_status(200);
    }),
    ("an unlock", |admin, _| {
        admin.unlock("w-1/b-1", "lock-2").expect_status(200);
    }),
    ("a write to a long history", |admin, much| {
        let state = tfstate(L1, much.versions + 1);
        admin.write("team/long", state, None).expect_status(200);
    }),
    ("a new state", |admin, _| {
        admin
            .write("w-1/new", tfstate(L1, 1), None)
            .expect_status(200);
    }),
    ("a deletion", |admin, _| {
        admin.delete("team/long").expect_status(200);
    }),
    ("a restore", |admin, _| {
        let path = format!("{}/restore", state_path("team/long"));
        admin.post_json(&path, &json!({})).expect_status(200);
    }),
    ("a hold", |admin, _| {
        let path = format!("{}/versions/3/hold", state_path("team/long"));
        admin
            .post_json(&path, &json!({ "reason": "audit" }))
            .expect_status(200);
    }),
    ("a move", |admin, _| {
        let path = format!("{}/move", state_path("team/long"));
        let to = json!({ "workspace": "team", "buildingBlock": "moved" });
        admin.post_json(&path, &to).expect_status(200);
    }),
    ("a quota", |admin, _| {
        let quota = json!({ "versions": 1_000_000 });
        let body = quota.to_string();
        admin
            .send("PUT", "/api/quotas/team", body)
            .expect_status(200);
    }),
    ("a purge", |admin, _| {
        let path = format!("{}/purge", state_path("team/moved"));
        admin
            .post_json(&path, &json!({ "versions": [2, 5] }))
            .expect_status(200);
    }),
    ("a prune", |admin, _| {
        let prune = json!({ "policy": { "keep_last": 5 } });
        admin.post_json("/api/prune", &prune).expect_status(200);
    }),
];

/// What the server does by itself beside the acts.
const BY_ITSELF: &str = "all that nobody asked for";

/// How many steps the longest job of each act took, and of the start before them.
fn measured(data: &Path, much: &Much) -> Vec<(&'static str, u64)> {
    let start = || Setup::new().data(data).flag("--log-level", "trace");
    let server = start().flag("--max-events", "1000").start();
    eventually("the log is as short as it may be", || {
        most_steps(&server.log(), OWN).is_some() && events(&server) <= 1_100
    });
    let at_start = most_steps(&server.log(), OWN).expect("seen above");
    assert!(server.stop().success());
    // No events are removed from here on: an act would be told the steps of that.
    let server = start().start();
    let admin = server.admin();
    begin_a_run(&server, &admin);
    let mut told = vec![("a start", at_start)];
    for (name, act) in ACTS {
        let before = server.log().len();
        act(&admin, much);
        let mut most = None;
        eventually("the log has its job", || {
            most = most_steps(&server.log().split_off(before), ASKED_FOR);
            most.is_some()
        });
        told.push((name, most.expect("seen above")));
    }
    told.push((BY_ITSELF, most_steps(&server.log(), OWN).unwrap_or(0)));
    told
}

/// Goes on until the events of all acts are in one run: the first event of the next one has the
/// indexes get 128 of them, with some 50 steps each, however many there are.
fn begin_a_run(server: &Server, admin: &Client) {
    let in_run = || crate::inside::number(server.data(), "SELECT max(seq) % 128 FROM events");
    while in_run() > 64 {
        admin.lock("w-0/b-0", "lock-1").expect_status(200);
        admin.unlock("w-0/b-0", "lock-1").expect_status(200);
    }
}

/// How many events there are.
fn events(server: &Server) -> i64 {
    crate::inside::number(server.data(), "SELECT count(*) FROM events")
}

#[test]
fn no_job_of_the_writer_grows_with_what_there_is() {
    let [little, grown] = [LITTLE, GROWN].map(|much| {
        let dir = filled(&much);
        measured(dir.path(), &much)
    });
    let told = format!("{little:?}\n{grown:?}");
    for ((name, little), (_, grown)) in little.iter().zip(&grown) {
        assert!(*grown <= MOST, "{name}: {grown} steps\n{told}");
        // These have more to do, which they do in steps.
        if !["a prune", "a start", BY_ITSELF].contains(name) {
            let most = little * TIMES + MORE;
            assert!(*grown <= most, "{name}: {grown} steps\n{told}");
        }
    }
}
