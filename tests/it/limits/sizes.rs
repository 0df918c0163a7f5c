//! How large, how deep and how many: exactly the limit is taken; one more, or far more, is refused
//! with its code, and nothing else is harmed.

use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup, lock_body, state_path, tfstate};
use crate::scrape::{eventually_all_is_back, monitor};
use crate::wire::{Wire, chunked, head};

use super::{KIB, L1, goes_on, sized, still_serves, writer};

const LIMIT: usize = 64 * KIB;

/// Sends a body with its length, or in chunks; `what` is a method and a path.
fn send(wire: &mut Wire, caller: &Client, what: (&str, &str), body: &str, in_chunks: bool) {
    let (method, path) = what;
    if in_chunks {
        wire.send(head(method, path, caller, &["Transfer-Encoding: chunked"]));
        wire.send(chunked(body, 10_000));
    } else {
        wire.send(head(
            method,
            path,
            caller,
            &[&format!("Content-Length: {}", body.len())],
        ));
        wire.send(body);
    }
}

#[test]
fn a_state_that_is_too_large_by_a_byte_or_by_far_is_413_and_leaves_nothing_behind() {
    let server = Setup::new()
        .flag("--max-state-size", "64KiB")
        .flag("--cache-size", "0")
        .start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let path = state_path("team/net");
    for in_chunks in [false, true] {
        for (serial, size) in [(1, LIMIT + 1), (2, 100 * LIMIT)] {
            for method in ["POST", "PUT"] {
                let mut wire = Wire::to(&server);
                send(
                    &mut wire,
                    &writer,
                    (method, &path),
                    &sized(serial, size),
                    in_chunks,
                );
                let refusal = wire
                    .answer()
                    .expect("an answer")
                    .expect_problem(413, "state_too_large");
                goes_on(&mut wire, &writer, &refusal);
            }
        }
        eventually_all_is_back(&monitor, "after states that were too large");
    }
    writer.read("team/net").expect_problem(404, "no_state");
    writer
        .get(&format!("{path}/versions"))
        .expect_problem(404, "no_state");
    for (serial, in_chunks) in [(1, false), (2, true)] {
        let mut wire = Wire::to(&server);
        send(
            &mut wire,
            &writer,
            ("POST", &path),
            &sized(serial, LIMIT),
            in_chunks,
        );
        wire.answer().expect("an answer").expect_status(200);
        still_serves(&mut wire, &writer);
    }
    assert_eq!(writer.read("team/net").text(), sized(2, LIMIT));
    eventually_all_is_back(&monitor, "after states of the very limit");
}

/// A state that is nested so many levels deep, in an output.
fn nested(serial: u64, levels: usize) -> String {
    let arrays = levels - 3;
    let deep = format!("{}{}", "[".repeat(arrays), "]".repeat(arrays));
    format!(
        r#"{{"version":4,"serial":{serial},"lineage":"{L1}",
            "outputs":{{"deep":{{"value":{deep},"type":"string"}}}}}}"#
    )
}

#[test]
fn a_state_is_taken_to_the_deepest_nesting_and_no_level_further() {
    for (limit, setup) in [
        (1_000, Setup::new().flag("--max-nesting", "1000")),
        (10_000, Setup::new()),
    ] {
        let server = setup.start();
        let (writer, outputs) = (writer(&server), server.key("team", "outputs"));
        let path = state_path("team/net");
        let mut wire = Wire::to(&server);
        send(
            &mut wire,
            &writer,
            ("POST", &path),
            &nested(1, limit),
            false,
        );
        wire.answer().expect("an answer").expect_status(200);
        for levels in [limit + 1, 100_000] {
            send(
                &mut wire,
                &writer,
                ("POST", &path),
                &nested(2, levels),
                false,
            );
            let refusal = wire
                .answer()
                .expect("an answer")
                .expect_problem(400, "too_deep");
            assert_ne!(refusal.header("connection"), "close", "its body was read");
            still_serves(&mut wire, &writer);
        }
        assert_eq!(writer.read("team/net").text(), nested(1, limit));
        assert_eq!(writer.versions("team/net").len(), 1);
        let deepest = "[".repeat(limit - 3);
        assert!(
            outputs
                .read("team/net")
                .expect_status(200)
                .text()
                .contains(&deepest),
            "whoever reads outputs gets it as deep"
        );
        writer
            .write("team/net", nested(2, limit), None)
            .expect_status(200);
    }
}

#[test]
fn a_state_has_as_many_members_as_the_limit_and_not_one_more() {
    let server = Server::start();
    let writer = writer(&server);
    let with = |serial: u64, members: usize| {
        let mut state: Value = serde_json::from_str(&tfstate(L1, serial)).expect("JSON");
        let object = state.as_object_mut().expect("an object");
        for number in object.len()..members {
            object.insert(format!("member{number}"), json!(number));
        }
        state.to_string()
    };
    writer
        .write("team/net", with(1, 256), None)
        .expect_status(200);
    for members in [257, 10_000] {
        writer
            .write("team/net", with(2, members), None)
            .expect_problem(400, "not_a_state");
    }
    assert_eq!(writer.read("team/net").text(), with(1, 256));
    assert_eq!(writer.versions("team/net").len(), 1);
}

/// A lock of exactly this many bytes.
fn lock_of(size: usize) -> String {
    let short = lock_body("lock-1");
    let info = format!("\"Info\":\"{}\"", "x".repeat(size - short.len()));
    short.replace("\"Info\":\"\"", &info)
}

#[test]
fn a_lock_is_taken_to_4_kib_and_not_a_byte_further() {
    const LIMIT: usize = 4 * KIB;
    let server = Server::start();
    let writer = writer(&server);
    let path = state_path("team/net");
    for in_chunks in [false, true] {
        let mut wire = Wire::to(&server);
        send(
            &mut wire,
            &writer,
            ("LOCK", &path),
            &lock_of(LIMIT + 1),
            in_chunks,
        );
        let refusal = wire
            .answer()
            .expect("an answer")
            .expect_problem(413, "lock_too_large");
        goes_on(&mut wire, &writer, &refusal);
        writer
            .get(&format!("{path}/lock"))
            .expect_problem(404, "no_lock");
        let mut wire = Wire::to(&server);
        send(
            &mut wire,
            &writer,
            ("LOCK", &path),
            &lock_of(LIMIT),
            in_chunks,
        );
        assert_eq!(
            wire.answer().expect("an answer").expect_status(200).text(),
            lock_of(LIMIT)
        );
        send(
            &mut wire,
            &writer,
            ("UNLOCK", &path),
            &lock_of(LIMIT),
            in_chunks,
        );
        wire.answer().expect("an answer").expect_status(200);
    }
}

#[test]
fn other_bodies_are_taken_to_64_kib_and_not_a_byte_further() {
    let server = Server::start();
    let admin = server.admin();
    for in_chunks in [false, true] {
        let name = format!("in chunks: {in_chunks}");
        let key = json!({"name": name, "role": "reader"}).to_string();
        let padded = |size: usize| format!("{key}{}", " ".repeat(size - key.len()));
        let mut wire = Wire::to(&server);
        send(
            &mut wire,
            &admin,
            ("POST", "/api/keys"),
            &padded(LIMIT),
            in_chunks,
        );
        wire.answer().expect("an answer").expect_status(201);
        send(
            &mut wire,
            &admin,
            ("POST", "/api/keys"),
            &padded(LIMIT + 1),
            in_chunks,
        );
        let refusal = wire
            .answer()
            .expect("an answer")
            .expect_problem(413, "body_too_large");
        goes_on(&mut wire, &admin, &refusal);
    }
    let keys = admin.get("/api/keys").expect_status(200).json();
    assert_eq!(
        keys["keys"].as_array().expect("a list").len(),
        3,
        "the admin's and two that were small enough: {keys}"
    );
}

#[test]
fn a_page_has_at_most_so_many_rows_in_each_list() {
    let server = Setup::new()
        .flag("--max-page", "5")
        .flag("--unlocked-writes", "accept")
        .start();
    let admin = server.admin();
    for number in 1..=7 {
        admin
            .write(&format!("team/n{number}"), tfstate(L1, 1), None)
            .expect_status(200);
        admin
            .write("team/net", tfstate(L1, number), None)
            .expect_status(200);
        server.key("team", "reader");
    }
    let versions = format!("{}/versions", state_path("team/net"));
    for (path, rows, start) in [
        ("/api/terraform/state", "states", "after"),
        (versions.as_str(), "versions", "before"),
        ("/api/keys", "keys", "after"),
        ("/api/events", "events", "before"),
    ] {
        let page = |query: &str| {
            let page = admin
                .get(&format!("{path}?{query}"))
                .expect_status(200)
                .json();
            let count = page[rows].as_array().expect("a list").len();
            let next = page["next"]
                .as_str()
                .map_or_else(|| page["next"].to_string(), str::to_owned);
            (count, next)
        };
        for limit in ["6", "1000", "0", "-1", "4294967297", "18446744073709551617"] {
            admin
                .get(&format!("{path}?limit={limit}"))
                .expect_problem(400, "bad_query");
        }
        assert_eq!(page("limit=5").0, 5, "{path}");
        let (count, next) = page("");
        assert_eq!(count, 5, "{path}: nobody who says nothing gets more");
        let (rest, _) = page(&format!("{start}={next}"));
        assert!(rest > 0, "{path}: the rest is on the next page");
    }
}
