//! The command line: one definition, from which help, completions and environment variables come;
//! one function a command.

mod client;
mod common;
mod output;
mod process;

mod serve;

mod key;
mod state;

mod export;
mod import;
mod keep;

mod module;
mod terraform;

mod configure;
mod run;
mod transfer;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use common::flags::Common;
use common::{environment, wrong};
use keep::{prune, retention, verify};
use module::detect;
use output::Failure;

/// Keeps Terraform and OpenTofu state: every write a version, on one machine, without the internet.
#[derive(Parser)]
#[command(
    name = "statekeep",
    version,
    about,
    disable_help_subcommand = true,
    max_term_width = 120
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Serve(Box<serve::ServeArgs>),
    /// Make, list and end API keys
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Look at states and act on them
    State {
        #[command(subcommand)]
        command: state::StateCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Take in states from files, an export or another backend
    Import {
        #[command(flatten)]
        args: Box<import::ImportArgs>,
        #[command(flatten)]
        common: Common,
    },
    /// Write states with their history as files
    Export {
        #[command(flatten)]
        args: export::ExportArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Check that everything which is kept can be read and is what was written
    Verify {
        #[command(flatten)]
        args: verify::VerifyArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Remove versions that a policy does not keep
    Prune {
        #[command(flatten)]
        args: Box<prune::PruneArgs>,
        #[command(flatten)]
        common: Common,
    },
    /// Say what is kept in a workspace, and look at what is kept where
    Retention {
        #[command(subcommand)]
        command: retention::RetentionCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Say whether a root module says itself where its state goes: 0 it does, 3 it does not, 4 that
    /// cannot be told
    Detect(detect::DetectArgs),
    /// Write the file that says where a module's state goes, where its sources do not
    Configure(Box<configure::ConfigureArgs>),
    /// Run terraform or tofu with its state on this server
    Run(Box<run::RunArgs>),
    /// Move a state along with sources that configure another backend now, or back
    Transfer(Box<transfer::TransferArgs>),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs the command that the arguments say, and gives its exit code: 0 done, 1 failed, 2 wrong
/// usage; of `detect` the answer.
pub fn main() -> ExitCode {
    if process::terminal::put_to_front() {
        return ExitCode::SUCCESS;
    }
    // Files, sockets and directories of ours are for their owner only.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match environment::parse::<Cli>() {
        Ok(cli) => cli,
        Err(error) => wrong::usage(error, &Cli::command()).exit(),
    };
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Key { command, common } => crate::http::block_on(key::run(command, common)),
        Command::State { command, common } => crate::http::block_on(state::run(command, common)),
        Command::Import { args, common } => crate::http::block_on(import::run(*args, common)),
        Command::Export { args, common } => crate::http::block_on(export::run(args, common)),
        Command::Verify { args, common } => crate::http::block_on(verify::run(args, common)),
        Command::Prune { args, common } => crate::http::block_on(prune::run(*args, common)),
        Command::Retention { command, common } => {
            crate::http::block_on(retention::run(command, common))
        }
        Command::Detect(args) => return detect::run(&args).unwrap_or_else(Failure::exit),
        Command::Configure(args) => configure::run(&args),
        Command::Run(args) => return run::run(*args, umask).unwrap_or_else(Failure::exit),
        Command::Transfer(args) => {
            return transfer::run(*args, umask).unwrap_or_else(Failure::exit);
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "statekeep", &mut script);
            output::bytes(&script)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
