//! The bounds of the event log: one client uses up its own workspace's part, and what lasts is kept
//! apart.

use tempfile::TempDir;

use crate::disk::sql;
use crate::harness::{Client, Server, Setup, eventually, tfstate};
use crate::inside;

use super::L1;

/// So many events, as they are written by one who locks and unlocks a state all day.
fn storm(rows: u64, (workspace, block): (&str, &str), kind: &str, lasting: &str) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT \
         INTO events (seq, at, kind, address, workspace, building_block, count, last_at, \
         attention, lasting) SELECT (SELECT max(seq) FROM events) + i, (SELECT max(at) FROM \
         events), '{kind}', '', '{workspace}', '{block}', 1, (SELECT max(at) FROM events), 0, \
         {lasting} FROM n;"
    )
}

/// How many events fit a condition.
fn count(server: &Server, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM events WHERE {condition}");
    inside::number(server.data(), &sql)
}

/// Acts in two workspaces, the one of a greedy client and another.
fn acts(server: &Server) -> Client {
    for name in ["greedy/one", "greedy/two", "other/net"] {
        let (workspace, _) = name.split_once('/').expect("a name");
        let owner = server.key(workspace, "owner");
        owner.lock(name, "lock-1").expect_status(200);
        owner
            .write(name, tfstate(L1, 1), Some("lock-1"))
            .expect_status(200);
        owner.unlock(name, "lock-1").expect_status(200);
    }
    server.admin()
}

/// Data with these acts, to which rows are added while no server runs.
fn with_rows(dir: &TempDir, rows: &str) -> Option<Client> {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = acts(&server);
    assert!(server.stop().success());
    sql(&data.join("statekeep.db"), rows).map(|()| admin)
}

#[test]
fn a_storm_by_one_client_takes_no_event_of_another_workspace_and_none_that_lasts() {
    let dir = TempDir::new().expect("a directory");
    let rows = storm(20_000, ("greedy", "one"), "lock.acquire", "NULL");
    let Some(admin) = with_rows(&dir, &rows) else {
        return;
    };
    let server = Setup::new()
        .data(&dir.path().join("data"))
        .flag("--max-events", "1000")
        .start();
    let admin = admin.at(&server);
    eventually("as many as are too many go", || {
        count(&server, "lasting IS NULL") <= 1_000
    });
    assert!(count(&server, "lasting IS NULL") > 900, "and no more");
    let of = |query: &str| admin.events(query).len();
    assert_eq!(of("workspace=other&kind=lock.*"), 2);
    assert_eq!(of("workspace=other&kind=state.write"), 1);
    assert_eq!(
        of("workspace=greedy&buildingBlock=two"),
        3,
        "its other state"
    );
    assert_eq!(of("kind=key.create"), 4, "the admin's and three more");
    assert!(
        of("workspace=greedy&buildingBlock=one") > 900,
        "the newest stay"
    );
    assert_eq!(of("workspace=greedy&buildingBlock=one&kind=state.write"), 0);
    // What comes then is counted too, and again the greedy one's own go.
    let greedy = server.key("greedy", "writer");
    greedy.lock("greedy/one", "lock-2").expect_status(200);
    assert_eq!(
        of("workspace=greedy&kind=lock.acquire&buildingBlock=two"),
        1
    );
}

#[test]
fn lasting_events_have_rows_of_their_own_and_the_greedy_state_loses_there_too() {
    let dir = TempDir::new().expect("a directory");
    let rows = storm(5_000, ("greedy", "one"), "state.reveal", "1");
    let Some(admin) = with_rows(&dir, &rows) else {
        return;
    };
    let server = Setup::new()
        .data(&dir.path().join("data"))
        .flag("--max-lasting-events", "1000")
        .start();
    let admin = admin.at(&server);
    eventually("as many as are too many go", || {
        count(&server, "lasting = 1") <= 1_000
    });
    assert_eq!(admin.events("kind=key.create").len(), 4);
    let ordinary = admin.events("workspace=greedy&buildingBlock=one&kind=lock.*");
    assert_eq!(ordinary.len(), 2, "ordinary events are not among them");
    assert!(count(&server, "kind = 'state.reveal'") > 900);
}

#[test]
fn ordinary_events_go_by_their_age_and_lasting_ones_by_theirs() {
    let dir = TempDir::new().expect("a directory");
    let aged = |kind: &str, lasting: &str, days: u64| {
        let age = format!(
            "UPDATE events SET at = at - {days} * 86400000, last_at = last_at - {days} * 86400000 \
             WHERE kind = '{kind}' AND building_block = 'aged-{days}';"
        );
        let block = format!("aged-{days}");
        storm(10, ("greedy", &block), kind, lasting) + &age
    };
    // In the order of time, the newest last.
    let rows = [
        aged("lock.break", "1", 900),
        aged("lock.break", "1", 90),
        aged("lock.acquire", "NULL", 90),
        aged("lock.acquire", "NULL", 2),
        storm(1, ("greedy", "one"), "lock.release", "NULL"),
    ];
    let Some(admin) = with_rows(&dir, &rows.concat()) else {
        return;
    };
    let server = Setup::new()
        .data(&dir.path().join("data"))
        .flag("--event-retention", "30d")
        .flag("--lasting-event-retention", "1y")
        .start();
    drop(admin);
    let left = |kind: &str, days: u64| {
        let condition = format!("kind = '{kind}' AND building_block = 'aged-{days}'");
        count(&server, &condition)
    };
    eventually("the old ones go", || {
        left("lock.acquire", 90) == 0 && left("lock.break", 900) == 0
    });
    assert_eq!((left("lock.acquire", 2), left("lock.break", 90)), (10, 10));
}

#[test]
fn what_is_rare_and_asked_for_later_lasts() {
    let server = Server::start();
    let admin = acts(&server);
    let owner = server.key("other", "owner");
    owner.lock("other/net", "lock-2").expect_status(200);
    admin
        .send("UNLOCK", &crate::harness::state_path("other/net"), "")
        .expect_status(200);
    owner
        .write_by_force(
            "other/net",
            tfstate(L1, 1).replace("\"serial\":1", "\"serial\":0"),
        )
        .expect_status(200);
    let lasting = |kind: &str| count(&server, &format!("kind = '{kind}' AND lasting = 1"));
    let ordinary = |kind: &str| count(&server, &format!("kind = '{kind}' AND lasting IS NULL"));
    assert_eq!((lasting("lock.break"), ordinary("lock.break")), (1, 0));
    assert_eq!(
        (lasting("state.write"), ordinary("state.write")),
        (1, 3),
        "by force"
    );
    assert_eq!(ordinary("key.create"), 0);
    assert_eq!(lasting("lock.acquire") + lasting("lock.release"), 0);
}

/// The same with real acts, as fast as one planner makes them.
#[test]
#[ignore = "middle tier: takes 20 s"]
fn a_planner_that_locks_and_unlocks_as_fast_as_it_can_rolls_nothing_over_but_its_own() {
    let server = Setup::new().flag("--max-events", "1000").start();
    let admin = acts(&server);
    let planner = server.key("greedy", "planner");
    for act in 0..2_000 {
        let id = format!("storm-{act}");
        planner.lock_to_plan("greedy/one", &id).expect_status(200);
        planner.unlock("greedy/one", &id).expect_status(200);
    }
    crate::harness::eventually_within(std::time::Duration::from_mins(2), "a sweep", || {
        count(&server, "lasting IS NULL") <= 1_000
    });
    assert_eq!(admin.events("workspace=other&kind=lock.*").len(), 2);
    assert_eq!(admin.events("workspace=other&kind=state.write").len(), 1);
    assert_eq!(admin.events("kind=key.create").len(), 5);
}
