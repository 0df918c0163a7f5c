//! The program that a command wraps: its command line as it reads it itself, what it has recorded,
//! and the few things that it is asked to do for us.
//!
//! Whatever it is asked to do runs as the user would run it: in the same directory, with the same
//! options before the subcommand. States go through pipes, never to a file of ours.

mod acts;
mod invocation;
mod patience;
mod record;
mod settings;
mod words;

pub(super) use acts::Act;
pub(super) use invocation::{DEFAULT_WORKSPACE, Invocation};
pub(super) use record::Record;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::run::signals;
use crate::model::secret::Secret;

/// Without an answer of its own, `init` would wait for one.
const NO_INPUT: &str = "-input=false";
/// What it says is told in our words.
const NO_COLOUR: &str = "-no-color";
/// The most that is told of what the program said when it failed, in bytes; the end of it.
const MAX_SAID: usize = 4 * 1024;

/// Credentials for the `http` backend, which the program takes from its environment.
#[derive(Clone)]
pub(super) struct Credentials {
    /// The user.
    pub(super) user: String,
    /// The password.
    pub(super) password: Secret,
}

impl Credentials {
    /// Hands them to a program that is about to start.
    pub(super) fn give(&self, command: &mut Command) {
        command
            .env(USER, &self.user)
            .env(PASSWORD, self.password.reveal());
        patience::give(command);
    }

    /// The same where the block of the backend is ours, and says all that says where.
    pub(super) fn give_for_our_block(&self, command: &mut Command) {
        self.give(command);
        for name in SETTINGS {
            command.env_remove(name);
        }
    }
}

/// Where the program takes the user of its `http` backend from.
pub(super) const USER: &str = "TF_HTTP_USERNAME";
/// Where it takes the password from.
pub(super) const PASSWORD: &str = "TF_HTTP_PASSWORD";
/// What the `http` backend would take from the environment where its block does not say it; the
/// address first.
pub(super) const SETTINGS: [&str; 6] = [
    "TF_HTTP_ADDRESS",
    "TF_HTTP_LOCK_ADDRESS",
    "TF_HTTP_UNLOCK_ADDRESS",
    "TF_HTTP_UPDATE_METHOD",
    "TF_HTTP_LOCK_METHOD",
    "TF_HTTP_UNLOCK_METHOD",
];

/// Settings of the `http` backend that say how it is reached, and not where or as whom.
pub(super) const HARMLESS: [&str; 7] = [
    "client_ca_certificate_pem",
    "client_certificate_pem",
    "client_private_key_pem",
    "retry_max",
    "retry_wait_max",
    "retry_wait_min",
    "skip_cert_verification",
];

/// What a state that is pushed may go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// What it came from: the program refuses another lineage and a newer serial.
    Onto,
    /// Whatever is there.
    Over,
}

/// Which data directory and credentials a call is to use; those of the user unless it says
/// otherwise.
#[derive(Clone, Default)]
pub(super) struct Using<'a> {
    /// Another data directory, in which there is one workspace only.
    pub(super) data_dir: Option<&'a Path>,
    /// Other credentials, for an `http` backend whose block is ours.
    pub(super) credentials: Option<&'a Credentials>,
}

impl Invocation {
    /// The program with other arguments, ready to start.
    pub(super) fn call(&self, arguments: &[&str], using: &Using<'_>) -> Command {
        let mut command = self.command();
        command.args(arguments);
        if let Some(dir) = using.data_dir {
            command
                .env(invocation::DATA_DIR, dir)
                .env(invocation::WORKSPACE, DEFAULT_WORKSPACE);
        }
        if let Some(credentials) = using.credentials {
            credentials.give_for_our_block(&mut command);
        }
        command
    }

    /// `init`, which asks nothing; what it says goes to stderr. The user's arguments for it are in
    /// its environment, or in the wrapped command.
    pub(super) fn init(&self, flags: &[&str], using: &Using<'_>) -> Command {
        let mut command = self.call(&["init", NO_INPUT], using);
        command.args(self.for_init()).args(flags);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()));
        command
    }

    /// Whether the program goes by the `http` backend that it has recorded, and not by a block in
    /// its sources that says otherwise: it does where the block is as it was at the last `init`,
    /// which was told more. Only the program knows.
    pub(in crate::cli) fn uses_what_is_recorded(&self) -> Result<bool, Failure> {
        let differs = "the sources name another address than the last `init` has recorded";
        if self.program().is_none() {
            return Err(Failure::Failed(format!(
                "{differs}, and {} cannot be asked which one holds; run `init` again",
                self.shown()
            )));
        }
        let mut command = self.call(&["workspace", "list", NO_COLOUR], &Using::default());
        invocation::without_arguments(&mut command);
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.not_started(&error))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        match () {
            // The backend was made from what is recorded, and has none.
            () if said.contains("workspaces not supported") => Ok(true),
            () if said.contains("initialization required") => Ok(false),
            () => Err(Failure::Failed(format!(
                "{differs}, and {} does not say which one holds; run `init` again",
                self.shown()
            ))),
        }
    }

    /// The state that the program finds, in clear; none where there is none.
    pub(super) fn pull(&self, using: &Using<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let mut command = self.call(&["state", "pull", NO_COLOUR], using);
        invocation::without_arguments(&mut command);
        let output =
            signals::output(&mut command, None).map_err(|error| self.not_started(&error))?;
        self.check("state pull", &output)?;
        Ok(state_in(&output.stdout).map(<[u8]>::to_vec))
    }

    /// Has the program store a state where its own is.
    pub(super) fn push(&self, state: &[u8], how: Push, using: &Using<'_>) -> Result<(), Failure> {
        let mut command = match how {
            Push::Onto => self.call(&["state", "push", NO_COLOUR, "-"], using),
            Push::Over => self.call(&["state", "push", NO_COLOUR, "-force", "-"], using),
        };
        invocation::without_arguments(&mut command);
        let output =
            signals::output(&mut command, Some(state)).map_err(|error| self.not_started(&error))?;
        self.check("state push", &output)
    }

    fn check(&self, what: &str, output: &Output) -> Result<(), Failure> {
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let end = said.ceil_char_boundary(said.len().saturating_sub(MAX_SAID));
        Err(Failure::Failed(format!(
            "`{} {what}` failed ({}):\n{}",
            self.shown(),
            output.status,
            output::harmless_lines(said[end..].trim())
        )))
    }

    /// Why the program did not start.
    pub(super) fn not_started(&self, error: &std::io::Error) -> Failure {
        Failure::Failed(format!("{} cannot be started: {error}", self.shown()))
    }
}

/// A variable that the program would read as well; none if it is empty or no text.
pub(in crate::cli) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)
        .and_then(|value| value.into_string().ok())
        .filter(|value| !value.is_empty())
}

/// A file's bytes; none where there is no file.
fn read_at_most(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::other(format!(
            "it is larger than {most} bytes"
        )));
    }
    Ok(Some(bytes))
}

/// The state in what `state pull` printed: some warnings are printed before it.
fn state_in(stdout: &[u8]) -> Option<&[u8]> {
    let mut start = 0;
    for line in stdout.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"{") {
            return Some(&stdout[start..]);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_found_behind_what_is_printed_before_it() {
        assert_eq!(state_in(b""), None);
        assert_eq!(state_in(b"\n"), None);
        assert_eq!(
            state_in(b"{\"version\":4}\n"),
            Some(b"{\"version\":4}\n".as_slice())
        );
        assert_eq!(
            state_in(b"\nWarning: {odd}\n\n{\n\"version\":4\n}\n"),
            Some(b"{\n\"version\":4\n}\n".as_slice())
        );
    }
}
