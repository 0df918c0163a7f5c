//! Acknowledged writes that are missing are noticed before anything is opened: the start is
//! refused, the directory stays as it is, and the message says how many and how to go on. A crash,
//! a clean end or a command leaves nothing that is refused.

mod vacuum;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::disk::{flip, hash};
use crate::harness::{Client, Server, Setup, eventually, statekeep, tfstate};
use crate::proof::length::length;

use super::{L1, Writers, check};

const DATABASE: &str = "statekeep.db";
const WAL: &str = "statekeep.db-wal";
const ANCHOR: &str = "statekeep.anchor";
/// So many states are written.
const STATES: u64 = 40;
/// A frame of the WAL, and the header before the first.
const FRAME: u64 = 24 + 4_096;
const HEADER: u64 = 32;

/// What a server that was killed has left.
struct Left {
    _dir: TempDir,
    data: PathBuf,
    writer: Client,
}

fn name(number: u64) -> String {
    format!("team/n{number}")
}

fn write_some(writer: &Client, numbers: std::ops::Range<u64>) {
    for number in numbers {
        writer
            .write(&name(number), tfstate(L1, 1), None)
            .expect_status(200);
    }
}

/// So long after a write its commit is in the anchor, and so are the events that were gathered.
fn wait_for_the_anchor() {
    std::thread::sleep(Duration::from_millis(2_200));
}

/// A server that has stopped once, wrote, and was killed.
fn killed() -> Left {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    assert!(server.stop().success());
    let mut server = Setup::new().data(&data).start();
    write_some(&writer.at(&server), 0..STATES);
    wait_for_the_anchor();
    server.kill();
    Left {
        _dir: dir,
        data,
        writer,
    }
}

/// A copy of a directory, to break.
fn copied(from: &Path) -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, data.join(name)).expect("a copy");
        }
    }
    (dir, data)
}

/// Each file with its hash, but for the lock file, which says who looked last.
fn listing(data: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(data).expect("a directory");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .filter(|path| path.is_file() && !path.ends_with("statekeep.lock"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), hash(&path))
        })
        .collect()
}

/// The message of a start that is refused; none where the server started, which is given instead.
fn start(data: &Path) -> Result<Server, String> {
    let before = listing(data);
    let list = command(data, &["state", "list"]);
    if list.status.success() {
        return Ok(Setup::new().data(data).start());
    }
    assert_eq!(listing(data), before, "a command changes nothing");
    let output = Setup::new().command(data).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "the server does not start");
    assert_eq!(listing(data), before, "a refused directory stays as it is");
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn command(data: &Path, args: &[&str]) -> Output {
    statekeep(args)
        .env("STATEKEEP_DATA", data)
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn is_refused(data: &Path, sign: &str) -> String {
    let message = start(data).err().expect("the start is refused");
    for part in [sign, "--accept-loss", "statekeep salvage", "restore"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    message
}

#[track_caller]
fn has_all(server: &Server, writer: &Client, states: u64) {
    let writer = writer.at(server);
    for number in 0..states {
        let state = writer.read(&name(number)).expect_status(200);
        assert_eq!(state.text(), tfstate(L1, 1));
    }
}

/// Flips bits at these places of the WAL, each in a copy; how many starts were refused. Any other
/// start has lost nothing.
fn flips(left: &Left, places: impl Iterator<Item = u64>, with_anchor: bool) -> usize {
    let mut refused = 0;
    for place in places {
        let (_copy, data) = copied(&left.data);
        if !with_anchor {
            std::fs::remove_file(data.join(ANCHOR)).expect("an anchor");
        }
        flip(&data.join(WAL), place);
        match start(&data) {
            Ok(server) => has_all(&server, &left.writer, STATES),
            Err(message) => {
                refused += 1;
                assert!(message.contains("damaged"), "{place}: {message}");
            }
        }
    }
    refused
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("a file").len()
}

#[test]
fn no_flipped_bit_of_the_log_loses_a_write_without_a_word() {
    let left = killed();
    let length = size(&left.data.join(WAL));
    let in_header = (0..HEADER).step_by(5);
    let all = (0..54).map(|part| HEADER + (length - HEADER) * part / 54 + part % 40);
    let refused = flips(&left, in_header.chain(all), true);
    assert_eq!(refused, 61, "each of them costs at least the last write");
}

#[test]
fn the_log_alone_shows_that_committed_frames_follow_a_damaged_one() {
    let left = killed();
    let frames = size(&left.data.join(WAL)) / FRAME;
    // Behind these, several commits follow.
    let places = (0..frames - 12).step_by(9);
    let count = places.clone().count();
    let places = places.map(|frame| HEADER + frame * FRAME + 24 + frame % 4_000);
    assert_eq!(flips(&left, places, false), count);
}

#[test]
fn the_message_says_how_many_commits_are_missing_since_when_and_which_states() {
    let left = killed();
    let frames = size(&left.data.join(WAL)) / FRAME;
    flip(&left.data.join(WAL), HEADER + frames / 2 * FRAME + 500);
    let message = is_refused(&left.data, "committed frames follow");
    for part in ["commits are missing", "is of 20", &name(STATES - 1)] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(
        !message.contains("team/n0,"),
        "that one is there: {message}"
    );
}

/// The frames of the last transaction in a WAL, as the places of their pages.
fn last_transaction(data: &Path) -> Vec<u64> {
    let wal = std::fs::read(data.join(WAL)).expect("the log");
    let frames = (wal.len() as u64 - HEADER) / FRAME;
    let place = |frame: u64| HEADER + frame * FRAME + 24;
    let ends = |frame: &u64| {
        let at = usize::try_from(place(*frame) - 20).expect("a place");
        wal[at..at + 4] != [0; 4]
    };
    let before = (0..frames - 1).rev().find(ends).expect("a commit");
    (before + 1..frames).map(place).collect()
}

#[test]
fn a_torn_end_is_no_loss() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    write_some(&writer, 0..5);
    wait_for_the_anchor();
    let anchor = std::fs::read(data.join(ANCHOR)).expect("an anchor");
    // This is the transaction that a power cut tears: its sync has not ended.
    write_some(&writer, 5..6);
    server.kill();
    std::fs::write(data.join(ANCHOR), anchor).expect("our file");
    let places = last_transaction(&data);
    assert!(places.len() > 1, "several frames: {places:?}");
    for place in places {
        let (_copy, torn) = copied(&data);
        flip(&torn.join(WAL), place + 1_000);
        let server = start(&torn).expect("a torn end is cut off");
        has_all(&server, &writer, 5);
        let (_copy, cut) = copied(&data);
        let log = std::fs::OpenOptions::new().write(true).open(cut.join(WAL));
        log.expect("the log")
            .set_len(place + 1_000)
            .expect("our file");
        has_all(&start(&cut).expect("so is a cut one"), &writer, 5);
    }
}

/// What is done to a killed server's directory, and how the message calls it.
type Break = (&'static str, fn(&Path));

fn cut(data: &Path) {
    let log = std::fs::OpenOptions::new()
        .write(true)
        .open(data.join(WAL))
        .expect("the log");
    let half = log.metadata().expect("its size").len() / 2;
    log.set_len(half).expect("our file");
}

fn foreign(data: &Path) {
    let other = killed();
    std::fs::copy(other.data.join(WAL), data.join(WAL)).expect("a copy");
}

const BREAKS: [Break; 4] = [
    ("ends too early", cut),
    ("is not there any more", |data| {
        std::fs::remove_file(data.join(WAL)).expect("the log");
    }),
    ("was emptied", |data| {
        std::fs::write(data.join(WAL), "").expect("the log");
    }),
    ("do not belong together", foreign),
];

#[test]
fn a_log_that_is_cut_missing_empty_or_anothers_is_refused_until_a_person_accepts_the_loss() {
    let left = killed();
    for (sign, spoil) in BREAKS {
        let (_copy, data) = copied(&left.data);
        spoil(&data);
        is_refused(&data, sign);
        for args in [
            ["export", "-"].as_slice(),
            &["verify"],
            &["state", "pull", "team/n0"],
        ] {
            let before = listing(&data);
            let output = command(&data, args);
            assert_eq!(output.status.code(), Some(1), "{args:?}");
            assert_eq!(listing(&data), before, "{args:?}");
        }
        accepted(&data, sign);
    }
}

/// Goes on without what is missing, and is not refused any more, however it ends.
fn accepted(data: &Path, sign: &str) {
    let setup = Setup::new().data(data).switch("--accept-loss");
    let mut server = setup.start();
    let events = server.admin().events("kind=loss.accepted&attention=true");
    assert_eq!(events.len(), 1, "{sign}");
    let detail = &events[0]["detail"];
    assert_eq!(detail["reason"], "accepted");
    let said = detail["sign"].as_str().expect("a sign");
    assert!(said.contains(sign), "{detail}");
    write_some(&server.key("team", "writer"), 100..103);
    server.kill();
    let server = Setup::new().data(data).start();
    for number in 100..103 {
        server
            .key("team", "reader")
            .read(&name(number))
            .expect_status(200);
    }
    assert_eq!(server.admin().events("kind=loss.accepted").len(), 1);
    assert!(server.stop().success());
    assert!(Setup::new().data(data).start().stop().success());
}

#[test]
fn a_damaged_log_is_kept_aside_when_its_loss_is_accepted() {
    let left = killed();
    flip(&left.data.join(WAL), HEADER + 20 * FRAME + 500);
    let damaged = hash(&left.data.join(WAL));
    is_refused(&left.data, "committed frames follow");
    accepted(&left.data, "committed frames follow");
    let kept = listing(&left.data);
    let kept = kept.iter().find(|(name, _)| name.contains("lost-wal"));
    assert_eq!(kept.map(|(_, hash)| hash), Some(&damaged));
}

#[test]
fn yesterdays_database_is_refused_under_todays_log_and_beside_todays_anchor() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "owner");
    write_some(&writer, 0..5);
    assert!(server.stop().success());
    let (_copy, yesterday) = copied(&data);
    for run in 1..3 {
        let mut server = Setup::new().data(&data).start();
        write_some(&writer.at(&server), run * 10..run * 10 + 5);
        if run == 2 {
            server.kill();
        } else {
            assert!(server.stop().success());
        }
    }
    let put_back = |data: &Path| {
        std::fs::copy(yesterday.join(DATABASE), data.join(DATABASE)).expect("a copy");
    };
    let (_copy, both) = copied(&data);
    put_back(&both);
    is_refused(&both, "do not belong together");
    std::fs::remove_file(both.join(ANCHOR)).expect("an anchor");
    is_refused(&both, "do not belong together");
    assert!(Setup::new().data(&data).start().stop().success());
    put_back(&data);
    is_refused(&data, "of an earlier time");
    let server = Setup::new().data(&data).switch("--restored").start();
    let events = server.admin().events("kind=loss.accepted");
    assert_eq!(events[0]["detail"]["reason"], "restored");
    assert!(events[0]["detail"]["lost_commits"].as_u64() > Some(9));
    writer.at(&server).read(&name(4)).expect_status(200);
    writer.at(&server).read(&name(10)).expect_status(404);
}

#[test]
fn a_missing_or_empty_database_beside_any_trace_of_one_is_no_first_start() {
    let left = killed();
    for (trace, is_empty) in [
        (WAL, false),
        (ANCHOR, false),
        ("initial-admin-key", true),
        ("statekeep.db.schema-5", true),
        ("statekeep.rowkey", true),
    ] {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a directory");
        let from = left.data.join(trace);
        if from.exists() {
            std::fs::copy(&from, data.join(trace)).expect("a copy");
        } else {
            std::fs::write(data.join(trace), "a copy").expect("a file");
        }
        if is_empty {
            std::fs::write(data.join(DATABASE), "").expect("a file");
        }
        let message = is_refused(&data, trace);
        let sign = if is_empty { "is empty" } else { "is not there" };
        assert!(message.contains(sign), "{message}");
    }
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("statekeep.lock"), "process 1").expect("a file");
    let server = Setup::new().data(dir.path()).start();
    server.admin().get("/api/keys").expect_status(200);
}

#[test]
fn a_rotten_header_is_called_damaged_and_nothing_else() {
    let left = killed();
    let server = Setup::new().data(&left.data).start();
    assert!(server.stop().success());
    for byte in (0..100).step_by(2).chain([17, 19, 21, 69, 71]) {
        let (_copy, data) = copied(&left.data);
        flip(&data.join(DATABASE), byte);
        match start(&data) {
            Ok(server) => has_all(&server, &left.writer, STATES),
            Err(message) => {
                assert!(!message.contains("not a statekeep"), "{byte}: {message}");
                for part in ["damaged", "statekeep salvage", "restore"] {
                    assert!(message.contains(part), "{byte}: {message}");
                }
            }
        }
    }
}

#[test]
fn a_directory_without_an_anchor_starts_and_gets_one() {
    let left = killed();
    std::fs::remove_file(left.data.join(ANCHOR)).expect("an anchor");
    let server = Setup::new().data(&left.data).start();
    has_all(&server, &left.writer, STATES);
    assert!(server.stop().success());
    let anchor = std::fs::read_to_string(left.data.join(ANCHOR)).expect("an anchor");
    assert!(anchor.contains("\nclosed yes\n"), "{anchor}");
    assert_eq!(crate::disk::mode(&left.data.join(ANCHOR)), 0o600);
}

#[test]
fn the_anchor_is_a_second_behind_at_most_and_never_ahead() {
    let server = Server::start();
    let writer = server.key("team", "owner");
    let anchored = || {
        let anchor = std::fs::read_to_string(server.data().join(ANCHOR)).unwrap_or_default();
        let line = anchor.lines().find_map(|line| line.strip_prefix("commit "));
        line.and_then(|number| number.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let mut last = anchored();
    for round in 0..3 {
        write_some(&writer, round * 5..round * 5 + 5);
        wait_for_the_anchor();
        let now = anchored();
        assert!(now >= last + 5, "five more commits than {last}: {now}");
        last = now;
    }
}

fn cycles(count: u64) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let written = Arc::new(Mutex::new(BTreeMap::new()));
    let mut server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    for cycle in 0..count {
        let writers = Writers::start(&writer.at(&server), &written, 3);
        let before = writers.acknowledged();
        let is_written = || writers.acknowledged() > before + 5;
        eventually("writes are acknowledged", is_written);
        std::thread::sleep(Duration::from_micros(cycle * 7_919 % 90_000 + 5_000));
        if cycle % 4 == 3 {
            server.signal("TERM");
            assert!(server.wait().success());
        } else {
            server.kill();
        }
        writers.join();
        if cycle % 3 == 0 {
            let list = command(&data, &["state", "list"]);
            let said = String::from_utf8_lossy(&list.stderr).into_owned();
            assert!(list.status.success(), "{said}");
        }
        server = Setup::new().data(&data).start();
        check(&writer.at(&server), &written);
    }
}

#[test]
fn kills_clean_ends_and_commands_are_never_taken_for_a_loss() {
    cycles(length("ENDS_SHORT", 12));
}

#[test]
#[ignore = "middle tier: 120 ends"]
fn no_end_of_many_is_taken_for_a_loss() {
    cycles(length("ENDS", 120));
}
