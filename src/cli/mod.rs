//! The command line: one definition, from which help, completions and environment variables come;
//! one function a command.

mod client;
mod common;
mod complete;
mod daily;
mod output;
mod process;
mod table;

mod serve;

mod hook;
mod key;
mod state;
mod trust;

mod export;
mod import;
mod keep;

mod module;
mod terraform;

mod configure;
mod installed;
mod login;
mod run;
mod transfer;

mod tls;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use rustix::fs::Mode;

use common::flags::{Common, Volume};
use common::{environment, wrong};
use daily::{events, find, inventory, manual, status, version, whoami};
use keep::{approval, backup, encrypt_storage, prune, quota, restore, retention, salvage, verify};
use module::detect;
use output::CliError;

use crate::config::wants_detailed_exit_codes;
use crate::http::block_on;

pub use import::{ExportedVersion, versions_of_tar};

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
    #[command(flatten)]
    volume: Volume,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Serve(Box<serve::ServeArgs>),
    /// Tell how the server is: health, locks, backups, disk, clock, versions
    Status {
        #[command(flatten)]
        args: status::StatusArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Find instances and outputs in all states, by address, id, name, tag, IP address or host
    Find {
        #[command(flatten)]
        args: find::FindArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Tell what the states are made of: programs, types, sizes, the last apply, and the sums
    Inventory {
        #[command(flatten)]
        args: inventory::InventoryArgs,
        #[command(flatten)]
        common: Common,
    },
    /// List events, newest first, or follow them
    Events {
        #[command(flatten)]
        args: Box<events::EventsArgs>,
        #[command(flatten)]
        common: Common,
    },
    /// Tell as whom a command acts, with which rights, and until when
    Whoami {
        #[command(flatten)]
        common: Common,
    },
    /// Sign in at a server with a key, and keep a token instead of it
    Login {
        #[command(flatten)]
        common: Common,
    },
    /// End the token that `login` keeps, and remove it
    Logout {
        #[command(flatten)]
        common: Common,
    },
    /// Create, list and revoke API keys
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Create, list and remove trusts in the ID tokens of issuers, for pipelines without a secret
    Trust {
        #[command(subcommand)]
        command: trust::TrustCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Tell others of events over HTTP: create, list, test and delete webhooks
    Hook {
        #[command(subcommand)]
        command: hook::HookCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Look at states, and act on them
    State {
        #[command(subcommand)]
        command: state::StateCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Import states from files, an export or another backend
    Import {
        #[command(flatten)]
        args: Box<import::ImportArgs>,
        #[command(flatten)]
        common: Common,
    },
    /// Export states with their history as files
    Export {
        #[command(flatten)]
        args: export::ExportArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Check that every version can be read and is as it was written
    Verify {
        #[command(flatten)]
        args: verify::VerifyArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Take a backup: everything the server has, as one file
    Backup {
        #[command(flatten)]
        args: backup::BackupArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Make a data directory out of a backup
    Restore {
        #[command(flatten)]
        args: restore::RestoreDataArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Write out every version of a damaged data directory that can still be read
    Salvage(salvage::SalvageArgs),
    /// Remove versions that a policy does not keep
    Prune {
        #[command(flatten)]
        args: Box<prune::PruneArgs>,
        #[command(flatten)]
        common: Common,
    },
    /// Show and set the policies that say which versions are kept
    Retention {
        #[command(subcommand)]
        command: retention::RetentionCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Show, approve and refuse acts that wait for a second person
    Approval {
        #[command(subcommand)]
        command: approval::ApprovalCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Show and set what workspaces may have
    Quota {
        #[command(subcommand)]
        command: quota::QuotaCommand,
        #[command(flatten)]
        common: Common,
    },
    /// Seal all content by the server's storage key, beside the service
    EncryptStorage {
        #[command(flatten)]
        args: encrypt_storage::EncryptStorageArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Tell whether a root module configures a backend (exit code 0 yes, 3 no, 4 undecided)
    Detect(detect::DetectArgs),
    /// Write the backend file of a module that configures no backend
    Configure(Box<configure::ConfigureArgs>),
    /// Run terraform or tofu with its state on this server
    Run(Box<run::RunArgs>),
    /// Move a state to the backend that its module configures now, or back
    Transfer(Box<transfer::TransferArgs>),
    /// Make certificates for the server
    Tls {
        #[command(subcommand)]
        command: tls::TlsCommand,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Show the manual: a page, a command or a section
    Help(manual::HelpArgs),
    /// Print the version of this program
    Version,
    /// Write a manual page for each command
    Man {
        /// The directory to write them into
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// Runs the command that the arguments say, and gives its exit code: 0 done, 1 failed, 2 wrong
/// usage; of `detect` the answer.
pub fn main() -> ExitCode {
    if process::terminal::put_to_front() {
        return ExitCode::SUCCESS;
    }
    process::memory::keep_to_itself();
    if let Some(exit) = complete::answered(Cli::command) {
        return exit;
    }
    // Files, sockets and directories of ours are for their owner only.
    let umask = rustix::process::umask(Mode::from_raw_mode(0o077));
    match environment::parse::<Cli>() {
        Ok(cli) => {
            output::set_volume(cli.volume.quiet, cli.volume.verbose);
            let exit = exit_of(&cli.command);
            run_command(cli.command, umask).unwrap_or_else(exit)
        }
        Err(error) => {
            let then = environment::is_for("run").then_some(run::NOT_RUN);
            output::wrong_usage(&wrong::usage(error, &Cli::command()), then)
        }
    }
}

/// How a failure of a command becomes an exit code. The codes of `detect`, and of what a wrapped
/// program ends with, stay as they are.
fn exit_of(command: &Command) -> fn(CliError) -> ExitCode {
    let has_its_own = matches!(
        command,
        Command::Detect(_) | Command::Run(_) | Command::Transfer(_)
    );
    if !has_its_own && wants_detailed_exit_codes() {
        CliError::exit_in_detail
    } else {
        CliError::exit
    }
}

fn run_command(command: Command, umask: Mode) -> Result<ExitCode, CliError> {
    // A wrapped program writes its core files as its user wants.
    if !matches!(command, Command::Run(_) | Command::Transfer(_)) {
        process::memory::write_no_core();
    }
    let done = match command {
        Command::Serve(args) => serve::run(&args),
        Command::Status { args, common } => block_on(status::run(&args, common)),
        Command::Inventory { args, common } => block_on(inventory::run(&args, common)),
        Command::Find { args, common } => block_on(find::run(&args, common)),
        Command::Events { args, common } => block_on(events::run(&args, common)),
        Command::Whoami { common } => block_on(whoami::run(common)),
        Command::Login { common } => block_on(login::login(common)),
        Command::Logout { common } => block_on(login::logout(common)),
        Command::Key { command, common } => block_on(key::run(command, common)),
        Command::Trust { command, common } => block_on(trust::run(command, common)),
        Command::Hook { command, common } => block_on(hook::run(command, common)),
        Command::State { command, common } => block_on(state::run(command, common)),
        Command::Import { args, common } => block_on(import::run(*args, common)),
        Command::Export { args, common } => block_on(export::run(args, common)),
        Command::Verify { args, common } => block_on(verify::run(args, common)),
        Command::Backup { args, common } => block_on(backup::run(args, common)),
        Command::Restore { args, common } => block_on(restore::run(args, common)),
        Command::Salvage(args) => salvage::run(&args),
        Command::Prune { args, common } => block_on(prune::run(*args, common)),
        Command::Retention { command, common } => block_on(retention::run(command, common)),
        Command::Approval { command, common } => block_on(approval::run(command, common)),
        Command::Quota { command, common } => block_on(quota::run(command, common)),
        Command::EncryptStorage { args, common } => block_on(encrypt_storage::run(args, common)),
        Command::Detect(args) => return detect::run(&args),
        Command::Configure(args) => configure::run(&args),
        Command::Run(args) => return run::run(*args, umask),
        Command::Transfer(args) => return transfer::run(*args, umask),
        Command::Tls { command } => tls::run(&command),
        Command::Help(args) => manual::run(&args, &mut Cli::command()),
        Command::Version => version::run(),
        Command::Completions { shell } => installed::completions(Cli::command(), shell),
        Command::Man { dir } => {
            // They are for all who may read manual pages.
            rustix::process::umask(umask);
            installed::pages(Cli::command(), &dir)
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
