//! What is in the way of a command: a freeze is told as a freeze, and only a lock that was shown is
//! broken.

use serde_json::json;
use tempfile::TempDir;

use crate::between::Between;
use crate::harness::{Client, Server, state_path, statekeep, tfstate};

use super::{L1, Place, stderr};

fn frozen(admin: &Client) {
    let (state, freeze) = (tfstate(L1, 1), json!({"reason": "audit"}));
    admin.write("team/net", state, None).expect_status(200);
    let path = format!("{}/freeze", state_path("team/net"));
    admin.post_json(&path, &freeze).expect_status(200);
}

#[test]
fn a_freeze_is_never_told_as_a_lock_of_nobody() {
    Place::both(frozen, |place| {
        for args in [
            &["state", "delete", "team/net", "--yes"][..],
            &["state", "delete", "team/net", "--dry-run"],
            &["state", "move", "team/net", "team/other"],
        ] {
            let output = place.run(args);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
            assert!(
                said.contains("is frozen until it is lifted by "),
                "{args:?}: {said}"
            );
            assert!(
                said.contains("`statekeep state unfreeze team/net`"),
                "{args:?}: {said}"
            );
            assert!(!said.contains("key -"), "{args:?}: {said}");
        }
        for args in [
            &["state", "unlock", "team/net"][..],
            &["state", "unlock", "team/net", "--yes"],
        ] {
            let output = place.run(args);
            let said = stderr(&output);
            assert!(output.status.success(), "{args:?}: {said}");
            assert!(
                said.contains("was not locked; team/net is frozen"),
                "{args:?}: {said}"
            );
            assert!(!said.contains("key -"), "{args:?}: {said}");
        }
    });
}

/// The server, a key file, and what fails one call before the server.
fn before(words: &'static str) -> (Server, TempDir, Between) {
    let (server, dir) = (Server::start(), TempDir::new().expect("a directory"));
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    std::fs::write(dir.path().join("key"), admin.secret()).expect("a file");
    let between = Between::before(&server, words);
    (server, dir, between)
}

fn told(dir: &TempDir, between: &Between, args: &[&str]) -> (Option<i32>, String) {
    let output = statekeep(args)
        .args(["--url", between.url(), "--key-file"])
        .arg(dir.path().join("key"))
        .output()
        .expect("it runs");
    (output.status.code(), stderr(&output))
}

#[test]
fn no_lock_is_broken_that_was_not_shown() {
    let (_server, dir, between) = before("UNLOCK");
    let (code, said) = told(&dir, &between, &["state", "unlock", "team/net"]);
    assert_eq!((code, between.calls()), (Some(0), 0), "{said}");
    assert!(said.contains("team/net was not locked"), "{said}");
}

#[test]
fn a_restore_says_what_it_did_and_never_guesses() {
    let (server, dir, between) = before("fields=current");
    let restore = || told(&dir, &between, &["state", "restore", "team/net"]);
    let (code, said) = restore();
    assert_eq!((code, between.calls()), (Some(1), 1), "{said}");
    assert!(!said.contains("is back"), "{said}");
    let (code, said) = restore();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing was done"), "{said}");
    server.admin().delete("team/net").expect_status(200);
    let (code, said) = restore();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("team/net is back: version 2"), "{said}");
    assert_eq!(server.admin().events("kind=state.restore").len(), 1);
}
