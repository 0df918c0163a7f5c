//! `import --from s3-folder --workspace-key-prefix`: buckets of modules that put the program's
//! workspaces elsewhere than below `env:`.

use tempfile::TempDir;

use super::super::{Place, stderr};
use super::folders::names;
use super::{nothing, put, str};
use crate::harness::{lineage, tfstate};

/// Imports a bucket with these keys, with these arguments: the exit code, what it says, and the
/// states.
fn imported(keys: &[&str], more: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let bucket = TempDir::new().expect("a folder");
    for (number, key) in (1..).zip(keys) {
        put(bucket.path(), key, &tfstate(&lineage(number), 3));
    }
    let came = std::cell::RefCell::new(None);
    Place::both(nothing, |place| {
        let args = [&["import", str(bucket.path()), "--workspace", "w"], more].concat();
        let output = place.run(&args);
        let states = place.look(names);
        let came_now = (output.status.code(), stderr(&output), states);
        let before = came.replace(Some(came_now.clone()));
        assert!(before.is_none_or(|before| before == came_now));
    });
    came.into_inner().expect("it ran")
}

#[test]
fn workspaces_below_another_prefix_are_known() {
    let from = ["--from", "s3-folder"];
    let ws = ["--workspace-key-prefix", "ws"];
    let two = [
        "--workspace-key-prefix",
        "ws/",
        "--workspace-key-prefix",
        "team/ws",
    ];
    let keys = ["net.tfstate", "ws/blue/net.tfstate", "ws/default.tfstate"];
    let (code, said, states) = imported(&keys, &[&from[..], &ws].concat());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(states, ["w/net", "w/net-blue", "w/ws-default"]);
    let (_, _, states) = imported(&keys, &from);
    assert_eq!(
        states,
        ["w/net", "w/ws-blue-net", "w/ws-default"],
        "as it was"
    );
    let keys = [
        "db/terraform.tfstate",
        "env:/blue/db/terraform.tfstate",
        "team/ws/green/db/terraform.tfstate",
        "ws/red/db/terraform.tfstate",
    ];
    let (code, said, states) = imported(&keys, &[&from[..], &two].concat());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(states, ["w/db", "w/db-blue", "w/db-green", "w/db-red"]);
}

#[test]
fn a_prefix_that_does_not_fit_is_refused() {
    let keys = ["net.tfstate", "ws/blue/net.tfstate", "other/x"];
    for (more, code, words) in [
        (
            ["--from=s3-folder", "--workspace-key-prefix=wss"],
            1,
            "found no key wss/NAME/KEY",
        ),
        (
            ["--from=s3-folder", "--workspace-key-prefix=other"],
            1,
            "found no key other/NAME/KEY",
        ),
        (
            ["--from=azure-folder", "--workspace-key-prefix=ws"],
            2,
            "give it with --from s3-folder",
        ),
        (["--all-names", "--workspace-key-prefix=ws"], 2, "--from"),
        (
            ["--from=s3-folder", "--workspace-key-prefix="],
            2,
            "--name-pattern",
        ),
        (
            ["--from=s3-folder", "--workspace-key-prefix=/ws"],
            2,
            "folders from the top",
        ),
    ] {
        let (ended, said, states) = imported(&keys, &more);
        assert_eq!(ended, Some(code), "{more:?}: {said}");
        assert!(said.contains(words), "{more:?}: {said}");
        assert_eq!(states, [""; 0], "{more:?}");
    }
}
