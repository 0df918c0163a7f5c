//! The server as it must not be: built once with the feature `sabotage`, by which a variable makes
//! it break one promise. A check that lets it pass proves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::disk::{damage, noise};
use crate::harness::{Setup, binary, tfstate, tfstate_noted};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// Which promise the server breaks, by the name that the program knows it under.
pub(super) const ANSWER_BEFORE_COMMIT: &str = "answer-before-commit";
pub(super) const LOCK_OUTSIDE: &str = "lock-outside";
pub(super) const SKIP_SYNC: &str = "skip-sync";
pub(super) const NO_HASH: &str = "no-hash";
/// This one breaks none: what takes 10 minutes has 4 s.
pub(super) const HURRY: &str = "hurry";
/// This one neither: four jobs of the writer take half a second.
pub(super) const SLOW_BATCHES: &str = "slow-batches";
pub(super) const FIFO_QUEUE: &str = "fifo-queue";

/// A server that breaks this promise.
pub(super) fn breaking(fault: &str) -> Setup {
    Setup::new()
        .binary(sabotaged_binary())
        .env("STATEKEEP_SABOTAGE", fault)
}

/// The binary with the feature, in a target folder of its own beside the usual one, so that no
/// other test ever runs it.
pub(super) fn sabotaged_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(given) = std::env::var_os("STATEKEEP_SABOTAGED_BIN") {
            return given.into();
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sabotage");
        begin_with_dependencies(&target);
        let mut build = Command::new(env!("CARGO"));
        // Build scripts run again where these differ, and the tests have those of their own crate.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_MANIFEST") || name.starts_with("CARGO_PKG_") {
                build.env_remove(name);
            }
        }
        let status = build
            // With a test beside it, dependencies have the features that they were built with.
            .args([
                "build",
                "--locked",
                "--bin",
                "statekeep",
                "--test",
                "skipped",
            ])
            .args(["--features", "sabotage", "--target-dir"])
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the server with the feature `sabotage` cannot be built"
        );
        target.join("debug/statekeep")
    })
}

/// Takes over the dependencies that were built for the usual binary, which saves minutes. Where
/// that does not work, they are built again.
fn begin_with_dependencies(target: &Path) {
    let usual = Path::new(env!("CARGO_BIN_EXE_statekeep"));
    let Some(usual) = usual.parent().filter(|dir| dir.ends_with("debug")) else {
        return;
    };
    let debug = target.join("debug");
    if debug.exists() || std::fs::create_dir_all(&debug).is_err() {
        return;
    }
    // A build replaces what lies in `deps` and writes over the rest, which must not be shared.
    for (part, how) in [(".fingerprint", "-a"), ("build", "-a"), ("deps", "-al")] {
        let script = "cp \"$2\" \"$0\" \"$1\" && find \"$1\" \\( -name '*statekeep*' \
                      -o -name 'it-*' -o -name 'figures-*' -o -name 'skipped-*' \\) -prune \
                      -exec rm -rf {} +";
        let _ = Command::new("sh")
            .args(["-c", script])
            .arg(usual.join(part))
            .arg(debug.join(part))
            .arg(how)
            .status();
    }
}

/// The control of the controls: without the variable, the sabotaged build is as good as the usual
/// one, which is not itself a sabotaged one.
#[test]
#[ignore = "middle tier: builds the server once more"]
fn the_sabotaged_server_is_another_binary_and_works_if_it_is_told_nothing() {
    assert_ne!(sabotaged_binary(), binary());
    let server = Setup::new().binary(sabotaged_binary()).start();
    let writer = server.key("team", "writer");
    let state = tfstate(L1, 1);
    writer.write("team/net", &state, None).expect_status(200);
    assert_eq!(writer.read("team/net").text(), state);
}

/// The bytes that a server serves of a state that lies on the disk with flipped bits.
fn served_after_damage(setup: fn() -> Setup) -> (u16, bool) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = setup().data(&data).start();
    let writer = server.key("team", "writer");
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &large, None).expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = setup().data(&data).start();
    let answer = writer.at(&server).read("team/large");
    (answer.status.as_u16(), answer.bytes == large.as_bytes())
}

#[test]
#[ignore = "middle tier: the control, on a server that compares no hash"]
fn without_the_hash_damaged_bytes_are_served() {
    assert_eq!(served_after_damage(Setup::new).0, 500);
    assert_eq!(served_after_damage(|| breaking(NO_HASH)), (200, false));
}
