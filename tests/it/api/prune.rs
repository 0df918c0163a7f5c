//! `POST /api/prune`: what a policy does not keep goes, and nothing else does.

mod faulty;

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, state_path, tfstate, tfstate_noted};

use super::L1;

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
        json!([{
            "workspace": "team", "buildingBlock": "net", "removed": 3, "first": 1, "last": 3,
            "kept": 3
        }]),
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
fn the_row_of_a_purged_version_stays_whatever_the_policy_says() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=6);
    let versions = json!({"versions": [2, 5]});
    admin
        .post_json(&format!("{}/purge", state_path("team/net")), &versions)
        .expect_status(200);
    for policy in [
        json!({"keep_last": 2}),
        json!({"keep_last": 1, "keep_rejected": 1}),
    ] {
        let report = prune(&admin, &policy).expect_status(200).json();
        assert_eq!(report["reasons"]["purged"], 2, "{report}");
    }
    assert_eq!(numbers(&admin, "team/net"), [2, 5, 6]);
    let rows = admin.versions("team/net");
    let purged: Vec<_> = rows.iter().map(|row| row["purged"] == true).collect();
    assert_eq!(purged, [false, true, true]);
    admin
        .get(&format!("{}/versions/5", state_path("team/net")))
        .expect_problem(410, "purged");
}

#[test]
fn a_policy_that_is_set_while_history_is_pruned_holds_from_its_answer_on() {
    let server = Server::start();
    let admin = server.admin();
    let names: Vec<String> = (0..60).map(|number| format!("w{number}/net")).collect();
    let write_each = |names: &[String]| {
        let writer = server.admin();
        for name in names {
            write(&writer, name, 1..=6);
        }
    };
    std::thread::scope(|scope| {
        for some in names.chunks(20) {
            scope.spawn(|| write_each(some));
        }
    });
    let is_pruned = |name: &String| numbers(&admin, name).len() == 1;
    let mut late = Vec::new();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| prune(&server.admin(), &json!({"keep_last": 1})));
        // All are planned at once, and then pruned one after the other.
        while !run.is_finished() && !is_pruned(&names[0]) {
            std::thread::yield_now();
        }
        let last = names.iter().rev().filter(|name| !is_pruned(name));
        for name in last.take(5) {
            let (workspace, _) = name.split_once('/').expect("a name");
            let set = admin.request("PUT", &format!("/api/retention/{workspace}"));
            Client::ask(set.json(&json!({"keep_all": true}))).expect_status(200);
            late.push((name, numbers(&admin, name)));
        }
        run.join().expect("a run").expect_status(200);
    });
    assert!(!late.is_empty(), "the run was faster than this test");
    for (name, kept) in late {
        assert_eq!(numbers(&admin, name), kept, "{name}");
    }
}
