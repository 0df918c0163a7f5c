//! The examples of `docs/cli.md` and of `--help` are run as they stand, each on a copy of one data
//! directory that has what they name.
//!
//! Examples that need a server of their own, a program or another backend are run elsewhere.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::help::{self, Help};
use super::{CLI, markdown};
use crate::harness::{
    Client, Setup, binary, resource, state_path, statekeep, tfstate, tfstate_with,
};
use crate::trusts::issuer::any_trust;

const LINEAGE: &str = "11111111-1111-4111-8111-111111111111";

/// Commands whose examples are not run here, and why.
const ELSEWHERE: [(&str, &str); 6] = [
    (
        "serve",
        "it runs until a signal comes; every other test starts one",
    ),
    (
        "approval give",
        "its number is made by chance; tests of two people run it",
    ),
    (
        "approval refuse",
        "its number is made by chance; tests of two people run it",
    ),
    ("hook test", "it needs a receiver; tests of webhooks run it"),
    (
        "run",
        "it needs Terraform or OpenTofu; tests of real clients run it",
    ),
    (
        "transfer",
        "it needs Terraform or OpenTofu; tests of real clients run it",
    ),
];

/// What an example does that is not run here: it asks another backend or a server elsewhere, or
/// reads a file that a server writes.
const NEEDS_ANOTHER: [&str; 3] = ["--from-url", "--url", "--check"];

/// Examples that end with another code than 0, because that is their answer.
const ANSWERS: [(&str, i32); 1] = [("detect", 3)];

/// The commands with their examples in the page.
fn in_page(page: &str) -> Vec<(String, Vec<String>)> {
    let sections = markdown::sections(page).into_iter();
    let commands = sections.filter(|section| section.level == 3);
    commands
        .filter(|section| section.text().contains("\n    statekeep "))
        .map(|section| (section.title.to_owned(), section.blocks("sh")))
        .collect()
}

/// The examples at the end of a command's help, each a line, or several that a `\` joins.
fn in_help(help: &Help) -> Vec<String> {
    let examples = help.text.split("\nExamples:\n").nth(1).unwrap_or_default();
    let examples = examples.replace("\\\n", " ");
    let lines = examples.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// A folder in which the examples find what they name.
struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("statekeep-data");
        let server = Setup::new().data(&data).start();
        let admin = server.admin();
        let ci = json!({"name": "ci", "workspace": "team-a", "role": "writer"});
        server.make_key(&ci);
        let trust = any_trust(&server, "gitlab");
        admin.post_json("/api/trusts", &trust).expect_status(201);
        let url = "https://chat.example.com/statekeep";
        let hook = json!({"url": url, "on": ["hook.fail"]});
        admin.post_json("/api/hooks", &hook).expect_status(201);
        let keys = trust["jwks_file"].as_str().expect("a path");
        std::fs::copy(keys, dir.path().join("gitlab.jwks")).expect("a copy");
        for serial in 1..=4 {
            let resources = [resource("managed", "aws_x", &format!("of_{serial}"), 1)];
            let state = tfstate_with(LINEAGE, serial, "an output", &json!(resources));
            write(&admin, "team-a/network", &state);
        }
        for name in ["team-a/old", "team-a/storage"] {
            write(&admin, name, &tfstate(LINEAGE, 1));
        }
        admin.lock("team-a/storage", "3f1c").expect_status(200);
        admin
            .send("DELETE", &state_path("team-a/old"), "")
            .expect_status(200);
        let backup = dir.path().join("backup.tar.zst");
        let made = server.cli(&["backup", backup.to_str().expect("UTF-8")]);
        assert!(made.status.success(), "a backup to restore: {made:?}");
        server.stop();
        std::fs::create_dir(dir.path().join("states")).expect("a folder");
        std::fs::write(
            dir.path().join("states/network.tfstate"),
            tfstate(LINEAGE, 1),
        )
        .expect("a file");
        std::fs::create_dir(dir.path().join("live")).expect("a folder");
        std::fs::write(dir.path().join("live/main.tf"), "resource \"x\" \"y\" {}\n")
            .expect("a file");
        let key = dir.path().join("storage.key");
        let key = key.to_str().expect("UTF-8");
        let made = statekeep(&["key", "new-storage", key]).status();
        assert!(made.expect("the binary runs").success());
        let words = statekeep(&["key", "escrow", key]).output();
        std::fs::write(dir.path().join("words.txt"), words.expect("words").stdout).expect("a file");
        Self { dir }
    }

    /// Runs a script in a copy of the folder; what went wrong, if anything did.
    fn run(&self, command: &str, script: &str) -> Option<String> {
        let copy = TempDir::new().expect("a directory");
        copy_tree(self.dir.path(), copy.path());
        std::fs::create_dir(copy.path().join("bin")).expect("a folder");
        std::os::unix::fs::symlink(binary(), copy.path().join("bin/statekeep")).expect("a link");
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let dirs =
            std::iter::once(copy.path().join("bin")).chain(std::env::split_paths(&inherited));
        let mut shell = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STATEKEEP_") {
                shell.env_remove(name);
            }
        }
        shell.env(
            "PATH",
            std::env::join_paths(dirs).expect("no colon in them"),
        );
        let script = script.trim_end();
        let output = shell
            .args(["-e", "-c", script])
            .current_dir(copy.path())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("a shell");
        let answer = ANSWERS.iter().find(|(name, _)| *name == command);
        let expected = answer.map_or(0, |(_, code)| *code);
        let said = String::from_utf8_lossy(&output.stderr);
        (output.status.code() != Some(expected))
            .then(|| format!("{script}: {}\n{said}", output.status))
    }
}

fn write(admin: &Client, name: &str, state: &str) {
    admin.write_by_force(name, state).expect_status(200);
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in from.read_dir().expect("a readable directory") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("readable");
        if kind.is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy_tree(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// What goes wrong when the examples of these commands are run.
fn judge(stage: &Stage, commands: &[(String, Vec<String>)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (command, examples) in commands {
        if examples.is_empty() {
            findings.push(format!("`{command}` has no example"));
        }
        if ELSEWHERE.iter().any(|(name, _)| name == command) {
            continue;
        }
        let here = examples
            .iter()
            .filter(|script| !NEEDS_ANOTHER.iter().any(|flag| script.contains(flag)));
        findings.extend(here.filter_map(|script| stage.run(command, script)));
    }
    findings
}

#[test]
fn the_examples_of_the_page_work() {
    let commands = in_page(CLI);
    assert!(commands.len() > 30, "{commands:?}");
    let stage = Stage::new();
    let findings = judge(&stage, &commands);
    assert!(findings.is_empty(), "{}", findings.join("\n"));

    let planted = |script: &str| vec![("key list".to_owned(), vec![script.to_owned()])];
    let findings = judge(&stage, &planted("statekeep key list --every"));
    assert_eq!(findings.len(), 1, "{findings:?}");
    let findings = judge(&stage, &[("key list".to_owned(), Vec::new())]);
    assert_eq!(findings, ["`key list` has no example"]);
}

#[test]
fn the_examples_of_help_work() {
    let commands = help::all().into_iter();
    let commands: Vec<(String, Vec<String>)> = commands
        .filter(|help| !help.is_group())
        .map(|help| (help.name.clone(), in_help(&help)))
        .collect();
    let findings = judge(&Stage::new(), &commands);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
