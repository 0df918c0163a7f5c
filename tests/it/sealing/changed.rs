//! Sealed content that was changed behind the server's back: it is found, and nothing else is lost.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{LINEAGE, Place, VERSIONS, text};
use crate::harness::{Client, Setup, state_path, statekeep, tfstate};

/// The blob of the current version, and another one whose frame is whole.
const BLOB: &str = "SELECT b.id, b.frame FROM blobs b JOIN versions v ON v.blob_id = b.id \
    JOIN states s ON s.id = v.state_id AND s.current = v.number WHERE s.building_block = ?1";

fn frame(database: &Connection, block: &str) -> (i64, Vec<u8>) {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    database.query_row(BLOB, [block], read).expect("a frame")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in from.read_dir().expect("a directory") {
        let path = entry.expect("readable").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

/// Starts on a copy of the data whose database was changed. The current version must not be read,
/// and all else must be as before.
#[track_caller]
fn check(place: &Place, admin: &Client, (name, change): (&str, &dyn Fn(&Connection))) {
    let data = place.folder.path().join(format!("copy {name}"));
    copy(&place.data(), &data);
    let database = Connection::open(data.join("statekeep.db")).expect("the database");
    change(&database);
    drop(database);
    let key = place.key("one");
    let server = Setup::new()
        .data(&data)
        .flag("--storage-key-file", text(&key))
        .start();
    let admin = admin.at(&server);
    let current = admin.read("team/net");
    assert_eq!(current.status, 500, "{name}: {}", current.text());
    let older = admin.get(&format!("{}/versions/1", state_path("team/net")));
    assert_eq!(older.text(), super::state(1), "{name}");
    admin
        .write("team/fresh", tfstate(LINEAGE, 1), None)
        .expect_status(200);
    // The same bytes, written again, mend it.
    let mended = admin.write("team/net", super::state(VERSIONS), None);
    mended.expect_status(200);
    assert_eq!(
        admin.read("team/net").text(),
        super::state(VERSIONS),
        "{name}"
    );
}

#[test]
fn a_damaged_data_key_is_mended_from_its_copy() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    assert!(server.stop().success());
    for change in [
        "UPDATE data_keys SET sealed = zeroblob(97) WHERE number = 1",
        "UPDATE data_keys SET sealed = substr(sealed, 2) WHERE number = 0",
        "DELETE FROM data_keys WHERE number = 1",
        "DELETE FROM data_keys",
    ] {
        let database = Connection::open(place.data().join("statekeep.db")).expect("the database");
        assert!(
            database.execute(change, []).expect("changed") > 0,
            "{change}"
        );
        drop(database);
        let server = place.start(&["one"]);
        super::check_versions(&admin.at(&server), change);
        assert!(server.stop().success());
        // It is the database that was mended: the copy is not needed any more.
        let copy = place.data().join("statekeep.datakeys");
        std::fs::remove_file(&copy).expect("the copy");
        let server = place.start(&["one"]);
        super::check_versions(&admin.at(&server), change);
        assert!(server.stop().success());
        assert!(copy.exists(), "it is written again");
    }
    let database = Connection::open(place.data().join("statekeep.db")).expect("the database");
    database
        .execute("UPDATE data_keys SET sealed = x'00'", [])
        .expect("changed");
    drop(database);
    std::fs::remove_file(place.data().join("statekeep.datakeys")).expect("the copy");
    let log = place.setup(&["one"]).try_start().err().expect("no start");
    assert!(log.contains("does not open"), "{log}");
}

#[test]
fn sealed_content_is_salvaged_with_its_key_and_not_without() {
    let place = Place::new();
    let server = place.written(&["one"]);
    crate::inside::compacted(server.data());
    assert!(server.stop().success());
    let salvage = |name: &str, key: Option<&str>| {
        let out = place.folder.path().join(name);
        let mut command = statekeep(&["salvage", text(&place.data()), text(&out)]);
        if let Some(key) = key {
            command.env("STATEKEEP_STORAGE_KEY_FILE", place.key(key));
        }
        (command.output().expect("the binary runs"), out)
    };
    let (output, _) = salvage("without", None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("sealed"),
        "{said}"
    );
    let (output, _) = salvage("with another", Some("two"));
    assert!(!output.status.success());
    let (output, out) = salvage("with", Some("one"));
    super::succeeds(output);
    let into = place.folder.path().join("imported");
    super::succeeds(super::run(&["import", text(&out), "--data", text(&into)]));
    let pulled = super::run(&["state", "pull", "team/net", "--data", text(&into)]);
    assert_eq!(super::succeeds(pulled), super::state(VERSIONS));
}

#[test]
fn a_change_of_sealed_content_is_found_wherever_it_is() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    let other = admin.write("team/other", super::state(40), None);
    other.expect_status(200);
    assert!(server.stop().success());
    let database = Connection::open(place.data().join("statekeep.db")).expect("the database");
    let (id, sealed) = frame(&database, "net");
    let (_, stranger) = frame(&database, "other");
    drop(database);
    let put = "UPDATE blobs SET frame = ?2, stored = length(?2) WHERE id = ?1";
    for at in [0, 1, 17, 49, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let change = |database: &Connection| {
            database
                .execute(put, params![id, changed])
                .expect("changed");
        };
        check(&place, &admin, (&format!("byte {at}"), &change));
    }
    let change = |database: &Connection| {
        database
            .execute(put, params![id, stranger])
            .expect("changed");
    };
    check(&place, &admin, ("the frame of another", &change));
    for column in [
        "format = format + 1",
        "size = size + 1",
        "format = format % 256",
        "format = format + 256",
    ] {
        let change = |database: &Connection| {
            let sql = format!("UPDATE blobs SET {column} WHERE id = {id}");
            database.execute(&sql, []).expect("changed");
        };
        check(&place, &admin, (column, &change));
    }
}
