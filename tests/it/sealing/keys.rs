//! The keys of sealed content: none opens without its own, and another one may take its place.

use serde_json::json;

use super::{
    Place, check_versions, run, state, succeeds, tells, text, verify, wait_for_rest,
    wait_for_search,
};
use crate::disk::strace;
use crate::harness::statekeep;

#[test]
fn without_the_key_nothing_starts_and_nothing_is_changed() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    let mark = admin.get("/api/storage").json()["storage_key"].clone();
    let mark = mark.as_str().expect("a mark").to_owned();
    let backup = place.folder.path().join("b.tar.zst");
    succeeds(server.cli(&["backup", text(&backup)]));
    assert!(server.stop().success());
    let before = std::fs::read(place.data().join("statekeep.db")).expect("the database");
    for (keys, says) in [(&[][..], "not given"), (&["two"][..], "none of those")] {
        let log = place.setup(keys).try_start().err().expect("no start");
        assert!(log.contains(&mark) && log.contains(says), "{log}");
    }
    let after = std::fs::read(place.data().join("statekeep.db")).expect("the database");
    assert!(before == after, "it is as it was");
    let restored = place.folder.path().join("restored");
    let restore = ["restore", text(&backup), "--data", text(&restored)];
    let refused = run(&restore);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&mark));
    let with_key = |args: &[&str]| {
        let mut command = statekeep(args);
        command.env("STATEKEEP_STORAGE_KEY_FILE", place.key("one"));
        command.output().expect("the binary runs")
    };
    succeeds(with_key(&restore));
    let listed = succeeds(with_key(&["state", "list", "--data", text(&restored)]));
    assert!(listed.contains("net"), "{listed}");
    let server = place.start(&["two", "one"]);
    check_versions(&admin.at(&server), "the second one opens");
}

#[test]
fn another_key_takes_the_place_of_the_first() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    crate::inside::compacted(server.data());
    assert!(server.stop().success());
    let server = place.start(&["two", "one"]);
    let admin = admin.at(&server);
    let before = admin.get("/api/storage").expect_status(200).json();
    let told = tells(server.cli(&["key", "rekey-storage"]));
    let after = admin.get("/api/storage").json();
    assert_ne!(before["storage_key"], after["storage_key"]);
    assert_eq!(
        (&before["data_key"], &after["data_key"]),
        (&json!(1), &json!(2))
    );
    assert!(
        told.contains(after["storage_key"].as_str().expect("a mark")),
        "{told}"
    );
    admin.write("team/other", state(1), None).expect_status(200);
    wait_for_rest(&server, &admin);
    wait_for_search(&admin, super::CANARIES[0]);
    check_versions(&admin, "sealed anew");
    let keys = crate::inside::number(server.data(), "SELECT count(*) FROM data_keys");
    assert_eq!(keys, 2, "the key that names, and the one that seals");
    let older = "SELECT count(*) FROM blobs WHERE format / 256 <> 2";
    assert_eq!(crate::inside::number(server.data(), older), 0);
    assert!(server.stop().success());
    assert!(
        place.setup(&["one"]).try_start().is_err(),
        "the first one opens nothing"
    );
    let server = place.start(&["two"]);
    check_versions(&admin.at(&server), "with the second one alone");
    verify(&admin.at(&server));
}

#[test]
fn a_command_and_a_credential_of_the_unit_give_the_key_too() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    assert!(server.stop().success());
    let command = format!("cat {}", text(&place.key("one")));
    let server = place
        .setup(&[])
        .flag("--storage-key-command", &command)
        .start();
    check_versions(&admin.at(&server), "by a command");
    assert!(server.stop().success());
    let failing = place
        .setup(&[])
        .flag("--storage-key-command", "exit 3")
        .try_start();
    let log = failing.err().expect("no start");
    assert!(log.contains("gave no key"), "{log}");
    let credentials = place.folder.path().join("credentials");
    std::fs::create_dir(&credentials).expect("a directory");
    let file = credentials.join("statekeep.storage-key");
    std::fs::copy(place.key("one"), file).expect("a copy");
    let setup = place
        .setup(&[])
        .env("CREDENTIALS_DIRECTORY", text(&credentials));
    check_versions(&admin.at(&setup.start()), "by a credential");
}

/// Each change of the key writes the copy of the data keys beside the database, and so does the end
/// of each sealing. Two at once are not in each other's way.
#[test]
fn changes_of_the_key_at_once_leave_the_copy_of_all() {
    let place = Place::new();
    drop(place.written(&["one"]));
    let unfinished = place.data().join("statekeep.datakeys.next");
    let slow = "inject=rename,renameat,renameat2:delay_enter=200000";
    let options = ["-o", "/dev/null", "-P", text(&unfinished), "-e", slow];
    let Some(setup) = strace(place.setup(&["one"]), &options) else {
        return;
    };
    let server = setup.start();
    let admin = server.admin();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = admin.post_json("/api/storage/rekey", &json!({}));
                answer.expect_status(200);
            });
        }
    });
    wait_for_rest(&server, &admin);
    drop(server);
    let keys = "SELECT group_concat(number) FROM data_keys";
    let numbers: String = crate::inside::open(&place.data())
        .query_row(keys, [], |row| row.get(0))
        .expect("numbers");
    let copy = std::fs::read_to_string(place.data().join("statekeep.datakeys")).expect("a copy");
    for number in numbers.split(',') {
        let is_copied = |line: &str| line.split(' ').any(|word| word == number);
        assert!(copy.lines().any(is_copied), "{number} of {numbers}: {copy}");
    }
    check_versions(&admin.at(&place.start(&["one"])), "changed at once");
}
