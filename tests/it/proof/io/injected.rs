//! strace on a server: its calls fail from some moment on.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::cases::Case;
use crate::harness::{Server, Setup, eventually, kill};
use crate::skip;

/// How long a server may take to stand still, and strace to leave it.
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

    /// Lets the server go on without faults.
    ///
    /// If strace leaves a thread in the middle of a call that it lets fail, that call fails with
    /// ENOSYS, which is not the fault of this case. So all threads stand still meanwhile.
    ///
    /// strace may wait for ever for the threads of a server that ends; it is killed then.
    pub(super) fn end(&mut self, server: &Server) {
        kill("STOP", server.pid());
        within(FOR_LEAVING, || stands_still(server.pid()));
        kill("INT", self.strace.id());
        within(FOR_LEAVING, || {
            self.strace.try_wait().is_ok_and(|end| end.is_some())
        });
        let _ = self.strace.kill();
        let _ = self.strace.wait();
        kill("CONT", server.pid());
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Waits until something is so, but not for longer than that.
fn within(longest: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < longest && !is_so() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What `/proc` says of each thread of a process in one line.
fn of_each_thread(pid: u32, line: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let said = threads.filter_map(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let mut lines = status.lines();
        lines.find_map(|said| Some(said.strip_prefix(line)?.trim().to_owned()))
    });
    said.collect()
}

fn is_traced(pid: u32) -> bool {
    let tracers = of_each_thread(pid, "TracerPid:");
    !tracers.is_empty() && tracers.iter().all(|tracer| tracer != "0")
}

/// Whether all threads are stopped or have ended. A thread within a traced call looks stopped for
/// a moment as well: twice in a row none of them is.
fn stands_still(pid: u32) -> bool {
    let is_so = || {
        let mut states = of_each_thread(pid, "State:").into_iter();
        states.all(|state| state.starts_with(['t', 'T', 'Z', 'X']))
    };
    let before = is_so();
    std::thread::sleep(Duration::from_millis(50));
    before && is_so()
}
