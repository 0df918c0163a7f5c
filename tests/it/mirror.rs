//! `serve --mirror-dir`: the folder with the current version of each state, which follows within a
//! second, touches no stranger's file, and is never in the way of a write.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{SmallDisk, strace};
use crate::harness::{
    Client, Server, Setup, eventually, eventually_within, sha256, state_path, statekeep,
    tfstate_noted,
};
use crate::scrape::{Scrape, monitor};

const LINEAGE: &str = "00000001-1111-4111-8111-111111111111";

/// How long the folder may be behind beside a busy machine; alone it takes a second at most.
const SOON: Duration = Duration::from_secs(20);

/// A data directory and a folder that outlive servers.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            dir: TempDir::new().expect("a directory"),
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn mirror(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    fn start(&self) -> Server {
        self.start_into(&self.mirror())
    }

    fn start_into(&self, mirror: &Path) -> Server {
        let mirror = mirror.to_str().expect("UTF-8");
        Setup::new()
            .data(&self.data())
            .flag("--mirror-dir", mirror)
            .start()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.mirror().join(format!("{name}.tfstate"))
    }

    /// The row of a state in the index.
    fn row(&self, name: &str) -> Option<Value> {
        let index: Value = serde_json::from_slice(&read(&self.mirror().join("index.json"))?)
            .expect("the index is whole at every moment");
        let rows = index["states"].as_array().expect("rows").clone();
        let file = format!("{name}.tfstate");
        rows.into_iter().find(|row| row["file"] == file)
    }

    /// Waits until the file and its row are of these bytes.
    fn expect(&self, name: &str, state: &str) {
        eventually_within(SOON, &format!("{name} follows"), || {
            read(&self.file(name)).as_deref() == Some(state.as_bytes())
                && self
                    .row(name)
                    .is_some_and(|row| row["sha256"] == sha256(state.as_bytes()))
        });
    }

    fn expect_gone(&self, name: &str) {
        eventually_within(SOON, &format!("{name} leaves"), || {
            !self.file(name).exists() && self.row(name).is_none()
        });
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

fn state(serial: u64) -> String {
    // Exact bytes: also those that a program would write in another way.
    format!(
        "{}\n\n",
        tfstate_noted(LINEAGE, serial, &format!("note {serial}"))
    )
}

fn write(client: &Client, name: &str, serial: u64) {
    client.write(name, state(serial), None).expect_status(200);
}

fn problems(server: &Server) -> Vec<Value> {
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    ready["problems"].as_array().expect("a list").clone()
}

fn is_behind(server: &Server) -> bool {
    problems(server)
        .iter()
        .any(|problem| problem["code"] == "mirror_behind")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn the_folder_follows_each_act_within_a_second_or_so() {
    let site = Site::new();
    let server = site.start();
    let (admin, owner) = (server.admin(), server.key("team", "owner"));
    write(&owner, "team/net", 1);
    site.expect("team/net", &state(1));
    assert_eq!(mode(&site.file("team/net")), 0o600);
    assert_eq!(mode(&site.mirror().join("team")), 0o700);
    assert_eq!(mode(&site.mirror().join("index.json")), 0o600);
    let row = site.row("team/net").expect("a row");
    assert_eq!((&row["version"], &row["serial"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&row["workspace"], &row["buildingBlock"]),
        (&json!("team"), &json!("net"))
    );

    // A burst is followed to its end.
    for serial in 2..=40 {
        write(&owner, "team/net", serial);
    }
    write(&owner, "team/app", 7);
    let since = Instant::now();
    site.expect("team/net", &state(40));
    site.expect("team/app", &state(7));
    assert!(since.elapsed() < SOON);
    let rollback = format!("{}/rollback", state_path("team/net"));
    admin
        .post_json(&rollback, &json!({"version": 3}))
        .expect_status(200);
    let current = owner.read("team/net").expect_status(200).text();
    site.expect("team/net", &current);

    let moved = format!("{}/move", state_path("team/app"));
    admin
        .post_json(
            &moved,
            &json!({"workspace": "team", "buildingBlock": "moved"}),
        )
        .expect_status(200);
    site.expect_gone("team/app");
    site.expect("team/moved", &state(7));
    owner.delete("team/net").expect_status(200);
    site.expect_gone("team/net");
    owner
        .send("POST", &format!("{}/restore", state_path("team/net")), "")
        .expect_status(200);
    site.expect("team/net", &current);
    assert!(!is_behind(&server));
    let text = read(&site.mirror().join("RECOVER.txt")).expect("it is there");
    assert!(String::from_utf8_lossy(&text).contains("statekeep import"));
}

#[test]
fn the_folder_is_a_source_for_import() {
    let site = Site::new();
    let server = site.start();
    let owner = server.key("", "owner");
    for name in ["team/net", "team/app.v2", "other/db"] {
        write(&owner, name, 3);
    }
    // The end of the server brings the folder up to date at once.
    assert!(server.stop().success());
    let second = Server::start();
    let folder = site.mirror();
    let output = second.cli(&["import", folder.to_str().expect("UTF-8")]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for name in ["team/net", "team/app.v2", "other/db"] {
        assert_eq!(
            second.admin().read(name).expect_status(200).text(),
            state(3)
        );
    }
}

#[test]
fn a_start_reconciles_and_touches_no_strangers_file() {
    let site = Site::new();
    let server = site.start();
    let owner = server.key("team", "owner");
    for name in ["team/net", "team/app", "team/db", "team/gone"] {
        write(&owner, name, 1);
    }
    assert!(server.stop().success());
    // Without the flag nobody follows.
    let server = Setup::new().data(&site.data()).start();
    write(&owner.at(&server), "team/net", 2);
    write(&owner.at(&server), "team/new", 1);
    owner.at(&server).delete("team/gone").expect_status(200);
    assert!(server.stop().success());
    assert_eq!(read(&site.file("team/net")), Some(state(1).into_bytes()));
    // Ours, changed by another and removed; and files of strangers.
    std::fs::write(site.file("team/app"), state(9)).expect("a file");
    std::fs::remove_file(site.file("team/db")).expect("it was there");
    let strangers = [
        "team/stranger.tfstate",
        "team/new.tfstate",
        "notes.txt",
        "own/x.tfstate",
    ];
    std::fs::create_dir(site.mirror().join("own")).expect("a folder");
    for stranger in strangers {
        std::fs::write(site.mirror().join(stranger), "a stranger's").expect("a file");
    }

    let server = site.start();
    let owner = owner.at(&server);
    site.expect("team/net", &state(2));
    site.expect("team/app", &state(1));
    site.expect("team/db", &state(1));
    site.expect_gone("team/gone");
    let untouched = || {
        strangers
            .iter()
            .all(|name| read(&site.mirror().join(name)).as_deref() == Some(b"a stranger's"))
    };
    // One of them is in the way of a state: that is told, and no write waits for it.
    eventually("the state that has no place is told", || is_behind(&server));
    assert!(server.log().contains("team/new.tfstate is in the way"));
    write(&owner, "team/new", 2);
    write(&owner, "team/net", 3);
    site.expect("team/net", &state(3));
    assert!(untouched());
    std::fs::remove_file(site.file("team/new")).expect("the stranger takes it away");
    eventually("the folder is up to date", || !is_behind(&server));
    site.expect("team/new", &state(2));
    assert!(site.row("own/x").is_none() && site.mirror().join("own/x.tfstate").exists());
}

#[test]
fn a_folder_of_other_data_is_left_as_it_is() {
    let (first, second) = (Site::new(), Site::new());
    let server = first.start();
    write(&server.key("team", "owner"), "team/net", 1);
    first.expect("team/net", &state(1));
    assert!(server.stop().success());
    let before = read(&first.mirror().join("index.json"));

    let server = second.start_into(&first.mirror());
    write(&server.key("team", "owner"), "team/net", 5);
    eventually("the folder is behind", || is_behind(&server));
    assert!(
        server.log().contains("is of other data"),
        "{}",
        server.log()
    );
    assert!(server.stop().success());
    assert_eq!(read(&first.mirror().join("index.json")), before);
    assert_eq!(read(&first.file("team/net")), Some(state(1).into_bytes()));
}

#[test]
fn a_full_disk_of_the_folder_is_told_and_is_never_in_the_way() {
    let Some(disk) = SmallDisk::new("256k") else {
        return;
    };
    let site = Site::new();
    let server = site.start_into(disk.path());
    let owner = server.key("team", "owner");
    let large = |serial| tfstate_noted(LINEAGE, serial, &crate::disk::noise(serial, 200_000));
    owner.write("team/a", large(1), None).expect_status(200);
    eventually("the first one is there", || {
        disk.path().join("team/a.tfstate").exists()
    });
    assert!(!is_behind(&server));
    owner.write("team/b", large(1), None).expect_status(200);
    eventually("the folder is behind", || is_behind(&server));
    let scrape = Scrape::of(&monitor(&server));
    assert!(
        scrape.text.contains("statekeep_mirror_behind_seconds"),
        "{}",
        scrape.text
    );
    assert!(
        server
            .log()
            .contains("the folder of --mirror-dir is behind")
    );
    // Writes go on, and what is in the folder stays whole.
    let since = Instant::now();
    for serial in 2..=5 {
        owner
            .write("team/b", large(serial), None)
            .expect_status(200);
    }
    assert!(since.elapsed() < SOON);
    assert_eq!(
        read(&disk.path().join("team/a.tfstate")),
        Some(large(1).into_bytes())
    );
    disk.grow("4m");
    eventually("the folder is up to date again", || {
        !is_behind(&server)
            && read(&disk.path().join("team/b.tfstate")) == Some(large(5).into_bytes())
    });
    assert!(server.stop().success());
}

#[test]
fn a_killed_server_leaves_whole_files_and_the_next_one_goes_on() {
    let site = Site::new();
    let mut server = site.start();
    let owner = server.key("team", "owner");
    for round in 1..=5 {
        for serial in 1..=20 {
            let serial = (round - 1) * 20 + serial;
            write(&owner.at(&server), &format!("team/s{}", serial % 7), serial);
        }
        std::thread::sleep(Duration::from_millis(40 * round));
        server.kill();
        for number in 0..7 {
            let name = format!("team/s{number}");
            if let Some(bytes) = read(&site.file(&name)) {
                let is_whole = (1..=round * 20).any(|serial| bytes == state(serial).as_bytes());
                assert!(is_whole, "{name} is cut");
            }
        }
        server = site.start();
        for number in 0..7_u64 {
            let name = format!("team/s{number}");
            let now = owner.at(&server).read(&name).expect_status(200).text();
            site.expect(&name, &now);
        }
        assert!(!is_behind(&server), "{}", server.log());
    }
    let output = statekeep(&["serve", "--help"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("--mirror-dir"));
}

#[test]
fn a_state_whose_name_is_one_of_the_folders_own_files_is_beside_them() {
    let site = Site::new();
    let server = site.start();
    let admin = server.admin();
    let names = [
        "index.json/RECOVER.txt",
        "RECOVER.txt/index.json",
        "Index.JSON/x.tfstate",
    ];
    for (name, serial) in names.into_iter().zip(1..) {
        write(&admin, name, serial);
    }
    for (name, serial) in names.into_iter().zip(1..) {
        let marked = format!("_{name}");
        site.expect(&marked, &state(serial));
    }
    assert!(site.mirror().join("index.json").is_file() && !is_behind(&server));
    let recover = read(&site.mirror().join("RECOVER.txt")).expect("the commands");
    assert!(String::from_utf8_lossy(&recover).contains("statekeep import"));
    assert!(server.stop().success());
    let server = site.start();
    write(&server.admin(), names[0], 9);
    site.expect(&format!("_{}", names[0]), &state(9));
    server.admin().delete(names[0]).expect_status(200);
    site.expect_gone(&format!("_{}", names[0]));
}

#[test]
fn a_folder_that_overlaps_with_the_data_is_refused_by_either_flag() {
    let site = Site::new();
    drop(site.start());
    let (data, dir) = (site.data(), site.dir.path());
    let link = dir.join("link");
    std::os::unix::fs::symlink(&data, &link).expect("a link");
    let overlaps = [
        (data.clone(), "is the data directory"),
        (data.join("inside/deep"), "lies in the data directory"),
        (data.join("../data/./inside"), "lies in the data directory"),
        (link.clone(), "is the data directory"),
        (link.join("inside"), "lies in the data directory"),
        (dir.to_owned(), "holds the data directory"),
    ];
    for (folder, said) in overlaps {
        for flag in ["--mirror-dir", "--backup-dir"] {
            let setup = Setup::new().flag(flag, folder.to_str().expect("UTF-8"));
            let output = setup.command(&data).output().expect("it runs");
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{flag} {}: {told}",
                folder.display()
            );
            assert!(told.contains(flag) && told.contains(said), "{told}");
        }
    }
    assert!(!data.join("inside").exists(), "nothing is made");
    // The data directory by its link, and a folder beside it whose name begins alike.
    let beside = dir.join("data-2");
    let setup = Setup::new()
        .data(&link)
        .flag("--backup-dir", beside.to_str().expect("UTF-8"));
    drop(setup.start());
    let setup = Setup::new().flag("--mirror-dir", data.join("x").to_str().expect("UTF-8"));
    let output = setup.command(&link).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn each_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_next() {
    const UNFINISHED: &str = ".statekeep-mirror.part";
    let site = Site::new();
    let trace = site.dir.path().join("trace");
    let calls = "trace=fsync,?rename,?renameat,?renameat2";
    let options = ["-y", "-o", trace.to_str().expect("UTF-8"), "-e", calls];
    let mirror = site.mirror();
    let mirror = mirror.to_str().expect("UTF-8");
    let setup = Setup::new().data(&site.data()).flag("--mirror-dir", mirror);
    let Some(setup) = strace(setup, &options) else {
        return;
    };
    let server = setup.start();
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        write(&owner, "team/net", serial);
        site.expect("team/net", &state(serial));
    }
    drop(server);
    let trace = read(&trace).expect("a trace");
    let trace = String::from_utf8_lossy(&trace);
    // Where the file is that is being written, and where the name that was given last.
    let (file, folder) = (format!("{mirror}/{UNFINISHED}"), format!("<{mirror}/team>"));
    let (mut is_synced, mut is_named, mut names) = (false, true, 0);
    for call in trace.lines() {
        if call.contains("fsync(") {
            is_synced |= call.contains(&format!("<{file}>"));
            is_named |= call.contains(&folder);
        } else if call.contains(&format!("\"{file}\"")) {
            assert!(is_synced, "not on the disk yet: {call}");
            assert!(is_named, "the name before is not on the disk yet: {call}");
            is_synced = false;
            is_named = !call.contains("/team/net.tfstate\"");
            names += u32::from(!is_named);
        }
    }
    assert!(names >= 3, "{names} of 3 were followed: {trace}");
}
