//! strace on a server: its calls fail from some moment on.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::cases::Case;
use crate::harness::{Server, Setup, eventually, kill};
use crate::skip;

/// How long strace may take to leave a server.
const FOR_LEAVING: Duration = Duration::from_secs(5);

/// strace, attached to a running server.
pub(super) struct Injection {
    strace: Child,
    trace: NamedTempFile,
}

fn options(case: &Case, trace: &Path) -> Vec<String> {
    let Case { call, error, n, .. } = case;
    let more = if case.lasts { "+" } else { "" };
    let trace = trace.to_str().expect("UTF-8").to_owned();
    let inject = format!("inject={call}:error={error}:when={n}{more}");
    [
        "-f",
        "-qq",
        "-o",
        &trace,
        "-e",
        &format!("trace={call}"),
        "-e",
        &inject,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Whether a call has failed so by now.
pub(super) fn is_met(trace: &Path) -> bool {
    std::fs::read_to_string(trace).is_ok_and(|text| text.contains("(INJECTED)"))
}

impl Injection {
    /// Attaches to all threads of a server.
    pub(super) fn attach(server: &Server, case: &Case) -> Option<Self> {
        let program = skip::program("strace", "STATEKEEP_STRACE")?;
        let trace = NamedTempFile::new().expect("a file");
        let mut strace = Command::new(program)
            .args(options(case, trace.path()))
            .args(["-p", &server.pid().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace runs");
        let mut has_failed = false;
        eventually("strace is attached to every thread", || {
            has_failed = strace.try_wait().expect("our child").is_some();
            has_failed || is_traced(server.pid())
        });
        (!has_failed).then_some(Self { strace, trace })
    }

    /// Starts a server whose calls fail from the first moment on.
    pub(super) fn from_start(setup: Setup, case: &Case, trace: &Path) -> Option<Setup> {
        let strace = skip::program("strace", "STATEKEEP_STRACE")?;
        let options = options(case, trace);
        let program = strace.to_str().expect("UTF-8");
        let words: Vec<&str> = [program]
            .into_iter()
            .chain(options.iter().map(String::as_str))
            .collect();
        Some(setup.under(&words))
    }

    pub(super) fn is_met(&self) -> bool {
        is_met(self.trace.path())
    }

    /// Lets the server go on without faults. strace leaves each thread in turn and waits for it;
    /// if the server is about to end, that can wait for ever, while a killed strace leaves all.
    pub(super) fn end(&mut self) {
        kill("INT", self.strace.id());
        let begun = Instant::now();
        while begun.elapsed() < FOR_LEAVING && self.strace.try_wait().is_ok_and(|end| end.is_none())
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

fn is_traced(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let mut states = threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok());
    states.all(|status| {
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}
