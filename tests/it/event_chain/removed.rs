//! What changes the log by the rules is no fault: removed events, kills, an upgrade, a new key.

use tempfile::TempDir;

use super::{acts, behind, faults, head, noted, settled, verify};
use crate::harness::{Server, Setup, eventually};
use crate::inside;

/// Above so many ordinary events the oldest go; it is the least that can be set.
const MOST: u64 = 1_000;

#[test]
fn events_that_went_leave_gaps_over_which_the_chain_is_followed() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    let (greedy, other) = (server.key("greedy", "owner"), server.key("other", "owner"));
    let first = noted(&head(&admin));
    for round in 0..MOST * 5 / 8 {
        let owner = if round % 10 == 0 { &other } else { &greedy };
        let state = if round % 10 == 0 {
            "other/net"
        } else {
            "greedy/net"
        };
        owner.lock(state, "lock-1").expect_status(200);
        owner.unlock(state, "lock-1").expect_status(200);
    }
    let new = noted(&head(&admin));
    assert!(server.stop().success());
    let most = MOST.to_string();
    let server = Setup::new().data(&data).flag("--max-events", &most).start();
    let admin = admin.at(&server);
    let gaps = "SELECT count(*) FROM event_gaps";
    eventually("what is too much went", || inside::number(&data, gaps) > 10);
    let ordinary = "SELECT count(*) FROM events WHERE lasting IS NULL";
    eventually("all of it", || inside::number(&data, ordinary) <= 1_000);
    assert_eq!(faults(&admin, Some(&new)), [""; 0]);
    let whole = admin
        .send("POST", "/api/verify", "")
        .expect_status(200)
        .json();
    assert_eq!(whole["found"], 0, "{whole}");
    let touching = "SELECT count(*) FROM event_gaps a JOIN event_gaps b ON b.first = a.last + 1";
    assert_eq!(inside::number(&data, touching), 0, "neighbours are one");

    // A head within a gap cannot be compared, and that is said.
    let within = "SELECT first FROM event_gaps WHERE last > first AND first > 0 LIMIT 1";
    let number = inside::number(&data, within);
    let lost = format!("{number}:{}", "0".repeat(64));
    let found = faults(&admin, Some(&lost));
    assert!(
        found.len() == 1 && found[0].contains("cannot be compared"),
        "{found:?}"
    );
    assert_eq!(faults(&admin, Some(&first)), [""; 0], "lasting events stay");

    // An event that is put where one was removed is found, and a gap that is not there any more.
    let database = behind(&data);
    let forged = format!(
        "INSERT INTO events (seq, at, kind, address, count, last_at, attention) VALUES ({number}, \
            1, 'state.write', '', 1, 1, 0)"
    );
    database.execute(&forged, []).expect("an edit");
    let found = faults(&admin, None);
    assert_eq!(
        found,
        [format!("event {number} was removed, and is there again")]
    );
    let undo = format!("DELETE FROM events WHERE seq = {number}");
    database.execute(&undo, []).expect("undone");
    let gone = format!("DELETE FROM event_gaps WHERE first = {number}");
    database.execute(&gone, []).expect("an edit");
    let found = faults(&admin, None);
    assert!(
        found.iter().any(|fault| fault.contains("missing")),
        "{found:?}"
    );
}

#[test]
fn a_kill_and_a_restart_leave_the_chain_whole() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    for _ in 0..3 {
        let mut server = Setup::new().data(&data).start();
        acts_again(&server);
        server.kill();
    }
    let output = verify(&data, &[]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
}

fn acts_again(server: &Server) {
    let owner = server.key("team", "owner");
    for _ in 0..5 {
        owner.lock("team/net", "lock-1").expect_status(200);
        owner.unlock("team/net", "lock-1").expect_status(200);
        owner.read("team/net").expect_status(404);
    }
}

#[test]
fn a_new_row_key_is_no_break_of_the_chain() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    acts(&server);
    settled(&server);
    let admin = server.admin();
    let old = noted(&head(&admin));
    assert!(server.stop().success());
    let server = Setup::new().data(&data).switch("--new-row-key").start();
    let admin = admin.at(&server);
    assert_eq!(faults(&admin, Some(&old)), [""; 0]);
    let renewed = admin.events("kind=row_key.renew");
    assert_eq!(renewed[0]["detail"]["changed"], 0, "{renewed:?}");
}
