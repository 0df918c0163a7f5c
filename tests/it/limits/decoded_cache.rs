//! What is kept in memory for the next reader: never stale, never shown to whoever may not see it,
//! never more than it may be, and gone as soon as somebody else needs the room.

use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::Answer;
use crate::disk::{damage, noise};
use crate::harness::{
    Client, Server, Setup, eventually, resource, state_path, tfstate, tfstate_noted, tfstate_with,
};
use crate::inside;
use crate::scrape::{Scrape, eventually_in_flight, in_flight, monitor};

use super::{KIB, L1, MIB, sized, writer};

/// Reads from memory, and reads that were not, so far.
fn reads(monitor: &Client) -> (u64, u64) {
    let scrape = Scrape::of(monitor);
    let with = |result| scrape.sum("statekeep_cache_reads_total", &[("result", result)]);
    (with("hit"), with("miss"))
}

pub(super) fn cached(monitor: &Client) -> u64 {
    Scrape::of(monitor).value("statekeep_cache_bytes")
}

/// Reads a state until it is in memory for certain, and checks that.
#[track_caller]
pub(super) fn heat(reader: &Client, monitor: &Client, name: &str, body: &str) {
    assert!(reader.read(name).expect_status(200).text() == body);
    let (hits, misses) = reads(monitor);
    assert!(reader.read(name).expect_status(200).text() == body);
    assert_eq!(
        reads(monitor),
        (hits + 1, misses),
        "the second read was from memory"
    );
}

#[test]
fn a_state_in_memory_is_shown_to_nobody_who_may_not_read_it() {
    let server = Server::start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let body = tfstate_noted(L1, 1, "canary");
    writer.write("team/net", &body, None).expect_status(200);
    let (foreign, neighbour) = (
        server.key("other", "owner"),
        server.key("team/app", "owner"),
    );
    heat(&writer, &monitor, "team/net", &body);
    for stranger in [
        &foreign,
        &neighbour,
        &server.key_with("team", &["TFSTATE_UNLOCK"]),
    ] {
        let version = format!("{}/versions/1", state_path("team/net"));
        for answer in [stranger.read("team/net"), stranger.get(&version)] {
            assert!(!answer.text().contains("canary"));
            answer.expect_problem(403, "forbidden");
        }
    }
    server
        .anonymous()
        .read("team/net")
        .expect_problem(401, "unauthorized");
    server
        .with("nonsense")
        .read("team/net")
        .expect_problem(401, "unauthorized");
    heat(&writer, &monitor, "team/net", &body);
}

#[test]
fn whoever_may_read_outputs_only_gets_no_more_of_a_state_in_memory() {
    let server = Server::start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let body = tfstate_with(
        L1,
        1,
        "shown",
        &json!([resource("managed", "terraform_data", "canary", 2)]),
    );
    writer.write("team/net", &body, None).expect_status(200);
    let outputs = server.key("team", "outputs");
    for _ in 0..3 {
        heat(&writer, &monitor, "team/net", &body);
        let made = outputs.read("team/net").expect_status(200);
        assert!(
            made.text().contains("shown") && !made.text().contains("canary"),
            "{}",
            made.text()
        );
        outputs
            .get(&format!("{}/versions/1", state_path("team/net")))
            .expect_problem(403, "forbidden");
    }
}

#[test]
fn each_read_shows_the_write_before_it_whoever_wrote() {
    let server = Setup::new().flag("--unlocked-writes", "accept").start();
    let (first, second) = (writer(&server), server.key("team", "owner"));
    let outputs = server.key("team", "outputs");
    for round in 1..=60_u64 {
        for (serial, author, reader) in [
            (2 * round, &first, &second),
            (2 * round + 1, &second, &first),
        ] {
            let body = tfstate_noted(L1, serial, &format!("note {serial}"));
            author.write("team/net", &body, None).expect_status(200);
            assert_eq!(reader.read("team/net").expect_status(200).text(), body);
            assert_eq!(author.read("team/net").expect_status(200).text(), body);
            assert!(
                outputs
                    .read("team/net")
                    .expect_status(200)
                    .text()
                    .contains(&format!("note {serial}"))
            );
        }
    }
}

#[test]
fn each_read_shows_what_was_deleted_restored_or_moved_before_it() {
    let server = Server::start();
    let (first, second) = (writer(&server), server.key("team", "owner"));
    let (old, new) = (state_path("team/net"), state_path("team/app"));
    let body = tfstate(L1, 1);
    first.write("team/net", &body, None).expect_status(200);
    let to = |block: &str| json!({"workspace": "team", "buildingBlock": block});
    for _ in 0..25 {
        for (actor, reader) in [(&first, &second), (&second, &first)] {
            assert_eq!(reader.read("team/net").expect_status(200).text(), body);
            actor.delete("team/net").expect_status(200);
            reader.read("team/net").expect_problem(404, "no_state");
            actor
                .send("POST", &format!("{old}/restore"), "")
                .expect_status(200);
            assert_eq!(reader.read("team/net").expect_status(200).text(), body);
            actor
                .post_json(&format!("{old}/move"), &to("app"))
                .expect_status(200);
            reader.read("team/net").expect_problem(410, "moved");
            assert_eq!(reader.read("team/app").expect_status(200).text(), body);
            actor
                .post_json(&format!("{new}/move"), &to("net"))
                .expect_status(200);
            reader.read("team/app").expect_problem(410, "moved");
        }
    }
}

/// When a key ends.
fn end_of(server: &Server, key: &Client) -> SystemTime {
    let key: Value = server
        .admin()
        .get(&format!("/api/keys/{}", key.key_id))
        .expect_status(200)
        .json();
    humantime::parse_rfc3339(key["expires_at"].as_str().expect("a time")).expect("RFC 3339")
}

#[test]
fn a_key_that_ends_is_out_at_the_next_request_though_all_it_asks_for_is_in_memory() {
    let server = Setup::new().flag("--max-failures", "1000000").start();
    let (writer, monitor, admin) = (writer(&server), monitor(&server), server.admin());
    let body = tfstate(L1, 1);
    writer.write("team/net", &body, None).expect_status(200);
    for _ in 0..5 {
        let revoked = server.key("team", "reader");
        let token = server.token(&revoked, json!({}));
        heat(&revoked, &monitor, "team/net", &body);
        heat(&token, &monitor, "team/net", &body);
        admin
            .send("DELETE", &format!("/api/keys/{}", revoked.key_id), "")
            .expect_status(200);
        revoked.read("team/net").expect_problem(401, "unauthorized");
        token.read("team/net").expect_problem(401, "unauthorized");

        let rotated = server.key("team", "reader");
        heat(&rotated, &monitor, "team/net", &body);
        let answer = admin
            .post_json(&format!("/api/keys/{}/rotate", rotated.key_id), &json!({}))
            .expect_status(200)
            .json();
        rotated.read("team/net").expect_problem(401, "unauthorized");
        let renewed = server.with(answer["secret"].as_str().expect("a secret"));
        heat(&renewed, &monitor, "team/net", &body);

        let ended = server.token(&renewed.of_key(&rotated.key_id), json!({}));
        heat(&ended, &monitor, "team/net", &body);
        ended.send("DELETE", "/api/token", "").expect_status(204);
        ended.read("team/net").expect_problem(401, "unauthorized");
    }
    let expiring = server.make_key(
        &json!({"name": "short", "workspace": "team", "role": "reader", "expires_in": 2}),
    );
    let token = server.token(&expiring, json!({}));
    let end = end_of(&server, &expiring);
    heat(&expiring, &monitor, "team/net", &body);
    while SystemTime::now() <= end {
        let answer = token.read("team/net");
        assert!(
            answer.status == 200 || SystemTime::now() > end,
            "{}",
            answer.text()
        );
    }
    expiring
        .read("team/net")
        .expect_problem(401, "unauthorized");
    token.read("team/net").expect_problem(401, "unauthorized");
}

#[test]
fn a_state_in_memory_whose_disk_rots_is_never_wrong() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let body = tfstate_noted(L1, 1, &noise(1, 4 * MIB));
    writer.write("team/net", &body, None).expect_status(200);
    assert!(server.stop().success());
    let server = Setup::new().data(&data).start();
    let (writer, monitor) = (writer.at(&server), monitor.at(&server));
    heat(&writer, &monitor, "team/net", &body);
    damage(&data);
    for _ in 0..3 {
        let answer = writer.read("team/net");
        if answer.status == 200 {
            assert!(answer.text() == body);
        } else {
            answer.expect_problem(500, "damaged");
        }
    }
    let before = Scrape::of(&monitor).value("statekeep_damaged_reads_total");
    assert!(server.stop().success());
    let server = Setup::new().data(&data).start();
    let (writer, monitor) = (writer.at(&server), monitor.at(&server));
    writer.read("team/net").expect_problem(500, "damaged");
    assert!(
        before == 0 && Scrape::of(&monitor).value("statekeep_damaged_reads_total") == 1,
        "and a monitor can see it"
    );
}

#[test]
fn no_more_is_kept_than_the_cache_may_hold() {
    let server = Setup::new().flag("--cache-size", "1MiB").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let name = |number: u64| format!("team/n{number}");
    for number in 1..=30 {
        writer
            .write(&name(number), sized(number, 100 * KIB), None)
            .expect_status(200);
        assert!(writer.read(&name(number)).expect_status(200).text() == sized(number, 100 * KIB));
        assert!(cached(&monitor) <= MIB as u64);
    }
    assert!(cached(&monitor) > 900 * 1024, "and no less than that");
    eventually_in_flight(
        &monitor,
        cached(&monitor),
        "all that is reserved is what is kept",
    );
    let (hits, misses) = reads(&monitor);
    for number in [30, 29, 28, 1, 2, 3] {
        assert!(writer.read(&name(number)).expect_status(200).text() == sized(number, 100 * KIB));
    }
    assert_eq!(
        reads(&monitor),
        (hits + 3, misses + 3),
        "the last ones are kept and the first ones are not"
    );
    writer
        .write("team/large", sized(1, 600 * KIB), None)
        .expect_status(200);
    let before = cached(&monitor);
    assert!(writer.read("team/large").expect_status(200).text() == sized(1, 600 * KIB));
    assert_eq!(
        cached(&monitor),
        before,
        "one that would take most of the room pushes nobody out"
    );
}

#[test]
fn nothing_is_kept_where_nothing_may_be() {
    let server = Setup::new().flag("--cache-size", "0").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for _ in 0..3 {
        writer.read("team/net").expect_status(200);
    }
    assert_eq!((reads(&monitor).0, cached(&monitor)), (0, 0));
}

#[test]
fn what_is_kept_gives_way_to_a_body_and_to_a_read_that_need_the_room() {
    let setup = Setup::new()
        .flag("--max-state-size", "4MiB")
        .flag("--max-in-flight", "8MiB")
        .flag("--cache-size", "4MiB");
    let server = setup.start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let nearly_all = sized(1, 4 * MIB - 10 * KIB);
    writer
        .write("team/large", &nearly_all, None)
        .expect_status(200);
    let name = |number: u64| format!("team/n{number}");
    // Each in bytes of its own: what is the same is kept once.
    for number in 1..=7 {
        writer
            .write(&name(number), sized(number, 500 * KIB), None)
            .expect_status(200);
    }
    let fill = || {
        // What the server does by itself takes memory for a moment, and what is kept gives way.
        inside::compacted(server.data());
        eventually("it is all kept, and only that is reserved", || {
            for number in 1..=7 {
                has_room(|| writer.read(&name(number)));
            }
            let kept = cached(&monitor);
            kept > 3 << 20 && in_flight(&monitor) == kept
        });
    };
    fill();
    has_room(|| writer.write("team/new", &nearly_all, None));
    assert!(cached(&monitor) < 1 << 20, "it went");
    fill();
    assert!(has_room(|| writer.read("team/large")).text() == nearly_all);
    fill();
    has_room(|| {
        let bytes = std::io::Cursor::new(nearly_all.clone().into_bytes());
        let in_chunks = reqwest::blocking::Body::new(bytes);
        writer.send("POST", &state_path("team/chunks"), in_chunks)
    });
    assert!(has_room(|| writer.read("team/new")).text() == nearly_all);
    assert!(has_room(|| writer.read("team/n1")).text() == sized(1, 500 * KIB));
}

/// What is answered once there is room: the server's own work takes memory for moments.
fn has_room(mut ask: impl FnMut() -> Answer) -> Answer {
    let mut answer = ask();
    eventually("there is room", || {
        if answer.status == 503 {
            answer = ask();
        }
        answer.status != 503
    });
    answer.expect_status(200)
}
