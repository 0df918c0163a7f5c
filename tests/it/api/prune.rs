//! `POST /api/prune`: what a policy does not keep goes, and nothing else does.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{noise, sql, strace};
use crate::harness::{
    Answer, Client, Server, Setup, eventually, lineage, state_path, tfstate, tfstate_noted,
};

use super::L1;
use crate::inside;

pub(super) fn prune(caller: &Client, policy: &Value) -> Answer {
    caller.post_json("/api/prune", &json!({ "policy": policy }))
}

/// The numbers of the versions that a state has, oldest first.
pub(super) fn numbers(caller: &Client, name: &str) -> Vec<u64> {
    caller
        .versions(name)
        .iter()
        .rev()
        .filter_map(|row| row["number"].as_u64())
        .collect()
}

/// Writes so many versions with rising serials.
pub(super) fn write(caller: &Client, name: &str, serials: std::ops::RangeInclusive<u64>) {
    for serial in serials {
        caller
            .write(name, tfstate_noted(L1, serial, name), None)
            .expect_status(200);
    }
}

#[test]
fn the_last_ones_stay_with_their_bytes_and_the_others_are_gone() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=6);
    write(&admin, "team/two", 1..=2);
    let report = prune(&admin, &json!({"keep_last": 3}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&report["states"], &report["removed"], &report["kept"]),
        (&json!(2), &json!(3), &json!(5)),
        "{report}"
    );
    assert_eq!(
        report["list"],
        json!([{"workspace": "team", "buildingBlock": "net", "removed": 3, "first": 1, "last": 3, "kept": 3}]),
        "{report}"
    );
    assert_eq!(
        (
            &report["reasons"]["current"],
            &report["reasons"]["last"],
            &report["reasons"]["within"]
        ),
        (&json!(2), &json!(5), &json!(0))
    );
    assert_eq!(
        (numbers(&admin, "team/net"), numbers(&admin, "team/two")),
        (vec![4, 5, 6], vec![1, 2])
    );
    for number in 4..=6 {
        let answer = admin
            .get(&format!("{}/versions/{number}", state_path("team/net")))
            .expect_status(200);
        assert_eq!(answer.text(), tfstate_noted(L1, number, "team/net"));
    }
    admin
        .get(&format!("{}/versions/2", state_path("team/net")))
        .expect_problem(404, "no_version");
    write(&admin, "team/net", 7..=7);
    assert_eq!(numbers(&admin, "team/net"), [4, 5, 6, 7], "numbers go on");
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=6);
    let asked = json!({"policy": {"keep_last": 2}, "dry_run": true});
    let preview = admin
        .post_json("/api/prune", &asked)
        .expect_status(200)
        .json();
    assert_eq!(numbers(&admin, "team/net").len(), 6);
    assert!(
        admin.events("kind=state.prune").is_empty() && admin.events("kind=retention.*").is_empty()
    );
    assert_eq!(preview["freed"], json!(null), "nothing was freed");
    let report = prune(&admin, &json!({"keep_last": 2}))
        .expect_status(200)
        .json();
    for member in ["states", "removed", "kept", "reasons", "list", "not_listed"] {
        assert_eq!(preview[member], report[member], "{member}");
    }
}

#[test]
fn current_and_held_versions_stay_also_those_of_a_deleted_state() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=5);
    write(&admin, "team/gone", 1..=3);
    admin
        .post_json(
            &format!("{}/versions/2/hold", state_path("team/net")),
            &json!({"reason": "legal"}),
        )
        .expect_status(200);
    admin.delete("team/gone").expect_status(200);
    // Refused later than the version that comes back with `restore`.
    admin
        .write("team/gone", tfstate_noted(L1, 9, "refused"), Some("lock-9"))
        .expect_status(409);
    let report = prune(&admin, &json!({"keep_last": 1, "keep_rejected": 3600}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&report["reasons"]["current"], &report["reasons"]["held"]),
        (&json!(2), &json!(1)),
        "{report}"
    );
    assert_eq!(
        (numbers(&admin, "team/net"), numbers(&admin, "team/gone")),
        (vec![2, 5], vec![3, 4])
    );
    admin
        .send("POST", &format!("{}/restore", state_path("team/gone")), "")
        .expect_status(200);
    assert_eq!(
        admin.read("team/gone").expect_status(200).text(),
        tfstate_noted(L1, 3, "team/gone")
    );
    admin
        .send(
            "DELETE",
            &format!("{}/versions/2/hold", state_path("team/net")),
            "",
        )
        .expect_status(200);
    prune(&admin, &json!({"keep_last": 1})).expect_status(200);
    assert_eq!(
        (numbers(&admin, "team/net"), numbers(&admin, "team/gone")),
        (vec![5], vec![4, 5])
    );
    assert_eq!(
        admin.read("team/gone").expect_status(200).text(),
        tfstate_noted(L1, 3, "team/gone"),
        "by the version that shares its bytes"
    );
}

#[test]
fn only_what_is_named_is_pruned() {
    let server = Server::start();
    let admin = server.admin();
    for name in ["team/net", "team/two", "rival/net"] {
        write(&admin, name, 1..=3);
    }
    let ask = |more: Value| {
        let mut body = json!({"policy": {"keep_last": 1}});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        admin.post_json("/api/prune", &body)
    };
    ask(json!({"workspace": "team", "buildingBlock": "two"})).expect_status(200);
    assert_eq!(
        ["team/net", "team/two", "rival/net"].map(|name| numbers(&admin, name).len()),
        [3, 1, 3]
    );
    ask(json!({"workspace": "team"})).expect_status(200);
    assert_eq!(
        ["team/net", "team/two", "rival/net"].map(|name| numbers(&admin, name).len()),
        [1, 1, 3]
    );
    ask(json!({"workspace": "team", "buildingBlock": "none"})).expect_problem(404, "no_state");
    assert_eq!(
        ask(json!({"workspace": "nobody"}))
            .expect_status(200)
            .json()["states"],
        0
    );
    for more in [
        json!({"buildingBlock": "net"}),
        json!({"workspace": "../x"}),
        json!({"workspace": "team", "buildingBlock": ""}),
    ] {
        ask(more).expect_problem(400, "bad_request");
    }
}

#[test]
fn a_policy_that_keeps_nothing_or_makes_no_sense_is_refused_and_nothing_goes() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=3);
    for policy in [
        json!({}),
        json!({"keep_last": 0}),
        json!({"keep_within": 0}),
        json!({"keep_last": 5, "keep_daily": 0}),
    ] {
        prune(&admin, &policy).expect_problem(400, "bad_policy");
    }
    for body in [
        json!({}),
        json!({"dry_run": true}),
        json!({"configured": true}),
    ] {
        admin
            .post_json("/api/prune", &body)
            .expect_problem(400, "bad_policy");
    }
    for policy in [
        json!({"keep_lasts": 3}),
        json!({"keep_last": -1}),
        json!({"keep_within": "90d"}),
        json!([]),
        json!([1]),
    ] {
        prune(&admin, &policy).expect_problem(400, "bad_body");
    }
    admin
        .post_json(
            "/api/prune",
            &json!({"policy": {"keep_last": 1}, "configured": true}),
        )
        .expect_problem(400, "bad_request");
    assert_eq!(numbers(&admin, "team/net").len(), 3);
}

#[test]
fn snapshots_of_an_apply_go_first_when_asked_and_rejected_ones_are_not_counted() {
    let server = Server::start();
    let admin = server.admin();
    for apply in 0..2 {
        let lock = format!("lock-{apply}");
        admin.lock("team/net", &lock).expect_status(200);
        for serial in 1..=3 {
            admin
                .write("team/net", tfstate(L1, apply * 3 + serial), Some(&lock))
                .expect_status(200);
        }
        admin.unlock("team/net", &lock).expect_status(200);
    }
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(409);
    prune(&admin, &json!({"keep_last": 2, "drop_intermediate": 0})).expect_status(200);
    assert_eq!(numbers(&admin, "team/net"), [3, 6, 7]);
    assert_eq!(
        prune(&admin, &json!({"keep_last": 2}))
            .expect_status(200)
            .json()["removed"],
        0
    );
}

#[test]
fn a_run_is_told_once_for_each_state_and_once_as_a_whole() {
    let server = Server::start();
    let admin = server.admin();
    // More versions than one transaction removes.
    write(&admin, "team/net", 1..=130);
    write(&admin, "team/two", 1..=2);
    let key = server.key_with("", &["ADM_OPERATE"]);
    prune(&key, &json!({"keep_last": 2})).expect_status(200);
    let events = admin.events("kind=state.prune");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (&events[0]["workspace"], &events[0]["buildingBlock"]),
        (&json!("team"), &json!("net"))
    );
    assert_eq!(
        events[0]["detail"],
        json!({"removed": 128, "first": 1, "last": 128})
    );
    assert_eq!(events[0]["actor"]["id"], key.key_id);
    let run = &admin.events("kind=retention.run")[0];
    assert_eq!(
        (
            &run["detail"]["removed"],
            &run["detail"]["states"],
            &run["detail"]["kept"]
        ),
        (&json!(128), &json!(2), &json!(4))
    );
    assert_eq!(run["detail"]["policy"], json!({"keep_last": 2}));
    prune(&key, &json!({"keep_last": 2})).expect_status(200);
    assert_eq!(
        (
            admin.events("kind=state.prune").len(),
            admin.events("kind=retention.run").len()
        ),
        (1, 2)
    );
}

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
        "differences lean on each other"
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
        )
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
