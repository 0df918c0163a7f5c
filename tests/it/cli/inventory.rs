//! `inventory`: what is asked for is chosen and counted over all pages.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::sql;
use crate::harness::{Server, Setup, eventually};
use crate::inside;
use crate::samples::{resource, tfstate_with};

use super::L1;

fn run(server: &Server, args: &[&str]) -> String {
    let args = [&["inventory"], args].concat();
    let output = server.cli(&args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn answer(server: &Server, args: &[&str]) -> Value {
    let args = [args, &["--format", "json"]].concat();
    serde_json::from_str(&run(server, &args)).expect("JSON")
}

fn names(answer: &Value) -> Vec<String> {
    let states = answer["states"].as_array().expect("a list");
    let name = |state: &Value| state["buildingBlock"].as_str().unwrap_or("-").to_owned();
    states.iter().map(name).collect()
}

/// More states than a page has, with one to three resources: `team/s0` to `team/s129`.
const MANY: usize = 130;

fn site(data: &std::path::Path) -> Server {
    let server = Setup::new().data(data).start();
    let admin = server.admin();
    for at in 0..MANY {
        let mut resources = vec![resource("managed", "aws_vpc", "a", 1)];
        if at == 7 {
            resources.push(resource("managed", "aws_host", "b", 2));
            resources.push(resource("managed", "other_host", "c", 1));
        }
        let body = tfstate_with(L1, 1, "x", &json!(resources));
        let name = format!("team/s{at}");
        admin.write(&name, body, None).expect_status(200);
    }
    let again = tfstate_with(L1, 2, "x", &json!([]));
    admin.write("team/s9", again, None).expect_status(200);
    let other = tfstate_with(L1, 1, "\u{1b}[2J", &json!([]));
    admin.write("other/one", other, None).expect_status(200);
    eventually("the index is up to date", || {
        inside::number(server.data(), "SELECT count(*) FROM pending_words") == 0
    });
    server
}

#[test]
fn sums_are_of_all_pages_and_of_what_is_asked_for() {
    let dir = TempDir::new().expect("a directory");
    let server = site(&dir.path().join("data"));
    let all = answer(&server, &["--workspace", "team"]);
    assert_eq!(names(&all).len(), MANY);
    let sums = &all["sums"];
    assert_eq!(sums["states"], MANY);
    assert_eq!(
        sums["types"],
        json!({"aws_vpc": MANY - 1, "aws_host": 2, "other_host": 1})
    );
    assert_eq!(sums["instances"], MANY + 2);

    let hosts = answer(&server, &["--type", "aws_host"]);
    assert_eq!(names(&hosts), ["s7"]);
    assert_eq!(hosts["sums"]["types"], json!({"aws_host": 2}));
    let aws = answer(&server, &["--type", "aws_*", "--limit", "3"]);
    assert_eq!(names(&aws).len(), 3, "the list ends, and the sums do not");
    assert_eq!(aws["sums"]["states"], MANY - 1);
    assert_eq!(
        aws["sums"]["types"],
        json!({"aws_vpc": MANY - 1, "aws_host": 2})
    );
    let first = |order: &str| names(&answer(&server, &["--sort", order, "--limit", "1"]));
    assert_eq!(first("largest"), ["s7"]);
    assert_eq!(first("most-changed"), ["s9"]);

    let table = run(&server, &["--limit", "2", "--type", "aws_host"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("STATE"), "{table}");
    assert!(
        lines[1].starts_with("team/s7") && lines[1].contains("  2  "),
        "{table}"
    );
    assert!(table.contains("types      2 aws_host"), "{table}");
    assert!(lines.iter().all(|line| line.len() <= 80), "{table}");
    let missing = server.cli(&["inventory", "--workspace", "teem"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("team"));
}

#[test]
fn states_that_were_not_applied_for_long_are_found_in_their_order() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = site(&data);
    assert!(server.admin().lock("team/only-locked", "held").status == 200);
    assert!(server.stop().success());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis();
    let day = Duration::from_hours(24).as_millis();
    // Their versions' rows do not fit any more, so they are believed as they stand.
    let age = |name: &str, days: u128| {
        format!(
            "UPDATE versions SET created_at = {} WHERE state_id = (SELECT id FROM states WHERE \
                building_block = '{name}');",
            now - days * day
        )
    };
    let aged = [age("s3", 40), age("s5", 90), age("s6", 20)].concat();
    if sql(&data.join("statekeep.db"), &aged).is_none() {
        return;
    }
    let server = Setup::new().data(&data).switch("--new-row-key").start();
    let old = answer(&server, &["--not-applied-for", "30d"]);
    assert_eq!(names(&old), ["s3", "s5"]);
    assert_eq!(old["sums"]["states"], 2);
    let sorted = answer(
        &server,
        &["--not-applied-for", "10d", "--sort", "oldest-apply"],
    );
    assert_eq!(names(&sorted), ["s5", "s3", "s6"]);
    let wrong = server.cli(&["inventory", "--not-applied-for", "soon"]);
    assert_eq!(wrong.status.code(), Some(2));
}
