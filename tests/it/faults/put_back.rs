//! An old copy of the whole data directory that was put back shows nothing of itself. What the
//! server has noted elsewhere does: the start is refused until a person accepts it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{L1, body};
use crate::harness::{Server, Setup, eventually, tfstate};

const NAME: &str = "team/net";

/// Where heads of the event log are noted: the flag, and how the refusal calls the place.
const PLACES: [(&str, &str); 3] = [
    ("--events-file", "the file of --events-file"),
    ("--mirror-dir", "the folder of --mirror-dir"),
    ("--backup-dir", "the newest backup in --backup-dir"),
];

/// A data directory, and one place outside of it.
struct Site {
    dir: TempDir,
    flag: &'static str,
}

impl Site {
    fn new(flag: &'static str) -> Self {
        let dir = TempDir::new().expect("a directory");
        Self { dir, flag }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn place(&self) -> PathBuf {
        self.dir.path().join("place")
    }

    fn setup(&self) -> Setup {
        let place = self.place();
        let place = place.to_str().expect("UTF-8");
        Setup::new().data(&self.data()).flag(self.flag, place)
    }

    /// Writes a version, and sees to it that the place tells of it before the server ends.
    fn write(&self, server: &Server, serial: u64) {
        let state = body(NAME, serial);
        server.admin().write(NAME, state, None).expect_status(200);
        if self.flag == "--backup-dir" {
            let count = || self.backups();
            let before = count();
            server.signal("USR1");
            eventually("a backup is made", || count() > before);
        }
    }

    fn backups(&self) -> usize {
        let found = std::fs::read_dir(self.place());
        let names = found.into_iter().flatten().flatten();
        names
            .filter(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.starts_with("statekeep-") && name.ends_with(".tar.zst")
            })
            .count()
    }

    fn copy(&self) -> PathBuf {
        let copy = self.dir.path().join("copy");
        copied(&self.data(), &copy);
        copy
    }

    fn put_back(&self, copy: &Path) {
        std::fs::remove_dir_all(self.data()).expect("it is there");
        copied(copy, &self.data());
    }

    /// What `serve --check` says of a start with this exit code. It changes nothing.
    #[track_caller]
    fn foreseen(&self, code: i32) -> String {
        let kept = self.dir.path().join("kept");
        copied(&self.data(), &kept);
        let output = self
            .setup()
            .switch("--check")
            .command(&self.data())
            .output();
        let Output { status, stdout, .. } = output.expect("it runs");
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert_eq!(status.code(), Some(code), "{said}");
        let mut same = Command::new("diff");
        let same = same
            .args(["-r", "-x", "statekeep.sock"])
            .args([self.data(), kept.clone()]);
        assert!(
            same.status().expect("diff runs").success(),
            "it has changed"
        );
        std::fs::remove_dir_all(kept).expect("it is there");
        said
    }

    /// The words of a start that is refused. One that is not is ended by a signal.
    fn refused(&self) -> String {
        let setup = self.setup().under(&["timeout", "60"]);
        let output = setup.command(&self.data()).output();
        let Output { status, stderr, .. } = output.expect("it runs");
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(1), "{said}");
        said
    }
}

fn copied(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.expect("cp runs").success());
}

#[test]
fn an_old_copy_is_refused_by_each_place_that_tells_of_more_until_a_person_accepts_it() {
    for (flag, place) in PLACES {
        let site = Site::new(flag);
        let server = site.setup().start();
        site.write(&server, 1);
        assert!(server.stop().success());
        let copy = site.copy();
        let server = site.setup().start();
        // So many that the old copy has fewer events for long.
        for serial in 2..40 {
            let state = body("team/other", serial);
            let admin = server.admin();
            admin.write("team/other", state, None).expect_status(200);
        }
        site.write(&server, 2);
        assert!(server.stop().success());
        // The data itself starts.
        site.foreseen(0);
        assert!(site.setup().start().stop().success());

        site.put_back(&copy);
        let said = site.foreseen(1);
        for part in ["problem: ", "restored_unannounced", place] {
            assert!(said.contains(part), "{flag}: {said}");
        }
        for _ in 0..2 {
            let said = site.refused();
            for part in ["restored_unannounced", place, "--accept-loss"] {
                assert!(said.contains(part), "{flag}: {said}");
            }
        }
        let server = site.setup().switch("--accept-loss").start();
        let events = server.admin().events("kind=loss.accepted&attention=true");
        assert_eq!(events.len(), 1, "{flag}");
        let detail = &events[0]["detail"];
        assert_eq!(detail["sign"], "restored_unannounced");
        assert_eq!(detail["reason"], "accepted");
        assert_eq!(detail["noted_elsewhere"]["place"], place);
        let read = server.admin().read(NAME).expect_status(200);
        assert_eq!(read.text(), body(NAME, 1));
        server
            .admin()
            .write(NAME, tfstate(L1, 7), None)
            .expect_status(200);
        // What was noted before is void, however this server ends.
        drop(server);
        site.foreseen(0);
        let server = site.setup().start();
        assert_eq!(server.admin().events("kind=loss.accepted").len(), 1);
        assert!(server.stop().success());
    }
}

#[test]
fn a_copy_that_went_on_by_itself_is_refused_too() {
    let site = Site::new("--events-file");
    let server = site.setup().start();
    site.write(&server, 1);
    assert!(server.stop().success());
    let copy = site.copy();
    let server = site.setup().start();
    site.write(&server, 2);
    assert!(server.stop().success());
    site.put_back(&copy);
    // Without the flag, nothing tells of more.
    let server = Setup::new().data(&site.data()).start();
    for serial in 2..20 {
        let state = body("team/other", serial);
        let admin = server.admin();
        admin.write("team/other", state, None).expect_status(200);
    }
    assert!(server.stop().success());
    let said = site.refused();
    assert!(said.contains("here is another one"), "{said}");
}

#[test]
fn what_is_of_other_data_or_no_genuine_head_holds_up_no_start() {
    let (site, other) = (Site::new("--events-file"), Site::new("--events-file"));
    for site in [&site, &other] {
        let server = site.setup().start();
        site.write(&server, 1);
        assert!(server.stop().success());
    }
    let file = site.place();
    let text = std::fs::read_to_string(&file).expect("the lines");
    std::fs::copy(other.place(), &file).expect("a copy");
    assert!(site.setup().start().stop().success());
    // A higher number that was not signed.
    let head = text.lines().rfind(|line| line.starts_with("{\"head\""));
    let mut line: serde_json::Value = serde_json::from_str(head.expect("a head")).expect("JSON");
    line["head"]["number"] = 99_999.into();
    std::fs::write(&file, format!("{text}{line}\n")).expect("a file");
    assert!(site.setup().start().stop().success());
}
