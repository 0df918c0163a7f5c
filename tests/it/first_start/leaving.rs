//! SIGTERM and SIGINT: requests under way are finished, the log is checkpointed, the process leaves
//! with 0.

use std::path::Path;

use tempfile::TempDir;

use crate::disk::strace;
use crate::harness::{
    Client, Server, Setup, children, eventually, eventually_within, kill, state_path, tfstate,
    tfstate_noted,
};
use crate::wire::{Wire, head};

use super::L1;

fn wal_size(data: &Path) -> u64 {
    std::fs::metadata(data.join("statekeep.db-wal")).map_or(0, |file| file.len())
}

fn started(dir: &TempDir) -> (Server, Client) {
    let server = Setup::new().data(&dir.path().join("data")).start();
    let writer = server.key("team", "writer");
    (server, writer)
}

#[test]
fn a_slow_upload_under_way_is_finished_and_stored() {
    for signal in ["TERM", "INT"] {
        let dir = TempDir::new().expect("a directory");
        let (mut server, writer) = started(&dir);
        let body = tfstate_noted(L1, 1, &"x".repeat(100_000));
        let mut upload = Wire::to(&server);
        upload.send(head(
            "POST",
            &state_path("team/net"),
            &writer,
            &[&format!("Content-Length: {}", body.len())],
        ));
        upload.send(&body[..50_000]);
        // The server has the head once it has judged it; a request on another connection gives it
        // the time.
        writer.read("team/net").expect_status(404);
        server.signal(signal);
        std::thread::sleep(std::time::Duration::from_millis(300));
        upload.send(&body[50_000..]);
        upload.answer().expect("an answer").expect_status(200);
        upload.finish();
        assert_eq!(server.wait().code(), Some(0), "{signal}: {}", server.log());
        assert_eq!(wal_size(server.data()), 0, "checkpointed");
        assert!(
            !server.data().join("statekeep.sock").exists(),
            "the socket is taken away"
        );
        let server = Setup::new().data(&dir.path().join("data")).start();
        assert_eq!(
            writer
                .at(&server)
                .read("team/net")
                .expect_status(200)
                .text(),
            body
        );
    }
}

#[test]
fn connections_that_do_nothing_do_not_hold_it_up() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = started(&dir);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let mut idle: Vec<Wire> = (0..5).map(|_| Wire::to(&server)).collect();
    idle[0].send(format!("GET {} HTTP/1.1\r\n", state_path("team/net")));
    assert_eq!(server.stop().code(), Some(0));
}

/// Writes rising serials until the server takes no more; the last one that was acknowledged.
fn write_until_it_leaves(writer: &Client, name: &str) -> u64 {
    let mut acknowledged = 0;
    for serial in 1..100_000_u64 {
        let Ok(response) = writer
            .request("POST", &state_path(name))
            .body(tfstate(L1, serial))
            .send()
        else {
            break;
        };
        match response.status().as_u16() {
            200 => acknowledged = serial,
            503 => break,
            other => panic!("{other}"),
        }
    }
    acknowledged
}

#[test]
fn new_requests_are_not_half_done_while_it_leaves() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = started(&dir);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let writer = writer.clone();
            std::thread::spawn(move || write_until_it_leaves(&writer, &format!("team/n{thread}")))
        })
        .collect();
    eventually("writes are under way", || {
        (0..4).all(|thread| writer.read(&format!("team/n{thread}")).status == 200)
    });
    assert_eq!(server.stop().code(), Some(0));
    let server = Setup::new().data(&dir.path().join("data")).start();
    let writer = writer.at(&server);
    for (index, thread) in threads.into_iter().enumerate() {
        let acknowledged = thread.join().expect("a writer");
        let name = format!("team/n{index}");
        let state = writer.read(&name).expect_status(200).json();
        let serial = state["serial"].as_u64().expect("a serial");
        assert!(
            (acknowledged..=acknowledged + 1).contains(&serial),
            "{name}: {acknowledged} acknowledged, {serial} found"
        );
    }
}

#[test]
fn what_a_killed_server_left_behind_is_no_obstacle() {
    let dir = TempDir::new().expect("a directory");
    let (mut server, writer) = started(&dir);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let data = server.data().to_owned();
    server.kill();
    assert!(
        data.join("statekeep.sock").exists(),
        "else this test shows nothing"
    );
    let server = Setup::new().data(&data).start();
    assert_eq!(
        writer
            .at(&server)
            .read("team/net")
            .expect_status(200)
            .text(),
        tfstate(L1, 1)
    );
    assert!(
        server.cli(&["state", "list"]).status.success(),
        "the socket is a new one"
    );
}

#[test]
fn reads_that_are_being_written_down_when_it_leaves_are_counted_once() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = started(&dir);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let data = server.data().to_owned();
    assert!(server.stop().success());
    let trace = dir.path().join("syncs");
    let slow_disk = [
        "-o",
        trace.to_str().expect("UTF-8"),
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:delay_enter=1000000",
    ];
    let Some(setup) = strace(Setup::new().data(&data), &slow_disk) else {
        return;
    };
    let mut server = setup.start();
    let writer = writer.at(&server);
    let sync_calls = || {
        std::fs::read_to_string(&trace)
            .expect("the trace")
            .matches("fdatasync")
            .count()
    };
    // What a start writes, and what noting the use of a key does, is through.
    writer.read("team/none").expect_status(404);
    let mut before = sync_calls();
    eventually_within(
        std::time::Duration::from_mins(1),
        "nothing is written",
        || {
            std::thread::sleep(std::time::Duration::from_millis(2_500));
            std::mem::replace(&mut before, sync_calls()) == before
        },
    );
    (0..4).for_each(|_| drop(writer.read("team/net").expect_status(200)));
    // The line of a call is written when it begins.
    eventually("they are being written down", || sync_calls() > before);
    let traced = children(server.pid());
    assert!(
        traced.iter().any(|pid| kill("TERM", *pid)),
        "the server is what strace has started"
    );
    assert!(server.wait().success());
    let server = Setup::new().data(&data).start();
    let events = server
        .admin()
        .events("kind=state.read&workspace=team&buildingBlock=net");
    assert_eq!(
        events
            .iter()
            .filter_map(|event| event["count"].as_u64())
            .sum::<u64>(),
        4,
        "{events:?}"
    );
}
