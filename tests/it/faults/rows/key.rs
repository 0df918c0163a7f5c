//! The key of the rows' hashes: made once, asked for at each start, and lost without locking
//! anybody out.

use super::{Copy, World, edit, lies, net};
use crate::disk::mode;
use crate::harness::{Server, Setup, eventually};

const KEY: &str = "statekeep.rowkey";

/// Starts with the flag that confirms a new key.
fn confirmed(copy: &Copy) -> Server {
    Setup::new()
        .data(&copy.data)
        .switch("--new-row-key")
        .start()
}

/// What a start that is refused says.
fn refused(copy: &Copy) -> String {
    let output = Setup::new()
        .command(&copy.data)
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_key_is_made_for_its_owner_alone_and_stays() {
    let world = World::new();
    let path = world.data().join(KEY);
    assert_eq!(mode(&path), 0o600);
    let before = std::fs::read(&path).expect("the key");
    drop(Setup::new().data(&world.data()).start());
    assert_eq!(std::fs::read(&path).expect("the key"), before);
}

#[test]
fn a_start_without_the_right_key_is_refused_untouched_until_a_person_confirms_a_new_one() {
    type Harm = fn(&std::path::Path);
    let world = World::new();
    let harms: [(&str, Harm); 3] = [
        ("missing", |path| {
            std::fs::remove_file(path).expect("the key");
        }),
        ("not the key of this data", |path| {
            let other = std::fs::read_to_string(path).expect("the key");
            let (label, digits) = other.trim().split_once(' ').expect("two words");
            let turned: String = digits.chars().rev().collect();
            std::fs::write(path, format!("{label} {turned}\n")).expect("the key");
        }),
        ("holds no key", |path| {
            std::fs::write(path, "x").expect("the key");
        }),
    ];
    for (word, harm) in harms {
        let copy = Copy::of(&world);
        harm(&copy.data.join(KEY));
        let database = std::fs::read(copy.data.join("statekeep.db")).expect("the database");
        let message = refused(&copy);
        assert!(
            message.contains(word) && message.contains("--new-row-key"),
            "{message}"
        );
        assert!(
            database == std::fs::read(copy.data.join("statekeep.db")).expect("the database"),
            "{word}: nothing was changed"
        );
        let server = confirmed(&copy);
        let admin = server.admin();
        eventually("an event tells of the new key", || {
            let told = admin.events("kind=row_key.renew&attention=true");
            told.len() == 1 && told[0]["detail"]["rows"].as_u64() > Some(10)
        });
        assert!(server.stop().success());
        let server = Setup::new().data(&copy.data).start();
        assert_eq!(lies(&world.at(&server)), (Vec::new(), 0), "{word}");
        assert_eq!(
            server.admin().events("kind=row_key.renew").len(),
            1,
            "told once"
        );
    }
}

#[test]
fn a_new_key_believes_the_rows_and_mends_what_nobody_could_use() {
    let world = World::new();
    let copy = Copy::of(&world);
    edit(
        &copy.data,
        "UPDATE states SET current = 1 WHERE building_block = 'net'; UPDATE locks SET body = 'x' \
            WHERE building_block = 'early';",
    );
    let server = confirmed(&copy);
    let by = world.at(&server);
    assert_eq!(by.writer.read("team/net").expect_status(200).text(), net(2));
    by.writer.lock("team/early", "mine").expect_status(200);
    let admin = server.admin();
    eventually("an event says how much was not as it was written", || {
        let told = admin.events("kind=row_key.renew");
        told.first()
            .is_some_and(|event| event["detail"]["changed"] == 2 && event["detail"]["mended"] == 2)
    });
}

#[test]
fn a_start_that_was_killed_before_its_key_had_its_name_is_gone_on_with() {
    let world = World::new();
    let copy = Copy::of(&world);
    let next = copy.data.join("statekeep.rowkey.next");
    std::fs::rename(copy.data.join(KEY), &next).expect("our file");
    let server = Setup::new().data(&copy.data).start();
    assert_eq!(lies(&world.at(&server)), (Vec::new(), 0));
    assert!(copy.data.join(KEY).exists() && !next.exists());
}

#[test]
fn rows_of_an_older_schema_get_their_hashes_once() {
    let world = World::new();
    let copy = Copy::of(&world);
    let tables = [
        "states",
        "versions",
        "moves",
        "transfers",
        "locks",
        "broken_locks",
        "keys",
        "tokens",
        "policies",
        "quotas",
        "approvals",
        "freezes",
        "trusts",
        "spent_id_tokens",
        "acknowledgements",
        "consumers",
    ];
    let without = tables
        .map(|table| format!("UPDATE {table} SET mac = NULL;"))
        .concat();
    let forget = "DELETE FROM presence; DELETE FROM row_key;";
    // The note of the key is lost, and the hashes are there: no start believes them for that.
    edit(&copy.data, "DELETE FROM row_key;");
    assert!(refused(&copy).contains("not the key of this data"));
    edit(&copy.data, &format!("{without}{forget}"));
    std::fs::remove_file(copy.data.join(KEY)).expect("the key");
    let server = Setup::new().data(&copy.data).start();
    assert_eq!(lies(&world.at(&server)), (Vec::new(), 0));
    assert!(server.admin().events("kind=row_key.renew").is_empty());
    let answer = server
        .admin()
        .post_json("/api/verify", &serde_json::json!({}))
        .expect_status(200);
    assert_eq!(answer.json()["found"], 0, "{}", answer.text());
}
