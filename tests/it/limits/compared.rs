//! What a comparison takes: as much memory as was written, of what is alike nothing twice, and only
//! what differs is counted as taken apart.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::noise;
use crate::harness::{Client, Server, Setup, eventually, state_path};
use crate::inside;
use crate::scrape::{eventually_all_is_back, monitor};

use super::{KIB, L1, MIB, writer};

/// A state of many resources of 10 kB, of which one has this mark.
fn marked(serial: u64, resources: usize, mark: &str) -> String {
    let padding = noise(7, 10_000);
    let one = |number: usize| {
        let mark = if number == resources / 2 { mark } else { "" };
        json!({
            "mode": "managed", "type": "t", "name": format!("n{number}"),
            "provider": "provider[\"p\"]",
            "instances": [{"attributes": {"id": number.to_string(), "mark": mark, "p": padding}}]
        })
    };
    let all: Vec<Value> = (0..resources).map(one).collect();
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": L1,
        "resources": all
    })
    .to_string()
}

/// What a version changed: the whole answer.
fn diff(client: &Client, number: u64) -> Value {
    let path = format!("{}/versions/{number}/diff", state_path("team/net"));
    client.get(&path).expect_status(200).json()
}

#[test]
fn two_states_that_are_nearly_alike_are_compared_in_twice_their_size() {
    let server = Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "4MiB")
        .flag("--cache-size", "0")
        .start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let states = [marked(1, 96, "a"), marked(2, 96, "b")];
    for state in &states {
        let both = 2 * state.len();
        assert!(both > 4 * MIB / 5 && both < 2 * MIB, "{both}");
        writer.write("team/net", state, None).expect_status(200);
    }
    // What the server does by itself takes memory for a moment.
    eventually("they are compared", || {
        let answer = diff(&writer, 2);
        answer["diff"]["counts"]["changed"] == 1
    });
    let answer = diff(&writer, 2);
    let attributes = &answer["diff"]["resources"][0]["attributes"];
    assert_eq!(
        (&attributes[0]["path"], attributes.as_array().map(Vec::len)),
        (&json!("mark"), Some(1)),
        "{attributes}"
    );
    let answer = diff(&writer, 1);
    let (code, detail) = (
        &answer["not_compared"]["code"],
        answer["not_compared"]["detail"].as_str(),
    );
    assert_eq!(code, "too_large", "all of the first one is new");
    assert!(
        detail.is_some_and(|detail| detail.contains("not written alike")),
        "{detail:?}"
    );
    eventually_all_is_back(&monitor, "after comparisons");
}

/// A number of the kernel's about the memory of a server, in bytes.
fn memory(server: &Server, name: &str) -> u64 {
    let status = format!("/proc/{}/status", server.pid());
    let status = std::fs::read_to_string(status).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("a size") * KIB as u64
}

#[test]
fn of_two_versions_that_are_compared_neither_is_in_memory_twice() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let started = || Setup::new().data(&data).flag("--cache-size", "0").start();
    let server = started();
    let size = {
        let writer = writer(&server);
        for (serial, mark) in [(1, "a"), (2, "b"), (3, "c")] {
            let state = marked(serial, 2_000, mark);
            writer.write("team/net", state, None).expect_status(200);
        }
        inside::compacted(&data);
        marked(1, 2_000, "a").len() as u64
    };
    assert!(server.stop().success());
    assert!(inside::most_steps(&data) >= 1, "one is a delta to another");

    for number in [3, 2] {
        // Of a process, the most that it ever had is known.
        let server = started();
        let writer = writer(&server);
        writer.get("/api/whoami").expect_status(200);
        let before = memory(&server, "VmRSS:");
        assert_eq!(diff(&writer, number)["diff"]["counts"]["changed"], 1);
        let took = memory(&server, "VmHWM:") - before;
        assert!(
            took < size * 5 / 2,
            "version {number}: {took} bytes for two states of {size}"
        );
        assert!(took > size, "what it took is seen: {took}");
    }
}
