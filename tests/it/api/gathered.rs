//! Events that are gathered: reads and refused credentials, one row for a key, state, version,
//! address and minute, with a count.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};

use super::L1;

/// Waits until the gathered events of a query count up to a sum. A minute may end while a test
/// runs, so two rows may share it.
#[track_caller]
fn gathered(server: &Server, query: &str, sum: u64) -> Vec<Value> {
    let mut events = Vec::new();
    let count = |events: &[Value]| {
        events
            .iter()
            .filter_map(|event| event["count"].as_u64())
            .sum::<u64>()
    };
    eventually(&format!("{query} counts {sum}"), || {
        events = server.admin().events(query);
        count(&events) >= sum
    });
    assert_eq!(count(&events), sum, "{events:?}");
    events
}

fn read(caller: &Client, times: usize) {
    for _ in 0..times {
        caller.read("team/net").expect_status(200);
    }
}

#[test]
fn reads_of_a_state_are_one_row_with_a_count() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    read(&writer, 30);
    let rows = gathered(&server, "kind=state.read", 30);
    assert!(rows.len() <= 2, "{rows:?}");
    let row = &rows[0];
    assert_eq!(
        (row["workspace"].as_str(), row["buildingBlock"].as_str()),
        (Some("team"), Some("net"))
    );
    assert_eq!(
        (
            row["version"].as_u64(),
            row["actor"]["id"].as_str(),
            row["address"].as_str()
        ),
        (Some(1), Some(writer.key_id.as_str()), Some("127.0.0.1"))
    );
    let time = |name: &str| {
        humantime::parse_rfc3339(row[name].as_str().expect("a time")).expect("RFC 3339")
    };
    assert!(time("at") <= time("last_at"));
    assert_eq!(row["attention"], false);
}

#[test]
fn reads_of_one_minute_share_their_row_with_those_that_are_written_down_already() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let mut rows = Vec::new();
    for sum in 1..=4 {
        read(&writer, 1);
        rows = gathered(&server, "kind=state.read", sum);
    }
    assert!(rows.len() <= 2, "{rows:?}");
}

#[test]
fn each_key_address_and_version_has_a_row_of_its_own() {
    let server = Server::start();
    let (writer, reader) = (server.key("team", "writer"), server.key("team", "reader"));
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    read(&writer, 3);
    read(&reader, 4);
    read(&writer.calling_from("127.0.0.2"), 5);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    read(&writer, 6);
    let rows = gathered(&server, "kind=state.read", 18);
    let sum = |pick: &dyn Fn(&&Value) -> bool| {
        rows.iter()
            .filter(pick)
            .filter_map(|row| row["count"].as_u64())
            .sum::<u64>()
    };
    assert_eq!(sum(&|row| row["actor"]["id"] == reader.key_id.as_str()), 4);
    assert_eq!(sum(&|row| row["address"] == "127.0.0.2"), 5);
    assert_eq!(sum(&|row| row["version"] == 2), 6);
}

#[test]
fn reads_of_old_versions_and_of_outputs_are_reads_too() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    writer
        .get(&format!("{}/versions/1", state_path("team/net")))
        .expect_status(200);
    server
        .key("team", "outputs")
        .read("team/net")
        .expect_status(200);
    let rows = gathered(&server, "kind=state.read", 2);
    assert!(
        rows.iter().any(|row| row["version"] == 1) && rows.iter().any(|row| row["version"] == 2),
        "{rows:?}"
    );
}

#[test]
fn refused_credentials_are_gathered_so_that_nobody_fills_the_disk_by_failing() {
    let server = Server::start();
    server.admin().get("/api/keys").expect_status(200);
    for attempt in 0..40 {
        let status = server
            .with(&format!("nonsense-{attempt}"))
            .read("team/net")
            .status
            .as_u16();
        assert!([401, 429].contains(&status), "{status}");
    }
    let mut rows = Vec::new();
    eventually("they are written down", || {
        rows = server.admin().events("kind=credentials.refused");
        rows.iter()
            .filter_map(|row| row["count"].as_u64())
            .sum::<u64>()
            >= 10
    });
    assert!(rows.len() <= 4, "{} rows", rows.len());
    assert_eq!(rows[0]["address"], "127.0.0.1");
    assert!(
        !serde_json::json!(rows).to_string().contains("nonsense-"),
        "what was tried is not written down"
    );
}

#[test]
fn a_read_is_written_down_even_when_the_server_is_stopped_at_once() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    read(&writer, 3);
    assert!(server.stop().success());
    let server = Setup::new().data(&data).start();
    assert_eq!(
        gathered(&server, "kind=state.read", 3)[0]["actor"]["id"],
        writer.key_id
    );
}

#[test]
#[ignore = "middle tier: events live for a minute at least"]
fn old_events_are_removed_while_new_ones_and_states_stay() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer.lock("team/net", "lock-1").expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    server.stop();
    std::thread::sleep(std::time::Duration::from_secs(61));
    let server = Setup::new()
        .data(&data)
        .flag("--event-retention", "1m")
        .start();
    writer
        .at(&server)
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    eventually("old events are gone", || {
        server.admin().events("kind=state.write").len() == 1
    });
    assert_eq!(server.admin().events("kind=state.write")[0]["version"], 2);
    assert_eq!(writer.at(&server).versions("team/net").len(), 2);
}
