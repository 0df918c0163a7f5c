//! `import`: states from files, exports and other backends, with their bytes as they were, over
//! nothing that is there.

mod backends;
mod exports;
mod folders;
mod instead;
mod left;
mod prefixes;
mod presets;
mod recipes;

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Client, Server, lineage, lock_body, state_path, statekeep, tfstate, tfstate_noted,
};

use super::export::{files, manifest};
use super::{L1, Place, some_states, stderr};

fn nothing(_: &Client) {}

fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    std::fs::write(path, text).expect("a file");
}

fn str(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs a command of the binary on a server's data directory with some standard input.
fn with_stdin(server: &Server, args: &[&str], input: &[u8]) -> Output {
    let mut command = statekeep(args);
    let mut child = command
        .env("STATEKEEP_DATA", server.data())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let _ = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input);
    child.wait_with_output().expect("it ends")
}

/// What the versions of a state are, but for who imported them: number, hash, time, whether
/// rejected or intermediate, why held.
fn essence(who: &Client, name: &str) -> Vec<Value> {
    let versions = who.versions(name);
    let essence = |version: &Value| {
        json!([
            version["number"],
            version["sha256"],
            version["created_at"],
            version["rejected"],
            version["intermediate"],
            version["held"]["reason"]
        ])
    };
    versions.iter().map(essence).collect()
}

/// States with all that a history can have: rejected, intermediate, held and purged versions, a
/// rollback, deleted states and such without a current version.
fn a_full_history(admin: &Client) {
    some_states(admin);
    admin
        .write("team/net", tfstate_noted(L1, 2, "other"), None)
        .expect_problem(409, "stale_write");
    let net = state_path("team/net");
    admin
        .post_json(&format!("{net}/rollback"), &json!({"version": 1}))
        .expect_status(200);
    admin.send("LOCK", &net, lock_body("l")).expect_status(200);
    for serial in 20..23 {
        admin
            .write("team/net", tfstate(L1, serial), Some("l"))
            .expect_status(200);
    }
    admin.unlock("team/net", "l").expect_status(200);
    admin
        .post_json(&format!("{net}/purge"), &json!({"versions": [2]}))
        .expect_status(200);
    admin
        .post_json(
            &format!("{net}/versions/3/hold"),
            &json!({"reason": "known good"}),
        )
        .expect_status(200);
    admin.delete("team/two").expect_status(200);
    admin.lock("team/never", "l").expect_status(200);
    admin
        .write("team/never", tfstate(L1, 1), Some("other"))
        .expect_status(423);
    admin.unlock("team/never", "l").expect_status(200);
}

#[test]
fn an_export_comes_back_with_its_versions_numbers_hashes_and_times() {
    let (from, dir) = (Server::start(), TempDir::new().expect("a folder"));
    a_full_history(&from.admin());
    let out = dir.path().join("out");
    assert_eq!(from.cli(&["export", str(&out)]).status.code(), Some(0));
    let tar = from.cli(&["export", "-"]).stdout;
    std::fs::write(dir.path().join("out.tar"), &tar).expect("a file");
    for way in ["folder", "tar", "stdin"] {
        let to = Server::start();
        let output = match way {
            "folder" => to.cli(&["import", str(&out)]),
            "tar" => to.cli(&["import", str(&dir.path().join("out.tar"))]),
            _ => with_stdin(&to, &["import", "-"], &tar),
        };
        assert_eq!(output.status.code(), Some(0), "{way}: {}", stderr(&output));
        let (old, new) = (from.admin(), to.admin());
        for name in ["team/net", "team/two", "rival/net", "team/never"] {
            let mut expected = essence(&old, name);
            expected.retain(|version| name != "team/net" || version[0] != 2);
            assert_eq!(essence(&new, name), expected, "{way}: {name}");
        }
        assert_eq!(
            new.read("team/net").expect_status(200).bytes,
            old.read("team/net").expect_status(200).bytes
        );
        new.read("team/two").expect_problem(404, "no_state");
        new.read("team/never").expect_problem(404, "no_state");
        new.send("POST", &format!("{}/restore", state_path("team/two")), "")
            .expect_status(200);
        let again = to.cli(&["import", str(&out), "rival/net"]);
        assert_eq!(again.status.code(), Some(2), "it takes one source");
    }
}

#[test]
fn an_import_can_be_run_again_and_goes_on_where_it_was_cut_off() {
    let (from, to, dir) = (
        Server::start(),
        Server::start(),
        TempDir::new().expect("a folder"),
    );
    a_full_history(&from.admin());
    let out = dir.path().join("out");
    assert_eq!(from.cli(&["export", str(&out)]).status.code(), Some(0));
    // What an import by the operator leaves that is cut off behind the first version.
    let whole = manifest(&out);
    let mut part = whole.clone();
    for state in part["states"].as_array_mut().expect("states") {
        state["versions"]
            .as_array_mut()
            .expect("versions")
            .truncate(1);
        state["deleted_at"] = Value::Null;
    }
    std::fs::write(out.join("manifest.json"), part.to_string()).expect("a manifest");
    assert_eq!(to.cli(&["import", str(&out)]).status.code(), Some(0));
    std::fs::write(out.join("manifest.json"), whole.to_string()).expect("a manifest");
    let rest = to.cli(&["import", str(&out), "--format", "json"]);
    assert_eq!(rest.status.code(), Some(0), "{}", stderr(&rest));
    let told: Value = serde_json::from_slice(&rest.stdout).expect("JSON");
    assert_eq!(
        (&told["states"], &told["there_already"]),
        (&json!(1), &json!(3)),
        "{told}"
    );
    let mut expected = essence(&from.admin(), "team/net");
    expected.retain(|version| version[0] != 2);
    assert_eq!(essence(&to.admin(), "team/net"), expected);
    let again = to.cli(&["import", str(&out), "--format", "json"]);
    let told: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(
        (&told["versions"], &told["there_already"]),
        (&json!(0), &json!(4)),
        "{told}"
    );
}

#[test]
fn one_hash_that_does_not_fit_and_nothing_is_imported() {
    let (from, dir) = (Server::start(), TempDir::new().expect("a folder"));
    some_states(&from.admin());
    let out = dir.path().join("out");
    assert_eq!(from.cli(&["export", str(&out)]).status.code(), Some(0));
    let sound = files(&out);
    let manifest = String::from_utf8(sound["manifest.json"].clone()).expect("UTF-8");
    let mut twice: Value = serde_json::from_str(&manifest).expect("JSON");
    let states = twice["states"].as_array_mut().expect("states");
    states.push(states[0].clone());
    let spoiled: [(&str, &str, Option<String>); 7] = [
        ("one state twice", "manifest.json", Some(twice.to_string())),
        ("another state", "team/two/1.tfstate", Some(tfstate(L1, 2))),
        ("no file", "team/two/1.tfstate", None),
        (
            "no manifest that can be read",
            "manifest.json",
            Some(manifest[..manifest.len() / 2].to_owned()),
        ),
        (
            "a form that nobody knows",
            "manifest.json",
            Some(manifest.replace("\"form\": 1", "\"form\": 2")),
        ),
        (
            "a name that leads elsewhere",
            "manifest.json",
            Some(manifest.replace("\"rival\"", "\"../rival\"")),
        ),
        (
            "numbers that do not rise",
            "manifest.json",
            Some(manifest.replace("\"number\":3", "\"number\":2")),
        ),
    ];
    for (what, file, content) in spoiled {
        match content {
            Some(text) => {
                assert_ne!(text, manifest, "{what}");
                std::fs::write(out.join(file), text).expect("a file");
            }
            None => std::fs::remove_file(out.join(file)).expect("a file"),
        }
        let to = Server::start();
        let output = to.cli(&["import", str(&out)]);
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(
            stderr(&output).contains("nothing was imported"),
            "{what}: {}",
            stderr(&output)
        );
        assert_eq!(
            to.admin().get("/api/terraform/state?deleted=true").json()["states"],
            json!([]),
            "{what}"
        );
        std::fs::write(out.join(file), &sound[file]).expect("a file");
    }
}

#[test]
fn a_tar_that_is_cut_off_is_refused() {
    let (from, to) = (Server::start(), Server::start());
    some_states(&from.admin());
    let tar = from.cli(&["export", "-"]).stdout;
    for length in [1024, tar.len() / 2, tar.len() - 3000] {
        let output = with_stdin(&to, &["import", "-"], &tar[..length]);
        assert_eq!(output.status.code(), Some(1), "{length}");
        assert!(
            stderr(&output).contains("nothing was imported"),
            "{length}: {}",
            stderr(&output)
        );
    }
    assert_eq!(
        to.admin().get("/api/terraform/state").json()["states"],
        json!([])
    );
}

#[test]
fn a_file_and_standard_input_are_one_state_with_a_name() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        put(dir.path(), "x.tfstate", &tfstate(L1, 7));
        let file = dir.path().join("x.tfstate");
        place.ok(&[
            "import",
            str(&file),
            "--workspace",
            "team",
            "--building-block",
            "net",
        ]);
        place.ok(&["import", str(&file), "team/other"]);
        let twice = ["import", str(&file), "team/net", "--workspace", "team"];
        assert_eq!(place.run(&twice).status.code(), Some(2));
        assert_eq!(place.run(&["import", str(&file)]).status.code(), Some(2));
        assert_eq!(place.run(&["import"]).status.code(), Some(2));
        place.look(|admin| {
            assert_eq!(
                admin.read("team/net").expect_status(200).text(),
                tfstate(L1, 7)
            );
            assert_eq!(admin.versions("team/net")[0]["kind"], "import");
            assert_eq!(admin.read("team/other").text(), tfstate(L1, 7));
        });
    });
    let server = Server::start();
    let output = with_stdin(
        &server,
        &[
            "import",
            "-",
            "--workspace",
            "team",
            "--building-block",
            "net",
        ],
        tfstate(L1, 3).as_bytes(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        server.admin().read("team/net").expect_status(200).text(),
        tfstate(L1, 3)
    );
}

#[test]
fn a_folder_of_states_keeps_backups_as_older_versions_and_names_what_is_no_state() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        let root = dir.path();
        put(
            root,
            "terraform.tfstate.d/dev/terraform.tfstate",
            &tfstate(L1, 7),
        );
        put(
            root,
            "terraform.tfstate.d/dev/terraform.tfstate.backup",
            &tfstate(L1, 6),
        );
        put(
            root,
            "terraform.tfstate.d/prod/terraform.tfstate",
            &tfstate(&lineage(2), 1),
        );
        put(
            root,
            "terraform.tfstate.d/prod/terraform.tfstate.backup",
            &tfstate(L1, 9),
        );
        put(root, "single.tfstate", &tfstate(&lineage(3), 4));
        put(root, ".terraform/terraform.tfstate", &tfstate(L1, 1));
        put(root, "bad.tfstate", "this is no state");
        put(root, "half.tfstate", &tfstate(L1, 2));
        put(root, "half.tfstate.backup", "nor is this");
        put(root, "deep.tfstate", &"[".repeat(100_000));
        put(root, "-odd name.tfstate", &tfstate(L1, 1));
        let output = place.run(&["import", str(root), "--workspace", "team"]);
        assert_eq!(output.status.code(), Some(1));
        for named in [
            "bad.tfstate",
            "half.tfstate.backup",
            "deep.tfstate",
            "-odd name.tfstate",
            "4 could not be imported",
        ] {
            assert!(
                stderr(&output).contains(named),
                "{named}: {}",
                stderr(&output)
            );
        }
        place.look(|admin| {
            let serials = |name: &str| {
                admin
                    .versions(name)
                    .iter()
                    .map(|version| version["serial"].clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                (
                    serials("team/dev"),
                    serials("team/prod"),
                    serials("team/single")
                ),
                (vec![json!(7), json!(6)], vec![json!(1)], vec![json!(4)])
            );
            let states = admin.get("/api/terraform/state?deleted=true").json();
            assert_eq!(
                states["states"].as_array().map(Vec::len),
                Some(3),
                "{states}"
            );
        });
    });
}

#[test]
fn a_pattern_names_states_and_a_dry_run_changes_nothing() {
    Place::both(some_states, |place| {
        let dir = TempDir::new().expect("a folder");
        let root = dir.path();
        put(root, "live/env-team/net.tfstate", &tfstate(L1, 9));
        put(root, "live/env-other/db.tfstate", &tfstate(L1, 5));
        let args = [
            "import",
            str(root),
            "--name-pattern",
            "live/env-{workspace}/{name}",
            "--dry-run",
        ];
        let output = place.run(&args);
        assert_eq!(
            output.status.code(),
            Some(1),
            "team/net is taken: {}",
            stderr(&output)
        );
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            table
                .lines()
                .any(|line| line.starts_with("other/db") && line.trim_end().ends_with("new")),
            "{table}"
        );
        assert!(
            table
                .lines()
                .any(|line| line.starts_with("team/net") && line.trim_end().ends_with("taken")),
            "{table}"
        );
        let told = place.json(&[&args[..], &["--append"]].concat());
        assert_eq!(
            (&told["states"][1]["what"], &told["states"][1]["serial"]),
            (&json!("append"), &json!(9)),
            "{told}"
        );
        place.look(|admin| {
            admin.read("other/db").expect_problem(404, "no_state");
            assert_eq!(admin.versions("team/net").len(), 3);
        });
        place.ok(&[&args[..4], &["--append"]].concat());
        place.look(|admin| {
            assert_eq!(
                admin.read("other/db").expect_status(200).text(),
                tfstate(L1, 5)
            );
            assert_eq!(
                admin.read("team/net").expect_status(200).text(),
                tfstate(L1, 9)
            );
        });
        put(
            root,
            "live/env-team/terraform.tfstate.d/net/terraform.tfstate",
            &tfstate(L1, 10),
        );
        place.fails(&args[..4], "would both be team/net");
    });
}

#[test]
fn what_is_there_is_not_overwritten() {
    let server = Server::start();
    let admin = server.admin();
    some_states(&admin);
    let dir = TempDir::new().expect("a folder");
    let try_it = |text: &str, more: &[&str]| {
        put(dir.path(), "x", text);
        let file = dir.path().join("x");
        server.cli(
            &[
                &[
                    "import",
                    str(&file),
                    "--workspace",
                    "team",
                    "--building-block",
                    "net",
                ],
                more,
            ]
            .concat(),
        )
    };
    for (state, more, word) in [
        (tfstate(L1, 4), &[][..], "another state"),
        (tfstate(&lineage(5), 4), &["--append"], "other_lineage"),
        (tfstate(L1, 1), &[], "another state"),
    ] {
        let output = try_it(&state, more);
        assert_eq!(output.status.code(), Some(1), "{word}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
    assert_eq!(
        try_it(&tfstate(L1, 2), &["--append"]).status.code(),
        Some(0),
        "it is there already"
    );
    assert_eq!(admin.versions("team/net").len(), 3);
    assert_eq!(
        try_it(&tfstate(L1, 4), &["--append"]).status.code(),
        Some(0)
    );
    assert_eq!(admin.read("team/net").text(), tfstate(L1, 4));
}
