//! Rejected versions: what was refused with 409 or 423 is kept, numbered, once, and within bounds.

use serde_json::{Value, json};

use crate::disk::noise;
use crate::harness::{Client, Server, Setup, lock_body, md5, state_path, tfstate, tfstate_noted};

use super::{L1, counts, info, rejected_number, version};

fn rejected(caller: &Client, name: &str) -> Vec<Value> {
    let list = caller
        .get(&format!(
            "{}/versions?kind=rejected&limit=1000",
            state_path(name)
        ))
        .expect_status(200)
        .json();
    list["versions"].as_array().expect("a list").clone()
}

#[test]
fn each_kind_of_refusal_keeps_the_bytes_and_says_why() {
    let server = Server::start();
    let (writer, holder) = (server.key("team", "writer"), server.key("team", "writer"));
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    let stale_write = writer
        .write("team/net", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    let stale_id = writer
        .write("team/net", tfstate(L1, 6), Some("lock-9"))
        .expect_problem(409, "stale_lock_id");
    holder.lock("team/net", "lock-1").expect_status(200);
    let locked = writer
        .write("team/net", tfstate(L1, 7), None)
        .expect_status(423);
    let rows = [
        (stale_write, tfstate(L1, 4), "stale_write"),
        (stale_id, tfstate(L1, 6), "stale_lock_id"),
        (locked, tfstate(L1, 7), "locked"),
    ];
    for (number, (answer, body, code)) in (2..).zip(rows) {
        assert_eq!(rejected_number(&answer), number);
        assert_eq!(
            version(&writer, "team/net", number)
                .expect_status(200)
                .text(),
            body
        );
        let row = info(&writer, "team/net", number);
        assert_eq!(
            (&row["kind"], &row["rejected"], &row["current"]),
            (&json!("rejected"), &json!(code), &json!(false))
        );
        assert_eq!(row["created_by"]["id"], writer.key_id);
    }
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 5));
    assert_eq!(rejected(&writer, "team/net").len(), 3);
    assert_eq!(
        server
            .admin()
            .events("kind=state.write_rejected&attention=true")
            .len(),
        3
    );
    holder
        .write("team/net", tfstate(L1, 8), Some("lock-1"))
        .expect_status(200);
    assert_eq!(
        info(&writer, "team/net", 5)["current"],
        true,
        "numbers go on behind them"
    );
}

#[test]
fn the_same_bytes_refused_again_are_not_kept_twice() {
    let server = Server::start();
    let (writer, holder) = (server.key("team", "writer"), server.key("team", "writer"));
    holder.lock("team/net", "lock-1").expect_status(200);
    let first = rejected_number(
        &writer
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(423),
    );
    for _ in 0..3 {
        assert_eq!(
            rejected_number(
                &writer
                    .write("team/net", tfstate(L1, 1), None)
                    .expect_status(423)
            ),
            first
        );
    }
    writer
        .write("team/net", tfstate_noted(L1, 1, "x"), None)
        .expect_status(423);
    assert_eq!(rejected(&writer, "team/net").len(), 2);
}

#[test]
fn the_last_20_of_a_state_are_kept() {
    let server = Server::start();
    let (writer, holder) = (server.key("team", "writer"), server.key("team", "writer"));
    holder
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    holder.lock("team/net", "lock-1").expect_status(200);
    let refuse = |name: &str, serial| {
        writer
            .write(name, tfstate(L1, serial), None)
            .expect_status(423)
    };
    for serial in 101..=125 {
        refuse("team/net", serial);
    }
    let kept: Vec<u64> = rejected(&writer, "team/net")
        .iter()
        .filter(|row| row["purged"] == false)
        .filter_map(|row| row["serial"].as_u64())
        .collect();
    assert_eq!(kept, (106..=125).rev().collect::<Vec<_>>(), "newest first");
    for serial in 101..=125_u64 {
        let answer = version(&writer, "team/net", serial - 99);
        if serial > 105 {
            assert_eq!(answer.expect_status(200).text(), tfstate(L1, serial));
        } else {
            assert!(
                [404, 410].contains(&answer.status.as_u16()),
                "version {}: {}",
                serial - 99,
                answer.status
            );
        }
    }
    assert_eq!(holder.read("team/net").text(), tfstate(L1, 1));
    holder
        .write("team/net", tfstate(L1, 2), Some("lock-1"))
        .expect_status(200);
    assert_eq!(
        version(&holder, "team/net", 1).expect_status(200).text(),
        tfstate(L1, 1),
        "what was stored is never given up for them"
    );
    assert_eq!(
        holder.versions("team/net")[0]["number"],
        27,
        "numbers are never used again"
    );
}

#[test]
fn no_more_than_64_mib_of_a_state_are_kept() {
    let server = Server::start();
    let (writer, holder) = (server.key("team", "writer"), server.key("team", "writer"));
    holder.lock("team/net", "lock-1").expect_status(200);
    // Hardly compressible, so that it does not matter whether the bytes are counted as sent or as
    // kept.
    let large = |serial: u64| tfstate_noted(L1, serial, &noise(serial, 30 * 1024 * 1024));
    let numbers: Vec<u64> = (1..=3)
        .map(|serial| {
            rejected_number(
                &writer
                    .write("team/net", large(serial), None)
                    .expect_status(423),
            )
        })
        .collect();
    let kept: Vec<u64> = rejected(&writer, "team/net")
        .iter()
        .filter(|row| row["purged"] == false)
        .filter_map(|row| row["number"].as_u64())
        .collect();
    assert_eq!(kept, [numbers[2], numbers[1]], "the newest that fit");
    assert!(
        version(&writer, "team/net", numbers[2])
            .expect_status(200)
            .text()
            == large(3)
    );
}

#[test]
fn bytes_that_a_kept_version_has_too_stay_when_the_rejected_one_goes() {
    let server = Server::start();
    let (writer, holder) = (server.key("team", "writer"), server.key("team", "writer"));
    holder
        .write("team/two", tfstate(L1, 7), None)
        .expect_status(200);
    holder
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    holder
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    holder.lock("team/net", "lock-1").expect_status(200);
    for serial in [1, 7].into_iter().chain(101..=120) {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(423);
    }
    assert_eq!(
        rejected(&writer, "team/net").last().expect("some")["serial"],
        101,
        "else this test shows nothing"
    );
    assert_eq!(
        version(&holder, "team/net", 1).expect_status(200).text(),
        tfstate(L1, 1)
    );
    assert_eq!(
        holder.read("team/two").expect_status(200).text(),
        tfstate(L1, 7)
    );
}

#[test]
fn what_is_not_kept_any_more_gives_its_room_back() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let (writer, holder) = (server.key("team", "writer"), server.key("team", "writer"));
    holder.lock("team/net", "lock-1").expect_status(200);
    for serial in 1..=60 {
        let body = tfstate_noted(L1, serial, &noise(serial, 200 * 1024));
        writer.write("team/net", body, None).expect_status(423);
    }
    assert!(server.stop().success());
    let size = std::fs::metadata(data.join("statekeep.db"))
        .expect("the database")
        .len();
    // Some 150 KiB each, compressed: 20 of them are 3 MiB, 60 would be 9 MiB.
    assert!(size < 6 * 1024 * 1024, "{size} bytes");
}

#[test]
fn what_a_caller_may_not_write_is_not_kept() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/net", "lock-1").expect_status(200);
    for role in ["reader", "outputs"] {
        let answer = server
            .key("team", role)
            .write("team/net", tfstate(L1, 9), None)
            .expect_problem(403, "forbidden");
        assert_eq!(answer.header("statekeep-rejected-version"), "", "{role}");
    }
    server
        .key("rival", "owner")
        .write("team/net", tfstate(L1, 9), None)
        .expect_problem(403, "forbidden");
    assert_eq!(counts(&owner, "team/net"), (1, 0));
}

#[test]
fn what_a_key_writes_that_may_only_plan_is_kept_for_a_person() {
    let server = Server::start();
    let (owner, planner) = (server.key("team", "owner"), server.key("team", "planner"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for (state, number) in [("team/net", 2), ("team/new", 1)] {
        for (serial, lock) in [(9, None), (9, Some("lock-9"))] {
            let answer = planner
                .write(state, tfstate(L1, serial), lock)
                .expect_problem(403, "forbidden");
            assert_eq!(
                rejected_number(&answer),
                number,
                "the same bytes are kept once"
            );
            assert_eq!(answer.json()["rejected_version"], number);
        }
        let row = info(&owner, state, number);
        assert_eq!(
            (&row["kind"], &row["rejected"], &row["current"]),
            (&json!("rejected"), &json!("forbidden"), &json!(false)),
            "{row}"
        );
        assert_eq!(
            version(&owner, state, number).expect_status(200).text(),
            tfstate(L1, 9)
        );
        let block = state.split_once('/').expect("a name").1;
        let events = server.admin().events(&format!(
            "kind=state.write_rejected&attention=true&buildingBlock={block}"
        ));
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(
            (&events[0]["version"], &events[0]["detail"]["code"]),
            (&json!(number), &json!("forbidden"))
        );
    }
    owner.read("team/new").expect_problem(404, "no_state");
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
    // Under another's lock too, and a token of a writer that was asked for with less is no better.
    owner.lock("team/net", "lock-1").expect_status(200);
    let token = server.token(
        &server.key("team", "writer"),
        json!({"permissions": ["TFSTATE_PLAN"]}),
    );
    let answer = token
        .write("team/net", tfstate(L1, 10), Some("lock-1"))
        .expect_problem(403, "forbidden");
    assert_eq!(rejected_number(&answer), 3);
    owner
        .post_json(
            &format!("{}/rollback?ID=lock-1", state_path("team/net")),
            &json!({"version": 3}),
        )
        .expect_status(200);
}

#[test]
fn a_key_that_may_only_plan_pushes_no_writers_rejected_version_out() {
    let server = Server::start();
    let (writer, planner) = (server.key("team", "writer"), server.key("team", "planner"));
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/net", "lock-1").expect_status(200);
    // The planner sends first what the writer's apply will have, so that it counts as theirs.
    planner
        .write("team/net", tfstate(L1, 50), None)
        .expect_problem(403, "forbidden");
    for serial in [50, 51] {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(423);
    }
    for serial in 101..=130 {
        planner
            .write("team/net", tfstate(L1, serial), None)
            .expect_problem(403, "forbidden");
    }
    let kept = |code: &str| -> Vec<u64> {
        let rows = rejected(&writer, "team/net").into_iter();
        let kept = rows.filter(|row| row["rejected"] == code && row["purged"] == false);
        kept.filter_map(|row| row["serial"].as_u64()).collect()
    };
    assert_eq!(kept("locked"), [51, 50], "what the writer's applies did");
    assert_eq!(
        kept("forbidden"),
        (121..=130).rev().collect::<Vec<_>>(),
        "the planner's own are bounded, newest first"
    );
    assert_eq!(
        version(&writer, "team/net", 3).expect_status(200).text(),
        tfstate(L1, 50)
    );
    // Nor do a writer's remove the planner's, and no more than 20 of theirs stay.
    for serial in 201..=225 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(423);
    }
    assert_eq!(kept("locked"), (206..=225).rev().collect::<Vec<_>>());
    assert_eq!(kept("forbidden").len(), 10);
}

#[test]
fn a_key_that_may_only_plan_takes_no_serial_from_a_rollback() {
    let server = Server::start();
    let (owner, planner) = (server.key("team", "owner"), server.key("team", "planner"));
    for serial in [1, 2] {
        owner
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    // The first of them are trimmed, and what was trimmed counts as little.
    for less in 0..12 {
        planner
            .write("team/net", tfstate(L1, u64::MAX - less), None)
            .expect_problem(403, "forbidden");
    }
    let path = format!("{}/rollback", state_path("team/net"));
    let back = owner.post_json(&path, &json!({"version": 1}));
    assert_eq!(back.expect_status(200).json()["serial"], 3);
}

#[test]
fn nothing_is_kept_of_what_is_no_state_or_is_there_already() {
    let server = Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "64MiB")
        .start();
    let (owner, planner) = (server.key("team", "owner"), server.key("team", "planner"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for body in [
        "",
        "{}",
        "[]",
        "{\"version\": 4",
        &lock_body("lock-1"),
        &tfstate(L1, 1),
        &"x".repeat(2 * 1024 * 1024),
    ] {
        let answer = planner
            .write("team/net", body, None)
            .expect_problem(403, "forbidden");
        assert_eq!(
            answer.header("statekeep-rejected-version"),
            "",
            "{}",
            &body[..body.len().min(40)]
        );
    }
    let wrong = planner
        .request("POST", &state_path("team/net"))
        .header("Content-MD5", md5(b"another"))
        .body(tfstate(L1, 2));
    Client::ask(wrong).expect_problem(403, "forbidden");
    assert_eq!(counts(&owner, "team/net"), (1, 0));
}

#[test]
fn a_state_with_nothing_but_rejected_versions_does_not_exist_for_clients() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), Some("lock-9"))
        .expect_problem(409, "stale_lock_id");
    owner.read("team/net").expect_problem(404, "no_state");
    owner.delete("team/net").expect_problem(404, "no_state");
    assert_eq!(
        counts(&owner, "team/net"),
        (1, 1),
        "but its history can be read"
    );
    assert_eq!(
        version(&owner, "team/net", 1).expect_status(200).text(),
        tfstate(L1, 1)
    );
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(
        owner
            .read("team/net")
            .expect_status(200)
            .header("statekeep-version"),
        "2"
    );
}
