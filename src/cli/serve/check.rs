//! `serve --check`: what a start would do, without a start.

use crate::cli::output::{self, CliError};
use crate::config::Config;
use crate::domain::upkeep::start;
use crate::http;

/// Prints what was found, and fails if a start would.
pub(super) fn run(config: &Config) -> Result<(), CliError> {
    let found = http::block_on(start::preview(&config.data, &config.limits));
    for note in &found.notes {
        output::line(note)?;
    }
    for problem in &found.problems {
        output::line(&format!("problem: {problem}"))?;
    }
    if found.problems.is_empty() {
        output::line("a start would succeed; nothing was changed")
    } else {
        Err(CliError::Failed(
            "a start would fail; nothing was changed".to_owned(),
        ))
    }
}
