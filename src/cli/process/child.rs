//! The wrapped command: started as we were started, waited for, and its exit code passed on.

use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};

use crate::cli::output;
use crate::cli::process::signals::{NotStarted, Signals, code_of};

/// How it came to an end.
pub(in crate::cli) enum End {
    /// It ran.
    Ran(ExitStatus),
    /// It ran, and the system does not say how it ended.
    Lost(io::Error),
    /// It did not: a signal came first.
    Signal(i32),
    /// It did not: the system would not start it.
    NotStarted(io::Error),
}

/// Runs a command to its end.
pub(in crate::cli) async fn run(command: &mut Command, signals: &Signals) -> End {
    let child = match signals.start(command) {
        Ok(child) => child,
        Err(NotStarted::Signal(signal)) => return End::Signal(signal),
        Err(NotStarted::System(error)) => return End::NotStarted(error),
    };
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    ended
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
        .map_or_else(End::Lost, End::Ran)
}

impl End {
    /// Our own exit code. Says how the command ended if no other program has said it.
    pub(in crate::cli) fn exit(&self, program: &str) -> ExitCode {
        match self {
            Self::Ran(status) => match (status.code(), status.signal()) {
                (Some(code), _) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
                (None, Some(signal)) => {
                    output::message(&format!("statekeep: signal {signal} ended {program}"));
                    code_of(signal)
                }
                (None, None) => ExitCode::FAILURE,
            },
            Self::Lost(error) => {
                output::message(&format!(
                    "statekeep: {program}: how it ended is unknown ({error})"
                ));
                ExitCode::FAILURE
            }
            Self::Signal(signal) => {
                output::message(&format!(
                    "statekeep: signal {signal} came before {program} was started, so it was not \
                        run"
                ));
                code_of(*signal)
            }
            Self::NotStarted(error) if error.kind() == ErrorKind::NotFound => {
                output::message(&format!(
                    "statekeep: {program}: there is no such program; the command was not run"
                ));
                ExitCode::from(127)
            }
            Self::NotStarted(error) => {
                output::message(&format!(
                    "statekeep: {program}: it cannot be executed ({error}); the command was not run"
                ));
                ExitCode::from(126)
            }
        }
    }
}
