//! Rollbacks beside others: two with the same expectation, writers in between, stale plans and
//! broken locks.

use serde_json::{Value, json};

use super::super::L1;
use super::{current, roll_back, sealed, three_versions};
use crate::disk::noise;
use crate::harness::{Client, Server, state_path, tfstate_noted};

/// Rolls back to versions 1 and 2 at once, each only if this version is current; the statuses.
fn both_at_once(writer: &Client, current: u64) -> Vec<u16> {
    let ask = |number: u64| {
        json!({
            "version": number, "expected_current": current, "allow_serial_regression": true
        })
    };
    std::thread::scope(|scope| {
        let both = [1, 2].map(|number| {
            scope.spawn(move || roll_back(writer, "team/net", &ask(number)).status.as_u16())
        });
        both.map(|one| one.join().expect("an answer")).to_vec()
    })
}

#[test]
fn of_two_with_the_same_expectation_exactly_one_wins() {
    let server = Server::start();
    let writer = three_versions(&server);
    for current in 3..13 {
        let mut statuses = both_at_once(&writer, current);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "of version {current}");
    }
    let serials: Vec<u64> = writer
        .versions("team/net")
        .iter()
        .filter_map(|version| version["serial"].as_u64())
        .collect();
    assert_eq!(serials, (1..=13).rev().collect::<Vec<_>>());
}

#[test]
fn of_two_with_the_same_expectation_exactly_one_wins_also_where_no_serial_tells_them_apart() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=3 {
        writer
            .write("team/net", sealed(serial, &noise(serial, 256 * 1024)), None)
            .expect_status(200);
    }
    for current in 3..13 {
        let mut statuses = both_at_once(&writer, current);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "of version {current}");
    }
}

#[test]
fn beside_writers_no_serial_is_used_twice_and_none_goes_back() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    // It takes some time to make ready, while others write.
    writer
        .write("team/net", tfstate_noted(L1, 1, &noise(1, 64 * 1024)), None)
        .expect_status(200);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for _ in 0..40 {
                let now: Value = writer.read("team/net").expect_status(200).json();
                let serial = now["serial"].as_u64().expect("a serial") + 1;
                writer.write(
                    "team/net",
                    tfstate_noted(L1, serial, &format!("written {serial}")),
                    None,
                );
            }
        });
        for _ in 0..20 {
            let answer = roll_back(&writer, "team/net", &json!({"version": 1}));
            assert!(
                answer.status == 200 || answer.json()["code"] == "too_many_conflicts",
                "{}",
                answer.text()
            );
        }
        busy.join().expect("the writer is done");
    });
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    let mut rows = writer.versions("team/net");
    rows.reverse();
    let mut highest = 0;
    for row in &rows {
        let serial = row["serial"].as_u64().expect("a serial");
        if row["kind"] == "rollback" {
            assert_eq!(serial, highest + 1, "{row}");
        }
        highest = highest.max(serial);
    }
    assert!(rows.iter().any(|row| row["kind"] == "rollback"), "{rows:?}");
}

#[test]
fn a_client_whose_plan_is_older_is_kept_out_by_the_guard() {
    let server = Server::start();
    let (writer, late) = (three_versions(&server), server.key("team", "writer"));
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    late.write(
        "team/net",
        tfstate_noted(L1, 4, "planned on version 3"),
        None,
    )
    .expect_problem(409, "stale_write");
    assert!(current(&writer, "team/net").contains("version 1"));
}

#[test]
fn whose_lock_was_broken_does_not_overwrite_it() {
    let server = Server::start();
    let (writer, other) = (three_versions(&server), server.key("team", "writer"));
    other.lock("team/net", "lock-1").expect_status(200);
    server
        .admin()
        .send("UNLOCK", &state_path("team/net"), "")
        .expect_status(200);
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    other
        .write("team/net", tfstate_noted(L1, 40, "late"), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
    assert!(current(&writer, "team/net").contains("version 1"));
}

#[test]
fn a_writer_that_was_refused_still_has_to_read_the_state_first() {
    let server = Server::start();
    let writer = three_versions(&server);
    writer
        .write("team/net", tfstate_noted(L1, 3, "refused"), None)
        .expect_problem(409, "stale_write");
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    writer
        .write(
            "team/net",
            tfstate_noted(L1, 50, "the same apply's next snapshot"),
            None,
        )
        .expect_problem(409, "stale_write");
    writer.read("team/net").expect_status(200);
    writer
        .write("team/net", tfstate_noted(L1, 51, "read"), None)
        .expect_status(200);
}
