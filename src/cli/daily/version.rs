//! `statekeep version`: which program this is.

use crate::cli::output::{self, CliError};

/// Prints its name and version.
pub(in crate::cli) fn run() -> Result<(), CliError> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    output::line(&format!("{name} {version}"))
}
