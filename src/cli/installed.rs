//! `statekeep man` and `statekeep completions`: what packages install beside the program, made from
//! the same definition as `--help`.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use crate::cli::output::{self, CliError};

/// Writes a manual page for each command into a directory, which has to be there.
pub(super) fn pages(command: Command, dir: &Path) -> Result<(), CliError> {
    clap_mangen::generate_to(command, dir).map_err(|error| {
        let dir = dir.display();
        CliError::Failed(format!(
            "the manual pages cannot be written into {dir}: {error}. Name a directory that exists \
                and that you may write to"
        ))
    })
}

/// Prints what a shell needs to complete commands.
pub(super) fn completions(mut command: Command, shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "statekeep", &mut script);
    output::bytes(&script)
}
