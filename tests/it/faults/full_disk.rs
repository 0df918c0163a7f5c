//! A disk that is full: writes are 507, nothing is lost, reads, unlocking and deleting go on, and
//! room makes writes work again.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use crate::disk::{SmallDisk, noise};
use crate::harness::{Client, Setup, sha256, state_path, tfstate, tfstate_noted};

use super::L1;

fn large(serial: u64) -> String {
    tfstate_noted(L1, serial, &noise(serial, 1024 * 1024))
}

/// Writes large states until the disk is full; the serials that were acknowledged.
#[track_caller]
fn fill(writer: &Client) -> Vec<u64> {
    let mut stored = Vec::new();
    for serial in 1..100 {
        let answer = writer.write("team/large", large(serial), Some("lock-l"));
        if answer.status == 200 {
            stored.push(serial);
            continue;
        }
        answer.expect_problem(507, "disk_full");
        assert!(!stored.is_empty(), "full from the start");
        return stored;
    }
    panic!("the disk is never full");
}

fn on_a_small_disk(min_free: &str) {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let data = disk.path().join("data");
    let server = Setup::new()
        .data(&data)
        .flag("--min-free-space", min_free)
        .start();
    let owner = server.key("team", "owner");
    owner
        .write("team/small", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/small", "lock-s").expect_status(200);
    owner.lock("team/large", "lock-l").expect_status(200);
    let stored = fill(&owner);
    let last = *stored.last().expect("some");
    for _ in 0..3 {
        owner
            .write("team/large", large(last + 1), Some("lock-l"))
            .expect_problem(507, "disk_full");
    }
    assert_eq!(
        sha256(&owner.read("team/large").expect_status(200).bytes),
        sha256(large(last).as_bytes())
    );
    assert_eq!(
        owner.read("team/small").expect_status(200).text(),
        tfstate(L1, 1)
    );
    for (number, serial) in (1..).zip(&stored) {
        let bytes = owner
            .get(&format!("{}/versions/{number}", state_path("team/large")))
            .expect_status(200)
            .bytes;
        assert_eq!(sha256(&bytes), sha256(large(*serial).as_bytes()));
    }
    if min_free != "0" {
        owner.unlock("team/small", "lock-s").expect_status(200);
        owner.delete("team/small").expect_status(200);
    }
    let server = {
        drop(server);
        disk.grow("96m");
        Setup::new()
            .data(&data)
            .flag("--min-free-space", min_free)
            .start()
    };
    let owner = owner.at(&server);
    assert_eq!(
        sha256(&owner.read("team/large").expect_status(200).bytes),
        sha256(large(last).as_bytes())
    );
    owner
        .write("team/large", large(last + 1), Some("lock-l"))
        .expect_status(200);
    assert_eq!(owner.versions("team/large").len(), stored.len() + 1);
}

#[test]
fn below_the_room_that_is_kept_free() {
    on_a_small_disk("4MiB");
}

#[test]
fn to_the_last_byte() {
    on_a_small_disk("0");
}

/// Takes more and more of a disk, until something is refused for it.
fn take_room_until(dir: &Path, is_refused: impl Fn() -> bool) -> Option<File> {
    let mut filler = File::create(dir.join("filler")).expect("a file on the disk");
    let chunk = vec![1; 256 * 1024];
    for _ in 0..512 {
        if is_refused() {
            return Some(filler);
        }
        // The last part may not fit.
        let _ = filler.write_all(&chunk);
    }
    None
}

#[test]
fn on_the_last_part_of_the_reserve_locks_are_refused_and_what_frees_or_protects_is_done() {
    let Some(disk) = SmallDisk::new("48m") else {
        return;
    };
    let server = Setup::new()
        .data(&disk.path().join("data"))
        .flag("--min-free-space", "16MiB")
        .start();
    let (owner, leaked) = (server.key("team", "owner"), server.key("team", "writer"));
    for serial in 1..=3 {
        owner
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    owner.lock("team/held", "lock-1").expect_status(200);
    let serial = std::cell::Cell::new(0);
    let write = || {
        serial.set(serial.get() + 1);
        owner
            .write("team/old", tfstate(L1, serial.get()), None)
            .status
    };
    assert!(
        take_room_until(disk.path(), || write() == 507).is_some(),
        "writes stop at the reserve"
    );
    owner.lock("team/net", "lock-2").expect_status(200);
    owner.unlock("team/net", "lock-2").expect_status(200);
    server.token(&owner, json!({}));
    let lock = || owner.lock("team/net", "lock-3");
    let is_refused = || {
        let answer = lock();
        if answer.status == 200 {
            owner.unlock("team/net", "lock-3").expect_status(200);
        }
        answer.status == 507
    };
    // The first file of this name is gone, and more than all of it comes back.
    assert!(
        take_room_until(disk.path(), is_refused).is_some(),
        "locks stop at a quarter of it"
    );
    lock().expect_problem(507, "disk_full");
    let login = json!({ "clientId": owner.key_id, "clientSecret": owner.secret() });
    server
        .anonymous()
        .post_json("/api/login", &login)
        .expect_problem(507, "disk_full");
    let hold = format!("{}/versions/1/hold", state_path("team/net"));
    server
        .admin()
        .post_json(&hold, &json!({ "reason": "kept" }))
        .expect_problem(507, "disk_full");

    owner.lock("team/held", "lock-1").expect_status(200);
    owner.unlock("team/held", "lock-1").expect_status(200);
    let leaked = format!("/api/keys/{}", leaked.key_id);
    server
        .admin()
        .send("DELETE", &leaked, "")
        .expect_status(200);
    let prune = json!({ "policy": { "keep_last": 1 } });
    let pruned = server
        .admin()
        .post_json("/api/prune", &prune)
        .expect_status(200);
    assert_eq!(owner.versions("team/net").len(), 1, "{}", pruned.text());
    owner.delete("team/net").expect_status(200);
}

#[test]
fn a_server_that_had_no_room_takes_writes_again_once_there_is_some() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let server = Setup::new()
        .data(&disk.path().join("data"))
        .flag("--min-free-space", "8MiB")
        .start();
    let owner = server.key("team", "owner");
    owner.lock("team/large", "lock-l").expect_status(200);
    let last = *fill(&owner).last().expect("some");
    disk.grow("96m");
    crate::harness::eventually("writes work again", || {
        owner
            .write("team/large", large(last + 1), Some("lock-l"))
            .status
            == 200
    });
    assert_eq!(
        owner.read("team/large").header("statekeep-version"),
        (last + 1).to_string()
    );
    let ready = || server.anonymous().get("/readyz").json()["status"].clone();
    crate::harness::eventually("it is ready again", || ready() == json!("ready"));
}

#[test]
fn reads_are_not_held_up_by_events_that_cannot_be_written() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let server = Setup::new()
        .data(&disk.path().join("data"))
        .flag("--min-free-space", "0")
        .start();
    let owner = server.key("team", "owner");
    owner.lock("team/large", "lock-l").expect_status(200);
    let last = *fill(&owner).last().expect("some");
    let filler = std::fs::File::create(disk.path().join("filler")).expect("a file");
    let _ = std::io::Write::write_all(&mut &filler, &vec![1; 24 * 1024 * 1024]);
    let length = large(last).len();
    for _ in 0..50 {
        let read = owner.read("team/large").expect_status(200);
        assert_eq!(read.bytes.len(), length);
    }
    server.anonymous().read("team/large").expect_status(401);
    server.anonymous().get("/healthz").expect_status(200);
}
