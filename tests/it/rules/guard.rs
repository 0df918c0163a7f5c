//! Writes without a lock: the guard, its mark, `?force=true`, and the three ways of
//! `--unlocked-writes`.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    Client, Server, Setup, resource, state_path, tfstate, tfstate_noted, tfstate_with,
};

use super::{L1, L2, counts, force, info, rejected_number};

#[test]
fn a_higher_serial_of_the_same_lineage_is_stored_and_says_that_it_was_not_locked() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in [1, 2, 10] {
        let version = writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200)
            .json();
        assert_eq!(version["lock"], json!(null));
    }
}

#[test]
fn a_serial_not_above_the_current_one_or_another_lineage_is_409_and_kept() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    for (index, body) in [
        tfstate_noted(L1, 5, "x"),
        tfstate(L1, 4),
        tfstate(L2, 6),
        tfstate(L2, 1),
    ]
    .iter()
    .enumerate()
    {
        let key = server.key("team", "writer");
        let answer = key
            .write("team/net", body, None)
            .expect_problem(409, "stale_write");
        let number = rejected_number(&answer);
        assert_eq!(answer.json()["rejected_version"], number);
        assert_eq!(number, index as u64 + 2);
        assert_eq!(
            super::version(&key, "team/net", number)
                .expect_status(200)
                .text(),
            *body
        );
        let row = info(&key, "team/net", number);
        assert_eq!(
            (&row["kind"], &row["rejected"], &row["current"]),
            (&json!("rejected"), &json!("stale_write"), &json!(false))
        );
    }
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 5));
}

#[test]
fn after_a_refusal_the_same_key_from_the_same_address_has_to_read_first() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate_noted(L1, 5, "x"), None)
        .expect_problem(409, "stale_write");
    let snapshot = writer
        .write("team/net", tfstate_noted(L1, 6, "x"), None)
        .expect_problem(409, "stale_write");
    assert_eq!(
        super::version(&other, "team/net", rejected_number(&snapshot)).text(),
        tfstate_noted(L1, 6, "x"),
        "kept as well"
    );
    other.read("team/net").expect_status(200);
    writer
        .calling_from("127.0.0.2")
        .read("team/net")
        .expect_status(200);
    writer.read("team/other").expect_status(404);
    writer
        .write("team/net", tfstate_noted(L1, 7, "x"), None)
        .expect_problem(409, "stale_write");
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 5));
    writer
        .write("team/net", tfstate_noted(L1, 8, "y"), None)
        .expect_status(200);
}

#[test]
fn the_mark_is_this_keys_from_this_address_on_this_state() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    writer
        .write("team/two", tfstate(L1, 1), None)
        .expect_status(200);
    other
        .write("team/net", tfstate(L1, 6), None)
        .expect_status(200);
    writer
        .calling_from("127.0.0.2")
        .write("team/net", tfstate(L1, 7), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 8), None)
        .expect_problem(409, "stale_write");
}

#[test]
fn a_token_counts_as_its_key_for_the_mark() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let token = server.token(&writer, json!({}));
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    token
        .write("team/net", tfstate(L1, 6), None)
        .expect_problem(409, "stale_write");
    token.read("team/net").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 7), None)
        .expect_status(200);
}

#[test]
fn the_mark_outlives_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    server.kill();
    let server = Setup::new().data(&data).start();
    let writer = writer.at(&server);
    writer
        .write("team/net", tfstate(L1, 6), None)
        .expect_problem(409, "stale_write");
    writer.read("team/net").expect_status(200);
    let server = {
        server.stop();
        Setup::new().data(&data).start()
    };
    writer
        .at(&server)
        .write("team/net", tfstate(L1, 7), None)
        .expect_status(200);
}

#[test]
fn a_write_under_ones_own_lock_is_always_trusted() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L2, 9), None)
        .expect_problem(409, "stale_write");
    writer.lock("team/net", "lock-1").expect_status(200);
    for body in [
        tfstate(L1, 6),
        tfstate(L1, 1),
        tfstate_noted(L1, 1, "x"),
        tfstate(L2, 3),
    ] {
        writer
            .write("team/net", &body, Some("lock-1"))
            .expect_status(200);
        assert_eq!(
            writer.calling_from("127.0.0.3").read("team/net").text(),
            body
        );
    }
}

#[test]
fn force_stores_over_the_guard_all_the_same() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    for body in [tfstate(L1, 4), tfstate_noted(L1, 4, "x"), tfstate(L2, 1)] {
        writer
            .write("team/net", tfstate(L1, 1), None)
            .expect_problem(409, "stale_write");
        force(&writer, "team/net", &body).expect_status(200);
        assert_eq!(writer.read("team/net").text(), body);
    }
    writer.lock("team/net", "lock-1").expect_status(200);
    assert_eq!(
        force(&writer, "team/net", &tfstate(L2, 7)).status,
        423,
        "but not over a lock"
    );
}

#[test]
fn accept_turns_the_guard_off() {
    let server = Setup::new().flag("--unlocked-writes", "accept").start();
    let writer = server.key("team", "writer");
    for body in [
        tfstate(L1, 5),
        tfstate(L1, 4),
        tfstate_noted(L1, 4, "x"),
        tfstate(L2, 1),
    ] {
        writer.write("team/net", &body, None).expect_status(200);
        assert_eq!(
            writer.calling_from("127.0.0.3").read("team/net").text(),
            body
        );
    }
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 9), None)
        .expect_status(423);
    writer.unlock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 9), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
}

#[test]
fn refuse_takes_no_write_without_a_lock_but_keeps_the_bytes() {
    let server = Setup::new().flag("--unlocked-writes", "refuse").start();
    let writer = server.key("team", "writer");
    let answer = writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_problem(409, "unlocked_writes_refused");
    writer.read("team/net").expect_problem(404, "no_state");
    assert_eq!(
        super::version(&writer, "team/net", rejected_number(&answer)).text(),
        tfstate(L1, 1)
    );
    assert_eq!(
        info(&writer, "team/net", rejected_number(&answer))["rejected"],
        "unlocked_writes_refused"
    );
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_problem(409, "unlocked_writes_refused");
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 1));
    assert_eq!(counts(&writer, "team/net"), (3, 2));
}

#[test]
fn an_unlocked_write_that_drops_resources_needs_a_person() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    let with = |serial, count| {
        tfstate_with(
            L1,
            serial,
            "x",
            &json!([resource("managed", "terraform_data", "a", count)]),
        )
    };
    let write =
        |body: String, lock: Option<&str>| owner.write("team/net", body, lock).expect_status(200);
    write(with(1, 3), None);
    write(with(2, 4), None);
    assert!(owner.events("kind=state.write&attention=true").is_empty());
    write(with(3, 1), None);
    let events = owner.events("kind=state.write&attention=true");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["version"], 3);
    owner.lock("team/net", "lock-1").expect_status(200);
    write(with(4, 0), Some("lock-1"));
    assert_eq!(
        owner.events("kind=state.write&attention=true").len(),
        1,
        "a locked one is trusted"
    );
}

#[test]
fn an_unlocked_write_that_puts_other_resources_in_their_place_drops_resources_too() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    let with = |serial, name| {
        tfstate_with(
            L1,
            serial,
            "x",
            &json!([resource("managed", "terraform_data", name, 2)]),
        )
    };
    owner
        .write("team/net", with(1, "mine"), None)
        .expect_status(200);
    owner
        .write("team/net", with(2, "theirs"), None)
        .expect_status(200);
    assert_eq!(
        owner.events("kind=state.write&attention=true").len(),
        1,
        "as when a first apply overwrites another one"
    );
}

#[test]
fn an_unlocked_write_of_what_another_key_wrote_needs_a_person() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "writer"));
    let events = || owner.events("kind=state.write&attention=true");
    for _ in 0..2 {
        owner
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
    }
    assert!(events().is_empty(), "a lost answer is nobody's business");
    other
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(
        events().len(),
        1,
        "a first apply that sends another's state, and never its own"
    );
    assert_eq!(
        (
            &events()[0]["detail"]["unchanged"],
            &events()[0]["actor"]["id"]
        ),
        (&json!(true), &json!(other.key_id))
    );
    assert_eq!(counts(&owner, "team/net"), (1, 0));
    other.lock("team/net", "lock-1").expect_status(200);
    other
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    assert_eq!(events().len(), 1, "a locked one is trusted");
}

#[test]
fn two_first_writes_that_look_like_an_update_are_both_in_the_history() {
    let server = Server::start();
    let (one, two) = (server.key("team", "writer"), server.key("team", "writer"));
    one.read("team/net").expect_status(404);
    two.read("team/net").expect_status(404);
    one.write("team/net", tfstate_noted(L1, 1, "one"), None)
        .expect_status(200);
    two.read("team/net").expect_status(200);
    two.write("team/net", tfstate_noted(L1, 2, "two"), None)
        .expect_status(200);
    assert_eq!(
        super::version(&one, "team/net", 1).text(),
        tfstate_noted(L1, 1, "one")
    );
    assert_eq!(
        super::version(&one, "team/net", 2).text(),
        tfstate_noted(L1, 2, "two")
    );
    assert!(
        one.versions("team/net")
            .iter()
            .all(|version| version["lock"] == json!(null))
    );
}

#[test]
fn one_of_two_writers_that_race_from_the_same_serial_is_refused_to_its_end() {
    let server = Server::start();
    let (one, two) = (server.key("team", "writer"), server.key("team", "writer"));
    one.write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let race = |caller: Client, note: &'static str| {
        std::thread::spawn(move || {
            (2..6)
                .map(|serial| {
                    caller
                        .write("team/net", tfstate_noted(L1, serial, note), None)
                        .status
                        .as_u16()
                })
                .collect::<Vec<_>>()
        })
    };
    let (first, second) = (race(one.clone(), "one"), race(two.clone(), "two"));
    let (first, second) = (
        first.join().expect("a racer"),
        second.join().expect("a racer"),
    );
    let refused = |statuses: &[u16]| statuses.iter().position(|&status| status == 409);
    for statuses in [&first, &second] {
        if let Some(at) = refused(statuses) {
            assert!(
                statuses[at..].iter().all(|&status| status == 409),
                "once refused, refused to the end: {statuses:?}"
            );
        }
    }
    assert!(
        refused(&first).is_some() || refused(&second).is_some(),
        "{first:?} {second:?}: both wrote serial 2"
    );
    let path = state_path("team/net");
    let kept = one
        .get(&format!("{path}/versions?kind=rejected"))
        .expect_status(200)
        .json();
    let lost = first
        .iter()
        .chain(&second)
        .filter(|&&status| status == 409)
        .count();
    assert_eq!(
        kept["versions"].as_array().map(Vec::len),
        Some(lost),
        "each refused snapshot is kept"
    );
}
