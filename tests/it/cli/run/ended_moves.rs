//! What the client is asked to do for a move is told of signals as any command is, its token lives
//! on meanwhile, and nothing is left of it.

use std::os::unix::process::CommandExt as _;
use std::process::Child;

use super::signals::send;
use super::*;
use crate::harness::with_usual_signals;

impl Site {
    /// A module that had another backend, with a password that only its record has; the program
    /// stands still at reading it.
    fn reading(&self, command: &mut Command) -> Child {
        let elsewhere = crate::cli::stub(|_| {
            "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
        });
        self.record_of(&serde_json::json!({
            "address": format!("{elsewhere}/state"), "username": "me", "password": "hunter2"
        }));
        self.close("pull");
        let mut command = with_usual_signals(command);
        command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().expect("it runs");
        self.reached("pull");
        assert!(
            self.seen("block").expect("a block").contains("hunter2"),
            "the control"
        );
        child
    }

    #[track_caller]
    fn expect_swept(&self, child: Child, code: i32) {
        let output = child.wait_with_output().expect("it ends");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(
            !self.path("statekeep_transfer_override.tf").exists()
                && !self.path(".terraform/statekeep-transfer").exists(),
            "{said}"
        );
        assert!(!self.path(FILE).exists());
        let count = |kind: &str| self.server.admin().events(&format!("kind={kind}")).len();
        assert_eq!((count("login"), count("token.end")), (1, 1), "{said}");
    }

    fn transfer(&self) -> Command {
        let mut command =
            statekeep(&["transfer", "--workspace", "team", "--building-block", "net"]);
        command
            .env("STATEKEEP_URL", self.server.url())
            .arg("--key-file")
            .arg(self.dir.path().join("key"))
            .env_remove("TF_WORKSPACE");
        command
            .arg("--dir")
            .arg(self.path(""))
            .arg("--")
            .arg(self.terraform())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

#[test]
fn a_signal_ends_a_transfer_in_good_order() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let site = Site::new();
        // It ends at an interrupt as Terraform does; a shell alone may ignore the first one while
        // it waits for what it has started.
        let trap = "\ntrap 'touch \"$seen/interrupted\"; exit 1' INT\n";
        site.program("terraform", &SCRIPT.replacen('\n', trap, 1));
        let transfer = site.reading(&mut site.transfer());
        // The group is not the program's.
        send(signal, &format!("-{}", transfer.id()));
        if signal == "INT" {
            eventually("the interrupt is handed on", || {
                site.tool("interrupted").exists()
            });
        }
        site.expect_swept(transfer, code);
    }
}

#[test]
fn a_signal_ends_a_run_that_moves_in_good_order() {
    let site = Site::new();
    let run = site.reading(&mut site.apply());
    send("TERM", &run.id().to_string());
    site.expect_swept(run, 143);
    assert_eq!(
        site.calls(),
        ["state pull -no-color"],
        "the command is not run"
    );
}

#[test]
fn the_token_is_extended_meanwhile() {
    for transfer in [false, true] {
        let site = Site::of(Setup::new().flag("--token-lifetime", "2s"));
        let moving = site.reading(&mut if transfer {
            site.transfer()
        } else {
            site.apply()
        });
        let admin = site.server.admin();
        eventually("it is extended again and again", || {
            admin.events("kind=token.extend").len() > 4
        });
        site.open("pull");
        let output = moving.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!stderr(&output).contains("token"), "{}", stderr(&output));
    }
}
