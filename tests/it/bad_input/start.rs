//! Starts that fail: ports that are taken and flags that make no sense.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{PATIENCE, Setup, statekeep};

/// Runs a server that must refuse to start: it says so on stderr, prints no address, and leaves
/// with 1.
#[track_caller]
pub fn refused(command: Command) -> Output {
    let output = ended(command);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a server that must not go on running, for a bounded time.
#[track_caller]
pub fn ended(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let end = Instant::now() + PATIENCE;
    while child.try_wait().expect("our child").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            panic!("the server started: {:?}", child.wait_with_output());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("its output");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "no address");
    assert!(output.stderr.len() > 20, "a message");
    output
}

fn serve(dir: &TempDir, more: &[&str]) -> Command {
    let mut command = statekeep(&[
        "serve",
        "--data",
        dir.path().join("data").to_str().expect("UTF-8"),
    ]);
    command.args(more);
    command
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let dir = TempDir::new().expect("a directory");
    let output = refused(serve(&dir, &["--listen", &address]));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains(&address), "{message}");
    drop(taken);
    let mut server = serve(&dir, &["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(server.stdout.take().expect("piped")),
        &mut line,
    )
    .expect("a line");
    let _ = server.kill();
    let _ = server.wait();
    assert!(
        line.starts_with("listening on "),
        "the directory is as good as before: {line}"
    );
}

#[test]
fn flags_that_make_no_sense_are_wrong_usage() {
    let rows: [&[&str]; 19] = [
        &["--base-url", "state.example.net"],
        &["--base-url", "ftp://state.example.net"],
        &["--base-url", "https://"],
        &["--base-url", "https://state.example.net/?x=1"],
        &["--base-url", "https://state.example.net/#x"],
        &["--base-url", " https://state.example.net"],
        &["--base-url", "https://state.example.net/a b"],
        &["--base-url", "https://me:secret@state.example.net"],
        &["--base-url", "https://state.example.net:99999"],
        &["--listen", "127.0.0.1:99999"],
        &["--trusted-proxy", "10.0.0.0/33"],
        &["--trusted-proxy", "proxy.example"],
        &["--max-state-size", "many"],
        &["--max-state-size", "-1"],
        &["--unlocked-writes", "maybe"],
        &["--token-lifetime", "1x"],
        &["--log-format", "xml"],
        &["--log-level", "loud"],
        &["--nothing"],
    ];
    for flags in rows {
        let dir = TempDir::new().expect("a directory");
        let output = ended(serve(&dir, flags));
        assert_eq!(
            output.status.code(),
            Some(2),
            "{flags:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            !dir.path().join("data").exists(),
            "{flags:?}: nothing is made"
        );
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let help = statekeep(&["serve", "--help"]).output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let names: Vec<&str> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next())
        .collect();
    assert!(
        names.len() > 30 && names.iter().all(|name| name.starts_with("STATEKEEP_")),
        "{names:?}"
    );
    let server = names
        .iter()
        .fold(Setup::new(), |setup, name| setup.env(name, ""))
        .start();
    server.admin().get("/api/status").expect_status(200);
    // Of the other commands too: an empty address would otherwise beat the data directory.
    let mut list = statekeep(&["state", "list"]);
    list.envs([("STATEKEEP_URL", ""), ("STATEKEEP_KEY_FILE", "")])
        .env("STATEKEEP_DATA", server.data());
    let list = list.output().expect("it runs");
    assert!(
        list.status.success(),
        "{}",
        String::from_utf8_lossy(&list.stderr)
    );
}

#[test]
fn a_variable_that_makes_no_sense_is_wrong_usage_too() {
    let dir = TempDir::new().expect("a directory");
    let mut command = serve(&dir, &[]);
    command.env("STATEKEEP_UNLOCKED_WRITES", "maybe");
    assert_eq!(ended(command).status.code(), Some(2));
}
