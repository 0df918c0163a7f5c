//! Makes the fixture of the present schema: a server does a little of everything, is killed, and
//! its data directory is packed; then it is started, stopped and packed again.
//!
//! `tests/it/fixtures/README.md` says how and when.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixtures::{COPIES, Fixture, RECORDED, present_schema};
use super::recorded::{self, Cast, STALE, Written};
use crate::disk::noise;
use crate::harness::{Client, Server, Setup, lineage, state_path, tfstate, tfstate_noted};
use crate::inside;

/// The command that makes the fixture.
pub(super) const HOW: &str =
    "STATEKEEP_MAKE_FIXTURE=1 cargo test --test it the_fixture_of_the_present_schema_can_be_made";

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// A state of which each serial changes a little.
fn state(serial: u64) -> String {
    let parts = (0..10).map(|part| noise(part * 100 + serial.saturating_sub(part) / 10, 300));
    tfstate_noted(L1, serial, &parts.collect::<Vec<_>>().join(" "))
}

fn sealed(serial: u64, content: &str) -> String {
    json!({
        "serial": serial, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": content,
        "encryption_version": "v0"
    })
    .to_string()
}

/// Writes a state, and notes the bytes under the number that they got.
fn write(who: &Client, written: &mut Written, name: &str, body: String, lock: Option<&str>) {
    let answer = who.write(name, &body, lock).expect_status(200);
    let number = answer.json()["number"].as_u64().expect("a number");
    written.insert((name.to_owned(), number), body);
}

fn post(who: &Client, name: &str, act: &str, body: &Value) -> Value {
    who.post_json(&format!("{}/{act}", state_path(name)), body)
        .expect_status(200)
        .json()
}

/// A history that is compacted, with all kinds of versions.
fn a_long_history(cast: &Cast, written: &mut Written) {
    let (name, owner) = ("team/net", &cast.owner);
    for serial in 1..=12 {
        write(owner, written, name, state(serial), None);
    }
    let stale = state(4);
    cast.second
        .write(name, &stale, None)
        .expect_problem(409, "stale_write");
    written.insert((name.to_owned(), 13), stale);
    post(
        &cast.admin,
        name,
        "versions/2/hold",
        &json!({"reason": "known to be good"}),
    );
    post(&cast.admin, name, "purge", &json!({"versions": [5]}));
    written.remove(&(name.to_owned(), 5));
    post(owner, name, "rollback", &json!({"version": 3}));
    let back = state(3).replace("\"serial\":3", "\"serial\":13");
    written.insert((name.to_owned(), 14), back);
}

/// States that are gone, and states that are of a rare kind.
fn other_states(cast: &Cast, written: &mut Written) {
    let owner = &cast.owner;
    for serial in 1..=2 {
        write(owner, written, "team/gone", state(serial), None);
        let body = sealed(serial, &noise(serial, 500));
        write(owner, written, "team/sealed", body, None);
    }
    owner.delete("team/gone").expect_status(200);
    write(owner, written, "team/old", state(7), None);
    let to = json!({"workspace": "team", "buildingBlock": "new"});
    post(owner, "team/old", "move", &to);
    written.remove(&("team/old".to_owned(), 1));
    written.insert(("team/new".to_owned(), 1), state(7));
    let highest = r#"{"version": 4, "serial": 18446744073709551615}"#.to_owned();
    write(owner, written, "team/highest", highest, None);
    let uuid = "team/6b0bb6f4-4bd5-4bd7-9a0e-7b8c0b3f5f11";
    write(owner, written, uuid, tfstate(&lineage(9), 1), None);
    write(&cast.admin, written, "shop/app", state(12), None);
    for name in ["team/left", "team/leaving"] {
        write(owner, written, name, tfstate(L1, 3), None);
    }
    let there = json!({"to": "s3://bucket/left.tfstate"});
    post(owner, "team/left", "transfer", &there);
    post(owner, "team/left", "transfer/done", &json!({"version": 1}));
}

/// Locks that are held, that others have tried, that were broken.
fn locks(cast: &Cast, written: &mut Written) {
    let owner = &cast.owner;
    owner.lock("team/locked", "lock-1").expect_status(200);
    write(owner, written, "team/locked", state(1), Some("lock-1"));
    let refused = state(2);
    cast.second
        .write("team/locked", &refused, Some("lock-2"))
        .expect_status(423);
    written.insert(("team/locked".to_owned(), 2), refused);
    cast.second.lock("team/locked", "lock-3").expect_status(423);
    owner.lock("team/empty", "lock-4").expect_status(200);
    owner.lock("team/broken", "lock-5").expect_status(200);
    cast.admin
        .send("UNLOCK", &state_path("team/broken"), "")
        .expect_status(200);
    write(owner, written, STALE, tfstate(&lineage(1), 5), None);
    let stale = tfstate(&lineage(1), 4);
    cast.second
        .write(STALE, &stale, None)
        .expect_problem(409, "stale_write");
    written.insert((STALE.to_owned(), 2), stale);
    let there = json!({"to": "s3://bucket/leaving.tfstate"});
    post(owner, "team/leaving", "transfer", &there);
}

fn policies(cast: &Cast) {
    for (workspace, policy) in [
        ("shop", json!({"keep_all": true})),
        ("team", json!({"keep_last": 1000})),
    ] {
        let path = format!("/api/retention/{workspace}");
        let set = cast.admin.request("PUT", &path).json(&policy);
        Client::ask(set).expect_status(200);
    }
}

/// Makes a fixture of the present schema in a folder; a part of what it does is in the database
/// file, the rest in the WAL.
fn make(fixture: &Fixture) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let mut written = Written::new();
    let cast = Cast::new(&server);
    a_long_history(&cast, &mut written);
    policies(&cast);
    inside::compacted(&data);
    assert!(server.stop().success());
    let mut server = Setup::new().data(&data).start();
    let cast = cast.at(&server);
    other_states(&cast, &mut written);
    locks(&cast, &mut written);
    inside::compacted(&data);
    // Aggregated events are written at most a second later.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let recorded = recorded::record(&cast, &written, present_schema(&data));
    server.kill();
    std::fs::create_dir_all(&fixture.dir).expect("a folder");
    pack(&data, &fixture.dir.join(COPIES[1]));
    stop_well(&data);
    pack(&data, &fixture.dir.join(COPIES[0]));
    let text = format!("{recorded:#}\n");
    std::fs::write(fixture.dir.join(RECORDED), text).expect("a folder");
}

fn stop_well(data: &Path) {
    let server: Server = Setup::new().data(data).start();
    assert!(server.stop().success());
}

/// Packs the files of a data directory, without times and owners.
fn pack(data: &Path, into: &Path) {
    let entries = data.read_dir().expect("the data directory");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let mut files = tar::Builder::new(Vec::new());
    for path in paths {
        let bytes = std::fs::read(&path).expect("a file");
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        let name = path.file_name().expect("a name");
        files
            .append_data(&mut header, name, &bytes[..])
            .expect("a tar");
    }
    let packed = files.into_inner().expect("a tar");
    let packed = zstd::stream::encode_all(&packed[..], 19).expect("zstd");
    std::fs::write(into, packed).expect("a folder");
}

#[test]
fn the_fixture_of_the_present_schema_can_be_made() {
    let dir = TempDir::new().expect("a directory");
    let kept = std::env::var_os("STATEKEEP_MAKE_FIXTURE").is_some();
    let fixture = if kept {
        let server = Server::start();
        Fixture::of(present_schema(server.data()))
    } else {
        Fixture {
            dir: dir.path().join("fixture"),
        }
    };
    make(&fixture);
    fixture.check();
}
