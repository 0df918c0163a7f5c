//! `--url` and `--key-file`: a server elsewhere, with a key of one's own.

use std::path::PathBuf;
use std::process::Output;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Server, statekeep, tfstate};

use super::{L1, stderr};

struct Remote {
    server: Server,
    dir: TempDir,
}

impl Remote {
    fn new() -> Self {
        Self { server: Server::start(), dir: TempDir::new().expect("a directory") }
    }

    /// A file with a secret in it.
    fn key_file(&self, content: &str) -> PathBuf {
        let path = self.dir.path().join("key");
        std::fs::write(&path, content).expect("a file");
        path
    }

    fn run(&self, content: &str, args: &[&str]) -> Output {
        let file = self.key_file(content);
        let mut command = statekeep(args);
        command.current_dir(self.dir.path()).args(["--url", self.server.url(), "--key-file"]).arg(file).output().expect("it runs")
    }
}

#[test]
fn states_and_keys_of_a_server_elsewhere_are_reached_with_a_key() {
    let remote = Remote::new();
    let admin = remote.server.admin();
    admin.write("team/net", tfstate(L1, 1), None).expect_status(200);
    let pull = remote.run(&format!("{}\n", admin.secret()), &["state", "pull", "team/net"]);
    assert_eq!(pull.status.code(), Some(0), "{}", stderr(&pull));
    assert_eq!(String::from_utf8_lossy(&pull.stdout), tfstate(L1, 1));
    let made = remote.run(admin.secret(), &["key", "create", "ci", "--workspace", "team", "--role", "reader"]);
    let secret = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    remote.server.with(&secret).read("team/net").expect_status(200);
    let list = remote.run(&secret, &["state", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("team/net"));
    let events = admin.events("kind=key.create");
    assert_eq!(events[0]["actor"]["name"], "admin", "as the key, not as the operator");
    assert!(!remote.dir.path().join("statekeep-data").exists(), "no data directory is made");
}

#[test]
fn the_keys_permissions_count() {
    let remote = Remote::new();
    remote.server.admin().write("team/net", tfstate(L1, 1), None).expect_status(200);
    let reader = remote.server.key("team", "reader");
    for args in [&["state", "delete", "team/net"][..], &["key", "list"], &["state", "pull", "rival/net"]] {
        let output = remote.run(reader.secret(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).len() > 20, "{}", stderr(&output));
        assert!(!stderr(&output).contains(reader.secret()));
    }
    remote.server.admin().read("team/net").expect_status(200);
}

#[test]
fn both_are_variables_too() {
    let remote = Remote::new();
    let file = remote.key_file(remote.server.admin().secret());
    let output = statekeep(&["key", "list", "--format", "json"])
        .current_dir(remote.dir.path())
        .env("STATEKEEP_URL", remote.server.url())
        .env("STATEKEEP_KEY_FILE", &file)
        .output()
        .expect("it runs");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list["keys"][0]["name"], json!("admin"));
}

#[test]
fn what_cannot_work_says_why() {
    let remote = Remote::new();
    let wrong = remote.run("skp_nonsense", &["state", "list"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stdout.is_empty() && !stderr(&wrong).contains("skp_nonsense"), "{}", stderr(&wrong));
    let missing = statekeep(&["state", "list", "--url", remote.server.url(), "--key-file", "/nonexistent/key"]).output().expect("it runs");
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nonexistent/key"), "{}", stderr(&missing));
    let file = remote.key_file(remote.server.admin().secret());
    let nobody = statekeep(&["state", "list", "--url", "http://127.0.0.1:9", "--key-file"]).arg(&file).output().expect("it runs");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("127.0.0.1:9"), "{}", stderr(&nobody));
}
