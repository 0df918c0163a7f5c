//! `statekeep run`, with a script that stands for the program: what it finds, what it is told, and
//! what is left of it.
//!
//! The script writes down what it sees. It stands still where a test closes its gate, so that a
//! test can look at the middle of a run.

mod empty;
mod ended_moves;
mod ends;
mod handed;
mod here;
mod id_token;
mod identity;
mod left;
mod moves;
mod pipes;
mod settings;
mod signals;
mod terminal;
mod token;
mod untouched;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::stderr;
use crate::harness::{Client, Server, Setup, eventually, kill, statekeep};

const FILE: &str = "statekeep_backend.tf";
/// The state that the tests are about.
const STATE: &str = "team/net";
const BACKEND: &str = "terraform {\n  backend \"local\" {}\n}\n";

/// What the script does: a line for `init`, and then what the test wants.
const SCRIPT: &str = r#"#!/bin/sh
seen=$(dirname "$0")
echo "$*" >>"$seen/calls"
stop() { touch "$seen/reached-$1"; while [ -e "$seen/closed-$1" ]; do sleep 0.02; done; }
if [ "$1" = init ]; then
  echo "init speaks"
  stop init
  [ ! -e "$seen/init-is-interrupted" ] || kill -INT $$
  [ ! -e "$seen/init-fails" ] || { echo "init complains" >&2; exit 3; }
  exit 0
fi
if [ "$1 $2" = "state pull" ]; then
  cp statekeep_transfer_override.tf "$seen/block" 2>/dev/null
  stop pull
fi
env >"$seen/env"
cp statekeep_backend.tf "$seen/file" 2>/dev/null || rm -f "$seen/file"
umask >"$seen/umask"
stop command
"#;

/// A server, a module without a backend, and a program of its own.
struct Site {
    server: Server,
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        Self::of(Setup::new())
    }

    fn of(setup: Setup) -> Self {
        let site = Self {
            server: setup.start(),
            dir: TempDir::new().expect("a directory"),
        };
        for folder in ["module", "tool"] {
            std::fs::create_dir(site.dir.path().join(folder)).expect("a folder");
        }
        std::fs::write(site.path("main.tf"), "").expect("a file");
        let secret = site.server.key("team", "writer").secret().to_owned();
        site.key_file(&secret);
        site.script("exit 0\n");
        site
    }

    /// In the module.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("module").join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    fn key_file(&self, secret: &str) {
        let path = self.dir.path().join("key");
        std::fs::write(&path, format!("{secret}\n")).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .expect("permissions");
    }

    fn secret(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("key"))
            .expect("a file")
            .trim()
            .to_owned()
    }

    /// Beside the program.
    fn tool(&self, name: &str) -> PathBuf {
        self.dir.path().join("tool").join(name)
    }

    /// Has the program end so.
    fn script(&self, end: &str) {
        self.program("terraform", &format!("{SCRIPT}{end}"));
    }

    fn program(&self, name: &str, text: &str) {
        std::fs::write(self.tool(name), text).expect("a file");
        std::fs::set_permissions(self.tool(name), std::fs::Permissions::from_mode(0o755))
            .expect("permissions");
    }

    /// What the program has written down, if it has.
    fn seen(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.tool(name)).ok()
    }

    /// The calls of the program so far.
    fn calls(&self) -> Vec<String> {
        self.seen("calls")
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// A variable that the command had.
    fn variable(&self, name: &str) -> Option<String> {
        let all = self.seen("env").expect("the command ran");
        all.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .map(str::to_owned)
    }

    /// Whether the token that the command had is good for anything.
    fn token(&self) -> Client {
        self.server
            .with(&self.variable("TF_HTTP_PASSWORD").expect("a token"))
    }

    #[track_caller]
    fn expect_nothing_left(&self) {
        assert!(!self.path(FILE).exists(), "the file is left");
        if self.seen("env").is_some() {
            self.token().read(STATE).expect_status(401);
        }
        let events = self.server.admin().events("");
        let count = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
        assert_eq!(count("login"), count("token.end"), "each token was ended");
    }

    /// `statekeep run` for the state, with more flags, and a command.
    fn command(&self, flags: &[&str], words: &[&str]) -> Command {
        let key = self.dir.path().join("key");
        let module = self.dir.path().join("module");
        let mut command = statekeep(&["run", "--workspace", "team", "--building-block", "net"]);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TF_"))
        {
            command.env_remove(name);
        }
        command
            .env("STATEKEEP_URL", self.server.url())
            .arg("--key-file")
            .arg(key)
            .arg("--dir")
            .arg(module)
            .args(flags)
            .arg("--");
        command
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `terraform apply` in it.
    fn apply(&self) -> Command {
        self.command(&[], &[self.terraform().as_str(), "apply"])
    }

    fn terraform(&self) -> String {
        self.tool("terraform").to_str().expect("UTF-8").to_owned()
    }

    #[track_caller]
    fn ok(&self, command: &mut Command) -> Output {
        let output = command.output().expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{:?}: {}",
            self.calls(),
            stderr(&output)
        );
        output
    }

    /// The command is not run, and nothing is left.
    #[track_caller]
    fn refused(&self, command: &mut Command, code: i32, why: &str) {
        let _ = std::fs::remove_file(self.tool("calls"));
        let output = command.output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(said.contains("not run"), "{said}");
        assert!(
            output.stdout.is_empty() && self.calls().iter().all(|call| call.starts_with("init")),
            "{:?}",
            self.calls()
        );
        assert!(
            !said.contains(&self.secret()),
            "a secret is never repeated: {said}"
        );
    }

    /// Closes a gate: the program stands still at it.
    fn close(&self, gate: &str) {
        std::fs::write(self.tool(&format!("closed-{gate}")), "").expect("a file");
        let _ = std::fs::remove_file(self.tool(&format!("reached-{gate}")));
    }

    #[track_caller]
    fn reached(&self, gate: &str) {
        eventually("the program stands at the gate", || {
            self.tool(&format!("reached-{gate}")).exists()
        });
    }

    fn open(&self, gate: &str) {
        std::fs::remove_file(self.tool(&format!("closed-{gate}"))).expect("closed before");
    }

    /// What is recorded in the module's data directory, as the programs write it.
    fn record(&self, address: &str) {
        self.record_of(&serde_json::json!({
            "address": address, "lock_address": address, "unlock_address": address,
            "lock_method": "LOCK", "unlock_method": "UNLOCK", "update_method": "POST",
            "username": null, "retry_max": null,
        }));
    }

    fn record_of(&self, config: &serde_json::Value) {
        let record = serde_json::json!({
            "version": 3, "backend": { "type": "http", "hash": 1, "config": config }
        });
        self.write(".terraform/terraform.tfstate", &record.to_string());
    }
}

impl Drop for Site {
    /// A test that failed leaves no process behind: whatever names this directory on its command
    /// line is its own.
    fn drop(&mut self) {
        let ours = self.dir.path().as_os_str().as_encoded_bytes();
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if words.windows(ours.len()).any(|window| window == ours) {
                kill("KILL", pid);
            }
        }
    }
}

/// The processes that a process has started, of which there has to be one.
#[track_caller]
fn only_child(pid: u32) -> u32 {
    let children = crate::harness::children(pid);
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
