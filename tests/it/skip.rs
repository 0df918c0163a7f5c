//! Tests that need a program which is not there: skipped with a loud line, and named once more at
//! the very end by `tests/skipped.rs`.
//!
//! With `STATEKEEP_REQUIRE_CLIENTS=1` (what `.ci/run` sets) a missing program is a failure instead.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The path of a program that a test needs, from `variable` or the `PATH`; `None` (after saying so)
/// where it is missing.
pub fn program(name: &str, variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| on_path(name));
    if let Some(path) = found.filter(|path| path.is_file()) {
        return Some(path);
    }
    missing(&format!("no `{name}` on the PATH (or in {variable})"));
    None
}

/// Says loudly that this test is skipped and why; fails it instead where nothing may be skipped.
pub fn missing(what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var_os("STATEKEEP_REQUIRE_CLIENTS").is_none(),
        "{test} cannot run: {what}"
    );
    // Written past the test runner's capture, so that it is seen in a run that passes.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: {what}");
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    if let Ok(mut file) = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(list)
    {
        let _ = writeln!(file, "{test}: {what}");
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}
