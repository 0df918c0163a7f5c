//! The few things that the program is asked to do for us.
//!
//! It runs as the user would run it: in the same directory, with the same options before the
//! subcommand. States go through pipes, never to a file of ours.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::process::signals;
use crate::cli::terraform::credentials::HttpCredentials;
use crate::cli::terraform::invocation;
use crate::cli::terraform::invocation::DEFAULT_WORKSPACE;
use crate::cli::terraform::invocation::Invocation;

/// Without an answer of its own, `init` would wait for one.
const NO_INPUT: &str = "-input=false";
/// What it says is told in our words.
const NO_COLOUR: &str = "-no-color";
/// The most that is told of what the program said when it failed, in bytes; the end of it.
const MAX_SAID: usize = 4 * 1024;

/// What a state that is pushed may go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Push {
    /// A state that this one came from: the program refuses another lineage and a newer serial.
    Onto,
    /// Any state.
    Over,
}

/// Which data directory and credentials a call is to use; those of the user unless it says
/// otherwise.
#[derive(Clone, Default)]
pub(in crate::cli) struct Using<'a> {
    /// Another data directory, in which there is one workspace only.
    pub(in crate::cli) data_dir: Option<&'a Path>,
    /// Other credentials, for an `http` backend whose block is ours.
    pub(in crate::cli) credentials: Option<&'a HttpCredentials>,
}

impl Invocation {
    /// The program with other arguments, ready to start.
    pub(in crate::cli) fn call(&self, arguments: &[&str], using: &Using<'_>) -> Command {
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
    pub(in crate::cli) fn init(&self, flags: &[&str], using: &Using<'_>) -> Command {
        let mut command = self.call(&["init", NO_INPUT], using);
        command.args(self.for_init()).args(flags);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()));
        command
    }

    /// Whether the program goes by the `http` backend that it has recorded, and not by a block in
    /// its sources that says otherwise: it does if the block is as it was at the last `init`,
    /// which was told more. Only the program knows.
    pub(in crate::cli) fn uses_what_is_recorded(&self) -> Result<bool, CliError> {
        let differs = "the sources name another address than the last `init` has recorded";
        if self.program().is_none() {
            return Err(CliError::Failed(format!(
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
            () => Err(CliError::Failed(format!(
                "{differs}, and {} does not say which one holds; run `init` again",
                self.shown()
            ))),
        }
    }

    /// The state that the program finds, in clear; none if there is none.
    pub(in crate::cli) fn pull(&self, using: &Using<'_>) -> Result<Option<Vec<u8>>, CliError> {
        let mut command = self.call(&["state", "pull", NO_COLOUR], using);
        invocation::without_arguments(&mut command);
        let output =
            signals::output(&mut command, None).map_err(|error| self.not_started(&error))?;
        self.check("state pull", &output)?;
        Ok(state_in(&output.stdout).map(<[u8]>::to_vec))
    }

    /// Has the program store a state where its own is.
    pub(in crate::cli) fn push(
        &self,
        state: &[u8],
        how: Push,
        using: &Using<'_>,
    ) -> Result<(), CliError> {
        let mut command = match how {
            Push::Onto => self.call(&["state", "push", NO_COLOUR, "-"], using),
            Push::Over => self.call(&["state", "push", NO_COLOUR, "-force", "-"], using),
        };
        invocation::without_arguments(&mut command);
        let output =
            signals::output(&mut command, Some(state)).map_err(|error| self.not_started(&error))?;
        self.check("state push", &output)
    }

    fn check(&self, what: &str, output: &Output) -> Result<(), CliError> {
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let end = said.ceil_char_boundary(said.len().saturating_sub(MAX_SAID));
        Err(CliError::Failed(format!(
            "`{} {what}` failed ({}):\n{}",
            self.shown(),
            output.status,
            output::harmless_lines(said[end..].trim())
        )))
    }

    /// Why the program did not start.
    pub(in crate::cli) fn not_started(&self, error: &std::io::Error) -> CliError {
        CliError::Failed(format!("{} cannot be started: {error}", self.shown()))
    }
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
