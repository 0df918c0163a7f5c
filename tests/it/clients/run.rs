//! A run of `terraform` or `tofu`: under way ([`Running`]), then over ([`Run`]).
//!
//! No run outlives its test or its deadline. What a run says goes to files, so that a provisioner's
//! shell which outlives a killed run holds no pipe open.

use std::fmt;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No run may take longer.
const DEADLINE: Duration = Duration::from_mins(2);

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A run under way; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    command: String,
    stdout: tempfile::NamedTempFile,
    stderr: tempfile::NamedTempFile,
    end: Instant,
}

impl Running {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let file = || tempfile::NamedTempFile::new().expect("a file for what a run says");
        let (stdout, stderr) = (file(), file());
        command
            .stdin(Stdio::null())
            .stdout(stdout.reopen().expect("a handle"))
            .stderr(stderr.reopen().expect("a handle"));
        let child = command.spawn().expect("the program starts");
        Self {
            child,
            command: format!("{command:?}"),
            stdout,
            stderr,
            end: Instant::now() + DEADLINE,
        }
    }

    /// Waits for the end of the run.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Run {
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return self.run(status);
            }
            self.expect_time_left("the run to end");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until something is true while this run goes on.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        while !condition() {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                panic!("the run ended before {what}: {}", self.run(status));
            }
            self.expect_time_left(what);
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until it has said this on stdout.
    #[track_caller]
    pub(super) fn wait_for_words(&mut self, words: &str) {
        let stdout = self.stdout.path().to_owned();
        self.wait_until(words, || {
            std::fs::read_to_string(&stdout).is_ok_and(|said| said.contains(words))
        });
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the program as a crash or an impatient build server does: at once, with no chance to
    /// clean up.
    pub(super) fn kill(mut self) -> Run {
        self.child.kill().expect("the child is ours");
        let status = self.child.wait().expect("the child is ours");
        self.run(status)
    }

    #[track_caller]
    fn expect_time_left(&self, what: &str) {
        assert!(
            Instant::now() < self.end,
            "{} took longer than {DEADLINE:?}, waiting for {what}:\n{}",
            self.command,
            said(&self.stdout)
        );
    }

    fn run(&self, status: ExitStatus) -> Run {
        Run {
            command: self.command.clone(),
            status,
            stdout: said(&self.stdout),
            stderr: said(&self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(file: &tempfile::NamedTempFile) -> String {
    let mut bytes = Vec::new();
    file.reopen()
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .expect("what the run said");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A run that is over.
pub(crate) struct Run {
    command: String,
    status: ExitStatus,
    pub(super) stdout: String,
    stderr: String,
}

impl Run {
    pub(super) fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Whether a SIGKILL ended it.
    pub(super) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "should have succeeded: {self}");
        self
    }

    /// Checks that the program itself gave up with an error: not that a signal ended it, nor that
    /// it crashed.
    #[track_caller]
    pub(crate) fn fails(self) -> Self {
        assert_eq!(self.status.code(), Some(1), "should have failed: {self}");
        self
    }

    /// Checks that the user could read these words, however the program broke and framed its lines.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(
            self.words().contains(words),
            "should have said '{words}': {self}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, words: &str) -> Self {
        assert!(
            !self.words().contains(words),
            "should not have said '{words}': {self}"
        );
        self
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    fn words(&self) -> String {
        let all = format!("{}\n{}", self.stdout, self.stderr).replace(['│', '╷', '╵'], " ");
        all.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Everything about a run that a reader of a failed test wants to know.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n{}\n--- stdout ---\n{}\n--- stderr ---\n{}",
            self.command, self.status, self.stdout, self.stderr
        )
    }
}
