//! What a script is told of a failure, and what people are told of keys: a name means one live key,
//! and those that end soon are named.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Server, tfstate};

use super::daily::{command_elsewhere, stdout};
use super::{L1, Place, some_states, stderr};

/// What a script is told of a failure.
fn problem(output: &Output) -> Value {
    let said = stderr(output);
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {said}"))
}

#[test]
fn a_script_that_wants_json_gets_failures_as_json_too() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.lock("team/two", "l").expect_status(200);
        },
        |place| {
            let cases: [(&[&str], &str, Value, i32); 4] = [
                (
                    &["state", "show", "team/nte", "--json"],
                    "no_state",
                    json!(404),
                    1,
                ),
                (
                    &["key", "show", "nobody", "--format", "json"],
                    "no_key",
                    json!(404),
                    1,
                ),
                (
                    &["state", "delete", "team/two", "--yes", "--json"],
                    "locked",
                    json!(423),
                    1,
                ),
                (
                    &["state", "list", "--nonsense", "--json"],
                    "usage",
                    Value::Null,
                    2,
                ),
            ];
            for (args, code, status, exit) in cases {
                let output = place.run(args);
                let problem = problem(&output);
                assert_eq!(output.status.code(), Some(exit), "{args:?} {problem}");
                assert_eq!(
                    (&problem["code"], &problem["status"]),
                    (&json!(code), &status)
                );
                assert_eq!(problem["exit_code"], exit);
                assert!(
                    problem["detail"]
                        .as_str()
                        .is_some_and(|detail| detail.len() > 10)
                );
            }
            let near = problem(&place.run(&["state", "show", "team/nte", "--json"]));
            let detail = near["detail"].as_str().expect("a detail");
            assert!(detail.contains("did you mean team/net"), "{detail}");
            let text = stderr(&place.run(&["state", "show", "team/nte"]));
            assert!(text.starts_with("statekeep: "), "{text}");
        },
    );
}

#[test]
fn a_script_may_ask_for_exit_codes_that_say_why() {
    let server = Server::start();
    let admin = server.admin();
    some_states(&admin);
    admin.lock("team/two", "l").expect_status(200);
    for serial in 1..=2 {
        let state = tfstate(L1, serial);
        admin.write("team/held", state, None).expect_status(200);
    }
    admin.lock("team/held", "l").expect_status(200);
    let reader = server.key("team", "reader");
    let nowhere = "http://127.0.0.1:9".to_owned();
    let url = server.url().to_owned();
    let cases: [(&str, &Client, &[&str], i32); 8] = [
        (&url, &admin, &["state", "show", "team/none"], 5),
        (&url, &admin, &["state", "delete", "team/two", "--yes"], 6),
        (
            &url,
            &admin,
            &["state", "delete", "team/two", "--dry-run"],
            6,
        ),
        (
            &url,
            &admin,
            &["state", "rollback", "team/held", "1", "--yes"],
            6,
        ),
        (&url, &reader, &["state", "delete", "team/net", "--yes"], 7),
        (&nowhere, &admin, &["state", "list"], 8),
        (&url, &admin, &["key", "rotate", "--grace", "x", "y"], 2),
        (
            &url,
            &admin,
            &[
                "state",
                "rollback",
                "team/net",
                "3",
                "--yes",
                "--expected-current",
                "1",
            ],
            1,
        ),
    ];
    for (url, client, args, code) in cases {
        let mut command = command_elsewhere(url, client.secret(), args);
        let output = command.output().expect("it runs");
        let usual = if code == 2 { 2 } else { 1 };
        assert_eq!(
            output.status.code(),
            Some(usual),
            "{args:?} {}",
            stderr(&output)
        );
        command.env("STATEKEEP_DETAILED_EXIT_CODES", "true");
        let output = command.output().expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?} {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_name_means_one_live_key() {
    Place::both(
        |_| (),
        |place| {
            let create = [
                "key",
                "create",
                "ci",
                "--workspace",
                "team",
                "--role",
                "writer",
            ];
            let first = place.json(&create);
            let id = first["key"]["id"].as_str().expect("an id");
            place.fails(&create, "name_taken");
            place.fails(&create, id);
            place.ok(&["key", "revoke", "ci", "--yes"]);
            let second = place.json(&create);
            assert_ne!(second["key"]["id"].as_str(), Some(id));
            // The live one is meant.
            let shown = place.json(&["key", "show", "ci"]);
            assert_eq!(shown["id"], second["key"]["id"]);
        },
    );
}

#[test]
fn a_key_that_ends_soon_is_told_by_the_list_and_by_readyz() {
    let server = Server::start();
    let admin = server.admin();
    let make = |name: &str, seconds: u64| {
        let body = json!({
            "name": name, "workspace": "team", "role": "writer", "expires_in": seconds,
        });
        server.make_key(&body)
    };
    let day = 24 * 60 * 60;
    make("short", 10 * day);
    make("long", 90 * day);
    let problems = || admin.get("/readyz").expect_status(200).json()["problems"].clone();
    assert_eq!(
        problems(),
        json!([]),
        "a key that was made for ten days is no surprise"
    );
    let list = server.cli(&["key", "list"]);
    assert_eq!(stderr(&list), "ending soon: short in 9d\n");
    assert!(!stdout(&list).contains("ending"), "{}", stdout(&list));
}

#[test]
fn readyz_and_logins_warn_of_a_key_that_ends_within_14_days() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = crate::harness::Setup::new().data(&data).start();
    let body = json!({
        "name": "ci", "workspace": "team", "role": "writer", "expires_in": 90 * 24 * 60 * 60,
    });
    let key = server.make_key(&body);
    let login = |server: &Server| {
        let body = json!({ "clientId": key.key_id, "clientSecret": key.secret() });
        server
            .anonymous()
            .post_json("/api/login", &body)
            .expect_status(200)
            .json()
    };
    assert!(login(&server)["key_ends_at"].is_null(), "it has 90 days");
    assert!(server.stop().success());
    let database = rusqlite::Connection::open(data.join("statekeep.db")).expect("the database");
    let sooner = "UPDATE keys SET expires_at = expires_at - 80 * 86400000, \
        created_at = created_at - 80 * 86400000 WHERE name = 'ci'";
    assert_eq!(database.execute(sooner, []), Ok(1));
    drop(database);
    let server = crate::harness::Setup::new()
        .data(&data)
        .switch("--new-row-key")
        .start();
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    assert_eq!(ready["status"], "ready");
    let problems = ready["problems"].as_array().expect("problems");
    let told = problems
        .iter()
        .find(|problem| problem["code"] == "keys_end_soon");
    let detail = told.expect("the problem")["detail"]
        .as_str()
        .expect("a detail")
        .to_owned();
    assert!(detail.starts_with("1 key ends within 14 days"), "{detail}");
    assert!(!detail.contains("ci;"), "it names no key: {detail}");
    assert!(login(&server)["key_ends_at"].is_string());
}
