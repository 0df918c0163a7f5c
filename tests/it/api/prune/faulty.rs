//! Prunes beside trouble: a run that is killed, a second run, versions that others are stored
//! against, and damaged ones.

use serde_json::json;
use tempfile::TempDir;

use super::super::L1;
use super::{numbers, prune, write};
use crate::disk::{noise, sql, strace};
use crate::harness::{
    Client, Server, Setup, eventually, lineage, state_path, tfstate, tfstate_noted,
};
use crate::inside;

#[test]
fn bytes_that_another_version_shares_stay_and_the_others_give_their_space_back() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    let large = |serial: u64| tfstate_noted(L1, serial, &noise(serial, 1024 * 1024));
    for serial in 1..=12 {
        admin
            .write("team/net", large(serial), None)
            .expect_status(200);
    }
    admin.write("team/copy", large(3), None).expect_status(200);
    let report = prune(&admin, &json!({"keep_last": 2}))
        .expect_status(200)
        .json();
    let (before, after) = (
        report["size_before"].as_u64().expect("a size"),
        report["size_after"].as_u64().expect("a size"),
    );
    let freed = report["freed"].as_u64().expect("a size");
    assert_eq!(freed, before - after);
    assert!(freed > 6 * 1024 * 1024, "{report}");
    assert_eq!(admin.read("team/copy").expect_status(200).text(), large(3));
    for number in 11..=12 {
        let answer = admin
            .get(&format!("{}/versions/{number}", state_path("team/net")))
            .expect_status(200);
        assert!(answer.text() == large(number));
    }
    assert!(server.stop().success());
    let file = std::fs::metadata(data.join("statekeep.db"))
        .expect("the database")
        .len();
    assert!(file < after + 256 * 1024, "the file has {file} bytes");
}

#[test]
fn a_rollback_lies_above_the_serials_of_what_went() {
    let server = Setup::new().flag("--unlocked-writes", "accept").start();
    let admin = server.admin();
    // Serials are kept as their two's complement: the second is the highest all the same.
    let big = u64::MAX - 5;
    for serial in [9, big, 3, 2] {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    for keep in [3, 2] {
        prune(&admin, &json!({"keep_last": keep})).expect_status(200);
    }
    assert_eq!(numbers(&admin, "team/net"), [3, 4]);
    let version = admin
        .post_json(
            &format!("{}/rollback", state_path("team/net")),
            &json!({"version": 3}),
        )
        .expect_status(200)
        .json();
    assert_eq!(
        (&version["number"], &version["serial"]),
        (&json!(5), &json!(big + 1)),
        "{version}"
    );
    prune(&admin, &json!({"keep_last": 1})).expect_status(200);
    assert_eq!(
        admin.read("team/net").expect_status(200).json()["serial"],
        json!(big + 1),
        "without the version that it came from"
    );
}

#[test]
fn what_is_kept_as_a_difference_to_what_went_keeps_its_bytes() {
    let server = Setup::new().flag("--cache-size", "0").start();
    let admin = server.admin();
    let state = |serial: u64| tfstate_noted(L1, serial, &format!("{} {serial}", noise(1, 30_000)));
    for serial in 1..=30 {
        admin
            .write("team/net", state(serial), None)
            .expect_status(200);
    }
    inside::compacted(server.data());
    assert!(
        inside::most_steps(server.data()) > 1,
        "the delta bases form a chain"
    );
    for number in [3, 11, 12, 20] {
        admin
            .post_json(
                &format!("{}/versions/{number}/hold", state_path("team/net")),
                &json!({"reason": "known good"}),
            )
            .expect_status(200);
    }
    prune(&admin, &json!({"keep_last": 2})).expect_status(200);
    let left = [3, 11, 12, 20, 29, 30];
    assert_eq!(numbers(&admin, "team/net"), left);
    for number in left {
        let answer = admin
            .get(&format!("{}/versions/{number}", state_path("team/net")))
            .expect_status(200);
        assert!(answer.text() == state(number), "version {number}");
    }
}

#[test]
fn a_run_that_is_killed_half_way_loses_nothing_and_the_next_one_goes_on() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let names: Vec<String> = (0..30).map(|index| format!("team/n{index}")).collect();
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    for name in &names {
        write(&admin, name, 1..=4);
    }
    assert!(server.stop().success());
    let slow_disk = [
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:delay_exit=50000",
    ];
    let Some(setup) = strace(Setup::new().data(&data), &slow_disk) else {
        return;
    };
    let mut server = setup.start();
    let caller = admin.at(&server);
    let (looking, runner) = (caller.clone(), caller.clone());
    // Nobody answers a run whose server is killed.
    let run = std::thread::spawn(move || {
        let body = json!({"policy": {"keep_last": 1}});
        let _ = runner.request("POST", "/api/prune").json(&body).send();
    });
    eventually("the run has begun", || {
        looking.events("kind=state.prune").len() >= 3
    });
    server.kill();
    run.join().expect("the thread ends");
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    let left: Vec<usize> = names
        .iter()
        .map(|name| numbers(&admin, name).len())
        .collect();
    assert!(left.contains(&1) && left.contains(&4), "half-way: {left:?}");
    let pruned = left.iter().filter(|count| **count == 1).count();
    assert_eq!(
        admin.events("kind=state.prune").len(),
        pruned,
        "an act and its event are one"
    );
    for name in &names {
        assert_eq!(
            admin.read(name).expect_status(200).text(),
            tfstate_noted(L1, 4, name)
        );
    }
    let report = prune(&admin, &json!({"keep_last": 1}))
        .expect_status(200)
        .json();
    assert_eq!(report["removed"], 3 * (names.len() - pruned), "{report}");
    assert!(names.iter().all(|name| numbers(&admin, name) == [4]));
}

#[test]
fn two_runs_at_the_same_time_are_refused_and_writers_go_on_during_one() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    (0..30).for_each(|index| write(&admin, &format!("team/n{index}"), 1..=3));
    assert!(server.stop().success());
    let slow_disk = [
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:delay_exit=30000",
    ];
    let Some(setup) = strace(Setup::new().data(&data), &slow_disk) else {
        return;
    };
    let server = setup.start();
    let admin = admin.at(&server);
    let runner = admin.clone();
    let run = std::thread::spawn(move || prune(&runner, &json!({"keep_last": 1})));
    eventually("the run has begun", || {
        !admin.events("kind=state.prune").is_empty()
    });
    prune(&admin, &json!({"keep_last": 1})).expect_problem(409, "prune_running");
    // What is planned already is looked at once more.
    admin
        .post_json(
            &format!("{}/versions/1/hold", state_path("team/n29")),
            &json!({"reason": "just in time"}),
        )
        .expect_status(200);
    admin
        .write("team/new", tfstate(L1, 1), None)
        .expect_status(200);
    assert!(
        !run.is_finished(),
        "a write does not wait for the end of a run"
    );
    let report = run.join().expect("an answer").expect_status(200).json();
    assert_eq!(
        (&report["removed"], &report["kept"]),
        (&json!(59), &json!(31)),
        "{report}"
    );
    assert_eq!(
        (numbers(&admin, "team/n28"), numbers(&admin, "team/n29")),
        (vec![3], vec![1, 3])
    );
    prune(&admin, &json!({"keep_last": 1})).expect_status(200);
}

/// Three versions of which the current one is damaged behind the server's back, and one of a
/// neighbour.
fn with_a_damaged_current_version(dir: &TempDir, which: &str) -> Option<(Server, Client)> {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    (1..=4).for_each(|serial| {
        drop(
            admin
                .write_by_force("team/net", tfstate(&lineage(serial), serial))
                .expect_status(200),
        );
    });
    admin
        .write_by_force("team/net", tfstate(&lineage(1), 1))
        .expect_status(200);
    admin
        .write("team/net", tfstate(&lineage(9), 9), Some("lost"))
        .expect_problem(409, "stale_lock_id");
    write(&admin, "team/two", 1..=3);
    assert!(server.stop().success());
    // A frame of other bytes, which is what a disk that lost a write leaves.
    let damage = format!(
        "UPDATE blobs SET frame = (SELECT b.frame FROM versions v JOIN blobs b ON b.id = v.blob_id \
            JOIN states s ON s.id = v.state_id \
         WHERE s.building_block = 'two' AND v.number = 1) WHERE id IN (SELECT v.blob_id FROM \
         versions v JOIN states s ON s.id = v.state_id \
         WHERE s.building_block = 'net' AND v.number IN ({which}));"
    );
    sql(&data.join("statekeep.db"), &damage)?;
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    Some((server, admin))
}

#[test]
fn the_last_version_that_can_be_read_stays_beside_a_damaged_one() {
    // The fifth version has the bytes of the first. Both policies, whether or not anybody has read
    // what is damaged.
    for (damaged, readable, is_known) in [
        ("5", 4, true),
        ("5", 4, false),
        ("5, 4", 3, false),
        ("5, 4, 3, 2", 6, false),
    ] {
        for policy in [
            json!({"keep_last": 1, "keep_rejected": 1}),
            json!({"keep_within": 1, "keep_rejected": 1}),
        ] {
            let dir = TempDir::new().expect("a directory");
            let Some((_server, admin)) = with_a_damaged_current_version(&dir, damaged) else {
                return;
            };
            if is_known {
                admin.read("team/net").expect_problem(500, "damaged");
            }
            // Everything is older than a second by then.
            std::thread::sleep(std::time::Duration::from_millis(1_100));
            let report = prune(&admin, &policy).expect_status(200).json();
            let left = numbers(&admin, "team/net");
            assert!(
                left.contains(&5) && left.contains(&readable),
                "{damaged}, {policy}: {left:?}, {report}"
            );
            assert!(
                !left.contains(&1) && !numbers(&admin, "team/two").contains(&1),
                "what is no longer needed goes: {left:?}"
            );
            admin
                .get(&format!("{}/versions/{readable}", state_path("team/net")))
                .expect_status(200);
            assert_eq!(report["reasons"]["readable"], 1, "{report}");
            prune(&admin, &policy).expect_status(200);
            assert_eq!(
                numbers(&admin, "team/net"),
                left,
                "and the next run changes nothing"
            );
        }
    }
}
