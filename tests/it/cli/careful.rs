//! Secrets of the command line: not sent unencrypted to another machine, not in a file that others
//! read without a word, not in a core file, and not in the memory that other processes see.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::stderr;
use crate::harness::{Server, Setup, binary, statekeep};

/// A name that no resolver knows (RFC 2606).
const ELSEWHERE: &str = "http://statekeep.invalid:8680";

fn key_file(dir: &TempDir, secret: &str, mode: u32) -> String {
    let path = dir.path().join("key");
    std::fs::write(&path, secret).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    path.to_str().expect("UTF-8").to_owned()
}

fn run(dir: &TempDir, args: &[&str], variables: &[(&str, &str)]) -> Output {
    statekeep(args)
        .current_dir(dir.path())
        .envs(variables.iter().copied())
        .output()
        .expect("it runs")
}

#[test]
fn a_secret_goes_unencrypted_to_no_other_machine_unless_that_is_meant() {
    let dir = TempDir::new().expect("a directory");
    let server = Server::start();
    let key = key_file(&dir, server.admin().secret(), 0o600);
    let names = ["--workspace", "team", "--building-block", "net"];
    let way = ["--url", ELSEWHERE, "--key-file", &key];
    let wrapped = |command: &'static str| {
        [&[command][..], &names, &way, &["--", "terraform", "plan"]].concat()
    };
    for command in [
        [&["state", "list"][..], &way].concat(),
        [&["key", "list"][..], &way].concat(),
        wrapped("run"),
        wrapped("transfer"),
    ] {
        let refused = run(&dir, &command, &[]);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{command:?}: {}",
            stderr(&refused)
        );
        assert!(
            stderr(&refused).contains("--insecure-http"),
            "{}",
            stderr(&refused)
        );
        for off in ["", "0", "false", "no"] {
            let refused = run(&dir, &command, &[("STATEKEEP_INSECURE_HTTP", off)]);
            assert_eq!(refused.status.code(), Some(2), "{command:?} {off}");
        }
    }
    let meant = [&["state", "list", "--insecure-http"][..], &way].concat();
    let by_variable = [&["state", "list"][..], &way].concat();
    for (command, variables) in [
        (&meant, &[][..]),
        (&by_variable, &[("STATEKEEP_INSECURE_HTTP", "true")]),
    ] {
        let tried = run(&dir, command, variables);
        assert_eq!(
            tried.status.code(),
            Some(1),
            "no such host: {}",
            stderr(&tried)
        );
        assert!(
            !stderr(&tried).contains("--insecure-http"),
            "{}",
            stderr(&tried)
        );
    }
    let here = ["state", "list", "--url", server.url(), "--key-file", &key];
    assert_eq!(run(&dir, &here, &[]).status.code(), Some(0), "this machine");
}

#[test]
fn a_generated_address_without_tls_is_told() {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("main.tf"), "").expect("a file");
    let names = [
        "--workspace",
        "team",
        "--building-block",
        "net",
        "--base-url",
    ];
    let configure = |url: &str, more: &[&str]| {
        let args = [&["configure"][..], &names, &[url], more].concat();
        let output = run(&dir, &args, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output).contains("unencrypted")
    };
    assert!(configure(ELSEWHERE, &["--check"]));
    assert!(!configure(ELSEWHERE, &["--check", "--insecure-http"]));
    assert!(!configure("https://statekeep.invalid", &["--check"]));
    assert!(!configure("http://127.0.0.1:8680", &["--check"]));
}

#[test]
fn a_key_file_that_others_read_is_told_once() {
    let dir = TempDir::new().expect("a directory");
    let server = Server::start();
    for (mode, is_told) in [
        (0o600, false),
        (0o400, false),
        (0o644, true),
        (0o640, true),
        (0o604, true),
    ] {
        let key = key_file(&dir, server.admin().secret(), mode);
        let args = ["state", "list", "--url", server.url(), "--key-file", &key];
        let output = run(&dir, &args, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stderr(&output)
            .matches("others can read the key file")
            .count();
        assert_eq!(told, usize::from(is_told), "{mode:o}: {}", stderr(&output));
    }
}

/// A user that owns nothing else.
const NOBODY: u32 = 65_534;

/// Who owns what the system shows of a process: root, if it is not to be dumped.
fn owner_of_memory(process: &Child) -> u32 {
    let memory = format!("/proc/{}/mem", process.id());
    std::fs::metadata(memory).expect("it runs").uid()
}

#[test]
fn the_server_writes_no_core_and_shows_its_memory_to_nobody() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let (program, data) = (dir.path().join("statekeep"), dir.path().join("data"));
    std::fs::copy(binary(), &program).expect("a copy");
    std::fs::create_dir(&data).expect("a directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).expect("root may");
    let mut server = Setup::new().binary(&program).command(&data);
    let server = server.uid(NOBODY).gid(NOBODY).current_dir("/");
    let mut server = server.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let output = server.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("a line");
    let mut control = Command::new("sleep");
    let mut control = control.arg("60").uid(NOBODY).spawn().expect("it starts");
    let owners = (owner_of_memory(&server), owner_of_memory(&control));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id()));
    for process in [&mut server, &mut control] {
        process.kill().expect("ours");
        process.wait().expect("ours");
    }
    assert!(line.starts_with("listening"), "{line}");
    assert_eq!(owners, (0, NOBODY));
    let limits = limits.expect("readable");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core.and_then(|line| line.split_whitespace().nth(4));
    assert_eq!(soft, Some("0"), "{core:?}");
}
