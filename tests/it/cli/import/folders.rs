//! A folder of states: whatever name a backend gave them they are found, and what is passed over is
//! named or counted.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{L1, Place, stderr};
use super::{nothing, put, str};
use crate::harness::{Client, Server, lineage, tfstate};

pub(super) fn names(admin: &Client) -> Vec<String> {
    let list = admin.get("/api/terraform/state?deleted=true").json();
    let name = |state: &Value| {
        format!(
            "{}/{}",
            state["workspace"].as_str().unwrap_or("?"),
            state["buildingBlock"].as_str().unwrap_or("?")
        )
    };
    list["states"]
        .as_array()
        .expect("states")
        .iter()
        .map(name)
        .collect()
}

#[test]
fn workspaces_are_found_as_backends_name_them() {
    let layouts: [(&str, &[&str], &[&str]); 6] = [
        (
            "azurerm",
            &[
                "prod.terraform.tfstate",
                "prod.terraform.tfstateenv:blue",
                "prod.terraform.tfstateenv:green",
            ],
            &[
                "w/prod.terraform",
                "w/prod.terraform-blue",
                "w/prod.terraform-green",
            ],
        ),
        (
            "azurerm without an ending",
            &["net", "netenv:blue"],
            &["w/net", "w/net-blue"],
        ),
        (
            "consul",
            &["stacks/net", "stacks/net-env:blue"],
            &["w/stacks-net", "w/stacks-net-blue"],
        ),
        (
            "gcs",
            &["net/default.tfstate", "net/blue.tfstate"],
            &["w/net-blue", "w/net-default"],
        ),
        (
            "s3",
            &[
                "stacks/net.tfstate",
                "env:/blue/stacks/net.tfstate",
                "env:/green/stacks/net.tfstate",
                "db",
                "env:/blue/db",
            ],
            &[
                "w/db",
                "w/db-blue",
                "w/stacks-net",
                "w/stacks-net-blue",
                "w/stacks-net-green",
            ],
        ),
        (
            "oss",
            &["env:/net.tfstate", "env:/blue/net.tfstate"],
            &["w/net", "w/net-blue"],
        ),
    ];
    for (what, files, expected) in layouts {
        let (server, dir) = (Server::start(), TempDir::new().expect("a folder"));
        for (number, file) in (1..).zip(files) {
            put(dir.path(), file, &tfstate(&lineage(number), 1));
        }
        let output = server.cli(&["import", str(dir.path()), "--workspace", "w"]);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", stderr(&output));
        assert!(
            !stderr(&output).contains("passed over"),
            "{what}: {}",
            stderr(&output)
        );
        assert_eq!(names(&server.admin()), expected, "{what}");
    }
}

#[test]
fn what_is_passed_over_is_named_or_counted() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        put(dir.path(), "net.tfstate", &tfstate(L1, 2));
        put(dir.path(), "net.tfstate.backup", &tfstate(L1, 1));
        put(dir.path(), "app.json", &tfstate(&lineage(2), 1));
        put(
            dir.path(),
            "old.tfstate.1700000000.backup",
            &tfstate(&lineage(3), 1),
        );
        put(dir.path(), ".terraform/terraform.tfstate", "{}");
        for number in 0..7 {
            put(dir.path(), &format!("sub/{number}.tf"), "terraform {}\n");
        }
        std::os::unix::fs::symlink(dir.path().join("sub"), dir.path().join("linked"))
            .expect("a link");
        let args = ["import", str(dir.path()), "--workspace", "team"];
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for words in [
            "2 files were passed over, with what looks like a state in it",
            "app.json, old.tfstate.1700000000.backup",
            "--all-names",
            "7 files were passed over, with another name than states have",
            "and 2 more",
            "2 other names were passed over, hidden, no file, or a link to a folder: \
             .terraform, linked",
            "imported 1 state with 2 versions",
        ] {
            assert!(
                stderr(&output).contains(words),
                "{words}: {}",
                stderr(&output)
            );
        }
        let told = place.json(&args);
        assert_eq!(
            (&told["passed_over"], &told["look_like_states"][0]),
            (&json!(9), &json!("app.json")),
            "{told}"
        );
        // With all names the sources are tried as well, and told for what they are.
        let all = place.run(&[&args[..], &["--all-names"]].concat());
        assert_eq!(all.status.code(), Some(1), "{}", stderr(&all));
        assert!(
            stderr(&all).contains("7 could not be imported"),
            "{}",
            stderr(&all)
        );
        place.look(|admin| assert_eq!(names(admin), ["team/app.json", "team/net"]));
    });
}

#[test]
fn what_a_command_could_not_save_is_no_state_of_its_own() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        put(dir.path(), "net/terraform.tfstate", &tfstate(L1, 1));
        put(dir.path(), "net/errored.tfstate", &tfstate(L1, 2));
        let output = place.run(&["import", str(dir.path()), "--workspace", "team"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let errored = dir.path().join("net/errored.tfstate");
        let command = format!(
            "import {} --workspace team --building-block net --append",
            errored.display()
        );
        assert!(
            stderr(&output).contains("net/errored.tfstate") && stderr(&output).contains(&command),
            "{}",
            stderr(&output)
        );
        place.look(|admin| assert_eq!(names(admin), ["team/net"]));
        place.ok(&[
            "import",
            str(&errored),
            "--workspace",
            "team",
            "--building-block",
            "net",
            "--append",
        ]);
        place.look(|admin| {
            assert_eq!(
                admin.read("team/net").expect_status(200).text(),
                tfstate(L1, 2)
            );
        });
        // Alone in its folder it is no state either.
        std::fs::remove_file(dir.path().join("net/terraform.tfstate")).expect("a file");
        place.fails(
            &["import", str(dir.path()), "--workspace", "team"],
            "there is no state in",
        );
    });
}

#[test]
fn a_folder_without_a_state_is_a_failure_that_says_what_was_looked_for() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        for more in [&[][..], &["--dry-run"], &["--all-names"]] {
            place.fails(
                &[&["import", str(dir.path()), "--workspace", "team"], more].concat(),
                "there is no state in",
            );
        }
        put(dir.path(), "state", &tfstate(L1, 1));
        put(dir.path(), ".hidden.tfstate", &tfstate(L1, 1));
        let output = place.run(&["import", str(dir.path()), "--workspace", "team"]);
        assert_eq!(output.status.code(), Some(1));
        for words in [
            "end in .tfstate",
            "KEYenv:NAME",
            "looks like a state in it",
            "state",
            ".hidden.tfstate",
            "--all-names",
        ] {
            assert!(
                stderr(&output).contains(words),
                "{words}: {}",
                stderr(&output)
            );
        }
        place.ok(&[
            "import",
            str(dir.path()),
            "--workspace",
            "team",
            "--all-names",
        ]);
        place.look(|admin| assert_eq!(names(admin), ["team/state"]));
    });
}

#[test]
fn a_tree_of_any_depth_has_one_pattern_and_what_does_not_fit_is_told_once() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        for number in 0..8 {
            put(
                dir.path(),
                &format!("live/eu/west/net{number}/terraform.tfstate"),
                &tfstate(&lineage(number + 1), 1),
            );
        }
        put(
            dir.path(),
            "live/us/net/terraform.tfstate",
            &tfstate(&lineage(20), 1),
        );
        let args = ["import", str(dir.path()), "--name-pattern"];
        let output = place.run(&[&args[..], &["live/{workspace}/{name}", "--dry-run"]].concat());
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(
            told.contains("8 files are left out")
                && told.contains("and 3 more: a path of 4 parts")
                && told.contains("{name…}"),
            "{told}"
        );
        assert_eq!(told.matches("4 parts").count(), 1, "{told}");
        assert!(told.contains("8 could not be imported"), "{told}");
        place.ok(&[&args[..], &["live/{workspace}/{name…}"]].concat());
        place.look(|admin| {
            let names = names(admin);
            assert_eq!(
                (names.len(), names[0].as_str(), names[8].as_str()),
                (9, "eu/west-net0", "us/net")
            );
        });
    });
}

#[test]
fn a_manifest_of_something_else_makes_no_export() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        put(
            dir.path(),
            "manifest.json",
            r#"{"name":"an app","short_name":"app","format":"web"}"#,
        );
        put(dir.path(), "manifest.json.part", r#"{"name":"an a"#);
        put(dir.path(), "net.tfstate", &tfstate(L1, 1));
        place.ok(&["import", str(dir.path()), "--workspace", "team"]);
        place.look(|admin| assert_eq!(names(admin), ["team/net"]));
        // One of ours is one, also where it is cut off.
        put(
            dir.path(),
            "manifest.json",
            r#"{"format": "statekeep-export", "form": 1, "sta"#,
        );
        place.fails(&["import", str(dir.path())], "nothing was imported");
        std::fs::remove_file(dir.path().join("manifest.json")).expect("a file");
        put(dir.path(), "manifest.json.part", "");
        place.fails(
            &["import", str(dir.path()), "--workspace", "team"],
            "incomplete",
        );
    });
}

#[test]
fn versions_have_the_times_of_their_files() {
    let dir = TempDir::new().expect("a folder");
    let (old, new) = ("2024-03-01T10:00:00.000Z", "2024-03-02T10:00:00.000Z");
    let files = [
        ("a.tfstate", L1, 2, new),
        ("a.tfstate.backup", L1, 1, old),
        ("b.tfstate", &lineage(2), 2, old),
        // Copied later than the file that took its place.
        ("b.tfstate.backup", &lineage(2), 1, new),
    ];
    for (name, lineage, serial, time) in files {
        put(dir.path(), name, &tfstate(lineage, serial));
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join(name));
        let time = humantime::parse_rfc3339(time).expect("a time");
        file.and_then(|file| file.set_modified(time))
            .expect("its time");
    }
    Place::both(nothing, |place| {
        place.ok(&["import", str(dir.path()), "--workspace", "w"]);
        let times = |block: &str| {
            let list = place.json(&["state", "history", &format!("w/{block}")]);
            let versions = list["versions"].as_array().expect("versions").iter();
            versions
                .map(|version| version["created_at"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(times("a"), [new, old]);
        assert_eq!(times("b"), [old, old]);
        let one = dir.path().join("a.tfstate");
        place.ok(&["import", str(&one), "w/c"]);
        assert_eq!(times("c"), [new]);
    });
}
