//! `POST` and `DELETE …/versions/{N}/hold`: a version that somebody holds stays.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, state_path, tfstate};

use super::L1;

fn path(name: &str, number: u64) -> String {
    format!("{}/versions/{number}/hold", state_path(name))
}

fn hold(caller: &Client, name: &str, number: u64, reason: &str) -> Answer {
    caller.post_json(&path(name, number), &json!({ "reason": reason }))
}

fn release(caller: &Client, name: &str, number: u64) -> Answer {
    caller.send("DELETE", &path(name, number), "")
}

fn info(caller: &Client, name: &str, number: u64) -> Value {
    caller
        .get(&format!("{}/versions/{number}/info", state_path(name)))
        .expect_status(200)
        .json()
}

/// `team/net` with two versions.
fn two_versions(server: &Server) -> Client {
    let admin = server.admin();
    for serial in 1..=2 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    admin
}

#[test]
fn a_hold_is_shown_with_its_reason_until_it_is_released() {
    let server = Server::start();
    let admin = two_versions(&server);
    let held = hold(&admin, "team/net", 1, "  known good, ticket 4711 ")
        .expect_status(200)
        .json();
    assert_eq!(
        (&held["number"], &held["held"]["reason"]),
        (&json!(1), &json!("known good, ticket 4711"))
    );
    assert_eq!(held["held"]["by"]["name"], "admin");
    assert_eq!(info(&admin, "team/net", 1)["held"], held["held"]);
    assert_eq!(admin.versions("team/net")[1]["held"], held["held"]);
    assert_eq!(info(&admin, "team/net", 2)["held"], json!(null));
    assert_eq!(
        release(&admin, "team/net", 1).expect_status(200).json()["held"],
        json!(null)
    );
    assert_eq!(info(&admin, "team/net", 1)["held"], json!(null));
}

#[test]
fn both_can_be_asked_for_again_and_only_what_changes_is_an_event() {
    let server = Server::start();
    let admin = two_versions(&server);
    release(&admin, "team/net", 1).expect_status(200);
    let first = hold(&admin, "team/net", 1, "legal")
        .expect_status(200)
        .json();
    assert_eq!(
        hold(&admin, "team/net", 1, "legal")
            .expect_status(200)
            .json()["held"],
        first["held"],
        "since when it was held"
    );
    let second = hold(&admin, "team/net", 1, "audit")
        .expect_status(200)
        .json();
    assert_eq!(second["held"]["reason"], "audit");
    for _ in 0..2 {
        release(&admin, "team/net", 1).expect_status(200);
    }
    let events = admin.events("kind=version.*");
    let told: Vec<(&str, &str, u64)> = events
        .iter()
        .map(|event| {
            let text = |value: &'static str| event[value].as_str().unwrap_or_default();
            (
                text("kind"),
                event["detail"]["reason"].as_str().unwrap_or_default(),
                event["version"].as_u64().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("version.release", "audit", 1),
            ("version.hold", "audit", 1),
            ("version.hold", "legal", 1)
        ]
    );
    assert_eq!(
        (&events[0]["workspace"], &events[0]["buildingBlock"]),
        (&json!("team"), &json!("net"))
    );
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let server = Server::start();
    let admin = two_versions(&server);
    for reason in ["", "   ", "two\nlines", "bell\u{7}", &"x".repeat(501)] {
        hold(&admin, "team/net", 1, reason).expect_problem(400, "bad_request");
    }
    for body in [
        "",
        "{}",
        "[]",
        r#"{"reason": 1}"#,
        r#"{"reason": "x", "until": "y"}"#,
        "{",
    ] {
        admin
            .send("POST", &path("team/net", 1), body.to_owned())
            .expect_problem(400, "bad_body");
    }
    hold(&admin, "team/net", 3, "x").expect_problem(404, "no_version");
    release(&admin, "team/net", 3).expect_problem(404, "no_version");
    hold(&admin, "team/none", 1, "x").expect_problem(404, "no_state");
    admin
        .post_json(
            &format!("{}/versions/first/hold", state_path("team/net")),
            &json!({"reason": "x"}),
        )
        .expect_problem(400, "bad_address");
    admin
        .get(&path("team/net", 1))
        .expect_problem(405, "method_not_allowed");
    assert!(
        admin
            .versions("team/net")
            .iter()
            .all(|version| version["held"].is_null())
    );
    assert!(admin.events("kind=version.*").is_empty());
    hold(&admin, "team/net", 1, &"ö".repeat(500)).expect_status(200);
}

#[test]
fn versions_of_a_deleted_state_can_be_held_and_those_of_a_moved_one_at_its_new_address() {
    let server = Server::start();
    let admin = two_versions(&server);
    admin.delete("team/net").expect_status(200);
    hold(&admin, "team/net", 1, "legal").expect_status(200);
    admin
        .send("POST", &format!("{}/restore", state_path("team/net")), "")
        .expect_status(200);
    admin
        .post_json(
            &format!("{}/move", state_path("team/net")),
            &json!({"workspace": "team", "buildingBlock": "there"}),
        )
        .expect_status(200);
    hold(&admin, "team/net", 2, "legal").expect_problem(410, "moved");
    assert_eq!(info(&admin, "team/there", 1)["held"]["reason"], "legal");
}

#[test]
fn a_held_rejected_version_is_not_dropped_for_newer_ones() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1_000), None)
        .expect_status(200);
    for serial in 1..=30 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(409);
        if serial == 1 {
            hold(&admin, "team/net", 2, "what the lost apply did").expect_status(200);
        }
    }
    let rejected: Vec<u64> = admin
        .versions("team/net")
        .iter()
        .filter(|row| row["kind"] == "rejected")
        .filter_map(|row| row["number"].as_u64())
        .collect();
    assert_eq!(rejected.len(), 21, "twenty and the held one: {rejected:?}");
    assert!(
        rejected.contains(&2) && !rejected.contains(&3),
        "{rejected:?}"
    );
}
