//! `import --from`: folders as the storages' own programs leave them, and others, which are refused
//! with one line.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{Place, stderr};
use super::folders::names;
use super::{nothing, put, str};
use crate::harness::{Server, lineage, tfstate};

/// What GitLab's folders of the projects 650 and 12345 are called.
const PROJECT_650: &str = "20/99/2099a9b5f777e242d1f9e19d27e232cc71e2fa7964fc988a319fce5671ca7f73";
const PROJECT_12345: &str =
    "59/94/5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5";
/// What it stores of a state unless that is turned off: bytes that nobody else can read.
const ENCRYPTED: &str = "\u{1}\u{8f}\u{3}~ no state";

#[test]
fn a_bucket_is_taken_as_aws_s3_sync_leaves_it() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        let states = [
            "stacks/net/terraform.tfstate",
            "env:/blue/stacks/net/terraform.tfstate",
            "db",
            "env:/blue/db",
        ];
        for (number, file) in (1..).zip(states) {
            put(dir.path(), file, &tfstate(&lineage(number), 3));
        }
        let others = ["db.tflock", "env:/blue/db.tflock", "db-md5", "stacks/x-md5"];
        for file in others {
            put(dir.path(), file, "0cc175b9c0f1b6a831c399e269772661");
        }
        let args = [
            "import",
            str(dir.path()),
            "--workspace",
            "w",
            "--from",
            "s3-folder",
        ];
        let expected = ["w/db", "w/db-blue", "w/stacks-net", "w/stacks-net-blue"];

        let shown = place.json(&[&args[..], &["--dry-run"]].concat());
        let shown = shown["states"].as_array().expect("states").iter();
        let rows: Vec<_> = shown
            .map(|row| json!([row["state"], row["from"]]))
            .collect();
        let wanted = [(0, 2), (1, 3), (2, 0), (3, 1)];
        let wanted = wanted.map(|(name, file)| json!([expected[name], states[file]]));
        let mut sorted = rows.clone();
        sorted.sort_by_key(Value::to_string);
        assert_eq!(sorted, wanted, "{rows:?}");
        place.look(|admin| assert_eq!(names(admin), [""; 0]));

        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for words in ["4 files were passed over, since --from s3-folder", "db-md5"] {
            assert!(stderr(&output).contains(words), "{}", stderr(&output));
        }
        place.look(|admin| assert_eq!(names(admin), expected));
    });
}

#[test]
fn a_container_is_taken_as_az_storage_blob_download_batch_leaves_it() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        let states = [
            "prod.tfstate",
            "prod.tfstateenv:blue",
            "sub/net",
            "sub/netenv:blue",
            "db-md5",
        ];
        for (number, file) in (1..).zip(states) {
            put(dir.path(), file, &tfstate(&lineage(number), 3));
        }
        let args = [
            "import",
            str(dir.path()),
            "--workspace",
            "w",
            "--from",
            "azure-folder",
        ];
        let shown = place.ok(&[&args[..], &["--dry-run"]].concat());
        assert!(shown.contains("prod.tfstateenv:blue"), "{shown}");
        place.ok(&args);
        let expected = [
            "w/db-md5",
            "w/prod",
            "w/prod-blue",
            "w/sub-net",
            "w/sub-net-blue",
        ];
        place.look(|admin| assert_eq!(names(admin), expected));
    });
}

#[test]
fn the_storage_of_gitlab_is_taken_with_all_versions() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        let (net, db) = (
            format!("{PROJECT_650}/0b7d"),
            format!("{PROJECT_12345}/terraform"),
        );
        // Nine comes before ten, though not as texts.
        for serial in [9, 10, 11] {
            let name = format!("{net}/{serial}.tfstate");
            put(dir.path(), &name, &tfstate(&lineage(1), serial));
        }
        put(
            dir.path(),
            &format!("{db}/0.tfstate"),
            &tfstate(&lineage(2), 0),
        );
        put(
            dir.path(),
            "tmp/cache/1-2/5.tfstate",
            &tfstate(&lineage(3), 5),
        );
        let args = ["import", str(dir.path()), "--from", "gitlab"];
        let in_w = [&args[..], &["--workspace", "w"]].concat();

        let shown = place.json(&[&in_w[..], &["--dry-run"]].concat());
        let first = &shown["states"][0];
        let said = [&first["from"], &first["versions"], &first["serial"]].map(Clone::clone);
        assert_eq!(said, [json!(net), json!(3), json!(11)], "{shown}");

        let output = place.run(&in_w);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("tmp/cache/1-2/5.tfstate"),
            "{}",
            stderr(&output)
        );
        place.look(|admin| {
            assert_eq!(names(admin), ["w/0b7d", "w/terraform"]);
            let versions = admin.versions("w/0b7d");
            let serials: Vec<_> = versions.iter().map(|one| one["serial"].clone()).collect();
            assert_eq!(serials, [11, 10, 9]);
            assert_eq!(admin.read("w/0b7d").text(), tfstate(&lineage(1), 11));
        });

        // Without a workspace its folders have no names.
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("give --workspace"),
            "{}",
            stderr(&output)
        );
    });
}

#[test]
fn folders_of_versions_may_have_names_of_their_own() {
    let (server, dir) = (Server::start(), TempDir::new().expect("a folder"));
    for (number, name) in (1..).zip(["team/net", "team/tmp", "rival/net"]) {
        for serial in [1, 2] {
            let file = format!("{name}/{serial}.tfstate");
            put(dir.path(), &file, &tfstate(&lineage(number), serial));
        }
    }
    let output = server.cli(&["import", str(dir.path()), "--from", "gitlab"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let admin = server.admin();
    assert_eq!(names(&admin), ["rival/net", "team/net", "team/tmp"]);
    assert_eq!(admin.versions("team/tmp").len(), 2);
}

#[test]
fn a_state_of_which_gitlab_has_encrypted_a_version_is_left_out_whole() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        let folder = |name: &str| format!("{PROJECT_650}/{name}");
        put(
            dir.path(),
            &format!("{}/1.tfstate", folder("net")),
            ENCRYPTED,
        );
        for name in ["net", "db"] {
            let file = format!("{}/2.tfstate", folder(name));
            put(dir.path(), &file, &tfstate(&lineage(1), 2));
        }
        let args = [
            "import",
            str(dir.path()),
            "--from",
            "gitlab",
            "--workspace",
            "w",
        ];
        for more in [&["--dry-run"][..], &[]] {
            let output = place.run(&[&args[..], more].concat());
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            let words = format!(
                "{}: 1 of 2 versions do not begin as states do",
                folder("net")
            );
            assert!(stderr(&output).contains(&words), "{}", stderr(&output));
        }
        place.look(|admin| assert_eq!(names(admin), ["w/db"]));
    });
}

/// A preset, files, what it expected, and what it found.
type Misfit<'a> = (&'a str, &'a [&'a str], &'a str, &'a str);

#[track_caller]
fn do_not_fit(cases: &[Misfit<'_>]) {
    Place::both(nothing, |place| {
        for (preset, files, expected, found) in cases {
            let dir = TempDir::new().expect("a folder");
            for file in *files {
                put(dir.path(), file, &tfstate(&lineage(1), 1));
            }
            refused(
                place,
                &[str(dir.path()), "--from", preset],
                [expected, found],
            );
        }
        place.look(|admin| assert_eq!(names(admin), [""; 0]));
    });
}

#[test]
fn a_folder_of_keys_that_does_not_fit_is_refused_with_one_line() {
    let stored = format!("{PROJECT_650}/0b7d/1.tfstate");
    let (s3, azure) = ("workspaces as env:/NAME/KEY", "workspaces as KEYenv:NAME");
    do_not_fit(&[
        (
            "s3-folder",
            &["a", "aenv:blue"],
            s3,
            "aenv:blue, as azurerm names",
        ),
        ("s3-folder", &[&stored], s3, "use --from gitlab"),
        (
            "s3-folder",
            &["a-md5", "b.tflock"],
            s3,
            "found no such file",
        ),
        (
            "azure-folder",
            &["env:/blue/a"],
            azure,
            "env:/blue/a, as the s3 backend names",
        ),
        ("azure-folder", &[&stored], azure, "use --from gitlab"),
        ("azure-folder", &[], azure, "found no such file"),
    ]);
}

#[test]
fn a_folder_of_versions_that_does_not_fit_is_refused_with_one_line() {
    let deep = format!("terraform_state/{PROJECT_650}/0b7d/1.tfstate");
    let expected = "versions as N.tfstate";
    do_not_fit(&[
        (
            "gitlab",
            &["net.tfstate"],
            expected,
            "net.tfstate, which is no version",
        ),
        (
            "gitlab",
            &["net/07.tfstate"],
            expected,
            "which is no version",
        ),
        ("gitlab", &[&deep], expected, "give the folder in which"),
        ("gitlab", &["net"], expected, "found no such file"),
    ]);
}

#[test]
fn a_folder_without_what_begins_as_a_state_is_refused_with_one_line() {
    Place::both(nothing, |place| {
        let none: [(&str, &str, &str); 3] = [
            (
                "gitlab",
                "net/1.tfstate",
                "1 file, of which none begins as a state does: GitLab",
            ),
            (
                "s3-folder",
                "net",
                "1 file, of which none begins as a state does.",
            ),
            (
                "azure-folder",
                "net",
                "1 file, of which none begins as a state does.",
            ),
        ];
        for (preset, file, found) in none {
            let dir = TempDir::new().expect("a folder");
            put(dir.path(), file, ENCRYPTED);
            refused(
                place,
                &[str(dir.path()), "--from", preset],
                ["expects", found],
            );
        }
        place.look(|admin| assert_eq!(names(admin), [""; 0]));
    });
}

#[test]
fn what_is_no_folder_of_a_storage_is_refused() {
    let server = Server::start();
    server
        .admin()
        .write("w/net", tfstate(&lineage(1), 1), None)
        .expect_status(200);
    let dir = TempDir::new().expect("a folder");
    let export = dir.path().join("export");
    let output = server.cli(&["export", str(&export)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    put(dir.path(), "net.tfstate", &tfstate(&lineage(1), 1));
    let file = dir.path().join("net.tfstate");
    let cases = [
        (
            str(&export),
            "found an export, which names its states: omit --from",
        ),
        (str(&file), "found a file"),
        ("-", "found standard input"),
    ];
    for (source, found) in cases {
        for preset in ["s3-folder", "azure-folder", "gitlab"] {
            let output = server.cli(&["import", source, "--from", preset, "--workspace", "v"]);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert!(stderr(&output).contains(found), "{}", stderr(&output));
        }
    }
    for more in [["--from", "s3"], ["--all-names", "--from=gitlab"]] {
        let output = server.cli(&[&["import", str(dir.path())][..], &more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    assert_eq!(names(&server.admin()), ["w/net"]);
}

/// Refused with one line beside what was passed over, really and as a dry run.
#[track_caller]
fn refused(place: &Place, args: &[&str], words: [&str; 2]) {
    for more in [&["--dry-run"][..], &[]] {
        let args = [&["import", "--workspace", "w"][..], args, more].concat();
        let output = place.run(&args);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{args:?}: {}",
            stderr(&output)
        );
        let told = stderr(&output);
        let lines: Vec<_> = told
            .lines()
            .filter(|line| line.contains("does not fit"))
            .collect();
        let [line] = lines[..] else {
            panic!("{args:?}: {told}");
        };
        let words = words.iter().chain(&["Nothing was imported"]);
        for word in words {
            assert!(line.contains(word), "{args:?}: {word}: {told}");
        }
        let beside = told.lines().filter(|line| !line.contains("passed over"));
        assert_eq!(beside.count(), 1, "{args:?}: {told}");
    }
}
