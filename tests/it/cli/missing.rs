//! What does not exist and is named all the same: 1, with the nearest names, and never a quiet 0.
//! And where no database is, none is made.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use tempfile::TempDir;

use crate::harness::{Client, Setup, statekeep, tfstate};
use crate::skip;

use super::{L1, Place, run, some_states, stderr};

fn prepared(admin: &Client) {
    some_states(admin);
    admin
        .post_json(
            "/api/keys",
            &serde_json::json!({"name": "pipeline", "workspace": "team", "role": "writer"}),
        )
        .expect_status(201);
}

#[test]
fn a_state_that_does_not_exist_is_a_failure_that_names_the_nearest() {
    Place::both(prepared, |place| {
        let out = place.data.with_file_name("out");
        let out = out.to_str().expect("UTF-8");
        for args in [
            &["state", "show", "team/nte"][..],
            &["state", "pull", "team/nte"],
            &["state", "history", "team/nte"],
            &["state", "history", "team/nte", "--format", "json"],
            &["events", "team/nte"],
            &["state", "diff", "team/nte"],
            &["state", "diff", "team/nte", "1", "2"],
            &["state", "outputs", "team/nte"],
            &["state", "rollback", "team/nte", "1", "--yes"],
            &["state", "restore", "team/nte"],
            &["state", "delete", "team/nte"],
            &["state", "delete", "team/nte", "--yes"],
            &["state", "move", "team/nte", "team/new"],
            &["state", "unlock", "team/nte"],
            &["state", "unlock", "team/nte", "--yes"],
            &["state", "unlock", "team/nte", "--id", "x"],
            &["state", "freeze", "team/nte", "--reason", "x"],
            &["state", "unfreeze", "team/nte"],
            &["state", "acknowledge", "team/nte"],
            &["state", "consumers", "team/nte"],
            &["state", "resources", "team/nte"],
            &["state", "blame", "team/nte", "t.a"],
            &["state", "hold", "team/nte", "1", "--reason", "x"],
            &["state", "release", "team/nte", "1"],
            &["state", "purge", "team/nte", "1"],
            &["state", "purge", "team/nte", "--all", "--yes"],
            &["prune", "--keep-last", "1", "--state", "team/nte"],
            &["prune", "--keep-last", "1", "--state", "team/nte", "--yes"],
            &[
                "prune",
                "--keep-last",
                "1",
                "--state",
                "team/nte",
                "--dry-run",
            ],
            &["verify", "--state", "team/nte"],
            &["export", out, "team/nte"],
        ] {
            place.fails(args, "there is no state at team/nte");
            place.fails(args, "did you mean team/net");
        }
        assert!(!Path::new(out).exists());
    });
}

#[test]
fn a_workspace_that_does_not_exist_is_a_failure_that_names_the_nearest() {
    Place::both(prepared, |place| {
        let out = place.data.with_file_name("out");
        let out = out.to_str().expect("UTF-8");
        for args in [
            &["state", "list", "--workspace", "taem"][..],
            &["state", "list", "--workspace", "taem", "--format", "json"],
            &["state", "list", "--workspace", "taem", "--locked"],
            &["state", "list", "taem"],
            &["events", "--workspace", "taem"],
            &["export", out, "--workspace", "taem"],
            &["prune", "--keep-last", "1", "--workspace", "taem"],
            &[
                "prune",
                "--keep-last",
                "1",
                "--workspace",
                "taem",
                "--dry-run",
            ],
            &["retention", "set", "taem", "--keep-last", "1"],
            &["retention", "unset", "taem"],
            &["quota", "show", "taem"],
            &["quota", "clear", "taem"],
        ] {
            place.fails(args, "there is no workspace taem");
            place.fails(args, "did you mean team?");
        }
        assert!(!Path::new(out).exists());
        // One in which nothing is left, or of which nothing but a key is known, is there.
        place.ok(&["state", "delete", "rival/net", "--yes"]);
        assert!(
            !place
                .ok(&["state", "list", "--workspace", "rival"])
                .contains("net")
        );
        place.ok(&[
            "key",
            "create",
            "new",
            "--workspace",
            "fresh",
            "--role",
            "writer",
        ]);
        place.ok(&["retention", "set", "fresh", "--keep-last", "3"]);
    });
}

#[test]
fn a_key_that_does_not_exist_is_a_failure_that_names_the_nearest() {
    Place::both(prepared, |place| {
        for command in ["show", "revoke", "rotate"] {
            place.fails(&["key", command, "pipelnie"], "there is no key pipelnie");
            place.fails(&["key", command, "pipelnie"], "did you mean pipeline?");
            place.fails(
                &["key", command, "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb"],
                "no_key",
            );
        }
        let id = place.json(&["key", "show", "pipeline"])["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        assert_eq!(place.json(&["key", "show", &id])["name"], "pipeline");
        let wrong = format!("{}0", &id[..id.len() - 1]);
        let wrong = if wrong == id {
            format!("{}1", &id[..id.len() - 1])
        } else {
            wrong
        };
        place.fails(&["key", "show", &wrong], &format!("did you mean {id}?"));
    });
}

#[test]
fn a_key_is_named_by_its_name_where_only_one_has_it() {
    Place::both(prepared, |place| {
        let id = |name: &str| place.json(&["key", "show", name])["id"].clone();
        let first = id("pipeline");
        assert!(place.ok(&["key", "rotate", "pipeline"]).starts_with("skp_"));
        place.ok(&["key", "revoke", "pipeline", "--yes"]);
        assert_eq!(id("pipeline"), first, "also one that has ended");
        let second = place.json(&[
            "key",
            "create",
            "pipeline",
            "--workspace",
            "team",
            "--role",
            "reader",
        ])["key"]["id"]
            .clone();
        assert_eq!(id("pipeline"), second, "a live one before");
        place.ok(&["key", "revoke", "pipeline", "--yes"]);
        place.fails(
            &["key", "show", "pipeline"],
            second.as_str().expect("an id"),
        );
    });
}

#[test]
fn a_version_that_does_not_exist_says_which_there_are() {
    Place::both(prepared, |place| {
        for args in [
            &["state", "pull", "team/net", "--version", "99"][..],
            &["state", "diff", "team/net", "99"],
            &["state", "rollback", "team/net", "99", "--yes"],
            &["state", "hold", "team/net", "99", "--reason", "x"],
            &["state", "release", "team/net", "99"],
            &["state", "purge", "team/net", "99", "--yes"],
        ] {
            place.fails(args, "team/net has no version 99");
            place.fails(args, "it has 1 to 3: statekeep state history team/net");
        }
        place.ok(&["prune", "--keep-last", "1", "--yes"]);
        place.fails(
            &["state", "pull", "team/net", "--version", "1"],
            "it has 3, others were removed",
        );
    });
}

#[test]
fn a_lock_without_a_state_is_seen_wherever_one_looks() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin.lock("team/first", "lock-1").expect_status(200);
    };
    Place::both(prepare, |place| {
        let list = place.ok(&["state", "list"]);
        let row = list
            .lines()
            .find(|line| line.starts_with("team/first"))
            .unwrap_or_else(|| panic!("{list}"));
        assert_eq!(
            row.split_whitespace().nth(1),
            Some("-"),
            "no version: {row}"
        );
        assert!(row.contains("admin since"), "{row}");
        let locked = place.ok(&["state", "list", "--locked"]);
        assert!(
            locked.contains("team/first") && !locked.contains("team/net"),
            "{locked}"
        );
        assert_eq!(
            place.json(&["state", "list", "--locked"])["states"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        let show = place.ok(&["state", "show", "team/first"]);
        for word in ["lock-1", "admin", "someone@somewhere", "version"] {
            assert!(show.contains(word), "{word}: {show}");
        }
        let history = place.run(&["state", "history", "team/first"]);
        assert_eq!(history.status.code(), Some(0), "{}", stderr(&history));
        for word in [
            "no version yet",
            "lock-1",
            "statekeep state unlock team/first --id lock-1",
        ] {
            assert!(
                stderr(&history).contains(word),
                "{word}: {}",
                stderr(&history)
            );
        }
        place.fails(&["state", "pull", "team/first"], "lock-1");
        place.ok(&["state", "unlock", "team/first", "--id", "lock-1"]);
        place.fails(
            &["state", "show", "team/first"],
            "there is no state at team/first",
        );
    });
}

#[test]
fn commands_that_look_make_no_database() {
    let dir = TempDir::new().expect("a directory");
    let (empty, missing) = (dir.path().join("empty"), dir.path().join("missing"));
    std::fs::create_dir(&empty).expect("a directory");
    let state = dir.path().join("x.tfstate");
    std::fs::write(&state, tfstate(L1, 1)).expect("a file");
    for place in [&empty, &missing] {
        let out = dir.path().join("out");
        for args in [
            &["state", "list"][..],
            &["state", "show", "a/b"],
            &["state", "delete", "a/b", "--yes"],
            &["key", "list"],
            &["key", "create", "x", "--role", "admin"],
            &["verify"],
            &["prune", "--keep-last", "1", "--yes"],
            &["retention", "list"],
            &["export", out.to_str().expect("UTF-8")],
            &[
                "import",
                state.to_str().expect("UTF-8"),
                "--workspace",
                "team",
                "--building-block",
                "net",
                "--dry-run",
            ],
        ] {
            let output = run(place, args);
            assert_eq!(
                (output.status.code(), output.stdout.is_empty()),
                (Some(1), true),
                "{args:?}: {}",
                stderr(&output)
            );
            assert!(
                stderr(&output).contains("no statekeep database in"),
                "{args:?}: {}",
                stderr(&output)
            );
            assert!(
                stderr(&output).contains(place.to_str().expect("UTF-8")),
                "{args:?}: {}",
                stderr(&output)
            );
        }
        assert!(!out.exists());
    }
    assert_eq!(
        std::fs::read_dir(&empty).expect("a directory").count(),
        0,
        "nothing was left behind"
    );
    assert!(!missing.exists());
    for place in [&empty, &missing] {
        let made = run(
            place,
            &[
                "import",
                state.to_str().expect("UTF-8"),
                "--workspace",
                "team",
                "--building-block",
                "net",
            ],
        );
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        assert!(place.join("statekeep.db").exists(), "an import makes one");
        let list = run(place, &["state", "list"]);
        assert!(String::from_utf8_lossy(&list.stdout).contains("team/net"));
    }
}

#[test]
fn what_a_command_has_left_that_was_killed_goes_with_the_next() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    assert!(Setup::new().data(&data).start().stop().success());
    // As ^C at a question leaves it.
    let socket = data.join(".command-1.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    let list = run(&data, &["state", "list"]);
    assert_eq!(list.status.code(), Some(0), "{}", stderr(&list));
    assert!(!socket.exists(), "it stays for ever");
}

#[test]
fn what_root_makes_in_another_users_directory_belongs_to_that_user() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    if chown(&data, Some(65_534), Some(65_534)).is_err() {
        return skip::missing("only root gives a directory to another user");
    }
    let owners = || {
        let entries = std::fs::read_dir(&data).expect("a directory").flatten();
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        files
            .map(|entry| {
                (
                    entry.file_name().into_string().expect("UTF-8"),
                    entry.metadata().expect("a file").uid(),
                )
            })
            .collect::<Vec<_>>()
    };
    let state = dir.path().join("x.tfstate");
    std::fs::write(&state, tfstate(L1, 1)).expect("a file");
    let made = run(
        &data,
        &[
            "import",
            state.to_str().expect("UTF-8"),
            "--workspace",
            "team",
            "--building-block",
            "net",
        ],
    );
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let files = owners();
    assert!(
        files.iter().any(|(name, _)| name == "statekeep.db")
            && files.iter().all(|(_, owner)| *owner == 65_534),
        "{files:?}"
    );
    let server = Setup::new().data(&data).start();
    server
        .admin()
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    let files = owners();
    assert!(
        files.iter().any(|(name, _)| name == "statekeep.db-wal")
            && files.iter().all(|(_, owner)| *owner == 65_534),
        "{files:?}"
    );
    assert!(server.stop().success());
    assert!(
        owners().iter().all(|(_, owner)| *owner == 65_534),
        "{:?}",
        owners()
    );
}

#[test]
fn names_are_parsed_and_never_become_part_of_a_query() {
    Place::both(prepared, |place| {
        for args in [
            &["state", "list", "--workspace", "team#x"][..],
            &["state", "list", "--workspace", "team&deleted=true"],
            &[
                "state",
                "history",
                "team/net",
                "--kind",
                "write&intermediate=true",
            ],
            &["state", "history", "team/net", "--kind", "wirte"],
            &["prune", "--keep-last", "1", "--workspace", "te%61m"],
        ] {
            let output = place.run(args);
            assert_eq!(
                (output.status.code(), output.stdout.is_empty()),
                (Some(2), true),
                "{args:?}: {}",
                stderr(&output)
            );
        }
    });
    let output = statekeep(&["state", "list", "--workspace", ""])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}
