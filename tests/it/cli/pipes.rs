//! Readers that leave early, small pages, and other things around a command that are not what it
//! does.

use std::process::{Command, Stdio};

use crate::harness::{Setup, binary, statekeep, tfstate};

use super::{L1, Place, some_states, stderr};

/// Runs a command whose standard output nobody reads.
fn unread(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("it runs");
    (output.status.code(), stderr(&output))
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_no_noise() {
    Place::both(some_states, |place| {
        for args in [
            &["state", "list"][..],
            &["state", "pull", "team/net"],
            &["key", "list", "--format", "json"],
            &["verify"],
            &["completions", "bash"],
        ] {
            let mut command = statekeep(args);
            command.env("STATEKEEP_DATA", &place.data);
            assert_eq!(unread(command), (Some(0), String::new()), "{args:?}");
        }
        let shell = format!(
            "set -o pipefail; {} state list | head -n 1",
            binary().display()
        );
        let output = Command::new("bash")
            .args(["-c", &shell])
            .env("STATEKEEP_DATA", &place.data)
            .output();
        if let Ok(output) = output {
            assert_eq!(
                (output.status.code(), stderr(&output).as_str()),
                (Some(0), "")
            );
        }
    });
}

#[test]
fn what_was_asked_for_and_cannot_be_printed_is_a_failure() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["-V"],
        &["state", "list", "--help"],
        &["serve", "-h"],
        &["help"],
        &["help", "state", "list"],
        &["version"],
        &["completions", "bash"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = statekeep(args)
            .stdout(full.expect("the device"))
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = stderr(&output);
        assert!(said.contains("cannot write to stdout"), "{args:?}: {said}");
        let (code, said) = unread(statekeep(args));
        assert_eq!((code, said.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn the_answer_of_detect_stays_its_exit_code() {
    let dir = tempfile::TempDir::new().expect("a directory");
    for (source, code) in [
        ("", 3),
        ("terraform {\n  backend \"local\" {}\n}\n", 0),
        ("terraform {", 4),
    ] {
        std::fs::write(dir.path().join("main.tf"), source).expect("a file");
        let mut command = statekeep(&["detect"]);
        command.arg(dir.path());
        assert_eq!(unread(command), (Some(code), String::new()), "{source}");
    }
}

#[test]
fn a_secret_that_nobody_reads_is_a_failure() {
    let hook = ["hook", "create", "--on", "all"];
    Place::both(some_states, |place| {
        for args in [
            &["key", "create", "x", "--role", "admin"][..],
            &["key", "rotate", "admin", "--format", "json"],
            &[&hook[..], &["https://one.example.com/"]].concat(),
            &[&hook[..], &["https://two.example.com/", "--json"]].concat(),
        ] {
            let mut command = statekeep(args);
            command.env("STATEKEEP_DATA", &place.data);
            let (code, said) = unread(command);
            assert_eq!(code, Some(1), "{args:?}: {said}");
            assert!(
                said.contains("secret") && said.contains("shown nowhere again"),
                "{args:?}: {said}"
            );
            let then = if args[0] == "hook" {
                "delete the webhook"
            } else {
                "revoke the key"
            };
            assert!(said.contains(then), "{args:?}: {said}");
        }
    });
}

#[test]
fn lists_end_on_a_server_with_small_pages() {
    for most in ["1", "100"] {
        let server = Setup::new().flag("--max-page", most).start();
        let admin = server.admin();
        some_states(&admin);
        for index in 0..3 {
            let body = serde_json::json!({
                "name": format!("key-{index}"), "workspace": "team", "role": "reader"
            });
            admin.post_json("/api/keys", &body).expect_status(201);
        }
        let dir = tempfile::TempDir::new().expect("a directory");
        let (out, key) = (dir.path().join("out"), dir.path().join("key"));
        std::fs::write(&key, admin.secret()).expect("a file");
        let far = [
            "--url",
            server.url(),
            "--key-file",
            key.to_str().expect("UTF-8"),
        ];
        let ok = |args: &[&str]| {
            let texts = [
                server.cli(args),
                statekeep(&[args, &far].concat()).output().expect("it runs"),
            ]
            .map(|output| {
                assert_eq!(
                    output.status.code(),
                    Some(0),
                    "{args:?}: {}",
                    stderr(&output)
                );
                String::from_utf8(output.stdout).expect("UTF-8")
            });
            let lines = texts.map(|text| text.lines().count());
            assert_eq!(lines[0], lines[1], "{args:?}");
            lines[0]
        };
        assert_eq!(ok(&["state", "list"]), 4);
        assert_eq!(ok(&["key", "list"]), 5);
        assert_eq!(ok(&["state", "history", "team/net"]), 4);
        assert_eq!(ok(&["state", "history", "team/net", "--limit", "2"]), 3);
        assert_eq!(
            ok(&["state", "history", "team/net", "--all", "--limit", "2"]),
            3
        );
        ok(&["retention", "list"]);
        ok(&["key", "show", "key-2"]);
        let exported = server.cli(&["export", out.to_str().expect("UTF-8")]);
        assert!(
            stderr(&exported).contains("3 states with 5 versions"),
            "{}",
            stderr(&exported)
        );
        let again = server.cli(&["import", out.to_str().expect("UTF-8")]);
        assert!(
            again.status.success() && stderr(&again).contains("there already"),
            "{}",
            stderr(&again)
        );
    }
}

#[test]
fn one_of_something_is_not_several() {
    let one = |admin: &crate::harness::Client| {
        admin
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
    };
    Place::both(one, |place| {
        let said = place.ok(&["verify"]);
        assert!(said.contains("looked at 1 version of 1 state;"), "{said}");
    });
}
