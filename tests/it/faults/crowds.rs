//! Many at once: group commit acknowledges all of them, and all of them are there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::harness::{Client, Server, Setup, eventually, tfstate, tfstate_noted};

use super::{L1, Writers, check};

#[test]
fn many_writers_at_once_are_all_acknowledged_and_all_present() {
    let server = Server::start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    let written = Arc::new(Mutex::new(BTreeMap::new()));
    let writers = Writers::start(&writer, &written, 16);
    eventually("enough was written", || writers.acknowledged() >= 400);
    writers.join();
    check(&writer, &written);
    let written = written.lock().expect("the list");
    assert!(
        written
            .values()
            .all(|mine| mine.sent == mine.acknowledged && mine.acknowledged > 0),
        "{written:?}"
    );
}

#[test]
fn of_many_writers_under_one_lock_nobody_else_gets_through() {
    let server = Server::start();
    let (holder, other) = (server.key("team", "writer"), server.key("team", "writer"));
    holder.lock("team/net", "lock-1").expect_status(200);
    let race = |caller: Client, lock: Option<&'static str>, note: &'static str| {
        std::thread::spawn(move || {
            (1..=10)
                .map(|serial| {
                    caller
                        .write("team/net", tfstate_noted(L1, serial, note), lock)
                        .status
                        .as_u16()
                })
                .collect::<Vec<_>>()
        })
    };
    let mine = race(holder.clone(), Some("lock-1"), "mine");
    let theirs: Vec<_> = (0..3)
        .map(|_| race(other.clone(), None, "theirs"))
        .collect();
    assert_eq!(mine.join().expect("a thread"), [200; 10]);
    for thread in theirs {
        assert_eq!(thread.join().expect("a thread"), [423; 10]);
    }
    let current: Vec<_> = holder
        .versions("team/net")
        .into_iter()
        .filter(|version| version["kind"] == "write")
        .collect();
    assert_eq!(current.len(), 10);
    assert_eq!(
        holder.read("team/net").text(),
        tfstate_noted(L1, 10, "mine")
    );
}

#[test]
fn a_caller_that_goes_away_does_not_cancel_its_write_nor_disturb_its_neighbours() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.read("team/net").expect_status(404);
    let neighbours: Vec<_> = (0..4)
        .map(|index| {
            let writer = writer.clone();
            std::thread::spawn(move || {
                (1..=20)
                    .map(|serial| {
                        writer
                            .write(&format!("team/n{index}"), tfstate(L1, serial), None)
                            .status
                            .as_u16()
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    for index in 0..20 {
        let mut wire = crate::wire::Wire::to(&server);
        let body = tfstate(L1, 1);
        let path = crate::harness::state_path(&format!("team/gone{index}"));
        wire.send(crate::wire::head(
            "POST",
            &path,
            &writer,
            &[&format!("Content-Length: {}", body.len())],
        ));
        wire.send(&body);
    }
    for thread in neighbours {
        assert_eq!(thread.join().expect("a thread"), [200; 20]);
    }
    for index in 0..20 {
        let name = format!("team/gone{index}");
        let answer = writer.read(&name);
        assert!(
            answer.status == 404 || answer.text() == tfstate(L1, 1),
            "whole or not at all"
        );
        writer.write(&name, tfstate(L1, 2), None).expect_status(200);
    }
}

#[test]
fn a_read_waits_for_no_write_and_sees_whole_states_only() {
    let server = Setup::new().start();
    let writer = server.key("team", "writer");
    let body = |serial| tfstate_noted(L1, serial, &format!("{serial}").repeat(2000));
    writer.write("team/net", body(1), None).expect_status(200);
    let reader = {
        let reader = writer.calling_from("127.0.0.2");
        std::thread::spawn(move || {
            (0..60)
                .map(|_| reader.read("team/net").expect_status(200).text())
                .collect::<Vec<_>>()
        })
    };
    for serial in 2..40 {
        writer
            .write("team/net", body(serial), None)
            .expect_status(200);
    }
    let mut last = 0;
    for text in reader.join().expect("a reader") {
        let state: serde_json::Value = serde_json::from_str(&text).expect("a whole state");
        let serial = state["serial"].as_u64().expect("a serial");
        assert_eq!(text, body(serial));
        assert!(
            serial >= last,
            "never an older one after a newer one: {serial} after {last}"
        );
        last = serial;
    }
}
