//! What is not restored, with nothing left of it: other files, broken archives, and archives that
//! somebody made to do harm.

use std::path::Path;

use serde_json::json;

use super::archives::{Part, archive, bomb, manifest, parts, with_manifest, write};
use super::{back_up, fails, names, restore, restored, stage, statekeep};
use crate::harness::sha256;

/// A backup that has to be refused with these words, and leaves nothing.
#[track_caller]
fn is_refused(folder: &Path, bytes: &[u8], said: &str) {
    let (file, data) = (folder.join("bad"), folder.join("data"));
    write(&file, bytes);
    for more in [&[][..], &["--dry-run"]] {
        let message = fails(restore(&file, &data, more), 1);
        assert!(message.contains(said), "{said} in {message}");
        assert!(!data.exists(), "{message}");
    }
    std::fs::create_dir(&data).expect("a folder");
    fails(restore(&file, &data, &[]), 1);
    assert_eq!(names(&data), [""; 0]);
    std::fs::remove_dir(&data).expect("an empty folder");
    assert!(!folder.join("evil").exists() && !folder.join("../evil").exists());
}

#[test]
fn what_a_backup_does_not_hold_is_not_taken() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let (good, folder) = (parts(&file), folder.path());
    is_refused(folder, b"", "ends too early");
    is_refused(folder, b"{\"version\": 4}", "no backup of statekeep");
    is_refused(
        folder,
        &archive(&[Part::file("x", b"x")]),
        "begins with \"x\"",
    );
    let more = |part: Part| archive(&[good.clone(), vec![part]].concat());
    for name in [
        "evil",
        "../evil",
        "/tmp/evil",
        "statekeep.lock",
        "manifest.json",
    ] {
        is_refused(folder, &more(Part::file(name, b"x")), name);
    }
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
    ] {
        let mut other = good.clone();
        other[1].kind = kind;
        is_refused(folder, &archive(&other), "statekeep.db");
    }
    let mut swapped = good.clone();
    swapped[1].name = "../evil".to_owned();
    is_refused(folder, &archive(&swapped), "../evil");
    let named = with_manifest(&good, |manifest| {
        manifest["database"]["name"] = json!("../evil");
    });
    is_refused(folder, &archive(&named), "../evil");
    let named = with_manifest(&good, |manifest| {
        manifest["files"] = json!([{ "name": "evil", "size": 1, "sha256": sha256(b"x") }]);
    });
    is_refused(
        folder,
        &archive(&[named, vec![Part::file("evil", b"x")]].concat()),
        "evil",
    );
}

#[test]
fn what_is_newer_is_refused_by_name() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let (good, folder) = (parts(&file), folder.path());
    let newer = with_manifest(&good, |manifest| {
        manifest["schema"] = json!(9_999);
        manifest["program"] = json!("99.0.0");
    });
    is_refused(folder, &archive(&newer), "made by statekeep 99.0.0");
    let other = with_manifest(&good, |manifest| manifest["format"] = json!(2));
    is_refused(folder, &archive(&other), "has format 2");
}

#[test]
fn a_backup_that_is_damaged_or_cut_off_is_refused() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let (good, folder) = (parts(&file), folder.path());
    let bytes = std::fs::read(&file).expect("a file");
    for part in 1..10 {
        let mut flipped = bytes.clone();
        flipped[bytes.len() * part / 10] ^= 0x10;
        is_refused(folder, &flipped, "backup");
    }
    for length in [1, 100, bytes.len() / 2, bytes.len() - 1] {
        is_refused(folder, &bytes[..length], "backup");
    }
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"more");
    is_refused(folder, &longer, "backup");
    // Whole as an archive, and another database than its manifest says.
    let mut other = good.clone();
    other[1].bytes[5_000] ^= 1;
    is_refused(folder, &archive(&other), "SHA-256");
    is_refused(folder, &archive(&good[..1]), "ends too early");
    let mut shorter = good.clone();
    shorter[1].bytes.pop();
    is_refused(folder, &archive(&shorter), "its manifest says");
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let (good, folder) = (parts(&file), folder.path());
    let size = 300 << 20;
    is_refused(folder, &bomb(&good, size), "its manifest says");
    let honest = with_manifest(&good, |manifest| {
        manifest["database"]["size"] = json!(1_u64 << 60);
    });
    let data = folder.join("data");
    write(&folder.join("bad"), &archive(&honest));
    let said = fails(restore(&folder.join("bad"), &data, &[]), 1);
    assert!(said.contains("no room") && !data.exists(), "{said}");
    assert!(manifest(&good)["database"]["size"].as_u64() < Some(size));
}

#[test]
fn a_directory_that_is_used_stays_as_it_is() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let before = names(server.data());
    let said = fails(restore(&file, server.data(), &[]), 1);
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(names(server.data()), before);
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    std::fs::write(other.join("notes"), "mine").expect("a file");
    let said = fails(restore(&file, &other, &[]), 1);
    assert!(said.contains("notes is there"), "{said}");
    assert_eq!(names(&other), ["notes"]);
    let data = folder.path().join("data");
    drop(restored(&file, &data));
    fails(restore(&file, &data, &[]), 1);
    let url = [
        "restore",
        "x",
        "--url",
        "http://127.0.0.1:1",
        "--key-file",
        "x",
    ];
    fails(statekeep(&url).output().expect("the binary runs"), 2);
}

#[test]
fn a_directory_where_another_restores_is_left_to_it() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join(".statekeep-restore")).expect("a folder");
    let lock = std::fs::File::create(data.join("statekeep.lock")).expect("a file");
    lock.try_lock().expect("nobody has it");
    let said = fails(restore(&file, &data, &[]), 1);
    assert!(said.contains("in use"), "{said}");
    assert_eq!(names(&data), [".statekeep-restore", "statekeep.lock"]);
    drop(lock);
    drop(restored(&file, &data));
}
