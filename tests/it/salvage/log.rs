//! Damage to the write-ahead log: flipped, cut, removed, another server's, or alone.

use crate::disk::flip;
use crate::harness::{Setup, tfstate_noted};

use super::file::flips;
use super::{SAMPLE, Salvaged, Written, named_in, overwrite};

const FRAME: usize = 24 + 4_096;

#[test]
fn behind_a_damaged_frame_all_comes_out() {
    let damaged = SAMPLE.copy_of("killed");
    let frames = std::fs::metadata(damaged.log()).expect("a log").len() / FRAME as u64;
    assert!(frames > 100, "{frames} frames");
    // The header of the first frame: SQLite would drop all of them.
    for byte in [4, 8, 16, 20] {
        flip(&damaged.log(), 32 + byte);
        SAMPLE.all_came_out(&damaged.salvage());
        flip(&damaged.log(), 32 + byte);
    }
    let lost = flips(&damaged, &damaged.log(), 20);
    assert!(lost < 20, "{lost} versions in 20 tries");
}

#[test]
fn without_the_header_of_the_log_all_comes_out() {
    let damaged = SAMPLE.copy_of("killed");
    overwrite(&damaged.log(), 0, &[0; 32]);
    SAMPLE.all_came_out(&damaged.salvage());
    overwrite(&damaged.database(), 0, &[0; 100]);
    SAMPLE.all_came_out(&damaged.salvage());
}

/// Whether all of these came out.
fn has(found: &Salvaged, wanted: &Written) -> bool {
    wanted
        .iter()
        .all(|(key, bytes)| found.named.get(key) == Some(bytes))
}

#[test]
fn of_a_log_that_was_cut_or_removed_the_rest_comes_out() {
    let damaged = SAMPLE.copy_of("killed");
    let len = std::fs::metadata(damaged.log()).expect("a log").len();
    let file = std::fs::OpenOptions::new().write(true).open(damaged.log());
    file.expect("our file")
        .set_len(len / 2 + 99)
        .expect("our file");
    let found = damaged.salvage();
    SAMPLE.nothing_is_wrong(&found);
    assert!(has(&found, &SAMPLE.first), "{}", found.said);
    assert!(
        found.named.len() > SAMPLE.first.len(),
        "and a part of the log"
    );
    std::fs::remove_file(damaged.log()).expect("our file");
    let found = damaged.salvage();
    SAMPLE.nothing_is_wrong(&found);
    assert!(has(&found, &SAMPLE.first), "{}", found.said);
}

#[test]
fn of_a_log_alone_all_that_is_in_it_comes_out() {
    let damaged = SAMPLE.copy_of("killed");
    std::fs::remove_file(damaged.database()).expect("our file");
    let in_log: Written = SAMPLE
        .all
        .iter()
        .filter(|(key, _)| !SAMPLE.first.contains_key(*key))
        .map(|(key, bytes)| (key.clone(), bytes.clone()))
        .collect();
    let of_log = |found: &Salvaged| {
        SAMPLE.nothing_is_wrong(found);
        // Deltas to bytes that only the database had are lost.
        let full = in_log
            .iter()
            .filter(|(key, _)| found.named.contains_key(*key));
        assert!(full.count() * 2 > in_log.len(), "{}", found.said);
        let newest = ["team/net", "team/large", "A.b_c-7/x..y__z--1"];
        for name in newest {
            let number = if name == "team/large" { 3 } else { 18 };
            let key = (name.to_owned(), number);
            assert!(found.named.contains_key(&key), "{name}: {}", found.said);
        }
    };
    of_log(&damaged.salvage());
    of_log(&Salvaged::of(
        &damaged.log(),
        &damaged.dir.path().join("out"),
    ));
}

#[test]
fn the_log_of_another_server_is_kept_apart() {
    let damaged = SAMPLE.copy_of("killed");
    let other = damaged.dir.path().join("other");
    let mut server = Setup::new().data(&other).start();
    let mut written = Written::new();
    for (name, serial) in [
        ("rival/one", 1),
        ("rival/one", 2),
        ("team/net", 1),
        ("rival/two", 1),
    ] {
        let body = tfstate_noted(&crate::harness::lineage(77), serial, name);
        server.admin().write(name, &body, None).expect_status(200);
        written.insert((name.to_owned(), serial), body.into_bytes());
    }
    server.kill();
    std::fs::copy(other.join("statekeep.db-wal"), damaged.log()).expect("a copy");
    let out = damaged.dir.path().join("kept");
    let args = [damaged.data(), out.clone()].map(|path| path.to_str().expect("UTF-8").to_owned());
    let output = crate::harness::statekeep(&["salvage", &args[0], &args[1]]).output();
    let found = Salvaged::read(&out, &output.expect("the binary runs"));
    SAMPLE.nothing_is_wrong(&found);
    assert!(has(&found, &SAMPLE.first), "{}", found.said);
    assert!(
        named_in(&out.join("other-log")) == written,
        "{}",
        found.said
    );
    assert!(found.said.contains("another server's"), "{}", found.said);
}
