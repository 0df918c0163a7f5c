//! Comparisons and detections: they run aside of the threads that writes use, and one key never has
//! many of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Client, Server, state_path, tfstate};
use crate::wire::{Wire, head};

use super::{L1, says_when_to_retry};

const DETECT: &str = "/api/terraform/detect";

/// The processor's time that threads whose name begins so have used, in ticks of 10 ms.
fn ticks(server: &Server, name: &str) -> u64 {
    let tasks = PathBuf::from(format!("/proc/{}/task", server.pid()));
    let of = |task: PathBuf| {
        let stat = std::fs::read_to_string(task.join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after.split(' ').collect();
        let is_it = before.split_once('(')?.1.starts_with(name);
        let used = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(if is_it { used(11)? + used(12)? } else { 0 })
    };
    let tasks = std::fs::read_dir(tasks).expect("the threads of our own child");
    tasks
        .filter_map(|task| of(task.expect("a thread").path()))
        .sum()
}

fn module(text: &str) -> String {
    json!({ "files": { "main.tf": text } }).to_string()
}

#[test]
fn detections_use_no_thread_that_writes_use() {
    let server = Server::start();
    let outputs = server.key("team", "outputs");
    let deep = format!("locals {{\n  x = a{}\n}}\n", "[0]".repeat(200_000));
    let (aside, cores) = (ticks(&server, "aside"), ticks(&server, "core-"));
    outputs
        .send("POST", DETECT, module(&deep))
        .expect_status(200);
    assert!(ticks(&server, "aside") > aside, "it takes some time");
    assert_eq!(ticks(&server, "core-"), cores);
}

/// Begins a detection whose body does not come.
fn begin(server: &Server, caller: &Client) -> Wire {
    let mut wire = Wire::to(server);
    wire.send(head("POST", DETECT, caller, &["Content-Length: 1000"]));
    wire.send("{");
    wire
}

#[test]
fn a_key_has_four_comparisons_and_detections_at_a_time_and_others_wait_for_none_of_them() {
    let server = Server::start();
    let (greedy, other) = (server.key("team", "writer"), server.key("team", "writer"));
    for serial in 1..=2 {
        greedy
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let diff = format!("{}/versions/2/diff", state_path("team/net"));
    // A look at them takes a place for a moment too, so one more may have been refused.
    let mut slow: Vec<Wire> = Vec::new();
    crate::harness::eventually("its four places are taken", || {
        slow.push(begin(&server, &greedy));
        greedy.get(&diff).status == 429
    });
    says_when_to_retry(&greedy.get(&diff).expect_problem(429, "too_many_at_once"));
    let refused = greedy.send("POST", DETECT, module("x = 1\n"));
    says_when_to_retry(&refused.expect_problem(429, "too_many_at_once"));
    let rollback = format!("{}/rollback", state_path("team/net"));
    let preview = json!({ "version": 1, "dry_run": true });
    greedy
        .post_json(&rollback, &preview)
        .expect_problem(429, "too_many_at_once");
    // Who asks again and again is answered slowly.
    let begun = Instant::now();
    for _ in 0..4 {
        greedy.get(&diff).expect_status(429);
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // A slow body is no turn: others of the same key and other keys go on.
    other.get(&diff).expect_status(200);
    other
        .send("POST", DETECT, module("x = 1\n"))
        .expect_status(200);
    greedy
        .write("team/net", tfstate(L1, 3), None)
        .expect_status(200);
    slow.clear();
    crate::harness::eventually("its places are free again", || {
        greedy.get(&diff).status == 200
    });
}

/// The priority of the thread with this name, as the system tells it: 19 is the lowest.
fn nice(server: &Server, name: &str) -> Option<i64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid()));
    let mut stats = tasks
        .expect("the threads of our own child")
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let stat = stats.find(|stat| stat.contains(&format!("({name})")))?;
    let (_, after) = stat.rsplit_once(") ")?;
    after.split(' ').nth(16)?.parse().ok()
}

#[test]
fn what_nobody_waits_for_gives_way_and_is_not_starved() {
    let server = Server::start();
    let own = nice(&server, "writer").expect("the thread that writes");
    let background = nice(&server, "background").expect("the thread that settles versions");
    assert!(background > own, "it gives way");
    assert!(
        background <= 10,
        "with a priority of {background} it gets nothing where others always run"
    );
}
