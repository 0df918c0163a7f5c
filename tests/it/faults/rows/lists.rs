//! Lists in which a row is damaged: the others are told, the damaged one is named, and no page ends
//! early because of it.

use serde_json::{Value, json};

use super::{Copy, World, edit, net};
use crate::harness::{Client, Server, Setup, eventually, state_path, statekeep};

const STATES: &str = "/api/terraform/state?workspace=team&deleted=true";

fn server(world: &World, statement: &str) -> (Copy, Server) {
    let copy = Copy::of(world);
    edit(&copy.data, statement);
    let server = Setup::new().data(&copy.data).start();
    (copy, server)
}

/// All rows of a list, read in pages of so many, and the damaged ones that were named.
fn listed(
    by: &Client,
    path: &str,
    (name, cursor): (&str, &str),
    limit: u32,
) -> (Vec<Value>, Vec<Value>) {
    let (mut rows, mut damaged, mut next) = (Vec::new(), Vec::new(), Value::Null);
    let separator = if path.contains('?') { '&' } else { '?' };
    for _ in 0..100 {
        let mut page = format!("{path}{separator}limit={limit}");
        if !next.is_null() {
            let next = next
                .as_str()
                .map_or_else(|| next.to_string(), str::to_owned);
            page = format!("{page}&{cursor}={next}");
        }
        let mut page = by.get(&page).expect_status(200).json();
        rows.extend(page[name].as_array().expect("rows").clone());
        damaged.extend(page["damaged"].as_array().cloned().unwrap_or_default());
        next = page["next"].take();
        if next.is_null() {
            return (rows, damaged);
        }
    }
    panic!("the list does not end");
}

fn blocks(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .filter_map(|row| row["buildingBlock"].as_str())
        .collect()
}

/// Damage, and the name of the one state that is not told because of it.
const DAMAGE: [(&str, &str); 6] = [
    (
        "UPDATE states SET current = 1 WHERE building_block = 'net';",
        "net",
    ),
    (
        "UPDATE states SET deleted_at = 9 WHERE building_block = 'net';",
        "net",
    ),
    ("UPDATE versions SET size = 9 WHERE number = 2;", "net"),
    (
        "UPDATE states SET deleted_at = NULL WHERE building_block = 'gone';",
        "gone",
    ),
    (
        "UPDATE locks SET holder_name = 'x' WHERE building_block = 'held';",
        "held",
    ),
    (
        "UPDATE locks SET holder_name = 'x' WHERE building_block = 'early';",
        "early",
    ),
];

#[test]
fn a_damaged_state_or_lock_hides_no_other_state() {
    let world = World::new();
    let all = ["early", "gone", "held", "net", "other", "there"];
    for (statement, name) in DAMAGE {
        let (_copy, server) = server(&world, statement);
        let admin = server.admin();
        let left: Vec<&str> = all.into_iter().filter(|block| *block != name).collect();
        for limit in [1, 2, 100] {
            let (rows, damaged) = listed(&admin, STATES, ("states", "after"), limit);
            assert_eq!(blocks(&rows), left, "{statement}, {limit} a page");
            let named = damaged
                .iter()
                .all(|row| row["row"] == format!("team/{name}"));
            assert!(named && !damaged.is_empty(), "{statement}: {damaged:?}");
        }
        eventually("an event tells of it", || {
            !admin.events("kind=row.damaged&attention=true").is_empty()
        });
    }
}

#[test]
fn a_state_that_only_seems_to_be_deleted_or_free_is_not_left_out_in_silence() {
    let world = World::new();
    let (_copy, live) = server(
        &world,
        "UPDATE states SET deleted_at = 9 WHERE building_block = 'net';",
    );
    let answer = live.admin().get("/api/terraform/state").expect_status(200);
    assert_eq!(answer.json()["damaged"][0]["row"], "team/net");
    let (_copy, locked) = server(&world, "DELETE FROM locks WHERE building_block = 'held';");
    let answer = locked.admin().get("/api/terraform/state?locked=true");
    let answer = answer.expect_status(200).json();
    assert_eq!(answer["damaged"][0]["row"], "team/held", "{answer}");
    let whole = Setup::new().data(&world.data()).start();
    let answer = whole.admin().get(STATES).expect_status(200).json();
    assert!(answer["damaged"].is_null(), "{answer}");
}

#[test]
fn a_damaged_key_or_event_hides_no_other() {
    let world = World::new();
    let statement = "UPDATE keys SET name = 'changed' WHERE place = 2;
        UPDATE events SET count = -1 WHERE seq = 3;";
    let (_copy, server) = server(&world, statement);
    let admin = server.admin();
    for limit in [1, 100] {
        let (rows, damaged) = listed(&admin, "/api/keys", ("keys", "after"), limit);
        assert_eq!((rows.len(), damaged.len()), (4, 1), "{damaged:?}");
        assert!(
            damaged[0]["row"]
                .as_str()
                .is_some_and(|row| row.starts_with("changed "))
        );
    }
    let (rows, damaged) = listed(&admin, "/api/events?kind=state.*", ("events", "before"), 2);
    assert!(
        rows.len() > 3 && damaged.iter().all(|row| row["row"] == "event 3"),
        "{damaged:?}"
    );
    let (_, damaged) = listed(&admin, "/api/events", ("events", "before"), 2);
    assert_eq!(
        damaged,
        [json!({"row": "event 3", "detail": damaged[0]["detail"]})]
    );
}

#[test]
fn commands_print_the_others_and_name_the_damaged_one() {
    let world = World::new();
    let (_copy, server) = server(&world, DAMAGE[0].0);
    let list = server.cli(&["state", "list"]);
    let (told, failed) = (
        String::from_utf8_lossy(&list.stdout).into_owned(),
        String::from_utf8_lossy(&list.stderr).into_owned(),
    );
    assert_eq!(list.status.code(), Some(1), "{failed}");
    assert!(
        told.contains("team/other") && !told.contains("team/net"),
        "{told}"
    );
    assert!(
        failed.contains("1 damaged row") && failed.contains("team/net"),
        "{failed}"
    );
    let show = server.cli(&["state", "show", "team/net"]);
    let failed = String::from_utf8_lossy(&show.stderr).into_owned();
    assert!(
        !show.status.success() && failed.contains("damaged"),
        "{failed}"
    );
    let out = tempfile::TempDir::new().expect("a directory");
    let target = out.path().join("export");
    let export = statekeep(&["export", target.to_str().expect("UTF-8")])
        .env("STATEKEEP_DATA", server.data())
        .output()
        .expect("it runs");
    let failed = String::from_utf8_lossy(&export.stderr).into_owned();
    assert_eq!(export.status.code(), Some(1), "{failed}");
    assert!(
        failed.contains("team/net") && target.join("team/other").is_dir(),
        "{failed}"
    );
}

#[test]
fn a_damaged_version_hides_no_other_in_a_history_or_an_export() {
    let world = World::new();
    let statement = "UPDATE versions SET size = 9 WHERE number = 1 AND state_id = (SELECT id FROM \
        states WHERE building_block = 'net');";
    let (_copy, server) = server(&world, statement);
    let path = format!("{}/versions", state_path("team/net"));
    let admin = server.admin();
    for path in [path.clone(), format!("{path}?kind=write")] {
        for limit in [1, 10] {
            let (rows, damaged) = listed(&admin, &path, ("versions", "before"), limit);
            let numbers: Vec<&Value> = rows.iter().map(|row| &row["number"]).collect();
            assert_eq!(numbers, [2]);
            assert_eq!(damaged[0]["row"], "version 1", "{damaged:?}");
        }
    }
    for more in [&[][..], &["--all"], &["--format", "json"]] {
        let args = [&["state", "history", "team/net"], more].concat();
        let history = server.cli(&args);
        let failed = String::from_utf8_lossy(&history.stderr).into_owned();
        assert_eq!(history.status.code(), Some(1), "{args:?}: {failed}");
        assert!(failed.contains("version 1: "), "{args:?}: {failed}");
        assert!(!history.stdout.is_empty());
    }
    let out = tempfile::TempDir::new().expect("a directory");
    let target = out.path().join("export");
    let export = server.cli(&["export", target.to_str().expect("UTF-8")]);
    let failed = String::from_utf8_lossy(&export.stderr).into_owned();
    assert_eq!(export.status.code(), Some(1), "{failed}");
    assert!(failed.contains("team/net: version 1: "), "{failed}");
    assert!(target.join("team/net/2.tfstate").is_file(), "{failed}");
}

#[test]
fn a_damaged_policy_hides_no_other_and_nothing_is_pruned_in_its_place() {
    let world = World::new();
    let statement = "INSERT INTO policies (workspace, policy, set_at, set_by, set_by_name, mac) \
        SELECT 'aside', policy, set_at, set_by, set_by_name, mac FROM policies;";
    let (_copy, server) = server(&world, statement);
    let admin = server.admin();
    for limit in [1, 10] {
        let list = listed(&admin, "/api/retention", ("workspaces", "after"), limit);
        let (rows, damaged) = list;
        let names: Vec<&Value> = rows.iter().map(|row| &row["workspace"]).collect();
        assert_eq!(names, ["team"]);
        assert_eq!(damaged[0]["row"], "aside", "{damaged:?}");
    }
    let told = server.cli(&["retention", "list"]);
    let failed = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1), "{failed}");
    assert!(failed.contains("aside: "), "{failed}");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("team"), "{told}");
    let owner = server.key("aside", "owner");
    owner.write("aside/one", net(1), None).expect_status(200);
    let prune = admin.post_json("/api/prune", &json!({"configured": true}));
    prune.expect_status(500);
}
