//! Signals while a command is wrapped: which of them are handed on to it, and what becomes of one
//! that comes before it runs.
//!
//! Both programs take a second interrupt as "leave at once, even if something is lost". So the
//! child gets each signal once. It always has a process group of its own, and in the foreground of
//! a terminal it gets the terminal as well ([`Terminal`]). A key that is typed reaches the child
//! and not us. A signal that is sent to us or to our whole group reaches us, and we hand it on. The
//! same signal again a moment later counts as the same one.
//!
//! A signal goes to the child alone and not to what it has started: a provider that ends before
//! Terraform loses what it is making. None of these signals ends us while the child runs, and one
//! that was ignored when we started (`nohup`) stays so. If the child stops, our job does, so
//! that a shell sees it; and goes on with it.
//!
//! What the client is asked to do for a move ([`output`]) is a child like any other.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_current_process_group,
    kill_process, kill_process_group, waitid,
};
use signal_hook::consts::{
    SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2,
};
use signal_hook::flag::register_usize;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::backend::Handle;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Origin;
use tokio::sync::Notify;

use crate::cli::process::terminal::{Terminal, can_be_resumed};
use crate::model::clock;

/// A signal that comes so soon after the same one is meant as one: `timeout` and build servers
/// signal a process and its group.
const MEANT_AS_ONE: Duration = Duration::from_secs(2);

/// What ends a program that does nothing about it.
const ENDING: [i32; 6] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
/// What stops a program and lets it go on.
const STOPPING: [i32; 2] = [SIGTSTP, SIGCONT];
/// How long a stopped child stands still before it goes on, if no shell could resume our job.
const BREATH: Duration = Duration::from_millis(200);

/// Takes the signals of this process; there is one, since signals belong to the process.
static DESK: OnceLock<Arc<Desk>> = OnceLock::new();

/// Signals are handed on from here: to the child while there is one.
pub(in crate::cli) struct Signals {
    desk: Arc<Desk>,
    handle: Handle,
}

struct Desk {
    terminal: Option<Terminal>,
    state: Mutex<State>,
    /// A signal that came and would have ended us, from the moment that it comes; 0 before. The
    /// thread that takes signals may be late, and a child that ended behind the signal is then
    /// waited for already.
    caught: Arc<AtomicUsize>,
    came: Notify,
}

#[derive(Default)]
struct State {
    child: Option<Pid>,
    /// The first signal that came and would have ended us.
    ending: Option<i32>,
    relay: Relay,
}

/// The exit code of what a signal ended, as shells have it.
pub(in crate::cli) fn code_of(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

/// Why a program was not started.
pub(in crate::cli) enum NotStarted {
    /// A signal came first.
    Signal(i32),
    /// The system did not start it.
    System(io::Error),
}

impl Signals {
    /// Takes signals from here on.
    pub(in crate::cli) fn take() -> io::Result<Self> {
        let mut wanted = ENDING.to_vec();
        wanted.extend(STOPPING);
        let ignored = ignored();
        wanted.retain(|signal| !is_in(ignored, *signal));
        // If it is ignored, the kernel throws exit codes away.
        wanted.push(SIGCHLD);
        let mut signals = SignalsInfo::<WithOrigin>::new(&wanted)?;
        let handle = signals.handle();
        let desk = Arc::new(Desk {
            terminal: Terminal::find(),
            state: Mutex::default(),
            caught: Arc::default(),
            came: Notify::new(),
        });
        for signal in wanted.iter().filter(|signal| ENDING.contains(signal)) {
            let number = usize::try_from(*signal).map_err(io::Error::other)?;
            register_usize(*signal, Arc::clone(&desk.caught), number)?;
        }
        // A second one would not be told of what the first has started.
        DESK.set(Arc::clone(&desk))
            .map_err(|_| io::Error::other("signals are taken once"))?;
        let told = Arc::clone(&desk);
        let others = |origin: &Origin| !is_our_own(origin);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let origins = signals.forever().filter(others);
                origins.for_each(|origin| told.take(origin.signal));
            })?;
        Ok(Self { desk, handle })
    }

    /// The first signal that came and would have ended us.
    pub(in crate::cli) fn ending(&self) -> Option<i32> {
        self.desk.ending(&self.desk.state())
    }

    /// Waits for one.
    pub(in crate::cli) async fn ended(&self) -> i32 {
        loop {
            let came = self.desk.came.notified();
            if let Some(signal) = self.ending() {
                return signal;
            }
            came.await;
        }
    }

    /// Starts a child that is told of signals from its first moment on, unless one came already.
    pub(in crate::cli) fn start(&self, command: &mut Command) -> Result<RunningChild, NotStarted> {
        let child = self.desk.start(command)?;
        Ok(RunningChild {
            child,
            desk: Arc::clone(&self.desk),
        })
    }
}

/// A child that is told of signals.
pub(in crate::cli) struct RunningChild {
    child: Child,
    desk: Arc<Desk>,
}

impl RunningChild {
    /// Waits for its end, on this thread.
    pub(in crate::cli) fn wait(mut self) -> io::Result<ExitStatus> {
        self.desk.wait(&mut self.child)
    }
}

/// Runs a command to its end as [`Command::output`] does, with this as its input if there is any.
/// It is told of signals if this process takes them.
pub(in crate::cli) fn output(command: &mut Command, input: Option<&[u8]>) -> io::Result<Output> {
    let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let desk = DESK.get();
    let mut child = match desk {
        Some(desk) => desk.start(command)?,
        None => command.spawn()?,
    };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // If the child does not read all of it, its exit code tells.
        scope.spawn(move || {
            stdin
                .zip(input)
                .map(|(mut pipe, input)| pipe.write_all(input))
        });
        let stdout = scope.spawn(move || all_of(stdout));
        let stderr = scope.spawn(move || all_of(stderr));
        let status = match desk {
            Some(desk) => desk.wait(&mut child)?,
            None => child.wait()?,
        };
        let (stdout, stderr) = (stdout.join(), stderr.join());
        let broken = |_| Err(io::Error::other("a pipe broke"));
        Ok(Output {
            status,
            stdout: stdout.unwrap_or_else(broken)?,
            stderr: stderr.unwrap_or_else(broken)?,
        })
    })
}

/// The same for a command that writes to our own stdout and stderr.
pub(in crate::cli) fn status(command: &mut Command) -> io::Result<ExitStatus> {
    let Some(desk) = DESK.get() else {
        return command.status();
    };
    let mut child = desk.start(command)?;
    desk.wait(&mut child)
}

impl From<NotStarted> for io::Error {
    fn from(why: NotStarted) -> Self {
        match why {
            NotStarted::Signal(signal) => Self::new(
                ErrorKind::Interrupted,
                format!("signal {signal} came first"),
            ),
            NotStarted::System(error) => error,
        }
    }
}

fn all_of(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The first signal that came and would have ended us, taken already or not.
    fn ending(&self, state: &State) -> Option<i32> {
        let caught = i32::try_from(self.caught.load(Ordering::SeqCst)).ok();
        state.ending.or(caught.filter(|signal| *signal != 0))
    }

    fn start(&self, command: &mut Command) -> Result<Child, NotStarted> {
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut state = self.state();
        if let Some(signal) = self.ending(&state) {
            return Err(NotStarted::Signal(signal));
        }
        let child = command.spawn().map_err(NotStarted::System)?;
        state.child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // Should it ask for the terminal before it has it, it is stopped, which is seen.
        if let (Some(terminal), Some(pid)) = (&self.terminal, state.child) {
            terminal.reserve(pid);
        }
        Ok(child)
    }

    /// Waits for a child's end.
    fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(ErrorKind::InvalidData)?;
        // Its end is not collected yet, so that its number stays its own until no signal is sent to
        // it any more.
        let events = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(pid), events) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(Some(status)) if status.stopped() => self.stopped(pid, &status),
                Ok(_) | Err(_) => break,
            }
        }
        self.state().child = None;
        if let Some(terminal) = &self.terminal {
            terminal.take_back(pid);
        }
        child.wait()
    }

    /// The child has stopped: then our job stops, as if we were not there, unless it only asked for
    /// the terminal too early.
    fn stopped(&self, pid: Pid, status: &WaitIdStatus) {
        let _ = waitid(
            WaitId::Pid(pid),
            WaitIdOptions::STOPPED | WaitIdOptions::NOHANG,
        );
        let Some(terminal) = &self.terminal else {
            return;
        };
        let asked_for_it = matches!(status.stopping_signal(), Some(SIGTTIN | SIGTTOU));
        if asked_for_it {
            // A shell that puts us in front again while we run says no word of it.
            terminal.reserve(pid);
        }
        if asked_for_it && terminal.is_with(pid) {
            let _ = kill_process_group(pid, Signal::CONT);
            return;
        }
        terminal.take_back(pid);
        if can_be_resumed() {
            // What else is in the job, as the terminal would stop it; and us in a way that leaves
            // no choice.
            let _ = kill_current_process_group(if asked_for_it {
                Signal::TTIN
            } else {
                Signal::TSTP
            });
            let _ = kill_process(getpid(), Signal::STOP);
        } else {
            std::thread::sleep(BREATH);
            self.go_on(pid);
        }
    }

    /// We go on, and so the child does, with the terminal if we have it.
    fn go_on(&self, pid: Pid) {
        if let Some(terminal) = &self.terminal {
            terminal.reserve(pid);
        }
        let _ = kill_process_group(pid, Signal::CONT);
    }

    fn take(&self, signal: i32) {
        let mut state = self.state();
        let is_new = state.relay.is_new(signal, clock::monotonic());
        if ENDING.contains(&signal) {
            state.ending.get_or_insert(signal);
            self.came.notify_one();
        }
        let child = state.child;
        match (child, signal) {
            (_, SIGCHLD) | (None, _) => {}
            (Some(child), SIGCONT) => self.go_on(child),
            (Some(child), _) if is_new => send(child, signal),
            (Some(_), _) => {}
        }
        drop(state);
        // With a terminal the child's stop is seen, and ours follows.
        if signal == SIGTSTP && (child.is_none() || self.terminal.is_none()) {
            send(getpid(), Signal::STOP.as_raw());
        }
    }
}

/// Sends a signal. If that fails, the child has just ended.
fn send(to: Pid, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = kill_process(to, signal);
    }
}

/// When each signal came last.
#[derive(Default)]
struct Relay(HashMap<i32, Instant>);

impl Relay {
    /// Whether a signal is one of its own, and not the one before once more.
    fn is_new(&mut self, signal: i32, now: Instant) -> bool {
        let is_new = self
            .0
            .get(&signal)
            .is_none_or(|last| now.saturating_duration_since(*last) >= MEANT_AS_ONE);
        if is_new {
            self.0.insert(signal, now);
        }
        is_new || STOPPING.contains(&signal)
    }
}

/// Whether this process has sent a signal itself.
fn is_our_own(origin: &Origin) -> bool {
    let own = getpid().as_raw_nonzero().get();
    let sender = origin.process.as_ref();
    sender.is_some_and(|process| process.pid == own)
}

/// The signals that this process ignores: bit 0 is signal 1. None if `/proc` does not say so.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_in(&status))
}

fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    u32::try_from(signal - 1)
        .ok()
        .and_then(|bit| mask.checked_shr(bit))
        .is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_signal_a_moment_later_is_the_same_one() {
        let (mut relay, start) = (Relay::default(), clock::monotonic());
        let after = |millis| start + Duration::from_millis(millis);
        assert!(relay.is_new(SIGTERM, start));
        assert!(!relay.is_new(SIGTERM, after(1_999)));
        assert!(
            relay.is_new(SIGINT, after(1_999)),
            "another signal is another one"
        );
        assert!(
            relay.is_new(SIGTERM, after(2_000)),
            "counted from the one that was handed on"
        );
        assert!(
            relay.is_new(SIGCONT, start) && relay.is_new(SIGCONT, start),
            "these do no harm"
        );
    }

    #[test]
    fn what_is_ignored_is_read_from_the_kernel() {
        let mask = ignored_in(
            "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n",
        );
        assert!(is_in(mask, SIGHUP) && is_in(mask, 13));
        assert!(!is_in(mask, SIGINT) && !is_in(mask, SIGTERM));
        assert_eq!(ignored_in(""), 0);
    }
}
