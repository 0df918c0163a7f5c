//! Signals while a command is wrapped: which of them are handed on to it, and what becomes of one that comes before it runs.
//!
//! Both programs take a second interrupt as "leave at once, whatever is lost". So the child gets each signal once, whoever sends it to whom:
//!
//! - In the foreground of a terminal the child is in our process group, as if we were not there. What the kernel sends for the terminal it sends to both.
//! - Elsewhere it has a group of its own, so that whoever signals our whole group does not reach it. The same signal again a moment later is the same one.
//!
//! A signal goes to the child alone and not to what it has started: a provider that ends before Terraform loses what it is making.
//! None of these signals ends us while the child runs, and one that was ignored when we started (`nohup`) stays so.

use std::collections::HashMap;
use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::backend::Handle;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::Notify;

use crate::model::clock;

/// A signal that comes so soon after the same one is meant as one: `timeout` and build servers signal a process and its group.
const MEANT_AS_ONE: Duration = Duration::from_secs(2);

/// What ends a program that does nothing about it.
const ENDING: [i32; 6] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
/// What stops a program and lets it go on. In the foreground of a terminal both have their usual effect, on us and the child alike.
const STOPPING: [i32; 2] = [SIGTSTP, SIGCONT];

/// Who is told of signals: the child while there is one.
pub(super) struct Signals {
    desk: Arc<Desk>,
    handle: Handle,
}

struct Desk {
    place: Place,
    state: Mutex<State>,
    came: Notify,
}

#[derive(Default)]
struct State {
    child: Option<Pid>,
    /// The first signal that came and would have ended us.
    ending: Option<i32>,
    relay: Relay,
}

/// Where a command is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the foreground of a terminal.
    Foreground,
    /// Somewhere else: a build server, a service, a job in the background.
    Elsewhere,
}

impl Place {
    fn find() -> Self {
        let terminal = std::fs::File::open("/dev/tty");
        let in_front = terminal.ok().and_then(|terminal| tcgetpgrp(terminal).ok());
        if in_front == Some(getpgrp()) { Self::Foreground } else { Self::Elsewhere }
    }
}

/// Why a program was not started.
pub(super) enum NotStarted {
    /// A signal came first.
    Signal(i32),
    /// The system did not start it.
    System(io::Error),
}

impl Signals {
    /// Takes signals from here on.
    pub(super) fn take() -> io::Result<Self> {
        let place = Place::find();
        let mut wanted = ENDING.to_vec();
        if place == Place::Elsewhere {
            wanted.extend(STOPPING);
        }
        let ignored = ignored();
        wanted.retain(|signal| !is_in(ignored, *signal));
        // Where it is ignored, the kernel throws exit codes away.
        wanted.push(SIGCHLD);
        let mut signals = SignalsInfo::<WithOrigin>::new(&wanted)?;
        let (handle, desk) = (signals.handle(), Arc::new(Desk { place, state: Mutex::default(), came: Notify::new() }));
        let told = Arc::clone(&desk);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in signals.forever() {
                told.take(origin.signal, origin.cause == Cause::Kernel);
            }
        })?;
        Ok(Self { desk, handle })
    }

    /// The first signal that came and would have ended us.
    pub(super) fn ending(&self) -> Option<i32> {
        self.desk.state().ending
    }

    /// Waits for one.
    pub(super) async fn ended(&self) -> i32 {
        loop {
            let came = self.desk.came.notified();
            if let Some(signal) = self.ending() {
                return signal;
            }
            came.await;
        }
    }

    /// Starts a child that is told of signals from its first moment on, unless one came already.
    pub(super) fn start(&self, command: &mut Command) -> Result<Child, NotStarted> {
        if self.desk.place == Place::Elsewhere {
            std::os::unix::process::CommandExt::process_group(command, 0);
        }
        let mut state = self.desk.state();
        if let Some(signal) = state.ending {
            return Err(NotStarted::Signal(signal));
        }
        let child = command.spawn().map_err(NotStarted::System)?;
        state.child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(child)
    }

    /// The child has ended. It has not been waited for, so its number is not another's yet.
    pub(super) fn forget_child(&self) {
        self.desk.state().child = None;
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, signal: i32, by_kernel: bool) {
        let mut state = self.state();
        let reached_by_terminal = self.place == Place::Foreground && by_kernel;
        let is_new = state.relay.is_new(signal, clock::monotonic());
        if ENDING.contains(&signal) {
            state.ending.get_or_insert(signal);
            self.came.notify_one();
        }
        if let Some(child) = state.child.filter(|_| is_new && !reached_by_terminal && signal != SIGCHLD) {
            send(child, signal);
        }
        drop(state);
        if signal == SIGTSTP {
            send(getpid(), Signal::STOP.as_raw());
        }
    }
}

/// Nobody is there to be told where it fails: the child has just ended.
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
        let is_new = self.0.get(&signal).is_none_or(|last| now.saturating_duration_since(*last) >= MEANT_AS_ONE);
        if is_new {
            self.0.insert(signal, now);
        }
        is_new || STOPPING.contains(&signal)
    }
}

/// The signals that this process ignores: bit 0 is signal 1. Where `/proc` does not say so, none.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_in(&status))
}

fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    u32::try_from(signal - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
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
        assert!(relay.is_new(SIGINT, after(1_999)), "another signal is another one");
        assert!(relay.is_new(SIGTERM, after(2_000)), "counted from the one that was handed on");
        assert!(relay.is_new(SIGCONT, start) && relay.is_new(SIGCONT, start), "these do no harm");
    }

    #[test]
    fn what_is_ignored_is_read_from_the_kernel() {
        let mask = ignored_in("Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert!(is_in(mask, SIGHUP) && is_in(mask, 13));
        assert!(!is_in(mask, SIGINT) && !is_in(mask, SIGTERM));
        assert_eq!(ignored_in(""), 0);
    }
}
