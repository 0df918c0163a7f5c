//! Files and folders that cannot be made: the message says what is missing, and nothing is left.

use tempfile::TempDir;

use super::export::files;
use super::{Place, some_states, stderr};
use crate::harness::statekeep;

#[test]
fn a_place_that_cannot_be_made_says_what_is_missing() {
    Place::both(some_states, |place| {
        let (dir, data) = (TempDir::new().expect("a folder"), place.data.to_str());
        let data = data.expect("UTF-8");
        std::fs::write(dir.path().join("there"), "mine").expect("a file");
        let no_folder = "since there is no folder no;";
        for (args, words) in [
            (&["export", "no/out", "team/net"][..], no_folder),
            (&["export", "no/out.tar"], no_folder),
            (&["backup", "no/b.tar.zst"], no_folder),
            (&["salvage", data, "no/out"], no_folder),
            (&["key", "new-storage", "no/key"], no_folder),
            (
                &["key", "new-storage", "there"],
                "there is there already and is not replaced",
            ),
            (
                &["export", "team/net"],
                "If team/net is a state, name a place before it: `statekeep export out team/net`",
            ),
        ] {
            let mut command = statekeep(args);
            command.env("STATEKEEP_DATA", &place.data);
            let output = command.current_dir(dir.path()).output().expect("it runs");
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
            assert!(said.contains(words), "{args:?}: {said}");
            let left = files(dir.path());
            assert_eq!(left.len(), 1, "{args:?}: {left:?}");
            assert_eq!(left["there"], b"mine", "{args:?}");
        }
    });
}
