//! `GET /api/activity`: how often states were written on the last days.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::L1;
use crate::harness::{Client, PATIENCE, Server, state_path, tfstate};
use crate::inside;

const DAY: Duration = Duration::from_hours(24);

fn ask(who: &Client, query: &str) -> Value {
    let answer = who.get(&format!("/api/activity{query}"));
    answer.expect_status(200).json()
}

/// Each state's name with its writes.
fn told(answer: &Value) -> Value {
    let states = answer["states"].as_array().expect("rows").iter();
    let rows = states.map(|row| json!([row["buildingBlock"], row["writes"], row["complete"]]));
    rows.collect()
}

fn write(who: &Client, name: &str, serials: std::ops::RangeInclusive<u64>) {
    for serial in serials {
        let written = who.write(name, tfstate(L1, serial), None);
        written.expect_status(200);
    }
}

#[test]
fn each_day_has_its_writes_and_rejected_ones_are_none() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=3);
    write(&admin, "team/dns", 1..=1);
    write(&admin, "rival/own", 1..=2);
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(409);
    admin.lock("team/only-locked", "held").expect_status(200);
    admin.delete("team/dns").expect_status(200);
    let all = ask(&admin, "?days=3");
    let expected = json!([
        ["own", [0, 0, 2], true],
        ["dns", [0, 0, 1], true],
        ["net", [0, 0, 3], true]
    ]);
    assert_eq!(told(&all), expected);
    assert_eq!(all["sums"], json!({"writes": [0, 0, 6]}));
    assert_eq!(all["next"], Value::Null);
    let usual = ask(&admin, "?workspace=team&buildingBlock=net");
    let writes = usual["states"][0]["writes"].as_array().expect("days");
    assert_eq!((writes.len(), &writes[41]), (42, &json!(3)));

    // A key sees its own states alone, in the sums too.
    let own = ask(&server.key("rival", "auditor"), "?days=1");
    assert_eq!(told(&own), json!([["own", [2], true]]));
    assert_eq!(own["sums"], json!({"writes": [2]}));
    let elsewhere = ask(&server.key("rival", "auditor"), "?workspace=team");
    assert_eq!(told(&elsewhere), json!([]));
    for bad in ["days=0", "days=91", "days=x"] {
        let path = format!("/api/activity?{bad}");
        admin.get(&path).expect_problem(400, "bad_query");
    }
}

#[test]
fn pages_follow_each_other_also_over_states_that_were_not_written() {
    let server = Server::start();
    let admin = server.admin();
    for number in 0..5 {
        write(&admin, &format!("team/state-{number}"), 1..=1);
    }
    admin.lock("team/state-1a", "held").expect_status(200);
    let (mut after, mut rows, mut pages) = (String::new(), 0, 0);
    loop {
        let page = ask(&admin, &format!("?days=1&limit=2{after}"));
        rows += page["states"].as_array().expect("rows").len();
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((rows, pages), (5, 4));
}

/// Versions of an import have the times of their files, in whatever order they came.
#[test]
fn what_came_with_an_older_time_counts_on_its_own_day_and_hides_nothing() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=2);
    let today = inside::number(server.data(), "SELECT max(created_at) FROM versions");
    let today = Duration::from_millis(u64::try_from(today).expect("after 1970"));
    let old = humantime::format_rfc3339_millis(UNIX_EPOCH + today - 2 * DAY);
    let path = state_path("team/net");
    let path = format!("{path}/import?append=true&created_at={old}");
    admin.send("POST", &path, tfstate(L1, 7)).expect_status(200);
    assert_eq!(
        told(&ask(&admin, "?days=3")),
        json!([["net", [1, 0, 2], true]])
    );
    assert_eq!(
        told(&ask(&admin, "?days=2")),
        json!([["net", [0, 2], true]])
    );
}

#[test]
fn a_count_with_a_damaged_row_is_not_called_whole() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=3);
    let database = server.data().join("statekeep.db");
    let database = rusqlite::Connection::open(database).expect("the database");
    database.busy_timeout(PATIENCE).expect("a connection");
    let edit = "UPDATE versions SET serial = serial + 1000 WHERE number = 2";
    assert_eq!(database.execute(edit, []).expect("it is edited"), 1);
    let all = ask(&admin, "?days=1");
    assert_eq!(told(&all), json!([["net", [2], false]]));
    assert_eq!(all["damaged"].as_array().map(Vec::len), Some(1), "{all}");
}
