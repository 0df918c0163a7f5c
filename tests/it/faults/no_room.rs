//! A quota, a limit on the size of files, and a disk that is full though it says otherwise: all of
//! them are a full disk. Writes are 507, reads go on, and room makes writes work again.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::disk::{noise, strace};
use crate::harness::{
    Client, Server, Setup, eventually, eventually_within, state_path, tfstate, tfstate_noted,
};

use super::L1;

/// The errors that mean that there is no room.
const ERRORS: [&str; 3] = ["EDQUOT", "EFBIG", "ENOSPC"];

/// A data directory with a key in it, made by a server with room.
fn prepared(data: &Path) -> Client {
    let server = Setup::new().data(data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    assert!(server.stop().success());
    writer
}

/// A server whose writes to files find no room; `None` where there is no strace that works here.
fn without_room(data: &Path, error: &str, when: &str) -> Option<Server> {
    let inject = format!("inject=pwrite64:error={error}:when={when}");
    let options = ["-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject];
    Some(strace(Setup::new().data(data), &options)?.start())
}

fn status(server: &Server) -> (String, String) {
    let ready = server.anonymous().get("/readyz").json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&ready["status"]), text(&ready["problems"][0]["code"]))
}

/// Writes until there is no room; the last serial that was acknowledged.
#[track_caller]
fn fill(writer: &Client, body: impl Fn(u64) -> String) -> u64 {
    for serial in 1..=200 {
        let answer = writer.write("team/net", body(serial), None);
        if answer.status != 200 {
            answer.expect_problem(507, "disk_full");
            assert!(serial > 1, "full from the start");
            return serial - 1;
        }
    }
    panic!("there is always room");
}

/// Nothing can be written, everything can be read, and the server says so.
#[track_caller]
fn is_full(server: &Server, writer: &Client, last: &str, next: &str) {
    for _ in 0..3 {
        writer
            .write("team/net", next, None)
            .expect_problem(507, "disk_full");
    }
    assert_eq!(writer.read("team/net").expect_status(200).text(), last);
    // A small write of the server's own may find room in between, which makes it ready.
    eventually("a write without room is told", || {
        let answer = writer.write("team/net", next, None);
        answer.expect_problem(507, "disk_full");
        status(server) == ("degraded".to_owned(), "disk_full".to_owned())
    });
}

#[test]
fn a_quota_and_a_limit_on_the_size_of_files_are_a_full_disk_and_not_a_broken_one() {
    for error in ERRORS {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let writer = prepared(&data);
        let Some(server) = without_room(&data, error, "60+") else {
            return;
        };
        let caller = writer.at(&server);
        let body = |serial| tfstate(L1, serial);
        let last = fill(&caller, body);
        is_full(&server, &caller, &body(last), &body(last + 1));
        drop(server);
        let server = Setup::new().data(&data).start();
        let caller = writer.at(&server);
        assert_eq!(status(&server).0, "ready", "{error}");
        assert_eq!(
            caller.read("team/net").expect_status(200).text(),
            body(last)
        );
        caller
            .write("team/net", body(last + 1), None)
            .expect_status(200);
    }
}

#[test]
fn one_write_without_room_is_tried_again_and_leaves_the_server_ready() {
    for error in ERRORS {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let writer = prepared(&data);
        let Some(server) = without_room(&data, error, "60") else {
            return;
        };
        let caller = writer.at(&server);
        for serial in 1..=40 {
            caller
                .write("team/net", tfstate(L1, serial), None)
                .expect_status(200);
        }
        assert_eq!(status(&server).0, "ready", "{error}");
        assert_eq!(caller.versions("team/net").len(), 40);
    }
}

#[test]
fn a_server_whose_files_may_not_grow_is_full_until_they_may() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let writer = prepared(&data);
    let limited = ["sh", "-c", "ulimit -f 1024; exec \"$@\"", "sh"];
    let server = Setup::new().data(&data).under(&limited).start();
    let caller = writer.at(&server);
    let body = |serial| tfstate_noted(L1, serial, &noise(serial, 64 * 1024));
    let last = fill(&caller, body);
    is_full(&server, &caller, &body(last), &body(last + 1));
    assert!(server.stop().success());
    let server = Setup::new().data(&data).start();
    let caller = writer.at(&server);
    for number in 1..=last {
        let path = format!("{}/versions/{number}", state_path("team/net"));
        let bytes = caller.get(&path).expect_status(200).text();
        assert!(bytes == body(number), "{number}");
    }
    caller
        .write("team/net", body(last + 1), None)
        .expect_status(200);
}

#[test]
#[ignore = "middle tier: waits for the look at each minute"]
fn a_server_finds_out_by_itself_that_there_is_room_again() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let writer = prepared(&data);
    let Some(server) = without_room(&data, "EDQUOT", "60..70") else {
        return;
    };
    let caller = writer.at(&server);
    fill(&caller, |serial| tfstate(L1, serial));
    assert_eq!(status(&server).0, "degraded");
    let patience = std::time::Duration::from_mins(3);
    eventually_within(patience, "the server is ready again", || {
        status(&server).0 == "ready"
    });
}
