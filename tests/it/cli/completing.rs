//! Completions that know names: they come from the server that the line means, within a moment, as
//! one word each. Without a server there are none, and nothing is written or said.

use std::collections::BTreeSet;
use std::fs::read_dir;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Server, Setup, statekeep};

use super::daily::{command_elsewhere, stdout};
use super::{Place, some_states, stderr};

/// A shell that asks what could stand at the end of a line.
fn asked(mut command: Command, words: usize) -> Vec<String> {
    command
        .env("STATEKEEP_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words - 1).to_string());
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    stdout(&output).lines().map(str::to_owned).collect()
}

/// What is offered that is no flag.
fn offered(data: &Path, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = statekeep(&[&["--"], words.as_slice()].concat());
    command.env("STATEKEEP_DATA", data);
    let mut names = asked(command, words.len());
    names.retain(|name| !name.starts_with('-'));
    names
}

fn files(dir: &Path) -> BTreeSet<String> {
    let files = read_dir(dir).expect("a directory");
    files
        .map(|file| {
            let file = file.expect("a file");
            let changed = file.metadata().and_then(|found| found.modified());
            let name = file.file_name();
            format!("{} {:?}", name.display(), changed.expect("a time"))
        })
        .collect()
}

#[test]
fn names_come_from_the_server_that_runs_and_from_none_else() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.delete("team/two").expect_status(200);
        },
        |place| {
            let before = files(&place.data);
            let offered = |line: &str| offered(&place.data, line);
            let told = |line: &str, names: &[&str]| {
                let names = if place.server.is_some() { names } else { &[] };
                assert_eq!(offered(line), names, "{line}");
            };
            told("statekeep state show te", &["team/net"]);
            told("statekeep state show ", &["rival/net", "team/net"]);
            told("statekeep state show team/n", &["team/net"]);
            told("statekeep lock team/n", &["team/net"]);
            told("statekeep ls r", &["rival"]);
            told("statekeep state show none/", &[]);
            told("statekeep state restore t", &["team/two"]);
            told("statekeep state list --workspace t", &["team"]);
            told("statekeep prune --state r", &["rival/net"]);
            told("statekeep key show a", &["admin"]);
            told("statekeep quota show ", &["rival", "team"]);
            assert_eq!(offered("statekeep stat"), ["status", "state"]);
            if place.server.is_none() {
                assert_eq!(files(&place.data), before, "nothing is opened");
            }
        },
    );
}

#[test]
fn the_line_says_which_server_is_meant() {
    let server = Server::start();
    some_states(&server.admin());
    let reader = server.key("team", "reader");
    server.make_key(
        &json!({ "name": "two words; $(reboot)", "workspace": "team", "role": "reader" }),
    );
    let line = |words: &[&str]| {
        let command = command_elsewhere(server.url(), reader.secret(), &[&["--"], words].concat());
        asked(command, words.len())
    };
    assert_eq!(
        line(&["statekeep", "state", "show", "t"]),
        ["team/net", "team/two"]
    );
    let nowhere = "--url=http://127.0.0.1:9";
    assert_eq!(line(&["statekeep", "state", nowhere, "show", "t"]), [""; 0]);
    let admin = server.admin();
    let words = ["--", "statekeep", "key", "show", "t"];
    let command = command_elsewhere(server.url(), admin.secret(), &words);
    assert_eq!(
        asked(command, words.len() - 1),
        [""; 0],
        "no word for a shell"
    );
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let dir = TempDir::new().expect("a directory");
    let socket = UnixListener::bind(dir.path().join("statekeep.sock")).expect("a socket");
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                // For ever to a person at a prompt.
                std::thread::sleep(Duration::from_secs(20));
                let body = r#"{"states": [{"workspace": "late", "buildingBlock": "a"}]}"#;
                let size = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            });
        }
    });
    assert_eq!(offered(dir.path(), "statekeep state show l"), [""; 0]);
}

#[test]
fn bash_completes_with_what_is_printed_for_it() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    some_states(&server.admin());
    let script = r#"
        source <(STATEKEEP_COMPLETE=bash "$0")
        COMP_WORDS=(statekeep state show te) COMP_CWORD=3 COMP_TYPE=9
        _clap_complete_statekeep statekeep te show
        printf '%s\n' "${COMPREPLY[@]}""#;
    let statekeep = statekeep(&[]);
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(statekeep.get_program())
        .env("STATEKEEP_DATA", &data)
        .output()
        .expect("bash runs");
    assert_eq!(
        stdout(&output),
        "team/net\nteam/two\n",
        "{}",
        stderr(&output)
    );
}
