//! `serve --events-file`: each event is a line, none is left out by a restart, a kill or a disk
//! that cannot be written, and no act waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::strace;
use crate::harness::{Client, Server, Setup, children, eventually, kill, tfstate_noted};

const LINEAGE: &str = "00000001-1111-4111-8111-111111111111";
/// Kinds whose rows grow after their first line.
const GROWING: [&str; 4] = [
    "state.read",
    "credentials.refused",
    "access.refused",
    "request.redirected",
];

/// A data directory and a file that outlive servers.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            dir: TempDir::new().expect("a directory"),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("events.jsonl")
    }

    fn start(&self) -> Server {
        self.start_into(&self.file())
    }

    fn start_into(&self, file: &Path) -> Server {
        Setup::new()
            .data(&self.dir.path().join("data"))
            .flag("--events-file", file.to_str().expect("UTF-8"))
            .start()
    }
}

fn write(client: &Client, name: &str, serial: u64) {
    let state = tfstate_noted(LINEAGE, serial, &format!("note {serial}"));
    client.write(name, state, None).expect_status(200);
}

/// The events of a file, without heads of their chain; a line that was cut short is none.
fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| serde_json::from_str(line).ok();
    let lines = text.lines().filter_map(line);
    lines
        .filter(|line: &Value| line["head"].is_null())
        .collect()
}

fn place(event: &Value) -> u64 {
    event["seq"].as_u64().expect("a place")
}

/// How many reads there were, by the last line of each place.
fn reads(file: &Path) -> u64 {
    let lines = lines(file);
    let reads = lines.iter().filter(|event| event["kind"] == "state.read");
    let last: BTreeMap<u64, u64> = reads
        .map(|event| (place(event), event["count"].as_u64().expect("a count")))
        .collect();
    last.values().sum()
}

fn is_act(event: &Value) -> bool {
    !GROWING.iter().any(|kind| event["kind"] == *kind)
}

/// The acts of the log as the API tells them, oldest first.
fn acts(server: &Server) -> Vec<Value> {
    let page = server.admin().get("/api/events?limit=1000").json();
    let events = page["events"].as_array().expect("a list");
    let mut acts: Vec<Value> = events
        .iter()
        .filter(|event| is_act(event))
        .cloned()
        .collect();
    acts.reverse();
    acts
}

/// Waits until the files together have exactly the acts of the log, each once and in order.
fn expect_acts(server: &Server, files: &[&Path]) {
    eventually("the file has each act", || {
        let all = files.iter().flat_map(|file| lines(file));
        all.filter(is_act).collect::<Vec<_>>() == acts(server)
    });
}

fn is_behind(server: &Server) -> bool {
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    let problems = ready["problems"].as_array().expect("a list");
    problems
        .iter()
        .any(|problem| problem["code"] == "events_file_behind")
}

#[test]
fn each_event_is_a_line_as_the_api_tells_it_also_after_a_restart_and_in_a_rotated_file() {
    let site = Site::new();
    let server = site.start();
    let owner = server.key("team", "owner");
    write(&owner, "team/net", 1);
    expect_acts(&server, &[&site.file()]);
    let mode = std::fs::metadata(site.file())
        .expect("it is there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let rotated = site.dir.path().join("events.1");
    std::fs::rename(site.file(), &rotated).expect("it is renamed");
    write(&owner, "team/net", 2);
    expect_acts(&server, &[&rotated, &site.file()]);
    assert!(server.stop().success());
    let server = site.start();
    write(&server.key("team", "owner"), "team/other", 1);
    expect_acts(&server, &[&rotated, &site.file()]);
}

/// The end of the server comes while lines are on their way to a slow disk. What a row has grown by
/// since is told all the same.
#[test]
fn a_stop_while_lines_are_added_adds_none_twice_and_leaves_out_no_count() {
    let site = Site::new();
    let file = site.file();
    // Its folder is another one than the data directory's.
    // A kill might leave lines that come once more.
    assert!(site.start().stop().success());
    let path = file.to_str().expect("UTF-8");
    let slow = ["-e", "inject=fdatasync:delay_enter=3000000"];
    let options = [&["-o", "/dev/null", "-P", path], &slow[..]].concat();
    let setup = Setup::new().data(&site.dir.path().join("data"));
    let Some(setup) = strace(setup, &options) else {
        return;
    };
    let mut server = setup.flag("--events-file", path).start();
    let owner = server.key("team", "owner");
    write(&owner, "team/net", 1);
    let read = || owner.read("team/net").expect_status(200);
    read();
    let has_line = |kind: &str| lines(&file).iter().any(|line| line["kind"] == kind);
    eventually("the lines are added", || {
        has_line("state.write") && has_line("state.read")
    });
    (0..3).for_each(|_| drop(read()));
    for traced in children(server.pid()) {
        assert!(kill("TERM", traced));
    }
    assert!(server.wait().success());
    let acts = lines(&file).into_iter().filter(is_act);
    let places: Vec<u64> = acts.map(|act| place(&act)).collect();
    let once: BTreeSet<u64> = places.iter().copied().collect();
    assert_eq!(places, once.into_iter().collect::<Vec<_>>());
    assert_eq!(reads(&file), 4);
}

#[test]
fn reads_and_refusals_are_lines_too_and_the_last_one_of_a_place_has_their_count() {
    let site = Site::new();
    let server = site.start();
    let owner = server.key("team", "owner");
    write(&owner, "team/net", 1);
    owner
        .get("/api/terraform/state/workspace/team/buildingblock/net")
        .expect_status(200);
    let has_reads = || {
        lines(&site.file())
            .iter()
            .any(|event| event["kind"] == "state.read")
    };
    eventually("the read is there", has_reads);
    for _ in 0..3 {
        owner
            .get("/api/terraform/state/workspace/team/buildingblock/net")
            .expect_status(200);
    }
    assert!(server.stop().success());
    assert_eq!(reads(&site.file()), 4);
}

#[test]
fn a_file_that_cannot_be_written_is_told_holds_up_nobody_and_gets_all_events_later() {
    let site = Site::new();
    let folder = site.dir.path().join("later");
    let file = folder.join("events.jsonl");
    let server = site.start_into(&file);
    let owner = server.key("team", "owner");
    eventually("the file is behind", || is_behind(&server));
    write(&owner, "team/net", 1);
    assert!(server.log().contains("events are missing in --events-file"));
    std::fs::create_dir(&folder).expect("a folder");
    eventually("the file is there", || !is_behind(&server));
    expect_acts(&server, &[&file]);
}

#[test]
fn no_event_is_left_out_by_a_kill_and_a_torn_line_spoils_no_other() {
    let site = Site::new();
    let mut server = site.start();
    let owner = server.key("team", "owner");
    (1..=20).for_each(|serial| write(&owner, "team/net", serial));
    server.kill();
    drop(server);
    let torn = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(site.file());
    torn.expect("the file")
        .write_all(b"{\"seq\":")
        .expect("it is written");
    let server = site.start();
    write(&server.key("team", "owner"), "team/other", 1);
    eventually("each event has a line", || {
        let there: BTreeSet<u64> = lines(&site.file()).iter().map(place).collect();
        acts(&server)
            .iter()
            .all(|event| there.contains(&place(event)))
    });
}

#[test]
fn a_file_in_the_data_directory_is_refused() {
    let site = Site::new();
    let data = site.dir.path().join("data");
    for file in [data.join("statekeep.db"), data.join("events/log")] {
        let setup = Setup::new().flag("--events-file", file.to_str().expect("UTF-8"));
        let output = setup.command(&data).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("--events-file") && told.contains("lies in"),
            "{told}"
        );
    }
}
