//! The terminal of the job that we are: lent to the command while it runs, as a shell lends it to
//! each of its jobs, and taken back at its end or when it stops.
//!
//! The command is a job of its own. A key that is typed reaches the command and not us, and a
//! signal that is sent to our job reaches us and not the command.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::{Pid, getpgrp, getpid, setpgid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

/// This program, also if its file was replaced meanwhile.
const OURSELVES: &str = "/proc/self/exe";
/// The command of ours that puts a group in the foreground. It is for us alone.
const TO_FRONT: &str = "terminal-to-front";

/// The terminal that controls this process, if one does.
pub(in crate::cli) struct Terminal(File);

impl Terminal {
    pub(in crate::cli) fn find() -> Option<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        tcgetpgrp(&file).ok().map(|_| Self(file))
    }

    /// Whether a group is in the foreground.
    pub(in crate::cli) fn is_with(&self, group: Pid) -> bool {
        tcgetpgrp(&self.0).is_ok_and(|in_front| in_front == group)
    }

    /// Puts a group in the foreground, if ours is there.
    pub(in crate::cli) fn reserve(&self, to: Pid) {
        if self.is_with(getpgrp()) {
            // Of a terminal that has hung up nothing is wanted.
            let _ = tcsetpgrp(&self.0, to);
        }
    }

    /// Puts our group into the foreground again, if that group is there; any other group stays. A
    /// process of that group has to be left, if only a zombie.
    pub(in crate::cli) fn take_back(&self, from: Pid) {
        if !self.is_with(from) {
            return;
        }
        let own = getpgrp();
        // Only who is in the foreground may say who is there. So we are, for a moment.
        if setpgid(None, Some(from)).is_ok() {
            let _ = tcsetpgrp(&self.0, own);
            let _ = setpgid(None, Some(own));
            return;
        }
        // The first process of a session (`docker run -it`) cannot leave its group.
        let mut other = Command::new(OURSELVES);
        other
            .arg(TO_FRONT)
            .arg(own.as_raw_nonzero().to_string())
            .process_group(from.as_raw_nonzero().get());
        let _ = other
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Whether this process was started by another of ours to put a group of its session in the
/// foreground; it has done so then.
pub(in crate::cli) fn put_to_front() -> bool {
    let words: Vec<_> = std::env::args_os().collect();
    let [_, _, group] = words.as_slice() else {
        return false;
    };
    if words[1] != TO_FRONT {
        return false;
    }
    let group = group
        .to_str()
        .and_then(|group| group.parse().ok())
        .and_then(Pid::from_raw);
    if let (Some(terminal), Some(group)) = (Terminal::find(), group) {
        let _ = tcsetpgrp(&terminal.0, group);
    }
    true
}

/// Whether a shell has started our group as a job, and so could resume it. If none has, the kernel
/// stops no group either.
pub(in crate::cli) fn can_be_resumed() -> bool {
    let Some(own) = Family::of(getpid()) else {
        return false;
    };
    let mut at = own.clone();
    while let Some(parent) = at
        .parent
        .and_then(Family::of)
        .filter(|parent| parent.session == own.session)
    {
        if parent.group != own.group {
            return true;
        }
        at = parent;
    }
    false
}

/// Where a process belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Family {
    parent: Option<Pid>,
    group: i32,
    session: i32,
}

impl Family {
    fn of(pid: Pid) -> Option<Self> {
        Self::in_stat(
            &std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?,
        )
    }

    /// The name of the program, which may hold anything, ends with the last bracket.
    fn in_stat(stat: &str) -> Option<Self> {
        let numbers: Vec<i32> = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .skip(1)
            .take(3)
            .filter_map(|field| field.parse().ok())
            .collect();
        let [parent, group, session] = <[i32; 3]>::try_from(numbers).ok()?;
        Some(Self {
            parent: Pid::from_raw(parent),
            group,
            session,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_process_belongs_is_read_from_the_kernel() {
        let family =
            Family::in_stat("17 (a) b (c)) S 3 17 2 34816 17 4194304 0").expect("three numbers");
        assert_eq!(
            (family.parent, family.group, family.session),
            (Pid::from_raw(3), 17, 2)
        );
        assert_eq!(
            Family::in_stat("1 (init) S 0 1 1 0")
                .expect("three numbers")
                .parent,
            None
        );
        assert_eq!(Family::in_stat("1 (init) S 0"), None);
    }
}
