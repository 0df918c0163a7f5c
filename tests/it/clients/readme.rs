//! The README's commands, executed as they stand there: a key for a team, four lines of HCL, an
//! apply, a look at the history, and a run without HCL.

use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use super::module::isolate;
use super::run::Running;
use super::{Program, for_each_program};
use crate::harness::{Setup, binary};

for_each_program![what_the_readme_says_to_paste_works];

const README: &str = include_str!("../../../README.md");
const INIT_AND_APPLY: &str = "terraform init && terraform apply";
const WRAPPED: &str = "-- terraform apply";

/// Only the port differs, nobody is there to type `yes`, and OpenTofu is used as the README says:
/// by its own name.
fn what_the_readme_says_to_paste_works(program: &Program) {
    let clone = TempDir::new().expect("a directory that stands for a fresh clone");
    let server = Setup::new()
        .data(&clone.path().join("statekeep-data"))
        .start();
    std::fs::create_dir_all(clone.path().join("target/release")).expect("a directory");
    symlink(binary(), clone.path().join("target/release/statekeep")).expect("a link");
    symlink(&program.path, clone.path().join(program.name())).expect("a link");
    let written =
        block("statekeep key create") + &block("statekeep state history") + &block("statekeep run");
    let pasted = written
        .replace("http://127.0.0.1:8680", server.url())
        .replace(INIT_AND_APPLY, &init_and_apply(program));
    let pasted = pasted.replace(WRAPPED, &WRAPPED.replace("terraform", program.name()));
    let expected = ["http://127.0.0.1:8680", INIT_AND_APPLY, WRAPPED];
    assert!(
        expected.iter().all(|words| written.contains(words)),
        "{written}"
    );

    let run = Running::spawn(shell(&clone, &pasted)).wait().ok();

    run.says("Apply complete! Resources: 1 added")
        .says("team-a");
    let versions = server.admin().versions("team-a/network");
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert_eq!(versions[0]["created_by"]["name"], "team-a", "{versions:?}");
    assert!(versions[0]["lock"].is_object(), "{versions:?}");
    server.admin().expect_unlocked("team-a/network");
    assert_eq!(server.admin().versions("team-a/more").len(), 1);
}

fn init_and_apply(program: &Program) -> String {
    INIT_AND_APPLY.replace("terraform", program.name())
}

/// A shell in the clone that stops at the first command which fails, and finds `terraform` or
/// `tofu` there first.
fn shell(clone: &TempDir, script: &str) -> Command {
    let mut shell = Command::new("sh");
    isolate(&mut shell, clone.path());
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(clone.path().to_owned()).chain(std::env::split_paths(&inherited));
    shell
        .env(
            "PATH",
            std::env::join_paths(dirs).expect("no colon in them"),
        )
        .env("TF_CLI_ARGS_apply", "-auto-approve");
    shell.args(["-e", "-c", script]);
    shell
}

/// The README's one shell block that holds these words.
fn block(words: &str) -> String {
    let blocks = README
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block);
    let found: Vec<&str> = blocks.filter(|block| block.contains(words)).collect();
    assert_eq!(
        found.len(),
        1,
        "the README should have one block with '{words}': {found:?}"
    );
    found[0].to_owned()
}
