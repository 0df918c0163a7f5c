//! Erasing goes on beside everything else: in small transactions, several purges as one, at its
//! time, and after a kill.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{frames, holds, purge, state};
use crate::disk::{noise, sql, strace};
use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate_noted};
use crate::inside;

const LEFT: &str = "SELECT count(*) FROM pending_erasure";

/// How many pages one transaction may overwrite, the one with the commit's number included.
const MOST_PAGES: usize = 64 + 1;

/// A state whose frames lie side by side in the pages of a table.
fn small(number: u64, serial: u64) -> String {
    tfstate_noted(super::L1, serial, &noise(number * 1_000 + serial, 900))
}

/// How many frames each commit in the WAL has, in its last round.
fn commits(data: &Path) -> Vec<usize> {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let wal = std::fs::read(data.join("statekeep.db-wal")).expect("a WAL");
    let salts = &wal[16..24];
    let frames = wal[HEADER..].chunks_exact(FRAME);
    let mut commits = vec![0];
    for frame in frames.take_while(|frame| &frame[8..16] == salts) {
        *commits.last_mut().expect("one") += 1;
        if frame[4..8] != [0; 4] {
            commits.push(0);
        }
    }
    commits
}

/// Reads at one moment until it is dropped, so that the WAL cannot be emptied.
fn reader(data: &Path) -> rusqlite::Connection {
    let reader = inside::open(data);
    reader.execute_batch("BEGIN").expect("a transaction");
    let _: i64 = reader
        .query_row("SELECT count(*) FROM versions", [], |row| row.get(0))
        .expect("a look");
    reader
}

const MARK: &str = "this has to leave the disk as well..";

/// Frames that another program has written into a table of content and made shorter: it leaves
/// their ends in the pages. None where nobody can change the database.
fn leave_remains(data: &Path) -> Option<()> {
    let frame = format!("CAST(replace(hex(zeroblob(25)), '00', '{MARK}') AS BLOB)");
    let more = format!(
        "PRAGMA secure_delete = OFF; INSERT INTO differences (id, frame) WITH RECURSIVE c (n) AS \
            (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 800) SELECT n + 1000000, {frame} \
            FROM c; UPDATE differences SET frame = randomblob(500) WHERE id > 1000000;"
    );
    sql(&data.join("statekeep.db"), &more)
}

/// Whether the database or its WAL has some of that.
fn has_remains(data: &Path) -> bool {
    ["statekeep.db", "statekeep.db-wal"].iter().any(|name| {
        let bytes = std::fs::read(data.join(name)).expect("a file");
        memchr::memmem::find(&bytes, MARK.as_bytes()).is_some()
    })
}

#[test]
fn the_file_is_swept_in_transactions_of_a_bounded_number_of_pages() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    for serial in 1..=3 {
        let body = small(7, serial);
        writer.write("team/n7", body, None).expect_status(200);
    }
    inside::compacted(&data);
    assert!(server.stop().success());
    let Some(()) = leave_remains(&data) else {
        return;
    };
    let server = Setup::new().data(&data).start();
    let (admin, writer) = (admin.at(&server), writer.at(&server));
    writer.lock("team/n7", "mine").expect_status(200);
    assert!(has_remains(&data), "otherwise this shows nothing");
    let held = reader(&data);
    let before = commits(&data).len();
    let answer = purge(&admin, "team/n7", &json!([1])).expect_status(200);
    assert_eq!(answer.json()["erased"], false, "{}", answer.text());
    let said = server.anonymous().get("/readyz").json();
    let (done, of) = (&said["erasing"]["done"], &said["erasing"]["of"]);
    assert_eq!(said["erasing"]["step"], "emptying_wal", "{said}");
    assert!(done == of && of.as_u64() > Some(100), "{said}");
    assert_eq!(said["status"], "ready", "{said}");
    let commits = commits(&data).split_off(before - 1);
    let largest = commits.iter().max().copied().unwrap_or(0);
    let full = commits.iter().filter(|frames| **frames >= 60).count();
    assert!(
        full > 1 && largest <= MOST_PAGES,
        "otherwise it is no sweep, or not in steps: {commits:?}"
    );
    drop(held);
    eventually("it is erased", || inside::number(&data, LEFT) == 0);
    eventually("it is told", || {
        server.anonymous().get("/readyz").json()["erasing"].is_null()
    });
    assert!(!has_remains(&data));
    let read = writer.read("team/n7").expect_status(200);
    assert_eq!(read.text(), small(7, 3));
}

#[test]
fn several_purges_are_erased_as_one() {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    for name in ["team/a", "team/b"] {
        let secret = u64::from(name.ends_with('a')) + 20;
        for body in [state(1, Some(secret)), state(2, None)] {
            writer.write(name, body, None).expect_status(200);
        }
    }
    let held = reader(server.data());
    let purgers: Vec<_> = ["team/a", "team/b"]
        .map(|name| {
            let admin = admin.clone();
            std::thread::spawn(move || purge(&admin, name, &json!([1])))
        })
        .into_iter()
        .collect();
    for purger in purgers {
        let answer = purger.join().expect("an answer").expect_status(200).json();
        assert_eq!(
            (&answer["versions"], &answer["erased"]),
            (&json!([1]), &json!(false)),
            "the second one does not wait for the first: {answer}"
        );
    }
    assert_eq!(inside::number(server.data(), LEFT), 1, "one note for both");
    drop(held);
    eventually("both are erased", || {
        inside::number(server.data(), LEFT) == 0
    });
    for form in [20, 21]
        .iter()
        .flat_map(|secret| frames(&state(1, Some(*secret)), &[]))
    {
        assert!(!holds(server.data(), &form));
    }
}

/// A time of the day, so many hours from now.
fn in_hours(hours: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = now.expect("a clock").as_secs() + hours * 3_600;
    format!("{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60)
}

#[test]
fn a_purge_waits_for_the_time_that_is_given_and_says_so() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let start = |at: Option<String>| match at {
        Some(at) => Setup::new().data(&data).flag("--erase-at", &at).start(),
        None => Setup::new().data(&data).start(),
    };
    let server = start(Some(in_hours(6)));
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    for body in [state(1, Some(9)), state(2, None)] {
        writer.write("team/net", body, None).expect_status(200);
    }
    let answer = purge(&admin, "team/net", &json!([1])).expect_status(200);
    let answer = answer.json();
    assert_eq!(
        (&answer["erased"], &answer["erasing"]["step"]),
        (&json!(false), &json!("scheduled")),
        "{answer}"
    );
    assert!(answer["erasing"]["begins_at"].is_string(), "{answer}");
    writer
        .get(&format!("{}/versions/1", state_path("team/net")))
        .expect_problem(410, "purged");
    let said = server.anonymous().get("/readyz").json();
    assert_eq!(said["problems"], json!([]), "{said}");
    assert!(server.stop().success());
    let server = start(None);
    eventually("it is erased", || inside::number(&data, LEFT) == 0);
    for form in frames(&state(1, Some(9)), &[]) {
        assert!(!holds(&data, &form));
    }
    drop(server);
}

/// Whether everything but what was purged is there.
fn is_whole(admin: &Client, writer: &Client, states: u64) {
    for number in 0..states {
        let read = writer.read(&format!("team/n{number}")).expect_status(200);
        assert_eq!(read.text(), small(number, 2));
    }
    let found = admin.post_json("/api/verify", &json!({}));
    assert_eq!(found.expect_status(200).json()["found"], 0);
}

#[test]
#[ignore = "middle tier: two dozen starts on a slow disk"]
fn a_kill_at_any_moment_of_a_purge_loses_nothing_and_it_goes_on() {
    const STATES: u64 = 40;
    let slow = [
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync,ftruncate",
        "-e",
        "inject=fsync,fdatasync,ftruncate:delay_exit=15000",
    ];
    for moment in 0..24_u64 {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let server = Setup::new().data(&data).start();
        let (admin, writer) = (server.admin(), server.key("team", "writer"));
        for (serial, number) in (1..=2).flat_map(|serial| (0..STATES).map(move |n| (serial, n))) {
            let name = format!("team/n{number}");
            writer
                .write(&name, small(number, serial), None)
                .expect_status(200);
        }
        writer
            .write("team/net", state(1, Some(9)), None)
            .expect_status(200);
        writer
            .write("team/net", state(2, None), None)
            .expect_status(200);
        inside::compacted(&data);
        assert!(server.stop().success());
        let Some(setup) = strace(Setup::new().data(&data), &slow) else {
            return;
        };
        let mut server = setup.start();
        let purger = admin.at(&server);
        let running = std::thread::spawn(move || {
            let path = format!("{}/purge", state_path("team/net"));
            let request = purger
                .request("POST", &path)
                .json(&json!({"versions": [1]}));
            drop(request.send());
        });
        std::thread::sleep(Duration::from_millis(moment * 12));
        server.kill();
        running.join().expect("it ends");
        let server = Setup::new().data(&data).start();
        let (admin, writer) = (admin.at(&server), writer.at(&server));
        eventually("it has gone on", || inside::number(&data, LEFT) == 0);
        let answer: Value = purge(&admin, "team/net", &json!([1]))
            .expect_status(200)
            .json();
        assert_eq!(answer["erased"], true, "{answer}");
        for form in frames(&state(1, Some(9)), &[state(2, None)]) {
            assert!(!holds(&data, &form), "killed after {} ms", moment * 12);
        }
        is_whole(&admin, &writer, STATES);
    }
}
