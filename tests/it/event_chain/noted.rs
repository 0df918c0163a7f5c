//! Heads of the chain: what is told of the last event, and what a head proves that was noted.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{acts, behind, faults, head, noted, settled, verify};
use crate::harness::{Server, Setup, eventually};

#[test]
fn the_head_is_the_last_event_and_its_hash_everywhere() {
    let server = Server::start();
    acts(&server);
    settled(&server);
    let admin = server.admin();
    let told = head(&admin);
    let newest = admin.get("/api/events?limit=1").json()["events"][0].clone();
    let named = |head: &Value| json!({"number": head["number"], "hash": head["hash"]});
    assert_eq!(
        named(&told),
        json!({"number": newest["seq"], "hash": newest["hash"]})
    );
    let anchor = || {
        let text = std::fs::read_to_string(server.data().join("statekeep.anchor"));
        let line = format!("\nevents {}\n", noted(&told));
        text.is_ok_and(|text| text.contains(&line))
    };
    eventually("the anchor has it", anchor);
    let printed = server.cli(&["events", "--head"]);
    let printed = String::from_utf8(printed.stdout).expect("text");
    assert_eq!(printed.trim_end(), noted(&told));
    let printed = server.cli(&["events", "--head", "--json"]);
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    assert_eq!(named(&printed), named(&told));
    let only_writes = server.key("team", "writer");
    only_writes.get("/api/events/head").expect_status(403);
    let auditor = server.key_with("team", &["EVENTLOG_LIST"]);
    auditor.get("/api/events/head").expect_status(200);
}

#[test]
fn a_noted_head_proves_the_log_until_a_tail_is_cut_or_it_is_another_one() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    acts(&server);
    settled(&server);
    let admin = server.admin();
    let old = noted(&head(&admin));
    server.key("team", "reader");
    let new = noted(&head(&admin));
    for head in [&old, &new] {
        assert_eq!(faults(&admin, Some(head)), [""; 0]);
    }
    let (number, hash) = new.split_once(':').expect("a head");
    let next: u64 = number.parse::<u64>().expect("a number") + 1;
    let found = faults(&admin, Some(&format!("{next}:{hash}")));
    let ends = format!("the log ends with event {number}, before event {next} that was noted");
    assert_eq!(found, [ends]);
    let other = Server::start();
    acts(&other);
    settled(&other);
    let found = faults(&other.admin(), Some(&old));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("its log is another one"), "{found:?}");
    assert!(server.stop().success());

    let good = verify(&data, &["--head", &new]);
    let told = String::from_utf8_lossy(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{told}");
    assert!(told.contains("nothing is wrong"), "{told}");
    let sql = format!("DELETE FROM events WHERE seq = {number}");
    behind(&data).execute(&sql, []).expect("an edit");
    let cut = verify(&data, &["--head", &new]);
    let told = String::from_utf8_lossy(&cut.stdout);
    assert_eq!(cut.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("event {number}")), "{told}");
    // Whoever starts next is told, and the event of that has a place of its own.
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    eventually("the damage is an event", || {
        let events = admin.events("kind=row.damaged");
        events.iter().any(|event| {
            event["detail"]
                .to_string()
                .contains("does not end with event")
                && event["seq"] == next
        })
    });
    let found = faults(&admin, Some(&new));
    assert!(
        found.contains(&format!("event {number} is missing")),
        "{found:?}"
    );
}

#[test]
fn a_last_event_that_is_not_the_one_of_the_anchor_is_refused_at_the_start() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    acts(&server);
    let last = settled(&server);
    assert!(server.stop().success());
    let edit = format!(
        "DELETE FROM events WHERE seq = {last}; UPDATE commits SET events_number = {0}, \
            events_chain = (SELECT chain FROM events WHERE seq = {0});",
        last - 1
    );
    behind(&data).execute_batch(&edit).expect("an edit");
    let refused = Setup::new()
        .data(&data)
        .try_start()
        .err()
        .expect("no start");
    assert!(
        refused.contains("the last event in statekeep.db is not the one"),
        "{refused}"
    );
    // Without the anchor the keyed hash of the last event tells.
    std::fs::remove_file(data.join("statekeep.anchor")).expect("removed");
    let server = Setup::new().data(&data).start();
    eventually("the damage is an event", || {
        let events = server.admin().events("kind=row.damaged");
        let is_told = |event: &Value| event["detail"].to_string().contains("was changed");
        events.iter().any(is_told)
    });
}

#[test]
fn what_is_no_head_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let hash = "0".repeat(64);
    for body in [
        json!({"events": true, "head": "7"}),
        json!({"events": true, "head": format!("x:{hash}")}),
        json!({"head": format!("7:{hash}")}),
        json!({"events": true, "quick": true}),
        json!({"events": true, "workspace": "team"}),
    ] {
        admin.post_json("/api/verify", &body).expect_status(400);
    }
    let output = verify(server.data(), &["--head", "7"]);
    assert_eq!(output.status.code(), Some(2));
    let output = server.cli(&["verify", "--head", &format!("7:{hash}")]);
    assert_eq!(output.status.code(), Some(2));
}
