//! The processes of a test: the binary under test, and what it starts.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::waiting::PATIENCE;

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("STATEKEEP_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_statekeep")),
        PathBuf::from,
    )
}

/// A command of the binary with a clean environment, so that nobody's own settings change a test.
pub fn statekeep(args: &[&str]) -> Command {
    clean_command(&binary(), args)
}

/// The same of another binary.
pub(super) fn clean_command(binary: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        // A control's fault is for whatever the test starts.
        if name.starts_with("STATEKEEP_") && name != "STATEKEEP_SABOTAGE" {
            command.env_remove(&*name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// The first line of a program's output, or nothing where none comes; the rest is read and thrown
/// away, so that the program never waits for us.
pub(super) fn first_line(output: ChildStdout) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let _ = output.read_line(&mut line);
        let _ = sender.send(line);
        let _ = output.read_to_end(&mut Vec::new());
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

/// The processes that a process has started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let list =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Sends a process a signal, by the shell's own `kill`: a small machine may have no program of that
/// name. Says whether it was there.
pub fn kill(signal: &str, pid: u32) -> bool {
    let command = format!("kill -{signal} {pid}");
    Command::new("sh")
        .args(["-c", &command])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The same command, which finds no signal ignored: tests that a shell runs in the background
/// inherit that.
pub fn with_usual_signals(command: &Command) -> Command {
    let mut usual = Command::new("env");
    usual
        .arg("--default-signal=HUP,INT,QUIT")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => usual.env(name, value),
            None => usual.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        usual.current_dir(dir);
    }
    usual
}

/// Kills a process and, where it is a wrapper such as strace, what it wraps.
pub(super) fn end(child: &mut Child) {
    let started = children(child.id());
    for pid in &started {
        kill("KILL", *pid);
    }
    let _ = child.kill();
    let _ = child.wait();
    // What it has started is not ours to wait for, and holds its files until it is gone.
    let deadline = Instant::now() + PATIENCE;
    while started.iter().any(|pid| is_running(*pid)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process still holds what it has opened: its last thread gives that back, which need
/// not be its first one.
fn is_running(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let mut stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.any(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with(['Z', 'X'])
    })
}
