//! A server that nobody asks for anything: what made it fast is given back, each part by itself,
//! and comes again when it is needed.

use std::path::PathBuf;
use std::time::Duration;

use crate::harness::{PATIENCE, Server, eventually, eventually_within, lock_body, tfstate};
use crate::scrape::{eventually_in_flight, monitor};

use super::decoded_cache::{cached, heat};
use super::{KIB, L1, sized, writer};

/// Waits for something that the server does when it has been idle for a while.
#[track_caller]
fn once_idle(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(5 * PATIENCE, what, condition);
}

#[test]
#[ignore = "middle tier: what is kept is forgotten after half a minute"]
fn what_nobody_reads_any_more_is_forgotten() {
    let server = Server::start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/net", sized(1, 500 * KIB), None)
        .expect_status(200);
    heat(&writer, &monitor, "team/net", &sized(1, 500 * KIB));
    once_idle("it is forgotten", || cached(&monitor) == 0);
    eventually_in_flight(&monitor, 0, "and its memory is back");
}

/// How many connections to its database the server has. SQLite opens the WAL once for each, to read
/// and to write. The server itself opens it to read alone, and that is not counted.
fn connections(server: &Server) -> usize {
    let process = PathBuf::from(format!("/proc/{}", server.pid()));
    let files = std::fs::read_dir(process.join("fd")).expect("a running server");
    let of_sqlite = |file: &std::fs::DirEntry| {
        let is_wal = std::fs::read_link(file.path())
            .is_ok_and(|target| target.ends_with("statekeep.db-wal"));
        let info = std::fs::read_to_string(process.join("fdinfo").join(file.file_name()));
        is_wal && info.is_ok_and(|info| is_open_to_write(&info))
    };
    files.flatten().filter(of_sqlite).count()
}

/// Whether a descriptor is open to read and to write, by what the system tells of it.
fn is_open_to_write(info: &str) -> bool {
    const ACCESS: u32 = 0o3;
    const READ_AND_WRITE: u32 = 0o2;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.expect("a descriptor has flags") & ACCESS == READ_AND_WRITE
}

#[test]
#[ignore = "middle tier: connections that read are kept for half a minute"]
fn connections_that_read_are_closed_once_nobody_reads() {
    let server = Server::start();
    let writer = writer(&server);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    once_idle(
        "two are left: one writes, and one moves the log into the file",
        || connections(&server) == 2,
    );
    writer.read("team/net").expect_status(200);
    assert!(
        connections(&server) > 2,
        "one that reads is there when it is needed"
    );
    once_idle("it is closed when it is not", || connections(&server) == 2);
    writer.read("team/net").expect_status(200);
}

/// How often the thread that writes has read from a file, by the system's own count.
fn reads_of_the_writer(server: &Server) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid()));
    let writer = threads
        .expect("a running server")
        .map(|thread| thread.expect("a thread").path())
        .find(|thread| {
            std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == "writer")
        })
        .expect("a thread that writes");
    let counts = std::fs::read_to_string(writer.join("io")).expect("the system counts");
    let reads = counts.lines().find_map(|line| line.strip_prefix("syscr:"));
    let reads = reads.and_then(|reads| reads.trim().parse().ok());
    reads.expect("a number of reads")
}

#[test]
#[ignore = "middle tier: the writer gives its pages back after half a minute"]
fn pages_of_the_writer_are_given_back_once_nobody_writes() {
    let server = Server::start();
    let writer = writer(&server);
    let lock = lock_body("lock-1");
    writer.lock("team/net", "lock-1").expect_status(200);
    // If the holder of a lock takes it again, nothing is written, and the writer answers from its
    // pages.
    let reads_for_an_answer = || {
        let before = reads_of_the_writer(&server);
        let answer = writer.lock("team/net", "lock-1").expect_status(200).text();
        assert_eq!(answer, lock);
        reads_of_the_writer(&server) - before
    };
    // The server may write something of its own between.
    let is_in_memory = || reads_for_an_answer() == 0;
    eventually("the pages are in memory", is_in_memory);
    // A write of the server itself, about once a minute, begins the wait anew.
    let is_given_back = || {
        std::thread::sleep(Duration::from_secs(35));
        reads_for_an_answer() > 0
    };
    assert!((0..4).any(|_| is_given_back()), "they are kept for ever");
    eventually("the pages are in memory again", is_in_memory);
}
