//! `statekeep tls …`: certificates for sites that have no authority of their own.

mod authority;
mod files;
mod names;
mod self_signed;

use clap::Subcommand;

use crate::cli::output::CliError;
use crate::cli::tls::self_signed::SelfSignedArgs;

#[derive(Subcommand)]
pub(super) enum TlsCommand {
    /// Make a certificate for the server, and an authority that signs it; run again, it renews the
    /// certificate
    SelfSigned(SelfSignedArgs),
}

/// Runs one of them.
pub(super) fn run(command: &TlsCommand) -> Result<(), CliError> {
    match command {
        TlsCommand::SelfSigned(args) => self_signed::run(args),
    }
}
