//! The files in `examples/`, run as a reader would run them after putting in an address of their
//! own: by real clients, real proxies and real Prometheus, against the real binary.
//!
//! Nothing of an example is repeated here: each test reads the file, and fails where a text that it
//! has to replace is no longer there.

mod ci;
mod container;
mod listed;
mod module;
mod prometheus;
mod proxy;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::clients::Program;
use crate::clients::module::isolate;
use crate::harness::binary;

/// What stands in the examples for the reader's own server.
const SITE: &str = "https://state.example.net";
/// The state that the examples are about.
const STATE: &str = "team-a/network";

/// The folder itself.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A file of it.
#[track_caller]
fn text(path: &str) -> String {
    std::fs::read_to_string(folder().join(path))
        .unwrap_or_else(|error| panic!("examples/{path}: {error}"))
}

/// The text with other words in it, which has to hold the old ones.
#[track_caller]
fn with(text: &str, replaced: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in replaced {
        assert!(text.contains(from), "`{from}` is not in:\n{text}");
        text = text.replace(from, to);
    }
    text
}

/// The one shell block of a page that holds these words.
#[track_caller]
fn block(page: &str, words: &str) -> String {
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0));
    let found: Vec<&str> = blocks.filter(|block| block.contains(words)).collect();
    assert_eq!(found.len(), 1, "one block with `{words}`: {found:?}");
    found[0].to_owned()
}

/// A directory with the binary under test and one of the programs, each under its own name.
struct Tools(TempDir);

impl Tools {
    fn of(program: &Program) -> Self {
        let dir = TempDir::new().expect("a directory");
        symlink(binary(), dir.path().join("statekeep")).expect("a link");
        symlink(&program.path, dir.path().join(program.name())).expect("a link");
        Self(dir)
    }

    /// A shell in a directory, which finds these programs first and stops at what fails.
    fn shell(&self, dir: &Path, script: &str) -> Command {
        let mut shell = Command::new("bash");
        isolate(&mut shell, dir);
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let all =
            std::iter::once(self.0.path().to_owned()).chain(std::env::split_paths(&inherited));
        shell.env("PATH", std::env::join_paths(all).expect("no colon in them"));
        shell.args(["-e", "-c", script]);
        shell
    }
}
